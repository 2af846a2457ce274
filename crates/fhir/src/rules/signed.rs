//! Notes, signatures and all else by which somebody is said to have written, signed or attested something (`speakers`): nobody speaks for
//! another, wherever in a resource. Of a professional a note may say whose words it repeats, as `asserter` does, where that gives
//! nobody anything. In what a resource contains the author elements are asked too, and the rules of whose word something is, as where it stands
//! by itself: whoever reads it there reads the same.

use super::colleague::{is_colleague, is_writer};
use super::parties::ACCEPTANCE;
use super::prepare::{Step, foreign_authors, written};
use super::speakers::{self, Speaker};
use super::writer::{WriteContext, Writer, WriterKind};
use super::{authorship, table};
use crate::issue::{Issue, IssueCode, Severity};
use crate::json::Value;
use crate::registry::ResourceType;

/// The members that say whose something is: the name of an element tells that it is a note's author or a signature (R4 "Annotation",
/// "Signature"); in the former what stands there itself. For whom they sign, and whose words a note repeats, professionals know.
fn parts(name: &str, writer: &Writer) -> Option<&'static [&'static str]> {
    match (name, writer.is_person()) {
        ("authorReference", true) => Some(&[""]),
        (_, true) if name.ends_with("ignature") => Some(&["who", "onBehalfOf"]),
        (_, false) if name.ends_with("ignature") => Some(&["who"]),
        _ => None,
    }
}

/// What somebody is said to have written or signed who does not write, with its place.
pub struct Foreign<'v> {
    /// The note, the signature, or what names them; all of a contained resource.
    value: &'v Value<'v>,
    place: String,
    /// What else is wrong than who is named.
    why: Option<String>,
}

impl Foreign<'_> {
    /// Whether it is one of these, which stand already.
    #[must_use]
    pub fn is_among(&self, others: &[Foreign<'_>]) -> bool {
        others.iter().any(|other| self.value.same(other.value))
    }

    /// Why it is refused.
    #[must_use]
    pub fn refusal(&self, writer: &Writer) -> Issue {
        let text = match (&self.why, &writer.reference) {
            (Some(why), _) => why.clone(),
            (None, Some(own)) => format!("somebody else than you would speak here: put {own} here or leave it out"),
            (None, None) => "somebody else than you would speak here: leave it out".to_owned(),
        };
        Issue::error(IssueCode::BusinessRule, self.place.clone(), text)
    }
}

/// How many are looked for: each is compared with those that stand already.
const MOST: usize = 200;

/// What in a resource somebody else is said to have written or signed, two hundred of it at most. A registered system hands that in; one
/// that nobody has registered is asked the rules of whose word something is, as of what stands by itself.
#[must_use]
pub fn for_others<'v>(resource: &'v Value<'v>, write: &WriteContext<'_>) -> Vec<Foreign<'v>> {
    let mut found = Vec::new();
    if write.writer.kind != WriterKind::System && is_signed(resource, write.writer, false) {
        let mut place = vec![Step::Member(resource.text("resourceType").unwrap_or_default())];
        let write = WriteContext { previous: None, ..*write };
        find(resource, Context { write: &write, within: resource, may_be_word: false }, &mut place, &mut found);
    }
    found
}

/// What is asked of all that names somebody.
#[derive(Clone, Copy)]
struct Context<'v, 'w> {
    write: &'w WriteContext<'w>,
    /// The resource that it stands in, whose contained ones a reference may mean.
    within: &'v Value<'v>,
    /// Whether it stands where the words of the parties of a goal are read.
    may_be_word: bool,
}

/// Whether there is anything of the kind, which there hardly ever is.
fn is_signed(value: &Value<'_>, writer: &Writer, is_contained: bool) -> bool {
    match value {
        Value::Object(object) => {
            value.text("resourceType").is_some_and(|name| is_contained || speakers::has(name))
                || value.text("url") == Some(ACCEPTANCE)
                || object.0.iter().any(|(name, member)| {
                    parts(name, writer).is_some() || is_signed(member, writer, name == "contained")
                })
        }
        Value::Array(items) => items.iter().any(|item| is_signed(item, writer, is_contained)),
        _ => false,
    }
}

