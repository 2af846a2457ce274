use super::*;

#[test]
fn successor_skips_what_is_no_character() {
    assert_eq!(successor("abc").as_deref(), Some("abd"));
    assert_eq!(successor("a\u{10ffff}").as_deref(), Some("b"));
    assert_eq!(successor("\u{d7ff}").as_deref(), Some("\u{e000}"));
    assert_eq!(successor("\u{10ffff}"), None);
    assert_eq!(successor(""), None);
}

#[test]
fn a_search_in_one_record_is_driven_by_its_most_selective_key() {
    let lowering =
        Lowering { rows: Rows::Current, postgres: false, patient_key: &|_| Some(7), depth: 0, in_record: false };
    let observation = ResourceType::parse("Observation").unwrap();
    let code =
        Predicate::Entry(ParameterId::of("Observation.code"), Test::Is("85354-9\u{1f}http://loinc.org".to_owned()));
    let status = Predicate::Entry(ParameterId::of("Observation.status"), Test::Starts("final\u{1f}".to_owned()));
    let sql = lowering.search(
        &[observation],
        Some(7),
        &status.clone().and(code).and(Predicate::PatientCompartment("a".to_owned())),
    );
    assert_eq!(
        sql.text(),
        "r.deleted = 0 AND +r.type = ? AND r.rid IN (SELECT e.resource FROM entry e WHERE e.parameter = ? AND \
         e.key <> '' AND e.key = ? AND e.patient = ?) AND EXISTS (SELECT 1 FROM entry e WHERE e.resource = r.rid \
         AND e.parameter = ? AND e.key >= ? AND e.key < ?)"
    );
    let bare = lowering.search(&[observation], Some(7), &Predicate::PatientCompartment("a".to_owned()));
    assert!(bare.text().contains("e.parameter = ? AND e.key <> '' AND e.key = ? AND e.patient = ?"));
}

#[test]
fn the_patient_whose_record_it_is_leads_only_where_nothing_else_does() {
    let lowering =
        Lowering { rows: Rows::Current, postgres: true, patient_key: &|_| Some(7), depth: 0, in_record: false };
    let observation = ResourceType::parse("Observation").unwrap();
    let of = |name, test| Predicate::Entry(ParameterId::of(name), test);
    let patient = of("Observation.patient", Test::Is("Patient/somebody-with-a-long-id-of-theirs".to_owned()));
    let status = of("Observation.status", Test::Starts("final\u{1f}".to_owned()));
    let record = Predicate::PatientCompartment("somebody-with-a-long-id-of-theirs".to_owned());
    let led = |predicate: Predicate| {
        let text = lowering.search(&[observation], Some(7), &predicate.and(record.clone())).text();
        text.split_once(" AND r.rid IN (").unwrap().1.to_owned()
    };
    assert!(led(patient.clone()).contains("e.key = ? AND e.patient = ?)"));
    let both = led(patient.and(status));
    assert!(both.starts_with("SELECT e.resource FROM entry e WHERE e.parameter = ? AND e.key <> '' AND e.key >= ?"));
    assert!(
        both.ends_with(
            "AND EXISTS (SELECT 1 FROM (SELECT i.* FROM entry i WHERE i.resource = r.rid OFFSET 0) e WHERE e.parameter = ? \
             AND e.key = ? OFFSET 0)"
        ),
        "{both}"
    );
}

#[test]
fn an_unknown_patient_has_no_rows() {
    let lowering = Lowering { rows: Rows::Current, postgres: true, patient_key: &|_| None, depth: 0, in_record: false };
    assert_eq!(lowering.condition(&Predicate::PatientCompartment("x".to_owned())).text(), "1 = 0");
    assert_eq!(lowering.condition(&Predicate::Type(vec![])).text(), "1 = 0");
}
