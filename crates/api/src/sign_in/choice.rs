//! What a person chooses that an app gets: kinds of data, sensitive groups, until when; as scopes, and as the Consent by which
//! the decision enforces it.

use concord_consent::identity::{ISSUED_CLIENT_SYSTEM, issued_client};
use concord_fhir::registry::ResourceType;
use concord_signin::client::Client;
use concord_signin::form::Form;
use concord_signin::kinds::{KINDS, Kind, SENSITIVE, Use};
use concord_signin::scope::Granted;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::interact::instant;

const CONSENT_SCOPE: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
const ACT_CODE: &str = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
const ACTIONS: &str = "http://terminology.hl7.org/CodeSystem/consentaction";
const TYPES: &str = "http://hl7.org/fhir/resource-types";
const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";

/// Until when an app gets what it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lasts {
    /// As long as the person stays signed in.
    #[default]
    Session,
    /// 30 days.
    Month,
    /// 90 days.
    Quarter,
    /// 365 days.
    Year,
}

/// Each with how a form names it and what it is called.
pub(crate) const LASTS: [(Lasts, &str, &str); 4] = [
    (Lasts::Session, "session", "Only until I close it"),
    (Lasts::Month, "month", "For 30 days"),
    (Lasts::Quarter, "quarter", "For 90 days"),
    (Lasts::Year, "year", "For a year"),
];

impl Lasts {
    /// How many seconds; none for as long as the person stays signed in.
    pub(super) fn seconds(self) -> Option<i64> {
        let days = match self {
            Lasts::Session => return None,
            Lasts::Month => 30,
            Lasts::Quarter => 90,
            Lasts::Year => 365,
        };
        Some(days * 86_400)
    }
}

/// What is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Choice {
    /// The kinds of data, by their codes.
    pub(crate) kinds: Vec<String>,
    /// The sensitive groups, by their labels.
    pub(crate) sensitive: Vec<String>,
    /// Until when.
    pub(crate) lasts: Lasts,
}

/// The kinds of data that scopes ask for.
pub(crate) fn kinds_asked(scope: &Granted) -> impl Iterator<Item = Kind> + '_ {
    KINDS.into_iter().filter(|kind| kind.asked(scope).is_some())
}

impl Choice {
    /// What the form of the authorisation page says. What it names that there is not is left out.
    /// For how long can be chosen only where the app asks to go on without the person.
    pub(crate) fn read(form: &Form, scope: &Granted) -> Choice {
        let kinds = KINDS.iter().map(|kind| kind.code).filter(|code| form.all("kind").any(|given| given == *code));
        let groups =
            SENSITIVE.iter().map(|one| one.code).filter(|code| form.all("sensitive").any(|given| given == *code));
        let given = form.all("lasts").next().filter(|_| scope.has("offline_access")).unwrap_or_default();
        let lasts = LASTS.iter().find(|(_, code, _)| *code == given).map_or(Lasts::Session, |(lasts, ..)| *lasts);
        Choice { kinds: kinds.map(str::to_owned).collect(), sensitive: groups.map(str::to_owned).collect(), lasts }
    }

    /// What is chosen where nothing is: all that is asked for, nothing sensitive, as long as the person stays signed in.
    pub(crate) fn usual(scope: &Granted) -> Choice {
        Choice { kinds: kinds_asked(scope).map(|kind| kind.code.to_owned()).collect(), ..Choice::default() }
    }

    fn has(&self, kind: Kind) -> bool {
        self.kinds.iter().any(|code| code == kind.code)
    }

    /// The types of the kinds that are chosen; none where all are that are asked for, and so there is nothing to leave out.
    fn types(&self, scope: &Granted) -> Option<Vec<ResourceType>> {
        match kinds_asked(scope).all(|kind| self.has(kind)) {
            true => None,
            false => Some(KINDS.into_iter().filter(|kind| self.has(*kind)).flat_map(Kind::types).collect()),
        }
    }

    /// What is left of scopes.
    pub(super) fn narrowed(&self, scope: &Granted) -> Granted {
        let narrowed = match self.types(scope) {
            None => scope.clone(),
            Some(types) => scope.of_types(&types),
        };
        match self.lasts {
            Lasts::Session => narrowed.without("offline_access"),
            _ => narrowed,
        }
    }

