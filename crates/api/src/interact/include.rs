//! `_include` and `_revinclude` (R4 "Search", including other resources in result): what comes along with a page. Every
//! resource is looked up with what the caller may find of its type in the same statement; one that is hidden is left out
//! like one that is not there.

use std::collections::{HashMap, HashSet};

use concord_fhir::index::ParameterId;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{Kind, Parameter, Registry, ResourceType, canonical_url, refers_by_url};
use concord_fhir::search::{Include, Query};

use super::search::named;
use super::{AUDIT_EVENT, Call, Concord, access};
use crate::fault::Fault;
use crate::store::lower::Rows;
use crate::store::rows::Version;
use crate::store::statement::{Bind, Sql};
use crate::store::transaction::Transaction;

/// How many resources may come along with one page.
pub(crate) const MOST_INCLUDED: usize = 1_000;

/// How often `:iterate` goes on from what it has found.
const MOST_ROUNDS: usize = 10;

/// How many values one statement names.
const VALUES: usize = 500;

/// The resources that the query includes with these matches, each once and none of the matches; and a remark if they
/// are not all.
pub(crate) fn along(
    concord: &Concord,
    call: &Call,
    transaction: &mut Transaction<'_>,
    query: &Query,
    matches: &[Version],
) -> Result<(Vec<Version>, Vec<Issue>), Fault> {
    if query.include.is_empty() || matches.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let record = named(query).or_else(|| query.compartment.clone());
    // What names its parameters has been understood by the right ones; `*` means what there is now.
    let named_only = query.registry.is_none() && query.include.iter().all(|include| include.parameter.is_some());
    let registry = if named_only { None } else { Some(transaction.registry()?) };
    let mut search = Inclusion {
        concord,
        call,
        registry: registry.as_deref().unwrap_or(Registry::r4()),
        record,
        known: matches.iter().map(|version| version.key).collect(),
        permits: HashMap::new(),
        found: Vec::new(),
        cut: false,
    };
    let mut from: Vec<Version> = matches.to_vec();
    for round in 0..MOST_ROUNDS {
        let before = search.found.len();
        for include in query.include.iter().filter(|include| round == 0 || include.iterate) {
            search.follow(transaction, *include, &from)?;
        }
        // What an include without `:iterate` has brought is where the others go on from.
        from = search.found.get(before..).unwrap_or_default().to_vec();
        if from.is_empty() || search.cut || !query.include.iter().any(|include| include.iterate) {
            break;
        }
        search.cut |= round + 1 == MOST_ROUNDS;
    }
    let mut remarks = Vec::new();
    if search.cut {
        let text = format!(
            "not everything that was to be included is: at most {MOST_INCLUDED} resources, over at most {MOST_ROUNDS} \
             steps, come along with a page; ask for smaller pages"
        );
        remarks.push(Issue::remark(Severity::Warning, IssueCode::TooCostly, text));
    }
    Ok((search.found, remarks))
}

struct Inclusion<'a> {
    concord: &'a Concord,
    call: &'a Call,
    registry: &'a Registry,
    /// The only record that the search is about.
    record: Option<String>,
    /// The keys of what is in the answer already.
    known: HashSet<i64>,
    permits: HashMap<ResourceType, Predicate>,
    found: Vec<Version>,
    /// Whether something was left out.
    cut: bool,
}

