//! FHIRPath Patch (R4 "FHIRPath Patch"): operations in a Parameters resource.

mod content;

use content::Content;

use super::budget::{Budget, PatchBudget};
use super::place::{Path, Place, Step, at, at_mut, beside, is_primitive, shape_at};
use super::{Mismatch, is_patch, require_few};
use crate::issue::{Issue, IssueCode};
use crate::json::{Limits, Object, Value};
use crate::path::Patterns;
use crate::schema::{Shape, choice, r4};

/// An operation of a FHIRPath Patch.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Operation {
    /// The path as it was written.
    text: String,
    path: Path,
    act: Act,
}

#[derive(Clone, Debug, PartialEq)]
enum Act {
    Add(String, Content),
    /// At which position of the list; with the path to what the list is in and its name, should it not be there yet.
    Insert(usize, Content, Option<(Path, String)>),
    Delete,
    Replace(Content),
    /// From where to where in a list.
    Move(usize, usize),
}

/// Reads the operations of a patch.
pub(super) fn read(parameters: &Value<'_>) -> Result<Vec<Operation>, Vec<Issue>> {
    if !is_patch(parameters) {
        return Err(vec![Issue::plain(IssueCode::Structure, "a FHIRPath Patch is a Parameters resource")]);
    }
    let items = parameters.list("parameter");
    require_few(items.len())?;
    let (mut operations, mut issues) = (Vec::with_capacity(items.len()), Vec::new());
    let mut patterns = Patterns::of_one_patch();
    for (place, item) in items.iter().enumerate() {
        match Operation::read(item, &mut patterns) {
            Ok(operation) => operations.push(operation),
            Err(why) => {
                issues.push(Issue::error(IssueCode::Value, format!("Parameters.parameter[{place}]"), why));
            }
        }
    }
    if issues.is_empty() { Ok(operations) } else { Err(issues) }
}

/// The resource with all operations carried out, one after the other, or nothing.
pub(super) fn apply(
    operations: &[Operation],
    resource: Value<'static>,
    limits: &Limits,
    budget: &mut PatchBudget,
) -> Result<Value<'static>, Mismatch> {
    let mut value = resource;
    let mut room = Room { depth: limits.depth, budget: &mut budget.steps };
    for (number, operation) in operations.iter().enumerate() {
        operation
            .apply(&mut value, &mut room)
            .map_err(|why| Mismatch::place(format!("operation {number} at {:?}: {why}", operation.text)))?;
    }
    Ok(value)
}

/// How deep anything may stand, and how many steps all operations may still take.
struct Room<'b> {
    depth: usize,
    budget: &'b mut Budget,
}

impl Room<'_> {
    /// How many levels may be in the object at a place: nothing that comes of a patch is deeper than what is read may be.
    fn levels(&self, place: &[Step]) -> Result<usize, String> {
        self.depth.checked_sub(place.len() + 1).ok_or_else(|| content::TOO_DEEP.to_owned())
    }
}

const NO_PLACE: &str = "there is nothing at this place";
const SEVERAL: &str = "there are several at this place: say which by its position, such as [0]";
const NO_LIST: &str = "the path is not that of a list";
const NO_INDEX: &str = "the position is not within the list";

/// The parts of an operation.
const PARTS: [&str; 7] = ["type", "path", "name", "value", "index", "source", "destination"];

impl Operation {
    fn read(item: &Value<'_>, patterns: &mut Patterns) -> Result<Operation, String> {
        if item.text("name") != Some("operation") {
            return Err("a parameter of a FHIRPath Patch is called operation".to_owned());
        }
        let parts = item.list("part");
        let name_of = |part: &Value<'_>| part.text("name").unwrap_or_default().to_owned();
        for (number, part) in parts.iter().enumerate() {
            let name = name_of(part);
            if !PARTS.contains(&name.as_str()) {
                let shown: String = name.chars().take(64).collect();
                return Err(format!("an operation has no part {shown:?}, but {}", PARTS.join(", ")));
            }
            if parts.iter().take(number).any(|other| name_of(other) == name) {
                return Err(format!("the part {name} stands twice"));
            }
        }
        let part = |name: &str| parts.iter().find(|part| part.text("name") == Some(name));
        let given = |name: &str| part(name).and_then(content::value);
        let text = |name: &str| given(name).and_then(Value::as_str).ok_or_else(|| format!("it has no {name}"));
        let number = |name: &str| {
            let read = given(name).and_then(Value::as_number).and_then(|number| number.parse::<usize>().ok());
            read.ok_or_else(|| format!("{name} is missing, or is no number from 0"))
        };
        let value = || part("value").ok_or_else(|| "it has no value".to_owned()).and_then(Content::read);
        let written = text("path")?;
        let path = Path::read(written, patterns)?;
        let act = match text("type")? {
            "add" => Act::Add(text("name")?.to_owned(), value()?),
            "insert" => Act::Insert(number("index")?, value()?, path.parent(patterns)),
            "delete" => Act::Delete,
            "replace" => Act::Replace(value()?),
            "move" => Act::Move(number("source")?, number("destination")?),
            _ => return Err("type is one of add, insert, delete, replace and move".to_owned()),
        };
        Ok(Operation { text: written.to_owned(), path, act })
    }

