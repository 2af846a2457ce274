//! What no patch may do, in whichever form it comes: make what could not be read, or take long.

use super::budget::Budget;
use super::{Mismatch, Patch, PatchBudget};
use crate::json::{self, Limits, Value};

const DEPTH: usize = 10;

fn limits() -> Limits {
    Limits { depth: DEPTH, ..Limits::default() }
}

fn parsed(text: &str) -> Value<'static> {
    json::parse(text.as_bytes(), &limits()).expect("JSON").into_owned()
}

fn told(result: Result<Value<'static>, Mismatch>) -> Result<Value<'static>, String> {
    result.map_err(|mismatch| match mismatch {
        Mismatch::Test(issue) => issue.text,
        Mismatch::Place(issues) => issues[0].text.clone(),
    })
}

/// Objects nested so deep.
fn nested(depth: usize) -> String {
    format!("{}1{}", "{\"z\":".repeat(depth), "}".repeat(depth))
}

fn json_patch(resource: &str, operations: &str) -> Result<Value<'static>, String> {
    let patch = Patch::read(operations.as_bytes(), &Limits::default()).expect("a patch");
    told(Patch { limits: limits(), ..patch }.apply(parsed(resource)))
}

/// Each operation of a JSON Patch, at each place and with each value: done where what comes of it could be read, else refused.
#[test]
fn no_json_patch_makes_what_is_too_deep_to_be_read() {
    for place in 1..=DEPTH {
        for value in 0..DEPTH {
            let (path, new) = ("/z".repeat(place), nested(value));
            let resource = nested(place).replacen('{', &format!(r#"{{"from":{new},"#), 1);
            for operation in [
                format!(r#"[{{"op":"add","path":"{path}","value":{new}}}]"#),
                format!(r#"[{{"op":"replace","path":"{path}","value":{new}}}]"#),
                format!(r#"[{{"op":"copy","from":"/from","path":"{path}"}}]"#),
                format!(r#"[{{"op":"move","from":"/from","path":"{path}"}}]"#),
            ] {
                match json_patch(&resource, &operation) {
                    Ok(made) => {
                        assert!(place + value <= DEPTH, "{operation}");
                        json::parse(json::to_string(&made).as_bytes(), &limits()).expect("it can be read");
                    }
                    Err(why) => {
                        assert!(place + value > DEPTH, "{operation}: {why}");
                        assert!(why.starts_with("operation 0") && why.contains("nested too deeply"), "{why}");
                    }
                }
            }
        }
    }
}

/// What doubles with every operation comes to an end long before the stack does.
#[test]
fn copies_into_themselves_end_at_the_depth_that_is_read() {
    let mut operations = vec![format!(r#"{{"op":"add","path":"/z","value":{}}}"#, nested(40))];
    operations.extend((0..12).map(|number| {
        let place = "/z".repeat((41 << number) + 1);
        format!(r#"{{"op":"copy","from":"/z","path":"{place}"}}"#)
    }));
    let patch = Patch::read(format!("[{}]", operations.join(",")).as_bytes(), &Limits::default()).expect("a patch");
    let resource = parsed(r#"{"resourceType":"Goal"}"#);
    assert!(told(patch.apply(resource)).expect_err("too deep").starts_with("operation 1 at"));
    let steps: Vec<String> =
        (1..1_000).map(|number| format!(r#"{{"op":"add","path":"{}","value":{{}}}}"#, "/z".repeat(number))).collect();
    let patch = Patch::read(format!("[{}]", steps.join(",")).as_bytes(), &Limits::default()).expect("a patch");
    assert!(told(patch.apply(parsed("{}"))).expect_err("too deep").starts_with("operation 63 at"));
}

#[test]
fn no_merge_patch_makes_what_is_too_deep_to_be_read() {
    for (own, new) in [(3, DEPTH), (DEPTH, 2), (DEPTH, DEPTH)] {
        let patch = Patch::read_merge(nested(new).as_bytes(), &limits()).expect("a patch");
        assert!(patch.apply(parsed(&nested(own))).expect("a resource").depth() <= DEPTH);
    }
    Patch::read_merge(nested(DEPTH + 1).as_bytes(), &limits()).expect_err("too deep a patch");
}

#[test]
fn no_xml_patch_makes_what_is_too_deep_to_be_read() {
    for form in ["<add sel=\"PLACE\">NEW</add>", "<add sel=\"PLACE\" pos=\"prepend\">NEW</add>"] {
        let operations: String = (0..500)
            .map(|number| {
                let place = format!("Observation{}", "/extension".repeat(number));
                form.replace("PLACE", &place).replace("NEW", "<extension url=\"a\"/>")
            })
            .filter(|operation| operation.len() < 1_900)
            .collect();
        let body = format!("<diff xmlns=\"http://hl7.org/fhir\">{operations}</diff>");
        let patch = Patch::read_xml(body.as_bytes(), &Limits::default()).expect("a patch");
        let why = told(patch.apply(parsed(r#"{"resourceType":"Observation"}"#))).expect_err("too deep");
        assert!(why.starts_with("operation 63 at") && why.contains("nested too deeply"), "{why}");
    }
}

fn fhir_path_patch(operations: &[(&str, &str, &str)]) -> Patch {
    let operations: Vec<String> = operations
        .iter()
        .map(|(kind, path, more)| {
            format!(
                r#"{{"name":"operation","part":[{{"name":"type","valueCode":"{kind}"}},
                {{"name":"path","valueString":"{path}"}}{more}]}}"#
            )
        })
        .collect();
    let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(","));
    let parameters = json::parse(text.as_bytes(), &Limits::default()).expect("JSON").into_owned();
    Patch::of_parameters(&parameters, &Limits::default()).expect("a patch")
}

#[test]
fn no_fhir_path_patch_makes_what_is_too_deep_to_be_read() {
    let new = r#",{"name":"name","valueString":"extension"},
        {"name":"value","part":[{"name":"url","valueUri":"a"}]}"#;
    let paths: Vec<String> = (0..40).map(|number| format!("Observation{}", ".extension[0]".repeat(number))).collect();
    let operations: Vec<_> = paths.iter().map(|path| ("add", path.as_str(), new)).collect();
    let made = told(fhir_path_patch(&operations).apply(parsed(r#"{"resourceType":"Observation"}"#)));
    let why = made.expect_err("too deep");
    // Each is a list and an object further in; the resource itself is one.
    assert!(why.starts_with("operation 31 at") && why.contains("nested too deeply"), "{why}");
    let made = told(fhir_path_patch(&operations[..31]).apply(parsed(r#"{"resourceType":"Observation"}"#)));
    assert_eq!(made.expect("a resource").depth(), 63);
}

/// A list or an object is looked through for each operation: all of them have one budget.
#[test]
fn what_the_operations_of_a_patch_look_at_is_bounded_over_all() {
    let many: Vec<String> = (0..40_000).map(|number| format!(r#""k{number}":1"#)).collect();
    let large = format!("{{{}}}", many.join(","));
    let operations = |operation: &str| format!("[{}]", vec![operation; 900].join(","));
    for operation in [
        r#"{"op":"replace","path":"/k39999","value":1}"#,
        r#"{"op":"add","path":"/k39999","value":1}"#,
        r#"{"op":"test","path":"/k39999","value":1}"#,
        r#"{"op":"copy","from":"/k39999","path":"/k0"}"#,
        r#"{"op":"move","from":"/k39999","path":"/k39999"}"#,
    ] {
        let why = json_patch(&large, &operations(operation)).expect_err(operation);
        assert!(why.starts_with("operation ") && why.contains("too many steps"), "{why}");
        json_patch(&large, &format!("[{operation}]")).expect(operation);
    }
    let items = format!(r#"{{"a":[{}]}}"#, vec!["1"; 40_000].join(","));
    let why = json_patch(&items, &operations(r#"{"op":"add","path":"/a/0","value":1}"#)).expect_err("too costly");
    assert!(why.contains("too many steps"), "{why}");
}

/// Objects of very many members are compared and merged in one pass over each.
#[test]
fn very_many_members_are_tested_and_merged() {
    let object = |from: usize, to: usize| {
        let members: Vec<String> = (from..to).map(|number| format!(r#""k{number}":1"#)).collect();
        members.join(",")
    };
    let (half, whole) = (200_000, 400_000);
    let turned = format!("{{{},{}}}", object(half, whole), object(0, half));
    let large = format!("{{{}}}", object(0, whole));
    let test = format!(r#"[{{"op":"add","path":"/a","value":{large}}},{{"op":"test","path":"/a","value":{turned}}}]"#);
    json_patch("{}", &test).expect("the same");
    let patch = Patch::read_merge(turned.as_bytes(), &limits()).expect("a patch");
    assert!(patch.apply(parsed(&large)).expect("a resource").same(&parsed(&turned)));
}

#[test]
fn what_the_selectors_of_an_xml_patch_look_at_is_bounded_over_all() {
    let notes = vec![r#"{"text":"b"}"#; 4_000].join(",");
    let goal = parsed(&format!(r#"{{"resourceType":"Goal","note":[{notes}]}}"#));
    let patch = |selector: &str, count: usize| {
        let operation = format!("<remove sel=\"{selector}\"/>").repeat(count);
        let body = format!("<diff xmlns=\"http://hl7.org/fhir\">{operation}</diff>");
        told(Patch::read_xml(body.as_bytes(), &limits()).expect("a patch").apply(goal.clone()))
    };
    for (predicate, count) in [("[text/@value='b']", 80), ("[text='']", 80), ("[.='']", 80)] {
        let why = patch(&format!("Goal/note{}[1]", predicate.repeat(count)), 200).expect_err(predicate);
        assert!(why.starts_with("operation ") && why.contains("too many steps"), "{predicate}: {why}");
    }
    patch("Goal/note[text/@value='b'][1]", 100).expect("an ordinary patch");
}

/// The paths of a patch have one budget of steps, whatever they spend it on.
#[test]
fn the_paths_of_a_patch_take_few_steps_together() {
    let notes = vec![r#"{"text":"aaaaaaaaaaaaaaaa"}"#; 1_000].join(",");
    let goal = parsed(&format!(r#"{{"resourceType":"Goal","note":[{notes}]}}"#));
    for path in [
        "Goal.note.where(text = 'b').where(text = 'c')",
        "Goal.note.where(text.upper().lower().trim().length() = 1)",
        "Goal.descendants().where(false)",
    ] {
        let why = told(fhir_path_patch(&vec![("delete", path, ""); 500]).apply(goal.clone())).expect_err(path);
        assert!(why.starts_with("operation ") && why.contains("too many steps"), "{path}: {why}");
        told(fhir_path_patch(&[("delete", path, "")]).apply(goal.clone())).expect(path);
    }
}

#[test]
fn the_paths_of_a_patch_bring_few_patterns_together() {
    let read = |count: usize| {
        let operations: Vec<String> = (0..count)
            .map(|number| {
                format!(
                    r#"{{"name":"operation","part":[{{"name":"type","valueCode":"delete"}},
                    {{"name":"path","valueString":"Goal.note.where(text.matches('{number}x+'))"}}]}}"#
                )
            })
            .collect();
        let text = format!(r#"{{"resourceType":"Parameters","parameter":[{}]}}"#, operations.join(","));
        let parameters = json::parse(text.as_bytes(), &Limits::default()).expect("JSON").into_owned();
        Patch::of_parameters(&parameters, &Limits::default())
    };
    read(20).expect("few");
    assert!(read(21).expect_err("too many")[0].text.contains("too many patterns"));
}

/// Patches of every form, each of which is far below what a request may cost, with what they are for.
fn costly_patches() -> Vec<(&'static str, Patch, Value<'static>)> {
    let limits = Limits::default();
    let notes = |count: usize| vec![r#"{"text":"aaaaaaaaaaaaaaaa"}"#; count].join(",");
    let goal = |count: usize| {
        let text = format!(r#"{{"resourceType":"Goal","note":[{}]}}"#, notes(count));
        json::parse(text.as_bytes(), &limits).expect("JSON").into_owned()
    };
    let test = r#"{"op":"test","path":"/note/7/text","value":"aaaaaaaaaaaaaaaa"}"#;
    let copy = r#"{"op":"copy","from":"/note/0","path":"/note/-"}"#;
    let remove = r#"<diff xmlns="http://hl7.org/fhir"><remove sel="Goal/note[1]"/></diff>"#;
    vec![
        ("visits of pointers", Patch::read(format!("[{test}]").as_bytes(), &limits).expect("a patch"), goal(90_000)),
        ("visits of selectors", Patch::read_xml(remove.as_bytes(), &limits).expect("a patch"), goal(20_000)),
        ("visits of a merge", Patch::read_merge(br#"{"a":1}"#, &limits).expect("a patch"), goal(90_000)),
        ("steps of paths", fhir_path_patch(&[("delete", "Goal.note.where(text = 'b')", "")]), goal(5_000)),
        ("copies", Patch::read(format!("[{}]", [copy; 500].join(",")).as_bytes(), &limits).expect("a patch"), goal(1)),
    ]
}

#[test]
fn the_patches_of_a_request_have_one_budget() {
    for (what, patch, resource) in costly_patches() {
        let mut together = PatchBudget::of_request(&Limits::default());
        let mut done = 0;
        let why = loop {
            match told(patch.apply_within(resource.clone(), &mut together)) {
                Ok(_) => done += 1,
                Err(why) => break why,
            }
            assert!(done < 1_000, "{what}: as many as one likes");
        };
        assert!(done > 1, "{what}: one is far below the budget");
        assert!(why.contains("too many steps") || why.contains("too large"), "{what}: {why}");
        assert!(together.is_spent(), "{what}");
        told(patch.apply_within(resource.clone(), &mut together)).expect_err("nothing is left");
        assert!(patch.apply(resource).is_ok(), "{what}: another request has its own");
    }
    let mut small = PatchBudget::small(&Limits::default());
    let (_, patch, resource) = costly_patches().swap_remove(0);
    told(patch.apply_within(resource, &mut small)).expect_err("it is not small");
    assert!(small.is_spent());
}

/// What a rule of R4 takes to be checked counts too, and so does what patches are about and make.
#[test]
fn checks_of_what_patches_make_have_one_budget() {
    let limits = Limits::default();
    let entries: Vec<String> = (0..100)
        .map(|number| {
            format!(r#"{{"fullUrl":"urn:uuid:{number}","resource":{{"resourceType":"Basic","code":{{"text":"a"}}}}}}"#)
        })
        .collect();
    let text = format!(r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#, entries.join(","));
    let bundle = json::parse(text.as_bytes(), &limits).expect("JSON").into_owned();
    let mut together = PatchBudget::of_request(&limits);
    together.rules = Budget::new(100_000);
    let done = (0..1_000).take_while(|_| together.check(&bundle, &limits).is_ok()).count();
    assert!(done > 1 && done < 1_000, "{done}");
    assert!(together.is_spent());
    let mut together = PatchBudget::of_request(&limits);
    assert!(together.take_bytes(limits.bytes).is_some() && together.take_bytes(limits.bytes).is_some());
    assert!(together.take_bytes(1).is_none() && together.is_spent());
}
