//! What the process takes of the machine, as Linux tells it. Where it does not, there is nothing to tell.

/// What the process takes of the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// The memory that is its own and in use, in bytes.
    pub(super) resident_bytes: Option<u64>,
    /// How many files and sockets it has open.
    pub(super) open_files: Option<u64>,
    /// How many it may have.
    pub(super) most_files: Option<u64>,
}

impl Taken {
    /// At this moment.
    pub(super) fn now() -> Taken {
        let text = |name: &str| std::fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        // One is open to count them by.
        let open = std::fs::read_dir("/proc/self/fd").ok().and_then(|files| u64::try_from(files.count()).ok());
        Taken {
            resident_bytes: resident_bytes(&text("status")),
            open_files: open.map(|count| count.saturating_sub(1)),
            most_files: most_files(&text("limits")),
        }
    }
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

fn most_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_tells_is_read() {
        let status = "Name:\tconcord\nVmPeak:\t  900 kB\nVmRSS:\t   1234 kB\nThreads:\t9\n";
        assert_eq!(resident_bytes(status), Some(1234 * 1024));
        let limits = "Limit     Soft Limit  Hard Limit  Units\nMax open files            1024                 524288               files\n";
        assert_eq!(most_files(limits), Some(1024));
        assert_eq!((resident_bytes(""), most_files("Max open files unlimited")), (None, None));
    }

    #[test]
    fn this_process_takes_something() {
        let taken = Taken::now();
        assert!(taken.resident_bytes.is_some_and(|bytes| bytes > 1_000_000), "{taken:?}");
        assert!(taken.open_files.is_some_and(|count| count > 0) && taken.open_files <= taken.most_files, "{taken:?}");
    }
}
