//! A system that asks on behalf of people who are signed in elsewhere (the NHS App's patient care aggregator, producer standard
//! 3.13.0): one search for one person at a time, who is named by NHS login's own word in `NHSD-ID-Token`.
//!
//! It may do nothing else, so that a slip in what it was let do opens no more than the record of whoever is signed in.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::HeaderMap;
use concord_consent::caller::{Actor, Caller, Credentials};
use concord_consent::purpose::Purpose;
use concord_consent::scope::Scopes;
use concord_fhir::issue::{Issue, IssueCode};
use concord_fhir::nhs_number;
use concord_fhir::registry::ResourceType;

use super::Pace;
use super::headers::{ID_TOKEN, once};
use crate::auth::{AuthError, KeyError, OnBehalf, SignedInElsewhere};
use crate::config::{AggregatorConfig, Config};
use crate::error::ApiError;
use crate::interact::access::person;
use crate::interact::command::{Address, Method, Request};
use crate::interact::{Call, Service, audit};
use crate::telemetry::TokenCounters;

/// The parameter that names the person.
const NAMED_BY: &str = "patient:identifier";

/// What else of a search would bring along what is about others, or tell of how things are stored.
const NOT_FOR_IT: [&str; 4] = ["_include", "_revinclude", "_explain", "_contained"];

/// An aggregator.
pub struct Aggregator {
    client: String,
    issuer: Option<String>,
    types: Vec<ResourceType>,
    lowest_age: u32,
    timeout: Duration,
    pace: Pace,
    on_behalf: OnBehalf,
}

/// Why it does not get what it asks for.
struct Refusal {
    fault: ApiError,
    /// What the log is told: never who was named.
    told: &'static str,
}

/// Why nothing is searched.
enum Stop {
    /// It is refused, which the log is told.
    Refused(Refusal),
    /// It cannot be told now, or not asked like that.
    Failed(ApiError),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}

impl From<ApiError> for Stop {
    fn from(fault: ApiError) -> Stop {
        Stop::Failed(fault)
    }
}

impl Refusal {
    fn forbidden(text: &'static str) -> Refusal {
        Refusal { fault: ApiError::denied(text), told: text }
    }

    /// 401: whoever asks is known, and for whom is not.
    fn not_that_person(text: &'static str) -> Refusal {
        let challenge = AuthError::Claim(text).www_authenticate();
        Refusal { fault: ApiError::Unauthenticated { challenge, text: text.to_owned() }, told: text }
    }

    fn bad_number() -> Refusal {
        const TEXT: &str = "it has to be there once, and to be https://fhir.nhs.uk/Id/nhs-number| and one NHS number";
        let issue = Issue::plain(IssueCode::Value, format!("parameter {NAMED_BY}: {TEXT}"));
        Refusal { fault: ApiError::Malformed(vec![issue]), told: "no NHS number is named" }
    }
}

impl Aggregator {
    /// The one of the settings.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub(crate) fn new(
        settings: &AggregatorConfig,
        config: &Config,
        counters: TokenCounters,
    ) -> Result<Aggregator, KeyError> {
        Ok(Aggregator {
            client: settings.client.clone(),
            issuer: settings.client_issuer.clone(),
            types: settings.types.clone(),
            lowest_age: settings.lowest_age,
            timeout: settings.timeout(),
            pace: Pace::of_systems(settings.requests_per_second, Duration::from_secs(1)),
            on_behalf: OnBehalf::new(settings, config, counters)?,
        })
    }

    /// Who believes its id tokens.
    pub(crate) fn on_behalf(&self) -> &OnBehalf {
        &self.on_behalf
    }

    /// Whether this is who calls.
    pub(super) fn is(&self, caller: &Caller) -> bool {
        self.client == caller.client && self.issuer.as_ref().is_none_or(|issuer| *issuer == caller.issuer)
    }

    /// Counts a request of it.
    ///
    /// # Errors
    /// [`ApiError::Throttled`].
    pub(super) fn admit(&self, caller: &Caller, now_ms: i64) -> Result<(), ApiError> {
        self.pace.admit(caller, 1, now_ms)
    }

    /// Waits so long for an answer as it may take.
    ///
    /// # Errors
    /// [`ApiError::TookTooLong`], and those of the work.
    pub(super) async fn within<T>(&self, work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
        within(self.timeout, work).await
    }

    /// In whose record may be searched: none where there is nobody of that number. A refusal is in the log before it is told.
    ///
    /// # Errors
    /// 400 without one NHS number in the search; 401 without an id token that is believed, or where it is of another person than
    /// the number or the Patient; 403 for whoever is too young, and for whatever else it asks for.
    pub(super) async fn record(
        &self,
        service: &Arc<Service>,
        call: &Call,
        headers: &HeaderMap,
        asked: &Request,
    ) -> Result<Option<String>, ApiError> {
        match self.of_whom(service, headers, asked).await {
            Ok(record) => Ok(record),
            Err(Stop::Failed(fault)) => Err(fault),
            Err(Stop::Refused(refusal)) => {
                audit::tell_refused(service, call, refusal.told).await?;
                Err(refusal.fault)
            }
        }
    }

    async fn of_whom(
        &self,
        service: &Arc<Service>,
        headers: &HeaderMap,
        asked: &Request,
    ) -> Result<Option<String>, Stop> {
        let named = self.named(asked)?;
        let now_ms = service.store.now_ms();
        let somebody = self.signed_in(headers, now_ms.div_euclid(1000)).await?;
        if somebody.nhs_number != named {
            return Err(Refusal::not_that_person("the id token is of another person than the NHS number").into());
        }
        let age = age(&somebody.birth_date, now_ms)
            .ok_or_else(|| Refusal::not_that_person("the id token's birthdate is no date"))?;
        if age < self.lowest_age {
            let text = "UNDER_16_DENIED: this person is younger than people have to be for this";
            return Err(Refusal::forbidden(text).into());
        }
        match person::of_number(service, named).await? {
            None => Ok(None),
            Some((id, born)) if born.as_ref() == Some(&somebody.birth_date) => Ok(Some(id)),
            Some(_) => {
                let text = "the id token's birthdate is another than that of the person with the NHS number";
                Err(Refusal::not_that_person(text).into())
            }
        }
    }

    /// The NHS number that a search names which it may make.
    fn named<'a>(&self, asked: &'a Request) -> Result<&'a str, Refusal> {
        let is_search = match &asked.address {
            Address::Type(named) => asked.method == Method::Get && self.types.contains(named),
            _ => false,
        };
        if !is_search {
            return Err(Refusal::forbidden(
                "this system searches by GET, in the types that it is let search, for people who are signed in with it, and does nothing \
                 else",
            ));
        }
        let plain = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
        if asked.parameters.iter().any(|(name, _)| NOT_FOR_IT.contains(&plain(name).as_str())) {
            return Err(Refusal::forbidden("this system gets what it searches for, and nothing along with it"));
        }
        let mut numbers = asked.parameters.iter().filter(|(name, _)| name == NAMED_BY).map(|(_, value)| value.as_str());
        let (Some(only), None) = (numbers.next(), numbers.next()) else { return Err(Refusal::bad_number()) };
        let number = only.strip_prefix(nhs_number::SYSTEM).and_then(|rest| rest.strip_prefix('|'));
        number
            .filter(|number| number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(Refusal::bad_number)
    }

    /// Who is signed in there.
    async fn signed_in(&self, headers: &HeaderMap, now_s: i64) -> Result<SignedInElsewhere, Stop> {
        const MISSING: &str = "the header NHSD-ID-Token is missing: the id token of whoever is signed in";
        let header = once(headers, &ID_TOKEN)?.ok_or_else(|| Refusal::not_that_person(MISSING))?;
        let token = std::str::from_utf8(header.as_bytes()).unwrap_or_default().trim();
        self.on_behalf.person(token, now_s).await.map_err(|error| {
            if error.is_temporary() {
                return Stop::Failed(ApiError::Busy(2));
            }
            let text = format!("NHSD-ID-Token: {error}");
            let fault = ApiError::Unauthenticated { challenge: error.www_authenticate(), text };
            Stop::Refused(Refusal { fault, told: "the id token of whoever is signed in is not believed" })
        })
    }
}

