//! How sure the issuer is of who somebody is, and in which role they act.

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
}
