//! What has been answered is there after a sudden death of the process, and a stop lets requests finish.

use concord_tests::client::{App, text};
use concord_tests::database::{Database, Scratch};
use concord_tests::people::blood_pressure;
use concord_tests::process::{Log, Process, output};
use serde_json::json;

/// A database, the settings of a server over it, and a system's token.
struct Place {
    scratch: Scratch,
    settings: Vec<(&'static str, String)>,
}

impl Place {
    fn new(database: Database) -> Place {
        let scratch = Scratch::new(database);
        let settings = vec![
            ("CONCORD_LISTEN", "127.0.0.1:0".to_owned()),
            ("CONCORD_PUBLIC_URL", "http://concord.test".to_owned()),
            ("CONCORD_DATABASE_URL", scratch.url().to_owned()),
            ("CONCORD_DATABASE_POOL_SIZE", "2".to_owned()),
            ("CONCORD_DEVELOPMENT_ISSUER", "true".to_owned()),
        ];
        Place { scratch, settings }
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }

    fn serve(&self) -> Process {
        Process::serve(self.scratch.folder(), &self.settings())
    }

    fn app(&self, process: &Process, who: &[&str]) -> App {
        let arguments: Vec<&str> = std::iter::once("token").chain(who.iter().copied()).collect();
        let token = output(self.scratch.folder(), &arguments, &self.settings());
        App::at(&process.origin).with_token(token.trim())
    }
}

fn run(journey: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(journey);
}

/// More than a pipe holds of log lines, with a log that is read by nobody or closed: everything is answered, and what was
/// written is there.
async fn its_own_log_stops_nobody() {
    for logging in [Log::Unread, Log::Closed] {
        let place = Place::new(Database::Sqlite);
        let process = Process::serve_logging(place.scratch.folder(), &place.settings(), logging);
        let system = place.app(&process, &["--system"]);
        let patient = json!({"resourceType": "Patient", "id": "amina"});
        system.store(&patient).await;
        for _ in 0..1_000 {
            system.get("Patient/amina").await.expect(200);
        }
        if logging == Log::Closed {
            // Lines that nobody takes are counted.
            let metrics = system.get("/metrics").await.expect(200).text();
            let lost = metrics.lines().find_map(|line| line.strip_prefix("concord_log_lines_lost_total "));
            assert!(lost.is_some_and(|lost| lost.parse().is_ok_and(|lost: f64| lost > 100.0)), "{lost:?}");
        }
        let written = system.post("Observation", &blood_pressure("amina", 120)).await.expect(201).json();
        system.get(&format!("Observation/{}", text(&written, "/id"))).await.expect(200);
        assert!(process.stop(), "{logging:?}");
    }
}

async fn what_was_answered_is_there(database: Database) {
    let place = Place::new(database);
    let mut known: Vec<(String, Vec<u8>)> = Vec::new();
    for round in 0..2 {
        let process = place.serve();
        let system = place.app(&process, &["--system"]);
        let amina = place.app(&process, &["--patient", "amina"]);
        for (id, body) in &known {
            assert_eq!(system.get(&format!("Observation/{id}")).await.expect(200).body, *body, "round {round}");
        }
        if round == 0 {
            system.store(&json!({"resourceType": "Patient", "id": "amina"})).await;
        }
        let posts: Vec<_> = (0..10)
            .map(|number| tokio::spawn(amina.post("Observation", &blood_pressure("amina", 100 + number)).into_future()))
            .collect();
        for post in posts {
            let created = post.await.expect("a request").expect(201);
            known.push((text(&created.json(), "/id").to_owned(), created.body));
        }
        let read = amina.get(&format!("Observation/{}", known[0].0)).await.expect(200);
        process.kill();

        let process = place.serve();
        let system = place.app(&process, &["--system"]);
        for (id, body) in &known {
            assert_eq!(system.get(&format!("Observation/{id}")).await.expect(200).body, *body, "round {round}");
            let told = system.get(&format!("Provenance?target=Observation/{id}")).await.expect(200).ids();
            assert_eq!(told.len(), 1, "round {round}");
            let told = system.get(&format!("AuditEvent?entity=Observation/{id}&action=C")).await.expect(200).ids();
            assert_eq!(told.len(), 1, "round {round}");
        }
        // The read that was answered last is in the log as well.
        let log = system.get("AuditEvent?agent=Patient/amina&subtype=read&_count=1000").await.expect(200).text();
        assert!(log.contains(read.header("x-request-id")), "round {round}");
        assert!(process.stop(), "it ends well when it is told to");
    }
}

#[test]
fn what_was_answered_is_there_on_sqlite() {
    run(what_was_answered_is_there(Database::Sqlite));
}

#[test]
fn what_was_answered_is_there_on_postgres() {
    run(what_was_answered_is_there(Database::Postgres));
}

#[test]
fn a_log_that_nobody_reads_stops_nobody() {
    run(its_own_log_stops_nobody());
}

/// Each request is a line that says by which app it came and how its time was spent; none says who asked, about whom, or what.
#[test]
fn a_line_of_the_log_tells_the_app_and_the_time_and_never_a_person() {
    run(async {
        let place = Place::new(Database::Sqlite);
        let process = place.serve();
        let (system, zebedee) = (place.app(&process, &["--system"]), place.app(&process, &["--patient", "zebedee"]));
        system.store(&json!({"resourceType": "Patient", "id": "zebedee", "name": [{"family": "Quillfeather"}]})).await;
        let reading = blood_pressure("zebedee", 147);
        let id = zebedee.create(&reading).await;
        zebedee.get(&format!("Observation/{id}")).await.expect(200);
        zebedee.get("Observation?patient=zebedee&code=85354-9&_content=systolic").await.expect(200);
        zebedee.get("Patient/zebedee/$everything").await.expect(200);
        zebedee.get("Patient?name=Quillfeather").await.expect(200);
        zebedee.get("Observation/85354-9").await.expect(404);
        zebedee.get("Observation?quillfeather=1").header("prefer", "handling=strict").await.expect(400);
        let mut odd = reading.clone();
        odd["quillfeather"] = json!("zebedee");
        zebedee.post("Observation", &odd).await.expect(422);
        let entry = json!({"resource": odd, "request": {"method": "POST", "url": "Observation"}});
        zebedee.post("", &json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})).await;
        App::at(&process.origin)
            .with_token("zebedee.quillfeather.x")
            .get(&format!("Observation/{id}"))
            .await
            .expect(401);
        let log = process.log();
        let lines: Vec<&str> = log.lines().collect();
        let of_requests: Vec<serde_json::Value> = lines
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok())
            .map(|line: serde_json::Value| if line["fields"].is_object() { line["fields"].clone() } else { line })
            .filter(|line| line["took_us"].is_u64())
            .collect();
        assert!(of_requests.len() >= 11, "{lines:#?}");
        let by_app = of_requests.iter().filter(|line| line["client"].is_string() && line["known_us"].is_u64()).count();
        assert!(by_app >= 10 && of_requests.iter().any(|line| line["body_us"].is_u64()), "{of_requests:#?}");
        for line in &lines {
            for private in ["zebedee", "uillfeather", id.as_str(), "85354-9", "systolic"] {
                assert!(!line.contains(private), "{private}: {line}");
            }
        }
    });
}

