use concord_fhir::json::Value;
use concord_fhir::rules::instant;

use super::Target;
use super::period::Period;
use super::provision::{Coding, Effect, Provision, coding};
use crate::actor::Actor;
use crate::caller::{App, PrivilegedRole, Proofing};
use crate::purpose::Purpose;
use crate::request::Request;

/// The most provisions of one Consent that are evaluated.
const MOST_PROVISIONS: usize = 200;

const SCOPES: &str = "http://terminology.hl7.org/CodeSystem/consentscope";

/// What a Consent says (R4 "Consent").
#[derive(Clone, Debug, PartialEq)]
pub struct ConsentFacts {
    /// `Consent/id/_history/version`.
    pub name: String,
    /// Whether it takes part in decisions.
    pub standing: Standing,
    /// Whose it is.
    pub patient: Option<Target>,
    /// The first millisecond since 1970 UTC of `dateTime`: it does not count before.
    pub from: Option<i64>,
    /// By which right those whom it names act for the patient, where the law and not the patient gives it.
    pub basis: Option<LegalBasis>,
    /// Whether the proxies whom it names are suspended: for safeguarding, or while their role is looked into.
    pub suspends: bool,
    /// Who agreed to it (`performer`): in the national proxy service, the proxy.
    pub performers: Vec<Target>,
    /// Who made the version what it is, as far as that gives it power.
    pub given_by: GivenBy,
    /// Its rules.
    pub root: Provision,
}

/// Who made a version of a Consent what it is, as far as that gives it power. It is known from who was signed in, and
/// kept beside the version: what the Consent says of it counts for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GivenBy {
    /// The patient, whose identity is proven, in an app of those who keep the record.
    Patient,
    /// A registered system.
    System,
    /// The safeguarding office: what it writes suspends, and shares and denies nothing.
    Safeguarding,
    /// Somebody who only proposes: an app of somebody else, a professional.
    Proposer,
    /// It is not known: it permits nothing, and denies what it says.
    Unknown,
}

impl GivenBy {
    const NUMBERED: [(GivenBy, i16); 4] =
        [(GivenBy::Patient, 1), (GivenBy::System, 2), (GivenBy::Safeguarding, 3), (GivenBy::Proposer, 4)];

    /// The number by which it is stored.
    #[must_use]
    pub fn number(self) -> i16 {
        GivenBy::NUMBERED.iter().find(|(known, _)| *known == self).map_or(0, |(_, number)| *number)
    }

    /// The one that is stored by this number.
    #[must_use]
    pub fn from_number(number: i16) -> GivenBy {
        GivenBy::NUMBERED.iter().find(|(_, known)| *known == number).map_or(GivenBy::Unknown, |(known, _)| *known)
    }

    /// Who a caller is when they write a Consent about a patient. `reason` is why they act in an office.
    #[must_use]
    pub fn of(request: &Request<'_>) -> GivenBy {
        let credentials = &request.caller.credentials;
        match &request.caller.actor {
            _ if credentials.app == App::ThirdParty => GivenBy::Proposer,
            Actor::System => GivenBy::System,
            Actor::Patient(_) if credentials.proofing == Proofing::P9 => GivenBy::Patient,
            Actor::Practitioner(_) | Actor::PractitionerRole(_)
                if credentials.privileged_roles.contains(&PrivilegedRole::SafeguardingLead)
                    && request.good_reason().is_some() =>
            {
                GivenBy::Safeguarding
            }
            _ => GivenBy::Proposer,
        }
    }
}

/// The right by which a proxy acts for a patient (code system England-NHSProxyLegalBasis).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LegalBasis {
    /// A parent or another person with parental responsibility.
    ParentalResponsibility,
    /// An attorney under a lasting power of attorney for health and welfare.
    LastingPowerOfAttorney,
    /// A personal welfare deputy appointed by the court.
    Deputy,
    /// In the patient's best interest.
    BestInterest,
}

impl LegalBasis {
    fn parse(code: &str) -> Option<LegalBasis> {
        match code {
            "parental-responsibility" => Some(LegalBasis::ParentalResponsibility),
            "health-and-welfare-lasting-power-of-attorney" => Some(LegalBasis::LastingPowerOfAttorney),
            "court-appointed-personal-welfare-deputy" => Some(LegalBasis::Deputy),
            "best-interest" => Some(LegalBasis::BestInterest),
            _ => None,
        }
    }

