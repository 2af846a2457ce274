//! What a check may take: what a resource and a profile multiply is ended, and said to be.

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
            let checker = Checker { library: &library, terminology: &Tables, stored: None, is_whole };
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
