//! What it costs to believe a token that is remembered: told, and not judged. A figure means something of an optimised build on a quiet
//! machine: `cargo test --release -p concord-api --lib cost_tests -- --nocapture`.

use std::time::Instant;

use concord_signin::secret::{self, Kind};
use concord_store::sign_in::NewAccess;
use serde_json::json;

use super::SignIn;
use crate::auth::Verifier;
use crate::auth::testing::{Folder, NOW_S, Signer, config, set};
use crate::clock::Clock;
use crate::command;
use crate::telemetry::Metrics;

/// How often it is done, in so many lots: the middle one is told.
const LOTS: usize = 21;
const ROUNDS: u32 = 2_000;

/// Says how long something takes at each time.
#[expect(clippy::print_stderr, reason = "it is what the test is for")]
async fn told(what: &str, work: impl AsyncFn()) {
    let mut lots = Vec::new();
    for _ in 0..LOTS {
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            work().await;
        }
        lots.push(begun.elapsed() / ROUNDS);
    }
    lots.sort_unstable();
    eprintln!("{what}: {:?} (least {:?})", lots.get(LOTS / 2).unwrap(), lots.first().unwrap());
}

#[tokio::test]
async fn a_remembered_token_of_another_issuer() {
    let folder = Folder::new();
    let signer = Signer::es384();
    let keys = folder.path("jwks.json");
    std::fs::write(&keys, set(&[signer.jwk("k")])).unwrap();
    let keys = keys.display().to_string();
    let config = config(&[
        ("CONCORD_ISSUER", "https://issuer.example"),
        ("CONCORD_ISSUER_AUDIENCE", "concord"),
        ("CONCORD_ISSUER_JWKS", &keys),
        ("CONCORD_ISSUER_KIND", "smart"),
    ]);
    let verifier = Verifier::new(&config, None, Metrics::new().unwrap().tokens()).unwrap();
    let token = signer.sign(
        "k",
        &json!({"iss": "https://issuer.example", "sub": "s", "aud": "concord", "exp": NOW_S + 600, "client_id": "app",
            "patient": "a", "scope": "patient/*.cruds"}),
    );
    verifier.verify(&token, NOW_S).await.unwrap();
    told("a remembered token of another issuer", async || {
        verifier.verify_with_fingerprint(&token, NOW_S).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_remembered_token_of_our_own() {
    let folder = Folder::new();
    let database = format!("sqlite:{}", folder.path("concord.db").display());
    let sign_in = json!({ "key_file": folder.path("key") }).to_string();
    let config = config(&[
        ("CONCORD_PUBLIC_URL", "http://localhost:8080"),
        ("CONCORD_DATABASE_URL", &database),
        ("CONCORD_SIGN_IN", &sign_in),
        ("CONCORD_CLIENTS", r#"[{"client": "letters", "scope": "system/*.rs"}]"#),
    ]);
    let metrics = Metrics::new().unwrap();
    let counters = metrics.tokens();
    let service = command::open(&config, Clock::fixed(NOW_S * 1000), metrics).await.unwrap();
    let sign_in = SignIn::open(&config, &service, counters).await.unwrap().unwrap();
    let token = secret::fresh(Kind::Access).unwrap();
    let new = NewAccess {
        hash: secret::hash(&token),
        family: String::new(),
        client: "letters".to_owned(),
        scope: "system/*.rs".to_owned(),
        expires_s: NOW_S + 300,
    };
    service.store.change(move |transaction| (transaction.add_access(&new, NOW_S), Vec::new())).await.unwrap();
    sign_in.verify(&token).await.unwrap();
    told("a remembered token of our own, asked of SQLite whether it still works", async || {
        sign_in.verify(&token).await.unwrap();
    })
    .await;
}
