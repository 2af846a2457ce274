//! What a connection may hold on to: a body that nobody wants ends it, and so does a client that does not take its answer or
//! does not end what it began.

use std::net::SocketAddr;

use concord_tests::people::{self, with};
use concord_tests::{Concord, on_both};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// For how long is waited for what must happen.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// A connection on which something has been sent.
async fn sent(concord: &Concord, bytes: &[u8]) -> TcpStream {
    let origin = concord.origin();
    let address: SocketAddr = origin.trim_start_matches("http://").parse().expect("an address");
    // The machine keeps little of what comes on it.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(65_536).expect("a small buffer");
    let mut stream = socket.connect(address).await.expect("a connection");
    stream.write_all(bytes).await.expect("a start that is sent");
    stream
}

/// The head of what is answered.
async fn head(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    while !all.windows(4).any(|window| window == b"\r\n\r\n") {
        assert_ne!(stream.read_buf(&mut all).await.expect("an answer"), 0, "closed without an answer");
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// How many bytes come until the server closes.
async fn until_closed(stream: &mut TcpStream) -> usize {
    let (mut all, mut part) = (0, vec![0; 65_536]);
    loop {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return all,
            Ok(length) => all += length,
        }
    }
}

fn request(method: &str, path: &str, token: Option<&str>, more: &str) -> String {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    format!("{method} {path} HTTP/1.1\r\nHost: concord.test\r\n{authorization}{more}\r\n")
}

mod unwanted_bodies {
    use super::*;

    on_both! { with &[("CONCORD_MAX_BODY_BYTES", "2000")]; end_their_connection }

    /// A body without an end is not read on, whatever has been answered and whoever asked.
    async fn end_their_connection(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let token = Some(amina.token());
        let chunked = "Content-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n";
        for (method, path, token, status) in [
            ("POST", "/fhir/Goal", token, 413),
            ("POST", "/fhir/Goal", None, 401),
            ("GET", "/fhir/Patient/amina", token, 200),
            ("GET", "/fhir/metadata", None, 200),
            ("GET", "/healthz", None, 200),
            ("DELETE", "/healthz", None, 405),
            ("GET", "/nowhere", None, 404),
        ] {
            let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
            let mut stream = sent(concord, (request(method, path, token, chunked) + &chunk).as_bytes()).await;
            let answer = head(&mut stream).await.to_ascii_lowercase();
            assert!(answer.starts_with(&format!("http/1.1 {status} ")), "{method} {path}: {answer}");
            assert!(answer.contains("connection: close"), "{method} {path}: {answer}");
            until_closed(&mut stream).await;
        }
        // One that has been read to its end does not.
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}})
        .to_string();
        let whole = format!("{:x}\r\n{goal}\r\n0\r\n\r\n", goal.len());
        let one = request("POST", "/fhir/Goal", token, chunked) + &whole;
        let last = one.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let mut stream = sent(concord, (one + &last).as_bytes()).await;
        let mut both = String::new();
        stream.read_to_string(&mut both).await.expect("two answers");
        assert_eq!(both.matches("HTTP/1.1 201 ").count(), 2, "{both}");
    }
}

mod packed_answers {
    use std::io::Read as _;

    use super::*;

    on_both! { go_out_in_one_piece, of_metadata_are_made_once }

    /// Several small writes wait for one another.
    async fn go_out_in_one_piece(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        for systolic in 120..130 {
            amina.create(&people::blood_pressure("amina", systolic)).await;
        }
        let asked = request("GET", "/fhir/Observation", Some(amina.token()), "Accept-Encoding: gzip\r\n");
        let answer = head(&mut sent(concord, asked.as_bytes()).await).await.to_ascii_lowercase();
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        assert!(answer.contains("content-encoding: gzip"), "{answer}");
        assert!(answer.contains("content-length: ") && !answer.contains("transfer-encoding"), "{answer}");
        // A large one is packed before it goes, where no other request waits for that.
        let text: String =
            (0..60_000_u32).map(|number| format!("{:08x}", number.wrapping_mul(2_654_435_761))).collect();
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": text},
            "subject": {"reference": "Patient/amina"}});
        amina.create(&goal).await;
        let asked = request("GET", "/fhir/Goal", Some(amina.token()), "Accept-Encoding: gzip\r\nConnection: close\r\n");
        let mut stream = sent(concord, asked.as_bytes()).await;
        let answer = head(&mut stream).await.to_ascii_lowercase();
        assert!(answer.contains("content-encoding: gzip") && answer.contains("content-length: "), "{answer}");
        assert!(answer.contains("accept-encoding"), "{answer}");
        assert!(until_closed(&mut stream).await > 100_000);
    }

    async fn of_metadata_are_made_once(concord: &Concord) {
        let nobody = concord.nobody();
        for (accepted, encoding) in
            [("gzip", "gzip"), ("gzip;q=0.5, identity;q=0.1", "gzip"), ("identity", ""), ("gzip;q=0", "")]
        {
            let asked = request("GET", "/fhir/metadata", None, &format!("Accept-Encoding: {accepted}\r\n"));
            let answer = head(&mut sent(concord, asked.as_bytes()).await).await.to_ascii_lowercase();
            assert!(answer.starts_with("http/1.1 200 "), "{accepted}: {answer}");
            assert_eq!(answer.contains("content-encoding: gzip"), encoding == "gzip", "{accepted}: {answer}");
            assert!(answer.contains("content-length: "), "{accepted}: {answer}");
        }
        let plain = nobody.get("metadata").await.expect(200);
        let packed = nobody.get("metadata").header("Accept-Encoding", "gzip").await.expect(200);
        assert_eq!(packed.header("content-encoding"), "gzip");
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&*packed.body).read_to_string(&mut unpacked).expect("gzip");
        assert_eq!(unpacked, plain.text());
        // Other forms are made of the same.
        let pretty = nobody.get("metadata?_pretty=true").header("Accept-Encoding", "gzip").await.expect(200);
        assert_eq!(pretty.header("content-encoding"), "gzip");
    }
}

