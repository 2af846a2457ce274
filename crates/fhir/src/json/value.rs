use std::borrow::Cow;
use std::collections::HashMap;

/// Up to this many members an object is searched from its start for a name.
const FEW: usize = 16;

/// One JSON value. Strings and numbers borrow from the text they were read from where they can.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// The number's text exactly as it was sent, for instance `1.10` or `1e2`.
    Number(Cow<'a, str>),
    /// A string, unescaped.
    String(Cow<'a, str>),
    /// An array.
    Array(Vec<Value<'a>>),
    /// An object.
    Object(Object<'a>),
}

/// The members of an object in the order they were sent. Names are unique once a text has passed the parser.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object<'a>(pub Vec<(Cow<'a, str>, Value<'a>)>);

impl<'a> Value<'a> {
    /// The string, if this is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    /// The boolean, if this is one.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// The number's text, if this is a number.
    #[must_use]
    pub fn as_number(&self) -> Option<&str> {
        match self {
            Value::Number(text) => Some(text),
            _ => None,
        }
    }

    /// The object, if this is one.
    #[must_use]
    pub fn as_object(&self) -> Option<&Object<'a>> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The object for change, if this is one.
    #[must_use]
    pub fn as_object_mut(&mut self) -> Option<&mut Object<'a>> {
        match self {
            Value::Object(object) => Some(object),
            _ => None,
        }
    }

    /// The items of an array; a value that is no array counts as a list of one, so that a path can be walked without
    /// asking whether an element repeats. `null` counts as empty.
    #[must_use]
    pub fn items(&self) -> &[Value<'a>] {
        match self {
            Value::Array(items) => items,
            Value::Null => &[],
            single => std::slice::from_ref(single),
        }
    }

    /// The member of that name, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.as_object()?.get(name)
    }

    /// The string member of that name.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    /// The items of the member of that name; empty when it is missing.
    #[must_use]
    pub fn list(&self, name: &str) -> &[Value<'a>] {
        self.get(name).map_or(&[], Value::items)
    }

    /// The same value, owning its texts.
    #[must_use]
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(value),
            Value::Number(text) => Value::Number(Cow::Owned(text.into_owned())),
            Value::String(text) => Value::String(Cow::Owned(text.into_owned())),
            Value::Array(items) => Value::Array(items.into_iter().map(Value::into_owned).collect()),
            Value::Object(object) => Value::Object(Object(
                object.0.into_iter().map(|(name, value)| (Cow::Owned(name.into_owned()), value.into_owned())).collect(),
            )),
        }
    }

    /// A string value that owns its text.
    pub fn string(text: impl Into<String>) -> Value<'static> {
        Value::String(Cow::Owned(text.into()))
    }

    /// An object from pairs, in their order.
    pub fn object<const N: usize>(members: [(&'a str, Value<'a>); N]) -> Value<'a> {
        Value::Object(Object(members.into_iter().map(|(name, value)| (Cow::Borrowed(name), value)).collect()))
    }

    /// Whether two values say the same, whatever the order of their members. Numbers are compared by their text.
    #[must_use]
    pub fn same(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Value::Array(left), Value::Array(right)) => {
                left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a.same(b))
            }
            (Value::Object(left), Value::Object(right)) => {
                let right = right.names();
                left.0.len() == right.len() && left.0.iter().all(|(name, a)| right.get(name).is_some_and(|b| a.same(b)))
            }
            (Value::String(left), Value::String(right)) | (Value::Number(left), Value::Number(right)) => left == right,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            (Value::Null, Value::Null) => true,
            _ => false,
        }
    }
}

impl<'a> Value<'a> {
    /// How deep arrays and objects are nested in it, as [`Limits`](super::Limits) count: of a text it is 0, of `[]` 1.
    #[must_use]
    pub fn depth(&self) -> usize {
        match self {
            Value::Array(items) => 1 + items.iter().map(Value::depth).max().unwrap_or_default(),
            Value::Object(object) => 1 + object.0.iter().map(|(_, value)| value.depth()).max().unwrap_or_default(),
            _ => 0,
        }
    }

    /// How many values it is made of, itself among them.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Value::Array(items) => 1 + items.iter().map(Value::count).sum::<usize>(),
            Value::Object(object) => 1 + object.0.iter().map(|(_, value)| value.count()).sum::<usize>(),
            _ => 1,
        }
    }
}

/// The members of an object by their names, for whoever asks for many of them.
pub struct Names<'o, 'a> {
    object: &'o Object<'a>,
    /// Where each stands; of an object with few members, none.
    positions: Option<HashMap<&'o str, usize>>,
}

impl<'o, 'a> Names<'o, 'a> {
    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.object.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.object.0.is_empty()
    }

    /// Where the member of that name stands.
    #[must_use]
    pub fn position(&self, name: &str) -> Option<usize> {
        match &self.positions {
            Some(positions) => positions.get(name).copied(),
            None => self.object.0.iter().position(|(own, _)| own == name),
        }
    }

    /// The member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'o Value<'a>> {
        Some(&self.object.0.get(self.position(name)?)?.1)
    }
}

impl<'a> Object<'a> {
    /// The members by their names: of a large object it is made once what would be searched for each.
    #[must_use]
    pub fn names(&self) -> Names<'_, 'a> {
        let positions = (self.0.len() > FEW)
            .then(|| self.0.iter().enumerate().map(|(position, (name, _))| (name.as_ref(), position)).collect());
        Names { object: self, positions }
    }

    /// The member of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The member of that name, for change.
    #[must_use]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Value<'a>> {
        self.0.iter_mut().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// Puts a member in place of the one of the same name, or at the end.
    pub fn set(&mut self, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let name = name.into();
        match self.get_mut(&name) {
            Some(slot) => *slot = value,
            None => self.0.push((name, value)),
        }
    }

    /// Puts a member at a position, in place of the one of the same name wherever that stood.
    pub fn set_at(&mut self, position: usize, name: impl Into<Cow<'a, str>>, value: Value<'a>) {
        let name = name.into();
        self.remove(&name);
        let position = position.min(self.0.len());
        self.0.insert(position, (name, value));
    }

    /// Takes a member out.
    pub fn remove(&mut self, name: &str) -> Option<Value<'a>> {
        let position = self.0.iter().position(|(key, _)| key == name)?;
        Some(self.0.remove(position).1)
    }
}
