//! A server for tests (`concord serve --ephemeral`): put back while others ask, asked by this machine's names only, and exact about what
//! it is told.

use std::process::Command;

use concord_tests::client::{Method, text};
use concord_tests::people;
use concord_tests::process::{Process, binary};
use concord_tests::{Answer, App, Concord, Database};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::sign_in::ISSUER;

/// What every ephemeral server of a test begins with.
fn on_one(arguments: &[&str], settings: &[(&str, &str)], journey: impl AsyncFnOnce(App)) {
    concord_tests::run(Database::Sqlite, &[], async |concord: &Concord| {
        let process = Process::ephemeral_with(concord.scratch().folder(), arguments, settings);
        journey(App::at(&process.origin)).await;
    });
}

async fn post(nobody: &App, place: &str) -> Answer {
    nobody.ask(Method::POST, place).await
}

async fn system(nobody: &App) -> App {
    let token = post(nobody, "/fhir/$token?system=true").await.expect(200).text();
    nobody.with_token(token.trim())
}

#[test]
fn who_asks_while_it_is_put_back_waits() {
    on_one(&["--ids", "sequential", "--at", "2026-03-01T09:30:00Z"], &[], async |nobody| {
        let system = system(&nobody).await;
        let patient = json!({"resourceType": "Patient", "active": true});
        // Workers of a test runner, each of which puts it back and goes on, as it likes.
        let worker = async |own: usize| {
            for turn in 0..6 {
                if (own + turn).is_multiple_of(3) {
                    post(&nobody, "/fhir/$reset").await.expect(204);
                }
                system.post("Patient", &patient).await.expect(201);
                system.get("Patient?_summary=count").await.expect(200);
            }
        };
        tokio::join!(worker(0), worker(1), worker(2), worker(3), worker(4), worker(5));
        // Several at once are one after another, and leave it as it was.
        let reset = || post(&nobody, "/fhir/$reset");
        let all = tokio::join!(reset(), reset(), reset());
        for done in [all.0, all.1, all.2] {
            done.expect(204);
        }
        assert_eq!(system.get("Patient?_summary=count").await.expect(200).json()["total"], 0);
        let first = system.post("Patient", &patient).await.expect(201).json();
        assert_eq!(text(&first, "/id"), "id-1");
        let second = system.post("Patient", &patient).await.expect(201).json();
        assert_eq!(text(&second, "/id"), "id-2");
    });
}

#[test]
fn nobody_waits_for_a_body_that_does_not_come() {
    on_one(&[], &[], async |nobody| {
        let system = system(&nobody).await;
        let token = post(&nobody, "/fhir/$token?system=true").await.expect(200).text();
        let body = json!({"resourceType": "Patient", "active": true}).to_string();
        let (begun, rest) = body.split_at(10);
        let address = nobody.origin().strip_prefix("http://").expect("an origin").to_owned();
        let head = format!(
            "POST /fhir/Patient HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\
             content-type: application/fhir+json\r\ncontent-length: {}\r\n\r\n{begun}",
            token.trim(),
            body.len(),
        );
        let mut slow = TcpStream::connect(&address).await.expect("a connection");
        slow.write_all(head.as_bytes()).await.expect("it is taken");
        let (put_back, alive) = tokio::join!(post(&nobody, "/fhir/$reset"), nobody.ask(Method::GET, "/healthz"));
        put_back.expect(204);
        alive.expect(200);
        let told = slow.try_read(&mut [0]).expect_err("it has not been given up before");
        assert_eq!(told.kind(), std::io::ErrorKind::WouldBlock);
        slow.write_all(rest.as_bytes()).await.expect("it is taken");
        let mut answer = String::new();
        slow.read_to_string(&mut answer).await.expect("an answer");
        // It was begun before the server was put back, or waited for that: what is said to be stored is.
        let is_stored = answer.starts_with("HTTP/1.1 201 ");
        assert!(is_stored || answer.starts_with("HTTP/1.1 400 "), "{answer}");
        assert_eq!(system.get("Patient?_summary=count").await.expect(200).json()["total"], u8::from(is_stored));
    });
}

