//! A token of our own is asked about where anything has changed, and nowhere else.

use std::sync::Arc;

use concord_signin::secret::{self, Kind};
use concord_store::sign_in::NewAccess;
use concord_store::testing::Scratch;
use serde_json::json;

use super::SignIn;
use crate::auth::testing::{Folder, NOW_S, config};
use crate::clock::Clock;
use crate::command;
use crate::config::Config;
use crate::interact::Service;
use crate::telemetry::Metrics;

/// How long the token works, in seconds.
const LASTS_S: i64 = 300;

/// A server over a database with one token of a system.
pub(super) struct Opened {
    pub(super) sign_in: Arc<SignIn>,
    pub(super) token: String,
    service: Arc<Service>,
    clock: Clock,
    config: Config,
    _folder: Folder,
}

impl Opened {
    pub(super) async fn over(scratch: &Scratch) -> Opened {
        let folder = Folder::new();
        let settings = json!({ "key_file": folder.path("key") }).to_string();
        let config = config(&[
            ("CONCORD_PUBLIC_URL", "http://localhost:8080"),
            ("CONCORD_SIGN_IN", &settings),
            ("CONCORD_CLIENTS", r#"[{"client": "letters", "scope": "system/*.rs"}]"#),
        ]);
        let config = Config { database_url: scratch.address.clone(), ..config };
        let clock = Clock::fixed(NOW_S * 1000);
        let metrics = Metrics::new().unwrap();
        let counters = metrics.tokens();
        let service = command::open(&config, clock.clone(), metrics).await.unwrap();
        let sign_in = SignIn::open(&config, &service, counters).await.unwrap().unwrap();
        let token = secret::fresh(Kind::Access).unwrap();
        let new = NewAccess {
            hash: secret::hash(&token),
            family: String::new(),
            client: "letters".to_owned(),
            scope: "system/*.rs".to_owned(),
            expires_s: NOW_S + LASTS_S,
        };
        service.store.change(move |transaction| (transaction.add_access(&new, NOW_S), Vec::new())).await.unwrap();
        Opened { sign_in, token, service, clock, config, _folder: folder }
    }

    /// Whether the token works, and how many statements it took to tell.
    async fn asked(&self) -> (bool, u64) {
        let before = self.service.store.statements();
        let works = self.sign_in.verify(&self.token).await.is_ok();
        (works, self.service.store.statements() - before)
    }

    /// Revokes the token by way of a store.
    async fn revoke(&self, by: &Service) {
        let hash = secret::hash(&self.token);
        by.store.change(move |transaction| (transaction.revoke_access(&hash), Vec::new())).await.unwrap();
    }
}

#[tokio::test]
async fn nobody_is_asked_while_nothing_changes() {
    let [scratch, _] = Scratch::both();
    let opened = Opened::over(&scratch).await;
    let (works, statements) = opened.asked().await;
    assert!(works && statements > 0);
    for _ in 0..3 {
        assert_eq!(opened.asked().await, (true, 0));
    }
    // Something else changes: it is asked about once.
    opened.service.store.setting("x", "y".to_owned()).await.unwrap();
    let (works, statements) = opened.asked().await;
    assert!(works && statements > 0);
    assert_eq!(opened.asked().await, (true, 0));
    // It expires without a change.
    opened.clock.advance_ms(LASTS_S * 1000);
    let (works, statements) = opened.asked().await;
    assert!(!works && statements > 0);
}

#[tokio::test]
async fn what_is_revoked_works_nowhere_whoever_has_revoked_it() {
    for beside in [false, true] {
        for scratch in Scratch::both() {
            let opened = Opened::over(&scratch).await;
            assert!(opened.asked().await.0 && opened.asked().await.0);
            if beside {
                // As a command does, or another node.
                let metrics = Metrics::new().unwrap();
                let other = command::open(&opened.config, opened.clock.clone(), metrics).await.unwrap();
                assert!(opened.asked().await.0);
                opened.revoke(&other).await;
            } else {
                opened.revoke(&opened.service).await;
            }
            assert!(!opened.asked().await.0, "{}, beside: {beside}", opened.config.database_url);
        }
    }
}
