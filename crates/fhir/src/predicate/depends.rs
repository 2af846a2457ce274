//! What a resource shows or speaks about, by the links along which labels are handed on.

use crate::entry::Entries;
use crate::registry::ResourceType;

/// How many links are followed from one resource, and resources gone through on the way, all together. One that leads to more
/// counts as one that leads to whatever is looked for: what can be denied by it is, and nobody waits for what others have
/// linked with one another.
pub const MOST_LINKS: usize = 750;

/// Whether a resource names or is shown by one of `all` that is meant, by itself or by what it names or is shown by of a type in
/// `through`, each looked at once; or leads to more than can be looked at.
pub(super) fn depends(
    entries: &Entries,
    through: &[ResourceType],
    all: &[Entries],
    is_meant: impl Fn(&Entries) -> bool,
) -> bool {
    let is_itself = |one: &Entries| one.resource_type == entries.resource_type && one.id == entries.id;
    let (mut found, mut looked_at) = (Vec::<&Entries>::new(), 0);
    let mut links = links_of(entries, all);
    follow(entries, all, &mut found);
    while let Some(next) = found.get(looked_at).copied() {
        looked_at += 1;
        if through.contains(&next.resource_type) {
            links += 1 + if is_itself(next) { 0 } else { links_of(next, all) };
            follow(next, all, &mut found);
        }
        if links > MOST_LINKS {
            return true;
        }
    }
    links > MOST_LINKS || found.into_iter().any(is_meant)
}

/// Adds what a resource leads to and is not among what is found yet.
fn follow<'a>(from: &Entries, all: &'a [Entries], found: &mut Vec<&'a Entries>) {
    let more = all.iter().filter(|one| hands_on(one, from));
    let new: Vec<&Entries> = more.filter(|one| !found.iter().any(|known| std::ptr::eq(*known, *one))).collect();
    found.extend(new);
}

/// How many links lead from a resource.
fn links_of(from: &Entries, all: &[Entries]) -> usize {
    from.sources.len() + all.iter().filter(|one| shows(one, from)).count()
}

/// Whether a resource names another one or is shown by it.
fn hands_on(from: &Entries, to: &Entries) -> bool {
    to.sources.iter().any(|one| one.resource_type == from.resource_type && one.id == from.id) || shows(from, to)
}

/// Whether a resource shows another one.
fn shows(one: &Entries, shown: &Entries) -> bool {
    one.contents.iter().any(|one| one.resource_type == shown.resource_type && one.id == shown.id)
}
