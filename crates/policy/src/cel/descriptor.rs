//! Descriptions of message types and enumerations.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::types::Type;

/// The known message types, by full name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Types {
    messages: HashMap<Arc<str>, Arc<Descriptor>>,
    enums: HashMap<Arc<str>, Vec<(Arc<str>, i32)>>,
}

/// A message type.
#[derive(Debug)]
pub(crate) struct Descriptor {
    pub(crate) name: Arc<str>,
    pub(crate) fields: Vec<Field>,
}

/// A field of a message.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Arc<str>,
    pub(crate) number: u32,
    pub(crate) kind: FieldKind,
    pub(crate) shape: Shape,
    /// Whether it is told apart whether the field is set to its default or not at all.
    pub(crate) presence: bool,
    pub(crate) default: Option<Arc<str>>,
    /// Fields of one group exclude each other.
    pub(crate) oneof: Option<Arc<str>>,
}

/// Whether a field holds one value or more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    One,
    Many,
    /// A map with keys of that kind.
    Map(FieldKind),
}

/// The kind of a field's values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum FieldKind {
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Float,
    Double,
    Bool,
    Text,
    Bytes,
    Enum(Arc<str>),
    Message(Arc<str>),
}

impl FieldKind {
    fn scalar(name: &str) -> Option<FieldKind> {
        Some(match name {
            "int32" => FieldKind::Int32,
            "int64" => FieldKind::Int64,
            "uint32" => FieldKind::Uint32,
            "uint64" => FieldKind::Uint64,
            "sint32" => FieldKind::Sint32,
            "sint64" => FieldKind::Sint64,
            "fixed32" => FieldKind::Fixed32,
            "fixed64" => FieldKind::Fixed64,
            "sfixed32" => FieldKind::Sfixed32,
            "sfixed64" => FieldKind::Sfixed64,
            "float" => FieldKind::Float,
            "double" => FieldKind::Double,
            "bool" => FieldKind::Bool,
            "string" => FieldKind::Text,
            "bytes" => FieldKind::Bytes,
            _ => return None,
        })
    }

    /// The type of a value of this kind.
    pub(crate) fn cel_type(&self, strong_enums: bool) -> Type {
        match self {
            FieldKind::Int32 | FieldKind::Int64 | FieldKind::Sint32 | FieldKind::Sint64 => Type::Int,
            FieldKind::Sfixed32 | FieldKind::Sfixed64 => Type::Int,
            FieldKind::Uint32 | FieldKind::Uint64 | FieldKind::Fixed32 | FieldKind::Fixed64 => Type::Uint,
            FieldKind::Float | FieldKind::Double => Type::Double,
            FieldKind::Bool => Type::Bool,
            FieldKind::Text => Type::Text,
            FieldKind::Bytes => Type::Bytes,
            FieldKind::Enum(name) if &**name == NULL_VALUE => Type::Null,
            FieldKind::Enum(name) if strong_enums => Type::Opaque(name.clone(), Vec::new()),
            FieldKind::Enum(_) => Type::Int,
            FieldKind::Message(name) => Type::of_message(name),
        }
    }
}

/// The enumeration whose only value is `null`.
pub(crate) const NULL_VALUE: &str = "google.protobuf.NullValue";

impl Field {
    /// The type of the field's value.
    pub(crate) fn cel_type(&self, strong_enums: bool) -> Type {
        let inner = self.kind.cel_type(strong_enums);
        match &self.shape {
            Shape::One => inner,
            Shape::Many => Type::list(inner),
            Shape::Map(key) => Type::map(key.cel_type(strong_enums), inner),
        }
    }
}

impl Descriptor {
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| &*field.name == name)
    }

    pub(crate) fn numbered(&self, number: u32) -> Option<&Field> {
        self.fields.iter().find(|field| field.number == number)
    }
}

/// The messages every environment knows.
const WELL_KNOWN: &str = "
package google.protobuf proto3
message Any
string type_url 1
bytes value 2
message BoolValue
bool value 1
message Int32Value
int32 value 1
message Int64Value
int64 value 1
message UInt32Value
uint32 value 1
message UInt64Value
uint64 value 1
message FloatValue
float value 1
message DoubleValue
double value 1
message StringValue
string value 1
message BytesValue
bytes value 1
message Timestamp
int64 seconds 1
int32 nanos 2
message Duration
int64 seconds 1
int32 nanos 2
message Empty
message FieldMask
repeated string paths 1
enum NullValue NULL_VALUE=0
message Struct
map<string,Value> fields 1
message Value
oneof kind NullValue null_value 1
oneof kind double number_value 2
oneof kind string string_value 3
oneof kind bool bool_value 4
oneof kind Struct struct_value 5
oneof kind ListValue list_value 6
message ListValue
repeated Value values 1
";

impl Types {
    /// The well-known types, and those of tables, each of one package. Their lines are `package NAME SYNTAX`, `message NAME`,
    /// `enum NAME A=0 B=1`, and the fields of the message above: `[optional|repeated|oneof GROUP|extend MESSAGE] TYPE NAME NUMBER
    /// [DEFAULT]`. A line that is none of these is left out.
    pub(crate) fn read_all(tables: &[&str]) -> Types {
        static KNOWN: LazyLock<Types> = LazyLock::new(|| Types::default().with(&[WELL_KNOWN]));
        KNOWN.with(tables)
    }

