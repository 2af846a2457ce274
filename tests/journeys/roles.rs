//! What a server needs no right for, it can do without: PostgreSQL's roles as docs/OPERATIONS.md grants them. And what it
//! would begin with can be looked at first.

use concord_tests::client::{App, Method};
use concord_tests::database::{Database, Scratch};
use concord_tests::people::{self, blood_pressure};
use concord_tests::process::{Process, binary, output};
use serde_json::json;

/// The statements of the page, for a role of that name.
pub(crate) fn grants(role: &str) -> String {
    let page = include_str!("../../docs/OPERATIONS.md");
    let block =
        page.split("```sql").find(|block| block.contains("CREATE ROLE concord_server")).expect("the statements");
    block.split("```").next().unwrap_or_default().replace("concord_server", role)
}

/// The address with another role in it.
pub(crate) fn address_of(url: &str, role: &str) -> String {
    let (scheme, rest) = url.split_once("://").expect("a URL");
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    format!("{scheme}://{role}@{rest}")
}

async fn uses_everything(system: &App, gp: &App, amina: &App) {
    for resource in people::all() {
        system.store(&resource).await;
    }
    let id = amina.create(&blood_pressure("amina", 120)).await;
    let place = format!("Observation/{id}");
    let stored = amina.get(&place).await.expect(200).json();
    amina.put(&place, &people::with(stored, "status", json!("amended"))).await.expect(200);
    let label = json!({"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"security": [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "MH"}]}}]});
    amina.post(&format!("{place}/$meta-add"), &label).await.expect(200);
    amina.post(&format!("{place}/$meta-delete"), &label).await;
    gp.get("Patient/amina/$everything").await.expect(200);
    gp.ask(Method::GET, &place)
        .header("X-Purpose-Of-Use", "BTG")
        .header("X-Purpose-Reason", "unconscious in resus")
        .await
        .expect(200);
    let bundle = json!({"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": blood_pressure("amina", 130), "request": {"method": "POST", "url": "Observation"}},
        {"request": {"method": "DELETE", "url": place}}]});
    amina.post("", &bundle).await.expect(200);
    let parameter = json!({"resourceType": "SearchParameter", "id": "wards", "url": "http://example.org/wards",
        "name": "wards", "status": "active", "description": "wards", "code": "ward", "base": ["Location"], "type": "string",
        "expression": "Location.alias"});
    system.store(&parameter).await;
    system.delete("SearchParameter/wards").await.expect(204);
    amina.get("Patient/amina/$access-log").await.expect(200);
}

