//! The primitive data types (R4 "Data Types"): which JSON each is written as, and which texts are values of it.

use super::temporal;

/// The most characters that a string may have (R4 "Data Types", string: 1 MB).
const LONGEST_STRING: usize = 1024 * 1024;
/// The most characters that a number may have. R4 asks for 18 digits; this leaves room and keeps arithmetic cheap.
const LONGEST_NUMBER: usize = 128;

/// The primitive data types of R4, with two that the specification only describes in words: the `id` of an element, and
/// the XHTML of a narrative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Primitive {
    /// `base64Binary`
    Base64Binary,
    /// `boolean`
    Boolean,
    /// `canonical`
    Canonical,
    /// `code`
    Code,
    /// `date`
    Date,
    /// `dateTime`
    DateTime,
    /// `decimal`
    Decimal,
    /// The `id` of an element inside a resource.
    ElementId,
    /// `id`
    Id,
    /// `instant`
    Instant,
    /// `integer`
    Integer,
    /// `markdown`
    Markdown,
    /// `oid`
    Oid,
    /// `positiveInt`
    PositiveInt,
    /// `string`
    String,
    /// `time`
    Time,
    /// `unsignedInt`
    UnsignedInt,
    /// `uri`
    Uri,
    /// `url`
    Url,
    /// `uuid`
    Uuid,
    /// The `div` of a Narrative.
    Xhtml,
}

/// The primitives with their names as R4 writes them.
const NAMES: [(Primitive, &str); 21] = [
    (Primitive::Base64Binary, "base64Binary"),
    (Primitive::Boolean, "boolean"),
    (Primitive::Canonical, "canonical"),
    (Primitive::Code, "code"),
    (Primitive::Date, "date"),
    (Primitive::DateTime, "dateTime"),
    (Primitive::Decimal, "decimal"),
    (Primitive::ElementId, "elementId"),
    (Primitive::Id, "id"),
    (Primitive::Instant, "instant"),
    (Primitive::Integer, "integer"),
    (Primitive::Markdown, "markdown"),
    (Primitive::Oid, "oid"),
    (Primitive::PositiveInt, "positiveInt"),
    (Primitive::String, "string"),
    (Primitive::Time, "time"),
    (Primitive::UnsignedInt, "unsignedInt"),
    (Primitive::Uri, "uri"),
    (Primitive::Url, "url"),
    (Primitive::Uuid, "uuid"),
    (Primitive::Xhtml, "xhtml"),
];

/// What JSON a primitive is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// `true` or `false`
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
}

impl Primitive {
    /// The primitive of that name, as R4 writes it (and `elementId`).
    #[must_use]
    pub fn parse(name: &str) -> Option<Primitive> {
        NAMES.iter().find(|(_, known)| *known == name).map(|(primitive, _)| *primitive)
    }

    /// Its name, as R4 writes it (and `elementId`).
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(primitive, _)| *primitive == self).map(|(_, name)| *name).unwrap_or_default()
    }

    /// What JSON it is written as (R4 "JSON Representation of Resources").
    #[must_use]
    pub fn written(self) -> Written {
        match self {
            Primitive::Boolean => Written::Boolean,
            Primitive::Decimal | Primitive::Integer | Primitive::PositiveInt | Primitive::UnsignedInt => {
                Written::Number
            }
            _ => Written::String,
        }
    }

    /// Whether it may carry an id and extensions besides its value.
    #[must_use]
    pub fn can_carry(self) -> bool {
        !matches!(self, Primitive::Xhtml | Primitive::ElementId)
    }

    /// Whether the text has the form of this type (R4 "Data Types"); XHTML is looked at elsewhere.
    ///
    /// # Errors
    /// What is wrong, to be read after "is not a valid date: ".
    pub fn check(self, text: &str) -> Result<(), &'static str> {
        if text.is_empty() {
            return Err("it is empty");
        }
        match self {
            Primitive::Boolean => expect(matches!(text, "true" | "false"), "it is neither true nor false"),
            Primitive::Date => temporal::date(text),
            Primitive::DateTime => temporal::date_time(text),
            Primitive::Instant => temporal::instant(text),
            Primitive::Time => temporal::time(text),
            Primitive::Code => code(text),
            Primitive::Id => id(text),
            Primitive::ElementId => expect(
                !text.bytes().any(|byte| byte == b' ') && characters(text).is_ok(),
                "it has a space or a character that is not allowed",
            ),
            Primitive::String | Primitive::Markdown => string(text),
            Primitive::Uri | Primitive::Url | Primitive::Canonical => uri(text),
            Primitive::Oid => expect(is_oid(text), "it is not urn:oid: and numbers parted by dots"),
            Primitive::Uuid => expect(
                is_uuid(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase()),
                "it is not urn:uuid: and a UUID in lower case",
            ),
            Primitive::Base64Binary => base64(text),
            Primitive::Decimal => decimal(text),
            Primitive::Integer => integer(text, i64::from(i32::MIN)),
            Primitive::UnsignedInt => integer(text, 0),
            Primitive::PositiveInt => integer(text, 1),
            Primitive::Xhtml => characters(text),
        }
    }
}

