//! Literal references: the address of a resource (R4 "References").

use crate::full_url::is_urn;
use crate::resource_type::ResourceType;

/// A literal reference, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal<'a> {
    /// To a resource on this server, `Type/id` with or without a version.
    Local(ResourceType, &'a str),
    /// To somewhere else, or in a form that is no FHIR url; without a version.
    Elsewhere(&'a str),
    /// To a resource contained in the same one.
    Contained,
    /// To this server as it seems, in a form that leads to nothing here (`/Type/id`, `Type/id/`, `Type/a%62c`). It names
    /// nothing for anybody, and is refused where it is written.
    Malformed,
}

impl<'a> Literal<'a> {
    /// Reads a reference: the one place that decides what one of this server is. `base` is the url of this server's FHIR
    /// endpoint; an absolute url below it counts as local, however the case of scheme and host is (RFC 3986, section 6.2.2.1)
    /// and by either of http and https. With an empty base every absolute url is elsewhere.
    #[must_use]
    pub fn read(reference: &'a str, base: &str) -> Literal<'a> {
        if reference.starts_with('#') {
            return Literal::Contained;
        }
        let found = local(reference).or_else(|| local(below(reference, base)?));
        match found {
            Some((resource_type, id)) => Literal::Local(resource_type, id),
            None if is_meant_for(reference, base) => Literal::Malformed,
            None => Literal::Elsewhere(unversioned(reference)),
        }
    }
}

/// The parts of an absolute url of HTTP: the authority without the port that goes without saying, and what follows.
fn parts(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let usual = match scheme {
        _ if scheme.eq_ignore_ascii_case("http") => ":80",
        _ if scheme.eq_ignore_ascii_case("https") => ":443",
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((authority.strip_suffix(usual).unwrap_or(authority), path))
}

/// What follows the base, this server's address, in an absolute url.
#[must_use]
pub fn below<'a>(reference: &'a str, base: &str) -> Option<&'a str> {
    parts(reference)?;
    behind(reference, base)?.strip_prefix('/')
}

/// What stands behind this server's address in a url that begins with it or with its path: nothing, a slash and more, or a query.
#[must_use]
pub fn behind<'a>(url: &'a str, base: &str) -> Option<&'a str> {
    let (own, root) = parts(base)?;
    let path = match parts(url) {
        Some((authority, path)) if authority.eq_ignore_ascii_case(own) => path,
        Some(_) => return None,
        None => url,
    };
    let rest = path.strip_prefix(root.trim_end_matches('/'))?;
    Some(rest).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// Whether what stands in a Reference leads to this server and to no resource of it: what [`Literal::read`] finds malformed, and any
/// relative text or address of this server besides (`Patient`, `undefined`, its address itself). A Reference has a resource at its
/// end; in other links these may be searches, operations and names.
#[must_use]
pub fn names_nothing(reference: &str, base: &str) -> bool {
    match Literal::read(reference, base) {
        Literal::Malformed => true,
        Literal::Local(..) | Literal::Contained => false,
        Literal::Elsewhere(_) => {
            !is_urn(reference) && here(&plain(reference), base).is_some_and(|here| here.is_certain)
        }
    }
}

/// An address without its fragment: what that is of is the whole (RFC 3986, section 3.5). By itself it is of the resource that it
/// stands in.
#[must_use]
pub fn whole(address: &str) -> &str {
    address.split('#').next().unwrap_or_default()
}

/// The type and the search of a conditional reference, relative or below this server's address (R4 "Conditional references").
#[must_use]
pub fn by_search<'r>(reference: &'r str, base: &str) -> Option<(ResourceType, &'r str)> {
    let (name, search) = reference.split_once('?')?;
    let resource_type = ResourceType::parse(name).or_else(|| ResourceType::parse(below(name, base)?))?;
    Some((resource_type, search))
}

/// Whether an address is a search of this server that finds a certain resource, or content, which nothing but its id tells apart: it
/// shows what the plain address shows (`Type/id`), and nobody could tell what it names.
#[must_use]
pub fn finds_one(address: &str, base: &str) -> bool {
    if is_urn(address) {
        return false;
    }
    let plain = plain(whole(address));
    let Some((_, search)) = plain.split_once('?') else { return false };
    let Some(Here { segments, .. }) = here(&plain, base) else { return false };
    match segments.as_slice() {
        [] => search.contains("_type=") && search.contains("_id"),
        [name] => is_type(name) && (search.contains("_id") || name.eq_ignore_ascii_case("Binary")),
        _ => false,
    }
}

/// Whether a text that is no reference to this server would be one to whoever reads urls as browsers and other servers do:
/// with white space, backslashes, escapes, dots, empty segments, parameters of segments, queries and fragments, in any case.
fn is_meant_for(reference: &str, base: &str) -> bool {
    if is_urn(reference) {
        return false;
    }
    let plain = plain(reference);
    let Some(here) = here(&plain, base) else { return false };
    let Some((name, rest)) = here.segments.split_first() else { return false };
    // An operation is no resource, and a type alone is none either.
    let is_operation = rest.first().is_some_and(|id| id.starts_with('$'));
    is_type(name) && !is_operation && (!rest.is_empty() || here.ends_open)
}

fn is_type(name: &str) -> bool {
    ResourceType::all().any(|one| one.name().eq_ignore_ascii_case(name))
}

