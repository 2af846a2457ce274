//! For which hosts a server is asked where whoever reaches it can be anybody. A page of any site can have its own name lead to this
//! machine, and then ask what listens here as if that were a part of its site (DNS rebinding); the browser says by which name.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web::Data};
use url::{Host, Url};

use super::error::response;
use super::exchange::request_id;
use super::negotiate::Answer;
use crate::config::{Config, SignInConfig};
use crate::error::ApiError;

/// The hosts for which a server answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hosts {
    /// Every one.
    #[default]
    Any,
    /// This machine's own names, and the one by which the server calls itself.
    ThisMachine(Option<Host>),
}

const REFUSED: &str = "this server is for this machine, since whoever reaches it can be anybody: ask it as localhost or 127.0.0.1, or by \
                       the host of public_url; for others start it so that they may reach it (serve --ephemeral --anywhere, or \
                       development_provider_anywhere)";

impl Hosts {
    /// Those of a server with these settings: every one, unless people sign in by picking themselves and others than this machine may
    /// not reach it.
    #[must_use]
    pub fn of(config: &Config) -> Hosts {
        let is_open = |own: &SignInConfig| own.development_provider && !own.development_provider_anywhere;
        match config.sign_in.as_ref().is_some_and(is_open) {
            true => Hosts::of_this_machine(&config.public_url),
            false => Hosts::Any,
        }
    }

    /// Those of a server that is reached from this machine: its own names, and the one by which the server calls itself.
    #[must_use]
    pub fn of_this_machine(public_url: &str) -> Hosts {
        Hosts::ThisMachine(Url::parse(public_url).ok().and_then(|url| url.host().map(|host| host.to_owned())))
    }

    /// Whether it answers for what a request names: a host, perhaps with a port.
    pub(super) fn has(&self, authority: &str) -> bool {
        let Hosts::ThisMachine(besides) = self else { return true };
        // What has another meaning in a URL is no part of a host.
        let is_plain = !authority.is_empty() && !authority.contains(['/', '\\', '@', '?', '#']);
        let url = is_plain.then(|| Url::parse(&format!("http://{authority}/")).ok()).flatten();
        let Some(host) = url.as_ref().and_then(Url::host) else { return false };
        let is_own = match &host {
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                name == "localhost" || name.ends_with(".localhost")
            }
            Host::Ipv4(address) => address.is_loopback(),
            Host::Ipv6(address) => address.to_canonical().is_loopback(),
        };
        is_own || besides.as_ref().is_some_and(|named| *named == host.to_owned())
    }

    /// Whether it answers a request: for the host that its header names, and its line if that does.
    fn answer(&self, request: &ServiceRequest) -> bool {
        let said = request.headers().get_all(header::HOST).map(HeaderValue::to_str);
        let line = request.uri().authority().map(|authority| Ok(authority.as_str()));
        said.chain(line).all(|said| said.is_ok_and(|authority| self.has(authority)))
    }
}

/// Refuses what asks for another host than those for which the server answers.
///
/// # Errors
/// Those of the services inside.
pub async fn named_so<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    if request.app_data::<Data<Hosts>>().is_none_or(|hosts| hosts.answer(&request)) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let refused = response(&ApiError::denied(REFUSED), &Answer::default(), &request_id(request.request()));
    Ok(request.into_response(refused).map_into_right_body())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn only_this_machines_names_and_ones_own_are_answered() {
        let hosts = Hosts::of_this_machine("https://phr.example:8443");
        for named in [
            "localhost",
            "LocalHost:8080",
            "localhost.:8080",
            "phr.localhost",
            "127.0.0.1:1",
            "127.1.2.3",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
            "phr.example",
            "phr.example:8443",
            "PHR.example:1",
        ] {
            assert!(hosts.has(named), "{named}");
        }
        for named in [
            "",
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "evil.example.",
            "notlocalhost",
            "0.0.0.0:8080",
            "192.0.2.1",
            "[::]",
            "[2001:db8::1]:80",
            "localhost@evil.example",
            "evil.example#@localhost",
            "evil.example/localhost",
            "sub.phr.example",
            "a b",
        ] {
            assert!(!hosts.has(named), "{named}");
            assert!(Hosts::Any.has(named), "{named}");
        }
    }

    #[test]
    fn every_name_that_a_request_says_is_looked_at() {
        let hosts = Hosts::of_this_machine("http://localhost:8080");
        let asks = |line: &str, said: &[&str]| {
            let mut request = TestRequest::default().uri(line);
            for host in said {
                request = request.append_header((header::HOST, *host));
            }
            hosts.answer(&request.to_srv_request())
        };
        assert!(
            asks("/fhir", &["localhost:8080"]) && asks("/fhir", &[]) && asks("http://127.0.0.1/fhir", &["localhost"])
        );
        assert!(!asks("/fhir", &["evil.example"]) && !asks("/fhir", &["localhost", "evil.example"]));
        assert!(!asks("http://evil.example/fhir", &["localhost"]));
    }
}
