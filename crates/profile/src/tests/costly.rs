//! What a check may take: what a resource and a profile multiply is ended, and said to be.

use std::cell::Cell;

use concord_fhir::issue::{IssueCode, Severity};

use super::*;
use crate::check::{Asked, Checker};

/// A Goal with many notes, that claims a profile.
fn goal(url: &str, notes: usize) -> String {
    let all = vec![r#"{"text":"a"}"#; notes].join(",");
    format!(
        r#"{{"resourceType":"Goal","meta":{{"profile":["{url}"]}},"lifecycleStatus":"active","description":{{"text":"a"}},"subject":{{"reference":"Patient/a"}},"note":[{all}]}}"#
    )
}

#[test]
fn what_multiplies_is_ended_where_it_is_and_said_once() {
    let constraint = |expression: &str| {
        format!(
            r#"{{"id":"Goal.note","path":"Goal.note","constraint":[{{"key":"k-1","severity":"error","human":"h","expression":"{expression}"}}]}}"#
        )
    };
    let slices: Vec<String> = (0..100)
        .map(|at| {
            format!(
                r#"{{"id":"Goal.note:s{at}","path":"Goal.note","sliceName":"s{at}","min":0}},{{"id":"Goal.note:s{at}.text","path":"Goal.note.text","fixedMarkdown":"t{at}"}}"#
            )
        })
        .collect();
    let slicing = format!(
        r#"{{"id":"Goal.note","path":"Goal.note","slicing":{{"discriminator":[{{"type":"value","path":"text"}}],"rules":"open"}}}},{}"#,
        slices.join(",")
    );
    for (name, elements) in [
        ("constraints", constraint("%resource.note.where(text = 'b').empty()")),
        ("nested", constraint("%resource.note.all(%resource.note.exists())")),
        ("slices", slicing),
    ] {
        let url = format!("http://example.org/{name}");
        let library = library(vec![profile(&url, "Goal", &elements)]);
        for is_whole in [false, true] {
            let checker =
                Checker { library: &library, terminology: &Tables, stored: None, is_whole, now: None, together: None };
            let check =
                |notes: usize| checker.check(&value(&goal(&url, notes)), Asked { profiles: &[], claimed: None });
            let few: Vec<_> = check(3).into_iter().filter(|issue| issue.severity >= Severity::Error).collect();
            assert_eq!(few, [], "{name}");
            let many = check(12_000);
            let ends = many.iter().filter(|issue| issue.code == IssueCode::TooCostly).count();
            assert_eq!(ends, 1, "{name}: {many:?}");
        }
    }
}

/// Many checks, each of which is far below what one may take: together they are ended, and each of those that is says so.
#[test]
fn the_checks_of_a_request_have_one_budget() {
    let url = "http://example.org/together";
    let elements = r#"{"id":"Goal.note","path":"Goal.note","min":1}"#;
    let library = library(vec![profile(url, "Goal", elements)]);
    let together = Cell::new(10_000);
    let goal = value(&goal(url, 100));
    let ends = |together| {
        let checker =
            Checker { library: &library, terminology: &Tables, stored: None, is_whole: false, now: None, together };
        let issues = checker.check(&goal, Asked { profiles: &[], claimed: None });
        issues.iter().any(|issue| issue.code == IssueCode::TooCostly && issue.severity == Severity::Error)
    };
    let done = (0..1_000).take_while(|_| !ends(Some(&together))).count();
    assert!(done > 1 && done < 1_000, "{done}");
    assert!((0..3).all(|_| ends(Some(&together))));
    assert!(!ends(None));
}

/// Patients that all refer to all others, whose profiles are each other's: each is looked at once by each profile, and what is
/// wrong with one is wrong with whatever leads to it.
#[test]
fn what_refers_to_one_another_is_looked_at_once() {
    let of = |url: &str, other: &str| {
        let elements = format!(
            r#"{{"path":"Patient.name","min":1}},{{"path":"Patient.link.other","type":[{{"code":"Reference","targetProfile":["{other}"]}}]}}"#
        );
        profile(url, "Patient", &elements)
    };
    let library = library(vec![of("urn:a", "urn:b"), of("urn:b", "urn:a")]);
    let bundle = |count: usize, nameless: Option<usize>| {
        let url = |at: usize| format!("urn:uuid:00000000-0000-4000-8000-{at:012}");
        let entry = |at: usize| {
            let others = (0..count).filter(|other| *other != at);
            let links: Vec<_> = others
                .map(|other| format!(r#"{{"type":"seealso","other":{{"reference":"{}"}}}}"#, url(other)))
                .collect();
            let name = if nameless == Some(at) { "" } else { r#""name":[{"text":"A"}],"# };
            format!(
                r#"{{"fullUrl":"{}","resource":{{"resourceType":"Patient","meta":{{"profile":["urn:a"]}},{name}"link":[{}]}}}}"#,
                url(at),
                links.join(",")
            )
        };
        let entries: Vec<_> = (0..count).map(entry).collect();
        value(&format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(",")))
    };
    let check = |bundle: &Value<'_>| whole(&library).check(bundle, Asked { profiles: &[], claimed: None });
    assert_eq!(check(&bundle(60, None)), []);
    for nameless in [0, 5, 9] {
        let found = check(&bundle(10, Some(nameless)));
        let errors: Vec<_> = found.iter().filter_map(|issue| issue.expression.as_deref()).collect();
        assert_eq!(errors.len(), 1 + 10 * 9, "{nameless}: {errors:?}");
        assert!(errors.contains(&format!("Bundle.entry[{nameless}].resource.name").as_str()), "{errors:?}");
    }
}
