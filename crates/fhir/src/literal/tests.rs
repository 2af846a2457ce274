use super::*;

/// The address of the server in these tests.
pub(crate) const BASE: &str = "https://phr.example/fhir";

/// Every way to write a reference to `Encounter/e1` that leads there.
pub(crate) const GOOD: [&str; 10] = [
    "Encounter/e1",
    "Encounter/e1/_history/2",
    "https://phr.example/fhir/Encounter/e1",
    "https://phr.example/fhir/Encounter/e1/_history/3",
    "http://phr.example/fhir/Encounter/e1",
    "HTTPS://phr.example/fhir/Encounter/e1",
    "https://PHR.Example/fhir/Encounter/e1",
    "https://phr.example:443/fhir/Encounter/e1",
    "http://phr.example:80/fhir/Encounter/e1",
    "HTTP://PHR.EXAMPLE/fhir/Encounter/e1/_history/1",
];

/// Ways that look like one and are none, each also below the base and its root.
pub(crate) fn bad() -> Vec<String> {
    let relative = [
        "Encounter/e1/",
        "Encounter//e1",
        "Encounter/e1#x",
        "Encounter/e1?x=y",
        "Encounter/ e1",
        "Encounter/e1 ",
        "Encounter/%651",
        "Encounter/e1%20",
        "%45ncounter/e1",
        "Encounter%2Fe1",
        "Encounter\\e1",
        "encounter/e1",
        "ENCOUNTER/e1",
        "Encounter/e1/_history",
        "Encounter/e1/_history/",
        "Encounter/e1/_history/x",
        "Encounter/e1/_history/01",
        "Encounter/e1/_history/+1",
        "Encounter/e1/_history/-1",
        "Encounter/e1/_history/0",
        "Encounter/e1/_history/1/",
        "Encounter/e1/_history/1/_history/1",
        "Encounter/e1/_history/99999999999999999999",
        "Encounter/e1/x",
        "Encounter/./e1",
        "Encounter/x/../e1",
        "Encounter/e_1",
        "Encounter/",
        "Encounter/e1\u{200b}",
        "Encounter;x=1/e1",
        "Encounter%3Bx/e1",
        "Encounter/e1;x=1",
        "Encounter/;x/e1",
    ];
    let mut all: Vec<String> = relative.iter().map(|one| (*one).to_owned()).collect();
    all.extend(relative.iter().map(|one| format!("{BASE}/{one}")));
    for one in ["Encounter/e1", "Encounter/e1/_history/1"] {
        all.extend(
            ["./", "/", "//", "../", "././", " ", "\t", "\\", "x/../", "\u{a0}", "/fhir/", "fhir/", "/./fhir//", "%2F"]
                .map(|before| format!("{before}{one}")),
        );
        all.extend(
            [
                "//phr.example/fhir/",
                "https:////phr.example/fhir/",
                "https:",
                "HTTP:",
                "https:/",
                "https:fhir/",
                "https://phr.example/fhir;x/",
                "https://phr.example/fhir//",
                "https://phr.example//fhir/",
                "https://phr.example/x/../fhir/",
                "https://phr.example/%66hir/",
                "https://u@phr.example/fhir/",
                "https://phr.example/FHIR/",
                "https://phr.example/fhir/./",
                " https://phr.example/fhir/",
                "https:\\\\phr.example\\fhir\\",
                "https://phr.example./fhir/",
                "https://phr.%65xample/fhir/",
                "https://phr.example:80/fhir/",
            ]
            .map(|before| format!("{before}{one}")),
        );
    }
    all
}

#[test]
fn every_spelling_is_this_server_or_refused() {
    let encounter = ResourceType::of("Encounter");
    for one in GOOD {
        assert_eq!(Literal::read(one, BASE), Literal::Local(encounter, "e1"), "{one}");
    }
    for one in bad() {
        assert_eq!(Literal::read(&one, BASE), Literal::Malformed, "{one:?}");
    }
}

