//! What a reference leads to: of which type, of which profile, and where it is.

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::Value;
use concord_fhir::literal::named_type;
use concord_fhir::terminology::Membership;

use super::kept::Tells;
use super::{Scope, Walk, shown};
use crate::definition::TypeRule;
use crate::item::{Item, Place, whole_resource};
use crate::library;
use crate::node::Node;
use crate::surroundings::{Surroundings, Whence};

impl Walk<'_> {
    /// Checks the target of a Reference or canonical against the profiles that a profile allows.
    pub(super) fn target(
        &mut self,
        rules: &[&TypeRule],
        node: &Node,
        item: &Item<'_>,
        place: &Place<'_>,
        scope: Scope<'_>,
    ) {
        let Some(value) = item.value.filter(|value| value.as_object().is_some()) else { return };
        let reference = value.text("reference");
        self.take(self.contained_beside(item, scope));
        let found = reference.and_then(|reference| scope.around.at_hand(reference));
        let aggregation: Vec<&str> = rules.iter().flat_map(|rule| &rule.aggregation).map(String::as_str).collect();
        if !aggregation.is_empty()
            && reference.is_some()
            && !aggregation.iter().any(|one| is_there(one, found.map(|(_, whence)| whence)))
        {
            let said = format!("the target must be {}", aggregation.join(" or "));
            self.broken(IssueCode::Invalid, place, node, scope, &said);
        }
        let Some(allowed) = self.allowed_targets(rules, value, (node, place, scope)) else { return };
        // To be of a type is enough where a type is among what is allowed, and what is stored need not be looked at.
        let asks_profile = !allowed.iter().any(|target| library::base_type(target).is_some());
        let Some(reference) = reference.filter(|_| asks_profile) else { return };
        match found.or_else(|| scope.around.resolve(reference)) {
            Some((resource, whence)) => self.target_profiles(&allowed, resource, whence, (node, place, scope)),
            None if self.checker.stored.is_some() => {
                let said = format!(
                    "what {} leads to is not known here, and was not checked by {}",
                    shown(reference),
                    allowed.join(" or ")
                );
                self.remark(Severity::Information, said, place);
            }
            None => {}
        }
    }

    /// Those of the allowed targets that are of the type that a reference leads to. None where anything may be there, and where it is
    /// told that nothing fits or that nobody can say.
    fn allowed_targets<'r>(
        &mut self,
        rules: &[&'r TypeRule],
        value: &Value<'_>,
        (node, place, scope): (&Node, &Place<'_>, Scope<'_>),
    ) -> Option<Vec<&'r str>> {
        let targets: Vec<&str> = rules.iter().flat_map(|rule| &rule.targets).map(String::as_str).collect();
        if targets.is_empty() || rules.iter().any(|rule| rule.targets.is_empty()) {
            return None;
        }
        let own = target_type(value, &scope.around)?;
        let (mut unknown, mut allowed, mut types) = (Vec::new(), Vec::new(), Vec::new());
        for target in targets {
            match self.type_of(target) {
                None => unknown.push(target),
                Some("Resource" | "DomainResource") => return None,
                Some(name) if name == own => allowed.push(target),
                Some(name) => types.push(name),
            }
        }
        if !unknown.is_empty() {
            let said = format!("the profile {} is not known here and was not checked", unknown.join(", "));
            self.remark(Severity::Information, said, place);
            return None;
        }
        if allowed.is_empty() {
            let said = format!("it leads to a {}, and must lead to {}", shown(&own), types.join(" or "));
            self.broken(IssueCode::Invalid, place, node, scope, &said);
            return None;
        }
        Some(allowed)
    }

    /// How many steps it is worth to look for what an item refers to among what is contained.
    pub(super) fn contained_beside(&self, item: &Item<'_>, scope: Scope<'_>) -> usize {
        let reference = item.value.and_then(|value| value.text("reference"));
        let is_contained = reference.is_some_and(|reference| reference.starts_with('#'));
        let contained = scope.around.resource.filter(|_| is_contained).map_or(0, |one| one.list("contained").len());
        contained / 4
    }

    /// A reference by type and id names the type that the entry of that id has.
    pub(super) fn named_entry(&mut self, value: &Value<'_>, around: Surroundings<'_>, place: &Place<'_>) {
        let Some((named, id)) = value.text("reference").and_then(|reference| reference.split_once('/')) else { return };
        let entry = around.bundle.and_then(|bundle| bundle.entry(&format!("urn:uuid:{id}")));
        let own = entry.and_then(|entry| entry.get("resource")).and_then(|resource| resource.text("resourceType"));
        if let Some(own) = own.filter(|own| *own != named) {
            let said = format!("the entry of that id is a {own}, not a {}", shown(named));
            self.add(Severity::Error, IssueCode::Invalid, &place.element("reference"), said);
        }
    }

    /// The target, which is at hand, keeps to one of the profiles.
    fn target_profiles<'v>(
        &mut self,
        allowed: &[&str],
        resource: &'v Value<'v>,
        whence: Whence,
        at: (&Node, &Place<'_>, Scope<'v>),
    ) {
        let (node, place, scope) = at;
        let around = scope.around.at(resource, whence);
        let item = whole_resource(resource, whence == Whence::Contained);
        let mut first = None;
        for canonical in allowed {
            let (kept, why) = self.conforms(&item, canonical, place, around, Tells::First);
            self.forget(&why);
            if kept != Membership::No {
                return;
            }
            first = first.or_else(|| why.into_iter().find(|issue| issue.severity >= Severity::Error));
        }
        let why = first.map(|issue| format!(": {}", issue.text)).unwrap_or_default();
        let said = format!("what it leads to does not keep to {}{why}", allowed.join(" or "));
        self.broken(IssueCode::Invalid, place, node, scope, &said);
    }

    /// The type that a profile is of.
    pub(super) fn type_of<'s>(&'s self, canonical: &'s str) -> Option<&'s str> {
        library::base_type(canonical)
            .or_else(|| self.checker.library.find(canonical).map(|definition| definition.type_name.as_str()))
    }
}

/// The type of what a reference leads to, as far as it can be told from here.
pub(super) fn target_type(value: &Value<'_>, around: &Surroundings<'_>) -> Option<String> {
    let reference = value.text("reference");
    let found = reference.and_then(|reference| around.at_hand(reference));
    found
        .and_then(|(resource, _)| resource.text("resourceType").map(str::to_owned))
        .or_else(|| reference.and_then(named_type).map(|known| known.name().to_owned()))
        .or_else(|| value.text("type").map(str::to_owned))
}

/// Whether a target is where it may be (R4 value set `resource-aggregation-mode`).
fn is_there(mode: &str, whence: Option<Whence>) -> bool {
    match whence {
        Some(Whence::Contained) => mode == "contained",
        Some(Whence::Bundled) => mode == "bundled" || mode == "referenced",
        Some(Whence::Stored) | None => mode == "referenced",
    }
}
