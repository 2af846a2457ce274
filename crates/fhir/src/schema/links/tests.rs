use std::convert::Infallible;

use super::*;
use crate::check::check;
use crate::json::{Limits, parse, to_string};

const URN: &str = "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0";
const ADDRESS: &str = "Patient/new";

/// The elements of the types uri, url, oid and uuid that say where something is to be reached: neither names nor mentions. What R4
/// has besides is undecided, and fails.
const ADDRESSES: [&str; 58] = [
    "Attachment.url",
    "AuditEvent.agent.policy",
    "Bundle.entry.fullUrl",
    "Bundle.entry.request.url",
    "Bundle.entry.response.location",
    "Bundle.link.url",
    "CapabilityStatement.implementation.url",
    "CapabilityStatement.messaging.endpoint.address",
    "CarePlan.activity.detail.instantiatesUri",
    "CarePlan.instantiatesUri",
    "ChargeItem.definitionUri",
    "ChargeItemDefinition.derivedFromUri",
    "ClinicalImpression.protocol",
    "Communication.instantiatesUri",
    "Consent.policy.authority",
    "Consent.policy.uri",
    "Contract.instantiatesUri",
    "Contract.term.offer.answer.value",
    "CoverageEligibilityResponse.insurance.item.authorizationUrl",
    "DetectedIssue.reference",
    "Device.url",
    "DeviceDefinition.onlineInformation",
    "DeviceDefinition.url",
    "DeviceRequest.instantiatesUri",
    "Endpoint.address",
    "Expression.reference",
    "Extension.value",
    "FamilyMemberHistory.instantiatesUri",
    "GuidanceResponse.module",
    "Immunization.education.reference",
    "ImplementationGuide.definition.page.name",
    "ImplementationGuide.manifest.rendering",
    "ImplementationGuide.manifest.resource.relativePath",
    "MedicationAdministration.instantiates",
    "MedicationRequest.instantiatesUri",
    "MessageHeader.destination.endpoint",
    "MessageHeader.source.endpoint",
    "MolecularSequence.repository.url",
    "NutritionOrder.instantiates",
    "NutritionOrder.instantiatesUri",
    "Parameters.parameter.value",
    "Procedure.instantiatesUri",
    "Provenance.policy",
    "Questionnaire.item.initial.value",
    "QuestionnaireResponse.item.answer.value",
    "RelatedArtifact.url",
    "RequestGroup.instantiatesUri",
    "ServiceRequest.instantiatesUri",
    "StructureMap.group.rule.source.defaultValue",
    "Subscription.channel.endpoint",
    "Task.input.value",
    "Task.instantiatesUri",
    "Task.output.value",
    "TerminologyCapabilities.implementation.url",
    "TestReport.participant.uri",
    "TestReport.setup.action.operation.detail",
    "TestScript.metadata.capability.link",
    "TestScript.metadata.link.url",
];

fn renamed(value: &mut Value<'_>) {
    let mut with = |_: LinkKind, text: &str| Ok::<_, Infallible>((text == URN).then(|| ADDRESS.to_owned()));
    relink(value, &mut with).unwrap();
}

fn of(text: &str) -> String {
    let mut value = parse(text.as_bytes(), &Limits::default()).unwrap().into_owned();
    check(&value, &Limits::default()).unwrap();
    renamed(&mut value);
    check(&value, &Limits::default()).unwrap_or_else(|issues| panic!("{}: {issues:?}", to_string(&value)));
    to_string(&value)
}

/// Every member of every shape, by itself: single, in a list, and in an extension beside it. Only the types say which are
/// links, and the table of names which of these are none.
#[test]
fn every_element_is_relinked_by_its_type_and_by_nothing_else() {
    let (mut links, mut others) = (0, 0);
    for shape in &r4().shapes {
        for element in &shape.elements {
            for of_type in &element.types {
                let TypeKind::Primitive(primitive) = of_type.kind else { continue };
                let name = match element.is_choice {
                    true => super::super::table::choice(&element.name, &of_type.name),
                    false => element.name.to_string(),
                };
                let is_reference = shape.name == "Reference" && name == "reference";
                let is_named = is_among(NAMES, shape, element) || is_among(MENTIONS, shape, element);
                let is_address = matches!(primitive, Primitive::Uri | Primitive::Url) && !is_named;
                let is_link = is_reference || is_address;
                for list in [false, true] {
                    let single = Value::string(URN);
                    let value = if list { Value::Array(vec![Value::Null, single]) } else { single };
                    let mut object = Object::default();
                    object.set(name.clone(), value);
                    let before = to_string(&Value::Object(object.clone()));
                    let mut with = |_: LinkKind, text: &str| Ok::<_, Infallible>((text == URN).then(|| ADDRESS.into()));
                    Walk { schema: r4(), with: &mut with }.object(shape, &mut object).unwrap();
                    let after = to_string(&Value::Object(object));
                    let wanted = if is_link { before.replace(URN, ADDRESS) } else { before };
                    assert_eq!(after, wanted, "{}.{name}", shape.name);
                }
                if is_link {
                    links += 1;
                } else {
                    others += 1;
                }
            }
        }
    }
    assert!(links > 50 && others > 3_000, "{links} {others}");
}

