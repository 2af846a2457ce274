use std::io::Write as _;

use super::*;

fn load(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    Config::load(None, variables.iter().copied())
}

fn load_file(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = crate::auth::testing::Folder::new();
    let path = folder.path("concord.toml");
    std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
    Config::load(Some(&path), variables.iter().copied())
}

const NONE: [(&str, &str); 0] = [];

fn error(result: Result<Config, ConfigError>) -> String {
    let text = result.expect_err("should be refused").to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[test]
fn with_no_configuration_it_is_sqlite_in_the_working_folder_on_port_8080() {
    let config = load(&[]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.public_url, "http://127.0.0.1:8080");
    assert_eq!(config.fhir_base(), "http://127.0.0.1:8080/fhir");
    assert_eq!(config.database_url, DatabaseUrl::Sqlite("concord.db".into()));
    assert_eq!(config.development_key, PathBuf::from("concord-development-key.pem"));
    assert!(!config.development_issuer);
    assert!(config.issuers.is_empty());
    assert_eq!((config.default_page_size, config.max_page_size), (50, 1000));
    assert!(config.check_references && config.check_nhs_numbers);
}

#[test]
fn the_table_names_the_defaults_that_are_used() {
    // Giving every setting the default that the documentation prints changes nothing.
    let fields = <Config as confique::Config>::META.fields;
    let said = fields.iter().filter_map(|field| Some((source::variable(field.name), group::default(field)?)));
    let said: Vec<(String, String)> = said.collect();
    assert!(said.len() > 14);
    assert_eq!(Config::load(None, said).unwrap(), load(&[]).unwrap());
}

#[test]
fn every_setting_of_the_table_is_read_and_refuses_what_does_not_fit() {
    for key in group::keys::<Config>() {
        let expected = format!("expected {}, found ", group::expected::<Config>(key));
        let text = error(load_file(&format!("{key} = [1]"), &[]));
        assert!(text.contains(key) && text.contains(&expected), "{text}");
        // A path can be any text.
        if !["development_key", "audit_heads", "audit_key", "audit_periods", "maintenance_file"].contains(&key) {
            let text = error(load(&[(&source::variable(key), "no such thing")]));
            assert!(text.contains(&source::variable(key)) && text.contains(&expected), "{text}");
        }
    }
}

#[test]
fn variables_override_the_file_and_empty_ones_do_not() {
    let file = "listen = \"0.0.0.0:9000\"\nmax_page_size = 200\ndevelopment_issuer = true\ncors_origins = [\"https://a.example\"]";
    let config = load_file(file, &[("CONCORD_MAX_PAGE_SIZE", "300"), ("CONCORD_LISTEN", " ")]).unwrap();
    assert_eq!(config.max_page_size, 300);
    assert_eq!(config.public_url, "http://localhost:9000");
    assert!(config.development_issuer);
    assert_eq!(config.cors_origins, ["https://a.example"]);
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let folder = crate::auth::testing::Folder::new();
    let path = folder.path("c.toml");
    std::fs::write(&path, "workers = 3").unwrap();
    let name = path.display().to_string();
    assert_eq!(load(&[("CONCORD_CONFIG", &name)]).unwrap().workers, Some(3));
}

#[test]
fn a_bad_file_is_one_line() {
    assert!(error(Config::load(Some(Path::new("/no/such/file.toml")), NONE)).contains("/no/such/file.toml"));
    let text = error(load_file("listen = \"127.0.0.1:1\"\nport 80", &[]));
    assert!(text.contains("line 2 is not TOML"), "{text}");
    let text = error(load_file("lisen = \"x\"", &[]));
    assert!(text.contains("unknown setting \"lisen\"") && text.ends_with("did you mean listen?"), "{text}");
    let text = error(load_file("[[issuers]]\nisuer = \"x\"", &[]));
    assert!(
        text.contains("setting issuers in ") && text.ends_with("[0]: unknown key \"isuer\", did you mean issuer?"),
        "{text}"
    );
}

#[test]
fn a_bad_value_names_setting_value_and_expectation() {
    let text = error(load(&[("CONCORD_MAX_PAGE_SIZE", "0")]));
    assert_eq!(text, "setting CONCORD_MAX_PAGE_SIZE: expected a whole number from 1 to 10000, found \"0\"");
    let text = error(load(&[("CONCORD_DEFAULT_PAGE_SIZE", "2000")]));
    assert!(text.contains("max_page_size (1000)"), "{text}");
    let text = error(load(&[("CONCORD_JWKS_REFRESH_SECONDS", "7200")]));
    assert!(text.contains("jwks_max_age_seconds (3600)"), "{text}");
    let text = error(load(&[("CONCORD_DATABASE_URL", "mysql://root:hunter2@h/d")]));
    assert!(!text.contains("hunter2") && text.contains("sqlite:PATH"), "{text}");
}

#[test]
fn origins_are_exact() {
    let config = load(&[("CONCORD_CORS_ORIGINS", "https://a.example, http://localhost:3000")]).unwrap();
    assert_eq!(config.cors_origins, ["https://a.example", "http://localhost:3000"]);
    assert_eq!(load(&[("CONCORD_CORS_ORIGINS", "*")]).unwrap().cors_origins, ["*"]);
    for bad in ["https://a.example/", "a.example", "*,https://a.example", "file:///x", "https://A.example"] {
        assert!(error(load(&[("CONCORD_CORS_ORIGINS", bad)])).contains("CORS_ORIGINS"), "{bad}");
    }
}

#[test]
fn public_urls_lose_their_slash() {
    assert_eq!(load(&[("CONCORD_PUBLIC_URL", "https://h/base/")]).unwrap().public_url, "https://h/base");
    for bad in ["ftp://h", "https://h/?a=1", "https://u:p@h", "h"] {
        assert!(error(load(&[("CONCORD_PUBLIC_URL", bad)])).contains("CONCORD_PUBLIC_URL"), "{bad}");
    }
}

const TWO_ISSUERS: &str = r#"
[[issuers]]
issuer = "https://one.example"
audience = "api"
jwks = "https://one.example/jwks"
[[issuers]]
issuer = "https://two.example"
audience = ["api", "other"]
jwks = "keys.json"
kind = "cis2"
fhir_base = "https://one.example/r4/"
"#;

#[test]
fn issuers_come_from_the_file() {
    let config = load_file(TWO_ISSUERS, &[]).unwrap();
    let [one, two] = &config.issuers[..] else { panic!("two issuers") };
    assert_eq!(one.kind, IssuerKind::Smart);
    assert!(matches!(&one.jwks, Jwks::Url(url) if url.as_str() == "https://one.example/jwks"));
    assert_eq!(two.kind, IssuerKind::Cis2);
    assert_eq!(two.jwks, Jwks::File("keys.json".into()));
    assert_eq!(two.audience, ["api", "other"]);
    assert_eq!(two.fhir_base.as_deref(), Some("https://one.example/r4"));
}

#[test]
fn issuers_come_from_variables() {
    let json = r#"[{"issuer":"a","audience":"b","jwks":"c.json","kind":"nhs-login"}]"#;
    let config = load_file(TWO_ISSUERS, &[("CONCORD_ISSUERS", json)]).unwrap();
    assert_eq!(config.issuers.len(), 1);
    assert_eq!(config.issuers[0].kind, IssuerKind::NhsLogin);
    let single = [
        ("CONCORD_ISSUER", "https://i.example"),
        ("CONCORD_ISSUER_AUDIENCE", "b,c"),
        ("CONCORD_ISSUER_JWKS", "http://127.0.0.1:9/jwks"),
    ];
    let config = load(&single).unwrap();
    assert_eq!(config.issuers[0].audience, ["b", "c"]);
    let both = error(load(&[("CONCORD_ISSUERS", json), ("CONCORD_ISSUER_KIND", "smart")]));
    assert!(both.contains("only one may be set"), "{both}");
}

#[test]
fn bad_issuers_are_refused() {
    let text = error(load(&[("CONCORD_ISSUER", "i"), ("CONCORD_ISSUER_JWKS", "k.json")]));
    assert!(text.contains("audience is missing"), "{text}");
    for bad in ["{}", "[1]", "not json"] {
        assert!(error(load(&[("CONCORD_ISSUERS", bad)])).contains("a JSON array"), "{bad}");
    }
    let cases = [
        (r#"[{"issuer":"a","audience":"b","jwks":"http://far.example/k"}]"#, "an https URL"),
        (r#"[{"issuer":"a","audience":"b","jwks":"ftp://h/k"}]"#, "an https URL"),
        (r#"[{"issuer":"a","audience":"b","jwks":"k","kind":"saml"}]"#, "smart, nhs-login or cis2"),
        (r#"[{"issuer":"a","audience":[],"jwks":"k"}]"#, "values of `aud`"),
        (r#"[{"issuer":"a","audience":["x",3],"jwks":"k"}]"#, "values of `aud`"),
        (r#"[{"issuer":"","audience":"b","jwks":"k"}]"#, "the exact `iss`"),
        (r#"[{"issuer":"a","audience":"b","jwks":"k","secret":"s"}]"#, "unknown key \"secret\""),
        (r#"[{"issuer":"a","audience":"b","jwks":"k"},{"issuer":"a","audience":"b","jwks":"k"}]"#, "twice"),
        (r#"[{"issuer":"urn:concord:development","audience":"b","jwks":"k"}]"#, "development issuer"),
    ];
    for (json, expected) in cases {
        let text = error(load(&[("CONCORD_ISSUERS", json)]));
        assert!(text.contains(expected), "{text}");
    }
    assert!(error(load_file("issuers = 3", &[])).contains("[[issuers]]"));
}

#[test]
fn clients_are_what_their_registration_says() {
    use concord_consent::caller::App;
    use concord_consent::purpose::Purpose;
    let unknown = load(&[]).unwrap().registered_clients();
    assert_eq!(unknown.of("i", "letters"), (App::ThirdParty, None), "nobody knows whose it is");
    let file = "unregistered_apps = \"third-party\"\n[[clients]]\nclient = \"letters\"\npurposes = [\"TREAT\"]\n\
                [[clients]]\nclient = \"letters\"\nissuer = \"i\"\nkind = \"third-party\"";
    let clients = load_file(file, &[]).unwrap().registered_clients();
    assert_eq!(clients.of("i", "letters"), (App::ThirdParty, None));
    assert_eq!(clients.of("j", "letters"), (App::Own, Some(vec![Purpose::TREATMENT])));
    assert_eq!(clients.of("i", "another"), (App::ThirdParty, None));
    let clients = load_file(file, &[("CONCORD_CLIENTS", "[]"), ("CONCORD_UNREGISTERED_APPS", "own")])
        .unwrap()
        .registered_clients();
    assert_eq!(clients.of("i", "letters"), (App::Own, None));
    for (json, expected) in [
        (r#"{"client":"a"}"#, "a JSON array"),
        (r#"[{"kind":"own"}]"#, "client is missing"),
        (r#"[{"client":""}]"#, "the exact `client_id`"),
        (r#"[{"client":"a","kind":"partner"}]"#, "own or third-party"),
        (r#"[{"client":"a","purposes":["FUN"]}]"#, "codes of v3-ActReason"),
        (r#"[{"client":"a","purposes":[]}]"#, "codes of v3-ActReason"),
        (r#"[{"client":"a","secret":"s"}]"#, "unknown key"),
        (r#"[{"client":"a","secret_sha256":"s"}]"#, "64 lower-case hexadecimal digits"),
        (r#"[{"client":"a","keys":"http://else.example/keys"}]"#, "an https URL"),
        (r#"[{"client":"a"},{"client":"a","kind":"third-party"}]"#, "twice"),
    ] {
        let text = error(load(&[("CONCORD_CLIENTS", json)]));
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn variables_that_are_no_settings_are_refused() {
    let text = error(load(&[("CONCORD_DATABSE_URL", "postgres://h/d"), ("CONCORD_QUITE_ELSE", "1")]));
    assert!(
        text.contains("CONCORD_DATABSE_URL: no setting is called so, did you mean CONCORD_DATABASE_URL?"),
        "{text}"
    );
    assert!(text.ends_with("CONCORD_QUITE_ELSE: no setting is called so"), "{text}");
    let text = error(load(&[("CONCORD_ISSUER_JWK", "k.json")]));
    assert!(text.contains("did you mean CONCORD_ISSUER_JWKS?"), "{text}");
    // The name of a setting in the file is no variable, and only its value may be secret.
    assert!(!error(load(&[("CONCORD_DATABASE", "postgres://u:hunter2@h/d")])).contains("hunter2"));
    assert_eq!(load(&[("CONCORD_QUITE_ELSE", ""), ("LISTEN", "x")]).unwrap(), load(&[]).unwrap());
}

#[test]
fn what_kubernetes_sets_for_a_service_is_no_setting() {
    let links = [
        ("CONCORD_SERVICE_HOST", "10.0.0.1"),
        ("CONCORD_SERVICE_PORT", "8080"),
        ("CONCORD_SERVICE_PORT_HTTP", "8080"),
        ("CONCORD_PORT", "tcp://10.0.0.1:8080"),
        ("CONCORD_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
        ("CONCORD_PORT_8080_TCP_PROTO", "tcp"),
        ("CONCORD_PORT_8080_TCP_PORT", "8080"),
        ("CONCORD_PORT_8080_TCP_ADDR", "10.0.0.1"),
        ("CONCORD_DB_PORT_5432_TCP_PORT", "5432"),
    ];
    for link in links {
        assert_eq!(load(&[link]).unwrap(), load(&[]).unwrap(), "{link:?}");
    }
    for (name, value) in [("CONCORD_PORT", "8080"), ("CONCORD_PORT_HTTP", "8080"), ("CONCORD_HOST", "h")] {
        assert!(error(load(&[(name, value)])).contains(name), "{name}");
    }
}

#[test]
fn a_bad_value_is_shown_in_one_bounded_line() {
    let text = error(load(&[("CONCORD_LISTEN", &format!("a\nb{}", "x".repeat(500)))]));
    assert!(text.contains("found \"a") && text.len() < 200, "{text}");
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let text = error(Config::load(None, [("CONCORD_LISTEN", OsStr::from_bytes(b"\xff"))]));
    assert!(text.contains("CONCORD_LISTEN"), "{text}");
}

#[test]
fn what_a_variable_overrides_is_not_read() {
    assert_eq!(load_file("workers = \"many\"", &[("CONCORD_WORKERS", "2")]).unwrap().workers, Some(2));
}

#[test]
fn the_page_has_a_row_for_every_key() {
    let page = markdown();
    for key in group::keys::<Config>().filter(|key| !page::APART.contains(key)) {
        assert!(page.contains(&format!("| `{key}` | `{}` | ", source::variable(key))), "{key}");
    }
    assert!(!page.contains("|  |"), "an empty cell: {page}");
}

#[test]
fn sign_in_needs_an_address_that_nobody_reads_along_at() {
    let of = |url: &str, sign_in: &str, clients: &str| {
        load(&[("CONCORD_PUBLIC_URL", url), ("CONCORD_SIGN_IN", sign_in), ("CONCORD_CLIENTS", clients)])
    };
    assert!(error(load(&[("CONCORD_SIGN_IN", "{}")])).contains("public_url has to be set"));
    let sign_in = of("http://localhost:8080", "{}", "[]").unwrap().sign_in.unwrap();
    assert_eq!((sign_in.access_token_seconds, sign_in.development_provider), (300, false));
    assert!(of("https://phr.example", "{}", "[]").is_ok());
    assert!(error(of("http://phr.example", "{}", "[]")).contains("https"));
    assert!(error(of("https://phr.example/records", "{}", "[]")).contains("no path"));
    let provider = r#"[{"name":"n","title":"N","kind":"nhs-login","issuer":"i","jwks":"k.json","client_id":"c","key_file":"k.pem",
        "authorization_endpoint":"https://l/a","token_endpoint":"https://l/t"}]"#;
    assert!(error(load(&[("CONCORD_PROVIDERS", provider)])).contains("sign_in"));
    assert!(error(load(&[("CONCORD_PROVIDERS", &provider.replace("https://l/t", "http://l/t"))])).contains("https"));
    assert!(
        error(load(&[("CONCORD_PROVIDERS", &provider.replace("nhs-login", "smart"))]))
            .contains("nhs-login, cis2 or oidc")
    );
    let told_once = r#"{"development_provider": true}"#;
    assert!(of("http://localhost:8080", told_once, "[]").is_ok());
    assert!(error(of("https://phr.example", told_once, "[]")).contains("development_provider_anywhere"));
    let twice = r#"{"development_provider": true, "development_provider_anywhere": true}"#;
    assert!(of("https://phr.example", twice, "[]").is_ok());
    for (clients, told) in [
        (r#"[{"client":"a","scope":"patient/Nonsense.rs"}]"#, "scope"),
        (r#"[{"client":"a","scope":"patient/*.rs","redirect_uris":["http://app.example/"]}]"#, "redirect URI"),
        (r#"[{"client":"a","scope":"system/*.rs","keys":"no-such-file.json"}]"#, "no-such-file.json"),
    ] {
        assert!(error(of("https://phr.example", "{}", clients)).contains(told), "{clients}");
    }
    assert!(of("https://phr.example", "{}", r#"[{"client":"a","scope":"openid patient/*.rs"}]"#).is_ok());
    let table = load_file("public_url = \"https://phr.example\"\n[sign_in]\nsession_hours = 2", &[]).unwrap();
    assert_eq!(table.sign_in.unwrap().session_hours, 2);
    assert!(error(of("https://phr.example", r#"{"sesion_hours": 2}"#, "[]")).contains("session_hours"));
}

#[test]
fn a_terminology_server_is_asked_where_nobody_reads_along_and_with_whole_credentials() {
    let of = |server: &str| load(&[("CONCORD_TERMINOLOGY_SERVER", server)]);
    assert_eq!(load(&[]).unwrap().terminology_server, None);
    let plain = of(r#"{"base_url": "https://ontology.example/fhir/"}"#).unwrap().terminology_server.unwrap().settings();
    assert_eq!((plain.base_url.as_str(), plain.credentials.is_none()), ("https://ontology.example/fhir", true));
    assert!(plain.asks.iter().any(|stem| stem == "http://snomed.info/sct"));
    let whole = r#"{"base_url": "https://o.example/fhir", "token_endpoint": "https://o.example/token", "client_id": "phr",
        "client_secret_file": "/run/secret", "asks": ["http://loinc.org"], "timeout_ms": 500}"#;
    let whole = of(whole).unwrap().terminology_server.unwrap().settings();
    assert_eq!((whole.asks, whole.timeout.as_millis()), (vec!["http://loinc.org".to_owned()], 500));
    assert!(whole.credentials.is_some());
    for (wrong, words) in [
        (r#"{"base_url": "http://ontology.example/fhir"}"#, "base_url"),
        (r#"{"base_url": "https://ontology.example/fhir?x=1"}"#, "base_url"),
        (r#"{"base_url": "https://o.example/fhir", "client_id": "phr"}"#, "belong together"),
        (r#"{"base_url": "https://o.example/fhir", "asks": ["*"]}"#, "asks"),
        (r#"{"base_url": "https://o.example/fhir", "timeout_ms": 99}"#, "timeout_ms"),
        (r#"{}"#, "base_url"),
    ] {
        let told = error(of(wrong));
        assert!(told.contains("TERMINOLOGY_SERVER") || told.contains("terminology_server"), "{wrong}: {told}");
        assert!(told.contains(words), "{wrong}: {told}");
    }
}

#[test]
fn a_login_service_has_what_its_kind_needs() {
    let of = |more: &str| {
        let provider =
            format!(r#"[{{"name":"n","title":"N","client_id":"c","issuer":"https://login.example"{more}}}]"#);
        load(&[
            ("CONCORD_PUBLIC_URL", "https://phr.example"),
            ("CONCORD_SIGN_IN", "{}"),
            ("CONCORD_PROVIDERS", &provider),
        ])
    };
    let by_issuer = of(r#","kind":"oidc","secret_file":"s""#).unwrap().providers.remove(0);
    assert_eq!(by_issuer.identifier(), Some(("nhs_number", "https://fhir.nhs.uk/Id/nhs-number")));
    assert_eq!((by_issuer.scopes(), by_issuer.lowest_proofing), ("openid", concord_consent::caller::Proofing::P9));
    let staff = r#","kind":"oidc","secret_file":"s","person":"practitioner""#;
    assert!(error(of(&format!(r#"{staff},"identifier_claim":"e""#))).contains("identifier_system"));
    assert!(of(&format!(r#"{staff},"identifier_claim":"e","identifier_system":"urn:e""#)).is_ok());
    for person in ["practitioner", "related-person"] {
        let by_name =
            of(&format!(r#","kind":"oidc","secret_file":"s","person":"{person}""#)).unwrap().providers.remove(0);
        assert_eq!(by_name.identifier(), Some(("sub", "https://login.example")), "{person}");
    }
    for (more, told) in [
        (r#","kind":"oidc""#, "neither key_file nor secret_file"),
        (r#","kind":"oidc","key_file":"k","secret_file":"s""#, "only one"),
        (r#","kind":"cis2","secret_file":"s""#, "oidc only"),
        (r#","kind":"oidc","secret_file":"s","lowest_proofing":"P7""#, "P9, P5 or P0"),
    ] {
        assert!(error(of(more)).contains(told), "{more}");
    }
    let named = r#"[{"name":"n","title":"N","client_id":"c","issuer":"login","kind":"oidc","secret_file":"s"}]"#;
    let settings =
        [("CONCORD_PUBLIC_URL", "https://phr.example"), ("CONCORD_SIGN_IN", "{}"), ("CONCORD_PROVIDERS", named)];
    assert!(error(load(&settings)).contains("issuer is not an https URL"));
}

#[test]
fn nobody_registers_unless_it_is_set_and_bounded() {
    let of = |sign_in: &str| load(&[("CONCORD_PUBLIC_URL", "https://phr.example"), ("CONCORD_SIGN_IN", sign_in)]);
    let usual = of("{}").unwrap().sign_in.unwrap();
    assert_eq!((usual.registration, usual.registration_limit), (Registering::Off, 1000));
    assert!(!usual.registration_scope.contains("cruds"));
    for bad in ["system/*.rs", "system/clients", "patient/Nonsense.rs", ""] {
        let setting = format!(r#"{{"registration": "open", "registration_scope": "{bad}"}}"#);
        assert!(error(of(&setting)).contains("registration_scope"), "{bad}");
    }
    assert!(error(of(r#"{"registration": "statement"}"#)).contains("statement_issuer"));
    let whole = r#"{"registration": "statement", "statement_issuer": "https://t", "statement_keys": "https://t/k"}"#;
    assert_eq!(of(whole).unwrap().sign_in.unwrap().registration, Registering::Statement);
}

#[test]
fn a_client_of_several_issuers_is_ambiguous_unless_it_is_said_whose_it_is() {
    let issuers =
        r#"[{"issuer":"https://a","audience":"x","jwks":"k"},{"issuer":"https://b","audience":"x","jwks":"k"}]"#;
    let clients = r#"[{"client":"one","issuer":"https://a"},{"client":"any"},{"client":"two","issuer":"https://a"},
        {"client":"two","issuer":"https://b"}]"#;
    let of = |issuers: &str| {
        load(&[("CONCORD_ISSUERS", issuers), ("CONCORD_CLIENTS", clients)]).unwrap().registered_clients()
    };
    let several = of(issuers);
    for (issuer, client, is_ambiguous) in [
        ("https://a", "one", false),
        ("https://b", "one", true),
        ("https://a", "any", true),
        ("https://a", "two", true),
        ("https://a", "unknown", true),
    ] {
        assert_eq!(several.is_ambiguous(issuer, client), is_ambiguous, "{issuer} {client}");
    }
    let single = of(r#"[{"issuer":"https://a","audience":"x","jwks":"k"}]"#);
    assert!(!single.is_ambiguous("https://a", "any") && !single.is_ambiguous("https://a", "unknown"));
}

#[test]
fn profiles_are_asked_of_types_that_there_are() {
    let of = |text: &str| load(&[("CONCORD_REQUIRED_PROFILES", text)]);
    let read = of("Patient=https://a.example/p, Patient=https://a.example/q,Goal = urn:g").unwrap().required_profiles;
    assert_eq!(read["Patient"], ["https://a.example/p", "https://a.example/q"]);
    assert_eq!(read["Goal"], ["urn:g"]);
    for wrong in ["https://a.example/p", "Patients=https://a.example/p", "Patient=p", "Patient="] {
        assert!(error(of(wrong)).contains("TYPE=URL"), "{wrong}");
    }
}
