//! StructureDefinitions that are stored: which of them this server checks by.

use concord_consent::facts::GivenBy;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_profile::definition::unreadable;
use concord_profile::library::Library;
use concord_store::rows::Version;

use super::{kept, library, replace};
use crate::error::ApiError;
use crate::interact::given;
use crate::interact::session::Session;

/// Takes a StructureDefinition into use that is about to be stored, or out of use. Those of registered systems count that
/// are not retired, bear no security labels and are none that ships: what they say is told to everybody whose resources are
/// checked. Any other is stored like any resource, and the answer says why it is not used.
pub(crate) fn define(
    session: &mut Session<'_, '_>,
    old: Option<&Version>,
    new: &Version,
) -> Result<Vec<Issue>, ApiError> {
    let by = given::keep_definition(session, old, new)?;
    define_by(session, new, by)
}

/// The same for what is stored again as it was.
pub(crate) fn define_again(session: &mut Session<'_, '_>, version: &Version) -> Result<Vec<Issue>, ApiError> {
    let by = given::keep_again(session, version)?;
    define_by(session, version, by)
}

/// The same of what somebody of this kind gave.
fn define_by(session: &mut Session<'_, '_>, version: &Version, by: GivenBy) -> Result<Vec<Issue>, ApiError> {
    let source = format!("resource:{}", version.key);
    let is_known = session.transaction.definition_sources()?.iter().any(|(known, _)| *known == source);
    // What is in use without a word of who gave it an older release has taken into use.
    let by = if is_known && by == GivenBy::Unknown { GivenBy::System } else { by };
    let value = if version.deleted { None } else { Some(version.resource()?) };
    let used = value.as_ref().map_or(Ok(None), |value| usable(value, by));
    let (new, said) = match used {
        Ok(Some(definition)) => (vec![definition.0], library(session)?.check(&definition.1).err()),
        Ok(None) => (Vec::new(), None),
        Err(issue) => (Vec::new(), Some(issue)),
    };
    if is_known || !new.is_empty() {
        replace(session.transaction, &source, &new)?;
    }
    let warning = |issue: Issue| {
        let text = format!("stored, and not used to check by: {}", issue.text);
        Issue { severity: Severity::Warning, text, ..issue }
    };
    let in_part = value.filter(|_| said.is_none() && !new.is_empty()).map(|value| unreadable(&value));
    Ok(said.into_iter().map(warning).chain(in_part.into_iter().flatten()).collect())
}

type Usable = (concord_store::definitions::KeptDefinition, concord_profile::definition::Definition);

/// The definition that a resource brings into use; nothing of what is no profile at all.
fn usable(value: &Value<'_>, by: GivenBy) -> Result<Option<Usable>, Issue> {
    if value.text("derivation") != Some("constraint") || value.text("status") == Some("retired") {
        return Ok(None);
    }
    let refused = |place: &str, said: &str| {
        Err(Issue::error(IssueCode::BusinessRule, format!("StructureDefinition{place}"), said))
    };
    if by != GivenBy::System {
        return refused("", "only definitions from registered systems are");
    }
    if value.get("meta").is_some_and(|meta| !meta.list("security").is_empty()) {
        return refused(
            ".meta.security",
            "everybody is told what a definition asks for, and this one bears security labels",
        );
    }
    let (kept, definition) = kept(value)?;
    if Library::shipped().ships(&definition.url, &definition.version) {
        return refused(".url", "a definition of this url and version comes with the server, and stays in use");
    }
    Ok(Some((kept, definition)))
}
