//! A registered system without a user: bounded by its scopes and by the purposes that it is registered for.

use concord_fhir::predicate::Predicate;

use crate::asked::Asked;
use crate::decision::Layer;
use crate::label::{self, Named};
use crate::purpose::Purpose;
use crate::request::Action;
use crate::types;

/// What the system may reach. One whose registration names purposes acts for those only, never for research or
/// marketing, and never on its own authority on sensitive data.
pub(crate) fn reach(asked: &mut Asked<'_>) -> Predicate {
    let request = asked.request;
    let reach = match request.action {
        Action::Update | Action::Delete => types::changed_by_systems(asked.only()),
        _ => Predicate::All,
    };
    let Some(registered) = &request.caller.credentials.purposes else {
        asked.gives(Layer::Relationship, "system", reach.clone(), "a registered system may do this within its scopes");
        return reach;
    };
    let wanted: Vec<Purpose> = request.purpose.map_or_else(|| registered.clone(), |purpose| vec![purpose]);
    let fits = |purpose: &Purpose| purpose.serves_patient() && registered.iter().any(|own| own.covers(*purpose));
    if !wanted.iter().any(fits) {
        let text = "this system is not registered for this purpose";
        asked.takes(Layer::Relationship, "system.purpose", Predicate::All, text);
        return Predicate::None;
    }
    let text = "a registered system may do this within its scopes, for a purpose that it is registered for";
    asked.gives(Layer::Relationship, "system.purpose", reach.clone(), text);
    if request.action == Action::Create {
        return reach;
    }
    let plain = Named::default().covers().and(label::hidden_from_patients().negate());
    let text = "a system does not see sensitive data on its own authority";
    asked.takes(Layer::Label, "system.sensitive", plain.clone().negate(), text);
    reach.and(plain)
}
