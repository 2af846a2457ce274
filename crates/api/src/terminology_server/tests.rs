//! What leaves the process, and what does not.

use concord_fhir::terminology::Code;
use concord_terminology::filter::Filter;

use super::*;
use concord_terminology::elsewhere::Asked as Set;

fn server() -> TerminologyServer {
    TerminologyServer::new(TerminologyServerSettings {
        base_url: "http://127.0.0.1:9/fhir".to_owned(),
        credentials: None,
        asks: vec!["http://snomed.info/sct".to_owned(), "https://fhir.hl7.org.uk/".to_owned()],
        timeout: Duration::from_secs(1),
        remember: Duration::from_secs(60),
    })
}

fn member(set: Set, system: &str, code: &str) -> Question {
    Question::Member { set, code: Code { system: system.to_owned(), code: code.to_owned() }, version: None }
}

#[test]
fn only_codes_of_what_is_let_out_leave() {
    let server = server();
    let part = |value: &str| Set::Part {
        system: "http://snomed.info/sct".to_owned(),
        version: None,
        filters: vec![Filter::is_a(value)],
    };
    let is_asked = |question: &Question| server.known(question).is_none();
    assert!(is_asked(&member(part("73211009"), "http://snomed.info/sct", "46635009")));
    assert!(is_asked(&member(Set::Url("https://fhir.hl7.org.uk/ValueSet/x".to_owned()), "urn:own", "1")));
    for question in [
        // Of a system that nobody has let out.
        member(Set::Url("https://own.example/ValueSet/x".to_owned()), "http://snomed.info/sct", "46635009"),
        Question::Concept { code: Code { system: "urn:own".to_owned(), code: "1".to_owned() }, version: None },
        // Nor are they versions.
        Question::Concept {
            code: Code { system: "http://snomed.info/sct".to_owned(), code: "46635009".to_owned() },
            version: Some("Amina Hussain".to_owned()),
        },
        // Words are no codes.
        member(part("73211009"), "http://snomed.info/sct", "Amina Hussain"),
        member(part("Amina Hussain"), "http://snomed.info/sct", "46635009"),
        member(Set::Url("https://fhir.hl7.org.uk/ValueSet/x".to_owned()), "urn:own", "9000000009"),
        member(part("73211009"), "http://snomed.info/sct", "Zoë"),
        member(part("73211009"), "http://snomed.info/sct", &"1".repeat(201)),
        member(Set::Url("https://fhir.hl7.org.uk/Amina Hussain".to_owned()), "urn:own", "1"),
    ] {
        assert!(matches!(server.known(&question), Some(Reply::NotAsked)), "{question:?}");
    }
}

/// Nobody waits for a server that cannot be reached, and what it has said before is still told.
#[tokio::test]
async fn one_that_cannot_be_reached_is_not_asked_for_a_while() {
    let server = server();
    let concept = |code: &str| Question::Concept {
        code: Code { system: "http://snomed.info/sct".to_owned(), code: code.to_owned() },
        version: None,
    };
    server.answers().insert(concept("1"), Instant::now(), Answer::Concept(Some("One".to_owned())));
    assert!(server.known(&concept("1")).is_none(), "it is too old to be told while the server can be asked");
    server.ask(&concept("2")).await;
    assert!(matches!(server.known(&concept("2")), Some(Reply::Unreachable)));
    assert!(matches!(server.known(&concept("3")), Some(Reply::Unreachable)));
    assert!(matches!(server.known(&concept("1")), Some(Reply::Told(Answer::Concept(Some(_))))));
    let asked = server.asked();
    assert_eq!((asked.answered, asked.remembered, asked.failed, asked.is_reachable), (0, 1, 2, false));
}