#[test]
fn a_server_needs_few_rights() {
    let scratch = Scratch::new(Database::Postgres);
    let role = format!("concord_{}", uuid::Uuid::new_v4().simple());
    let owner = [("CONCORD_DATABASE_URL", scratch.url())];
    let done = output(scratch.folder(), &["migrate"], &owner);
    assert!(done.lines().count() > 5, "{done}");
    scratch.tamper(&grants(&role));
    let url = address_of(scratch.url(), &role);
    let settings = [
        ("CONCORD_DATABASE_URL", url.as_str()),
        ("CONCORD_MIGRATE_AT_START", "false"),
        ("CONCORD_LISTEN", "127.0.0.1:0"),
        ("CONCORD_PUBLIC_URL", "http://concord.test"),
        ("CONCORD_DEVELOPMENT_ISSUER", "true"),
        ("CONCORD_REQUESTS_PER_MINUTE", "0"),
    ];
    let told = output(scratch.folder(), &["serve", "--check"], &settings);
    assert!(told.contains("it can be read and written"), "{told}");
    let process = Process::serve(scratch.folder(), &settings);
    let app = |who: &[&str]| {
        let arguments: Vec<&str> = std::iter::once("token").chain(who.iter().copied()).collect();
        App::at(&process.origin).with_token(output(scratch.folder(), &arguments, &settings).trim())
    };
    let (system, gp) = (app(&["--system"]), app(&["--fhir-user", "Practitioner/gp"]));
    let amina = app(&["--patient", "amina"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        uses_everything(&system, &gp, &amina).await;
        assert_eq!(system.get("/readyz").await.status, 200);
    });
    assert!(process.stop(), "it ends well");
    let _done = output(scratch.folder(), &["reindex", "--all"], &settings);
    let _done = output(scratch.folder(), &["audit", "verify"], &settings);
    // What is never changed that role cannot change, whoever uses it.
    for statement in [
        "UPDATE audit SET agent = ''",
        "DELETE FROM audit",
        "DELETE FROM history",
        "UPDATE history SET body = ''",
        "DELETE FROM resource",
        "UPDATE seal SET previous = ''",
        "DELETE FROM seal",
        "DROP TABLE entry",
        "CREATE TABLE mine (one INTEGER)",
    ] {
        let refused = scratch.refuses_as(&role, statement);
        assert!(refused.contains("permission denied") || refused.contains("must be owner"), "{statement}: {refused}");
    }
    scratch.tamper(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

/// What `serve --check` writes with these settings, and whether it is content.
fn checked(scratch: &Scratch, settings: &[(&str, &str)]) -> (bool, String) {
    let mut command = std::process::Command::new(binary());
    command.env_clear().current_dir(scratch.folder()).args(["serve", "--check"]);
    let done = command.envs(settings.iter().copied()).output().expect("a binary that starts");
    let text = format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    (done.status.success(), text)
}

#[test]
fn what_is_odd_is_said_before_anybody_is_served() {
    let scratch = Scratch::new(Database::Sqlite);
    let url = ("CONCORD_DATABASE_URL", scratch.url());
    let development = ("CONCORD_DEVELOPMENT_ISSUER", "true");
    let clients = ("CONCORD_CLIENTS", r#"[{"client": "app", "issuer": "https://nobody.example"}]"#);
    let empty = scratch.folder().join("keys.json");
    std::fs::write(&empty, r#"{"keys": []}"#).expect("a file");
    let keys = empty.display().to_string();
    let issuer = [
        ("CONCORD_ISSUER", "https://issuer.example"),
        ("CONCORD_ISSUER_AUDIENCE", "https://phr.example/fhir"),
        ("CONCORD_ISSUER_JWKS", keys.as_str()),
    ];
    let never = ("CONCORD_MIGRATE_AT_START", "false");
    // Whatever else listens on this machine.
    let anywhere = ("CONCORD_LISTEN", "127.0.0.1:0");
    for (mut settings, well, words) in [
        (vec![url], true, "issuers: there is none"),
        (vec![url, development, clients], true, "which is none of `issuers`"),
        (vec![url, development], true, "which the start would run"),
        (vec![url, development, never], false, "run `concord migrate`"),
        (vec![url, issuer[0], issuer[1], issuer[2]], false, "no key that can be used"),
    ] {
        settings.push(anywhere);
        let (done, told) = checked(&scratch, &settings);
        assert_eq!(done, well, "{settings:?}: {told}");
        assert!(told.contains(words), "{settings:?}: {told}");
    }
    assert!(!scratch.folder().join("concord.db").exists(), "to look makes no database");
    let _done = output(scratch.folder(), &["migrate"], &[url]);
    let (done, told) = checked(&scratch, &[url, development, never, anywhere]);
    assert!(done && told.contains("it can be read and written"), "{told}");
}

#[test]
fn a_server_that_can_check_no_token_is_not_ready() {
    let scratch = Scratch::new(Database::Sqlite);
    let missing = scratch.folder().join("keys.json").display().to_string();
    let settings = [
        ("CONCORD_DATABASE_URL", scratch.url()),
        ("CONCORD_LISTEN", "127.0.0.1:0"),
        ("CONCORD_ISSUER", "https://issuer.example"),
        ("CONCORD_ISSUER_AUDIENCE", "https://phr.example/fhir"),
        ("CONCORD_ISSUER_JWKS", missing.as_str()),
    ];
    let process = Process::serve(scratch.folder(), &settings);
    let app = App::at(&process.origin);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let told = app.get("/readyz").await.expect(503).text();
        assert!(told.contains("no issuer's keys can be had"), "{told}");
        app.get("/healthz").await.expect(200);
    });
    assert!(process.stop(), "it ends well");
}
