//! The parameters that say how a search is answered, not what it finds (R4 "Search", search result parameters).

use super::value_text::split;
use super::{DATE, KnownParameters, Query, Refusal, Sort, SortBy, unsupported, wrong};
use crate::registry::{Kind, ResourceType, clinical_date, parameter_of_every_resource};

/// The most parameters to sort by.
pub const MOST_SORTS: usize = 5;

/// Whether the number of matches is wanted (`_total`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Total {
    /// It is not.
    #[default]
    None,
    /// About how many.
    Estimate,
    /// Exactly how many.
    Accurate,
}

/// Which part of each resource is wanted (`_summary`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Summary {
    /// The elements that R4 marks as summary.
    True,
    /// All of it.
    False,
    /// The narrative and what is required.
    Text,
    /// All but the narrative.
    Data,
    /// Nothing but the number of matches.
    Count,
}

/// Reads a parameter of the answer; false if it is none.
pub(super) fn read(query: &mut Query, known: &KnownParameters<'_>, name: &str, value: &str) -> Result<bool, Refusal> {
    let once = matches!(name, "_sort" | "_count" | "_total" | "_summary" | "_cursor" | "_explain");
    if once && (query.used.iter().any(|(used, _)| used == name) || name == "_cursor" && query.cursor.is_some()) {
        return Err(wrong(name, "it may be given only once"));
    }
    match name {
        "_sort" => query.sort = sorts(known, query.resource_type, &query.types, value)?,
        "_count" => {
            let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
            let count = value.parse().ok().filter(|_| digits);
            query.count = Some(count.ok_or_else(|| wrong(name, &format!("`{value}` is not a whole number")))?);
        }
        "_total" => {
            query.total = match value {
                "none" => Total::None,
                "estimate" => Total::Estimate,
                "accurate" => Total::Accurate,
                _ => return Err(wrong(name, "the value is none of `none`, `estimate` and `accurate`")),
            };
        }
        "_summary" => {
            query.summary = Some(match value {
                "true" => Summary::True,
                "false" => Summary::False,
                "text" => Summary::Text,
                "data" => Summary::Data,
                "count" => Summary::Count,
                _ => return Err(wrong(name, "the value is none of `true`, `false`, `text`, `data` and `count`")),
            });
        }
        "_elements" => {
            for element in value.split(',') {
                query.elements.push(element_name(name, element)?);
            }
        }
        "_cursor" => {
            if value.is_empty() {
                return Err(wrong(name, "there is no value"));
            }
            query.cursor = Some(value.to_owned());
        }
        "_explain" => {
            query.explain = match value {
                "true" => true,
                "false" => false,
                _ => return Err(wrong(name, "the value is neither `true` nor `false`")),
            };
        }
        // How the answer is written is for the layer that writes it.
        "_format" | "_pretty" => {}
        _ => return Ok(false),
    }
    Ok(true)
}

/// The name of a top-level element.
fn element_name(name: &str, element: &str) -> Result<String, Refusal> {
    let element = element.trim();
    let letters = element.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'[' | b']'));
    if element.is_empty() || !letters {
        return Err(wrong(name, &format!("`{element}` is not the name of an element")));
    }
    Ok(element.to_owned())
}

/// `_sort=-date,code`
fn sorts(
    known: &KnownParameters<'_>,
    resource_type: Option<ResourceType>,
    types: &[ResourceType],
    value: &str,
) -> Result<Vec<Sort>, Refusal> {
    let mut sorts: Vec<Sort> = Vec::new();
    for text in split(value, ',') {
        let (code, descending) = match text.strip_prefix('-') {
            Some(code) => (code, true),
            None => (text, false),
        };
        let by = match types {
            [_, ..] if code == DATE => sort_by_clinical_date(types)?,
            _ => sort_by(known, resource_type, code)?,
        };
        if sorts.iter().any(|sort| sort.by == by) {
            return Err(wrong("_sort", &format!("`{code}` is given twice")));
        }
        sorts.push(Sort { by, descending });
    }
    if sorts.len() > MOST_SORTS {
        return Err(wrong("_sort", &format!("there are more than {MOST_SORTS} parameters to sort by")));
    }
    Ok(sorts)
}

/// `_sort=date` over types that `_type` names.
fn sort_by_clinical_date(types: &[ResourceType]) -> Result<SortBy, Refusal> {
    match types.iter().find(|one| clinical_date(**one).is_none()) {
        Some(without) => Err(unsupported("_sort", &format!("{without} has no date of what it tells of"))),
        None => Ok(SortBy::ClinicalDate),
    }
}

fn sort_by(known: &KnownParameters<'_>, resource_type: Option<ResourceType>, code: &str) -> Result<SortBy, Refusal> {
    let found = match resource_type {
        Some(resource_type) => known.parameter("_sort", resource_type, code)?,
        None => parameter_of_every_resource(code),
    };
    let parameter = found.ok_or_else(|| wrong("_sort", &format!("there is no search parameter `{code}`")))?;
    Ok(match (&*parameter.code, parameter.kind) {
        ("_id", _) => SortBy::Id,
        ("_lastUpdated", _) => SortBy::Updated,
        // A quantity is sorted by its number: a page mostly has one unit.
        (_, Kind::Date | Kind::Number | Kind::Quantity) => SortBy::Range(parameter.id),
        (_, Kind::String | Kind::Token | Kind::Reference | Kind::Uri) => SortBy::Key(parameter.id),
        (_, kind @ Kind::Composite) => {
            let why = format!("sorting by `{code}`, a {}, is not supported", kind.code());
            return Err(unsupported("_sort", &why));
        }
    })
}
