//! The one language for "which resources": what a search asks for and what an access decision permits are both
//! predicates, and a query is their conjunction. It has two readings, [`Predicate::holds`] in memory and SQL in the
//! store, over the same [`Entries`].
//!
//! Four of its forms look at other resources: [`Predicate::Chain`], for `_has` [`Predicate::ReverseChain`], and in
//! permissions [`Predicate::DependsOn`] and [`Predicate::AwaitsLabels`]. What the caller may see of those is part of the predicate like everything else:
//! whoever runs a query puts the permission into every link with [`Predicate::at_chains`]. The chains of a permission
//! itself, to what a comment is about, bear the permission there already.

use std::sync::Arc;

use crate::entry::{Entries, Entry, ParameterId, SEPARATOR};
use crate::registry::{ResourceType, canonical_url, canonical_version, combined, refers_by_url};
use crate::terminology::Codes;

mod any;
mod asks;
mod depends;
mod display;
#[cfg(test)]
mod tests;

pub use depends::MOST_LINKS;

/// Which resources.
#[derive(Clone, Debug, PartialEq)]
pub enum Predicate {
    /// Every resource.
    All,
    /// No resource. A denial is this.
    None,
    /// Those that meet every one.
    And(Vec<Predicate>),
    /// Those that meet at least one.
    Or(Vec<Predicate>),
    /// Those that do not meet it.
    Not(Box<Predicate>),
    /// Those of one of these types.
    Type(Vec<ResourceType>),
    /// Those with one of these logical ids.
    Id(Vec<String>),
    /// Those in the compartment of the patient with this logical id.
    PatientCompartment(String),
    /// Those that are in no patient compartment.
    NoPatientCompartment,
    /// Those that one of these wrote first, as the store keeps it (`Type/id`, whoever was signed in), whatever they say
    /// themselves; an empty text is for those of which nobody is known to be the author.
    Author(Arc<[String]>),
    /// Those last updated at a time that meets the comparison, in milliseconds since 1970 UTC.
    Updated(Comparison, i64),
    /// Those with at least one row of the parameter that meets the test.
    Entry(ParameterId, Test),
    /// Those that refer, in this parameter, to a resource of one of these types that meets the rest.
    Chain {
        /// The reference parameter.
        parameter: ParameterId,
        /// The types that it leads to.
        types: Vec<ResourceType>,
        /// What the resource that it leads to has to meet.
        then: Box<Predicate>,
    },
    /// Those of one type that a resource of another refers to.
    ReverseChain {
        /// The type of those that are meant.
        target: ResourceType,
        /// The type of the resource that refers to them.
        resource_type: ResourceType,
        /// The parameter of that type in which it does.
        parameter: ParameterId,
        /// What the resource that refers to them has to meet.
        by: Box<Predicate>,
    },
    /// Those that show or speak about a resource that meets the rest, deleted or not: they name it by an element that hands
    /// labels on, or it shows them as its content ([`crate::label::links`]); by themselves, or because what they name or are
    /// shown by does so. Those that lead to more than [`MOST_LINKS`] count among them: it is asked for what is denied.
    DependsOn {
        /// The types that are looked through: what one of them names or is shown by is found too.
        through: Arc<[ResourceType]>,
        /// What is looked for.
        then: Box<Predicate>,
    },
    /// Those to which labels are still being handed on: however far, they inherit from something whose labels have not reached all
    /// that inherits from it ([`crate::label::sources`]). The entries do not tell what that is: in memory, those that inherit
    /// from anything.
    AwaitsLabels,
    /// Those whose content a caller of this kind gave, as the store keeps it: their elements do not tell.
    Given(i16),
    /// Those with a token in this parameter that is one of these codes, which are still to be looked up: see
    /// [`Predicate::settled`]. Until then, no resource.
    Coded(ParameterId, Codes),
}

/// A test of one row of the index.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// Any row will do.
    Present,
    /// The key is this.
    Is(String),
    /// The key is one of these.
    OneOf(Vec<String>),
    /// The key starts with this.
    Starts(String),
    /// The key ends with this.
    Ends(String),
    /// The part of the key before the separator ends with this.
    FirstEnds(String),
    /// The part of the key before the separator has this in it.
    Contains(String),
    /// The key has this in it.
    Has(String),
    /// The lower end compares so. A row without a lower end does not meet it.
    Low(Comparison, f64),
    /// The upper end compares so. A row without an upper end does not meet it.
    High(Comparison, f64),
    /// The same row meets every one.
    Every(Vec<Test>),
    /// The row meets at least one. Shared, because a decision says the same of many rules.
    Either(Arc<[Test]>),
    /// The row does not meet it. Only for tests of the key, which every row has.
    Not(Box<Test>),
}

