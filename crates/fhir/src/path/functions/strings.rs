//! Strings (FHIRPath "String Manipulation"; the last few are of its next release). Positions count characters.

use std::borrow::Cow;
use std::fmt::Write as _;

use regex::Regex;

use super::super::ast::NodeId;
use super::super::evaluation::{Answer, Evaluation, Frame, integer, maybe};
use super::super::fault::Fault;
use super::super::item::Item;
use super::function::{Call, Function, argument};
use super::patterns::Pattern;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::of("indexOf", 1, |evaluation, input, values| {
        position(evaluation, &input, argument(values), |whole, part| whole.find(part))
    }),
    Function::of("lastIndexOf", 1, |evaluation, input, values| {
        position(evaluation, &input, argument(values), |whole, part| whole.rfind(part))
    }),
    Function::new("substring", 1, 2, Call::Values(|evaluation, input, values| substring(evaluation, &input, values))),
    Function::of("startsWith", 1, |evaluation, input, values| {
        test(evaluation, &input, argument(values), |whole, part| whole.starts_with(part))
    }),
    Function::of("endsWith", 1, |evaluation, input, values| {
        test(evaluation, &input, argument(values), |whole, part| whole.ends_with(part))
    }),
    Function::of("contains", 1, |evaluation, input, values| {
        test(evaluation, &input, argument(values), |whole, part| whole.contains(part))
    }),
    Function::plain("upper", |evaluation, input| change(evaluation, &input, str::to_uppercase)),
    Function::plain("lower", |evaluation, input| change(evaluation, &input, str::to_lowercase)),
    Function::plain("trim", |evaluation, input| change(evaluation, &input, |text| text.trim().to_owned())),
    Function::of("replace", 2, replace),
    Function::with_pattern("matches", 1, matches),
    Function::with_pattern("matchesFull", 1, matches_whole),
    Function::with_pattern("replaceMatches", 2, replace_matches),
    Function::plain("length", |evaluation, input| {
        maybe(evaluation.text(&input)?.and_then(|text| i64::try_from(text.chars().count()).ok()))
    }),
    Function::plain("toChars", |evaluation, input| {
        let Some(text) = evaluation.text(&input)? else { return Ok(Vec::new()) };
        evaluation.spend(text.len())?;
        Ok(text.chars().map(|letter| Cow::<str>::Owned(letter.to_string()).into()).collect())
    }),
    Function::of("split", 1, |evaluation, input, values| {
        let (Some(whole), Some(by)) = (evaluation.text(&input)?, evaluation.text(argument(values))?) else {
            return Ok(Vec::new());
        };
        evaluation.spend(whole.len())?;
        Ok(whole.split(by.as_ref()).map(|part| Cow::<str>::Owned(part.to_owned()).into()).collect())
    }),
    Function::new("join", 0, 1, Call::Values(join)),
    Function::of("encode", 1, |evaluation, input, values| coded(evaluation, &input, argument(values), encode)),
    Function::of("decode", 1, |evaluation, input, values| coded(evaluation, &input, argument(values), decode)),
    Function::of("escape", 1, |evaluation, input, values| coded(evaluation, &input, argument(values), escape)),
    Function::of("unescape", 1, |evaluation, input, values| coded(evaluation, &input, argument(values), unescape)),
];

fn position<'a>(
    evaluation: &mut Evaluation<'a>,
    input: &[Item<'a>],
    part: &[Item<'a>],
    find: fn(&str, &str) -> Option<usize>,
) -> Answer<'a> {
    let (Some(whole), Some(part)) = (evaluation.text(input)?, evaluation.text(part)?) else { return Ok(Vec::new()) };
    let characters = |bytes: usize| whole.get(..bytes).map_or(0, |before| before.chars().count());
    let found = find(&whole, &part).map(characters);
    Ok(vec![found.and_then(|position| i64::try_from(position).ok()).unwrap_or(-1).into()])
}

