//! An app that calls the API: its requests and what it gets.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use reqwest::Method;
use reqwest::RequestBuilder;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::server::BASE;

/// The media type of bodies.
pub const FHIR_JSON: &str = "application/fhir+json";

/// An app with one token, or none.
#[derive(Clone, Debug)]
pub struct App {
    http: reqwest::Client,
    nodes: Nodes,
    token: Option<String>,
}

/// Where the nodes of a server are: one request after another goes to the next.
#[derive(Clone, Debug)]
pub(crate) struct Nodes {
    pub(crate) origins: Arc<[String]>,
    pub(crate) turn: Arc<AtomicUsize>,
}

impl Nodes {
    pub(crate) fn at(origins: Vec<String>) -> Nodes {
        Nodes { origins: origins.into(), turn: Arc::default() }
    }

    fn next(&self) -> &str {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.origins.len();
        self.origins.get(turn).expect("a server has a node")
    }
}

/// A request that is sent when it is awaited.
#[derive(Debug)]
pub struct Ask(RequestBuilder);

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// The request, for messages.
    asked: String,
}

impl App {
    pub(crate) fn new(http: reqwest::Client, nodes: Nodes, token: Option<String>) -> App {
        App { http, nodes, token }
    }

    /// An app of the server at that origin, `http://127.0.0.1:PORT`, without a token.
    ///
    /// # Panics
    /// When there can be no HTTP client.
    #[must_use]
    pub fn at(origin: &str) -> App {
        App::new(client(), Nodes::at(vec![origin.to_owned()]), None)
    }

    /// Where the server is: its first node.
    ///
    /// # Panics
    /// Never: a server has a node.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.nodes.origins.first().expect("a server has a node")
    }

    /// The same app with another token.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> App {
        App { token: Some(token.into()), ..self.clone() }
    }

    /// The token.
    #[must_use]
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// A request. The place is below the FHIR base (`Patient/amina`), below the server (`/healthz`), or a link that the
    /// server gave.
    pub fn ask(&self, method: Method, place: &str) -> Ask {
        let path = match place.strip_prefix(BASE) {
            Some(rest) => format!("/fhir{rest}"),
            None if place.starts_with('/') => place.to_owned(),
            None => format!("/fhir/{place}"),
        };
        let request = self.http.request(method, format!("{}{path}", self.nodes.next()));
        Ask(match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        })
    }

    /// GET
    pub fn get(&self, place: &str) -> Ask {
        self.ask(Method::GET, place)
    }

    /// HEAD
    pub fn head(&self, place: &str) -> Ask {
        self.ask(Method::HEAD, place)
    }

    /// POST of a resource.
    pub fn post(&self, place: &str, resource: &Value) -> Ask {
        self.ask(Method::POST, place).resource(resource)
    }

    /// PUT of a resource.
    pub fn put(&self, place: &str, resource: &Value) -> Ask {
        self.ask(Method::PUT, place).resource(resource)
    }

    /// DELETE
    pub fn delete(&self, place: &str) -> Ask {
        self.ask(Method::DELETE, place)
    }

    /// POST of a resource to the address of its type; its logical id.
    ///
    /// # Panics
    /// When it is not created.
    pub async fn create(&self, resource: &Value) -> String {
        let created = self.post(text(resource, "/resourceType"), resource).await.expect(201);
        text(&created.json(), "/id").to_owned()
    }

    /// PUT of a resource under its own id.
    ///
    /// # Panics
    /// When it is not stored.
    pub async fn store(&self, resource: &Value) -> Answer {
        let place = format!("{}/{}", text(resource, "/resourceType"), text(resource, "/id"));
        let stored = self.put(&place, resource).await;
        assert!(matches!(stored.status, 200 | 201), "{stored}");
        stored
    }

    /// The resources of a search or the entries of a history, all pages of it.
    ///
    /// # Panics
    /// When a page is refused.
    pub async fn entries(&self, place: &str) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut next = Some(place.to_owned());
        while let Some(place) = next {
            let page = self.get(&place).await.expect(200);
            let told = |entry: &Value| entry.pointer("/search/mode").and_then(Value::as_str) == Some("outcome");
            entries.extend(page.entries().into_iter().filter(|entry| !told(entry)));
            next = page.link("next");
        }
        entries
    }
}

