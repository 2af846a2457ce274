//! `_include` and `_revinclude` (R4 "Search", including other resources in result): what comes along with a page. Every
//! resource is looked up with what the caller may find of its type in the same statement; one that is hidden is left out
//! like one that is not there.

mod versions;

use std::collections::{HashMap, HashSet};

use concord_fhir::index::ParameterId;
use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::predicate::Predicate;
use concord_fhir::registry::{Kind, Parameter, Registry, ResourceType, canonical_url, refers_by_url};
use concord_fhir::search::{Include, Query};
use concord_store::include::{Along, Linked};
use concord_store::rows::Version;

use crate::error::ApiError;
use crate::interact::session::Session;
use crate::interact::{access, is_event};

/// How many resources may come along with one page.
pub(crate) const MOST_INCLUDED: usize = 1_000;

/// How often `:iterate` goes on from what it has found.
const MOST_ROUNDS: usize = 10;

/// How many urls with their versions one statement names.
const CANONICALS: usize = 50;

/// How many values one statement names.
const VALUES: usize = 500;

/// The resources that the query includes with these matches, each once and none of the matches; and a remark if they
/// are not all.
pub(crate) fn included(
    session: &mut Session<'_, '_>,
    query: &Query,
    matches: &[Version],
) -> Result<(Vec<Version>, Vec<Issue>), ApiError> {
    included_by(session, query, matches, |_| true)
}

