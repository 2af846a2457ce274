//! Notes, signatures and all else by which somebody is said to have written, signed or attested something (`speakers`): nobody speaks for
//! another, wherever in a resource. Of a professional a note may say whose words it repeats, as `asserter` does, where that gives
//! nobody anything.

use super::colleague::is_colleague;
use super::prepare::{Step, written};
use super::speakers::{self, Speaker};
use super::writer::{Settings, Writer};
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

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
    /// The note, the signature, or what names them.
    value: &'v Value<'v>,
    place: String,
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
        let text = match &writer.reference {
            Some(own) => format!("somebody else than you would speak here: put {own} here or leave it out"),
            None => "somebody else than you would speak here: leave it out".to_owned(),
        };
        Issue::error(IssueCode::BusinessRule, self.place.clone(), text)
    }
}

/// How many are looked for: each is compared with those that stand already.
const MOST: usize = 200;

/// What in a resource of a person or a professional somebody else is said to have written or signed, two hundred of it at most.
#[must_use]
pub fn for_others<'v>(resource: &'v Value<'v>, writer: &Writer, settings: &Settings<'_>) -> Vec<Foreign<'v>> {
    let mut found = Vec::new();
    if !writer.kind.is_system() && is_signed(resource, writer) {
        let mut place = vec![Step::Member(resource.text("resourceType").unwrap_or_default())];
        find(resource, Context { writer, settings, within: resource }, &mut place, &mut found);
    }
    found
}

/// What is asked of all that names somebody.
#[derive(Clone, Copy)]
struct Context<'v, 'w> {
    writer: &'w Writer,
    settings: &'w Settings<'w>,
    /// The resource that it stands in, whose contained ones a reference may mean.
    within: &'v Value<'v>,
}

/// Whether there is anything of the kind, which there hardly ever is.
fn is_signed(value: &Value<'_>, writer: &Writer) -> bool {
    match value {
        Value::Object(object) => {
            value.text("resourceType").is_some_and(speakers::has)
                || object.0.iter().any(|(name, member)| parts(name, writer).is_some() || is_signed(member, writer))
        }
        Value::Array(items) => items.iter().any(|item| is_signed(item, writer)),
        _ => false,
    }
}

/// What the elements of a resource say, itself or one that it contains.
fn find_speakers<'v>(
    resource: &'v Value<'v>,
    Context { writer, settings, within }: Context<'v, '_>,
    place: &[Step<'v>],
    found: &mut Vec<Foreign<'v>>,
) {
    for one in speakers::named(resource) {
        let reference = one.reference.text("reference").and_then(|reference| settings.local(reference));
        let may_be_another = !writer.is_person() && one.speaker == Speaker::Colleague;
        if reference.is_some_and(|reference| writer.is(&reference))
            || (may_be_another && is_colleague(one.reference, within, settings))
        {
            continue;
        }
        let steps = one.steps.iter().flat_map(|(member, position)| {
            [Some(Step::Member(member)), position.map(Step::Item)].into_iter().flatten()
        });
        let place: Vec<Step<'_>> = place.iter().copied().chain(steps).collect();
        found.push(Foreign { value: one.whole, place: written(&place) });
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
    if value.get("resourceType").is_some() {
        if !matches!(place.as_slice(), [.., Step::Member("contained"), Step::Item(_)]) {
            context.within = value;
        }
        find_speakers(value, context, place, found);
    }
    let members = value.as_object().into_iter().flat_map(|object| object.0.iter());
    for (name, member) in members {
        place.push(Step::Member(name));
        if let Some(parts) = parts(name, context.writer) {
            for (position, item) in member.items().iter().enumerate() {
                let is_list = matches!(member, Value::Array(_));
                place.extend(is_list.then_some(Step::Item(position)));
                let named = |part: &&&'static str| if part.is_empty() { Some(item) } else { item.get(part) };
                let foreign = parts.iter().find(|part| named(part).is_some_and(|who| !may_stand(part, who, context)));
                if let Some(part) = foreign {
                    place.extend((!part.is_empty()).then_some(Step::Member(part)));
                    // Of a note all of it, with what it says.
                    let whole = if part.is_empty() { value } else { item };
                    found.push(Foreign { value: whole, place: written(place) });
                    place.truncate(place.len() - usize::from(!part.is_empty()));
                }
                place.truncate(place.len() - usize::from(is_list));
            }
        }
        find(member, context, place, found);
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

/// Whether it names the writer, or for whom the writer signs.
fn may_stand(part: &str, who: &Value<'_>, Context { writer, settings, .. }: Context<'_, '_>) -> bool {
    let named = who.text("reference").and_then(|reference| settings.local(reference));
    named.is_some_and(|named| writer.is(&named) || (part == "onBehalfOf" && writer.is_patient(&named)))
}

#[cfg(test)]
mod tests {
    use super::super::colleague::tests::{CONTAINED, FALSE, TRUE};
    use super::super::prepare::tests::{SETTINGS, carer, json, patient, professional, system};
    use super::*;
    use crate::registry::ResourceType;
    use crate::schema::{Shape, TypeKind, r4};

    fn places(text: &str, writer: &Writer) -> Vec<String> {
        for_others(&json(text), writer, &SETTINGS).into_iter().map(|one| one.place).collect()
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
        let found = for_others(&after, &patient(), &SETTINGS);
        let stood = for_others(&before, &patient(), &SETTINGS);
        let new: Vec<&str> = found.iter().filter(|one| !one.is_among(&stood)).map(|one| one.place.as_str()).collect();
        assert_eq!(new, ["Goal.note[2].authorReference"]);
        let basic = |status: &str, who: &str| {
            json(&format!(r#"{{"resourceType":"Basic","status":"{status}","author":{{"reference":"{who}"}}}}"#))
        };
        let (before, after, other) =
            (basic("a", "Practitioner/x"), basic("b", "Practitioner/x"), basic("a", "Practitioner/y"));
        let stood = for_others(&before, &professional(), &SETTINGS);
        assert!(for_others(&after, &professional(), &SETTINGS).iter().all(|one| one.is_among(&stood)));
        assert!(for_others(&other, &professional(), &SETTINGS).iter().all(|one| !one.is_among(&stood)));
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
