//! What the journeys share: a server of one's own on a database of one's own, a client, people, and resources.
//!
//! Every journey runs on both databases, beside all the others. Time stands still until a journey moves it, so nothing
//! waits and nothing is tried twice.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "this is test support: whatever goes wrong here has to stop the test and say where"
)]

pub mod client;
pub mod cluster;
pub mod database;
pub mod doors;
pub mod examples;
pub mod login_service;
pub mod minimal;
pub mod pages;
pub mod people;
pub mod process;
pub mod server;
pub mod stub;
pub mod terminology_stub;

pub use client::{Answer, App};
pub use database::Database;
pub use server::{Concord, run, run_on_two};

/// Turns functions `async fn name(concord: &Concord)` into a test on each database, `name::sqlite` and `name::postgres`.
/// `with SETTINGS;` in front of them: on servers with these settings.
#[macro_export]
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        $crate::on_both! { with &[]; $($name),+ }
    };
    (with $settings:expr; $($name:ident),+ $(,)?) => {$(
        mod $name {
            #[test]
            fn sqlite() {
                $crate::run($crate::Database::Sqlite, $settings, super::$name);
            }

            #[test]
            fn postgres() {
                $crate::run($crate::Database::Postgres, $settings, super::$name);
            }
        }
    )+};
}

/// Turns such functions of modules beside this one into tests on two nodes over each database, of which each answers every second
/// request: `module::name::sqlite` and `module::name::postgres`.
#[macro_export]
macro_rules! on_two_nodes {
    (with $settings:expr; $($module:ident: $($name:ident),+ $(,)?);+ $(;)?) => {$(
        mod $module {$(
            mod $name {
                #[test]
                fn sqlite() {
                    $crate::run_on_two($crate::Database::Sqlite, $settings, super::super::super::$module::$name);
                }

                #[test]
                fn postgres() {
                    $crate::run_on_two($crate::Database::Postgres, $settings, super::super::super::$module::$name);
                }
            }
        )+}
    )+};
}
