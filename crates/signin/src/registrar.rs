//! Who registers clients over HTTP, and how a client compares with its registrar.

use crate::client::Client;
use crate::error::{ErrorCode, OauthError};
use crate::scope::{CLIENTS, Granted};

/// Who registers a client.
#[derive(Clone, Copy, Debug)]
pub enum Registrar<'a> {
    /// It does so itself: it may ask for these scopes at most.
    Itself(&'a str),
    /// A system that is registered with the scope `system/clients`. It registers nothing that is more than itself.
    System(&'a Client),
}

/// What a registrar may give at most.
struct Bound<'a> {
    scope: Granted,
    own: bool,
    /// None where it is not bounded.
    purposes: Option<&'a [String]>,
    introspects: bool,
}

impl<'a> Registrar<'a> {
    fn bound(self) -> Bound<'a> {
        match self {
            Registrar::Itself(scope) => {
                Bound { scope: Granted::parse(scope), own: false, purposes: None, introspects: false }
            }
            Registrar::System(system) => Bound {
                scope: Granted::parse(&system.scope),
                own: system.own,
                purposes: system.purposes.as_deref(),
                introspects: system.introspects,
            },
        }
    }

    /// For what a client is registered: what is said, and where nothing is, what its registrar itself is.
    pub(crate) fn purposes(self, said: Option<&[String]>) -> Option<Vec<String>> {
        said.or(self.bound().purposes).map(<[String]>::to_vec)
    }

    /// A client as far as it is no more than its registrar is now, who may be less than when it was registered.
    #[must_use]
    pub fn bounded(self, client: Client) -> Client {
        let bound = self.bound();
        // Every member is named, as in `covers`.
        let Client {
            id,
            name,
            about,
            own,
            purposes,
            redirect_uris,
            scope,
            authentication,
            introspects,
            registered_itself,
        } = client;
        let purposes = match (purposes, bound.purposes) {
            (said, None) => said,
            (None, Some(most)) => Some(most.to_vec()),
            (Some(mut said), Some(most)) => {
                said.retain(|purpose| most.contains(purpose));
                Some(said)
            }
        };
        Client {
            id,
            name,
            about,
            own: own && bound.own,
            purposes,
            redirect_uris,
            scope: Granted::parse(&scope).within(&bound.scope).without(CLIENTS).to_string(),
            authentication,
            introspects: introspects && bound.introspects,
            registered_itself,
        }
    }

    /// Refuses a client that is more than its registrar in any respect.
    ///
    /// # Errors
    /// `invalid_client_metadata`
    pub(crate) fn covers(self, client: &Client) -> Result<(), OauthError> {
        const fn more(text: &'static str) -> Result<(), OauthError> {
            Err(OauthError::new(ErrorCode::InvalidClientMetadata, text))
        }
        let bound = self.bound();
        // Every member is named, so that one that is added has to be compared, or said to give nothing.
        let Client {
            id: _,
            name: _,
            about: _,
            own,
            purposes,
            redirect_uris: _,
            scope,
            authentication: _,
            introspects,
            registered_itself,
        } = client;
        let scope = Granted::parse(scope);
        if scope.has(CLIENTS) || !scope.is_within(&bound.scope) {
            return more("the scope is more than its registrar is registered for, or is system/clients");
        }
        if *own && !bound.own {
            return more("the concord_kind is own, which its registrar is not");
        }
        if *introspects && !bound.introspects {
            return more("concord_introspects is what its registrar may not");
        }
        let is_within = |bound: &[String]| {
            purposes.as_ref().is_some_and(|purposes| purposes.iter().all(|purpose| bound.contains(purpose)))
        };
        if !bound.purposes.is_none_or(is_within) {
            return more("the concord_purposes are more than its registrar is registered for");
        }
        if matches!(self, Registrar::Itself(_)) != *registered_itself {
            return more("a client that registers itself is told from one that a system registers");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Authentication;

    fn client() -> Client {
        Client {
            id: "a".into(),
            name: "A".into(),
            about: None,
            own: true,
            purposes: Some(vec!["TREAT".into(), "HPAYMT".into()]),
            redirect_uris: Vec::new(),
            scope: "openid user/*.rs system/Observation.cruds".into(),
            authentication: Authentication::None,
            introspects: true,
            registered_itself: false,
        }
    }

    #[test]
    fn nobody_registers_what_is_more_than_themselves() {
        let scope = "system/clients openid user/*.rs system/Observation.cruds";
        let system = Client { scope: scope.into(), ..client() };
        let registrar = Registrar::System(&system);
        for good in [
            client(),
            Client { own: false, introspects: false, purposes: Some(Vec::new()), ..client() },
            Client { scope: "user/Goal.r system/Observation.rs?category=vital-signs".into(), ..client() },
        ] {
            assert_eq!(registrar.covers(&good), Ok(()), "{good:?}");
        }
        for bad in [
            Client { scope: "user/*.cruds".into(), ..client() },
            Client { scope: "patient/*.rs".into(), ..client() },
            Client { scope: "system/*.rs".into(), ..client() },
            Client { scope: "openid offline_access".into(), ..client() },
            Client { scope: "system/clients".into(), ..client() },
            Client { scope: "openid nonsense".into(), ..client() },
            Client { purposes: None, ..client() },
            Client { purposes: Some(vec!["HRESCH".into()]), ..client() },
            Client { registered_itself: true, ..client() },
        ] {
            assert!(registrar.covers(&bad).is_err(), "{bad:?}");
        }
        let fewer = Client { own: false, introspects: false, ..system.clone() };
        assert!(Registrar::System(&fewer).covers(&Client { introspects: false, ..client() }).is_err());
        assert!(Registrar::System(&fewer).covers(&Client { own: false, ..client() }).is_err());
        let unbounded = Client { purposes: None, ..system };
        assert_eq!(Registrar::System(&unbounded).covers(&Client { purposes: None, ..client() }), Ok(()));
        let itself = Client {
            own: false,
            purposes: None,
            scope: "patient/*.rs".into(),
            introspects: false,
            registered_itself: true,
            ..client()
        };
        assert_eq!(Registrar::Itself("openid patient/*.rs").covers(&itself), Ok(()));
        assert!(Registrar::Itself("openid").covers(&itself).is_err());
        assert!(Registrar::Itself("patient/*.rs").covers(&Client { own: true, ..itself }).is_err());
    }

    #[test]
    fn whoever_is_narrowed_narrows_what_they_have_registered() {
        let scope = "system/clients openid user/*.rs system/Observation.cruds";
        let system = Client { scope: scope.into(), ..client() };
        assert_eq!(Registrar::System(&system).bounded(client()), client(), "as it was registered");
        let less = Client {
            own: false,
            introspects: false,
            purposes: Some(vec!["TREAT".into()]),
            scope: "system/clients openid system/Observation.rs".into(),
            ..system.clone()
        };
        let bounded = Registrar::System(&less).bounded(client());
        assert_eq!(Registrar::System(&less).covers(&bounded), Ok(()), "what is cut down could be registered");
        assert_eq!(bounded.scope, "openid system/Observation.rs");
        assert_eq!((bounded.own, bounded.introspects, bounded.purposes), (false, false, less.purposes.clone()));
        let unbounded = Client { purposes: None, ..client() };
        let bounded = Registrar::System(&less).bounded(unbounded);
        assert_eq!(bounded.purposes, less.purposes, "it has been bounded since");
        let nothing = Client { purposes: Some(Vec::new()), ..less };
        assert_eq!(Registrar::System(&nothing).bounded(client()).purposes, Some(Vec::new()));
        let itself = Client { own: false, introspects: false, registered_itself: true, ..client() };
        assert_eq!(Registrar::Itself("openid user/Goal.r").bounded(itself).scope, "openid user/Goal.r");
    }

    #[test]
    fn where_no_purpose_is_said_it_is_the_registrars() {
        let system = client();
        assert_eq!(Registrar::System(&system).purposes(None), system.purposes);
        assert_eq!(Registrar::System(&system).purposes(Some(&[])), Some(Vec::new()));
        assert_eq!(Registrar::Itself("openid").purposes(None), None);
    }
}
