//! Which references mean the caller, and how specifically.

use crate::caller::{Actor, Caller};
pub use crate::facts::CLIENT_SYSTEM;
use crate::facts::{CareTeamFacts, Facts, PatientFacts, RoleFacts, Target};
use crate::tri::Tri;

/// How specifically a rule names the caller. A more specific rule goes before a less specific one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Rank {
    /// Not at all: the rule is about everybody.
    Everybody,
    /// By an organization of an active role.
    Organization,
    /// By an active role, a team or an app.
    Role,
    /// In person.
    Person,
}

impl Rank {
    /// From the least specific.
    pub(crate) const ALL: [Rank; 4] = [Rank::Everybody, Rank::Organization, Rank::Role, Rank::Person];
}

/// The references that mean the caller.
#[derive(Clone, Debug)]
pub(crate) struct Identity<'a> {
    /// `Type/id` and how specific it is.
    references: Vec<(String, Rank)>,
    /// What identifiers are known of the caller.
    facts: &'a Facts,
    /// The `client_id`, if it is an app.
    client: Option<String>,
    /// Whether the caller acts in a role that is not held (any more), or of which nothing is known.
    pub(crate) role_not_held: bool,
}

/// The references that mean the caller: the caller's own, the active roles of a practitioner, the practitioner of an
/// active role, and their organizations. These are what the participants of care teams and the actors of Consents are to
/// be searched for. `now` is in milliseconds since 1970 UTC.
#[must_use]
pub fn references(actor: &Actor, roles: &[RoleFacts], now: i64) -> Vec<String> {
    ranked(actor, roles, now).0.into_iter().map(|(reference, _)| reference).collect()
}

/// The references with their ranks, and whether the role in which the caller acts is not held.
fn ranked(actor: &Actor, roles: &[RoleFacts], now: i64) -> (Vec<(String, Rank)>, bool) {
    let mut found: Vec<(String, Rank)> = Vec::new();
    let mut add = |target: &Target, rank: Rank| {
        if let Target::Local(reference) = target
            && !found.iter().any(|(known, _)| known == reference)
        {
            found.push((reference.clone(), rank));
        }
    };
    if let Some(own) = actor.reference() {
        let rank = if matches!(actor, Actor::PractitionerRole(_)) { Rank::Role } else { Rank::Person };
        add(&Target::Local(own), rank);
    }
    let acts_in = |role: &RoleFacts| match actor {
        Actor::Practitioner(id) => role.practitioner.as_ref().is_some_and(|who| who.is("Practitioner", id)),
        Actor::PractitionerRole(id) => role.id == *id,
        Actor::System | Actor::Patient(_) | Actor::RelatedPerson(_) => false,
    };
    let mut holds_one = false;
    for role in roles.iter().filter(|role| acts_in(role) && role.is_current(now)) {
        holds_one = true;
        add(&Target::Local(format!("PractitionerRole/{}", role.id)), Rank::Role);
        if let Some(practitioner) = &role.practitioner {
            add(practitioner, Rank::Person);
        }
        if let Some(organization) = &role.organization {
            add(organization, Rank::Organization);
        }
    }
    (found, matches!(actor, Actor::PractitionerRole(_)) && !holds_one)
}

