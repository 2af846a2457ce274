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
        for (without, group) in self.groups {
            let met = if without.is_empty() { each_once(group) } else { Predicate::any(group) };
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

    /// The disjunction of these and of so much nothing that they are gathered.
    fn gathered(mut parts: Vec<Predicate>) -> Predicate {
        parts.extend(vec![Predicate::None; FEW + 1]);
        Predicate::any(parts)
    }

    fn patient(id: &str) -> Predicate {
        Predicate::PatientCompartment(id.to_owned())
    }

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

    #[test]
    fn of_one_kind_each_is_there_once() {
        let ids = |ids: &[&str]| Predicate::Id(ids.iter().map(|id| (*id).to_owned()).collect());
        let types = |names: &[&str]| Predicate::Type(names.iter().map(|name| ResourceType::of(name)).collect());
        assert_eq!(gathered(vec![]), Predicate::None);
        assert_eq!(gathered(vec![ids(&["a"]), Predicate::All]), Predicate::All);
        assert_eq!(gathered(vec![ids(&["a", "b"]), ids(&["b", "c"])]), ids(&["a", "b", "c"]));
        let several = vec![types(&["Goal"]), types(&["Goal", "Task"]), types(&["Task"])];
        assert_eq!(gathered(several), types(&["Goal", "Task"]));
        assert_eq!(gathered(vec![patient("p"), patient("p")]), patient("p"));
        let of_all = vec![patient("p"), ids(&["a"]), types(&["Goal"]), patient("q")];
        let found = Predicate::Or(vec![types(&["Goal"]), ids(&["a"]), patient("p"), patient("q")]);
        assert_eq!(gathered(of_all), found);
    }

    #[test]
    fn tests_of_one_parameter_are_one_and_those_that_are_alike_stand_together() {
        let [a, b] = ["Observation.code", "Condition.code"].map(|name| {
            let parameter = ParameterId::of(name);
            move |test: &Test| Predicate::Entry(parameter, test.clone())
        });
        let (one, two) = (Test::Is("1".to_owned()), Test::Is("2".to_owned()));
        let starts = Test::Starts("1".to_owned());
        let both = Test::OneOf(vec!["1".to_owned(), "2".to_owned()]);
        assert_eq!(gathered(vec![a(&one), a(&one)]), a(&one));
        assert_eq!(gathered(vec![a(&starts), a(&starts)]), a(&starts));
        assert_eq!(gathered(vec![a(&one), a(&Test::Present)]), a(&Test::Present));
        assert_eq!(gathered(vec![a(&one), a(&both)]), a(&Test::Either([both.clone()].into())));
        assert_eq!(gathered(vec![a(&starts), a(&one)]), a(&Test::Either([one.clone(), starts].into())));
        assert_eq!(gathered(vec![a(&one), b(&one)]), Predicate::Or(vec![a(&one), b(&one)]));
        assert_eq!(gathered(vec![a(&one), b(&two)]), Predicate::Or(vec![a(&one), b(&two)]));
        let grouped = vec![Predicate::Or(vec![a(&one), b(&one)]), patient("p")];
        assert_eq!(gathered(vec![a(&one), patient("p"), b(&one)]), Predicate::Or(grouped));
    }

    #[test]
    fn conjunctions_are_there_once_with_what_they_leave_out() {
        let both = |one: &str, other: &str| patient(one).and(patient(other));
        let but = |of: Predicate, one: &str| of.and(patient(one).negate());
        assert_eq!(gathered(vec![both("a", "b"), both("a", "b")]), both("a", "b"));
        let two = Predicate::Or(vec![both("a", "b"), both("a", "c")]);
        assert_eq!(gathered(vec![both("a", "b"), both("a", "c"), both("a", "b")]), two);
        let many: Vec<Predicate> = (0..FEW + 2).map(|number| both("a", &number.to_string())).collect();
        assert_eq!(gathered(many.clone()), Predicate::Or(many));
        assert_eq!(gathered(vec![but(patient("a"), "x")]), but(patient("a"), "x"));
        let left_out = but(Predicate::Or(vec![patient("a"), patient("b")]), "x");
        assert_eq!(gathered(vec![but(patient("a"), "x"), but(patient("b"), "x")]), left_out);
        let nothing_else = patient("y").negate().and(patient("x").negate());
        let with_more = Predicate::And(vec![patient("a"), patient("y").negate(), patient("x").negate()]);
        assert_eq!(gathered(vec![nothing_else.clone(), with_more]), nothing_else);
    }

    #[test]
    fn every_leaf_weighs_and_every_look_elsewhere() {
        let tests = || [Test::Starts("1".to_owned()), Test::Ends("2".to_owned())];
        let entry = |test: Test| Predicate::Entry(ParameterId::of("Observation.code"), test);
        let listed = [Test::Is("1".to_owned()), Test::OneOf(vec!["2".to_owned()])];
        let both = Predicate::Or(vec![patient("a"), patient("b")]);
        let observation = ResourceType::of("Observation");
        let (parameter, then) = (ParameterId::of("Observation.subject"), Box::new(both.clone()));
        for (predicate, weight) in [
            (patient("a"), 1),
            (both.clone().negate(), 2),
            (both.clone().negate().and(patient("c")), 3),
            (Predicate::Chain { parameter, types: vec![observation], then: then.clone() }, 3),
            (Predicate::DependsOn { through: [observation].into(), then: then.clone() }, 3),
            (Predicate::ReverseChain { target: observation, resource_type: observation, parameter, by: then }, 3),
            (entry(Test::Present), 1),
            (entry(Test::Every(tests().into())), 2),
            (entry(Test::Every(Vec::new())), 1),
            (entry(Test::Not(Box::new(Test::Every(tests().into())))), 2),
            (entry(Test::Either(listed.clone().into())), 1),
            (entry(Test::Either(tests().into_iter().chain(listed).collect())), 3),
        ] {
            assert_eq!(predicate.weight(), weight, "{predicate:?}");
        }
    }
}