    /// In words, to follow "as".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            LegalBasis::ParentalResponsibility => "a person with parental responsibility",
            LegalBasis::LastingPowerOfAttorney => "the patient's attorney for health and welfare",
            LegalBasis::Deputy => "a deputy appointed by the court",
            LegalBasis::BestInterest => "somebody acting in the patient's best interest",
        }
    }
}

/// Whether and how a Consent takes part in decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It does not: not active, or about something else than privacy (an advance directive, research, treatment).
    Apart,
    /// It does.
    Counts,
    /// It may, but something in it is not understood: its permits do not count, its denials do.
    OnlyDenies(String),
    /// It cannot be understood at all: it denies everything.
    Unreadable(String),
}

impl ConsentFacts {
    /// Every provision of it.
    pub(super) fn each_provision<'a>(&'a self, what: &mut impl FnMut(&'a Provision)) {
        fn each<'a>(provision: &'a Provision, what: &mut impl FnMut(&'a Provision)) {
            what(provision);
            for inner in &provision.provisions {
                each(inner, what);
            }
        }
        each(&self.root, what);
    }

    /// Whether a provision names breaking the glass.
    pub(crate) fn names_break_glass(&self) -> bool {
        let mut names = false;
        self.each_provision(&mut |provision| {
            names |= provision.purposes.iter().any(|one| one.code.as_deref() == Some(Purpose::BREAK_GLASS.code()));
        });
        names
    }

    /// What the Consent says. `base` is the address of the FHIR base, without a slash at its end.
    #[must_use]
    pub fn from_resource(id: &str, version: impl std::fmt::Display, resource: &Value<'_>, base: &str) -> ConsentFacts {
        ConsentFacts::read(format!("Consent/{id}/_history/{version}"), resource, standing(resource), base)
    }

    /// What the Consent would say were it active: for a draft, to ask what it would change.
    #[must_use]
    pub fn from_draft(id: &str, resource: &Value<'_>, base: &str) -> ConsentFacts {
        let standing = match resource.text("status") {
            Some("draft" | "proposed" | "active") => standing_of_active(resource),
            _ => standing(resource),
        };
        ConsentFacts::read(format!("Consent/{id}"), resource, standing, base)
    }

    fn read(name: String, resource: &Value<'_>, standing: Standing, base: &str) -> ConsentFacts {
        let suspends = suspends(resource);
        let mut facts = ConsentFacts {
            name,
            standing,
            patient: resource.get("patient").map(|who| Target::of(who, base)),
            from: None,
            basis: codes_of(resource, PROXY_BASIS).find_map(LegalBasis::parse),
            suspends,
            performers: resource.list("performer").iter().map(|who| Target::of(who, base)).collect(),
            given_by: GivenBy::Unknown,
            root: Provision::silent(),
        };
        if suspends && let Some(provision) = resource.get("provision") {
            // Whom it names is needed although it does not count.
            facts.root = Provision::read(provision, "provision".to_owned(), 0, base);
        }
        if facts.standing == Standing::Apart {
            return facts;
        }
        match resource.get("dateTime").map(|text| text.as_str().and_then(instant::range)) {
            Some(None) => facts.standing.doubt("its dateTime cannot be read"),
            Some(Some((first, _))) => facts.from = Some(first),
            None => {}
        }
        if let Some(provision) = resource.get("provision") {
            facts.root = Provision::read(provision, "provision".to_owned(), 0, base);
        }
        if matches!(facts.standing, Standing::Unreadable(_)) {
            // Of what is not understood at all, nor is until when it is meant.
            facts.root.period = Period::Always;
        }
        if facts.root.count() > MOST_PROVISIONS {
            // Of how many rules it is, it says until when.
            facts.root = Provision { period: facts.root.period, ..Provision::silent() };
            facts.standing = Standing::Unreadable(format!("it has more than {MOST_PROVISIONS} provisions"));
        }
        if facts.root.effect == Effect::Silent {
            facts.root.effect = base_rule(resource, &facts.root);
        }
        facts
    }

    /// The same with what it may do by who made it so: the patient shares and denies, a registered system does that and
    /// says by which right a proxy acts and who is suspended, the safeguarding office suspends, and nobody else does
    /// anything by it.
    #[must_use]
    pub fn given_by(mut self, who: GivenBy) -> ConsentFacts {
        self.given_by = who;
        if who != GivenBy::System {
            self.basis = None;
        }
        match who {
            GivenBy::System => {}
            GivenBy::Patient => self.suspends = false,
            GivenBy::Safeguarding => self.standing = Standing::Apart,
            GivenBy::Proposer => {
                self.suspends = false;
                self.standing = Standing::Apart;
            }
            GivenBy::Unknown => self.standing.doubt("it is not known who made it active"),
        }
        if self.standing == Standing::Apart && !self.suspends {
            // Whom it names affects nobody either.
            self.root = Provision::silent();
            self.performers.clear();
        }
        self
    }

