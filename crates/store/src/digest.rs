//! What is noted of a version when it is stored, to find out later whether it is still what it was: 64 bits of a SHA-256 over
//! its body and the columns that say which version of what it is. It shows what disks, memory and hasty hands have changed;
//! whoever changes a version on purpose can make it anew.

use aws_lc_rs::digest::{Context, SHA256};

use crate::rows::Version;

/// That nothing was noted: an older release has stored it.
pub(crate) const NONE: i64 = 0;

/// What is noted of a version.
pub(crate) fn of(version: &Version) -> i64 {
    let mut context = Context::new(&SHA256);
    context.update(b"concord version 1");
    let numbers = [
        i64::from(version.resource_type.number()),
        version.version,
        version.updated,
        i64::from(version.method.number()),
        i64::from(version.deleted),
    ];
    numbers.iter().for_each(|number| context.update(&number.to_be_bytes()));
    for text in [&version.id, &version.author, &version.body] {
        context.update(&u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        context.update(text.as_bytes());
    }
    let digest = context.finish();
    match digest.as_ref().first_chunk().map_or(NONE, |first| i64::from_be_bytes(*first)) {
        // Taken for none at all.
        NONE => 1,
        digest => digest,
    }
}

#[cfg(test)]
mod tests {
    use concord_fhir::registry::ResourceType;

    use super::*;
    use crate::rows::Method;

    #[test]
    fn every_part_of_a_version_counts_and_what_moves_beside_it_does_not() {
        let version = Version {
            key: 1,
            resource_type: ResourceType::of("Goal"),
            id: "a".to_owned(),
            version: 3,
            updated: 7,
            method: Method::Put,
            deleted: false,
            patient: 2,
            patients: 1,
            author: "Patient/a".to_owned(),
            labels: String::new(),
            body: "{}".to_owned(),
        };
        let all = [
            version.clone(),
            Version { resource_type: ResourceType::of("Basic"), ..version.clone() },
            Version { id: "b".to_owned(), ..version.clone() },
            Version { version: 4, ..version.clone() },
            Version { updated: 8, ..version.clone() },
            Version { method: Method::Post, ..version.clone() },
            Version { deleted: true, ..version.clone() },
            Version { author: String::new(), ..version.clone() },
            Version { body: "{ }".to_owned(), ..version.clone() },
        ];
        let mut digests: Vec<i64> = all.iter().map(of).collect();
        digests.sort_unstable();
        digests.dedup();
        assert_eq!(digests.len(), all.len());
        let beside = Version { key: 9, patient: 9, patients: 2, labels: "N".to_owned(), ..version.clone() };
        assert_eq!(of(&beside), of(&version));
    }
}
