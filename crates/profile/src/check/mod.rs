//! Checks a resource against the profiles that it claims and those that are asked, and its extensions against theirs.
//!
//! What the types of R4 ask themselves is not asked again here (`concord_fhir::check`).

mod binding;
mod constraint;
mod discriminator;
mod document;
mod element;
mod extension;
mod kept;
mod outside;
mod reference;
mod slices;
mod worded;

use std::cell::Cell;
use std::collections::BTreeSet;

use concord_fhir::issue::{Issue, IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::terminology::{Membership, Terminology};

use crate::definition::{self, Definition};
use crate::item::{Item, Members, Place, resource_shape, whole_resource};
use crate::library::{self, Library};
use crate::node::{Node, Profile};
use crate::surroundings::{Bundled, Stored, Surroundings};
use crate::value::short as shown;
use crate::vital_signs;
use kept::Tells;

/// How many problems are listed.
const MOST_ISSUES: usize = 500;
/// How many steps a check may take: elements looked at, each for every profile and slice, and what expressions take. A
/// write, which others wait for, may take a tenth of a second or less.
const MOST_STEPS: usize = 1_000_000;
const MOST_STEPS_ON_WRITE: usize = 100_000;
/// How many steps of an expression are as much work as one of these.
const STEPS_OF_EXPRESSIONS: usize = 8;
/// How many profiles are looked at that a resource claims.
const MOST_CLAIMS: usize = 20;
/// How deep profiles may ask for profiles.
const DEEPEST: usize = 30;

/// What is checked by.
#[derive(Clone, Copy)]
pub struct Checker<'c> {
    /// The definitions.
    pub library: &'c Library,
    /// The code lists.
    pub terminology: &'c dyn Terminology,
    /// What is stored, where references are followed into it.
    pub stored: Option<&'c dyn Stored>,
    /// Whether to say besides what R4 asks in words, and which extensions are not known that change the meaning of nothing.
    pub is_whole: bool,
    /// What time it is, as an instant; expressions that ask for it, and bounds that go by it, are not told without.
    pub now: Option<&'c str>,
    /// What all checks of one request may still take together, where they have that once: steps.
    pub together: Option<&'c Cell<usize>>,
}

/// Against what a resource is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'a> {
    /// Profiles that the caller names.
    pub profiles: &'a [String],
    /// Of the profiles that the resource and those inside it claim, those that are looked at; nothing for all.
    pub claimed: Option<&'a [String]>,
}

impl Checker<'_> {
    /// Checks a resource. What could not be checked is told as information.
    #[must_use]
    pub fn check(&self, resource: &Value<'_>, asked: Asked<'_>) -> Vec<Issue> {
        let most = if self.is_whole { MOST_STEPS } else { MOST_STEPS_ON_WRITE };
        // With none at all nobody would be told that it was not checked.
        let given = self.together.map_or(most, |left| left.get().clamp(1, most));
        let mut walk = Walk { claimed: asked.claimed, ..Walk::begin(*self, given) };
        let name = resource.text("resourceType").unwrap_or("Resource");
        let place = Place::root(name);
        let bundle = Bundled::of(resource);
        let own = Surroundings::of(resource, bundle.as_ref(), self.stored);
        for canonical in asked.profiles.iter().take(MOST_CLAIMS) {
            walk.claim(canonical, resource, &place, own, true);
        }
        walk.resource(resource, &place, own);
        if self.is_whole {
            walk.definition(resource, &place);
            walk.document(resource, &place, own);
            walk.addresses(resource, &place);
        }
        if let Some(together) = self.together {
            together.set(together.get().saturating_sub(given - walk.left.get()));
        }
        walk.into_issues()
    }
}

/// A check that is under way.
pub(crate) struct Walk<'c> {
    checker: Checker<'c>,
    issues: Vec<Issue>,
    beyond: usize,
    /// How many steps are left.
    left: Cell<usize>,
    /// Where the check was ended, because none were left.
    ended: Option<String>,
    /// The resources and values that are being checked against a profile, with the profile.
    under_way: Vec<kept::Key>,
    /// What was found out of them.
    kept: kept::Kept,
    /// What need not be said again.
    told: BTreeSet<String>,
    claimed: Option<&'c [String]>,
    /// How many expressions it is inside of.
    expressions: usize,
}

