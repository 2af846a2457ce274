//! How sure the issuer is of who somebody is, and in which role they act.

use concord_consent::caller::Proofing;

/// The level to which NHS login has proven an identity. Higher is surer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofingLevel {
    /// Nothing is proven.
    P0,
    /// Some details are checked; the NHS number is claimed, not proven.
    P5,
    /// Proven against identity documents.
    P9,
}

impl ProofingLevel {
    /// The level of an `identity_proofing_level` claim (`P9`) or of a vector of trust (`P9.Cp.Cd`, RFC 8485 section 2).
    #[must_use]
    pub fn parse(text: &str) -> Option<ProofingLevel> {
        match text.split('.').next() {
            Some("P0") => Some(ProofingLevel::P0),
            Some("P5") => Some(ProofingLevel::P5),
            Some("P9") => Some(ProofingLevel::P9),
            _ => None,
        }
    }

    /// As it is written.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            ProofingLevel::P0 => "P0",
            ProofingLevel::P5 => "P5",
            ProofingLevel::P9 => "P9",
        }
    }
}

/// What NHS login has to vouch for at each level: two things that the person has or is.
const TRUST: [(Proofing, [&str; 3]); 3] = [
    (Proofing::P9, ["P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm"]),
    (Proofing::P5, ["P5.Cp.Cd", "P5.Cp.Ck", "P5.Cm"]),
    (Proofing::P0, ["P0.Cp.Cd", "P0.Cp.Ck", "P0.Cm"]),
];

/// Where whoever vouches for a vector of trust says what it means.
const TRUSTMARK: &str = "/trustmark/";

/// The vectors of trust of that level and above.
pub(crate) fn trust(lowest: Proofing) -> Vec<&'static str> {
    TRUST.iter().filter(|(level, _)| *level >= lowest).flat_map(|(_, vectors)| *vectors).collect()
}

/// Whether a vector of trust (`vot`) is one of that level or above, and somebody vouches for it (`vtm`).
pub(crate) fn is_vouched(vector: Option<&str>, trustmark: Option<&str>, lowest: Proofing) -> bool {
    vector.is_some_and(|vector| trust(lowest).contains(&vector))
        && trustmark.is_some_and(|mark| mark.starts_with("https://") && mark.contains(TRUSTMARK))
}

/// A role in which a professional acts.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Role {
    /// The id of this person in this role (the SDS role profile id); CIS2 only.
    pub id: Option<String>,
    /// What the role is (`S8000:G8000:R8001`).
    pub code: Option<String>,
    /// The ODS code of the organisation in which it is held.
    pub organisation: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_and_ordered() {
        assert_eq!(ProofingLevel::parse("P9.Cp.Cd"), Some(ProofingLevel::P9));
        assert_eq!(ProofingLevel::parse("P5"), Some(ProofingLevel::P5));
        for bad in ["", "P1", "p9", "Cp.P9", "P99"] {
            assert_eq!(ProofingLevel::parse(bad), None, "{bad}");
        }
        assert!(ProofingLevel::P0 < ProofingLevel::P5 && ProofingLevel::P5 < ProofingLevel::P9);
        assert_eq!(ProofingLevel::P9.code(), "P9");
    }

    #[test]
    fn each_level_takes_those_above_and_somebody_has_to_vouch() {
        assert_eq!(trust(Proofing::P9), ["P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm"]);
        assert_eq!((trust(Proofing::P5).len(), trust(Proofing::P0).len()), (6, 9));
        assert!(!trust(Proofing::P5).iter().any(|vector| vector.starts_with("P0")));
        let mark = Some("https://auth.login.nhs.uk/trustmark/login.nhs.uk");
        assert!(is_vouched(Some("P9.Cm"), mark, Proofing::P5) && !is_vouched(Some("P5.Cm"), mark, Proofing::P9));
        for other in [None, Some("http://auth.login.nhs.uk/trustmark/x"), Some("https://auth.login.nhs.uk/")] {
            assert!(!is_vouched(Some("P9.Cm"), other, Proofing::P9), "{other:?}");
        }
    }
}
