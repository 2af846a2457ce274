//! `Patient/$access-log`: who looked, in plain language: who, with which app, when, at what, what for, whether it was
//! allowed and by which rule or choice. What was seen by breaking the glass comes first, then the newest.

mod reason;

use std::collections::{BTreeSet, HashMap};

use concord_consent::caller::Actor;
use concord_consent::request::Action;
use concord_fhir::index::ParameterId;
use concord_fhir::json::{self, Value};
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_model::build::fragment;
use concord_store::audit::{Place, Record, Stored};
use concord_store::rows::Version;
use concord_store::search::{PageRequest, Position, PositionValue, TypeQuery};

use crate::error::ApiError;
use crate::interact::access::knowledge;
use crate::interact::audit::closed;
use crate::interact::audit::said::Said;
use crate::interact::audit::sought::{Order, Sought};
use crate::interact::audit::visibility::{self, Shown};
use crate::interact::audit::{BREAK_GLASS, Interaction, event_version, outcome};
use crate::interact::human_name::human_name;
use crate::interact::operation::record;
use crate::interact::operation::{Computing, Conduct, Input, Level, Operation, OperationTarget, Output, Parameter};
use crate::interact::search::Page;
use crate::interact::session::Session;
use crate::interact::{AUDIT_EVENT, access};

/// Among how many roles of a practitioner the organization is looked for.
const MOST_ROLES: u32 = 50;

/// `Patient/$access-log`
pub(super) const OPERATION: Operation = Operation {
    name: "$access-log",
    levels: &[Level::Instance],
    types: &["Patient"],
    conduct: Conduct { reads_log: true, logs_parameters: true, ..Conduct::READS },
    computing: Computing::InProportion,
    description: "Who looked at the record, was refused, or took a copy of it, told in plain language: broken glass first, then \
           the newest. Reading it is in the log too.",
    definition: None,
    parameters: &[
        Parameter::optional("start", "date", "Only from this time on"),
        Parameter::optional("end", "date", "Only up to this time"),
        Parameter::optional("_count", "integer", "How many on a page"),
        Parameter::optional("_cursor", "string", "From a next link"),
    ],
    run,
};

fn run(session: &mut Session<'_, '_>, target: &OperationTarget, input: &Input) -> Result<Output, ApiError> {
    let patient = record::patient(session.call, target)?;
    let span = record::span(input, "start", "end")?;
    let limit = record::count(session.service, input)?;
    let told = OPERATION.asked(input);
    session.audit.about(&patient);
    let asked = LogInput { patient, span, limit, context: told };
    page(session, &asked, input.text("_cursor").as_deref()).map(Output::Page)
}

struct LogInput {
    patient: String,
    span: (Option<i64>, Option<i64>),
    limit: u32,
    context: String,
}

/// A page, as of the log as a whole: first the broken glass, then the rest. The cursor says where of which.
fn page(session: &mut Session<'_, '_>, asked: &LogInput, cursor: Option<&str>) -> Result<Page, ApiError> {
    access::require_scope(session.call, Action::Search, AUDIT_EVENT)?;
    access::disclose(session, &[], std::slice::from_ref(&asked.patient))?;
    let context = format!("{} of {}", asked.context, asked.patient);
    let after = match cursor {
        Some(text) => Some(session.service.cursors.open(session.call, &context, text)?),
        None => None,
    };
    let of_record = Predicate::PatientCompartment(asked.patient.clone());
    let mut sought = visibility::sought(session, Action::Search, of_record)?;
    if let Some(first) = asked.span.0 {
        sought = sought.since(first);
    }
    if let Some(last) = asked.span.1 {
        sought = sought.until(last);
    }
    let room = usize::try_from(asked.limit).unwrap_or(usize::MAX);
    let (mut found, mut next): (Vec<Stored>, Option<Position>) = (Vec::new(), None);
    let mut unread = BTreeSet::new();
    for (part, emergency) in [true, false].into_iter().enumerate() {
        let beyond = match &after {
            Some(position) if position.values.len() > part => continue,
            Some(position) if position.values.len() == part => Some(position.key),
            _ => None,
        };
        let wanted = sought.clone().for_purpose(BREAK_GLASS, emergency);
        let left = room - found.len();
        let page = Sought {
            query: &wanted,
            emergency: Some(emergency),
            order: Order::Arrival,
            after: beyond.map(Place::own),
            ascending: false,
            most: left.saturating_add(1),
        };
        let mut more = closed::page(session, &page, &mut unread)?;
        if more.len() > left {
            more.truncate(left);
            // Where nothing of this part has been told yet, it begins at its start.
            let key = more.last().map_or(i64::MAX, |last| last.pk);
            next = Some(Position { values: vec![PositionValue::Missing; part], key });
            found.extend(more);
            break;
        }
        found.extend(more);
    }
    let shown = visibility::shown(session, &found)?;
    let mut names = Names { session, known: HashMap::new() };
    let mut versions = Vec::new();
    for shown in &shown {
        versions.push(names.with_narrative(shown)?);
    }
    let next = next.map(|position| session.service.cursors.seal(session.call, &context, &position));
    let remarks = visibility::notices(session, &sought, unread)?;
    Ok(Page { versions, remarks, next, ..Page::default() })
}

