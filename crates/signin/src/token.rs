//! The token endpoint (RFC 6749 sections 4.1.3, 4.4.2 and 6).

use crate::error::{ErrorCode, OauthError};
use crate::form::Form;
use crate::pkce;
use crate::secret::Kind;

/// The grant types that there are.
pub const GRANT_TYPES: [&str; 3] = ["authorization_code", "refresh_token", "client_credentials"];

/// What is asked of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenRequest {
    /// A code for tokens.
    Code {
        /// The code.
        code: String,
        /// Where the code was sent.
        redirect_uri: String,
        /// What the challenge was made of.
        verifier: String,
    },
    /// A refresh token for others.
    Refresh {
        /// The refresh token.
        token: String,
        /// The scopes that are wanted, where they are fewer.
        scope: Option<String>,
    },
    /// A token for the client itself.
    Alone {
        /// The scopes that are wanted.
        scope: String,
    },
}

impl TokenRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// What is missing or wrong.
    pub fn read(form: &Form) -> Result<TokenRequest, OauthError> {
        match form.one("grant_type")? {
            Some("authorization_code") => {
                let missing = OauthError::request("code, redirect_uri and code_verifier are all needed");
                let code = form.one("code")?.ok_or(missing)?;
                let redirect_uri = form.one("redirect_uri")?.ok_or(missing)?.to_owned();
                let verifier = form.one("code_verifier")?.ok_or(missing)?.to_owned();
                if !pkce::is_verifier(&verifier) {
                    return Err(OauthError::request("the code_verifier is not 43 to 128 unreserved characters"));
                }
                if !Kind::Code.is_form_of(code) {
                    return Err(OauthError::grant("the code is not one of this server"));
                }
                Ok(TokenRequest::Code { code: code.to_owned(), redirect_uri, verifier })
            }
            Some("refresh_token") => {
                let token = form.one("refresh_token")?.ok_or(OauthError::request("the refresh_token is missing"))?;
                if !Kind::Refresh.is_form_of(token) {
                    return Err(OauthError::grant("the refresh token is not one of this server"));
                }
                Ok(TokenRequest::Refresh { token: token.to_owned(), scope: form.one("scope")?.map(str::to_owned) })
            }
            Some("client_credentials") => {
                let scope =
                    form.one("scope")?.ok_or(OauthError::new(ErrorCode::InvalidScope, "the scope is missing"))?;
                Ok(TokenRequest::Alone { scope: scope.to_owned() })
            }
            Some(_) => Err(OauthError::new(
                ErrorCode::UnsupportedGrantType,
                "the grant_type is none of authorization_code, refresh_token and client_credentials",
            )),
            None => Err(OauthError::request("the grant_type is missing")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::fresh;

    fn read(form: &str) -> Result<TokenRequest, &'static str> {
        TokenRequest::read(&Form::parse(form.as_bytes()).unwrap()).map_err(|error| error.code.name())
    }

    #[test]
    fn each_grant_type_has_what_it_needs() {
        let (code, refresh) = (fresh(Kind::Code).unwrap(), fresh(Kind::Refresh).unwrap());
        let verifier = "v".repeat(43);
        let whole =
            format!("grant_type=authorization_code&code={code}&redirect_uri=https://a/b&code_verifier={verifier}");
        assert!(matches!(read(&whole), Ok(TokenRequest::Code { .. })));
        for missing in [&format!("code={code}&"), "redirect_uri=https://a/b&", &format!("code_verifier={verifier}")] {
            let parts = format!("{whole}&");
            let less = parts.replacen(missing, "", 1);
            assert_eq!(read(less.trim_end_matches('&')), Err("invalid_request"), "{less}");
        }
        assert_eq!(read(&whole.replace(&verifier, "short")), Err("invalid_request"));
        assert_eq!(read(&whole.replace(&code, &refresh)), Err("invalid_grant"));
        assert!(matches!(
            read(&format!("grant_type=refresh_token&refresh_token={refresh}")),
            Ok(TokenRequest::Refresh { .. })
        ));
        assert_eq!(read("grant_type=refresh_token"), Err("invalid_request"));
        assert_eq!(read(&format!("grant_type=refresh_token&refresh_token={code}")), Err("invalid_grant"));
        assert!(matches!(read("grant_type=client_credentials&scope=system/*.rs"), Ok(TokenRequest::Alone { .. })));
        assert_eq!(read("grant_type=client_credentials"), Err("invalid_scope"));
        assert_eq!(read("grant_type=password&username=u&password=p"), Err("unsupported_grant_type"));
        assert_eq!(read("code=x"), Err("invalid_request"));
        assert_eq!(read("grant_type=a&grant_type=b"), Err("invalid_request"));
    }
}