    /// The moments at which it or a rule in it begins or ceases to hold.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = i64> + use<> {
        let mut moments: Vec<i64> = Vec::new();
        if self.standing != Standing::Apart || self.suspends {
            moments.extend(self.from);
            self.root.boundaries(&mut moments);
        }
        moments.into_iter()
    }
}

impl Standing {
    /// Something in it is not understood.
    fn doubt(&mut self, why: &str) {
        if *self == Standing::Counts {
            *self = Standing::OnlyDenies(why.to_owned());
        }
    }
}

/// Whether a resource has a modifier that is not understood (R4 "Extensibility", modifier extensions; "Resource",
/// implicitRules).
pub(super) fn has_modifier(resource: &Value<'_>) -> bool {
    resource.get("modifierExtension").is_some() || resource.get("implicitRules").is_some()
}

fn standing(resource: &Value<'_>) -> Standing {
    match resource.text("status") {
        Some("active") => {}
        Some("draft" | "proposed" | "rejected" | "inactive" | "entered-in-error") => return Standing::Apart,
        _ => return Standing::Unreadable("its status is not known".to_owned()),
    }
    standing_of_active(resource)
}

fn standing_of_active(resource: &Value<'_>) -> Standing {
    let scopes: Vec<Coding> =
        resource.get("scope").map_or(&[][..], |scope| scope.list("coding")).iter().map(coding).collect();
    let is = |code: &str| scopes.iter().any(|scope| scope.system == SCOPES && scope.code.as_deref() == Some(code));
    let mut standing = if is("patient-privacy") {
        Standing::Counts
    } else if scopes.is_empty() || scopes.iter().any(|scope| scope.system.is_empty()) {
        Standing::OnlyDenies("its scope is not said with a code and a system".to_owned())
    } else {
        return Standing::Apart;
    };
    if ["adr", "research", "treatment"].into_iter().any(is) {
        standing.doubt("it has another scope besides patient-privacy");
    }
    if has_modifier(resource) {
        standing.doubt("it has a modifier that is not understood");
    }
    standing
}

/// The reasons of a Consent's status for which the proxies whom it names are shut out at once.
const SUSPENDED: [&str; 3] =
    ["APPLICATION_REJECTED_SAFEGUARDING", "ROLE_DEACTIVATED_SAFEGUARDING", "ROLE_SUSPENDED_PENDING_REVIEW"];

/// Whether the status has one of those reasons (the national proxy service's extension).
fn suspends(resource: &Value<'_>) -> bool {
    let extensions = resource.list("extension").iter().chain(resource.list("modifierExtension"));
    let reasons = extensions
        .filter(|one| one.text("url").is_some_and(|url| url.ends_with("/Extension-England-Consent-Status-Reason")));
    reasons
        .filter_map(|one| one.get("valueCodeableConcept"))
        .flat_map(|concept| concept.list("coding"))
        .any(|coding| coding.text("code").is_some_and(|code| SUSPENDED.contains(&code)))
}

/// The last part of the code system of legal bases.
const PROXY_BASIS: &str = "/England-NHSProxyLegalBasis";

/// The codes of the policy rule in systems that end so.
fn codes_of<'a>(resource: &'a Value<'_>, system: &'a str) -> impl Iterator<Item = &'a str> {
    let codings = resource.get("policyRule").map_or(&[][..], |rule| rule.list("coding"));
    codings
        .iter()
        .filter(move |coding| coding.text("system").unwrap_or_default().ends_with(system))
        .filter_map(|coding| coding.text("code"))
}

