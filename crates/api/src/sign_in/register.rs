//! Clients registered over HTTP: by themselves (RFC 7591, RFC 7592), where the settings let them, or by a system with the scope
//! `system/clients`.

use std::net::IpAddr;

use concord_signin::client::Client;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::jwk;
use concord_signin::name::as_read;
use concord_signin::registration::{self, Metadata, Registrar, Registration};
use concord_signin::scope::{CLIENTS, Granted};
use concord_signin::secret::{self, Kind};
use concord_signin::statement;
use concord_store::StoreError;
use concord_store::sign_in::{AccessToken, NewClient, SELF, StoredClient};
use concord_store::transaction::Transaction;
use serde_json::{Map, Value, json};

use crate::config::{Jwks, Registering, SignInConfig};
use crate::error::ApiError;
use crate::sign_in::clients::Stored;
use crate::sign_in::{Fault, SignIn};

/// What is told of a client: members of a JSON object.
pub(crate) type Registered = Map<String, Value>;

/// Who signs software statements, and with which keys.
pub(super) struct StatementKeys {
    issuer: String,
    keys: Keys,
}

enum Keys {
    Set(String),
    At(String),
}

impl StatementKeys {
    /// What the settings say. Keys in a file are read now.
    ///
    /// # Errors
    /// One line, when they cannot be read.
    pub(super) fn of(settings: &SignInConfig) -> Result<Option<StatementKeys>, String> {
        let (Some(issuer), Some(jwks)) = (&settings.statement_issuer, &settings.statement_keys) else {
            return Ok(None);
        };
        let keys = match jwks {
            Jwks::Url(url) => Keys::At(url.to_string()),
            Jwks::File(path) => {
                let failed = |text: String| format!("setting sign_in: statement_keys {}: {text}", path.display());
                let set = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
                jwk::parse_set(set.as_bytes()).map_err(|text| failed(text.to_owned()))?;
                Keys::Set(set)
            }
        };
        Ok(Some(StatementKeys { issuer: issuer.clone(), keys }))
    }
}

/// Who asks about clients.
#[derive(Clone, Debug)]
enum Asker {
    /// A system that registers clients.
    System(Box<Client>),
    /// A client that has registered itself.
    Itself,
}

/// The token with which somebody asks works not, or not for this.
const NO_TOKEN: OauthError =
    OauthError::new(ErrorCode::AccessDenied, "the token does not work here, or is for another client");

impl SignIn {
    /// Whether apps may register themselves.
    #[must_use]
    pub fn lets_register(&self) -> bool {
        self.settings.registration != Registering::Off
    }

    /// Registers a client.
    ///
    /// # Errors
    /// By the names of RFC 7591 section 3.2.2; `access_denied` for who may not.
    pub(crate) async fn register(
        &self,
        token: Option<&str>,
        body: &[u8],
        address: Option<IpAddr>,
    ) -> Result<Registered, Fault> {
        if let Some(token) = token.filter(|token| Kind::Access.is_form_of(token)) {
            let system = self.registering_system(token).await?;
            let metadata = Metadata::read(body, None)?;
            let id = metadata.client_id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
            let done = metadata.client(Registrar::System(&system), id, None)??;
            return self.add(done, &system.id, String::new(), None).await;
        }
        self.seldom("", address)?;
        let invitation = token.filter(|token| Kind::Invitation.is_form_of(token));
        match (self.settings.registration, invitation, token) {
            (Registering::Off, _, _) | (Registering::Invitation, None, _) | (_, None, Some(_)) => {
                return Err(NO_TOKEN.into());
            }
            _ => {}
        }
        let said = Metadata::read(body, None)?;
        let statement = self.stated(said.software_statement.as_deref()).await?;
        let metadata = self.said(body, statement.as_deref())?;
        let id = uuid::Uuid::new_v4().to_string();
        let done = metadata.client(Registrar::Itself(&self.settings.registration_scope), id, None)??;
        self.refuse_anothers_name(&done.client).await?;
        let management = secret::fresh(Kind::Management)?;
        let invitation = invitation.map(secret::hash);
        let mut told = self.add(done, SELF, secret::hash(&management), invitation).await?;
        self.tell_management(&mut told, &management);
        Ok(told)
    }

    /// What a client says of itself, and its software statement of it.
    fn said(&self, body: &[u8], statement: Option<&[u8]>) -> Result<Metadata, OauthError> {
        Ok(Metadata::read(body, statement)?.with_keys_at_a_url(self.settings.registration_keys_url))
    }

    /// Refuses one who registers too often from an address, or changes what is registered of a client (from wherever).
    fn seldom(&self, client: &str, address: Option<IpAddr>) -> Result<(), Fault> {
        match self.registrations.attempt(client, address, self.now_s()) {
            Some(seconds) => Err(ApiError::Throttled(seconds).into()),
            None => Ok(()),
        }
    }