/// What a contained resource says by its author elements, and by what the rules of its type refuse where it stands by itself.
fn find_contained<'v>(
    resource: &'v Value<'v>,
    context: Context<'v, '_>,
    place: &[Step<'v>],
    found: &mut Vec<Foreign<'v>>,
) {
    let Context { write, within, .. } = context;
    let Some(resource_type) = resource.text("resourceType").and_then(ResourceType::parse) else { return };
    let row = authorship::of(resource_type).filter(|_| !write.writer.kind.is_system());
    for (row, element) in row.into_iter().flat_map(|row| row.authors.iter().map(move |element| (row, element))) {
        for position in foreign_authors(row, element, resource, within, write).into_iter().take(MOST) {
            let position = element.repeats.then_some(Step::Item(position));
            let place: Vec<Step<'_>> =
                place.iter().copied().chain([Step::Member(element.name)]).chain(position).collect();
            found.push(Foreign { value: resource, place: written(&place), why: None });
        }
    }
    if let Some(rules) = table::of(resource_type).filter(|rules| rules.also_contained) {
        let mut issues = Vec::new();
        (rules.check)(&mut resource.clone(), write, &mut issues);
        for issue in issues.into_iter().filter(|issue| issue.severity >= Severity::Error) {
            let inside = issue.expression.unwrap_or_default();
            let place = format!("{}{}", written(place), inside.strip_prefix(resource_type.name()).unwrap_or_default());
            found.push(Foreign { value: resource, place, why: Some(issue.text) });
        }
    }
}

/// What the elements of a resource say, itself or one that it contains.
fn find_speakers<'v>(
    resource: &'v Value<'v>,
    Context { write: WriteContext { writer, settings, .. }, within, .. }: Context<'v, '_>,
    place: &[Step<'v>],
    found: &mut Vec<Foreign<'v>>,
) {
    let is_itself = place.len() == 1;
    for one in speakers::named(resource) {
        let may_be_another = !writer.is_person() && one.speaker == Speaker::Colleague;
        if is_writer(one.reference, writer, settings)
            || (may_be_another && is_colleague(one.reference, within, settings))
        {
            continue;
        }
        let steps = one.steps.iter().flat_map(|(member, position)| {
            [Some(Step::Member(member)), position.map(Step::Item)].into_iter().flatten()
        });
        let place: Vec<Step<'_>> = place.iter().copied().chain(steps).collect();
        let value = if is_itself { one.whole } else { resource };
        found.push(Foreign { value, place: written(&place), why: None });
    }
}

fn find<'v>(
    value: &'v Value<'v>,
    mut context: Context<'v, '_>,
    place: &mut Vec<Step<'v>>,
    found: &mut Vec<Foreign<'v>>,
) {
    if found.len() >= MOST {
        return;
    }
    let is_resource = value.get("resourceType").is_some();
    if is_resource {
        let is_contained = matches!(place.as_slice(), [.., Step::Member("contained"), Step::Item(_)]);
        match is_contained {
            true => find_contained(value, context, place, found),
            false => context.within = value,
        }
        if !context.write.writer.kind.is_system() {
            find_speakers(value, context, place, found);
        }
    } else if value.text("url") == Some(ACCEPTANCE) && !context.may_be_word {
        let text = "nobody reads here who accepts a goal: that is said in the extensions of the Goal itself";
        found.push(Foreign { value, place: written(place), why: Some(text.to_owned()) });
    }
    let is_goal = value.text("resourceType") == Some("Goal");
    let members = value.as_object().into_iter().flat_map(|object| object.0.iter());
    for (name, member) in members {
        place.push(Step::Member(name));
        find_signed(value, (name, member), context, place, found);
        find(member, Context { may_be_word: is_goal && name == "extension", ..context }, place, found);
        place.pop();
    }
    if let Value::Array(items) = value {
        for (position, item) in items.iter().enumerate() {
            place.push(Step::Item(position));
            find(item, context, place, found);
            place.pop();
        }
    }
}

