//! The label that says who vouches for a resource: `meta.security` from the v3 ObservationValue code system.

use super::writer::{Writer, WriterKind};
use crate::json::{Object, Value};

/// The code system of the labels.
const SYSTEM: &str = "http://terminology.hl7.org/CodeSystem/v3-ObservationValue";

/// The labels that say who asserted or reported something (v3 ObservationValue, `SECINTPRVABOBV` and `SECINTPRVRBOBV`).
const CLAIMS: [&str; 16] = [
    "CLINAST", "CLINRPT", "DEVAST", "DEVRPT", "HCPAST", "HCPRPT", "PACQAST", "PACQRPT", "PATAST", "PATRPT", "PAYAST",
    "PAYRPT", "PROAST", "PRORPT", "SDMAST", "SDMRPT",
];

/// The label for what the writer writes; none for a system, which hands in what others wrote and labelled.
fn label(kind: WriterKind) -> Option<&'static str> {
    match kind {
        WriterKind::Patient => Some("PATAST"),
        WriterKind::RelatedPerson { decides: true } => Some("SDMAST"),
        WriterKind::RelatedPerson { decides: false } => Some("PACQAST"),
        WriterKind::Professional => Some("CLINAST"),
        WriterKind::System | WriterKind::Unregistered => None,
    }
}

/// Puts the label for the writer into `meta.security`, in place of any that the client claimed. Other labels stay.
/// Leaves a resource that a registered system writes, and a value that is no object, as it is; one that nobody has registered claims
/// nothing.
pub fn stamp_label(resource: &mut Value<'_>, writer: &Writer) {
    if writer.kind == WriterKind::Unregistered {
        return drop_claims(resource);
    }
    let (Some(code), Some(object)) = (label(writer.kind), resource.as_object_mut()) else { return };
    let position = object.0.iter().position(|(name, _)| name == "id" || name == "resourceType").map_or(0, |at| at + 1);
    let position = object.0.iter().position(|(name, _)| name == "id").map_or(position, |at| at + 1);
    if !matches!(object.get("meta"), Some(Value::Object(_))) {
        object.set_at(position, "meta", Value::Object(Object::default()));
    }
    let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) else { return };
    let mut labels: Vec<Value<'_>> = match meta.remove("security") {
        Some(Value::Array(items)) => items,
        Some(Value::Null) | None => Vec::new(),
        Some(single) => vec![single],
    };
    labels.retain(|label| !is_claim(label));
    labels.push(Value::object([("system", Value::string(SYSTEM)), ("code", Value::string(code))]));
    meta.set("security", Value::Array(labels));
}

/// Takes the labels out by which somebody would vouch for the resource, of what is written for nobody.
fn drop_claims(resource: &mut Value<'_>) {
    let Some(meta) = resource.as_object_mut().and_then(|object| object.get_mut("meta")) else { return };
    let Some(meta) = meta.as_object_mut() else { return };
    let Some(Value::Array(mut labels)) = meta.remove("security") else { return };
    labels.retain(|label| !is_claim(label));
    if !labels.is_empty() {
        meta.set("security", Value::Array(labels));
    }
}

/// Puts the labels that say who vouches for `previous` in place of those of the resource: what several parties write is
/// vouched for by the one who wrote it first, and the Provenance of each version says who changed it.
pub fn keep_claims(resource: &mut Value<'_>, previous: &Value<'_>) {
    let claims = previous.get("meta").map_or(&[][..], |meta| meta.list("security"));
    let claims: Vec<Value<'static>> =
        claims.iter().filter(|label| is_claim(label)).cloned().map(Value::into_owned).collect();
    let Some(meta) = resource.as_object_mut().and_then(|object| object.get_mut("meta")) else { return };
    let Some(meta) = meta.as_object_mut() else { return };
    let mut labels = match meta.remove("security") {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    labels.retain(|label| !is_claim(label));
    labels.extend(claims);
    if !labels.is_empty() {
        meta.set("security", Value::Array(labels));
    }
}

/// Whether a label says who vouches. The system is not asked for: a claim under a misspelt system is a claim too.
pub(super) fn is_claim(label: &Value<'_>) -> bool {
    label.text("code").is_some_and(is_claim_code)
}

/// Whether the code says who vouches.
#[must_use]
pub fn is_claim_code(code: &str) -> bool {
    CLAIMS.contains(&code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(kind: WriterKind) -> Writer {
        Writer { kind, reference: None, also: Vec::new(), patient: None }
    }

    fn codes(resource: &Value<'_>) -> Vec<String> {
        let labels = resource.get("meta").map_or(&[][..], |meta| meta.list("security"));
        labels.iter().filter_map(|label| label.text("code")).map(str::to_owned).collect()
    }

    fn labelled(codes: &[&str]) -> Value<'static> {
        let labels = codes.iter().map(|code| Value::object([("code", Value::string(*code))])).collect();
        Value::object([
            ("resourceType", Value::string("Observation")),
            ("meta", Value::object([("security", Value::Array(labels))])),
        ])
    }

    #[test]
    fn each_kind_of_writer_has_its_label() {
        for (kind, code) in [
            (WriterKind::Patient, "PATAST"),
            (WriterKind::RelatedPerson { decides: true }, "SDMAST"),
            (WriterKind::RelatedPerson { decides: false }, "PACQAST"),
            (WriterKind::Professional, "CLINAST"),
        ] {
            let mut resource = Value::object([
                ("resourceType", Value::string("Goal")),
                ("id", Value::string("g")),
                ("status", Value::Null),
            ]);
            stamp_label(&mut resource, &writer(kind));
            assert_eq!(codes(&resource), [code]);
            assert_eq!(resource.as_object().unwrap().0[2].0, "meta");
        }
    }

    #[test]
    fn claims_go_and_other_labels_stay() {
        let mut resource = labelled(&["R", "CLINAST", "MH", "PATRPT"]);
        stamp_label(&mut resource, &writer(WriterKind::Patient));
        assert_eq!(codes(&resource), ["R", "MH", "PATAST"]);
        stamp_label(&mut resource, &writer(WriterKind::Patient));
        assert_eq!(codes(&resource), ["R", "MH", "PATAST"]);
    }

    #[test]
    fn what_a_system_hands_in_keeps_its_labels() {
        let mut resource = labelled(&["CLINAST"]);
        stamp_label(&mut resource, &writer(WriterKind::System));
        assert_eq!(codes(&resource), ["CLINAST"]);
        let mut claimed = labelled(&["R", "CLINAST"]);
        stamp_label(&mut claimed, &writer(WriterKind::Unregistered));
        assert_eq!(codes(&claimed), ["R"]);
        let mut nothing = Value::Null;
        stamp_label(&mut nothing, &writer(WriterKind::Patient));
        assert_eq!(nothing, Value::Null);
    }
}
