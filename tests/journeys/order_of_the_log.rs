//! The log in the order of when its events were recorded: those of a system say that themselves, and may come long after. Every page
//! is compared with what all events, fetched in no order, are when they are put in order here.

use concord_fhir::rules::instant;
use concord_tests::client::text;
use concord_tests::people::{self, blood_pressure};
use concord_tests::{App, Concord, on_both};
use serde_json::{Value, json};

on_both! { in_the_order_in_which_they_were_recorded }

const HOUR: i64 = 3_600_000;

/// What is asked for besides whose record it is.
const FILTERS: [&str; 8] = [
    "",
    "subtype=read&",
    "action=C&",
    "agent=Practitioner/gp&",
    "agent=Practitioner/gp&outcome=0&",
    "date=ge2026-06&outcome=0&",
    "date=lt2026-12-01&",
    "_lastUpdated=ge2026-12-01T13:00:00Z&",
];

/// An event of another system's, recorded then.
fn event(patient: &str, recorded: &str) -> Value {
    json!({"resourceType": "AuditEvent",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "subtype": [{"system": "http://hl7.org/fhir/restful-interaction", "code": "read"}],
        "action": "R", "recorded": recorded, "outcome": "0",
        "agent": [{"who": {"reference": "Practitioner/gp"}, "requestor": true}],
        "source": {"observer": {"display": "another system"}},
        "entity": [{"what": {"reference": format!("Patient/{patient}")}}]})
}

/// What is written while events of all kinds of times come in between.
async fn arrive(concord: &Concord) {
    people::arrive(concord).await;
    let (system, amina) = (concord.system(), concord.patient("amina"));
    for (number, recorded) in [
        "2025-03-01T08:00:00Z",
        "2026-12-01T11:30:00.250Z",
        "2026-12-01T11:30:00.25+00:00",
        "1999-12-31T23:59:60Z",
        "2026-12-01T18:00:00+05:00",
        "2025-03-01T08:00:00Z",
    ]
    .into_iter()
    .enumerate()
    {
        let id = amina.create(&blood_pressure("amina", 100 + u32::try_from(number).expect("a few"))).await;
        concord.user("Practitioner/gp").get(&format!("Observation/{id}")).await.expect(200);
        concord.later(HOUR);
        system.create(&event("amina", recorded)).await;
        system.create(&event("callum", recorded)).await;
    }
    concord.later(HOUR);
}

/// The events of all pages.
async fn pages(app: &App, place: &str) -> Vec<Value> {
    let (mut all, mut next) = (Vec::new(), Some(place.to_owned()));
    while let Some(place) = next {
        let page = app.get(&place).await.expect(200);
        all.extend(page.matches());
        next = page.link("next");
    }
    all
}

/// Where an event stands: by when it was recorded, then what a system has handed in, then in the order in which they came.
fn place(event: &Value) -> (i64, bool, i64) {
    let recorded = instant::range(text(event, "/recorded")).expect("an instant").0;
    let is_own = text(event, "/source/observer/display") != "another system";
    (recorded, is_own, text(event, "/id").parse().expect("a number"))
}

/// What came before anybody looked: that is told in the log as well.
const BEFORE: &str = "_lastUpdated=lt2026-12-01T18:30:00Z";

async fn in_the_order_in_which_they_were_recorded(concord: &Concord) {
    arrive(concord).await;
    let readers = [("system", concord.system()), ("amina", concord.patient("amina"))];
    for (who, app) in &readers {
        for whose in ["patient=amina&", "patient=amina,callum&", ""] {
            for filter in FILTERS {
                let mut wanted = pages(app, &format!("AuditEvent?{whose}{filter}{BEFORE}&_count=1000")).await;
                wanted.sort_by_key(place);
                for (sort, count) in [("date", 3), ("-date", 3), ("date", 1000), ("-date", 7)] {
                    let asked = format!("AuditEvent?{whose}{filter}{BEFORE}&_sort={sort}&_count={count}");
                    assert_eq!(ids(&pages(app, &asked).await), ids(&wanted), "{who}: {asked}");
                    wanted.reverse();
                }
            }
        }
    }
}

fn ids(events: &[Value]) -> Vec<(&str, &str)> {
    events.iter().map(|event| (text(event, "/id"), text(event, "/recorded"))).collect()
}