/// What a member of a value says that is a note's author or a signature.
fn find_signed<'v>(
    value: &'v Value<'v>,
    (name, member): (&str, &'v Value<'v>),
    context: Context<'v, '_>,
    place: &mut Vec<Step<'v>>,
    found: &mut Vec<Foreign<'v>>,
) {
    let writer = context.write.writer;
    let Some(parts) = parts(name, writer).filter(|_| !writer.kind.is_system()) else { return };
    let is_list = matches!(member, Value::Array(_));
    for (position, item) in member.items().iter().enumerate() {
        place.extend(is_list.then_some(Step::Item(position)));
        let named = |part: &&&'static str| if part.is_empty() { Some(item) } else { item.get(part) };
        let foreign = parts.iter().find(|part| named(part).is_some_and(|who| !may_stand(part, who, context)));
        if let Some(part) = foreign {
            place.extend((!part.is_empty()).then_some(Step::Member(part)));
            // Of a note all of it, with what it says.
            let whole = if part.is_empty() { value } else { item };
            found.push(Foreign { value: whole, place: written(place), why: None });
            place.truncate(place.len() - usize::from(!part.is_empty()));
        }
        place.truncate(place.len() - usize::from(is_list));
    }
}

/// Whether it names the writer, or for whom the writer signs.
fn may_stand(part: &str, who: &Value<'_>, Context { write, .. }: Context<'_, '_>) -> bool {
    let WriteContext { writer, settings, .. } = write;
    let named = who.text("reference").and_then(|reference| settings.local(reference));
    is_writer(who, writer, settings) || (part == "onBehalfOf" && named.is_some_and(|named| writer.is_patient(&named)))
}

#[cfg(test)]
mod tests {
    use super::super::colleague::tests::{CONTAINED, FALSE, TRUE};
    use super::super::prepare::tests::{by, carer, json, patient, professional, system, unregistered};
    use super::*;
    use crate::registry::ResourceType;
    use crate::schema::{Shape, TypeKind, r4};

    fn places(text: &str, writer: &Writer) -> Vec<String> {
        for_others(&json(text), &by(writer)).into_iter().map(|one| one.place).collect()
    }

