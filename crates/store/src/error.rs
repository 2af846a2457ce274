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
    /// A page holds more bytes of bodies than the answer has room for.
    #[error("the answer has no room for what it would hold")]
    BeyondAnswer,
    /// More than so many resources would get a label by what is written, and whoever writes it leaves nothing to be done afterwards.
    #[error("more than {0} resources would get the label")]
    LabelsTooMany(usize),
    /// What would hand labels on in the background is still handing on those that it got before; come again after so many seconds.
    #[error("labels are still being handed on from there")]
    LabelsOnTheirWay(u32),
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
            Error::DatabaseError(_, information)
                if waits_for_another(information.message()) || is_in_trouble(information.message()) =>
            {
                StoreError::Busy(1)
            }
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

/// What a database says when it, its machine or its operator is why a statement failed, and not the statement.
const TROUBLE: [&str; 18] = [
    // PostgreSQL.
    "canceling statement due to user request",
    "canceling statement due to conflict with recovery",
    "terminating connection",
    "the database system is",
    "too many clients",
    "remaining connection slots",
    "out of shared memory",
    "could not read block",
    "could not write block",
    "could not open file",
    "could not access file",
    "could not fsync file",
    "could not extend file",
    "invalid page in block",
    // SQLite.
    "disk I/O error",
    "unable to open database file",
    "disk image is malformed",
    // Both.
    "out of memory",
];

/// Whether the database is in trouble of its own, so that the same may be done a moment later.
pub(crate) fn is_in_trouble(message: &str) -> bool {
    TROUBLE.iter().any(|trouble| message.contains(trouble))
}

fn waits_for_another(message: &str) -> bool {
    ["locked", "deadlock", "lock timeout"].iter().any(|wait| message.contains(wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request is told when a statement fails with this message.
    fn told(message: &str) -> StoreError {
        Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(message.to_owned())).into()
    }

    #[test]
    fn trouble_of_the_database_is_for_the_client_to_come_back_to() {
        for message in TROUBLE.into_iter().chain([
            "database is locked",
            "database table is locked: resource",
            "deadlock detected",
            "canceling statement due to lock timeout",
            "could not open file \"base/16384/2619\": Too many open files in system",
            "could not read block 7 in file \"base/16384/16399\": Input/output error",
            "out of shared memory",
        ]) {
            assert!(matches!(told(message), StoreError::Busy(_)), "{message}");
        }
        for message in [
            "could not extend file \"base/5/16385\": No space left on device",
            "could not write block 7 of temporary file: Disk quota exceeded",
            "database or disk is full",
        ] {
            assert!(matches!(told(message), StoreError::NoSpace(_)), "{message}");
        }
        for message in ["canceling statement due to statement timeout", "interrupted"] {
            assert!(matches!(told(message), StoreError::TooCostly(_)), "{message}");
        }
        for message in ["syntax error at or near \"FORM\"", "no such column: nothing"] {
            assert!(matches!(told(message), StoreError::Internal(_)), "{message}");
        }
    }
}
