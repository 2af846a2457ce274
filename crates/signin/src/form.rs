//! Parameters as they come, in a query or as `application/x-www-form-urlencoded`.

/// The most bytes of parameters that are read.
pub const MAX_BYTES: usize = 32_768;
/// The most parameters that are read.
const MAX_PARAMETERS: usize = 64;

/// The parameter that says where a token is for.
pub(crate) const RESOURCE: &str = "resource";

/// Parameters, decoded, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// Why parameters cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// There are too many or they are too long.
    #[error("the request is longer than 32768 bytes or has more than 64 parameters")]
    TooLong,
    /// One is there more than once (RFC 6749 section 3.1).
    #[error("a parameter is there more than once")]
    Twice,
}

impl Form {
    /// Reads parameters. A parameter without a value counts as one that is left out (RFC 6749 section 3.1).
    ///
    /// # Errors
    /// When they are too long.
    pub fn parse(bytes: &[u8]) -> Result<Form, FormError> {
        if bytes.len() > MAX_BYTES {
            return Err(FormError::TooLong);
        }
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(bytes).into_owned().filter(|(_, value)| !value.is_empty()).collect();
        if pairs.len() > MAX_PARAMETERS {
            return Err(FormError::TooLong);
        }
        Ok(Form(pairs))
    }

    /// The value of a parameter.
    ///
    /// # Errors
    /// When it is there more than once.
    pub fn one(&self, name: &str) -> Result<Option<&str>, FormError> {
        let mut values = self.0.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(FormError::Twice),
            (value, None) => Ok(value),
        }
    }

    /// Refuses what is there more than once, whether anybody reads it or not (RFC 6749 section 3.1): of two readers each could take
    /// another one. Where a token is for may be said of several places (RFC 8707 section 2).
    ///
    /// # Errors
    /// When a parameter is there more than once.
    pub fn each_once(&self) -> Result<(), FormError> {
        self.0.iter().filter(|(name, _)| name != RESOURCE).try_for_each(|(name, _)| self.one(name).map(drop))
    }

    /// All values of a parameter that may be there more than once: a choice on a page.
    pub fn all<'f>(&'f self, name: &'f str) -> impl Iterator<Item = &'f str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The same parameters without one.
    #[must_use]
    pub fn without(&self, name: &str) -> Form {
        Form(self.0.iter().filter(|(key, _)| key != name).cloned().collect())
    }
}

/// As a query.
impl std::fmt::Display for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        f.write_str(&text.extend_pairs(&self.0).finish())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_there_once() {
        let form = Form::parse(b"a=1&b=x+y%26&c=&d=2&d=3").unwrap();
        assert_eq!(form.one("a"), Ok(Some("1")));
        assert_eq!(form.one("b"), Ok(Some("x y&")));
        assert_eq!(form.one("c"), Ok(None));
        assert_eq!(form.one("d"), Err(FormError::Twice));
        assert_eq!(form.all("d").collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!(form.without("d").to_string(), "a=1&b=x+y%26");
        let once = |text: &str| Form::parse(text.as_bytes()).unwrap().each_once();
        assert_eq!((once("a=1&b=1&c=&c=1"), once("")), (Ok(()), Ok(())), "one without a value is left out");
        assert_eq!(once("a=1&resource=x&resource=y"), Ok(()));
        for twice in ["a=1&a=1", "a=1&b=2&a=3", "a=1&%61=2"] {
            assert_eq!(once(twice), Err(FormError::Twice), "{twice}");
        }
    }

    #[test]
    fn as_much_as_the_limit_is_read_and_no_more() {
        let most = format!("a={}", "x".repeat(MAX_BYTES - 2));
        assert!(Form::parse(most.as_bytes()).is_ok());
        assert_eq!(Form::parse(format!("{most}x").as_bytes()), Err(FormError::TooLong));
        let pairs = |count: usize| vec!["a=1"; count].join("&");
        assert!(Form::parse(pairs(MAX_PARAMETERS).as_bytes()).is_ok());
        assert_eq!(Form::parse(pairs(MAX_PARAMETERS + 1).as_bytes()), Err(FormError::TooLong));
    }
}
