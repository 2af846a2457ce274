//! What several parties write: which element which party may change. Everything else stays as it was written: it is
//! refused with its place, or kept as it was, as its row says.
//!
//! Extensions, ids and what stands beside a primitive (`_status`) belong to the element that bears them and to the one who
//! wrote it: also in an element that is a party's to change, they stay.

use super::communication::CORRECTIONS;
use super::previous::Previous;
use super::said::{is_kept_alike, is_same, marks};
use super::writer::WriteContext;
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;
use crate::schema::{TargetRemarks, walk};

/// The extension that holds one party's word.
pub(super) const ACCEPTANCE: &str = "http://hl7.org/fhir/StructureDefinition/goal-acceptance";

/// Which of [`CORRECTIONS`] the task is about; none for another task.
#[must_use]
pub fn correction(resource: &Value<'_>) -> Option<&'static str> {
    let codings = resource.get("code").map_or(&[][..], |code| code.list("coding"));
    let codes = || codings.iter().filter_map(|coding| coding.text("code"));
    CORRECTIONS.iter().copied().find(|known| codes().any(|code| code == *known))
}

/// Who writes, as far as a resource of several parties tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Party {
    /// Who asked for it, or the patient whom it is for.
    Asker,
    /// Anybody else whom the access decision lets change it.
    Other,
}

/// What becomes of a change that a party may not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    /// The write is refused.
    Refused,
    /// The element stays as it was, and the write stands.
    Kept,
}

/// One element.
struct Row {
    element: &'static str,
    /// Who may change it.
    parties: &'static [Party],
    otherwise: Otherwise,
}

const fn row(element: &'static str, parties: &'static [Party]) -> Row {
    Row { element, parties, otherwise: Otherwise::Refused }
}

/// Labels, tags and profiles are changed by `$meta-add`, `$meta-delete` and `$release`, by whose they are. Kept and not
/// refused: a reader is shown labels there that stand beside the resource, and sends them back.
const META: Row = Row { element: "meta", parties: &[], otherwise: Otherwise::Kept };

/// The elements of one type.
struct Shared {
    name: &'static str,
    rows: &'static [Row],
    /// Why the rest stays.
    refusal: &'static str,
}

use Party::{Asker, Other};

/// The types that several parties write, see [`super::is_multi_author`]. An element without a row is nobody's but the
/// first writer's. Who wrote a goal first changes all of it but the words of others, which the rules of the type hold;
/// the Task of a correction is nobody's: the server made it of what was asked.
const TABLE: [Shared; 2] = [
    Shared {
        name: "Goal",
        rows: &[
            META,
            row("description", &[Other]),
            row("target", &[Other]),
            row("priority", &[Other]),
            row("lifecycleStatus", &[Other]),
            row("achievementStatus", &[Other]),
            row("statusDate", &[Other]),
            row("statusReason", &[Other]),
            // Their own: the rules of the type hold those of others.
            row("note", &[Other]),
            row("extension", &[Other]),
        ],
        refusal: "somebody else wrote this goal: you may negotiate its description, target and priority, say how it goes, \
                  and accept it or not",
    },
    Shared {
        name: "Task",
        rows: &[
            META,
            row("status", &[Asker, Other]),
            row("businessStatus", &[Asker, Other]),
            row("statusReason", &[Asker, Other]),
            row("lastModified", &[Asker, Other]),
            row("owner", &[Other]),
            row("executionPeriod", &[Other]),
            row("output", &[Other]),
            row("note", &[Other]),
        ],
        refusal: "what was asked stays as it is: who asked may take it back, the professional says how far it is, answers it \
                  and adds notes",
    },
];

/// Whether what stands in an element of a resource is there for another party than its first writer to say: `value` is
/// an item of the member `name`. Of a goal's extensions these are the words of the parties.
pub(crate) fn is_a_partys(resource: &Value<'_>, name: &str, value: &Value<'_>) -> bool {
    let of_type = |shared: &&Shared| resource.text("resourceType") == Some(shared.name);
    let Some(shared) = TABLE.iter().find(of_type).filter(|_| is_of_several(resource)) else { return false };
    let is_theirs = shared.rows.iter().any(|row| row.element == name && !row.parties.is_empty());
    is_theirs && (name != "extension" || value.text("url") == Some(ACCEPTANCE))
}

