//! One search parameter with its modifier and values, as a predicate.

mod chain;
mod filter;
mod value;

use super::{Refusal, Setting, full_text, shortened, unsupported, wrong};
use crate::predicate::Predicate;
use crate::registry::{ResourceType, parameter_of_every_resource};
pub use chain::{LONGEST_CHAIN, MOST_WAYS};
pub use filter::{DEEPEST as DEEPEST_FILTER, MOST_TESTS};

/// Parameters of R4 that take part in a search in other ways than by a row, and that this server does not offer.
const UNSUPPORTED: [&str; 5] = ["_contained", "_containedType", "_query", "_score", "_type"];

/// Reads `name` and `value` as a filter. After a chain, `name` is what is left of the name.
pub(super) fn read(setting: Setting<'_>, name: &str, value: &str) -> Result<Predicate, Refusal> {
    if let Some(what) = name.strip_prefix("_has:") {
        return chain::has(setting, what, value);
    }
    if let Some((first, rest)) = name.split_once('.') {
        return chain::chain(setting, first, rest, value);
    }
    let (code, modifier) = match name.split_once(':') {
        Some((code, modifier)) => (code, Some(modifier)),
        None => (name, None),
    };
    let name = setting.whole;
    match (code, modifier) {
        ("_list", None) => return chain::list(setting, value),
        ("_filter", None) => return filter::read(setting, value),
        _ => {}
    }
    if code.starts_with('_') && UNSUPPORTED.contains(&code) {
        return Err(unsupported(name, "this parameter is not supported"));
    }
    if full_text::CODES.contains(&code) {
        return Err(unsupported(
            name,
            &format!("`{code}` is read of what is searched itself only, without a modifier"),
        ));
    }
    let found = match setting.resource_type {
        Some(resource_type) => setting.known.parameter(name, resource_type, code)?,
        None => parameter_of_every_resource(code),
    };
    let Some(parameter) = found else { return Err(unknown(setting.resource_type, code)) };
    if !parameter.is_supported() {
        return Err(unsupported(name, "a composite of these parts is not supported"));
    }
    if value.is_empty() {
        return Err(wrong(name, "there is no value"));
    }
    value::read(setting, parameter, modifier, value)
}

fn unknown(resource_type: Option<ResourceType>, code: &str) -> Refusal {
    let code = shortened(code);
    Refusal::Unknown(match resource_type {
        Some(resource_type) => format!("{resource_type} has no search parameter `{code}`"),
        None => format!("there is no search parameter `{code}` of all types"),
    })
}