    /// The payload of a software statement, which has to be there where the settings say so.
    async fn stated(&self, text: Option<&str>) -> Result<Option<Vec<u8>>, Fault> {
        const MISSING: OauthError =
            OauthError::new(ErrorCode::InvalidSoftwareStatement, "a software_statement is needed here");
        const UNKNOWN: OauthError =
            OauthError::new(ErrorCode::InvalidSoftwareStatement, "this server believes no software statements");
        let Some(text) = text else {
            return match self.settings.registration {
                Registering::Statement => Err(MISSING.into()),
                _ => Ok(None),
            };
        };
        let trusted = self.statement_keys.as_ref().ok_or(UNKNOWN)?;
        let keys = match &trusted.keys {
            Keys::Set(set) => jwk::parse_set(set.as_bytes()).map_err(|text| ApiError::Internal(text.to_owned()))?,
            Keys::At(url) => self.keys_of(url).await?,
        };
        Ok(Some(statement::payload(text, &trusted.issuer, &keys, self.now_s())?))
    }

    /// The system whose token lets it register clients: one of those who keep the record.
    async fn registering_system(&self, token: &str) -> Result<Client, Fault> {
        let known = self.access_token(secret::hash(token)).await?;
        let may = |(token, client): &(AccessToken, Client)| {
            token.family.is_empty() && client.own && client.id != SELF && Granted::parse(&token.scope).has(CLIENTS)
        };
        Ok(known.filter(may).map(|(_, client)| client).ok_or(NO_TOKEN)?)
    }

    /// Refuses what people would take for an app that the operator or a system has registered.
    async fn refuse_anothers_name(&self, client: &Client) -> Result<(), Fault> {
        const TAKEN: OauthError =
            OauthError::new(ErrorCode::InvalidClientMetadata, "the client_name is that of another app here");
        let wanted = as_read(&client.name);
        let stored = self.service.store.read(|transaction| (transaction.sign_in_clients(), Vec::new())).await?;
        let stored = stored.iter().filter(|one| one.registrar != SELF && !one.is_revoked());
        let stored = stored.filter_map(|one| serde_json::from_str::<Client>(&one.body).ok());
        let is_taken = wanted.is_empty()
            || self.configured().any(|one| as_read(&one.name) == wanted)
            || stored.into_iter().any(|one| as_read(&one.name) == wanted);
        if is_taken { Err(TAKEN.into()) } else { Ok(()) }
    }

