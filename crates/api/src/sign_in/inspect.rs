//! What is told of tokens, and taken back: introspection (RFC 7662), revocation (RFC 7009), userinfo (OpenID Connect Core
//! section 5.3).

use concord_signin::client::Client;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::scope::Granted;
use concord_signin::secret::{self, Kind};
use concord_store::StoreError;
use concord_store::sign_in::AccessToken;
use concord_store::transaction::Transaction;
use serde_json::{Map, Value, json};

use crate::sign_in::current_scope::{is_for_long, usable_scope};
use crate::sign_in::{Fault, SignIn, Standing, people};

/// What is told of a token: members of a JSON object.
pub(crate) type Inspected = Map<String, Value>;

impl SignIn {
    /// What a token is, for a client that it was given to, or one that is registered to ask about all. Of any other nothing is
    /// told but that it does not work.
    pub(crate) async fn introspect(&self, client: &Client, token: &str) -> Result<Inspected, Fault> {
        let mut told = Inspected::new();
        told.insert("active".to_owned(), json!(false));
        let known = match () {
            () if Kind::Access.is_form_of(token) => self.of_access(token).await?,
            () if Kind::Refresh.is_form_of(token) => self.of_refresh(token).await?,
            () => None,
        };
        let Some(known) = known else { return Ok(told) };
        let is_own = known.get("client_id").and_then(Value::as_str) == Some(client.id.as_str());
        Ok(if is_own || client.introspects { known } else { told })
    }

    /// The client that has got itself an access token by proving who it is, if the token works and the client may ask about the tokens
    /// of all. A token that a person let an app have does not say that it is the app which shows it.
    pub(crate) async fn asks_about_all(&self, token: &str) -> Result<Option<Client>, Fault> {
        let known = self.access_token(secret::hash(token)).await?;
        let is_its_own = |token: &AccessToken, client: &Client| token.family.is_empty() && !client.is_public();
        Ok(known.filter(|(token, client)| is_its_own(token, client) && client.introspects).map(|(_, client)| client))
    }

    async fn of_access(&self, token: &str) -> Result<Option<Inspected>, Fault> {
        let Some((token, _)) = self.access_token(secret::hash(token)).await? else { return Ok(None) };
        let person = Some(token.person).filter(|person| !person.is_empty());
        let mut told = self.told_of(&token.client, &token.scope, person.as_deref(), token.expires_s);
        in_context(&mut told, &token.patient, &token.encounter, &token.context);
        in_role(&mut told, &Standing::stored(&token.standing));
        told.insert("token_type".to_owned(), json!("Bearer"));
        told.insert("iat".to_owned(), json!(token.issued_s));
        Ok(Some(told))
    }

