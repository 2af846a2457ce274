//! The authorization endpoint (RFC 6749 section 4.1.1; OpenID Connect Core section 3.1.2; SMART App Launch 2.2, "Obtain
//! authorization code").

use url::Url;

use crate::client::Client;
use crate::error::{ErrorCode, OauthError};
use crate::form::Form;
use crate::pkce;
use crate::resource;
use crate::scope::{CLIENTS, Granted};

/// The longest `state` and `nonce`, in bytes.
const MAX_STATE_BYTES: usize = 2048;

/// A request for a code that may be put to a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizeRequest {
    /// The client.
    pub client: String,
    /// Where the answer goes.
    pub redirect_uri: String,
    /// What the client wants back with it.
    pub state: String,
    /// The PKCE challenge (S256).
    pub challenge: String,
    /// What the client wants in the id token.
    pub nonce: Option<String>,
    /// What it was told when somebody started it from another app.
    pub launch: Option<String>,
    /// What is asked for, within what is registered.
    pub scope: Granted,
    /// Whether somebody has to sign in again.
    pub sign_in_again: bool,
    /// Whether nobody may be asked anything.
    pub silently: bool,
    /// How long ago somebody may have signed in, in seconds.
    pub max_age_s: Option<i64>,
}

/// A refusal, on the right side of the redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// For the person's eyes: who asks, or where the answer should go, is not known for sure, so nothing is sent there.
    Here(OauthError),
    /// For the client.
    There {
        /// Where it goes.
        redirect_uri: String,
        /// What the client wants back with it.
        state: Option<String>,
        /// What is wrong.
        error: OauthError,
    },
}

/// Who asks and where the answer goes: what has to be known before anything can be sent to a client.
///
/// # Errors
/// What is missing or twice there.
pub fn client_id(form: &Form) -> Result<&str, OauthError> {
    form.one("client_id")?.ok_or(OauthError::request("the client_id is missing"))
}

impl AuthorizeRequest {
    /// Reads a request. `client` is the one that [`client_id`] names, none if there is none; `audience` the base URL of the
    /// FHIR server.
    ///
    /// # Errors
    /// What is wrong, on the side where it is to be told.
    pub fn read(form: &Form, client: Option<&Client>, audience: &str) -> Result<AuthorizeRequest, Refusal> {
        let here = |text| Refusal::Here(OauthError::request(text));
        client_id(form).map_err(Refusal::Here)?;
        let client = client.ok_or(here("no app with this client_id is registered here"))?;
        let redirect_uri = form
            .one("redirect_uri")
            .map_err(|error| Refusal::Here(error.into()))?
            .ok_or(here("the redirect_uri is missing"))?;
        if !client.redirect_uris.iter().any(|registered| registered == redirect_uri) {
            return Err(here("the redirect_uri is not one that the app has registered, character by character"));
        }
        let state = form.one("state").ok().flatten().map(str::to_owned);
        AuthorizeRequest::of_client(form, client, redirect_uri, audience).map_err(|error| Refusal::There {
            redirect_uri: redirect_uri.to_owned(),
            state,
            error,
        })
    }

    /// What of a request can be told to the client.
    fn of_client(
        form: &Form,
        client: &Client,
        redirect_uri: &str,
        audience: &str,
    ) -> Result<AuthorizeRequest, OauthError> {
        form.each_once()?;
        if form.one("request")?.is_some() {
            return Err(OauthError::new(ErrorCode::RequestNotSupported, "request objects are not read"));
        }
        if form.one("request_uri")?.is_some() {
            return Err(OauthError::new(ErrorCode::RequestUriNotSupported, "request objects are not fetched"));
        }
        match form.one("response_type")? {
            Some("code") => {}
            Some(_) => {
                return Err(OauthError::new(ErrorCode::UnsupportedResponseType, "the response_type is not code"));
            }
            None => return Err(OauthError::request("the response_type is missing")),
        }
        if form.one("response_mode")?.is_some_and(|mode| mode != "query") {
            return Err(OauthError::request("the response_mode is not query"));
        }
        let state = bounded(form, "state")?.ok_or(OauthError::request("the state is missing"))?;
        if form.one("code_challenge_method")? != Some("S256") {
            return Err(OauthError::request("the code_challenge_method is not S256"));
        }
        let challenge = form.one("code_challenge")?.filter(|text| pkce::is_challenge(text));
        let challenge = challenge.ok_or(OauthError::request("the code_challenge is not a SHA-256 in base64url"))?;
        match form.one("aud")? {
            Some(aud) if aud.trim_end_matches('/') == audience => {}
            Some(_) => return Err(OauthError::request("the aud is not the base URL of this FHIR server")),
            None => return Err(OauthError::request("the aud is missing: the base URL of this FHIR server")),
        }
        resource::check(form, audience)?;
        let scope = registered(form, client)?;
        let launch = form.one("launch")?.map(str::to_owned);
        if launch.is_some() != scope.has("launch") {
            return Err(OauthError::request(
                "the parameter launch and the scope launch go together, for apps that may have it",
            ));
        }
        let max_age_s = form.one("max_age")?.map(|text| text.parse::<u32>().map(i64::from)).transpose();
        let prompts: Vec<&str> = form.one("prompt")?.unwrap_or_default().split_ascii_whitespace().collect();
        if prompts.contains(&"none") && prompts.len() > 1 {
            return Err(OauthError::request("the prompt is none and something else"));
        }
        Ok(AuthorizeRequest {
            client: client.id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state,
            challenge: challenge.to_owned(),
            nonce: bounded(form, "nonce")?,
            launch,
            scope,
            sign_in_again: prompts.iter().any(|prompt| matches!(*prompt, "login" | "select_account")),
            silently: prompts.contains(&"none"),
            max_age_s: max_age_s.map_err(|_| OauthError::request("the max_age is not a number of seconds"))?,
        })
    }
}

