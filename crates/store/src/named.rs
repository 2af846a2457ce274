//! Resources by their names, `Type/id`, by keys of theirs and by whose record they are in. Who says the name decides what it
//! may lead to: what a caller says leads to a row only past an evaluation of that row, and past the evaluation what is hidden
//! looks like what is not there; what is stored says, or who has signed in, leads there directly.
//!
//! | a name that | is made by |
//! |---|---|
//! | a caller says: in a path, a query, a body, a draft, a header | nothing: [`Transaction::named`], [`Transaction::named_by_key`], [`Transaction::named_by_url`] and [`Transaction::named_record`] take its text, and answer with what is [`Unevaluated`] |
//! | a stored row has | [`StoredVersion::name`], which only a row that the store has read has |
//! | stored data says | [`StoredVersion::names`], [`StoredVersion::identifiers`] and [`StoredVersion::identified`], of all that such a row refers to |
//! | a patient's key means | [`Transaction::record_name`]; keys are told to nobody |
//! | a verified token says, of who calls | [`KnownName::of_caller`], and of the app, [`KnownKey::of_app`] |
//! | a login service says, of who signs in | [`KnownName::signing_in`] |
//!
//! The last three take text, for tokens and login services are not of the store: each is called in one place
//! (`clippy.toml` refuses any other). So do what leads past an evaluation on other [`Ground`]s than a permit, and the key of
//! a record that a decision is made about ([`UnevaluatedRecord::deciding`]): each such place says why.
//!
//! What else takes text of callers and reads rows, and why it leads to none of them past a permit:
//!
//! | function | what it leads to |
//! |---|---|
//! | `page`, `total`, `keys`, `history`, `linked`, `only_about`, `audit_query` | what meets the predicate that it is given, of which the permit is a part |
//! | `named_among` | the same names, of what the caller may not know of: they are taken out of answers |
//! | `find_by_key_and_author` | what that author has written, and the author is who calls |
//! | `records_with_keys`, `glass_broken_by` | the keys of the records in which who calls is named, each of which is then decided about |
//! | `make_patient_key` | the key under which something is about to be stored that has been decided on |
//! | `waiting_for` | what systems have stored that waits for the Patient who is stored, and is filed |
//! | `lock_resources`, `begin_buffering` | nothing: locks, and rows that are given out by [`Transaction::named`] |
//! | what is in `sign_in`, `parameters`, `definitions`, `code_lists`, `settings` | rows of their own, which are of no record |

mod identifier;

pub use identifier::KnownIdentifier;

use std::borrow::Cow;

use concord_fhir::index::{self, ParameterId, SEPARATOR};
use concord_fhir::literal::Literal;
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::lower::Rows;
use crate::rows::{Head, StoredVersion};
use crate::statement::Sql;
use crate::transaction::Transaction;
use crate::transaction::large_bodies::Bodies;

/// The name of a resource that no caller has made up. The text of a request does not become one:
///
/// ```compile_fail
/// use concord_fhir::registry::ResourceType;
/// fn known(resource_type: ResourceType, id: &str) -> concord_store::named::KnownName<'_> {
///     concord_store::named::KnownName { resource_type, id: id.into() }
/// }
/// ```
///
/// Nor does that of a version which somebody has put together:
///
/// ```compile_fail
/// fn known(sent: &concord_store::rows::Version) -> concord_store::named::KnownName<'_> {
///     sent.name()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownName<'n> {
    resource_type: ResourceType,
    id: Cow<'n, str>,
}

