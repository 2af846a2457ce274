//! What is refused, by the names that the RFCs have for it.

use crate::form::FormError;

/// The name of an error (RFC 6749 sections 4.1.2.1 and 5.2, OpenID Connect Core section 3.1.2.6, RFC 6750 section 3.1,
/// RFC 7591 section 3.2.2, RFC 8707 section 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A parameter is missing, twice there or wrong.
    InvalidRequest,
    /// The client is not who it says it is.
    InvalidClient,
    /// The code or refresh token is not good, or not this client's.
    InvalidGrant,
    /// The client may not do this.
    UnauthorizedClient,
    /// There is no such grant type.
    UnsupportedGrantType,
    /// There is no such response type.
    UnsupportedResponseType,
    /// No scope that was asked for can be had.
    InvalidScope,
    /// The person said no.
    AccessDenied,
    /// The server failed.
    ServerError,
    /// The server cannot answer now.
    TemporarilyUnavailable,
    /// Somebody has to sign in, which the client did not want.
    LoginRequired,
    /// Somebody has to be asked, which the client did not want.
    InteractionRequired,
    /// Request objects are not read.
    RequestNotSupported,
    /// Request objects are not fetched.
    RequestUriNotSupported,
    /// The person has to prove more surely who they are (OpenID Connect Core Unmet Authentication Requirements 1.0).
    UnmetAuthenticationRequirements,
    /// A redirect URI cannot be registered.
    InvalidRedirectUri,
    /// Something else cannot be registered.
    InvalidClientMetadata,
    /// The software statement is not believed.
    InvalidSoftwareStatement,
    /// There are no tokens for where one is wanted.
    InvalidTarget,
}

impl ErrorCode {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ErrorCode::InvalidRequest => "invalid_request",
            ErrorCode::InvalidClient => "invalid_client",
            ErrorCode::InvalidGrant => "invalid_grant",
            ErrorCode::UnauthorizedClient => "unauthorized_client",
            ErrorCode::UnsupportedGrantType => "unsupported_grant_type",
            ErrorCode::UnsupportedResponseType => "unsupported_response_type",
            ErrorCode::InvalidScope => "invalid_scope",
            ErrorCode::AccessDenied => "access_denied",
            ErrorCode::ServerError => "server_error",
            ErrorCode::TemporarilyUnavailable => "temporarily_unavailable",
            ErrorCode::LoginRequired => "login_required",
            ErrorCode::InteractionRequired => "interaction_required",
            ErrorCode::RequestNotSupported => "request_not_supported",
            ErrorCode::RequestUriNotSupported => "request_uri_not_supported",
            ErrorCode::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            ErrorCode::InvalidRedirectUri => "invalid_redirect_uri",
            ErrorCode::InvalidClientMetadata => "invalid_client_metadata",
            ErrorCode::InvalidSoftwareStatement => "invalid_software_statement",
            ErrorCode::InvalidTarget => "invalid_target",
        }
    }
}

/// A refusal: its name, and a sentence for the app's developer that repeats nothing of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct OauthError {
    /// Its name.
    pub code: ErrorCode,
    /// What is wrong, and what to do.
    pub text: &'static str,
}

impl OauthError {
    /// A refusal.
    #[must_use]
    pub const fn new(code: ErrorCode, text: &'static str) -> OauthError {
        OauthError { code, text }
    }

    /// A parameter is wrong.
    #[must_use]
    pub const fn request(text: &'static str) -> OauthError {
        OauthError::new(ErrorCode::InvalidRequest, text)
    }

    /// The client is not believed.
    #[must_use]
    pub const fn client(text: &'static str) -> OauthError {
        OauthError::new(ErrorCode::InvalidClient, text)
    }

    /// The code or refresh token is not good.
    #[must_use]
    pub const fn grant(text: &'static str) -> OauthError {
        OauthError::new(ErrorCode::InvalidGrant, text)
    }
}

impl From<FormError> for OauthError {
    fn from(error: FormError) -> OauthError {
        OauthError::request(match error {
            FormError::TooLong => "the request is longer than 32768 bytes or has more than 64 parameters",
            FormError::Twice => "a parameter is there more than once",
        })
    }
}
