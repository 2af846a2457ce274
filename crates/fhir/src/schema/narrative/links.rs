//! Where a narrative leads: every address that stands in it, and others in their place.

use std::ops::Range;

use super::DEEPEST;
use crate::json::Limits;
use crate::markup::{Markup, Token};

/// Attributes that hold an address. Each leads somewhere, whether by a click, by being shown or in no browser at all.
pub(super) const ADDRESSES: &[&str] = &["cite", "href", "longdesc", "src", "usemap"];

/// The attribute whose value may hold several, each as [`URL`] says.
pub(super) const STYLE: &str = "style";

/// How a style begins the address of a picture (CSS, "Values and Units", url). Nothing else in a style leads anywhere:
/// the check of a narrative refuses the other ways.
const URL: &str = "url(";

/// The text with other addresses in the place of all that stand in it (in [`ADDRESSES`] and in styles), as `with` answers them;
/// none if nothing was replaced. All else stays as it was written.
///
/// # Errors
/// Those of `with`.
pub(in crate::schema) fn relink<E>(
    text: &str,
    with: &mut dyn FnMut(&str) -> Result<Option<String>, E>,
) -> Result<Option<String>, E> {
    let limits = Limits { depth: DEEPEST, ..Limits::default() };
    let mut markup = Markup::new(text, &limits);
    let mut relinked = String::new();
    let mut copied = 0;
    while let Ok(token) = markup.next() {
        let attributes = match token {
            Token::Open { attributes, .. } => attributes,
            Token::End => break,
            _ => continue,
        };
        // In the order in which they stand in the text.
        for (attribute, value) in &attributes {
            let other = match *attribute {
                STYLE => restyled(value, with)?,
                one if ADDRESSES.contains(&one) => with(value)?,
                _ => None,
            };
            let Some(other) = other else { continue };
            let Some(written) = markup.attribute_at(attribute) else { continue };
            relinked.push_str(text.get(copied..written.start).unwrap_or_default());
            relinked.push_str(&escaped(&other));
            copied = written.end;
        }
    }
    if copied == 0 {
        return Ok(None);
    }
    relinked.push_str(text.get(copied..).unwrap_or_default());
    Ok(Some(relinked))
}

/// The same of a style.
fn restyled<E>(style: &str, with: &mut dyn FnMut(&str) -> Result<Option<String>, E>) -> Result<Option<String>, E> {
    let mut other = String::new();
    let mut copied = 0;
    for address in urls(style) {
        if let Some(new) = with(style.get(address.clone()).unwrap_or_default())? {
            other.push_str(style.get(copied..address.start).unwrap_or_default());
            other.push_str(&new);
            copied = address.end;
        }
    }
    if copied == 0 {
        return Ok(None);
    }
    other.push_str(style.get(copied..).unwrap_or_default());
    Ok(Some(other))
}

/// Where the addresses stand in a style, without their quotes. It has no escapes: the check of a narrative refuses them.
fn urls(style: &str) -> Vec<Range<usize>> {
    let plain = style.to_ascii_lowercase();
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(next) = plain.get(at..).and_then(|rest| rest.find(URL)) {
        let opened = at + next + URL.len();
        let rest = plain.get(opened..).unwrap_or_default();
        let start = opened + (rest.len() - rest.trim_start().len());
        let inner = plain.get(start..).unwrap_or_default();
        let (start, length) = match inner.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let quoted = inner.get(1..).unwrap_or_default();
                (start + 1, quoted.find(quote).unwrap_or(quoted.len()))
            }
            _ => (start, inner.find(')').map_or(inner, |end| inner.get(..end).unwrap_or_default()).trim_end().len()),
        };
        found.push(start..start + length);
        at = start + length;
    }
    found
}

/// All addresses of a narrative, in order: of its links, of what it cites and of the pictures that it shows.
pub(crate) fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Most have none, and need not be read to know.
    if ADDRESSES.iter().chain(&[STYLE]).any(|attribute| text.contains(attribute)) {
        let mut with = |address: &str| {
            found.push(address.to_owned());
            Ok::<_, std::convert::Infallible>(None)
        };
        let Ok(_unchanged) = relink(text, &mut with);
    }
    found
}

/// A text as the value of an attribute, in either quotes.
fn escaped(text: &str) -> String {
    let plain = text.replace('&', "&amp;").replace('<', "&lt;");
    plain.replace('"', "&quot;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::super::{ATTRIBUTES_OF, ELEMENTS, XHTML};
    use super::*;

    #[test]
    fn addresses_in_a_style_are_found_and_replaced_wherever_they_stand() {
        for (style, wanted, replaced) in [
            ("background: url(a.png) red", &["a.png"][..], "background: url(X) red"),
            ("background:URL( 'a b.png' )", &["a b.png"], "background:URL( 'X' )"),
            ("x: url(\"a)b\"), Url(c )", &["a)b", "c"], "x: url(\"X\"), Url(X )"),
            ("x: url(a", &["a"], "x: url(X"),
            ("x: url()", &[""], "x: url(X)"),
            ("x: curl; y: linear-gradient(red, blue)", &[], ""),
        ] {
            let found: Vec<&str> = urls(style).into_iter().map(|place| style.get(place).unwrap()).collect();
            assert_eq!(found, wanted, "{style}");
            let mut with = |_: &str| Ok::<_, std::convert::Infallible>(Some("X".to_owned()));
            let Ok(other) = restyled(style, &mut with);
            assert_eq!(other.unwrap_or_default(), replaced, "{style}");
        }
    }

    /// Every attribute that an element may have and that is no plain text leads where it says.
    #[test]
    fn every_address_of_a_narrative_is_a_link() {
        let mut tried = 0;
        for (element, attributes) in ATTRIBUTES_OF {
            for attribute in attributes.iter().filter(|one| ADDRESSES.contains(one)) {
                let text = format!("<div xmlns=\"{XHTML}\">x<{element} {attribute}='urn:x'>y</{element}></div>");
                assert_eq!(links(&text), ["urn:x"], "{text}");
                tried += 1;
            }
        }
        assert_eq!(tried, 7);
        for element in ELEMENTS {
            let text =
                format!("<div xmlns=\"{XHTML}\">x<{element} style='y: url(&quot;urn:x&quot;)'>z</{element}></div>");
            assert_eq!(links(&text), ["urn:x"], "{text}");
            let Ok(other) = relink(&text, &mut |_| Ok::<_, std::convert::Infallible>(Some("a&b".to_owned())));
            assert!(other.unwrap().contains("style='y: url(&quot;a&amp;b&quot;)'"));
        }
    }
}
