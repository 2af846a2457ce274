//! Nobody can stop others: what arrives, what is told of calls without a token, what a request may cost and how much one
//! answer holds are bounded.

use std::net::SocketAddr;

use concord_tests::client::{Method, text};
use concord_tests::people::{self, with};
use concord_tests::{Answer, App, Concord, Database, on_both, run};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How large an announced body is, of which little or nothing arrives.
const ANNOUNCED: usize = 900_000;

/// A connection of its own, with the head of a request and the start of its body.
async fn begun(concord: &Concord, token: Option<&str>, framing: &str, body: &[u8]) -> TcpStream {
    let origin = concord.origin();
    let address: SocketAddr = origin.trim_start_matches("http://").parse().expect("an address");
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let head = format!(
        "POST /fhir/Goal HTTP/1.1\r\nHost: concord.test\r\n{authorization}Content-Type: application/fhir+json\r\n{framing}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("a head that is sent");
    stream.write_all(body).await.expect("a start that is sent");
    stream
}

/// All that comes until the server closes.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let mut part = [0; 4096];
    loop {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return String::from_utf8_lossy(&all).into_owned(),
            Ok(length) => all.extend_from_slice(&part[..length]),
        }
    }
}

/// The start of what is answered.
async fn first(stream: &mut TcpStream) -> String {
    let mut part = [0; 4096];
    let length = stream.read(&mut part).await.expect("an answer");
    String::from_utf8_lossy(&part[..length]).into_owned()
}

mod bodies_together {
    use super::*;

    on_both! { with &[("CONCORD_MAX_BODY_BYTES_TOGETHER", "1000000")]; are_bounded }

    async fn are_bounded(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}})
        .to_string();
        let whole = format!("{goal}{}", " ".repeat(ANNOUNCED - goal.len()));
        // There is room for one of them: the other waits for it, and is stored as well.
        let framing = format!("Content-Length: {ANNOUNCED}");
        let stored = async || {
            let (start, rest) = whole.as_bytes().split_at(600_000);
            let mut stream = begun(concord, Some(amina.token()), &framing, start).await;
            stream.write_all(rest).await.expect("a rest that is sent");
            first(&mut stream).await
        };
        for stored in <[String; 2]>::from(tokio::join!(stored(), stored())) {
            assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
        }
        // One that does not say how long it is waits as well: it is answered once the other has gone away.
        let chunk = format!("{:x}\r\n{}\r\n", 600_000, " ".repeat(600_000));
        let held = begun(concord, Some(amina.token()), "Transfer-Encoding: chunked", chunk.as_bytes()).await;
        let all = format!("{:x}\r\n{goal}\r\n{chunk}0\r\n\r\n", goal.len());
        let other = begun(concord, Some(amina.token()), "Transfer-Encoding: chunked", all.as_bytes());
        let (mut other, ()) = tokio::join!(other, async { drop(held) });
        let stored = first(&mut other).await;
        assert!(stored.starts_with("HTTP/1.1 201"), "{stored}");
        // What was taken has been given back.
        let created = amina.ask(Method::POST, "Goal").body("application/fhir+json", whole.clone()).await;
        created.expect(201);
    }
}

/// A body that says itself that it is too large is refused before any of it has come.
async fn announced_too_large(concord: &Concord) {
    people::arrive(concord).await;
    let amina = concord.patient("amina");
    for framing in ["Content-Length: 999999999999", "Content-Length: 999999999\r\nContent-Encoding: gzip"] {
        let mut large = begun(concord, Some(amina.token()), framing, b"").await;
        let answer = first(&mut large).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert!(answer.contains("max_body_bytes"), "{answer}");
    }
}

mod slow_bodies {
    use super::*;

    on_both! { with &[("CONCORD_BODY_TIMEOUT_SECONDS", "1")]; are_given_up }

    async fn are_given_up(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let framing = format!("Content-Length: {ANNOUNCED}");
        let mut slow = begun(concord, Some(amina.token()), &framing, b"{").await;
        let answer = until_closed(&mut slow).await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
        assert!(answer.contains("\"timeout\"") && answer.contains("OperationOutcome"), "{answer}");
    }
}

on_both! { announced_too_large, without_a_token_no_body_is_read, refusals_without_a_token_become_a_number }

