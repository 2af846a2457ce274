//! More labels to hand on than one write may: what is kept back meanwhile, step by step, that a server which stops in the
//! middle leaves nothing undone, and what decisions and writes cost.

use std::sync::Arc;

use concord_consent::caller::Actor;
use concord_fhir::registry::ResourceType;
use concord_store::transaction::effective_label::BacklogStep;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::interact::command::{Command, Target};
use crate::interact::execute::{Outcome, carry_out};
use crate::interact::history::{Of, Range};
use crate::interact::maintenance::label_backlog;
use crate::interact::tests::databases::on_each_bounded;
use crate::interact::tests::search::{call, open_with, page, patient, read, reading, store, system, to};
use crate::interact::{Call, Service};

fn hidden(mut resource: Value) -> Value {
    resource["meta"] =
        json!({"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "NOPAT"}]});
    resource
}

fn clinic() -> Value {
    json!({"resourceType": "Organization", "id": "clinic", "name": "x"})
}

fn visit(id: &str, at: Option<&str>) -> Value {
    let mut made = json!({"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "AMB"},
        "subject": to("Patient/ann")});
    if let Some(at) = at {
        made["serviceProvider"] = to(at);
    }
    made
}

fn during(id: &str, visit: &str) -> Value {
    let mut made = reading(id, "ann", "shown");
    made["encounter"] = to(&format!("Encounter/{visit}"));
    made
}

/// Readings of a visit at a clinic, one of which was of it in its first version only; one of another visit, one of none.
const OF_VISIT: [&str; 5] = ["r1", "r2", "r3", "r4", "r5"];

async fn arrive(service: &Arc<Service>) {
    store(service, json!({"resourceType": "Patient", "id": "ann", "name": [{"family": "A"}]})).await;
    store(service, clinic()).await;
    store(service, visit("visit", Some("Organization/clinic"))).await;
    store(service, visit("other", None)).await;
    for id in OF_VISIT {
        store(service, during(id, "visit")).await;
    }
    store(service, during("moved", "visit")).await;
    store(service, reading("moved", "ann", "shown")).await;
    store(service, during("elsewhere", "other")).await;
    store(service, reading("plain", "ann", "shown")).await;
}

async fn is_shown(service: &Arc<Service>, call: &Call, command: Command) -> bool {
    match carry_out(service, call.clone(), command).await {
        Ok(_) => true,
        Err(ApiError::NotFound) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// Which readings are shown, as all ways to them tell alike: a search, its total, a chain, what comes along, a sort, a read,
/// a history of one and of all. A superseded version is told with its number.
async fn shown(service: &Arc<Service>) -> Vec<String> {
    let ann = patient("ann");
    let resource_type = ResourceType::of("Observation");
    let all = page(service, ann.clone(), "Observation", "code=shown&_sort=-date&_total=accurate&_count=100").await;
    let mut ids: Vec<String> = all.versions.iter().map(|version| version.id.clone()).collect();
    ids.sort_unstable();
    assert_eq!(
        all.total.map(|total| format!("{total:?}")).map(|text| text.contains(&ids.len().to_string())),
        Some(true)
    );
    let of_visits = page(service, ann.clone(), "Observation", "encounter:Encounter.status=finished&_count=100").await;
    let along = page(service, ann.clone(), "Encounter", "status=finished&_revinclude=Observation:encounter").await;
    for of_visits in [of_visits.versions, along.included] {
        assert!(of_visits.iter().all(|version| ids.contains(&version.id)), "{ids:?}");
    }
    let history = Command::History {
        of: Of::Type(resource_type),
        range: Range { limit: 100, ..Range::default() },
        asked: Vec::new(),
    };
    let told = match carry_out(service, ann.clone(), history).await.unwrap() {
        Outcome::Versions(found) => found.page.versions,
        other => panic!("{other:?}"),
    };
    for id in OF_VISIT.iter().chain(&["moved", "elsewhere", "plain"]) {
        let read = Command::Read { resource_type, id: (*id).to_owned(), unless: None };
        let by_search = ids.iter().any(|one| one == id);
        assert_eq!(is_shown(service, &ann, read).await, by_search, "{id}");
        assert_eq!(told.iter().any(|version| version.id == *id), by_search, "{id}");
    }
    if told.iter().any(|version| version.id == "moved" && version.version == 1) {
        ids.push("moved/1".to_owned());
    }
    ids
}

async fn step(service: &Arc<Service>) -> BacklogStep {
    label_backlog::some(service, 1).await.unwrap()
}

fn update(resource: &Value) -> Command {
    let resource = read(resource);
    let resource_type = ResourceType::parse(resource.text("resourceType").unwrap()).unwrap();
    let target = Target::Id(resource.text("id").unwrap().to_owned());
    Command::Update { resource_type, target, resource, precondition: None, id: None }
}

/// A label that comes to more than one write may give it to is kept to at once, by everything that will inherit it, however far, and
/// by nothing else. One that goes stays until it has gone.
#[tokio::test]
async fn what_a_label_may_reach_is_kept_back_until_it_has_arrived() {
    on_each_bounded(2, async |service: Arc<Service>| {
        arrive(&service).await;
        let everything = ["elsewhere", "moved", "plain", "r1", "r2", "r3", "r4", "r5", "moved/1"];
        let rest = ["elsewhere", "moved", "plain"];
        assert_eq!(shown(&service).await, everything);
        store(&service, hidden(clinic())).await;
        assert_eq!(shown(&service).await, rest, "with the commit");
        // What is written meanwhile inherits as well, though the visit does not bear it yet.
        store(&service, during("r6", "visit")).await;
        let mut service = service;
        let mut steps = 0;
        loop {
            // Each step may be the last of a server; the next one knows nothing but what is stored.
            service = open_with(&service, |_| {});
            let done = step(&service).await;
            if done == BacklogStep::Nothing {
                break;
            }
            steps += 1;
            assert_eq!(shown(&service).await, rest, "{steps}");
        }
        assert!(steps > OF_VISIT.len(), "{steps}");
        assert_eq!(shown(&service).await, rest, "when it is done");

        store(&service, clinic()).await;
        assert_eq!(shown(&service).await, rest, "a label stays until it has been taken away");
        while step(&service).await != BacklogStep::Nothing {
            service = open_with(&service, |_| {});
            assert!(shown(&service).await.len() >= rest.len());
        }
        let mut all: Vec<&str> = everything.to_vec();
        all.insert(8, "r6");
        assert_eq!(shown(&service).await, all);
    })
    .await;
}

/// A label that comes while another one goes, and one that comes again before it has gone, are not lost.
#[tokio::test]
async fn labels_that_come_and_go_together_end_right() {
    on_each_bounded(1, async |service: Arc<Service>| {
        arrive(&service).await;
        for resource in [hidden(clinic()), clinic(), hidden(clinic())] {
            carry_out(&service, Call::import(), update(&resource)).await.unwrap();
            step(&service).await;
        }
        for at in [None, Some("Organization/clinic")] {
            carry_out(&service, Call::import(), update(&visit("visit", at))).await.unwrap();
            step(&service).await;
        }
        while step(&service).await != BacklogStep::Nothing {
            assert!(!shown(&service).await.iter().any(|id| OF_VISIT.contains(&id.as_str())));
        }
        assert_eq!(shown(&service).await, ["elsewhere", "moved", "plain"]);
        store(&service, clinic()).await;
        while step(&service).await != BacklogStep::Nothing {}
        assert_eq!(shown(&service).await.len(), 9);
    })
    .await;
}

/// Two people who have been at the same clinic, a third who has been elsewhere, and a ring of resources that has nothing to do with it.
async fn three(service: &Arc<Service>) {
    store(service, clinic()).await;
    store(service, json!({"resourceType": "Organization", "id": "elsewhere", "name": "x"})).await;
    for (id, at) in [("ann", "clinic"), ("bob", "clinic"), ("cyd", "elsewhere")] {
        store(service, json!({"resourceType": "Patient", "id": id})).await;
        let mut made = visit(&format!("of-{id}"), Some(&format!("Organization/{at}")));
        made["subject"] = to(&format!("Patient/{id}"));
        store(service, made).await;
        for number in 0..4 {
            let mut made = reading(&format!("{id}-{number}"), id, "shown");
            made["encounter"] = to(&format!("Encounter/of-{id}"));
            store(service, made).await;
        }
    }
    for (id, other) in [("cyd-5", "cyd-6"), ("cyd-6", "cyd-5"), ("cyd-5", "cyd-6")] {
        let mut made = reading(id, "cyd", "shown");
        made["derivedFrom"] = json!([to(&format!("Observation/{other}"))]);
        carry_out(service, Call::import(), update(&made)).await.unwrap();
    }
}

/// Nobody's data is kept back that the label will not reach: it is read, found, changed and told of as before, in all records.
#[tokio::test]
async fn what_a_label_will_not_reach_is_not_kept_back() {
    on_each_bounded(2, async |service: Arc<Service>| {
        three(&service).await;
        let count =
            async |of: &str| page(&service, patient(of), "Observation", "code=shown&_count=100").await.versions.len();
        let counts = async || [count("ann").await, count("bob").await, count("cyd").await];
        assert_eq!(counts().await, [4, 4, 6]);
        let cyd = || call(Actor::Patient("cyd".to_owned()), "patient/*.cruds");
        let of_cyd = |id: &str| {
            let mut made = reading(id, "cyd", "own");
            made["encounter"] = to("Encounter/of-cyd");
            made
        };
        let mut new = of_cyd("new");
        new.as_object_mut().unwrap().remove("id");
        let resource_type = ResourceType::of("Observation");
        let create = Command::Create { resource_type, resource: read(&new), condition: None, id: None };
        let id = match carry_out(&service, cyd(), create).await.unwrap() {
            Outcome::Written(written) => written.version.id,
            other => panic!("{other:?}"),
        };
        store(&service, hidden(clinic())).await;
        let mut steps = 0;
        loop {
            assert_eq!(counts().await, [0, 0, 6], "{steps}");
            carry_out(&service, cyd(), update(&of_cyd(&id))).await.unwrap();
            assert_eq!(page(&service, cyd(), "Observation", "code=own").await.versions.len(), 1);
            if step(&service).await == BacklogStep::Nothing {
                break;
            }
            steps += 1;
        }
        assert!(steps > 4, "{steps}");
        assert_eq!(counts().await, [0, 0, 6]);
    })
    .await;
}

/// How many statements a piece of work takes.
async fn statements(service: &Arc<Service>, call: Call, command: Command) -> u64 {
    let before = service.store.statements();
    carry_out(service, call, command).await.unwrap();
    service.store.statements() - before
}

/// What a decision costs does not grow with what is labelled elsewhere, and what an ordinary write costs neither.
#[tokio::test]
async fn nothing_costs_more_for_what_is_labelled_elsewhere() {
    on_each_bounded(1_000, async |service: Arc<Service>| {
        arrive(&service).await;
        let resource_type = ResourceType::of("Observation");
        let read = || Command::Read { resource_type, id: "r1".to_owned(), unless: None };
        let write = |id: &str| {
            let text = during(id, "visit").to_string();
            let value = concord_fhir::json::parse(text.as_bytes(), &service.settings.limits).unwrap();
            let target = Target::Id(id.to_owned());
            Command::Update { resource_type, target, resource: value.into_owned(), precondition: None, id: None }
        };
        let find = || Command::Search {
            query: Box::new(crate::interact::tests::search::query("Observation", "code=shown")),
            path: String::new(),
        };
        let cost = async |id: &str| {
            // Facts are read once; that is not what is counted.
            carry_out(&service, patient("ann"), read()).await.unwrap();
            carry_out(&service, patient("ann"), find()).await.unwrap();
            [
                statements(&service, patient("ann"), read()).await,
                statements(&service, patient("ann"), find()).await,
                statements(&service, system(), write(id)).await,
            ]
        };
        let none = cost("before").await;
        for number in 0..60 {
            store(&service, hidden(visit(&format!("labelled-{number}"), None))).await;
            store(&service, during(&format!("kept-{number}"), &format!("labelled-{number}"))).await;
        }
        assert_eq!(cost("after").await, none);
    })
    .await;
}

/// What is new costs two statements more where it names something that could protect it, on PostgreSQL three: what it names
/// is stored, and read again with its labels, once whoever changes those has been waited for.
#[tokio::test]
async fn an_ordinary_write_costs_little_more_for_what_it_names() {
    on_each_bounded(1_000, async |service: Arc<Service>| {
        arrive(&service).await;
        let create = |mut value: Value| {
            value.as_object_mut().unwrap().remove("id");
            let text = value.to_string();
            let resource = concord_fhir::json::parse(text.as_bytes(), &service.settings.limits).unwrap().into_owned();
            let resource_type = ResourceType::of("Observation");
            Command::Create { resource_type, resource, condition: None, id: None }
        };
        let none = statements(&service, system(), create(reading("x", "ann", "shown"))).await;
        let one = statements(&service, system(), create(during("x", "visit"))).await;
        assert!(one - none <= 3, "{none} and {one}");
    })
    .await;
}

fn document(id: &str, shows: &[&str]) -> Value {
    let content: Vec<Value> = shows.iter().map(|one| json!({"attachment": {"url": format!("Binary/{one}")}})).collect();
    json!({"resourceType": "DocumentReference", "id": id, "status": "current", "subject": to("Patient/ann"), "content": content})
}

/// Which of these contents are shown to the patient.
async fn contents(service: &Arc<Service>, ids: &[&'static str]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for id in ids {
        let resource_type = ResourceType::of("Binary");
        let read = Command::Read { resource_type, id: (*id).to_owned(), unless: None };
        if is_shown(service, &patient("ann"), read).await {
            found.push(*id);
        }
    }
    found
}

/// More content than one write may label: of a document that gets its label, and of one that comes with it.
#[tokio::test]
async fn content_follows_in_the_background_what_shows_it() {
    on_each_bounded(1, async |service: Arc<Service>| {
        store(&service, json!({"resourceType": "Patient", "id": "ann"})).await;
        let all = ["b1", "b2", "b3", "b4", "b5", "b6"];
        for id in all {
            let context = to("Patient/ann");
            let content =
                json!({"resourceType": "Binary", "id": id, "contentType": "text/plain", "securityContext": context});
            store(&service, content).await;
        }
        store(&service, document("later", &all[..3])).await;
        assert_eq!(contents(&service, &all).await, all);
        store(&service, hidden(document("later", &all[..3]))).await;
        assert_eq!(contents(&service, &all).await, all[3..], "with the commit");
        store(&service, hidden(document("at-once", &all[3..]))).await;
        assert_eq!(contents(&service, &all).await, [""; 0], "with the commit");
        while step(&service).await != BacklogStep::Nothing {
            assert_eq!(contents(&service, &all).await, [""; 0], "meanwhile");
        }
        assert_eq!(contents(&service, &all).await, [""; 0], "when it is done");
        store(&service, document("later", &all[..3])).await;
        while step(&service).await != BacklogStep::Nothing {}
        assert_eq!(contents(&service, &all).await, all[..3], "when it has gone");
    })
    .await;
}

/// More answers to a questionnaire than one write may label, of which one was to it in its first version only.
#[tokio::test]
async fn answers_follow_in_the_background_what_they_answer() {
    on_each_bounded(2, async |service: Arc<Service>| {
        let questionnaire = || json!({"resourceType": "Questionnaire", "id": "q", "url": "http://example.org/q", "status": "active"});
        let answers = |id: &str, to: &str| {
            json!({"resourceType": "QuestionnaireResponse", "id": id, "status": "completed", "subject": to_ann(), "questionnaire": to})
        };
        store(&service, json!({"resourceType": "Patient", "id": "ann"})).await;
        store(&service, questionnaire()).await;
        for id in ["a1", "a2", "a3", "a4", "a5"] {
            store(&service, answers(id, "http://example.org/q|1")).await;
        }
        store(&service, answers("other", "http://example.org/q")).await;
        store(&service, answers("other", "http://example.org/elsewhere")).await;
        let shown = async |service: &Arc<Service>| {
            page(service, patient("ann"), "QuestionnaireResponse", "_count=100").await.versions.len()
        };
        assert_eq!(shown(&service).await, 6);
        store(&service, hidden(questionnaire())).await;
        assert_eq!(shown(&service).await, 1, "with the commit");
        let mut steps = 0;
        while step(&service).await != BacklogStep::Nothing {
            assert_eq!(shown(&service).await, 1, "meanwhile");
            steps += 1;
        }
        assert!(steps > 5, "{steps}");
        assert_eq!(shown(&service).await, 1, "when it is done");
        store(&service, questionnaire()).await;
        while step(&service).await != BacklogStep::Nothing {}
        assert_eq!(shown(&service).await, 6, "when it has gone");
    })
    .await;
}

fn to_ann() -> Value {
    to("Patient/ann")
}
