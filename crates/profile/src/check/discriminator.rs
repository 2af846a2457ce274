//! Whether an item belongs to a slice (R4 "Profiling", discriminator).

use concord_fhir::json::Value;
use concord_fhir::terminology::Membership;

use super::kept::Tells;
use super::reference::target_type;
use super::{Scope, Walk};
use crate::definition::{DiscriminatorKind, Strength, TypeRule, ValueRule};
use crate::item::{Item, Members, Place, whole_resource};
use crate::library::split;
use crate::node::{Node, Step, Way};
use crate::surroundings::{Surroundings, Whence};
use crate::value::{holds, is_fixed};

impl<'c> Walk<'c> {
    /// Whether an item is what a slice is told by; nothing if the slice says nothing of that. `at` is the position of the
    /// item and the number of the slice.
    pub(super) fn matches(
        &mut self,
        way: &Way,
        slice: &Node,
        item: &Item<'_>,
        at: (usize, usize),
        scope: Scope<'_>,
    ) -> Option<Membership> {
        let rules = self.rules(&way.steps, slice);
        // What lies at the end of the path is looked for anew for each slice.
        let beside = item
            .value
            .and_then(Value::as_object)
            .map_or(0, |object| object.0.iter().map(|(_, one)| one.items().len()).sum());
        self.take(1 + beside / 4 + self.contained_beside(item, scope));
        let answer = match way.kind {
            DiscriminatorKind::Position => is(at.0 == at.1),
            DiscriminatorKind::Value => match is_extension_of(&way.steps, slice, item) {
                Some(known) => is(known),
                None => self.by_value(&rules, &follow(&way.steps, *item, &scope.around))?,
            },
            DiscriminatorKind::Exists => {
                let there = !follow(&way.steps, *item, &scope.around).is_empty();
                let asked = rules.iter().find_map(|rule| match (rule.rules.min, rule.rules.max) {
                    (_, Some(0)) => Some(false),
                    (Some(min), _) if min > 0 => Some(true),
                    _ => None,
                });
                is(asked? == there)
            }
            DiscriminatorKind::Type => self.by_type(way, slice, item, scope)?,
            DiscriminatorKind::Profile => self.by_profile(way, slice, item, scope)?,
        };
        Some(answer)
    }

    /// What a slice says of the elements at the end of a path: itself, and by the profiles on the way.
    fn rules<'n>(&'n self, steps: &[Step], slice: &'n Node) -> Vec<&'n Node>
    where
        'c: 'n,
    {
        let library = self.checker.library;
        let mut nodes = vec![slice];
        for step in steps {
            let mut next = Vec::new();
            for node in nodes {
                let profiles = node.rules.types.iter().flat_map(|rule| match step {
                    Step::Resolve => &rule.targets,
                    _ => &rule.profiles,
                });
                let roots = profiles.filter_map(|canonical| match library.profile(canonical) {
                    Some(Ok(profile)) => Some(&profile.root),
                    _ => None,
                });
                let all = std::iter::once(node).chain(roots);
                match step {
                    Step::Element(name) => {
                        next.extend(all.filter_map(|node| node.find(name)).flat_map(with_required_slices))
                    }
                    Step::Extension(url) => next.extend(all.filter_map(|node| extension_node(node, url))),
                    Step::Resolve => next.extend(all.skip(1)),
                    Step::OfType(name) => next.extend(all.filter_map(|node| typed_node(node, name))),
                }
            }
            nodes = next;
        }
        nodes
    }

