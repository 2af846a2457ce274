//! The keys of clients that are at URLs, and those of software statements. Where a client has named the URL itself, it is a stranger who
//! has this server ask for something.

use std::sync::Arc;

use concord_signin::client::Client;
use concord_signin::error::OauthError;
use concord_signin::jwk::{self, Key};
use quick_cache::sync::Cache;
use tokio::sync::Semaphore;

use crate::auth;
use crate::error::ApiError;
use crate::sign_in::{Fault, SignIn};

/// How long the keys of a client are used that are at a URL, in seconds, where it does not say for less.
const KEYS_LAST_S: i64 = 300;
/// The least time between two fetches of the keys of a client, in seconds: made-up key ids must not be used against it.
const MINIMUM_FETCH_S: i64 = 10;
/// How many clients' keys are remembered.
const REMEMBERED: usize = 1000;
/// For how many strangers something is fetched at once.
const STRANGERS_AT_ONCE: usize = 4;

/// The keys at URLs, as they were fetched last.
pub(super) struct KeysAtUrls {
    /// By the URL, and whether a stranger has named it: what was fetched for one is nothing for the other.
    known: Cache<(String, bool), Arc<Fetched>>,
    strangers: Semaphore,
}

impl Default for KeysAtUrls {
    fn default() -> KeysAtUrls {
        KeysAtUrls { known: Cache::new(REMEMBERED), strangers: Semaphore::new(STRANGERS_AT_ONCE) }
    }
}

/// How old keys may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// As old as usual.
    Usual,
    /// As new as can be had.
    Newest,
}

impl Freshness {
    fn seconds(self) -> i64 {
        match self {
            Freshness::Usual => KEYS_LAST_S,
            Freshness::Newest => MINIMUM_FETCH_S,
        }
    }
}

/// The keys at a URL as they were at a time; none where they could not be had.
#[derive(Clone)]
struct Fetched {
    at_s: i64,
    lasts_s: i64,
    keys: Option<Arc<[Key]>>,
}

const UNREACHABLE: OauthError =
    OauthError::client("the keys of the client cannot be fetched from where it registered them");

impl KeysAtUrls {
    /// The keys that are known, if they are no older than that.
    fn known(
        &self,
        place: &(String, bool),
        freshness: Freshness,
        now_s: i64,
    ) -> Option<Result<Arc<[Key]>, OauthError>> {
        let known = self.known.get(place)?;
        let is_fresh = now_s < known.at_s + freshness.seconds().min(known.lasts_s);
        is_fresh.then(|| known.keys.clone().ok_or(UNREACHABLE))
    }

    /// Refuses to ask at a stranger's URL that was asked a moment ago, also where its answer may not be kept.
    fn seldom(&self, place: &(String, bool), now_s: i64) -> Result<(), ApiError> {
        let again_s = self.known.get(place).map_or(now_s, |known| known.at_s + MINIMUM_FETCH_S);
        match u32::try_from(again_s - now_s) {
            Ok(seconds) if seconds > 0 => Err(ApiError::Throttled(seconds)),
            _ => Ok(()),
        }
    }

    fn remember(&self, place: (String, bool), fetched: Fetched) {
        self.known.insert(place, Arc::new(fetched));
    }
}

impl SignIn {
    /// The keys of software statements.
    pub(super) async fn keys_of(&self, url: &str) -> Result<Vec<Key>, Fault> {
        // They are read anew each time they are used, which is seldom.
        let (bytes, _) = auth::fetch_keys(url).await.map_err(|error| {
            tracing::warn!(cause = %error, "keys could not be read");
            ApiError::Busy(10)
        })?;
        Ok(jwk::parse_set(&bytes)
            .map_err(|text| ApiError::Internal(format!("the keys of software statements: {text}")))?)
    }

    /// The keys of a client at the URL that is registered for it, no older than that where they can be had.
    pub(super) async fn keys_at(&self, client: &Client, url: &str, freshness: Freshness) -> Result<Arc<[Key]>, Fault> {
        let (all, now_s) = (&self.clients.keys, self.now_s());
        let place = (url.to_owned(), client.registered_itself);
        if let Some(known) = all.known(&place, freshness, now_s) {
            return Ok(known?);
        }
        if !client.registered_itself {
            let (keys, kept_s) = usable(url, auth::fetch_keys(url).await).ok_or(UNREACHABLE)?;
            let lasts_s = kept_s.unwrap_or(KEYS_LAST_S);
            all.remember(place, Fetched { at_s: now_s, lasts_s, keys: Some(Arc::clone(&keys)) });
            return Ok(keys);
        }
        all.seldom(&place, now_s)?;
        let turn = all.strangers.acquire().await.map_err(|error| ApiError::Internal(error.to_string()))?;
        // Somebody may have been before.
        if let Some(known) = all.known(&place, freshness, now_s) {
            return Ok(known?);
        }
        all.seldom(&place, now_s)?;
        let fetched = usable(url, auth::fetch_strangers_keys(url).await);
        drop(turn);
        let lasts_s = fetched.as_ref().map_or(MINIMUM_FETCH_S, |(_, kept_s)| kept_s.unwrap_or(KEYS_LAST_S));
        let keys = fetched.map(|(keys, _)| keys);
        all.remember(place, Fetched { at_s: now_s, lasts_s, keys: keys.clone() });
        Ok(keys.ok_or(UNREACHABLE)?)
    }
}

/// The keys of what was fetched, and how long it may be kept; none, and a line in the log, where it is of no use.
fn usable(url: &str, fetched: Result<(Vec<u8>, Option<i64>), auth::KeyError>) -> Option<(Arc<[Key]>, Option<i64>)> {
    let read = fetched
        .map_err(|error| error.to_string())
        .and_then(|(bytes, kept_s)| Ok((jwk::parse_set(&bytes).map_err(str::to_owned)?, kept_s)));
    match read {
        Ok((keys, kept_s)) => Some((keys.into(), kept_s)),
        Err(cause) => {
            tracing::warn!(url, cause, "the keys of a client could not be read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_had_is_remembered_for_a_moment_and_for_nobody_else() {
        let all = KeysAtUrls::default();
        let place = ("https://keys.example/".to_owned(), true);
        all.remember(place.clone(), Fetched { at_s: 100, lasts_s: MINIMUM_FETCH_S, keys: None });
        let known =
            |place: &(String, bool), freshness, now_s| all.known(place, freshness, now_s).map(|keys| keys.is_ok());
        assert_eq!(known(&place, Freshness::Usual, 109), Some(false));
        assert_eq!(known(&place, Freshness::Newest, 110), None);
        assert_eq!(known(&(place.0.clone(), false), Freshness::Usual, 100), None, "the operator has named it too");
        all.remember(place.clone(), Fetched { at_s: 100, lasts_s: 60, keys: Some(Arc::new([])) });
        assert_eq!(known(&place, Freshness::Usual, 159), Some(true));
        assert_eq!((known(&place, Freshness::Usual, 160), known(&place, Freshness::Newest, 110)), (None, None));
        // What may not be kept is not, and is not asked for again and again either.
        all.remember(place.clone(), Fetched { at_s: 200, lasts_s: 0, keys: Some(Arc::new([])) });
        assert_eq!(known(&place, Freshness::Usual, 200), None);
        assert!(matches!(all.seldom(&place, 203), Err(ApiError::Throttled(7))));
        assert!(all.seldom(&place, 210).is_ok() && all.seldom(&("x".to_owned(), true), 200).is_ok());
    }
}