    async fn of_refresh(&self, token: &str) -> Result<Option<Inspected>, Fault> {
        let (hash, now_s) = (secret::hash(token), self.now_s());
        let find = move |transaction: &mut Transaction<'_>| {
            let found = transaction.refresh_token(&hash, now_s).and_then(|known| match known {
                Some(known) => Ok(transaction.grant(&known.family, now_s)?.map(|grant| (grant, known.expires_s))),
                None => Ok(None),
            });
            let found = found.and_then(|found| match found {
                Some((grant, _)) if !people::may_act(transaction, &grant.person)? => Ok(None),
                other => Ok(other),
            });
            (found, Vec::new())
        };
        let Some((grant, expires_s)) = self.service.store.read(find).await? else { return Ok(None) };
        let Some(client) = self.client(&grant.client).await? else { return Ok(None) };
        let Some(scope) = usable_scope(&grant.scope, &client).filter(is_for_long) else { return Ok(None) };
        let mut told = self.told_of(&grant.client, &scope.to_string(), Some(&grant.person), expires_s);
        in_context(&mut told, &grant.patient, &grant.encounter, &grant.context);
        Ok(Some(told))
    }

    fn told_of(&self, client: &str, scope: &str, person: Option<&str>, expires_s: i64) -> Inspected {
        let mut told = Inspected::new();
        let mut set = |name: &str, value: Value| told.insert(name.to_owned(), value);
        set("active", json!(true));
        set("client_id", json!(client));
        set("scope", json!(scope));
        set("exp", json!(expires_s));
        set("iss", json!(self.issuer));
        set("aud", json!(self.service.base));
        set("sub", json!(person.unwrap_or(client)));
        if let Some(person) = person {
            set("fhirUser", json!(format!("{}/{person}", self.service.base)));
        }
        told
    }

    /// Takes a token back: an access token alone, a refresh token with all that came of what it came of. One that does not work
    /// need not be taken back.
    ///
    /// # Errors
    /// `unauthorized_client` when it was given to another client.
    pub(crate) async fn revoke(&self, client: &Client, token: &str) -> Result<(), Fault> {
        let (hash, now_s, own) = (secret::hash(token), self.now_s(), client.id.clone());
        let is_refresh = Kind::Refresh.is_form_of(token);
        if !is_refresh && !Kind::Access.is_form_of(token) {
            return Ok(());
        }
        let revoke =
            move |transaction: &mut Transaction<'_>| (revoked(transaction, &hash, is_refresh, &own, now_s), Vec::new());
        match self.service.store.change(revoke).await? {
            true => Ok(()),
            false => {
                Err(OauthError::new(ErrorCode::UnauthorizedClient, "the token was given to another client").into())
            }
        }
    }

    /// Who has let the client of an access token in; none if the token does not work.
    ///
    /// # Errors
    /// `invalid_scope` when the token is not one of OpenID Connect.
    pub(crate) async fn userinfo(&self, token: &str) -> Result<Option<Inspected>, Fault> {
        let known = self.access_token(secret::hash(token)).await?.map(|(token, _)| token);
        let Some(token) = known.filter(|token| !token.person.is_empty()) else { return Ok(None) };
        let scope = Granted::parse(&token.scope);
        if !scope.has("openid") {
            return Err(OauthError::new(ErrorCode::InvalidScope, "the token has no openid scope").into());
        }
        let mut told = Inspected::new();
        told.insert("sub".to_owned(), json!(token.person));
        if scope.has("fhirUser") {
            told.insert("fhirUser".to_owned(), json!(format!("{}/{}", self.service.base, token.person)));
        }
        Ok(Some(told))
    }
}

/// Says what is in context, as the answer of the token endpoint did.
pub(super) fn in_context(told: &mut Inspected, patient: &str, encounter: &str, context: &str) {
    if !patient.is_empty() {
        told.insert("patient".to_owned(), json!(patient));
        told.insert("need_patient_banner".to_owned(), json!(true));
    }
    if !encounter.is_empty() {
        told.insert("encounter".to_owned(), json!(encounter));
    }
    if let Ok(items @ Value::Array(_)) = serde_json::from_str(context) {
        told.insert("fhirContext".to_owned(), items);
    }
}

/// Says in which role a professional acts, as CIS2 said it.
fn in_role(told: &mut Inspected, standing: &Standing) {
    for role in &standing.roles {
        for (name, value) in
            [("selected_roleid", &role.id), ("role_code", &role.code), ("org_code", &role.organisation)]
        {
            if let Some(value) = value {
                told.insert(name.to_owned(), json!(value));
            }
        }
    }
}

/// Revokes what a client has; false if it is another's.
fn revoked(
    transaction: &mut Transaction<'_>,
    hash: &str,
    is_refresh: bool,
    own: &str,
    now_s: i64,
) -> Result<bool, StoreError> {
    if is_refresh {
        let Some(known) = transaction.refresh_token(hash, now_s)? else { return Ok(true) };
        let Some(grant) = transaction.grant(&known.family, now_s)? else { return Ok(true) };
        if grant.client != own {
            return Ok(false);
        }
        transaction.end_grant(&grant.id, now_s)?;
        return Ok(true);
    }
    match transaction.access_token(hash, now_s)? {
        Some(token) if token.client != own => Ok(false),
        Some(_) => transaction.revoke_access(hash).map(|()| true),
        None => Ok(true),
    }
}