    /// Whether one of the items has the values that the rules ask for.
    fn by_value(&self, rules: &[&Node], items: &[Item<'_>]) -> Option<Membership> {
        let mut answer = None;
        for rule in rules {
            if rule.rules.max == Some(0) {
                return Some(is(items.is_empty()));
            }
            let mut said = None;
            for item in items {
                match self.fits(rule, item) {
                    Some(Membership::Yes) => {
                        said = Some(Membership::Yes);
                        break;
                    }
                    Some(fits) => said = Some(fits),
                    None => {}
                }
            }
            match said {
                Some(Membership::Yes) => answer = Some(Membership::Yes),
                Some(other) => return Some(other),
                None if items.is_empty() && says_value(rule) => return Some(Membership::No),
                None => {}
            }
        }
        answer
    }

    /// Whether an item has the values that a rule asks for; nothing if it asks for none.
    fn fits(&self, rule: &Node, item: &Item<'_>) -> Option<Membership> {
        let mut answer = None;
        for value in &rule.rules.values {
            let kept = match value {
                ValueRule::Fixed(wanted) => item.value.is_some_and(|own| is_fixed(own, wanted)),
                ValueRule::Pattern(wanted) => item.value.is_some_and(|own| holds(own, wanted)),
                ValueRule::Min(_) | ValueRule::Max(_) => continue,
            };
            if !kept {
                return Some(Membership::No);
            }
            answer = Some(Membership::Yes);
        }
        if let Some(binding) = rule.rules.binding.as_ref().filter(|binding| binding.strength == Strength::Required) {
            match self.bound(binding, item) {
                Membership::Yes => answer = Some(Membership::Yes),
                other if answer.is_none() => return Some(other),
                _ => {}
            }
        }
        let inside = item.inside().map(|(shape, object)| Members::of(shape, object));
        let inner = rule.children.iter().flat_map(|child| {
            let slices = child.slices.iter().map(|slice| &slice.node).filter(|node| node.rules.min.unwrap_or(0) > 0);
            std::iter::once(child).chain(slices)
        });
        for child in inner {
            let items: Vec<Item<'_>> = inside.iter().flat_map(|members| members.named(&child.name)).collect();
            let fits: Vec<_> = items.iter().filter_map(|item| self.fits(child, item)).collect();
            if fits.contains(&Membership::Yes) {
                answer = Some(Membership::Yes);
            } else if fits.contains(&Membership::No)
                || (items.is_empty() && says_value(child) && child.rules.min.unwrap_or(0) > 0)
            {
                return Some(Membership::No);
            }
        }
        answer
    }

    fn by_type(&self, way: &Way, slice: &Node, item: &Item<'_>, scope: Scope<'_>) -> Option<Membership> {
        let (before, resolves) = before_resolve(way);
        let rules = self.rules(before, slice);
        let asked: Vec<&TypeRule> = rules.iter().flat_map(|rule| &rule.rules.types).collect();
        let items = follow(before, *item, &scope.around);
        if asked.is_empty() || (resolves && asked.iter().all(|rule| rule.targets.is_empty())) {
            return None;
        }
        if resolves {
            let types: Vec<_> =
                asked.iter().flat_map(|rule| &rule.targets).filter_map(|one| self.type_of(one)).collect();
            let own = items.iter().filter_map(|one| target_type(one.value?, &scope.around)).collect::<Vec<_>>();
            return Some(is(own.iter().any(|own| types.contains(&own.as_str()))));
        }
        let of = |rule: &TypeRule, own: &str| {
            let named: Vec<_> = rule.profiles.iter().filter_map(|profile| self.type_of(profile)).collect();
            if named.is_empty() { rule.allows(own) } else { named.contains(&own) }
        };
        Some(is(items.iter().any(|one| asked.iter().any(|rule| of(rule, one.type_name())))))
    }

    fn by_profile(&mut self, way: &Way, slice: &Node, item: &Item<'_>, scope: Scope<'_>) -> Option<Membership> {
        let (before, resolves) = before_resolve(way);
        let asked: Vec<String> = self
            .rules(before, slice)
            .iter()
            .flat_map(|rule| &rule.rules.types)
            .flat_map(|rule| if resolves { &rule.targets } else { &rule.profiles })
            .cloned()
            .collect();
        if asked.is_empty() {
            return None;
        }
        let place = Place::root("");
        let mut answer = Membership::No;
        for one in follow(&way.steps, *item, &scope.around) {
            for canonical in &asked {
                let (kept, why) = self.conforms(&one, canonical, &place, scope.around, Tells::First);
                self.forget(&why);
                match kept {
                    Membership::Yes => return Some(Membership::Yes),
                    Membership::Unknown => answer = Membership::Unknown,
                    Membership::No => {}
                }
            }
        }
        Some(answer)
    }
}

/// What is said of an element, and of the kinds of it that must be there: by these too a slice is told (R4's own profile of
/// blood pressures tells its components by the kinds of codings that they have).
fn with_required_slices(node: &Node) -> impl Iterator<Item = &Node> {
    let required = node.slices.iter().map(|slice| &slice.node).filter(|node| node.rules.min.unwrap_or(0) > 0);
    std::iter::once(node).chain(required)
}

/// The path without a `resolve()` at its end, and whether it has one.
fn before_resolve(way: &Way) -> (&[Step], bool) {
    match way.steps.split_last() {
        Some((Step::Resolve, before)) => (before, true),
        _ => (way.steps.as_slice(), false),
    }
}

fn is(known: bool) -> Membership {
    if known { Membership::Yes } else { Membership::No }
}

/// Extensions are told apart by their url, which is the url of the profile that a slice names for them.
fn is_extension_of(steps: &[Step], slice: &Node, item: &Item<'_>) -> Option<bool> {
    let [Step::Element(name)] = steps else { return None };
    if name != "url" || item.of_type.name != "Extension" {
        return None;
    }
    let mut profiles = slice.rules.types.iter().flat_map(|rule| &rule.profiles).peekable();
    profiles.peek()?;
    let own = item.value?.text("url")?;
    Some(profiles.any(|canonical| split(canonical).0 == own))
}

/// Whether a value is asked for anywhere below.
fn says_value(node: &Node) -> bool {
    node.rules.values.iter().any(|rule| matches!(rule, ValueRule::Fixed(_) | ValueRule::Pattern(_)))
        || node.children.iter().any(says_value)
}

/// What is said of the extension of that url.
pub(super) fn extension_node<'n>(node: &'n Node, url: &str) -> Option<&'n Node> {
    let extension = node.find("extension")?;
    let named = |slice: &&crate::node::Slice| {
        slice.node.rules.types.iter().flat_map(|rule| &rule.profiles).any(|profile| split(profile).0 == url)
            || slice.node.find("url").is_some_and(|rule| {
                rule.rules
                    .values
                    .iter()
                    .any(|value| matches!(value, ValueRule::Fixed(Value::String(fixed)) if fixed == url))
            })
    };
    extension.slices.iter().find(named).map(|slice| &slice.node)
}