async fn without_a_token_no_body_is_read(concord: &Concord) {
    // Each is answered, and its connection closed, although its body never comes.
    for framing in [format!("Content-Length: {ANNOUNCED}"), "Transfer-Encoding: chunked".to_owned()] {
        for token in [None, Some("nobody.nothing.none")] {
            let mut stream = begun(concord, token, &framing, b"").await;
            let answer = until_closed(&mut stream).await;
            assert!(answer.starts_with("HTTP/1.1 401"), "{framing}: {answer}");
        }
    }
}

/// The outcomes of refused sign-ins in the log, as they are told.
async fn sign_ins(concord: &Concord) -> Vec<String> {
    let events = concord.system().entries("AuditEvent?_count=1000").await;
    let refused = events.iter().filter(|entry| text(entry, "/resource/type/code") == "110114");
    let mut all: Vec<String> = refused.map(|entry| text(entry, "/resource/outcomeDesc").to_owned()).collect();
    all.sort();
    all
}

async fn refusals_without_a_token_become_a_number(concord: &Concord) {
    people::arrive(concord).await;
    let nobody = concord.nobody();
    for _ in 0..20 {
        nobody.get("Patient/amina").await.expect(401);
    }
    nobody.with_token("nobody").get("Patient/amina").await.expect(401);
    assert_eq!(sign_ins(concord).await, ["malformed", "missing"]);
    concord.later(60_000);
    nobody.get("Patient/amina").await.expect(401);
    assert_eq!(
        sign_ins(concord).await,
        ["malformed", "missing", "missing", "missing, 19 more within a minute from 127.0.0.1"]
    );
    let metrics = nobody.get("/metrics").await.expect(200).text();
    assert!(metrics.contains("concord_refused_calls_total{told=\"number\"} 19"), "{metrics}");
    assert!(metrics.contains("concord_refused_calls_total{told=\"entry\"} 3"), "{metrics}");
}

mod conditions {
    use super::*;

    on_both! { with &[("CONCORD_CONDITION_STEPS", "1000")]; costly_conditions }

    /// Observations each of which has every other as a member: to follow the references is more work with every step.
    async fn dense_graph(system: &App, size: usize) {
        let id = |number: usize| format!("dense-{number}");
        let members: Vec<Value> =
            (0..size).map(|number| json!({"reference": format!("Observation/{}", id(number))})).collect();
        let entry = |number: usize| {
            json!({"request": {"method": "PUT", "url": format!("Observation/{}", id(number))}, "resource": {
                "resourceType": "Observation", "id": id(number), "status": "final", "code": {"text": "dense"},
                "effectiveDateTime": "2026-11-01", "subject": {"reference": "Patient/amina"}, "hasMember": members}})
        };
        let bundle =
            json!({"resourceType": "Bundle", "type": "transaction", "entry": (0..size).map(entry).collect::<Vec<_>>()});
        system.post("/fhir", &bundle).await.expect(200);
    }

    /// A condition that follows every path of four steps.
    fn costly(last: &str) -> String {
        let chain = "has-member:Observation.".repeat(4);
        format!("{chain}status={last}&patient=Patient/amina")
    }

