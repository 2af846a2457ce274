//! The tokens of this server, as its own FHIR server believes them. Whether one still works is asked of the database wherever anything
//! may have changed there, so that what is revoked works nowhere from then on, and so is what its client is registered for; what it says
//! is remembered for as long as that is the same.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller, Credentials};
use concord_consent::scope::Context;
use concord_signin::client::Client;
use concord_signin::scope::Granted;
use concord_signin::secret::{self, Kind};
use concord_store::sign_in::AccessToken;
use concord_store::transaction::Transaction;

use crate::auth::{AuthError, Identity, Verified, login};
use crate::caller::digest_of;
use crate::sign_in::clients::Stored;
use crate::sign_in::current_scope::current_scope;
use crate::sign_in::{Fault, SignIn, Standing, people};

/// What a token says, for as long as all is stored that it was read from.
#[derive(Clone)]
pub(super) struct Remembered {
    verified: Arc<Verified>,
    /// The digest of what it was read from: all that is stored of the token, of what it comes of, of its client and of who has
    /// registered that.
    read_from: [u8; 16],
    /// The state of the data in which it worked; none where nobody can tell whether that is another one.
    state: Option<u64>,
}

impl Remembered {
    /// Whether it works now without anybody's being asked: nothing has changed since it did, and it has not expired. What it comes of
    /// lasts no less long than it.
    fn works(&self, state: Option<u64>, now_s: i64) -> bool {
        self.state.is_some() && self.state == state && now_s < self.verified.expires_s
    }
}

impl SignIn {
    /// Whether a token has the form of one of this server.
    #[must_use]
    pub fn has_issued(&self, token: &str) -> bool {
        Kind::Access.is_form_of(token)
    }

    /// The access token, if it works now and whoever has let its client in may still act, with its client as that is registered now: it
    /// is for no more than the client is.
    pub(super) async fn access_token(&self, hash: String) -> Result<Option<(AccessToken, Client)>, Fault> {
        let now_s = self.now_s();
        let find = move |transaction: &mut Transaction<'_>| {
            let found = transaction.access_token(&hash, now_s).and_then(|found| match found {
                Some(token) if !token.person.is_empty() && !people::may_act(transaction, &token.person)? => Ok(None),
                other => Ok(other),
            });
            (found, Vec::new())
        };
        let Some(token) = self.service.store.read(find).await? else { return Ok(None) };
        self.as_registered_now(token)
    }

    async fn stored_access(&self, hash: String) -> Result<Option<AccessToken>, Fault> {
        let now_s = self.now_s();
        Ok(self.service.store.read(move |transaction| (transaction.access_token(&hash, now_s), Vec::new())).await?)
    }

    fn as_registered_now(&self, token: AccessToken) -> Result<Option<(AccessToken, Client)>, Fault> {
        let Some(client) = self.registered_as(&token.client, Stored::of_token(&token))? else { return Ok(None) };
        if !client.own && !token.person.is_empty() && !Standing::stored(&token.standing).is_proven() {
            // Who is not proven lets in apps of those who keep the record only (`granting`), and this is none any more.
            return Ok(None);
        }
        let scope = current_scope(&token.scope, &client).to_string();
        Ok(Some((AccessToken { scope, ..token }, client)))
    }

    /// Who calls with a token.
    ///
    /// # Errors
    /// [`AuthError::NotIssued`] for one that does not work, [`AuthError::KeysUnavailable`] when nobody can tell.
    pub async fn verify(&self, token: &str) -> Result<Arc<Verified>, AuthError> {
        let hash = secret::hash(token);
        let outcome = self.verified(hash.clone()).await;
        match outcome {
            Ok(Some(verified)) => Ok(verified),
            Ok(None) => {
                self.remembered.remove(&hash);
                self.counters.refused.inc();
                Err(AuthError::NotIssued)
            }
            Err(fault) => {
                tracing::warn!(%fault, "a token of this server could not be looked up");
                self.counters.without_keys.inc();
                Err(AuthError::KeysUnavailable)
            }
        }
    }

    async fn verified(&self, hash: String) -> Result<Option<Arc<Verified>>, Fault> {
        // Before it is read: what changes meanwhile is asked about the next time.
        let state = self.service.store.state();
        let known = self.remembered.get(&hash);
        if let Some(known) = known.as_ref().filter(|known| known.works(state, self.now_s())) {
            self.counters.remembered.inc();
            return Ok(Some(Arc::clone(&known.verified)));
        }
        let Some(token) = self.stored_access(hash.clone()).await? else { return Ok(None) };
        let read_from = digest_of(&token);
        if let Some(known) = known.filter(|known| known.read_from == read_from) {
            self.counters.remembered.inc();
            let verified = Arc::clone(&known.verified);
            self.remembered.insert(hash, Remembered { state, ..known });
            return Ok(Some(verified));
        }
        let Some((token, client)) = self.as_registered_now(token)? else { return Ok(None) };
        let is_system = token.family.is_empty();
        let Some(actor) = (if is_system { Some(Actor::System) } else { people::actor(&token.person) }) else {
            return Ok(None);
        };
        let contexts = if is_system { &[Context::System][..] } else { &[Context::Patient, Context::User][..] };
        let subject = if is_system { token.client.clone() } else { token.person.clone() };
        let standing = Standing::stored(&token.standing);
        let caller = Caller {
            actor,
            issuer: self.issuer.clone(),
            client: token.client.clone(),
            scopes: concord_consent::scope::Scopes(
                Granted::parse(&token.scope).only(contexts).resources().cloned().collect(),
            ),
            patient: Some(token.patient.clone()).filter(|id| !id.is_empty()),
            credentials: Credentials {
                proofing: standing.proofing(),
                login: standing.login.clone().or_else(|| Some(login(&[self.issuer.as_str(), &subject].join("\n")))),
                authentication: u8::try_from(token.strength).ok().filter(|level| (1..=3).contains(level)),
                app: client.app(),
                client_is_ambiguous: self.known.is_ambiguous(&self.issuer, &token.client),
                purposes: client.known_purposes(),
                ..Credentials::default()
            },
            subject,
        };
        let verified = Arc::new(Verified {
            identity: Identity::Known(Arc::new(caller.into())),
            expires_s: token.expires_s,
            identity_proofing_level: None,
            authentication_assurance_level: u8::try_from(token.strength).ok().filter(|level| *level > 0),
            purpose_of_use: Vec::new(),
            roles: standing.roles,
        });
        self.counters.verified.inc();
        self.remembered.insert(hash, Remembered { verified: Arc::clone(&verified), read_from, state });
        Ok(Some(verified))
    }
}