fn substring<'a>(evaluation: &mut Evaluation<'a>, input: &[Item<'a>], values: &[Vec<Item<'a>>]) -> Answer<'a> {
    let (Some(whole), Some(start)) = (evaluation.text(input)?, integer(argument(values))?) else {
        return Ok(Vec::new());
    };
    let length = match values.get(1) {
        Some(length) => integer(length)?.unwrap_or(0).max(0),
        None => i64::MAX,
    };
    let (Ok(start), Ok(length)) = (usize::try_from(start), usize::try_from(length)) else { return Ok(Vec::new()) };
    if start >= whole.chars().count() {
        return Ok(Vec::new());
    }
    let part: String = whole.chars().skip(start).take(length).collect();
    Ok(vec![Cow::<str>::Owned(part).into()])
}

fn test<'a>(
    evaluation: &mut Evaluation<'a>,
    input: &[Item<'a>],
    part: &[Item<'a>],
    holds: fn(&str, &str) -> bool,
) -> Answer<'a> {
    let (whole, part) = (evaluation.text(input)?, evaluation.text(part)?);
    maybe(whole.zip(part).map(|(whole, part)| holds(&whole, &part)))
}

fn change<'a>(evaluation: &mut Evaluation<'a>, input: &[Item<'a>], change: fn(&str) -> String) -> Answer<'a> {
    maybe(evaluation.text(input)?.map(|text| Cow::<str>::Owned(change(&text))))
}

fn replace<'a>(evaluation: &mut Evaluation<'a>, input: Vec<Item<'a>>, values: &[Vec<Item<'a>>]) -> Answer<'a> {
    let with = values.get(1).map_or(&[][..], Vec::as_slice);
    let (whole, part) = (evaluation.text(&input)?, evaluation.text(argument(values))?);
    let (Some(whole), Some(part), Some(with)) = (whole, part, evaluation.text(with)?) else {
        return Ok(Vec::new());
    };
    // Each character may become as long as what is put in its place.
    evaluation.spend_on_text((whole.len() + 1).saturating_mul(with.len().max(1)))?;
    Ok(vec![Cow::<str>::Owned(whole.replace(part.as_ref(), &with)).into()])
}

/// Looks for a pattern, which is compiled here unless it was a literal.
fn search<'a, T>(
    evaluation: &mut Evaluation<'a>,
    input: &[Item<'a>],
    arguments: &[NodeId],
    frame: &Frame<'_, 'a>,
    is_whole: bool,
    found: impl FnOnce(&Regex, &str) -> T,
) -> Result<Option<T>, Fault> {
    let Some(first) = arguments.first() else { return Ok(None) };
    let value = evaluation.part(*first, frame)?;
    let (Some(whole), Some(written)) = (evaluation.text(input)?, evaluation.text(&value)?) else { return Ok(None) };
    let known = evaluation.ast.patterns.get(first).cloned();
    let Pattern { regex, weight } = match known {
        Some(known) => known,
        None => evaluation.pattern(&written, is_whole)?,
    };
    evaluation.spend_on_text(whole.len().saturating_mul(weight))?;
    Ok(Some(found(&regex, &whole)))
}

fn matches<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    frame: &Frame<'_, 'a>,
) -> Answer<'a> {
    maybe(search(evaluation, &input, arguments, frame, false, |pattern, text| pattern.is_match(text))?)
}

fn matches_whole<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    frame: &Frame<'_, 'a>,
) -> Answer<'a> {
    maybe(search(evaluation, &input, arguments, frame, true, |pattern, text| pattern.is_match(text))?)
}

fn replace_matches<'a>(
    evaluation: &mut Evaluation<'a>,
    input: Vec<Item<'a>>,
    arguments: &[NodeId],
    frame: &Frame<'_, 'a>,
) -> Answer<'a> {
    let Some(second) = arguments.get(1) else { return Ok(Vec::new()) };
    let with = evaluation.part(*second, frame)?;
    let Some(with) = evaluation.text(&with)? else { return Ok(Vec::new()) };
    let length = evaluation.text(&input)?.map_or(0, |text| text.len());
    evaluation.spend_on_text((length + 1).saturating_mul(with.len().max(1)))?;
    let replaced = search(evaluation, &input, arguments, frame, false, |pattern, text| {
        // A pattern of nothing is found everywhere and says nothing.
        if pattern.as_str().is_empty() {
            text.to_owned()
        } else {
            pattern.replace_all(text, with.as_ref()).into_owned()
        }
    })?;
    maybe(replaced.map(Cow::<str>::Owned))
}

