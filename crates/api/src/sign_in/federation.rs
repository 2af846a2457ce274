//! Signing people in with a login service (OpenID Connect Core section 3.1): asking it, and believing what they come back with.

use concord_consent::caller::Proofing;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::relying::{self, Asking, Claims, ClientKey};
use concord_signin::secret::{self, Kind};
use concord_store::named::KnownName;
use concord_store::sign_in::Pending;
use concord_store::transaction::Transaction;

use crate::auth::{self, Identity, PersonIdentifier, ProofingLevel, Verified, Verifier};
use crate::config::{Config, IssuerKind, ProviderConfig};
use crate::error::ApiError;
use crate::interact::access;
use crate::interact::access::person;
use crate::sign_in::{Fault, SignIn};
use crate::telemetry::TokenCounters;

/// How long somebody may take to sign in, in seconds.
const RETURN_WITHIN_S: i64 = 900;

/// What NHS login has to vouch for: an identity that is proven, and two things that the person has or is.
const TRUST: [&str; 3] = ["P9.Cp.Cd", "P9.Cp.Ck", "P9.Cm"];
/// Who vouches for it.
const TRUSTMARK: &str = "/trustmark/";

/// How strongly a professional has to sign in at least.
const LEAST_STRENGTH: u8 = 2;

/// A login service.
pub(super) struct Provider {
    config: ProviderConfig,
    key: ClientKey,
    verifier: Verifier,
}

/// Who came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// A reference.
    pub(crate) person: String,
    /// How strongly they signed in, 1 to 3; 0 when nothing is said.
    pub(crate) strength: i16,
    /// What an app had asked, or empty.
    pub(crate) request: String,
}

/// The login services of the settings.
///
/// # Errors
/// One line, when a key cannot be read.
pub(super) fn providers(config: &Config, counters: &TokenCounters) -> Result<Vec<Provider>, String> {
    config.providers.iter().map(|one| Provider::new(one, config, counters)).collect()
}

impl Provider {
    fn new(one: &ProviderConfig, config: &Config, counters: &TokenCounters) -> Result<Provider, String> {
        let failed =
            |text: String| format!("setting providers: {:?}: key_file {}: {text}", one.name, one.key_file.display());
        let pem = std::fs::read_to_string(&one.key_file).map_err(|error| failed(error.to_string()))?;
        let key = ClientKey::from_pem(&pem, one.key_id.clone())
            .ok_or_else(|| failed("it is no RSA key in PKCS#8".to_owned()))?;
        // Its id tokens are for signing in here, and no tokens for the API.
        let only = Config { issuers: vec![one.as_issuer()], development_issuer: false, ..config.clone() };
        let verifier = Verifier::new(&only, None, counters.clone()).map_err(|error| error.to_string())?;
        Ok(Provider { config: one.clone(), key, verifier })
    }

    fn asking<'a>(&'a self, redirect_uri: &'a str, trust: &'a str) -> Asking<'a> {
        Asking {
            client: &self.config.client_id,
            redirect_uri,
            scope: self.config.scopes(),
            trust: (self.config.kind == IssuerKind::NhsLogin).then_some(trust),
        }
    }
}

impl SignIn {
    /// The login services: the name and the title of each, and where it is.
    pub(crate) fn login_services(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.providers.iter().map(|one| {
            let config = &one.config;
            (config.name.as_str(), config.title.as_str(), config.authorization_endpoint.as_str())
        })
    }

    fn return_address(&self) -> String {
        format!("{}/sign-in/return", self.issuer)
    }

    fn provider(&self, name: &str) -> Result<&Provider, Fault> {
        const NONE: OauthError = OauthError::request("there is no such login service here");
        Ok(self.providers.iter().find(|one| one.config.name == name).ok_or(NONE)?)
    }

    /// Where the browser with this cookie is sent, to sign in there. `request` is what an app had asked, or empty.
    pub(crate) async fn send_to(&self, name: &str, visit: &str, request: String) -> Result<String, Fault> {
        let provider = self.provider(name)?;
        let (state, nonce) = (secret::fresh(Kind::Visit)?, secret::fresh(Kind::Visit)?);
        let verifier = secret::fresh(Kind::Visit)?;
        let (back, trust) = (self.return_address(), serde_json::json!(TRUST).to_string());
        let address = provider
            .asking(&back, &trust)
            .address(&provider.config.authorization_endpoint, &state, &nonce, &verifier)
            .map_err(|error| ApiError::Internal(format!("authorization_endpoint: {error}")))?;
        let pending = Pending {
            provider: name.to_owned(),
            visit: secret::hash(visit),
            nonce,
            verifier,
            request,
            expires_s: self.now_s() + RETURN_WITHIN_S,
        };
        let hash = secret::hash(&state);
        self.service.store.change(move |transaction| (transaction.add_pending(&hash, &pending), Vec::new())).await?;
        Ok(address)
    }

