//! What the rule of a type follows from an element that refers to others: each resource once, and no more than the element
//! may name. A list can name the same resource thousands of times, and each look-up and each body that is read holds up
//! whoever writes next.

use concord_fhir::json::Value;
use concord_fhir::rules::local_reference;

use crate::error::ApiError;

/// One reference of an element.
pub(crate) struct Followed {
    /// Where it stands in the element, of several to the same the first.
    pub(crate) position: usize,
    /// `Type/id`, for what is on this server.
    pub(crate) local: Option<String>,
}

/// What the references of an element lead to, each once, in their order; those without an address left out.
///
/// # Errors
/// A broken rule, before anything is looked up, where the element has more than so many.
pub(crate) fn references(
    base: &str,
    value: &Value<'_>,
    (resource_type, element): (&str, &str),
    most: usize,
) -> Result<Vec<Followed>, ApiError> {
    let named = value.list(element);
    if named.len() > most {
        let text = format!("has {most} references at most, and here are {}", named.len());
        return Err(ApiError::rule(format!("{resource_type}.{element}"), text));
    }
    Ok(each_once(base, named))
}

/// The same of what is stored already, or of which systems may name any number.
pub(crate) fn each_once(base: &str, named: &[Value<'_>]) -> Vec<Followed> {
    let mut seen = std::collections::HashSet::new();
    let texts = named.iter().enumerate().filter_map(|(position, one)| Some((position, one.text("reference")?)));
    texts
        .map(|(position, text)| (position, text, local_reference(base, text)))
        .filter(|(_, text, local)| seen.insert(local.clone().unwrap_or_else(|| (*text).to_owned())))
        .map(|(position, _, local)| Followed { position, local })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_is_followed_once_and_too_many_are_not() {
        let of = |number: usize| {
            let one = json!({ "reference": "Communication/a" });
            let mut all = vec![one; number];
            all.push(json!({ "reference": "https://phr.example/fhir/Communication/a/_history/2" }));
            all.push(json!({ "display": "somebody" }));
            all.push(json!({ "reference": "Communication/b" }));
            let text = json!({ "inResponseTo": all }).to_string();
            let value = concord_fhir::json::parse(text.as_bytes(), &concord_fhir::json::Limits::default()).unwrap();
            references("https://phr.example/fhir", &value, ("Communication", "inResponseTo"), 20)
        };
        let found: Vec<_> = of(2).unwrap().into_iter().map(|one| (one.position, one.local)).collect();
        let named = |position, name: &str| (position, Some(name.to_owned()));
        assert_eq!(found, [named(0, "Communication/a"), named(4, "Communication/b")]);
        assert!(of(17).is_ok() && of(18).is_err());
    }
}
