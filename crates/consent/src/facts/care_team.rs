use concord_fhir::json::Value;

use super::{Period, Target};
use crate::tri::Tri;

/// What a CareTeam says (R4 "CareTeam").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CareTeamFacts {
    /// Its logical id.
    pub id: String,
    /// Whom it cares for.
    pub subject: Option<Target>,
    /// Whether its status is `active`; a team that does not say so is not.
    pub active: bool,
    /// How long it works.
    pub period: Period,
    /// Who is in it.
    pub participants: Vec<ParticipantFacts>,
}

/// One participant of a care team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParticipantFacts {
    /// Who.
    pub member: Target,
    /// How long.
    pub period: Period,
}

impl CareTeamFacts {
    /// What the CareTeam says. One with a modifier that is not understood is not active.
    #[must_use]
    pub fn from_resource(id: &str, resource: &Value<'_>, base: &str) -> CareTeamFacts {
        let participant = |one: &Value<'_>| {
            Some(ParticipantFacts {
                member: Target::of(one.get("member")?, base),
                period: if one.get("modifierExtension").is_some() {
                    Period::Unreadable
                } else {
                    Period::of(one.get("period"))
                },
            })
        };
        CareTeamFacts {
            id: id.to_owned(),
            subject: resource.get("subject").map(|who| Target::of(who, base)),
            active: resource.text("status") == Some("active") && !super::consent::has_modifier(resource),
            period: Period::of(resource.get("period")),
            participants: resource.list("participant").iter().filter_map(participant).collect(),
        }
    }

    /// Whether one whom `is_caller` recognises is in the team of that patient now.
    pub(crate) fn membership(&self, patient: &str, now: i64, is_caller: impl Fn(&Target) -> bool) -> Tri {
        if !self.active || !self.subject.as_ref().is_some_and(|subject| subject.is("Patient", patient)) {
            return Tri::No;
        }
        let members = self.participants.iter().filter(|participant| is_caller(&participant.member));
        let member = members.map(|participant| participant.period.holds(now)).max().unwrap_or(Tri::No);
        member.min(self.period.holds(now))
    }

    /// The moments at which somebody's membership may begin or end.
    pub(super) fn boundaries(&self) -> impl Iterator<Item = i64> {
        self.period.boundaries().chain(self.participants.iter().flat_map(|participant| participant.period.boundaries()))
    }
}
