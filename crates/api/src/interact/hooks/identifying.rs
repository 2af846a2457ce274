//! What says who somebody is: by it a sign-in, or a Consent that names somebody by an identifier, finds them. Whoever writes it
//! decides who is let in, so that professionals, carers and apps of others do not.

use concord_consent::authorship::may_say_who_people_are;
use concord_consent::caller::Caller;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::json::Value;
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::hooks::TypeHooks;

/// An element that says who somebody is.
#[derive(Clone, Copy)]
pub(super) struct Identifying {
    /// The element.
    element: &'static str,
    bound: Bound,
    /// The systems of which that is so, where it is of identifiers of some only.
    systems: Option<&'static [&'static str]>,
}

/// What those may not do who do not say who people are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// Add a value.
    Added,
    /// Change it from what was written first.
    Changed,
}

impl Identifying {
    /// An element of which nothing is added.
    pub(super) const fn added(element: &'static str) -> Identifying {
        Identifying { element, bound: Bound::Added, systems: None }
    }

    /// An element that stays as it is.
    pub(super) const fn changed(element: &'static str) -> Identifying {
        Identifying { element, bound: Bound::Changed, systems: None }
    }

    /// An element of which no identifier of these systems is added.
    pub(super) const fn added_of(element: &'static str, systems: &'static [&'static str]) -> Identifying {
        Identifying { element, bound: Bound::Added, systems: Some(systems) }
    }

    /// Whether it is not as the caller found it.
    fn is_broken(self, old: Option<&Value<'_>>, new: &Value<'_>) -> bool {
        let of = |resource: &Value<'_>| -> Vec<Value<'static>> {
            let is_meant = |one: &&Value<'_>| {
                self.systems.is_none_or(|systems| one.text("system").is_some_and(|system| systems.contains(&system)))
            };
            resource.list(self.element).iter().filter(is_meant).map(|one| one.clone().into_owned()).collect()
        };
        let lacks = |all: &[Value<'_>], one: &Value<'_>| all.iter().all(|other| !other.same(one));
        let (before, after) = (old.map(of).unwrap_or_default(), of(new));
        match self.bound {
            Bound::Added => after.iter().any(|one| lacks(&before, one)),
            Bound::Changed => {
                old.is_some() && (before.len() != after.len() || after.iter().any(|one| lacks(&before, one)))
            }
        }
    }

    fn refusal(self, new: &Version) -> ApiError {
        let what = match self.bound {
            Bound::Added => "leave it out",
            Bound::Changed => "leave it as it is, or delete this and write another one",
        };
        let text = format!(
            "this says who somebody is, and so who may see a record: the patient in her own app or a registered system writes it; \
             {what}"
        );
        let place = format!("{}.{}", new.resource_type, self.element);
        ApiError::Denied(vec![Issue::error(IssueCode::Forbidden, place, text)])
    }
}

/// Refuses a version by which a caller who may not would say who somebody is.
///
/// # Errors
/// [`ApiError::Denied`] at the element, and when a stored body cannot be read.
pub(crate) fn refuse_identifying(
    hooks: &TypeHooks,
    caller: &Caller,
    old: Option<&Version>,
    new: &Version,
) -> Result<(), ApiError> {
    if hooks.identifying.is_empty() || new.deleted || may_say_who_people_are(caller) {
        return Ok(());
    }
    let before = old.filter(|old| !old.deleted).map(Version::resource).transpose()?;
    let after = new.resource()?;
    match hooks.identifying.iter().find(|one| one.is_broken(before.as_ref(), &after)) {
        Some(broken) => Err(broken.refusal(new)),
        None => Ok(()),
    }
}
