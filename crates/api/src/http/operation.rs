//! Operations over HTTP (R4 "Extended Operations on the RESTful API").

use actix_web::http::Method;
use actix_web::web::{Bytes, Data, Path};
use actix_web::{HttpRequest, HttpResponse};

use super::Server;
use super::collection::Bundle;
use super::exchange::{Exchange, exchange};
use super::resource::{Answered, logical_id, received, resource_type};
use crate::fault::Fault;
use crate::interact::FORM;
use crate::interact::operation::{self, Input, Operation, Output, Target};
use crate::interact::search::Page;

/// The form of an operation's name in a route.
pub(super) const NAME: &str = r"{operation:\$[a-zA-Z0-9-]+}";

/// `/$name`
pub(super) async fn on_system(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<String>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    answered(request, server, (None, None, path.into_inner()), body).await
}

/// `/{type}/$name`
pub(super) async fn on_type(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<(String, String)>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    let (named, name) = path.into_inner();
    answered(request, server, (Some(named), None, name), body).await
}

/// `/{type}/{id}/$name`
pub(super) async fn on_instance(
    request: HttpRequest,
    server: Data<Server>,
    path: Path<(String, String, String)>,
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    let (named, id, name) = path.into_inner();
    answered(request, server, (Some(named), Some(id), name), body).await
}

async fn answered(
    request: HttpRequest,
    server: Data<Server>,
    place: (Option<String>, Option<String>, String),
    body: Result<Bytes, actix_web::Error>,
) -> HttpResponse {
    exchange(&request, &server, None, async |exchange| {
        let done = async {
            let (named, id, name) = place;
            let target = Target {
                resource_type: named.as_deref().map(resource_type).transpose()?,
                id: id.map(logical_id).transpose()?,
            };
            let reads = [Method::GET, Method::HEAD].contains(request.method());
            let operation = operation::called(&name, &target, reads)?;
            let input = input(&exchange, operation, received(body)?)?;
            let path = request.path().to_owned();
            let pairs = input.pairs.clone();
            let run = (operation.run)(exchange.server.concord.clone(), exchange.call.clone(), target, input);
            Ok((run.await?, path, pairs))
        };
        match done.await {
            Ok((output, path, pairs)) => respond(exchange, output, &path, &pairs),
            Err(fault) => Err(exchange.fault(fault)),
        }
    })
    .await
}

fn input(exchange: &Exchange, operation: &Operation, body: Bytes) -> Result<Input, Fault> {
    let pairs = exchange.pairs.iter().filter(|(name, _)| !FORM.contains(&name.as_str())).cloned().collect();
    let mut input = Input { pairs, ..Input::default() };
    if !body.is_empty() {
        match exchange.any_body(&body) {
            Ok(value) => input = input.with_body(value),
            Err(Fault::Malformed(problems) | Fault::RuleBroken(problems)) if operation.takes_invalid => {
                input.problems = problems;
            }
            Err(fault) => return Err(fault),
        }
    }
    input.check(operation)?;
    Ok(input)
}

fn respond(exchange: Exchange, output: Output, path: &str, pairs: &[(String, String)]) -> Answered {
    match output {
        Output::Value(value) => {
            let body = exchange.answer.value(&exchange.answer.shaped(value));
            let mut builder = HttpResponse::Ok();
            builder.insert_header(("cache-control", "no-store")).content_type(exchange.answer.content_type());
            Ok(builder.body(body))
        }
        Output::Page(page) => {
            let path = path.strip_prefix("/fhir").unwrap_or(path);
            exchange.bundle(page_bundle(&exchange, page, path, pairs))
        }
    }
}

/// A page that an operation answers, called at a path below the base with these parameters.
pub(super) fn page_bundle<'a>(
    exchange: &'a Exchange,
    page: Page,
    path: &str,
    pairs: &[(String, String)],
) -> Bundle<'a> {
    let concord = &exchange.server.concord;
    let base = concord.base.as_str();
    let place = format!("{base}{path}");
    let address = |cursor: Option<&str>| {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        let cursor = cursor.map(|cursor| ("_cursor", cursor));
        let kept = pairs.iter().filter(|(name, _)| name != "_cursor" || cursor.is_none());
        text.extend_pairs(kept).extend_pairs(cursor);
        let text = text.finish();
        if text.is_empty() { place.clone() } else { format!("{place}?{text}") }
    };
    Bundle {
        kind: "searchset",
        base,
        now_ms: concord.store.now_ms(),
        total: page.total,
        this: address(None),
        next: page.next.as_deref().map(|cursor| address(Some(cursor))),
        versions: page.versions,
        included: page.included,
        remarks: page.remarks,
    }
}
