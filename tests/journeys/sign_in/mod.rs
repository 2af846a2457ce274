//! Sign-in: an app of others lets a person in with the browser, and gets what she chose.

mod apps;
mod attacks;
mod came_in;
mod carers;
mod federation;
mod flow;
mod inferno;
mod introspection;
mod launch;
mod limits;
mod logout;
mod narrowed;
mod parameters;
mod registered;
mod registration;
mod secrets;
mod systems;
mod two_nodes;
mod whose;

use std::cell::RefCell;
use std::collections::BTreeMap;

use concord_tests::client::{Method, text};
use concord_tests::{Answer, App, Concord};
use serde_json::Value;

/// The settings of a server that people sign in to.
pub(super) const SETTINGS: &[(&str, &str)] = &[
    ("CONCORD_PUBLIC_URL", ISSUER),
    ("CONCORD_SIGN_IN", r#"{"development_provider": true}"#),
    ("CONCORD_CLIENTS", CLIENTS),
];

/// The server's own name. It is not where it listens.
pub(super) const ISSUER: &str = "http://localhost:8080";

/// An app of others that keeps no secret, an app of the surgery's own that does, and a resource server.
pub(super) const CLIENTS: &str = r#"[
    {"client": "heart-diary", "kind": "third-party", "name": "Heart <Diary>", "about": "It draws your readings.",
     "redirect_uris": ["https://diary.example/back", "https://diary.example/back?x=1"],
     "scope": "openid fhirUser launch/patient offline_access online_access patient/*.cruds user/*.rs"},
    {"client": "portal", "name": "Surgery portal", "redirect_uris": ["https://portal.example/back"],
     "secret_sha256": "3ba2b1a57e7feeac89502570f10ddcddb3b99010866dafb6f43dfeafcf0fff70",
     "scope": "openid fhirUser launch/patient offline_access patient/*.cruds user/*.cruds"},
    {"client": "checker", "introspects": true, "scope": "openid",
     "secret_sha256": "3ba2b1a57e7feeac89502570f10ddcddb3b99010866dafb6f43dfeafcf0fff70"}]"#;

/// The secret of the clients that have one.
pub(super) const SECRET: &str = "a secret of the tests: & %";

/// Where the app of others is sent back to.
pub(super) const BACK: &str = "https://diary.example/back";

/// A verifier and its challenge (RFC 7636, appendix B).
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Pairs as a form.
pub(super) fn form(pairs: &[(&str, &str)]) -> String {
    let encode = |text: &str| {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect::<String>()
    };
    pairs.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect::<Vec<_>>().join("&")
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&hex, 16).expect("two hexadecimal digits")
            }
            other => other,
        });
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// The parameters of an address.
pub(super) fn query(address: &str) -> BTreeMap<String, String> {
    let query = address.split_once('?').map_or("", |(_, query)| query);
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

/// A browser with its cookies.
pub(super) struct Browser {
    app: App,
    cookies: RefCell<BTreeMap<String, String>>,
}

impl Browser {
    pub(super) fn new(concord: &Concord) -> Browser {
        Browser::of(concord.nobody())
    }

    /// One that asks the server of an app.
    pub(super) fn of(app: App) -> Browser {
        Browser { app, cookies: RefCell::default() }
    }

    async fn ask(&self, method: Method, place: &str, body: Option<String>, origin: Option<&str>) -> Answer {
        let cookies: Vec<String> =
            self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut ask = self.app.ask(method, place.strip_prefix(ISSUER).unwrap_or(place));
        if !cookies.is_empty() {
            ask = ask.header("cookie", &cookies.join("; "));
        }
        if let Some(origin) = origin {
            ask = ask.header("origin", origin);
        }
        if let Some(body) = body {
            ask = ask.body("application/x-www-form-urlencoded", body);
        }
        let answer = ask.await;
        for header in answer.headers.get_all("set-cookie") {
            let header = header.to_str().expect("text");
            let (name, rest) = header.split_once('=').expect("a cookie");
            let value = rest.split(';').next().expect("a value");
            match header.contains("Max-Age=0") {
                true => drop(self.cookies.borrow_mut().remove(name)),
                false => drop(self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned())),
            }
        }
        answer
    }

    /// The same browser, when another node answers it.
    pub(super) fn at(&self, node: &Concord) -> Browser {
        Browser { app: node.nobody(), cookies: self.cookies.clone() }
    }

    /// The value of a cookie.
    pub(super) fn cookie(&self, name: &str) -> String {
        self.cookies.borrow().get(name).cloned().unwrap_or_default()
    }

    pub(super) async fn get(&self, place: &str) -> Answer {
        self.ask(Method::GET, place, None, None).await
    }

    pub(super) async fn submit(&self, place: &str, pairs: &[(&str, &str)]) -> Answer {
        self.ask(Method::POST, place, Some(form(pairs)), None).await
    }

    /// The same, as a page of another site does it.
    pub(super) async fn submit_from(&self, origin: &str, place: &str, pairs: &[(&str, &str)]) -> Answer {
        self.ask(Method::POST, place, Some(form(pairs)), Some(origin)).await
    }

    /// Picks a person from the list, and goes on to where that leads.
    pub(super) async fn sign_in(&self, page: &Answer, person: &str) -> Answer {
        let (token, request) = (field(page, "form_token"), field(page, "request"));
        let picked = [("form_token", token.as_str()), ("request", request.as_str()), ("person", person)];
        let sent = self.submit("/sign-in", &picked).await.expect(303);
        self.get(sent.header("location")).await
    }

    /// Decides on the authorisation page; where the browser is sent.
    pub(super) async fn decide(&self, page: &Answer, choices: &[(&str, &str)]) -> String {
        let (token, request) = (field(page, "form_token"), field(page, "request"));
        let mut pairs = vec![("form_token", token.as_str()), ("request", request.as_str())];
        pairs.extend_from_slice(choices);
        self.submit("/sign-in/decision", &pairs).await.expect(303).header("location").to_owned()
    }
}

