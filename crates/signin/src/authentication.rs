//! How a client says who it is at the token endpoint and its like (RFC 6749 section 2.3, RFC 7523 section 2.2): once, and in
//! the way in which it is registered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::assertion::{self, Assertion};
use crate::client::{Authentication, Client};
use crate::error::OauthError;
use crate::form::Form;
use crate::secret;

/// The ways, as discovery documents name them.
pub const METHODS: [&str; 3] = ["none", "client_secret_basic", "private_key_jwt"];

/// What a client says of who it is.
#[derive(Clone)]
pub enum Claimed {
    /// Its name only.
    Public(String),
    /// Its name and its secret.
    Secret(String, String),
    /// What it has signed.
    Signed(Box<Assertion>),
}

/// Without what is secret.
impl std::fmt::Debug for Claimed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match self {
            Claimed::Public(_) => "public",
            Claimed::Secret(..) => "secret",
            Claimed::Signed(_) => "signed",
        };
        write!(f, "{kind} {:?}", self.client())
    }
}

impl Claimed {
    /// What a request says: in the `Authorization` header, or in its parameters.
    ///
    /// # Errors
    /// When it says nothing, or says it in two ways.
    pub fn read(header: Option<&[u8]>, form: &Form) -> Result<Claimed, OauthError> {
        let (named, signed) = (form.one("client_id")?, form.one("client_assertion")?);
        if form.one("client_secret")?.is_some() {
            return Err(OauthError::client("a client secret goes into the Authorization header (client_secret_basic)"));
        }
        match (header, signed, named) {
            (Some(_), Some(_), _) => {
                Err(OauthError::request("the client says twice who it is: by header and by assertion"))
            }
            (Some(header), None, named) => {
                let (id, secret) = basic(header)?;
                if named.is_some_and(|named| named != id) {
                    return Err(OauthError::request("the client_id is another than that of the Authorization header"));
                }
                Ok(Claimed::Secret(id, secret))
            }
            (None, Some(text), named) => {
                if form.one("client_assertion_type")? != Some(assertion::TYPE) {
                    return Err(OauthError::client("the client_assertion_type is not that of a JWT"));
                }
                let signed = Assertion::parse(text)?;
                if named.is_some_and(|named| named != signed.client()) {
                    return Err(OauthError::client("the client_id is another than that of the client_assertion"));
                }
                Ok(Claimed::Signed(Box::new(signed)))
            }
            (None, None, Some(id)) => Ok(Claimed::Public(id.to_owned())),
            (None, None, None) => Err(OauthError::client("the client does not say who it is")),
        }
    }

    /// Whether a request says who it is from.
    #[must_use]
    pub fn is_said(header: Option<&[u8]>, form: &Form) -> bool {
        let said = |name| !matches!(form.one(name), Ok(None));
        header.is_some()
            || ["client_id", "client_secret", "client_assertion", "client_assertion_type"].into_iter().any(said)
    }

    /// The client that it says it is.
    #[must_use]
    pub fn client(&self) -> &str {
        match self {
            Claimed::Public(id) | Claimed::Secret(id, _) => id,
            Claimed::Signed(signed) => signed.client(),
        }
    }

    /// Whether it is what the registration asks for, as far as that can be told without keys: a client that is registered
    /// with a secret or a key cannot come without.
    ///
    /// # Errors
    /// `invalid_client`.
    pub fn fits(&self, client: &Client) -> Result<(), OauthError> {
        match (self, &client.authentication) {
            (Claimed::Public(_), Authentication::None)
            | (Claimed::Signed(_), Authentication::Keys(_) | Authentication::KeysAt(_)) => Ok(()),
            (Claimed::Secret(_, secret), Authentication::Secret(hash)) if secret::same(&secret::hash(secret), hash) => {
                Ok(())
            }
            _ => Err(UNKNOWN),
        }
    }
}

/// What every client is told that is not believed, whether there is such a client or not.
pub const UNKNOWN: OauthError =
    OauthError::client("the client is not known, or does not prove who it is in the way that it is registered with");

/// The name and the secret of `Basic`, each of which is form-encoded first (RFC 6749 section 2.3.1).
fn basic(header: &[u8]) -> Result<(String, String), OauthError> {
    const MALFORMED: OauthError =
        OauthError::client("the Authorization header is not Basic with a client id and a secret");
    let text = std::str::from_utf8(header).map_err(|_| MALFORMED)?;
    let (scheme, rest) = text.trim().split_once(' ').ok_or(MALFORMED)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(MALFORMED);
    }
    let decoded = STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or(MALFORMED)?;
    let (id, secret) = decoded.split_once(':').ok_or(MALFORMED)?;
    let part =
        |text: &str| url::form_urlencoded::parse(format!("x={text}").as_bytes()).next().map(|pair| pair.1.into_owned());
    Ok((part(id).ok_or(MALFORMED)?, part(secret).ok_or(MALFORMED)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: Option<&str>, form: &str) -> Result<String, &'static str> {
        let claimed = Claimed::read(header.map(str::as_bytes), &Form::parse(form.as_bytes()).unwrap());
        claimed.map(|claimed| format!("{claimed:?}")).map_err(|error| error.code.name())
    }

    #[test]
    fn a_client_says_once_who_it_is() {
        assert_eq!(read(None, "client_id=a").unwrap(), r#"public "a""#);
        let header = format!("Basic {}", STANDARD.encode("a%3Ab:s+%26"));
        assert_eq!(read(Some(&header), "").unwrap(), r#"secret "a:b""#, "what is secret is not told");
        assert_eq!(read(Some(&header), "client_id=a%3Ab").unwrap(), r#"secret "a:b""#);
        let claimed = Claimed::read(Some(header.as_bytes()), &Form::default()).unwrap();
        assert!(matches!(claimed, Claimed::Secret(_, secret) if secret == "s &"));
        assert_eq!(read(Some(&header), "client_id=other"), Err("invalid_request"));
        assert_eq!(read(Some(&header), "client_assertion=x"), Err("invalid_request"));
        for (header, form) in [
            (None, ""),
            (None, "client_id=a&client_secret=s"),
            (None, "client_assertion=x"),
            (Some("Bearer x"), ""),
            (Some("Basic %%%"), ""),
            (Some("Basic YQ=="), ""),
        ] {
            assert_eq!(read(header, form), Err("invalid_client"), "{header:?} {form}");
            let is_said = Claimed::is_said(header.map(str::as_bytes), &Form::parse(form.as_bytes()).unwrap());
            assert_eq!(is_said, header.is_some() || !form.is_empty(), "{header:?} {form}");
        }
    }
}
