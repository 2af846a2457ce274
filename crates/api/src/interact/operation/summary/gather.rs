//! What a section of the summary has: what the caller could find of it by a search, and nothing else.

use concord_fhir::index::ParameterId;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::instant;
use concord_fhir::search::{Sort, SortBy};
use concord_store::search::PageRequest;

use super::sections::{HALF_A_YEAR, Keep, PartOf, Section};
use crate::error::ApiError;
use crate::interact::access;
use crate::interact::operation::collect::Held;
use crate::interact::operation::record;
use crate::interact::session::Session;

/// How many entries of a type a section has at most. A section that has more says so.
const MOST_ENTRIES: u32 = 100;

/// What was found for a section.
pub(super) struct Gathered {
    /// Its entries, by their place among all that the document holds.
    pub(super) entries: Vec<usize>,
    /// Whether there are more.
    pub(super) cut: bool,
}

/// Finds what belongs into a section. What the document holds already is not held twice.
pub(super) fn section(
    session: &mut Session<'_, '_>,
    section: &Section,
    patient: &str,
    held: &mut Vec<Held>,
) -> Result<Gathered, ApiError> {
    let mut gathered = Gathered { entries: Vec::new(), cut: false };
    for part in section.parts {
        let (found, cut) = found(session, part, patient)?;
        gathered.cut |= cut;
        for one in found {
            let known = held.iter().position(|other| other.version.key == one.version.key);
            gathered.entries.push(known.unwrap_or(held.len()));
            if known.is_none() {
                held.push(one);
            }
        }
    }
    Ok(gathered)
}

/// The resources of a part, and whether there are more.
fn found(session: &mut Session<'_, '_>, part: &PartOf, patient: &str) -> Result<(Vec<Held>, bool), ApiError> {
    let Some(resource_type) = ResourceType::parse(part.resource_type) else { return Ok((Vec::new(), false)) };
    let now = session.transaction.now;
    let wanted = (part.wanted)(now);
    let Some(query) = record::type_queries(session, resource_type, patient, wanted)? else {
        return Ok((Vec::new(), false));
    };
    let by = match part.newest {
        Some(name) => SortBy::Range(ParameterId::of(&format!("{}.{name}", part.resource_type))),
        None => SortBy::Updated,
    };
    let sort = [Sort { by, descending: true }];
    let wanted = PageRequest { queries: &[query], sort: &sort, after: None, limit: MOST_ENTRIES };
    let (mut versions, more) = session.transaction.page(&wanted)?;
    // Before anything is made of it: tables say what references say.
    access::unnamed::leave_out(session, versions.iter_mut().collect(), None)?;
    let mut all = Vec::with_capacity(versions.len());
    for version in versions {
        let one = Held::of(version)?;
        // Some types have no parameter by which this could be asked.
        if !one.is_in_error() {
            all.push(one);
        }
    }
    let count = all.len();
    let kept = kept(all, part.keep, now);
    let cut = more.is_some() || kept.len() < count;
    Ok((kept, cut))
}

/// Those that are to be kept, of which the newest come first.
fn kept(all: Vec<Held>, keep: Keep, now: i64) -> Vec<Held> {
    let mut kept: Vec<Held> = Vec::new();
    for one in all {
        let is_kept = match keep {
            Keep::All => true,
            Keep::Recent(least) => kept.len() < least || when(&one.value).is_none_or(|when| when > now - HALF_A_YEAR),
            Keep::EachKind(most) => kept.iter().filter(|other| is_same_kind(&other.value, &one.value)).count() < most,
        };
        if is_kept {
            kept.push(one);
        }
    }
    kept
}

/// When it was, at the latest.
fn when(value: &Value<'_>) -> Option<i64> {
    let period = value.get("effectivePeriod").and_then(|period| period.text("end").or_else(|| period.text("start")));
    let date = value.text("effectiveDateTime").or(value.text("effectiveInstant")).or(period).or(value.text("issued"))?;
    instant::range(date).map(|(_, last)| last)
}

/// Whether both are about the same: they share a code, or the words for it.
fn is_same_kind(one: &Value<'_>, other: &Value<'_>) -> bool {
    let (Some(one), Some(other)) = (one.get("code"), other.get("code")) else { return false };
    let coding = |coding: &Value<'_>| {
        let has = |name: &str| coding.text(name).unwrap_or_default().to_owned();
        (has("system"), has("code"))
    };
    let theirs: Vec<(String, String)> = other.list("coding").iter().map(coding).collect();
    match theirs.is_empty() {
        true => one.text("text").is_some() && one.text("text") == other.text("text"),
        false => one.list("coding").iter().map(coding).any(|own| theirs.contains(&own)),
    }
}
