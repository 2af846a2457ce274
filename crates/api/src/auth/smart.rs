//! Who is calling by a SMART token: `fhirUser` and `patient` (SMART App Launch 2.2, "Scopes and Launch Context").
//!
//! | fhirUser | patient | scopes | the caller acts as |
//! |---|---|---|---|
//! | a person | any that does not contradict | any | that person; `system/` scopes are dropped |
//! | none | an id | `patient/`, none of `user/` | that patient |
//! | none | none | `system/` | a system; other scopes are dropped |
//! | anything else | | | nobody: refused |

use concord_consent::caller::{Actor, App, Caller};
use concord_consent::scope::{Context, Scope, Scopes};

use super::claims::Claims;
use super::error::AuthError;
use super::identity::{Reading, credentials, only, subject};
use super::is_logical_id;

/// Who is calling.
pub(super) fn caller(claims: &Claims, reading: &Reading<'_>) -> Result<Caller, AuthError> {
    let client =
        claims.client().ok_or(AuthError::Claim("the token names no client: it has neither client_id nor azp"))?;
    let patient = claims.patient.clone();
    if patient.as_deref().is_some_and(|id| !is_logical_id(id)) {
        return Err(AuthError::Claim("the token's patient is not the logical id of a Patient"));
    }
    let scopes = Scopes::parse(&claims.scopes());
    let user = claims.fhir_user.as_deref().map(|reference| user(reference, reading.fhir_base)).transpose()?;
    let has = |context| scopes.0.iter().any(|scope| scope.context == context);
    let (actor, patient, contexts) = match (user, patient) {
        (Some(Actor::Patient(own)), patient) => {
            if patient.is_some_and(|other| other != own) {
                return Err(AuthError::Identity("the token's fhirUser and patient are two different patients"));
            }
            (Actor::Patient(own.clone()), Some(own), &[Context::Patient, Context::User][..])
        }
        (Some(person), patient) => (person, patient, &[Context::Patient, Context::User][..]),
        (None, Some(_)) if has(Context::User) => {
            // The patient in context need not be who is at the keyboard.
            return Err(AuthError::Identity("the token has user/ scopes but no fhirUser to say who the user is"));
        }
        (None, Some(id)) if has(Context::Patient) => (Actor::Patient(id.clone()), Some(id), &[Context::Patient][..]),
        (None, None) if has(Context::System) => (Actor::System, None, &[Context::System][..]),
        (None, Some(_)) => return Err(AuthError::Identity("the token has a patient but no patient/ scope")),
        (None, None) => {
            return Err(AuthError::Identity(
                "the token says nobody: it has no fhirUser, no patient and no system/ scope",
            ));
        }
    };
    let scopes = only(scopes, contexts);
    let mut credentials = credentials(claims, client, reading)?;
    // A configured issuer that gives a system every right vouches for it as a registration here does. One with less has to
    // be registered to be believed about sharing choices.
    let vouched = actor == Actor::System && scopes.0.iter().any(Scope::is_full);
    if vouched && !reading.clients.knows(&claims.iss, client) {
        credentials.app = App::Own;
    }
    Ok(Caller {
        actor,
        subject: subject(claims)?,
        issuer: claims.iss.clone(),
        client: client.to_owned(),
        scopes,
        patient,
        credentials,
    })
}

