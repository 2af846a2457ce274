//! Whether the server is being worked on, as a file says by being there. It is looked for beside requests: none waits for a disk.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

/// The file, and whether it was there when it was last looked for.
pub struct Maintenance {
    file: PathBuf,
    is_there: AtomicBool,
}

impl Maintenance {
    /// With the file looked for once.
    #[must_use]
    pub fn new(file: PathBuf) -> Maintenance {
        let maintenance = Maintenance { file, is_there: AtomicBool::new(false) };
        maintenance.look();
        maintenance
    }

    /// Looks whether the file is there.
    pub fn look(&self) {
        self.is_there.store(self.file.exists(), Ordering::Relaxed);
    }

    /// Whether it was there when that was last looked for.
    pub(super) fn is_on(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_from_when_it_is_looked_for_until_it_is_looked_for_again() {
        let file = std::env::temp_dir().join(format!("concord-maintenance-{}", uuid::Uuid::new_v4().simple()));
        let maintenance = Maintenance::new(file.clone());
        std::fs::write(&file, "").unwrap();
        assert!(!maintenance.is_on());
        maintenance.look();
        assert!(maintenance.is_on() && Maintenance::new(file.clone()).is_on());
        std::fs::remove_file(&file).unwrap();
        assert!(maintenance.is_on());
        maintenance.look();
        assert!(!maintenance.is_on());
    }
}
