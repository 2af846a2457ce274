//! Signing people in with a login service (OpenID Connect Core section 3.1): asking it, and believing what they come back with.

use std::net::IpAddr;

use concord_consent::caller::Proofing;
use concord_fhir::nhs_number;
use concord_fhir::rules::local_reference;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::relying::{self, Claims};
use concord_signin::secret::{self, Kind};
use concord_store::sign_in::Pending;
use concord_store::transaction::Transaction;

use crate::auth::{self, Identity, ProofingLevel, Verified};
use crate::config::{ProviderConfig, ProviderKind, SignsIn};
use crate::error::ApiError;
use crate::interact::access::person;
use crate::sign_in::provider::{Provider, Reached};
use crate::sign_in::standing::KnownAs;
use crate::sign_in::{BrowserSecret, Fault, SignIn, Standing};

/// How browsers that are sent to a login service are counted: a name that no client has.
const OF_SENDING: &str = "a browser that is sent";

/// How long somebody may take to sign in, in seconds.
const RETURN_WITHIN_S: i64 = 900;

/// The longest identifier of a person, in bytes.
const MAX_IDENTIFIER_BYTES: usize = 128;
/// The longest assertion of another service of theirs, in bytes.
const MAX_ASSERTED_BYTES: usize = 4096;

const NOT_BELIEVED: OauthError =
    OauthError::new(ErrorCode::AccessDenied, "the login service's word for who you are is not believed");
const NOBODY: OauthError =
    OauthError::new(ErrorCode::AccessDenied, "nobody on record here is who the login service says you are");
/// Who has to prove who they are before they see anything.
pub(super) const UNPROVEN: OauthError = OauthError::new(
    ErrorCode::UnmetAuthenticationRequirements,
    "The login service knows who you say you are, but that has not been proved. A health record is shown to \
     nobody else than the person whom it is about.",
);
const NOT_LET_IN: OauthError = OauthError::new(
    ErrorCode::AccessDenied,
    "professionals are let in here who sign in strongly enough, in a clinical role, for an organisation that this service knows: \
     choose another role, sign in more strongly, or ask whoever runs this service",
);
const WEAK: OauthError = OauthError::new(
    ErrorCode::AccessDenied,
    "you have to prove who you are to the login service more strongly for this",
);

/// The longest reference to a person, in bytes.
const MAX_REFERENCE_BYTES: usize = 2048;

/// By what a login service knows somebody.
struct KnownBy {
    /// Who they are here, if it says so: a reference.
    said: Option<String>,
    /// Identifiers: the one that the settings name goes before the service's own name for them.
    known_as: Vec<KnownAs>,
}

/// Who came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Returned {
    /// Who, and how they are known.
    pub(crate) signing: Signing,
    /// What an app had asked, or empty.
    pub(crate) request: String,
    /// Whether they said that they sign in, rather than another service of theirs who they are.
    pub(crate) was_asked: bool,
}

/// Somebody who signs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signing {
    /// A reference.
    pub(crate) person: String,
    /// How strongly they signed in, 1 to 3; 0 when nothing is said.
    pub(crate) strength: i16,
    /// How surely they are known, and in which role they act.
    pub(crate) standing: Standing,
    /// The login service, or empty.
    pub(crate) provider: String,
    /// Its name for them, or empty.
    pub(crate) subject: String,
    /// Its name for their session there, or empty.
    pub(crate) sid: String,
}

impl SignIn {
    /// The login services: the name and the title of each, and where it is if that is known.
    pub(crate) async fn login_services(&self) -> Vec<(&str, &str, Option<String>)> {
        let mut all = Vec::new();
        for one in &self.providers {
            let reached = one.reached(self.now_s()).await.ok();
            let address = reached.map(|reached| reached.authorization_endpoint.clone());
            all.push((one.config.name.as_str(), one.config.title.as_str(), address));
        }
        all
    }

    /// The login service to which another service of theirs says who somebody is: the only NHS login.
    pub(crate) fn takes_assertions(&self) -> Option<&str> {
        let mut all = self.providers.iter().filter(|one| one.config.kind == ProviderKind::NhsLogin);
        all.next().filter(|_| all.next().is_none()).map(|one| one.config.name.as_str())
    }

