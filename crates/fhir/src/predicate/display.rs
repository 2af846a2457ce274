//! A predicate in words, for whoever wants to know what a query was understood as.

use std::fmt::{self, Display, Formatter};

use super::{Comparison, Predicate, Test};
use crate::entry::{OTHER_CODE, OTHER_NAME, ParameterId, SEPARATOR};
use crate::registry::{ResourceType, parameter_by_id, parameters};

/// How many values of a list are told.
const SHOWN: usize = 20;

impl Display for Predicate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Predicate::All => f.write_str("everything"),
            Predicate::None => f.write_str("nothing"),
            Predicate::And(parts) => joined(f, parts, " and "),
            Predicate::Or(parts) => joined(f, parts, " or "),
            Predicate::Not(part) => write!(f, "not {part}"),
            Predicate::Type(types) => listed(f, "type", types),
            Predicate::Id(ids) => listed(f, "_id", ids),
            Predicate::PatientCompartment(patient) => write!(f, "in the record of Patient/{patient}"),
            Predicate::NoPatientCompartment => f.write_str("in no patient compartment"),
            Predicate::Author(names) => write!(f, "written by {}", names.join(", ")),
            Predicate::Updated(comparison, wanted) => write!(f, "_lastUpdated {comparison} {wanted}"),
            Predicate::Entry(parameter, test) => write!(f, "{}: {test}", name(*parameter)),
            Predicate::Chain { parameter, types, then } => {
                let types: Vec<&str> = types.iter().map(|one| one.name()).collect();
                write!(f, "{} refers to a {} with ({then})", name(*parameter), types.join(" or "))
            }
            Predicate::ReverseChain { target, resource_type, parameter, by } => {
                write!(f, "a {target} that {} of a {resource_type} with ({by}) refers to", name(*parameter))
            }
            Predicate::DependsOn { then, .. } => write!(f, "shows or speaks about something with ({then})"),
            Predicate::AwaitsLabels => f.write_str("awaits labels"),
            Predicate::Given(kind) => write!(f, "given by a caller of kind {kind}"),
            Predicate::Coded(parameter, codes) => write!(f, "{}: {codes}", name(*parameter)),
        }
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        })
    }
}

impl Display for Test {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Test::Present => f.write_str("is there"),
            Test::Is(wanted) => write!(f, "is {}", key(wanted)),
            Test::OneOf(wanted) => listed(f, "is", wanted.iter().map(|one| key(one)).collect::<Vec<_>>().as_slice()),
            Test::Starts(wanted) => write!(f, "starts with {}", key(wanted)),
            Test::Ends(wanted) => write!(f, "ends with {}", key(wanted)),
            Test::FirstEnds(wanted) => write!(f, "has a first part that ends with {}", key(wanted)),
            Test::Contains(wanted) => write!(f, "has a first part with {} in it", key(wanted)),
            Test::Has(wanted) => write!(f, "has {} in it", key(wanted)),
            Test::Low(comparison, wanted) => write!(f, "low {comparison} {wanted}"),
            Test::High(comparison, wanted) => write!(f, "high {comparison} {wanted}"),
            Test::Every(tests) => joined(f, tests, " and "),
            Test::Either(tests) => joined(f, tests, " or "),
            Test::Not(test) => write!(f, "not {test}"),
        }
    }
}

fn joined(f: &mut Formatter<'_>, parts: &[impl Display], between: &str) -> fmt::Result {
    f.write_str("(")?;
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            f.write_str(between)?;
        }
        write!(f, "{part}")?;
    }
    f.write_str(")")
}

fn listed(f: &mut Formatter<'_>, what: &str, values: &[impl Display]) -> fmt::Result {
    f.write_str(what)?;
    for (place, value) in values.iter().take(SHOWN).enumerate() {
        write!(f, "{}{value}", if place == 0 { " " } else { " or " })?;
    }
    match values.len().checked_sub(SHOWN) {
        Some(more) if more > 0 => write!(f, " or one of {more} more"),
        _ => Ok(()),
    }
}

/// A key with a letter that can be seen between its parts.
fn key(key: &str) -> String {
    let plain: String = key
        .chars()
        .map(|letter| match letter {
            SEPARATOR => '|',
            letter if letter.is_control() => '$',
            letter => letter,
        })
        .collect();
    format!("`{plain}`")
}

/// `Type.code`, `_code`, or with the name of what a modifier asks for, `Type.code:text`.
fn name(id: ParameterId) -> String {
    let own = |of: Option<ResourceType>, code: &str| of.map_or_else(|| code.to_owned(), |one| format!("{one}.{code}"));
    if let Some(parameter) = parameter_by_id(id) {
        return own(parameter.resource_type, &parameter.code);
    }
    if let Some((_, name)) = [(OTHER_CODE, "_:code"), (OTHER_NAME, "_:name")].into_iter().find(|(own, _)| *own == id) {
        return name.to_owned();
    }
    for parameter in ResourceType::all().flat_map(parameters) {
        for (pseudo, suffix) in [
            (parameter.identifier_id(), "identifier"),
            (parameter.text_id(), "text"),
            (parameter.of_type_id(), "of-type"),
            (parameter.any_case_id(), "any-case"),
            (parameter.base_unit_id(), "base-unit"),
        ] {
            if pseudo == id {
                return format!("{}:{suffix}", own(parameter.resource_type, &parameter.code));
            }
        }
    }
    format!("parameter {}", id.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_predicate_is_told_in_words() {
        let code =
            Predicate::Entry(ParameterId::of("Observation.code"), Test::Is("1\u{1f}http://loinc.org".to_owned()));
        let text = Predicate::Entry(ParameterId::of("Observation.code:text"), Test::Starts("body".to_owned()));
        let told = code.and(text.negate()).and(Predicate::PatientCompartment("amina".to_owned())).to_string();
        assert_eq!(
            told,
            "(Observation.code: is `1|http://loinc.org` and not Observation.code:text: starts with `body` and in the \
             record of Patient/amina)"
        );
        let many = Predicate::Id((0..30).map(|number| number.to_string()).collect());
        assert!(many.to_string().ends_with("or 19 or one of 10 more"));
        let all = Predicate::Id((0..20).map(|number| number.to_string()).collect());
        assert!(all.to_string().ends_with("or 18 or 19"), "{all}");
        let parameter = ParameterId::of("Observation.value-quantity");
        let range = Test::Every(vec![Test::Low(Comparison::AtLeast, 5.0), Test::High(Comparison::Less, 7.5)]);
        let told = Predicate::Entry(parameter, range).to_string();
        assert_eq!(told, "Observation.value-quantity: (low >= 5 and high < 7.5)");
        let odd = Predicate::Entry(parameter, Test::Has("a\u{1e}b".to_owned())).to_string();
        assert_eq!(odd, "Observation.value-quantity: has `a$b` in it");
    }
}
