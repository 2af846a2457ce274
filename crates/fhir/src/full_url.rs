//! Addresses by which the entries of a Bundle refer to one another (R4 "Resolving references in Bundles"): which of them are
//! the same, however they are written.

use std::borrow::Cow;

/// How every URN begins, in any case.
const URN: &str = "urn:";

/// Whether an address is a URN: a name that leads nowhere by itself.
#[must_use]
pub fn is_urn(address: &str) -> bool {
    below_urn(address).is_some()
}

/// What follows `urn:`, its name space and its name.
fn below_urn(address: &str) -> Option<&str> {
    let (scheme, rest) = address.split_at_checked(URN.len())?;
    scheme.eq_ignore_ascii_case(URN).then_some(rest)
}

/// Splits off what does not say which resource is meant: a fragment, and the components of a URN (RFC 8141, section 2.3).
#[must_use]
pub fn without_components(address: &str) -> (&str, &str) {
    let of_urn = ["?+", "?="].into_iter().filter(|_| is_urn(address)).filter_map(|begin| address.find(begin));
    let end = address.find('#').into_iter().chain(of_urn).min().unwrap_or(address.len());
    address.split_at_checked(end).unwrap_or((address, ""))
}

/// What a link by the address of an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meant<'t> {
    /// The address of a resource.
    pub bare: &'t str,
    /// Whether one version of it is meant.
    pub is_versioned: bool,
    /// What of it, if not the whole (`#x`).
    pub part: &'t str,
}

impl Meant<'_> {
    /// Reads a link.
    #[must_use]
    pub fn of(text: &str) -> Meant<'_> {
        let (address, part) = without_components(text);
        let (bare, is_versioned) = address.split_once("/_history/").map_or((address, false), |(bare, _)| (bare, true));
        Meant { bare, is_versioned, part }
    }

    /// What stays behind the address that comes in the place of this one: an address may be that of a page (`#page=2`), a
    /// Reference is to a whole resource (R4 "References"). None where there is a part and no room for it.
    #[must_use]
    pub fn behind(&self, is_reference: bool) -> Option<&str> {
        let has_room = self.part.is_empty() || (!is_reference && self.part.starts_with('#'));
        has_room.then_some(self.part)
    }
}

/// By which `fullUrl`s, each in its [`comparable`] form, a link can mean an entry: as it stands, and below the root of the entry
/// that it stands in.
pub fn names<'u>(root: Option<&'u str>, link: &'u str) -> impl Iterator<Item = String> + 'u {
    [Some(comparable(link).into_owned()), root.map(|root| format!("{root}{link}"))].into_iter().flatten()
}

/// The root, with its slash, of a `fullUrl` that is the address of a resource of a type on some server.
#[must_use]
pub fn root<'u>(full_url: &'u str, type_name: &str) -> Option<&'u str> {
    let (rest, _) = full_url.rsplit_once('/')?;
    rest.strip_suffix(type_name).filter(|root| root.ends_with('/'))
}

/// The form in which equal addresses are equal texts: the name space of a URN is in small letters, a UUID too, and escapes are in
/// capitals (RFC 8141, section 3.1; RFC 9562, section 4); of another absolute address the scheme and the host are in small letters
/// (RFC 3986, section 6.2.2.1).
#[must_use]
pub fn comparable(address: &str) -> Cow<'_, str> {
    let (any_case, exact) = address.split_at_checked(in_any_case(address)).unwrap_or(("", address));
    let has_escapes = exact.contains('%') && is_urn(address);
    if !has_escapes && !any_case.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(address);
    }
    let mut comparable = any_case.to_ascii_lowercase();
    match has_escapes {
        true => comparable.push_str(&capital_escapes(exact)),
        false => comparable.push_str(exact),
    }
    Cow::Owned(comparable)
}

/// How many bytes at the beginning of an address say the same in any case.
fn in_any_case(address: &str) -> usize {
    if let Some(rest) = below_urn(address) {
        let space = rest.find(':').map_or(0, |end| end + 1);
        return match rest.get(..space) {
            Some(space) if space.eq_ignore_ascii_case("uuid:") => without_components(address).0.len(),
            _ => URN.len() + space,
        };
    }
    let Some((scheme, rest)) = address.split_once("://") else { return 0 };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // Who somebody is says something else in other letters.
    let authority = if authority.contains('@') { 0 } else { authority.len() };
    scheme.len() + "://".len() + authority
}

