//! Who is calling by a CIS2 token: a professional, by their user id in the Spine Directory Service, in the role that they
//! chose when they signed in.

use concord_consent::scope::Context;

use super::assurance::Role;
use super::claims::Claims;
use super::error::AuthError;
use super::identity::{Person, PersonIdentifier, Reading, credentials, scopes_or, subject};

/// `Identifier.system` of a professional's user id.
const SDS_USER_ID: &str = "https://fhir.nhs.uk/Id/sds-user-id";

/// The professional who is calling.
pub(super) fn person(claims: &Claims, reading: &Reading<'_>) -> Result<PersonIdentifier, AuthError> {
    let value = match (claims.nhsid_useruid.as_deref(), claims.uid.as_deref()) {
        (Some(one), Some(other)) if one != other => {
            return Err(AuthError::Identity("the token's nhsid_useruid and uid are two different people"));
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => {
            return Err(AuthError::Identity(
                "the token has no nhsid_useruid, so it does not say which professional this is",
            ));
        }
    };
    let usable =
        (1..=64).contains(&value.len()) && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !usable {
        return Err(AuthError::Claim("the token's nhsid_useruid is not a user id"));
    }
    let client = claims.client().unwrap_or(reading.audience);
    Ok(PersonIdentifier {
        person: Person::Practitioner,
        system: SDS_USER_ID,
        value: value.to_owned(),
        subject: subject(claims)?,
        issuer: claims.iss.clone(),
        client: client.to_owned(),
        scopes: scopes_or(claims, "user/*.cruds", Context::User),
        credentials: credentials(claims, client, reading)?,
    })
}

/// The role that was chosen (`selected_roleid`), or the only one. With several and no choice there is none: nobody acts in
/// all their roles at once.
pub(super) fn selected_role(claims: &Claims) -> Result<Vec<Role>, AuthError> {
    let roles = claims.nhsid_nrbac_roles.as_deref().unwrap_or_default();
    let role = match &claims.selected_roleid {
        Some(selected) => {
            let chosen = roles.iter().find(|role| role.person_roleid.as_ref() == Some(selected));
            Some(chosen.ok_or(AuthError::Claim("the token's selected_roleid is not one of its roles"))?)
        }
        None => match roles {
            [only] => Some(only),
            _ => None,
        },
    };
    Ok(role
        .map(|role| Role {
            id: role.person_roleid.clone(),
            code: role.role_code.clone(),
            organisation: role.org_code.clone(),
        })
        .into_iter()
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Clients, IssuerKind};
    use concord_consent::caller::Actor;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).unwrap()
    }

    fn read(json: &str) -> Result<PersonIdentifier, AuthError> {
        let reading = Reading {
            kind: IssuerKind::Cis2,
            fhir_base: "b",
            audience: "app",
            check_nhs_numbers: true,
            clients: &Clients::default(),
        };
        person(&claims(json), &reading)
    }

    #[test]
    fn a_professional_is_known_by_user_id() {
        let found = read(r#"{"iss":"i","sub":"s","nhsid_useruid":"555036632103","azp":"a"}"#).unwrap();
        assert_eq!(
            (found.person, found.system, found.value.as_str()),
            (Person::Practitioner, SDS_USER_ID, "555036632103")
        );
        let caller = found.resolve("gp".into());
        assert_eq!(
            (caller.actor, caller.patient, caller.client.as_str()),
            (Actor::Practitioner("gp".into()), None, "a")
        );
        assert_eq!(caller.scopes.0[0].context, Context::User);
        assert_eq!(read(r#"{"iss":"i","sub":"s","uid":"1"}"#).unwrap().value, "1");
    }

    #[test]
    fn bad_user_ids_are_refused() {
        assert!(matches!(read(r#"{"iss":"i","sub":"s"}"#), Err(AuthError::Identity(_))));
        assert!(matches!(read(r#"{"iss":"i","sub":"s","uid":"1","nhsid_useruid":"2"}"#), Err(AuthError::Identity(_))));
        assert!(matches!(read(r#"{"iss":"i","sub":"s","uid":""}"#), Err(AuthError::Claim(_))));
        assert!(matches!(read(r#"{"iss":"i","sub":"s","uid":"a|b"}"#), Err(AuthError::Claim(_))));
    }

    #[test]
    fn one_role_is_picked_or_none() {
        let two = r#""nhsid_nrbac_roles":[{"person_roleid":"1","org_code":"A9A","role_code":"S8000:G8000:R8001"},
            {"person_roleid":"2","org_code":"B8B","role_code":"S8000:G8000:R8000","activities":["x"]}]"#;
        let chosen = selected_role(&claims(&format!(r#"{{"iss":"i","selected_roleid":"2",{two}}}"#))).unwrap();
        assert_eq!(chosen.len(), 1);
        assert_eq!(chosen[0].organisation.as_deref(), Some("B8B"));
        assert!(selected_role(&claims(&format!(r#"{{"iss":"i",{two}}}"#))).unwrap().is_empty());
        assert!(selected_role(&claims(&format!(r#"{{"iss":"i","selected_roleid":"3",{two}}}"#))).is_err());
        let one = r#"{"iss":"i","nhsid_nrbac_roles":[{"person_roleid":"1","role_code":"R"}]}"#;
        assert_eq!(selected_role(&claims(one)).unwrap()[0].code.as_deref(), Some("R"));
        assert!(selected_role(&claims(r#"{"iss":"i"}"#)).unwrap().is_empty());
    }
}
