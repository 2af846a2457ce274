//! One answer: its type, its length, its bounds and its unit.

use std::cmp::Ordering;

use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;
use concord_fhir::path::Pattern;
use concord_fhir::registry::ResourceType;

use super::{Walk, value_of};
use crate::value::{compare, short, weight};

/// The types of answers to each type of question, as the name of the element ends.
const TYPES: &[(&str, &[&str])] = &[
    ("boolean", &["Boolean"]),
    ("decimal", &["Decimal", "Integer"]),
    ("integer", &["Integer"]),
    ("date", &["Date"]),
    ("dateTime", &["DateTime"]),
    ("time", &["Time"]),
    ("string", &["String"]),
    ("text", &["String"]),
    ("url", &["Uri"]),
    ("attachment", &["Attachment"]),
    ("reference", &["Reference"]),
    ("quantity", &["Quantity"]),
    ("choice", &["Coding"]),
    ("open-choice", &["Coding", "String"]),
];

/// Extensions that bound an answer.
const BASE: &str = "http://hl7.org/fhir/StructureDefinition/";
const SDC: &str = "http://hl7.org/fhir/uv/sdc/StructureDefinition/";

/// How many steps it is worth to read a pattern.
const OF_A_PATTERN: usize = 5_000;

/// How many times the extensions of a question are gone through for one answer.
const READINGS: usize = 10;

/// The values of the extensions of that name.
fn extensions<'q>(asked: &'q Value<'q>, name: &'q str) -> impl Iterator<Item = &'q Value<'q>> {
    let is = move |one: &&Value<'_>| {
        one.text("url").is_some_and(|url| url.strip_prefix(BASE).or_else(|| url.strip_prefix(SDC)) == Some(name))
    };
    asked.list("extension").iter().filter(is).filter_map(|one| value_of(one).map(|(_, value)| value))
}

fn number(asked: &Value<'_>, name: &str) -> Option<f64> {
    extensions(asked, name).next()?.as_number()?.parse().ok()
}

impl<'w> Walk<'w> {
    /// Checks one answer.
    pub(super) fn answer(&mut self, asked: &'w Value<'w>, answer: &'w Value<'w>, place: &str) {
        let Some((of_type, value)) = value_of(answer) else { return };
        let kind = asked.text("type").unwrap_or_default();
        let allowed = TYPES.iter().find(|(name, _)| *name == kind).map_or(&[][..], |(_, types)| *types);
        let extensions = asked.list("extension").len();
        if !self.spend(1 + extensions.saturating_mul(READINGS) + weight(value)) {
            return;
        }
        let is_choice = matches!(kind, "choice" | "open-choice");
        let is_allowed = allowed.contains(&of_type) || (is_choice && self.options(asked).types.contains(of_type));
        if !is_allowed && kind != "question" {
            let link = short(asked.text("linkId").unwrap_or_default());
            let said = format!("an answer to '{link}' is {}, not value{}", short(kind), short(of_type));
            return self.error(IssueCode::Value, place, said);
        }
        self.offered(asked, of_type, value, place);
        self.length(asked, value, place);
        self.pattern(asked, value, place);
        self.bounds(asked, value, place);
        match of_type {
            "Quantity" => self.unit(asked, value, place),
            "Reference" => self.reference(asked, value, place),
            "Attachment" => self.attachment(asked, value, place),
            _ => {}
        }
    }

    /// Checks how many answers there are, where a questionnaire says more than whether it repeats.
    pub(super) fn occurrences(&mut self, asked: &'w Value<'w>, count: usize, place: &str) {
        let bound = |name: &'static str| number(asked, name).map(|bound| bound.clamp(0.0, 1e9));
        let own = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        if let Some(least) = bound("questionnaire-minOccurs")
            && own < least
            && self.is_complete
        {
            self.error(IssueCode::Required, place, format!("at least {least} answers are asked for, not {count}"));
        }
        if let Some(most) = bound("questionnaire-maxOccurs")
            && own > most
        {
            self.error(IssueCode::Invalid, place, format!("at most {most} answers are asked for, not {count}"));
        }
    }

    fn length(&mut self, asked: &'w Value<'w>, value: &Value<'_>, place: &str) {
        let Some(text) = value.as_str() else { return };
        let length = f64::from(u32::try_from(text.chars().count()).unwrap_or(u32::MAX));
        let most = asked.get("maxLength").and_then(Value::as_number).and_then(|most| most.parse::<f64>().ok());
        if let Some(most) = most
            && length > most
        {
            self.error(
                IssueCode::TooLong,
                place,
                format!("the answer may have at most {most} characters, not {length}"),
            );
        }
        if let Some(least) = number(asked, "minLength")
            && length < least
        {
            self.error(
                IssueCode::Value,
                place,
                format!("the answer must have at least {least} characters, not {length}"),
            );
        }
    }

    /// Whether an answer is written as the question says that it is (R4 extension `regex`).
    fn pattern(&mut self, asked: &'w Value<'w>, value: &Value<'_>, place: &str) {
        let Some(text) = value.as_str().or_else(|| value.as_number()) else { return };
        let Some(wanted) = extensions(asked, "regex").find_map(Value::as_str) else { return };
        let at = std::ptr::from_ref(asked).addr();
        if !self.patterns.contains_key(&at) {
            let made = if self.spend(OF_A_PATTERN) { Pattern::sent(wanted) } else { None };
            self.patterns.insert(at, made);
        }
        let Some(pattern) = self.patterns.get(&at).cloned().flatten() else {
            let said = format!(
                "the pattern {} of a question could not be read, and answers were not checked by it",
                short(wanted)
            );
            return self.told_once(said);
        };
        if self.spend(1 + pattern.steps(text)) && !pattern.is_match(text) {
            let said = format!("the answer is not written as the question asks: {}", short(wanted));
            self.error(IssueCode::Value, place, said);
        }
    }

