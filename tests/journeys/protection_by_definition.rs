//! What follows a definition is protected as the definition is, which is named by its canonical url; and what somebody does in
//! a role, as the service is that it is a role in.

use concord_tests::client::text;
use concord_tests::minimal::{self, Place};
use concord_tests::people::{blood_pressure, with, without};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

use crate::protection_follows::relabel;
use crate::protection_is_inherited::{cast, encounter, hidden_from_both, owner};

on_both! { by_every_canonical, as_definitions_come_and_change, by_a_role_in_a_service, nobody_hides_the_answers_of_others }

/// What only says of which form something is, or which terms there are, protects nothing.
const FORM: [&str; 12] = [
    "CapabilityStatement",
    "CodeSystem",
    "CompartmentDefinition",
    "ConceptMap",
    "GraphDefinition",
    "ImplementationGuide",
    "MessageDefinition",
    "OperationDefinition",
    "SearchParameter",
    "StructureDefinition",
    "StructureMap",
    "ValueSet",
];

fn questionnaire(id: &str) -> Value {
    json!({"resourceType": "Questionnaire", "id": id, "url": format!("http://example.org/q/{id}"), "status": "active",
        "version": "1"})
}

fn answers(id: &str, to: &str) -> Value {
    json!({"resourceType": "QuestionnaireResponse", "id": id, "status": "completed", "questionnaire": to,
        "subject": {"reference": "Patient/amina"}})
}

async fn assert_shown(apps: &[&App], place: &str, wanted: bool) {
    for (number, app) in apps.iter().enumerate() {
        let (name, id) = place.split_once('/').expect("a place");
        let found = app.get(&format!("{name}?_id={id}")).await.expect(200).ids().len();
        let read = app.get(place).await.status == 200;
        assert_eq!((read, found), (wanted, usize::from(wanted)), "{place} to {number}");
    }
}

/// Over every element of type canonical that may mean more than a form, in every type that is part of a record.
async fn by_every_canonical(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    system.store(&questionnaire("open")).await;
    system.store(&with(questionnaire("hidden"), "meta", hidden_from_both())).await;
    let means_more =
        |place: &Place| !place.targets.iter().all(|one| FORM.contains(&one.name())) || place.targets.is_empty();
    let mut names = Vec::new();
    let mut entries = Vec::new();
    for place in minimal::canonicals().into_iter().filter(means_more) {
        let Some(owner) = owner(place.resource_type) else { continue };
        for id in ["open", "hidden"] {
            let of_amina = (owner.as_slice(), json!({"reference": "Patient/amina"}));
            let follows = (place.members.as_slice(), json!(format!("http://example.org/q/{id}")));
            let named = with(
                minimal::resource(place.resource_type, &[of_amina, follows]),
                "id",
                json!(format!("{}-{id}", names.len())),
            );
            let url = format!("{}/{}", text(&named, "/resourceType"), text(&named, "/id"));
            entries.push(json!({"resource": named, "request": {"method": "PUT", "url": url}}));
        }
        names.push((place.name(), place.resource_type));
    }
    assert!(names.len() > 10, "{names:?}");
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
    let answer = system.post("", &bundle).await;
    assert_eq!(answer.status, 200, "{:?}", answer.issues());
    for (number, (_, resource_type)) in names.iter().enumerate() {
        assert_shown(&[&amina, &nurse], &format!("{resource_type}/{number}-open"), true).await;
        assert_shown(&[&amina, &nurse], &format!("{resource_type}/{number}-hidden"), false).await;
    }
    let extension =
        |id: &str| json!([{"url": "http://example.org/by", "valueCanonical": format!("http://example.org/q/{id}|1")}]);
    for id in ["open", "hidden"] {
        let reading = with(blood_pressure("amina", 120), "extension", extension(id));
        system.store(&with(reading, "id", json!(format!("by-{id}")))).await;
        assert_shown(&[&amina, &nurse], &format!("Observation/by-{id}"), id == "open").await;
    }
}

