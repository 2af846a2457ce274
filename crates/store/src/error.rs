//! What can go wrong in the store. Nothing here knows a request or its answer.

use diesel::result::{DatabaseErrorKind, Error};

/// Why something was not stored or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another writer came first.
    #[error("{0}")]
    Conflict(String),
    /// The database is busy or lost; come again after so many seconds.
    #[error("the database is busy")]
    Busy(u32),
    /// The database was lost while a change was being committed, so nobody knows whether it has been; look again after so
    /// many seconds.
    #[error("the database was lost during a commit")]
    OutcomeUnknown(u32),
    /// The database has no room left on its disk, so that nothing can be stored, what was read in the log neither; come again
    /// after so many seconds.
    #[error("the disk of the database is full")]
    NoSpace(u32),
    /// A search takes the database longer than it may.
    #[error("{0}")]
    TooCostly(&'static str),
    /// What is asked cannot be answered from how it is stored.
    #[error("{0}")]
    NotSupported(String),
    /// The store or the database is at fault. The text is for the log.
    #[error("{0}")]
    Internal(String),
}

impl StoreError {
    /// That the disk is full. Nobody makes room within a second.
    pub(crate) fn no_space() -> StoreError {
        StoreError::NoSpace(10)
    }

    /// What a search is told that takes more than it may.
    pub(crate) fn too_costly() -> StoreError {
        StoreError::TooCostly("this takes the database too long; ask for less at once, for instance for one patient")
    }
}

/// What work inside a transaction may fail with: whatever the store says, and what its author adds.
pub trait WorkError: From<StoreError> + Send + 'static {
    /// Whether it is the store or the server that failed, so that the connection it happened on is not to be relied on.
    /// A refusal is no failure.
    fn is_failure(&self) -> bool;
}

impl WorkError for StoreError {
    fn is_failure(&self) -> bool {
        matches!(
            self,
            StoreError::Internal(_) | StoreError::Busy(_) | StoreError::OutcomeUnknown(_) | StoreError::NoSpace(_)
        )
    }
}

/// What a database error means to a request: most are the server's fault, a lost race is a conflict and a busy or lost
/// database is for the client to come back to.
impl From<Error> for StoreError {
    fn from(error: Error) -> StoreError {
        match &error {
            Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _) => {
                StoreError::Conflict("another writer came first; read the resource again and repeat".to_owned())
            }
            Error::DatabaseError(
                DatabaseErrorKind::SerializationFailure
                | DatabaseErrorKind::ClosedConnection
                | DatabaseErrorKind::UnableToSendCommand,
                _,
            )
            | Error::BrokenTransactionManager => StoreError::Busy(1),
            Error::DatabaseError(_, information)
                if information.message().contains("statement timeout") || information.message() == "interrupted" =>
            {
                StoreError::too_costly()
            }
            Error::DatabaseError(_, information) if has_no_space(information.message()) => StoreError::no_space(),
            Error::DatabaseError(_, information) if waits_for_another(information.message()) => StoreError::Busy(1),
            _ => StoreError::Internal(format!("database: {error}")),
        }
    }
}

/// Whether another writer is why a statement failed: it came first, or the two stood in each other's way.
pub(crate) fn is_overtaken(error: &Error) -> bool {
    match error {
        Error::DatabaseError(DatabaseErrorKind::UniqueViolation | DatabaseErrorKind::SerializationFailure, _) => true,
        Error::DatabaseError(_, information) => waits_for_another(information.message()),
        _ => false,
    }
}

/// As SQLite says it, and as PostgreSQL and whatever it runs on do.
fn has_no_space(message: &str) -> bool {
    ["disk is full", "No space left on device", "Disk quota exceeded"].iter().any(|full| message.contains(full))
}

fn waits_for_another(message: &str) -> bool {
    ["locked", "deadlock", "lock timeout"].iter().any(|wait| message.contains(wait))
}
