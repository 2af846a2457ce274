//! Cursors: the place in a sorted answer where the next page begins, sealed so that only the caller and the search
//! that it was made for can use it. A cursor holds a position and no permission: the decision is made again.

use aws_lc_rs::hmac;
use concord_fhir::json::{self, Value};
use concord_store::search::{Position, PositionValue};

use crate::error::ApiError;
use crate::interact::Call;

/// Seals and opens cursors with the key that all nodes of a database share.
#[derive(Debug)]
pub(crate) struct Signer {
    key: hmac::Key,
}

/// How many bytes of the seal are kept.
const SEAL: usize = 16;

impl Signer {
    /// With the shared secret.
    pub(crate) fn new(secret: &str) -> Signer {
        Signer { key: hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()) }
    }

    /// The text of a cursor. `search` is what the cursor continues: a cursor of one search is none of another.
    pub(crate) fn seal(&self, call: &Call, search: &str, position: &Position) -> String {
        let values = position
            .values
            .iter()
            .map(|value| match value {
                PositionValue::Missing => Value::Null,
                PositionValue::Number(number) => Value::string(format!("n{:016x}", number.to_bits())),
                PositionValue::Text(text) => Value::string(format!("t{text}")),
            })
            .collect();
        let plain = json::to_string(&Value::object([
            ("k", Value::string(position.key.to_string())),
            ("v", Value::Array(values)),
        ]));
        let seal = self.tag(call, search, plain.as_bytes());
        let mut bytes = seal;
        bytes.extend_from_slice(plain.as_bytes());
        encode(&bytes)
    }

    /// The position in a cursor.
    ///
    /// # Errors
    /// When the text is not a cursor that was made for this caller and this search.
    pub(crate) fn open(&self, call: &Call, search: &str, cursor: &str) -> Result<Position, ApiError> {
        let bad =
            || ApiError::parameter("_cursor", "not a cursor of this search for this caller; start at the first page");
        let bytes = decode(cursor).ok_or_else(bad)?;
        let (seal, plain) = bytes.split_at_checked(SEAL).ok_or_else(bad)?;
        let expected = self.tag(call, search, plain);
        aws_lc_rs::constant_time::verify_slices_are_equal(seal, &expected).map_err(|_| bad())?;
        let value = json::parse(plain, &json::Limits::default()).map_err(|_| bad())?;
        let key = value.text("k").and_then(|key| key.parse().ok()).ok_or_else(bad)?;
        let values = match value.get("v") {
            Some(Value::Array(values)) => values.iter().map(position_value).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        Ok(Position { values: values.ok_or_else(bad)?, key })
    }

    fn tag(&self, call: &Call, search: &str, plain: &[u8]) -> Vec<u8> {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [call.caller.issuer.as_str(), &call.caller.subject, &call.caller.client, search] {
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        context.update(plain);
        context.sign().as_ref().iter().take(SEAL).copied().collect()
    }
}

fn position_value(value: &Value<'_>) -> Option<PositionValue> {
    match value {
        Value::Null => Some(PositionValue::Missing),
        Value::String(text) => {
            if let Some(bits) = text.strip_prefix('n') {
                return u64::from_str_radix(bits, 16).ok().map(|bits| PositionValue::Number(f64::from_bits(bits)));
            }
            text.strip_prefix('t').map(|text| PositionValue::Text(text.to_owned()))
        }
        _ => None,
    }
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}
