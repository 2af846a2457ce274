//! What is denied with what it shows or speaks about: the walk in memory and the one in SQL find the same.

use concord_fhir::label::Source;

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
    runner(12)
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
