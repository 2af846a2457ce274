//! The cookies of the pages. Over https their names begin with `__Host-`, so that no other host can set them.

use actix_web::HttpRequest;
use actix_web::http::header;
use concord_signin::secret::{Kind, NoRandomness};

use crate::sign_in::{BrowserSecret, SignIn};

/// A cookie of the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// The session of somebody who is signed in.
    Session,
    /// What ties forms to a browser in which nobody is.
    Visit,
    /// What is kept of somebody who has come without having been asked, until they say that it is they. It is no session.
    Arrival,
}

impl Name {
    fn text(self, sign_in: &SignIn) -> &'static str {
        match (self, sign_in.is_https()) {
            (Name::Session, true) => "__Host-concord-session",
            (Name::Session, false) => "concord-session",
            (Name::Visit, true) => "__Host-concord-visit",
            (Name::Visit, false) => "concord-visit",
            (Name::Arrival, true) => "__Host-concord-arrival",
            (Name::Arrival, false) => "concord-arrival",
        }
    }

    fn kind(self) -> Kind {
        match self {
            Name::Session => Kind::Session,
            Name::Arrival => Kind::Arrival,
            Name::Visit => Kind::Visit,
        }
    }

    /// The value that a browser has sent, if it has the form of one. Of two cookies of one name nobody knows which is ours.
    pub(super) fn of(self, request: &HttpRequest, sign_in: &SignIn) -> Option<BrowserSecret> {
        let headers = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
        let pairs = headers.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == self.text(sign_in)).map(|(_, value)| value);
        let only = values.next().filter(|_| values.next().is_none())?;
        BrowserSecret::read(self.kind(), only)
    }

    /// `Set-Cookie` that keeps it until the browser is closed.
    pub(super) fn set(self, value: &BrowserSecret, sign_in: &SignIn) -> String {
        self.header(value.text(), sign_in)
    }

    fn header(self, value: &str, sign_in: &SignIn) -> String {
        let secure = if sign_in.is_https() { "; Secure" } else { "" };
        format!("{}={value}; Path=/; HttpOnly; SameSite=Lax{secure}", self.text(sign_in))
    }

    /// `Set-Cookie` that takes it away.
    pub(super) fn gone(self, sign_in: &SignIn) -> String {
        format!("{}; Max-Age=0", self.header("", sign_in))
    }
}

/// What a form has to bring along in a browser in which nobody is signed in, and `Set-Cookie` with what it is made of if that is
/// new.
pub(super) fn visit(request: &HttpRequest, sign_in: &SignIn) -> Result<(String, Option<String>), NoRandomness> {
    let (visit, cookie) = kept(request, sign_in)?;
    Ok((visit.form_token(), cookie))
}

/// What a browser keeps in which nobody is signed in, and `Set-Cookie` with it if that is new.
pub(super) fn kept(request: &HttpRequest, sign_in: &SignIn) -> Result<(BrowserSecret, Option<String>), NoRandomness> {
    match Name::Visit.of(request, sign_in) {
        Some(known) => Ok((known, None)),
        None => {
            let new = BrowserSecret::fresh(Kind::Visit)?;
            let cookie = Name::Visit.set(&new, sign_in);
            Ok((new, Some(cookie)))
        }
    }
}
