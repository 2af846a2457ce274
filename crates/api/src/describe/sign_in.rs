//! Where an app gets its tokens when this server gives them out itself: the documents by which apps find its endpoints (SMART App
//! Launch 2.2, "Conformance"; OpenID Connect Discovery). They name what there is and nothing else.

use concord_signin::{authentication, jwk, token};
use serde_json::{Value, json};

/// What of SMART there is where people sign in, beside what there is for systems.
const OF_PEOPLE: [&str; 15] = [
    "authorize-post",
    "client-confidential-symmetric",
    "client-public",
    "context-banner",
    "context-ehr-encounter",
    "context-ehr-patient",
    "context-standalone-patient",
    "launch-ehr",
    "launch-standalone",
    "permission-offline",
    "permission-online",
    "permission-patient",
    "permission-user",
    "sso-openid-connect",
    "permission-v1",
];

const OF_SYSTEMS: [&str; 2] = ["client-confidential-asymmetric", "permission-v2"];

const SCOPES: [&str; 13] = [
    "openid",
    "fhirUser",
    "launch",
    "launch/patient",
    "launch/encounter",
    "offline_access",
    "online_access",
    "patient/*.cruds",
    "patient/*.rs",
    "user/*.cruds",
    "user/*.rs",
    "system/*.cruds",
    "system/*.rs",
];

/// `.well-known/smart-configuration`, with or without people who sign in.
#[must_use]
pub fn smart(issuer: &str, has_provider: bool, lets_register: bool) -> String {
    let mut document = endpoints(issuer, lets_register);
    if !has_provider {
        // It is the name of who says who people are.
        document.remove("issuer");
    }
    let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
    let mut capabilities = OF_SYSTEMS.to_vec();
    set("code_challenge_methods_supported", json!(["S256"]));
    if has_provider {
        capabilities.extend(OF_PEOPLE);
        of_people(issuer).into_iter().for_each(|(name, value)| {
            set(name, value);
        });
        set("management_endpoint", json!(format!("{issuer}/apps")));
        set("grant_types_supported", json!(token::GRANT_TYPES));
        set("scopes_supported", json!(SCOPES));
    } else {
        set("grant_types_supported", json!(["client_credentials"]));
        set("scopes_supported", json!(SCOPES.iter().filter(|one| one.starts_with("system/")).collect::<Vec<_>>()));
    }
    capabilities.sort_unstable();
    set("capabilities", json!(capabilities));
    Value::Object(document).to_string()
}

