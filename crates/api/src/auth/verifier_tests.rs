//! Tokens as strangers would send them, against issuers with real keys.

use std::sync::Arc;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use concord_consent::caller::Actor;
use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::testing::{Folder, KeyServer, NOW_S, Signer, config, set};
use super::{AuthError, Identity, Verified, Verifier};
use crate::telemetry::{Metrics, TokenCounters};

const ISSUER: &str = "https://issuer.example";

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "s", "aud": "concord", "exp": NOW_S + 600, "iat": NOW_S - 3600, "jti": "1",
        "client_id": "app", "patient": "a", "scope": "patient/*.cruds",
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[key] = value;
    claims
}

fn without(key: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(key);
    claims
}

fn counters() -> TokenCounters {
    Metrics::new().unwrap().tokens()
}

/// A verifier of one issuer, whose keys are at `jwks`.
fn verifier_of(jwks: &str, kind: &str, counters: TokenCounters) -> Verifier {
    let config = config(&[
        ("CONCORD_ISSUER", ISSUER),
        ("CONCORD_ISSUER_AUDIENCE", "concord,other"),
        ("CONCORD_ISSUER_JWKS", jwks),
        ("CONCORD_ISSUER_KIND", kind),
    ]);
    Verifier::new(&config, None, counters).unwrap()
}

/// An issuer with a key file.
struct Issuer {
    folder: Folder,
    verifier: Verifier,
    counters: TokenCounters,
}

impl Issuer {
    fn new(kind: &str, keys: &[Value]) -> Issuer {
        let folder = Folder::new();
        let counters = counters();
        let verifier = verifier_of(&folder.path("jwks.json").display().to_string(), kind, counters.clone());
        let issuer = Issuer { folder, verifier, counters };
        issuer.publish(keys);
        issuer
    }

    fn smart(keys: &[Value]) -> Issuer {
        Issuer::new("smart", keys)
    }

    fn publish(&self, keys: &[Value]) {
        std::fs::write(self.folder.path("jwks.json"), set(keys)).unwrap();
    }

    async fn verify(&self, token: &str) -> Result<Arc<Verified>, AuthError> {
        self.verifier.verify(token, NOW_S).await
    }
}

fn forge(header: &Value, claims: &Value, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes()));
    format!("{message}.{signature}")
}

#[tokio::test]
async fn every_accepted_algorithm_verifies() {
    use Algorithm::{PS256, PS384, PS512, RS384, RS512};
    let mut signers = Vec::from(Signer::one_of_each());
    for algorithm in [RS384, RS512, PS256, PS384, PS512] {
        signers.push(Signer::rsa().with(algorithm));
    }
    for signer in signers {
        let issuer = Issuer::smart(&[signer.jwk("k")]);
        let verified = issuer.verify(&signer.sign("k", &claims())).await;
        let verified = verified.unwrap_or_else(|error| panic!("{:?}: {error}", signer.algorithm));
        let Identity::Known(caller) = &verified.identity else { panic!("known") };
        assert_eq!(caller.actor, Actor::Patient("a".into()));
        assert_eq!(verified.expires_s, NOW_S + 600);
    }
}

#[tokio::test]
async fn none_and_shared_secrets_are_refused() {
    let signer = Signer::rsa();
    let jwk = signer.jwk("k");
    let issuer = Issuer::smart(std::slice::from_ref(&jwk));
    for none in ["none", "None", "nOnE", ""] {
        let token = forge(&json!({"alg": none, "kid": "k"}), &claims(), |_| Vec::new());
        assert_eq!(issuer.verify(&token).await, Err(AuthError::Algorithm), "{none}");
        let token = forge(&json!({"alg": none, "kid": "k"}), &claims(), |_| b"x".to_vec());
        assert_eq!(issuer.verify(&token).await, Err(AuthError::Algorithm), "{none}");
    }
    // The public key taken for the secret of an HMAC, in the forms in which a careless verifier would have it.
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    for secret in [modulus, jwk["n"].as_str().unwrap().into(), jwk.to_string().into_bytes()] {
        for (name, algorithm) in
            [("HS256", hmac::HMAC_SHA256), ("HS384", hmac::HMAC_SHA384), ("HS512", hmac::HMAC_SHA512)]
        {
            let key = hmac::Key::new(algorithm, &secret);
            let token = forge(&json!({"alg": name, "kid": "k"}), &claims(), |m| hmac::sign(&key, m).as_ref().to_vec());
            assert_eq!(issuer.verify(&token).await, Err(AuthError::Algorithm));
        }
    }
}

