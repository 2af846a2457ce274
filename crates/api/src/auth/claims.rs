//! The claims of a token (RFC 7519 section 4.1) and those that NHS login, CIS2 and SMART App Launch add.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::error::AuthError;

/// The claims that anything here looks at. A claim that is there twice makes the token malformed.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Claims {
    pub(super) iss: String,
    pub(super) sub: Option<String>,
    #[serde(default)]
    pub(super) aud: Texts,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
    client_id: Option<String>,
    azp: Option<String>,
    scope: Option<Texts>,
    scp: Option<Texts>,
    pub(super) patient: Option<String>,
    #[serde(rename = "fhirUser")]
    pub(super) fhir_user: Option<String>,
    pub(super) nhs_number: Option<String>,
    pub(super) identity_proofing_level: Option<String>,
    pub(super) vot: Option<String>,
    pub(super) nhsid_useruid: Option<String>,
    pub(super) uid: Option<String>,
    pub(super) selected_roleid: Option<String>,
    pub(super) nhsid_nrbac_roles: Option<Vec<NationalRole>>,
    pub(super) authentication_assurance_level: Option<TextOrNumber>,
    #[serde(default)]
    pub(super) purpose_of_use: Texts,
    #[serde(default)]
    pub(super) roles: Texts,
}

/// One role of a CIS2 user.
#[derive(Debug, Default, Deserialize)]
pub(super) struct NationalRole {
    pub(super) person_roleid: Option<String>,
    pub(super) org_code: Option<String>,
    pub(super) role_code: Option<String>,
}

/// The latest time that is taken for seconds (the year 5138); a greater number is milliseconds or nonsense.
const MAX_SECONDS: f64 = 1e11;

impl Claims {
    /// Reads the payload.
    pub(super) fn parse(json: &[u8]) -> Result<Claims, AuthError> {
        serde_json::from_slice(json).map_err(|_| AuthError::Malformed("the token's payload is not a set of claims"))
    }

    /// The moment at which the token stops working, in seconds since 1970, after checking every time in it: `exp` is
    /// required, `nbf` and `iat` are not; each may be off by the leeway.
    pub(super) fn check_times(&self, now_s: i64, leeway_s: i64) -> Result<i64, AuthError> {
        let expires = seconds(self.exp, AuthError::Claim("the token's exp is not a time in seconds"))?
            .ok_or(AuthError::Claim("the token has no exp"))?;
        let not_before = seconds(self.nbf, AuthError::Claim("the token's nbf is not a time in seconds"))?;
        let issued = seconds(self.iat, AuthError::Claim("the token's iat is not a time in seconds"))?;
        if expires + leeway_s <= now_s {
            return Err(AuthError::Expired);
        }
        if not_before.is_some_and(|time| time > now_s + leeway_s) || issued.is_some_and(|time| time > now_s + leeway_s)
        {
            return Err(AuthError::NotYetValid);
        }
        if issued.is_some_and(|time| time > expires) {
            return Err(AuthError::Claim("the token expires before it was issued"));
        }
        Ok(expires)
    }

    /// The value of `aud` that is one of those allowed.
    pub(super) fn check_audience<'a>(&self, allowed: &'a [String]) -> Result<&'a str, AuthError> {
        allowed
            .iter()
            .find(|audience| self.aud.0.iter().any(|value| value == *audience))
            .map(String::as_str)
            .ok_or(AuthError::Audience)
    }

    /// The app: `client_id` (RFC 9068 section 2.2), else `azp`.
    pub(super) fn client(&self) -> Option<&str> {
        [&self.client_id, &self.azp].into_iter().flatten().map(String::as_str).find(|text| !text.is_empty())
    }

    /// The scopes as one text: `scope` (RFC 9068 section 2.2.3), else `scp`.
    pub(super) fn scopes(&self) -> String {
        self.scope.as_ref().or(self.scp.as_ref()).map(|texts| texts.0.join(" ")).unwrap_or_default()
    }
}