/// The person that a `fhirUser` names: `Type/id`, or the same under the base URL of this server.
fn user(reference: &str, fhir_base: &str) -> Result<Actor, AuthError> {
    let relative = if reference.contains("://") {
        reference
            .strip_prefix(fhir_base)
            .and_then(|rest| rest.strip_prefix('/'))
            .ok_or(AuthError::Identity("the token's fhirUser is a person of another server"))?
    } else {
        reference
    };
    let (kind, id) = relative.split_once('/').unwrap_or((relative, ""));
    if !is_logical_id(id) {
        return Err(AuthError::Claim("the token's fhirUser is not a reference such as Practitioner/123"));
    }
    let id = id.to_owned();
    match kind {
        "Patient" => Ok(Actor::Patient(id)),
        "RelatedPerson" => Ok(Actor::RelatedPerson(id)),
        "Practitioner" => Ok(Actor::Practitioner(id)),
        "PractitionerRole" => Ok(Actor::PractitionerRole(id)),
        _ => Err(AuthError::Identity(
            "the token's fhirUser is not a Patient, RelatedPerson, Practitioner or PractitionerRole",
        )),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::{Cis2Config, Clients, IssuerKind};

    fn read(more: Value) -> Result<Caller, AuthError> {
        let mut claims = json!({"iss": "i", "sub": "s", "client_id": "app"});
        for (key, value) in more.as_object().unwrap() {
            claims[key] = value.clone();
        }
        let claims = Claims::parse(claims.to_string().as_bytes()).unwrap();
        let reading = Reading {
            kind: IssuerKind::Smart,
            fhir_base: "https://here.example/fhir",
            audience: "a",
            check_nhs_numbers: true,
            clients: &Clients::default(),
            cis2: &Cis2Config::default(),
        };
        caller(&claims, &reading)
    }

    #[test]
    fn a_token_that_says_nothing_of_proof_counts_as_proven() {
        use concord_consent::caller::{PrivilegedRole, Proofing};
        let credentials = |more: Value| {
            let mut token = json!({"fhirUser": "Patient/a", "scope": "patient/*.rs"});
            for (key, value) in more.as_object().unwrap() {
                token[key] = value.clone();
            }
            read(token).unwrap().credentials
        };
        assert_eq!(credentials(json!({})).proofing, Proofing::P9);
        let claimed = credentials(json!({"identity_proofing_level": "P5"}));
        assert_eq!(claimed.proofing, Proofing::P5);
        assert_eq!(claimed.login, credentials(json!({})).login);
        assert_ne!(claimed.login, credentials(json!({"sub": "another"})).login);
        assert_eq!(credentials(json!({"identity_proofing_level": "P7"})).proofing, Proofing::P0);
        let roles = json!({"roles": ["privacy-officer", "doctor"], "authentication_assurance_level": "2"});
        let office = credentials(roles);
        assert_eq!((office.privileged_roles, office.authentication), (vec![PrivilegedRole::PrivacyOfficer], Some(2)));
    }

    fn contexts(caller: &Caller) -> Vec<Context> {
        caller.scopes.0.iter().map(|scope| scope.context).collect()
    }

    #[test]
    fn fhir_user_decides_the_actor() {
        let cases = [
            ("Patient/a", Actor::Patient("a".into())),
            ("RelatedPerson/r-1", Actor::RelatedPerson("r-1".into())),
            ("Practitioner/p", Actor::Practitioner("p".into())),
            ("PractitionerRole/q", Actor::PractitionerRole("q".into())),
            ("https://here.example/fhir/Practitioner/p", Actor::Practitioner("p".into())),
        ];
        for (reference, actor) in cases {
            let scope = "user/*.cruds patient/*.rs system/*.cruds";
            let caller = read(json!({"fhirUser": reference, "scope": scope})).unwrap();
            assert_eq!(caller.actor, actor);
            assert_eq!((caller.subject.as_str(), caller.issuer.as_str(), caller.client.as_str()), ("s", "i", "app"));
            assert_eq!(contexts(&caller), [Context::User, Context::Patient], "no system scopes for {reference}");
        }
    }

    #[test]
    fn a_user_may_have_a_patient_in_context() {
        let caller = read(json!({"fhirUser": "Practitioner/p", "patient": "a", "scope": "patient/*.rs"})).unwrap();
        assert_eq!((caller.actor, caller.patient.as_deref()), (Actor::Practitioner("p".into()), Some("a")));
        let caller = read(json!({"fhirUser": "Patient/a", "scope": "patient/*.rs"})).unwrap();
        assert_eq!(caller.patient.as_deref(), Some("a"));
        let caller = read(json!({"fhirUser": "Patient/a", "patient": "a", "scope": "patient/*.rs"})).unwrap();
        assert_eq!(caller.patient.as_deref(), Some("a"));
    }

    #[test]
    fn two_different_patients_are_refused() {
        let token = json!({"fhirUser": "Patient/a", "patient": "b", "scope": "patient/*.rs"});
        assert!(matches!(read(token), Err(AuthError::Identity(_))));
    }

    #[test]
    fn a_patient_alone_is_that_patient() {
        let caller = read(json!({"patient": "a", "scope": "openid patient/*.cruds system/*.cruds"})).unwrap();
        assert_eq!(caller.actor, Actor::Patient("a".into()));
        assert_eq!(contexts(&caller), [Context::Patient]);
    }

    #[test]
    fn a_system_has_nobody_and_system_scopes() {
        let caller = read(json!({"scope": "system/*.cruds user/*.cruds"})).unwrap();
        assert_eq!((caller.actor.clone(), caller.patient.clone()), (Actor::System, None));
        assert_eq!(contexts(&caller), [Context::System]);
    }

    #[test]
    fn whoever_cannot_be_told_is_refused() {
        for token in [
            json!({}),
            json!({"scope": "user/*.cruds"}),
            json!({"scope": "patient/*.cruds"}),
            json!({"scope": "openid"}),
            json!({"patient": "a", "scope": "user/*.cruds patient/*.cruds"}),
            json!({"patient": "a", "scope": "system/*.cruds"}),
            json!({"patient": "a"}),
            json!({"fhirUser": "Person/p", "scope": "user/*.cruds"}),
            json!({"fhirUser": "Device/p", "scope": "user/*.cruds system/*.cruds"}),
            json!({"fhirUser": "https://else.example/fhir/Practitioner/p", "scope": "user/*.cruds"}),
            json!({"fhirUser": "https://here.example/fhirPractitioner/p", "scope": "user/*.cruds"}),
        ] {
            assert!(matches!(read(token.clone()), Err(AuthError::Identity(_))), "{token}");
        }
        for token in [
            json!({"fhirUser": "", "scope": "system/*.cruds"}),
            json!({"fhirUser": "Patient", "scope": "user/*.cruds"}),
            json!({"fhirUser": "Patient/", "scope": "user/*.cruds"}),
            json!({"fhirUser": "Patient/a/_history/1", "scope": "user/*.cruds"}),
            json!({"fhirUser": "/Patient/a", "scope": "user/*.cruds"}),
            json!({"patient": "Patient/a", "scope": "patient/*.rs"}),
            json!({"patient": "", "scope": "patient/*.rs system/*.cruds"}),
            json!({"patient": "a b", "scope": "patient/*.rs"}),
            json!({"patient": "a", "scope": "patient/*.rs", "client_id": ""}),
            json!({"patient": "a", "scope": "patient/*.rs", "sub": ""}),
        ] {
            assert!(matches!(read(token.clone()), Err(AuthError::Claim(_))), "{token}");
        }
    }
}
