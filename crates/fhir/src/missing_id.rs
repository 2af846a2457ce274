//! What programs write in the place of an id that they have not got.

/// What the languages of programs make of no value, as they write it where it is put into a text. A resource may bear such an id
/// all the same: what refers to one that is not there was never meant to.
const WORDS: [&str; 8] = ["undefined", "null", "NaN", "None", "nil", "NULL", "[object Object]", "[object%20Object]"];

/// Whether an id, or the only segment of an address, is what a program writes for want of one.
#[must_use]
pub fn stands_for_none(text: &str) -> bool {
    WORDS.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_programs_are_told_from_ids() {
        for word in WORDS {
            assert!(stands_for_none(word), "{word}");
        }
        for id in ["", "none", "nan", "undefined1", "null.1", "object"] {
            assert!(!stands_for_none(id), "{id}");
        }
    }
}
