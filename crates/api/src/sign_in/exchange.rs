//! The token endpoint: a code, a refresh token or a client's own key for tokens.
//!
//! What can be used once is taken whether the rest fits or not, so that nobody can try; and what comes a second time ends all
//! that came of it, since one of two who have it has stolen it (RFC 9700 sections 2.1.1 and 4.14).

use concord_consent::scope::Context;
use concord_signin::client::Client;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::id_token::IdToken;
use concord_signin::pkce;
use concord_signin::scope::{CLIENTS, Granted};
use concord_signin::secret::{self, Kind};
use concord_signin::token::TokenRequest;
use concord_store::StoreError;
use concord_store::sign_in::{Code, Grant, NewAccess, Taken};
use concord_store::transaction::Transaction;
use serde_json::{Map, Value, json};

use crate::sign_in::current_scope::{current_scope, is_for_long, usable_scope};
use crate::sign_in::inspect::in_context;
use crate::sign_in::{Fault, SignIn, people};

/// What is answered: members of a JSON object.
pub(crate) type Issued = Map<String, Value>;

/// New tokens of a grant, before they are stored.
#[derive(Clone)]
struct Fresh {
    access: String,
    refresh: String,
    now_s: i64,
    access_lasts_s: i64,
    refresh_lasts_s: i64,
}

/// What was given out.
#[derive(Clone, Debug)]
struct Given {
    grant: Grant,
    scope: Granted,
    nonce: String,
    has_refresh: bool,
    lasts_s: i64,
}

impl SignIn {
    /// Tokens for what a client brings.
    ///
    /// # Errors
    /// By the names of RFC 6749 section 5.2.
    pub(crate) async fn exchange(&self, client: Client, asked: TokenRequest) -> Result<Issued, Fault> {
        match asked {
            TokenRequest::Code { code, redirect_uri, verifier } => {
                self.for_code(client, code, redirect_uri, verifier).await
            }
            TokenRequest::Refresh { token, scope } => self.for_refresh(client, token, scope).await,
            TokenRequest::Alone { scope } => self.alone(client, &scope).await,
        }
    }

