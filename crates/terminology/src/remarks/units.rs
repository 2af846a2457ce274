//! Units that UCUM does not have, with the one that was meant.

use concord_fhir::json::Object;
use concord_fhir::schema::Met;
use concord_fhir::value::is_unit;

use super::{Oddity, text};

const UCUM: &str = "http://unitsofmeasure.org";

/// What people write, and how UCUM writes it.
const MEANT: [(&str, &str); 34] = [
    ("mmhg", "mm[Hg]"),
    ("mm hg", "mm[Hg]"),
    ("bpm", "/min"),
    ("beats/min", "/min"),
    ("beats per minute", "/min"),
    ("breaths/min", "/min"),
    ("per minute", "/min"),
    ("c", "Cel"),
    ("°c", "Cel"),
    ("degc", "Cel"),
    ("celsius", "Cel"),
    ("f", "[degF]"),
    ("°f", "[degF]"),
    ("degf", "[degF]"),
    ("kgs", "kg"),
    ("kilo", "kg"),
    ("kilogram", "kg"),
    ("lb", "[lb_av]"),
    ("lbs", "[lb_av]"),
    ("st", "[stone_av]"),
    ("stone", "[stone_av]"),
    ("in", "[in_i]"),
    ("inch", "[in_i]"),
    ("ft", "[ft_i]"),
    ("mcg", "ug"),
    ("µg", "ug"),
    ("μg", "ug"),
    ("iu", "[iU]"),
    ("iu/l", "[iU]/L"),
    ("iu/ml", "[iU]/mL"),
    ("cc", "mL"),
    ("percent", "%"),
    ("mmol/litre", "mmol/L"),
    ("hours", "h"),
];

/// A code that is no unit.
pub(super) fn odd(quantity: &Object<'_>, _met: &Met<'_>) -> Option<Oddity> {
    let code = text(quantity, "code").filter(|_| text(quantity, "system") == Some(UCUM))?;
    (!is_unit(code)).then(|| ("code", format!("is no unit of UCUM{}", meant(code))))
}

/// A code whose system is not said, though it is a unit or nearly one.
pub(super) fn without_system(quantity: &Object<'_>, _met: &Met<'_>) -> Option<Oddity> {
    let code = text(quantity, "code").filter(|_| text(quantity, "system").is_none())?;
    (is_unit(code) || !meant(code).is_empty()).then(|| {
        ("code", format!("has no system beside it, so that nobody can tell which unit it is; {UCUM} is meant"))
    })
}

fn meant(code: &str) -> String {
    let plain = code.trim().to_lowercase();
    let found = MEANT.iter().find(|(written, _)| *written == plain);
    found.map(|(_, unit)| format!("; `{unit}` is")).unwrap_or_default()
}
