//! Types of expressions, as the checker deduces them.

use std::fmt;
use std::sync::Arc;

/// A type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    /// Not known before evaluation; goes with everything.
    Dyn,
    Null,
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
    /// `google.protobuf.Any`.
    Any,
    /// A primitive type or `null`.
    Wrapper(Arc<Type>),
    List(Arc<Type>),
    Map(Arc<Type>, Arc<Type>),
    /// A type as a value.
    Meta,
    /// A message by its full name.
    Message(Arc<str>),
    /// A named type that only functions look into: `optional_type(int)`, `net.IP`.
    Opaque(Arc<str>, Vec<Type>),
    /// A parameter of a signature, by its letter, or one that is still to be found, by its number.
    Param(u32),
}

impl Type {
    pub(crate) fn list(item: Type) -> Type {
        Type::List(Arc::new(item))
    }

    pub(crate) fn map(key: Type, value: Type) -> Type {
        Type::Map(Arc::new(key), Arc::new(value))
    }

    pub(crate) fn optional(inner: Type) -> Type {
        Type::Opaque("optional_type".into(), vec![inner])
    }

    /// The value's type within `optional_type`.
    pub(super) fn as_optional(&self) -> Option<&Type> {
        match self {
            Type::Opaque(name, parameters) if &**name == "optional_type" => parameters.first(),
            _ => None,
        }
    }

    /// The type of a message of that full name; well-known ones are CEL's own types.
    pub(crate) fn of_message(name: &str) -> Type {
        let wrapper = |inner| Type::Wrapper(Arc::new(inner));
        match name.strip_prefix("google.protobuf.") {
            Some("Any") => Type::Any,
            Some("Value") => Type::Dyn,
            Some("Struct") => Type::map(Type::Text, Type::Dyn),
            Some("ListValue") => Type::list(Type::Dyn),
            Some("Timestamp") => Type::Timestamp,
            Some("Duration") => Type::Duration,
            Some("BoolValue") => wrapper(Type::Bool),
            Some("Int32Value" | "Int64Value") => wrapper(Type::Int),
            Some("UInt32Value" | "UInt64Value") => wrapper(Type::Uint),
            Some("FloatValue" | "DoubleValue") => wrapper(Type::Double),
            Some("StringValue") => wrapper(Type::Text),
            Some("BytesValue") => wrapper(Type::Bytes),
            _ => Type::Message(name.into()),
        }
    }

    /// Reads a type of the signature table: `list<map<string,A>>`. Letters are parameters.
    pub(super) fn read(text: &str) -> Type {
        let mut rest = text;
        read(&mut rest)
    }

    /// The type with every parameter replaced.
    pub(super) fn with(&self, replace: &mut dyn FnMut(u32) -> Type) -> Type {
        match self {
            Type::Param(id) => replace(*id),
            Type::List(item) => Type::list(item.with(replace)),
            Type::Map(key, value) => Type::map(key.with(replace), value.with(replace)),
            Type::Opaque(name, parameters) => {
                Type::Opaque(name.clone(), parameters.iter().map(|p| p.with(replace)).collect())
            }
            other => other.clone(),
        }
    }
}

/// The letter of a parameter as its number.
pub(crate) fn parameter(letter: &str) -> Option<u32> {
    match letter.as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(u32::from(*letter)),
        _ => None,
    }
}

fn read(rest: &mut &str) -> Type {
    let end = rest.find(['<', '>', ',']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    let mut parameters = Vec::new();
    if let Some(inner) = rest.strip_prefix('<') {
        *rest = inner;
        loop {
            parameters.push(read(rest));
            let more = rest.starts_with(',');
            *rest = rest.get(1..).unwrap_or_default();
            if !more {
                break;
            }
        }
    }
    let mut parameter_types = parameters.clone().into_iter();
    let mut next = || parameter_types.next().unwrap_or(Type::Dyn);
    match name.trim() {
        "dyn" => Type::Dyn,
        "null" => Type::Null,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "uint" => Type::Uint,
        "double" => Type::Double,
        "string" => Type::Text,
        "bytes" => Type::Bytes,
        "timestamp" => Type::Timestamp,
        "duration" => Type::Duration,
        "type" => Type::Meta,
        "list" => Type::list(next()),
        "map" => Type::map(next(), next()),
        "optional" => Type::optional(next()),
        other => match parameter(other) {
            Some(id) => Type::Param(id),
            None => Type::Opaque(other.into(), parameters),
        },
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Dyn => f.write_str("dyn"),
            Type::Null => f.write_str("null"),
            Type::Bool => f.write_str("bool"),
            Type::Int => f.write_str("int"),
            Type::Uint => f.write_str("uint"),
            Type::Double => f.write_str("double"),
            Type::Text => f.write_str("string"),
            Type::Bytes => f.write_str("bytes"),
            Type::Timestamp => f.write_str("google.protobuf.Timestamp"),
            Type::Duration => f.write_str("google.protobuf.Duration"),
            Type::Any => f.write_str("google.protobuf.Any"),
            Type::Wrapper(inner) => write!(f, "wrapper({inner})"),
            Type::List(item) => write!(f, "list({item})"),
            Type::Map(key, value) => write!(f, "map({key}, {value})"),
            Type::Meta => f.write_str("type"),
            Type::Message(name) => f.write_str(name),
            Type::Opaque(name, parameters) if parameters.is_empty() => f.write_str(name),
            Type::Opaque(name, parameters) => {
                let inner: Vec<String> = parameters.iter().map(Type::to_string).collect();
                write!(f, "{name}({})", inner.join(", "))
            }
            Type::Param(_) => f.write_str("dyn"),
        }
    }
}
