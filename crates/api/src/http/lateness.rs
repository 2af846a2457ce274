//! Whether the threads that serve HTTP are held up. A thread answers its connections one after another, those who ask whether the
//! server lives among them: what holds it for long keeps all of them waiting.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::telemetry::Metrics;

/// How often a thread is looked at.
const EVERY: Duration = Duration::from_millis(100);

/// Notes by how much the thread that this runs on is late, for as long as it runs.
pub async fn watch_lateness(metrics: Arc<Metrics>) {
    loop {
        let due = Instant::now() + EVERY;
        sleep_until(due).await;
        metrics.was_late(due.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of the histogram up to a bound.
    fn told(metrics: &Metrics, bound: &str) -> String {
        let text = metrics.render(crate::telemetry::Load::default()).unwrap();
        let name = format!("concord_http_thread_late_seconds_bucket{{le=\"{bound}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().to_owned()
    }

    #[tokio::test(start_paused = true)]
    async fn a_thread_that_is_held_up_is_noticed() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let watched = tokio::spawn(watch_lateness(Arc::clone(&metrics)));
        // It has begun to wait.
        tokio::task::yield_now().await;
        // Nothing of the thread runs meanwhile.
        tokio::time::advance(EVERY + Duration::from_millis(300)).await;
        tokio::task::yield_now().await;
        assert_eq!((told(&metrics, "0.25").as_str(), told(&metrics, "0.5").as_str()), ("0", "1"));
        watched.abort();
    }
}
