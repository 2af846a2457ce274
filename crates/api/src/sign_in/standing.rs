//! How surely somebody is known who has signed in, and in which role they act.

use concord_consent::caller::Proofing;
use serde::{Deserialize, Serialize};

use crate::auth::{ProofingLevel, Role};

/// An identifier by which somebody is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KnownAs {
    /// Its system: that of NHS numbers, or a login service by its issuer.
    pub(crate) system: String,
    /// Its value: the number, or the login service's name for them (`sub`).
    pub(crate) value: String,
}

/// What a login service says of somebody beside who it is. It is stored with the session, and with what they let apps do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Standing {
    /// How surely they are known, where it is less than proven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) proofing: Option<String>,
    /// By what the login service has proven that they are known: by it they are whom others name as their relative or carer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) known_as: Vec<KnownAs>,
    /// What marks the entries of this sign-in, where it is not proven who somebody is: another who claims to be the same person
    /// does not read them back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) login: Option<String>,
    /// The role in which a professional acts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) roles: Vec<Role>,
}

impl Standing {
    /// Somebody who is known this surely.
    pub(super) fn proven(level: ProofingLevel) -> Standing {
        let less = Some(level).filter(|level| *level < ProofingLevel::P9);
        Standing { proofing: less.map(|level| level.code().to_owned()), ..Standing::default() }
    }

    /// What was stored. What cannot be read proves nothing.
    pub(super) fn stored(text: &str) -> Standing {
        match text {
            "" => Standing::default(),
            text => serde_json::from_str(text).unwrap_or_else(|_| Standing::proven(ProofingLevel::P0)),
        }
    }

    /// As it is stored.
    pub(super) fn to_text(&self) -> String {
        match *self == Standing::default() {
            true => String::new(),
            false => serde_json::to_string(self).unwrap_or_else(|_| "unreadable".to_owned()),
        }
    }

    /// What of it goes on with what they let an app do: by what they are known is for picking only.
    pub(super) fn of_grant(&self) -> Standing {
        Standing { known_as: Vec::new(), ..self.clone() }
    }

    /// How surely they are known.
    pub(crate) fn proofing(&self) -> Proofing {
        match self.proofing.as_deref().map(ProofingLevel::parse) {
            None | Some(Some(ProofingLevel::P9)) => Proofing::P9,
            Some(Some(ProofingLevel::P5)) => Proofing::P5,
            Some(Some(ProofingLevel::P0) | None) => Proofing::P0,
        }
    }

    /// Whether it is proven who they are.
    pub(crate) fn is_proven(&self) -> bool {
        self.proofing() == Proofing::P9
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_and_what_cannot_be_read_proves_nothing() {
        assert_eq!(Standing::default().to_text(), "");
        assert!(Standing::stored("").is_proven());
        let role = Role { id: Some("1".into()), code: None, organisation: Some("A1".into()) };
        let standing = Standing { roles: vec![role], ..Standing::proven(ProofingLevel::P5) };
        assert_eq!(Standing::stored(&standing.to_text()), standing);
        assert_eq!(standing.proofing(), Proofing::P5);
        for bad in ["{", "unreadable", r#"{"proofing":"P7"}"#] {
            assert_eq!(Standing::stored(bad).proofing(), Proofing::P0, "{bad}");
        }
    }
}
