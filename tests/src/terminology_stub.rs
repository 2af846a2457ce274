//! A terminology server of a test's own: a handful of SNOMED CT ids, a token endpoint for client credentials, and a list of
//! everything that it has been asked.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::stub::{self, Asked};

/// SNOMED CT.
const SNOMED: &str = "http://snomed.info/sct";

/// Diabetes mellitus, and two kinds of it.
const DIABETES: [(&str, &str); 3] =
    [("73211009", "Diabetes mellitus"), ("46635009", "Type 1 diabetes"), ("44054006", "Type 2 diabetes")];

/// A running terminology server. It ends with the test's process.
#[derive(Debug)]
pub struct TerminologyStub {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether it answers with nothing but failures.
    is_down: AtomicBool,
    /// Each request: its first line and its body.
    asked: Mutex<Vec<String>>,
}

impl TerminologyStub {
    /// Starts one.
    ///
    /// # Panics
    /// When there is no port for it.
    #[must_use]
    pub fn start() -> TerminologyStub {
        let shared = Arc::new(Shared::default());
        let own = Arc::clone(&shared);
        let address = stub::start(move |asked| own.answer(asked));
        TerminologyStub { address, shared }
    }

    /// The setting of it, with the secret of its client in a file of that folder.
    ///
    /// # Panics
    /// When the file cannot be written.
    #[must_use]
    pub fn setting(&self, folder: &Path) -> String {
        let file = folder.join("terminology.secret");
        std::fs::write(&file, "a secret\n").expect("a file with the secret");
        let origin = format!("http://{}", self.address);
        json!({"base_url": format!("{origin}/fhir"), "token_endpoint": format!("{origin}/token"), "client_id": "phr",
            "client_secret_file": file})
        .to_string()
    }

    /// Lets it fail from now on, or no longer.
    pub fn fail(&self, is_down: bool) {
        self.shared.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Everything that it has been asked since the last time.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Shared {
    fn answer(&self, asked: &Asked) -> (&'static str, Value) {
        let (path, body) = (asked.target.as_str(), asked.body.as_str());
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{path} {body}"));
        let bearer = asked.headers.get("authorization").map(String::as_str);
        match (self.is_down.load(Ordering::SeqCst), path) {
            (true, _) => ("503 Service Unavailable", json!({})),
            (_, "/token") if body == "grant_type=client_credentials&client_id=phr&client_secret=a+secret" => {
                ("200 OK", json!({"access_token": "let-me-in", "expires_in": 600}))
            }
            _ if bearer != Some("Bearer let-me-in") => ("401 Unauthorized", json!({})),
            (_, path) => match answer(&decoded(path), body) {
                Some(answer) => ("200 OK", answer),
                None => ("404 Not Found", json!({"resourceType": "OperationOutcome"})),
            },
        }
    }
}

fn decoded(path: &str) -> String {
    path.replace("%3A", ":").replace("%2F", "/").replace("%24", "$").replace("%3F", "?").replace("%3D", "=")
}

/// What it answers; none where it does not know what it is asked about.
fn answer(path: &str, body: &str) -> Option<Value> {
    let parameters = |all: Value| Some(json!({"resourceType": "Parameters", "parameter": all}));
    let asked = format!("{path} {body}");
    let known = |code: &str| DIABETES.iter().find(|(own, _)| *own == code);
    let code = DIABETES.iter().find(|(code, _)| {
        asked.contains(&format!("code={code}")) || asked.contains(&format!("\"valueCode\":\"{code}\""))
    });
    // The sets that it knows: what is below diabetes, by a url or by a filter.
    let is_known_set = asked.contains("url=https://fhir.nhs.uk/ValueSet/diabetes")
        || asked.contains("url=http://snomed.info/sct?fhir_vs=isa/73211009")
        || (asked.contains("\"op\":\"is-a\"")
            && ["73211009", "44054006", "46635009"]
                .iter()
                .any(|code| asked.contains(&format!("\"value\":\"{code}\""))));
    if path.contains("/ValueSet/$expand") && is_known_set {
        let contains: Vec<Value> = DIABETES
            .iter()
            .map(|(code, display)| json!({"system": SNOMED, "code": code, "display": display}))
            .collect();
        return Some(json!({"resourceType": "ValueSet", "status": "active",
            "expansion": {"timestamp": "2026-11-29T00:00:00Z", "total": 3, "contains": contains}}));
    }
    if path.contains("/ValueSet/$validate-code") && is_known_set {
        return parameters(json!([{"name": "result", "valueBoolean": code.is_some()}]));
    }
    if path.contains("/CodeSystem/$lookup") {
        let (_, display) = code?;
        return parameters(json!([{"name": "name", "valueString": "SNOMED CT"},
            {"name": "display", "valueString": display}]));
    }
    if path.contains("/CodeSystem/$subsumes") {
        let (_, rest) = path.split_once("codeA=")?;
        let (first, second) = rest.split_once("&codeB=")?;
        let outcome = match (known(first)?, known(second)?) {
            (one, other) if one == other => "equivalent",
            (("73211009", _), _) => "subsumes",
            (_, ("73211009", _)) => "subsumed-by",
            _ => "not-subsumed",
        };
        return parameters(json!([{"name": "outcome", "valueCode": outcome}]));
    }
    if path.contains("/ConceptMap/$translate") {
        code?;
        return parameters(json!([{"name": "result", "valueBoolean": true}, {"name": "match", "part": [
            {"name": "equivalence", "valueCode": "equivalent"},
            {"name": "concept", "valueCoding": {"system": "http://hl7.org/fhir/sid/icd-10", "code": "E10"}}]}]));
    }
    None
}
