//! Units of UCUM, as far as quantities of the same kind are to be found in one another's units: 5.5 mmol/L as 5500
//! umol/L, 1.8 m as 180 cm, 37 `Cel` as 98.6 `[degF]` (The Unified Code for Units of Measure, version 2.1, sections 27 to 45).
//!
//! The table is our own, of the units that health records use. It differs from UCUM in one thing, for safety: amounts of
//! substance, equivalents (`eq`), osmoles, international units and catalytic units are kinds of their own, which are
//! never compared with one another or with plain numbers. Between mass and amount of substance (mg/dL, mmol/L) there is no
//! conversion without knowing the substance, and so there is none here.

/// The code system of UCUM.
pub(crate) const UCUM: &str = "http://unitsofmeasure.org";

/// How many base dimensions there are: metre, gram, second, kelvin, mole, equivalent, osmole, international unit, candela,
/// ampere.
const DIMENSIONS: usize = 10;

/// Their names in keys.
const NAMES: [&str; DIMENSIONS] = ["m", "g", "s", "K", "mol", "eq", "osm", "[IU]", "cd", "A"];

type Dimensions = [i8; DIMENSIONS];

const NONE: Dimensions = [0; DIMENSIONS];
const LENGTH: Dimensions = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const MASS: Dimensions = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
const TIME: Dimensions = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
const WARMTH: Dimensions = [0, 0, 0, 1, 0, 0, 0, 0, 0, 0];
const AMOUNT: Dimensions = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
const EQUIVALENT: Dimensions = [0, 0, 0, 0, 0, 1, 0, 0, 0, 0];
const OSMOLE: Dimensions = [0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
const INTERNATIONAL: Dimensions = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0];
const VOLUME: Dimensions = [3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const PRESSURE: Dimensions = [-1, 1, -2, 0, 0, 0, 0, 0, 0, 0];
const ENERGY: Dimensions = [2, 1, -2, 0, 0, 0, 0, 0, 0, 0];
const POWER: Dimensions = [2, 1, -3, 0, 0, 0, 0, 0, 0, 0];
const FORCE: Dimensions = [1, 1, -2, 0, 0, 0, 0, 0, 0, 0];
const RATE: Dimensions = [0, 0, -1, 0, 0, 0, 0, 0, 0, 0];
const CATALYTIC: Dimensions = [0, 0, -1, 0, 1, 0, 0, 0, 0, 0];

/// A unit without a prefix: its code, whether it takes one, how many of the base units it is, and of which.
struct Atom(&'static str, bool, f64, Dimensions);

const ATOMS: &[Atom] = &[
    Atom("m", true, 1.0, LENGTH),
    Atom("g", true, 1.0, MASS),
    Atom("s", true, 1.0, TIME),
    Atom("K", true, 1.0, WARMTH),
    Atom("mol", true, 1.0, AMOUNT),
    Atom("eq", true, 1.0, EQUIVALENT),
    Atom("osm", true, 1.0, OSMOLE),
    Atom("[IU]", true, 1.0, INTERNATIONAL),
    Atom("[iU]", true, 1.0, INTERNATIONAL),
    Atom("L", true, 1e-3, VOLUME),
    Atom("l", true, 1e-3, VOLUME),
    Atom("Pa", true, 1e3, PRESSURE),
    Atom("bar", true, 1e8, PRESSURE),
    Atom("m[Hg]", true, 133_322_000.0, PRESSURE),
    Atom("m[H2O]", true, 9_806_650.0, PRESSURE),
    Atom("J", true, 1e3, ENERGY),
    Atom("cal", true, 4_184.0, ENERGY),
    Atom("[Cal]", false, 4_184_000.0, ENERGY),
    Atom("W", true, 1e3, POWER),
    Atom("N", true, 1e3, FORCE),
    Atom("Hz", true, 1.0, RATE),
    Atom("kat", true, 1.0, CATALYTIC),
    Atom("U", true, 1e-6 / 60.0, CATALYTIC),
    Atom("min", false, 60.0, TIME),
    Atom("h", false, 3_600.0, TIME),
    Atom("d", false, 86_400.0, TIME),
    Atom("wk", false, 604_800.0, TIME),
    Atom("mo", false, 2_629_800.0, TIME),
    Atom("a", false, 31_557_600.0, TIME),
    Atom("t", true, 1e6, MASS),
    Atom("[lb_av]", false, 453.592_37, MASS),
    Atom("[oz_av]", false, 28.349_523_125, MASS),
    Atom("[stone_av]", false, 6_350.293_18, MASS),
    Atom("[in_i]", false, 0.0254, LENGTH),
    Atom("[ft_i]", false, 0.3048, LENGTH),
    Atom("[yd_i]", false, 0.9144, LENGTH),
    Atom("[mi_i]", false, 1_609.344, LENGTH),
    Atom("%", false, 1e-2, NONE),
    Atom("[ppth]", false, 1e-3, NONE),
    Atom("[ppm]", false, 1e-6, NONE),
    Atom("1", false, 1.0, NONE),
];

const PREFIXES: &[(&str, f64)] = &[
    ("da", 1e1),
    ("G", 1e9),
    ("M", 1e6),
    ("k", 1e3),
    ("h", 1e2),
    ("d", 1e-1),
    ("c", 1e-2),
    ("m", 1e-3),
    ("u", 1e-6),
    ("n", 1e-9),
    ("p", 1e-12),
    ("f", 1e-15),
];

/// A unit in base units.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Unit {
    factor: f64,
    /// What is added after the factor: scales of temperature do not begin at the same point.
    offset: f64,
    dimensions: Dimensions,
    /// What is counted, as remarks say, with the exponent of each.
    remarks: Vec<(String, i8)>,
}

impl Unit {
    /// The unit with that code, if the table has it.
    pub(crate) fn read(code: &str) -> Option<Unit> {
        let scale = |factor: f64, offset: f64| Some(Unit { factor, offset, dimensions: WARMTH, remarks: Vec::new() });
        match code {
            "Cel" => return scale(1.0, 273.15),
            "[degF]" => return scale(5.0 / 9.0, 459.67 * 5.0 / 9.0),
            _ => {}
        }
        let mut unit = Unit { factor: 1.0, offset: 0.0, dimensions: NONE, remarks: Vec::new() };
        let (mut rest, mut sign) = match code.strip_prefix('/') {
            Some(rest) => (rest, -1),
            None => (code, 1),
        };
        loop {
            let end = rest.find(['.', '/']).unwrap_or(rest.len());
            let (component, after) = rest.split_at_checked(end)?;
            unit.take(component, sign)?;
            let mut letters = after.chars();
            sign = match letters.next() {
                None => return Some(unit),
                Some('/') => -1,
                Some(_) => 1,
            };
            rest = letters.as_str();
        }
    }

    /// Multiplies by a component of a unit, an atom with its exponent, or divides.
    fn take(&mut self, component: &str, sign: i8) -> Option<()> {
        // What stands in braces is a remark; one with a number in it (`{1.73_m2}`) says that another thing is measured.
        let (plain, remark) = match component.split_once('{') {
            Some((plain, remark)) => (
                plain,
                remark.strip_suffix('}').filter(|text| !text.contains(|letter: char| "{}0123456789".contains(letter))),
            ),
            None => (component, Some("")),
        };
        let remark = remark?;
        if !remark.is_empty() {
            self.remarks.push((remark.to_owned(), sign));
        }
        if plain.is_empty() {
            return (!remark.is_empty()).then_some(());
        }
        let (factor, dimensions, exponent) = match plain.strip_prefix("10*").or_else(|| plain.strip_prefix("10^")) {
            Some(power) => (10.0, NONE, exponent(power)?),
            None => {
                let end = plain.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim_end_matches(['-', '+']);
                // The digits of a plain number are no exponent.
                let (name, power) = if end.is_empty() { (plain, "1") } else { plain.split_at_checked(end.len())? };
                let (factor, dimensions) = atom(name)?;
                (factor, dimensions, if power.is_empty() { 1 } else { exponent(power)? })
            }
        };
        let exponent = exponent.checked_mul(sign)?;
        self.factor *= factor.powi(i32::from(exponent));
        for (sum, own) in self.dimensions.iter_mut().zip(dimensions) {
            *sum = sum.checked_add(own.checked_mul(exponent)?)?;
        }
        (self.factor.is_finite() && self.factor > 0.0).then_some(())
    }

    /// The name of what is measured in such units: the same for all that can be compared. Of a number without a unit the remark
    /// says what it is: a score is no percentage.
    pub(crate) fn dimension(&self) -> String {
        let mut name = String::new();
        for (base, exponent) in NAMES.iter().zip(self.dimensions).filter(|(_, exponent)| *exponent != 0) {
            name.push_str(base);
            name.push_str(&exponent.to_string());
        }
        if !name.is_empty() {
            return name;
        }
        let mut remarks: Vec<String> =
            self.remarks.iter().map(|(remark, sign)| format!("{{{remark}}}{sign}")).collect();
        remarks.sort_unstable();
        format!("1{}", remarks.concat())
    }

    /// A number of this unit in base units, without the last digits, which tell only of the calculation.
    pub(crate) fn in_base(&self, number: f64) -> f64 {
        let exact = number.mul_add(self.factor, self.offset);
        if exact.is_finite() { format!("{exact:.10e}").parse().unwrap_or(exact) } else { exact }
    }
}

fn exponent(text: &str) -> Option<i8> {
    let digits = text.trim_start_matches(['-', '+']);
    let fits = (1..=2).contains(&digits.len()) && text.len() <= digits.len() + 1;
    text.trim_start_matches('+').parse().ok().filter(|_| fits)
}

/// The factor and dimensions of an atom with or without a prefix, or of a whole number.
fn atom(name: &str) -> Option<(f64, Dimensions)> {
    if name.bytes().all(|byte| byte.is_ascii_digit()) && name.len() <= 6 {
        return name.parse().ok().map(|number: f64| (number, NONE));
    }
    let known = |wanted: &str| ATOMS.iter().find(|Atom(code, ..)| *code == wanted);
    if let Some(Atom(_, _, factor, dimensions)) = known(name) {
        return Some((*factor, *dimensions));
    }
    PREFIXES.iter().find_map(|(prefix, times)| {
        let Atom(_, metric, factor, dimensions) = known(name.strip_prefix(prefix)?)?;
        metric.then_some((times * factor, *dimensions))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(number: f64, code: &str, other: f64, other_code: &str) -> bool {
        let (one, two) = (Unit::read(code).expect(code), Unit::read(other_code).expect(other_code));
        one.dimension() == two.dimension() && one.in_base(number) == two.in_base(other)
    }

    #[test]
    fn units_of_a_kind_are_comparable() {
        assert!(same(5.5, "mmol/L", 5_500.0, "umol/L"));
        assert!(same(5.5, "mmol/L", 5.5, "mmol/l"));
        assert!(same(180.0, "cm", 1.8, "m"));
        assert!(same(70.0, "kg", 70_000.0, "g"));
        assert!(same(1.0, "[stone_av]", 14.0, "[lb_av]"));
        assert!(same(1.0, "[ft_i]", 12.0, "[in_i]"));
        assert!(same(37.0, "Cel", 98.6, "[degF]"));
        assert!(same(100.0, "mm[Hg]", 13.3322, "kPa"));
        assert!(same(4.5, "10*9/L", 4.5, "10*3/uL"));
        assert!(same(60.0, "/min", 1.0, "Hz"));
        assert!(same(72.0, "{beats}/min", 72.0, "/min"));
        assert!(same(6.5, "%", 0.065, "1"));
        assert!(same(90.0, "mL/min", 5.4, "L/h"));
        assert!(same(25.0, "kg/m2", 25.0, "kg.m-2"));
        assert!(same(48.0, "mmol/mol", 0.048, "mol/mol"));
        assert!(same(2.0, "g/dL", 20.0, "g/L"));
    }

    #[test]
    fn units_of_other_kinds_are_not() {
        let dimension = |code: &str| Unit::read(code).expect(code).dimension();
        assert_ne!(dimension("mmol/L"), dimension("mg/dL"));
        assert_ne!(dimension("meq/L"), dimension("mmol/L"));
        assert_ne!(dimension("m[IU]/L"), dimension("U/L"));
        assert_ne!(dimension("mosm/kg"), dimension("mmol/kg"));
        // What is counted is told by the remark alone.
        let counted = ["{score}", "{ratio}", "1", "/{score}", "%{hemoglobin}", "{score}/{total}", "{total}/{score}"];
        for (place, one) in counted.iter().enumerate() {
            assert_eq!(dimension(one), dimension(one));
            for other in counted.iter().skip(place + 1) {
                assert_ne!(dimension(one), dimension(other), "{one} {other}");
            }
        }
        assert_eq!(dimension("{a}.{b}"), dimension("{b}.{a}"));
    }

    #[test]
    fn what_is_no_unit_of_the_table_is_none() {
        for code in [
            "", "/", "mg/", "furlong", "kmin", "m[Hg", "{x", "x}", "mg{a}{b", "(mg)/L", "m999", "10*", "10*999",
            "mmHg", "é",
        ] {
            assert_eq!(Unit::read(code), None, "{code}");
        }
    }
}