#[test]
fn what_is_elsewhere_is_left_alone() {
    for one in [
        "https://other.example/fhir/Encounter/e1",
        "https://phr.example/other/Encounter",
        "https://phr.example.org/fhir/Encounter/e1",
        "https://phr.example:8443/fhir/Encounter/e1",
        "https://phr.example/fhir2/Encounter/e1",
        "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "urn:oid:1.2.3",
        "Encounter?identifier=x|1",
        "https://phr.example/fhir/Encounter?identifier=x",
        "e1",
        "Nonsense/e1",
        "https://phr.example/fhir/metadata",
        "https://phr.example/fhir",
        "Encounter/$op",
        "mailto:a@phr.example",
        "",
        "https://other.example/fhir/Encounter/a b",
        "Encounter",
    ] {
        assert!(matches!(Literal::read(one, BASE), Literal::Elsewhere(_)), "{one}: {:?}", Literal::read(one, BASE));
    }
    assert_eq!(Literal::read("#x", BASE), Literal::Contained);
    assert!(matches!(Literal::read("https://phr.example/fhir/Encounter/e1", ""), Literal::Elsewhere(_)));
}

/// In a Reference, what is no resource of this server must be one elsewhere.
#[test]
fn a_reference_leads_to_a_resource() {
    let below =
        ["Patient", "Patient?identifier=x|1", "Patient?_id=p", "Patient#x", "", "metadata", "Patient/$op", "x/y"];
    let mut all: Vec<String> = below.iter().map(|one| format!("{BASE}/{one}")).collect();
    all.extend(below.map(str::to_owned));
    all.extend(bad());
    for one in [
        BASE,
        "undefined",
        "null",
        "e1",
        " ",
        "patient?identifier=x",
        "HTTP://PHR.example:80/fhir?x",
        "/fhir",
        "//phr.example/fhir",
    ] {
        all.push(one.to_owned());
    }
    for one in all {
        assert!(names_nothing(&one, BASE), "{one:?}");
    }
    assert!(names_nothing("https://phr.example/metadata", "https://phr.example"));
    let elsewhere = [
        "https://other.example/fhir/Patient",
        "https://other.example/Patient?identifier=x",
        "https://phr.example/other/thing",
        "https://phr.example/fhir2",
        "//other.example/fhir/x",
        "urn:uuid:0c3201bd-1cbf-4d64-b04d-cd9187a4c6e0",
        "mailto:a@phr.example",
        "#x",
    ];
    for one in GOOD.into_iter().chain(elsewhere) {
        assert!(!names_nothing(one, BASE), "{one}");
    }
}

#[test]
fn a_search_is_of_this_server() {
    let patient = ResourceType::of("Patient");
    for one in ["Patient?a=b", "https://phr.example/fhir/Patient?a=b", "HTTP://PHR.Example:80/fhir/Patient?a=b"] {
        assert_eq!(by_search(one, BASE), Some((patient, "a=b")), "{one}");
    }
    for one in ["https://other.example/fhir/Patient?a=b", "Patient", "x?a=b", "Patient/p?a=b"] {
        assert_eq!(by_search(one, BASE), None, "{one}");
    }
}

#[test]
fn a_version_has_one_form() {
    assert_eq!(version("Encounter/e1/_history/12"), Some(12));
    for one in [
        "Encounter/e1",
        "Encounter/e1/_history/012",
        "Encounter/e1/_history/-1",
        "Encounter/e1/_history/0",
        "Encounter/e1/_history/x",
    ] {
        assert_eq!(version(one), None, "{one}");
    }
}

/// Everything that reads references: each has the resource of every good spelling, and nothing of any other.
#[test]
fn whatever_reads_references_reads_them_alike() {
    let encounter = crate::registry::parameter(ResourceType::of("Observation"), "encounter").unwrap();
    let told = |spelling: &str| {
        let observation = serde_json::json!({"resourceType": "Observation", "encounter": {"reference": spelling},
            "subject": {"reference": spelling.replace("Encounter", "Patient")}});
        let found = crate::index::extract_under(
            BASE,
            ResourceType::of("Observation"),
            "o",
            0,
            &crate::index::from_json(&observation),
        );
        let shows = serde_json::json!({"resourceType": "DocumentReference",
            "content": [{"attachment": {"url": spelling.replace("Encounter", "Media")}}]});
        let shows = crate::label::links(&crate::index::from_json(&shows), "d", BASE);
        let indexed = found.rows.iter().any(|row| row.parameter == encounter.id && row.key == "Encounter/e1");
        let kept = found.rows.iter().any(|row| row.parameter == encounter.id);
        let searched = crate::search::parse(
            Some(ResourceType::of("Observation")),
            &[("encounter".to_owned(), spelling.to_owned())],
            crate::search::Handling::Strict,
            0,
            BASE,
        );
        let resolved = crate::rules::local_reference(BASE, spelling).as_deref() == Some("Encounter/e1");
        let part = found.sources.iter().any(|source| source.id == "e1");
        let owned = found.patients == ["e1"];
        let content = shows.contents.iter().any(|source| source.id == "e1");
        (kept == indexed, [indexed, resolved, part, owned, content], searched.is_ok())
    };
    for one in GOOD {
        assert_eq!(told(one), (true, [true; 5], true), "{one}");
    }
    for one in bad() {
        // Another patient's spelling of the type would be another text.
        if one.contains("ncounter") && !one.contains("Encounter") {
            assert_eq!(Literal::read(&one, BASE), Literal::Malformed, "{one}");
            continue;
        }
        let (alike, read, _) = told(&one);
        // The address of an attachment may be that of a page; a Reference leads to the whole.
        let is_page = GOOD.contains(&whole(&one));
        assert_eq!((alike, read), (true, [false, false, false, false, is_page]), "{one:?}");
    }
}