/// How a row's number stands to the wanted one: `row OP wanted`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `row < wanted`
    Less,
    /// `row <= wanted`
    AtMost,
    /// `row > wanted`
    Greater,
    /// `row >= wanted`
    AtLeast,
}

impl Comparison {
    /// Whether `row OP wanted`.
    #[must_use]
    pub fn holds<T: PartialOrd>(self, row: T, wanted: T) -> bool {
        match self {
            Comparison::Less => row < wanted,
            Comparison::AtMost => row <= wanted,
            Comparison::Greater => row > wanted,
            Comparison::AtLeast => row >= wanted,
        }
    }
}

impl Predicate {
    /// The conjunction, simplified: `All` drops out, `None` wins, what is there twice is there once.
    #[must_use]
    pub fn and(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::None, _) | (_, Predicate::None) => Predicate::None,
            (Predicate::All, rest) | (rest, Predicate::All) => rest,
            (Predicate::And(mut left), Predicate::And(right)) => {
                for part in right {
                    if !left.contains(&part) {
                        left.push(part);
                    }
                }
                Predicate::And(left)
            }
            (Predicate::And(mut left), right) => {
                if !left.contains(&right) {
                    left.push(right);
                }
                Predicate::And(left)
            }
            (left, Predicate::And(mut right)) => {
                if !right.contains(&left) {
                    right.insert(0, left);
                }
                Predicate::And(right)
            }
            (left, right) if left == right => left,
            (left, right) => Predicate::And(vec![left, right]),
        }
    }

    /// The disjunction, simplified: `None` drops out, `All` wins, what is there twice is there once.
    #[must_use]
    pub fn or(self, other: Predicate) -> Predicate {
        match (self, other) {
            (Predicate::All, _) | (_, Predicate::All) => Predicate::All,
            (Predicate::None, rest) | (rest, Predicate::None) => rest,
            (Predicate::Or(mut left), Predicate::Or(right)) => {
                for part in right {
                    if !left.contains(&part) {
                        left.push(part);
                    }
                }
                Predicate::Or(left)
            }
            (Predicate::Or(mut left), right) => {
                if !left.contains(&right) {
                    left.push(right);
                }
                Predicate::Or(left)
            }
            (left, Predicate::Or(mut right)) => {
                if !right.contains(&left) {
                    right.insert(0, left);
                }
                Predicate::Or(right)
            }
            (left, right) if left == right => left,
            (left, right) => Predicate::Or(vec![left, right]),
        }
    }

    /// The complement, simplified.
    #[must_use]
    pub fn negate(self) -> Predicate {
        match self {
            Predicate::All => Predicate::None,
            Predicate::None => Predicate::All,
            Predicate::Not(inner) => *inner,
            other => Predicate::Not(Box::new(other)),
        }
    }

    /// The same for resources of one type, which makes it smaller.
    #[must_use]
    pub fn of_type(self, resource_type: ResourceType) -> Predicate {
        match self {
            Predicate::Type(types) if types.contains(&resource_type) => Predicate::All,
            Predicate::Type(_) => Predicate::None,
            Predicate::And(parts) => {
                parts.into_iter().fold(Predicate::All, |all, part| all.and(part.of_type(resource_type)))
            }
            Predicate::Or(parts) => {
                parts.into_iter().fold(Predicate::None, |any, part| any.or(part.of_type(resource_type)))
            }
            Predicate::Not(part) => part.of_type(resource_type).negate(),
            other => other,
        }
    }

    /// Whether a resource with these entries is one of those meant. A chain leads nowhere: see [`Predicate::holds_among`].
    #[must_use]
    pub fn holds(&self, entries: &Entries) -> bool {
        self.holds_among(entries, &[])
    }

    /// Whether a resource with these entries is one of those meant, where `all` are the resources that chains may lead
    /// to.
    #[must_use]
    pub fn holds_among(&self, entries: &Entries, all: &[Entries]) -> bool {
        match self {
            Predicate::All => true,
            Predicate::None => false,
            Predicate::And(parts) => parts.iter().all(|part| part.holds_among(entries, all)),
            Predicate::Or(parts) => parts.iter().any(|part| part.holds_among(entries, all)),
            Predicate::Not(part) => !part.holds_among(entries, all),
            Predicate::Type(types) => types.contains(&entries.resource_type),
            Predicate::Id(ids) => ids.contains(&entries.id),
            Predicate::PatientCompartment(patient) => entries.patients.contains(patient),
            Predicate::NoPatientCompartment => entries.patients.is_empty(),
            Predicate::Author(names) => names.contains(&entries.author),
            Predicate::Updated(comparison, wanted) => comparison.holds(entries.updated, *wanted),
            Predicate::Entry(parameter, test) => {
                let rows_of = combined(*parameter).unwrap_or(std::slice::from_ref(parameter));
                entries.rows.iter().any(|row| rows_of.contains(&row.parameter) && test.holds(row))
            }
            Predicate::Chain { parameter, types, then } => all.iter().any(|target| {
                types.contains(&target.resource_type)
                    && refers(entries, *parameter, target)
                    && then.holds_among(target, all)
            }),
            Predicate::ReverseChain { target, resource_type, parameter, by } => {
                entries.resource_type == *target
                    && all.iter().any(|from| {
                        from.resource_type == *resource_type
                            && refers(from, *parameter, entries)
                            && by.holds_among(from, all)
                    })
            }
            Predicate::DependsOn { through, then } => {
                depends::depends(entries, through, all, |one| then.holds_among(one, all))
            }
            Predicate::AwaitsLabels => entries.inherits(),
            Predicate::Given(_) | Predicate::Coded(..) => false,
        }
    }

    /// The same, where each leaf of one kind is what `widened` makes of it: with `at_most`, those under no negation, so that
    /// all of it means more; without, those under one, so that all of it means less. `widened` means at least what the
    /// leaf does.
    #[must_use]
    pub fn bounded(self, at_most: bool, widened: &impl Fn(Predicate) -> Predicate) -> Predicate {
        match self {
            Predicate::And(parts) => {
                parts.into_iter().fold(Predicate::All, |all, part| all.and(part.bounded(at_most, widened)))
            }
            Predicate::Or(parts) => {
                parts.into_iter().fold(Predicate::None, |any, part| any.or(part.bounded(at_most, widened)))
            }
            Predicate::Not(part) => part.bounded(!at_most, widened).negate(),
            Predicate::Chain { parameter, types, then } => {
                Predicate::Chain { parameter, types, then: Box::new(then.bounded(at_most, widened)) }
            }
            Predicate::ReverseChain { target, resource_type, parameter, by } => {
                let by = Box::new(by.bounded(at_most, widened));
                Predicate::ReverseChain { target, resource_type, parameter, by }
            }
            Predicate::DependsOn { through, then } => {
                Predicate::DependsOn { through, then: Box::new(then.bounded(at_most, widened)) }
            }
            leaf if at_most => widened(leaf),
            leaf => leaf,
        }
    }

    /// The same with the codes looked up that a query names only by a value set or by their place in a code system.
    /// `look_up` answers with the test of the parameter's rows.
    ///
    /// # Errors
    /// The first error of `look_up`.
    pub fn settled<E>(self, look_up: &mut impl FnMut(ParameterId, &Codes) -> Result<Test, E>) -> Result<Predicate, E> {
        Ok(match self {
            Predicate::Coded(parameter, codes) => {
                let test = look_up(parameter, &codes)?;
                Predicate::Entry(parameter, test)
            }
            Predicate::And(parts) => {
                let parts: Result<Vec<_>, E> = parts.into_iter().map(|part| part.settled(look_up)).collect();
                Predicate::And(parts?)
            }
            Predicate::Or(parts) => {
                let parts: Result<Vec<_>, E> = parts.into_iter().map(|part| part.settled(look_up)).collect();
                Predicate::Or(parts?)
            }
            Predicate::Not(part) => Predicate::Not(Box::new(part.settled(look_up)?)),
            Predicate::Chain { parameter, types, then } => {
                Predicate::Chain { parameter, types, then: Box::new(then.settled(look_up)?) }
            }
            Predicate::ReverseChain { target, resource_type, parameter, by } => {
                Predicate::ReverseChain { target, resource_type, parameter, by: Box::new(by.settled(look_up)?) }
            }
            leaf => leaf,
        })
    }

    /// The same, where each test of a parameter is what `meant` makes of it: at every chain, however deep, under every
    /// negation.
    #[must_use]
    pub fn at_entries(self, meant: &mut impl FnMut(ParameterId, Test) -> Predicate) -> Predicate {
        match self {
            Predicate::Entry(parameter, test) => meant(parameter, test),
            Predicate::And(parts) => {
                parts.into_iter().fold(Predicate::All, |all, part| all.and(part.at_entries(meant)))
            }
            Predicate::Or(parts) => parts.into_iter().fold(Predicate::None, |any, part| any.or(part.at_entries(meant))),
            Predicate::Not(part) => part.at_entries(meant).negate(),
            Predicate::Chain { parameter, types, then } => match then.at_entries(meant) {
                Predicate::None => Predicate::None,
                then => Predicate::Chain { parameter, types, then: Box::new(then) },
            },
            Predicate::ReverseChain { target, resource_type, parameter, by } => match by.at_entries(meant) {
                Predicate::None => Predicate::None,
                by => Predicate::ReverseChain { target, resource_type, parameter, by: Box::new(by) },
            },
            leaf => leaf,
        }
    }

    /// The same, where the resource that a chain leads to must also meet what `also` says of its type: at every chain,
    /// however deep, under every negation.
    ///
    /// # Errors
    /// The first error of `also`.
    pub fn at_chains<E>(self, also: &mut impl FnMut(ResourceType) -> Result<Predicate, E>) -> Result<Predicate, E> {
        fn each<E>(
            parts: Vec<Predicate>,
            also: &mut impl FnMut(ResourceType) -> Result<Predicate, E>,
        ) -> Result<Vec<Predicate>, E> {
            parts.into_iter().map(|part| part.at_chains(also)).collect()
        }
        Ok(match self {
            Predicate::And(parts) => each(parts, also)?.into_iter().fold(Predicate::All, Predicate::and),
            Predicate::Or(parts) => each(parts, also)?.into_iter().fold(Predicate::None, Predicate::or),
            Predicate::Not(part) => part.at_chains(also)?.negate(),
            Predicate::Chain { parameter, types, then } => {
                let then = then.at_chains(also)?;
                let mut any = Predicate::None;
                for one in types {
                    let then = then.clone().and(also(one)?);
                    if then != Predicate::None {
                        any = any.or(Predicate::Chain { parameter, types: vec![one], then: Box::new(then) });
                    }
                }
                any
            }
            Predicate::ReverseChain { target, resource_type, parameter, by } => {
                match by.at_chains(also)?.and(also(resource_type)?) {
                    Predicate::None => Predicate::None,
                    by => Predicate::ReverseChain { target, resource_type, parameter, by: Box::new(by) },
                }
            }
            leaf => leaf,
        })
    }
}

