//! Bundles of searches and histories, written around the stored bytes.

use concord_fhir::codec::Format;
use concord_fhir::issue::Issue;
use concord_fhir::json::{self, Value};
use concord_model::build::operation_outcome;
use concord_store::rows::{Method, Version, parse_body};

use super::negotiate::{Answer, Shape};
use crate::error::ApiError;
use crate::interact::{Service, instant, labels};

/// A Bundle about to be written.
pub(super) struct Bundle<'a> {
    /// `searchset` or `history`.
    pub(super) kind: &'static str,
    /// The FHIR base.
    pub(super) base: &'a str,
    /// The time of the answer.
    pub(super) now_ms: i64,
    /// `total`, if known.
    pub(super) total: Option<i64>,
    /// `link` of this page.
    pub(super) this: String,
    /// `link` of the next page.
    pub(super) next: Option<String>,
    /// The entries.
    pub(super) versions: Vec<Version>,
    /// The entries that come along with them.
    pub(super) included: Vec<Version>,
    /// What the client should know, as an entry of its own.
    pub(super) remarks: Vec<Issue>,
}

impl<'a> Bundle<'a> {
    /// A Bundle with these entries and nothing else to say.
    pub(super) fn of(
        kind: &'static str,
        service: &'a Service,
        this: String,
        next: Option<String>,
        versions: Vec<Version>,
    ) -> Bundle<'a> {
        let now_ms = service.store.now_ms();
        let (included, remarks) = (Vec::new(), Vec::new());
        Bundle { kind, base: &service.base, now_ms, total: None, this, next, versions, included, remarks }
    }

    /// The text in the form that was asked for.
    pub(super) fn written(self, answer: &Answer) -> Result<String, ApiError> {
        let plain = self.plain(answer)?;
        if answer.format == Format::Json && !answer.pretty {
            return Ok(plain);
        }
        Ok(answer.value(&own(&plain)?))
    }

    fn plain(self, answer: &Answer) -> Result<String, ApiError> {
        let size: usize = self.versions.iter().chain(&self.included).map(|version| version.body.len() + 160).sum();
        let mut out = String::with_capacity(size + 512);
        out.push_str("{\"resourceType\":\"Bundle\",\"meta\":{\"lastUpdated\":\"");
        out.push_str(&instant(self.now_ms));
        out.push_str("\"},\"type\":\"");
        out.push_str(self.kind);
        out.push('"');
        if let Some(total) = self.total {
            out.push_str(&format!(",\"total\":{total}"));
        }
        out.push_str(",\"link\":[{\"relation\":\"self\",\"url\":");
        json::write(&Value::string(self.this), &mut out);
        if let Some(next) = self.next {
            out.push_str("},{\"relation\":\"next\",\"url\":");
            json::write(&Value::string(next), &mut out);
        }
        out.push_str("}]");
        let mut any = false;
        let matches = self.versions.into_iter().map(|version| (version, "match"));
        for (version, mode) in matches.chain(self.included.into_iter().map(|version| (version, "include"))) {
            out.push_str(if any { ",{" } else { ",\"entry\":[{" });
            any = true;
            entry(&mut out, self.kind, self.base, version, answer)?;
            if self.kind == "searchset" {
                out.push_str(",\"search\":{\"mode\":\"");
                out.push_str(mode);
                out.push_str("\"}");
            }
            out.push('}');
        }
        if !self.remarks.is_empty() {
            out.push_str(if any { ",{" } else { ",\"entry\":[{" });
            any = true;
            out.push_str("\"resource\":");
            json::write(&operation_outcome(&self.remarks), &mut out);
            out.push_str(",\"search\":{\"mode\":\"outcome\"}}");
        }
        out.push_str(if any { "]}" } else { "}" });
        Ok(out)
    }
}

fn entry(out: &mut String, kind: &str, base: &str, version: Version, answer: &Answer) -> Result<(), ApiError> {
    let name = version.resource_type.name();
    out.push_str("\"fullUrl\":\"");
    for part in [base, "/", name, "/", &version.id] {
        out.push_str(part);
    }
    out.push('"');
    let (method, number, updated, deleted) = (version.method, version.version, version.updated, version.deleted);
    let verb = method.verb();
    let id = if kind == "history" { version.id.clone() } else { String::new() };
    let shown = labels::shown(version)?;
    if !deleted {
        out.push_str(",\"resource\":");
        if answer.shape == Shape::Whole {
            out.push_str(&shown);
        } else {
            let value = parse_body(&shown)?;
            json::write(&answer.shaped(value), out);
        }
    }
    if kind == "history" {
        let place = if verb == "POST" { name.to_owned() } else { format!("{name}/{id}") };
        let status = match (method, number) {
            (Method::Delete, _) => "204",
            (Method::Restore, _) | (_, 1) => "201",
            _ => "200",
        };
        out.push_str(&format!(
            ",\"request\":{{\"method\":\"{verb}\",\"url\":\"{place}\"}},\"response\":{{\"status\":\"{status}\",\
             \"etag\":\"W/\\\"{number}\\\"\",\"lastModified\":\"{}\"}}",
            instant(updated)
        ));
    }
    Ok(())
}

/// A text of our own as a tree. It is as long as the settings let it be.
pub(super) fn own(text: &str) -> Result<Value<'_>, ApiError> {
    // A Bundle in a Bundle puts a resource as deep again as it may be by itself.
    let deepest = 2 * json::Limits::default().depth;
    let limits = json::Limits { bytes: usize::MAX, nodes: usize::MAX, depth: deepest };
    json::parse(text.as_bytes(), &limits)
        .map_err(|_| ApiError::Internal("an answer of our own cannot be read".to_owned()))
}