    fn return_address(&self) -> String {
        format!("{}/sign-in/return", self.issuer)
    }

    fn provider(&self, name: &str) -> Result<&Provider, Fault> {
        const NONE: OauthError = OauthError::request("there is no such login service here");
        Ok(self.providers.iter().find(|one| one.config.name == name).ok_or(NONE)?)
    }

    /// Where the browser with this cookie is sent, to sign in there. `request` is what an app had asked, or empty; `asserted`
    /// what another service of theirs says of who it is. So many are sent in a minute from an address.
    pub(crate) async fn send_to(
        &self,
        name: &str,
        visit: &BrowserSecret,
        (request, asserted): (String, Option<&str>),
        address: Option<IpAddr>,
    ) -> Result<String, Fault> {
        // What is kept until they are back anybody can have kept, who need not be anybody.
        if let Some(seconds) = self.sendings.attempt(OF_SENDING, address, self.now_s()) {
            return Err(ApiError::Throttled(seconds).into());
        }
        const NO_ASSERTION: OauthError = OauthError::request("what was sent along of who you are is no signed JWT");
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if asserted.is_some_and(|text| text.len() > MAX_ASSERTED_BYTES || !text.bytes().all(is_part)) {
            return Err(NO_ASSERTION.into());
        }
        let provider = self.provider(name)?;
        let reached = provider.reached(self.now_s()).await?;
        // Its hash is what is kept of a state, so that nobody makes one of these of another.
        let of_state = if asserted.is_some() { Kind::Asserted } else { Kind::Visit };
        let (state, nonce) = (secret::fresh(of_state)?, secret::fresh(Kind::Visit)?);
        let verifier = secret::fresh(Kind::Visit)?;
        let trust = serde_json::json!(auth::trust(provider.config.lowest_proofing)).to_string();
        let address = provider
            .asking(&self.return_address(), &trust, asserted)
            .address(&reached.authorization_endpoint, &state, &nonce, &verifier)
            .map_err(|error| ApiError::Internal(format!("authorization_endpoint: {error}")))?;
        let pending = Pending {
            provider: name.to_owned(),
            visit: visit.hash(),
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
        visit: &BrowserSecret,
        code: Result<&str, OauthError>,
        issuer: Option<&str>,
    ) -> Result<Returned, Fault> {
        let pending = self.taken(state, visit).await?;
        let code = code?;
        let provider = self.provider(&pending.provider)?;
        if issuer.is_some_and(|issuer| issuer != provider.config.issuer) {
            return Err(OauthError::request("the answer is of another login service").into());
        }
        let reached = provider.reached(self.now_s()).await?;
        let token = self.id_token(provider, &reached, code, &pending.verifier).await?;
        reached.verifier.signed(&token, self.now_s()).await.map_err(|error| disbelieved(provider, error))?;
        let clients = std::slice::from_ref(&provider.config.client_id);
        let claims = Claims::of_id_token(&token, clients).ok();
        let claims = claims.filter(|claims| claims.nonce.as_deref() == Some(&pending.nonce)).ok_or(NOT_BELIEVED)?;
        let (person, strength, standing) = self.named(provider, &reached, &token, &claims).await?;
        let signing = Signing {
            person,
            strength,
            standing,
            provider: pending.provider,
            subject: claims.sub.unwrap_or_default(),
            sid: claims.sid.unwrap_or_default(),
        };
        let was_asked = !Kind::Asserted.is_form_of(state);
        Ok(Returned { signing, request: pending.request, was_asked })
    }

    /// What was asked of a login service, as somebody comes back from it in the same browser. It is taken, and does not serve twice.
    async fn taken(&self, state: &str, visit: &BrowserSecret) -> Result<Pending, Fault> {
        const LATE: OauthError = OauthError::request("this is an old page, or one of another browser: sign in again");
        let hash = secret::hash(state);
        let pending = self
            .service
            .store
            .change(move |transaction: &mut Transaction<'_>| (transaction.take_pending(&hash), Vec::new()))
            .await?
            .filter(|pending| pending.expires_s > self.now_s())
            .filter(|pending| secret::same(&pending.visit, &visit.hash()));
        Ok(pending.ok_or(LATE)?)
    }

    /// Whom an id token names, by the kind of login service that it is from, and how surely they are known.
    async fn named(
        &self,
        provider: &Provider,
        reached: &Reached,
        token: &str,
        claims: &Claims,
    ) -> Result<(String, i16, Standing), Fault> {
        match provider.config.kind {
            ProviderKind::NhsLogin => {
                let level = level_of(&provider.config.issuer, claims, provider.config.lowest_proofing)?;
                let verified = reached.verifier.verify(token, self.now_s()).await;
                let verified = verified.map_err(|error| disbelieved(provider, error))?;
                self.by_nhs_number(&verified, claims, level).await
            }
            ProviderKind::Cis2 => {
                let verified = reached.verifier.verify(token, self.now_s()).await.map_err(|error| match error {
                    auth::AuthError::Identity(_) => NOT_LET_IN,
                    other => disbelieved(provider, other),
                })?;
                self.professional(&verified, claims).await
            }
            ProviderKind::Oidc => self.anybody(provider, claims).await,
        }
    }

    /// Changes a code for an id token.
    async fn id_token(
        &self,
        provider: &Provider,
        reached: &Reached,
        code: &str,
        verifier: &str,
    ) -> Result<String, Fault> {
        let (back, endpoint) = (self.return_address(), reached.token_endpoint.as_str());
        let unique = uuid::Uuid::new_v4().to_string();
        let asking = provider.asking(&back, "", None);
        let form = asking.exchange(&provider.proof, endpoint, (code, verifier), &unique, self.now_s())?;
        let header = provider.proof.header(&provider.config.client_id);
        let answer = auth::post_form(endpoint, form, header).await.map_err(|error| {
            tracing::warn!(provider = provider.config.name, cause = %error, "a login service does not answer");
            OauthError::new(ErrorCode::TemporarilyUnavailable, "the login service does not answer as it should")
        })?;
        let none = OauthError::new(ErrorCode::AccessDenied, "the login service does not say who you are");
        Ok(relying::id_token(&answer).ok_or(none)?)
    }

    /// Somebody of NHS login: the Patient with the NHS number; or, where there is none, whom others name by it as their relative
    /// or carer, if it is proven.
    async fn by_nhs_number(
        &self,
        verified: &Verified,
        claims: &Claims,
        level: ProofingLevel,
    ) -> Result<(String, i16, Standing), Fault> {
        let Identity::Identifier(identifier) = &verified.identity else { return Err(NOT_BELIEVED.into()) };
        // The verifier's reading of the level and this one have to agree.
        let is_proven = level == ProofingLevel::P9 && identifier.proofing() == Proofing::P9;
        let known = || KnownAs { system: identifier.system.to_owned(), value: identifier.value.clone() };
        let known_as: Vec<KnownAs> = is_proven.then(known).into_iter().collect();
        let login = (!is_proven).then(|| identifier.login()).flatten();
        let proven = Standing::proven(if is_proven { level } else { ProofingLevel::P5 });
        let standing = Standing { known_as, login, ..proven };
        let own =
            self.only((SignsIn::Patient, identifier.system, &identifier.value), claims.birthdate.as_deref()).await;
        let person = match own {
            Err(Fault::Refused(error)) if error == NOBODY => {
                let relatives = self.relatives(&standing.known_as, claims.birthdate.as_deref()).await?;
                relatives.all.into_iter().next().ok_or(NOBODY)?.reference
            }
            own => own?,
        };
        Ok((person, 0, standing))
    }

    /// Somebody of CIS2, in the role that they chose there.
    async fn professional(&self, verified: &Verified, claims: &Claims) -> Result<(String, i16, Standing), Fault> {
        let Identity::Identifier(identifier) = &verified.identity else { return Err(NOT_BELIEVED.into()) };
        let level = verified.authentication_assurance_level.ok_or(NOT_LET_IN)?;
        if !person::is_organisation(&self.service, identifier.organisation_on_record.as_deref()).await? {
            return Err(NOT_LET_IN.into());
        }
        let named = (SignsIn::Practitioner, identifier.system, identifier.value.as_str());
        let person = self.only(named, claims.birthdate.as_deref()).await?;
        Ok((person, i16::from(level), Standing { roles: verified.roles.clone(), ..Standing::default() }))
    }

    /// Somebody of any other login service.
    async fn anybody(&self, provider: &Provider, claims: &Claims) -> Result<(String, i16, Standing), Fault> {
        let config = &provider.config;
        if !config.acr.is_empty() && !claims.acr.as_ref().is_some_and(|acr| config.acr.contains(acr)) {
            return Err(WEAK.into());
        }
        let born = match config.birth_date_claim.as_str() {
            "birthdate" => claims.birthdate.clone(),
            other => claims.text(other),
        };
        let own = self.known_by(config, claims)?;
        let standing = Standing { known_as: own.known_as.clone(), ..Standing::default() };
        let found = match (&own.said, config.person) {
            (Some(reference), who) => self.named_here(who, reference, born.as_deref()).await,
            (None, SignsIn::RelatedPerson) => Err(NOBODY.into()),
            (None, who) => match own.known_as.first() {
                // Its own name for somebody is on record of nobody but whom it was entered for, so that no birth date need tell.
                Some(one) if one.system == config.issuer && born.is_none() => self.bearer(who, one).await,
                Some(one) => self.only((who, &one.system, &one.value), born.as_deref()).await,
                None => Err(NOBODY.into()),
            },
        };
        let person = match found {
            Err(Fault::Refused(error)) if error == NOBODY && own.said.is_none() && config.person.has_relatives() => {
                let relatives = self.relatives(&standing.known_as, born.as_deref()).await?;
                relatives.all.into_iter().next().ok_or(NOBODY)?.reference
            }
            found => found?,
        };
        Ok((person, 0, standing))
    }

    /// By what a login service knows somebody, as the settings say.
    fn known_by(&self, config: &ProviderConfig, claims: &Claims) -> Result<KnownBy, OauthError> {
        let short = |text: &String| (1..=MAX_IDENTIFIER_BYTES).contains(&text.len());
        let said = config.fhir_user_claim.as_deref().and_then(|claim| claims.text(claim));
        let said = said.filter(|text| text.len() <= MAX_REFERENCE_BYTES);
        let said = said.map(|text| local_reference(&self.service.base, &text).ok_or(NOBODY)).transpose()?;
        let (claim, system) = config.identifier().ok_or(NOT_BELIEVED)?;
        let subject = claims.sub.clone().filter(short);
        let value = if claim == "sub" { subject.clone() } else { claims.text(claim).filter(short) };
        if value.as_deref().is_some_and(|value| system == nhs_number::SYSTEM && !nhs_number::is_valid(value)) {
            return Err(NOT_BELIEVED);
        }
        let all = [(value, system), (subject, config.issuer.as_str())].into_iter();
        let mut known_as: Vec<KnownAs> =
            all.filter_map(|(value, system)| Some(KnownAs { system: system.to_owned(), value: value? })).collect();
        known_as.dedup();
        Ok(KnownBy { said, known_as })
    }

    /// Whom a login service says by a reference to them here, if they are of those who sign in with it. The date of birth has to be the
    /// one on record, where one is said.
    async fn named_here(&self, who: SignsIn, reference: &str, born: Option<&str>) -> Result<String, Fault> {
        let named = reference.split_once('/').and_then(|(name, _)| SignsIn::of_type(name)).ok_or(NOBODY)?;
        // Where patients sign in, whom others name as their relative or carer does too; where those do, no patient as herself.
        if !who.includes(named) {
            return Err(NOBODY.into());
        }
        let somebody = self.somebody(reference).await?.ok_or(NOBODY)?;
        let on_record = self.birth_date(reference).await?;
        match (born, on_record.as_deref()) {
            (Some(born), Some(on_record)) if born != on_record => Err(NOBODY.into()),
            _ => Ok(somebody.reference),
        }
    }

    /// The only person of that kind who bears an identifier.
    async fn bearer(&self, who: SignsIn, known_as: &KnownAs) -> Result<String, Fault> {
        let name = who.resource_type();
        let found = person::person(&self.service, name, &known_as.system, &known_as.value).await?;
        let reference = format!("{name}/{}", found.ok_or(NOBODY)?);
        Ok(self.somebody(&reference).await?.ok_or(NOBODY)?.reference)
    }

    /// The only person who bears an identifier: a reference. A patient's date of birth has to be the one that is on record.
    async fn only(&self, (who, system, value): (SignsIn, &str, &str), born: Option<&str>) -> Result<String, Fault> {
        let known_as = KnownAs { system: system.to_owned(), value: value.to_owned() };
        let reference = self.bearer(who, &known_as).await?;
        let is_patient = who == SignsIn::Patient;
        if is_patient && !(born.is_some() && self.birth_date(&reference).await?.as_deref() == born) {
            return Err(NOBODY.into());
        }
        Ok(reference)
    }

    /// The date of birth that is on record of somebody.
    pub(super) async fn birth_date(&self, reference: &str) -> Result<Option<String>, Fault> {
        let Some((name, id)) = reference.split_once('/') else { return Ok(None) };
        Ok(person::birth_date(&self.service, name, id).await?)
    }
}

/// What an id token that is not believed is told as. The log of the program says why.
fn disbelieved(provider: &Provider, error: auth::AuthError) -> OauthError {
    tracing::warn!(provider = provider.config.name, reason = error.name(), "an id token is not believed");
    NOT_BELIEVED
}

/// How surely NHS login knows somebody, where that is enough and it vouches for it: the least that it says, and no less than
/// P5, for of anybody else there is no NHS number.
fn level_of(issuer: &str, claims: &Claims, lowest: Proofing) -> Result<ProofingLevel, OauthError> {
    let said = [claims.identity_proofing_level.as_deref(), claims.vot.as_deref()];
    let levels = said.map(|text| text.and_then(ProofingLevel::parse).unwrap_or(ProofingLevel::P0));
    let [one, other] = levels;
    let (level, as_proofing) = match one.min(other) {
        level @ ProofingLevel::P9 => (level, Proofing::P9),
        level @ ProofingLevel::P5 => (level, Proofing::P5),
        ProofingLevel::P0 => return Err(UNPROVEN),
    };
    if as_proofing < lowest {
        return Err(UNPROVEN);
    }
    auth::is_vouched(issuer, claims.vot.as_deref(), claims.vtm.as_deref(), lowest).then_some(level).ok_or(WEAK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_is_said_counts_and_somebody_has_to_vouch_for_it() {
        let level = |proofing: Option<&str>, vot: Option<&str>, lowest| {
            let claims = Claims {
                identity_proofing_level: proofing.map(str::to_owned),
                vot: vot.map(str::to_owned),
                vtm: Some("https://auth.login.nhs.uk/trustmark/login.nhs.uk".to_owned()),
                ..Claims::default()
            };
            level_of("https://i.example", &claims, lowest).map_err(|error| error.code)
        };
        let unmet = Err(ErrorCode::UnmetAuthenticationRequirements);
        assert_eq!(level(Some("P9"), Some("P9.Cm"), Proofing::P9), Ok(ProofingLevel::P9));
        assert_eq!(level(Some("P9"), Some("P9.Cp"), Proofing::P9), Err(ErrorCode::AccessDenied));
        assert_eq!(level(Some("P5"), Some("P9.Cm"), Proofing::P9), unmet);
        assert_eq!(level(Some("P9"), Some("P5.Cp.Cd"), Proofing::P5), Ok(ProofingLevel::P5));
        for lowest in [Proofing::P9, Proofing::P5, Proofing::P0] {
            assert_eq!(level(Some("P0"), Some("P0.Cp.Cd"), lowest), unmet);
            assert_eq!(level(None, Some("P9.Cm"), lowest), unmet);
            assert_eq!(level(Some("P9"), None, lowest), unmet);
        }
        let claims =
            Claims { identity_proofing_level: Some("P9".into()), vot: Some("P9.Cm".into()), ..Claims::default() };
        assert_eq!(level_of("https://i.example", &claims, Proofing::P9), Err(WEAK), "nobody vouches for it");
    }
}
