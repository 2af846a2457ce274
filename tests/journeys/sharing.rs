//! Who reaches whose record, and that a withdrawn permission is gone with the next request, on every node.

use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::json;

on_both! {
    related_persons_by_consent_only, consents_withdrawn_by_the_patient, care_teams, consents_to_professionals, consents_that_end,
    a_denial_that_ends_before_it_begins_holds, consents_to_an_organisation_by_its_number, what_is_about_nobody
}

async fn related_persons_by_consent_only(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
        "subject": {"reference": "Patient/amina"}});
    let goal = format!("Goal/{}", amina.create(&goal).await);
    let (son, neighbour) = (concord.user("RelatedPerson/yusuf"), concord.user("RelatedPerson/neighbour"));
    son.get(&reading).await.expect(200);
    assert_eq!(son.get("Observation").await.expect(200).ids().len(), 1);
    for hidden in [goal.as_str(), "Patient/amina", "Consent/amina-sharing", "Patient/callum"] {
        son.get(hidden).await.expect(404).issues();
    }
    for hidden in [reading.as_str(), &goal, "Patient/amina"] {
        neighbour.get(hidden).await.expect(404).issues();
    }
    assert!(neighbour.get("Observation?patient=amina").await.expect(200).ids().is_empty());
    neighbour.get("RelatedPerson/neighbour").await.expect(200);
    neighbour.get("RelatedPerson/yusuf").await.expect(404).issues();
    // One who is related to the patient no longer has what the Consent said.
    let former = json!({"resourceType": "RelatedPerson", "id": "yusuf", "active": false,
        "patient": {"reference": "Patient/amina"}});
    concord.system().store(&former).await;
    son.get(&reading).await.expect(404).issues();
}

/// When a period ends whose end lies before its start by a time zone, nobody can tell, and so what it denies is denied.
async fn a_denial_that_ends_before_it_begins_holds(concord: &Concord) {
    people::arrive(concord).await;
    let (amina, gp) = (concord.patient("amina"), concord.user("Practitioner/gp"));
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let mut denial = people::without(people::consent("active", "Practitioner/gp", &["access"], &["Observation"]), "id");
    denial["provision"]["type"] = json!("deny");
    for (period, held) in [
        (json!({"start": "2024-06-01T23:00:00-05:00", "end": "2024-06-01"}), true),
        (json!({"start": "2024-06-01", "end": "2024-06-01T00:30:00+14:00"}), true),
        (json!({"start": "2024-06-01T23:00:00-05:00", "end": "2024-06-02"}), false),
    ] {
        denial["provision"]["period"] = period.clone();
        gp.get(&reading).await.expect(200);
        let place = format!("Consent/{}", amina.create(&denial).await);
        assert_eq!(gp.get(&reading).await.status, if held { 404 } else { 200 }, "{period}");
        assert_eq!(gp.get("Observation?patient=amina").await.expect(200).ids().is_empty(), held, "{period}");
        let stored = amina.get(&place).await.expect(200).json();
        amina.put(&place, &with(stored, "status", json!("inactive"))).await.expect(200);
    }
}

async fn consents_withdrawn_by_the_patient(concord: &Concord) {
    people::arrive(concord).await;
    let node = concord.another_node().await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let sharing =
        people::without(people::consent("active", "RelatedPerson/neighbour", &["access"], &["Observation"]), "id");
    let neighbours = [concord.user("RelatedPerson/neighbour"), node.user("RelatedPerson/neighbour")];
    let check = async |permitted: bool| {
        for app in &neighbours {
            app.get(&reading).await.expect(if permitted { 200 } else { 404 });
            assert_eq!(app.get("Observation").await.expect(200).ids().len(), usize::from(permitted));
            app.get(&format!("{reading}/_history")).await.expect(if permitted { 200 } else { 404 });
        }
    };
    check(false).await;
    for _ in 0..2 {
        let place = format!("Consent/{}", amina.create(&sharing).await);
        check(true).await;
        let stored = amina.get(&place).await.expect(200).json();
        amina.put(&place, &with(stored.clone(), "status", json!("inactive"))).await.expect(200);
        check(false).await;
        amina.put(&place, &stored).await.expect(200);
        check(true).await;
        amina.delete(&place).await.expect(204);
        check(false).await;
    }
}

async fn care_teams(concord: &Concord) {
    people::arrive(concord).await;
    let node = concord.another_node().await;
    let reading = format!("Observation/{}", concord.patient("amina").create(&blood_pressure("amina", 120)).await);
    let apps = |reference: &str| [concord.user(reference), node.user(reference)];
    let check = async |reference: &str, status: u16| {
        for app in apps(reference) {
            app.get(&reading).await.expect(status);
            let found = app.get("Observation?patient=amina").await.expect(200).ids().len();
            assert_eq!(found, usize::from(status == 200), "{reference}");
            let found = app.get("Observation").await.expect(200).ids().len();
            assert_eq!(found, usize::from(status == 200), "{reference}");
        }
    };
    let system = concord.system();
    check("Practitioner/gp", 200).await;
    check("Practitioner/former", 404).await;
    system.store(&people::care_team(&["Practitioner/former"])).await;
    check("Practitioner/gp", 404).await;
    check("Practitioner/former", 200).await;
    // Through a role, and no longer when the role ends.
    let role = |active: bool| {
        json!({"resourceType": "PractitionerRole", "id": "gp-role", "active": active,
            "practitioner": {"reference": "Practitioner/gp"}, "organization": {"reference": "Organization/surgery"}})
    };
    system.store(&role(true)).await;
    system.store(&people::care_team(&["PractitionerRole/gp-role"])).await;
    check("Practitioner/gp", 200).await;
    check("PractitionerRole/gp-role", 200).await;
    check("Practitioner/former", 404).await;
    system.store(&role(false)).await;
    check("Practitioner/gp", 404).await;
    for app in apps("PractitionerRole/gp-role") {
        app.get(&reading).await.expect(403);
    }
    system.store(&role(true)).await;
    check("Practitioner/gp", 200).await;
    system.store(&with(people::care_team(&["PractitionerRole/gp-role"]), "status", json!("inactive"))).await;
    check("Practitioner/gp", 404).await;
    system.store(&people::care_team(&["PractitionerRole/gp-role"])).await;
    check("Practitioner/gp", 200).await;
    system.delete("CareTeam/amina-team").await.expect(204);
    check("Practitioner/gp", 404).await;
    // A team of another patient gives nothing here.
    let other = with(people::care_team(&["Practitioner/gp"]), "subject", json!({"reference": "Patient/callum"}));
    // Nor does a deleted one come back as another patient's.
    system.put("CareTeam/amina-team", &other).await.expect(422).issues();
    system.store(&with(other, "id", json!("callum-team"))).await;
    check("Practitioner/gp", 404).await;
    concord.user("Practitioner/gp").get("Patient/callum").await.expect(200);
}