fn join<'a>(evaluation: &mut Evaluation<'a>, input: Vec<Item<'a>>, values: &[Vec<Item<'a>>]) -> Answer<'a> {
    if input.is_empty() {
        return Ok(Vec::new());
    }
    let by = evaluation.text(argument(values))?.unwrap_or_default();
    let mut parts = Vec::with_capacity(input.len());
    for item in &input {
        parts.extend(evaluation.text(std::slice::from_ref(item))?);
    }
    let length: usize = parts.iter().map(|part| part.len() + by.len()).sum();
    evaluation.spend_on_text(length)?;
    Ok(vec![Cow::<str>::Owned(parts.join(by.as_ref())).into()])
}

fn coded<'a>(
    evaluation: &mut Evaluation<'a>,
    input: &[Item<'a>],
    way: &[Item<'a>],
    code: fn(&str, &str) -> Option<String>,
) -> Answer<'a> {
    let (Some(text), Some(way)) = (evaluation.text(input)?, evaluation.text(way)?) else { return Ok(Vec::new()) };
    // It goes letter by letter, or over all of it several times.
    evaluation.spend(text.len() / 2)?;
    maybe(code(&text, &way).map(Cow::<str>::Owned))
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn encode(text: &str, way: &str) -> Option<String> {
    match way {
        "hex" => Some(text.bytes().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })),
        "base64" => Some(base64(text)),
        "urlbase64" => Some(base64(text).replace('+', "-").replace('/', "_")),
        _ => None,
    }
}

fn base64(text: &str) -> String {
    let mut coded = String::new();
    for three in text.as_bytes().chunks(3) {
        let at = |position: usize| u32::from(three.get(position).copied().unwrap_or_default());
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..4 {
            let index = usize::try_from(bits >> (18 - 6 * position) & 63).unwrap_or_default();
            let letter = BASE64.get(index).copied().map_or('=', char::from);
            coded.push(if position > three.len() { '=' } else { letter });
        }
    }
    coded
}

fn decode(text: &str, way: &str) -> Option<String> {
    let bytes = match way {
        "hex" => {
            let digits: Option<Vec<u8>> =
                text.chars().map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
            let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
            digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
        }
        "base64" | "urlbase64" => {
            let plain = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
            let mut bytes = Vec::new();
            for four in plain.as_bytes().chunks(4) {
                let mut bits: u32 = 0;
                for letter in four {
                    let value = BASE64.iter().position(|known| known == letter)?;
                    bits = bits << 6 | u32::try_from(value).ok()?;
                }
                bits <<= 6 * (4 - four.len());
                bytes.extend(bits.to_be_bytes().get(1..four.len())?);
            }
            bytes
        }
        _ => return None,
    };
    String::from_utf8(bytes).ok()
}

/// What HTML writes otherwise.
const HTML: [(&str, &str); 5] = [("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("\"", "&quot;"), ("'", "&#39;")];
/// What JSON writes otherwise.
const JSON: [(&str, &str); 5] = [("\\", "\\\\"), ("\"", "\\\""), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")];

fn escape(text: &str, way: &str) -> Option<String> {
    let table = match way {
        "html" => HTML,
        "json" => JSON,
        _ => return None,
    };
    Some(table.iter().fold(text.to_owned(), |text, (plain, escaped)| text.replace(plain, escaped)))
}

fn unescape(text: &str, way: &str) -> Option<String> {
    let table = match way {
        "html" => HTML,
        "json" => JSON,
        _ => return None,
    };
    Some(table.iter().rev().fold(text.to_owned(), |text, (plain, escaped)| text.replace(escaped, plain)))
}