#[tokio::test]
async fn a_symmetric_key_in_the_set_is_never_used() {
    let secret = json!({"kty": "oct", "kid": "k", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode("secret")});
    let issuer = Issuer::smart(&[secret]);
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"secret");
    let sign = |message: &[u8]| hmac::sign(&key, message).as_ref().to_vec();
    let token = forge(&json!({"alg": "HS256", "kid": "k"}), &claims(), sign);
    assert_eq!(issuer.verify(&token).await, Err(AuthError::Algorithm));
    let token = forge(&json!({"alg": "ES256", "kid": "k"}), &claims(), sign);
    assert_eq!(issuer.verify(&token).await, Err(AuthError::Key));
}

#[tokio::test]
async fn a_key_is_used_only_for_its_own_algorithm() {
    // An RSA key that says PS256 does not verify RS256, though it could.
    let signer = Signer::rsa();
    let mut jwk = signer.jwk("k");
    jwk["alg"] = "PS256".into();
    let issuer = Issuer::smart(std::slice::from_ref(&jwk));
    assert_eq!(issuer.verify(&signer.sign("k", &claims())).await, Err(AuthError::Key));
    assert!(issuer.verify(&signer.with(Algorithm::PS256).sign("k", &claims())).await.is_ok());

    // A token that says ES256 under the id of an RSA key.
    let ec = Signer::es256();
    assert_eq!(issuer.verify(&ec.sign("k", &claims())).await, Err(AuthError::Key));
    // A curve that does not go with the algorithm.
    let issuer = Issuer::smart(&[Signer::es384().jwk("k")]);
    assert_eq!(issuer.verify(&ec.sign("k", &claims())).await, Err(AuthError::Key));
    // A key for encryption.
    let mut jwk = ec.jwk("k");
    jwk["use"] = "enc".into();
    let issuer = Issuer::smart(&[jwk]);
    assert_eq!(issuer.verify(&ec.sign("k", &claims())).await, Err(AuthError::Key));
}

#[tokio::test]
async fn keys_that_a_token_brings_along_are_not_looked_at() {
    let (own, stranger) = (Signer::es256(), Signer::es256());
    let issuer = Issuer::smart(&[own.jwk("k")]);
    let mut jwk = stranger.jwk("k");
    jwk["alg"] = "ES256".into();
    let genuine = stranger.sign("k", &claims());
    let signature = genuine.rsplit('.').next().unwrap();
    let header = json!({"alg": "ES256", "kid": "k", "jwk": jwk, "jku": "https://evil.example/jwks"});
    let token = forge(&header, &claims(), |_| URL_SAFE_NO_PAD.decode(signature).unwrap());
    assert_eq!(issuer.verify(&token).await, Err(AuthError::Signature));
}