    fn bounds(&mut self, asked: &'w Value<'w>, value: &Value<'_>, place: &str) {
        let bounds = [
            ("minValue", Ordering::Less),
            ("maxValue", Ordering::Greater),
            ("sdc-questionnaire-minQuantity", Ordering::Less),
            ("sdc-questionnaire-maxQuantity", Ordering::Greater),
        ];
        for (name, wrong) in bounds {
            for bound in extensions(asked, name) {
                let word = if wrong == Ordering::Less { "less than" } else { "more than" };
                let is_quantity = bound.as_object().is_some();
                let has_unit = bound.get("code").is_some();
                match compare(value, bound) {
                    _ if is_quantity && !has_unit => self.error(
                        IssueCode::Value,
                        place,
                        format!("the answer cannot be compared: its bound ({name}) has no coded unit"),
                    ),
                    Some(order) if order == wrong => {
                        self.error(
                            IssueCode::Value,
                            place,
                            format!("the answer is {word} the bound {}", crate::value::shown(bound)),
                        );
                    }
                    None if is_quantity => self.error(
                        IssueCode::Value,
                        place,
                        format!(
                            "the answer cannot be compared with the bound {}: it is in another unit",
                            crate::value::shown(bound)
                        ),
                    ),
                    None => self.told_once(format!(
                        "whether an answer is {word} the bound {} cannot be told: they cannot be compared",
                        crate::value::shown(bound)
                    )),
                    Some(_) => {}
                }
            }
        }
        let digits = value.as_number().and_then(|number| number.split_once('.')).map_or(0, |(_, digits)| digits.len());
        if let Some(most) = number(asked, "maxDecimalPlaces")
            && f64::from(u32::try_from(digits).unwrap_or(u32::MAX)) > most
        {
            self.error(IssueCode::Value, place, format!("the answer may have at most {most} decimal places"));
        }
    }

    fn unit(&mut self, asked: &'w Value<'w>, value: &Value<'_>, place: &str) {
        let mut options = extensions(asked, "questionnaire-unitOption").peekable();
        if options.peek().is_some() {
            let same = |option: &Value<'_>| {
                let by_code = option.text("code").is_some() && option.text("code") == value.text("code");
                by_code && option.text("system") == value.text("system")
            };
            if !options.any(same) {
                self.error(
                    IssueCode::CodeInvalid,
                    place,
                    "the unit is not among those that the question offers".to_owned(),
                );
            }
        }
        if let Some(value_set) = extensions(asked, "questionnaire-unitValueSet").find_map(Value::as_str) {
            self.in_value_set(value_set, value, place, "the unit");
        }
    }

    fn reference(&mut self, asked: &'w Value<'w>, value: &Value<'_>, place: &str) {
        let allowed: Vec<&str> =
            extensions(asked, "questionnaire-referenceResource").filter_map(Value::as_str).collect();
        let reference = value.text("reference").unwrap_or_default();
        if reference.starts_with('#') && !self.spend(self.response.list("contained").len()) {
            return;
        }
        let contained = reference.strip_prefix('#').and_then(|id| {
            let found = self.response.list("contained").iter().find(|one| one.text("id") == Some(id))?;
            found.text("resourceType")
        });
        let plain = reference.split("/_history/").next().unwrap_or(reference);
        let written = plain.rsplit('/').nth(1).filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()));
        let Some(own) = contained.or(written).or_else(|| value.text("type")) else { return };
        if ResourceType::parse(own).is_none() {
            self.error(IssueCode::Value, place, format!("'{}' is not a resource type of R4", short(own)));
        } else if !allowed.is_empty() && !allowed.contains(&own) {
            let said = format!("the answer leads to a {}, and must lead to {}", short(own), allowed.join(" or "));
            self.error(IssueCode::Value, place, said);
        }
    }

    fn attachment(&mut self, asked: &'w Value<'w>, value: &Value<'_>, place: &str) {
        let stated = value.get("size").and_then(Value::as_number).and_then(|size| size.parse::<f64>().ok());
        let held = value.text("data").map(|data| {
            let padding = data.bytes().rev().take_while(|byte| *byte == b'=').count();
            let length = data.bytes().filter(|byte| !byte.is_ascii_whitespace()).count();
            f64::from(u32::try_from((length / 4 * 3).saturating_sub(padding)).unwrap_or(u32::MAX))
        });
        if let (Some(size), Some(most)) = (held.or(stated), number(asked, "maxSize"))
            && size > most
        {
            self.error(IssueCode::TooLong, place, format!("the attachment may have {most} bytes, not {size}"));
        }
        let kinds: Vec<&str> = extensions(asked, "mimeType").filter_map(Value::as_str).collect();
        let own = value.text("contentType").unwrap_or_default();
        let fits = |kind: &&str| *kind == own || kind.strip_suffix('*').is_some_and(|stem| own.starts_with(stem));
        if !kinds.is_empty() && !kinds.iter().any(fits) {
            self.error(IssueCode::Value, place, format!("the attachment must be of {}", kinds.join(" or ")));
        }
    }
}