fn expect(holds: bool, otherwise: &'static str) -> Result<(), &'static str> {
    if holds { Ok(()) } else { Err(otherwise) }
}

/// Refuses characters that XML cannot carry: control characters but tab, line feed and carriage return, and the two
/// non-characters at the end of the first plane.
fn characters(text: &str) -> Result<(), &'static str> {
    let bytes = text.as_bytes();
    // Without an early end the loop is done in wide registers; nearly every text is clean.
    let has_control = bytes.iter().fold(false, |found, byte| found | (*byte < b' '));
    if has_control && bytes.iter().any(|byte| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r')) {
        return Err("it has a control character");
    }
    // U+FFFE and U+FFFF are EF BF BE and EF BF BF in UTF-8.
    if bytes.contains(&0xEF) && bytes.windows(3).any(|three| matches!(three, [0xEF, 0xBF, 0xBE | 0xBF])) {
        return Err("it has a character that XML does not allow");
    }
    Ok(())
}

fn string(text: &str) -> Result<(), &'static str> {
    if text.len() > LONGEST_STRING && text.chars().count() > LONGEST_STRING {
        return Err("it is longer than 1 MB");
    }
    characters(text)
}

/// No space at either end, and no other space than single ones inside. Space is what XML Schema calls so: a no-break space
/// is a character like any other.
fn code(text: &str) -> Result<(), &'static str> {
    characters(text)?;
    let mut after_space = true;
    let mut wrong = false;
    for byte in text.bytes() {
        let is_space = byte <= b' ';
        wrong |= is_space && (after_space || byte != b' ');
        after_space = is_space;
    }
    if wrong || after_space {
        return Err("it has other space than single spaces between words");
    }
    Ok(())
}

fn id(text: &str) -> Result<(), &'static str> {
    let allowed = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
    expect(allowed && text.len() <= 64, "it is not 1 to 64 letters, digits, hyphens and dots")
}

fn uri(text: &str) -> Result<(), &'static str> {
    characters(text)?;
    let has_space = text.bytes().fold(false, |found, byte| found | (byte <= b' '));
    if has_space || (!text.is_ascii() && text.contains(char::is_whitespace)) {
        return Err("it has a space");
    }
    // The form of what follows urn:oid: and urn:uuid: is left to the types oid and uuid: official examples and many
    // clients write placeholders there, which hurt nobody.
    Ok(())
}

fn is_oid(text: &str) -> bool {
    let Some(arcs) = text.strip_prefix("urn:oid:") else { return false };
    let number = |arc: &str| {
        !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit()) && (arc == "0" || !arc.starts_with('0'))
    };
    let mut arcs = arcs.split('.');
    matches!(arcs.next(), Some("0" | "1" | "2")) && arcs.clone().next().is_some() && arcs.all(number)
}

fn is_uuid(text: &str) -> bool {
    let Some(uuid) = text.strip_prefix("urn:uuid:") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Base64 with padding; white space may stand anywhere (R4 "Data Types", base64Binary).
fn base64(text: &str) -> Result<(), &'static str> {
    let (mut digits, mut padding) = (0_usize, 0_usize);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => digits += 1,
            b'=' => padding += 1,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => return Err("it has a character that is not base64"),
        }
    }
    expect(digits > 0 && padding <= 2 && (digits + padding) % 4 == 0, "its length is not that of base64")
}