#[tokio::test]
async fn a_changed_token_is_refused() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[signer.jwk("k")]);
    let token = signer.sign("k", &claims());
    assert!(issuer.verify(&token).await.is_ok());
    let parts: Vec<&str> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(with("patient", json!("b")).to_string());
    assert_eq!(issuer.verify(&format!("{}.{other}.{}", parts[0], parts[2])).await, Err(AuthError::Signature));
    let short = parts[2].split_at(parts[2].len() - 4).0;
    assert_eq!(issuer.verify(&format!("{}.{}.{short}", parts[0], parts[1])).await, Err(AuthError::Signature));
    assert_eq!(issuer.verify(&format!("{}.{}.", parts[0], parts[1])).await, Err(AuthError::Signature));
    assert_eq!(issuer.verify(&format!("{}.{}.!!", parts[0], parts[1])).await, Err(AuthError::Signature));
    assert!(matches!(issuer.verify(&format!("{token}.x")).await, Err(AuthError::Malformed(_))));
    assert!(matches!(issuer.verify("").await, Err(AuthError::Malformed(_))));
    assert_eq!(issuer.verify(&"a".repeat(1 << 20)).await, Err(AuthError::TooLong));
    let huge = signer.sign("k", &with("padding", json!("x".repeat(20_000))));
    assert_eq!(issuer.verify(&huge).await, Err(AuthError::TooLong));
}

#[tokio::test]
async fn claims_are_checked() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[signer.jwk("k")]);
    let cases = [
        (with("iss", json!("https://other.example")), AuthError::Issuer),
        (with("iss", json!("https://issuer.example/")), AuthError::Issuer),
        (with("aud", json!("somebody-else")), AuthError::Audience),
        (with("aud", json!(["x", "y"])), AuthError::Audience),
        (without("aud"), AuthError::Audience),
        (with("exp", json!(NOW_S - 30)), AuthError::Expired),
        (with("nbf", json!(NOW_S + 31)), AuthError::NotYetValid),
        (with("iat", json!(NOW_S + 31)), AuthError::NotYetValid),
    ];
    for (claims, error) in cases {
        assert_eq!(issuer.verify(&signer.sign("k", &claims)).await, Err(error), "{claims}");
    }
    for claims in [without("exp"), without("sub"), without("client_id"), with("exp", json!(NOW_S * 1000))] {
        assert!(matches!(issuer.verify(&signer.sign("k", &claims)).await, Err(AuthError::Claim(_))), "{claims}");
    }
    for claims in [without("patient"), with("fhirUser", json!("Patient/b")), with("scope", json!("openid"))] {
        assert!(matches!(issuer.verify(&signer.sign("k", &claims)).await, Err(AuthError::Identity(_))), "{claims}");
    }
    for claims in [with("aud", json!(["x", "other"])), with("exp", json!(NOW_S - 29)), with("nbf", json!(NOW_S + 30))] {
        assert!(issuer.verify(&signer.sign("k", &claims)).await.is_ok(), "{claims}");
    }
    assert!(matches!(issuer.verify(&signer.sign("k", &json!([1]))).await, Err(AuthError::Malformed(_))));
}

#[tokio::test]
async fn a_token_without_kid_is_tried_with_every_key_that_fits() {
    let signers = [Signer::es256(), Signer::es256(), Signer::ed25519()];
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk("")).collect();
    let issuer = Issuer::smart(&keys);
    for signer in &signers {
        assert!(issuer.verify(&signer.sign("", &claims())).await.is_ok());
    }
    assert_eq!(issuer.verify(&Signer::es256().sign("", &claims())).await, Err(AuthError::Signature));
    assert_eq!(issuer.verify(&signers[0].sign("named", &claims())).await, Err(AuthError::Key));
}

#[tokio::test]
async fn a_verified_token_is_remembered_until_it_expires() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[signer.jwk("k")]);
    let token = signer.sign("k", &with("exp", json!(NOW_S + 60)));
    let first = issuer.verify(&token).await.unwrap();
    let second = issuer.verify(&token).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!((issuer.counters.verified.get(), issuer.counters.remembered.get()), (1, 1));
    assert!(issuer.verifier.verify(&token, NOW_S + 89).await.is_ok());
    assert_eq!(issuer.verifier.verify(&token, NOW_S + 90).await, Err(AuthError::Expired));
    assert_eq!(issuer.counters.refused.get(), 1);
}