/// Whether a resource is written by several parties, each its part.
pub(super) fn is_of_several(resource: &Value<'_>) -> bool {
    match resource.text("resourceType") {
        Some("Goal") => true,
        Some("Task") => correction(resource).is_some(),
        _ => false,
    }
}

/// Whether some resources of the type are written by several parties.
pub(super) fn has(name: &str) -> bool {
    TABLE.iter().any(|shared| shared.name == name)
}

/// Puts back what is kept, and names every other change that the party may not make.
pub(super) fn check(name: &str, resource: &mut Value<'_>, previous: &Value<'_>, party: Party, issues: &mut Vec<Issue>) {
    let Some(shared) = TABLE.iter().find(|shared| shared.name == name) else { return };
    for member in members(resource, previous) {
        if ["resourceType", "id"].contains(&member.as_str()) || is_same(resource.get(&member), previous.get(&member)) {
            continue;
        }
        let element = member.trim_start_matches('_');
        let place = format!("{name}.{element}");
        let row = shared.rows.iter().find(|row| row.element == member);
        match row {
            Some(row) if row.parties.contains(&party) => {
                if element != "extension" && !marks_stay(resource.get(&member), previous.get(&member)) {
                    let text = "the extensions and ids in this element are not yours to change: leave them as they are";
                    issues.push(Issue::error(IssueCode::BusinessRule, place, text));
                }
            }
            Some(row) if row.otherwise == Otherwise::Kept => keep(resource, previous, &member),
            _ => issues.push(Issue::error(IssueCode::BusinessRule, place, shared.refusal)),
        }
    }
    check_targets(resource, previous, issues);
}

/// What a party says names what R4 has there: whom a task is handed to and who signs are people, teams and services, and
/// nothing of a record.
fn check_targets(resource: &Value<'_>, previous: &Value<'_>, issues: &mut Vec<Issue>) {
    let found = |resource: &Value<'_>| {
        let mut targets = TargetRemarks::on(resource);
        walk(resource, &mut |met| targets.see(met));
        targets.issues()
    };
    let before = found(previous);
    let news = found(resource).into_iter().filter(|one| before.iter().all(|known| known.expression != one.expression));
    issues.extend(news.map(|one| Issue { severity: Severity::Error, code: IssueCode::BusinessRule, ..one }));
}

/// Elements that say how a Task is kept, and nothing of what was asked.
const HOW_IT_IS_KEPT: [&str; 2] = ["meta", "identifier"];

/// Whether a version of the Task of a correction leaves what was asked as it stood, whoever writes it: it says how far that is, and
/// what the answer is, as a party may: with nothing in it that is no element of its own.
#[must_use]
pub fn leaves_what_was_asked(task: &Value<'_>, previous: &Value<'_>) -> bool {
    let rows = TABLE.iter().find(|shared| shared.name == "Task").map_or(&[][..], |shared| shared.rows);
    let is_partys = |member: &str| rows.iter().any(|row| row.element == member && !row.parties.is_empty());
    let mut members = members(task, previous).into_iter();
    let stays = |member: String| match member.as_str() {
        name if HOW_IT_IS_KEPT.contains(&name) => is_kept_alike(name, task, previous),
        name if is_partys(name) => marks_stay(task.get(name), previous.get(name)),
        name => is_same(task.get(name), previous.get(name)),
    };
    correction(previous).is_some() && members.all(stays)
}

