//! Goal: negotiated, so everybody accepts for themselves only, and a change of anything that was agreed asks everybody else again
//! (R4 "Goal", extension goal-acceptance).

use super::parties::{self, ACCEPTANCE, Party};
use super::said::{is_kept_alike, is_same, marks};
use super::writer::{Settings, WriteContext, Writer, WriterKind, local_reference};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;

/// The system of the codes of [`Agreement`].
pub const AGREEMENT_SYSTEM: &str = "urn:concord:goal-agreement";

/// What of a goal is not agreed upon, with the reason; what stands beside it (`_lifecycleStatus`) is not either. Everything else
/// is: whoever changes it asks the others again. So is what says more in `meta` or `identifier` than how it is kept.
const NOT_AGREED_UPON: [(&str, &str); 11] = [
    ("resourceType", "is always the same"),
    ("id", "is always the same"),
    ("meta", "labels, tags and what the server stamps: how it is kept, and not what is aimed at"),
    ("identifier", "under which number somebody else keeps it"),
    ("lifecycleStatus", "how far it is; what the patient accepts has a rule of its own"),
    ("achievementStatus", "how it goes"),
    ("statusDate", "since when it is so"),
    ("statusReason", "why it is so"),
    ("outcomeCode", "what came of it"),
    ("outcomeReference", "what came of it"),
    ("note", "the words of whoever signs them, beside it"),
];

/// How it goes, which is told of a negotiation too.
const STATES: [&str; 2] = ["lifecycleStatus", "achievementStatus"];

/// Which elements of what is agreed upon differ in two versions, each once. Of the extensions, the words of the parties are what
/// they say about it.
fn changed_terms(one: &Value<'_>, other: &Value<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for member in parties::members(one, other) {
        let element = member.strip_prefix('_').unwrap_or(&member);
        let is_same = match member.as_str() {
            name @ ("meta" | "identifier") => is_kept_alike(name, one, other),
            _ if NOT_AGREED_UPON.iter().any(|(name, _)| *name == element) => true,
            "extension" => has_same_extensions(one, other),
            _ => is_same(one.get(&member), other.get(&member)),
        };
        if !is_same && !found.iter().any(|known| known == element) {
            found.push(element.to_owned());
        }
    }
    found
}

/// Whether two versions have the same extensions besides the words of the parties, in the same order.
fn has_same_extensions(one: &Value<'_>, other: &Value<'_>) -> bool {
    let besides = |value: &Value<'_>| -> Vec<Value<'static>> {
        let extensions = value.list("extension").iter().filter(|entry| entry.text("url") != Some(ACCEPTANCE));
        extensions.cloned().map(Value::into_owned).collect()
    };
    let (one, other) = (besides(one), besides(other));
    one.len() == other.len() && one.iter().zip(&other).all(|(one, other)| one.same(other))
}

/// Whether the parties agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// Nobody has been asked. A goal needs nobody's agreement.
    None,
    /// Somebody's word is awaited, or only one side has spoken.
    Pending,
    /// Somebody disagrees.
    Disagreed,
    /// Everybody listed agrees, with the patient or somebody who speaks for the patient, and a professional, among them.
    Agreed,
}

impl Agreement {
    /// Its code.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Agreement::None => "none",
            Agreement::Pending => "pending",
            Agreement::Disagreed => "disagreed",
            Agreement::Agreed => "agreed",
        }
    }
}

/// One party's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// Its position among the goal's extensions.
    pub position: usize,
    /// Whose, `Type/id`; empty for a reference to something that is not here.
    pub individual: String,
    /// `agree`, `disagree` or `pending`.
    pub status: String,
    /// How important it is to them, as text; empty for none.
    pub priority: String,
}

/// The words of the parties of a goal, in their order.
#[must_use]
pub fn acceptances(goal: &Value<'_>, base: &str) -> Vec<Acceptance> {
    let read = |(position, entry): (usize, &Value<'_>)| {
        let part = |name| entry.list("extension").iter().find(move |part| part.text("url") == Some(name));
        let individual = part("individual")
            .and_then(|part| part.get("valueReference"))
            .and_then(|value| value.text("reference"))
            .and_then(|reference| local_reference(base, reference));
        let status = part("status").and_then(|part| part.text("valueCode")).unwrap_or("pending");
        let priority = part("priority").and_then(|part| part.get("valueCodeableConcept"));
        let coded = |concept: &Value<'_>| {
            let coding = concept.list("coding").first().and_then(|coding| coding.text("code"));
            concept.text("text").or(coding).unwrap_or_default().to_owned()
        };
        Acceptance {
            position,
            individual: individual.unwrap_or_default(),
            status: status.to_owned(),
            priority: priority.map(coded).unwrap_or_default(),
        }
    };
    let extensions = goal.list("extension").iter().enumerate();
    extensions.filter(|(_, entry)| entry.text("url") == Some(ACCEPTANCE)).map(read).collect()
}

