//! What the suite of HL7 does not ask: places, decimals as written, what is unknown, what is bounded, and that nothing
//! hostile gets further than a clear error.

use std::cmp::Ordering;

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::proptest;

use super::moment::Moment;
use super::{Context, Expression, Fault, Item, Outside, Patterns};
use crate::json::{Limits, Value, parse};

const PATIENT: &str = r##"{"resourceType":"Patient","id":"p","active":true,
    "contained":[{"resourceType":"Organization","id":"o","name":"Surgery"}],
    "name":[{"family":"Khan","given":["Amina","B"],"_given":[null,{"id":"second"}]},{"_family":{"extension":[{"url":"urn:x","valueCode":"unknown"}]}}],
    "birthDate":"1980-02","managingOrganization":{"reference":"#o"},
    "generalPractitioner":[{"reference":"Practitioner/1"},{"reference":"Organization/2"}],
    "extension":[{"url":"urn:weight","valueQuantity":{"value":70.50,"system":"http://unitsofmeasure.org","code":"kg"}}]}"##;

fn patient() -> Value<'static> {
    parse(PATIENT.as_bytes(), &Limits::default()).unwrap().into_owned()
}

fn texts(resource: &Value<'_>, expression: &str) -> Vec<String> {
    let compiled = Expression::compile(expression).unwrap_or_else(|problem| panic!("{expression}: {problem}"));
    let found = compiled.evaluate(&Context::of(resource)).unwrap_or_else(|fault| panic!("{expression}: {fault}"));
    let text =
        |item: &Item<'_>| item.system().map_or_else(|| item.type_name().1.to_owned(), |value| value.to_text().into());
    found.items().iter().map(text).collect()
}

#[test]
fn elements_are_found_where_they_stand() {
    let patient = patient();
    let places = |expression: &str| -> Vec<String> {
        let compiled = Expression::compile(expression).unwrap();
        let found = compiled.evaluate(&Context::of(&patient)).unwrap();
        (0..found.items().len()).map(|at| found.place(at).map_or("-".to_owned(), |place| place.to_string())).collect()
    };
    assert_eq!(places("Patient.name.given"), ["name[0].given[0]", "name[0].given[1]"]);
    assert_eq!(places("name[1].family"), ["name[1].family"]);
    assert_eq!(places("extension.value"), ["extension[0].valueQuantity"]);
    assert_eq!(places("descendants().where($this = 'Khan')"), ["name[0].family"]);
    assert_eq!(places("name.first() | birthDate | 'x'"), ["name[0]", "birthDate", "-"]);
    assert_eq!(places("Patient"), [""]);
    assert_eq!(places("managingOrganization.resolve()"), ["-"]);
}

#[test]
fn what_is_written_is_kept() {
    let patient = patient();
    assert_eq!(texts(&patient, "extension.value.value"), ["70.50"]);
    assert_eq!(texts(&patient, "extension.value.value.toString()"), ["70.50"]);
    assert_eq!(texts(&patient, "extension.value.value = 70.5"), ["true"]);
    assert_eq!(texts(&patient, "extension.value > 70000 'g'"), ["true"]);
    assert_eq!(texts(&patient, "name.family.hasValue()"), ["false"]);
    assert_eq!(texts(&patient, "name[0].family.hasValue() and name[1].family.hasValue().not()"), ["true"]);
    assert_eq!(texts(&patient, "name.family.extension('urn:x').value"), ["unknown"]);
    assert_eq!(texts(&patient, "name.given.id"), ["second"]);
    assert_eq!(texts(&patient, "birthDate > @1979"), ["true"]);
    assert_eq!(texts(&patient, "birthDate > @1980-02-01"), [] as [&str; 0]);
}