    async fn costly_conditions(concord: &Concord) {
        people::arrive(concord).await;
        let system = concord.system();
        dense_graph(&system, 12).await;
        let amina = concord.patient("amina");
        let steps = json!({"resourceType": "Observation", "status": "amended", "code": {"text": "steps"},
            "effectiveDateTime": "2026-11-01", "subject": {"reference": "Patient/amina"}, "hasMember": [{"reference": "Observation/dense-0"}]});
        // Many at once, with a condition that the first of them meets: one of them is stored, and all are told of it.
        let condition = format!("status:not=final&{}", costly("final"));
        let posts: Vec<_> = (0..6)
            .map(|_| tokio::spawn(amina.post("Observation", &steps).header("if-none-exist", &condition).into_future()))
            .collect();
        let mut answers: Vec<Answer> = Vec::new();
        for post in posts {
            answers.push(post.await.expect("a request that does not panic"));
        }
        let stored = answers.iter().filter(|answer| answer.status == 201).count();
        let met = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!((stored, met), (1, 5), "{}", answers[0]);
        assert_eq!(amina.get("Observation?code:text=steps").await.expect(200).ids().len(), 1);
        // In a transaction, which nobody but the writer can carry out, such a condition is matched before on the embedded database.
        let entry = json!({"request": {"method": "POST", "url": "Observation", "ifNoneExist": costly("registered")}, "resource": steps});
        let transaction = json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]});
        let told = amina.post("/fhir", &transaction).await.expect(200);
        let alone = amina.post("Observation", &steps).header("if-none-exist", &costly("registered")).await;
        let status = alone.status.to_string();
        assert!(text(&told.entries()[0], "/response/status").starts_with(&status), "{told}: {alone}");
        searches_in_a_transaction(concord, &steps).await;
    }

    /// What is searched for beside writes is found when they are done, and takes what it takes by itself.
    async fn searches_in_a_transaction(concord: &Concord, written: &Value) {
        let amina = concord.patient("amina");
        let transaction =
            |entries: &[Value]| json!({"resourceType": "Bundle", "type": "transaction", "entry": entries});
        let search = |query: &str| json!({"request": {"method": "GET", "url": query}});
        let costly = format!("Observation?{}", costly("final"));
        let write = json!({"request": {"method": "POST", "url": "Observation"}, "resource": with(written.clone(), "code", json!({"text": "beside"}))});
        let found = |answer: &Answer, place: usize| answer.entries()[place]["resource"]["total"].clone();
        let apart = amina
            .post("/fhir", &transaction(&[search(&costly), search("AuditEvent?_count=1&_total=accurate")]))
            .await
            .expect(200);
        let alone = amina.get(&costly).await.expect(200).json();
        assert_eq!(found(&apart, 0), alone["total"]);
        let seen = amina
            .post("/fhir", &transaction(&[search("Observation?code:text=beside&_total=accurate"), write.clone()]))
            .await
            .expect(200);
        assert_eq!(found(&seen, 0), json!(1), "what has been written");
        let beside = amina.post("/fhir", &transaction(&[write, search(&costly)])).await;
        let afterwards = amina.get(&costly).await.expect(200).json();
        assert_eq!(found(&beside.expect(200), 1), afterwards["total"], "with what has been written");
        assert_eq!(amina.get("Observation?code:text=beside").await.expect(200).ids().len(), 2);
    }
}

mod patches {
    use super::*;

    on_both! { with &[("CONCORD_MAX_BODY_BYTES", "8000")]; do_not_grow_beyond_what_can_be_sent }

