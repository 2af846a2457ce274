//! What is denied with what it shows or speaks about: the walk in memory and the one in SQL find the same.

use concord_fhir::label::Source;
use concord_fhir::predicate::MOST_LINKS;

use super::*;

/// Who names whom, and who shows whom, by the numbers of resources: of the superseded versions and of the current ones.
type Links = Vec<(Vec<usize>, Vec<usize>, Vec<usize>)>;

fn links() -> impl Strategy<Value = Links> {
    let numbers = || prop::collection::vec(0..RESOURCES, 0..3);
    prop::collection::vec((numbers(), numbers(), numbers()), RESOURCES)
}

/// The data with its links, and without labels, which are handed on along them.
fn linked(mut data: Data, links: &Links) -> Data {
    let places: Vec<(ResourceType, String)> = data.iter().map(|(_, new)| (new.resource_type, new.id.clone())).collect();
    let sources = |numbers: &[usize], own: usize| {
        let mut all: Vec<Source> = numbers
            .iter()
            .filter(|number| **number != own)
            .map(|number| Source { resource_type: places[*number].0, id: places[*number].1.clone(), version: 0 })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    for (own, ((old, new), (named_before, named, shown))) in data.iter_mut().zip(links).enumerate() {
        old.sources = sources(named_before, own);
        new.sources = sources(named, own);
        new.contents = sources(shown, own);
        for one in [old, new] {
            one.rows.retain(|row| row.parameter != SECURITY);
        }
    }
    data
}

/// A superseded version is kept back by what the resource names now, too.
fn held(data: &Data, predicate: &Predicate) -> [Vec<String>; 2] {
    let all: Vec<Entries> = data.iter().map(|(_, new)| new.clone()).collect();
    let superseded = data.iter().map(|(old, new)| {
        let sources = old.sources.iter().chain(&new.sources).cloned().collect();
        Entries { sources, ..old.clone() }
    });
    let ids = |versions: &mut dyn Iterator<Item = Entries>| {
        let mut ids: Vec<String> = versions.filter(|one| predicate.holds_among(one, &all)).map(|one| one.id).collect();
        ids.sort();
        ids
    };
    [ids(&mut superseded.into_iter()), ids(&mut all.iter().cloned())]
}

fn asked() -> impl Strategy<Value = Predicate> {
    let through = prop::collection::vec(select(&TYPES[..]), 0..3);
    (predicate(), through, predicate(), any::<bool>()).prop_map(|(then, through, other, denied)| {
        let speaks = Predicate::DependsOn { through: through.into(), then: Box::new(then) };
        if denied { other.and(speaks.negate()) } else { other.or(speaks) }
    })
}

#[test]
fn what_depends_on_others_is_found_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let case = (data(), links(), prop::collection::vec(asked(), 30));
    runner(5)
        .run(&case, |(data, links, predicates)| {
            let data = linked(data, &links);
            for scratch in Scratch::both() {
                let store = scratch.store();
                runtime.block_on(fill(&store, data.clone()));
                for predicate in &predicates {
                    let found = runtime.block_on(found(&store, predicate.clone()));
                    prop_assert_eq!(found, held(&data, predicate), "{:?} on {:?}", predicate, scratch.address);
                }
            }
            Ok(())
        })
        .unwrap();
}

/// What leads to more than may be looked at counts as what leads to whatever is looked for, in memory and in SQL from the same
/// number on, whether that is of its own links or of those of what it leads to.
#[test]
fn a_walk_is_bounded_alike() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let absent = |number: usize| Source { resource_type: TYPES[0], id: format!("absent-{number}"), version: 0 };
    let of = |number: usize| Entries::none(TYPES[number], format!("r{number}"), NOW);
    // The second is looked through, and its links are those of the first as well.
    let case = |own: usize, others: usize| -> Data {
        let second = Source { resource_type: TYPES[1], id: "r1".to_owned(), version: 0 };
        let mut first = of(0);
        first.sources = std::iter::once(second).chain((1..own).map(absent)).collect();
        let mut next = of(1);
        next.sources = (0..others).map(absent).collect();
        vec![(of(0), first), (of(1), next), (of(2), of(2))]
    };
    let speaks = Predicate::DependsOn { through: [TYPES[1]].into(), then: Box::new(Predicate::None) };
    let more = [
        (MOST_LINKS - 1, 0, false),
        (MOST_LINKS, 0, true),
        (100, MOST_LINKS - 101, false),
        (100, MOST_LINKS - 100, true),
    ];
    for (own, others, is_held) in more {
        for scratch in Scratch::both() {
            let (data, store) = (case(own, others), scratch.store());
            runtime.block_on(fill(&store, data.clone()));
            let wanted = if is_held { vec!["r0".to_owned()] } else { Vec::new() };
            assert_eq!(held(&data, &speaks)[1], wanted, "{own} {others}");
            let found = runtime.block_on(found(&store, speaks.clone()));
            assert_eq!(found[1], wanted, "{own} {others} on {:?}", scratch.address);
        }
    }
}
