//! Whether a text is formed like a unit of UCUM: its atoms, with prefixes where they take some, multiplied and divided, with
//! exponents, parentheses and remarks (The Unified Code for Units of Measure, version 2.1, sections 1 to 15).
//!
//! What is converted is a smaller table ([`crate::ucum`]).

use std::collections::HashMap;
use std::sync::LazyLock;

/// How deep parentheses may lie.
const DEEPEST: usize = 16;

/// The longest text that is looked at.
const LONGEST: usize = 256;

/// Atoms that take a prefix.
const METRIC: &str = "m g s rad K C cd mol sr Hz N Pa J W A V F Ohm S Wb Cel T H lm lx Bq Gy Sv l L ar t bar u eV pc \
    [c] [h] [k] [eps_0] [mu_0] [e] [m_e] [m_p] [G] [g] [ly] gf Ky Gal dyn erg P Bi St Mx G Oe Gb sb Lmb ph Ci R RAD REM \
    cal_[15] cal_[20] cal_m cal_IT cal_th cal tex m[H2O] m[Hg] eq osm g% kat U [iU] [IU] Np B B[SPL] B[V] B[mV] B[uV] \
    B[10.nV] B[W] B[kW] st mho bit By Bd";

/// Atoms that take none.
const PLAIN: &str = "10* 10^ [pi] % [ppth] [ppm] [ppb] [pptr] deg ' '' gon min h d a_t a_j a_g a wk mo_s mo_j mo_g mo AU \
    [lbf_av] atm [in_i] [ft_i] [yd_i] [mi_i] [fth_i] [nmi_i] [kn_i] [sin_i] [sft_i] [syd_i] [cin_i] [cft_i] [cyd_i] [bf_i] \
    [cr_i] [mil_i] [cml_i] [hd_i] [ft_us] [yd_us] [in_us] [rd_us] [ch_us] [lk_us] [rch_us] [rlk_us] [fth_us] [fur_us] \
    [mi_us] [acr_us] [srd_us] [smi_us] [sct] [twp] [mil_us] [in_br] [ft_br] [rd_br] [ch_br] [lk_br] [fth_br] [pc_br] \
    [yd_br] [mi_br] [nmi_br] [kn_br] [acr_br] [gal_us] [bbl_us] [qt_us] [pt_us] [gil_us] [foz_us] [fdr_us] [min_us] \
    [crd_us] [bu_us] [gal_wi] [pk_us] [dqt_us] [dpt_us] [tbs_us] [tsp_us] [cup_us] [foz_m] [cup_m] [tsp_m] [tbs_m] \
    [gal_br] [pk_br] [bu_br] [qt_br] [pt_br] [gil_br] [foz_br] [fdr_br] [min_br] [gr] [lb_av] [oz_av] [dr_av] [scwt_av] \
    [lcwt_av] [ston_av] [lton_av] [stone_av] [pwt_tr] [oz_tr] [lb_tr] [sc_ap] [dr_ap] [oz_ap] [lb_ap] [oz_m] [lne] [pnt] \
    [pca] [pnt_pr] [pca_pr] [pied] [pouce] [ligne] [didot] [cicero] [degF] [degR] [degRe] [Cal] [Btu_39] [Btu_59] [Btu_60] \
    [Btu_m] [Btu_IT] [Btu_th] [Btu] [HP] [den] [in_i'H2O] [in_i'Hg] [PRU] [wood'U] [diop] [p'diop] %[slope] [mesh_i] [Ch] \
    [drp] [hnsf'U] [MET] [hp'_X] [hp'_C] [hp'_M] [hp'_Q] [hp_X] [hp_C] [hp_M] [hp_Q] [kp_X] [kp_C] [kp_M] [kp_Q] [pH] [S] \
    [HPF] [LPF] [arb'U] [USP'U] [GPL'U] [MPL'U] [APL'U] [beth'U] [anti'Xa'U] [todd'U] [dye'U] [smgy'U] [bdsk'U] [ka'U] \
    [knk'U] [mclg'U] [tb'U] [CCID_50] [TCID_50] [EID_50] [PFU] [FFU] [CFU] [IR] [BAU] [AU] [Amb'a'1'U] [PNU] [Lf] [D'ag'U] \
    [FEU] [ELU] [EU] Ao b att [psi] circ sph [car_m] [car_Au] [smoot] [m/s2/Hz^0.5] bit_s";

const PREFIXES: &[&str] = &[
    "da", "Ki", "Mi", "Gi", "Ti", "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "d", "c", "m", "u", "n", "p", "f", "a",
    "z", "y",
];

