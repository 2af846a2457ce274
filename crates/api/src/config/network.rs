//! A network of addresses, as a setting names it.

use std::net::IpAddr;

use serde::de::Deserializer;

use super::field;

/// The addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// A network such as `10.0.0.0/8`, or a single address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Network> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
        let network = Network { address, bits };
        // With bits beyond its length it is not said what is meant.
        (network.rest_of(address) == 0).then_some(network)
    }

    /// Whether an address is in it.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = if self.address.is_ipv4() { address.to_canonical() } else { address };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                self.starts_alike(u32::from(own).into(), u32::from(other).into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => self.starts_alike(own.into(), other.into(), 128),
            _ => false,
        }
    }

    fn starts_alike(&self, one: u128, other: u128, length: u32) -> bool {
        (one ^ other).checked_shr(length - self.bits).unwrap_or(0) == 0
    }

    fn rest_of(&self, address: IpAddr) -> u128 {
        let (value, length) = match address {
            IpAddr::V4(own) => (u128::from(u32::from(own)), 32),
            IpAddr::V6(own) => (own.into(), 128),
        };
        let ones = 1_u128.checked_shl(length - self.bits).map_or(u128::MAX, |end| end - 1);
        value & ones
    }
}

/// A list of networks.
pub(super) fn networks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Network>, D::Error> {
    field::texts(deserializer, "addresses or networks such as 10.0.0.0/8", |texts| {
        texts.iter().map(|text| Network::parse(text.trim())).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_begin_like_it() {
        let has = |network: &str, address: &str| Network::parse(network).unwrap().contains(address.parse().unwrap());
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.0/31", "192.0.2.1", "192.0.2.2"),
            ("0.0.0.0/0", "255.255.255.255", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::1"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("::1", "::1", "::2"),
            ("10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"),
        ] {
            assert!(has(network, inside), "{network} {inside}");
            assert!(!has(network, outside), "{network} {outside}");
        }
        for bad in ["", "x", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/", "10.0.0.0/-1", "::/129", "2001:db8::1/32", "h/8"]
        {
            assert_eq!(Network::parse(bad), None, "{bad}");
        }
    }
}