/// What a root without a type does: what the policy says (v3 ActCode, consent directives; IHE PCF, policies). Without
/// one it denies those whom it names. A root that names nobody and says nothing only holds the rules inside it: to deny
/// everybody takes a `deny` or a policy.
fn base_rule(resource: &Value<'_>, root: &Provision) -> Effect {
    let is = |wanted: &[&str]| codes_of(resource, "").any(|code| wanted.contains(&code));
    let policies = resource.list("policy").iter().filter_map(|policy| policy.text("uri"));
    let mut pcf = policies.filter_map(|uri| uri.strip_prefix("https://profiles.ihe.net/ITI/PCF/"));
    if is(&["OPTIN", "OPTINR", "NOCONSENT"])
        || pcf.any(|name| matches!(name, "Policy-deny" | "Policy-break-glass-only"))
    {
        Effect::Deny
    } else if is(&["OPTOUT", "OPTOUTE", "IMPLIED", "IMPLIEDD", "INFA"]) && root.has_criteria() {
        Effect::Permit
    } else if root.actors.is_empty() {
        Effect::Silent
    } else {
        Effect::Deny
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_provisions_as_the_limit_are_read_and_no_more() {
        let rule = || Value::object([("type", Value::string("permit"))]);
        let of = |inner: usize| {
            let root = Value::object([("provision", Value::Array((0..inner).map(|_| rule()).collect()))]);
            let scope = Value::object([("system", Value::string(SCOPES)), ("code", Value::string("patient-privacy"))]);
            let resource = Value::object([
                ("status", Value::string("active")),
                ("scope", Value::object([("coding", Value::Array(vec![scope]))])),
                ("provision", root),
            ]);
            ConsentFacts::from_resource("c", 1, &resource, "")
        };
        // The root is one of them.
        let most = of(MOST_PROVISIONS - 1);
        assert_eq!((most.standing, most.root.count()), (Standing::Counts, MOST_PROVISIONS));
        for more in [MOST_PROVISIONS, MOST_PROVISIONS + 1] {
            let facts = of(more);
            assert!(matches!(facts.standing, Standing::Unreadable(_)) && facts.root.provisions.is_empty());
        }
    }

    #[test]
    fn who_made_it_is_stored_by_a_number() {
        for (who, number) in [
            (GivenBy::Unknown, 0),
            (GivenBy::Patient, 1),
            (GivenBy::System, 2),
            (GivenBy::Safeguarding, 3),
            (GivenBy::Proposer, 4),
        ] {
            assert_eq!((who.number(), GivenBy::from_number(number)), (number, who));
        }
        assert_eq!(GivenBy::from_number(5), GivenBy::Unknown);
    }

    #[test]
    fn who_makes_it_is_who_is_signed_in() {
        use crate::request::Action;
        use crate::tests::cases::caller;
        let of = |actor: &str, change: fn(&mut crate::caller::Credentials), reason: Option<&str>| {
            let mut caller = caller(actor, "user/*.cruds patient/*.cruds system/*.cruds", None);
            change(&mut caller.credentials);
            GivenBy::of(&Request {
                caller: &caller,
                action: Action::Create,
                resource_type: None,
                purpose: None,
                reason,
            })
        };
        let why = Some("a disclosure at school");
        assert_eq!(of("Patient/p1", |_| (), None), GivenBy::Patient);
        assert_eq!(of("Patient/p1", |of| of.proofing = Proofing::P5, None), GivenBy::Proposer);
        assert_eq!(of("Patient/p1", |of| of.app = App::ThirdParty, None), GivenBy::Proposer);
        assert_eq!(of("System", |_| (), None), GivenBy::System);
        assert_eq!(of("System", |of| of.app = App::ThirdParty, None), GivenBy::Proposer);
        assert_eq!(of("RelatedPerson/c1", |_| (), why), GivenBy::Proposer);
        assert_eq!(of("Practitioner/gp", |_| (), why), GivenBy::Proposer);
        let lead = |of: &mut crate::caller::Credentials| of.privileged_roles = vec![PrivilegedRole::SafeguardingLead];
        assert_eq!(of("Practitioner/gp", lead, why), GivenBy::Safeguarding);
        assert_eq!(of("Practitioner/gp", lead, Some("short")), GivenBy::Proposer);
        let officer = |of: &mut crate::caller::Credentials| of.privileged_roles = vec![PrivilegedRole::PrivacyOfficer];
        assert_eq!(of("Practitioner/gp", officer, why), GivenBy::Proposer);
    }

    #[test]
    fn every_legal_basis_is_told_in_words_of_its_own() {
        for (code, words) in [
            ("parental-responsibility", "a person with parental responsibility"),
            ("health-and-welfare-lasting-power-of-attorney", "the patient's attorney for health and welfare"),
            ("court-appointed-personal-welfare-deputy", "a deputy appointed by the court"),
            ("best-interest", "somebody acting in the patient's best interest"),
        ] {
            assert_eq!(LegalBasis::parse(code).map(LegalBasis::words), Some(words));
        }
    }
}
