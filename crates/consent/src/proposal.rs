//! Who decides about sharing, and who only proposes.

use concord_fhir::predicate::Predicate;

use crate::actor::Actor;
use crate::asked::Asked;
use crate::authorship::{SAID_FOR_OTHERS, speaks_for_itself_only};
use crate::caller::App;
use crate::decision::Layer;
use crate::request::Action;
use crate::types;

/// What may be written of what decides who sees a record, and everything else: nobody gains access by writing. An app of
/// somebody else creates Consents as proposals, and changes and deletes none, because it cannot be told whose proposal
/// one is; nor does it write what else decides. A professional writes proposals. The patient makes one active.
/// A system whose app nobody has registered speaks for itself only.
/// What says who somebody is, and so whom a Consent means, is bounded by element: [`crate::authorship::may_say_who_people_are`].
pub(crate) fn limit(asked: &mut Asked<'_>) -> Predicate {
    let request = asked.request;
    let only = asked.only();
    let is_of_others = request.caller.credentials.app == App::ThirdParty;
    let proposes = is_of_others || matches!(request.caller.actor, Actor::Practitioner(_) | Actor::PractitionerRole(_));
    if !proposes || !request.action.writes() {
        return Predicate::All;
    }
    let allowed = match request.action {
        Action::Create => types::proposal(only),
        _ if is_of_others => Predicate::None,
        _ => types::proposal(only),
    };
    let is_unregistered = speaks_for_itself_only(request.caller);
    let bounded = match (is_of_others, is_unregistered) {
        (_, true) => types::said_for_others(only),
        (true, _) => types::decides_access(only),
        _ => types::consent(only),
    };
    let refused = bounded.and(allowed.negate());
    if is_unregistered && refused != Predicate::None {
        asked.takes(Layer::Writing, "write.unregistered", refused.clone(), SAID_FOR_OTHERS);
    } else if refused != Predicate::None {
        let text = "who may see a record is for the patient to decide: an app of somebody else, a professional and a carer \
                    only propose it (status draft or proposed), and the patient makes it active in her own app";
        asked.takes(Layer::Writing, "write.proposal", refused.clone(), text);
    }
    refused.negate()
}