/// A row of a table that no element of R4 has, or that is no uri, would hide a mistake.
#[test]
fn every_name_is_an_element_of_that_type() {
    let addresses = ["uri", "url", "oid", "uuid"];
    for row in NAMES.iter().chain(MENTIONS) {
        let is_used = r4().shapes.iter().any(|shape| {
            let mut elements = shape.elements.iter();
            elements.any(|element| {
                let is_address = element.types.iter().any(|of_type| addresses.contains(&of_type.name.as_ref()));
                is_address && is_among(&[*row], shape, element)
            })
        });
        assert!(is_used, "{row:?}");
    }
    for reached in REACHED {
        assert!(r4().named(reached).unwrap().element("url").is_some(), "{reached}");
    }
}

/// Whether an element is a name, a mention or an address: each of R4 is one of these, and no row stands for none.
#[test]
fn every_element_that_may_hold_an_address_is_decided() {
    let mut used: Vec<String> = Vec::new();
    // What every resource has is decided for each of them.
    let is_abstract = |shape: &&Shape| ["Resource", "DomainResource"].contains(&shape.name.as_ref());
    for shape in r4().shapes.iter().filter(|shape| !is_abstract(shape)) {
        for element in &shape.elements {
            let is_primitive = |of_type: &ElementType, wanted: &[Primitive]| {
                wanted.iter().any(|one| of_type.kind == TypeKind::Primitive(*one))
            };
            let types = [Primitive::Uri, Primitive::Url, Primitive::Oid, Primitive::Uuid];
            if !element.types.iter().any(|of_type| is_primitive(of_type, &types)) {
                continue;
            }
            let name = format!("{}.{}", shape.name, element.name);
            let listed = ADDRESSES.contains(&name.as_str());
            let decided = [is_among(NAMES, shape, element), is_among(MENTIONS, shape, element), listed];
            assert_eq!(decided.iter().filter(|is| **is).count(), 1, "{name}: {decided:?}");
            used.extend(listed.then_some(name));
        }
    }
    used.sort_unstable();
    used.dedup();
    assert_eq!(used.len(), ADDRESSES.len(), "{used:?}");
}

