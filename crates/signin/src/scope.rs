//! Scopes as they are asked for, registered, granted and narrowed (SMART App Launch 2.2, "Scopes and Launch Context").

use concord_consent::scope::{Context, Scope};
use concord_fhir::registry::ResourceType;

/// The scopes that say nothing of resources.
pub const WORDS: [&str; 8] =
    ["openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "offline_access", "online_access", CLIENTS];

/// The scope by which a system registers clients over HTTP. It is one of our own: FHIR has no type for them.
pub const CLIENTS: &str = "system/clients";

/// A set of scopes, each as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    words: Vec<&'static str>,
    resources: Vec<(String, Scope)>,
    unknown: Vec<String>,
}

impl Granted {
    /// Reads scopes that spaces separate, each once.
    #[must_use]
    pub fn parse(text: &str) -> Granted {
        let mut granted = Granted::default();
        for one in text.split_ascii_whitespace() {
            if let Some(word) = WORDS.iter().find(|word| **word == one) {
                granted.add_word(word);
            } else if let Some(scope) = Scope::parse(one) {
                granted.add(one.to_owned(), scope);
            } else {
                granted.unknown.push(one.to_owned());
            }
        }
        granted
    }

    fn add_word(&mut self, word: &'static str) {
        if !self.words.contains(&word) {
            self.words.push(word);
        }
    }

    fn add(&mut self, text: String, scope: Scope) {
        if !self.resources.iter().any(|(_, known)| *known == scope) {
            self.resources.push((text, scope));
        }
    }

    /// Whether one of [`WORDS`] is among them.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.contains(&word)
    }

    /// Those on resource level.
    pub fn resources(&self) -> impl Iterator<Item = &Scope> {
        self.resources.iter().map(|(_, scope)| scope)
    }

    /// Those that are not known here.
    #[must_use]
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }

    /// The same without one of [`WORDS`].
    #[must_use]
    pub fn without(mut self, word: &str) -> Granted {
        self.words.retain(|known| *known != word);
        self
    }

    /// The same without all of [`WORDS`] but one.
    #[must_use]
    pub fn with_no_word_but(mut self, word: &str) -> Granted {
        self.words.retain(|known| *known == word);
        self
    }

    /// Those of these contexts only.
    #[must_use]
    pub fn only(mut self, contexts: &[Context]) -> Granted {
        self.resources.retain(|(_, scope)| contexts.contains(&scope.context));
        self
    }

    /// What of these is within `bound` as well: a scope that is covered stays as it was written, one that is covered in part
    /// becomes that part.
    #[must_use]
    pub fn within(&self, bound: &Granted) -> Granted {
        let mut left = Granted::default();
        for word in self.words.iter().filter(|word| bound.words.contains(word)) {
            left.add_word(word);
        }
        for (text, asked) in &self.resources {
            let parts: Vec<Scope> = bound.resources().filter_map(|bound| both(asked, bound)).collect();
            if parts.contains(asked) {
                left.add(text.clone(), asked.clone());
                continue;
            }
            for part in parts {
                left.add(written(&part), part);
            }
        }
        left
    }

    /// Whether all of these are known, and nothing of them is beyond `bound`: each thing that one of them lets do is let by one of
    /// those.
    #[must_use]
    pub fn is_within(&self, bound: &Granted) -> bool {
        self.unknown.is_empty()
            && self.words.iter().all(|word| bound.words.contains(word))
            && self
                .resources()
                .flat_map(single)
                .all(|one| bound.resources().any(|of| both(&one, of).as_ref() == Some(&one)))
    }

    /// The same with resources of these types only. A scope on every type becomes one for each of them.
    #[must_use]
    pub fn of_types(&self, types: &[ResourceType]) -> Granted {
        let mut left = Granted { words: self.words.clone(), ..Granted::default() };
        for (text, scope) in &self.resources {
            match scope.resource_type {
                Some(named) if types.contains(&named) => left.add(text.clone(), scope.clone()),
                Some(_) => {}
                None => {
                    for one in types {
                        let part = Scope { resource_type: Some(*one), ..scope.clone() };
                        left.add(written(&part), part);
                    }
                }
            }
        }
        left
    }
}

/// As a token's `scope` has it.
impl std::fmt::Display for Granted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let all = self.words.iter().copied().chain(self.resources.iter().map(|(text, _)| text.as_str()));
        f.write_str(&all.collect::<Vec<_>>().join(" "))
    }
}

/// What both of two scopes cover; none where that is nothing.
fn both(one: &Scope, other: &Scope) -> Option<Scope> {
    let resource_type = match (one.resource_type, other.resource_type) {
        (Some(one), Some(other)) if one != other => return None,
        (one, other) => one.or(other),
    };
    let mut query = one.query.clone();
    query.extend(other.query.iter().filter(|pair| !one.query.contains(pair)).cloned());
    let scope = Scope {
        context: one.context,
        resource_type,
        create: one.create && other.create,
        read: one.read && other.read,
        update: one.update && other.update,
        delete: one.delete && other.delete,
        search: one.search && other.search,
        query,
    };
    (one.context == other.context && !letters(&scope).is_empty()).then_some(scope)
}

/// Scopes for one thing each, which together let do what one lets do.
fn single(scope: &Scope) -> impl Iterator<Item = Scope> + use<> {
    let none = Scope { create: false, read: false, update: false, delete: false, search: false, ..scope.clone() };
    let each = [
        Scope { create: scope.create, ..none.clone() },
        Scope { read: scope.read, ..none.clone() },
        Scope { update: scope.update, ..none.clone() },
        Scope { delete: scope.delete, ..none.clone() },
        Scope { search: scope.search, ..none },
    ];
    each.into_iter().filter(|one| !letters(one).is_empty())
}

