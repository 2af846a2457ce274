//! What a decision is made from: the resources that say who is related to whom and what each patient wants, read once
//! into a form that can be asked. Every function here is total: what cannot be understood is kept as such, and then
//! permits nothing and denies what it may deny.
//!
//! What the store has to load for a caller who is no system and no patient:
//! - [`Facts::roles`]: for a practitioner every PractitionerRole with that practitioner, for a role that one.
//! - [`Facts::identities`]: the resources that [`crate::identity::references`] names, for the identifiers they bear.
//! - [`Facts::patients`]: for each patient in question (of the resource read, of the search, or all whose CareTeam or
//!   Consent names the caller) every Consent of that patient, every CareTeam about that patient and, when a related
//!   person calls, that RelatedPerson. Loading fewer than all the Consents of a patient that have not [`ended`] may miss a denial.

mod care_team;
mod consent;
mod ending;
mod period;
mod provision;
mod related_person;
mod role;
mod target;

pub use care_team::{CareTeamFacts, ParticipantFacts};
pub use consent::{ConsentFacts, GivenBy, LegalBasis, Standing};
pub use ending::ended;
pub use period::Period;
pub use provision::{Coding, DataPoint, Effect, Provision};
pub use related_person::RelatedPersonFacts;
pub use role::RoleFacts;
pub use target::{CLIENT_SYSTEM, ISSUED_CLIENT_SYSTEM, IdentityFacts, Target, issued_client, may_misname, names_apps};

use std::sync::Arc;

use crate::request::BREAK_GLASS_MS;

/// All that a decision is made from, besides the request and the time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// What is known about each patient in question.
    pub patients: Vec<Arc<PatientFacts>>,
    /// The roles of a professional who calls.
    pub roles: Vec<RoleFacts>,
    /// The identifiers of the caller's own resources, for Consents that name the caller by one.
    pub identities: Vec<IdentityFacts>,
    /// The Devices, `Device/id`, that stand for the app that calls: they bear its identifier with its issuer
    /// ([`ISSUED_CLIENT_SYSTEM`]), or without ([`CLIENT_SYSTEM`]) where that says which app it is.
    pub devices: Vec<String>,
    /// Those that may stand for it, or for one of another issuer that has the same `client_id`.
    pub possible_devices: Vec<String>,
    /// The labels, by their index keys, that something bears already and others that inherit from it may not bear yet.
    pub labels_on_their_way: Vec<String>,
}

/// What is known about one patient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PatientFacts {
    /// The patient's logical id.
    pub patient: String,
    /// All the Consents of this patient but those that have [`ended`].
    pub consents: Vec<ConsentFacts>,
    /// All the care teams about this patient.
    pub care_teams: Vec<CareTeamFacts>,
    /// The related persons of this patient, at least the one who calls.
    pub related_persons: Vec<RelatedPersonFacts>,
    /// System and value of the patient's own identifiers, for Consents that name the patient by one.
    pub identifiers: Vec<(String, String)>,
    /// The glass that was broken for this patient and not more than an hour ago, by anybody.
    pub break_glass: Vec<BreakGlassFacts>,
    /// What the resources refer to that a Consent names with `data.meaning` `related`.
    pub links: Vec<LinkFacts>,
}

/// That a professional broke the glass for a patient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakGlassFacts {
    /// Who: `Practitioner/id` or `PractitionerRole/id`, as [`crate::caller::Actor::reference`] gives it.
    pub who: String,
    /// When, in milliseconds since 1970 UTC. It holds for [`crate::request::BREAK_GLASS_MS`].
    pub since: i64,
    /// Why.
    pub reason: String,
}

/// What a resource refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkFacts {
    /// The resource, `Type/id`.
    pub reference: String,
    /// What it refers to, `Type/id` each.
    pub refers_to: Vec<String>,
}

impl PatientFacts {
    /// The resources, `Type/id`, of which the Consents ask what they refer to: they belong into
    /// [`PatientFacts::links`].
    #[must_use]
    pub fn related_to(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.each_provision(&mut |provision| {
            for point in provision.data.iter().filter(|point| point.meaning == "related") {
                if let Target::Local(reference) = &point.reference
                    && !found.contains(reference)
                {
                    found.push(reference.clone());
                }
            }
        });
        found.sort();
        found
    }

    /// How much the Consents that take part in decisions at `now` or later ask of one together (what `fhir::rules` bounds).
    pub(crate) fn asks(&self, now: i64) -> usize {
        let taking_part = self.consents.iter().filter(|consent| consent.takes_part(now));
        taking_part.map(|consent| consent.root.asks()).sum()
    }