/// Whether a resource refers to another in a parameter: by `Type/id`, or by the url of a canonical resource, with its
/// version or without any.
fn refers(from: &Entries, parameter: ParameterId, to: &Entries) -> bool {
    let by_url = refers_by_url(parameter).then(|| canonical_url(to.resource_type)).flatten();
    let rows = || from.rows.iter().filter(|row| row.parameter == parameter);
    let own = |wanted: ParameterId| to.rows.iter().filter(move |own| own.parameter == wanted);
    // A url with a version has a row without it too.
    let means = |url: &str| {
        let mut versions = rows().filter_map(|row| row.key.strip_prefix(url)?.strip_prefix('|')).peekable();
        let has = |version: &str| {
            let wanted = canonical_version(to.resource_type);
            wanted.is_some_and(|wanted| own(wanted).any(|one| one.key.strip_suffix(SEPARATOR) == Some(version)))
        };
        versions.peek().is_none() || versions.any(has)
    };
    rows().any(|row| {
        row.key.split_once('/') == Some((to.resource_type.name(), to.id.as_str()))
            || by_url.is_some_and(|url| own(url).any(|one| one.key == row.key) && means(&row.key))
    })
}

impl Test {
    /// The keys of which it wants one; none if it wants anything else.
    #[must_use]
    pub fn keys(&self) -> Option<Vec<&str>> {
        match self {
            Test::Is(key) => Some(vec![key]),
            Test::OneOf(keys) => Some(keys.iter().map(String::as_str).collect()),
            Test::Either(tests) => {
                let all: Option<Vec<Vec<&str>>> = tests.iter().map(Test::keys).collect();
                Some(all?.concat())
            }
            _ => None,
        }
    }

