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

/// Below which hosts NHS login vouches, in each of its environments (`auth.login.nhs.uk`, `auth.sandpit.signin.nhs.uk`).
const NHS_LOGIN: [&str; 2] = [".login.nhs.uk", ".signin.nhs.uk"];

/// The vectors of trust of that level and above.
pub(crate) fn trust(lowest: Proofing) -> Vec<&'static str> {
    TRUST.iter().filter(|(level, _)| *level >= lowest).flat_map(|(_, vectors)| *vectors).collect()
}

/// Whether a vector of trust (`vot`) is one of that level or above, and the issuer or NHS login vouches for it (`vtm`).
pub(crate) fn is_vouched(issuer: &str, vector: Option<&str>, trustmark: Option<&str>, lowest: Proofing) -> bool {
    vector.is_some_and(|vector| trust(lowest).contains(&vector))
        && trustmark.is_some_and(|mark| is_trustmark(issuer, mark))
}

/// Whether it is a trustmark at the issuer's own origin or at one of NHS login.
fn is_trustmark(issuer: &str, mark: &str) -> bool {
    let Ok(url) = url::Url::parse(mark) else { return false };
    let host = url.host_str().unwrap_or_default();
    let is_own = url::Url::parse(issuer).is_ok_and(|issuer| issuer.origin() == url.origin());
    let is_nhs_login = url.port().is_none() && NHS_LOGIN.iter().any(|below| host.ends_with(below));
    url.scheme() == "https"
        && url.username().is_empty()
        && url.password().is_none()
        && url.path().starts_with(TRUSTMARK)
        && (is_own || is_nhs_login)
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
        let (issuer, mark) = ("https://i.example", "https://auth.login.nhs.uk/trustmark/login.nhs.uk");
        let vouched = |vector, mark, lowest| is_vouched(issuer, Some(vector), mark, lowest);
        assert!(vouched("P9.Cm", Some(mark), Proofing::P5) && !vouched("P5.Cm", Some(mark), Proofing::P9));
        assert!(!vouched("P9.Cm", None, Proofing::P9));
        for (mark, counts) in [
            (mark, true),
            ("https://auth.sandpit.signin.nhs.uk/trustmark/auth.sandpit.signin.nhs.uk", true),
            ("https://i.example/trustmark/i", true),
            ("https://i.example:444/trustmark/i", false),
            ("http://i.example/trustmark/i", false),
            ("http://auth.login.nhs.uk/trustmark/x", false),
            ("https://auth.login.nhs.uk/", false),
            ("https://auth.login.nhs.uk/x/trustmark/", false),
            ("https://auth.login.nhs.uk.evil.example/trustmark/auth.login.nhs.uk", false),
            ("https://evil.example/?https://auth.login.nhs.uk/trustmark/x", false),
            ("https://evil-login.nhs.uk/trustmark/x", false),
            ("https://auth.login.nhs.uk@evil.example/trustmark/x", false),
            ("https://x@auth.login.nhs.uk/trustmark/x", false),
            ("https://auth.login.nhs.uk:444/trustmark/x", false),
            ("/trustmark/", false),
            ("", false),
        ] {
            assert_eq!(vouched("P9.Cm", Some(mark), Proofing::P9), counts, "{mark}");
        }
    }
}