#[tokio::test]
async fn a_long_lived_token_is_looked_at_again_every_five_minutes() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[signer.jwk("k")]);
    let token = signer.sign("k", &with("exp", json!(NOW_S + 86_400)));
    for (later, verified) in [(0, 1), (299, 1), (300, 2), (599, 2), (600, 3)] {
        issuer.verifier.verify(&token, NOW_S + later).await.unwrap();
        assert_eq!(issuer.counters.verified.get(), verified, "after {later} s");
    }
}

#[tokio::test]
async fn a_changed_key_file_counts_within_a_second() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let issuer = Issuer::smart(&[old.jwk("old")]);
    let (before, after) = (old.sign("old", &claims()), new.sign("new", &claims()));
    assert!(issuer.verify(&before).await.is_ok());
    assert_eq!(issuer.verify(&after).await, Err(AuthError::Key));
    issuer.publish(&[new.jwk("new")]);
    assert!(issuer.verifier.verify(&after, NOW_S + 1).await.is_ok());
    assert_eq!(issuer.verifier.verify(&before, NOW_S + 1).await, Err(AuthError::Key), "a withdrawn key is forgotten");
    // Another key under an old id.
    issuer.publish(&[old.jwk("new")]);
    assert_eq!(issuer.verifier.verify(&after, NOW_S + 2).await, Err(AuthError::Signature));
    issuer.publish(&[]);
    assert_eq!(issuer.verifier.verify(&after, NOW_S + 3).await, Err(AuthError::Key));
}

#[tokio::test]
async fn a_broken_key_file_is_lived_with_for_an_hour() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[signer.jwk("k")]);
    let token = signer.sign("k", &with("exp", json!(NOW_S + 86_400)));
    assert!(issuer.verify(&token).await.is_ok());
    std::fs::write(issuer.folder.path("jwks.json"), "half a fi").unwrap();
    assert!(issuer.verifier.verify(&token, NOW_S + 3599).await.is_ok());
    assert_eq!(issuer.verifier.verify(&token, NOW_S + 3600).await, Err(AuthError::KeysUnavailable));
    issuer.publish(&[signer.jwk("k")]);
    assert!(issuer.verifier.verify(&token, NOW_S + 3601).await.is_ok());
}

#[tokio::test]
async fn a_missing_key_file_shows_at_the_start_and_is_tried_again() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[]);
    std::fs::remove_file(issuer.folder.path("jwks.json")).unwrap();
    let failed = issuer.verifier.warm(NOW_S).await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].1.to_string().contains("jwks.json"));
    let token = signer.sign("k", &claims());
    assert_eq!(issuer.verify(&token).await, Err(AuthError::KeysUnavailable));
    issuer.publish(&[signer.jwk("k")]);
    assert!(issuer.verifier.verify(&token, NOW_S + 1).await.is_ok());
}

#[tokio::test]
async fn it_is_known_whether_tokens_can_be_checked() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[]);
    assert_eq!(issuer.verifier.warm(NOW_S).await.len(), 1, "a set without a key is of no use");
    assert!(!issuer.verifier.has_keys(NOW_S));
    issuer.publish(&[signer.jwk("k")]);
    assert!(issuer.verifier.verify(&signer.sign("k", &claims()), NOW_S + 60).await.is_ok());
    assert!(issuer.verifier.has_keys(NOW_S + 60));
    // They are old, and gone: until they are too old they can be used.
    std::fs::remove_file(issuer.folder.path("jwks.json")).unwrap();
    assert!(!issuer.verifier.has_keys(NOW_S + 60 + 1_000_000));
    let without = Verifier::new(&config(&[]), None, counters()).unwrap();
    assert!(without.has_keys(NOW_S), "nobody has said whose tokens there are");
}

