//! Where a token is for (RFC 8707): there are tokens for this FHIR server only.

use crate::error::{ErrorCode, OauthError};
use crate::form::{Form, RESOURCE};

/// Refuses a token that is wanted for another place. `audience` is the base URL of the FHIR server.
///
/// # Errors
/// `invalid_target`.
pub fn check(form: &Form, audience: &str) -> Result<(), OauthError> {
    const ELSEWHERE: OauthError = OauthError::new(
        ErrorCode::InvalidTarget,
        "the resource is not the base URL of this FHIR server, and tokens are for nothing else",
    );
    let is_here = form.all(RESOURCE).all(|resource| resource.trim_end_matches('/') == audience);
    if is_here { Ok(()) } else { Err(ELSEWHERE) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_for_this_server_only() {
        let check = |text: &str| check(&Form::parse(text.as_bytes()).unwrap(), "https://phr.example/fhir");
        for here in ["", "resource=", "resource=https://phr.example/fhir", "resource=https://phr.example/fhir/"] {
            assert_eq!(check(here), Ok(()), "{here}");
        }
        for elsewhere in [
            "resource=https://phr.example",
            "resource=https://phr.example/fhir/Patient",
            "resource=https://phr.example/fhir%23x",
            "resource=https://phr.example/fhir&resource=https://else.example/fhir",
            "resource=x",
        ] {
            assert_eq!(check(elsewhere).unwrap_err().code.name(), "invalid_target", "{elsewhere}");
        }
    }
}
