//! How a question is sent to a FHIR terminology server, and how its answer is read (R4 "Terminology Service").

use std::sync::Arc;

use concord_fhir::json::{self, Limits, Value};
use concord_fhir::terminology::Code;
use concord_terminology::MOST_EXPANDED;
use concord_terminology::elsewhere::{Answer, Asked, Question};
use concord_terminology::filter::Filter;
use concord_terminology::item::{Item, Match};
use concord_terminology::name::split;
use reqwest::StatusCode;

use super::TerminologyServer;

/// The largest answer, in bytes.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A request: the operation with its parameters, and the value set that goes in the body, where one does.
struct Sent {
    operation: &'static str,
    pairs: Vec<(&'static str, String)>,
    body: Option<Value<'static>>,
}

impl TerminologyServer {
    /// What the server says.
    ///
    /// # Errors
    /// When it cannot be asked, does not let us ask, or says what cannot be read.
    pub(super) async fn answer(&self, question: &Question) -> Result<Answer, String> {
        let sent = sent(question);
        match self.exchange(&sent).await? {
            Some(value) => read(question, &value).ok_or_else(|| format!("its answer to {} is odd", sent.operation)),
            None => Ok(Answer::Nothing),
        }
    }

    /// The client, which reads the machine's certificates when it is first needed.
    pub(super) fn client(&self) -> Result<&reqwest::Client, String> {
        let made = self.client.get_or_init(|| client().ok());
        made.as_ref().ok_or_else(|| "TLS cannot be set up".to_owned())
    }

    /// The resource that it answers; none where it does not know what it is asked about.
    async fn exchange(&self, sent: &Sent) -> Result<Option<Value<'static>>, String> {
        let client = self.client()?;
        let url = format!("{}/{}", self.settings.base_url, sent.operation);
        let request = match &sent.body {
            None => {
                let mut address = url::Url::parse(&url).map_err(|error| error.to_string())?;
                address.query_pairs_mut().extend_pairs(sent.pairs.iter().map(|(name, value)| (*name, value)));
                client.get(address)
            }
            Some(body) => client.post(&url).header("content-type", "application/fhir+json").body(json::to_string(body)),
        };
        let mut request = request.header("accept", "application/fhir+json");
        if let Some(token) = self.token().await? {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.map_err(|error| error.without_url().to_string())?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            self.forget_token().await;
        }
        if matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::UNPROCESSABLE_ENTITY) {
            return Ok(None);
        }
        if status != StatusCode::OK {
            return Err(format!("it answers {}", status.as_u16()));
        }
        let bytes = body(response, MOST_BYTES).await?;
        let limits = Limits { bytes: MOST_BYTES, ..Limits::default() };
        let value = json::parse(&bytes, &limits).map_err(|_| "its answer is no JSON".to_owned())?;
        Ok(Some(value.into_owned()))
    }
}