#[test]
fn references_are_resolved_where_that_is_possible() {
    let patient = patient();
    assert_eq!(texts(&patient, "managingOrganization.resolve().name"), ["Surgery"]);
    // A reference says its type, even if nobody has the resource.
    assert_eq!(texts(&patient, "generalPractitioner.where(resolve() is Practitioner).reference"), ["Practitioner/1"]);
    let compiled = Expression::compile("generalPractitioner.resolve().name.exists()").unwrap();
    assert!(matches!(compiled.evaluate(&Context::of(&patient)), Err(Fault::Unknown(_))));
    let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[
        {"fullUrl":"https://a.example/r4/Patient/p","resource":{"resourceType":"Patient","id":"p","generalPractitioner":[{"reference":"Practitioner/1"}]}},
        {"fullUrl":"https://b.example/r4/Practitioner/1","resource":{"resourceType":"Practitioner","id":"1","gender":"male"}},
        {"fullUrl":"https://a.example/r4/Practitioner/1","resource":{"resourceType":"Practitioner","id":"1","gender":"female"}}]}"#;
    let bundle = parse(bundle, &Limits::default()).unwrap();
    let inner = bundle.list("entry")[0].get("resource").unwrap();
    let compiled = Expression::compile("generalPractitioner.resolve().gender").unwrap();
    let context = Context::of(inner).in_bundle(&bundle);
    let found = compiled.evaluate(&context).unwrap();
    assert_eq!(found.items()[0].as_text().as_deref(), Some("female"), "relative to the entry's own full URL");
}

/// Knows one value set, of one code.
struct Known;

impl<'v> Outside<'v> for Known {
    fn member_of(&self, item: &Item<'v>, value_set: &str) -> Option<bool> {
        (value_set == "urn:one").then(|| item.as_text().as_deref() == Some("a"))
    }
}

#[test]
fn what_nobody_knows_is_neither_true_nor_false() {
    let patient = patient();
    let holds = |expression: &str, known: bool| {
        let compiled = Expression::compile(expression).unwrap();
        let context = Context::of(&patient);
        let context = if known { context.outside(&Known) } else { context };
        compiled.holds(&context)
    };
    let is_unknown = |result: Result<Option<bool>, Fault>| matches!(result, Err(Fault::Unknown(_)));
    assert_eq!(holds("'a'.memberOf('urn:one')", true), Ok(Some(true)));
    assert_eq!(holds("'b'.memberOf('urn:one')", true), Ok(Some(false)));
    assert!(is_unknown(holds("'a'.memberOf('urn:two')", true)));
    assert!(is_unknown(holds("'a'.memberOf('urn:one')", false)));
    assert!(is_unknown(holds("conformsTo('urn:profile')", true)));
    assert!(is_unknown(holds("now() > @2020", false)));
    // Where the other side decides, it is no matter.
    assert_eq!(holds("'a'.memberOf('urn:two') or true", true), Ok(Some(true)));
    assert_eq!(holds("active or 'a'.memberOf('urn:two')", true), Ok(Some(true)));
    assert_eq!(holds("'a'.memberOf('urn:two') and active.not()", true), Ok(Some(false)));
    assert!(is_unknown(holds("'a'.memberOf('urn:two') and active", true)));
    assert!(is_unknown(holds("'a'.memberOf('urn:two').not()", true)));
}

#[test]
fn what_is_wrong_with_an_expression_is_told_with_its_place() {
    for (expression, position) in [
        ("name.given[", 11),
        ("name..given", 5),
        ("name.where(", 11),
        ("name.nothing()", 5),
        ("name.where()", 5),
        ("1 +", 3),
        ("'abc", 0),
        ("name is Nothing", 8),
        ("@2020-13-01", 0),
        ("a ? b", 2),
        ("name) ", 4),
        ("$that", 0),
        ("99999999999999999999", 0),
        ("name.matches('(')", 5),
        ("/* x", 0),
        ("", 0),
    ] {
        let problem = Expression::compile(expression).unwrap_err();
        assert_eq!(problem.position, position, "{expression}: {problem}");
        assert!(!problem.text.is_empty());
    }
}