    /// The client that a refresh token was given to, for a request that does not say who it is from: a public one need not, and
    /// some libraries do not. Of any other it is not believed.
    pub(crate) async fn holder(&self, token: &str) -> Result<Option<String>, Fault> {
        let (hash, now_s) = (secret::hash(token), self.now_s());
        let find = move |transaction: &mut Transaction<'_>| {
            let found = transaction.refresh_family(&hash).and_then(|family| match family {
                Some(family) => Ok(transaction.grant(&family, now_s)?.map(|grant| grant.client)),
                None => Ok(None),
            });
            (found, Vec::new())
        };
        Ok(self.service.store.read(find).await?)
    }

    fn fresh(&self) -> Result<Fresh, Fault> {
        Ok(Fresh {
            access: secret::fresh(Kind::Access)?,
            refresh: secret::fresh(Kind::Refresh)?,
            now_s: self.now_s(),
            access_lasts_s: self.settings.access_token_seconds,
            refresh_lasts_s: self.settings.refresh_token_days * 86_400,
        })
    }

    async fn for_code(
        &self,
        client: Client,
        code: String,
        redirect_uri: String,
        verifier: String,
    ) -> Result<Issued, Fault> {
        let (fresh, hash) = (self.fresh()?, secret::hash(&code));
        let own = fresh.clone();
        let exchange = move |transaction: &mut Transaction<'_>| {
            let done = transaction.take_code(&hash, own.now_s).and_then(|taken| {
                let taken = once(transaction, taken, own.now_s)?;
                let Some(code) = taken else { return Ok(Err(USED)) };
                let fits = code_fits(&code, &client, &redirect_uri, &verifier, own.now_s);
                let grant = acting(transaction, &code.family, own.now_s)?;
                let grant = grant.and_then(|grant| Some((usable_scope(&grant.scope, &client)?, grant)));
                match (fits, grant) {
                    (Ok(()), Some((scope, grant))) => {
                        let has_refresh = is_for_long(&scope);
                        own.give(transaction, grant, (scope, has_refresh), code.nonce).map(Ok)
                    }
                    (fits, _) => {
                        transaction.end_grant(&code.family, own.now_s)?;
                        Ok(Err(fits.err().unwrap_or(ENDED)))
                    }
                }
            });
            (done, Vec::new())
        };
        let given = self.service.store.change(exchange).await??;
        self.answered(&fresh, given).await
    }

    async fn for_refresh(&self, client: Client, token: String, scope: Option<String>) -> Result<Issued, Fault> {
        let (fresh, hash) = (self.fresh()?, secret::hash(&token));
        let own = fresh.clone();
        let exchange = move |transaction: &mut Transaction<'_>| {
            (own.refresh(transaction, &hash, &client, scope.as_deref()), Vec::new())
        };
        let given = self.service.store.change(exchange).await??;
        self.answered(&fresh, given).await
    }

    async fn alone(&self, client: Client, scope: &str) -> Result<Issued, Fault> {
        if !client.may_act_alone() {
            let text = "only a client that is registered with a key and system/ scopes gets tokens of its own";
            return Err(OauthError::new(ErrorCode::UnauthorizedClient, text).into());
        }
        let scope = Granted::parse(scope).within(&Granted::parse(&client.scope)).only(&[Context::System]);
        let scope = scope.with_no_word_but(CLIENTS);
        if scope.to_string().is_empty() {
            let text = "nothing that the scope asks for is registered for this client as a system/ scope";
            return Err(OauthError::new(ErrorCode::InvalidScope, text).into());
        }
        let (access, now_s, lasts_s) = (secret::fresh(Kind::Access)?, self.now_s(), self.settings.access_token_seconds);
        let new = NewAccess {
            hash: secret::hash(&access),
            family: String::new(),
            client: client.id,
            scope: scope.to_string(),
            expires_s: now_s + lasts_s,
        };
        let add = move |transaction: &mut Transaction<'_>| (transaction.add_access(&new, now_s), Vec::new());
        self.service.store.change(add).await?;
        Ok(issued(&access, &scope, lasts_s))
    }

    /// The answer for what was given out (RFC 6749 section 5.1; SMART App Launch 2.2, "Obtain access token").
    async fn answered(&self, fresh: &Fresh, given: Given) -> Result<Issued, Fault> {
        let mut answer = issued(&fresh.access, &given.scope, given.lasts_s);
        in_context(&mut answer, &given.grant.patient, &given.grant.encounter, &given.grant.context);
        let mut set = |name: &str, value: Value| answer.insert(name.to_owned(), value);
        if given.has_refresh {
            set("refresh_token", json!(fresh.refresh));
        }
        if given.scope.has("openid") {
            let fhir_user = format!("{}/{}", self.service.base, given.grant.person);
            let token = IdToken {
                issuer: &self.issuer,
                client: &given.grant.client,
                subject: &given.grant.person,
                fhir_user: given.scope.has("fhirUser").then_some(fhir_user.as_str()),
                nonce: Some(given.nonce.as_str()).filter(|nonce| !nonce.is_empty()),
                authenticated_s: given.grant.authenticated_s,
            };
            set("id_token", json!(self.signing_key().await?.sign(&token, fresh.now_s)?));
            if given.scope.has("fhirUser") {
                set("fhirUser", json!(fhir_user));
            }
        }
        Ok(answer)
    }
}

const USED: OauthError = OauthError::grant("the code or refresh token has expired or has been used, or there is none");
const ENDED: OauthError = OauthError::grant("what the person let the app do has ended; send them to sign in again");
const ANOTHERS: OauthError = OauthError::grant("the code or refresh token was given to another client");

/// What was taken now. What was taken before ends all that came of it.
fn once<T>(transaction: &mut Transaction<'_>, taken: Taken<T>, now_s: i64) -> Result<Option<T>, StoreError> {
    match taken {
        Taken::Now(taken) => Ok(Some(taken)),
        Taken::Before(family) => {
            tracing::warn!("a code or refresh token was sent a second time: all that came of it ends");
            transaction.end_grant(&family, now_s)?;
            Ok(None)
        }
        Taken::Unknown => Ok(None),
    }
}

/// Whether a code was given to this client, at this address, and is proven by this verifier.
fn code_fits(code: &Code, client: &Client, redirect_uri: &str, verifier: &str, now_s: i64) -> Result<(), OauthError> {
    if code.client != client.id {
        return Err(ANOTHERS);
    }
    if code.expires_s <= now_s {
        return Err(USED);
    }
    if code.redirect_uri != redirect_uri {
        return Err(OauthError::grant("the redirect_uri is not the one that the code was sent to"));
    }
    match pkce::proves(verifier, &code.challenge) {
        true => Ok(()),
        false => Err(OauthError::grant("the code_verifier is not what the code_challenge was made of")),
    }
}