    /// Whether the row meets the test.
    #[must_use]
    pub fn holds(&self, row: &Entry) -> bool {
        self.meets(&row.key, row.low, row.high)
    }

    /// Whether a row with this key and this range meets the test.
    #[must_use]
    pub fn meets(&self, key: &str, low: Option<f64>, high: Option<f64>) -> bool {
        let first = || key.split(SEPARATOR).next().unwrap_or_default();
        match self {
            Test::Present => true,
            Test::Is(wanted) => key == wanted,
            Test::OneOf(wanted) => wanted.iter().any(|one| one == key),
            Test::Starts(wanted) => key.starts_with(wanted.as_str()),
            Test::Ends(wanted) => key.ends_with(wanted.as_str()),
            Test::Has(wanted) => key.contains(wanted.as_str()),
            Test::FirstEnds(wanted) => first().ends_with(wanted.as_str()),
            Test::Contains(wanted) => first().contains(wanted.as_str()),
            Test::Low(comparison, wanted) => low.is_some_and(|low| comparison.holds(low, *wanted)),
            Test::High(comparison, wanted) => high.is_some_and(|high| comparison.holds(high, *wanted)),
            Test::Every(tests) => tests.iter().all(|test| test.meets(key, low, high)),
            Test::Either(tests) => tests.iter().any(|test| test.meets(key, low, high)),
            Test::Not(test) => !test.meets(key, low, high),
        }
    }
}
