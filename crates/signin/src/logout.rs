//! What a login service says when somebody has signed out there (OpenID Connect Back-Channel Logout 1.0, section 2.4).

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::OauthError;

/// The member of `events` that makes a token a logout token, and no id token one.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// How far ahead a logout token may expire, in seconds: it is remembered until then.
const MAX_AHEAD_S: i64 = 3600;
/// The longest of its texts, in bytes.
const MAX_TEXT_BYTES: usize = 512;

/// Whose sessions have ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutToken {
    /// The token's own name, by which it is believed once.
    pub id: String,
    /// Whose: the login service's name for them.
    pub subject: Option<String>,
    /// Which: the login service's name for the session.
    pub sid: Option<String>,
    /// Until when it could be sent again, in seconds since 1970.
    pub until_s: i64,
}

#[derive(Deserialize)]
struct Claims {
    jti: String,
    iat: f64,
    exp: f64,
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<Value>,
    events: Map<String, Value>,
}

impl LogoutToken {
    /// Reads a token whose issuer, signature, audience and times have been checked.
    ///
    /// # Errors
    /// What it is not.
    pub fn of(token: &str, now_s: i64, leeway_s: i64) -> Result<LogoutToken, OauthError> {
        const MALFORMED: OauthError =
            OauthError::request("the logout_token has not iss, aud, iat, exp, jti and events, each of its own form");
        let payload = token.split('.').nth(1).and_then(crate::from_base64url).ok_or(MALFORMED)?;
        let claims: Claims = serde_json::from_slice(&payload).map_err(|_| MALFORMED)?;
        if !claims.events.get(EVENT).is_some_and(Value::is_object) {
            return Err(OauthError::request("the token has no event of a back-channel logout"));
        }
        if claims.nonce.is_some() {
            return Err(OauthError::request("a logout_token has no nonce: this is an id token"));
        }
        let fits = |text: &String| (1..=MAX_TEXT_BYTES).contains(&text.len());
        if (claims.sub.is_none() && claims.sid.is_none())
            || ![Some(&claims.jti), claims.sub.as_ref(), claims.sid.as_ref()].into_iter().flatten().all(fits)
        {
            return Err(OauthError::request("the logout_token names no session and nobody, or has no jti"));
        }
        let latest = now_s.saturating_add(MAX_AHEAD_S).saturating_add(leeway_s);
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is not wanted")]
        let until_s = match (0.0..=1e11).contains(&claims.exp) && claims.iat >= 0.0 {
            true => (claims.exp as i64).saturating_add(leeway_s).saturating_add(1),
            false => return Err(MALFORMED),
        };
        if until_s > latest {
            return Err(OauthError::request("the logout_token lives longer than an hour"));
        }
        Ok(LogoutToken { id: claims.jti, subject: claims.sub, sid: claims.sid, until_s })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(change: impl FnOnce(&mut Value)) -> Result<LogoutToken, OauthError> {
        let mut claims = json!({"iss": "i", "aud": "phr", "iat": 1000, "exp": 1120, "jti": "j", "sub": "s", "sid": "x",
            "events": {EVENT: {}}});
        change(&mut claims);
        let token = format!("h.{}.s", crate::base64url(claims.to_string().as_bytes()));
        LogoutToken::of(&token, 1000, 30)
    }

    #[test]
    fn only_a_logout_token_signs_out() {
        let (subject, sid) = (Some("s".to_owned()), Some("x".to_owned()));
        assert_eq!(read(|_| {}), Ok(LogoutToken { id: "j".into(), subject, sid, until_s: 1151 }));
        assert_eq!(read(|claims| drop(claims.as_object_mut().unwrap().remove("sub"))).unwrap().subject, None);
        for (name, value) in [
            ("events", json!({})),
            ("events", json!({EVENT: "yes"})),
            ("events", json!([EVENT])),
            ("nonce", json!("n")),
            ("jti", json!("")),
            ("jti", Value::Null),
            ("sub", json!("")),
            ("sid", json!("x".repeat(513))),
            ("exp", json!(1000 + 3601)),
            ("exp", json!(-1)),
            ("iat", json!("now")),
        ] {
            assert!(read(|claims| claims[name] = value.clone()).is_err(), "{name} {value}");
        }
        let nobody = read(|claims| {
            let claims = claims.as_object_mut().unwrap();
            claims.remove("sub");
            claims.remove("sid");
        });
        assert!(nobody.is_err() && LogoutToken::of("x", 0, 0).is_err());
    }
}