fn letters(scope: &Scope) -> String {
    let given = [(scope.create, 'c'), (scope.read, 'r'), (scope.update, 'u'), (scope.delete, 'd'), (scope.search, 's')];
    given.iter().filter_map(|(given, letter)| given.then_some(*letter)).collect()
}

/// A scope in the form of SMART 2.
fn written(scope: &Scope) -> String {
    let context = match scope.context {
        Context::Patient => "patient",
        Context::User => "user",
        Context::System => "system",
    };
    let resource_type = scope.resource_type.map_or("*", ResourceType::name);
    let mut text = format!("{context}/{resource_type}.{}", letters(scope));
    if !scope.query.is_empty() {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        text.push('?');
        text.push_str(&query.extend_pairs(&scope.query).finish());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn within(asked: &str, bound: &str) -> String {
        Granted::parse(asked).within(&Granted::parse(bound)).to_string()
    }

    #[test]
    fn what_is_granted_is_within_both() {
        for (asked, bound, granted) in [
            ("openid fhirUser patient/*.rs", "openid patient/*.cruds", "openid patient/*.rs"),
            ("patient/*.read", "patient/*.rs", "patient/*.read"),
            ("patient/*.cruds", "patient/*.rs", "patient/*.rs"),
            ("patient/*.rs", "patient/Goal.cruds patient/Task.r", "patient/Goal.rs patient/Task.r"),
            ("patient/Goal.rs user/Goal.rs", "user/*.rs", "user/Goal.rs"),
            ("patient/Goal.c", "patient/Goal.rs", ""),
            ("patient/Goal.rs patient/Goal.rs openid openid", "openid patient/*.*", "openid patient/Goal.rs"),
            ("nonsense patient/Nonsense.rs", "patient/*.rs", ""),
            (
                "patient/Observation.rs?category=a%7Cb",
                "patient/Observation.rs",
                "patient/Observation.rs?category=a%7Cb",
            ),
            ("patient/Observation.rs", "patient/Observation.r?category=a|b", "patient/Observation.r?category=a%7Cb"),
            (
                "patient/Observation.rs?code=x",
                "patient/Observation.rs?category=y",
                "patient/Observation.rs?code=x&category=y",
            ),
            ("system/*.rs", "patient/*.rs user/*.rs", ""),
            ("offline_access", "online_access", ""),
        ] {
            assert_eq!(within(asked, bound), granted, "{asked} within {bound}");
        }
    }

    #[test]
    fn what_is_asked_again_is_within_what_was_let_or_it_is_not() {
        let is_within = |asked: &str, bound: &str| Granted::parse(asked).is_within(&Granted::parse(bound));
        for (asked, bound) in [
            ("", "patient/*.rs"),
            ("openid patient/Goal.r", "openid fhirUser patient/*.rs"),
            ("patient/Goal.read", "patient/Goal.rs"),
            ("patient/Goal.rs", "patient/Goal.r patient/Goal.s"),
            ("patient/Goal.rs", "patient/Goal.read patient/Goal.cud"),
            ("patient/Observation.rs?category=a&code=b", "patient/Observation.rs?category=a"),
            ("patient/Observation.rs?category=a", "patient/Observation.r?category=a patient/Observation.s"),
        ] {
            assert!(is_within(asked, bound), "{asked} within {bound}");
        }
        for (asked, bound) in [
            ("patient/*.rs", "patient/Goal.rs patient/Task.rs"),
            ("patient/Goal.rs", "patient/Goal.r"),
            ("patient/Goal.cruds", "patient/Goal.r patient/Goal.s patient/Goal.cu"),
            ("user/Goal.rs", "patient/Goal.rs"),
            ("fhirUser", "openid"),
            ("offline_access patient/Goal.r", "patient/Goal.r"),
            ("patient/Observation.rs", "patient/Observation.rs?category=a"),
            ("patient/Observation.rs?code=b", "patient/Observation.rs?category=a"),
            ("patient/Observation.rs", "patient/Observation.r?category=a patient/Observation.s"),
            ("patient/Goal.r nonsense", "patient/*.cruds"),
        ] {
            assert!(!is_within(asked, bound), "{asked} within {bound}");
        }
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in
            ["patient/Observation.cruds", "user/*.rs", "system/Patient.r", "patient/Observation.rs?a=b%7Cc&d=e+f"]
        {
            let scope = Scope::parse(text).unwrap();
            assert_eq!(Scope::parse(&written(&scope)).unwrap(), scope);
        }
    }

    #[test]
    fn every_type_becomes_those_that_are_chosen() {
        let types: Vec<ResourceType> = ["Goal", "Task"].iter().filter_map(|name| ResourceType::parse(name)).collect();
        let granted = Granted::parse("openid patient/*.read patient/Goal.c patient/Patient.rs").of_types(&types);
        assert_eq!(granted.to_string(), "openid patient/Goal.rs patient/Task.rs patient/Goal.c");
    }

    #[test]
    fn a_part_can_be_left_out() {
        let all = Granted::parse("offline_access patient/*.rs user/*.rs x");
        assert_eq!(all.unknown(), ["x"]);
        assert_eq!(all.clone().without("offline_access").only(&[Context::User]).to_string(), "user/*.rs");
        assert!(all.has("offline_access") && !all.has("openid"));
    }
}