impl<'a> Identity<'a> {
    /// Who the caller is.
    pub(crate) fn of(caller: &Caller, facts: &'a Facts, now: i64) -> Identity<'a> {
        let (references, role_not_held) = ranked(&caller.actor, &facts.roles, now);
        Identity { references, facts, client: None, role_not_held }
    }

    /// Which references mean the app that calls: `Device/client_id`, and every Device that bears the identifier
    /// `urn:concord:client|client_id`. The identifier alone means it as well.
    pub(crate) fn of_app(caller: &Caller, facts: &'a Facts) -> Identity<'a> {
        let mut references = vec![(format!("Device/{}", caller.client), Rank::Person)];
        references.extend(facts.devices.iter().map(|device| (device.clone(), Rank::Person)));
        Identity { references, facts, client: Some(caller.client.clone()), role_not_held: false }
    }

    /// The references, most of them `Practitioner/..`, `PractitionerRole/..`, `Organization/..`.
    pub(crate) fn references(&self) -> impl Iterator<Item = &str> {
        self.references.iter().map(|(reference, _)| reference.as_str())
    }

    /// Whether the caller is whom the target names, and how specifically it names them.
    pub(crate) fn is(&self, target: &Target) -> (Tri, Rank) {
        if let Some(client) = &self.client {
            return (self.is_app(client, target), Rank::Person);
        }
        match target {
            Target::Local(local) => match self.references.iter().find(|(own, _)| own == local) {
                Some((_, rank)) => (Tri::Yes, *rank),
                // Who is in a group cannot be told here.
                None => (if local.starts_with("Group/") { Tri::Maybe } else { Tri::No }, Rank::Person),
            },
            Target::Identified { system, value, resource_type } => {
                self.bears(system, value, resource_type.map(|one| one.name()))
            }
            Target::Elsewhere(resource_type) => {
                let of_type = resource_type.is_none_or(|one| self.references_of(Some(one.name())).next().is_some());
                (if of_type { Tri::Maybe } else { Tri::No }, Rank::Person)
            }
            Target::Unreadable => (Tri::Maybe, Rank::Person),
        }
    }

    /// Whether the app is what the target names. What may be anything is no app: a patient does not lose her own app over
    /// a rule about somebody who cannot be told.
    fn is_app(&self, client: &str, target: &Target) -> Tri {
        match target {
            Target::Local(local) => Tri::from(self.references.iter().any(|(own, _)| own == local)),
            Target::Identified { system, value, .. } if system == CLIENT_SYSTEM => Tri::from(value == client),
            Target::Identified { resource_type: Some(one), .. } | Target::Elsewhere(Some(one))
                if one.name() == "Device" =>
            {
                Tri::Maybe
            }
            Target::Identified { .. } | Target::Elsewhere(_) | Target::Unreadable => Tri::No,
        }
    }

    /// Whether one of the caller's own resources (of that type, if one is said) bears the identifier. It cannot be told
    /// while the identifiers of one of them are not known.
    fn bears(&self, system: &str, value: &str, resource_type: Option<&str>) -> (Tri, Rank) {
        let mut answer = (Tri::No, Rank::Person);
        for (reference, rank) in self.references_of(resource_type) {
            match self.facts.identities.iter().find(|known| known.reference == *reference) {
                Some(known) if known.identifiers.iter().any(|(s, v)| s == system && v == value) => {
                    return (Tri::Yes, *rank);
                }
                Some(_) => {}
                None => answer = (Tri::Maybe, Rank::Person),
            }
        }
        answer
    }

    fn references_of(&self, resource_type: Option<&str>) -> impl Iterator<Item = &(String, Rank)> {
        self.references
            .iter()
            .filter(move |(reference, _)| resource_type.is_none_or(|name| reference.split('/').next() == Some(name)))
    }

    /// Whether the caller is in the care team of that patient. Only professionals are: a relation in a team sees what a
    /// Consent says.
    pub(crate) fn is_in(&self, team: &CareTeamFacts, patient: &str, now: i64) -> Tri {
        team.membership(patient, now, |member| self.is(member).0 == Tri::Yes)
    }

    /// Whether the caller is whom an actor of a Consent of this patient names.
    pub(crate) fn is_actor(&self, target: &Target, patient: &PatientFacts, now: i64) -> (Tri, Rank) {
        if self.client.is_none()
            && let Target::Local(local) = target
            && let Some(("CareTeam", id)) = local.split_once('/')
        {
            return match patient.care_teams.iter().find(|team| team.id == id) {
                Some(team) => (self.is_in(team, &patient.patient, now), Rank::Role),
                None => (Tri::Maybe, Rank::Role),
            };
        }
        self.is(target)
    }
}