impl<'n> KnownName<'n> {
    /// The one by which a verified token says who calls.
    #[must_use]
    pub fn of_caller(resource_type: ResourceType, id: &'n str) -> KnownName<'n> {
        KnownName { resource_type, id: Cow::Borrowed(id) }
    }

    /// The one of somebody who signs in, or has let an app in: a login service says who that is, or, where everybody may be
    /// anybody, they themselves.
    #[must_use]
    pub fn signing_in(resource_type: ResourceType, id: &'n str) -> KnownName<'n> {
        KnownName { resource_type, id: Cow::Borrowed(id) }
    }

    /// Whether it is this, `Type/id`.
    #[must_use]
    pub fn is(&self, reference: &str) -> bool {
        reference.split_once('/') == Some((self.resource_type.name(), &self.id))
    }

    /// `Type/id`.
    #[must_use]
    pub fn reference(&self) -> String {
        format!("{}/{}", self.resource_type, self.id)
    }

    /// The key that what refers to it has for a parameter.
    #[must_use]
    pub fn referred_to_by(&self, parameter: ParameterId) -> KnownKey {
        KnownKey { parameter, key: format!("{}/{}", self.resource_type, self.id) }
    }

    /// The same, whatever it was borrowed from.
    #[must_use]
    pub fn into_owned(self) -> KnownName<'static> {
        KnownName { resource_type: self.resource_type, id: Cow::Owned(self.id.into_owned()) }
    }
}

/// A key that something is indexed by, and that no caller has made up. The text of a request does not become one:
///
/// ```compile_fail
/// use concord_fhir::index::ParameterId;
/// fn known(parameter: ParameterId, sent: &str) -> concord_store::named::KnownKey {
///     concord_store::named::KnownKey { parameter, key: sent.to_owned() }
/// }
/// ```
///
/// and nothing is found by that text without an evaluation of each row:
///
/// ```compile_fail
/// use concord_store::find::ByKey;
/// fn found(parameter: concord_fhir::index::ParameterId, sent: &str) -> ByKey<'_> {
///     ByKey::new(parameter, sent)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownKey {
    parameter: ParameterId,
    key: String,
}

impl KnownKey {
    /// That of an identifier by which a verified token says which app calls.
    #[must_use]
    pub fn of_app(parameter: ParameterId, system: &str, value: &str) -> KnownKey {
        KnownKey { parameter, key: format!("{value}{SEPARATOR}{system}") }
    }

    pub(crate) fn parameter(&self) -> ParameterId {
        self.parameter
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl StoredVersion {
    /// Its own name.
    #[must_use]
    pub fn name(&self) -> KnownName<'_> {
        KnownName { resource_type: self.resource_type, id: Cow::Borrowed(&self.id) }
    }

    /// What it refers to of this server, for what follows from that and is told to nobody by itself: facts that access is
    /// decided by, threads. `base` is where this server is. Nothing where it is a deletion.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub fn names(&self, base: &str) -> Result<Vec<KnownName<'static>>, StoreError> {
        if self.deleted {
            return Ok(Vec::new());
        }
        let local = |(_, reference): (String, String)| match Literal::read(&reference, base) {
            Literal::Local(resource_type, id) => Some(KnownName { resource_type, id: Cow::Owned(id.to_owned()) }),
            Literal::Elsewhere(_) | Literal::Contained | Literal::Malformed => None,
        };
        Ok(index::references(&self.resource()?).into_iter().filter_map(local).collect())
    }

    /// The identifiers that stand anywhere in it, by which it may name somebody.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub fn identifiers(&self) -> Result<Vec<KnownIdentifier>, StoreError> {
        let mut found = Vec::new();
        if !self.deleted {
            identifier::add_all(&self.resource()?, &mut found);
        }
        Ok(found)
    }

    /// The key for a parameter of whoever bears an identifier that it names somebody by; none if it names nobody by that.
    ///
    /// # Errors
    /// When the stored body cannot be read.
    pub fn identified(
        &self,
        parameter: ParameterId,
        system: &str,
        value: &str,
    ) -> Result<Option<KnownKey>, StoreError> {
        let found = self.identifiers()?.into_iter().find(|one| one.parts() == (system, value));
        Ok(found.map(|one| one.key(parameter)))
    }
}

/// What a caller's name leads to: nobody has evaluated yet whether they may know of it. The row cannot be had otherwise:
///
/// ```compile_fail
/// fn row(unevaluated: concord_store::named::Unevaluated) -> Option<concord_store::rows::Head> {
///     unevaluated.0
/// }
/// ```
///
/// nor by saying that it has been evaluated:
///
/// ```compile_fail
/// fn row(unevaluated: concord_store::named::Unevaluated) -> Option<concord_store::rows::Head> {
///     unevaluated.evaluated(|_| Ok::<_, concord_store::StoreError>(Some(()))).unwrap().map(|(head, ())| head)
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Unevaluated(Option<Head>);

