//! The codes that a search means by a value set, or by their place in a code system: for the modifiers `:in`, `:not-in`,
//! `:above` and `:below` of tokens (R4 "Search", token).

use std::collections::BTreeSet;

use concord_fhir::terminology::{Code, Codes};

use crate::filter::Filter;
use crate::item::Item;
use crate::library::{Library, LookUpError, Source};

/// The most codes that can be searched for at once.
pub const MOST_CODES: usize = 1_000;

/// The codes, each once.
///
/// # Errors
/// When they cannot be told for certain, or are too many.
pub fn look_up<S: Source>(source: &mut S, codes: &Codes) -> Result<BTreeSet<Code>, LookUpError<S::Error>> {
    let mut library = Library::new(source);
    let found = match codes {
        Codes::In(name) => library.expand_named(name)?,
        Codes::Above(code) => library.related(code, Filter::generalizes(&code.code))?,
        Codes::Below(code) => library.related(code, Filter::is_a(&code.code))?,
    };
    if found.len() > MOST_CODES {
        let text = format!("these are {} codes, and at most {MOST_CODES} can be searched for at once", found.len());
        return Err(LookUpError::costly(text));
    }
    let code = |item: Item| Code { system: item.system.as_ref().to_owned(), code: item.code };
    Ok(found.into_iter().map(code).collect())
}

#[cfg(test)]
mod tests;