/// A client that talks to nobody but the server it is told to.
pub(crate) fn client() -> reqwest::Client {
    // Where nothing else is said, a journey wants resources, also where they are content.
    let accept = HeaderMap::from_iter([(reqwest::header::ACCEPT, HeaderValue::from_static(FHIR_JSON))]);
    let builder = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        // Sooner than the server closes what is idle, or a request meets a connection that is just being closed.
        .pool_idle_timeout(std::time::Duration::from_secs(2));
    builder.default_headers(accept).build().expect("an HTTP client")
}

impl Ask {
    /// With this header, in UTF-8.
    #[must_use]
    pub fn header(self, name: &str, value: &str) -> Ask {
        self.header_of_bytes(name, value.as_bytes())
    }

    /// With a header of any bytes.
    #[must_use]
    pub fn header_of_bytes(self, name: &str, value: &[u8]) -> Ask {
        Ask(self.0.header(name, value))
    }

    /// With a resource as the body.
    #[must_use]
    pub fn resource(self, resource: &Value) -> Ask {
        self.body(FHIR_JSON, resource.to_string())
    }

    /// With any body.
    #[must_use]
    pub fn body(self, media_type: &str, body: impl Into<reqwest::Body>) -> Ask {
        Ask(self.0.header("content-type", media_type).body(body))
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let (client, request) = self.0.build_split();
            let request = request.expect("a request that can be sent");
            let asked = format!("{} {}", request.method(), request.url().path());
            let response = client.execute(request).await.unwrap_or_else(|error| panic!("{asked}: {error}"));
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await.unwrap_or_else(|error| panic!("{asked}: {error}")).to_vec();
            Answer { status, headers, body, asked }
        })
    }
}

impl Answer {
    /// This answer, which has to have that status.
    ///
    /// # Panics
    /// When it has another.
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert!(self.status == status, "expected {status}: {self}");
        self
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {self}"))
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, empty if it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let name = HeaderName::try_from(name).expect("the name of a header");
        self.headers.get(name).map(HeaderValue::to_str).and_then(Result::ok).unwrap_or_default()
    }

    /// The entries of a Bundle.
    #[must_use]
    pub fn entries(&self) -> Vec<Value> {
        self.json().get("entry").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// The resources of the matches of a searchset.
    #[must_use]
    pub fn matches(&self) -> Vec<Value> {
        let entries = self.entries().into_iter();
        entries
            .filter(|entry| entry.pointer("/search/mode").and_then(Value::as_str) == Some("match"))
            .filter_map(|entry| entry.get("resource").cloned())
            .collect()
    }

    /// The ids of the matches of a searchset, in their order.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.matches().iter().map(|resource| text(resource, "/id").to_owned()).collect()
    }

    /// A link of a Bundle.
    #[must_use]
    pub fn link(&self, relation: &str) -> Option<String> {
        let bundle = self.json();
        let links = bundle.get("link")?.as_array()?;
        let link = links.iter().find(|link| text(link, "/relation") == relation)?;
        Some(text(link, "/url").to_owned())
    }

    /// What an OperationOutcome says: the code, the place and the text of each issue.
    ///
    /// # Panics
    /// When the body is none.
    #[track_caller]
    pub fn issues(&self) -> Vec<(String, String, String)> {
        let outcome = self.json();
        assert!(text(&outcome, "/resourceType") == "OperationOutcome", "no OperationOutcome: {self}");
        let issues = outcome.get("issue").and_then(Value::as_array).cloned().unwrap_or_default();
        assert!(!issues.is_empty(), "an OperationOutcome without an issue: {self}");
        let told = |issue: &Value| {
            let parts = ["/code", "/expression/0", "/diagnostics"].map(|place| text(issue, place).to_owned());
            let [code, place, diagnostics] = parts;
            (code, place, diagnostics)
        };
        issues.iter().map(told).collect()
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let body: String = self.text().chars().take(2_000).collect();
        write!(f, "{} was answered {} {body}", self.asked, self.status)
    }
}

/// The text at a JSON pointer, empty if there is none.
#[must_use]
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