    fn apply(&self, resource: &mut Value<'static>, room: &mut Room<'_>) -> Result<(), String> {
        let budget = &mut *room.budget;
        match &self.act {
            Act::Add(name, content) => {
                let mut place = only(&self.path, resource, budget)?.ok_or(NO_PLACE)?;
                if is_primitive(resource, &place) {
                    place = carried(resource, &place)?;
                }
                let shape = shape_at(resource, &place).ok_or("nothing can be added to this")?;
                let object = at_mut(resource, &place).and_then(Value::as_object_mut).ok_or(NO_PLACE)?;
                content.add_to(object, shape, name, room.levels(&place)?)
            }
            Act::Insert(index, content, parent) => self.insert(resource, *index, content, parent.as_ref(), room),
            Act::Delete => match only(&self.path, resource, budget)? {
                None => Ok(()),
                Some(place) => delete(resource, &place),
            },
            Act::Replace(content) => {
                let place = only(&self.path, resource, budget)?.ok_or(NO_PLACE)?;
                replace(resource, &place, content, room)
            }
            Act::Move(source, destination) => {
                let list = self.list(resource, budget)?.ok_or(NO_PLACE)?;
                move_item(resource, &list, *source, *destination)?;
                move_item(resource, &beside(&list), *source, *destination)
            }
        }
    }

    /// The list whose items the path leads to, all of them; none if it leads nowhere.
    fn list(&self, resource: &Value<'_>, budget: &mut Budget) -> Result<Option<Place>, String> {
        let places = self.path.select(resource, budget)?;
        let Some((Step::Item(_), list)) = places.first().and_then(|first| first.split_last()) else {
            return if places.is_empty() { Ok(None) } else { Err(NO_LIST.to_owned()) };
        };
        let is_item = |(number, place): (usize, &Place)| place.split_last() == Some((&Step::Item(number), list));
        if !places.iter().enumerate().all(is_item) || length(resource, list) != places.len() {
            return Err(NO_LIST.to_owned());
        }
        Ok(Some(list.to_vec()))
    }

    fn insert(
        &self,
        resource: &mut Value<'static>,
        index: usize,
        content: &Content,
        parent: Option<&(Path, String)>,
        room: &mut Room<'_>,
    ) -> Result<(), String> {
        let Some(list) = self.list(resource, room.budget)? else {
            // The list is not there yet: its first item is like one that is added.
            let (parent, name) = parent.ok_or(NO_PLACE)?;
            let place = only(parent, resource, room.budget)?.ok_or(NO_PLACE)?;
            let shape = shape_at(resource, &place).ok_or(NO_PLACE)?;
            let is_list = shape.element(name).is_some_and(|element| element.is_list);
            if !is_list || index != 0 {
                return Err(if is_list { NO_INDEX } else { NO_LIST }.to_owned());
            }
            let object = at_mut(resource, &place).and_then(Value::as_object_mut).ok_or(NO_PLACE)?;
            return content.add_to(object, shape, name, room.levels(&place)?);
        };
        let (Some(Step::Member(name)), above) = (list.last(), list.split_last().map_or(&[][..], |(_, above)| above))
        else {
            return Err(NO_LIST.to_owned());
        };
        let count = length(resource, &list);
        if index > count {
            return Err(NO_INDEX.to_owned());
        }
        let shape = shape_at(resource, above).ok_or(NO_PLACE)?;
        let object = at_mut(resource, above).and_then(Value::as_object_mut).ok_or(NO_PLACE)?;
        content.add_to(object, shape, name, room.levels(above)?)?;
        move_item(resource, &list, count, index)?;
        move_item(resource, &beside(&list), count, index)
    }
}

/// The only place that a path leads to, if it leads anywhere.
fn only(path: &Path, resource: &Value<'_>, budget: &mut Budget) -> Result<Option<Place>, String> {
    let mut places = path.select(resource, budget)?;
    match places.len() {
        0 | 1 => Ok(places.pop()),
        _ => Err(SEVERAL.to_owned()),
    }
}

/// How many items a list has, counting those that are only beside it.
fn length(resource: &Value<'_>, list: &[Step]) -> usize {
    let own = |place: &[Step]| match at(resource, place) {
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    };
    own(list).max(own(&beside(list)))
}

/// Moves an item, if the list is there.
fn move_item(resource: &mut Value<'static>, list: &[Step], from: usize, to: usize) -> Result<(), String> {
    let is_beside = matches!(list.last(), Some(Step::Member(name)) if name.starts_with('_'));
    match at_mut(resource, list) {
        Some(Value::Array(items)) if from < items.len() && to < items.len() => {
            let item = items.remove(from);
            items.insert(to, item);
            Ok(())
        }
        _ if is_beside => Ok(()),
        _ => Err(NO_INDEX.to_owned()),
    }
}