#[test]
fn a_page_of_another_site_is_not_answered() {
    let ask = async |nobody: &App, host: &str, place: &str| {
        let method = if place.contains('$') { Method::POST } else { Method::GET };
        nobody.ask(method, place).header("host", host).await
    };
    // An address of this machine's that is no other test's, since a port has to be said with the name.
    let own = [("CONCORD_PUBLIC_URL", "http://phr.test:8080"), ("CONCORD_LISTEN", "127.16.0.1:8080")];
    on_one(&[], &own, async |known| {
        let nobody = App::at("http://127.16.0.1:8080");
        assert_eq!(known.origin(), "http://phr.test:8080", "it is ready where clients are sent");
        let metadata = nobody.get("/fhir/metadata").header("host", "phr.test:8080").await.expect(200).json();
        assert_eq!(text(&metadata, "/implementation/url"), "http://phr.test:8080/fhir");
        for place in ["/fhir/$token?system=true", "/fhir/$reset", "/fhir/metadata", "/", "/nowhere"] {
            for host in ["evil.example", "evil.example:8080", "localhost.evil.example", "0.0.0.0", "192.0.2.1:80"] {
                let refused = ask(&nobody, host, place).await.expect(403);
                assert!(refused.issues()[0].2.contains("--anywhere"), "{refused}");
            }
        }
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1:8080", "[::1]:8080", "phr.localhost"] {
            ask(&nobody, host, "/fhir/$token?system=true").await.expect(200);
        }
    });
    on_one(&["--anywhere"], &[], async |nobody| {
        ask(&nobody, "concord:8080", "/fhir/$token?system=true").await.expect(200);
        // What a page may send without asking beforehand.
        for place in ["/fhir/$reset", "/fhir/$clock?by=60", "/fhir/$token?system=true"] {
            let sent =
                |origin| nobody.ask(Method::POST, place).body("text/plain", String::new()).header("origin", origin);
            let refused = sent("http://evil.example").await.expect(403);
            assert!(refused.issues()[0].2.contains("page of another site"), "{refused}");
            sent("null").await.expect(403);
        }
        for place in ["/fhir/$reset", "/fhir/$token?system=true"] {
            let answer = nobody.ask(Method::POST, place).header("origin", "http://localhost:3000").await;
            assert!(matches!(answer.status, 200 | 204), "{answer}");
        }
    });
}