#[test]
fn what_loops_or_explodes_is_ended() {
    let patient = patient();
    let steps =
        |expression: &str| Expression::compile(expression).unwrap().evaluate(&Context::of(&patient)).unwrap_err();
    for expression in [
        "1.repeat($this + 1)",
        "(1|2|3|4|5|6|7|8|9).aggregate($total & 'xxxxxxxxxxxxxxxxxxxx' & $total, 'x').length() + 'a'.repeat($this & $this).count()",
        "descendants().select(%resource.descendants()).select(%resource.descendants()).select(%resource.descendants()).select(%resource.descendants()).count()",
        "'x'.replace('x', 'xxxxxxxxxx').repeat($this.replace('x', 'xxxxxxxxxx'))",
        // A text that is made has a limit, whatever makes it.
        &format!("'xxxxxxxxxxxxxxxx'{}.length()", ".encode('hex')".repeat(40)),
        &format!("'<<<<<<<<<<<<<<<<'{}.length()", ".replace('<', '<<<<<<<<')".repeat(12)),
        "'xxxxxxxxxxxxxxxx'.repeat($this.encode('base64'))",
        "'xxxxxxxxxxxxxxxx'.repeat($this & $this)",
        "'xxxxxxxxxxxxxxxx'.repeat(($this | ($this & 'x')).join($this))",
        // Each pattern that is no literal costs what it takes to compile it.
        "(1|2|3|4|5|6|7|8|9).select($this * 10 | $this * 11 | $this * 13 | $this * 17 | $this * 19 | $this * 23)\
         .where('a'.matches($this.toString())).count()",
    ] {
        assert_eq!(steps(expression), Fault::TooCostly, "{expression}");
    }
    let few = Context::of(&patient).steps(10);
    assert_eq!(Expression::compile("descendants()").unwrap().evaluate(&few).unwrap_err(), Fault::TooCostly);
    for deep in ["(".repeat(5_000), "-".repeat(5_000), "a.".repeat(5_000), "a[".repeat(5_000), "not(".repeat(5_000)] {
        assert!(Expression::compile(&deep).is_err());
    }
    let long = vec!["a"; 200].join(" | ");
    assert!(Expression::compile(&long).unwrap_err().text.contains("nested"));
    assert!(Expression::compile(&"a".repeat(100_000)).unwrap_err().text.contains("bytes"));
}

/// Numbers and times beyond what there is give nothing, or are told; none panics or takes long.
#[test]
fn what_is_beyond_all_bounds_gives_nothing_or_is_told() {
    let patient = patient();
    let long = "9".repeat(10_000);
    let (whole, part, before) =
        (format!("{long} + 1"), format!("0.{long} * 0.{long}"), format!("'{long}.{long}'.toDecimal()"));
    for expression in [
        whole.as_str(),
        &part,
        &before,
        "2.power(1000000000)",
        "10.power(10.power(10))",
        "0.1.power(-999999999)",
        "(-1).power(0.5)",
        "9223372036854775807 + 1",
        "9223372036854775807 * 9223372036854775807",
        "(-9223372036854775807 - 2).abs()",
        "1.5.round(2147483647)",
        "79228162514264337593543950335.0 * 79228162514264337593543950335.0",
        "1 / 0.0000000000000000000000000001",
        "1 div 0",
        "5 mod 0",
        "@9999-12-31 + 1 day",
        "@9999-12-31 + 1000000000 years",
        "@0001-01-01 - 5000 years",
        "@2024-01-31 + 9223372036854775807 months",
        "@2024-01-01T00:00:00Z + 99999999999999 seconds",
        "@T23:59:59 + 999999999999 hours",
        "@2024-02-30",
        "'abc'.substring(9223372036854775807, 9223372036854775807)",
        "name.skip(9223372036854775807).take(-9223372036854775807)",
        "%factory",
        "%factory.Coding('urn:a', 'b')",
        "%`ext-no-such`",
        "1.0.lowBoundary(2147483647) | 1.0.highBoundary(-1)",
    ] {
        let Ok(compiled) = Expression::compile(expression) else { continue };
        if let Ok(found) = compiled.evaluate(&Context::of(&patient)) {
            assert!(found.items().len() <= 2, "{expression}: {:?}", found.items());
        }
    }
    // There is nothing that makes elements.
    assert_eq!(Expression::compile("%factory.Coding('urn:a', 'b')").unwrap_err().position, 9);
}

