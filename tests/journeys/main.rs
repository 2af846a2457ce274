//! Journeys through Concord as its users make them: over HTTP, on both databases. One file for each kind of promise.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a journey stops at the first step that goes wrong"
)]

mod access_log;
mod advance_statements;
mod aggregator;
mod any_case;
mod app_reach;
mod apps;
mod arrivals;
mod audit;
mod authorship;
mod backup;
mod batches;
mod bounds;
mod browsers;
mod bundles;
mod chained_search;
mod checks;
mod clocks;
mod closed_periods;
mod command_and_entry;
mod comments;
mod concurrency;
mod conditions;
mod connections;
mod content;
mod corrections;
mod database_restarts;
mod description;
mod durability;
mod emergency;
mod errors;
mod every_type;
mod example_app;
mod existence;
mod existence_doors;
mod explained;
mod full_disk;
mod goals;
mod hidden_notes;
mod history;
mod history_of_types;
mod identities;
mod information;
mod ips_examples;
mod kept;
mod kept_elsewhere;
mod labels;
mod leaks;
mod left_records;
mod links;
mod matrix;
mod national_services;
mod numbered_patients;
mod official_examples;
mod one_patient_a_number;
mod operations;
mod pace;
mod parameters;
mod patch;
mod plans;
mod power_by_consent;
mod power_by_office;
mod power_by_writing;
mod profiles;
mod protection_by_definition;
mod protection_by_writing;
mod protection_follows;
mod protection_in_the_background;
mod protection_is_inherited;
mod protection_of_content;
mod protection_of_history;
mod provenance;
mod proxies;
mod readings;
mod record;
mod redaction;
mod reference_spellings;
mod remarks;
mod representation;
mod roles;
mod search;
mod sharing;
mod sign_in;
mod story;
mod summaries;
mod terminology;
mod timeline;
mod unfiled;
mod walkthrough;
mod whole_answers;
