//! Notes and signatures: whose they are stands in them. A patient, and who is close to one, signs for nobody else, wherever in a resource;
//! of a professional a note may say whose words it repeats, as `asserter` does, where that gives nobody anything.

use super::prepare::{Step, written};
use super::writer::{Settings, Writer};
use crate::issue::{Issue, IssueCode};
use crate::json::Value;

/// The members that say whose something is: the name of an element tells that it is a note's author or a signature (R4 "Annotation",
/// "Signature"); in the former what stands there itself.
fn parts(name: &str) -> Option<&'static [&'static str]> {
    match name {
        "authorReference" => Some(&[""]),
        _ if name.ends_with("ignature") => Some(&["who", "onBehalfOf"]),
        _ => None,
    }
}

/// What somebody has signed who does not write, with its place.
pub struct Foreign<'v> {
    /// The note or the signature.
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
            Some(own) => format!("is signed by somebody else than you: put {own} here or leave it out"),
            None => "is signed by somebody else than you: leave it out".to_owned(),
        };
        Issue::error(IssueCode::BusinessRule, self.place.clone(), text)
    }
}

/// How many are looked for: each is compared with those that stand already.
const MOST: usize = 200;

/// The notes and signatures in a resource of a person that are not theirs, two hundred of them at most.
#[must_use]
pub fn for_others<'v>(resource: &'v Value<'v>, writer: &Writer, settings: &Settings<'_>) -> Vec<Foreign<'v>> {
    let mut found = Vec::new();
    if writer.is_person() && is_signed(resource) {
        let mut place = vec![Step::Member(resource.text("resourceType").unwrap_or_default())];
        find(resource, (writer, settings), &mut place, &mut found);
    }
    found
}

/// Whether there is anything of the kind, which there hardly ever is.
fn is_signed(value: &Value<'_>) -> bool {
    match value {
        Value::Object(object) => object.0.iter().any(|(name, member)| parts(name).is_some() || is_signed(member)),
        Value::Array(items) => items.iter().any(is_signed),
        _ => false,
    }
}

fn find<'v>(
    value: &'v Value<'v>,
    context: (&Writer, &Settings<'_>),
    place: &mut Vec<Step<'v>>,
    found: &mut Vec<Foreign<'v>>,
) {
    if found.len() >= MOST {
        return;
    }
    let members = value.as_object().into_iter().flat_map(|object| object.0.iter());
    for (name, member) in members {
        place.push(Step::Member(name));
        if let Some(parts) = parts(name) {
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
fn may_stand(part: &str, who: &Value<'_>, (writer, settings): (&Writer, &Settings<'_>)) -> bool {
    let named = who.text("reference").and_then(|reference| settings.local(reference));
    named.is_some_and(|named| writer.is(&named) || (part == "onBehalfOf" && writer.is_patient(&named)))
}

#[cfg(test)]
mod tests {
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
                assert_eq!(places(&text, &patient()), [format!("{resource_type}{place}.{part}")]);
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
