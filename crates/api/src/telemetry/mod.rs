//! What the server says about itself: logs, metrics and the ids that join them. None of it holds health data: no query
//! strings, no ids of resources, no names; routes by their template only.

mod lines;
mod log;
mod metrics;
mod process;
mod progress;
mod quick_format;
mod request_id;

pub use log::{Log, LogError, finished, start};
pub use metrics::{Load, Metrics, MetricsError, RefusalCounters, TokenCounters};
pub use progress::Progress;
pub use request_id::{CORRELATION_HEADER, REQUEST_HEADER, RequestIds};
