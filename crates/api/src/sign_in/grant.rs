//! Letting an app in: what the person chose becomes a Consent, a grant and a code, in one transaction.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller, Credentials};
use concord_consent::scope::{Context, Scopes};
use concord_fhir::codec;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_signin::authorize::AuthorizeRequest;
use concord_signin::client::Client;
use concord_signin::error::{ErrorCode, OauthError};
use concord_signin::scope::Granted;
use concord_signin::secret::{self, Kind};
use concord_store::audit::Record;
use concord_store::sign_in::{Code, NewGrant};
use concord_store::transaction::Transaction;

use crate::error::ApiError;
use crate::interact::command::{Command, Target};
use crate::interact::execute::{Outcome, execute};
use crate::interact::session::Session;
use crate::interact::{Budget, Call, Questions, Service, sign_in_apps};
use crate::sign_in::federation::UNPROVEN;
use crate::sign_in::{Choice, Fault, OWN_CLIENT, Picking, SignIn, SignedIn, Somebody, ToPick, Whose, people};

/// How long a code can be changed for tokens, in seconds.
const CODE_LASTS_S: i64 = 60;

const CONSENT: ResourceType = ResourceType::of("Consent");

/// An app that somebody who is signed in may let in.
#[derive(Clone, Debug)]
pub(crate) struct Granting {
    /// What the app asks.
    pub(crate) request: AuthorizeRequest,
    /// The app.
    pub(crate) client: Client,
    /// Who is asked.
    pub(crate) person: Somebody,
    /// Their session.
    pub(crate) signed_in: SignedIn,
    /// What of the scopes such a person can let it.
    pub(crate) scope: Granted,
    /// The patient in context: a logical id.
    pub(crate) patient: Option<String>,
    /// The encounter in context: a logical id.
    pub(crate) encounter: Option<String>,
    /// What else is in context, or empty.
    pub(crate) context: String,
    /// Whose record was picked, for the form.
    pub(crate) whose: Whose,
}

/// What a person is asked about an app.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    /// Whether they let it in.
    Granting(Box<Granting>),
    /// Whose record it gets.
    Whose(ToPick),
}

/// What somebody is called whom nobody has proven to be the person of the record.
pub(crate) const UNPROVEN_NAME: &str = "somebody whose identity is not proven";

impl Granting {
    /// Whether what is chosen is kept as a Consent: whose record it is decides.
    pub(crate) fn keeps_consent(&self) -> bool {
        self.signed_in.standing.is_proven() && matches!(people::actor(&self.person.reference), Some(Actor::Patient(_)))
    }

    /// What the person is called, for their own eyes: nothing of the record is told to whom nobody has proven to be that person.
    pub(crate) fn person_name(&self) -> &str {
        if self.signed_in.standing.is_proven() { &self.person.name } else { UNPROVEN_NAME }
    }
}

/// Who acts, and what is in context.
#[derive(Default)]
struct InContext {
    person: Somebody,
    patient: Option<String>,
    encounter: Option<String>,
    context: String,
}

const GONE: OauthError = OauthError::new(ErrorCode::AccessDenied, "who is signed in is not on record here any more");

/// In whose record somebody is, whatever they look at; none for a professional.
fn own_record(person: &Somebody) -> Result<Option<String>, OauthError> {
    Ok(match people::actor(&person.reference).ok_or(GONE)? {
        Actor::Patient(id) => Some(id),
        Actor::RelatedPerson(_) => person.relative_of.clone(),
        _ => None,
    })
}

fn scopes_of(scope: &Granted, context: Context) -> bool {
    scope.resources().any(|one| one.context == context)
}

impl SignIn {
    /// What a person is asked about an app.
    ///
    /// # Errors
    /// `access_denied` when nobody is signed in who may be, `invalid_scope` when nothing of what is asked for can be theirs.
    pub(crate) async fn granting(
        &self,
        request: AuthorizeRequest,
        client: Client,
        signed_in: SignedIn,
        picking: &Picking,
        request_id: &str,
    ) -> Result<Asked, Fault> {
        let own = self.somebody(&signed_in.person).await?.ok_or(GONE)?;
        // Whoever only says who they are lets in nobody else: what they choose cannot be that person's Consent.
        if !signed_in.standing.is_proven() && !client.own {
            return Err(UNPROVEN.into());
        }
        let InContext { person, patient, encounter, context } = match &request.launch {
            Some(launch) => self.started_with(launch, &client, own).await?,
            None => match self.picked(&request, &signed_in, own, &picking.whose, request_id).await? {
                Ok((person, patient)) => InContext { person, patient, ..InContext::default() },
                Err(to_pick) => return Ok(Asked::Whose(to_pick)),
            },
        };
        let encounter = match (&picking.visit, &patient) {
            (Some(visit), Some(patient)) if encounter.is_none() && request.scope.has("launch/encounter") => {
                self.visited(&signed_in, &person, (visit, patient), request_id).await?
            }
            _ => encounter,
        };
        let contexts = if patient.is_some() { &[Context::Patient, Context::User][..] } else { &[Context::User][..] };
        let mut scope = request.scope.clone().only(contexts);
        if patient.is_none() {
            scope = scope.without("launch/patient");
        }
        if encounter.is_none() {
            scope = scope.without("launch/encounter");
        }
        if scope.resources().next().is_none() && !scope.has("openid") {
            let text = "nothing of the scope can be let by who is signed in: without a patient, user/ scopes only";
            return Err(OauthError::new(ErrorCode::InvalidScope, text).into());
        }
        let whose = picking.whose.clone();
        Ok(Asked::Granting(Box::new(Granting {
            request,
            client,
            person,
            signed_in,
            scope,
            patient,
            encounter,
            context,
            whose,
        })))
    }

