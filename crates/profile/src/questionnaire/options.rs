//! Which answers a question offers.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use concord_fhir::issue::IssueCode;
use concord_fhir::json::Value;
use concord_fhir::terminology::Membership;

use super::enabled::is_answer;
use super::spending::steps_of;
use super::{Walk, value_of};
use crate::terminology::{Told, coding_in};
use crate::value::{short, weight};

/// How many steps it is worth to ask whether a code is in a value set.
const OF_A_MEMBERSHIP: usize = 50;

/// By what an option can be told from others before they are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key<'v> {
    Code(&'v str),
    Reference(&'v str),
    Text(&'v str),
    Quantity,
    Other,
}

/// The options of a question, by what tells them apart.
#[derive(Debug, Default)]
pub(super) struct Options<'v> {
    by_key: HashMap<Key<'v>, Vec<&'v Value<'v>>>,
    /// The types of their values.
    pub(super) types: BTreeSet<&'v str>,
    is_any: bool,
}

impl<'v> Options<'v> {
    pub(super) fn of(asked: &'v Value<'v>) -> Options<'v> {
        let options = asked.list("answerOption");
        let mut found = Options { is_any: !options.is_empty(), ..Options::default() };
        for (of_type, option) in options.iter().filter_map(value_of) {
            found.types.insert(of_type);
            found.by_key.entry(key(option)).or_default().push(option);
        }
        found
    }

    /// The options that a value may be.
    fn like<'s>(&'s self, value: &'s Value<'_>) -> impl Iterator<Item = &'v Value<'v>> + 's {
        keys(value).into_iter().flatten().filter_map(|key| self.by_key.get(&key)).flatten().copied()
    }
}

/// The key of an option, as [`is_answer`] compares.
fn key<'v>(option: &'v Value<'_>) -> Key<'v> {
    match option {
        Value::Object(object) if object.get("reference").is_some() => {
            Key::Reference(option.text("reference").unwrap_or_default())
        }
        Value::Object(object) if object.get("value").is_some() => Key::Quantity,
        Value::Object(_) => Key::Code(option.text("code").unwrap_or_default()),
        Value::String(text) => Key::Text(text),
        _ => Key::Other,
    }
}

/// The keys of the options that a value may be: the option says by what it is compared.
fn keys<'v>(value: &'v Value<'_>) -> [Option<Key<'v>>; 3] {
    match value {
        Value::Object(_) => [
            Some(Key::Code(value.text("code").unwrap_or_default())),
            Some(Key::Reference(value.text("reference").unwrap_or_default())),
            Some(Key::Quantity),
        ],
        Value::String(text) => [Some(Key::Text(text)), None, None],
        _ => [Some(Key::Other), None, None],
    }
}

impl<'w> Walk<'w> {
    /// What a question offers, gathered once.
    pub(super) fn options(&mut self, asked: &'w Value<'w>) -> Rc<Options<'w>> {
        let place = std::ptr::from_ref(asked).addr();
        if let Some(known) = self.options.get(&place) {
            return Rc::clone(known);
        }
        self.spend(asked.list("answerOption").len());
        let options = Rc::new(if self.is_spent() { Options::default() } else { Options::of(asked) });
        self.options.insert(place, Rc::clone(&options));
        options
    }

    /// Checks that an answer is among those that are offered. A question with open choice takes words besides.
    pub(super) fn offered(&mut self, asked: &'w Value<'w>, of_type: &str, value: &Value<'_>, place: &str) {
        let is_open = asked.text("type") == Some("open-choice");
        if is_open && of_type == "String" {
            return;
        }
        let options = self.options(asked);
        let own = weight(value);
        let is_it = |option: &Value<'_>| !self.spend(1 + own + weight(option)) || is_answer(value, option);
        let offered = options.like(value).any(is_it);
        if options.is_any && !offered {
            self.error(
                IssueCode::CodeInvalid,
                place,
                "the answer is not among those that the question offers".to_owned(),
            );
        }
        if let Some(value_set) = asked.text("answerValueSet")
            && of_type == "Coding"
        {
            self.in_value_set(value_set, value, place, "the answer");
        }
    }

    /// Checks that a code is in a value set.
    pub(super) fn in_value_set(&mut self, value_set: &str, coding: &Value<'_>, place: &str, what: &str) {
        let code = coding.text("code").unwrap_or_default();
        if !self.spend(OF_A_MEMBERSHIP + steps_of(value_set) + steps_of(code)) {
            return;
        }
        let told = match value_set.strip_prefix('#') {
            Some(id) => Told::of(self.in_contained(id, coding, code)),
            None => coding_in(self.terminology, coding, code, value_set),
        };
        if let Some(said) = told.remark() {
            self.told_once(said);
        }
        match told.membership {
            Membership::Yes => {}
            Membership::No => {
                let said =
                    format!("{what} is not from the value set {} that the questionnaire names", short(value_set));
                self.error(IssueCode::CodeInvalid, place, said);
            }
            Membership::Unknown => self.told_once(format!("the value set {} could not be checked", short(value_set))),
        }
    }

    /// Whether a code is in a value set that the Questionnaire contains, as far as that lists its codes.
    fn in_contained(&mut self, id: &str, coding: &Value<'_>, code: &str) -> Membership {
        let system = coding.text("system");
        // What says no version is of any.
        let is_version =
            |own: &Value<'_>| own.text("version").zip(coding.text("version")).is_none_or(|(own, wanted)| own == wanted);
        if !self.spend(self.questionnaire.list("contained").len()) {
            return Membership::Unknown;
        }
        let Some(value_set) = self.questionnaire.list("contained").iter().find(|one| one.text("id") == Some(id)) else {
            return Membership::Unknown;
        };
        let expanded = value_set.get("expansion").map_or(&[][..], |part| part.list("contains"));
        if !expanded.is_empty() {
            if !self.spend(expanded.len()) {
                return Membership::Unknown;
            }
            let is =
                |one: &Value<'_>| one.text("code") == Some(code) && one.text("system") == system && is_version(one);
            return if expanded.iter().any(is) { Membership::Yes } else { Membership::No };
        }
        let compose = value_set.get("compose");
        let includes = compose.map_or(&[][..], |part| part.list("include"));
        if includes.is_empty() || compose.is_some_and(|part| part.get("exclude").is_some()) {
            return Membership::Unknown;
        }
        let mut answer = Membership::No;
        for include in includes {
            let concepts = include.list("concept");
            if !self.spend(1 + concepts.len()) {
                return Membership::Unknown;
            }
            let is_listed = !concepts.is_empty() && include.get("valueSet").is_none();
            if !is_listed {
                answer = Membership::Unknown;
            } else if include.text("system") == system
                && is_version(include)
                && concepts.iter().any(|one| one.text("code") == Some(code))
            {
                return Membership::Yes;
            }
        }
        answer
    }
}
