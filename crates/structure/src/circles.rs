//! Which files need each other.

use std::collections::{BTreeMap, BTreeSet};

/// Who needs whom: pairs of names.
pub(crate) type Uses = BTreeSet<(String, String)>;

/// The circles: sets of names of which each needs every other one, directly or not. A name with its own children is
/// none: what stands above all the others of a circle may use them, and what is left then counts.
pub(crate) fn circles(uses: &Uses, is_above: &dyn Fn(&str, &str) -> bool) -> Vec<BTreeSet<String>> {
    let mut found = Vec::new();
    for circle in knots(uses) {
        let top = circle.iter().find(|one| circle.iter().all(|other| *one == other || is_above(one, other)));
        let Some(top) = top else {
            found.push(circle);
            continue;
        };
        let within = |pair: &&(String, String)| circle.contains(&pair.0) && circle.contains(&pair.1);
        let rest: Uses = uses.iter().filter(within).filter(|(from, _)| from != top).cloned().collect();
        found.extend(circles(&rest, is_above));
    }
    found
}

/// The strongly connected components that have more than one member.
fn knots(uses: &Uses) -> Vec<BTreeSet<String>> {
    let mut next: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in uses {
        next.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> = next.keys().map(|from| (*from, reached(&next, from))).collect();
    let reaches = |from: &str, to: &str| reached.get(from).is_some_and(|all| all.contains(to));
    let mut found: BTreeSet<BTreeSet<String>> = BTreeSet::new();
    for from in next.keys() {
        let mutual = next.keys().filter(|to| *to == from || reaches(from, to) && reaches(to, from));
        let knot: BTreeSet<String> = mutual.map(|one| (*one).to_owned()).collect();
        if knot.len() > 1 {
            found.insert(knot);
        }
    }
    found.into_iter().collect()
}

fn reached<'u>(next: &BTreeMap<&'u str, Vec<&'u str>>, from: &'u str) -> BTreeSet<&'u str> {
    let mut found = BTreeSet::new();
    let mut open = vec![from];
    while let Some(one) = open.pop() {
        for to in next.get(one).into_iter().flatten() {
            if found.insert(*to) {
                open.push(to);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The circles of uses such as `a>b`; `a.b` is a child of `a`.
    fn of(uses: &str) -> Vec<String> {
        let pairs = uses.split(' ').filter_map(|pair| pair.split_once('>'));
        let uses = pairs.map(|(from, to)| (from.to_owned(), to.to_owned())).collect();
        let is_above = |one: &str, other: &str| other.strip_prefix(one).is_some_and(|rest| rest.starts_with('.'));
        let circles = circles(&uses, &is_above);
        circles.into_iter().map(|circle| circle.into_iter().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn what_needs_each_other_is_a_circle() {
        assert_eq!(of("a>b b>c"), Vec::<String>::new());
        assert_eq!(of("a>a"), Vec::<String>::new());
        assert_eq!(of("a>b b>c c>a d>a e>f f>e"), ["a b c", "e f"]);
    }

    #[test]
    fn a_module_and_its_children_are_none() {
        assert_eq!(of("a>a.b a.b>a"), Vec::<String>::new());
        assert_eq!(of("a>a.b a.b>a.c a.c>a"), Vec::<String>::new());
        assert_eq!(of("a>a.b a.b>a.c a.c>a.b a.c>a"), ["a.b a.c"]);
        assert_eq!(of("a>a.b a.b>x x>a"), ["a a.b x"]);
    }
}
