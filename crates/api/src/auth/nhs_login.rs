//! Who is calling by an NHS login token: a patient, by NHS number.
//!
//! The number is in the `nhs_number` claim (scope `profile`), which an identity of level P0 does not have.

use concord_consent::scope::Context;
use concord_fhir::nhs_number;

use super::claims::Claims;
use super::error::AuthError;
use super::identity::{Person, PersonIdentifier, Reading, credentials, scopes_or, subject};

/// The patient who is calling.
pub(super) fn person(claims: &Claims, reading: &Reading<'_>) -> Result<PersonIdentifier, AuthError> {
    let number = claims
        .nhs_number
        .as_deref()
        .ok_or(AuthError::Identity("the token has no nhs_number, so it does not say which patient this is"))?;
    let digits: Vec<u32> = number.chars().filter_map(|character| character.to_digit(10)).collect();
    if digits.len() != 10 || number.len() != 10 {
        return Err(AuthError::Claim("the token's nhs_number is not ten digits"));
    }
    if reading.check_nhs_numbers && !nhs_number::is_valid(number) {
        return Err(AuthError::Claim("the token's nhs_number has a wrong check digit"));
    }
    let client = claims.client().unwrap_or(reading.audience);
    Ok(PersonIdentifier {
        person: Person::Patient,
        system: nhs_number::SYSTEM,
        value: number.to_owned(),
        organisation_on_record: None,
        subject: subject(claims)?,
        issuer: claims.iss.clone(),
        client: client.to_owned(),
        scopes: scopes_or(claims, "patient/*.cruds", Context::Patient),
        credentials: credentials(claims, client, reading)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Cis2Config, Clients, IssuerKind};
    use concord_consent::caller::Actor;

    fn read(json: &str, check_nhs_numbers: bool) -> Result<PersonIdentifier, AuthError> {
        let reading = Reading {
            kind: IssuerKind::NhsLogin,
            fhir_base: "b",
            audience: "the-app",
            check_nhs_numbers,
            clients: &Clients::default(),
            cis2: &Cis2Config::default(),
        };
        person(&Claims::parse(json.as_bytes()).unwrap(), &reading)
    }

    #[test]
    fn a_patient_is_known_by_nhs_number() {
        let found = read(r#"{"iss":"i","sub":"s","nhs_number":"9990000018","vot":"P9.Cp.Cd"}"#, false).unwrap();
        assert_eq!(
            (found.person, found.system, found.value.as_str()),
            (Person::Patient, nhs_number::SYSTEM, "9990000018")
        );
        let caller = found.resolve("abc".into());
        assert_eq!(caller.actor, Actor::Patient("abc".into()));
        assert_eq!(caller.patient.as_deref(), Some("abc"));
        assert_eq!(caller.client, "the-app");
        assert_eq!(caller.scopes.0.len(), 1);
        assert_eq!(caller.scopes.0[0].context, Context::Patient);
    }

    #[test]
    fn nhs_numbers_are_checked() {
        // The example of the NHS Data Dictionary.
        assert!(read(r#"{"iss":"i","sub":"s","vot":"P9.Cp.Cd","nhs_number":"9434765919"}"#, true).is_ok());
        for bad in ["9434765918", "943476591", "94347659190", "943 476 5919", "94347659a9", ""] {
            let json = format!(r#"{{"iss":"i","sub":"s","vot":"P9.Cp.Cd","nhs_number":"{bad}"}}"#);
            assert!(matches!(read(&json, true), Err(AuthError::Claim(_))), "{bad}");
        }
        assert!(read(r#"{"iss":"i","sub":"s","vot":"P9.Cp.Cd","nhs_number":"9434765918"}"#, false).is_ok());
        assert!(matches!(read(r#"{"iss":"i","sub":"s","vot":"P9.Cp.Cd"}"#, true), Err(AuthError::Identity(_))));
        assert!(matches!(
            read(r#"{"iss":"i","vot":"P9.Cp.Cd","nhs_number":"9434765919"}"#, true),
            Err(AuthError::Claim(_))
        ));
    }
}