    /// These types and those of further tables.
    pub(crate) fn with(&self, tables: &[&str]) -> Types {
        let mut types = self.clone();
        for text in tables {
            // Names may be used before they are described.
            let names = declared(text, &types);
            types.add(text, &names);
        }
        types
    }

    fn add(&mut self, table: &str, names: &HashMap<String, bool>) {
        let (mut package, mut proto3) = (String::new(), true);
        let mut open: Option<(String, Vec<Field>)> = None;
        let mut extensions: Vec<(String, Field)> = Vec::new();
        let mut messages: Vec<(String, Vec<Field>)> = Vec::new();
        for line in table.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["package", name, syntax] => (package, proto3) = (format!("{name}."), *syntax == "proto3"),
                ["message", name] => messages.extend(open.replace((format!("{package}{name}"), Vec::new()))),
                ["enum", name, values @ ..] => {
                    let value = |text: &&str| {
                        let (name, number) = text.split_once('=')?;
                        Some((name.into(), number.parse().ok()?))
                    };
                    let values = values.iter().filter_map(value).collect();
                    self.enums.insert(format!("{package}{name}").into(), values);
                }
                ["extend", message, rest @ ..] => {
                    let field = field(rest, &package, proto3, &package, names);
                    extensions.extend(field.map(|field| (format!("{package}{message}"), field)));
                }
                rest => {
                    if let Some((name, fields)) = &mut open {
                        fields.extend(field(rest, &package, proto3, &format!("{name}."), names));
                    }
                }
            }
        }
        messages.extend(open);
        for (name, mut fields) in messages {
            for (message, extension) in &extensions {
                if *message == name {
                    let full = format!("{package}{}", extension.name);
                    fields.push(Field {
                        name: full.into(),
                        ..extension.clone()
                    });
                }
            }
            let name: Arc<str> = name.into();
            self.messages
                .insert(name.clone(), Arc::new(Descriptor { name, fields }));
        }
    }

    pub(crate) fn message(&self, name: &str) -> Option<&Arc<Descriptor>> {
        self.messages.get(name)
    }

    pub(crate) fn is_message(&self, name: &str) -> bool {
        self.messages.contains_key(name)
    }

    pub(crate) fn is_enum(&self, name: &str) -> bool {
        self.enums.contains_key(name)
    }

    /// The enumeration and number of a constant's full name.
    pub(crate) fn constant(&self, full: &str) -> Option<(Arc<str>, i32)> {
        let (kind, name) = full.rsplit_once('.')?;
        let (kind, values) = self.enums.get_key_value(kind)?;
        values
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, number)| (kind.clone(), *number))
    }

    /// The number of a constant of an enumeration.
    pub(crate) fn number(&self, kind: &str, name: &str) -> Option<i32> {
        let values = self.enums.get(kind)?;
        values
            .iter()
            .find(|(known, _)| **known == *name)
            .map(|(_, number)| *number)
    }
}

/// Full names of what a table and the types before it describe, with whether it is an enumeration.
fn declared(table: &str, before: &Types) -> HashMap<String, bool> {
    let mut out: HashMap<String, bool> = before.messages.keys().map(|name| (name.to_string(), false)).collect();
    out.extend(before.enums.keys().map(|name| (name.to_string(), true)));
    let mut package = "";
    for line in table.lines() {
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["package", name, _] => package = line.split_whitespace().nth(1).unwrap_or(name),
            [what @ ("message" | "enum"), name, ..] => {
                out.insert(format!("{package}.{name}"), *what == "enum");
            }
            _ => {}
        }
    }
    out
}

fn field(words: &[&str], package: &str, proto3: bool, scope: &str, names: &HashMap<String, bool>) -> Option<Field> {
    let (mut presence, mut shape, mut oneof) = (!proto3, Shape::One, None);
    let rest = match words {
        ["optional", rest @ ..] => {
            presence = true;
            rest
        }
        ["repeated", rest @ ..] => {
            shape = Shape::Many;
            rest
        }
        ["oneof", group, rest @ ..] => {
            (presence, oneof) = (true, Some((*group).into()));
            rest
        }
        rest => rest,
    };
    let [kind, name, number, default @ ..] = rest else {
        return None;
    };
    let mut kind = *kind;
    if let Some((key, value)) = kind
        .strip_prefix("map<")
        .and_then(|inner| inner.strip_suffix('>')?.split_once(','))
    {
        shape = Shape::Map(FieldKind::scalar(key)?);
        kind = value;
    }
    let kind = match FieldKind::scalar(kind) {
        Some(kind) => kind,
        None => {
            let candidates = [format!("{scope}{kind}"), format!("{package}{kind}"), kind.to_owned()];
            let (full, is_enum) = candidates
                .into_iter()
                .find_map(|full| Some((full.clone(), *names.get(&full)?)))?;
            if is_enum {
                FieldKind::Enum(full.into())
            } else {
                FieldKind::Message(full.into())
            }
        }
    };
    Some(Field {
        name: (*name).into(),
        number: number.parse().ok()?,
        presence: presence || matches!(kind, FieldKind::Message(_)),
        kind,
        shape,
        default: default.first().map(|text| (*text).into()),
        oneof,
    })
}
