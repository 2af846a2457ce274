//! SMART scopes on resource level, v1 (`patient/Observation.read`) and v2 (`patient/Observation.rs`)
//! (SMART App Launch 2.2, "Scopes for requesting FHIR Resources").

use concord_fhir::registry::ResourceType;

use crate::action::Action;

/// The scopes of a token that say something about resources. Others (`openid`, `launch/patient`) are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scopes(pub Vec<Scope>);

/// One scope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    /// Whose data.
    pub context: Context,
    /// The resource type; none means `*`.
    pub resource_type: Option<ResourceType>,
    /// `c`
    pub create: bool,
    /// `r`
    pub read: bool,
    /// `u`
    pub update: bool,
    /// `d`
    pub delete: bool,
    /// `s`
    pub search: bool,
    /// The search parameters after `?`, decoded, in their order.
    pub query: Vec<(String, String)>,
}

/// Whose data a scope is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    /// The patient in context.
    Patient,
    /// Whatever the user may reach.
    User,
    /// Whatever the registered system may reach.
    System,
}

impl Scopes {
    /// The scopes in a token's `scope`: a list that spaces separate (RFC 6749 section 3.3). A scope that is not on
    /// resource level is left out, and so is one that is not well formed: a scope that is not understood gives nothing.
    #[must_use]
    pub fn parse(text: &str) -> Scopes {
        Scopes(text.split_ascii_whitespace().filter_map(Scope::parse).collect())
    }

    /// The scopes that let the caller do this to resources of this type, where none means any one type.
    pub fn that_permit(&self, action: Action, resource_type: Option<ResourceType>) -> impl Iterator<Item = &Scope> {
        self.0.iter().filter(move |scope| scope.permits(action) && scope.is_about(resource_type))
    }

    /// Whether a scope has a query, and so is about some resources of a type only.
    #[must_use]
    pub fn are_granular(&self) -> bool {
        self.0.iter().any(|scope| !scope.query.is_empty())
    }

    /// Whether a scope of this context is among them.
    #[must_use]
    pub fn has(&self, context: Context) -> bool {
        self.0.iter().any(|scope| scope.context == context)
    }
}

impl Scope {
    /// The one scope in the text, if it is a well-formed one on resource level: `context/Type.letters`, where the v2
    /// letters stand in the order `cruds`, once each, and only they may have a query after them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Scope> {
        let (context, rest) = text.split_once('/')?;
        let context = match context {
            "patient" => Context::Patient,
            "user" => Context::User,
            "system" => Context::System,
            _ => return None,
        };
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query)),
            None => (rest, None),
        };
        let (type_name, permissions) = rest.split_once('.')?;
        let resource_type = match type_name {
            "*" => None,
            name => Some(ResourceType::parse(name)?),
        };
        let letters = match permissions {
            "read" | "write" | "*" if query.is_some() => return None,
            "read" => "rs",
            "write" => "cud",
            "*" => "cruds",
            letters if in_order(letters) => letters,
            _ => return None,
        };
        Some(Scope {
            context,
            resource_type,
            create: letters.contains('c'),
            read: letters.contains('r'),
            update: letters.contains('u'),
            delete: letters.contains('d'),
            search: letters.contains('s'),
            query: query.map_or(Some(Vec::new()), parameters)?,
        })
    }

    /// Whether it covers everything in its context: `*.cruds` without a query.
    #[must_use]
    pub fn is_full(&self) -> bool {
        let letters = self.create && self.read && self.update && self.delete && self.search;
        letters && self.resource_type.is_none() && self.query.is_empty()
    }

    /// Whether its letters cover the interaction.
    #[must_use]
    pub fn permits(&self, action: Action) -> bool {
        match action {
            Action::Read | Action::History => self.read,
            Action::Search | Action::TypeHistory => self.search,
            Action::Create => self.create,
            Action::Update => self.update,
            Action::Delete => self.delete,
        }
    }

    /// Whether it says something about resources of this type; none means any type.
    #[must_use]
    pub fn is_about(&self, resource_type: Option<ResourceType>) -> bool {
        match (self.resource_type, resource_type) {
            (Some(own), Some(wanted)) => own == wanted,
            _ => true,
        }
    }
}

