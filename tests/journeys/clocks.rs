//! The clocks of nodes differ: what is stored is in order all the same, and a node that is off says so.

use concord_api::command::audit::{self, Action, AuditArgs, VerifyArgs};
use concord_tests::client::{App, text};
use concord_tests::people::{self, blood_pressure, with};
use concord_tests::{Concord, on_both};
use serde_json::json;

on_both! { nodes_an_hour_apart, a_node_that_is_off_is_not_ready }

const HOUR: i64 = 3_600_000;

/// A node over the same database whose machine's clock is so far ahead.
async fn node(concord: &Concord, ahead_ms: i64) -> Concord {
    Concord::start(concord.shared_scratch(), concord.clock.off_by_ms(ahead_ms), &[]).await
}

async fn nodes_an_hour_apart(concord: &Concord) {
    people::arrive(concord).await;
    let nodes = [node(concord, HOUR).await, node(concord, -HOUR).await];
    let token = concord.patient("amina").token().to_owned();
    let apps: Vec<App> =
        std::iter::once(concord).chain(&nodes).map(|node| App::at(&node.origin()).with_token(token.as_str())).collect();
    let id = apps[1].create(&blood_pressure("amina", 100)).await;
    let place = format!("Observation/{id}");
    let mut written = vec![apps[0].get(&place).await.expect(200).json()];
    for (round, value) in (1..9_usize).zip(101..) {
        concord.later(700);
        let app = &apps[round % 3];
        let reading = with(blood_pressure("amina", value), "id", json!(id));
        written.push(app.put(&place, &reading).await.expect(200).json());
    }
    let times: Vec<&str> = written.iter().map(|one| text(one, "/meta/lastUpdated")).collect();
    let mut wanted = Vec::new();
    for number in 0..9 {
        let at = instant(concord.clock.now_ms() - (8 - number) * 700);
        wanted.push(at);
    }
    assert_eq!(times, wanted, "all by the database's clock");
    let told = apps[2].entries(&format!("AuditEvent?entity={place}&subtype=update&_sort=date&_count=100")).await;
    let versions: Vec<&str> = told
        .iter()
        .flat_map(|entry| entry["resource"]["entity"].as_array().into_iter().flatten())
        .map(|entity| text(entity, "/what/reference"))
        .filter(|reference| reference.starts_with(&place))
        .collect();
    let in_order: Vec<String> = (2..10).map(|version| format!("{place}/_history/{version}")).collect();
    assert_eq!(versions, in_order, "the log has them in the order in which they were done");
    // A database that fails over to a machine whose clock is behind sets it back: no version is older than the one before.
    concord.later(-5_000);
    let again = apps[0].put(&place, &with(blood_pressure("amina", 110), "id", json!(id))).await.expect(200).json();
    assert_eq!(text(&again, "/meta/lastUpdated"), times[8]);
    concord.later(5_000);
    // A node that ends adds what is left to the chain; then nothing is missing, whoever looks.
    let clocks: Vec<_> = nodes.iter().map(|node| node.clock.clone()).collect();
    drop(nodes);
    for clock in clocks {
        let mut out = Vec::new();
        let action = Action::Head { key: Some(concord.scratch().folder().join("audit.key")) };
        audit::run(&AuditArgs { action }, &concord.config, clock.clone(), &mut out).await.expect("a head");
        out.clear();
        let action = Action::Verify(VerifyArgs::default());
        let whole = audit::run(&AuditArgs { action }, &concord.config, clock, &mut out).await;
        let printed = String::from_utf8(out).expect("text");
        assert!(whole.is_ok() && printed.contains(" 0 not in the chain yet, 0 problems"), "{printed}");
    }
}

/// An instant as FHIR writes it.
fn instant(ms: i64) -> String {
    let seconds = ms.div_euclid(1000) - concord_tests::server::START_MS / 1000;
    format!("2026-12-01T12:{:02}:{:02}.{:03}Z", seconds / 60, seconds % 60, ms.rem_euclid(1000))
}

async fn a_node_that_is_off_is_not_ready(concord: &Concord) {
    let nobody = concord.nobody();
    nobody.get("/readyz").await.expect(200);
    for (ahead_ms, seconds, status) in [(HOUR, "3600", 503), (-HOUR, "-3600", 503), (29_000, "29", 200)] {
        let off = node(concord, ahead_ms).await;
        let answer = off.nobody().get("/readyz").await.expect(status).text();
        assert_eq!(answer.contains("clock"), status == 503, "{answer}");
        let metrics = off.nobody().get("/metrics").await.expect(200).text();
        assert!(metrics.contains(&format!("concord_clock_offset_seconds {seconds}\n")), "{metrics}");
        // It serves all the same, and believes who is believed elsewhere.
        let app = App::at(&off.origin()).with_token(concord.system().token());
        app.get("Patient").await.expect(200);
    }
    let patient = Concord::start(
        concord.shared_scratch(),
        concord.clock.off_by_ms(HOUR),
        &[("CONCORD_CLOCK_LIMIT_SECONDS", "3601")],
    )
    .await;
    patient.nobody().get("/readyz").await.expect(200);
}
