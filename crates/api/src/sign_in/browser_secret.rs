//! What a browser keeps in a cookie, and what is made of that.

use concord_signin::secret::{self, Kind, NoRandomness};

/// What a browser keeps in a cookie: a secret that this server has made, and so never nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct BrowserSecret(String);

impl BrowserSecret {
    /// What a browser has sent, if it has the form of such a secret.
    pub(crate) fn read(kind: Kind, text: &str) -> Option<BrowserSecret> {
        kind.is_form_of(text).then(|| BrowserSecret(text.to_owned()))
    }

    /// A new one.
    pub(crate) fn fresh(kind: Kind) -> Result<BrowserSecret, NoRandomness> {
        secret::fresh(kind).map(BrowserSecret)
    }

    /// The value of the cookie.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// How it is stored.
    pub(super) fn hash(&self) -> String {
        secret::hash(&self.0)
    }

    /// What forms of a session, or of a browser before anybody has signed in, have to bring along. There is none of a browser that
    /// keeps nothing: it would be one that everybody knows.
    pub(crate) fn form_token(&self) -> String {
        secret::derived(&self.0, "form")
    }
}
