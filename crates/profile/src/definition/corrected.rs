//! Published expressions of profiles that do not say what the rule means, as those of R4's types in `concord_fhir`.

/// The published expression, and what is evaluated instead.
const CORRECTED: &[(&str, &str)] = &[
    // vs-1 of R4's vital signs: "if it is dateTime". Of a Period it gives nothing, and is not meant to be broken.
    (
        "($this as dateTime).toString().length() >= 8",
        "$this is dateTime implies ($this as dateTime).toString().length() >= 8",
    ),
];

/// What is evaluated in place of a published expression, wherever a profile or one made from it states it.
pub(super) fn instead(published: &str) -> &str {
    CORRECTED.iter().find(|(own, _)| *own == published).map_or(published, |(_, meant)| meant)
}
