//! Every setting, its default and its meaning, as data: unknown keys are refused by this table and docs/SETTINGS.md is
//! written from it.

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its key in the file; upper case after `CONCORD_` it is the variable that overrides the file.
    pub key: &'static str,
    /// The form of its value, as errors say it after "expected".
    pub expected: &'static str,
    /// Its default, in words where it depends on something else.
    pub default: &'static str,
    /// What it does.
    pub meaning: &'static str,
}

impl Setting {
    /// The environment variable that overrides the file.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("CONCORD_{}", self.key.to_ascii_uppercase())
    }
}

/// Every setting with a single value, in the order of the documentation. `[[issuers]]` is described by [`ISSUER`].
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: "listen",
        expected: "an IP address and a port, such as 127.0.0.1:8080",
        default: "127.0.0.1:8080",
        meaning: "The address and port to serve on.",
    },
    Setting {
        key: "public_url",
        expected: "an http or https URL without query and fragment",
        default: "http:// and the address of `listen`",
        meaning: "The URL under which clients reach the server, without `/fhir`. It is the base of `Location`, of the \
                  links in Bundles and of absolute `fhirUser` references.",
    },
    Setting {
        key: "database_url",
        expected: "sqlite:PATH or postgres://USER:PASSWORD@HOST/DATABASE",
        default: "sqlite:concord.db",
        meaning: "The database. A relative PATH starts in the working folder.",
    },
    Setting {
        key: "database_pool_size",
        expected: "a whole number from 1 to 512",
        default: "8",
        meaning: "The greatest number of open database connections.",
    },
    Setting {
        key: "query_timeout_ms",
        expected: "a whole number from 1 to 3600000",
        default: "10000",
        meaning: "How long the database may take over a search, in milliseconds. One that takes longer is stopped and \
                  answered with 400 and the issue `too-costly`. On PostgreSQL it holds for every statement.",
    },
    Setting {
        key: "explain",
        expected: "true or false",
        default: "false",
        meaning: "Whether every caller may ask with `_explain=true` how a search is run. Callers with `system/` scopes \
                  always may. The answer shows how sharing choices became conditions, so leave it off where real people \
                  are served.",
    },
    Setting {
        key: "durability",
        expected: "full or process",
        default: "full",
        meaning: "What a finished write survives on SQLite: `full` a power cut (synchronous=FULL), `process` a crash of \
                  the process but maybe not a power cut (synchronous=NORMAL). PostgreSQL decides this for itself.",
    },
    Setting {
        key: "workers",
        expected: "a whole number from 1 to 1024",
        default: "one for each processor core",
        meaning: "The number of threads that serve HTTP.",
    },
    Setting {
        key: "max_body_bytes",
        expected: "a whole number from 1024 to 1073741824",
        default: "10485760",
        meaning: "The largest request body, in bytes. A larger one is answered with 413.",
    },
    Setting {
        key: "default_page_size",
        expected: "a whole number from 1 to 10000",
        default: "50",
        meaning: "How many matches a page of a search or of a history holds when `_count` does not say.",
    },
    Setting {
        key: "max_page_size",
        expected: "a whole number from 1 to 10000",
        default: "1000",
        meaning: "How many matches a page holds at most; a greater `_count` is lowered to it.",
    },
    Setting {
        key: "check_references",
        expected: "true or false",
        default: "true",
        meaning: "Whether what a write refers to must exist and be readable by the caller. Callers with `system/` scopes \
                  are exempt, so that data can be loaded in any order.",
    },
    Setting {
        key: "check_nhs_numbers",
        expected: "true or false",
        default: "true",
        meaning: "Whether NHS numbers must have a right check digit. Switch it off only against a sandbox that hands out \
                  made-up numbers.",
    },
    Setting {
        key: "cors_origins",
        expected: "origins such as https://app.example.org, or *",
        default: "none",
        meaning: "The web origins whose pages may call the API: a list, in the variable separated by commas. `*` lets \
                  any origin call (never with cookies: the API does not know any).",
    },
    Setting {
        key: "development_issuer",
        expected: "true or false",
        default: "false",
        meaning: "Whether tokens of `concord token` are accepted. Whoever can read the key file can then be anybody: \
                  never switch it on where real data is.",
    },
    Setting {
        key: "development_key",
        expected: "a path",
        default: "concord-development-key.pem beside the SQLite file, or in the working folder",
        meaning: "The key file of the development issuer, made on first use.",
    },
    Setting {
        key: "unregistered_apps",
        expected: "own or third-party",
        default: "own",
        meaning: "What kind an app is that no `[[clients]]` table names.",
    },
    Setting {
        key: "suggest_labels",
        expected: "true or false",
        default: "false",
        meaning: "Whether the answer to a write names the sensitivity labels that its SNOMED CT codes suggest, where it \
                  bears none of them. The table behind it is small and has not been reviewed by clinicians; nothing is \
                  labelled by it.",
    },
    Setting {
        key: "clock_leeway_seconds",
        expected: "a whole number from 0 to 300",
        default: "30",
        meaning: "How far the clocks of an issuer and of this server may differ when `exp`, `nbf` and `iat` are checked.",
    },
    Setting {
        key: "jwks_refresh_seconds",
        expected: "a whole number from 10 to 86400",
        default: "300",
        meaning: "How often an issuer's keys are fetched again from a URL. While the issuer can \
                  be reached, a key that it has withdrawn works no longer than twice this. (A file is looked at every \
                  second; an unknown key is fetched at once.)",
    },
    Setting {
        key: "jwks_max_age_seconds",
        expected: "a whole number from 10 to 604800",
        default: "3600",
        meaning: "How long known keys are used while an issuer cannot be reached. After that its tokens are answered \
                  with 503 until it can.",
    },
    Setting {
        key: "token_cache_size",
        expected: "a whole number from 1 to 10000000",
        default: "10000",
        meaning: "How many verified tokens are remembered, each for at most five minutes and never longer than it is \
                  valid.",
    },
    Setting {
        key: "requests_per_minute",
        expected: "a whole number from 0 to 10000000",
        default: "0",
        meaning: "How many requests a minute one app may make for one person, each entry of a Bundle counted; beyond \
                  that they are answered with 429 and `Retry-After`. Systems are not bounded. 0 for no bound; each \
                  process counts for itself.",
    },
    Setting {
        key: "log_format",
        expected: "json or pretty",
        default: "pretty",
        meaning: "The form of the log on standard error: one JSON object a line, or text for people.",
    },
    Setting {
        key: "log_level",
        expected: "error, warn, info, debug or trace",
        default: "info",
        meaning: "How much of its own work the server logs. Libraries log warnings and errors only.",
    },
    Setting {
        key: "shutdown_timeout_seconds",
        expected: "a whole number from 0 to 3600",
        default: "30",
        meaning: "How long requests in flight may take to finish once the server is told to stop.",
    },
];

