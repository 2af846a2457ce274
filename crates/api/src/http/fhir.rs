//! The way in of every request below the base: it becomes a command, and what that leads to becomes the response.

use std::sync::Arc;

use actix_web::http::header;
use actix_web::http::{Method as HttpMethod, StatusCode};
use actix_web::web::{Data, Payload};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};

use super::Server;
use super::exchange::{Exchange, request_id};
use super::negotiate::Answer;
use super::prefer::Return;
use super::reply::{Reply, Wants};
use super::response::{response, without_body};
use super::turns::{Asks, in_turns};
use super::{aggregator, answers, bundle, content, document_page, error, system};
use crate::error::ApiError;
use crate::interact::access::person;
use crate::interact::command::{Address, Content, Expected, Method, Route, allowed};
use crate::interact::execute::{Outcome, carry_out_within};
use crate::telemetry::Progress;

/// Serves a request for anything that needs to know who asks.
pub(super) async fn serve(request: HttpRequest, server: Data<Server>, payload: Payload) -> HttpResponse {
    let asks = Asks::of(&request);
    in_turns(&asks, served(request, server, payload, &asks)).await
}

async fn served(request: HttpRequest, server: Data<Server>, mut payload: Payload, asks: &Asks) -> HttpResponse {
    let ids = request_id(&request);
    let path = request.uri().path().strip_prefix("/fhir").unwrap_or_default().to_owned();
    if request.method() == HttpMethod::OPTIONS {
        return match allowed(&path) {
            Ok(allow) => system::options(&allow),
            Err(error) => error::response(&error, &Answer::default(), &ids),
        };
    }
    let told = |error: &ApiError, answer: &Answer| {
        let mut response = error::response(error, answer, &ids);
        // What there is at an address depends on its type too.
        let allow = (response.status() == StatusCode::METHOD_NOT_ALLOWED).then(|| allowed(&path).ok()).flatten();
        if let Some(allow) = allow.and_then(|allow| header::HeaderValue::try_from(allow).ok()) {
            response.headers_mut().insert(header::ALLOW, allow);
        }
        response
    };
    let route = match Route::of(request.method().as_str(), &path) {
        Ok(route) => route,
        Err(error) => return told(&error, &Answer::default()),
    };
    request.extensions_mut().insert(route.shape);
    if let (Some(named), Some(progress)) = (route.resource_type(), request.extensions_mut().get_mut::<Progress>()) {
        progress.is_about(named.name());
    }
    if server.maintenance.as_ref().is_some_and(|maintenance| maintenance.is_on()) {
        return told(&ApiError::Maintenance, &Answer::default());
    }
    let mut exchange = match Exchange::begin(&request, &server).await {
        Ok(exchange) => exchange,
        Err((error, answer)) => return told(&error, &answer),
    };
    asks.are(server.service.company.asker(&exchange.call.caller));
    let for_another = server.aggregator.as_ref().filter(|_| exchange.aggregator().is_some());
    // On the heap: this future is moved before it runs, and what it waits for is large.
    let answered = Box::pin(async {
        let address = route.address()?;
        answered(&mut exchange, route.method, address, &mut payload).await
    });
    let answered = match for_another {
        Some(aggregator) => aggregator.within(answered).await,
        None => answered.await,
    };
    match answered {
        Ok(response) => answers::held(response, exchange.answer_room.take()),
        Err(error) => {
            let told_instead = person::told_to_whoever_acts(&server.service, &exchange.call, error);
            let error = Box::pin(told_instead).await;
            told(&exchange.refused(error).await, &exchange.answer)
        }
    }
}

async fn answered(
    exchange: &mut Exchange,
    method: Method,
    address: Address,
    payload: &mut Payload,
) -> Result<HttpResponse, ApiError> {
    let mut asked = exchange.asked(method, address)?;
    let record = exchange.record(&asked).await?;
    let content = match asked.expected()? {
        Expected::Nothing => Content::Nothing,
        Expected::Form => {
            asked.parameters = Box::pin(exchange.form(payload)).await?;
            Content::Nothing
        }
        Expected::Bundle => return Box::pin(bundle::answered(exchange, payload)).await,
        Expected::Resource(named) => {
            Content::Resource(Box::pin(exchange.body(named, asked.address.logical_id(), payload)).await?)
        }
        Expected::Patch => Content::Patch(Box::pin(exchange.patch(payload)).await?),
        Expected::Input(operation) => Box::pin(exchange.input(operation, payload)).await?,
    };
    let service = &exchange.server.service;
    let mut command = asked.command(service, content).await?;
    if let Some(record) = record {
        exchange.call.on_behalf_of = record.as_deref().map(|id| Arc::new(aggregator::on_behalf_of(&exchange.call, id)));
        command.narrow_to(record);
    }
    let whole = service.settings.answer;
    let mut left = whole;
    let outcome = carry_out_within(service, exchange.call.clone(), command, &mut left, &mut false).await?;
    // Who has written learns of it in any case.
    let (answers, caller, bytes) = (&exchange.server.answers, &exchange.call.caller, whole.bytes - left.bytes);
    let room = match outcome {
        Outcome::Written(_) => answers.room_that_is_left(caller, bytes),
        _ => answers.room(caller, bytes)?,
    };
    exchange.answer_room.set(room);
    if let Some(document) = document_page::document(&outcome).filter(|_| exchange.answer.is_page) {
        return Ok(document_page::response(document));
    }
    if exchange.request().method() == HttpMethod::HEAD && bytes > answers::SMALL && !exchange.may_be_content {
        return Ok(without_body(exchange, Reply::head(outcome)));
    }
    let reply = written(exchange, outcome, bytes).await?;
    response(exchange, reply)
}

/// The reply to a command, written in the form that is asked for and packed if that is wanted: where no other request of this
/// thread waits for it, if it is large.
async fn written(exchange: &Exchange, outcome: Outcome, bytes: usize) -> Result<Reply, ApiError> {
    let (server, form, caller) = (exchange.server.clone(), exchange.answer.clone(), &exchange.call.caller);
    let packed = bytes > answers::SMALL && exchange.takes_packed();
    let is_small = answers::is_small(bytes, form.is_plain() && !packed);
    let must_be_told = outcome.may_have_changed();
    let content = exchange.may_be_content.then(|| content::Wanted::by(exchange.request(), exchange.accept()));
    let wants = Wants { content, written: exchange.prefer().wanted() == Return::Representation, packed };
    let write = move || Reply::of(&server, outcome, &form)?.written(&form, &wants);
    exchange.server.answers.apart(caller, is_small, must_be_told, write).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, B, C, F>(_: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }

    /// The future of a request is moved several times before it runs. What it may have to wait for and mostly does not belongs
    /// on the heap: inside it, some 30 KB were copied for each request.
    #[test]
    fn a_request_is_small_until_it_has_to_wait() {
        assert!(size(serve) <= 4 * 1024, "{}", size(serve));
    }
}
