//! Resources by their names, `Type/id`. Who says the name decides what it may lead to: what a caller says leads to a row
//! only past an evaluation of that row, and past the evaluation what is hidden looks like what is not there; what is stored
//! says, or who has signed in, leads there directly.
//!
//! | a name that | is made by |
//! |---|---|
//! | a caller says: in a path, a query, a body, a draft, a header | nothing: [`Transaction::named`] takes its text, and answers with what is [`Unevaluated`] |
//! | a stored row has | [`StoredVersion::name`], which only a row that the store has read has |
//! | stored data says | [`StoredVersion::names`], of all that such a row refers to |
//! | a patient's key means | [`Transaction::record_name`]; keys are told to nobody |
//! | a verified token says, of who calls | [`KnownName::of_caller`] |
//! | a login service says, of who signs in | [`KnownName::signing_in`] |
//!
//! The last two take text, for tokens and login services are not of the store: each is called in one place
//! (`clippy.toml` refuses any other).

use std::borrow::Cow;

use concord_fhir::index;
use concord_fhir::literal::Literal;
use concord_fhir::registry::ResourceType;

use crate::error::StoreError;
use crate::rows::{Head, StoredVersion};
use crate::statement::Sql;
use crate::transaction::Transaction;

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
}

/// What a caller's name leads to: nobody has evaluated yet whether they may know of it. The row cannot be had otherwise:
///
/// ```compile_fail
/// fn row(unevaluated: concord_store::named::Unevaluated) -> Option<concord_store::rows::Head> {
///     unevaluated.0
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
    pub fn evaluated<T, E>(self, evaluate: impl FnOnce(&Head) -> Result<Option<T>, E>) -> Result<Option<(Head, T)>, E> {
        let Some(head) = self.0 else { return Ok(None) };
        Ok(evaluate(&head)?.map(|found| (head, found)))
    }
}

impl Transaction<'_> {
    /// What a caller names, deleted or not. With `lock`, no other transaction can replace it until this one ends.
    ///
    /// # Errors
    /// When the database fails.
    pub fn named(&mut self, resource_type: ResourceType, id: &str, lock: bool) -> Result<Unevaluated, StoreError> {
        self.head_of(resource_type, id, lock).map(Unevaluated)
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
        let found = self.heads_from(named, "0")?;
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