/// What is asked for and registered.
fn registered(form: &Form, client: &Client) -> Result<Granted, OauthError> {
    let asked = form.one("scope")?.ok_or(OauthError::new(ErrorCode::InvalidScope, "the scope is missing"))?;
    // No person lets anybody register clients.
    let scope = Granted::parse(asked).within(&Granted::parse(&client.scope)).without(CLIENTS);
    if scope.resources().next().is_none() && !scope.has("openid") {
        return Err(OauthError::new(
            ErrorCode::InvalidScope,
            "nothing that the scope asks for is registered for this app",
        ));
    }
    Ok(scope)
}

fn bounded(form: &Form, name: &'static str) -> Result<Option<String>, OauthError> {
    match form.one(name)? {
        Some(text) if text.len() > MAX_STATE_BYTES => {
            Err(OauthError::request("the state or nonce is longer than 2048 bytes"))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

/// The address that a client is answered at: its own with parameters besides those that it has. `iss` says who answers, so
/// that an answer of another server is not taken for this one's (RFC 9207).
///
/// # Errors
/// When the address is none, which a registered one is not.
pub fn answer(
    redirect_uri: &str,
    issuer: &str,
    state: Option<&str>,
    parameters: &[(&str, &str)],
) -> Result<String, OauthError> {
    let mut url = Url::parse(redirect_uri).map_err(|_| OauthError::request("the redirect_uri is no URL"))?;
    let mut query = url.query_pairs_mut();
    query.extend_pairs(parameters);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", issuer);
    drop(query);
    Ok(url.into())
}

/// The same for a refusal.
///
/// # Errors
/// As [`answer`].
pub fn refusal(redirect_uri: &str, issuer: &str, state: Option<&str>, error: OauthError) -> Result<String, OauthError> {
    answer(redirect_uri, issuer, state, &[("error", error.code.name()), ("error_description", error.text)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Authentication;

    const BASE: &str = "https://phr.example/fhir";

    fn client() -> Client {
        Client {
            id: "app".into(),
            name: "App".into(),
            about: None,
            own: false,
            purposes: None,
            redirect_uris: vec!["https://app.example/back?x=1".into()],
            scope: "openid launch launch/patient patient/*.rs".into(),
            authentication: Authentication::None,
            introspects: false,
            registered_itself: false,
        }
    }

    fn good() -> Vec<(&'static str, &'static str)> {
        vec![
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", "https://app.example/back?x=1"),
            ("scope", "openid patient/Goal.rs patient/Goal.c"),
            ("state", "s"),
            ("aud", BASE),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ]
    }

    fn read(pairs: &[(&str, &str)]) -> Result<AuthorizeRequest, Refusal> {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        AuthorizeRequest::read(&Form::parse(text.as_bytes()).unwrap(), Some(&client()), BASE)
    }

    fn with<'a>(name: &'a str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
        let mut pairs: Vec<(&str, &str)> = good().into_iter().filter(|(key, _)| *key != name).collect();
        pairs.extend(value.map(|value| (name, value)));
        pairs
    }

    #[test]
    fn a_request_is_read() {
        let request = read(&good()).unwrap();
        assert_eq!((request.state.as_str(), request.scope.to_string().as_str()), ("s", "openid patient/Goal.rs"));
        assert_eq!(read(&with("aud", Some("https://phr.example/fhir/"))).unwrap().client, "app");
        let asked = read(&with("prompt", Some("login consent"))).unwrap();
        assert!(asked.sign_in_again && !asked.silently);
        assert!(read(&with("prompt", Some("none"))).unwrap().silently);
        assert_eq!(read(&with("max_age", Some("60"))).unwrap().max_age_s, Some(60));
    }

    #[test]
    fn what_says_where_an_answer_goes_is_refused_here() {
        let none = AuthorizeRequest::read(&Form::parse(b"client_id=x").unwrap(), None, BASE);
        assert!(matches!(none, Err(Refusal::Here(_))));
        let mut twice = good();
        twice.push(("redirect_uri", "https://evil.example/"));
        for pairs in [
            with("client_id", None),
            with("redirect_uri", None),
            with("redirect_uri", Some("https://app.example/back")),
            with("redirect_uri", Some("https://app.example/back?x=1&y=2")),
            with("redirect_uri", Some("https://app.example.evil.example/back?x=1")),
            twice,
        ] {
            assert!(matches!(read(&pairs), Err(Refusal::Here(_))), "{pairs:?}");
        }
    }

    #[test]
    fn an_address_that_some_take_for_the_same_is_another() {
        for other in [
            "https://APP.example/back?x=1",
            "HTTPS://app.example/back?x=1",
            "https://app.example:443/back?x=1",
            "https://app.example:8443/back?x=1",
            "https://app.example./back?x=1",
            "https://app.example/back/?x=1",
            "https://app.example/Back?x=1",
            "https://app.example//back?x=1",
            "https://app.example/./back?x=1",
            "https://app.example/a/../back?x=1",
            "https://app.example/%62ack?x=1",
            "https://app.example/back?x=%31",
            "https://app.example/back?x=1&",
            "https://app.example/back?x=1#",
            "https://app.example/back?x=1#f",
            "https://@app.example/back?x=1",
            "https://user:pass@app.example/back?x=1",
            "https://app.example@evil.example/back?x=1",
            "https://app.example\\@evil.example/back?x=1",
            "https:\\\\app.example/back?x=1",
            "https:/app.example/back?x=1",
            "//app.example/back?x=1",
            " https://app.example/back?x=1",
            "https://app.example/back?x=1 ",
            "https://app.example/back?x=1\0",
            "https://app.example/ba\tck?x=1",
            "https://\u{ff41}pp.example/back?x=1",
        ] {
            assert!(matches!(read(&with("redirect_uri", Some(other))), Err(Refusal::Here(_))), "{other:?}");
        }
    }

    #[test]
    fn all_else_is_refused_there_by_its_name() {
        let mut twice = good();
        twice.push(("state", "t"));
        let mut unread_twice = good();
        unread_twice.extend([("ui_locales", "en"), ("ui_locales", "cy")]);
        let long = "s".repeat(4096);
        for (pairs, name) in [
            (with("response_type", None), "invalid_request"),
            (with("response_type", Some("token")), "unsupported_response_type"),
            (with("response_type", Some("code id_token")), "unsupported_response_type"),
            (with("response_mode", Some("fragment")), "invalid_request"),
            (with("state", None), "invalid_request"),
            (with("code_challenge", None), "invalid_request"),
            (with("code_challenge", Some("short")), "invalid_request"),
            (with("code_challenge_method", None), "invalid_request"),
            (with("code_challenge_method", Some("plain")), "invalid_request"),
            (with("aud", None), "invalid_request"),
            (with("aud", Some("https://else.example/fhir")), "invalid_request"),
            (with("scope", None), "invalid_scope"),
            (with("scope", Some("system/*.rs nonsense")), "invalid_scope"),
            (with("launch", Some("x")), "invalid_request"),
            (with("scope", Some("launch patient/*.rs")), "invalid_request"),
            (with("request", Some("x")), "request_not_supported"),
            (with("request_uri", Some("x")), "request_uri_not_supported"),
            (with("prompt", Some("none login")), "invalid_request"),
            (with("max_age", Some("soon")), "invalid_request"),
            (with("max_age", Some("-1")), "invalid_request"),
            (with("response_mode", Some("form_post")), "invalid_request"),
            (with("response_mode", Some("query.jwt")), "invalid_request"),
            (with("code_challenge", Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cMA")), "invalid_request"),
            (with("code_challenge", Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM=")), "invalid_request"),
            (with("code_challenge_method", Some("s256")), "invalid_request"),
            (with("resource", Some("https://else.example/fhir")), "invalid_target"),
            (with("state", Some(&long)), "invalid_request"),
            (with("nonce", Some(&long)), "invalid_request"),
            (twice, "invalid_request"),
            (unread_twice, "invalid_request"),
        ] {
            let Err(Refusal::There { redirect_uri, error, .. }) = read(&pairs) else { panic!("{pairs:?}") };
            assert_eq!((redirect_uri.as_str(), error.code.name()), ("https://app.example/back?x=1", name), "{pairs:?}");
        }
    }

    #[test]
    fn an_answer_keeps_what_the_address_has() {
        let told =
            answer("https://app.example/back?x=1", "https://phr.example", Some("a&b"), &[("code", "c")]).unwrap();
        assert_eq!(told, "https://app.example/back?x=1&code=c&state=a%26b&iss=https%3A%2F%2Fphr.example");
        let error = OauthError::new(ErrorCode::AccessDenied, "the person said no");
        let told = refusal("uk.example.app:/back", "https://phr.example", None, error).unwrap();
        assert!(told.starts_with("uk.example.app:/back?error=access_denied&error_description=the+person+said+no&iss="));
    }
}
