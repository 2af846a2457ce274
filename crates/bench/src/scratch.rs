//! A folder for a run.

use std::path::Path;

/// Works in that folder, or in one of its own that is removed afterwards.
///
/// # Errors
/// Those of the work, and one line when there can be no folder.
pub(crate) fn within<T>(folder: Option<&Path>, work: impl FnOnce(&Path) -> Result<T, String>) -> Result<T, String> {
    let own = std::env::temp_dir().join(format!("concord-bench-{}", std::process::id()));
    let path = folder.unwrap_or(&own);
    std::fs::create_dir_all(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let result = work(path);
    if folder.is_none() {
        // What cannot be removed is left to whoever cleans the folder for temporary files.
        let _left = std::fs::remove_dir_all(path);
    }
    result
}
