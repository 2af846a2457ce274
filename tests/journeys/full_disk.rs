//! A full disk stops everything, since what is read has to be logged: clients are told so, nothing is half done, and all goes on
//! by itself when there is room. Operators are answered meanwhile, at an address of their own too.

use concord_tests::client::App;
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::json;

on_both! { everybody_is_told_and_all_goes_on_when_there_is_room }
on_both! { with &[("CONCORD_HEALTH_LISTEN", "127.0.0.1:0")]; operators_have_an_address_of_their_own }

/// Makes whatever is stored fail as it does on a full disk.
fn fill(concord: &Concord) {
    let statements = if concord.is_postgres() {
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'could not extend file \
         \"base/5/16385\": No space left on device' USING ERRCODE = 'disk_full'; END $$; \
         CREATE TRIGGER full_disk BEFORE INSERT ON audit EXECUTE FUNCTION full_disk()"
    } else {
        "CREATE TRIGGER full_disk BEFORE INSERT ON audit BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END; \
         CREATE TRIGGER full_disk_too BEFORE UPDATE ON setting BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
    };
    concord.scratch().tamper(statements);
}

fn make_room(concord: &Concord) {
    concord.scratch().tamper(if concord.is_postgres() {
        "DROP TRIGGER full_disk ON audit"
    } else {
        "DROP TRIGGER full_disk; DROP TRIGGER full_disk_too"
    });
}

async fn everybody_is_told_and_all_goes_on_when_there_is_room(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let changed = with(blood_pressure("amina", 121), "id", json!(id));
    fill(concord);
    let entry = json!({"resource": blood_pressure("amina", 122), "request": {"method": "POST", "url": "Observation"}});
    let transaction = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
    for asked in [
        amina.post("Observation", &blood_pressure("amina", 123)),
        amina.put(&place, &changed),
        amina.delete(&place),
        amina.post("/fhir", &transaction),
        amina.get(&place),
        amina.get("Observation?status=final"),
        amina.get("AuditEvent"),
    ] {
        let answer = asked.await.expect(503);
        assert!(answer.header("retry-after").parse().is_ok_and(|seconds: u32| seconds > 0), "{answer}");
        let issue = answer.issues().remove(0);
        assert!(issue.0 == "transient" && answer.text().contains("insufficient storage"), "{answer}");
    }
    let nobody = concord.nobody();
    nobody.get("/readyz").await.expect(503);
    nobody.get("/healthz").await.expect(200);
    make_room(concord);
    nobody.get("/readyz").await.expect(200);
    assert_eq!(amina.get(&place).await.expect(200).json()["meta"]["versionId"], "1");
    assert_eq!(amina.get("Observation").await.expect(200).ids(), [id], "nothing of what was refused is there");
    amina.put(&place, &changed).await.expect(200);
}

async fn operators_have_an_address_of_their_own(concord: &Concord) {
    let address = concord.health.expect("the address of the setting");
    let there = App::at(&format!("http://{address}"));
    assert_eq!(there.get("/healthz").await.expect(200).text(), "ok\n");
    assert_eq!(there.get("/readyz").await.expect(200).text(), "ready\n");
    assert!(there.get("/metrics").await.expect(200).text().contains("concord_build_info"));
    there.get("/fhir/metadata").await.expect(404);
    concord.nobody().get("/healthz").await.expect(200);
}