/// The members of both, each once.
pub(super) fn members(one: &Value<'_>, other: &Value<'_>) -> Vec<String> {
    let both = [one, other].into_iter().filter_map(Value::as_object).flat_map(|object| object.0.iter());
    let mut names: Vec<String> = both.map(|(name, _)| name.to_string()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn keep(resource: &mut Value<'_>, previous: &Value<'_>, member: &str) {
    let Some(object) = resource.as_object_mut() else { return };
    object.remove(member);
    if let Some(kept) = previous.get(member) {
        object.set_at(2, member.to_owned(), kept.clone().into_owned());
    }
}

/// Whether what is no element of its own inside a value is the same in both: extensions, ids, and what stands beside a
/// primitive.
fn marks_stay(new: Option<&Value<'_>>, old: Option<&Value<'_>>) -> bool {
    let new = new.map(marks).unwrap_or_default();
    let mut old = old.map(marks).unwrap_or_default();
    let found = new.iter().all(|(name, value)| {
        let at = old.iter().position(|(known, other)| known == name && value.same(other));
        at.map(|at| old.swap_remove(at)).is_some()
    });
    found && old.is_empty()
}

/// Whose a note is: the writer's if it is signed so; none for one that nobody here has signed.
fn is_signed(note: &Value<'_>, context: &WriteContext<'_>) -> Option<bool> {
    let by = note.get("authorReference").and_then(|by| by.text("reference"));
    by.and_then(|by| context.settings.local(by)).map(|by| context.writer.is(&by))
}

/// What others have noted stays. A note that nobody has signed is the first writer's.
pub(super) fn check_notes(
    name: &str,
    resource: &Value<'_>,
    previous: &Previous<'_>,
    context: &WriteContext<'_>,
    issues: &mut Vec<Issue>,
) {
    let own = |note: &Value<'_>| is_signed(note, context).unwrap_or(previous.own);
    let kept = resource.list("note");
    if previous.value.list("note").iter().any(|note| !own(note) && !kept.iter().any(|kept| kept.same(note))) {
        let text = "what others have noted stays as it is: add your note after theirs";
        issues.push(Issue::error(IssueCode::BusinessRule, format!("{name}.note"), text));
    }
}

/// A new note is signed by its writer, by reference; the one who wrote the resource first need not sign, and signs for nobody else
/// either: whose a note is decides who changes it.
pub(super) fn check_signatures(name: &str, resource: &Value<'_>, context: &WriteContext<'_>, issues: &mut Vec<Issue>) {
    let (stood, is_first) = match context.previous {
        Some(previous) => (previous.value.list("note"), previous.own),
        None => (&[][..], true),
    };
    for (position, note) in resource.list("note").iter().enumerate() {
        let own = is_signed(note, context).unwrap_or(is_first);
        if !own && !stood.iter().any(|known| known.same(note)) {
            let place = format!("{name}.note[{position}].author");
            issues.push(Issue::error(IssueCode::BusinessRule, place, "sign your note: authorReference names you"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{self, Limits};
    use crate::registry::ResourceType;
    use crate::schema::r4;

    fn read(text: &str) -> Value<'static> {
        json::parse(text.as_bytes(), &Limits::default()).unwrap().into_owned()
    }

    fn places(name: &str, party: Party, before: &str, after: &str) -> (Vec<String>, Value<'static>) {
        let mut issues = Vec::new();
        let (before, mut after) = (read(before), read(after));
        check(name, &mut after, &before, party, &mut issues);
        (issues.into_iter().filter_map(|issue| issue.expression).collect(), after)
    }

    /// Every element of each type, and what stands beside it, is refused or kept unless its row says whose it is.
    #[test]
    fn what_has_no_row_stays() {
        for shared in &TABLE {
            let shape = r4().resource(ResourceType::parse(shared.name).unwrap()).unwrap();
            for row in shared.rows {
                assert!(shape.elements.iter().any(|element| element.name == row.element), "{}", row.element);
            }
            for element in shape.elements.iter().filter(|element| element.name != "id") {
                for member in [element.name.to_string(), format!("_{}", element.name)] {
                    let bare = format!(r#"{{"resourceType":"{}"}}"#, shared.name);
                    let with = format!(r#"{{"resourceType":"{}","{member}":{{"x":1}}}}"#, shared.name);
                    for party in [Asker, Other] {
                        let row = shared.rows.iter().find(|row| row.element == member);
                        let free = row.is_some_and(|row| row.parties.contains(&party));
                        let kept = row.is_some_and(|row| row.otherwise == Otherwise::Kept);
                        for (before, after) in [(&bare, &with), (&with, &bare)] {
                            let (found, left) = places(shared.name, party, before, after);
                            assert_eq!(found.is_empty(), free || kept, "{}.{member} {party:?}", shared.name);
                            assert!(!kept || left.same(&read(before)), "{}.{member} is kept", shared.name);
                        }
                    }
                }
            }
        }
    }

    /// Of every element of a Task, and of what stands beside it.
    #[test]
    fn a_task_says_what_was_asked_or_something_else() {
        let code = r#""code":{"coding":[{"code":"medRecCxReq"}]}"#;
        let task = |rest: &str| read(&format!(r#"{{"resourceType":"Task",{rest}}}"#));
        let shape = r4().resource(ResourceType::parse("Task").unwrap()).unwrap();
        let kept = [("meta", r#"{"tag":[{"code":"W"}]}"#), ("identifier", r#"[{"value":"W"}]"#)];
        let free =
            ["status", "businessStatus", "statusReason", "lastModified", "owner", "executionPeriod", "output", "note"];
        for element in shape.elements.iter().filter(|element| element.name != "code") {
            for member in [element.name.to_string(), format!("_{}", element.name)] {
                let is_free = |form: &str| {
                    let says = |what: &str| task(&format!(r#"{code},"{member}":{}"#, form.replace('W', what)));
                    let without = task(code);
                    let pairs = [(&says("1"), &says("2")), (&without, &says("1")), (&says("1"), &without)];
                    let found = pairs.map(|(before, after)| leaves_what_was_asked(after, before));
                    assert!(leaves_what_was_asked(&says("1"), &says("1")), "{member}");
                    assert!(found.iter().all(|one| *one == found[0]), "{member} {form} {found:?}");
                    found[0]
                };
                assert_eq!(is_free(r#"[{"x":"W"}]"#), free.contains(&member.as_str()), "{member}");
                for (name, form) in kept.iter().filter(|(name, _)| *name == member) {
                    assert!(is_free(form), "{name}");
                }
                // What names something else, or says it beside.
                for inside in [r#""extension":[{"url":"u","valueString":"W"}]"#, r#""id":"W""#, r#""_x":{"id":"W"}"#] {
                    assert!(
                        !is_free(&format!("{{{inside}}}")) && !is_free(&format!(r#"[{{"y":{{{inside}}}}}]"#)),
                        "{member} {inside}"
                    );
                }
                let assigned = r#"[{"value":"1","assigner":{"reference":"Observation/W"}}]"#;
                assert_eq!(is_free(assigned), free.contains(&member.as_str()), "{member}");
            }
        }
        let other = task(r#""code":{"text":"other"}"#);
        assert!(!leaves_what_was_asked(&other, &task(code)) && !leaves_what_was_asked(&task(code), &other));
        assert!(!leaves_what_was_asked(&other, &other), "no request");
    }

    #[test]
    fn what_an_element_bears_stays_in_it() {
        let goal = |target: &str| format!(r#"{{"resourceType":"Goal","target":[{target}]}}"#);
        let marked = goal(r#"{"extension":[{"url":"x","valueString":"y"}],"dueDate":"2027-01-01"}"#);
        let moved = goal(r#"{"extension":[{"url":"x","valueString":"y"}],"dueDate":"2028-01-01"}"#);
        let plain = goal(r#"{"dueDate":"2027-01-01"}"#);
        assert!(places("Goal", Other, &marked, &moved).0.is_empty());
        assert!(places("Goal", Other, &plain, &goal(r#"{"dueDate":"2028-01-01"}"#)).0.is_empty());
        for (before, after) in [
            (&marked, &plain),
            (&plain, &marked),
            (&plain, &goal(r#"{"id":"t","dueDate":"2027-01-01"}"#)),
            (&plain, &goal(r#"{"dueDate":"2027-01-01","_dueDate":{"extension":[{"url":"x","valueString":"y"}]}}"#)),
            (&plain, &goal(r#"{"measure":{"text":"x","extension":[{"url":"x","valueString":"y"}]}}"#)),
        ] {
            assert_eq!(places("Goal", Other, before, after).0, ["Goal.target"], "{after}");
        }
    }
}
