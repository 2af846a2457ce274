//! Extensions, wherever they stand, against their definitions; and the resources inside a resource, which claim profiles of
//! their own.

use concord_fhir::issue::{IssueCode, Severity};
use concord_fhir::json::{Object, Value};
use concord_fhir::schema::{Shape, TypeKind};

use super::discriminator::extension_node;
use super::{Scope, Walk, shown};
use crate::definition::{Context, ContextKind};
use crate::item::{Item, Members, Place};
use crate::library::split;
use crate::node::{Node, Profile, Slice};
use crate::surroundings::Surroundings;

/// The element in which an extension stands, and those around it.
#[derive(Clone, Copy)]
pub(super) struct Holder<'h> {
    parent: Option<&'h Holder<'h>>,
    /// The element's name, without `[x]`; of a resource its type.
    name: &'h str,
    /// Its type; of an element with elements of its own, the path.
    of_type: &'h str,
    is_resource: bool,
    /// The url, if it is an extension itself.
    url: Option<&'h str>,
    /// Where it stands: its value, or what a primitive carries besides.
    at: Option<&'h Value<'h>>,
}

impl<'h> Holder<'h> {
    /// A resource of that type.
    pub(super) fn resource(name: &'h str, resource: &'h Value<'h>) -> Holder<'h> {
        Holder { parent: None, name, of_type: name, is_resource: true, url: None, at: Some(resource) }
    }

    /// The path from the resource down.
    fn path(&self) -> String {
        match self.parent.filter(|_| !self.is_resource) {
            Some(parent) => format!("{}.{}", parent.path(), self.name),
            None => self.name.to_owned(),
        }
    }

    /// Whether this is the element that a path or type means.
    fn is(&self, expression: &str) -> bool {
        let plain = expression.replace("[x]", "");
        match plain.as_str() {
            // Publishers mean by it whatever can have extensions.
            "Element" | "*" => true,
            "BackboneElement" => self.of_type.contains('.'),
            "Resource" | "DomainResource" => self.is_resource,
            path if !path.contains('.') => path == self.of_type || (path == "Quantity" && is_quantity(self.of_type)),
            path => {
                // Below a resource, or below the type that the element around this one has.
                let by_type = self.parent.map(|parent| format!("{}.{}", parent.of_type, self.name));
                by_type.as_deref() == Some(path) || self.of_type == path || self.path() == path
            }
        }
    }
}

/// Where extensions of R4 stand in R4's own definitions though theirs do not say so.
const MEANT: &[(&str, &[&str])] = &[
    ("structuredefinition-fhir-type", &["ElementDefinition.type"]),
    ("regex", &["ElementDefinition.type"]),
    ("structuredefinition-normative-version", &["CodeSystem", "ValueSet", "OperationDefinition", "ElementDefinition"]),
    ("translation", &["ValueSet.expansion.contains", "ValueSet.compose.include.concept"]),
    ("valueset-concept-comments", &["CodeSystem.concept"]),
];

fn is_quantity(of_type: &str) -> bool {
    matches!(of_type, "Age" | "Count" | "Distance" | "Duration" | "SimpleQuantity" | "MoneyQuantity")
}

impl Walk<'_> {
    /// Goes into an object, and looks at the extensions and resources that are in it.
    pub(super) fn inside<'v>(
        &mut self,
        (shape, object): (&'static Shape, &'v Object<'v>),
        place: &Place<'_>,
        around: Surroundings<'v>,
        holder: &Holder<'_>,
    ) {
        if self.exhausted(place) {
            return;
        }
        if self.checker.is_whole {
            self.worded(&shape.name, object, place);
        }
        for item in Members::of(shape, object).all() {
            let here = place.item(&item);
            let around = around.within(&item);
            match (item.of_type.kind, item.value) {
                (TypeKind::Resource, Some(resource)) => self.resource(resource, &here, around),
                _ if item.of_type.name == "Extension" => self.extension(&item, &here, around, holder),
                _ => {
                    if self.checker.is_whole && item.of_type.name == "Reference" {
                        self.named_entry(item.value.unwrap_or(&Value::Null), around, &here);
                    }
                    if let Some(inside) = item.inside() {
                        let own = Holder {
                            parent: Some(holder),
                            name: item.element,
                            of_type: &item.of_type.name,
                            is_resource: false,
                            url: None,
                            at: item.beside.or(item.value),
                        };
                        self.inside(inside, &here, around, &own);
                    }
                }
            }
        }
    }

