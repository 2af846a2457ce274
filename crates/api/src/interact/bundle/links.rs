//! How entries of a transaction refer to one another and, by a search, to others (R4 "Resolving references in Bundles").

use std::collections::{HashMap, HashSet};

use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_fhir::registry::{Registry, ResourceType};
use concord_fhir::search::{self, Handling};

use crate::fault::Fault;
use crate::interact::{Call, Concord, Pairs, matching};
use crate::store::transaction::Transaction;

/// The addresses of the new resources, to be put in place of the `fullUrl`s by which the entries refer to one another
/// (R4 "Resolving references in Bundles").
pub(super) struct Renaming<'n> {
    /// `Type/id` by `fullUrl`.
    pub(super) names: &'n HashMap<String, String>,
    /// What relative references of the entry are relative to, with the slash.
    pub(super) root: Option<&'n str>,
}

impl Renaming<'_> {
    /// Renames in references, in links of the narrative, and wherever else a URN of another entry stands. The
    /// `fullUrl`s that were met are `used`.
    pub(super) fn apply(&self, value: &mut Value<'static>, used: &mut HashSet<String>) {
        match value {
            Value::Object(object) => {
                for (member, child) in &mut object.0 {
                    match child {
                        Value::String(text) if member == "reference" || text.starts_with("urn:") => {
                            if let Some(name) = self.name(text, used) {
                                *child = Value::string(name);
                            }
                        }
                        Value::String(div) if member == "div" && div.contains("\"urn:") => {
                            let parts = div.split('"').map(|part| self.name(part, used).unwrap_or(part));
                            *child = Value::string(parts.collect::<Vec<_>>().join("\""));
                        }
                        other => self.apply(other, used),
                    }
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.apply(item, used)),
            _ => {}
        }
    }

    fn name(&self, text: &str, used: &mut HashSet<String>) -> Option<&str> {
        let absolute = self.root.map(|root| format!("{root}{text}"));
        let (url, name) = [Some(text), absolute.as_deref()]
            .into_iter()
            .flatten()
            .find_map(|url| Some((url, self.names.get(url)?)))?;
        used.insert(url.to_owned());
        Some(name)
    }
}

/// Puts `Type/id` in place of conditional references, `Type?search`, which must match one visible resource.
pub(super) fn resolve(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    value: &mut Value<'static>,
) -> Result<(), Fault> {
    match value {
        Value::Object(object) => {
            for (member, child) in &mut object.0 {
                let found = match &mut *child {
                    Value::String(text) if member == "reference" => matched(concord, call, transaction, text)?,
                    other => {
                        resolve(concord, call, transaction, other)?;
                        None
                    }
                };
                if let Some(found) = found {
                    *child = Value::string(found);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                resolve(concord, call, transaction, item)?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn matched(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    reference: &str,
) -> Result<Option<String>, Fault> {
    let Some((name, text)) = reference.split_once('?') else { return Ok(None) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(None) };
    let pairs: Pairs = url::form_urlencoded::parse(text.as_bytes()).into_owned().collect();
    let now = transaction.now;
    let read = |registry: &Registry| {
        search::parse_with(registry, Some(resource_type), &pairs, Handling::Strict, now, &concord.base)
    };
    // Most name nothing but what R4 has.
    let query = match read(Registry::r4()) {
        Ok(query) => query,
        Err(_) => read(&*transaction.registry()?).map_err(Fault::Malformed)?,
    };
    match matching::one(concord, call, transaction, &query)? {
        Some(found) => Ok(Some(format!("{resource_type}/{}", found.id))),
        None => Err(Fault::PreconditionFailed(Issue::plain(
            IssueCode::NotFound,
            format!("the reference {name}?... matches no resource that the caller may read"),
        ))),
    }
}