    /// The Consent that says so: it denies the app everything but what is chosen, and everything afterwards. `scope` is what was
    /// asked for.
    pub(super) fn consent(
        &self,
        patient: &str,
        (issuer, client): (&str, &Client),
        scope: &Granted,
        now_ms: i64,
        lasts_s: i64,
    ) -> Value {
        let chosen = || KINDS.into_iter().filter(|kind| self.has(*kind) && kind.asked(scope).is_some());
        let asked: Vec<_> = chosen().filter_map(|kind| kind.asked(scope)).collect();
        let actions = actions(&asked);
        // It names what is chosen, also where that is all there is: what was let before goes on with this Consent too, and what
        // nobody has classified is of the kind that its type is, and shown only where that is named.
        let types = chosen().flat_map(Kind::types);
        let classes: Vec<Value> = types.map(|one| json!({"system": TYPES, "code": one.name()})).collect();
        let permit = |labels: Vec<Value>| {
            let mut provision = json!({"type": "permit", "action": actions, "class": classes,
                "period": {"end": instant(lasts_s * 1000)}});
            if let Some(object) = provision.as_object_mut().filter(|_| !labels.is_empty()) {
                object.insert("securityLabel".to_owned(), labels.into());
            }
            provision
        };
        let mut permits = Vec::new();
        if !actions.is_empty() {
            permits.push(permit(Vec::new()));
            if !self.sensitive.is_empty() {
                permits.push(permit(
                    self.sensitive.iter().map(|code| json!({"system": ACT_CODE, "code": code})).collect(),
                ));
            }
        }
        let app = json!({
            "role": concept(PARTICIPATION, "IRCP"),
            "reference": {
                "identifier": {"system": ISSUED_CLIENT_SYSTEM, "value": issued_client(issuer, &client.id)},
                "display": client.name
            }
        });
        let mut root = json!({"type": "deny", "actor": [app]});
        if let Some(object) = root.as_object_mut().filter(|_| !permits.is_empty()) {
            object.insert("provision".to_owned(), permits.into());
        }
        json!({
            "resourceType": "Consent",
            "status": "active",
            "scope": concept(CONSENT_SCOPE, "patient-privacy"),
            "category": [concept(ACT_CODE, "INFA")],
            "patient": {"reference": format!("Patient/{patient}")},
            "dateTime": instant(now_ms),
            "policyRule": concept(ACT_CODE, "OPTIN"),
            "provision": root
        })
    }
}

fn concept(system: &str, code: &str) -> Value {
    json!({"coding": [{"system": system, "code": code}]})
}

/// What a Consent calls what is done with data.
fn actions(asked: &[Use]) -> Vec<Value> {
    let any = |one: fn(&Use) -> bool| asked.iter().any(one);
    let all = [
        ("access", any(|one| one.reads)),
        ("collect", any(|one| one.adds)),
        ("correct", any(|one| one.changes || one.deletes)),
    ];
    all.into_iter().filter(|(_, wanted)| *wanted).map(|(code, _)| concept(ACTIONS, code)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_that_is_ticked_never_names_less() {
        let client: Client = serde_json::from_value(json!({"id": "diary", "name": "Diary", "own": false,
            "redirect_uris": [], "scope": "patient/*.cruds", "authentication": "none", "introspects": false}))
        .unwrap();
        let scope = Granted::parse("patient/*.cruds");
        let named = |ticked: usize| {
            let kinds = KINDS.iter().enumerate().filter(|(place, _)| ticked & (1 << place) != 0);
            let choice = Choice { kinds: kinds.map(|(_, kind)| kind.code.to_owned()).collect(), ..Choice::default() };
            let consent = choice.consent("p1", ("https://phr.example", &client), &scope, 0, 60);
            let permits = consent["provision"]["provision"].as_array().cloned().unwrap_or_default();
            let classes = permits.iter().flat_map(|permit| {
                // A permit of everything names nothing, and gives none of what nobody has classified.
                permit["class"].as_array().expect("a permit names what it gives").iter()
            });
            let classes: Vec<String> = classes.map(|class| class["code"].as_str().unwrap().to_owned()).collect();
            classes
        };
        let all: Vec<Vec<String>> = (0..1 << KINDS.len()).map(named).collect();
        for (ticked, classes) in all.iter().enumerate() {
            for one in (0..KINDS.len()).filter(|one| ticked & (1 << one) == 0) {
                let more = &all[ticked | (1 << one)];
                assert!(classes.iter().all(|class| more.contains(class)), "{ticked:b} and {one}");
                assert!(more.len() > classes.len(), "{ticked:b} and {one}");
            }
        }
        assert_eq!(all[all.len() - 1].len(), ResourceType::all().count());
    }
}
