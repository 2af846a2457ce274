use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<Value<'_>, Vec<Issue>> {
    parse(text.as_bytes(), &Limits::default())
}

fn refusal(text: &str) -> String {
    let issues = read(text).expect_err(text);
    assert_eq!(issues.len(), 1, "{issues:?}");
    issues[0].text.clone()
}

#[test]
fn numbers_keep_their_text_and_plain_strings_borrow() {
    let value = read(r#" {"a": [1.10, 1e2, -0, 0.0E-5], "b": "x", "c\n": null, "d": true} "#).unwrap();
    let numbers: Vec<_> = value.list("a").iter().filter_map(Value::as_number).collect();
    assert_eq!(numbers, ["1.10", "1e2", "-0", "0.0E-5"]);
    assert!(matches!(value.get("b"), Some(Value::String(Cow::Borrowed("x")))));
    assert_eq!(value.get("c\n"), Some(&Value::Null));
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    assert_eq!(refusal("{\"a\":1,\n \"é\" 2}"), "not valid JSON at line 2, column 6: found '2' where ':' should be");
    assert_eq!(refusal(""), "not valid JSON at line 1, column 1: the text ends where a value should be");
    assert_eq!(
        refusal("{} x"),
        "not valid JSON at line 1, column 4: there is more text after the end of the JSON value"
    );
    for text in [
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{a:1}",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "NaN",
        "tru",
        "'a'",
        "\"a",
        "\"\t\"",
        "\"\\x\"",
        "\"\\u12\"",
        "{}\u{FEFF}",
        "\u{FEFF}\u{FEFF}{}",
        "[1 2]",
        "// c\n1",
    ] {
        refusal(text);
    }
    let not_utf8 = parse(b"{\"a\":\"\xFF\"}", &Limits::default()).unwrap_err();
    assert_eq!(not_utf8[0].text, "not valid JSON at line 1, column 7: the text is not UTF-8");
}

#[test]
fn a_byte_order_mark_before_the_text_says_nothing() {
    assert_eq!(read("\u{FEFF}{}").unwrap(), read("{}").unwrap());
}

#[test]
fn surrogates_stand_in_pairs() {
    assert_eq!(read(r#""\ud83d\ude00\u00e9""#).unwrap(), Value::string("😀é"));
    for text in [r#""\ud83d""#, r#""\ud83dx""#, r#""\ud83d\u0041""#, r#""\ude00""#] {
        assert!(refusal(text).contains("surrogate"), "{text}");
    }
}

#[test]
fn every_duplicate_is_reported_with_its_place() {
    let issues = read(
        r#"{"resourceType":"Patient","name":[{"family":"a"},{"family":"b","family":"c","given":[]}],
            "active":true,"_birthDate":{},"active":false,"_birthDate":{}}"#,
    )
    .unwrap_err();
    let places: Vec<_> = issues.iter().filter_map(|issue| issue.expression.as_deref()).collect();
    assert_eq!(places, ["Patient.name[1].family", "Patient.active", "Patient.birthDate"]);
    assert!(issues.iter().all(|issue| issue.code == IssueCode::Structure));
    assert!(issues[2].text.contains("'_birthDate'"));
}

#[test]
fn duplicates_are_found_among_many_members() {
    let members: Vec<String> = (0..5000).chain([3, 4999, 3]).map(|n| format!("\"m{n}\":{n}")).collect();
    let text = format!("{{{}}}", members.join(","));
    let places: Vec<_> = read(&text).unwrap_err().into_iter().filter_map(|issue| issue.expression).collect();
    assert_eq!(places, ["m3", "m3", "m4999"]);
    let text = format!("[{}]", vec!["{\"a\":1,\"a\":2}"; 5000].join(","));
    assert_eq!(read(&text).unwrap_err().len(), 1000);
    let text = format!("{{\"m1\":0,{}}}", members[..20].join(","));
    assert_eq!(read(&text).unwrap_err().len(), 1);
}

#[test]
fn limits_hold() {
    let limits = Limits { bytes: 40, depth: 3, nodes: 6 };
    assert!(parse(b"[[[1]]]", &limits).is_ok());
    assert!(parse(b"[1,2,3,4,5]", &limits).is_ok());
    for text in ["[[[[1]]]]", "[1,2,3,4,5,6]", "{\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\":1}"] {
        let issues = parse(text.as_bytes(), &limits).unwrap_err();
        assert_eq!(issues[0].code, IssueCode::TooLong, "{text}");
    }
    let deep = "[".repeat(1_000_000);
    assert_eq!(read(&deep).unwrap_err()[0].code, IssueCode::TooLong);
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<String>().prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(4, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::from),
            prop::collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|members| serde_json::Value::from(members.into_iter().collect::<serde_json::Map<_, _>>())),
        ]
    })
}

#[test]
fn special_bytes_are_found_wherever_they_stand() {
    for special in [b'"', b'\\', 0, 0x1F, b'\n'] {
        for position in 0..40 {
            let mut bytes = vec![b' '; 40];
            bytes[position] = special;
            assert_eq!(plain_length(&bytes), position, "{special} {position}");
        }
    }
    assert_eq!(plain_length("!#[]\u{7f}é😀 plain".as_bytes()), "!#[]\u{7f}é😀 plain".len());
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_and_written_back_the_same(json in any_json()) {
        let text = serde_json::to_string(&json).unwrap();
        let value = read(&text).unwrap();
        let ours = crate::json::to_string(&value);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&ours).unwrap(), json.clone());
        let pretty = crate::json::to_pretty(&value);
        prop_assert_eq!(serde_json::from_str::<serde_json::Value>(&pretty).unwrap(), json);
        prop_assert_eq!(read(&pretty).unwrap(), value);
    }

    #[test]
    fn damaged_texts_are_judged_as_serde_json_judges_them(
        json in any_json(), position in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut text = serde_json::to_vec(&json).unwrap();
        let position = position.index(text.len());
        text[position] = byte;
        let theirs = serde_json::from_slice::<serde_json::Value>(&text);
        let ours = parse(&text, &Limits::default());
        // serde_json keeps the last of duplicate members and refuses numbers beyond f64; else the two must agree.
        let explained = ours.as_ref().is_err_and(|issues| issues.iter().all(|i| i.text.contains("more than once")))
            || theirs.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert!(explained || ours.is_ok() == theirs.is_ok(), "{:?} {:?}", ours, theirs);
    }

    #[test]
    fn no_bytes_make_it_panic(text in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&text, &Limits::default());
    }
}