impl Inclusion<'_> {
    fn follow(&mut self, transaction: &mut Transaction<'_>, include: Include, from: &[Version]) -> Result<(), Fault> {
        if include.reverse {
            self.backward(transaction, include, from)
        } else {
            self.forward(transaction, include, from)
        }
    }

    /// What these refer to.
    fn forward(&mut self, transaction: &mut Transaction<'_>, include: Include, from: &[Version]) -> Result<(), Fault> {
        let mut keys: Vec<String> = Vec::new();
        let sources: HashSet<ResourceType> = from.iter().map(|version| version.resource_type).collect();
        let mut by_url: HashSet<ResourceType> = HashSet::new();
        for source in sources.into_iter().filter(|one| include.source.is_none_or(|wanted| wanted == *one)) {
            let numbers: Vec<Bind> =
                followed(self.registry, include, source).map(|parameter| parameter.id.0.into()).collect();
            let rows: Vec<Bind> = from
                .iter()
                .filter(|version| version.resource_type == source)
                .map(|version| version.key.into())
                .collect();
            for chunk in rows.chunks(VALUES) {
                let sql = Sql::new("SELECT DISTINCT e.key FROM entry e WHERE ")
                    .append(one_of("e.resource", chunk))
                    .sql(" AND ")
                    .append(one_of("e.parameter", &numbers));
                keys.extend(transaction.texts(sql)?);
            }
            for parameter in followed(self.registry, include, source).filter(|parameter| refers_by_url(parameter.id)) {
                let meant = |one: &ResourceType| canonical_url(*one).is_some() && parameter.targets.contains(*one);
                by_url.extend(ResourceType::all().filter(meant));
            }
        }
        let mut ids: HashMap<ResourceType, Vec<Bind>> = HashMap::new();
        let mut urls: Vec<Bind> = Vec::new();
        for key in &keys {
            match concord_fhir::value::local(key) {
                Some((target, id)) => ids.entry(target).or_default().push(id.into()),
                None => urls.push(key.as_str().into()),
            }
        }
        let wanted = |one: &ResourceType| include.target.is_none_or(|target| target == *one) && *one != AUDIT_EVENT;
        let mut targets: Vec<ResourceType> = ids.keys().copied().collect();
        if !urls.is_empty() {
            targets.extend(by_url);
        }
        targets.sort_unstable();
        targets.dedup();
        for target in targets.into_iter().filter(wanted) {
            for chunk in ids.get(&target).map(Vec::as_slice).unwrap_or_default().chunks(VALUES) {
                let of_type = Sql::new("r.type = ").bind(target.number()).sql(" AND ");
                self.add(transaction, target, of_type.append(one_of("r.id", chunk)))?;
            }
            let Some(url) = canonical_url(target) else { continue };
            for chunk in urls.chunks(VALUES) {
                let named = of_type(transaction, target)
                    .sql("r.rid IN (SELECT u.resource FROM entry u WHERE u.key <> '' AND u.parameter = ")
                    .bind(url.0)
                    .sql(" AND ")
                    .append(one_of("u.key", chunk))
                    .sql(")");
                self.add(transaction, target, named)?;
            }
        }
        Ok(())
    }

    /// What refers to these.
    fn backward(&mut self, transaction: &mut Transaction<'_>, include: Include, from: &[Version]) -> Result<(), Fault> {
        let meant = |version: &&Version| include.target.is_none_or(|target| target == version.resource_type);
        let from: Vec<&Version> = from.iter().filter(meant).collect();
        let mut names: Vec<Bind> =
            from.iter().map(|version| format!("{}/{}", version.resource_type, version.id).into()).collect();
        for version in &from {
            if let Some(url) = canonical_url(version.resource_type) {
                names.extend(self.urls(transaction, url, version.key)?.into_iter().map(Bind::from));
            }
        }
        let sources: Vec<ResourceType> = match include.source {
            Some(one) => vec![one],
            None => ResourceType::all().filter(|one| *one != AUDIT_EVENT).collect(),
        };
        for source in sources {
            let may_refer =
                |parameter: &&Parameter| from.iter().any(|version| parameter.targets.contains(version.resource_type));
            let numbers: Vec<Bind> = followed(self.registry, include, source)
                .filter(may_refer)
                .map(|parameter| parameter.id.0.into())
                .collect();
            if numbers.is_empty() {
                continue;
            }
            for chunk in names.chunks(VALUES) {
                let refers = of_type(transaction, source)
                    .sql("r.rid IN (SELECT e.resource FROM entry e WHERE e.key <> '' AND ")
                    .append(one_of("e.parameter", &numbers))
                    .sql(" AND ")
                    .append(one_of("e.key", chunk))
                    .sql(")");
                self.add(transaction, source, refers)?;
            }
        }
        Ok(())
    }

    fn urls(&self, transaction: &mut Transaction<'_>, url: ParameterId, key: i64) -> Result<Vec<String>, Fault> {
        let sql = Sql::new("SELECT e.key FROM entry e WHERE e.resource = ").bind(key);
        transaction.texts(sql.sql(" AND e.parameter = ").bind(url.0))
    }

    /// Adds the resources of the type that meet the condition and that the caller may find, as far as there is room.
    fn add(&mut self, transaction: &mut Transaction<'_>, target: ResourceType, condition: Sql) -> Result<(), Fault> {
        if self.cut {
            return Ok(());
        }
        let permit = match self.permits.get(&target) {
            Some(permit) => permit.clone(),
            None => {
                let permit = access::findable(self.concord, self.call, transaction, target, self.record.as_deref())?;
                self.permits.insert(target, permit.clone());
                permit
            }
        };
        if permit == Predicate::None {
            return Ok(());
        }
        let permitted = transaction.lowered(Rows::Current, &permit, |lowering| lowering.condition(&permit))?;
        // Some may be in the answer already, and one more tells whether there are more.
        let most = MOST_INCLUDED + 1 + self.known.len();
        let sql = Sql::new("r.deleted = 0 AND ")
            .append(condition)
            .sql(" AND ")
            .append(permitted)
            .sql(" ORDER BY r.rid LIMIT ")
            .bind(i64::try_from(most).unwrap_or(i64::MAX));
        for version in transaction.versions(Rows::Current, sql)? {
            if self.known.contains(&version.key) {
                continue;
            }
            if self.found.len() >= MOST_INCLUDED {
                self.cut = true;
                return Ok(());
            }
            self.known.insert(version.key);
            self.found.push(version);
        }
        Ok(())
    }
}

/// A condition on the type of resources to which rows of the index lead. With the sign, SQLite does not go through
/// every resource of the type for them.
fn of_type(transaction: &Transaction<'_>, resource_type: ResourceType) -> Sql {
    let column = if transaction.is_postgres() { "r.type = " } else { "+r.type = " };
    Sql::new(column).bind(resource_type.number()).sql(" AND ")
}

/// The reference parameters of a type that the include follows.
fn followed(registry: &Registry, include: Include, source: ResourceType) -> impl Iterator<Item = &Parameter> {
    let meant = move |parameter: &&Parameter| {
        let one = include.parameter.is_none_or(|wanted| wanted == parameter.id);
        one && parameter.kind == Kind::Reference
            && include.target.is_none_or(|target| parameter.targets.contains(target))
    };
    registry.parameters(source).filter(meant)
}

/// The column has one of the values; not one of none.
fn one_of(column: &'static str, values: &[Bind]) -> Sql {
    let mut sql = Sql::new(if values.is_empty() { "1 = 0 AND " } else { "" }).sql(column).sql(" IN (NULL");
    for value in values {
        sql = sql.sql(", ").bind(value.clone());
    }
    sql.sql(")")
}
