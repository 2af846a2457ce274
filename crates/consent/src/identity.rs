//! Which references mean the caller, and how specifically.

use crate::caller::{Actor, Caller};
pub use crate::facts::{CLIENT_SYSTEM, ISSUED_CLIENT_SYSTEM, issued_client, may_misname, names_apps};
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

/// What an app is called.
#[derive(Clone, Debug)]
struct AppName {
    /// Its `client_id`.
    client: String,
    /// Who gives that out.
    issuer: String,
    /// The same with who gives it out.
    issued: String,
    /// Whether an app of another issuer may have the same `client_id`.
    is_ambiguous: bool,
    /// The Devices, `Device/id`, that may stand for it.
    possible: Vec<String>,
}

impl AppName {
    /// Whether a name that is none may be meant for this app.
    fn may_be_misnamed(&self, system: Option<&str>, value: &str) -> Tri {
        match may_misname(system, value, (&self.issuer, &self.client)) {
            true => Tri::Maybe,
            false => Tri::No,
        }
    }
}

/// The references that mean the caller.
#[derive(Clone, Debug)]
pub(crate) struct Identity<'a> {
    /// `Type/id` and how specific it is.
    references: Vec<(String, Rank)>,
    /// What identifiers are known of the caller.
    facts: &'a Facts,
    /// Which app it is, if it is one.
    client: Option<AppName>,
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
    let mut holds_one = false;
    for role in roles.iter().filter(|role| role.is_of(actor) && role.is_current(now)) {
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

    /// Which references mean the app that calls: every Device that bears its identifier with its issuer,
    /// `urn:concord:issued-client|issuer|client_id`; and where the `client_id` says by itself which app it is `Device/client_id`,
    /// and every Device that bears `urn:concord:client|client_id`. The identifiers alone mean it as well.
    pub(crate) fn of_app(caller: &Caller, facts: &'a Facts) -> Identity<'a> {
        let mut references: Vec<_> = facts.devices.iter().map(|device| (device.clone(), Rank::Person)).collect();
        let by_id = format!("Device/{}", caller.client);
        let mut possible = facts.possible_devices.clone();
        match caller.credentials.client_is_ambiguous {
            true => possible.push(by_id),
            false => references.push((by_id, Rank::Person)),
        }
        let name = AppName {
            client: caller.client.clone(),
            issuer: caller.issuer.clone(),
            issued: issued_client(&caller.issuer, &caller.client),
            is_ambiguous: caller.credentials.client_is_ambiguous,
            possible,
        };
        Identity { references, facts, client: Some(name), role_not_held: false }
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
            Target::WithoutSystem(_) | Target::Unreadable => (Tri::Maybe, Rank::Person),
        }
    }

    /// Whether the app is what the target names. What may be anything is no app: a patient does not lose her own app over
    /// a rule about somebody who cannot be told.
    fn is_app(&self, app: &AppName, target: &Target) -> Tri {
        match target {
            Target::Local(local) if self.references.iter().any(|(own, _)| own == local) => Tri::Yes,
            Target::Local(local) => {
                if app.possible.contains(local) {
                    Tri::Maybe
                } else {
                    Tri::No
                }
            }
            // What permits has to mean this app, what denies may mean it.
            Target::Identified { system, value, .. } if names_apps(system) => {
                let is_issued = system == ISSUED_CLIENT_SYSTEM;
                match value == if is_issued { &app.issued } else { &app.client } {
                    true if is_issued || !app.is_ambiguous => Tri::Yes,
                    true => Tri::Maybe,
                    false => app.may_be_misnamed(Some(system), value),
                }
            }
            Target::WithoutSystem(value) => app.may_be_misnamed(None, value),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::cases::caller;

    #[test]
    fn an_app_is_meant_by_its_id_alone_only_where_no_other_issuer_may_give_it_out() {
        let facts = Facts {
            devices: vec!["Device/mine".to_owned()],
            possible_devices: vec!["Device/anybodys".to_owned()],
            ..Facts::default()
        };
        let by = |system: &str, value: &str| Target::Identified {
            system: system.to_owned(),
            value: value.to_owned(),
            resource_type: None,
        };
        let local = |reference: &str| Target::Local(reference.to_owned());
        let of = |is_ambiguous: bool, target: &Target| {
            let mut app = caller("Patient/p1", "patient/*.rs", Some("p1"));
            app.credentials.client_is_ambiguous = is_ambiguous;
            Identity::of_app(&app, &facts).is(target).0
        };
        for (target, alone, ambiguous) in [
            (by(ISSUED_CLIENT_SYSTEM, "https://issuer.example|app"), Tri::Yes, Tri::Yes),
            (by(ISSUED_CLIENT_SYSTEM, "https://else.example|app"), Tri::No, Tri::No),
            // What leaves out who gives the id out, or mistakes it, is not known to be of another app.
            (by(ISSUED_CLIENT_SYSTEM, "app"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "|app"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "app|https://issuer.example"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "https://issuer.example/|app"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "http://Issuer.example|app"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "issuer.example|app"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "https://issuer.example| app "), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, " "), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "urn:other|app"), Tri::No, Tri::No),
            // None of these is the name of an issuer.
            (by(ISSUED_CLIENT_SYSTEM, "https://else where|app"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "://else.example|app"), Tri::Maybe, Tri::Maybe),
            (by(ISSUED_CLIENT_SYSTEM, "https://|app"), Tri::Maybe, Tri::Maybe),
            (by("urn:x", " "), Tri::No, Tri::No),
            (Target::WithoutSystem(" ".to_owned()), Tri::No, Tri::No),
            (by(ISSUED_CLIENT_SYSTEM, "https://issuer.example/|other"), Tri::No, Tri::No),
            (by(ISSUED_CLIENT_SYSTEM, "other"), Tri::No, Tri::No),
            (by(CLIENT_SYSTEM, "https://issuer.example|app"), Tri::Maybe, Tri::Maybe),
            (Target::WithoutSystem("app".to_owned()), Tri::Maybe, Tri::Maybe),
            (Target::WithoutSystem("https://issuer.example|app".to_owned()), Tri::Maybe, Tri::Maybe),
            (Target::WithoutSystem("other".to_owned()), Tri::No, Tri::No),
            (by(CLIENT_SYSTEM, "app"), Tri::Yes, Tri::Maybe),
            (by(CLIENT_SYSTEM, "other"), Tri::No, Tri::No),
            (local("Device/app"), Tri::Yes, Tri::Maybe),
            (local("Device/mine"), Tri::Yes, Tri::Yes),
            (local("Device/anybodys"), Tri::Maybe, Tri::Maybe),
            (local("Device/other"), Tri::No, Tri::No),
        ] {
            assert_eq!((of(false, &target), of(true, &target)), (alone, ambiguous), "{target:?}");
        }
    }
}
