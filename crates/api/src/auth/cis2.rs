//! Who is calling by a CIS2 token: a professional, by their user id in the Spine Directory Service, in the role that they
//! chose when they signed in.

use concord_consent::scope::Context;

use super::assurance::Role;
use super::claims::Claims;
use super::error::AuthError;
use super::identity::{Person, PersonIdentifier, Reading, authentication, credentials, scopes_or, subject};
use crate::config::{ANY, Cis2Config};

/// `Identifier.system` of a professional's user id.
const SDS_USER_ID: &str = "https://fhir.nhs.uk/Id/sds-user-id";

/// The professional who is calling, in a role in which they are let in.
pub(super) fn person(
    claims: &Claims,
    role: Option<&Role>,
    reading: &Reading<'_>,
) -> Result<PersonIdentifier, AuthError> {
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
    let organisation_on_record = let_in(claims, role, reading.cis2)?;
    let client = claims.client().unwrap_or(reading.audience);
    Ok(PersonIdentifier {
        organisation_on_record,
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

/// Whether somebody has signed in strongly enough, in a role and for an organisation that are let in: the organisation that has to be on
/// record besides, where no setting names those that are.
fn let_in(claims: &Claims, role: Option<&Role>, asked: &Cis2Config) -> Result<Option<String>, AuthError> {
    if authentication(claims).is_none_or(|level| level < asked.lowest_assurance) {
        return Err(AuthError::Identity(
            "the token's authentication_assurance_level is lower than this server asks for",
        ));
    }
    let is_any = |codes: &[String]| codes.iter().any(|code| code == ANY);
    let code = role.and_then(|role| role.code.as_deref()).unwrap_or_default();
    let last = code.rsplit(':').next().unwrap_or_default();
    if !is_any(&asked.roles) && !asked.roles.iter().any(|one| one == code || one == last) {
        return Err(AuthError::Identity(
            "the token's role (selected_roleid, or the only one) is none that is let in here",
        ));
    }
    let organisation = role.and_then(|role| role.organisation.clone()).filter(|code| !code.is_empty());
    match organisation {
        _ if is_any(&asked.organisations) => Ok(None),
        Some(code) if asked.organisations.is_empty() => Ok(Some(code)),
        Some(code) if asked.organisations.contains(&code) => Ok(None),
        _ => Err(AuthError::Identity("the organisation of the token's role is none that is let in here")),
    }
}

/// The role that was chosen (`selected_roleid`), or the only one. With several and no choice there is none: nobody acts in
/// all their roles at once.
pub(super) fn selected_role(claims: &Claims) -> Result<Option<Role>, AuthError> {
    let roles = claims.nhsid_nrbac_roles.as_deref().unwrap_or_default();
    let role = match &claims.selected_roleid {
        Some(selected) => {
            let mut chosen = roles.iter().filter(|role| role.person_roleid.as_ref() == Some(selected));
            match (chosen.next(), chosen.next()) {
                (Some(only), None) => Some(only),
                (None, _) => return Err(AuthError::Claim("the token's selected_roleid is not one of its roles")),
                (Some(_), Some(_)) => {
                    return Err(AuthError::Claim("the token's selected_roleid is that of several of its roles"));
                }
            }
        }
        None => match roles {
            [only] => Some(only),
            _ => None,
        },
    };
    Ok(role.map(|role| Role {
        id: role.person_roleid.clone(),
        code: role.role_code.clone(),
        organisation: role.org_code.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Clients, IssuerKind};
    use concord_consent::caller::Actor;

    fn claims(json: &str) -> Claims {
        Claims::parse(json.as_bytes()).unwrap()
    }

    fn read_with(json: &str, cis2: &Cis2Config) -> Result<PersonIdentifier, AuthError> {
        let reading = Reading {
            kind: IssuerKind::Cis2,
            fhir_base: "b",
            audience: "app",
            check_nhs_numbers: true,
            clients: &Clients::default(),
            cis2,
        };
        let claims = claims(json);
        person(&claims, selected_role(&claims)?.as_ref(), &reading)
    }

    fn read(json: &str) -> Result<PersonIdentifier, AuthError> {
        let nurse = r#""authentication_assurance_level":"2","nhsid_nrbac_roles":[{"person_roleid":"1","org_code":"A83008",
            "role_code":"S8000:G8000:R8001"}]"#;
        read_with(&json.replace("{\"iss\":\"i\"", &format!("{{{nurse},\"iss\":\"i\"")), &Cis2Config::default())
    }

    #[test]
    fn a_professional_is_known_by_user_id() {
        let found = read(r#"{"iss":"i","sub":"s","nhsid_useruid":"555036632103","azp":"a"}"#).unwrap();
        assert_eq!(
            (found.person, found.system, found.value.as_str()),
            (Person::Practitioner, SDS_USER_ID, "555036632103")
        );
        assert_eq!(found.organisation_on_record.as_deref(), Some("A83008"));
        let caller = found.resolve("gp".into());
        assert_eq!(
            (caller.actor.clone(), caller.patient.clone(), caller.client.as_str()),
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

    /// What settings let in, each by a level, a role and an organisation.
    #[test]
    fn who_is_let_in_is_a_setting() {
        let usual = Cis2Config::default();
        assert_eq!((usual.lowest_assurance, usual.roles.len(), usual.organisations.len()), (2, 4, 0));
        let texts = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<String>>();
        let strict =
            Cis2Config { lowest_assurance: 3, roles: texts(&["S8000:G8000:R8001"]), organisations: texts(&["A83008"]) };
        let open = Cis2Config { lowest_assurance: 1, roles: texts(&["*"]), organisations: texts(&["*"]) };
        for (level, code, organisation, [by_default, strictly, openly]) in [
            (r#""3""#, r#""S8000:G8000:R8001""#, r#""A83008""#, [true, true, true]),
            ("3", r#""S8000:G8000:R8001""#, r#""B8B""#, [true, false, true]),
            ("2", r#""S8000:G8000:R8001""#, r#""A83008""#, [true, false, true]),
            ("3", r#""S8000:G8000:R8000""#, r#""A83008""#, [true, false, true]),
            // A receptionist, an invented role, none; a sign-in with a password alone, or of which nothing is said.
            ("3", r#""S8000:G8001:R8006""#, r#""A83008""#, [false, false, true]),
            ("3", r#""R80010""#, r#""A83008""#, [false, false, true]),
            ("3", r#""""#, r#""A83008""#, [false, false, true]),
            ("3", "null", r#""A83008""#, [false, false, true]),
            ("1", r#""S8000:G8000:R8001""#, r#""A83008""#, [false, false, true]),
            (r#""4""#, r#""S8000:G8000:R8001""#, r#""A83008""#, [false, false, false]),
            (r#""03""#, r#""S8000:G8000:R8001""#, r#""A83008""#, [false, false, false]),
            (r#""+3""#, r#""S8000:G8000:R8001""#, r#""A83008""#, [false, false, false]),
            (r#"" 3""#, r#""S8000:G8000:R8001""#, r#""A83008""#, [false, false, false]),
            ("3.0", r#""S8000:G8000:R8001""#, r#""A83008""#, [false, false, false]),
            ("null", r#""S8000:G8000:R8001""#, r#""A83008""#, [false, false, false]),
            // For nobody.
            ("3", r#""S8000:G8000:R8001""#, "null", [false, false, true]),
            ("3", r#""S8000:G8000:R8001""#, r#""""#, [false, false, true]),
        ] {
            let json = format!(
                r#"{{"iss":"i","sub":"s","uid":"1","authentication_assurance_level":{level},
                    "nhsid_nrbac_roles":[{{"person_roleid":"1","org_code":{organisation},"role_code":{code}}}]}}"#
            );
            for (asked, is_in) in [(&usual, by_default), (&strict, strictly), (&open, openly)] {
                assert_eq!(read_with(&json, asked).is_ok(), is_in, "{json} by {asked:?}");
            }
        }
        // Of several roles of which none is selected nobody knows which is meant.
        let two = r#"{"iss":"i","sub":"s","uid":"1","authentication_assurance_level":"3","nhsid_nrbac_roles":[
            {"person_roleid":"1","org_code":"A83008","role_code":"S8000:G8000:R8001"},
            {"person_roleid":"2","org_code":"B8B","role_code":"S8000:G8000:R8001"}]}"#;
        assert!(read_with(two, &usual).is_err() && read_with(two, &open).is_ok());
    }

    #[test]
    fn one_role_is_picked_or_none() {
        let two = r#""nhsid_nrbac_roles":[{"person_roleid":"1","org_code":"A9A","role_code":"S8000:G8000:R8001"},
            {"person_roleid":"2","org_code":"B8B","role_code":"S8000:G8000:R8000","activities":["x"]}]"#;
        let chosen = selected_role(&claims(&format!(r#"{{"iss":"i","selected_roleid":"2",{two}}}"#))).unwrap();
        assert_eq!(chosen.unwrap().organisation.as_deref(), Some("B8B"));
        assert!(selected_role(&claims(&format!(r#"{{"iss":"i",{two}}}"#))).unwrap().is_none());
        assert!(selected_role(&claims(&format!(r#"{{"iss":"i","selected_roleid":"3",{two}}}"#))).is_err());
        let twice = two.replace(r#""person_roleid":"1""#, r#""person_roleid":"2""#);
        assert!(selected_role(&claims(&format!(r#"{{"iss":"i","selected_roleid":"2",{twice}}}"#))).is_err());
        let one = r#"{"iss":"i","nhsid_nrbac_roles":[{"person_roleid":"1","role_code":"R"}]}"#;
        assert_eq!(selected_role(&claims(one)).unwrap().unwrap().code.as_deref(), Some("R"));
        assert!(selected_role(&claims(r#"{"iss":"i"}"#)).unwrap().is_none());
    }
}
