//! As whom others name somebody: the relatives and carers by one of whose identifiers somebody is known. Every patient writes her own,
//! so that what one of them writes must not push out what another has written.

use std::collections::{BTreeMap, BTreeSet};

use concord_consent::facts::Period;
use concord_fhir::index::{ParameterId, SEPARATOR};
use concord_fhir::json::Value;
use concord_fhir::predicate::{Predicate, Test};
use concord_fhir::registry::ResourceType;
use concord_store::StoreError;
use concord_store::rows::Version;
use concord_store::search::{PageRequest, TypeQuery};
use concord_store::transaction::Transaction;

use crate::interact::access;
use crate::sign_in::people::{RELATIVE, somebody};
use crate::sign_in::standing::KnownAs;
use crate::sign_in::{Fault, SignIn, Somebody};

/// How many of them are let in as, over all patients.
const MOST: usize = 20;
/// How many of one patient.
const MOST_OF_A_PATIENT: usize = 3;
/// How many of one patient are looked at.
const LOOKED_AT_OF_A_PATIENT: usize = 20;
/// How many are looked at at once.
const PAGE: u32 = 100;
/// How many are in all.
const MOST_LOOKED_AT: usize = 5_000;

/// As whom others name somebody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Relatives {
    /// The first of them.
    pub(super) all: Vec<Somebody>,
    /// Whether there may be more.
    pub(super) more: bool,
}

/// By what somebody is looked for.
struct Sought {
    known_as: Vec<KnownAs>,
    born: Option<String>,
    /// Where this server is, by which its patients may be named.
    base: String,
}

impl Sought {
    /// Those that bear an identifier and are in use; whether it is still borne is seen in the resource.
    fn predicate(&self) -> Predicate {
        let of = |code: &str| ParameterId::of(&format!("{}.{code}", RELATIVE.0));
        let tests = self.known_as.iter().map(|one| Test::Is(format!("{}{SEPARATOR}{}", one.value, one.system)));
        let inactive = Predicate::Entry(of("active"), Test::Starts("false".to_owned()));
        Predicate::Entry(of("identifier"), Test::Either(tests.collect())).and(inactive.negate())
    }

    /// Whom a version names, if it is still by what they are known and of the date of birth that is on record there.
    fn meant(&self, version: &Version, now_ms: i64) -> Option<Somebody> {
        let resource = access::stored(version).ok()?;
        let is_known = resource.list("identifier").iter().any(|one| self.is_borne(one, now_ms));
        let is_born_so = resource.text("birthDate").is_none_or(|day| self.born.as_deref() == Some(day));
        let found = somebody(version, RELATIVE.1, now_ms, &self.base).filter(|_| is_known && is_born_so)?;
        found.relative_of.is_some().then_some(found)
    }

    fn is_borne(&self, identifier: &Value<'_>, now_ms: i64) -> bool {
        let is = |one: &KnownAs| {
            identifier.text("system") == Some(&one.system) && identifier.text("value") == Some(&one.value)
        };
        identifier.text("use") != Some("old")
            && Period::of(identifier.get("period")).certainly_holds(now_ms)
            && self.known_as.iter().any(is)
    }

    /// The first of them of each patient.
    fn find(&self, resource_type: ResourceType, transaction: &mut Transaction<'_>) -> Result<Relatives, StoreError> {
        let now_ms = transaction.now;
        let mut predicate = self.predicate();
        let (mut found, mut after) = (Relatives::default(), None);
        // Of each patient: how many were looked at, and how many are meant.
        let mut patients: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
        let mut passed = BTreeSet::new();
        let mut seen = 0;
        while seen < MOST_LOOKED_AT {
            let queries = [TypeQuery { resource_type, record: None, predicate: predicate.clone() }];
            let wanted = PageRequest { queries: &queries, sort: &[], after: after.as_ref(), limit: PAGE };
            let (page, next) = transaction.piece(&wanted)?;
            seen += page.len();
            for version in &page {
                let (looked_at, meant) = patients.entry(version.patient).or_default();
                *looked_at += 1;
                let somebody = self.meant(version, now_ms);
                if *looked_at > LOOKED_AT_OF_A_PATIENT || (somebody.is_some() && *meant == MOST_OF_A_PATIENT) {
                    found.more = true;
                    continue;
                }
                let Some(somebody) = somebody else { continue };
                if found.all.len() == MOST {
                    return Ok(Relatives { more: true, ..found });
                }
                *meant += 1;
                found.all.push(somebody);
            }
            if next.is_none() {
                return Ok(found);
            }
            // A patient of whom enough was looked at does not stand in the way of the others.
            for (key, (looked_at, _)) in &patients {
                if *looked_at >= LOOKED_AT_OF_A_PATIENT && passed.insert(*key) {
                    found.more = true;
                    let patient = transaction.patient_id(*key)?;
                    predicate = predicate.and(Predicate::PatientCompartment(patient).negate());
                }
            }
            after = next;
        }
        Ok(Relatives { more: true, ..found })
    }
}

impl SignIn {
    /// As whom others name the person who is proven to be known by one of these: relatives and carers who may act. Where a date of
    /// birth is on record of one, it has to be this.
    pub(super) async fn relatives(&self, known_as: &[KnownAs], born: Option<&str>) -> Result<Relatives, Fault> {
        let Some(resource_type) = ResourceType::parse(RELATIVE.0).filter(|_| !known_as.is_empty()) else {
            return Ok(Relatives::default());
        };
        let base = self.service.base.clone();
        let sought = Sought { known_as: known_as.to_vec(), born: born.map(str::to_owned), base };
        let find = move |transaction: &mut Transaction<'_>| (sought.find(resource_type, transaction), Vec::new());
        Ok(self.service.store.read(find).await?)
    }
}
