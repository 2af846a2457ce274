//! The page docs/SETTINGS.md, written from the definitions of the settings.

use confique::Config;
use confique::meta::Field;

use super::{
    AggregatorConfig, Cis2Config, ClientConfig, IssuerConfig, ProviderConfig, SignInConfig, TerminologyServerConfig,
    group, source,
};

const TOP: &str = "\
# Settings

<!-- Written from crates/api/src/config by `make generate`. -->

Settings come from a TOML file (`--config FILE`, or the variable `CONCORD_CONFIG`) and from environment variables, which \
override the file. An empty variable counts as unset. Unknown keys in the file and unknown variables that begin with \
`CONCORD_` are refused (but not those that Kubernetes sets for a Service, such as `CONCORD_SERVICE_HOST`), and a bad value \
stops the server with one line that names the setting.

| key | variable | default | expected | meaning |
|---|---|---|---|---|
";

const ISSUERS: &str = "
## Issuers

Every `[[issuers]]` table of the file names one issuer whose tokens are accepted. The variable `CONCORD_ISSUERS` takes the \
place of all of them: a JSON array of objects with the same keys. For a single issuer, the variables in the second column \
do. Use one way or the other, not both.

| key | variable for a single issuer | default | expected | meaning |
|---|---|---|---|---|
";

const CLIENTS: &str = "
## Clients

Every `[[clients]]` table of the file registers an app or a system. The variable `CONCORD_CLIENTS` takes the place of all \
of them: a JSON array of objects with the same keys.

| key | default | expected | meaning |
|---|---|---|---|
";

const SIGN_IN: &str = "
## Sign-in

The `[sign_in]` table of the file makes the server give out tokens itself ([APPS](APPS.md)). The variable `CONCORD_SIGN_IN` takes \
its place: a JSON object with the same keys, `{}` for all defaults. It needs `public_url`.

| key | default | expected | meaning |
|---|---|---|---|
";

const PROVIDERS: &str = "
## Login services

Every `[[providers]]` table of the file names one login service that people sign in with at this server. The variable \
`CONCORD_PROVIDERS` takes the place of all of them: a JSON array of objects with the same keys.

| key | default | expected | meaning |
|---|---|---|---|
";

const TERMINOLOGY: &str = "
## Terminology server

The `[terminology_server]` table of the file names a terminology server that is asked about what is not here \
([OPERATIONS](OPERATIONS.md#a-terminology-server)). The variable `CONCORD_TERMINOLOGY_SERVER` takes its place: a JSON object \
with the same keys.

| key | default | expected | meaning |
|---|---|---|---|
";

const AGGREGATOR: &str = "
## Aggregator

The `[aggregator]` table of the file names a system that asks on behalf of people who are signed in elsewhere, such as the NHS App's \
patient care aggregator ([API](API.md#the-nhs-apps-aggregator)). The variable `CONCORD_AGGREGATOR` takes its place: a JSON object with \
the same keys.

| key | default | expected | meaning |
|---|---|---|---|
";

const CIS2: &str = "
## Professionals of CIS2

The `[cis2]` table of the file says what is asked of professionals whom the NHS Care Identity Service 2 names, whether they sign in here \
or come with its tokens; without it the defaults hold. The variable `CONCORD_CIS2` takes its place: a JSON object with the same keys.

| key | default | expected | meaning |
|---|---|---|---|
";

const EXAMPLE: &str = r#"
```toml
listen = "0.0.0.0:8080"
public_url = "https://phr.example.nhs.uk"
database_url = "postgres://concord@db.internal/concord"
log_format = "json"

[[issuers]]
issuer = "https://login.example.nhs.uk"
audience = "https://phr.example.nhs.uk/fhir"
jwks = "https://login.example.nhs.uk/jwks.json"
kind = "smart"

[[clients]]
client = "heart-diary"
kind = "third-party"

[[clients]]
client = "discharge-letters"
purposes = ["TREAT"]
```
"#;

/// The settings that have tables of their own.
pub(super) const APART: [&str; 7] =
    ["issuers", "clients", "sign_in", "providers", "terminology_server", "cis2", "aggregator"];

/// The page.
#[must_use]
pub fn markdown() -> String {
    let single = rows::<super::Config>(Some(source::variable), |key| !APART.contains(&key));
    let issuer = rows::<IssuerConfig>(Some(source::issuer_variable), |_| true);
    let client = rows::<ClientConfig>(None, |_| true);
    let sign_in = rows::<SignInConfig>(None, |_| true);
    let provider = rows::<ProviderConfig>(None, |_| true);
    let server = rows::<TerminologyServerConfig>(None, |_| true);
    let aggregator = rows::<AggregatorConfig>(None, |_| true);
    let cis2 = rows::<Cis2Config>(None, |_| true);
    let tables = [ISSUERS, &issuer, CLIENTS, &client, SIGN_IN, &sign_in, PROVIDERS, &provider, TERMINOLOGY, &server];
    [TOP, &single, &tables.concat(), CIS2, &cis2, AGGREGATOR, &aggregator, EXAMPLE].concat()
}

/// The rows of a group's table.
fn rows<C: Config>(variable: Option<fn(&str) -> String>, wanted: impl Fn(&str) -> bool) -> String {
    let row = |field: &Field| {
        let (meaning, told) = documentation(field);
        let default = group::default(field).or(told);
        let default = default.unwrap_or_else(|| if group::is_required(field) { "required" } else { "none" }.to_owned());
        let variable = variable.map(|of| format!("`{}` | ", of(field.name))).unwrap_or_default();
        format!("| `{}` | {variable}{default} | {} | {meaning} |\n", field.name, group::expected::<C>(field.name))
    };
    C::META.fields.iter().filter(|field| wanted(field.name)).map(row).collect()
}

/// What the documentation of a setting says: its meaning, and its default where that takes words.
fn documentation(field: &Field) -> (String, Option<String>) {
    let lines: Vec<&str> = field.doc.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
    let default = lines.iter().find_map(|line| line.strip_prefix("Default: "));
    let meaning: Vec<&str> = lines.iter().copied().filter(|line| !line.starts_with("Default: ")).collect();
    (meaning.join(" "), default.map(str::to_owned))
}
