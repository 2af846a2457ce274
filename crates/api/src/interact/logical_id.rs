//! The logical ids that the server gives (R4 "Resource", id).

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of the next id of a server whose ids are in sequence; 0 where nobody can guess them. There is one server in a
/// process, and only one for tests is told to count.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A logical id that nobody can guess: a UUID of version 7, whose first part is the time, so that indexes grow at
/// their end. A server for tests may have been told to count instead.
pub(crate) fn new_id(now_ms: i64) -> String {
    let counted = NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| (next > 0).then_some(next + 1));
    if let Ok(number) = counted {
        return format!("id-{number}");
    }
    let random = uuid::Uuid::new_v4().into_bytes();
    let mut tail = [0_u8; 10];
    tail.copy_from_slice(random.first_chunk::<10>().unwrap_or(&[0; 10]));
    let ms = u64::try_from(now_ms).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(ms, &tail).into_uuid().to_string()
}

/// Counts the ids from here on, as a server for tests does whose answers are compared.
pub(crate) fn count_from(number: u64) {
    NEXT.store(number, Ordering::Relaxed);
}

/// The number of the next id; none where nobody can guess them.
pub(crate) fn counted() -> Option<u64> {
    Some(NEXT.load(Ordering::Relaxed)).filter(|next| *next > 0)
}
