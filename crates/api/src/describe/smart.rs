//! Where an app gets its tokens (SMART App Launch 2.2, "Conformance", `.well-known/smart-configuration`). Concord gives out
//! none itself: it names the endpoints of the issuer that the operator configured.

use serde_json::{Value, json};

use crate::config::{IssuerConfig, IssuerKind, Jwks};

/// What of SMART this server does itself, whichever issuer gives out the tokens.
const CAPABILITIES: [&str; 4] = ["permission-patient", "permission-user", "permission-v1", "permission-v2"];

/// The document, as JSON: of the first SMART issuer with a token endpoint; none without one.
#[must_use]
pub fn configuration(issuers: &[IssuerConfig]) -> Option<String> {
    let of_smart = issuers.iter().filter(|issuer| issuer.kind == IssuerKind::Smart);
    let (issuer, token_endpoint) = of_smart.filter_map(|one| Some((one, one.token_endpoint.as_ref()?))).next()?;
    let mut capabilities: Vec<&str> = CAPABILITIES.to_vec();
    capabilities.extend(issuer.capabilities.iter().map(String::as_str));
    capabilities.sort_unstable();
    capabilities.dedup();
    let mut grants = vec!["client_credentials"];
    let mut document = json!({
        "issuer": issuer.issuer,
        "token_endpoint": token_endpoint,
        "capabilities": capabilities,
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": [
            "openid", "fhirUser", "launch/patient", "offline_access",
            "patient/*.cruds", "patient/*.rs", "user/*.cruds", "user/*.rs", "system/*.cruds", "system/*.rs"
        ],
    });
    let mut set = |name: &str, value: Value| {
        if let Some(object) = document.as_object_mut() {
            object.insert(name.to_owned(), value);
        }
    };
    if let Jwks::Url(url) = &issuer.jwks {
        set("jwks_uri", json!(url.as_str()));
    }
    if let Some(endpoint) = &issuer.authorization_endpoint {
        grants.insert(0, "authorization_code");
        set("authorization_endpoint", json!(endpoint));
        set("response_types_supported", json!(["code"]));
    }
    set("grant_types_supported", json!(grants));
    Some(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn of(issuers: &str) -> Option<Value> {
        let config = Config::load(None, [("CONCORD_ISSUERS", issuers)]).unwrap();
        configuration(&config.issuers).map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn it_names_the_endpoints_of_the_issuer() {
        assert_eq!(of(r#"[{"issuer":"i","audience":"a","jwks":"k.json"}]"#), None);
        let login =
            r#"{"issuer":"l","audience":"a","jwks":"k.json","kind":"nhs-login","token_endpoint":"https://l/t"}"#;
        assert_eq!(of(&format!("[{login}]")), None, "its scopes are not those of SMART");
        let smart = r#"{"issuer":"https://s","audience":"a","jwks":"https://s/keys","token_endpoint":"https://s/t",
            "authorization_endpoint":"https://s/a","capabilities":["launch-standalone","permission-v2"]}"#;
        let told = of(&format!("[{login},{smart}]")).unwrap();
        assert_eq!((&told["issuer"], &told["jwks_uri"]), (&json!("https://s"), &json!("https://s/keys")));
        assert_eq!(
            (&told["token_endpoint"], &told["authorization_endpoint"]),
            (&json!("https://s/t"), &json!("https://s/a"))
        );
        assert_eq!(told["grant_types_supported"], json!(["authorization_code", "client_credentials"]));
        let capabilities =
            ["launch-standalone", "permission-patient", "permission-user", "permission-v1", "permission-v2"];
        assert_eq!(told["capabilities"], json!(capabilities));
    }
}