/// Whether a text is formed like a unit of UCUM, all of whose atoms there are.
#[must_use]
pub fn is_unit(text: &str) -> bool {
    if text.is_empty() || text.len() > LONGEST || !text.bytes().all(|byte| (33..127).contains(&byte)) {
        return false;
    }
    let mut rest = text.strip_prefix('/').unwrap_or(text);
    term(&mut rest, 0).is_some() && rest.is_empty()
}

/// Takes components parted by `.` and `/`.
fn term(rest: &mut &str, depth: usize) -> Option<()> {
    loop {
        component(rest, depth)?;
        match rest.strip_prefix(['.', '/']) {
            Some(after) => *rest = after,
            None => return Some(()),
        }
    }
}

/// Takes one: a term in parentheses, an atom with its exponent, a number, or a remark alone; a remark may follow.
fn component(rest: &mut &str, depth: usize) -> Option<()> {
    if let Some(after) = rest.strip_prefix('(') {
        if depth >= DEEPEST {
            return None;
        }
        *rest = after;
        term(rest, depth + 1)?;
        *rest = rest.strip_prefix(')')?;
        let digits = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
        *rest = digits;
        return remark(rest);
    }
    let (name, after) = rest.split_at_checked(end(rest))?;
    *rest = after;
    if name.is_empty() && !rest.starts_with('{') {
        return None;
    }
    (name.is_empty() || is_simple(name)).then_some(())?;
    remark(rest)
}

/// Takes the remark that may stand here.
fn remark(rest: &mut &str) -> Option<()> {
    if let Some(after) = rest.strip_prefix('{') {
        let (inside, after) = after.split_once('}')?;
        if inside.contains('{') {
            return None;
        }
        *rest = after;
    }
    Some(())
}

/// Where an atom with its exponent ends; what stands in brackets is part of it.
fn end(text: &str) -> usize {
    let mut inside = false;
    for (place, letter) in text.char_indices() {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            '.' | '/' | '(' | ')' | '{' | '}' if !inside => return place,
            _ => {}
        }
    }
    text.len()
}

/// An atom with or without prefix and exponent, or a whole number.
fn is_simple(text: &str) -> bool {
    let without_digits = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if without_digits.is_empty() {
        return true;
    }
    let has_digits = without_digits.len() < text.len();
    let stem = if has_digits { without_digits.strip_suffix(['-', '+']).unwrap_or(without_digits) } else { text };
    is_atom(stem) || is_atom(text)
}

/// Every atom, and whether it takes a prefix.
static ATOMS: LazyLock<HashMap<&'static str, bool>> = LazyLock::new(|| {
    let plain = PLAIN.split_ascii_whitespace().map(|atom| (atom, false));
    plain.chain(METRIC.split_ascii_whitespace().map(|atom| (atom, true))).collect()
});

fn is_atom(name: &str) -> bool {
    let is_metric = |atom: &str| ATOMS.get(atom) == Some(&true);
    ATOMS.contains_key(name) || PREFIXES.iter().any(|prefix| name.strip_prefix(prefix).is_some_and(is_metric))
}

#[cfg(test)]
mod tests {
    use super::is_unit;

    #[test]
    fn units_are_told_from_what_is_none() {
        for unit in [
            "mmol/L",
            "mg/dL",
            "mm[Hg]",
            "/min",
            "{beats}/min",
            "10*9/L",
            "10*-3",
            "kg/m2",
            "m.s-2",
            "Cel",
            "[degF]",
            "%",
            "mL/min/{1.73_m2}",
            "g/(24.h)",
            "(kg.m)/s2",
            "1",
            "100",
            "m[H2O]",
            "cm[H2O]",
            "{score}",
            "[pH]",
            "B[10.nV]",
            "%{hemoglobin}",
            "[iU]/mL",
            "k[IU]/L",
            "cal_[15]",
            "[in_i'H2O]",
            "ug/kg/h",
            "/[HPF]",
            "mL/(8.h.kg)",
            "''",
        ] {
            assert!(is_unit(unit), "{unit}");
        }
        for other in [
            "",
            "mmHg",
            "beats/min",
            "bpm",
            "kilo",
            "mg/",
            "mg//dL",
            "KG",
            "°C",
            "C°",
            "mg / dL",
            "(mg",
            "mg)",
            "{x",
            "x}",
            "mg{a{b}}",
            "degC",
            "lbs",
            "mgdL",
            "10*x",
            "percent",
            "IU",
            "mcg",
        ] {
            assert!(!is_unit(other), "{other}");
        }
        assert!(!is_unit(&"(".repeat(100)) && !is_unit(&format!("{}m{}", "(".repeat(40), ")".repeat(40))));
    }
}
