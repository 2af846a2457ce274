//! Bundles of searches and histories, written around the stored bytes.

use concord_fhir::issue::Issue;
use concord_fhir::json::{self, Value};
use concord_model::build::operation_outcome;
use concord_store::rows::{Method, Version, parse_body};

use super::framed::Framed;
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
    ///
    /// # Errors
    /// When a stored body cannot be read, or written in that form.
    pub(super) fn written(self, answer: &Answer) -> Result<String, ApiError> {
        let framed = Framed::of(answer);
        let mut out = framed.head(self.head())?;
        let size: usize = self.versions.iter().chain(&self.included).map(|version| version.body.len() + 160).sum();
        out.reserve(size);
        let (mut any, mut text) = (false, String::new());
        let matches = self.versions.into_iter().map(|version| (version, "match"));
        for (version, mode) in matches.chain(self.included.into_iter().map(|version| (version, "include"))) {
            concord_store::let_others_between();
            text.clear();
            text.push('{');
            entry(&mut text, self.kind, self.base, version, answer)?;
            if self.kind == "searchset" {
                text.push_str(",\"search\":{\"mode\":\"");
                text.push_str(mode);
                text.push_str("\"}");
            }
            text.push('}');
            framed.entry(&text, !any, &mut out)?;
            any = true;
        }
        if !self.remarks.is_empty() {
            text.clear();
            text.push_str("{\"resource\":");
            json::write(&operation_outcome(&self.remarks), &mut text);
            text.push_str(",\"search\":{\"mode\":\"outcome\"}}");
            framed.entry(&text, !any, &mut out)?;
            any = true;
        }
        out.push_str(framed.end(any));
        Ok(out)
    }

    /// All but the entries, without an end.
    fn head(&self) -> String {
        let mut out = String::from("{\"resourceType\":\"Bundle\",\"meta\":{\"lastUpdated\":\"");
        out.push_str(&instant(self.now_ms));
        out.push_str("\"},\"type\":\"");
        out.push_str(self.kind);
        out.push('"');
        if let Some(total) = self.total {
            out.push_str(&format!(",\"total\":{total}"));
        }
        out.push_str(",\"link\":[{\"relation\":\"self\",\"url\":");
        json::write(&Value::string(self.this.as_str()), &mut out);
        if let Some(next) = &self.next {
            out.push_str("},{\"relation\":\"next\",\"url\":");
            json::write(&Value::string(next.as_str()), &mut out);
        }
        out.push_str("}]");
        out
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