impl Unevaluated {
    /// The row and what the evaluation found, if there is a row and the evaluation lets the caller know of it.
    ///
    /// # Errors
    /// Those of the evaluation.
    pub fn evaluated<T, E>(
        self,
        evaluate: impl FnOnce(&Head) -> Result<Option<Permitted<T>>, E>,
    ) -> Result<Option<(Head, T)>, E> {
        let Some(head) = self.0 else { return Ok(None) };
        let row = Row::of(&head);
        Ok(evaluate(&head)?.filter(|permitted| permitted.row == row).map(|permitted| (head, permitted.found)))
    }

    /// Whether it is there and is not deleted, which is all that is told.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.as_ref().is_some_and(|head| !head.version.deleted)
    }

    /// Whether there is or was anything of that name, which is all that is told.
    #[must_use]
    pub fn has_been(&self) -> bool {
        self.0.is_some()
    }
}

/// Which row of the database a version is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    key: i64,
    version: i64,
}

impl Row {
    fn of(head: &Head) -> Row {
        Row { key: head.version.key, version: head.version.version }
    }
}

/// That a row may be given out: a permit has been asked of it ([`Transaction::permitted`]), or it is on another [`Ground`]. For
/// any other row it counts for nothing, and nobody makes one up:
///
/// ```compile_fail
/// fn permitted(head: &concord_store::rows::Head) -> concord_store::named::Permitted {
///     concord_store::named::Permitted { row: (head.version.key, head.version.version), found: () }
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct Permitted<T = ()> {
    row: Row,
    found: T,
}

impl<T> Permitted<T> {
    /// The same with what the evaluation has found besides.
    pub fn with<U>(self, found: U) -> Permitted<U> {
        Permitted { row: self.row, found }
    }
}

impl Permitted {
    /// Without a permit.
    pub fn on(_ground: Ground, head: &Head) -> Permitted {
        Permitted { row: Row::of(head), found: () }
    }
}

/// On what else than a permit a row that a caller names may be read on. None of it is shown on that ground.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// From who asks nothing is kept, or whoever runs the server asks.
    KnowsEverything,
    /// A Patient, named by a system: it names patients of whom it may not know, and is told nothing of them.
    NamesPatients,
    /// Whom an NHS number means, by what those who bear it say of who has come in their place: of whom it means is told only
    /// who may read them.
    Meaning,
    /// The same resource as it was, or as it is, is evaluated by itself; of this row only its key is used, or what is hidden
    /// of it.
    OtherVersion,
    /// A Task of the server's own that goes on by what is written in the record that it is in.
    OwnTask,
    /// A Consent that who asks has signed when they let an app in; what is done with it is decided like any other write.
    Signed,
    /// Content that a resource shows which is being written, and that its writer was found to be let refer to, or that an
    /// older release has stored: its labels are compared.
    Content,
}

/// What a caller's name of a patient leads to: nobody has decided yet whether they may know that there is such a record. Its
/// key, which leads to what is in the record, cannot be had otherwise:
///
/// ```compile_fail
/// fn key(record: concord_store::named::UnevaluatedRecord) -> Option<i64> {
///     record.0
/// }
/// ```
///
/// and is not told of text:
///
/// ```compile_fail
/// fn key(transaction: &mut concord_store::transaction::Transaction<'_>, sent: &str) -> Option<i64> {
///     transaction.patient_key(sent).unwrap()
/// }
/// ```
#[derive(Debug)]
#[must_use]
pub struct UnevaluatedRecord(Option<i64>);

impl UnevaluatedRecord {
    /// The key of the record, for a decision about it, and for nothing else; 0 where there is none, of which nothing permits
    /// anything to anybody but its patient.
    #[must_use]
    pub fn deciding(self) -> i64 {
        self.0.unwrap_or(0)
    }

    /// Whether nothing has ever named such a patient: for how the server looks for what it decides by, which it tells nobody.
    #[must_use]
    pub fn is_unused(&self) -> bool {
        self.0.is_none()
    }
}