/// Who the agents are, as far as the caller may know.
struct Names<'a, 's, 't> {
    session: &'a mut Session<'s, 't>,
    known: HashMap<String, String>,
}

impl Names<'_, '_, '_> {
    /// The event with its narrative.
    fn with_narrative(&mut self, shown: &Shown) -> Result<Version, ApiError> {
        let (stored, mut version) = (shown.event(), event_version(shown)?);
        let who = self.name(&stored.record.agent)?;
        let text = sentence(stored, &who);
        let mut event = json::parse(version.body.as_bytes(), &json::Limits::default())
            .map_err(|_| ApiError::Internal("an event cannot be read".to_owned()))?
            .into_owned();
        if let Some(object) = event.as_object_mut() {
            let place = object.0.iter().position(|(name, _)| name == "type").unwrap_or(object.0.len());
            object.set_at(place, "text", fragment::narrative(&text));
        }
        version.body = json::to_string(&event);
        Ok(version)
    }

    /// An agent in words.
    fn name(&mut self, agent: &str) -> Result<String, ApiError> {
        if let Some(known) = self.known.get(agent) {
            return Ok(known.clone());
        }
        let mut name = agent.to_owned();
        if let (Actor::Patient(_), true) =
            (&self.session.call.caller.actor, self.session.call.caller.actor.reference().as_deref() == Some(agent))
        {
            name = "You".to_owned();
        } else if let Some(resource) = self.readable(agent)? {
            let person = resource.get("practitioner").and_then(|it| it.text("reference")).map(str::to_owned);
            let organization = match agent.split('/').next() {
                Some("Practitioner") => self.organization_of(agent)?,
                _ => resource.get("organization").and_then(|it| it.text("reference")).map(str::to_owned),
            };
            let named = match person {
                Some(person) => self.readable(&person)?.as_ref().and_then(human_name),
                None => human_name(&resource),
            };
            if let Some(named) = named {
                name = format!("{named} ({agent})");
            }
            if let Some(place) = organization
                && let Some(place) = self.readable(&place)?
                && let Some(place) = place.text("name")
            {
                name.push_str(&format!(" of {place}"));
            }
        }
        self.known.insert(agent.to_owned(), name.clone());
        Ok(name)
    }

    /// The organization of a practitioner's role, if there is exactly one.
    fn organization_of(&mut self, practitioner: &str) -> Result<Option<String>, ApiError> {
        let role = ResourceType::of("PractitionerRole");
        let call = access::unbounded(self.session.call);
        let permit = access::findable(&mut self.session.calling(&call), role, None)?;
        let held =
            Predicate::Entry(ParameterId::of("PractitionerRole.practitioner"), Test::Is(practitioner.to_owned()));
        let queries = [TypeQuery { resource_type: role, record: None, predicate: held.and(permit) }];
        let wanted = PageRequest { queries: &queries, sort: &[], after: None, limit: MOST_ROLES };
        let (found, _) = self.session.transaction.page(&wanted)?;
        found.iter().for_each(|version| self.session.transaction.let_go(version));
        let mut places: Vec<String> = Vec::new();
        for version in found {
            let value = access::stored(&version)?;
            places.extend(value.get("organization").and_then(|it| it.text("reference")).map(str::to_owned));
        }
        places.sort();
        places.dedup();
        Ok(if places.len() == 1 { places.pop() } else { None })
    }

    fn readable(&mut self, reference: &str) -> Result<Option<Value<'static>>, ApiError> {
        let Some((name, id)) = reference.split_once('/') else { return Ok(None) };
        let Some(resource_type) = ResourceType::parse(name) else { return Ok(None) };
        // What a Patient shows of a person may be less than all: another patient is told by the reference.
        if resource_type == record::PATIENT {
            return Ok(None);
        }
        let head = knowledge::referable(self.session, resource_type, id)?;
        head.map(|head| access::stored(&head.version)).transpose()
    }
}

/// An event in a sentence or two.
fn sentence(stored: &Stored, who: &str) -> String {
    let record = &stored.record;
    let when = crate::interact::instant(stored.at);
    let when = format!("{} at {} UTC", when.get(..10).unwrap_or_default(), when.get(11..16).unwrap_or_default());
    let app = if record.client.is_empty() { String::new() } else { format!(", with the app {},", record.client) };
    let why = match record.purpose.as_str() {
        "" => String::new(),
        BREAK_GLASS => ", breaking the glass in an emergency".to_owned(),
        code => format!(", {}", purpose(code)),
    };
    let told = match record.outcome {
        outcome::SUCCESS => "This was allowed",
        outcome::FAILED => "This failed",
        _ if reason::is_of_what_was_asked(&record.reason) => "This could not be done, and nothing was shown",
        _ => "This was refused, and nothing was shown",
    };
    let reason = match reason::in_words(&record.reason, record.outcome == outcome::SUCCESS) {
        text if text.is_empty() => String::new(),
        text => format!(": {text}"),
    };
    format!("{who}{app} {} on {when}{why}. {told}{reason}.", done(record).in_words(record.outcome))
}

