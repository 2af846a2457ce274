//! What apps are called: names that can be seen, and that people do not take for another's.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Ranges of characters that are not seen, or turn text around: Unicode's default-ignorable ones but the variation selectors of
/// emoji (which no comparison sees), separators of lines, the blank of Braille, and what is for private use.
const HIDDEN: [(char, char); 21] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{e000}', '\u{f8ff}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d159}', '\u{1d159}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
    ('\u{f0000}', '\u{ffffd}'),
    ('\u{100000}', '\u{10fffd}'),
];

/// Latin letters that Unicode does not take apart into one of A to Z and marks.
const LATIN: &str = "ıøØđĐðÐłŁħĦŧŦĸŋŊßẞæÆœŒþÞ";

/// Letters that look like one of A to Z or a digit, each row with what is read instead. Greek and Cyrillic capitals may look like
/// other letters than their small ones do.
const ALIKE: [(&str, &str); 41] = [
    ("iIl1Lı", "l"),
    ("oO0øØ", "o"),
    ("đĐðÐ", "d"),
    ("łŁ", "l"),
    ("ħĦ", "h"),
    ("ŧŦ", "t"),
    ("ĸ", "k"),
    ("ŋŊ", "n"),
    ("ßẞ", "ss"),
    ("æÆ", "ae"),
    ("œŒ", "oe"),
    ("þÞ", "p"),
    ("аА", "a"),
    ("вВ", "b"),
    ("сС", "c"),
    ("ԁԀ", "d"),
    ("еЕ", "e"),
    ("ԍԌ", "g"),
    ("нНһҺ", "h"),
    ("іІӏӀ", "l"),
    ("јЈ", "j"),
    ("кК", "k"),
    ("мМ", "m"),
    ("оО", "o"),
    ("рР", "p"),
    ("ԛԚ", "q"),
    ("ѕЅ", "s"),
    ("тТ", "t"),
    ("ԝԜ", "w"),
    ("хХ", "x"),
    ("уУүҮ", "y"),
    ("αΑ", "a"),
    ("Β", "b"),
    ("Ε", "e"),
    ("Η", "h"),
    ("κΚ", "k"),
    ("Ν", "n"),
    ("οΟσ", "o"),
    ("ρΡ", "p"),
    ("Τ", "t"),
    ("ν", "v"),
];

/// Whether a character cannot be seen in a line of text.
pub(crate) fn is_hidden(letter: char) -> bool {
    letter.is_control() || HIDDEN.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}

/// Whether a name has no letters of other scripts beside Latin ones: by them it would look like what it is not.
#[must_use]
pub fn is_of_one_script(name: &str) -> bool {
    let is_latin = |letter: char| letter.is_ascii_alphabetic() || LATIN.contains(letter);
    let letters = || name.nfkd().filter(|letter| letter.is_alphabetic() && !is_combining_mark(*letter));
    !letters().any(is_latin) || letters().all(is_latin)
}

/// What people read of a name: two names of which it is the same are taken for each other. Signs, spaces, marks and case are
/// nothing; letters that look alike are one.
#[must_use]
pub fn as_read(name: &str) -> String {
    let letters = name.nfkd().filter(|letter| !is_combining_mark(*letter));
    let mut read = String::new();
    for letter in letters.filter(|letter| letter.is_alphanumeric() && !is_hidden(*letter)) {
        match ALIKE.iter().find(|(letters, _)| letters.contains(letter)) {
            Some((_, alike)) => read.push_str(alike),
            None => read.extend(letter.to_lowercase()),
        }
    }
    read.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_alike_is_read_alike() {
        for alike in [
            "surgery PORTAL!",
            "Surgery\u{3164}Portal",
            "Surgery\u{ffa0}Portal",
            "Surgery\u{1160}Portal",
            "Sur\u{ad}gery Portal\u{e0041}",
            "Ｓｕｒｇｅｒｙ Portal",
            "𝐒𝐮𝐫𝐠𝐞𝐫𝐲 Portal",
            "Surg\u{435}ry P\u{3bf}rtal",
            "Sürgéry P0rta1",
            "Surgery Portal\u{fe0f}",
        ] {
            assert_eq!(as_read(alike), as_read("Surgery portal"), "{alike:?}");
        }
        assert_eq!(as_read("\u{421}\u{41e}\u{420}\u{415}"), as_read("COPE"), "all of it Cyrillic");
        assert_eq!(as_read("Modern Diary"), as_read("Modem Diary"));
        assert_ne!(as_read("Heart Diary"), as_read("Surgery portal"));
        assert_eq!(as_read("\u{3164} \u{ffa0}"), "");
    }

    #[test]
    fn letters_of_other_scripts_stand_in_no_latin_name() {
        for good in ["Heart Diary 2", "Café Øre", "Ｓｕｒｇｅｒｙ", "Дневник", "日記カナ", "\u{661}2"]
        {
            assert!(is_of_one_script(good), "{good:?}");
        }
        for bad in ["He\u{430}rt", "Heart Дневник", "Di\u{251}ry", "\u{1d00}pp X", "Nhs \u{3bf}", "Heart\u{3164}"]
        {
            assert!(!is_of_one_script(bad), "{bad:?}");
        }
    }

    #[test]
    fn what_cannot_be_seen_is_hidden() {
        for hidden in
            ['\u{3164}', '\u{ffa0}', '\u{1160}', '\u{ad}', '\u{200d}', '\u{202e}', '\u{e0041}', '\n', '\u{2800}']
        {
            assert!(is_hidden(hidden), "{hidden:?}");
        }
        assert!(!"Heart ❤\u{fe0f} é Дн 日".chars().any(is_hidden));
    }
}