/// The condition on `r` that it is there and has a key for a parameter.
pub(crate) fn having(parameter: ParameterId, key: &str, resource_type: Option<ResourceType>) -> Sql {
    let mut sql = Sql::new("r.deleted = 0");
    if let Some(resource_type) = resource_type {
        sql = sql.sql(" AND r.type = ").bind(resource_type.number());
    }
    sql.sql(" AND r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND e.parameter = ")
        .bind(parameter.0)
        .sql(" AND e.key = ")
        .bind(key)
        .sql(")")
}

impl Transaction<'_> {
    /// What a caller names, deleted or not. With `lock`, no other transaction can replace it until this one ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named(&mut self, resource_type: ResourceType, id: &str, lock: bool) -> Result<Unevaluated, StoreError> {
        let bodies = if lock { Bodies::All } else { self.bodies_named() };
        self.head_with(resource_type, id, lock, bodies).map(Unevaluated)
    }

    /// The record of a patient whom a caller names.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named_record(&mut self, patient: &str) -> Result<UnevaluatedRecord, StoreError> {
        self.patient_key(patient).map(UnevaluatedRecord)
    }

    /// The key of the record of a patient whose name no caller has made up, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_of(&mut self, patient: &KnownName<'_>) -> Result<Option<i64>, StoreError> {
        self.patient_key(&patient.id)
    }

    /// What of a type has a key for a parameter that a caller says, at most so many, in no order; nothing that is deleted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named_by_key(
        &mut self,
        resource_type: ResourceType,
        parameter: ParameterId,
        key: &str,
        most: u32,
    ) -> Result<Vec<Unevaluated>, StoreError> {
        let from = Sql::new("(SELECT r.rid FROM resource r WHERE ")
            .append(having(parameter, key, Some(resource_type)))
            .sql(format!(" LIMIT {most}"))
            .sql(") AS c JOIN resource r ON r.rid = c.rid");
        let found = match self.buffers_key(parameter, key) {
            true => self.heads_from(from, "0", Bodies::All),
            // What is buffered is none of them.
            false => self.bypass_buffer(|transaction| transaction.heads_from(from, "0", Bodies::All)),
        }?;
        Ok(found.into_iter().map(|(_, head)| Unevaluated(Some(head))).collect())
    }

    /// That a row may be given out, if it is one of those that a permit means.
    ///
    /// # Errors
    /// When the database fails.
    pub fn permitted(&mut self, permit: &Predicate, head: &Head) -> Result<Option<Permitted>, StoreError> {
        let permitted = self.holds(permit, Rows::Current, &head.version)?;
        Ok(permitted.then(|| Permitted { row: Row::of(head), found: () }))
    }

    /// What is called by a canonical url that a caller names, or has been, deleted or not: so many at most, in the order of
    /// their keys, from the one after `after` on; with the key of the last, if there may be more.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named_by_url(
        &mut self,
        url: &str,
        after: i64,
        most: i64,
    ) -> Result<(Vec<Unevaluated>, Option<i64>), StoreError> {
        let named = Sql::new("(SELECT n.resource FROM canonical_name n WHERE n.url = ")
            .bind(url)
            .sql(" AND n.resource > ")
            .bind(after)
            .sql(" ORDER BY n.resource LIMIT ")
            .bind(most)
            .sql(") AS c JOIN resource r ON r.rid = c.resource");
        let found = self.heads_from(named, "0", Bodies::All)?;
        let is_full = i64::try_from(found.len()).is_ok_and(|count| count >= most);
        let last = found.iter().map(|(_, head)| head.version.key).max().filter(|_| is_full);
        Ok((found.into_iter().map(|(_, head)| Unevaluated(Some(head))).collect(), last))
    }

    /// The name of the resource, of that type, whose record this is the key of.
    ///
    /// # Errors
    /// When the database fails.
    pub fn record_name(&mut self, resource_type: ResourceType, patient: i64) -> Result<KnownName<'static>, StoreError> {
        Ok(KnownName { resource_type, id: Cow::Owned(self.patient_id(patient)?) })
    }

    /// The current version of a resource whose name no caller has made up, deleted or not. With `lock`, no other transaction
    /// can replace it until this one ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn head(&mut self, name: &KnownName<'_>, lock: bool) -> Result<Option<Head>, StoreError> {
        self.head_of(name.resource_type, &name.id, lock)
    }
}
