//! What it costs to believe a token that is remembered: told, and not judged. A figure means something of an optimised build on a quiet
//! machine: `cargo test --release -p concord-api --lib cost_tests -- --nocapture`.

use std::time::Instant;

use concord_store::testing::Scratch;
use serde_json::json;

use super::tokens_tests::Opened;
use crate::auth::Verifier;
use crate::auth::testing::{Folder, NOW_S, Signer, config, set};
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
        verifier.verify(&token, NOW_S).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_remembered_token_of_our_own() {
    for scratch in Scratch::both() {
        let opened = Opened::over(&scratch).await;
        opened.sign_in.verify(&opened.token).await.unwrap();
        told(&format!("a remembered token of our own, {}", scratch.address), async || {
            opened.sign_in.verify(&opened.token).await.unwrap();
        })
        .await;
    }
}