/// The value of the last hidden field of that name on a page.
pub(super) fn field(page: &Answer, name: &str) -> String {
    let html = page.text();
    let start = format!("name=\"{name}\" value=\"");
    let value = html.rsplit_once(&start).and_then(|(_, rest)| rest.split_once('"')).map_or("", |(value, _)| value);
    value.replace("&quot;", "\"").replace("&#39;", "'").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What the app of others asks with, with these scopes.
pub(super) fn asking(scope: &str) -> Vec<(&str, &str)> {
    vec![
        ("response_type", "code"),
        ("client_id", "heart-diary"),
        ("redirect_uri", BACK),
        ("scope", scope),
        ("state", "a state & more"),
        ("aud", "http://localhost:8080/fhir"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("nonce", "n-1"),
    ]
}

/// The same with another value of a parameter, or without it.
pub(super) fn with<'a>(pairs: &[(&'a str, &'a str)], name: &'a str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<_> = pairs.iter().copied().filter(|(key, _)| *key != name).collect();
    pairs.extend(value.map(|value| (name, value)));
    pairs
}

/// The address that a browser is sent to.
pub(super) fn authorize(pairs: &[(&str, &str)]) -> String {
    format!("/oauth/authorize?{}", form(pairs))
}

/// What is chosen on the page where nothing else is said: readings and details, for 30 days.
pub(super) const CHOICES: &[(&str, &str)] =
    &[("kind", "measurements"), ("kind", "details"), ("lasts", "month"), ("decision", "allow")];

/// Amina signs in and lets the app of others in: the code.
pub(super) async fn code(concord: &Concord, scope: &str, choices: &[(&str, &str)]) -> String {
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asking(scope))).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    let back = browser.decide(&page, choices).await;
    query(&back).get("code").unwrap_or_else(|| panic!("no code: {back}")).clone()
}

/// The request that changes a code for tokens.
pub(super) fn for_code(code: &str) -> Vec<(&str, &str)> {
    vec![
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", VERIFIER),
        ("client_id", "heart-diary"),
    ]
}

/// What the token endpoint answers.
pub(super) async fn token(concord: &Concord, pairs: &[(&str, &str)]) -> Answer {
    post(concord, "/oauth/token", pairs, None).await
}

/// A form sent to an endpoint, by a client with a secret if it has one.
pub(super) async fn post(concord: &Concord, place: &str, pairs: &[(&str, &str)], client: Option<&str>) -> Answer {
    use base64::Engine as _;
    let mut ask = concord.nobody().ask(Method::POST, place).body("application/x-www-form-urlencoded", form(pairs));
    if let Some(client) = client {
        let pair = format!("{client}:{}", form(&[("", SECRET)]).trim_start_matches('='));
        let encoded = base64::engine::general_purpose::STANDARD.encode(pair);
        ask = ask.header("authorization", &format!("Basic {encoded}"));
    }
    ask.await
}

/// Amina lets the app in: its tokens.
pub(super) async fn tokens(concord: &Concord, scope: &str, choices: &[(&str, &str)]) -> Value {
    let code = code(concord, scope, choices).await;
    token(concord, &for_code(&code)).await.expect(200).json()
}

/// The app with the access token of an answer.
pub(super) fn app(concord: &Concord, tokens: &Value) -> App {
    concord.nobody().with_token(text(tokens, "/access_token"))
}

/// The name of the error of a refusal.
pub(super) fn error(answer: &Answer) -> String {
    text(&answer.json(), "/error").to_owned()
}
