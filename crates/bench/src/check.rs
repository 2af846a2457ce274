//! How long it takes to parse and check an Observation.

use std::hint::black_box;
use std::time::{Duration, Instant};

use concord_fhir::codec::{self, Format};
use concord_fhir::json::{self, Limits};

use crate::workload;

/// Microseconds for one Observation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    /// Its length in bytes.
    pub(crate) bytes: usize,
    /// To parse the JSON.
    pub(crate) parse_us: f64,
    /// To parse and to check it against R4.
    pub(crate) read_us: f64,
}

/// Measures on this thread, for about `time` each.
///
/// # Errors
/// One line, when the Observation is refused.
pub(crate) fn run(time: Duration) -> Result<Checked, String> {
    let text = workload::observation(42, 42, None);
    let limits = Limits::default();
    if codec::read(Format::Json, text.as_bytes(), &limits).is_err() {
        return Err("the bench's own observation is refused".to_owned());
    }
    let parse_us = each(time, || {
        let _ = black_box(json::parse(black_box(text.as_bytes()), &limits));
    });
    let read_us = each(time, || {
        let _ = black_box(codec::read(Format::Json, black_box(text.as_bytes()), &limits));
    });
    Ok(Checked { bytes: text.len(), parse_us, read_us })
}

/// Microseconds that one run of `work` takes: the best of ten parts of the time, so that a busy machine counts less.
pub(crate) fn each(time: Duration, mut work: impl FnMut()) -> f64 {
    let part = time / 10;
    let mut best = f64::INFINITY;
    for _ in 0..10 {
        let (started, mut runs) = (Instant::now(), 0_u32);
        while started.elapsed() < part {
            for _ in 0..64 {
                work();
            }
            runs += 64;
        }
        best = best.min(started.elapsed().as_secs_f64() * 1e6 / f64::from(runs));
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_observation_is_accepted() {
        let checked = run(Duration::from_millis(20)).unwrap();
        assert!(checked.parse_us > 0.0 && checked.read_us > 0.0 && checked.bytes > 1_800);
    }
}