/// What a part of a check is inside of.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'s> {
    around: Surroundings<'s>,
    profile: &'s Profile,
}

impl<'c> Walk<'c> {
    fn begin(checker: Checker<'c>, steps: usize) -> Walk<'c> {
        Walk {
            checker,
            issues: Vec::new(),
            beyond: 0,
            left: Cell::new(steps),
            ended: None,
            under_way: Vec::new(),
            kept: kept::Kept::default(),
            told: BTreeSet::new(),
            claimed: None,
            expressions: 0,
        }
    }

    /// Checks a resource, at any depth, by what it claims, and goes on into it.
    fn resource<'v>(&mut self, resource: &'v Value<'v>, place: &Place<'_>, around: Surroundings<'v>) {
        let claims = resource.get("meta").map_or(&[][..], |meta| meta.list("profile"));
        for canonical in claims.iter().filter_map(Value::as_str).take(MOST_CLAIMS) {
            let wanted = self.claimed.is_none_or(|some| some.iter().any(|one| one == canonical));
            if wanted {
                self.claim(canonical, resource, place, around, false);
            }
        }
        // A write says no more than what it is asked to.
        if self.checker.is_whole {
            self.vital_sign(resource, place, around);
        }
        if let Some((shape, object)) = resource_shape(resource) {
            self.inside((shape, object), place, around, &extension::Holder::resource(&shape.name, resource));
        }
    }