#[test]
fn links_are_relinked_wherever_they_stand() {
    let extension = format!(
        r#"[{{"url":"{URN}","valueReference":{{"reference":"{URN}"}}}},{{"url":"http://x","valueUri":"{URN}"}},
        {{"url":"http://x","valueUrl":"{URN}"}},{{"url":"http://x","valueString":"{URN}"}},
        {{"url":"http://x","valueCanonical":"{URN}"}},{{"url":"http://x","valueUuid":"{URN}"}},
        {{"url":"http://x","valueIdentifier":{{"system":"{URN}","value":"{URN}"}}}},
        {{"url":"http://x","extension":[{{"url":"http://y","valueUri":"{URN}"}}]}}]"#
    );
    let text = format!(
        r##"{{"resourceType":"Observation","text":{{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\"><a title='{URN}' href = '{URN}'>{URN}</a><img alt=\"{URN}\" src=\"{URN}\"/><a name=\"{URN}\"/><!-- <a href=\"{URN}\"> --></div>"}},
        "contained":[{{"resourceType":"CarePlan","id":"c","status":"active","intent":"plan","subject":{{"reference":"{URN}"}},
            "instantiatesUri":["{URN}","http://other"],"_instantiatesUri":[null,{{"extension":{extension}}}],
            "instantiatesCanonical":["{URN}"]}}],
        "identifier":[{{"system":"urn:ietf:rfc:3986","value":"{URN}","assigner":{{"reference":"{URN}"}}}}],
        "basedOn":[{{"reference":"#c"}},{{"reference":"{URN}","identifier":{{"value":"{URN}"}},"display":"{URN}"}}],
        "status":"final","code":{{"coding":[{{"system":"{URN}"}}],"text":"{URN}"}},"valueString":"{URN}",
        "note":[{{"authorString":"{URN}","text":"{URN}"}}]}}"##
    );
    let after = of(&text);
    let kept = [
        format!("title='{URN}' href = '{ADDRESS}'>{URN}</a>"),
        format!("<img alt=\\\"{URN}\\\" src=\\\"{ADDRESS}\\\"/><a name=\\\"{URN}\\\"/><!-- <a href=\\\"{URN}\\\"> -->"),
        format!(r#""subject":{{"reference":"{ADDRESS}"}},"instantiatesUri":["{ADDRESS}","http://other"]"#),
        format!(r#"{{"url":"{URN}","valueReference":{{"reference":"{ADDRESS}"}}}}"#),
        format!(r#""valueUri":"{ADDRESS}"}},{{"url":"http://x","valueUrl":"{ADDRESS}"}}"#),
        format!(r#""valueString":"{URN}"}},{{"url":"http://x","valueCanonical":"{URN}"}}"#),
        format!(r#""valueUuid":"{URN}"}},{{"url":"http://x","valueIdentifier":{{"system":"{URN}","value":"{URN}"}}}}"#),
        format!(r#"{{"url":"http://y","valueUri":"{ADDRESS}"}}"#),
        format!(r#""instantiatesCanonical":["{URN}"]"#),
        format!(r#""value":"{URN}","assigner":{{"reference":"{ADDRESS}"}}"#),
        format!(r#"{{"reference":"{ADDRESS}","identifier":{{"value":"{URN}"}},"display":"{URN}"}}"#),
        format!(r#""code":{{"coding":[{{"system":"{URN}"}}],"text":"{URN}"}},"valueString":"{URN}""#),
        format!(r#"{{"authorString":"{URN}","text":"{URN}"}}"#),
    ];
    for part in kept {
        assert!(after.contains(&part), "{part}\n{after}");
    }
}

/// A definition stays what it is called, also where its entry has the same address.
#[test]
fn definitions_keep_their_names_and_bundles_what_they_hold() {
    for text in [
        format!(
            r#"{{"resourceType":"CodeSystem","url":"{URN}","status":"active","content":"complete","valueSet":"{URN}"}}"#
        ),
        format!(
            r#"{{"resourceType":"ValueSet","url":"{URN}","status":"active","compose":{{"include":[{{"system":"{URN}"}}]}}}}"#
        ),
        format!(
            r#"{{"resourceType":"Bundle","type":"collection","link":[{{"relation":"self","url":"{URN}"}}],"entry":[{{"fullUrl":"{URN}",
            "resource":{{"resourceType":"Basic","code":{{"text":"x"}},"subject":{{"reference":"{URN}"}}}}}}]}}"#
        ),
        format!(
            r#"{{"resourceType":"Questionnaire","meta":{{"source":"{URN}"}},"status":"active","item":[{{"linkId":"1","type":"group",
            "definition":"{URN}","item":[{{"linkId":"2","type":"string","definition":"{URN}"}}]}}]}}"#
        ),
        format!(
            r#"{{"resourceType":"QuestionnaireResponse","status":"completed","item":[{{"linkId":"1","definition":"{URN}",
            "item":[{{"linkId":"2","definition":"{URN}"}}]}}]}}"#
        ),
        format!(r#"{{"resourceType":"MessageHeader","eventUri":"{URN}","source":{{"endpoint":"http://x.example"}}}}"#),
    ] {
        let before = parse(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(of(&text), to_string(&before));
    }
    let device = of(&format!(r#"{{"resourceType":"Device","url":"{URN}"}}"#));
    assert!(device.contains(ADDRESS), "{device}");
}

#[test]
fn what_fails_ends_it() {
    let mut value = parse(br#"{"resourceType":"Basic","subject":{"reference":"x"}}"#, &Limits::default()).unwrap();
    assert_eq!(
        relink(&mut value, &mut |kind, text| Err((kind, text.to_owned()))),
        Err((LinkKind::Reference, "x".into()))
    );
}