/// What every answer has.
fn issued(access: &str, scope: &Granted, lasts_s: i64) -> Issued {
    let mut answer = Issued::new();
    let mut set = |name: &str, value: Value| answer.insert(name.to_owned(), value);
    set("access_token", json!(access));
    set("token_type", json!("Bearer"));
    set("expires_in", json!(lasts_s));
    set("scope", json!(scope.to_string()));
    answer
}

/// What a person has let an app do, if it goes on: it ends when the person is no longer on record or may no longer act.
fn acting(transaction: &mut Transaction<'_>, family: &str, now_s: i64) -> Result<Option<Grant>, StoreError> {
    let Some(grant) = transaction.grant(family, now_s)? else { return Ok(None) };
    if people::may_act(transaction, &grant.person)? {
        return Ok(Some(grant));
    }
    transaction.end_grant(family, now_s)?;
    Ok(None)
}

/// Refuses scopes beyond what the person let (RFC 6749 section 6), and those of which nothing is left since the client has been
/// narrowed.
fn asks_for_no_more(fewer: &Granted, grant: &Grant, client: &Client) -> Result<(), OauthError> {
    const WIDER: &str =
        "the scope is wider than what the person let: ask for that or for a part of it, or leave the scope out";
    const NOTHING: &str = "nothing of the scope is registered for this client any more";
    if !fewer.is_within(&Granted::parse(&grant.scope)) {
        return Err(OauthError::new(ErrorCode::InvalidScope, WIDER));
    }
    match fewer.within(&current_scope(&grant.scope, client)).to_string().is_empty() {
        true => Err(OauthError::new(ErrorCode::InvalidScope, NOTHING)),
        false => Ok(()),
    }
}

impl Fresh {
    /// New tokens for a refresh token. One that comes with a scope that it cannot have is not used up by it.
    fn refresh(
        &self,
        transaction: &mut Transaction<'_>,
        hash: &str,
        client: &Client,
        scope: Option<&str>,
    ) -> Result<Result<Given, OauthError>, StoreError> {
        let fewer = scope.map(Granted::parse);
        if let (Some(fewer), Some(known)) = (&fewer, transaction.refresh_token(hash, self.now_s)?)
            && let Some(grant) = transaction.grant(&known.family, self.now_s)?.filter(|grant| grant.client == client.id)
            && let Err(error) = asks_for_no_more(fewer, &grant, client)
        {
            return Ok(Err(error));
        }
        let taken = transaction.take_refresh(hash, self.now_s)?;
        let taken = once(transaction, taken, self.now_s)?;
        let Some(known) = taken.filter(|known| known.expires_s > self.now_s) else { return Ok(Err(USED)) };
        let Some(grant) = acting(transaction, &known.family, self.now_s)? else { return Ok(Err(ENDED)) };
        if grant.client != client.id {
            transaction.end_grant(&grant.id, self.now_s)?;
            return Ok(Err(ANOTHERS));
        }
        let Some(granted) = usable_scope(&grant.scope, client).filter(is_for_long) else {
            transaction.end_grant(&grant.id, self.now_s)?;
            return Ok(Err(ENDED));
        };
        // Fewer scopes for this access token; the grant keeps what it has (RFC 6749 section 6).
        let scope = fewer.map_or_else(|| granted.clone(), |fewer| fewer.within(&granted));
        self.give(transaction, grant, (scope, true), String::new()).map(Ok)
    }

    /// Stores new tokens of a grant. None works longer than the grant.
    fn give(
        &self,
        transaction: &mut Transaction<'_>,
        grant: Grant,
        (scope, has_refresh): (Granted, bool),
        nonce: String,
    ) -> Result<Given, StoreError> {
        let ends_s = |lasts_s: i64| (self.now_s + lasts_s).min(grant.lasts_s);
        let access = NewAccess {
            hash: secret::hash(&self.access),
            family: grant.id.clone(),
            client: grant.client.clone(),
            scope: scope.to_string(),
            expires_s: ends_s(self.access_lasts_s),
        };
        transaction.add_access(&access, self.now_s)?;
        if has_refresh {
            transaction.add_refresh(&secret::hash(&self.refresh), &grant.id, ends_s(self.refresh_lasts_s))?;
        }
        transaction.use_grant(&grant.id, self.now_s)?;
        Ok(Given { lasts_s: access.expires_s - self.now_s, grant, scope, nonce, has_refresh })
    }
}