async fn consents_to_professionals(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let elsewhere = concord.user("Practitioner/gp-elsewhere");
    elsewhere.get(&reading).await.expect(404).issues();
    let sharing =
        people::without(people::consent("active", "Practitioner/gp-elsewhere", &["access"], &["Observation"]), "id");
    let id = amina.create(&sharing).await;
    elsewhere.get(&reading).await.expect(200);
    elsewhere.get("Patient/amina").await.expect(404).issues();
    amina.delete(&format!("Consent/{id}")).await.expect(204);
    elsewhere.get(&reading).await.expect(404).issues();
    // A denial that names a member of the care team goes before membership.
    let gp = concord.user("Practitioner/gp");
    gp.get(&reading).await.expect(200);
    let mut denial = people::without(people::consent("active", "Practitioner/gp", &["access"], &["Observation"]), "id");
    denial["provision"]["type"] = json!("deny");
    let id = amina.create(&denial).await;
    gp.get(&reading).await.expect(404).issues();
    gp.get("Patient/amina").await.expect(200);
    amina.delete(&format!("Consent/{id}")).await.expect(204);
    gp.get(&reading).await.expect(200);
}

/// A permission that ends at a time ends then, without anybody writing anything.
async fn consents_that_end(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let reading = format!("Observation/{}", amina.create(&blood_pressure("amina", 120)).await);
    let mut sharing = people::consent("active", "RelatedPerson/neighbour", &["access"], &["Observation"]);
    sharing["provision"]["period"] = json!({"start": "2026-12-01T12:10:00Z", "end": "2026-12-01T12:20:00Z"});
    amina.create(&people::without(sharing, "id")).await;
    let neighbour = concord.user("RelatedPerson/neighbour");
    for (minutes, status) in [(0, 404), (9, 404), (2, 200), (8, 200), (2, 404), (60, 404)] {
        concord.later(minutes * 60_000);
        neighbour.get(&reading).await.expect(status);
    }
}

async fn what_is_about_nobody(concord: &Concord) {
    people::arrive(concord).await;
    for app in
        [concord.patient("callum"), concord.user("Practitioner/gp-elsewhere"), concord.user("RelatedPerson/neighbour")]
    {
        app.get("Organization/surgery").await.expect(200);
        let practitioners = app.get("Practitioner").await.expect(200).ids();
        assert_eq!(practitioners.len(), 3);
        let organization = json!({"resourceType": "Organization", "id": "surgery", "name": "Mine"});
        app.put("Organization/surgery", &organization).await.expect(403).issues();
        app.delete("Organization/surgery").await.expect(403).issues();
    }
    let kept = concord.system().get("Organization/surgery").await.expect(200).json();
    assert_eq!(text(&kept, "/name"), "Example Surgery");
}

/// Who works there sees while they do: what is remembered of them is forgotten when their role begins or ends, and when anything
/// changes that says where they work.
async fn consents_to_an_organisation_by_its_number(concord: &Concord) {
    people::arrive(concord).await;
    let system = concord.system();
    let reading = format!("Observation/{}", concord.patient("amina").create(&blood_pressure("amina", 120)).await);
    let number = |value: &str| json!({"system": "https://fhir.nhs.uk/Id/ods-organization-code", "value": value});
    let surgery = |value: &str| json!({"resourceType": "Organization", "id": "surgery", "identifier": [number(value)], "name": "Example Surgery"});
    let mut consent = people::consent("active", "Organization/surgery", &["access"], &["Observation"]);
    consent["provision"]["actor"][0]["reference"] = json!({"identifier": number("A81001")});
    let role = |start: &str, end: &str| {
        json!({"resourceType": "PractitionerRole", "id": "job", "practitioner": {"reference": "Practitioner/gp-elsewhere"},
            "organization": {"reference": "Organization/surgery"}, "period": {"start": start, "end": end}})
    };
    for resource in [surgery("A81001"), role("2026-12-02", "2026-12-02"), consent] {
        system.store(&resource).await;
    }
    let sees = async |status: u16| {
        for who in ["Practitioner/gp-elsewhere", "PractitionerRole/job"] {
            let app = concord.user(who);
            // To write is to ask who writes, whatever is remembered of what they may see.
            app.post("Observation", &blood_pressure("amina", 120)).await.expect(403);
            app.get(&reading).await.expect(status);
        }
    };
    sees(404).await;
    concord.later(24 * 3_600_000);
    sees(200).await;
    system.store(&surgery("B82002")).await;
    sees(404).await;
    system.store(&surgery("A81001")).await;
    sees(200).await;
    concord.later(24 * 3_600_000);
    sees(404).await;
}