/// Whether these are letters of `cruds`, at least one, in that order, none twice.
fn in_order(letters: &str) -> bool {
    let mut rest = "cruds".chars();
    !letters.is_empty() && letters.chars().all(|letter| rest.any(|next| next == letter))
}

/// The pairs of a query, decoded; none when it is empty or not well formed.
fn parameters(query: &str) -> Option<Vec<(String, String)>> {
    query
        .split('&')
        .map(|pair| {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (decode(name)?, decode(value)?);
            (!name.is_empty() && !value.is_empty()).then_some((name, value))
        })
        .collect()
}

/// The text with its `%` sequences replaced and `+` read as a space (the form of a search URL).
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letters(scope: &Scope) -> String {
        [(scope.create, 'c'), (scope.read, 'r'), (scope.update, 'u'), (scope.delete, 'd'), (scope.search, 's')]
            .iter()
            .filter_map(|(given, letter)| given.then_some(*letter))
            .collect()
    }

    #[test]
    fn both_versions_are_read() {
        let cases = [
            ("patient/Observation.read", Context::Patient, Some("Observation"), "rs"),
            ("user/*.write", Context::User, None, "cud"),
            ("system/*.*", Context::System, None, "cruds"),
            ("patient/Goal.cruds", Context::Patient, Some("Goal"), "cruds"),
            ("system/Patient.r", Context::System, Some("Patient"), "r"),
            ("user/CarePlan.us", Context::User, Some("CarePlan"), "us"),
        ];
        for (text, context, resource_type, wanted) in cases {
            let scope = Scope::parse(text).unwrap();
            assert_eq!(scope.context, context, "{text}");
            assert_eq!(scope.resource_type.map(ResourceType::name), resource_type, "{text}");
            assert_eq!(letters(&scope), wanted, "{text}");
            assert!(scope.query.is_empty(), "{text}");
        }
    }

    #[test]
    fn what_is_not_well_formed_gives_nothing() {
        let texts = [
            "openid",
            "fhirUser",
            "launch/patient",
            "offline_access",
            "patient/Observation",
            "patient/Observation.",
            "patient/Observation.sr",
            "patient/Observation.rr",
            "patient/Observation.rx",
            "patient/Observation.READ",
            "patient/observation.read",
            "patient/Nonsense.rs",
            "Patient/Observation.rs",
            "patient/.rs",
            "/Observation.rs",
            "patient/Observation.rs?",
            "patient/Observation.rs?category",
            "patient/Observation.rs?=x",
            "patient/Observation.rs?category=",
            "patient/Observation.rs?category=%4",
            "patient/Observation.rs?category=%zz",
            "patient/Observation.rs?category=%ff",
            "patient/Observation.rs?category=a&",
            "patient/Observation.read?category=a",
            "patient/*/Observation.rs",
        ];
        for text in texts {
            assert_eq!(Scope::parse(text), None, "{text}");
        }
        assert_eq!(Scopes::parse(&texts.join(" ")), Scopes::default());
        assert_eq!(Scopes::parse(""), Scopes::default());
    }

    #[test]
    fn a_query_is_kept_decoded() {
        let scope = Scope::parse("patient/Observation.rs?category=http://a/b%7Cvital-signs&code=x+y").unwrap();
        assert_eq!(
            scope.query,
            [("category".to_owned(), "http://a/b|vital-signs".to_owned()), ("code".to_owned(), "x y".to_owned())]
        );
    }

    #[test]
    fn a_scope_is_found_by_what_it_permits() {
        let scopes = Scopes::parse("openid patient/Observation.rs user/*.r launch");
        let observation = ResourceType::parse("Observation");
        let goal = ResourceType::parse("Goal");
        assert_eq!(scopes.that_permit(Action::Read, observation).count(), 2);
        assert_eq!(scopes.that_permit(Action::History, goal).count(), 1);
        assert_eq!(scopes.that_permit(Action::Search, goal).count(), 0);
        assert_eq!(scopes.that_permit(Action::Search, None).count(), 1);
        assert_eq!(scopes.that_permit(Action::TypeHistory, observation).count(), 1);
        assert_eq!(scopes.that_permit(Action::Create, None).count(), 0);
        assert!(scopes.has(Context::User) && !scopes.has(Context::System));
    }
}
