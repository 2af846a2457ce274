//! Reasons as the issues of an OperationOutcome, and as the text of an audit record.

use concord_fhir::issue::{Issue, IssueCode, Severity};

use crate::decision::{Decision, Layer, Obligation, Reason, Verdict};

/// Rules of other layers that are about the caller and not about the record.
const TOLD: [&str; 5] =
    ["break-glass.reason", "break-glass.sign-in", "office.reason", "role-not-held", "system.purpose"];

/// The issues of a refusal (403). They say what the caller may know: what the token or the request lacks, and who
/// may write what. What
/// a patient decided and what a label hides are left out, so that a refusal tells nothing about a record; those go to
/// the audit log. There is always at least one issue.
#[must_use]
pub fn refusal(reasons: &[Reason]) -> Vec<Issue> {
    let told = reasons.iter().filter(|reason| {
        reason.verdict == Verdict::Denies
            && (matches!(reason.layer, Layer::Assurance | Layer::Scope | Layer::Writing | Layer::Authorship)
                || TOLD.contains(&reason.rule))
    });
    let issues: Vec<Issue> = told.map(issue).collect();
    if issues.is_empty() { vec![Issue::plain(IssueCode::Forbidden, "you may not do this")] } else { issues }
}

fn issue(reason: &Reason) -> Issue {
    let code = match reason.layer {
        Layer::Authorship => IssueCode::BusinessRule,
        _ => IssueCode::Forbidden,
    };
    Issue { rule: Some(reason.rule), ..Issue::plain(code, reason.text.clone()) }
}

/// The notice that goes with whatever a caller of lesser rights sees. It depends on who asks and not on what was found,
/// so that it neither tells that something is hidden nor lets a part pass for the whole.
#[must_use]
pub fn notice(decision: &Decision) -> Option<Issue> {
    decision.obligations.contains(&Obligation::SayMayBeWithheld).then(|| {
        let text = "some information may be withheld because of labels or sharing choices";
        Issue::remark(Severity::Information, IssueCode::Suppressed, text)
    })
}

/// All reasons in one line each, for the audit log: layer, rule, place, text.
#[must_use]
pub fn trail(reasons: &[Reason]) -> Vec<String> {
    let line = |reason: &Reason| {
        let place = match (&reason.consent, &reason.provision) {
            (Some(consent), Some(provision)) => format!(" [{consent} {provision}]"),
            (Some(consent), None) => format!(" [{consent}]"),
            _ => String::new(),
        };
        format!("{}{place}: {}", reason.rule, reason.text)
    };
    reasons.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Action;
    use concord_fhir::predicate::Predicate;

    fn reasons() -> Vec<Reason> {
        let mut consent = Reason::new(Layer::Consent, Verdict::Denies, "consent.deny", "the patient says no");
        consent.consent = Some("Consent/c/_history/1".into());
        consent.provision = Some("provision".into());
        vec![Reason::new(Layer::Scope, Verdict::Denies, "scope.missing", "no scope"), consent]
    }

    fn decision(obligations: Vec<Obligation>) -> Decision {
        Decision {
            action: Action::Search,
            permit: Predicate::None,
            reasons: Vec::new(),
            obligations,
            redactions: Vec::new(),
            unnamed: Predicate::None.into(),
            until: None,
        }
    }

    #[test]
    fn a_refusal_tells_nothing_about_a_record() {
        let told = refusal(&reasons());
        assert_eq!(told.len(), 1);
        assert_eq!((told[0].code, told[0].text.as_str()), (IssueCode::Forbidden, "no scope"));
        let hidden = refusal(&reasons()[1..]);
        assert_eq!((hidden.len(), hidden[0].text.as_str()), (1, "you may not do this"));
        // The log tells a refusal by its rule.
        assert_eq!((told[0].rule, hidden[0].rule), (Some("scope.missing"), None));
        assert_eq!(refusal(&[]), hidden);
        let glass = |rule| Reason::new(Layer::BreakGlass, Verdict::Denies, rule, "why");
        assert_eq!(refusal(&[glass("break-glass.reason")])[0].text, "why");
        assert_eq!(refusal(&[glass("break-glass.refused")]), hidden);
        let authorship = Reason::new(Layer::Authorship, Verdict::Denies, "authorship.other", "not yours");
        assert_eq!(refusal(&[authorship])[0].code, IssueCode::BusinessRule);
    }

    #[test]
    fn the_trail_tells_all() {
        assert_eq!(
            trail(&reasons()),
            ["scope.missing: no scope", "consent.deny [Consent/c/_history/1 provision]: the patient says no"]
        );
        let mut whole = reasons().remove(1);
        whole.provision = None;
        assert_eq!(trail(&[whole]), ["consent.deny [Consent/c/_history/1]: the patient says no"]);
    }

    #[test]
    fn the_notice_depends_on_the_caller_only() {
        assert!(notice(&decision(vec![Obligation::Audit])).is_none());
        let issue = notice(&decision(vec![Obligation::SayMayBeWithheld])).unwrap();
        assert_eq!((issue.severity, issue.code), (Severity::Information, IssueCode::Suppressed));
    }
}
