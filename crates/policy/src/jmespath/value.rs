//! [`Val`]: what an expression evaluates to, borrowed from the document wherever possible.

use std::borrow::Cow;
use std::rc::Rc;

use ridgeway_doc::{Kind, Map, Node, Number, Value};

/// A value during evaluation.
#[derive(Clone)]
pub enum Val<'a> {
    /// `null`
    Null,
    /// A boolean.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    Str(Cow<'a, str>),
    /// A container of a document.
    Node(Node<'a>),
    /// An array made during evaluation.
    Array(Rc<Vec<Val<'a>>>),
    /// An object made during evaluation.
    Object(Rc<Vec<(Cow<'a, str>, Val<'a>)>>),
    /// The scope itself: the root of every expression.
    Scope,
}

impl<'a> Val<'a> {
    /// The value of a node; scalars leave the document.
    pub fn of(node: Node<'a>) -> Val<'a> {
        match node.kind() {
            Kind::Null => Val::Null,
            Kind::Bool => Val::Bool(node.as_bool() == Some(true)),
            Kind::Number => Val::Number(node.as_number().unwrap_or(Number::Int(0))),
            Kind::String => Val::Str(Cow::Borrowed(node.as_str().unwrap_or_default())),
            Kind::Array | Kind::Object => Val::Node(node),
        }
    }

    /// An owned copy of a node of another lifetime.
    pub fn copy(node: Node<'_>) -> Val<'a> {
        match node.kind() {
            Kind::Null => Val::Null,
            Kind::Bool => Val::Bool(node.as_bool() == Some(true)),
            Kind::Number => Val::Number(node.as_number().unwrap_or(Number::Int(0))),
            Kind::String => Val::text(node.as_str().unwrap_or_default()),
            Kind::Array => Val::array(node.items().map(Val::copy).collect()),
            Kind::Object => Val::object(
                node.members()
                    .map(|(k, v)| (Cow::Owned(k.to_owned()), Val::copy(v)))
                    .collect(),
            ),
        }
    }

    /// An owned string.
    pub fn text(text: impl Into<String>) -> Val<'a> {
        Val::Str(Cow::Owned(text.into()))
    }

    /// A borrowed string.
    pub fn str(text: &'a str) -> Val<'a> {
        Val::Str(Cow::Borrowed(text))
    }

    /// An array.
    pub fn array(items: Vec<Val<'a>>) -> Val<'a> {
        Val::Array(Rc::new(items))
    }

    /// An object.
    pub fn object(members: Vec<(Cow<'a, str>, Val<'a>)>) -> Val<'a> {
        Val::Object(Rc::new(members))
    }

    /// A number from arithmetic: whole results become integers.
    pub fn float(value: f64) -> Val<'a> {
        if value.fract() == 0.0 && value.abs() < 9e15 {
            Val::Number(Number::Int(value as i64))
        } else {
            Val::Number(Number::Float(value))
        }
    }

    /// JMESPath's truth: `null`, `false`, and empty strings, arrays and objects are false.
    pub fn truthy(&self) -> bool {
        match self {
            Val::Null => false,
            Val::Bool(b) => *b,
            Val::Number(_) | Val::Scope => true,
            Val::Str(s) => !s.is_empty(),
            Val::Node(node) => !node.is_empty(),
            Val::Array(items) => !items.is_empty(),
            Val::Object(members) => !members.is_empty(),
        }
    }

    /// Whether the value is `null`.
    pub fn is_null(&self) -> bool {
        matches!(self, Val::Null)
    }

    /// Whether the value is an array.
    pub fn is_array(&self) -> bool {
        match self {
            Val::Node(node) => node.is_array(),
            other => matches!(other, Val::Array(_)),
        }
    }

    /// Whether the value is an object.
    pub fn is_object(&self) -> bool {
        match self {
            Val::Node(node) => node.is_object(),
            other => matches!(other, Val::Object(_) | Val::Scope),
        }
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Val::Str(s) => Some(s),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<Number> {
        match self {
            Val::Number(n) => Some(*n),
            _ => None,
        }
    }

    /// JMESPath's name of the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Val::Null => "null",
            Val::Bool(_) => "boolean",
            Val::Number(_) => "number",
            Val::Str(_) => "string",
            Val::Node(node) if node.is_array() => "array",
            Val::Array(_) => "array",
            Val::Node(_) | Val::Object(_) | Val::Scope => "object",
        }
    }

    /// A member of an object.
    pub fn get(&self, key: &str) -> Option<Val<'a>> {
        match self {
            Val::Node(node) => node.get(key).map(Val::of),
            Val::Object(members) => members.iter().find(|(k, _)| k == key).map(|(_, v)| v.clone()),
            _ => None,
        }
    }

    /// An item of an array; negative indexes count from the end.
    pub fn item(&self, index: i64) -> Option<Val<'a>> {
        let len = self.len() as i64;
        let index = if index < 0 { index + len } else { index };
        if index < 0 || index >= len {
            return None;
        }
        match self {
            Val::Node(node) => node.item(index as usize).map(Val::of),
            Val::Array(items) => items.get(index as usize).cloned(),
            _ => None,
        }
    }

    /// How many items, members or characters.
    pub fn len(&self) -> usize {
        match self {
            Val::Node(node) => node.len(),
            Val::Array(items) => items.len(),
            Val::Object(members) => members.len(),
            Val::Str(s) => s.chars().count(),
            _ => 0,
        }
    }

    /// Whether there are none of them.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The items of an array; nothing for other types.
    pub fn items(&self) -> Vec<Val<'a>> {
        match self {
            Val::Node(node) => node.items().map(Val::of).collect(),
            Val::Array(items) => items.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The members of an object; nothing for other types.
    pub fn members(&self) -> Vec<(Cow<'a, str>, Val<'a>)> {
        match self {
            Val::Node(node) => node.members().map(|(k, v)| (Cow::Borrowed(k), Val::of(v))).collect(),
            Val::Object(members) => members.to_vec(),
            _ => Vec::new(),
        }
    }

    /// The value as an editable document value.
    pub fn to_value(&self) -> Value {
        match self {
            Val::Null | Val::Scope => Value::NULL,
            Val::Bool(b) => (*b).into(),
            Val::Number(n) => (*n).into(),
            Val::Str(s) => s.as_ref().into(),
            Val::Node(node) => node.to_value(),
            Val::Array(items) => items.iter().map(Val::to_value).collect(),
            Val::Object(members) => members
                .iter()
                .map(|(k, v)| (k.as_ref(), v.to_value()))
                .collect::<Map>()
                .into(),
        }
    }

    /// The value in a text: strings as they are, everything else as JSON.
    pub fn render(&self) -> Cow<'_, str> {
        match self {
            Val::Str(s) => Cow::Borrowed(s),
            Val::Node(node) => Cow::Owned(sorted_json(node.to_value())),
            other => Cow::Owned(sorted_json(other.to_value())),
        }
    }

    /// Deep equality, whatever the representation.
    pub fn same(&self, other: &Val<'_>) -> bool {
        match (self, other) {
            (Val::Null, Val::Null) => true,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Number(a), Val::Number(b)) => a == b,
            (Val::Str(a), Val::Str(b)) => a == b,
            (Val::Node(a), Val::Node(b)) => a == b,
            (a, b) if a.is_array() && b.is_array() => {
                a.len() == b.len() && a.items().iter().zip(b.items().iter()).all(|(a, b)| a.same(b))
            }
            (a, b) if a.is_object() && b.is_object() => {
                a.len() == b.len() && a.members().iter().all(|(k, v)| b.get(k).is_some_and(|o| v.same(&o)))
            }
            _ => false,
        }
    }
}

/// JSON with sorted keys, as Go prints maps.
fn sorted_json(mut value: Value) -> String {
    fn sort(value: &mut Value) {
        match value.kind() {
            Kind::Object => {
                let map = value.make_object();
                map.sort_keys();
                map.iter_mut().for_each(|(_, v)| sort(v));
            }
            Kind::Array => value.make_array().iter_mut().for_each(sort),
            _ => {}
        }
    }
    sort(&mut value);
    value.to_json()
}