/// Whether the parties of a goal agree.
#[must_use]
pub fn agreement(goal: &Value<'_>, base: &str) -> Agreement {
    let words = acceptances(goal, base);
    let of = |types: [&str; 2]| {
        words.iter().any(|word| word.individual.split('/').next().is_some_and(|one| types.contains(&one)))
    };
    if words.is_empty() {
        Agreement::None
    } else if words.iter().any(|word| word.status == "disagree") {
        Agreement::Disagreed
    } else if words.iter().all(|word| word.status == "agree")
        && of(["Patient", "RelatedPerson"])
        && of(["Practitioner", "PractitionerRole"])
    {
        Agreement::Agreed
    } else {
        Agreement::Pending
    }
}

/// What a version of a goal changed, in words: the terms and the words of parties, and nothing else.
#[must_use]
pub fn changes(before: Option<&Value<'_>>, after: &Value<'_>, base: &str) -> Vec<String> {
    let mut told = Vec::new();
    let Some(before) = before else {
        told.push("the goal was proposed".to_owned());
        for word in acceptances(after, base) {
            told.push(format!("{}: {}", word.individual, word.status));
        }
        return told;
    };
    let terms = changed_terms(before, after).into_iter();
    let states = STATES.into_iter().filter(|name| !is_same(before.get(name), after.get(name))).map(str::to_owned);
    told.extend(terms.chain(states).map(|element| format!("{element} was changed")));
    let old = acceptances(before, base);
    for word in acceptances(after, base) {
        let known = old.iter().find(|other| other.individual == word.individual);
        if known.is_none_or(|known| known.status != word.status) {
            told.push(format!("{}: {}", word.individual, word.status));
        }
    }
    told
}

/// Whether somebody who is party to a goal agrees by a change to what stands there: gives their word, or accepts the goal. A system hands in
/// what others have agreed to.
#[must_use]
pub fn agrees(goal: &Value<'_>, previous: &Value<'_>, writer: &Writer, base: &str) -> bool {
    if writer.kind == WriterKind::System {
        return false;
    }
    let accepted = |goal: &Value<'_>| goal.text("lifecycleStatus") == Some("accepted");
    let before = acceptances(previous, base);
    let is_new = |word: &Acceptance| {
        let stood = before.iter().find(|stood| stood.individual == word.individual);
        stood.is_none_or(|stood| stood.status != "agree")
    };
    let mut own = acceptances(goal, base).into_iter().filter(|word| writer.is(&word.individual));
    own.any(|word| word.status == "agree" && is_new(&word)) || (accepted(goal) && !accepted(previous))
}

pub(super) fn check(goal: &mut Value<'_>, context: &WriteContext<'_>, issues: &mut Vec<Issue>) {
    let WriteContext { previous, writer, .. } = *context;
    check_targets(goal, issues);
    // It says what others have agreed, and one that nobody has registered does not.
    if writer.kind == WriterKind::System {
        return;
    }
    let accepted = |goal: &Value<'_>| goal.text("lifecycleStatus") == Some("accepted");
    if matches!(writer.kind, WriterKind::Professional | WriterKind::Unregistered) && accepted(goal) {
        let stood = previous.filter(|previous| accepted(previous.value));
        let text = match stood.map(|previous| changed_terms(previous.value, goal)).as_deref() {
            None => Some("only the patient can accept a goal: leave it `proposed` or `planned`"),
            Some([]) => None,
            Some(_) => Some(
                "the patient has accepted another goal than this: make it `proposed` or `planned`, to be accepted anew",
            ),
        };
        issues.extend(text.map(|text| Issue::error(IssueCode::BusinessRule, "Goal.lifecycleStatus", text)));
    }
    if let Some(previous) = previous.filter(|previous| !previous.own) {
        parties::check("Goal", goal, previous.value, Party::Other, issues);
        check_extensions(goal, previous.value, issues);
    }
    check_acceptances(goal, context, issues);
    parties::check_signatures("Goal", goal, context, issues);
    if let Some(previous) = previous {
        parties::check_notes("Goal", goal, previous, context, issues);
        ask_again(goal, previous.value, context, issues);
    }
}