/// A definition that comes later, a label that does, another url, a deletion, and answers that are changed.
async fn as_definitions_come_and_change(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    let both = [&amina, &nurse];
    system.store(&answers("early", "http://example.org/q/late|1")).await;
    assert_shown(&both, "QuestionnaireResponse/early", true).await;
    system.store(&with(questionnaire("late"), "meta", hidden_from_both())).await;
    assert_shown(&both, "QuestionnaireResponse/early", false).await;
    system.store(&questionnaire("late")).await;
    assert_shown(&both, "QuestionnaireResponse/early", true).await;
    for to in [
        "http://example.org/q/late",
        "http://example.org/q/late|7",
        "Questionnaire/late",
        "http://concord.test/fhir/Questionnaire/late",
    ] {
        system.store(&answers("written", to)).await;
        relabel(&system, "Questionnaire/late", "$meta-add", "SEX").await;
        assert_shown(&[&nurse], "QuestionnaireResponse/written", false).await;
        assert_shown(&[&nurse], "QuestionnaireResponse/early", false).await;
        relabel(&system, "Questionnaire/late", "$meta-delete", "SEX").await;
        assert_shown(&[&nurse], "QuestionnaireResponse/written", true).await;
    }
    relabel(&system, "Questionnaire/late", "$meta-add", "SEX").await;
    // Under another url: what has named it by the old one goes on to, and so does what names it by the new one already.
    system.store(&answers("other", "http://example.org/q/renamed")).await;
    assert_shown(&[&nurse], "QuestionnaireResponse/other", true).await;
    let renamed =
        with(system.get("Questionnaire/late").await.expect(200).json(), "url", json!("http://example.org/q/renamed"));
    system.store(&renamed).await;
    assert_shown(&[&nurse], "QuestionnaireResponse/other", false).await;
    assert_shown(&[&nurse], "QuestionnaireResponse/early", false).await;
    system.delete("Questionnaire/late").await.expect(204);
    assert_shown(&[&nurse], "QuestionnaireResponse/other", false).await;
    system.store(&answers("other", "http://example.org/q/none")).await;
    assert_shown(&[&nurse], "QuestionnaireResponse/other", true).await;
    nurse.get("QuestionnaireResponse/other/_history/1").await.expect(404);
}

/// What is done in a role is done in the service.
async fn by_a_role_in_a_service(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let system = concord.system();
    for (id, meta) in [("plain", json!({"tag": [{"system": "urn:x", "code": "x"}]})), ("clinic", hidden_from_both())] {
        system.store(&json!({"resourceType": "Organization", "id": id, "name": "x", "meta": meta})).await;
        system
            .store(
                &json!({"resourceType": "PractitionerRole", "id": id, "practitioner": {"reference": "Practitioner/gp"},
            "organization": {"reference": format!("Organization/{id}")}}),
            )
            .await;
        let role = json!({"reference": format!("PractitionerRole/{id}")});
        let reading = with(blood_pressure("amina", 120), "performer", json!([role]));
        system.store(&with(reading, "id", json!(id))).await;
        system.store(&encounter(id, json!({"participant": [{"individual": role}]}))).await;
        for place in [format!("Observation/{id}"), format!("Encounter/{id}")] {
            assert_shown(&[&amina, &nurse], &place, id == "plain").await;
        }
    }
    relabel(&system, "Organization/plain", "$meta-add", "SEX").await;
    assert_shown(&[&nurse], "Observation/plain", false).await;
}

/// A professional's own definition of a url that others use hides nothing of theirs.
async fn nobody_hides_the_answers_of_others(concord: &Concord) {
    let (amina, nurse) = cast(concord).await;
    let (system, gp) = (concord.system(), concord.user("Practitioner/gp"));
    system.store(&questionnaire("used")).await;
    system.store(&answers("hers", "http://example.org/q/used")).await;
    let own = with(without(questionnaire("used"), "id"), "meta", hidden_from_both());
    let tried = gp.post("Questionnaire", &own).await;
    assert!([201, 403].contains(&tried.status), "{}", tried.text());
    assert_shown(&[&amina, &nurse], "QuestionnaireResponse/hers", true).await;
}
