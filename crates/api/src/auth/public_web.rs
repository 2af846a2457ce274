//! Keys at an address that a stranger has named. The address of the machine is looked at before it is asked, and it is that machine which is
//! asked: nothing inside of the operator's network, where this server may go and the stranger may not.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::key_source::{KeyError, keys_by};

/// How long it may take to be connected with, and to answer.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Networks of which no machine of the public internet is, as the IANA's registries of special purposes have them (IPv4): each with
/// how many bits of it count.
const SPECIAL_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// What is given out for machines in IPv6, and what of that is for other purposes: protocols (Teredo among them), 6to4, and examples.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
const SPECIAL_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address may be one of a machine of the public internet.
fn is_public(address: IpAddr) -> bool {
    let in_v4 = |one: Ipv4Addr, (network, bits): (Ipv4Addr, u32)| {
        (u32::from(one) ^ u32::from(network)).checked_shr(32 - bits) == Some(0)
    };
    let in_v6 = |one: Ipv6Addr, (network, bits): (Ipv6Addr, u32)| {
        (u128::from(one) ^ u128::from(network)).checked_shr(128 - bits) == Some(0)
    };
    match address {
        IpAddr::V4(one) => !SPECIAL_V4.into_iter().any(|network| in_v4(one, network)),
        IpAddr::V6(one) => in_v6(one, GLOBAL_V6) && !SPECIAL_V6.into_iter().any(|network| in_v6(one, network)),
    }
}

/// Looks names up. One of which any address is not public has none: whoever answers so is asked nothing.
#[derive(Debug)]
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let name = name.as_str().to_owned();
        Box::pin(async move {
            let looked_up = tokio::task::spawn_blocking(move || public_addresses(&name)).await?;
            Ok(Box::new(looked_up?.into_iter()) as Addrs)
        })
    }
}

fn public_addresses(name: &str) -> Result<Vec<SocketAddr>, Box<dyn Error + Send + Sync>> {
    let found: Vec<SocketAddr> = (name, 0).to_socket_addrs()?.collect();
    match found.iter().all(|address| is_public(address.ip())) {
        true => Ok(found),
        false => Err("its name leads to an address that is not one of the public internet".into()),
    }
}

/// The bytes of the JWK Set at an https URL of a named host that a stranger has given, and how long it may be kept.
///
/// # Errors
/// When it cannot be fetched, or is not on the public internet.
pub(crate) async fn fetch_strangers_keys(url: &str) -> Result<(Vec<u8>, Option<i64>), KeyError> {
    let named = url::Url::parse(url).ok();
    let is_named = named.as_ref().is_some_and(|url| matches!(url.host(), Some(url::Host::Domain(_))));
    if !is_named || !url.starts_with("https://") {
        return Err(KeyError(format!("{url} is not https, or names a machine by its address")));
    }
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        // A proxy would look the name up itself.
        .no_proxy()
        .dns_resolver(PublicOnly)
        .https_only(true)
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .pool_max_idle_per_host(0)
        .user_agent(concat!("concord/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| KeyError(format!("cannot set up TLS: {error}")))?;
    keys_by(&client, url, concord_signin::jwk::MAX_SET_BYTES as u64).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_machines_of_the_public_internet_are_asked() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "100.63.0.1",
            "172.32.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "2606:4700::1",
            "2a00::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.255.255",
            "203.0.113.9",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:1.1.1.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
    }

    #[tokio::test]
    async fn what_a_stranger_names_is_not_inside() {
        assert!(public_addresses("localhost").is_err());
        for url in [
            "http://keys.example/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://[::1]/",
            "https://localhost/keys",
            "file:///etc/passwd",
            "",
        ] {
            let refused = fetch_strangers_keys(url).await.unwrap_err().to_string();
            let says = refused.contains("not https") || refused.contains("not one of the public internet");
            assert!(says, "{url}: {refused}");
        }
    }
}