mod endless_bodies {
    use super::*;

    // Nothing else ends it meanwhile.
    on_both! {
        with &[("CONCORD_MAX_BODY_BYTES", "2000"), ("CONCORD_CONNECTION_TIMEOUT_SECONDS", "3600")];
        are_not_read_on
    }

    /// Chunk follows chunk for as long as the server takes them, which ends soon after the answer.
    async fn are_not_read_on(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let chunked = "Content-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n";
        let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
        for (method, path, token, status) in [
            ("POST", "/fhir/Goal", Some(amina.token()), 413),
            ("POST", "/fhir/Goal", None, 401),
            ("GET", "/healthz", None, 200),
        ] {
            let mut stream = sent(concord, (request(method, path, token, chunked) + &chunk).as_bytes()).await;
            let answer = head(&mut stream).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
            let taken = async { while stream.write_all(chunk.as_bytes()).await.is_ok() {} };
            tokio::time::timeout(PATIENCE, taken).await.expect("a connection that is closed");
        }
    }
}

mod shares {
    use super::*;

    on_both! {
        with &[
            ("CONCORD_MAX_BODY_BYTES", "2000000"),
            ("CONCORD_MAX_BODY_BYTES_TOGETHER", "4000000"),
            ("CONCORD_MAX_ANSWER_BYTES", "2000000"),
            ("CONCORD_MAX_ANSWER_BYTES_TOGETHER", "4000000"),
        ];
        one_caller_has_a_part_of_the_room_for_bodies, one_caller_has_half_of_the_room_for_answers
    }

    async fn one_caller_has_a_part_of_the_room_for_bodies(concord: &Concord) {
        people::arrive(concord).await;
        let (amina, callum) = (concord.patient("amina"), concord.patient("callum"));
        // They wait for what is to come, and for room.
        let begun = || {
            let framing = "Content-Type: application/fhir+json\r\nTransfer-Encoding: chunked\r\n";
            let start = format!("{:x}\r\n{}\r\n", 1_200_000, " ".repeat(1_200_000));
            request("POST", "/fhir/Goal", Some(amina.token()), framing) + &start
        };
        let _unfinished = [sent(concord, begun().as_bytes()).await, sent(concord, begun().as_bytes()).await];
        // There is room for somebody else's.
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/callum"}});
        callum.create(&with(goal, "note", json!([{"text": "x".repeat(1_000_000)}]))).await;
    }

    async fn one_caller_has_half_of_the_room_for_answers(concord: &Concord) {
        people::arrive(concord).await;
        let (amina, callum) = (concord.patient("amina"), concord.patient("callum"));
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}});
        let id = amina.create(&with(goal, "note", json!([{"text": "x".repeat(900_000)}]))).await;
        // On each of these more is asked for than the machine keeps for a connection, and nothing is taken.
        let many = request("GET", &format!("/fhir/Goal/{id}"), Some(amina.token()), "").repeat(40);
        let mut streams = Vec::new();
        for _ in 0..4 {
            streams.push(sent(concord, many.as_bytes()).await);
        }
        let answered = async |status: u16| {
            while amina.get(&format!("Goal/{id}")).await.status != status {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, answered(429)).await.expect("a refusal, as long as the answers are not taken");
        callum.get("Patient/callum").await.expect(200);
        drop(streams);
        tokio::time::timeout(PATIENCE, answered(200)).await.expect("room, once they are gone");
    }
}

mod bundles {
    use super::*;

    on_both! {
        with &[
            ("CONCORD_QUERY_SLOTS", "1"),
            ("CONCORD_MAX_ANSWER_BYTES", "8000000"),
            ("CONCORD_MAX_ANSWER_BYTES_TOGETHER", "16000000"),
        ];
        do_not_grow_where_answers_that_nobody_takes_have_the_room
    }