    /// What an app was started with. A patient or relative is in their own record, whatever they look at.
    async fn started_with(&self, launch: &str, client: &Client, person: Somebody) -> Result<InContext, Fault> {
        let launch = self.started(launch, &client.id, &person.reference).await?;
        let own = own_record(&person)?;
        if own.is_some_and(|own| own != launch.patient) {
            return Err(OauthError::request("the launch is about another person's record").into());
        }
        let encounter = Some(launch.encounter).filter(|id| !id.is_empty());
        Ok(InContext { person, patient: Some(launch.patient), encounter, context: launch.context })
    }

    /// As whom somebody acts and in whose record, as they picked it; or what they have to pick.
    async fn picked(
        &self,
        request: &AuthorizeRequest,
        signed_in: &SignedIn,
        own: Somebody,
        whose: &Whose,
        request_id: &str,
    ) -> Result<Result<(Somebody, Option<String>), ToPick>, Fault> {
        if own_record(&own)?.is_some() {
            let (mut acting_as, more) = self.acting_as(signed_in, own).await?;
            let position = match whose {
                Whose::Named(reference) => acting_as.iter().position(|one| one.reference == *reference),
                Whose::Unsaid | Whose::Nobody if acting_as.len() == 1 => Some(0),
                Whose::Unsaid | Whose::Nobody => None,
            };
            let Some(position) = position else {
                let records = self.records(signed_in, &acting_as, request_id).await?;
                return Ok(Err(ToPick { records, more, looks: false, without: false }));
            };
            let person = acting_as.swap_remove(position);
            let patient = own_record(&person)?;
            return Ok(Ok((person, patient)));
        }
        // A professional is asked whose record they mean only where the app asks for one.
        let wants = request.scope.has("launch/patient") && scopes_of(&request.scope, Context::Patient);
        let seen = match whose {
            Whose::Named(reference) if wants => {
                match (reference.strip_prefix("Patient/"), self.call_of(signed_in, &own, request_id)) {
                    (Some(id), Some(call)) => self.seen(&call, "Patient", id).await?.map(|_| id.to_owned()),
                    _ => None,
                }
            }
            _ => None,
        };
        match (seen, whose, wants) {
            (Some(id), _, _) => Ok(Ok((own, Some(id)))),
            (None, Whose::Nobody, _) | (None, _, false) => Ok(Ok((own, None))),
            (None, Whose::Unsaid | Whose::Named(_), true) => {
                let without = scopes_of(&request.scope, Context::User) || request.scope.has("openid");
                Ok(Err(ToPick { records: Vec::new(), more: false, looks: true, without }))
            }
        }
    }

    /// What the person chose when this app asked last; else what is usual.
    pub(crate) async fn chosen_before(&self, granting: &Granting) -> Result<Choice, Fault> {
        let (person, client) = (granting.person.reference.clone(), granting.client.id.clone());
        let last =
            self.service.store.read(move |transaction| (transaction.last_grant(&person, &client), Vec::new())).await?;
        let before = last.and_then(|last| serde_json::from_str(&last.choice).ok());
        Ok(before.unwrap_or_else(|| Choice::usual(&granting.scope)))
    }

