//! Where something is measured, as every command of the bench is told: which server, in which folder, on which PostgreSQL.

use std::path::{Path, PathBuf};

use crate::database::{Kind, Place};
use crate::{product, report, scratch};

/// Where it is measured.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PlaceArgs {
    /// The server to measure [default: `concord` beside this program]
    #[arg(long, value_name = "FILE")]
    concord: Option<PathBuf>,
    /// A folder for the databases [default: one in the folder for temporary files]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// A PostgreSQL whose user may create databases; without one, PostgreSQL is left out
    #[arg(long, env = "CONCORD_TEST_POSTGRES", value_name = "URL", hide_env_values = true)]
    postgres: Option<String>,
}

impl PlaceArgs {
    /// Measures on each of these databases that is there, and says which is not.
    ///
    /// # Errors
    /// Those of the work, and one line when there can be no folder.
    pub(crate) fn each(
        &self,
        kinds: &[Kind],
        mut measure: impl FnMut(&Path, Kind) -> Result<(), String>,
    ) -> Result<(), String> {
        scratch::within(self.folder.as_deref(), |folder| {
            for &kind in kinds {
                if kind == Kind::Postgres && self.postgres.is_none() {
                    report::note("PostgreSQL is left out: there is no CONCORD_TEST_POSTGRES");
                    continue;
                }
                measure(folder, kind)?;
            }
            Ok(())
        })
    }

    /// The server's program.
    ///
    /// # Errors
    /// One line, when it is not there.
    pub(crate) fn program(&self) -> Result<PathBuf, String> {
        product::program(self.concord.as_deref())
    }

    /// Where databases of a kind are made.
    ///
    /// # Errors
    /// One line, when they cannot be.
    pub(crate) fn databases(&self, folder: &Path, kind: Kind) -> Result<Place, String> {
        Place::new(kind, folder, self.postgres.as_deref())
    }
}
