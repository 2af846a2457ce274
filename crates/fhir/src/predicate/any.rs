//! A disjunction of many, as few leaves: what is asked of the same parameter becomes one test, what is asked alike of
//! several parameters stands together, and what several leave out alike is left out once.
//!
//! Rules of Consents make such disjunctions, hundreds of codes each denied by itself. As they came, each would be a
//! look-up of its own in a database, and a tree as deep as there are rules.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Predicate, Test};
use crate::entry::ParameterId;
use crate::registry::ResourceType;

/// How many are as quick as they came.
const FEW: usize = 8;

impl Predicate {
    /// The disjunction of all of these. It means what [`Predicate::or`] of them, one after the other, means.
    #[must_use]
    pub fn any(parts: Vec<Predicate>) -> Predicate {
        if parts.len() <= FEW {
            return parts.into_iter().fold(Predicate::None, Predicate::or);
        }
        let mut gathered = Gathered::default();
        for part in parts {
            gathered.add(part);
        }
        gathered.finish()
    }

    /// How much it asks of a database: its leaves, of a test each of what is not among one list of keys.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Predicate::And(parts) | Predicate::Or(parts) => parts.iter().map(Predicate::weight).sum(),
            Predicate::Not(part) => part.weight(),
            Predicate::Chain { then, .. } | Predicate::DependsOn { then, .. } => 1 + then.weight(),
            Predicate::ReverseChain { by, .. } => 1 + by.weight(),
            Predicate::Entry(_, test) => test.weight(),
            _ => 1,
        }
    }
}

impl Test {
    fn weight(&self) -> usize {
        match self {
            Test::Every(tests) => tests.iter().map(Test::weight).sum::<usize>().max(1),
            Test::Either(tests) => {
                let others = tests.iter().filter(|test| !matches!(test, Test::Is(_) | Test::OneOf(_)));
                1 + others.map(Test::weight).sum::<usize>()
            }
            Test::Not(test) => test.weight(),
            _ => 1,
        }
    }
}

/// What a disjunction is made of, each kind by itself.
#[derive(Default)]
struct Gathered {
    everything: bool,
    types: Vec<ResourceType>,
    ids: Vec<String>,
    /// In the order in which each parameter came first.
    tests: Vec<(ParameterId, Keys)>,
    /// Conjunctions, by what all of a group leave out.
    groups: Vec<(Vec<Predicate>, Vec<Predicate>)>,
    others: Vec<Predicate>,
}

impl Gathered {
    fn add(&mut self, part: Predicate) {
        match part {
            Predicate::None => {}
            Predicate::All => self.everything = true,
            Predicate::Or(parts) => parts.into_iter().for_each(|part| self.add(part)),
            Predicate::Type(types) => {
                let new: Vec<ResourceType> = types.into_iter().filter(|one| !self.types.contains(one)).collect();
                self.types.extend(new);
            }
            Predicate::Id(ids) => self.ids.extend(ids),
            Predicate::Entry(parameter, test) => match self.tests.iter_mut().find(|(known, _)| *known == parameter) {
                Some((_, keys)) => keys.add(&test),
                None => {
                    let mut keys = Keys::default();
                    keys.add(&test);
                    self.tests.push((parameter, keys));
                }
            },
            Predicate::And(parts) => {
                let (without, with): (Vec<_>, Vec<_>) =
                    parts.into_iter().partition(|part| matches!(part, Predicate::Not(_)));
                let met = match with.len() {
                    0 => Predicate::All,
                    1 => with.into_iter().next().unwrap_or(Predicate::All),
                    _ => Predicate::And(with),
                };
                match self.groups.iter_mut().find(|(known, _)| *known == without) {
                    Some((_, group)) => group.push(met),
                    None => self.groups.push((without, vec![met])),
                }
            }
            other => {
                if !self.others.contains(&other) {
                    self.others.push(other);
                }
            }
        }
    }