    /// Lets the app in as chosen: the code.
    ///
    /// # Errors
    /// `access_denied` when nothing is chosen.
    pub(crate) async fn grant(&self, granting: &Granting, choice: &Choice, request_id: &str) -> Result<String, Fault> {
        let scope = choice.narrowed(&granting.scope);
        if scope.resources().next().is_none() && !scope.has("openid") {
            return Err(OauthError::new(ErrorCode::AccessDenied, "the person lets the app nothing").into());
        }
        let now_s = self.now_s();
        let lasts_s = choice.lasts.seconds().map(|seconds| now_s + seconds);
        let ends_s = lasts_s.unwrap_or_else(|| self.session_ends_s(granting.signed_in.since_s));
        let bound = lasts_s.is_none() || !scope.has("offline_access");
        let code = secret::fresh(Kind::Code)?;
        let new = NewGrant {
            id: uuid::Uuid::new_v4().to_string(),
            client: granting.client.id.clone(),
            person: granting.person.reference.clone(),
            patient: granting.patient.clone().unwrap_or_default(),
            encounter: granting.encounter.clone().unwrap_or_default(),
            context: granting.context.clone(),
            standing: granting.signed_in.standing.of_grant().to_text(),
            scope: scope.to_string(),
            consent: String::new(),
            choice: serde_json::to_string(choice).map_err(|error| ApiError::Internal(error.to_string()))?,
            browser: if bound { granting.signed_in.session.clone() } else { String::new() },
            strength: granting.signed_in.strength,
            authenticated_s: granting.signed_in.since_s,
            lasts_s: ends_s,
        };
        let stored_code = Code {
            family: new.id.clone(),
            client: new.client.clone(),
            redirect_uri: granting.request.redirect_uri.clone(),
            challenge: granting.request.challenge.clone(),
            nonce: granting.request.nonce.clone().unwrap_or_default(),
            expires_s: now_s + CODE_LASTS_S,
        };
        let consent = self.consent(granting, choice, ends_s, request_id)?;
        if let Some(launch) = &granting.request.launch {
            self.take_start(launch).await?;
        }
        let (service, hash) = (Arc::clone(&self.service), secret::hash(&code));
        let begin = move |transaction: &mut Transaction<'_>| {
            let mut records = Vec::new();
            let begun = consent
                .as_ref()
                .map_or(Ok(String::new()), |(call, body)| {
                    keep(&service, call, transaction, (&new.person, &new.client), body, &mut records)
                })
                .and_then(|consent| {
                    transaction.begin_grant(&NewGrant { consent, ..new.clone() }, now_s)?;
                    Ok(transaction.add_code(&hash, &stored_code)?)
                });
            (begun, records)
        };
        self.service.store.change(begin).await?;
        tracing::info!(client = granting.client.id, "somebody lets an app in");
        Ok(code)
    }

    /// The Consent that a patient's choice is, and the call by which it is written; none of anybody else.
    fn consent(
        &self,
        granting: &Granting,
        choice: &Choice,
        ends_s: i64,
        request_id: &str,
    ) -> Result<Option<(Call, Value<'static>)>, ApiError> {
        let Some(Actor::Patient(id)) = people::actor(&granting.person.reference).filter(|_| granting.keeps_consent())
        else {
            return Ok(None);
        };
        let body =
            choice.consent(&id, (&self.issuer, &granting.client), &granting.scope, self.service.store.now_ms(), ends_s);
        let (text, limits) = (body.to_string(), self.service.settings.limits);
        let body = codec::read(codec::Format::Json, text.as_bytes(), &limits).map_err(ApiError::invalid)?;
        Ok(Some((self.call_of_patient(&id, request_id), body.value.into_owned())))
    }

    /// The call by which a patient's choice is written: her own, with an app of those who keep the record.
    pub(super) fn call_of_patient(&self, id: &str, request_id: &str) -> Call {
        let caller = Caller {
            actor: Actor::Patient(id.to_owned()),
            subject: format!("Patient/{id}"),
            issuer: self.issuer.clone(),
            client: OWN_CLIENT.to_owned(),
            scopes: Scopes::parse("patient/Consent.cru patient/Patient.r"),
            patient: Some(id.to_owned()),
            credentials: Credentials::default(),
        };
        Call { questions: Questions::none(), ..Call::of(Arc::new(caller.into()), request_id) }
    }
}

/// Stores what a patient chose, in the place of what she chose for the same app before if that is still there: the logical id. What she
/// has written into that as exceptions stays.
fn keep(
    service: &Service,
    call: &Call,
    transaction: &mut Transaction<'_>,
    (person, client): (&str, &str),
    body: &Value<'static>,
    records: &mut Vec<Record>,
) -> Result<String, ApiError> {
    let last = transaction.last_grant(person, client)?.map(|last| last.consent);
    let mut run = |transaction: &mut Transaction<'_>, command: &Command| -> Result<String, ApiError> {
        let audit = command.audit(call);
        let (done, told) = Session::run(service, call, transaction, audit, |session| {
            execute(session, command.clone(), &mut Budget::unbounded())
        });
        match done? {
            Outcome::Written(written) => {
                records.extend(told);
                Ok(written.version.id)
            }
            _ => Err(ApiError::Internal("a Consent that was not written".to_owned())),
        }
    };
    if let Some(id) = last.filter(|id| !id.is_empty()) {
        let mut resource = body.clone();
        sign_in_apps::with_exceptions(&mut resource, &sign_in_apps::exceptions(transaction, &id)?);
        if let Some(object) = resource.as_object_mut() {
            object.set_at(1, "id", Value::string(&id));
        }
        let target = Target::Id(id);
        let command = Command::Update { resource_type: CONSENT, target, resource, precondition: None, id: None };
        match transaction.savepoint(|transaction| run(transaction, &command)) {
            Err(ApiError::Gone | ApiError::NotFound | ApiError::Denied(_) | ApiError::Unprocessable(_)) => {}
            done => return done,
        }
    }
    run(transaction, &Command::Create { resource_type: CONSENT, resource: body.clone(), condition: None, id: None })
}
