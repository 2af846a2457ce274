//! Signing people out when their login service says so (OpenID Connect Back-Channel Logout 1.0).

use std::net::IpAddr;

use concord_signin::error::OauthError;
use concord_signin::logout::LogoutToken;
use concord_signin::secret;
use concord_store::transaction::Transaction;

use crate::auth;
use crate::sign_in::{Fault, SignIn};

/// How signatures of logout tokens are counted: a name that no client has.
const OF_LOGOUT: &str = "a logout token";

impl SignIn {
    /// Ends the sessions that a login service says have ended, and what apps were let do as long as they lasted (OpenID Connect
    /// Back-Channel Logout 1.0).
    ///
    /// # Errors
    /// `invalid_request` for a token that is none of a login service, is old, or has been sent before. Anybody may send one, and a
    /// signature costs more to look at than to send: of very many wrong ones from one address no more are looked at.
    pub(crate) async fn signed_out_there(&self, token: &str, address: Option<IpAddr>) -> Result<usize, Fault> {
        self.signatures.look_at(OF_LOGOUT, address, self.now_s())?;
        let ended = self.said_to_have_ended(token).await;
        if !matches!(ended, Err(Fault::Refused(_))) {
            self.signatures.was_right(OF_LOGOUT, address);
        }
        ended
    }

    async fn said_to_have_ended(&self, token: &str) -> Result<usize, Fault> {
        const NOT_BELIEVED: OauthError = OauthError::request("the logout_token is not believed");
        const AGAIN: OauthError = OauthError::request("the logout_token has been sent before");
        let now_s = self.now_s();
        let (mut is_believed, mut ended) = (false, None);
        // A service may have several clients here, and a token is for those that it names.
        for provider in &self.providers {
            let Ok(reached) = provider.reached(now_s).await else { continue };
            let provider = &provider.config.name;
            match reached.verifier.signed_logout(token, now_s).await {
                Ok(()) => {}
                // One of another service, or for another client.
                Err(auth::AuthError::Issuer | auth::AuthError::Audience) => continue,
                Err(error) => {
                    tracing::warn!(provider, reason = error.name(), "a logout token is not believed");
                    continue;
                }
            }
            is_believed = true;
            let told = LogoutToken::of(token, now_s, self.leeway_s)?;
            if let Some(count) = self.end_sessions_there(provider.clone(), told, now_s).await? {
                ended = Some(ended.unwrap_or(0) + count);
            }
        }
        Ok(ended.ok_or(if is_believed { AGAIN } else { NOT_BELIEVED })?)
    }

    /// Ends the sessions that a login service names; none if it has said so before.
    async fn end_sessions_there(&self, name: String, told: LogoutToken, now_s: i64) -> Result<Option<usize>, Fault> {
        let end = move |transaction: &mut Transaction<'_>| {
            let once =
                transaction.remember_assertion(&format!("logout\n{name}"), &secret::hash(&told.id), told.until_s);
            let ended = once.and_then(|is_new| match is_new {
                true => {
                    let (subject, sid) = (told.subject.as_deref(), told.sid.as_deref());
                    transaction.end_sessions_of(&name, subject, sid, now_s).map(Some)
                }
                false => Ok(None),
            });
            (ended, Vec::new())
        };
        Ok(self.service.store.change(end).await?)
    }
}