/// What is in an answer, which is no larger than that.
pub(super) async fn body(mut response: reqwest::Response, most: usize) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| error.without_url().to_string())? {
        if bytes.len().saturating_add(chunk.len()) > most {
            return Err(format!("its answer is larger than {most} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// It follows no redirect, which could lead a token elsewhere, and keeps no idle connection, which would be bound to the
/// thread that opened it.
fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
        .build()
}

fn sent(question: &Question) -> Sent {
    let code = |code: &Code| vec![("system", code.system.clone()), ("code", code.code.clone())];
    match question {
        Question::Member { set, code: own, version } => {
            let mut pairs = code(own);
            pairs.extend(version.clone().map(|version| ("systemVersion", version)));
            of_set("ValueSet/$validate-code", set, pairs)
        }
        Question::Expansion { set } => {
            of_set("ValueSet/$expand", set, vec![("count", (MOST_EXPANDED + 1).to_string())])
        }
        Question::Concept { code: own, version } => {
            let mut pairs = code(own);
            pairs.extend(version.clone().map(|version| ("version", version)));
            Sent { operation: "CodeSystem/$lookup", pairs, body: None }
        }
        Question::Subsumes { system, version, one, other } => {
            let mut pairs = vec![("system", system.clone())];
            pairs.extend(version.clone().map(|version| ("version", version)));
            pairs.extend([("codeA", one.clone()), ("codeB", other.clone())]);
            Sent { operation: "CodeSystem/$subsumes", pairs, body: None }
        }
        Question::Translate { map, code: own, version, sets: [source, wanted], target, reverse } => {
            let mut pairs = code(own);
            pairs.extend(version.clone().map(|version| ("version", version)));
            pairs.extend(map.clone().map(|map| ("url", map)));
            pairs.extend(source.clone().map(|source| ("source", source)));
            pairs.extend(wanted.clone().map(|wanted| ("target", wanted)));
            pairs.extend(target.clone().map(|target| ("targetsystem", target)));
            if *reverse {
                pairs.push(("reverse", "true".to_owned()));
            }
            Sent { operation: "ConceptMap/$translate", pairs, body: None }
        }
    }
}

/// A request about a set: by its url, or with its definition in the body.
fn of_set(operation: &'static str, set: &Asked, mut pairs: Vec<(&'static str, String)>) -> Sent {
    match set {
        Asked::Url(name) => {
            let (url, version) = split(name);
            pairs.push(("url", url.to_owned()));
            pairs.extend(version.map(|version| ("valueSetVersion", version.to_owned())));
            Sent { operation, pairs, body: None }
        }
        Asked::Part { system, version, filters } => {
            let string = |text: &str| Value::string(text.to_owned());
            let filter = |one: &Filter| {
                Value::object([
                    ("property", string(&one.property)),
                    ("op", string(&one.operator)),
                    ("value", string(&one.value)),
                ])
            };
            let mut include = Value::object([("system", string(system))]);
            if let Some(part) = include.as_object_mut() {
                if let Some(version) = version {
                    part.set("version", string(version));
                }
                if !filters.is_empty() {
                    part.set("filter", Value::Array(filters.iter().map(filter).collect()));
                }
            }
            let compose = Value::object([("include", Value::Array(vec![include]))]);
            let set = Value::object([
                ("resourceType", string("ValueSet")),
                ("status", string("active")),
                ("compose", compose),
            ]);
            let mut parameters = vec![Value::object([("name", string("valueSet")), ("resource", set)])];
            parameters.extend(pairs.drain(..).map(|(name, value)| {
                let member = match name {
                    "system" => "valueUri",
                    "code" => "valueCode",
                    "systemVersion" => "valueString",
                    _ => return Value::object([("name", string(name)), ("valueInteger", Value::Number(value.into()))]),
                };
                Value::object([("name", string(name)), (member, Value::string(value))])
            }));
            let body = Value::object([("resourceType", string("Parameters")), ("parameter", Value::Array(parameters))]);
            Sent { operation, pairs, body: Some(body) }
        }
    }
}

/// The answer; none where it is none to the question.
fn read(question: &Question, value: &Value<'_>) -> Option<Answer> {
    let parameter = |name: &str| {
        let found = value.list("parameter").iter().find(|one| one.text("name") == Some(name))?;
        found.as_object()?.0.iter().find(|(member, _)| member.starts_with("value")).map(|(_, value)| value)
    };
    let text = |name: &str| parameter(name).and_then(Value::as_str).map(str::to_owned);
    let result = || match parameter("result") {
        Some(Value::Bool(result)) => Some(*result),
        _ => None,
    };
    Some(match question {
        Question::Member { .. } => Answer::Member { is_in: result()?, display: text("display") },
        Question::Concept { .. } => Answer::Concept(text("display")),
        Question::Subsumes { .. } => Answer::Subsumes(text("outcome")?),
        Question::Expansion { .. } => expansion(value.get("expansion")?),
        Question::Translate { .. } => {
            result()?;
            let matches = value.list("parameter").iter().filter(|one| one.text("name") == Some("match"));
            Answer::Translate(matches.take(MOST_EXPANDED).map(matched).collect())
        }
    })
}

fn expansion(expansion: &Value<'_>) -> Answer {
    let mut items = Vec::new();
    gather(expansion.list("contains"), &mut items);
    let total = expansion.get("total").and_then(Value::as_number).and_then(|total| total.parse::<usize>().ok());
    match total {
        Some(total) if total > MOST_EXPANDED => Answer::TooMany,
        _ if items.len() > MOST_EXPANDED => Answer::TooMany,
        _ => Answer::Expansion(items),
    }
}

fn gather(values: &[Value<'_>], items: &mut Vec<Item>) {
    for value in values {
        if let (Some(system), Some(code)) = (value.text("system"), value.text("code")) {
            items.push(Item {
                system: Arc::from(system),
                version: value.text("version").map(Arc::from),
                code: code.to_owned(),
                display: value.text("display").map(str::to_owned),
                language: None,
                designations: Vec::new(),
                is_inactive: value.get("inactive") == Some(&Value::Bool(true)),
                is_abstract: value.get("abstract") == Some(&Value::Bool(true)),
            });
        }
        gather(value.list("contains"), items);
    }
}

fn matched(one: &Value<'_>) -> Match {
    let part = |name: &str| one.list("part").iter().find(|part| part.text("name") == Some(name));
    let concept = part("concept").and_then(|part| part.get("valueCoding"));
    let text = |name: &str| concept.and_then(|concept| concept.text(name)).unwrap_or_default().to_owned();
    Match {
        equivalence: part("equivalence").and_then(|part| part.text("valueCode")).unwrap_or_default().to_owned(),
        code: concept.map(|_| Code { system: text("system"), code: text("code") }),
        display: Some(text("display")).filter(|display| !display.is_empty()),
        comment: None,
        product: Vec::new(),
        map: part("source").and_then(|part| part.text("valueUri")).map(str::to_owned),
    }
}