/// `.well-known/openid-configuration`, where people sign in.
#[must_use]
pub fn openid(issuer: &str, lets_register: bool) -> String {
    let mut document = endpoints(issuer, lets_register);
    let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
    of_people(issuer).into_iter().for_each(|(name, value)| {
        set(name, value);
    });
    set("userinfo_endpoint", json!(format!("{issuer}/oauth/userinfo")));
    set("code_challenge_methods_supported", json!(["S256"]));
    set("grant_types_supported", json!(token::GRANT_TYPES));
    set("response_modes_supported", json!(["query"]));
    set("scopes_supported", json!(SCOPES));
    set("subject_types_supported", json!(["public"]));
    set("id_token_signing_alg_values_supported", json!(["RS256"]));
    set("claims_supported", json!(["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "fhirUser"]));
    set("request_parameter_supported", json!(false));
    set("request_uri_parameter_supported", json!(false));
    Value::Object(document).to_string()
}

/// What there is for systems too.
fn endpoints(issuer: &str, lets_register: bool) -> serde_json::Map<String, Value> {
    let mut document = serde_json::Map::new();
    let mut set = |name: &str, value: Value| document.insert(name.to_owned(), value);
    set("issuer", json!(issuer));
    set("jwks_uri", json!(format!("{issuer}/.well-known/jwks.json")));
    set("token_endpoint", json!(format!("{issuer}/oauth/token")));
    set("introspection_endpoint", json!(format!("{issuer}/oauth/introspect")));
    set("introspection_endpoint_auth_methods_supported", json!(["client_secret_basic", "private_key_jwt", "Bearer"]));
    set("revocation_endpoint", json!(format!("{issuer}/oauth/revoke")));
    if lets_register {
        set("registration_endpoint", json!(format!("{issuer}/oauth/register")));
    }
    set("token_endpoint_auth_methods_supported", json!(authentication::METHODS));
    set("token_endpoint_auth_signing_alg_values_supported", json!(jwk::Algorithm::NAMES));
    document
}

/// What there is where people sign in.
fn of_people(issuer: &str) -> [(&'static str, Value); 3] {
    [
        ("authorization_endpoint", json!(format!("{issuer}/oauth/authorize"))),
        ("response_types_supported", json!(["code"])),
        ("authorization_response_iss_parameter_supported", json!(true)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_not_named() {
        let told =
            |has_provider| serde_json::from_str::<Value>(&smart("https://phr.example", has_provider, false)).unwrap();
        let (people, systems) = (told(true), told(false));
        assert_eq!(people["authorization_endpoint"], "https://phr.example/oauth/authorize");
        assert_eq!(systems.get("authorization_endpoint"), None);
        assert_eq!(systems["capabilities"], json!(["client-confidential-asymmetric", "permission-v2"]));
        assert_eq!(systems["grant_types_supported"], json!(["client_credentials"]));
        assert_eq!((people["issuer"].as_str(), systems.get("issuer")), (Some("https://phr.example"), None));
        assert_eq!(people["code_challenge_methods_supported"], json!(["S256"]));
        let all = people["capabilities"].as_array().unwrap();
        assert!(!all.iter().any(|one| one == "context-style") && all.iter().any(|one| one == "launch-standalone"));
        let openid: Value = serde_json::from_str(&openid("https://phr.example", true)).unwrap();
        assert_eq!(people.get("registration_endpoint"), None);
        assert_eq!(openid["registration_endpoint"], "https://phr.example/oauth/register");
        assert_eq!((&openid["issuer"], &openid["jwks_uri"]), (&people["issuer"], &people["jwks_uri"]));
    }

    /// The capability sets of SMART App Launch 2.2 ("Conformance"), each with what a server has that has it.
    const SETS: [(&str, &[&str]); 4] = [
        (
            "patient access for standalone apps",
            &["launch-standalone", "client-public", "context-standalone-patient", "permission-patient"],
        ),
        (
            "patient access for EHR launch",
            &["launch-ehr", "client-public", "context-ehr-patient", "permission-patient"],
        ),
        (
            "clinician access for standalone",
            &["launch-standalone", "client-confidential-symmetric", "permission-user", "permission-patient"],
        ),
        (
            "clinician access for EHR launch",
            &[
                "launch-ehr",
                "client-confidential-symmetric",
                "context-ehr-patient",
                "context-ehr-encounter",
                "permission-user",
                "permission-patient",
            ],
        ),
    ];

    #[test]
    fn every_capability_set_is_whole_and_keys_are_advertised() {
        let told =
            |has_provider| serde_json::from_str::<Value>(&smart("https://phr.example", has_provider, false)).unwrap();
        let names = |document: &Value, member: &str| -> Vec<String> {
            let all = document[member].as_array().unwrap_or_else(|| panic!("{member} is no array"));
            all.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
        };
        let capabilities = names(&told(true), "capabilities");
        for (set, needed) in SETS {
            for one in needed {
                assert!(capabilities.iter().any(|there| there == one), "{set}: {one}");
            }
        }
        for document in [told(true), told(false)] {
            assert!(names(&document, "capabilities").iter().any(|one| one == "client-confidential-asymmetric"));
            assert!(
                names(&document, "token_endpoint_auth_methods_supported").iter().any(|one| one == "private_key_jwt")
            );
            let algorithms = names(&document, "token_endpoint_auth_signing_alg_values_supported");
            assert!(algorithms.iter().any(|one| one == "RS384") && algorithms.iter().any(|one| one == "ES384"));
            assert!(
                !names(&document, "scopes_supported").is_empty()
                    && !names(&document, "grant_types_supported").is_empty()
            );
            for (name, address) in document.as_object().unwrap() {
                if name.ends_with("_endpoint") || name.ends_with("_uri") {
                    assert!(address.as_str().unwrap().starts_with("https://phr.example/"), "{name}");
                }
            }
        }
    }
}
