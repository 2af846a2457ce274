//! Journeys through Concord as its users make them: over HTTP, on both databases. One file for each kind of promise.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a journey stops at the first step that goes wrong"
)]

mod apps;
mod audit;
mod authorship;
mod bundles;
mod comments;
mod concurrency;
mod conditions;
mod corrections;
mod description;
mod durability;
mod emergency;
mod errors;
mod every_type;
mod explained;
mod goals;
mod history;
mod information;
mod interim;
mod labels;
mod leaks;
mod looked;
mod matrix;
mod official_examples;
mod operations;
mod pace;
mod parameters;
mod patch;
mod plans;
mod provenance;
mod proxies;
mod readings;
mod record;
mod redaction;
mod representation;
mod search;
mod sharing;
mod speak;
mod story;
mod through;
mod walkthrough;