/// gol-1: a target's detail needs the measure that it is a detail of.
fn check_targets(resource: &Value<'_>, issues: &mut Vec<Issue>) {
    for (position, target) in resource.list("target").iter().enumerate() {
        let has_detail =
            target.as_object().is_some_and(|target| target.0.iter().any(|(name, _)| name.starts_with("detail")));
        if has_detail && target.get("measure").is_none() {
            let place = format!("Goal.target[{position}].measure");
            issues.push(Issue::error(IssueCode::Invariant, place, "gol-1: a target with a detail needs a measure"));
        }
    }
}

/// Whoever did not write the goal first negotiates it and leaves the rest: of its extensions, all but the words.
fn check_extensions(goal: &Value<'_>, previous: &Value<'_>, issues: &mut Vec<Issue>) {
    if !has_same_extensions(goal, previous) {
        let text = "somebody else wrote this goal: of its extensions, only your acceptance is yours to change";
        issues.push(Issue::error(IssueCode::BusinessRule, "Goal.extension", text));
    }
}

/// Whether an entry is a word and nothing else: whose, what, and how important.
fn is_plain_word(entry: &Value<'_>) -> bool {
    let named = |value: &Value<'_>, names: &[&str]| {
        value.as_object().is_some_and(|object| object.0.iter().all(|(name, _)| names.contains(&name.as_ref())))
    };
    named(entry, &["url", "extension"])
        && entry.list("extension").iter().all(|part| {
            let value = match part.text("url") {
                Some("individual") => "valueReference",
                Some("status") => "valueCode",
                Some("priority") => "valueCodeableConcept",
                _ => return false,
            };
            named(part, &["url", value]) && part.get(value).is_none_or(|value| marks(value).is_empty())
        })
}

/// Whether an entry says whose word it is, what it is, or how important, more than once: each reader would take another for it.
fn says_twice(entry: &Value<'_>) -> bool {
    let parts = entry.list("extension");
    let twice = |name: &&str| parts.iter().filter(|part| part.text("url") == Some(name)).count() > 1;
    ["individual", "status", "priority"].iter().any(twice)
}

/// The types of those who have a word in a goal (extension goal-acceptance, `individual`).
const PARTIES: [&str; 6] = ["Patient", "RelatedPerson", "Practitioner", "PractitionerRole", "CareTeam", "Organization"];

/// Whether everything that an entry names is somebody who may have a word.
fn names_parties(entry: &Value<'_>, settings: &Settings<'_>) -> bool {
    let mut named = Vec::new();
    named_in(entry, &mut named);
    let local = named.into_iter().filter_map(|named| settings.local(named));
    let mut types = local.map(|local| local.split('/').next().unwrap_or_default().to_owned());
    types.all(|named| PARTIES.contains(&named.as_str()))
}

/// The references in a value, at any depth.
fn named_in<'v>(value: &'v Value<'_>, found: &mut Vec<&'v str>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| named_in(item, found)),
        Value::Object(object) => {
            found.extend(value.text("reference"));
            object.0.iter().for_each(|(_, member)| named_in(member, found));
        }
        _ => {}
    }
}

/// Whether an entry is what it was, or the same while it waits again.
fn is_kept(new: &Value<'_>, old: &Value<'_>) -> bool {
    let mut waiting = old.clone().into_owned();
    wait(&mut waiting);
    new.same(old) || new.same(&waiting)
}

/// Makes a word wait.
fn wait(entry: &mut Value<'_>) {
    let Some(Value::Array(parts)) = entry.as_object_mut().and_then(|entry| entry.get_mut("extension")) else { return };
    for part in parts.iter_mut().filter(|part| part.text("url") == Some("status")) {
        if let Some(part) = part.as_object_mut() {
            part.set("valueCode", Value::string("pending"));
        }
    }
}

/// Whether an entry says how important the goal is.
fn says_a_priority(entry: &Value<'_>) -> bool {
    entry.list("extension").iter().any(|part| part.text("url") == Some("priority"))
}

/// What a word may say of whom it names besides the reference: another name or number would make it a word of somebody else to
/// whoever reads that.
const NAMES: [&str; 2] = ["display", "identifier"];