    async fn do_not_grow_beyond_what_can_be_sent(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}});
        let id = amina.create(&with(goal, "note", json!([{"text": "x".repeat(1_000)}]))).await;
        let copies = |number: usize| {
            let copy = json!({"op": "copy", "from": "/note/0", "path": "/note/-"});
            amina
                .ask(Method::PATCH, &format!("Goal/{id}"))
                .body("application/json-patch+json", json!(vec![copy; number]).to_string())
        };
        copies(2).await.expect(200);
        let refused = copies(6).await.expect(413);
        assert!(refused.issues()[0].2.contains("max_body_bytes"), "{refused}");
        assert_eq!(amina.get(&format!("Goal/{id}")).await.expect(200).json()["note"].as_array().map(Vec::len), Some(3));
    }

    on_both! { that_nest_or_take_long_are_refused, of_a_request_have_one_budget }

    /// Many patches, each of which is far below what a request may cost: in a transaction, whose entries others wait for, they
    /// have that once. In a batch each is a request.
    async fn of_a_request_have_one_budget(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let notes: Vec<Value> = (0..500).map(|_| json!({"text": "aaaaaaaa"})).collect();
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}, "note": notes});
        let mut ids = Vec::new();
        for _ in 0..40 {
            ids.push(amina.create(&goal).await);
        }
        let part = |name: &str, kind: &str, value: &str| json!({"name": name, kind: value});
        let path = "Goal.note.where(text.upper().lower().upper().lower() = 'b')";
        let delete = json!({"name": "operation", "part": [part("type", "valueCode", "delete"),
            part("path", "valueString", path)]});
        let replace = json!({"name": "operation", "part": [part("type", "valueCode", "replace"),
            part("path", "valueString", "Goal.description.text"), part("value", "valueString", "run")]});
        let patch = json!({"resourceType": "Parameters", "parameter": [&delete, &delete, &delete, &delete, &replace]});
        let entries = |ids: &[String]| -> Vec<Value> {
            let entry =
                |id: &String| json!({"request": {"method": "PATCH", "url": format!("Goal/{id}")}, "resource": patch});
            ids.iter().map(entry).collect()
        };
        let send = async |kind: &str, entries: &[Value]| {
            amina.post("", &json!({"resourceType": "Bundle", "type": kind, "entry": entries})).await
        };
        let refused = send("transaction", &entries(&ids)).await.expect(422);
        let (_, place, told) = refused.issues().swap_remove(0);
        assert!(place.starts_with("Bundle.entry[") && told.contains("too many steps"), "{refused}");
        let unchanged = amina.entries("Goal?_count=50&_elements=description").await;
        assert!(unchanged.iter().all(|entry| text(entry, "/resource/description/text") == "walk"));
        send("transaction", &entries(&ids[..2])).await.expect(200);
        let each = send("batch", &entries(&ids[2..])).await.expect(200).json();
        let statuses: Vec<&str> =
            each["entry"].as_array().expect("entries").iter().map(|one| text(one, "/response/status")).collect();
        assert!(statuses.iter().all(|status| *status == "200 OK"), "{statuses:?}");
    }

    /// In every form: what would stop the process, or hold the only writer, is 422 with the operation's number, and the
    /// server goes on.
    async fn that_nest_or_take_long_are_refused(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}});
        let notes: Vec<Value> = (0..2_000).map(|_| json!({"text": "a"})).collect();
        let id = amina.create(&with(goal, "note", json!(notes))).await;
        let deep: Vec<Value> = (1..80)
            .map(|number| json!({"op": "add", "path": "/z".repeat(number), "value": {"z": {"z": {"z": {"z": {"z": 1}}}}}}))
            .collect();
        let path = "Goal.note.where(text.upper().lower().upper().lower().length() = 2)";
        let delete = json!({"name": "operation", "part": [{"name": "type", "valueCode": "delete"},
            {"name": "path", "valueString": path}]});
        let selector = format!("Goal/note{}[1]", "[text/@value='a']".repeat(80));
        let remove = format!("<remove sel=\"{selector}\"/>").repeat(40);
        for (form, body, said) in [
            ("application/json-patch+json", json!(deep).to_string(), "nested too deeply"),
            (
                "application/xml-patch+xml",
                format!("<diff xmlns=\"http://hl7.org/fhir\">{remove}</diff>"),
                "too many steps",
            ),
            (
                "application/fhir+json",
                json!({"resourceType": "Parameters", "parameter": vec![delete; 100]}).to_string(),
                "too many steps",
            ),
        ] {
            let refused = amina.ask(Method::PATCH, &format!("Goal/{id}")).body(form, body).await.expect(422);
            let told = refused.issues().swap_remove(0).2;
            assert!(told.starts_with("operation ") && told.contains(said), "{form}: {told}");
            amina.get(&format!("Goal/{id}")).await.expect(200);
        }
    }
}

mod steps {
    use super::*;

    on_both! { with &[("CONCORD_QUERY_STEPS", "20000")]; are_counted_for_each_entry }

    /// What one entry takes is not told by what becomes of another.
    async fn are_counted_for_each_entry(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let search = json!({"request": {"method": "GET", "url": "AuditEvent?_count=1"}});
        let searches = |number: usize| json!({"resourceType": "Bundle", "type": "transaction", "entry": vec![search.clone(); number]});
        amina.post("/fhir", &searches(1)).await.expect(200);
        amina.post("/fhir", &searches(200)).await.expect(200);
    }
}

mod answers {
    use super::*;

    on_both! {
        with &[("CONCORD_MAX_ANSWER_BYTES", "20000"), ("CONCORD_MAX_ANSWER_RESOURCES", "60")];
        are_bounded_in_a_batch, are_bounded_in_a_transaction, are_bounded_alone, are_bounded_where_no_resource_is_stored,
        count_what_they_hold_and_no_more
    }

    fn bundle(kind: &str, entries: Vec<Value>) -> Value {
        json!({"resourceType": "Bundle", "type": kind, "entry": entries})
    }

    fn read(url: &str) -> Value {
        json!({"request": {"method": "GET", "url": url}})
    }

    fn goal() -> Value {
        json!({"request": {"method": "POST", "url": "Goal"}, "resource": {"resourceType": "Goal",
            "lifecycleStatus": "active", "description": {"text": "walk"}, "subject": {"reference": "Patient/amina"}}})
    }