    #[test]
    fn a_person_signs_for_nobody_else() {
        let note = |who: &str| {
            format!(r#"{{"resourceType":"Goal","note":[{{"text":"x"}},{{"authorReference":{who},"text":"I agree"}}]}}"#)
        };
        let foreign = ["Goal.note[1].authorReference"];
        for who in [
            r#"{"reference":"Practitioner/gp"}"#,
            r#"{"reference":"https://phr.example/fhir/Practitioner/gp"}"#,
            r##"{"reference":"#somebody"}"##,
            r#"{"display":"Dr Okafor"}"#,
            r#"{"identifier":{"system":"x","value":"y"}}"#,
        ] {
            assert_eq!(places(&note(who), &patient()), foreign, "{who}");
            assert_eq!(places(&note(who), &carer()), foreign, "{who}");
            assert!(places(&note(who), &professional()).is_empty() && places(&note(who), &system()).is_empty());
        }
        assert!(places(&note(r#"{"reference":"Patient/p1"}"#), &patient()).is_empty());
        assert_eq!(places(&note(r#"{"reference":"Patient/p1"}"#), &carer()), foreign);
        let signature = |who: &str| {
            format!(
                r#"{{"resourceType":"Observation","component":[{{"extension":[{{"url":"x","valueSignature":{{"who":{who}}}}}]}}]}}"#
            )
        };
        assert_eq!(
            places(&signature(r#"{"reference":"Practitioner/gp"}"#), &patient()),
            ["Observation.component[0].extension[0].valueSignature.who"]
        );
        assert!(places(&signature(r#"{"reference":"Patient/p1"}"#), &patient()).is_empty());
        let on_behalf = |of: &str| format!(r#"{{"reference":"RelatedPerson/c1"}},"onBehalfOf":{{"reference":"{of}"}}"#);
        assert!(places(&signature(&on_behalf("Patient/p1")), &carer()).is_empty());
        assert_eq!(
            places(&signature(&on_behalf("Practitioner/gp")), &carer()),
            ["Observation.component[0].extension[0].valueSignature.onBehalfOf"]
        );
    }

    /// A signature is nobody else's, of a professional either, who may say for whom they sign.
    #[test]
    fn a_professional_signs_for_nobody_else() {
        let signature = |who: &str| {
            format!(
                r#"{{"resourceType":"Contract","signer":[{{"party":{{"reference":"{who}"}},"signature":[{{"who":{{"reference":"{who}"}},
            "onBehalfOf":{{"reference":"Organization/any"}}}}]}}]}}"#
            )
        };
        let both = ["Contract.signer[0].party", "Contract.signer[0].signature[0].who"];
        for who in ["Patient/p1", "Practitioner/other", "#inside", "https://other.example/fhir/Practitioner/gp"] {
            assert_eq!(places(&signature(who), &professional()), both, "{who}");
        }
        for who in ["Practitioner/gp", "PractitionerRole/gp-r", "Organization/surgery"] {
            assert!(places(&signature(who), &professional()).is_empty(), "{who}");
        }
        assert!(places(&signature("Patient/p1"), &system()).is_empty());
    }

    /// For whom orders and documents are written down is said of colleagues, and of nobody whose word it would be.
    #[test]
    fn orders_are_written_down_for_colleagues() {
        let attested =
            |who: &str| format!(r#"{{"resourceType":"Composition","attester":[{{"mode":"legal","party":{who}}}]}}"#);
        for (who, may) in [
            (r#"{"reference":"Practitioner/other"}"#, true),
            (r#"{"reference":"Organization/other"}"#, true),
            (r#"{"reference":"Practitioner/gp"}"#, true),
            (r#"{"reference":"Patient/p1"}"#, false),
            (r#"{"reference":"RelatedPerson/c1"}"#, false),
            (r#"{"display":"Amina"}"#, false),
        ] {
            let found = places(&attested(who), &professional());
            assert_eq!(found.is_empty(), may, "{who} {found:?}");
        }
        let inside =
            r#"{"resourceType":"List","contained":[{"resourceType":"Basic","author":{"reference":"Patient/p1"}}]}"#;
        assert_eq!(places(inside, &professional()), ["List.contained[0].author"]);
        assert_eq!(places(inside, &carer()), ["List.contained[0].author"]);
        assert!(places(inside, &patient()).is_empty());
    }

    /// By every element of every type that says who ordered, wrote or attested something, a professional names nobody who may be a patient,
    /// whatever type the reference says: in the resource itself, and in one that it contains.
    #[test]
    fn no_element_names_a_patient_by_a_false_type() {
        for (element, speaker) in speakers::elements() {
            let (of_type, members) = element.split_once('.').unwrap();
            let place: String = members.split('.').map(|name| format!(".{name}[0]")).collect();
            let nested = |who: &str| {
                let nested =
                    members.rsplit('.').fold(who.to_owned(), |inner, name| format!(r#"{{"{name}":[{inner}]}}"#));
                format!(r#"{{"resourceType":"{of_type}","contained":{CONTAINED},{}"#, nested.trim_start_matches('{'))
            };
            let inside = |who: &str| {
                let inner = nested(who).replace(&format!(r#""contained":{CONTAINED},"#), "");
                let others = CONTAINED.trim_start_matches('[');
                format!(r#"{{"resourceType":"List","contained":[{inner},{others}}}"#)
            };
            for who in FALSE {
                assert_eq!(places(&nested(who), &professional()), [format!("{of_type}{place}")], "{who}");
                assert_eq!(places(&inside(who), &professional()), [format!("List.contained[0]{place}")], "{who}");
            }
            for who in TRUE {
                let may = speaker == Speaker::Colleague;
                assert_eq!(places(&nested(who), &professional()).is_empty(), may, "{element} {who}");
                assert_eq!(places(&inside(who), &professional()).is_empty(), may, "{element} {who}");
            }
        }
    }

    #[test]
    fn what_stands_already_is_known_again() {
        let before =
            json(r#"{"resourceType":"Goal","note":[{"authorReference":{"reference":"Practitioner/gp"},"text":"x"}]}"#);
        let after = json(
            r#"{"resourceType":"Goal","note":[{"text":"y"},{"authorReference":{"reference":"Practitioner/gp"},"text":"x"},
            {"authorReference":{"reference":"Practitioner/gp"},"text":"z"}]}"#,
        );
        let found = for_others(&after, &by(&patient()));
        let stood = for_others(&before, &by(&patient()));
        let new: Vec<&str> = found.iter().filter(|one| !one.is_among(&stood)).map(|one| one.place.as_str()).collect();
        assert_eq!(new, ["Goal.note[2].authorReference"]);
        let basic = |status: &str, who: &str| {
            json(&format!(r#"{{"resourceType":"Basic","status":"{status}","author":{{"reference":"{who}"}}}}"#))
        };
        let (before, after, other) =
            (basic("a", "Practitioner/x"), basic("b", "Practitioner/x"), basic("a", "Practitioner/y"));
        let stood = for_others(&before, &by(&professional()));
        assert!(for_others(&after, &by(&professional())).iter().all(|one| one.is_among(&stood)));
        assert!(for_others(&other, &by(&professional())).iter().all(|one| !one.is_among(&stood)));
    }

    /// The rules of whose word something is hold of what is contained, as where it stands by itself, of an unregistered system too.
    #[test]
    fn a_contained_word_is_its_speakers() {
        let word = |who: &str, status: &str| {
            format!(
                r#"{{"url":"{ACCEPTANCE}","extension":[{{"url":"individual","valueReference":{{"reference":"{who}"}}}},
                {{"url":"status","valueCode":"{status}"}}]}}"#
            )
        };
        let plan = |goal: &str| {
            format!(r#"{{"resourceType":"CarePlan","contained":[{{"resourceType":"Goal","id":"g"{goal}}}],"goal":[{{"reference":"\#g"}}]}}"#)
                .replace('\\', "")
        };
        let accepted = r#","lifecycleStatus":"accepted""#;
        let agreed = |who: &str, status: &str| format!(r#","extension":[{}]"#, word(who, status));
        for (goal, writer, wanted) in [
            (accepted.to_owned(), professional(), Some("lifecycleStatus")),
            (accepted.to_owned(), unregistered(), Some("lifecycleStatus")),
            (accepted.to_owned(), patient(), None),
            (accepted.to_owned(), system(), None),
            (agreed("Patient/p1", "agree"), professional(), Some("extension[0]")),
            (agreed("Patient/p1", "agree"), unregistered(), Some("extension[0]")),
            (agreed("Practitioner/gp", "agree"), patient(), Some("extension[0]")),
            (agreed("Patient/p1", "pending"), professional(), None),
            (agreed("Practitioner/gp", "agree"), professional(), None),
            (agreed("Patient/p1", "agree"), system(), None),
            (r#","expressedBy":{"reference":"Patient/p1"}"#.to_owned(), professional(), Some("expressedBy")),
        ] {
            let wanted: Vec<String> =
                wanted.map(|place| format!("CarePlan.contained[0].{place}")).into_iter().collect();
            assert_eq!(places(&plan(&goal), &writer), wanted, "{goal}");
        }
        let allergy = r#"{"resourceType":"List","contained":[{"resourceType":"AllergyIntolerance",
            "verificationStatus":{"coding":[{"code":"confirmed"}]}}]}"#;
        assert_eq!(places(allergy, &patient()), ["List.contained[0].verificationStatus"]);
        // What stands already stays as it is, and nothing is said by it anew.
        let (before, other) = (json(&plan(accepted)), json(&plan(&format!(r#"{accepted},"priority":{{}}"#))));
        let stood = for_others(&before, &by(&professional())).len();
        let stands = |now: &Value<'_>| {
            let gp = professional();
            let (stood, found) = (for_others(&before, &by(&gp)).len(), for_others(now, &by(&gp)).len());
            (stood, found)
        };
        assert_eq!((stood, stands(&other)), (1, (1, 1)));
        let (gp, stood) = (professional(), for_others(&before, &by(&professional())));
        assert!(for_others(&before, &by(&gp)).iter().all(|one| one.is_among(&stood)));
        assert!(for_others(&other, &by(&gp)).iter().all(|one| !one.is_among(&stood)));
    }

    /// A word on a goal stands where it is read, and nowhere else.
    #[test]
    fn a_word_stands_where_it_is_read() {
        let word = format!(r#"{{"url":"{ACCEPTANCE}","extension":[]}}"#);
        for (text, place) in [
            (r#"{"resourceType":"Goal","target":[{"extension":[W]}]}"#, "Goal.target[0].extension[0]"),
            (r#"{"resourceType":"Goal","modifierExtension":[W]}"#, "Goal.modifierExtension[0]"),
            (r#"{"resourceType":"Goal","meta":{"extension":[W]}}"#, "Goal.meta.extension[0]"),
            (r#"{"resourceType":"Goal","_startDate":{"extension":[W]}}"#, "Goal._startDate.extension[0]"),
            (r#"{"resourceType":"Goal","extension":[{"url":"x","extension":[W]}]}"#, "Goal.extension[0].extension[0]"),
            (r#"{"resourceType":"CarePlan","extension":[W]}"#, "CarePlan.extension[0]"),
            (
                r#"{"resourceType":"CarePlan","contained":[{"resourceType":"Goal","target":[{"extension":[W]}]}]}"#,
                "CarePlan.contained[0].target[0].extension[0]",
            ),
        ] {
            for writer in [patient(), carer(), professional(), unregistered()] {
                assert_eq!(places(&text.replace('W', &word), &writer), [place]);
            }
            assert!(places(&text.replace('W', &word), &system()).is_empty());
        }
        let read = format!(r#"{{"resourceType":"Goal","extension":[{word}]}}"#);
        assert!(places(&read, &patient()).is_empty());
    }

    /// Every element of R4 that is a note or a signature is one of those that are looked at, in whatever type it stands and however deep.
    #[test]
    fn every_note_and_signature_is_looked_at() {
        let mut tried = 0;
        for resource_type in ResourceType::all() {
            let mut within = vec![r4().resource(resource_type).unwrap()];
            visit(resource_type, &mut within, &mut Vec::new(), &mut tried);
        }
        assert!(tried > 100, "{tried}");
    }

    fn visit(resource_type: ResourceType, within: &mut Vec<&Shape>, names: &mut Vec<String>, tried: &mut usize) {
        let shape = *within.last().unwrap();
        for (element, of_type) in shape.elements.iter().flat_map(|one| one.types.iter().map(move |of| (one, of))) {
            names.push(match element.types.len() {
                1 => element.name.to_string(),
                _ => format!("{}{}", element.name, of_type.name),
            });
            let named = match of_type.name.as_ref() {
                "Annotation" => Some("authorReference"),
                "Signature" => Some("who"),
                _ => None,
            };
            if let Some(part) = named {
                let inner = format!(r#"{{"{part}":{{"reference":"Practitioner/gp"}}}}"#);
                let nested = names.iter().rev().fold(inner, |inner, name| format!(r#"{{"{name}":[{inner}]}}"#));
                let text = format!(r#"{{"resourceType":"{resource_type}",{}"#, nested.trim_start_matches('{'));
                let place: String = names.iter().map(|name| format!(".{name}[0]")).collect();
                // An element that says itself who speaks is told besides.
                let wanted = format!("{resource_type}{place}.{part}");
                assert!(places(&text, &patient()).contains(&wanted), "{wanted}");
                *tried += 1;
            } else if let TypeKind::Shape(id) = of_type.kind
                && let Some(inner) = r4().shape(id)
                && within.iter().all(|known| known.name != inner.name)
                && names.len() < 4
            {
                within.push(inner);
                visit(resource_type, within, names, tried);
                within.pop();
            }
            names.pop();
        }
    }
}