/// The keys of one `[[clients]]` table.
pub const CLIENT: &[Setting] = &[
    Setting {
        key: "client",
        expected: "the exact `client_id` of its tokens",
        default: "required",
        meaning: "Which app or system: the `client_id` claim, or `azp` where there is none.",
    },
    Setting {
        key: "issuer",
        expected: "the exact `iss` of its tokens",
        default: "any issuer",
        meaning: "Whose tokens are meant, where two issuers give out the same `client_id`.",
    },
    Setting {
        key: "kind",
        expected: "own or third-party",
        default: "own",
        meaning: "An `own` app may do what its user may, unless the patient denies it. A `third-party` app may do what \
                  its user may and a Consent of the patient permits this app.",
    },
    Setting {
        key: "purposes",
        expected: "one or more codes of v3-ActReason, such as TREAT",
        default: "not bounded",
        meaning: "What a system is registered for. It then acts for these only, never for research, public health or \
                  marketing, and sees no sensitive data on its own authority.",
    },
];

/// The keys of one `[[issuers]]` table.
pub const ISSUER: &[Setting] = &[
    Setting {
        key: "issuer",
        expected: "the exact `iss` of its tokens",
        default: "required",
        meaning: "Who signs: the `iss` claim, compared character by character.",
    },
    Setting {
        key: "audience",
        expected: "one or more values of `aud`",
        default: "required",
        meaning: "For whom the tokens must be: the `aud` claim must hold this value, or one of this list.",
    },
    Setting {
        key: "jwks",
        expected: "an https URL (http only on this machine) or a file path",
        default: "required",
        meaning: "Where the issuer's public keys are (a JWK Set, RFC 7517).",
    },
    Setting {
        key: "kind",
        expected: "smart, nhs-login or cis2",
        default: "smart",
        meaning: "How its claims say who is calling: `smart` by `patient` and `fhirUser`, `nhs-login` by `nhs_number`, \
                  `cis2` by `nhsid_useruid`.",
    },
    Setting {
        key: "token_endpoint",
        expected: "an http or https URL",
        default: "not told",
        meaning: "Where apps get tokens. With it, `/fhir/.well-known/smart-configuration` tells apps of the first `smart` \
                  issuer that has one.",
    },
    Setting {
        key: "authorization_endpoint",
        expected: "an http or https URL",
        default: "not told",
        meaning: "Where apps send their user to sign in; told in the same place.",
    },
    Setting {
        key: "capabilities",
        expected: "capabilities of SMART App Launch, such as launch-standalone",
        default: "none",
        meaning: "What else of SMART the issuer does; told in the same place, beside what this server does itself.",
    },
    Setting {
        key: "fhir_base",
        expected: "an http or https URL",
        default: "`public_url` and `/fhir`",
        meaning: "The base URL that the issuer writes before absolute `fhirUser` references to people of this server. \
                  References to any other server are refused.",
    },
];

