//! A Bundle in the form that was asked for, written entry by entry: an answer is never in memory as a tree, which takes many
//! times what its text takes.

use concord_fhir::codec::{self, Format};
use concord_fhir::json::{self, Value};

use super::negotiate::Answer;
use crate::error::ApiError;

/// The end of a Bundle without its list of entries, as pretty JSON and as XML.
const PRETTY_END: &str = "\n}";
const XML_END: &str = "</Bundle>";

/// How a Bundle is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Framed {
    format: Format,
    pretty: bool,
}

impl Framed {
    /// In that form; what of each resource is sent has been settled.
    pub(super) fn of(form: &Answer) -> Framed {
        Framed { format: form.format, pretty: form.pretty }
    }

    /// Whether it is written as it is handed in.
    pub(super) fn is_plain(self) -> bool {
        self.format == Format::Json && !self.pretty
    }

    /// The start of a Bundle, of its JSON without entries and without the end.
    ///
    /// # Errors
    /// When it cannot be read, or written in that form.
    pub(super) fn head(self, mut plain: String) -> Result<String, ApiError> {
        if self.is_plain() {
            return Ok(plain);
        }
        plain.push('}');
        let value = own(&plain)?;
        let (mut text, end) = match self.format {
            Format::Json => (json::to_pretty(&value), PRETTY_END),
            Format::Xml => (codec::write_xml(&value).map_err(unwritable)?, XML_END),
        };
        match text.strip_suffix(end).map(str::len) {
            Some(length) => text.truncate(length),
            None => return Err(ApiError::Internal("an answer of our own has no end".to_owned())),
        }
        Ok(text)
    }

    /// Appends an entry, of its JSON; the `first` begins the list.
    ///
    /// # Errors
    /// As those of [`Framed::head`].
    pub(super) fn entry(self, plain: &str, first: bool, out: &mut String) -> Result<(), ApiError> {
        match (self.format, self.pretty) {
            (Format::Json, false) => {
                out.push_str(if first { ",\"entry\":[" } else { "," });
                out.push_str(plain);
            }
            (Format::Json, true) => {
                out.push_str(if first { ",\n  \"entry\": [\n    " } else { ",\n    " });
                json::write_pretty(&own(plain)?, 2, out);
            }
            (Format::Xml, _) => codec::write_entry_xml(&own(plain)?, out).map_err(unwritable)?,
        }
        Ok(())
    }

    /// The end of a Bundle with entries, or without `any`.
    pub(super) fn end(self, any: bool) -> &'static str {
        match (self.format, self.pretty, any) {
            (Format::Json, false, true) => "]}",
            (Format::Json, false, false) => "}",
            (Format::Json, true, true) => "\n  ]\n}",
            (Format::Json, true, false) => PRETTY_END,
            (Format::Xml, _, _) => XML_END,
        }
    }
}

fn unwritable(issue: concord_fhir::issue::Issue) -> ApiError {
    ApiError::Internal(format!("an answer of our own cannot be written: {}", issue.text))
}

/// A text of our own as a tree. It is as long as the settings let it be.
fn own(text: &str) -> Result<Value<'_>, ApiError> {
    // A Bundle in a Bundle puts a resource as deep again as it may be by itself.
    let deepest = 2 * json::Limits::default().depth;
    let limits = json::Limits { bytes: usize::MAX, nodes: usize::MAX, depth: deepest };
    json::parse(text.as_bytes(), &limits)
        .map_err(|_| ApiError::Internal("an answer of our own cannot be read".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_in_parts_is_what_is_written_whole() {
        let head = r#"{"resourceType":"Bundle","meta":{"lastUpdated":"2026-12-01T12:00:00.000Z"},"type":"searchset","total":2,"link":[{"relation":"self","url":"http://x/?a=1&b=<2>"}]"#;
        let entries = [
            r#"{"fullUrl":"http://x/Goal/a","resource":{"resourceType":"Goal","id":"a","lifecycleStatus":"active","_lifecycleStatus":{"id":"i"},"description":{"text":"\"<&>\" é"},"subject":{"reference":"Patient/p"}},"search":{"mode":"match"}}"#,
            r#"{"request":{"method":"DELETE","url":"Goal/b"},"response":{"status":"204","etag":"W/\"2\""}}"#,
        ];
        for (format, pretty) in [(Format::Json, false), (Format::Json, true), (Format::Xml, false), (Format::Xml, true)]
        {
            let form = Answer { format, pretty, ..Answer::default() };
            for some in [&entries[..], &entries[..1], &[]] {
                let framed = Framed::of(&form);
                let mut text = framed.head(head.to_owned()).unwrap();
                for (place, entry) in some.iter().enumerate() {
                    framed.entry(entry, place == 0, &mut text).unwrap();
                }
                text.push_str(framed.end(!some.is_empty()));
                let list = if some.is_empty() { String::new() } else { format!(",\"entry\":[{}]", some.join(",")) };
                let whole = format!("{head}{list}}}");
                assert_eq!(text, form.value(&own(&whole).unwrap()), "{format:?} {pretty} {}", some.len());
            }
        }
    }

    #[test]
    fn what_has_no_place_in_a_form_is_an_error_and_no_half_of_an_answer() {
        let framed = Framed { format: Format::Xml, pretty: false };
        assert!(framed.entry(r#"{"resource":{"resourceType":"Nothing"}}"#, true, &mut String::new()).is_err());
        assert!(framed.entry("{", true, &mut String::new()).is_err());
    }
}
