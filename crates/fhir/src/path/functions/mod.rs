//! The functions of FHIRPath and those that FHIR adds, a table for each family.

mod boundary;
mod convert;
mod exist;
mod fhir;
mod filter;
mod function;
mod math;
mod patterns;
mod strings;
mod subset;

pub(super) use function::{Call, Function};
pub(super) use patterns::{COMPILATION, unusable};
pub use patterns::{Pattern, Patterns};

static FAMILIES: [&[Function]; 8] = [
    exist::FUNCTIONS,
    filter::FUNCTIONS,
    subset::FUNCTIONS,
    convert::FUNCTIONS,
    strings::FUNCTIONS,
    math::FUNCTIONS,
    boundary::FUNCTIONS,
    fhir::FUNCTIONS,
];

/// The function of that name, with its position in the table.
pub(super) fn named(name: &str) -> Option<((usize, usize), &'static Function)> {
    FAMILIES.iter().enumerate().find_map(|(family, functions)| {
        let position = functions.iter().position(|function| function.name == name)?;
        Some(((family, position), functions.get(position)?))
    })
}

/// The function at a position of the table.
pub(super) fn at((family, position): (usize, usize)) -> Option<&'static Function> {
    FAMILIES.get(family)?.get(position)
}