    /// Stores a new client, with what it takes to do so.
    async fn add(
        &self,
        done: Registration,
        registrar: &str,
        management: String,
        invitation: Option<String>,
    ) -> Result<Registered, Fault> {
        const THERE: OauthError = OauthError::new(
            ErrorCode::InvalidClientMetadata,
            "there is a client with this client_id, or there was one",
        );
        const FULL: OauthError = OauthError::new(
            ErrorCode::TemporarilyUnavailable,
            "as many apps have registered themselves as the operator allows",
        );
        if self.is_configured(&done.client.id) {
            return Err(THERE.into());
        }
        let (now_s, limit) = (self.now_s(), self.settings.registration_limit);
        let new = NewClient {
            id: done.client.id.clone(),
            body: text_of(&done.client)?,
            registrar: registrar.to_owned(),
            management,
        };
        let add_to = move |transaction: &mut Transaction<'_>| -> Result<Result<(), OauthError>, StoreError> {
            if new.registrar == SELF && transaction.self_registered()? >= limit {
                return Ok(Err(FULL));
            }
            if let Some(hash) = &invitation
                && !transaction.take_invitation(hash, now_s)?
            {
                return Ok(Err(NO_TOKEN));
            }
            Ok(if transaction.add_sign_in_client(&new, now_s)? { Ok(()) } else { Err(THERE) })
        };
        self.service.store.change(move |transaction| (add_to(transaction), Vec::new())).await??;
        self.origins.set(&done.client.id, &done.client.redirect_uris);
        tracing::info!(client = done.client.id, registrar, "a client is registered");
        Ok(registration::shown(&done.client, done.secret.as_deref(), now_s))
    }

    fn tell_management(&self, told: &mut Registered, token: &str) {
        let id = told.get("client_id").and_then(Value::as_str).unwrap_or_default();
        let address = format!("{}/oauth/register/{id}", self.issuer);
        told.insert("registration_client_uri".to_owned(), json!(address));
        told.insert("registration_access_token".to_owned(), json!(token));
    }

    /// The client of that id, if who asks may know and change it: itself, or the system that has registered it.
    async fn asked_about(&self, token: &str, id: &str) -> Result<(Asker, StoredClient), Fault> {
        let own = id.to_owned();
        let stored = self.service.store.read(move |transaction| (transaction.sign_in_client(&own), Vec::new())).await?;
        let stored = stored.filter(|client| !client.is_revoked());
        if Kind::Access.is_form_of(token) {
            let system = self.registering_system(token).await?;
            let stored = stored.filter(|client| client.registrar == system.id).ok_or(NO_TOKEN)?;
            return Ok((Asker::System(Box::new(system)), stored));
        }
        let is_its_own =
            |client: &StoredClient| client.registrar == SELF && secret::same(&client.management, &secret::hash(token));
        let stored = stored.filter(is_its_own).ok_or(NO_TOKEN)?;
        Ok((Asker::Itself, stored))
    }

    /// What is registered of a client.
    ///
    /// # Errors
    /// `access_denied` for who may not know.
    pub(crate) async fn registered(&self, token: &str, id: &str) -> Result<Registered, Fault> {
        let (asker, stored) = self.asked_about(token, id).await?;
        let now = self.registered_as(id, Stored::of(&stored))?.ok_or(NO_TOKEN)?;
        let mut told = registration::shown(&now, None, stored.changed_s);
        if matches!(asker, Asker::Itself) {
            self.tell_management(&mut told, token);
        }
        Ok(told)
    }

    /// The clients that a system has registered.
    ///
    /// # Errors
    /// `access_denied` for who may not know.
    pub(crate) async fn registered_by(&self, token: &str) -> Result<Registered, Fault> {
        let system = self.registering_system(token).await?;
        let all = self.service.store.read(|transaction| (transaction.sign_in_clients(), Vec::new())).await?;
        let own = all.iter().filter(|client| client.registrar == system.id && !client.is_revoked());
        let told = own.filter_map(|stored| {
            let now = self.registered_as(&stored.id, Stored::of(stored)).transpose()?;
            Some(now.map(|now| Value::Object(registration::shown(&now, None, stored.changed_s))))
        });
        let mut answer = Registered::new();
        answer.insert("clients".to_owned(), told.collect::<Result<Vec<_>, Fault>>()?.into());
        Ok(answer)
    }

    /// Puts another registration in the place of a client's.
    ///
    /// # Errors
    /// By the names of RFC 7591 section 3.2.2; `access_denied` for who may not.
    pub(crate) async fn register_anew(
        &self,
        token: &str,
        id: &str,
        body: &[u8],
        address: Option<IpAddr>,
    ) -> Result<Registered, Fault> {
        const OTHER: OauthError = OauthError::new(
            ErrorCode::InvalidClientMetadata,
            "the client_id is missing, or another than that of the address",
        );
        let (asker, stored) = self.asked_about(token, id).await?;
        if matches!(asker, Asker::Itself) {
            // From one address as few as are registered from there, and from all together as few of one client.
            self.seldom("", address)?;
            self.seldom(id, None)?;
        }
        let known = read_of(&stored)?;
        let said = Metadata::read(body, None)?;
        if said.client_id.as_deref() != Some(id) {
            return Err(OTHER.into());
        }
        let done = match &asker {
            Asker::System(system) => said.client(Registrar::System(system), id.to_owned(), Some(&known))??,
            Asker::Itself => {
                let statement = self.stated(said.software_statement.as_deref()).await?;
                let metadata = self.said(body, statement.as_deref())?;
                let registrar = Registrar::Itself(&self.settings.registration_scope);
                let done = metadata.client(registrar, id.to_owned(), Some(&known))??;
                self.refuse_anothers_name(&done.client).await?;
                done
            }
        };
        let (own, text, now_s) = (id.to_owned(), text_of(&done.client)?, self.now_s());
        let change = move |transaction: &mut Transaction<'_>| {
            (transaction.change_sign_in_client(&own, &text, now_s), Vec::new())
        };
        if !self.service.store.change(change).await? {
            return Err(NO_TOKEN.into());
        }
        self.origins.set(&done.client.id, &done.client.redirect_uris);
        let mut told = registration::shown(&done.client, done.secret.as_deref(), now_s);
        if matches!(asker, Asker::Itself) {
            self.tell_management(&mut told, token);
        }
        Ok(told)
    }

    /// Revokes a client, with all that people have let it do.
    ///
    /// # Errors
    /// `access_denied` for who may not.
    pub(crate) async fn register_no_more(&self, token: &str, id: &str) -> Result<(), Fault> {
        self.asked_about(token, id).await?;
        let (own, now_s) = (id.to_owned(), self.now_s());
        let revoke =
            move |transaction: &mut Transaction<'_>| (transaction.revoke_sign_in_client(&own, now_s), Vec::new());
        self.service.store.change(revoke).await?;
        self.origins.set(id, &[]);
        Ok(())
    }
}

fn text_of(client: &Client) -> Result<String, ApiError> {
    serde_json::to_string(client).map_err(|error| ApiError::Internal(error.to_string()))
}

fn read_of(stored: &StoredClient) -> Result<Client, ApiError> {
    serde_json::from_str(&stored.body)
        .map_err(|error| ApiError::Internal(format!("the registration of a client: {error}")))
}