/// A type stands in a path, before an id that ends the address (R4 "References", literal reference): what follows a query or a
/// fragment, or is a parameter of a segment, says what somebody has put there.
#[test]
fn a_type_is_named_by_the_path() {
    let practitioner = Some(ResourceType::of("Practitioner"));
    for base in ["", "https://other.example/", "http://other.example:8080/fhir_r4/~x/", "https://o.example/a/$b%20c/"] {
        for end in ["Practitioner/1", "Practitioner/1/_history/2"] {
            assert_eq!(named_type(&format!("{base}{end}")), practitioner, "{base}{end}");
        }
        let odd = ["?", "#", ";x=", "?x=", "#x?", "/_history/2?x=", "/_history/2#", "&", "@", " ", "\\"];
        for odd in odd {
            for whole in [format!("{base}Patient/1{odd}/Practitioner/1"), format!("{base}Practitioner/1{odd}")] {
                assert_eq!(named_type(&whole), None, "{whole}");
            }
        }
    }
    for other in
        ["urn:x:/Practitioner/1", "ftp://other.example/Practitioner/1", "https://Practitioner/1", "//o/Practitioner/1"]
    {
        assert_eq!(named_type(other), None, "{other}");
    }
}

#[test]
fn a_fragment_is_of_the_whole() {
    for (address, of) in
        [("Binary/x#page=2", "Binary/x"), ("Binary/x", "Binary/x"), ("#x", ""), ("a#b#c", "a"), ("", "")]
    {
        assert_eq!(whole(address), of, "{address}");
    }
}

#[test]
fn what_stands_behind_the_address_of_the_server() {
    for (url, rest) in [
        (BASE, ""),
        ("https://phr.example/fhir/", "/"),
        ("https://phr.example/fhir?_type=Patient", "?_type=Patient"),
        ("HTTP://PHR.example:80/fhir/Patient/p?x", "/Patient/p?x"),
        ("/fhir/Patient/p", "/Patient/p"),
        ("/fhir", ""),
    ] {
        assert_eq!(behind(url, BASE), Some(rest), "{url}");
    }
    for url in [
        "https://phr.example/fhirPatient/p",
        "https://other.example/fhir/Patient/p",
        "/Patient/p",
        "Patient/p",
        "fhir/Patient/p",
        "",
    ] {
        assert_eq!(behind(url, BASE), None, "{url}");
    }
}

#[test]
fn a_search_that_finds_one_resource_is_told_from_others() {
    for address in [
        "Binary?_id=b",
        "binary?_id=b#page=2",
        "./Binary?_id=b",
        "/Binary?_format=json&_id=b",
        "Binary?%5Fid=b",
        "Binary?_lastUpdated=gt2020",
        "DocumentReference?_filter=_id eq d",
        "?_type=Binary&_id=b",
    ] {
        for address in [address.to_owned(), format!("{BASE}/{}", address.trim_start_matches(['.', '/']))] {
            assert!(finds_one(&address, BASE), "{address}");
        }
    }
    for address in [
        "Binary/b",
        "Observation?patient=amina",
        "https://other.example/fhir/Binary?_id=b",
        "Binary",
        "photo.png?_id=b",
        "urn:oid:1.2.3?_id=b",
        "",
    ] {
        assert!(!finds_one(address, BASE), "{address}");
    }
}
