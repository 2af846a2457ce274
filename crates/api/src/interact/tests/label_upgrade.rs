//! What an older release has stored comes to hand its labels on: by what it names, by what it shows and has shown, and by the
//! url of a definition.

use std::sync::Arc;

use concord_fhir::registry::ResourceType;
use serde_json::{Value, json};

use crate::config::DatabaseUrl;
use crate::error::ApiError;
use crate::interact::Service;
use crate::interact::command::Command;
use crate::interact::execute::carry_out;
use crate::interact::maintenance::reindex;
use crate::interact::tests::databases::open;
use crate::interact::tests::search::{patient, store, to};

const ACT: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";

fn hidden(mut resource: Value) -> Value {
    resource["meta"] = json!({"security": [{"system": ACT, "code": "NOPAT"}]});
    resource
}

fn document(url: &str) -> Value {
    json!({"resourceType": "DocumentReference", "id": "letter", "status": "current", "subject": to("Patient/ann"),
        "content": [{"attachment": {"url": url}}]})
}

async fn shown(service: &Arc<Service>, name: &str, id: &str) -> bool {
    let read = Command::Read { resource_type: ResourceType::of(name), id: id.to_owned(), unless: None };
    match carry_out(service, patient("ann"), read).await {
        Ok(_) => true,
        Err(ApiError::NotFound) => false,
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn what_was_stored_before_hands_its_labels_on_too() {
    let folder = std::env::temp_dir().join(format!("concord-upgrade-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder).unwrap();
    let address = DatabaseUrl::Sqlite(folder.join("concord.db"));
    let service = open(address.clone());
    let questionnaire =
        json!({"resourceType": "Questionnaire", "id": "q", "url": "http://example.org/q", "status": "active"});
    store(&service, json!({"resourceType": "Patient", "id": "ann"})).await;
    for id in ["before", "now"] {
        let content = json!({"resourceType": "Binary", "id": id, "contentType": "text/plain", "securityContext": to("Patient/ann")});
        store(&service, content).await;
        store(&service, document(&format!("Binary/{id}"))).await;
    }
    store(&service, questionnaire.clone()).await;
    let answers = json!({"resourceType": "QuestionnaireResponse", "id": "a", "status": "completed", "subject": to("Patient/ann"),
        "questionnaire": "http://example.org/q"});
    store(&service, answers).await;
    // As the release before this has left it.
    for text in [
        "DELETE FROM label_source",
        "DELETE FROM label_content",
        "DELETE FROM canonical_name",
        "INSERT INTO setting (name, value) VALUES ('effective-labels', 'missing')",
    ] {
        concord_store::testing::execute(&address, text);
    }
    while reindex::effective_labels(&service).await.unwrap().is_some() {}
    let all = [("Binary", "before"), ("Binary", "now"), ("QuestionnaireResponse", "a")];
    for (name, id) in all {
        assert!(shown(&service, name, id).await, "{name}/{id}");
    }
    store(&service, hidden(document("Binary/now"))).await;
    store(&service, hidden(questionnaire)).await;
    for (name, id) in all {
        assert!(!shown(&service, name, id).await, "{name}/{id}");
    }
    drop(service);
    std::fs::remove_dir_all(&folder).unwrap();
}