    /// Whether one of those names breaking the glass.
    pub(crate) fn names_break_glass(&self, now: i64) -> bool {
        self.consents.iter().any(|consent| consent.takes_part(now) && consent.names_break_glass())
    }

    /// Whether a Consent names a Device of this server as an actor.
    #[must_use]
    pub fn names_a_device(&self) -> bool {
        let mut found = false;
        self.each_provision(&mut |provision| {
            found |= provision
                .actors
                .iter()
                .any(|actor| matches!(actor, Target::Local(reference) if reference.starts_with("Device/")));
        });
        found
    }

    /// Whether a Consent names what is or may be an app.
    pub(crate) fn names_an_app(&self) -> bool {
        let mut found = false;
        self.each_provision(&mut |provision| found |= provision.actors.iter().any(Target::may_be_an_app));
        found
    }

    /// Every provision of every Consent.
    pub(crate) fn each_provision<'a>(&'a self, what: &mut impl FnMut(&'a Provision)) {
        self.consents.iter().for_each(|consent| consent.each_provision(what));
    }
}

impl Facts {
    /// The first moment after `now` (milliseconds since 1970 UTC) at which a period begins or ends, so that the same
    /// question may have another answer; none when no such moment lies ahead.
    #[must_use]
    pub fn next_change(&self, now: i64) -> Option<i64> {
        let roles = self.roles.iter().flat_map(|role| role.period.boundaries());
        let patients = self.patients.iter().flat_map(|patient| {
            let consents = patient.consents.iter().flat_map(ConsentFacts::boundaries);
            let teams = patient.care_teams.iter().flat_map(CareTeamFacts::boundaries);
            let persons = patient.related_persons.iter().flat_map(|person| person.period.boundaries());
            let glass = patient.break_glass.iter().map(|glass| glass.since.saturating_add(BREAK_GLASS_MS));
            consents.chain(teams).chain(persons).chain(glass)
        });
        roles.chain(patients).filter(|moment| *moment > now).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use concord_fhir::registry::ResourceType;

    /// A patient with a Consent that has a rule inside its root about these people and these data, each with its meaning.
    fn patient(actors: &[Target], data: &[(&str, &str)]) -> PatientFacts {
        let rule = |actors: &[Target], data: &[(&str, &str)]| Provision {
            actors: actors.to_vec(),
            data: data
                .iter()
                .map(|(meaning, reference)| DataPoint {
                    meaning: (*meaning).to_owned(),
                    reference: Target::Local((*reference).to_owned()),
                })
                .collect(),
            ..Provision::silent()
        };
        let mut consent = ConsentFacts::from_resource("c", 1, &concord_fhir::json::Value::object([]), "");
        consent.root = Provision { provisions: vec![rule(actors, data)], ..rule(&[], &[]) };
        PatientFacts { consents: vec![consent], ..PatientFacts::default() }
    }

    #[test]
    fn what_is_asked_of_as_related_is_told_once_in_order() {
        let data = [
            ("related", "Encounter/b"),
            ("instance", "Goal/c"),
            ("related", "CarePlan/a"),
            ("related", "Encounter/b"),
            ("dependents", "Goal/d"),
        ];
        assert_eq!(patient(&[], &data).related_to(), ["CarePlan/a", "Encounter/b"]);
        assert!(patient(&[], &[("instance", "Goal/c")]).related_to().is_empty());
    }

    #[test]
    fn apps_are_told_from_people() {
        let local = |reference: &str| Target::Local(reference.to_owned());
        let by = |system: &str, resource_type| Target::Identified {
            system: system.to_owned(),
            value: "steps".to_owned(),
            resource_type: ResourceType::parse(resource_type),
        };
        let elsewhere = |name| Target::Elsewhere(ResourceType::parse(name));
        for (actor, a_device, an_app) in [
            (local("Device/steps"), true, true),
            (local("Practitioner/gp"), false, false),
            (by(CLIENT_SYSTEM, ""), false, true),
            (by(ISSUED_CLIENT_SYSTEM, ""), false, true),
            (by("urn:other", "Device"), false, true),
            (by("urn:other", "Practitioner"), false, false),
            (by("urn:other", ""), false, false),
            (elsewhere("Device"), false, true),
            (elsewhere("Practitioner"), false, false),
            (elsewhere(""), false, false),
            (Target::Unreadable, false, false),
        ] {
            let people = [local("RelatedPerson/c1"), actor, local("Organization/surgery")];
            let known = patient(&people, &[]);
            assert_eq!((known.names_a_device(), known.names_an_app()), (a_device, an_app), "{people:?}");
        }
    }
}