/// The call that a patient would make for whom a system asks, with an app of those who keep the record: by the system's client, so that
/// what her Consents deny it by name holds, and to read everything that she may.
pub(super) fn on_behalf_of(call: &Call, patient: &str) -> Call {
    let asks = &call.caller;
    let client_is_ambiguous = asks.credentials.client_is_ambiguous;
    let caller = Caller {
        actor: Actor::Patient(patient.to_owned()),
        scopes: Scopes::parse("patient/*.rs"),
        patient: Some(patient.to_owned()),
        credentials: Credentials { client_is_ambiguous, ..Credentials::default() },
        ..Caller::clone(asks)
    };
    let purpose = Some(Purpose::PATIENT_REQUEST);
    Call { caller: Arc::new(caller.into()), purpose, reason: None, on_behalf_of: None, ..call.clone() }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T, ApiError>>) -> Result<T, ApiError> {
    tokio::time::timeout(limit, work).await.unwrap_or(Err(ApiError::TookTooLong))
}

/// How many years old somebody is.
fn age(birth_date: &str, now_ms: i64) -> Option<u32> {
    let born = chrono::NaiveDate::parse_from_str(birth_date, "%Y-%m-%d").ok()?;
    chrono::DateTime::from_timestamp_millis(now_ms)?.date_naive().years_since(born)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::error;

    #[tokio::test]
    async fn what_takes_too_long_is_told() {
        let never = std::future::pending::<Result<(), ApiError>>();
        let late = within(Duration::from_millis(1), never).await.unwrap_err();
        let (status, issues) = error::status_and_issues(&late, "id");
        assert_eq!((status.as_u16(), issues[0].code), (504, IssueCode::Timeout));
        let settings = r#"{"client": "c", "issuer": "i", "audience": "a", "jwks": "keys.json"}"#;
        let config = crate::auth::testing::config(&[("CONCORD_AGGREGATOR", settings)]);
        let own = config.aggregator.unwrap();
        assert_eq!((own.timeout().as_secs(), own.requests_per_second, own.lowest_age), (9, 60, 16));
        assert_eq!(
            own.types.iter().map(|one| one.name()).collect::<Vec<_>>(),
            ["Appointment", "DocumentReference", "Task"]
        );
    }

    #[test]
    fn somebody_is_sixteen_on_the_day() {
        let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
        let of = |born: &str, now: &str| age(born, at(&format!("{now}T12:00:00Z")));
        assert_eq!(of("2010-12-01", "2026-11-30"), Some(15));
        assert_eq!(of("2010-12-01", "2026-12-01"), Some(16));
        assert_eq!(of("2008-02-29", "2024-02-28"), Some(15));
        assert_eq!(of("2008-02-29", "2025-02-28"), Some(16), "until March in a year without such a day");
        for none in ["2030-01-01", "2010-13-01", "2010", "", "01-12-2010"] {
            assert_eq!(of(none, "2026-12-01"), None, "{none}");
        }
    }
}