/// Where a url leads that may lead to this server.
struct Here<'p> {
    /// The segments below the server's address.
    segments: Vec<&'p str>,
    /// Whether its path ends with a slash.
    ends_open: bool,
    /// Whether it is relative to the server's address or below it, and not only at the same host.
    is_certain: bool,
}

/// Reads a [`plain`] url, if it may lead to this server.
fn here<'p>(plain: &'p str, base: &str) -> Option<Here<'p>> {
    let (own, root) = parts(base).unwrap_or_default();
    let root: Vec<&str> = segments(root);
    let is_absolute = match scheme(plain) {
        Some("http" | "https") => true,
        Some(_) => return None,
        None => false,
    };
    let rest = if is_absolute { plain.split_once(':').map_or("", |(_, rest)| rest) } else { plain };
    let net_path = rest.starts_with("//").then(|| {
        let rest = rest.trim_start_matches('/');
        rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
    });
    let is_own = |authority: &str| {
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let bare = |host: &str| host.trim_end_matches(":80").trim_end_matches(":443").trim_end_matches('.').to_owned();
        !own.is_empty() && bare(host) == bare(&own.to_ascii_lowercase())
    };
    // Without an authority it is a path of this server, which some take it for after a scheme too (RFC 3986, section 5.2.2).
    let (path, at_own) = match net_path {
        Some((authority, path)) if is_own(authority) => (path, true),
        Some(_) if is_absolute => return None,
        _ => (rest, false),
    };
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let found = segments(path);
    let is_rooted =
        found.len() >= root.len() && found.iter().zip(&root).all(|(one, own)| one.eq_ignore_ascii_case(own));
    let segments = found.get(if is_rooted { root.len() } else { 0 }..).unwrap_or_default().to_vec();
    let is_relative = !is_absolute && net_path.is_none();
    let is_certain = is_relative || (at_own && (is_rooted || segments.first().is_some_and(|name| is_type(name))));
    Some(Here { segments, ends_open: path.ends_with('/'), is_certain })
}

/// The scheme of a url in small letters, if it has one.
fn scheme(plain: &str) -> Option<&str> {
    let (scheme, _) = plain.split_once(':')?;
    let is_one = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_one.then_some(scheme)
}

/// A url as the most forgiving reader has it: unescaped, without what cannot be seen, with slashes for backslashes. Small
/// letters, as it is only compared.
fn plain(reference: &str) -> String {
    let mut plain = String::with_capacity(reference.len());
    let mut rest = reference.as_bytes();
    while let [first, others @ ..] = rest {
        let (byte, after) = match (first, others) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', others),
            },
            _ => (*first, others),
        };
        rest = after;
        match byte {
            b'\\' => plain.push('/'),
            byte if byte.is_ascii_graphic() => plain.push(char::from(byte.to_ascii_lowercase())),
            _ => {}
        }
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// The segments of a path, without empty ones, dots and what follows a semicolon (RFC 3986, section 3.3).
fn segments(path: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for segment in path.split('/') {
        match segment.split(';').next().unwrap_or_default() {
            "" | "." => {}
            ".." => {
                found.pop();
            }
            segment => found.push(segment),
        }
    }
    found
}

/// The type and logical id that a relative reference names (`Type/id`, `Type/id/_history/version`).
#[must_use]
pub fn local(reference: &str) -> Option<(ResourceType, &str)> {
    let (name, rest) = reference.split_once('/')?;
    let (id, is_whole) = match rest.split_once('/') {
        Some((id, rest)) => (id, rest.strip_prefix("_history/").and_then(number).is_some()),
        None => (rest, true),
    };
    if !is_whole || !is_id(id) {
        return None;
    }
    Some((ResourceType::parse(name)?, id))
}

/// The version that a reference to this server names; none if it names the resource as it is.
#[must_use]
pub fn version(reference: &str) -> Option<i64> {
    reference.split_once("/_history/").and_then(|(_, version)| number(version))
}

/// The number of a version as this server writes it.
fn number(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| *number > 0 && number.to_string() == text)
}

/// Whether the text is a logical id (R4 "Data Types", id).
#[must_use]
pub fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

/// The type that a literal reference names, relative or by the address of a resource on any server (R4 "References":
/// `[base/]Type/id[/_history/version]`). What follows a query or a fragment, or a parameter of a segment, names nothing: anybody can put
/// any type there.
#[must_use]
pub fn named_type(reference: &str) -> Option<ResourceType> {
    let below = match reference.split_once("://") {
        None => reference,
        Some(("http" | "https", rest)) => {
            let (before, _) = unversioned(rest).rsplit_once('/')?;
            let start = before.rfind('/')? + 1;
            let (base, below) = rest.split_at_checked(start)?;
            is_base(base).then_some(below)?
        }
        Some(_) => return None,
    };
    local(below).map(|(resource_type, _)| resource_type)
}

/// Whether the text, an address without its scheme, may be that of a server: of the characters that R4 lets stand there (its regular
/// expression for literal references), the other unreserved ones of a url, and those of an address in numbers.
fn is_base(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-.:%$_~[]".contains(&byte))
}

fn unversioned(reference: &str) -> &str {
    reference.split_once("/_history/").map_or(reference, |(before, _)| before)
}

#[cfg(test)]
pub(crate) mod tests;
