//! Who may change what somebody wrote.

use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::action::Action;
use crate::caller::{Actor, App, Caller, Proofing};
use crate::decision::{Layer, Reason, Verdict};
use crate::facts::{RoleFacts, Target};
use crate::types;

/// Whether the actor may update or delete a resource that `author` wrote: the reference that the store keeps, `Type/id`,
/// or none when it is not known. A patient and a related person change what they wrote themselves; a professional what
/// they or a role that they hold wrote; a system anything. `now` is in milliseconds since 1970 UTC.
///
/// # Errors
/// The reason why not, which names the way to comment.
pub fn may_change(actor: &Actor, author: Option<&str>, roles: &[RoleFacts], now: i64) -> Result<(), Box<Reason>> {
    let own = match (actor, author) {
        (Actor::System, _) => true,
        (_, None) => false,
        (Actor::Patient(_) | Actor::RelatedPerson(_), Some(author)) => actor.reference().as_deref() == Some(author),
        (Actor::Practitioner(id), Some(author)) => {
            actor.reference().as_deref() == Some(author)
                || current_roles(roles, now).any(|role| {
                    role.practitioner.as_ref().is_some_and(|who| who.is("Practitioner", id))
                        && author.split_once('/') == Some(("PractitionerRole", role.id.as_str()))
                })
        }
        (Actor::PractitionerRole(id), Some(author)) => {
            current_roles(roles, now).filter(|role| role.id == *id).any(|role| {
                actor.reference().as_deref() == Some(author)
                    || role.practitioner == Some(Target::Local(author.to_owned()))
            })
        }
    };
    if own {
        return Ok(());
    }
    let (rule, text) = match (actor, author.and_then(|author| author.split('/').next())) {
        (Actor::Patient(_) | Actor::RelatedPerson(_), Some("Practitioner" | "PractitionerRole" | "Organization")) => (
            "authorship.professional",
            "a professional wrote this, so you cannot change or delete it: add a Communication with `about` pointing at it",
        ),
        (Actor::Practitioner(_) | Actor::PractitionerRole(_), Some("Patient" | "RelatedPerson")) => (
            "authorship.patient",
            "the patient or somebody close to the patient wrote this, so you cannot change or delete it: \
             add a Communication with `about` pointing at it",
        ),
        _ => (
            "authorship.other",
            "somebody else wrote this, so you cannot change or delete it: add a Communication with `about` pointing at it",
        ),
    };
    Err(Box::new(Reason::new(Layer::Authorship, Verdict::Denies, rule, text)))
}

/// Whether the caller is a system that speaks for itself only, because nobody has registered its app: whom its content names has not
/// written that, and it changes nothing that another wrote.
#[must_use]
pub fn speaks_for_itself_only(caller: &Caller) -> bool {
    caller.actor == Actor::System && caller.credentials.app == App::ThirdParty
}

/// Why a system that nobody has registered does not write what is said for others.
pub(crate) const SAID_FOR_OTHERS: &str = "only a registered system says who people are, where they work, what they did, whom they let in \
     and by what everybody may search";

/// Why the caller may not say a thing of this type at all, in a resource of its own or along with another one: a system that
/// [`speaks_for_itself_only`] says nothing for others.
#[must_use]
pub fn refuses_to_say(caller: &Caller, resource_type: ResourceType) -> Option<&'static str> {
    let is_for_others = types::said_for_others(Some(resource_type)) != Predicate::None;
    (is_for_others && speaks_for_itself_only(caller)).then_some(SAID_FOR_OTHERS)
}

/// Whether somebody of that kind writes resources of a type, in whosever record.
#[must_use]
pub fn writes_somewhere(actor: &Actor, action: Action, resource_type: ResourceType) -> bool {
    types::written_by(actor, action, Some(resource_type)) != Predicate::None
}

/// Whether the caller may write what says who somebody is, and so who may see a record: a registered system, and the patient in her own
/// app. A professional, a carer and an app of somebody else would let in whom they like.
#[must_use]
pub fn may_say_who_people_are(caller: &Caller) -> bool {
    match caller.actor {
        Actor::System => caller.credentials.app != App::ThirdParty,
        Actor::Patient(_) => caller.credentials.app != App::ThirdParty && caller.credentials.proofing == Proofing::P9,
        Actor::RelatedPerson(_) | Actor::Practitioner(_) | Actor::PractitionerRole(_) => false,
    }
}

/// Whether what a resource says of who somebody is counts, by whom the store keeps as its author: a registered system, which is
/// kept as nobody, or the patient. Anybody else has written it before that was refused.
#[must_use]
pub fn says_who_people_are(author: &str) -> bool {
    author.is_empty() || author.starts_with("Patient/")
}

/// Whether it is a patient or somebody close to one whom the store keeps as the author.
#[must_use]
pub fn is_of_the_patient_side(author: &str) -> bool {
    ["Patient/", "RelatedPerson/"].iter().any(|kind| author.starts_with(kind))
}

fn current_roles(roles: &[RoleFacts], now: i64) -> impl Iterator<Item = &RoleFacts> {
    roles.iter().filter(move |role| role.is_current(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Period;

    fn role(id: &str, practitioner: &str, active: bool) -> RoleFacts {
        RoleFacts {
            id: id.into(),
            practitioner: Some(Target::Local(format!("Practitioner/{practitioner}"))),
            organization: Some(Target::Local("Organization/surgery".into())),
            active,
            period: Period::Always,
        }
    }

    #[test]
    fn everybody_changes_their_own() {
        let roles = [role("gp-r", "gp", true), role("old", "gp", false), role("nurse-r", "nurse", true)];
        let patient = Actor::Patient("p1".into());
        let carer = Actor::RelatedPerson("c1".into());
        let gp = Actor::Practitioner("gp".into());
        let gp_in_role = Actor::PractitionerRole("gp-r".into());
        let former = Actor::PractitionerRole("old".into());
        for (actor, author, wanted) in [
            (&Actor::System, None, None),
            (&Actor::System, Some("Patient/p1"), None),
            (&patient, Some("Patient/p1"), None),
            (&patient, Some("Patient/p2"), Some("authorship.other")),
            (&patient, Some("Practitioner/gp"), Some("authorship.professional")),
            (&patient, Some("RelatedPerson/c1"), Some("authorship.other")),
            (&patient, None, Some("authorship.other")),
            (&carer, Some("RelatedPerson/c1"), None),
            (&carer, Some("Patient/p1"), Some("authorship.other")),
            (&carer, Some("PractitionerRole/gp-r"), Some("authorship.professional")),
            (&gp, Some("Practitioner/gp"), None),
            (&gp, Some("PractitionerRole/gp-r"), None),
            (&gp, Some("PractitionerRole/old"), Some("authorship.other")),
            (&gp, Some("PractitionerRole/nurse-r"), Some("authorship.other")),
            (&gp, Some("Practitioner/nurse"), Some("authorship.other")),
            (&gp, Some("Patient/p1"), Some("authorship.patient")),
            (&gp, None, Some("authorship.other")),
            (&gp_in_role, Some("PractitionerRole/gp-r"), None),
            (&gp_in_role, Some("Practitioner/gp"), None),
            (&gp_in_role, Some("Practitioner/nurse"), Some("authorship.other")),
            (&former, Some("PractitionerRole/old"), Some("authorship.other")),
        ] {
            let found = may_change(actor, author, &roles, 0).err();
            assert_eq!(found.as_ref().map(|reason| reason.rule), wanted, "{actor:?} {author:?}");
            assert!(found.is_none_or(|reason| reason.text.contains("`about`")));
        }
    }
}
