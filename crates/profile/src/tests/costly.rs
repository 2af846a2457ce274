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
                Checker { library: &library, terminology: &Tables, stored: None, is_whole, together: None, now: None };
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
            Checker { library: &library, terminology: &Tables, stored: None, is_whole: false, together, now: None };
        let issues = checker.check(&goal, Asked { profiles: &[], claimed: None });
        issues.iter().any(|issue| issue.code == IssueCode::TooCostly && issue.severity == Severity::Error)
    };
    let done = (0..1_000).take_while(|_| !ends(Some(&together))).count();
    assert!(done > 1 && done < 1_000, "{done}");
    assert!((0..3).all(|_| ends(Some(&together))));
    assert!(!ends(None));
}

/// A Bundle of resources each of which refers to all the others, by a profile that asks the same of what it refers to: each is
/// looked at once for a profile, and not once for each of the ways that lead to it.
#[test]
fn what_refers_to_one_another_is_looked_at_once() {
    let elements = |others: &str| {
        format!(
            r#"{{"id":"Observation.hasMember","path":"Observation.hasMember","type":[{{"code":"Reference","targetProfile":["{others}"]}}]}},
            {{"id":"Observation.method","path":"Observation.method","min":1}}"#
        )
    };
    let library = library(vec![
        profile("urn:one", "Observation", &elements("urn:other")),
        profile("urn:other", "Observation", &elements("urn:one")),
    ]);
    let bundle = |many: usize, odd: Option<usize>| {
        let entries: Vec<String> = (0..many)
            .map(|own| {
                let members: Vec<String> =
                    (0..many).map(|other| format!(r#"{{"reference":"urn:uuid:{other:036}"}}"#)).collect();
                let method = if odd == Some(own) { "" } else { r#","method":{"text":"m"}"# };
                format!(
                    r#"{{"fullUrl":"urn:uuid:{own:036}","resource":{{"resourceType":"Observation","meta":{{"profile":["urn:one"]}},
                    "status":"final","code":{{"text":"c"}}{method},"hasMember":[{}]}}}}"#,
                    members.join(",")
                )
            })
            .collect();
        value(&format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(",")))
    };
    let check = |bundle: &Value<'_>| {
        let checker = Checker {
            library: &library,
            terminology: &Tables,
            stored: None,
            is_whole: true,
            together: None,
            now: None,
        };
        checker.check(bundle, Asked { profiles: &[], claimed: None })
    };
    let wrong = |issues: &[Issue]| issues.iter().filter(|issue| issue.severity >= Severity::Error).count();
    let issues = check(&bundle(12, None));
    assert!(!issues.iter().any(|issue| issue.code == IssueCode::TooCostly), "{issues:?}");
    assert_eq!(wrong(&issues), 0);
    // One that does not keep to it: itself, and each that refers to it, for what it refers to and for what refers to that.
    let issues = check(&bundle(4, Some(2)));
    assert!(wrong(&issues) >= 4, "{issues:?}");
}