/// The setting of that key.
pub(super) fn find(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.key == key)
}

/// The page docs/SETTINGS.md.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(
        "# Settings\n\n\
         <!-- Written from crates/api/src/config/settings.rs; a test compares the two. -->\n\n\
         Settings come from a TOML file (`--config FILE`, or the variable `CONCORD_CONFIG`) and from environment \
         variables, which override the file. An empty variable counts as unset. Unknown keys in the file are refused, \
         and a bad value stops the server with one line that names the setting.\n\n\
         | key | variable | default | expected | meaning |\n|---|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        page.push_str(&format!(
            "| `{}` | `{}` | {} | {} | {} |\n",
            setting.key,
            setting.variable(),
            setting.default,
            setting.expected,
            setting.meaning
        ));
    }
    page.push_str(
        "\n## Issuers\n\n\
         Every `[[issuers]]` table of the file names one issuer whose tokens are accepted. The variable \
         `CONCORD_ISSUERS` takes the place of all of them: a JSON array of objects with the same keys. For a single \
         issuer, the variables in the second column do. Use one way or the other, not both.\n\n\
         | key | variable for a single issuer | default | expected | meaning |\n|---|---|---|---|---|\n",
    );
    for setting in ISSUER {
        page.push_str(&format!(
            "| `{}` | `{}` | {} | {} | {} |\n",
            setting.key,
            issuer_variable(setting.key),
            setting.default,
            setting.expected,
            setting.meaning
        ));
    }
    page.push_str(
        "\n## Clients\n\n\
         Every `[[clients]]` table of the file registers an app or a system. The variable `CONCORD_CLIENTS` takes the \
         place of all of them: a JSON array of objects with the same keys.\n\n\
         | key | default | expected | meaning |\n|---|---|---|---|\n",
    );
    for setting in CLIENT {
        page.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            setting.key, setting.default, setting.expected, setting.meaning
        ));
    }
    page.push_str(
        "\n```toml\n\
         listen = \"0.0.0.0:8080\"\n\
         public_url = \"https://phr.example.nhs.uk\"\n\
         database_url = \"postgres://concord@db.internal/concord\"\n\
         log_format = \"json\"\n\n\
         [[issuers]]\n\
         issuer = \"https://login.example.nhs.uk\"\n\
         audience = \"https://phr.example.nhs.uk/fhir\"\n\
         jwks = \"https://login.example.nhs.uk/jwks.json\"\n\
         kind = \"smart\"\n\n\
         [[clients]]\n\
         client = \"heart-diary\"\n\
         kind = \"third-party\"\n\n\
         [[clients]]\n\
         client = \"discharge-letters\"\n\
         purposes = [\"TREAT\"]\n\
         ```\n",
    );
    page
}

/// The variable that sets that key of a single issuer.
pub(super) fn issuer_variable(key: &str) -> String {
    match key {
        "issuer" => "CONCORD_ISSUER".to_owned(),
        key => format!("CONCORD_ISSUER_{}", key.to_ascii_uppercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SETTINGS.md");
        if std::env::var_os("CONCORD_UPDATE_DOCS").is_some() {
            std::fs::write(path, markdown()).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == markdown(), "docs/SETTINGS.md is stale; run this test with CONCORD_UPDATE_DOCS=1");
    }

    #[test]
    fn keys_and_variables_are_unique() {
        let mut variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
        variables.extend(ISSUER.iter().map(|setting| issuer_variable(setting.key)));
        let count = variables.len();
        variables.sort();
        variables.dedup();
        assert_eq!(variables.len(), count);
    }
}