fn capital_escapes(text: &str) -> String {
    let mut since = 3;
    text.chars()
        .map(|letter| {
            since = if letter == '%' { 0 } else { since + 1 };
            if since <= 2 { letter.to_ascii_uppercase() } else { letter }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_equal_has_one_form() {
        for (one, other) in [
            ("urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0", "URN:UUID:0C3201BD-1CBF-4D64-B04D-CD9187A4C6E0"),
            ("urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0", "urn:Uuid:0c3201bd-1cbf-4d64-b04D-cd9187a4c6e0"),
            ("urn:oid:1.2.3", "Urn:OID:1.2.3"),
            ("urn:example:a%2Fb", "URN:EXAMPLE:a%2fb"),
            ("http://source.example/fhir/Patient/s", "HTTP://Source.Example/fhir/Patient/s"),
            ("https://source.example", "https://SOURCE.example"),
        ] {
            assert_eq!(comparable(one), comparable(other));
        }
    }

    #[test]
    fn what_differs_has_another() {
        for (one, other) in [
            ("urn:example:a", "urn:example:A"),
            ("urn:example:a%2Fb", "urn:example:A%2Fb"),
            ("http://source.example/fhir/Patient/s", "http://source.example/fhir/Patient/S"),
            ("http://a@source.example/s", "http://A@source.example/s"),
            ("Patient/s", "patient/s"),
            ("mailto:a@b.example", "mailto:A@b.example"),
            ("urn:uuid:a#x", "urn:uuid:a#X"),
        ] {
            assert_ne!(comparable(one), comparable(other));
        }
        for same in ["Patient/s", "Patient/s#x", "", "urn:", "urn:x", "mailto:A@b.example", "\u{e9}\u{e9}\u{e9}"] {
            assert_eq!(comparable(same), same);
        }
    }

    #[test]
    fn components_are_no_part_of_a_name() {
        for (whole, name, component) in [
            ("urn:uuid:x#y", "urn:uuid:x", "#y"),
            ("URN:uuid:x?=y#z", "URN:uuid:x", "?=y#z"),
            ("urn:uuid:x?+y?=z", "urn:uuid:x", "?+y?=z"),
            ("urn:uuid:x#y?=z", "urn:uuid:x", "#y?=z"),
            ("http://s.example/Patient/s#y", "http://s.example/Patient/s", "#y"),
            ("http://s.example/Patient?=s", "http://s.example/Patient?=s", ""),
            ("#y", "", "#y"),
            ("urn:uuid:x", "urn:uuid:x", ""),
        ] {
            assert_eq!(without_components(whole), (name, component));
        }
    }

    #[test]
    fn what_an_entry_is_called_by() {
        let root = root("http://s.example/fhir/Patient/s", "Patient");
        assert_eq!(root, Some("http://s.example/fhir/"));
        let called = |link| names(root, link).collect::<Vec<_>>();
        assert_eq!(called("Binary/b"), ["Binary/b", "http://s.example/fhir/Binary/b"]);
        assert_eq!(names(None, "URN:uuid:X").collect::<Vec<_>>(), ["urn:uuid:x"]);
        for (url, named) in
            [("urn:uuid:x", "Patient"), ("http://s.example/fhir/Patient/s", "Group"), ("xPatient/s", "Patient")]
        {
            assert_eq!(super::root(url, named), None, "{url}");
        }
    }

    #[test]
    fn an_address_has_room_for_a_page() {
        for (link, of_reference, of_address) in [
            ("urn:uuid:x", Some(""), Some("")),
            ("urn:uuid:x#page=2", None, Some("#page=2")),
            ("urn:uuid:x?+y", None, None),
            ("http://s.example/Binary/b/_history/2#x", None, Some("#x")),
        ] {
            let meant = Meant::of(link);
            assert_eq!((meant.behind(true), meant.behind(false)), (of_reference, of_address), "{link}");
        }
    }

    #[test]
    fn urns_are_told_from_others() {
        for urn in ["urn:uuid:x", "URN:oid:1", "Urn:"] {
            assert!(is_urn(urn), "{urn}");
        }
        for other in ["Patient/urn:x", "urn", "", "https://urn:1/", "\u{e9}rn:"] {
            assert!(!is_urn(other), "{other}");
        }
    }
}
