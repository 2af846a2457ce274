//! Whose record an app gets, where more than one can be meant: a relative or carer picks a person who has named them, a
//! professional looks for a patient whom they may see; and which visit, where the app asks for one.

use std::sync::Arc;

use concord_consent::caller::{Actor, Caller, Credentials};
use concord_consent::scope::Scopes;
use concord_fhir::display;
use concord_fhir::json::Value;
use concord_fhir::nhs_number;
use concord_fhir::registry::ResourceType;
use concord_fhir::search::{self, Handling};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::command::Command;
use crate::interact::execute::{Outcome, carry_out};
use crate::interact::human_name::human_name;
use crate::interact::{Call, access};
use crate::sign_in::{Fault, Granting, OWN_CLIENT, Record, SignIn, SignedIn, Somebody, Visit, people};

/// The longest name or number that is looked for, in bytes.
const MAX_SOUGHT_BYTES: usize = 100;
/// How many are shown of what was looked for.
const SHOWN: &str = "10";

impl SignIn {
    /// A call in the name of somebody who is signed in, with the pages of this server as their app.
    pub(super) fn call_of(&self, signed_in: &SignedIn, person: &Somebody, request_id: &str) -> Option<Call> {
        let actor = people::actor(&person.reference)?;
        let patient = match &actor {
            Actor::Patient(id) => Some(id.clone()),
            _ => person.relative_of.clone(),
        };
        let login = signed_in.standing.login.clone();
        let caller = Caller {
            actor,
            subject: person.reference.clone(),
            issuer: self.issuer.clone(),
            client: OWN_CLIENT.to_owned(),
            scopes: Scopes::parse("patient/Patient.r patient/Encounter.rs user/Patient.rs user/Encounter.rs"),
            patient,
            credentials: Credentials {
                proofing: signed_in.standing.proofing(),
                authentication: u8::try_from(signed_in.strength).ok().filter(|level| (1..=3).contains(level)),
                login,
                ..Credentials::default()
            },
        };
        Some(Call::of(Arc::new(caller.into()), request_id))
    }

    /// As whom somebody may act: as themselves, and as the relative or carer as whom others name them; and whether there may be more
    /// of these.
    pub(super) async fn acting_as(&self, signed_in: &SignedIn, own: Somebody) -> Result<(Vec<Somebody>, bool), Fault> {
        let born = self.birth_date(&own.reference).await?;
        let mut all = vec![own];
        let relatives = self.relatives(&signed_in.standing.known_as, born.as_deref()).await?;
        for one in relatives.all {
            if !all.contains(&one) {
                all.push(one);
            }
        }
        Ok((all, relatives.more))
    }

    /// The records to pick from, where somebody may act as several people. A patient's name is told to whom she lets see it.
    pub(super) async fn records(
        &self,
        signed_in: &SignedIn,
        acting_as: &[Somebody],
        request_id: &str,
    ) -> Result<Vec<Record>, Fault> {
        let mut records = Vec::new();
        for one in acting_as {
            let name = match &one.relative_of {
                None => "Your own record".to_owned(),
                Some(patient) => {
                    let call = self.call_of(signed_in, one, request_id);
                    let seen = match &call {
                        Some(call) => self.read_as(call, "Patient", patient).await?,
                        None => None,
                    };
                    let seen = seen.as_ref().map(access::stored).transpose()?;
                    seen.as_ref().and_then(human_name).unwrap_or_else(|| format!("Somebody who has named {}", one.name))
                }
            };
            records.push(Record { reference: one.reference.clone(), name });
        }
        Ok(records)
    }

    /// The patients whom a professional looks for and may see, by NHS number or by name.
    pub(crate) async fn sought(
        &self,
        signed_in: &SignedIn,
        sought: &str,
        request_id: &str,
    ) -> Result<Vec<Record>, Fault> {
        let sought = sought.trim();
        if sought.is_empty() || sought.len() > MAX_SOUGHT_BYTES {
            return Ok(Vec::new());
        }
        let number: String = sought.chars().filter(|letter| !letter.is_whitespace() && *letter != '-').collect();
        let by_number = number.len() == 10 && number.bytes().all(|byte| byte.is_ascii_digit());
        // A comma or a bar would ask for something else.
        let plain: String = sought.chars().filter(|letter| !matches!(letter, ',' | '|' | '$' | '\\')).collect();
        let pair = match by_number {
            true => ("identifier".to_owned(), format!("{}|{number}", nhs_number::SYSTEM)),
            false => ("name".to_owned(), plain),
        };
        let Some(person) = self.somebody(&signed_in.person).await? else { return Ok(Vec::new()) };
        let Some(call) = self.call_of(signed_in, &person, request_id) else { return Ok(Vec::new()) };
        let found = self.search_as(&call, "Patient", vec![pair]).await?;
        Ok(found
            .iter()
            .map(|(id, resource)| {
                let name = human_name(resource).unwrap_or_else(|| id.clone());
                let born = resource.get("birthDate").map(|day| format!(", born {}", display::text(day)));
                let born = born.unwrap_or_default();
                Record { reference: format!("Patient/{id}"), name: format!("{name}{born}") }
            })
            .collect())
    }