/// What was done, or tried: a verb as it stands after "tried to", and in the past; and what it is about.
struct Deed {
    infinitive: &'static str,
    past: &'static str,
    what: String,
}

impl Deed {
    /// As it is told of an event.
    fn in_words(&self, outcome: i16) -> String {
        match outcome {
            outcome::SUCCESS => format!("{} {}", self.past, self.what),
            _ => format!("tried to {} {}", self.infinitive, self.what),
        }
    }
}

/// What was done, to what kind of data.
fn done(record: &Record) -> Deed {
    let kind = ResourceType::from_number(record.resource_type).map(kind);
    let (one, data) = match kind {
        None => ("the record".to_owned(), "the record".to_owned()),
        Some(kind) => (with_article(&kind), format!("{kind} data")),
    };
    let operation = record.query.split('?').next().unwrap_or_default();
    let is = |these: &[Interaction]| these.iter().any(|one| *one as i16 == record.interaction);
    let deed = |infinitive, past, what: String| Deed { infinitive, past, what };
    match () {
        () if is(&[Interaction::Read, Interaction::Vread]) => deed("read", "read", one),
        () if is(&[Interaction::Search]) && Said::of(&record.reason).rules.starts_with("export") => {
            deed("take a copy of", "took a copy of", data)
        }
        () if is(&[Interaction::Search]) => deed("look for", "looked for", data),
        () if is(&[Interaction::Create]) => deed("add", "added", one),
        () if is(&[Interaction::Update, Interaction::Patch]) => deed("change", "changed", one),
        () if is(&[Interaction::Delete]) => deed("delete", "deleted", one),
        () if is(&[Interaction::History, Interaction::TypeHistory, Interaction::SystemHistory]) => {
            deed("look at", "looked at", format!("the history of {data}"))
        }
        () if is(&[Interaction::Login]) => deed("come", "came", "in".to_owned()),
        () if is(&[Interaction::BreakGlass]) => deed("break", "broke", "the glass, to see the record".to_owned()),
        () => match operation {
            "$everything" => deed("read", "read", "the whole record".to_owned()),
            "$summary" => deed("read", "read", "the summary".to_owned()),
            "$access-log" => deed("read", "read", "this list".to_owned()),
            "$release" => deed("release", "released", format!("{one} that was kept from the patient")),
            "$verify" => deed("verify (or take that back)", "verified (or took that back)", one),
            "$due-for-review" => deed("look for", "looked for", "what is due for review".to_owned()),
            "$correctionrequest" => deed("ask for", "asked for", "a correction".to_owned()),
            "$evaluate" => deed("ask", "asked", "what somebody may see".to_owned()),
            "$who-can-see" => deed("ask", "asked", "who can see the record".to_owned()),
            "$connected-apps" => deed("ask", "asked", "which apps are connected".to_owned()),
            "$end-app-access" => deed("end", "ended", "what an app may do".to_owned()),
            other => deed("ask for", "asked for", format!("{other} of {data}")),
        },
    }
}

/// A kind of data with the article that goes before it.
fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// A type in words: `MedicationStatement` as "medication statement".
fn kind(resource_type: ResourceType) -> String {
    let mut words = String::new();
    for letter in resource_type.name().chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn purpose(code: &str) -> String {
    match code {
        "TREAT" => "for treatment".to_owned(),
        "ETREAT" => "for emergency treatment".to_owned(),
        "PATRQT" => "at the patient's own request".to_owned(),
        "FAMRQT" => "at the request of family".to_owned(),
        other => format!("for the purpose {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_a_sentence() {
        let record = Record {
            interaction: 0,
            outcome: 4,
            client: "portal".to_owned(),
            purpose: "TREAT".to_owned(),
            resource_type: ResourceType::of("MedicationStatement").number(),
            reason: "hidden: no-relationship, scope.covers".to_owned(),
            ..Record::default()
        };
        let stored = Stored { pk: 1, at: 1_772_366_400_000, patient_id: "p".to_owned(), record };
        assert_eq!(
            sentence(&stored, "Dr Okafor"),
            "Dr Okafor, with the app portal, tried to read a medication statement on 2026-03-01 at 12:00 UTC, for treatment. \
             This was refused, and nothing was shown: neither the care team nor a sharing choice lets them in."
        );
        let did = |interaction: Interaction| {
            let observation = ResourceType::of("Observation").number();
            done(&Record { interaction: interaction as i16, resource_type: observation, ..Record::default() })
                .in_words(0)
        };
        assert_eq!(did(Interaction::Login), "came in");
        assert_eq!(
            reason::in_words("sign-in.with:nhs-login, sign-in.unproven", true),
            "they signed in with nhs-login; they have not proven who they are"
        );
        assert_eq!(did(Interaction::Patch), "changed an observation");
        assert_eq!(did(Interaction::BreakGlass), "broke the glass, to see the record");
    }
}
