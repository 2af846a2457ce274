//! Tests of interactions as a whole, on each database.

mod beside_writes;
mod chain;
pub(crate) mod databases;
mod differential;
mod ended_consents;
mod example;
mod failing;
mod hidden;
mod import;
mod label_backlog;
mod label_upgrade;
mod large;
mod parameter;
mod places;
mod plan;
mod random_search;
mod reached;
mod ready;
mod same_work;
pub(crate) mod search;
mod statements;
mod vocabulary;
mod walks;
