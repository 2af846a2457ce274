//! The example app: what a browser gets of it, the launch that its script makes, and what it draws.

use std::io::Write as _;
use std::process::{Command, Stdio};

use concord_tests::{Answer, Concord, Database, on_both};
use serde_json::Value;

use crate::sign_in::{Browser, CHALLENGE, ISSUER, VERIFIER, authorize, form, query};
use crate::story::arrive_from_fixtures;

on_both! { with crate::sign_in::SETTINGS; the_example_app_lets_itself_in_and_gets_what_it_draws }

/// A text that the script gives a name.
fn constant(script: &str, name: &str) -> String {
    let (_, rest) = script.split_once(&format!("const {name} = \"")).unwrap_or_else(|| panic!("{name} in the script"));
    rest.split_once('"').expect("the end of a text").0.to_owned()
}

/// Nothing is loaded from elsewhere, and nothing stands in the page that its policy forbids.
fn keeps_to_itself(file: &Answer) {
    let policy = file.header("content-security-policy");
    assert!(policy.contains("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    let text = file.text();
    for elsewhere in ["https://", "//cdn", "@import", "style=\"", "onclick", "innerHTML", "eval("] {
        assert!(!text.contains(elsewhere), "{elsewhere}");
    }
    // But for the name of SVG, which nobody fetches.
    let addresses = text.matches("http://").count() - text.matches("http://www.w3.org/2000/svg").count();
    assert_eq!(addresses, 0, "{text}");
}

async fn the_example_app_lets_itself_in_and_gets_what_it_draws(concord: &Concord) {
    arrive_from_fixtures(concord).await;
    let nobody = concord.nobody();
    let moved = nobody.get("/example").await;
    assert_eq!(moved.header("location"), "/example/");
    let page = nobody.get("/example/").await.expect(200);
    let script = nobody.get("/example/app.js").await.expect(200);
    let style = nobody.get("/example/app.css").await.expect(200);
    for file in [&page, &script, &style] {
        keeps_to_itself(file);
    }
    assert!(script.header("content-type").starts_with("text/javascript"), "{}", script.header("content-type"));

    // What the script does, with what stands in it.
    let script = script.text();
    let (client, scope, search) =
        (constant(&script, "CLIENT"), constant(&script, "SCOPE"), constant(&script, "SEARCH"));
    let found = nobody.get("/fhir/.well-known/smart-configuration").await.expect(200).json();
    assert_eq!(found["authorization_endpoint"], format!("{ISSUER}/oauth/authorize"));
    let here = format!("{ISSUER}/example/");
    let asked = [
        ("response_type", "code"),
        ("client_id", &client),
        ("redirect_uri", &here),
        ("scope", &scope),
        ("aud", "http://localhost:8080/fhir"),
        ("state", "s"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    let browser = Browser::new(concord);
    let list = browser.get(&authorize(&asked)).await.expect(200);
    let page = browser.sign_in(&list, "Patient/amina").await.expect(200);
    assert!(page.text().contains("Readings, an example app"), "{page}");
    let back = browser
        .decide(&page, &[("kind", "measurements"), ("kind", "details"), ("lasts", "session"), ("decision", "allow")])
        .await;
    assert!(back.starts_with(&here), "{back}");
    let answer = query(&back);
    assert_eq!((answer["state"].as_str(), answer["iss"].as_str()), ("s", ISSUER));
    let code = [
        ("grant_type", "authorization_code"),
        ("client_id", &client),
        ("redirect_uri", &here),
        ("code_verifier", VERIFIER),
        ("code", &answer["code"]),
    ];
    let token = browser.submit("/oauth/token", &code).await.expect(200).json();
    assert_eq!(token["patient"], "amina");
    let app = concord.nobody().with_token(token["access_token"].as_str().expect("a token"));
    assert_eq!(app.get("Patient/amina").await.expect(200).json()["name"][0]["family"], "Hussain");
    let mut readings = Vec::new();
    let mut next = Some(format!("{search}&{}", form(&[("patient", "amina")])));
    while let Some(place) = next {
        let page = app.get(&place).await.expect(200);
        readings.extend(page.matches());
        next = page.link("next");
    }
    assert!(readings.len() > 150, "{}", readings.len());
    if let Some(drawn) = drawn(&script, &readings) {
        let kinds = drawn.as_array().expect("kinds");
        assert_eq!(kinds[0]["title"], "Blood pressure");
        assert_eq!(kinds[0]["columns"].as_array().map(Vec::len), Some(2), "{}", kinds[0]["columns"]);
        for kind in kinds {
            let lines = kind["drawing"]["lines"].as_array().expect("lines");
            assert_eq!(lines.len(), kind["columns"].as_array().expect("columns").len());
            for point in lines.iter().flat_map(|line| line.as_array().expect("points")) {
                let at = |place: usize| point[place].as_f64().expect("a number");
                assert!((0.0..=640.0).contains(&at(0)) && (0.0..=320.0).contains(&at(1)), "{point}");
            }
            let marks = kind["drawing"]["marks"].as_array().expect("marks").len();
            assert!((2..=8).contains(&marks), "{}: {marks}", kind["title"]);
        }
    }
}

/// In a browser, where there is one: its own policy lets its script run, which shows how to begin, or what went wrong.
#[test]
#[expect(clippy::print_stdout, reason = "whoever runs the tests is to know what was not tried")]
fn its_policy_lets_it_run_in_a_browser() {
    concord_tests::run(Database::Sqlite, crate::sign_in::SETTINGS, async |concord: &Concord| {
        let folder = concord.scratch().folder().join("browser");
        let seen = |place: &str| {
            let browser = Command::new("chromium")
                .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--dump-dom"])
                .arg(format!("--user-data-dir={}", folder.display()))
                .arg(format!("{}{place}", concord.origin()))
                .stderr(Stdio::null())
                .output();
            browser.map(|done| String::from_utf8_lossy(&done.stdout).into_owned())
        };
        match seen("/example/") {
            Ok(page) => {
                assert!(
                    page.contains("<div id=\"start\">") && page.contains("<div id=\"readings\" hidden=\"\">"),
                    "{page}"
                );
                let page = seen("/example/?code=concord_ac_x&state=of-another").expect("the same browser");
                assert!(page.contains("<div id=\"trouble\" role=\"alert\">"), "{page}");
                assert!(page.contains("not the answer to anything that this window has asked"), "{page}");
            }
            Err(error) => println!("the example app is not looked at in a browser: chromium: {error}"),
        }
    });
}

/// What the script makes of readings, where Node is there to run it; it says so where not.
#[expect(clippy::print_stdout, reason = "whoever runs the tests is to know what was not tried")]
fn drawn(script: &str, readings: &[Value]) -> Option<Value> {
    let (_, rest) = script.split_once("const label = ").expect("where readings are read");
    let (own, _) = rest.split_once("const day = ").expect("where they are drawn");
    let program = format!(
        "const label = {own}\nlet text = \"\";\nprocess.stdin.on(\"data\", (more) => (text += more)).on(\"end\", () => \
         console.log(JSON.stringify(kinds(JSON.parse(text)).map((kind) => ({{ ...kind, drawing: drawing(kind) }})))));"
    );
    let node = Command::new("node").args(["-e", &program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let done = node.and_then(|mut node| {
        // It reads all of it before it says anything.
        let mut to = node.stdin.take().expect("what it reads");
        to.write_all(&serde_json::to_vec(readings).expect("JSON"))?;
        drop(to);
        node.wait_with_output()
    });
    match done {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(serde_json::from_slice(&done.stdout).expect("JSON"))
        }
        Err(error) => {
            println!("what the script draws is not looked at: node: {error}");
            None
        }
    }
}