/// The place of what a primitive carries beside its value, made if it is missing.
fn carried(resource: &mut Value<'static>, place: &[Step]) -> Result<Place, String> {
    let beside = beside(place);
    let (list, number) = match beside.split_last() {
        Some((Step::Item(number), list)) => (list, Some(*number)),
        _ => (beside.as_slice(), None),
    };
    let Some((Step::Member(name), above)) = list.split_last() else { return Err(NO_PLACE.to_owned()) };
    let count = length(resource, place.split_last().map_or(&[][..], |(_, list)| list));
    let object = at_mut(resource, above).and_then(Value::as_object_mut).ok_or(NO_PLACE)?;
    let empty = || Value::Object(Object::default());
    match number {
        None if object.get(name).is_none() => object.set(name.clone(), empty()),
        None => {}
        Some(number) => {
            if object.get(name).is_none() {
                object.set(name.clone(), Value::Array(Vec::new()));
            }
            if let Some(Value::Array(items)) = object.get_mut(name) {
                items.resize(count.max(items.len()), Value::Null);
                if let Some(item @ Value::Null) = items.get_mut(number) {
                    *item = empty();
                }
            }
        }
    }
    Ok(beside)
}

/// Takes away what is at a place, and what has nothing left in it.
fn delete(resource: &mut Value<'static>, place: &[Step]) -> Result<(), String> {
    if place.is_empty() {
        return Err("the whole resource cannot be taken away".to_owned());
    }
    for place in [place.to_vec(), beside(place)] {
        let mut place = place.as_slice();
        while let Some((last, above)) = place.split_last() {
            match (at_mut(resource, above), last) {
                (Some(Value::Object(object)), Step::Member(name)) => {
                    object.remove(name);
                }
                (Some(Value::Array(items)), Step::Item(number)) if *number < items.len() => {
                    items.remove(*number);
                }
                _ => break,
            }
            let is_empty = match at(resource, above) {
                Some(Value::Array(items)) => items.iter().all(|item| *item == Value::Null),
                Some(Value::Object(object)) => object.0.is_empty(),
                _ => false,
            };
            if !is_empty || above.is_empty() {
                break;
            }
            place = above;
        }
    }
    Ok(())
}

/// Puts something in the place of what is there.
fn replace(resource: &mut Value<'static>, place: &[Step], content: &Content, room: &Room<'_>) -> Result<(), String> {
    let (list, number) = match place.split_last() {
        Some((Step::Item(number), list)) => (list, Some(*number)),
        _ => (place, None),
    };
    let Some((Step::Member(name), above)) = list.split_last() else {
        return Err("the whole resource cannot be replaced by a patch".to_owned());
    };
    let shape = shape_at(resource, above).ok_or(NO_PLACE)?;
    let count = length(resource, list);
    let object = at_mut(resource, above).and_then(Value::as_object_mut).ok_or(NO_PLACE)?;
    let Some(number) = number else {
        let at = object.0.iter().position(|(own, _)| own == name).unwrap_or(object.0.len());
        object.remove(name);
        object.remove(&format!("_{name}"));
        let before = object.0.len();
        content.add_to(object, shape, element_name(shape, name), room.levels(above)?)?;
        // It stays where it was among the others.
        let at = at.min(before);
        if let Some(added) = object.0.get_mut(at..) {
            added.rotate_right(added.len() - (before - at));
        }
        return Ok(());
    };
    content.add_to(object, shape, name, room.levels(above)?)?;
    for list in [list.to_vec(), beside(list)] {
        if let Some(Value::Array(items)) = at_mut(resource, &list) {
            // The new item, which was added as the last, goes where the old one was.
            if items.len() > count {
                items.swap_remove(number);
            }
            if items.iter().all(|item| *item == Value::Null) {
                delete_member(resource, &list);
            }
        }
    }
    Ok(())
}

fn delete_member(resource: &mut Value<'static>, place: &[Step]) {
    if let Some((Step::Member(name), above)) = place.split_last()
        && let Some(Value::Object(object)) = at_mut(resource, above)
    {
        object.remove(name);
    }
}

/// The name of the element that a member is of: of a choice, the one without the type.
fn element_name<'n>(shape: &'n Shape, member: &'n str) -> &'n str {
    match shape.member(member) {
        Some(found) => &found.element.name,
        None => member,
    }
}

/// The member that an element of that name is written as, with a value of that type; the name may be that of a choice with
/// its type already.
fn member_for(shape: &'static Shape, name: &str, type_name: Option<&str>) -> Result<(String, bool), String> {
    let shown: String = name.chars().take(64).collect();
    let unknown = || format!("'{shown}' is not an element of {}", shape.name);
    let Some(element) = shape.element(name).filter(|element| element.is_choice) else {
        let found = shape.member(name).filter(|found| !found.beside).ok_or_else(unknown)?;
        return Ok((name.to_owned(), found.element.is_list));
    };
    let named = type_name.ok_or_else(|| format!("'{shown}' is one of several types: the value must say which"))?;
    let member = choice(name, named);
    let is_one = r4().named(&shape.name).and_then(|shape| shape.member(&member)).is_some();
    if is_one { Ok((member, element.is_list)) } else { Err(format!("'{shown}' cannot be a {named}")) }
}

#[cfg(test)]
mod tests;
