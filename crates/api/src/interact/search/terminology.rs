//! Codes that a search names by a value set or by their place in a code system (`:in`, `:not-in`, `:above`, `:below`).
//! They are looked up in what the caller may find, in the transaction of the search.

use std::borrow::Cow;

use concord_fhir::index::ParameterId;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::{Parameter, parameter_by_id};
use concord_fhir::terminology::Codes;
use concord_fhir::value::of_codes;
use concord_terminology::LookUpError;
use concord_terminology::search::look_up;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::terminology::VisibleTerminology;

/// The predicate with all codes looked up.
///
/// # Errors
/// When they cannot be told, with the parameter's name.
pub(crate) fn look_up_codes(session: &mut Session<'_, '_>, predicate: Predicate) -> Result<Predicate, ApiError> {
    let mut shelf = VisibleTerminology::searched(session);
    predicate.settled(&mut |parameter, codes| test(&mut shelf, parameter, codes))
}

fn test(shelf: &mut VisibleTerminology<'_, '_, '_>, parameter: ParameterId, codes: &Codes) -> Result<Test, ApiError> {
    match look_up(shelf, codes) {
        Ok(found) => {
            let bare = find_parameter(shelf, parameter)?.is_some_and(|found| found.is_of_bare_codes());
            Ok(of_codes(bare, found.iter()))
        }
        Err(LookUpError::Source(error)) => Err(error),
        Err(LookUpError::Said(code, text)) => {
            let found = find_parameter(shelf, parameter)?;
            let name = found.as_ref().map_or("", |found| &found.code);
            let modifier = match codes {
                Codes::In(_) => "in` or `:not-in",
                Codes::Above(_) => "above",
                Codes::Below(_) => "below",
            };
            let text = format!("search parameter `{name}` with the modifier `:{modifier}`: {text}");
            Err(match code {
                IssueCode::Transient => ApiError::TerminologyUnreachable(text),
                code => ApiError::Malformed(vec![Issue::plain(code, text)]),
            })
        }
    }
}

/// The parameter with that number: mostly one of the table.
fn find_parameter(
    shelf: &mut VisibleTerminology<'_, '_, '_>,
    parameter: ParameterId,
) -> Result<Option<Cow<'static, Parameter>>, ApiError> {
    if let Some(found) = parameter_by_id(parameter) {
        return Ok(Some(Cow::Borrowed(found)));
    }
    let registry = shelf.session.transaction.registry()?;
    Ok(registry.parameter_by_id(parameter).cloned().map(Cow::Owned))
}
