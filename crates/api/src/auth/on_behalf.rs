//! For whom a system asks: the id token of NHS login that it brings along beside its own.

use concord_consent::caller::Proofing;
use concord_signin::relying;

use super::error::AuthError;
use super::identity::Identity;
use super::key_source::KeyError;
use super::verifier::Verifier;
use super::{algorithm, assurance, token};
use crate::config::{AggregatorConfig, Config};
use crate::telemetry::TokenCounters;

/// Who believes the id tokens of people who are signed in at an app elsewhere.
pub(crate) struct OnBehalf {
    verifier: Verifier,
    issuer: String,
    audience: Vec<String>,
}

/// Somebody who is signed in elsewhere, and whose identity is proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// The NHS number.
    pub(crate) nhs_number: String,
    /// The date of birth.
    pub(crate) birth_date: String,
}

impl OnBehalf {
    /// For the NHS login of an aggregator.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(
        aggregator: &AggregatorConfig,
        config: &Config,
        counters: TokenCounters,
    ) -> Result<OnBehalf, KeyError> {
        let only = Config { issuers: vec![aggregator.as_issuer()], development_issuer: false, ..config.clone() };
        let (issuer, audience) = (aggregator.issuer.clone(), aggregator.audience.clone());
        Ok(OnBehalf { verifier: Verifier::new(&only, None, counters)?, issuer, audience })
    }

    /// Who believes its tokens, to have the keys at hand.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Who an id token says that is signed in there: signed with RS512 by NHS login for the app, not expired, with an NHS number and a
    /// date of birth, and of somebody whose identity has been proven (P9).
    ///
    /// # Errors
    /// Why it is not believed.
    pub(crate) async fn person(&self, token: &str, now_s: i64) -> Result<Person, AuthError> {
        if Some(token::split(token)?.algorithm) != algorithm::accepted("RS512") {
            return Err(AuthError::Claim("the id token is not signed with RS512, as those of NHS login are"));
        }
        let verified = self.verifier.verify(token, now_s).await?;
        let Identity::Identifier(identifier) = &verified.identity else {
            return Err(AuthError::Identity("the id token names nobody by an NHS number"));
        };
        let claims = relying::Claims::of_id_token(token, &self.audience).map_err(AuthError::Claim)?;
        let is_proven = identifier.proofing() == Proofing::P9
            && assurance::is_vouched(&self.issuer, claims.vot.as_deref(), claims.vtm.as_deref(), Proofing::P9);
        if !is_proven {
            return Err(AuthError::Claim("the id token does not say that an identity has been proven (P9, vot, vtm)"));
        }
        let birth_date = claims.birthdate.ok_or(AuthError::Claim("the id token has no birthdate"))?;
        Ok(Person { nhs_number: identifier.value.clone(), birth_date })
    }
}