/// A closed terminal and a rotated log end no service.
#[test]
fn signals_that_mean_other_things_elsewhere_end_nothing() {
    run(async {
        let place = Place::new(Database::Sqlite);
        let process = place.serve();
        let system = place.app(&process, &["--system"]);
        for signal in ["-HUP", "-USR1", "-USR2"] {
            process.signal(signal);
            system.get("Patient").await.expect(200);
        }
        assert!(process.stop());
    });
}

/// A request that is on its way when the process is told to stop is answered.
#[test]
fn a_stop_lets_requests_finish() {
    run(async {
        let place = Place::new(Database::Sqlite);
        let process = place.serve();
        let system = place.app(&process, &["--system"]);
        let goals: Vec<_> =
            (0..200).map(|number| json!({"resourceType": "Basic", "code": {"text": format!("{number}")}})).collect();
        let posts: Vec<_> = goals.iter().map(|goal| tokio::spawn(system.post("Basic", goal).into_future())).collect();
        let mut answered = 0;
        let mut posts = posts.into_iter();
        let first = posts.next().expect("a post").await.expect("a request");
        assert_eq!(first.status, 201);
        answered += 1;
        let stopped = tokio::task::spawn_blocking(move || process.stop());
        for post in posts {
            // One that had no connection yet cannot be answered; one that is answered is answered well.
            if let Ok(answer) = post.await {
                assert_eq!(answer.status, 201, "{answer}");
                answered += 1;
            }
        }
        assert!(stopped.await.expect("a stop"), "it ends well when it is told to");
        let process = place.serve();
        let found = place.app(&process, &["--system"]).get("Basic?_summary=count").await.expect(200).json();
        assert!(found["total"].as_u64() >= Some(answered), "{answered} were answered: {found}");
    });
}
