//! What sign-in costs: tokens given out to a system that signs (private_key_jwt), introspection, and calls with a token that is
//! remembered beside calls with one of the development issuer, on a server with people in it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::database::Kind;
use crate::load::{self, Load, Measured};
use crate::place_args::PlaceArgs;
use crate::product::Product;
use crate::{report, workload};

/// Measures what tokens of the server's own sign-in cost
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct TokenArgs {
    /// Only these databases
    #[arg(long, value_delimiter = ',', value_name = "NAMES", default_value = "sqlite,postgres")]
    databases: Vec<Kind>,
    /// How many connections
    #[arg(long, default_value_t = 8, value_name = "NUMBER")]
    connections: usize,
    /// How long each case runs, in milliseconds
    #[arg(long, default_value_t = 3_000, value_name = "MS")]
    time: u64,
    /// How many assertions are signed before: each is believed once, so a run that needs more fails
    #[arg(long, default_value_t = 20_000, value_name = "NUMBER")]
    assertions: usize,
    #[command(flatten)]
    place: PlaceArgs,
}

/// The server's own name, and the secret of whoever introspects.
const ISSUER: &str = "http://127.0.0.1:8080";
const SECRET: &str = "measured";
/// The SHA-256 of that secret.
const SECRET_SHA256: &str = "6a5cc68c4c3410fedb035486291349f57104fe7592f91c6ba052f983000244f6";
/// How many people there are, and how many processors the server may use.
const PATIENTS: usize = workload::CALLERS;
const WORKERS: usize = 2;

/// Measures and prints a line for each case.
///
/// # Errors
/// One line, when the server fails.
pub(crate) fn run(arguments: &TokenArgs) -> Result<(), String> {
    arguments.place.each(&arguments.databases, |folder, kind| measure(arguments, folder, kind))
}

fn measure(arguments: &TokenArgs, folder: &Path, kind: Kind) -> Result<(), String> {
    let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map_err(|_| "no key".to_owned())?;
    let keys = folder.join("keys.json");
    std::fs::write(&keys, set_of(&key)?).map_err(|error| format!("{}: {error}", keys.display()))?;
    let clients = json!([{"client": "bench-app", "kind": "own"},
        {"client": "signer", "keys": keys, "scope": "system/Patient.rs"},
        {"client": "checker", "secret_sha256": SECRET_SHA256, "scope": "openid", "introspects": true}]);
    let program = arguments.place.program()?;
    let settings = vec![("CONCORD_SIGN_IN", "{}".to_owned()), ("CONCORD_CLIENTS", clients.to_string())];
    let product = Product::new(&program, folder, kind, WORKERS).with(settings);
    let place = arguments.place.databases(folder, kind)?;
    place.make("tokens")?;
    let database = place.url("tokens");
    product.import(&database, PATIENTS)?;
    let server = product.serve(&database)?;
    let time = Duration::from_millis(arguments.time);
    let case = |name: &str, requests: Vec<Vec<u8>>| -> Result<(), String> {
        let measured = load::run(server.address, &Arc::new(requests), Load::full(arguments.connections, time))?;
        told(kind, name, &measured);
        Ok(())
    };
    let assertions: Result<Vec<_>, _> = (0..arguments.assertions).map(|number| asking(&key, number)).collect();
    case("token by private_key_jwt", assertions?)?;
    let token = token(server.address, &asking(&key, usize::MAX)?)?;
    case("introspection", vec![introspecting(&token)])?;
    let patient = workload::patient_id(0);
    case("read, own token", vec![reading(&patient, &token)])?;
    let outside = product.token(&database, &["--system".to_owned()])?;
    case("read, token of an issuer", vec![reading(&patient, &outside)])?;
    drop(server);
    place.remove("tokens")
}

fn told(kind: Kind, name: &str, measured: &Measured) {
    let (p50, p99) = (measured.p50.as_micros(), measured.p99.as_micros());
    report::note(&format!(
        "{:<16} {name:<26} {:>8.0}/s  p50 {p50} us  p99 {p99} us",
        kind.name(),
        measured.throughput()
    ));
}

/// The public half of a key as a JWK Set.
fn set_of(key: &EcdsaKeyPair) -> Result<String, String> {
    let point = key.public_key().as_ref();
    let (Some(x), Some(y)) = (point.get(1..49), point.get(49..97)) else { return Err("no point".to_owned()) };
    let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
    Ok(json!({"keys": [{"kty": "EC", "crv": "P-384", "kid": "k", "alg": "ES384", "x": x, "y": y}]}).to_string())
}

/// A request for a token, with an assertion of its own.
fn asking(key: &EcdsaKeyPair, number: usize) -> Result<Vec<u8>, String> {
    #[expect(clippy::disallowed_methods, reason = "an assertion is good for minutes of the time that the server has")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?.as_secs();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = encode(&json!({"alg": "ES384", "kid": "k", "typ": "JWT"}));
    let claims = encode(&json!({"iss": "signer", "sub": "signer", "aud": format!("{ISSUER}/oauth/token"),
        "exp": now + 290, "jti": number.to_string()}));
    let message = format!("{header}.{claims}");
    let signature = key.sign(&SystemRandom::new(), message.as_bytes()).map_err(|_| "no signature".to_owned())?;
    let signature = URL_SAFE_NO_PAD.encode(signature.as_ref());
    let form = format!(
        "grant_type=client_credentials&scope=system/Patient.rs&client_assertion_type=\
         urn:ietf:params:oauth:client-assertion-type:jwt-bearer&client_assertion={message}.{signature}"
    );
    Ok(post("/oauth/token", "", &form))
}

fn introspecting(token: &str) -> Vec<u8> {
    let basic = STANDARD.encode(format!("checker:{SECRET}"));
    post("/oauth/introspect", &format!("authorization: Basic {basic}\r\n"), &format!("token={token}"))
}

fn post(place: &str, headers: &str, form: &str) -> Vec<u8> {
    format!(
        "POST {place} HTTP/1.1\r\nhost: bench\r\n{headers}content-type: application/x-www-form-urlencoded\r\n\
         content-length: {}\r\n\r\n{form}",
        form.len()
    )
    .into_bytes()
}

fn reading(patient: &str, token: &str) -> Vec<u8> {
    format!("GET /fhir/Patient/{patient} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// The token that is answered to a request.
fn token(address: SocketAddr, request: &[u8]) -> Result<String, String> {
    let answer = load::once(address, request)?;
    let text = String::from_utf8_lossy(&answer);
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
    let told: Value = serde_json::from_str(body).map_err(|error| format!("the token endpoint: {error}"))?;
    told.get("access_token").and_then(Value::as_str).map(str::to_owned).ok_or_else(|| "no token".to_owned())
}
