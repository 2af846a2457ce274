//! From which address a client calls: the connection's, or what a proxy says that the operator trusts.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderMap};

use crate::config::Network;

/// The proxies whose word for who calls is believed.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<Network>);

impl TrustedProxies {
    /// The proxies in these networks.
    #[must_use]
    pub fn new(networks: Vec<Network>) -> TrustedProxies {
        TrustedProxies(networks)
    }

    /// From where a request comes, as that is counted.
    pub(super) fn client_of(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip();
        Some(counted(self.named(peer, request.headers()).unwrap_or(peer)))
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Whom trusted proxies name, from the last one on: the first that is none of them. What is to the left of it anybody may have
    /// written. Where both headers are there, one is not the proxy's.
    fn named(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.has(peer) {
            return None;
        }
        let said = match (headers.contains_key(header::X_FORWARDED_FOR), headers.contains_key(header::FORWARDED)) {
            (true, false) => parts(headers, header::X_FORWARDED_FOR, address),
            (false, true) => parts(headers, header::FORWARDED, forwarded_for),
            _ => return None,
        };
        let mut last = None;
        for one in said.into_iter().rev() {
            // What cannot be read was written by the proxy before; it is as far as anybody can tell.
            let Some(one) = one else { break };
            last = Some(one);
            if !self.has(one) {
                break;
            }
        }
        last
    }
}

/// The elements of a header that is a list, in their order.
fn parts(headers: &HeaderMap, name: header::HeaderName, read: impl Fn(&str) -> Option<IpAddr>) -> Vec<Option<IpAddr>> {
    let all = headers.get_all(name).map(|value| value.to_str().unwrap_or_default());
    all.flat_map(|text| text.split(',')).map(|part| read(part.trim())).collect()
}

/// Whom an element of `Forwarded` is for (RFC 7239 section 4).
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for")).map(|(_, value)| value.trim());
    address(named.next().filter(|_| named.next().is_none())?.trim_matches('"'))
}

/// An address, perhaps with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let alone = bracketed.unwrap_or(text).parse().ok();
    alone.or_else(|| text.parse::<SocketAddr>().ok().map(|with_port| with_port.ip()))
}

/// One address of a network of IPv6 is as good as another: whoever has one has them all.
pub(super) fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(own) => IpAddr::V6(Ipv6Addr::from(u128::from(own) & !u128::from(u64::MAX))),
        canonical => canonical,
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn client(trusted: &[&str], peer: &str, headers: &[(&str, &str)]) -> String {
        let proxies = TrustedProxies::new(trusted.iter().map(|text| Network::parse(text).unwrap()).collect());
        let mut request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1234));
        for (name, value) in headers {
            request = request.append_header((*name, *value));
        }
        proxies.client_of(&request.to_http_request()).unwrap().to_string()
    }

    #[test]
    fn what_a_header_says_counts_only_from_a_trusted_proxy() {
        let of = |value| [("x-forwarded-for", value)];
        assert_eq!(client(&[], "10.0.0.1", &of("192.0.2.7")), "10.0.0.1");
        assert_eq!(client(&["10.0.0.2"], "10.0.0.1", &of("192.0.2.7")), "10.0.0.1");
        assert_eq!(client(&["10.0.0.1"], "10.0.0.1", &of("192.0.2.7")), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "::ffff:10.0.0.1", &of("192.0.2.7:4711")), "192.0.2.7");
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn what_somebody_has_written_before_the_proxies_is_not_believed() {
        let trusted = ["10.0.0.0/8", "2001:db8:1::/48"];
        let of = |value| client(&trusted, "10.0.0.1", &[("x-forwarded-for", value)]);
        assert_eq!(of("198.51.100.1, 192.0.2.7"), "192.0.2.7");
        assert_eq!(of("198.51.100.1, 192.0.2.7, 10.3.3.3"), "192.0.2.7");
        assert_eq!(of("192.0.2.7, [2001:db8:1::5]:80"), "192.0.2.7");
        assert_eq!(of("10.9.9.9, 10.3.3.3"), "10.9.9.9", "one of ours");
        assert_eq!(of("192.0.2.7, unknown"), "10.0.0.1");
        assert_eq!(of("192.0.2.7, unknown, 10.3.3.3"), "10.3.3.3");
        assert_eq!(of(""), "10.0.0.1");
        let two = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(client(&trusted, "10.0.0.1", &two), "192.0.2.7");
        let both = [("x-forwarded-for", "198.51.100.1"), ("forwarded", "for=192.0.2.7")];
        assert_eq!(client(&trusted, "10.0.0.1", &both), "10.0.0.1", "one of them is not the proxy's");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_says() {
        let of = |value| client(&["10.0.0.1"], "10.0.0.1", &[("forwarded", value)]);
        assert_eq!(of("for=192.0.2.7;proto=https;by=10.0.0.1"), "192.0.2.7");
        assert_eq!(of("For=\"[2001:db8::7]:4711\""), "2001:db8::");
        assert_eq!(of("for=\"192.0.2.7:80\""), "192.0.2.7");
        assert_eq!(of("for=198.51.100.1, for=192.0.2.7"), "192.0.2.7");
        for unknown in ["for=_hidden", "for=unknown", "proto=https", "for=1.2.3.4;for=5.6.7.8", "x"] {
            assert_eq!(of(unknown), "10.0.0.1", "{unknown}");
        }
    }
}
