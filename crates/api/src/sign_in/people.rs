//! Whom one can sign in as with the development provider: whoever is stored. And what a person is called.

use concord_consent::authorship::says_who_people_are;
use concord_consent::caller::Actor;
use concord_consent::facts::Period;
use concord_fhir::json::Value;
use concord_fhir::registry::ResourceType;
use concord_fhir::rules::local_reference;
use concord_store::StoreError;
use concord_store::rows::{StoredVersion, Version};
use concord_store::transaction::Transaction;

use crate::interact::access;
use crate::interact::access::facts::is_active;
use crate::interact::access::person;
use crate::interact::human_name::human_name;
use crate::sign_in::standing::KnownAs;
use crate::sign_in::{Fault, SignIn, Standing};

/// How many of each type are listed.
const LISTED: i64 = 200;

/// The types that people are signed in as, in the order in which they are listed, with what each is called.
const PEOPLE: [(&str, &str); 3] = [("Patient", "Patients"), RELATIVE, ("Practitioner", "Professionals")];

/// Somebody who can sign in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Somebody {
    /// A reference.
    pub(crate) reference: String,
    /// What they are called.
    pub(crate) name: String,
    /// Under which heading they are listed.
    pub(crate) group: &'static str,
    /// The patient whose relative they are: a logical id.
    pub(crate) relative_of: Option<String>,
}

impl SignIn {
    /// Everybody, group by group.
    pub(crate) async fn people(&self) -> Result<Vec<Somebody>, Fault> {
        let base = self.service.base.clone();
        let list = move |transaction: &mut Transaction<'_>| {
            let now_ms = transaction.now;
            let mut people = Vec::new();
            for (resource_type, group) in types() {
                match transaction.next_of_type(resource_type, 0, LISTED) {
                    Ok(found) => {
                        people.extend(found.iter().filter_map(|version| somebody(version, group, now_ms, &base)))
                    }
                    Err(error) => return (Err(error), Vec::new()),
                }
            }
            (Ok(people), Vec::new())
        };
        Ok(self.service.store.read(list).await?)
    }

    /// One of them.
    pub(crate) async fn somebody(&self, reference: &str) -> Result<Option<Somebody>, Fault> {
        let Some((name, id)) = reference.split_once('/') else { return Ok(None) };
        let Some((resource_type, group)) = types().find(|(one, _)| one.name() == name) else { return Ok(None) };
        let id = id.to_owned();
        let find =
            move |transaction: &mut Transaction<'_>| (person::signing_in(transaction, resource_type, &id), Vec::new());
        let found: Option<StoredVersion> = self.service.store.read(find).await?;
        let now_ms = self.service.store.now_ms();
        Ok(found.as_ref().and_then(|version| somebody(version, group, now_ms, &self.service.base)))
    }
}

/// By how many identifiers one person is looked for, where they pick themselves.
const MOST_IDENTIFIERS: usize = 10;

pub(super) const RELATIVE: (&str, &str) = ("RelatedPerson", "Relatives and carers");

impl SignIn {
    /// By what somebody is known who has picked themselves, where everybody may be anybody: what is on record of them.
    pub(crate) async fn standing_of(&self, reference: &str) -> Result<Standing, Fault> {
        let Some((name, id)) = reference.split_once('/') else { return Ok(Standing::default()) };
        let Some(resource_type) = ResourceType::parse(name) else { return Ok(Standing::default()) };
        let id = id.to_owned();
        let find =
            move |transaction: &mut Transaction<'_>| (person::signing_in(transaction, resource_type, &id), Vec::new());
        let found: Option<StoredVersion> = self.service.store.read(find).await?;
        let Some(version) = found else { return Ok(Standing::default()) };
        let stored = access::stored(&version)?;
        let text = |one: &Value<'_>, name| one.text(name).filter(|text| !text.is_empty()).map(str::to_owned);
        let identifiers = stored.list("identifier").iter();
        let known =
            identifiers.filter_map(|one| Some(KnownAs { system: text(one, "system")?, value: text(one, "value")? }));
        Ok(Standing { known_as: known.take(MOST_IDENTIFIERS).collect(), ..Standing::default() })
    }
}

fn types() -> impl Iterator<Item = (ResourceType, &'static str)> {
    PEOPLE.iter().filter_map(|(name, group)| Some((ResourceType::parse(name)?, *group)))
}

/// Who a stored resource is; none who may not act. `base` is where this server is, by which its patients may be named too.
pub(super) fn somebody(version: &Version, group: &'static str, now_ms: i64, base: &str) -> Option<Somebody> {
    let resource = access::stored(version).ok().filter(|one| counts(version, one, now_ms))?;
    let relative_of = resource.get("patient").and_then(|patient| local_reference(base, patient.text("reference")?));
    Some(Somebody {
        reference: format!("{}/{}", version.resource_type, version.id),
        name: human_name(&resource).unwrap_or_else(|| version.id.clone()),
        group,
        relative_of: relative_of.as_deref().and_then(|text| text.strip_prefix("Patient/")).map(str::to_owned),
    })
}

/// Whether the person of a grant is still on record and may act.
///
/// # Errors
/// When the database fails.
pub(super) fn may_act(transaction: &mut Transaction<'_>, reference: &str) -> Result<bool, StoreError> {
    let Some((name, id)) = reference.split_once('/') else { return Ok(false) };
    let Some(resource_type) = ResourceType::parse(name) else { return Ok(false) };
    let Some(version) = person::signing_in(transaction, resource_type, id)? else { return Ok(false) };
    Ok(access::stored(&version).is_ok_and(|one| counts(&version, &one, transaction.now)))
}

/// Whether somebody is in use, at this time, by the word of who says who people are.
fn counts(version: &Version, resource: &Value<'_>, now_ms: i64) -> bool {
    is_active(version)
        && Period::of(resource.get("period")).certainly_holds(now_ms)
        && says_who_people_are(&version.author)
}

/// The actor that a reference names.
pub(crate) fn actor(reference: &str) -> Option<Actor> {
    Actor::of_reference(reference)
}
