//! What holds for whatever is asked.

use super::*;

proptest! {
    #[test]
    fn no_value_of_any_parameter_makes_it_panic(
        at in any::<prop::sample::Index>(),
        suffix in "(:[a-zA-Z-]{0,12})?(\\.[a-z]{1,5})?",
        value in "(?s).{0,40}|[a-z]{0,2}[0-9T:+.,|\\\\$eZ-]{0,24}",
    ) {
        let of_type: Vec<_> = parameters(of("Observation").expect("a type")).collect();
        let name = format!("{}{suffix}", at.get(&of_type).code);
        if let Ok(query) = parse(of("Observation"), &[(name, value)], Handling::Strict, NOW, BASE) {
            let _ = query.predicate.holds(&reading());
        }
    }

    #[test]
    fn no_filter_makes_it_panic(value in "(not|and|or|eq|co|ne|pr|status|date|code|\\(|\\)|\"|[a-z0-9.:|$-]{1,5}| ){0,16}") {
        if let Ok(query) = parse(of("Observation"), &[("_filter".to_owned(), value)], Handling::Strict, NOW, BASE) {
            let _ = query.predicate.holds(&reading());
        }
    }

    #[test]
    fn no_name_makes_it_panic(name in "(?s).{0,40}", value in "(?s).{0,40}") {
        let _ = parse(None, &[(name.clone(), value.clone())], Handling::Lenient, NOW, BASE);
        let _ = parse(of("Patient"), &[(name, value)], Handling::Lenient, NOW, BASE);
    }

    #[test]
    fn what_is_missing_is_not_there_and_the_reverse(at in any::<prop::sample::Index>()) {
        let of_type: Vec<_> =
            parameters(of("Observation").expect("a type")).filter(|known| known.kind != Kind::Composite).collect();
        let name = format!("{}:missing", at.get(&of_type).code);
        let reading = reading();
        proptest::prop_assert_ne!(finds(&reading, &name, "true"), finds(&reading, &name, "false"));
    }

    #[test]
    fn a_number_is_found_by_itself_however_precise(whole in -1_000_i32..1_000, fraction in "[0-9]{0,6}") {
        let number = if fraction.is_empty() { whole.to_string() } else { format!("{whole}.{fraction}") };
        let json: serde_json::Value = serde_json::from_str(&number).expect("a number");
        let value = from_json(&serde_json::json!({ "valueQuantity": { "value": json, "unit": "x" } }));
        let entries = extract_under(BASE, of("Observation").expect("a type"), "1", 0, &value);
        for prefix in ["", "ge", "le", "ap"] {
            let found = finds(&entries, "value-quantity", &format!("{prefix}{number}"));
            proptest::prop_assert!(found, "{}{}", prefix, number);
        }
        for prefix in ["ne", "gt", "lt", "sa", "eb"] {
            let found = finds(&entries, "value-quantity", &format!("{prefix}{number}"));
            proptest::prop_assert!(!found, "{}{}", prefix, number);
        }
    }
}