    /// Who has come back, in the same browser, with what the login service answered.
    ///
    /// # Errors
    /// What is wrong, for the person's eyes.
    pub(crate) async fn returned(
        &self,
        state: &str,
        visit: &str,
        code: Result<&str, OauthError>,
        issuer: Option<&str>,
    ) -> Result<Returned, Fault> {
        const LATE: OauthError = OauthError::request("this is an old page, or one of another browser: sign in again");
        let hash = secret::hash(state);
        let pending = self
            .service
            .store
            .change(move |transaction: &mut Transaction<'_>| (transaction.take_pending(&hash), Vec::new()))
            .await?
            .filter(|pending| pending.expires_s > self.now_s())
            .filter(|pending| secret::same(&pending.visit, &secret::hash(visit)))
            .ok_or(LATE)?;
        let code = code?;
        let provider = self.provider(&pending.provider)?;
        if issuer.is_some_and(|issuer| issuer != provider.config.issuer) {
            return Err(OauthError::request("the answer is of another login service").into());
        }
        let token = self.id_token(provider, code, &pending.verifier).await?;
        const NOT_BELIEVED: OauthError =
            OauthError::new(ErrorCode::AccessDenied, "the login service's word for who you are is not believed");
        let verified = provider.verifier.verify(&token, self.now_s()).await.map_err(|error| {
            tracing::warn!(provider = provider.config.name, reason = error.name(), "an id token is not believed");
            NOT_BELIEVED
        })?;
        let claims =
            Claims::of(&token).filter(|claims| claims.nonce.as_deref() == Some(&pending.nonce)).ok_or(NOT_BELIEVED)?;
        if claims.azp.as_ref().is_some_and(|azp| *azp != provider.config.client_id) {
            return Err(NOT_BELIEVED.into());
        }
        let Identity::Identifier(identifier) = &verified.identity else { return Err(NOT_BELIEVED.into()) };
        let strength = strong_enough(provider.config.kind, identifier, &verified, &claims)?;
        let person = self.only(identifier, &claims).await?;
        Ok(Returned { person, strength, request: pending.request })
    }

    /// Changes a code for an id token.
    async fn id_token(&self, provider: &Provider, code: &str, verifier: &str) -> Result<String, Fault> {
        let (back, endpoint) = (self.return_address(), provider.config.token_endpoint.as_str());
        let unique = uuid::Uuid::new_v4().to_string();
        let form =
            provider.asking(&back, "").exchange(&provider.key, endpoint, (code, verifier), &unique, self.now_s())?;
        let answer = auth::post_form(endpoint, form).await.map_err(|error| {
            tracing::warn!(provider = provider.config.name, cause = %error, "a login service does not answer");
            OauthError::new(
                ErrorCode::TemporarilyUnavailable,
                "the login service does not answer as it should; try again in a moment",
            )
        })?;
        let none = OauthError::new(ErrorCode::AccessDenied, "the login service does not say who you are");
        Ok(relying::id_token(&answer).ok_or(none)?)
    }

    /// The only person who bears an identifier: a reference. A patient's date of birth has to be the one that is on record.
    async fn only(&self, identifier: &PersonIdentifier, claims: &Claims) -> Result<String, Fault> {
        const NOBODY: OauthError =
            OauthError::new(ErrorCode::AccessDenied, "nobody on record here is who the login service says you are");
        let name = identifier.person.resource_type();
        let found = person::person(&self.service, name, identifier.system, &identifier.value).await?;
        let reference = format!("{name}/{}", found.ok_or(NOBODY)?);
        let somebody = self.somebody(&reference).await?.ok_or(NOBODY)?;
        let is_patient = identifier.person == auth::Person::Patient;
        if is_patient && !(claims.birthdate.is_some() && self.birth_date(&reference).await? == claims.birthdate) {
            return Err(NOBODY.into());
        }
        Ok(somebody.reference)
    }

    /// The date of birth that is on record of somebody.
    async fn birth_date(&self, reference: &str) -> Result<Option<String>, Fault> {
        let Some((name, id)) = reference.split_once('/') else { return Ok(None) };
        let Some(resource_type) = concord_fhir::registry::ResourceType::parse(name) else { return Ok(None) };
        let id = id.to_owned();
        let find = move |transaction: &mut Transaction<'_>| {
            (transaction.head(KnownName::of_caller(resource_type, &id), false), Vec::new())
        };
        let head: Option<concord_store::rows::Head> = self.service.store.read(find).await?;
        let Some(head) = head else { return Ok(None) };
        Ok(access::stored(&head.version)?.text("birthDate").map(str::to_owned))
    }
}

/// How strongly somebody signed in, where that is enough: a patient with a proven identity, for which NHS login vouches; a
/// professional at level 2 at least.
fn strong_enough(
    kind: IssuerKind,
    identifier: &PersonIdentifier,
    verified: &Verified,
    claims: &Claims,
) -> Result<i16, OauthError> {
    const WEAK: OauthError = OauthError::new(
        ErrorCode::AccessDenied,
        "you have to prove who you are to the login service more strongly for this",
    );
    match kind {
        IssuerKind::NhsLogin => {
            let is_vouched = claims.vot.as_deref().is_some_and(|vot| TRUST.contains(&vot))
                && claims.vtm.as_deref().is_some_and(|vtm| vtm.starts_with("https://") && vtm.contains(TRUSTMARK));
            let is_proven =
                verified.identity_proofing_level == Some(ProofingLevel::P9) && identifier.proofing() == Proofing::P9;
            if is_vouched && is_proven { Ok(0) } else { Err(WEAK) }
        }
        IssuerKind::Cis2 => {
            let level = verified.authentication_assurance_level.filter(|level| *level >= LEAST_STRENGTH).ok_or(WEAK)?;
            Ok(i16::from(level))
        }
        IssuerKind::Smart => Err(WEAK),
    }
}