    /// Whose record an app gets, for a person who has picked it, if they may see what that person is called.
    pub(crate) async fn name_of_record(&self, granting: &Granting, request_id: &str) -> Result<Option<String>, Fault> {
        let (Some(patient), false) = (&granting.patient, granting.keeps_consent()) else { return Ok(None) };
        if !granting.signed_in.standing.is_proven() {
            return Ok(None);
        }
        let Some(call) = self.call_of(&granting.signed_in, &granting.person, request_id) else { return Ok(None) };
        let Some(version) = self.read_as(&call, "Patient", patient).await? else { return Ok(None) };
        Ok(human_name(&access::stored(&version)?))
    }

    /// The visits of the patient in context that the person may see, the latest first, where the app asks for one.
    pub(crate) async fn visits(&self, granting: &Granting, request_id: &str) -> Result<Vec<Visit>, Fault> {
        let asks = granting.request.launch.is_none() && granting.request.scope.has("launch/encounter");
        let (Some(patient), true) = (&granting.patient, asks) else { return Ok(Vec::new()) };
        let Some(call) = self.call_of(&granting.signed_in, &granting.person, request_id) else { return Ok(Vec::new()) };
        let pairs =
            vec![("subject".to_owned(), format!("Patient/{patient}")), ("_sort".to_owned(), "-date".to_owned())];
        let found = self.search_as(&call, "Encounter", pairs).await?;
        let title = |resource: &Value<'_>| {
            let day = resource.get("period").and_then(|period| period.get("start")).map(display::text);
            let day = day.unwrap_or_else(|| "no date".to_owned());
            let kind = resource.list("type").first().and_then(|kind| {
                kind.text("text").or_else(|| kind.list("coding").first().and_then(|coding| coding.text("display")))
            });
            [day.as_str(), kind.unwrap_or("visit")].join(": ")
        };
        Ok(found.iter().map(|(id, resource)| Visit { id: id.clone(), title: title(resource) }).collect())
    }

    /// A visit that was picked, if it is one of that patient and the person may see it.
    pub(super) async fn visited(
        &self,
        signed_in: &SignedIn,
        person: &Somebody,
        (visit, patient): (&str, &str),
        request_id: &str,
    ) -> Result<Option<String>, Fault> {
        let Some(call) = self.call_of(signed_in, person, request_id) else { return Ok(None) };
        let records = self.seen(&call, "Encounter", visit).await?.unwrap_or_default();
        Ok(records.iter().any(|one| one == patient).then(|| visit.to_owned()))
    }

    /// A resource that the caller may see. The log tells that they did.
    pub(super) async fn read_as(&self, call: &Call, type_name: &str, id: &str) -> Result<Option<Version>, Fault> {
        let Some(resource_type) = ResourceType::parse(type_name) else { return Ok(None) };
        let command = Command::Read { resource_type, id: id.to_owned(), unless: None };
        match carry_out(&self.service, call.clone(), command).await {
            Ok(Outcome::Found(version)) => Ok(Some(*version)),
            Ok(_) | Err(ApiError::NotFound | ApiError::Gone | ApiError::Denied(_) | ApiError::Malformed(_)) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// What a search finds that the caller may see: logical ids and resources. The log tells what they looked for.
    async fn search_as(
        &self,
        call: &Call,
        type_name: &str,
        mut pairs: Vec<(String, String)>,
    ) -> Result<Vec<(String, Value<'static>)>, Fault> {
        let Some(resource_type) = ResourceType::parse(type_name) else { return Ok(Vec::new()) };
        pairs.push(("_count".to_owned(), SHOWN.to_owned()));
        let now_ms = self.service.store.now_ms();
        let query = search::parse(Some(resource_type), &pairs, Handling::Strict, now_ms, &self.service.base);
        let Ok(query) = query else { return Ok(Vec::new()) };
        let command = Command::Search { query: Box::new(query), path: format!("/{type_name}") };
        match carry_out(&self.service, call.clone(), command).await {
            Ok(Outcome::Page(found)) => {
                let each = |version: &Version| Ok((version.id.clone(), access::stored(version)?.into_owned()));
                Ok(found.page.versions.iter().map(each).collect::<Result<_, ApiError>>()?)
            }
            Ok(_) | Err(ApiError::NotFound | ApiError::Denied(_)) => Ok(Vec::new()),
            Err(fault) => Err(fault.into()),
        }
    }
}