#[tokio::test]
async fn an_unknown_key_is_fetched_once_and_not_too_often() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let server = KeyServer::start(&set(&[old.jwk("old")])).await;
    let verifier = verifier_of(&server.url, "smart", counters());
    assert!(verifier.warm(NOW_S).await.is_empty());
    assert!(verifier.verify(&old.sign("old", &claims()), NOW_S).await.is_ok());
    assert_eq!(server.hits(), 1);

    server.serve(&set(&[old.jwk("old"), new.jwk("new")]));
    let token = new.sign("new", &claims());
    assert_eq!(verifier.verify(&token, NOW_S + 9).await, Err(AuthError::Key), "too soon to ask again");
    assert_eq!(server.hits(), 1);
    // A crowd with the new key causes one fetch, and all of it gets in.
    let crowd = (0..20).map(|_| verifier.verify(&token, NOW_S + 10));
    for outcome in join_all(crowd).await {
        assert!(outcome.is_ok());
    }
    assert_eq!(server.hits(), 2);
    // Made-up ids cause no more.
    for id in 0..20 {
        assert_eq!(verifier.verify(&new.sign(&id.to_string(), &claims()), NOW_S + 11).await, Err(AuthError::Key));
    }
    assert_eq!(server.hits(), 2);
}

/// Runs futures together on this thread.
async fn join_all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pinned: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(move |context| {
        for (future, outcome) in &mut pinned {
            if outcome.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *outcome = Some(value);
            }
        }
        if pinned.iter().all(|(_, outcome)| outcome.is_some()) {
            return std::task::Poll::Ready(pinned.iter_mut().filter_map(|(_, outcome)| outcome.take()).collect());
        }
        std::task::Poll::Pending
    })
    .await
}

