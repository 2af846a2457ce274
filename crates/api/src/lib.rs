//! Concord over HTTP: all the I/O around `concord-fhir` and `concord-consent`.
//!
//! | question | module |
//! |---|---|
//! | who is calling? | [`auth`] |
//! | how do apps get tokens here? | [`sign_in`] |
//! | in what order? | [`interact`] |
//! | which terminology server tells of codes that are not here? | [`terminology_server`] |
//! | how is it stored and found? | [`concord_store`] |
//! | how is it said over HTTP? | [`http`] |
//! | what can the server do? | [`describe`] |
//! | how is it run? | [`command`], [`config`], [`telemetry`], [`clock`] |

pub mod auth;
pub mod caller;
pub mod clock;
pub mod command;
pub mod config;
pub mod describe;
pub mod error;
pub mod http;
pub mod interact;
pub mod sign_in;
pub mod telemetry;
pub mod terminology_server;