fn seconds(claim: Option<f64>, error: AuthError) -> Result<Option<i64>, AuthError> {
    match claim {
        None => Ok(None),
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked, and the fraction is not wanted")]
        Some(time) if (0.0..=MAX_SECONDS).contains(&time) => Ok(Some(time as i64)),
        Some(_) => Err(error),
    }
}

/// One text, or a list of texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Texts(pub(super) Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Texts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }
            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts(vec![text.to_owned()]))
            }
            fn visit_unit<E>(self) -> Result<Texts, E> {
                Ok(Texts::default())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// A text, or a whole number as a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TextOrNumber(pub(super) String);

impl<'de> Deserialize<'de> for TextOrNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<TextOrNumber, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => Ok(TextOrNumber(text)),
            serde_json::Value::Number(number) => Ok(TextOrNumber(number.to_string())),
            _ => Err(serde::de::Error::custom("a text or a number")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).unwrap()
    }

    #[test]
    fn times_are_checked_with_leeway() {
        let times = |json: &str, now: i64| claims(json).check_times(now, 30);
        assert_eq!(times(r#"{"iss":"i","exp":1000}"#, 999), Ok(1000));
        assert_eq!(times(r#"{"iss":"i","exp":1000.9}"#, 1029), Ok(1000));
        assert_eq!(times(r#"{"iss":"i","exp":1000}"#, 1030), Err(AuthError::Expired));
        assert_eq!(times(r#"{"iss":"i","exp":1000,"nbf":900}"#, 870), Ok(1000));
        assert_eq!(times(r#"{"iss":"i","exp":1000,"nbf":900}"#, 869), Err(AuthError::NotYetValid));
        assert_eq!(times(r#"{"iss":"i","exp":1000,"iat":900}"#, 869), Err(AuthError::NotYetValid));
        assert!(matches!(times(r#"{"iss":"i","exp":1000,"iat":1001}"#, 999), Err(AuthError::Claim(_))));
        assert!(matches!(times(r#"{"iss":"i"}"#, 0), Err(AuthError::Claim(_))));
        for bad in ["-1", "1700000000000", "1e300"] {
            assert!(matches!(times(&format!(r#"{{"iss":"i","exp":{bad}}}"#), 0), Err(AuthError::Claim(_))), "{bad}");
        }
    }

    #[test]
    fn claims_of_the_wrong_form_are_refused() {
        for bad in [
            "[]",
            "{}",
            r#"{"iss":1}"#,
            r#"{"iss":"i","iss":"j"}"#,
            r#"{"iss":"i","patient":{"a":1}}"#,
            r#"{"iss":"i","exp":"soon"}"#,
            r#"{"iss":"i","aud":[1]}"#,
            r#"{"iss":"i"} "#.trim_end_matches("} "),
        ] {
            assert!(matches!(Claims::parse(bad.as_bytes()), Err(AuthError::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn audience_client_and_scopes_have_two_forms() {
        let allowed = ["one".to_owned(), "two".to_owned()];
        assert_eq!(claims(r#"{"iss":"i","aud":"two"}"#).check_audience(&allowed), Ok("two"));
        assert_eq!(claims(r#"{"iss":"i","aud":["three","one"]}"#).check_audience(&allowed), Ok("one"));
        for other in [r#"{"iss":"i","aud":["three"]}"#, r#"{"iss":"i"}"#, r#"{"iss":"i","aud":"one two"}"#] {
            assert_eq!(claims(other).check_audience(&allowed), Err(AuthError::Audience));
        }
        assert_eq!(claims(r#"{"iss":"i","azp":"a"}"#).client(), Some("a"));
        assert_eq!(claims(r#"{"iss":"i","azp":"a","client_id":"c"}"#).client(), Some("c"));
        assert_eq!(claims(r#"{"iss":"i","client_id":""}"#).client(), None);
        assert_eq!(claims(r#"{"iss":"i","scope":"a b"}"#).scopes(), "a b");
        assert_eq!(claims(r#"{"iss":"i","scp":["a","b"]}"#).scopes(), "a b");
        assert_eq!(claims(r#"{"iss":"i"}"#).scopes(), "");
    }
}
