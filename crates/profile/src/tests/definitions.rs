use crate::library::Library;

#[test]
fn every_definition_that_ships_can_be_used() {
    let library = Library::shipped();
    let mut unusable = Vec::new();
    let mut count = 0;
    for definition in library.definitions() {
        count += 1;
        if let Some(Err(issue)) = library.profile(&format!("{}|{}", definition.url, definition.version)) {
            unusable.push((definition.url.as_str(), issue.text.as_str()));
        }
    }
    assert!(count > 600, "{count}");
    // As published it asks for three extensions where it allows none.
    let contradictory = (
        "http://hl7.org/fhir/StructureDefinition/codesystem-history",
        "Extension.extension:revision.extension: its slices ask for 3, and at most 0 may be there",
    );
    assert_eq!(unusable, [contradictory]);
}