/// The same, where `:iterate` goes on only from some of what has been found.
pub(super) fn included_by(
    session: &mut Session<'_, '_>,
    query: &Query,
    matches: &[Version],
    goes_on: impl Fn(&Version) -> bool,
) -> Result<(Vec<Version>, Vec<Issue>), ApiError> {
    if query.include.is_empty() || matches.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let record = query.only_record().or_else(|| query.compartment.clone());
    // What names its parameters has been understood by the right ones; `*` means what there is now.
    let named_only = query.registry.is_none() && query.include.iter().all(|include| include.parameter.is_some());
    let registry = if named_only { None } else { Some(session.transaction.registry()?) };
    let mut search = Inclusion {
        registry: registry.as_deref().unwrap_or(Registry::r4()),
        record,
        known: matches.iter().map(|version| version.key).collect(),
        permits: HashMap::new(),
        found: Vec::new(),
        cut: false,
    };
    let mut from: Vec<Version> = matches.iter().map(Version::without_body).collect();
    for round in 0..MOST_ROUNDS {
        let before = search.found.len();
        for include in query.include.iter().filter(|include| round == 0 || include.iterate) {
            search.follow(session, *include, &from)?;
        }
        // What an include without `:iterate` has brought is where the others go on from.
        let new = search.found.get(before..).unwrap_or_default();
        from = new.iter().filter(|version| goes_on(version)).map(Version::without_body).collect();
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
    fn follow(&mut self, session: &mut Session<'_, '_>, include: Include, from: &[Version]) -> Result<(), ApiError> {
        if include.reverse { self.backward(session, include, from) } else { self.forward(session, include, from) }
    }

    /// What these refer to.
    fn forward(&mut self, session: &mut Session<'_, '_>, include: Include, from: &[Version]) -> Result<(), ApiError> {
        let mut keys: Vec<String> = Vec::new();
        let sources: HashSet<ResourceType> = from.iter().map(|version| version.resource_type).collect();
        let mut by_url: HashSet<ResourceType> = HashSet::new();
        let mut versioned: HashSet<(String, String)> = HashSet::new();
        for source in sources.into_iter().filter(|one| include.source.is_none_or(|wanted| wanted == *one)) {
            let parameters: Vec<ParameterId> =
                followed(self.registry, include, source).map(|parameter| parameter.id).collect();
            let rows: Vec<i64> =
                from.iter().filter(|version| version.resource_type == source).map(|version| version.key).collect();
            let (canonical, plain): (Vec<ParameterId>, Vec<ParameterId>) =
                parameters.into_iter().partition(|one| refers_by_url(*one));
            for chunk in rows.chunks(VALUES).filter(|_| !plain.is_empty()) {
                keys.extend(session.transaction.keys_of(chunk, &plain)?);
            }
            for row in rows.iter().filter(|_| !canonical.is_empty()) {
                let own = session.transaction.keys_of(&[*row], &canonical)?;
                let (named, others) = versions::named(own);
                versioned.extend(named);
                keys.extend(others);
            }
            for parameter in followed(self.registry, include, source).filter(|parameter| refers_by_url(parameter.id)) {
                let meant = |one: &ResourceType| canonical_url(*one).is_some() && parameter.targets.contains(*one);
                by_url.extend(ResourceType::all().filter(meant));
            }
        }
        let mut ids: HashMap<ResourceType, Vec<String>> = HashMap::new();
        let mut urls: Vec<String> = Vec::new();
        for key in keys {
            match concord_fhir::value::local(&key) {
                Some((target, id)) => ids.entry(target).or_default().push(id.to_owned()),
                None => urls.push(key),
            }
        }
        let wanted = |one: &ResourceType| include.target.is_none_or(|target| target == *one) && !is_event(*one);
        let mut targets: Vec<ResourceType> = ids.keys().copied().collect();
        if !urls.is_empty() || !versioned.is_empty() {
            targets.extend(by_url);
        }
        targets.sort_unstable();
        targets.dedup();
        for target in targets.into_iter().filter(wanted) {
            for chunk in ids.get(&target).map(Vec::as_slice).unwrap_or_default().chunks(VALUES) {
                self.add(session, target, Linked::Ids(chunk), Predicate::All)?;
            }
            let Some(url) = canonical_url(target) else { continue };
            for chunk in urls.chunks(VALUES) {
                self.add(session, target, Linked::Urls(url, chunk), Predicate::All)?;
            }
            for (named, version) in &versioned {
                let urls = std::slice::from_ref(named);
                self.add(session, target, Linked::Urls(url, urls), versions::is(target, version))?;
            }
        }
        Ok(())
    }

    /// What refers to these.
    fn backward(&mut self, session: &mut Session<'_, '_>, include: Include, from: &[Version]) -> Result<(), ApiError> {
        let meant = |version: &&Version| include.target.is_none_or(|target| target == version.resource_type);
        let from: Vec<&Version> = from.iter().filter(meant).collect();
        let names: Vec<String> =
            from.iter().map(|version| format!("{}/{}", version.resource_type, version.id)).collect();
        let mut canonicals: Vec<versions::Canonical> = Vec::new();
        for version in &from {
            canonicals.extend(versions::Canonical::of(session.transaction, version)?);
        }
        let sources: Vec<ResourceType> = match include.source {
            Some(one) => vec![one],
            None => ResourceType::all().filter(|one| !is_event(*one)).collect(),
        };
        for source in sources {
            let may_refer =
                |parameter: &&Parameter| from.iter().any(|version| parameter.targets.contains(version.resource_type));
            let parameters: Vec<ParameterId> =
                followed(self.registry, include, source).filter(may_refer).map(|parameter| parameter.id).collect();
            if parameters.is_empty() {
                continue;
            }
            for chunk in names.chunks(VALUES) {
                self.add(session, source, Linked::Referring(&parameters, chunk), Predicate::All)?;
            }
            let by_url: Vec<ParameterId> = parameters.into_iter().filter(|one| refers_by_url(*one)).collect();
            for chunk in canonicals.chunks(CANONICALS).filter(|_| !by_url.is_empty()) {
                let urls: Vec<String> = chunk.iter().map(|one| one.url.clone()).collect();
                let meant = chunk.iter().fold(Predicate::None, |any, one| any.or(one.referred_to(&by_url)));
                self.add(session, source, Linked::Referring(&by_url, &urls), meant)?;
            }
        }
        Ok(())
    }

    /// Adds the resources of the type that are linked so, that are meant and that the caller may find, as far as there is room.
    fn add(
        &mut self,
        session: &mut Session<'_, '_>,
        target: ResourceType,
        linked: Linked<'_>,
        meant: Predicate,
    ) -> Result<(), ApiError> {
        if self.cut {
            return Ok(());
        }
        let permit = match self.permits.get(&target) {
            Some(permit) => permit.clone(),
            None => {
                let found = access::finding(session, target, self.record.as_deref())?;
                let permit = found.as_ref().map_or(Predicate::None, |decision| decision.permit.clone());
                self.permits.insert(target, permit.clone());
                if let Some(decision) = found.filter(|decision| decision.permit != Predicate::None) {
                    session.audit.finds(Some(target), decision);
                }
                permit
            }
        };
        let permit = permit.and(meant);
        if permit == Predicate::None {
            return Ok(());
        }
        // Some may be in the answer already, and one more tells whether there are more.
        let most = MOST_INCLUDED + 1 + self.known.len();
        let (shown, known) = (MOST_INCLUDED - self.found.len(), &self.known);
        let along = Along { limit: most, shown, is_known: &|key| known.contains(&key) };
        for version in session.transaction.linked(target, linked, &permit, &along)? {
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

/// The reference parameters of a type that the include follows.
fn followed(registry: &Registry, include: Include, source: ResourceType) -> impl Iterator<Item = &Parameter> {
    let meant = move |parameter: &&Parameter| {
        let one = include.parameter.is_none_or(|wanted| wanted == parameter.id);
        one && parameter.kind == Kind::Reference
            && include.target.is_none_or(|target| parameter.targets.contains(target))
    };
    registry.parameters(source).filter(meant)
}