#[tokio::test]
async fn old_keys_are_fetched_again_behind_the_callers_back() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let server = KeyServer::start(&set(&[old.jwk("old")])).await;
    let verifier = verifier_of(&server.url, "smart", counters());
    let token = old.sign("old", &with("exp", json!(NOW_S + 86_400)));
    assert!(verifier.verify(&token, NOW_S).await.is_ok());
    server.serve(&set(&[new.jwk("new")]));
    assert!(verifier.verify(&token, NOW_S + 299).await.is_ok());
    assert_eq!(server.hits(), 1, "still young");
    // The first caller after five minutes sets the fetch off and does not wait for it.
    assert!(verifier.verify(&token, NOW_S + 300).await.is_ok());
    for _ in 0..200 {
        if verifier.verify(&token, NOW_S + 300).await == Err(AuthError::Key) {
            assert_eq!(server.hits(), 2);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("a withdrawn key went on working");
}

#[tokio::test]
async fn after_a_long_silence_the_first_caller_waits_for_the_keys() {
    let (old, new) = (Signer::es256(), Signer::es256());
    let server = KeyServer::start(&set(&[old.jwk("old")])).await;
    let verifier = verifier_of(&server.url, "smart", counters());
    let token = old.sign("old", &with("exp", json!(NOW_S + 86_400)));
    assert!(verifier.verify(&token, NOW_S).await.is_ok());
    server.serve(&set(&[new.jwk("new")]));
    assert_eq!(verifier.verify(&token, NOW_S + 600).await, Err(AuthError::Key));
    assert_eq!(server.hits(), 2);
}

#[tokio::test]
async fn an_unreachable_issuer_is_lived_with_for_an_hour() {
    let signer = Signer::es256();
    let server = KeyServer::start(&set(&[signer.jwk("k")])).await;
    let verifier = verifier_of(&server.url, "smart", counters());
    let token = signer.sign("k", &with("exp", json!(NOW_S + 86_400)));
    assert!(verifier.verify(&token, NOW_S).await.is_ok());
    server.answer_with("500 Oops", "", "");
    for later in [300, 400, 3599] {
        assert!(verifier.verify(&token, NOW_S + later).await.is_ok(), "after {later} s");
        tokio::time::sleep(std::time::Duration::from_millis(30)).await;
    }
    assert_eq!(verifier.verify(&token, NOW_S + 3700).await, Err(AuthError::KeysUnavailable));
    server.serve(&set(&[signer.jwk("k")]));
    assert_eq!(verifier.verify(&token, NOW_S + 3709).await, Err(AuthError::KeysUnavailable), "asked a moment ago");
    assert!(verifier.verify(&token, NOW_S + 3710).await.is_ok());
}

#[tokio::test]
async fn redirects_and_huge_answers_are_not_followed() {
    let signer = Signer::es256();
    let elsewhere = KeyServer::start(&set(&[signer.jwk("k")])).await;
    let server = KeyServer::start("").await;
    let location = format!("Location: {}\r\n", elsewhere.url);
    server.answer_with("302 Found", &location, "");
    let verifier = verifier_of(&server.url, "smart", counters());
    assert!(verifier.warm(NOW_S).await[0].1.to_string().contains("answers 302"));
    assert_eq!(elsewhere.hits(), 0);
    server.serve(&format!("{}{}", " ".repeat(1 << 20), set(&[signer.jwk("k")])));
    assert!(verifier.warm(NOW_S + 10).await[0].1.to_string().contains("larger than"));
    server.serve("<html>");
    assert!(verifier.warm(NOW_S + 20).await[0].1.to_string().contains("not a JWK Set"));
    assert_eq!(verifier.verify(&signer.sign("k", &claims()), NOW_S + 20).await, Err(AuthError::KeysUnavailable));
}

#[tokio::test]
async fn login_services_name_people_by_identifier() {
    let signer = Signer::rsa().with(Algorithm::RS512);
    let issuer = Issuer::new("nhs-login", &[signer.jwk("k")]);
    let token = json!({
        "iss": ISSUER, "sub": "s", "aud": "concord", "exp": NOW_S + 600,
        "nhs_number": "9434765919", "identity_proofing_level": "P9", "vot": "P9.Cp.Cd",
    });
    let verified = issuer.verify(&signer.sign("k", &token)).await.unwrap();
    let Identity::Identifier(person) = &verified.identity else { panic!("an identifier") };
    assert_eq!((person.person.resource_type(), person.value.as_str()), ("Patient", "9434765919"));
    assert_eq!(verified.identity_proofing_level, Some(super::ProofingLevel::P9));

    let issuer = Issuer::new("cis2", &[signer.jwk("k")]);
    let token = json!({
        "iss": ISSUER, "sub": "s", "aud": "concord", "exp": NOW_S + 600, "nhsid_useruid": "555036632103",
        "authentication_assurance_level": "3", "selected_roleid": "1", "purpose_of_use": "TREAT",
        "nhsid_nrbac_roles": [{"person_roleid": "1", "org_code": "A9A", "role_code": "S8000:G8000:R8001"}],
    });
    let verified = issuer.verify(&signer.sign("k", &token)).await.unwrap();
    let Identity::Identifier(person) = &verified.identity else { panic!("an identifier") };
    assert_eq!((person.person.resource_type(), person.value.as_str()), ("Practitioner", "555036632103"));
    assert_eq!(verified.authentication_assurance_level, Some(3));
    assert_eq!(verified.purpose_of_use, ["TREAT"]);
    assert_eq!(verified.roles[0].organisation.as_deref(), Some("A9A"));
}

#[tokio::test]
async fn no_answer_repeats_the_token() {
    let signer = Signer::es256();
    let issuer = Issuer::smart(&[signer.jwk("k")]);
    let token = signer.sign("k", &with("aud", json!("somebody-else")));
    let error = issuer.verify(&token).await.unwrap_err();
    for part in token.split('.') {
        assert!(!error.www_authenticate().contains(part));
    }
    assert!(!error.www_authenticate().contains("somebody-else"));
}