    fn extension<'v>(&mut self, item: &Item<'v>, place: &Place<'_>, around: Surroundings<'v>, holder: &Holder<'_>) {
        let Some((shape, object)) = item.inside() else { return };
        let url = item.value.and_then(|value| value.text("url")).unwrap_or_default();
        let changes_meaning = item.element == "modifierExtension";
        // Inside an extension a url may be a name that its definition explains.
        let is_inner = holder.url.is_some() && !url.contains(':');
        if is_inner {
            self.part_of(holder.url.unwrap_or_default(), url, place);
        } else if !url.is_empty() {
            self.definition_of(url, changes_meaning, (shape, object), place, (around, holder));
        }
        let own = Holder {
            parent: Some(holder),
            name: item.element,
            of_type: "Extension",
            is_resource: false,
            url: Some(url),
            at: item.value,
        };
        self.inside((shape, object), place, around, &own);
    }

    /// Whether the definition of an extension has the part that is named in it: nothing else says what the name means.
    fn part_of(&mut self, whole: &str, name: &str, place: &Place<'_>) {
        let library = self.checker.library;
        let Some(Ok(profile)) = Some(whole).filter(|url| url.contains(':')).and_then(|url| library.profile(url)) else {
            return;
        };
        let is_named = |slice: &Slice| {
            slice.node.find("url").is_some_and(|url| !url.rules.values.is_empty())
                || slice.node.rules.types.iter().any(|rule| !rule.profiles.is_empty())
        };
        let are_told = |parts: &Node| !parts.slices.is_empty() && parts.slices.iter().all(is_named);
        if profile.root.find("extension").is_some_and(are_told) && extension_node(&profile.root, name).is_none() {
            let said = format!("the extension {whole} has no part '{}'", shown(name));
            self.add(Severity::Error, IssueCode::Invalid, &place.element("url"), said);
        }
    }

    fn definition_of<'v>(
        &mut self,
        url: &str,
        changes_meaning: bool,
        (shape, object): (&'static Shape, &'v Object<'v>),
        place: &Place<'_>,
        (around, holder): (Surroundings<'v>, &Holder<'_>),
    ) {
        if !url.contains(':') {
            let said = format!("the url of an extension must be absolute, and '{}' is not", shown(url));
            return self.add(Severity::Error, IssueCode::Value, &place.element("url"), said);
        }
        match self.checker.library.profile(url) {
            None if changes_meaning => {
                let said = format!(
                    "the modifier extension {} is not known here, so that what it changes about this cannot be respected",
                    shown(url)
                );
                self.add(Severity::Error, IssueCode::NotSupported, place, said);
            }
            None => {
                if self.checker.is_whole {
                    let said = format!("the extension {} is not known here and was not checked", shown(url));
                    self.remark(Severity::Information, said, place);
                }
            }
            Some(Err(issue)) => {
                let said = format!("the extension {url} could not be checked: {}", issue.text);
                self.remark(Severity::Information, said, place);
            }
            Some(Ok(profile)) if profile.type_name != "Extension" => {
                let said = format!("{url} is a profile of {}, not an extension", profile.type_name);
                self.add(Severity::Error, IssueCode::Invalid, place, said);
            }
            Some(Ok(profile)) => {
                if profile.is_modifier != changes_meaning {
                    let said = if changes_meaning {
                        format!("{url} changes the meaning of nothing and must not be a modifierExtension")
                    } else {
                        format!("{url} changes the meaning of what it stands in and must be a modifierExtension")
                    };
                    self.add(Severity::Error, IssueCode::Invalid, place, said);
                }
                self.context(profile, place, holder, around);
                let scope = Scope { around, profile };
                self.object(&profile.root, &Members::of(shape, object), place, scope);
            }
        }
    }

    /// Whether the extension may stand where it does.
    fn context(&mut self, profile: &Profile, place: &Place<'_>, holder: &Holder<'_>, around: Surroundings<'_>) {
        let allows = |context: &Context| match context.kind {
            // A part of an extension is named after its url.
            ContextKind::Extension => {
                let url = Some(split(&context.expression).0);
                holder.url == url
                    || holder.parent.is_some_and(|parent| parent.url == url)
                    || context.expression.contains('#')
            }
            ContextKind::Element => match context.expression.split_once('#') {
                // An element of a profile: the element is asked for, and the profile is what the resource claims.
                Some((_, path)) => holder.is(path),
                None if context.expression.contains("://") => {
                    let name = context.expression.rsplit('/').next().unwrap_or_default();
                    holder.is(name) || self.type_of(&context.expression).is_some_and(|name| holder.is(name))
                }
                None => holder.is(context.expression.split(':').next().unwrap_or_default()),
            },
            ContextKind::FhirPath => match (around.resource, holder.at) {
                // What nobody can evaluate is for the authors of definitions to keep to.
                (Some(resource), Some(at)) => self.selects(&context.expression, resource, at).unwrap_or(true),
                _ => true,
            },
        };
        let meant =
            profile.url.strip_prefix(crate::definition::R4).and_then(|name| MEANT.iter().find(|(own, _)| *own == name));
        if profile.contexts.is_empty()
            || profile.contexts.iter().any(allows)
            || meant.is_some_and(|(_, paths)| paths.iter().any(|path| holder.is(path)))
        {
            return;
        }
        let names: Vec<&str> = profile.contexts.iter().map(|context| context.expression.as_str()).take(10).collect();
        let said =
            format!("the extension {} must stand in {}, not in {}", profile.url, names.join(" or "), holder.path());
        self.add(Severity::Error, IssueCode::Invalid, place, said);
    }
}
