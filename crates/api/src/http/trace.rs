//! What happens around every request: its ids, its line in the log and its place in the metrics. Nothing here decides.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, web::Data};

use super::{Harness, Server};
use crate::interact::command::Shape;
use crate::telemetry::{self, CORRELATION_HEADER, Progress, REQUEST_HEADER, RequestIds};

/// Gives the request its ids, runs it, and tells logs and metrics how it went.
///
/// # Errors
/// Those of the services inside.
pub async fn traced(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    request.extensions_mut().insert(Progress::begin());
    let ids = {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        RequestIds::from_headers(text(REQUEST_HEADER), text(CORRELATION_HEADER))
    };
    let method = request.method().clone();
    if let Some(harness) = request.app_data::<Data<Harness>>().cloned() {
        harness.let_in(&mut request).await;
    }
    let server = request.app_data::<Data<Server>>().cloned();
    request.extensions_mut().insert(ids.clone());
    let mut response = next.call(request).await?;
    Harness::let_out(response.request());
    let headers = response.headers_mut();
    let mut mirror = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    mirror(REQUEST_HEADER, &ids.request);
    if let Some(correlation) = &ids.correlation {
        mirror(CORRELATION_HEADER, correlation);
    }
    // It kept the answer from being packed, and is no coding that an answer may have (RFC 9110, section 8.4).
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding == "identity") {
        headers.remove(header::CONTENT_ENCODING);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    let shape = response.request().extensions().get::<Shape>().map(|shape| shape.pattern.to_owned());
    let route = shape.or_else(|| response.request().match_pattern());
    let status = response.status().as_u16();
    let extensions = response.request().extensions();
    let arrived = Progress::begin();
    let progress = extensions.get::<Progress>().unwrap_or(&arrived);
    telemetry::finished(&ids, progress, method.as_str(), route.as_deref().unwrap_or("unmatched"), status);
    if let Some(server) = server {
        server.metrics.request(method.as_str(), route.as_deref(), status, progress.took());
    }
    drop(extensions);
    Ok(response)
}