    async fn are_bounded_in_a_batch(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let mut entries = vec![read("Patient/amina/$everything"); 200];
        entries.insert(0, goal());
        entries.push(goal());
        let answer = amina.post("/fhir", &bundle("batch", entries)).await.expect(200);
        assert!(answer.body.len() < 100_000, "{} bytes", answer.body.len());
        let told = answer.entries();
        let statuses: Vec<&str> = told.iter().map(|entry| text(entry, "/response/status")).collect();
        assert_eq!(statuses.len(), 202);
        assert_eq!((statuses[0], statuses[1]), ("201 Created", "200 OK"));
        let full = statuses.iter().position(|status| *status == "413 Payload Too Large").expect("an end");
        assert!(statuses[full..].iter().all(|status| *status == "413 Payload Too Large"), "{statuses:?}");
        let said = text(&told[full], "/response/outcome/issue/0/diagnostics");
        assert!(said.contains("max_answer_bytes") || said.contains("max_answer_resources"), "{said}");
        // What is told not to have been carried out has not been.
        assert_eq!(amina.get("Goal").await.expect(200).ids().len(), 1);
    }

    async fn are_bounded_in_a_transaction(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let mut entries = vec![read("Observation?patient=amina"); 40];
        entries.extend(vec![read("Patient/amina"); 70]);
        entries.push(goal());
        let refused = amina.post("/fhir", &bundle("transaction", entries)).await.expect(413);
        let (code, place, said) = refused.issues().swap_remove(0);
        assert_eq!(code, "too-long");
        assert!(place.starts_with("Bundle.entry[") && said.contains("max_answer_"), "{said}");
        assert_eq!(amina.get("Goal").await.expect(200).ids().len(), 0);
    }

    /// What the server can do is a large text, however little is asked.
    async fn are_bounded_where_no_resource_is_stored(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let entries = vec![read("metadata"); 60];
        let answer = amina.post("/fhir", &bundle("batch", entries.clone())).await.expect(200);
        assert!(answer.body.len() < 3_000_000, "{} bytes", answer.body.len());
        let told = answer.entries();
        let statuses = [&told[0], &told[59]].map(|entry| text(entry, "/response/status"));
        assert_eq!(statuses, ["200 OK", "413 Payload Too Large"]);
        amina.post("/fhir", &bundle("transaction", entries)).await.expect(413);
    }

    async fn are_bounded_alone(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let long = with(
            json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
                "subject": {"reference": "Patient/amina"}}),
            "note",
            json!([{"text": "x".repeat(12_000)}]),
        );
        amina.create(&long).await;
        amina.create(&long).await;
        let refused = amina.get("Goal").await.expect(413);
        assert!(refused.issues()[0].2.contains("_count"), "{refused}");
        assert_eq!(amina.get("Goal?_count=1").await.expect(200).ids().len(), 1);
    }

    /// What is only looked through, comes after a page, or is there twice counts for nothing.
    async fn count_what_they_hold_and_no_more(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let reading = |text: &str, more: Value| {
            let mut reading = json!({"resourceType": "Observation", "status": "final", "code": {"text": "pulse",
                "coding": [{"system": "urn:test", "code": "a"}, {"system": "urn:test", "code": "b"}]},
                "subject": {"reference": "Patient/amina"}, "effectiveDateTime": "2026-02-01",
                "valueQuantity": {"value": 60, "unit": "/min"}, "note": [{"text": text}]});
            reading.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
            reading
        };
        let mut ids = Vec::new();
        for number in 0..4 {
            let text = format!("{} word{number}", "x".repeat(9_000));
            ids.push(amina.create(&reading(&text, json!({}))).await);
        }
        let members: Vec<Value> =
            ids.iter().take(2).map(|id| json!({"reference": format!("Observation/{id}")})).collect();
        let hub = amina.create(&reading("hub", json!({"hasMember": members}))).await;
        amina.get("Observation?code=urn:test|a").await.expect(413);
        amina.get("Observation/_history").await.expect(413);
        amina.get(&format!("Observation?_id={hub}&_include=Observation:has-member")).await.expect(200);
        let some = format!("Observation?_id={},{},{}&_include=Observation:has-member", ids[0], ids[1], hub);
        assert_eq!(amina.get(&some).await.expect(200).ids().len(), 3, "they are there once");
        let more = format!("Observation?_id={},{}&_include=Observation:has-member", ids[2], hub);
        amina.get(&more).await.expect(413);
        for looked_through in ["Observation/$trend?code=urn:test|a", "Observation/$duplicates"] {
            amina.get(looked_through).await.expect(200);
        }
        assert_eq!(amina.get("Observation?_content=word3").await.expect(200).ids(), [ids[3].clone()]);
    }
}

