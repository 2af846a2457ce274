//! The interaction: a page is found, and told in the log of everybody whose data is on it.

use concord_consent::caller::Actor;
use concord_fhir::search::Query;
use concord_store::lower::Rows;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::access::Answer;
use crate::interact::labels::review::is_kept;
use crate::interact::search::by_kept::only_by_kept;
use crate::interact::search::led_through::{Matches, led_through};
use crate::interact::search::page::Page;
use crate::interact::search::query::{Saying, has_chains, run};
use crate::interact::session::Session;
use crate::interact::{Call, access, is_event};

/// Whose record a search is about: that of the patients it names, else a patient's own.
fn asked_about(call: &Call, query: &Query) -> Vec<String> {
    let mut named = query.records();
    named.extend(query.compartment.iter().filter(|patient| !query.records().contains(patient)).cloned());
    match &call.caller.actor {
        Actor::Patient(own) if named.is_empty() => vec![own.clone()],
        _ => named,
    }
}

/// A page of the resources that match and that the caller may see. Every patient whose data is on it is told in the log.
pub(crate) fn search(session: &mut Session<'_, '_>, query: &Query) -> Result<Page, ApiError> {
    let asked = asked_about(session.call, query);
    // Who alone was asked about is told of all; others whom some of that is about as well are not told how it was found.
    let is_about_one = asked.len() == 1;
    let mut page = run(session, query, if is_about_one { Saying::Nothing } else { Saying::WhatIsByKept })?;
    let by_kept = match query.resource_type {
        _ if is_about_one => {
            page.versions.iter().filter(|version| version.patients > 1).map(|version| version.key).collect()
        }
        // Of the log somebody finds so what they did themselves, and that is told already.
        Some(of) if is_event(of) => page.versions.iter().map(|event| event.key).collect(),
        _ => only_by_kept(session, query, &page)?,
    };
    let mut counted = std::mem::take(&mut page.counted);
    // Of who alone is asked about it is known.
    let tells_others = |beyond: &&Version| !is_kept(beyond) && (!is_about_one || beyond.patients > 1);
    if let Some(beyond) = page.beyond.as_deref().filter(tells_others) {
        let whose = session.transaction.patients_of(Rows::Current, beyond)?;
        counted.extend(whose.into_iter().map(|patient| (patient, beyond.resource_type)));
    }
    if has_chains(query) && !query.resource_type.is_some_and(is_event) {
        let tells_of_all = page.refused.is_some() || page.total.is_some_and(|total| total > 0);
        let matches = match tells_of_all {
            true => Matches::All(&counted),
            false => Matches::These(page.versions.iter().chain(page.beyond.as_deref()).collect()),
        };
        // It may take what a search may.
        session.transaction.bound_anew(session.service.settings.cost);
        let led = led_through(session, query, &matches)?;
        counted.extend(led);
    }
    let answer = Answer {
        versions: &page.disclosed(),
        by_kept: Some(&by_kept),
        counted: &counted,
        is_counted_by_kept: !counted.is_empty() && (is_about_one || has_chains(query)),
        named: &query.named_patients(),
    };
    access::disclose_found(session, &answer, &asked)?;
    match page.refused {
        Some(fault) => Err(*fault),
        None => Ok(page),
    }
}