    /// A request that the server has begun with, and that waits for its body.
    async fn begun(concord: &Concord, token: &str, body: &str) -> TcpStream {
        let framing = format!(
            "Content-Type: application/fhir+json\r\nContent-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n",
            body.len()
        );
        let mut stream = sent(concord, request("POST", "/fhir", Some(token), &framing).as_bytes()).await;
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 100 "));
        stream
    }

    fn bundle(kind: &str, entries: &[Value]) -> String {
        json!({"resourceType": "Bundle", "type": kind, "entry": entries}).to_string()
    }

    async fn answered(mut stream: TcpStream, mut start: String) -> String {
        stream.read_to_string(&mut start).await.expect("an answer");
        start
    }

    /// Each has begun while there was room.
    async fn do_not_grow_where_answers_that_nobody_takes_have_the_room(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}});
        let id = amina.create(&with(goal.clone(), "note", json!([{"text": "x".repeat(887_500)}]))).await;
        let read = json!({"request": {"method": "GET", "url": format!("Goal/{id}")}});
        let write = json!({"request": {"method": "POST", "url": "Goal"}, "resource": goal});
        // What it holds is as much as one caller may have, and more than the machine keeps for a connection.
        let nothing = json!({"request": {"method": "GET", "url": "Goal/nothing"}});
        let batch = bundle("batch", &[vec![read.clone(); 9], vec![nothing; 60]].concat());
        let (reading, writing) =
            (bundle("transaction", std::slice::from_ref(&read)), bundle("transaction", &[write, read]));
        let mut reader = begun(concord, amina.token(), &reading).await;
        let mut writer = begun(concord, amina.token(), &writing).await;
        let mut batches = Vec::new();
        for _ in 0..4 {
            batches.push(begun(concord, amina.token(), &batch).await);
        }
        let (mut answers, mut refused) = (Vec::new(), 0);
        for stream in &mut batches {
            stream.write_all(batch.as_bytes()).await.expect("a body that is sent");
        }
        for mut stream in batches {
            let start = head(&mut stream).await;
            match start.starts_with("HTTP/1.1 429 ") && start.to_ascii_lowercase().contains("retry-after") {
                true => refused += 1,
                false => answers.push((stream, start)),
            }
        }
        assert_eq!((answers.len(), refused), (1, 3));
        reader.write_all(reading.as_bytes()).await.expect("a body that is sent");
        let start = head(&mut reader).await;
        assert!(start.starts_with("HTTP/1.1 429 "), "{start}");
        // Who has written learns of it.
        writer.write_all(writing.as_bytes()).await.expect("a body that is sent");
        let told = answered(writer, String::new()).await;
        assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("201 Created"), "{told}");
        assert!(told.len() < 10_000 && told.matches("is left out").count() == 2, "{told}");
        let (stream, start) = answers.remove(0);
        let whole = answered(stream, start).await;
        let told = ["\"200 OK\"", "\"404 Not Found\"", "is left out"].map(|status| whole.matches(status).count());
        assert_eq!(told, [9, 60, 0], "an answer does not stand in its own way");
        assert_eq!(amina.get("Goal?_summary=count").await.expect(200).json()["total"], 2);
    }
}

mod stillness {
    use super::*;

    on_both! {
        with &[("CONCORD_CONNECTION_TIMEOUT_SECONDS", "1")];
        answers_that_nobody_takes, requests_that_do_not_begin
    }

    async fn given_up(concord: &Concord, so_many: u32) {
        let told = format!("concord_connections_given_up_total {so_many}");
        let counted = async {
            while !concord.nobody().get("/metrics").await.expect(200).text().contains(&told) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, counted).await.expect("a connection that is given up");
    }

    async fn answers_that_nobody_takes(concord: &Concord) {
        people::arrive(concord).await;
        let amina = concord.patient("amina");
        let goal = json!({"resourceType": "Goal", "lifecycleStatus": "active", "description": {"text": "walk"},
            "subject": {"reference": "Patient/amina"}});
        let id = amina.create(&with(goal, "note", json!([{"text": "x".repeat(60_000)}]))).await;
        // More than the machine keeps for a connection.
        let one = request("GET", &format!("/fhir/Goal/{id}"), Some(amina.token()), "");
        let mut stream = sent(concord, one.repeat(120).as_bytes()).await;
        given_up(concord, 1).await;
        let come = until_closed(&mut stream).await;
        assert!(come < 7_200_000, "{come} bytes have come");
        // Whoever takes the answers has them all.
        let last = one.replacen("\r\n", "\r\nConnection: close\r\n", 1);
        let mut stream = sent(concord, (one.repeat(119) + &last).as_bytes()).await;
        assert!(until_closed(&mut stream).await > 7_200_000);
    }

    /// The second request of a connection, whose head does not end.
    async fn requests_that_do_not_begin(concord: &Concord) {
        let whole = request("GET", "/healthz", None, "");
        let mut stream = sent(concord, (whole.clone() + "GET /healthz HTTP/1.1\r\nHost: con").as_bytes()).await;
        head(&mut stream).await;
        given_up(concord, 1).await;
        until_closed(&mut stream).await;
    }
}