mod heads {
    use super::*;

    on_both! { say_of_a_large_answer_what_it_says_but_for_its_length }

    async fn say_of_a_large_answer_what_it_says_but_for_its_length(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let long = with(
            json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
                "subject": {"reference": "Patient/amina"}}),
            "note",
            json!([{"text": "x".repeat(200_000)}]),
        );
        let place = format!("Goal/{}", amina.create(&long).await);
        for asked in [place.clone(), format!("{place}?_format=xml"), "Goal".to_owned(), "Goal/_history".to_owned()] {
            let (whole, head) = (amina.get(&asked).await.expect(200), amina.head(&asked).await.expect(200));
            assert!(whole.body.len() > 200_000 && head.body.is_empty());
            for name in ["etag", "last-modified", "content-type", "cache-control"] {
                assert_eq!(head.header(name), whole.header(name), "{asked}: {name}");
            }
            assert!(["", whole.header("content-length")].contains(&head.header("content-length")));
        }
        let etag = amina.get(&place).await.expect(200).header("etag").to_owned();
        for ask in [amina.get(&place), amina.head(&place)] {
            let same = ask.header("if-none-match", &etag).await.expect(304);
            assert_eq!(same.header("etag"), etag);
        }
        amina.head("Goal/there-is-none").await.expect(404);
    }
}

#[test]
fn the_files_of_the_database_are_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    run(Database::Sqlite, &[], async |concord: &Concord| {
        people::arrive(concord).await;
        let path = concord.scratch().url().trim_start_matches("sqlite:").to_owned();
        for file in [path.clone(), format!("{path}-wal"), format!("{path}-shm")] {
            let mode = std::fs::metadata(&file).expect("a file").permissions().mode() & 0o777;
            assert_eq!(mode, 0o600, "{file}");
        }
    });
}

mod queries {
    use super::*;

    on_both! { are_as_long_wherever_they_stand }

    /// Sixteen thousand bytes, and no more, in an address, a form, a header, an entry and a reference.
    async fn are_as_long_wherever_they_stand(concord: &Concord) {
        people::arrive(concord).await;
        let system = concord.system();
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}});
        for (length, fits) in [(16 * 1024, true), (16 * 1024 + 1, false)] {
            // One value may be half as long at most.
            let half = format!("_tag={}", "a".repeat(8_187));
            let query = format!("{half}&_tag={}", "b".repeat(length - half.len() - "&_tag=".len()));
            let entry = |request: Value, resource: Option<Value>| {
                let mut entry = json!({"request": request});
                if let Some(resource) = resource {
                    entry["resource"] = resource;
                }
                json!({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
            };
            // Letters of a media type count in neither case.
            let form = |text: &str| {
                let media = "Application/X-WWW-Form-URLencoded; charset=utf-8";
                system.ask(Method::POST, "Goal/_search").body(media, text.to_owned())
            };
            let search = json!({"method": "GET", "url": format!("Goal?{query}")});
            let create = json!({"method": "POST", "url": "Goal", "ifNoneExist": query});
            let refers = with(goal.clone(), "addresses", json!([{"reference": format!("Condition?{query}")}]));
            let written = json!({"method": "POST", "url": "Goal"});
            for (place, answer, status) in [
                ("address", system.get(&format!("Goal?{query}")).await, 200),
                ("form", form(&query).await, 200),
                ("header", system.post("Goal", &goal).header("If-None-Exist", &query).await, 201),
                ("entry", system.post("", &entry(search, None)).await, 200),
                ("condition of an entry", system.post("", &entry(create, Some(goal.clone()))).await, 200),
                ("reference", system.post("", &entry(written, Some(refers))).await, 412),
            ] {
                if fits {
                    assert_eq!(answer.status, status, "{place}: {answer}");
                } else {
                    assert_eq!(answer.status, 400, "{place}: {answer}");
                    assert!(answer.text().contains("the query is longer than 16384 bytes"), "{place}: {answer}");
                }
            }
        }
    }
}
