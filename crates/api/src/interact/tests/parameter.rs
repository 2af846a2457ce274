//! What happens between two nodes when a search parameter is added.

use concord_fhir::index::extract_under;
use concord_fhir::json::{self, Value};
use concord_fhir::registry::{Index, ResourceType};
use concord_store::rows::{Method, Version};
use concord_store::testing::Scratch;
use tokio::sync::oneshot;

use crate::interact::command::Command;
use crate::interact::execute::carry_out;
use crate::interact::tests::search::{open, system};

const LOCATION: ResourceType = ResourceType::of("Location");

fn value(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &json::Limits::default()).unwrap().into_owned()
}

fn location(key: i64, body: &str) -> Version {
    Version {
        key,
        resource_type: LOCATION,
        id: "ward".to_owned(),
        version: 1,
        updated: 0,
        method: Method::Put,
        deleted: false,
        patient: 0,
        patients: 0,
        author: String::new(),
        labels: String::new(),
        body: body.to_owned(),
    }
}

/// Otherwise the index would count as whole although what the first node is about to commit has no rows.
#[tokio::test]
async fn a_definition_waits_for_the_writes_that_are_under_way() {
    let [_, scratch] = Scratch::both();
    let (one, other) = (open(scratch.address.clone()), open(scratch.address.clone()));
    let (begun, begins) = oneshot::channel();
    let writing = tokio::spawn(async move {
        let write = one.store.write(move |transaction| {
            let body = r#"{"resourceType":"Location","id":"ward","alias":["East"]}"#;
            let entries = extract_under("", LOCATION, "ward", 0, &value(body));
            // Both nodes make the same numbers here, since their clocks stand still.
            let version = location(1, body);
            #[expect(clippy::disallowed_methods, reason = "the store by itself")]
            let done = transaction.insert(&[(version, &entries)]);
            begun.send(()).unwrap();
            while transaction.waiting_for_writers() == 0 {}
            (done, Vec::new())
        });
        write.await
    });
    begins.await.unwrap();
    let definition = value(
        r#"{"resourceType":"SearchParameter","url":"http://example.org/a","name":"a","status":"active","description":"a",
            "code":"known-as","base":["Location"],"type":"string","expression":"Location.alias"}"#,
    );
    let resource_type = ResourceType::of("SearchParameter");
    let command = Command::Create { resource_type, resource: definition, condition: None, id: None };
    carry_out(&other, system(), command).await.unwrap();
    writing.await.unwrap().unwrap();
    let registry = other.store.newest_registry().await.unwrap();
    let added = registry.parameter(LOCATION, "known-as").and_then(|found| found.added.clone()).unwrap();
    assert_eq!(added.index, Index::Missing);
}
