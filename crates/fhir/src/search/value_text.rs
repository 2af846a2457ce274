//! The text of a value: `,` between alternatives, `|` between the parts of one, and `\` before a letter that stands for
//! itself (R4 "Search", escaping search parameters).

/// The parts of a text between the separators that have no backslash before them. Backslashes are kept.
pub(super) fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut escaped = false;
    text.split(move |letter: char| {
        let here = letter == separator && !escaped;
        escaped = letter == '\\' && !escaped;
        here
    })
}

/// The text without the backslashes before `,`, `|`, `$` and `\`. Any other backslash stands for itself.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let next = letters.peek().copied();
        match (letter, next) {
            ('\\', Some(escaped @ (',' | '|' | '$' | '\\'))) => {
                plain.push(escaped);
                letters.next();
            }
            _ => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<&str> {
        split(text, ',').collect()
    }

    #[test]
    fn a_separator_with_a_backslash_does_not_separate() {
        assert_eq!(parts("a,b"), ["a", "b"]);
        assert_eq!(parts(r"a\,b,c"), [r"a\,b", "c"]);
        assert_eq!(parts(r"a\\,b"), [r"a\\", "b"]);
        assert_eq!(parts(""), [""]);
        assert_eq!(parts(","), ["", ""]);
    }

    #[test]
    fn backslashes_are_taken_off() {
        assert_eq!(unescape(r"a\,b\|c\$d\\e"), r"a,b|c$d\e");
        assert_eq!(unescape(r"a\b\"), r"a\b\");
    }
}