    /// Checks a vital sign that does not claim to be one, by the profile that R4 asks of it. What is wrong by that is no error of what
    /// claims another profile, or none (UK Core's own height is in metres, for which R4's has no code).
    fn vital_sign<'v>(&mut self, resource: &'v Value<'v>, place: &Place<'_>, around: Surroundings<'v>) {
        let Some((canonical, code)) = vital_signs::asked_of(resource) else { return };
        let claims = resource.get("meta").map_or(&[][..], |meta| meta.list("profile"));
        let mut claims = claims.iter().filter_map(Value::as_str).take(MOST_CLAIMS);
        if claims.any(|claimed| self.checker.library.starts_from(claimed, &canonical)) {
            return;
        }
        let before = self.issues.len();
        self.claim(&canonical, resource, place, around, false);
        let mut is_wrong = false;
        for issue in self.issues.iter_mut().skip(before) {
            issue.severity = issue.severity.min(Severity::Warning);
            is_wrong |= issue.severity == Severity::Warning;
        }
        if is_wrong {
            let said = format!("R4 asks {canonical} of whatever has the code {code}, also where it is not claimed");
            self.remark(Severity::Information, said, place);
        }
    }

    /// Of a profile or extension itself: whether it can be used.
    fn definition(&mut self, resource: &Value<'_>, place: &Place<'_>) {
        let is_profile = resource.text("derivation") == Some("constraint") && resource.get("differential").is_some();
        if resource.text("resourceType") != Some("StructureDefinition") || !is_profile {
            return;
        }
        self.issues.extend(definition::unreadable(resource));
        match Definition::read(resource).and_then(|definition| self.checker.library.check(&definition)) {
            Ok(()) => {}
            Err(issue) if issue.code == IssueCode::NotFound => {
                self.remark(Severity::Information, format!("the definition was not checked: {}", issue.text), place);
            }
            Err(issue) => self.issues.push(issue),
        }
    }

    /// Checks a resource against a profile that it claims or that is asked.
    fn claim<'v>(
        &mut self,
        canonical: &str,
        resource: &'v Value<'v>,
        place: &Place<'_>,
        around: Surroundings<'v>,
        asked: bool,
    ) {
        let own = resource.text("resourceType").unwrap_or_default();
        if let Some(base) = library::base_type(canonical) {
            if base != own && !matches!(base, "Resource" | "DomainResource") {
                self.wrong_type(canonical, base, own, place);
            }
            return;
        }
        match self.checker.library.profile(canonical) {
            None => self.unknown(canonical, place, asked),
            Some(Err(issue)) => {
                let said = format!(
                    "the profile {canonical} could not be checked: {} ({})",
                    issue.text,
                    issue.expression.as_deref().unwrap_or_default()
                );
                self.remark(if asked { Severity::Warning } else { Severity::Information }, said, place);
            }
            Some(Ok(profile)) => {
                if profile.type_name != own {
                    self.wrong_type(canonical, &profile.type_name, own, place);
                } else if let Some((shape, object)) = resource_shape(resource) {
                    let scope = Scope { around, profile };
                    let key = key(resource, profile);
                    self.under_way.push(key);
                    self.object(&profile.root, &Members::of(shape, object), place, scope);
                    self.constraints(&profile.root, &whole_resource(resource, false), place, scope);
                    self.under_way.pop();
                }
            }
        }
    }

    fn wrong_type(&mut self, canonical: &str, wanted: &str, own: &str, place: &Place<'_>) {
        self.add(
            Severity::Error,
            IssueCode::Invalid,
            place,
            format!("{canonical} is a profile of {wanted}, and this is {own}"),
        );
    }

    fn unknown(&mut self, canonical: &str, place: &Place<'_>, asked: bool) {
        let others = self.checker.library.other_versions(canonical);
        let known =
            if others.is_empty() { String::new() } else { format!("; known are the versions {}", others.join(", ")) };
        let said = format!("the profile {} is not known here and was not checked{known}", shown(canonical));
        self.remark(if asked { Severity::Warning } else { Severity::Information }, said, place);
    }

    /// Checks what is asked of the elements of an object.
    fn object(&mut self, node: &Node, members: &Members<'_>, place: &Place<'_>, scope: Scope<'_>) {
        if self.exhausted(place) {
            return;
        }
        self.take(members.all().count() / STEPS_OF_EXPRESSIONS * (1 + node.children.len()));
        for child in &node.children {
            let items: Vec<Item<'_>> = members.named(&child.name).collect();
            self.element(child, &items, place, scope);
        }
        self.recurring(node, members, place, scope);
    }

    /// What is said of an element holds as well where its content is referred to (`Questionnaire.item.item`).
    fn recurring(&mut self, node: &Node, members: &Members<'_>, place: &Place<'_>, scope: Scope<'_>) {
        for item in members.all() {
            let name = item.of_type.name.as_ref();
            let Some(path) =
                name.strip_prefix(scope.profile.type_name.as_str()).and_then(|rest| rest.strip_prefix('.'))
            else {
                continue;
            };
            let own = name.rsplit('.').next() == Some(item.member);
            let Some(referred) = path.split('.').try_fold(&scope.profile.root, |node, part| node.find(part)) else {
                continue;
            };
            let is_said = node.find(item.member).is_some();
            if own && !is_said && !std::ptr::eq(referred, node) && referred.id != format!("{}.{}", node.id, item.member)
            {
                self.item(referred, &item, &place.item(&item), scope);
            } else if own && !is_said && std::ptr::eq(referred, node) {
                self.item(node, &item, &place.item(&item), scope);
            }
        }
    }

    /// Whether something keeps to a profile, and if not, why not: all that is wrong, or the first of it where that was found
    /// out before.
    fn conforms(
        &mut self,
        item: &Item<'_>,
        canonical: &str,
        place: &Place<'_>,
        around: Surroundings<'_>,
        tells: Tells,
    ) -> (Membership, Vec<Issue>) {
        let own = item.type_name();
        if let Some(base) = library::base_type(canonical) {
            let is = base == own || matches!(base, "Resource" | "DomainResource");
            return (if is { Membership::Yes } else { Membership::No }, Vec::new());
        }
        let Some(Ok(profile)) = self.checker.library.profile(canonical) else {
            return (Membership::Unknown, Vec::new());
        };
        if profile.type_name != own {
            return (Membership::No, Vec::new());
        }
        let Some(value) = item.value else { return (Membership::Unknown, Vec::new()) };
        let key = key(value, profile);
        // What is being found out already is taken to hold: a circle of references breaks nothing by itself.
        if let Some(depth) = self.under_way.iter().position(|one| *one == key) {
            self.kept.assume(depth);
            return (Membership::Yes, Vec::new());
        }
        if let Some(known) = self.kept.known(&key, tells) {
            return known;
        }
        if self.under_way.len() >= DEEPEST {
            self.kept.assume(0);
            return (Membership::Unknown, Vec::new());
        }
        let outside = self.kept.begin();
        self.under_way.push(key);
        let before = std::mem::take(&mut self.issues);
        self.item(&profile.root, item, place, Scope { around, profile });
        let found = std::mem::replace(&mut self.issues, before);
        self.under_way.pop();
        let fails = found.iter().any(|issue| issue.severity >= Severity::Error);
        let answer = if fails { Membership::No } else { Membership::Yes };
        // Nothing else refers to a value.
        let is_kept = value.get("resourceType").is_some();
        let seen = self.kept.end(self.under_way.len(), Some(key).filter(|_| is_kept), (answer, &found), outside);
        self.take(seen / 16);
        (answer, found)
    }

    /// Whether more has been looked at than a check may; said once.
    fn exhausted(&mut self, place: &Place<'_>) -> bool {
        self.take(1);
        let is_exhausted = self.left.get() == 0;
        if is_exhausted && self.ended.is_none() {
            self.ended = Some(place.to_string());
        }
        is_exhausted
    }

    /// Counts steps.
    fn take(&self, steps: usize) {
        self.left.set(self.left.get().saturating_sub(steps));
    }

    /// How many steps an expression may take now, of those that one may take at most.
    fn steps_of_an_expression(&self, most: usize) -> usize {
        self.left.get().saturating_mul(STEPS_OF_EXPRESSIONS).min(most)
    }

    /// Counts the steps that an expression took.
    fn take_expression(&self, steps: usize) {
        self.take(1 + steps / STEPS_OF_EXPRESSIONS);
    }

    fn add(&mut self, severity: Severity, code: IssueCode, place: &Place<'_>, text: String) {
        // What is not looked at any more would seem to be missing.
        if self.left.get() == 0 {
            return;
        }
        let issue = Issue::remark_at(severity, code, place.to_string(), text);
        if self.issues.len() >= MOST_ISSUES {
            self.beyond += 1;
        } else if !self.issues.contains(&issue) {
            self.issues.push(issue);
        }
    }

    /// Notes that a rule of a profile is broken.
    fn broken(&mut self, code: IssueCode, place: &Place<'_>, node: &Node, scope: Scope<'_>, said: &str) {
        self.add(Severity::Error, code, place, format!("{said} ({}#{})", scope.profile.url, node.id));
    }

    /// Notes what was not checked, or might be better, once for each text.
    fn remark(&mut self, severity: Severity, said: String, place: &Place<'_>) {
        if self.told.insert(said.clone()) {
            let code = if severity == Severity::Information { IssueCode::Informational } else { IssueCode::NotFound };
            self.add(severity, code, place, said);
        }
    }

    /// What was found is not told: what might be told elsewhere is not taken for told.
    fn forget(&mut self, found: &[Issue]) {
        for issue in found {
            self.told.remove(&issue.text);
        }
    }

    fn into_issues(mut self) -> Vec<Issue> {
        if self.left.get() == 0 {
            let text = "the check was ended here: there is too much to check".to_owned();
            let (severity, code) = (Severity::Error, IssueCode::TooCostly);
            self.issues.push(Issue { severity, code, text, expression: self.ended, rule: None });
        }
        if self.beyond > 0 {
            let text = format!("{} more problems are not listed", self.beyond);
            self.issues.push(Issue::remark(Severity::Information, IssueCode::TooLong, text));
        }
        self.issues
    }
}

/// A resource and a profile, by where they are.
fn key(value: &Value<'_>, profile: &Profile) -> kept::Key {
    (std::ptr::from_ref(value).addr(), std::ptr::from_ref(profile).addr())
}