/// Leaves out what else a word that was not there calls whom it names by a reference.
fn leave_out_names(goal: &mut Value<'_>, previous: Option<&Value<'_>>, base: &str) {
    let stood = |entry: &Value<'_>| previous.is_some_and(|old| old.list("extension").iter().any(|one| one.same(entry)));
    let words = acceptances(goal, base).into_iter().filter(|word| !word.individual.is_empty());
    let new = words.filter(|word| goal.list("extension").get(word.position).is_some_and(|entry| !stood(entry)));
    let positions: Vec<usize> = new.map(|word| word.position).collect();
    let Some(Value::Array(entries)) = goal.as_object_mut().and_then(|goal| goal.get_mut("extension")) else { return };
    for position in positions {
        let entry = entries.get_mut(position).and_then(Value::as_object_mut);
        let Some(Value::Array(parts)) = entry.and_then(|entry| entry.get_mut("extension")) else { continue };
        for part in parts.iter_mut().filter_map(Value::as_object_mut) {
            if let Some(named) = part.get_mut("valueReference").and_then(Value::as_object_mut) {
                NAMES.iter().for_each(|name| drop(named.remove(name)));
            }
        }
    }
}

/// Why a word may not be given that was not there or was another one; `is_new`: nobody has asked that party before.
fn refusal(entry: &Value<'_>, word: &Acceptance, is_new: bool, context: &WriteContext<'_>) -> Option<&'static str> {
    let is_own = context.writer.is(&word.individual);
    if says_twice(entry) {
        Some("a word says once whose it is, what it is and how important")
    } else if !is_own && (!is_new || word.status != "pending") {
        Some(
            "everybody accepts a goal for themselves: leave the entry of somebody else as it is; that of somebody new must \
             be `pending`",
        )
    } else if !is_plain_word(entry) {
        Some("a word is an individual, a status and a priority, and nothing else")
    } else if !is_own && says_a_priority(entry) {
        Some(
            "how important a goal is everybody says for themselves: the entry of somebody new is `pending`, and no more",
        )
    } else if !names_parties(entry, context.settings) {
        Some("a word is that of a person, a team or an organisation: name nothing else in it")
    } else {
        None
    }
}

/// Everybody speaks for themselves: another party's word is what it was, and that of somebody new only waits.
fn check_acceptances(goal: &mut Value<'_>, context: &WriteContext<'_>, issues: &mut Vec<Issue>) {
    let WriteContext { writer, settings, .. } = *context;
    let previous = context.previous.map(|previous| previous.value);
    leave_out_names(goal, previous, settings.base);
    let words = acceptances(goal, settings.base);
    let before = previous.map(|previous| acceptances(previous, settings.base)).unwrap_or_default();
    for (at, word) in words.iter().enumerate() {
        let place = format!("Goal.extension[{}]", word.position);
        if !word.individual.is_empty() && words.iter().take(at).any(|other| other.individual == word.individual) {
            let text = "this party has a word already: everybody has one";
            issues.push(Issue::error(IssueCode::BusinessRule, place, text));
            continue;
        }
        let Some(entry) = goal.list("extension").get(word.position) else { continue };
        let known = before.iter().find(|other| other.individual == word.individual);
        let stood = known.and_then(|known| previous?.list("extension").get(known.position));
        if stood.is_some_and(|stood| is_kept(entry, stood)) {
            continue;
        }
        let refused = refusal(entry, word, known.is_none(), context);
        issues.extend(refused.map(|text| Issue::error(IssueCode::BusinessRule, place, text)));
    }
    for gone in before.iter().filter(|word| !writer.is(&word.individual)) {
        if !words.iter().any(|word| word.individual == gone.individual) {
            let text = format!("the word of {} is not yours to take out", gone.individual);
            issues.push(Issue::error(IssueCode::BusinessRule, "Goal.extension", text));
        }
    }
}

/// When the terms change, what the others agreed to is no longer there: their words wait again.
fn ask_again(goal: &mut Value<'_>, previous: &Value<'_>, context: &WriteContext<'_>, issues: &mut Vec<Issue>) {
    let WriteContext { writer, settings, .. } = *context;
    let is_refused = issues.iter().any(|issue| issue.severity == Severity::Error);
    if is_refused || changed_terms(previous, goal).is_empty() {
        return;
    }
    let waiting: Vec<usize> = acceptances(goal, settings.base)
        .iter()
        .filter(|word| !writer.is(&word.individual) && word.status != "pending")
        .map(|word| word.position)
        .collect();
    let Some(Value::Array(extensions)) = goal.as_object_mut().and_then(|goal| goal.get_mut("extension")) else {
        return;
    };
    for position in waiting {
        let Some(entry) = extensions.get_mut(position) else { continue };
        wait(entry);
        let text = "the terms of the goal have changed, so this party is asked again: `pending`";
        let place = format!("Goal.extension[{position}]");
        issues.push(Issue::remark_at(Severity::Information, IssueCode::Informational, place, text));
    }
}

#[cfg(test)]
mod tests;
