//! For whom a test wants a token. What is mistyped is refused by its name: a token that is another than was meant makes a test pass, or
//! fail, for another reason than it tells.

use concord_consent::purpose::Purpose;
use concord_fhir::literal::is_id;
use concord_signin::scope::Granted;

use crate::auth::development::{TokenRequest, usual_scope};
use crate::error::ApiError;
use crate::interact::Pairs;
use crate::sign_in::actor;

/// How long a token works where nothing else is asked, in seconds.
const HOUR_S: i64 = 3600;
/// How long one works at most, in seconds.
const LONGEST_S: i64 = 366 * 86_400;
/// The app of who says none, which is the operator's own.
const USUAL_CLIENT: &str = "concord-cli";
/// The longest name of an app, in bytes.
const MAX_CLIENT_BYTES: usize = 128;
/// How surely somebody can be known.
const LEVELS: [&str; 3] = ["P0", "P5", "P9"];
/// The roles that a token can say.
const ROLES: [&str; 2] = ["safeguarding-lead", "privacy-officer"];
/// The parameters that may be there more than once.
const REPEATED: [&str; 2] = ["purpose", "role"];

const UNKNOWN: &str = "there is no such parameter; there are patient, fhir-user, system, scope, client-id, proofing, purpose, role and \
                       expires-in";
const WHO: &str = "say whom the token is for: patient, fhir-user or system=true";

/// Reads what is asked.
///
/// # Errors
/// The first parameter that is not known, is there twice or is not of its form, by its name.
pub(super) fn read(asked: Pairs) -> Result<TokenRequest, ApiError> {
    let usual = TokenRequest { lifetime_s: HOUR_S, client_id: USUAL_CLIENT.to_owned(), ..TokenRequest::default() };
    let (mut request, mut system, mut scope, mut seen) = (usual, false, None, Vec::new());
    for (name, value) in asked {
        if seen.contains(&name) && !REPEATED.contains(&name.as_str()) {
            return Err(ApiError::parameter(&name, "it is there more than once"));
        }
        let wrong = |text: &str| ApiError::parameter(&name, text);
        match name.as_str() {
            "patient" if is_id(&value) => request.patient = Some(value),
            "patient" => return Err(wrong("the logical id of a patient, such as amina")),
            "fhir-user" if is_user(&value) => request.fhir_user = Some(value),
            "fhir-user" => {
                return Err(wrong("a reference to somebody who can act, as type and logical id"));
            }
            "system" => system = truth(&value).ok_or_else(|| wrong("true or false"))?,
            "scope" => {
                if let [first, ..] = Granted::parse(&value).unknown() {
                    return Err(wrong(&format!("{first:?} is no scope that is known")));
                }
                scope = Some(value);
            }
            "client-id" if (1..=MAX_CLIENT_BYTES).contains(&value.len()) => request.client_id = value,
            "client-id" => return Err(wrong("1 to 128 characters")),
            "proofing" if LEVELS.contains(&value.as_str()) => request.proofing = Some(value),
            "proofing" => return Err(wrong("P0, P5 or P9")),
            "purpose" if Purpose::parse(&value).is_some() => request.purposes.push(value),
            "purpose" => return Err(wrong("a purpose of v3-ActReason that is known, such as TREAT")),
            "role" if ROLES.contains(&value.as_str()) => request.roles.push(value),
            "role" => return Err(wrong("safeguarding-lead or privacy-officer")),
            "expires-in" => {
                let seconds = value.parse().ok().filter(|seconds| (1..=LONGEST_S).contains(seconds));
                request.lifetime_s = seconds.ok_or_else(|| wrong("a whole number of seconds, at most a year's"))?;
            }
            _ => return Err(wrong(UNKNOWN)),
        }
        seen.push(name);
    }
    if system == (request.patient.is_some() || request.fhir_user.is_some()) {
        return Err(ApiError::parameter(if system { "system" } else { "patient" }, WHO));
    }
    let usual = || usual_scope(request.fhir_user.as_deref(), system).to_owned();
    request.scope = scope.unwrap_or_else(usual);
    Ok(request)
}

fn is_user(text: &str) -> bool {
    actor(text).is_some() && text.split_once('/').is_some_and(|(_, id)| is_id(id))
}

fn truth(text: &str) -> Option<bool> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> Result<TokenRequest, ApiError> {
        read(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    #[test]
    fn whom_a_token_is_for_is_said_exactly() {
        assert_eq!(asked("patient=amina").unwrap().scope, "patient/*.cruds");
        assert_eq!(asked("system=true&expires-in=60").unwrap().lifetime_s, 60);
        assert_eq!(asked("system=false&patient=amina").unwrap().client_id, "concord-cli");
        let all = "fhir-user=Practitioner/gp&patient=amina&scope=user/*.rs+launch/patient&client-id=x&proofing=P9&purpose=TREAT&\
                   purpose=BTG&role=privacy-officer&role=safeguarding-lead";
        let request = asked(all).unwrap();
        assert_eq!((request.purposes.len(), request.roles.len()), (2, 2));
    }

    #[test]
    fn what_is_mistyped_is_refused_by_its_name() {
        for (query, name) in [
            ("", "patient"),
            ("system=false", "patient"),
            ("system=true&patient=amina", "system"),
            ("system=1", "system"),
            ("system=True", "system"),
            ("system=", "system"),
            ("patients=amina", "patients"),
            ("PATIENT=amina", "PATIENT"),
            ("patient=amina&fhiruser=x", "fhiruser"),
            ("patient=", "patient"),
            ("patient=Patient/amina", "patient"),
            ("patient=amina&patient=callum", "patient"),
            ("patient=amina&scope=patient/*.rs&scope=patient/*.c", "scope"),
            ("patient=amina&scope=patient/Observations.rs", "scope"),
            ("patient=amina&client-id=", "client-id"),
            ("patient=amina&proofing=9", "proofing"),
            ("patient=amina&proofing=P9.Cm", "proofing"),
            ("patient=amina&purpose=treat", "purpose"),
            ("patient=amina&role=admin", "role"),
            ("patient=amina&expires-in=1h", "expires-in"),
            ("patient=amina&expires-in=0", "expires-in"),
            ("fhir-user=gp", "fhir-user"),
            ("fhir-user=Practitioner", "fhir-user"),
            ("fhir-user=Organization/surgery", "fhir-user"),
            ("fhir-user=Practitioner/gp/_history/1", "fhir-user"),
        ] {
            let ApiError::Malformed(issues) = asked(query).unwrap_err() else { panic!("{query}") };
            assert!(issues[0].text.starts_with(&format!("parameter {name}: ")), "{query}: {}", issues[0].text);
        }
    }
}
