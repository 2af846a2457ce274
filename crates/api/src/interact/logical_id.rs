//! The logical ids that the server gives (R4 "Resource", id).

/// A logical id that nobody can guess: a UUID of version 7, whose first part is the time, so that indexes grow at
/// their end.
pub(crate) fn new_id(now_ms: i64) -> String {
    let random = uuid::Uuid::new_v4().into_bytes();
    let mut tail = [0_u8; 10];
    tail.copy_from_slice(random.first_chunk::<10>().unwrap_or(&[0; 10]));
    let ms = u64::try_from(now_ms).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(ms, &tail).into_uuid().to_string()
}
