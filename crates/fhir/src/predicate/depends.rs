//! What a resource shows or speaks about, by the links along which labels are handed on.

use crate::entry::Entries;
use crate::registry::ResourceType;

/// Whatever of `all` a resource names or is shown by, and what that names or is shown by as far as it is of a type in
/// `through`: each once.
pub(super) fn dependencies<'a>(
    entries: &Entries,
    through: &[ResourceType],
    all: &'a [Entries],
) -> impl Iterator<Item = &'a Entries> {
    let mut found: Vec<&Entries> = all.iter().filter(|one| hands_on(one, entries)).collect();
    let mut looked_at = 0;
    while let Some(next) = found.get(looked_at).copied() {
        looked_at += 1;
        if through.contains(&next.resource_type) {
            let more = all.iter().filter(|one| hands_on(one, next));
            let new: Vec<&Entries> = more.filter(|one| !found.iter().any(|known| std::ptr::eq(*known, *one))).collect();
            found.extend(new);
        }
    }
    found.into_iter()
}

/// Whether a resource names another one or is shown by it.
fn hands_on(from: &Entries, to: &Entries) -> bool {
    to.sources.iter().any(|one| one.resource_type == from.resource_type && one.id == from.id)
        || from.contents.iter().any(|one| one.resource_type == to.resource_type && one.id == to.id)
}