/// What is said of a choice if it is of that type.
fn typed_node<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let typed = |slice: &&crate::node::Slice| slice.node.rules.types.iter().any(|rule| rule.code == name);
    node.slices.iter().find(typed).map(|slice| &slice.node).or(Some(node))
}

/// The elements at the end of a path.
fn follow<'v>(steps: &[Step], item: Item<'v>, around: &Surroundings<'v>) -> Vec<Item<'v>> {
    let mut items = vec![item];
    for step in steps {
        let mut next = Vec::new();
        for item in items {
            match step {
                Step::Element(name) => {
                    if let Some((shape, object)) = item.inside() {
                        next.extend(Members::of(shape, object).named(name));
                    }
                }
                Step::Extension(url) => {
                    if let Some((shape, object)) = item.inside() {
                        let own = |one: &Item<'v>| one.value.and_then(|value| value.text("url")) == Some(url.as_str());
                        next.extend(Members::of(shape, object).named("extension").filter(own));
                    }
                }
                Step::Resolve => {
                    let reference = item.value.and_then(|value| value.text("reference"));
                    let found = reference.and_then(|reference| around.resolve(reference));
                    next.extend(found.map(|(resource, whence)| whole_resource(resource, whence == Whence::Contained)));
                }
                Step::OfType(name) => next.extend(Some(item).filter(|item| item.type_name() == name)),
            }
        }
        items = next;
    }
    items
}