/// Who works with a text takes steps by how long it is, whatever the function.
#[test]
fn texts_take_steps_by_their_length() {
    for long in [2_000_usize, 20_000] {
        let text = format!(r#"{{"resourceType":"Patient","name":[{{"text":"{}"}}]}}"#, "x".repeat(long));
        let patient = parse(text.as_bytes(), &Limits::default()).unwrap();
        for call in [
            "upper()",
            "lower()",
            "trim()",
            "length()",
            "toChars()",
            "contains('y')",
            "startsWith('y')",
            "endsWith('y')",
            "indexOf('y')",
            "lastIndexOf('y')",
            "substring(1)",
            "substring(1, 2)",
            "replace('y', 'z')",
            "split('y')",
            "join()",
            "encode('hex')",
            "encode('base64')",
            "decode('hex')",
            "decode('base64')",
            "escape('html')",
            "escape('json')",
            "unescape('html')",
            "unescape('json')",
            "matches('y')",
            "matchesFull('y')",
            "replaceMatches('y', 'z')",
            "toInteger()",
            "toDecimal()",
            "toDate()",
            "toDateTime()",
            "toTime()",
            "toQuantity()",
            "toBoolean()",
            "convertsToQuantity()",
            "htmlChecks()",
            "distinct()",
            "sort()",
        ] {
            let expression = Expression::compile(&format!("name.text.{call}")).unwrap();
            let (_, spent) = expression.evaluate_within(&Context::of(&patient));
            assert!(spent >= long / 16, "{call}: {spent} steps for {long} bytes");
        }
        for operation in ["& 'a'", "+ 'a'", "~ 'a'", "< 'a'", "= %resource.name.text", "in %resource.name.text"] {
            let expression = Expression::compile(&format!("name.text {operation}")).unwrap();
            let (_, spent) = expression.evaluate_within(&Context::of(&patient));
            assert!(spent >= long / 16, "{operation}: {spent} steps for {long} bytes");
        }
    }
}

/// What callers send has small patterns, and few.
#[test]
fn patterns_are_small_and_few() {
    let read =
        |pattern: &str| Expression::compile_with(&format!("'a'.matches('{pattern}')"), &mut Patterns::of_one_patch());
    for pattern in ["^[A-Z][A-Za-z0-9_]{0,254}$", "[0-9]{1,10}", "(a|b)*a(a|b){20}", "\\\\d{4}-\\\\d{2}"] {
        read(pattern).expect(pattern);
    }
    for pattern in ["\\\\w{18}", "(a{100}){100}", "(.{50}){50}"] {
        assert!(read(pattern).expect_err(pattern).text.contains("too large"), "{pattern}");
    }
    let mut patterns = Patterns::of_one_patch();
    for _ in 0..100 {
        Expression::compile_with("'a'.matches('b')", &mut patterns).expect("the same one again");
    }
}

/// The deepest expression that is compiled is evaluated without harm.
#[test]
fn the_deepest_expression_is_evaluated() {
    let patient = patient();
    let nested = format!("{}name.exists(){}", "name.where(".repeat(30) + &"exists(".repeat(30), ")".repeat(60));
    Expression::compile(&nested).unwrap().evaluate(&Context::of(&patient)).unwrap();
    let nested = format!("{}true{}", "where(".repeat(95), ")".repeat(95));
    Expression::compile(&nested).unwrap().evaluate(&Context::of(&patient)).unwrap();
    let long = format!("name{}", ".where(true)".repeat(90));
    assert!(Expression::compile(&long).unwrap().evaluate(&Context::of(&patient)).is_ok());
}

#[test]
fn only_what_is_certain_is_compared() {
    for (first, second, order) in [
        ("2024-01-01", "2024-01-02", Some(Ordering::Less)),
        ("2024-02", "2024-01-31", Some(Ordering::Greater)),
        ("2024", "2024-01-31", None),
        ("2024", "2024", Some(Ordering::Equal)),
        ("2024-01-01T10:00:00+01:00", "2024-01-01T09:00:00Z", Some(Ordering::Equal)),
        ("2024-03-01T00:30:00+01:00", "2024-02-29T23:29:59.9Z", Some(Ordering::Greater)),
        ("2024-01-01T10:00:00.50Z", "2024-01-01T10:00:00.5Z", Some(Ordering::Equal)),
        ("2024-01-01T10:00:00.5Z", "2024-01-01T10:00:00.45Z", Some(Ordering::Greater)),
        ("2024-01-01T23:59:60Z", "2024-01-02T00:00:00Z", Some(Ordering::Equal)),
        // A day may be anywhere on earth.
        ("2024-01-02", "2024-01-01T10:00:00Z", None),
        ("2024-01-03", "2024-01-01T10:00:00Z", Some(Ordering::Greater)),
    ] {
        let (one, two) = (Moment::date_time(first).unwrap(), Moment::date_time(second).unwrap());
        assert_eq!(one.compare(&two), order, "{first} {second}");
        assert_eq!(two.compare(&one), order.map(Ordering::reverse), "{second} {first}");
    }
    for wrong in ["2024-02-30", "2024-13", "24", "2024-01-01T25:00", "2024-01T10:00", "x"] {
        assert!(Moment::date_time(wrong).is_none(), "{wrong}");
    }
}

/// Pieces that expressions are made of, put together without regard to sense.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        proptest::sample::select(vec![
            "name",
            "given",
            "Patient",
            "descendants()",
            "children()",
            ".",
            ".",
            ".",
            "(",
            ")",
            "[",
            "]",
            "0",
            "1.5",
            "'a'",
            " = ",
            " | ",
            " and ",
            " or ",
            " is ",
            " as ",
            "string",
            "Quantity",
            "$this",
            "$total",
            "%resource",
            "where(",
            "select(",
            "repeat(",
            "aggregate(",
            "iif(",
            ",",
            "true",
            "{}",
            "-",
            "+",
            "*",
            "/",
            " div ",
            "@2020-01-01",
            "@T10:00",
            " days",
            " 'mg'",
            "extension('x')",
            "first()",
            "toString()",
            "toQuantity()",
            "matches('a+')",
            "resolve()",
            " in ",
            "lowBoundary()",
            "highBoundary(4)",
            "~",
            "!=",
            " < ",
            "&",
            "`a`",
            "sort(",
            "split('')",
            "join('')",
            "round(40)",
            "power(99)",
            "2147483647",
            "99999999999999999999.9",
            "encode('base64')",
            "substring(1)",
            "type()",
            "memberOf('x')",
        ])
        .prop_map(str::to_owned),
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..14).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// Whatever is written is compiled or refused, and what is compiled has a result or a fault.
    #[test]
    fn nothing_that_is_written_panics(text in pieces()) {
        let patient = patient();
        match Expression::compile(&text) {
            Ok(expression) => {
                let context = Context::of(&patient).steps(20_000);
                if let Ok(found) = expression.evaluate(&context) {
                    for at in 0..found.items().len() {
                        let _ = found.place(at);
                    }
                }
            }
            Err(problem) => assert!(problem.position <= text.len() && !problem.text.is_empty()),
        }
    }
}