    fn finish(mut self) -> Predicate {
        if self.everything {
            return Predicate::All;
        }
        let mut any = Vec::new();
        if !self.types.is_empty() {
            any.push(Predicate::Type(self.types));
        }
        if !self.ids.is_empty() {
            let mut seen = HashSet::new();
            self.ids.retain(|id| seen.insert(id.clone()));
            any.push(Predicate::Id(self.ids));
        }
        let mut alike: Vec<(Test, Vec<ParameterId>)> = Vec::new();
        for (parameter, keys) in self.tests {
            let test = keys.finish();
            match alike.iter_mut().find(|(known, _)| *known == test) {
                Some((_, parameters)) => parameters.push(parameter),
                None => alike.push((test, vec![parameter])),
            }
        }
        for (test, parameters) in alike {
            let mut of: Vec<Predicate> =
                parameters.into_iter().map(|parameter| Predicate::Entry(parameter, test.clone())).collect();
            match of.pop() {
                Some(only) if of.is_empty() => any.push(only),
                Some(last) => {
                    of.push(last);
                    any.push(Predicate::Or(of));
                }
                None => {}
            }
        }
        for (without, mut group) in self.groups {
            let met = match group.pop() {
                Some(only) if group.is_empty() => only,
                Some(last) if without.is_empty() => {
                    group.push(last);
                    each_once(group)
                }
                Some(last) => {
                    group.push(last);
                    Predicate::any(group)
                }
                None => continue,
            };
            any.push(without.into_iter().fold(met, Predicate::and));
        }
        any.extend(self.others);
        match any.pop() {
            None => Predicate::None,
            Some(only) if any.is_empty() => only,
            Some(last) => {
                any.push(last);
                Predicate::Or(any)
            }
        }
    }
}

/// The disjunction of conjunctions, which nothing more can be done with.
fn each_once(parts: Vec<Predicate>) -> Predicate {
    let mut once: Vec<Predicate> = Vec::with_capacity(parts.len());
    for part in parts {
        if !once.contains(&part) {
            once.push(part);
        }
    }
    match once.pop() {
        None => Predicate::None,
        Some(only) if once.is_empty() => only,
        Some(last) => {
            once.push(last);
            Predicate::Or(once)
        }
    }
}

/// Tests of the rows of one parameter, of which one has to be met.
#[derive(Default)]
struct Keys {
    any_row: bool,
    keys: Vec<String>,
    seen: HashSet<String>,
    others: Vec<Test>,
}

impl Keys {
    fn add(&mut self, test: &Test) {
        match test {
            Test::Present => self.any_row = true,
            Test::Is(key) => self.key(key),
            Test::OneOf(keys) => keys.iter().for_each(|key| self.key(key)),
            Test::Either(tests) => tests.iter().for_each(|test| self.add(test)),
            other => {
                if !self.others.contains(other) {
                    self.others.push(other.clone());
                }
            }
        }
    }

    fn key(&mut self, key: &str) {
        if self.seen.insert(key.to_owned()) {
            self.keys.push(key.to_owned());
        }
    }

    fn finish(self) -> Test {
        if self.any_row {
            return Test::Present;
        }
        let mut tests = self.others;
        match self.keys.as_slice() {
            [] => {}
            [only] => tests.insert(0, Test::Is(only.clone())),
            _ => tests.insert(0, Test::OneOf(self.keys)),
        }
        match tests.pop() {
            // Shared, because a decision says the same of many parameters.
            Some(only) if tests.is_empty() && !matches!(only, Test::OneOf(_)) => only,
            Some(last) => {
                tests.push(last);
                Test::Either(Arc::from(tests))
            }
            None => Test::Either(Arc::from(tests)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(parameter: &str, key: &str) -> Predicate {
        Predicate::Entry(ParameterId::of(parameter), Test::Is(key.to_owned()))
    }

    #[test]
    fn many_codes_of_several_parameters_are_one_list() {
        let each = |number: usize| {
            let key = format!("{number}");
            code("Observation.code", &key).or(code("Condition.code", &key))
        };
        let keys: Vec<String> = (0..199).map(|number| number.to_string()).collect();
        let of = |parameter: &str| {
            Predicate::Entry(ParameterId::of(parameter), Test::Either([Test::OneOf(keys.clone())].into()))
        };
        let any = Predicate::any((0..199).map(each).collect());
        assert_eq!(any, Predicate::Or(vec![of("Observation.code"), of("Condition.code")]));
        assert_eq!(any.weight(), 2);
    }

    #[test]
    fn what_all_leave_out_is_left_out_once() {
        let left_out = code("_profile", "p").negate();
        let each = |number: usize| code("Observation.code", &number.to_string()).and(left_out.clone());
        let keys = (0..20).map(|number| number.to_string()).collect();
        let codes = Predicate::Entry(ParameterId::of("Observation.code"), Test::Either([Test::OneOf(keys)].into()));
        assert_eq!(Predicate::any((0..20).map(each).collect()), codes.and(left_out));
    }
}