fn decimal(text: &str) -> Result<(), &'static str> {
    if text.len() > LONGEST_NUMBER {
        return Err("it has too many digits");
    }
    let bytes = text.as_bytes();
    let bytes = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let (whole, rest) = digits(bytes);
    if whole.is_empty() || (whole.len() > 1 && whole.starts_with(b"0")) {
        return Err("it is not a decimal number");
    }
    let rest = match rest.strip_prefix(b".") {
        Some(rest) => {
            let (fraction, rest) = digits(rest);
            expect(!fraction.is_empty(), "it is not a decimal number")?;
            rest
        }
        None => rest,
    };
    let Some(rest) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) else {
        return expect(rest.is_empty(), "it is not a decimal number");
    };
    let rest = rest.strip_prefix(b"+").or_else(|| rest.strip_prefix(b"-")).unwrap_or(rest);
    let (exponent, rest) = digits(rest);
    expect(!exponent.is_empty() && rest.is_empty(), "it is not a decimal number")?;
    expect(exponent.len() <= 3, "its exponent is too large")
}

/// The digits at the start, and what follows them.
fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
    bytes.split_at_checked(end).unwrap_or((bytes, &[]))
}

fn integer(text: &str, least: i64) -> Result<(), &'static str> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let form = (plain == "0" && text == "0")
        || (!plain.is_empty() && !plain.starts_with('0') && plain.bytes().all(|byte| byte.is_ascii_digit()));
    expect(form, "it is not a whole number without sign, point, exponent or leading zeros other than a minus")?;
    let within = text.parse::<i64>().is_ok_and(|number| (least..=i64::from(i32::MAX)).contains(&number));
    expect(within, "it is out of range")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(kind: Primitive, good: &[&str], bad: &[&str]) {
        for text in good {
            assert_eq!(kind.check(text), Ok(()), "{kind:?} {text:?}");
        }
        for text in bad {
            assert!(kind.check(text).is_err(), "{kind:?} {text:?}");
        }
        assert!(kind.check("").is_err());
    }

    #[test]
    fn texts() {
        table(Primitive::Code, &["a", "a b", "<=", "é", "a\u{A0}b"], &[" a", "a ", "a  b", "a\tb", "\u{1}"]);
        table(Primitive::Id, &["a", "A-1.b", &"x".repeat(64)], &["a_b", "a b", "é", &"x".repeat(65)]);
        table(Primitive::ElementId, &["a_b/c"], &["a b", "a\u{1}"]);
        table(Primitive::String, &[" ", "a\r\n\tb", "😀\u{FFFD}"], &["a\u{0}", "\u{1f}", "a\u{FFFE}", "\u{FFFF}"]);
        table(Primitive::Markdown, &["# a\n"], &["\u{8}"]);
        let megabyte = "é".repeat(LONGEST_STRING);
        table(Primitive::String, &[&megabyte], &[&format!("{megabyte}é")]);
    }

    #[test]
    fn uris() {
        let uuid = "urn:uuid:c757873d-ec9a-4326-a141-556f43239520";
        let loud = "urn:uuid:C757873D-ec9a-4326-a141-556f43239520";
        let bad_uri = ["a b", "a\n", "\u{A0}"];
        table(Primitive::Uri, &["http://a/b#c", "Patient/1", "urn:oid:2.16.840", uuid, loud, "#a"], &bad_uri);
        table(Primitive::Canonical, &["http://a|1.0", "urn:oid:1.2|4.0.1"], &[" "]);
        table(Primitive::Url, &["mailto:a@b"], &["http://a b"]);
        table(Primitive::Oid, &["urn:oid:1.2.0"], &["1.2", "urn:oid:1.", "urn:oid:1..2", "urn:oid:1.a"]);
        table(Primitive::Uuid, &[uuid], &[loud, "c757873d-ec9a-4326-a141-556f43239520", "urn:uuid:x"]);
    }

    #[test]
    fn numbers() {
        table(
            Primitive::Integer,
            &["0", "-1", "2147483647", "-2147483648"],
            &["-0", "1.0", "1e2", "01", "+1", "2147483648", "-"],
        );
        table(Primitive::UnsignedInt, &["0", "2147483647"], &["-1", "2147483648", "99999999999999999999"]);
        table(Primitive::PositiveInt, &["1"], &["0", "-1"]);
        let long = "1".repeat(LONGEST_NUMBER + 1);
        let bad = ["1.", ".1", "01", "1e", "1e+", "+1", "0x1", "1e1000", "NaN", "1 ", "-", &long];
        table(Primitive::Decimal, &["0", "-0.10", "1e2", "1.10E-12", "1e+2", "-0"], &bad);
        table(Primitive::Boolean, &["true", "false"], &["True", "1"]);
    }

    #[test]
    fn base64_texts() {
        table(
            Primitive::Base64Binary,
            &["YQ==", "YWI=", "YWJj", "YW\nJj "],
            &["YQ=", "YQ", "Y===", "YQ==YQ==", "Y-_=", "====", " "],
        );
    }
}
