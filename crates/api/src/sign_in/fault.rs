//! What goes wrong in sign-in: something is refused by a name of an RFC, or the server fails.

use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::form::FormError;
use concord_signin::seal::SealError;
use concord_signin::secret::NoRandomness;
use concord_store::StoreError;

use crate::error::ApiError;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    /// The request is refused.
    #[error("{0}")]
    Refused(#[from] OauthError),
    /// The server fails, or cannot answer now.
    #[error("{0}")]
    Failed(#[from] ApiError),
}

impl Fault {
    /// How many seconds the client has to wait, if it has asked too often.
    pub(crate) fn wait_s(&self) -> Option<u32> {
        match self {
            Fault::Failed(ApiError::Throttled(seconds)) => Some(*seconds),
            _ => None,
        }
    }

    /// A refusal, and a failure as one, for where only refusals can be told. The cause of a failure goes into the log.
    pub(crate) fn as_refusal(&self) -> OauthError {
        match self {
            Fault::Refused(error) => *error,
            Fault::Failed(ApiError::Busy(_) | ApiError::OutcomeUnknown(_) | ApiError::Throttled(_)) => OauthError::new(
                ErrorCode::TemporarilyUnavailable,
                "the server cannot answer now; try again in a moment",
            ),
            Fault::Failed(error) => {
                tracing::error!(%error, "sign-in failed");
                OauthError::new(ErrorCode::ServerError, "the server failed; its log has the cause")
            }
        }
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Fault {
        Fault::Failed(error.into())
    }
}

impl From<FormError> for Fault {
    fn from(error: FormError) -> Fault {
        Fault::Refused(error.into())
    }
}

impl From<NoRandomness> for Fault {
    fn from(error: NoRandomness) -> Fault {
        Fault::Failed(ApiError::Internal(error.to_string()))
    }
}

impl From<SealError> for Fault {
    fn from(error: SealError) -> Fault {
        Fault::Failed(ApiError::Internal(format!("a signing key: {error}")))
    }
}