#[test]
fn the_issuer_is_wherever_the_server_is() {
    let own = [("CONCORD_PUBLIC_URL", "http://127.0.0.1:0"), ("CONCORD_SIGN_IN", r#"{"development_provider": true}"#)];
    on_one(&[], &own, async |nobody| {
        let smart = nobody.get("/fhir/.well-known/smart-configuration").await.expect(200).json();
        assert_eq!(text(&smart, "/issuer"), nobody.origin());
        assert!(!nobody.origin().ends_with(":0"), "{smart}");
    });
}

/// By the command, which says which port is listened on where nobody does.
#[test]
fn a_public_url_that_no_port_is_known_for_is_refused() {
    for listen in [None, Some("127.0.0.1:0")] {
        let mut command = Command::new(binary());
        command.args(["serve", "--ephemeral"]).env_clear().env("CONCORD_PUBLIC_URL", "http://localhost:8080");
        command.envs(listen.map(|address| ("CONCORD_LISTEN", address)));
        let told = command.output().expect("a binary that starts");
        let text = String::from_utf8_lossy(&told.stderr);
        assert!(!told.status.success() && told.stdout.is_empty(), "{text}");
        assert!(text.contains("public_url: ") && text.contains("set listen too"), "{text}");
        assert_eq!(text.trim().lines().count(), 1, "{text}");
    }
}

#[test]
fn where_people_pick_themselves_a_page_of_another_site_is_not_answered_either() {
    let settings = [("CONCORD_PUBLIC_URL", ISSUER), ("CONCORD_SIGN_IN", r#"{"development_provider": true}"#)];
    concord_tests::run(Database::Sqlite, &settings, async |concord: &Concord| {
        people::arrive(concord).await;
        let ask = async |host: &str| concord.nobody().get("/sign-in").header("host", host).await;
        ask("evil.example:8080").await.expect(403);
        ask("localhost:8080").await.expect(200);
        let told_twice = r#"{"development_provider": true, "development_provider_anywhere": true}"#;
        let own = [("CONCORD_PUBLIC_URL", ISSUER), ("CONCORD_SIGN_IN", told_twice)];
        let anywhere = concord.another_node_with(&own).await;
        anywhere.nobody().get("/sign-in").header("host", "phr.example").await.expect(200);
    });
}

#[test]
fn the_clock_is_put_to_times_that_can_be_written() {
    on_one(&["--at", "2026-03-01T09:30:00Z"], &[], async |nobody| {
        let stands = async || nobody.get("/fhir/$clock").await.expect(200).text().trim().to_owned();
        for wrong in [
            "to=5000-01-01T00:00:00Z",
            "to=9999-12-31T23:59:59Z",
            "to=%2B12026-03-01T00:00:00Z",
            "to=1969-12-31T23:59:59Z",
            "to=soon",
            "by=9223372036854775807",
            "by=251000000000000",
            "by=100000000000",
            "by=-2000000000",
            "by=1.5",
            "by=1&by=2",
            "",
            "at=2026-03-01T09:30:00Z",
        ] {
            let refused = post(&nobody, &format!("/fhir/$clock?{wrong}")).await.expect(400);
            let (_, _, told) = refused.issues().remove(0);
            let name = wrong.split('=').next().filter(|name| !name.is_empty()).unwrap_or("to");
            assert!(told.starts_with(&format!("parameter {name}: ")), "{wrong}: {told}");
        }
        nobody.get("/fhir/$clock?to=2027-01-01T00:00:00Z").await.expect(400);
        assert_eq!(stands().await, "2026-03-01T09:30:00.000Z");
        assert!(nobody.ask(Method::HEAD, "/fhir/$clock").await.expect(200).body.is_empty());
        // At the ends of time things can be stored still.
        for end in ["4999-12-31T23:59:59Z", "1970-01-01T00:00:00Z"] {
            post(&nobody, &format!("/fhir/$clock?to={end}")).await.expect(200);
            let stored = system(&nobody).await.post("Patient", &json!({"resourceType": "Patient"})).await.expect(201);
            assert_eq!(text(&stored.json(), "/meta/lastUpdated"), format!("{}.000Z", end.trim_end_matches('Z')));
        }
        post(&nobody, "/fhir/$reset?x=1").await.expect(400);
        post(&nobody, "/fhir/$reset").await.expect(204);
        assert_eq!(stands().await, "2026-03-01T09:30:00.000Z");
    });
}

#[test]
fn a_token_is_for_whom_was_said() {
    on_one(&[], &[], async |nobody| {
        for (wrong, name) in [
            ("", "patient"),
            ("system=yes", "system"),
            ("patient=amina&scopes=patient/*.rs", "scopes"),
            ("patient=Patient/amina", "patient"),
            ("patient=amina&scope=patient/Observation.red", "scope"),
            ("fhir-user=gp", "fhir-user"),
        ] {
            let refused = post(&nobody, &format!("/fhir/$token?{wrong}")).await.expect(400);
            assert!(refused.issues()[0].2.starts_with(&format!("parameter {name}: ")), "{wrong}: {refused}");
        }
        let form = |media: &str| nobody.ask(Method::POST, "/fhir/$token").body(media, "system=true");
        form("application/x-www-form-urlencoded").await.expect(200);
        form("application/json").await.expect(415);
        system(&nobody).await.get("Patient").await.expect(200);
    });
}
