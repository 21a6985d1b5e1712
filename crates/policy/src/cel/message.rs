//! Messages: made from fields, read by fields, and well-known ones as CEL's own values.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_doc::{Map, Value};

use super::descriptor::{Descriptor, Field, FieldKind, NULL_VALUE, Shape, Types};
use super::eval::{Answer, Fault, fail};
use super::library::time;
use super::value::Cel;
use super::wire;

/// A message; fields that hold their default without being told apart from unset ones are not stored.
#[derive(Clone)]
pub(crate) struct Message<'a> {
    pub(crate) types: Arc<Types>,
    pub(crate) descriptor: Arc<Descriptor>,
    /// By field number.
    pub(crate) fields: BTreeMap<u32, Cel<'a>>,
    /// Whether enumerations are types of their own.
    pub(crate) strong_enums: bool,
}

impl<'a> Message<'a> {
    pub(crate) fn new(types: &Arc<Types>, descriptor: &Arc<Descriptor>, strong_enums: bool) -> Message<'a> {
        Message {
            types: types.clone(),
            descriptor: descriptor.clone(),
            fields: BTreeMap::new(),
            strong_enums,
        }
    }

    /// A field's value, or its default; `None` when there is no such field.
    pub(crate) fn get(&self, name: &str) -> Option<Cel<'a>> {
        let field = self.descriptor.field(name)?;
        Some(match self.fields.get(&field.number) {
            Some(value) => value.clone(),
            None => self.default_of(field),
        })
    }

    pub(crate) fn has(&self, name: &str) -> Option<bool> {
        let field = self.descriptor.field(name)?;
        Some(self.fields.contains_key(&field.number))
    }

    /// The value of an unset field of a kind.
    pub(crate) fn zero_of(&self, kind: &FieldKind) -> Cel<'a> {
        zero(kind, &self.types, self.strong_enums)
    }

    fn default_of(&self, field: &Field) -> Cel<'a> {
        match &field.shape {
            Shape::Many => return Cel::list(Vec::new()),
            Shape::Map(_) => return Cel::map(Vec::new()),
            Shape::One => {}
        }
        if let FieldKind::Message(name) = &field.kind {
            if name.ends_with("Value") && name.starts_with("google.protobuf.") && &**name != "google.protobuf.ListValue"
            {
                return Cel::Null;
            }
            if &**name == "google.protobuf.Any" {
                return Cel::Null;
            }
        }
        let text = field.default.as_deref();
        let zero = zero(&field.kind, &self.types, self.strong_enums);
        match (text, zero) {
            (None, zero) => zero,
            (Some(text), Cel::Int(_)) => match &field.kind {
                FieldKind::Enum(kind) => Cel::Int(self.types.number(kind, text).unwrap_or_default().into()),
                _ => Cel::Int(text.parse().unwrap_or_default()),
            },
            (Some(text), Cel::Enum(kind, _)) => {
                let number = self.types.number(&kind, text).unwrap_or_default();
                Cel::Enum(kind, number)
            }
            (Some(text), Cel::Uint(_)) => Cel::Uint(text.parse().unwrap_or_default()),
            (Some(text), Cel::Double(_)) => Cel::Double(text.parse().unwrap_or_default()),
            (Some(text), Cel::Bool(_)) => Cel::Bool(text == "true"),
            (Some(text), Cel::Text(_)) => Cel::text(text),
            (Some(text), Cel::Bytes(_)) => Cel::Bytes(text.as_bytes().into()),
            (Some(_), other) => other,
        }
    }

    /// Sets a field, converting the value to the field's type.
    pub(crate) fn set(&mut self, name: &str, value: Cel<'a>) -> Result<(), Fault> {
        let descriptor = self.descriptor.clone();
        let Some(field) = descriptor.field(name) else {
            return fail(format!("no such field: {} has no {name}", descriptor.name));
        };
        self.set_field(field, value)
    }

    /// Sets a field; a value that cannot be told from an unset field is not stored.
    pub(crate) fn set_field(&mut self, field: &Field, value: Cel<'a>) -> Result<(), Fault> {
        let descriptor = self.descriptor.clone();
        let fits = |value: Cel<'a>| assign(&field.kind, value, &self.types, self.strong_enums, &field.name);
        let nullable = matches!(&field.kind, FieldKind::Message(name) if is_nullable(name));
        let value = match &field.shape {
            Shape::One => match value {
                Cel::Null if matches!(&field.kind, FieldKind::Message(name) if holds_null(name)) => Cel::Null,
                Cel::Null if nullable => return Ok(()),
                other => fits(other)?,
            },
            Shape::Many if value.is_list() => {
                let mut out = Vec::with_capacity(value.len());
                for item in value.items() {
                    if !(matches!(item, Cel::Null) && nullable) {
                        out.push(fits(item)?);
                    }
                }
                if out.is_empty() {
                    return Ok(());
                }
                Cel::list(out)
            }
            Shape::Map(key_kind) if value.is_map() => {
                let mut out = Vec::with_capacity(value.len());
                for (key, member) in value.members() {
                    let key = assign(key_kind, key, &self.types, self.strong_enums, &field.name)?;
                    if !(matches!(member, Cel::Null) && nullable) {
                        out.push((key, fits(member)?));
                    }
                }
                if out.is_empty() {
                    return Ok(());
                }
                Cel::map(out)
            }
            _ => {
                return fail(format!(
                    "the field {} does not take a {}",
                    field.name,
                    value.type_name()
                ));
            }
        };
        if field.oneof.is_some() {
            for other in &descriptor.fields {
                if other.oneof == field.oneof {
                    self.fields.remove(&other.number);
                }
            }
        }
        if !field.presence && value.is_zero() && !matches!(value, Cel::Double(d) if d.is_sign_negative()) {
            self.fields.remove(&field.number);
        } else {
            self.fields.insert(field.number, value);
        }
        Ok(())
    }

    pub(super) fn same(&self, other: &Message<'_>) -> bool {
        self.descriptor.name == other.descriptor.name
            && self.fields.len() == other.fields.len()
            && self
                .fields
                .iter()
                .all(|(number, value)| other.fields.get(number).is_some_and(|o| value.same(o)))
    }

    pub(super) fn to_value(&self) -> Value {
        let member = |(number, value): (&u32, &Cel<'_>)| {
            let name = self.descriptor.numbered(*number).map_or("", |field| &*field.name);
            (name.to_owned(), value.to_value())
        };
        self.fields.iter().map(member).collect::<Map>().into()
    }

    /// What the finished message is: well-known types become CEL's own values.
    pub(crate) fn finish(self) -> Answer<'a> {
        let Some(short) = self.descriptor.name.strip_prefix("google.protobuf.") else {
            return Ok(Cel::Message(Arc::new(self)));
        };
        let field = |name: &str| self.get(name).unwrap_or(Cel::Null);
        let whole = |name: &str| field(name).whole().unwrap_or_default();
        match short {
            "BoolValue" | "Int32Value" | "Int64Value" | "UInt32Value" | "UInt64Value" | "FloatValue"
            | "DoubleValue" | "StringValue" | "BytesValue" => Ok(field("value")),
            "Timestamp" => {
                time::checked(i128::from(whole("seconds")) * 1_000_000_000 + i128::from(whole("nanos"))).map(Cel::time)
            }
            "Duration" => {
                let nanos = i128::from(whole("seconds")) * 1_000_000_000 + i128::from(whole("nanos"));
                match i64::try_from(nanos) {
                    Ok(nanos) => Ok(Cel::Duration(nanos)),
                    Err(_) => fail("the duration is out of range"),
                }
            }
            "Struct" => Ok(field("fields")),
            "ListValue" => Ok(field("values")),
            "Value" => Ok(self.fields.values().next().cloned().unwrap_or(Cel::Null)),
            "Any" => {
                let (url, bytes) = (field("type_url"), field("value"));
                let name = url.as_str().and_then(|url| Some(url.rsplit_once('/')?.1.to_owned()));
                match (name, bytes) {
                    (Some(name), Cel::Bytes(bytes)) => match self.types.message(&name) {
                        Some(descriptor) => wire::read(&bytes, descriptor, &self.types, self.strong_enums)?.finish(),
                        None => fail(format!("the message in the Any is of an unknown type {name}")),
                    },
                    _ => fail("an Any needs the type_url of its message"),
                }
            }
            _ => Ok(Cel::Message(Arc::new(self))),
        }
    }
}

/// Whether a field of that message keeps a `null`.
fn holds_null(name: &str) -> bool {
    matches!(name, "google.protobuf.Any" | "google.protobuf.Value")
}

/// Whether `null` leaves a field of that message unset.
fn is_nullable(name: &str) -> bool {
    !matches!(
        name,
        "google.protobuf.Any" | "google.protobuf.Value" | "google.protobuf.Struct" | "google.protobuf.ListValue"
    )
}

/// The value of an unset field of a kind.
fn zero<'a>(kind: &FieldKind, types: &Arc<Types>, strong_enums: bool) -> Cel<'a> {
    match kind {
        FieldKind::Int32 | FieldKind::Int64 | FieldKind::Sint32 | FieldKind::Sint64 => Cel::Int(0),
        FieldKind::Sfixed32 | FieldKind::Sfixed64 => Cel::Int(0),
        FieldKind::Uint32 | FieldKind::Uint64 | FieldKind::Fixed32 | FieldKind::Fixed64 => Cel::Uint(0),
        FieldKind::Float | FieldKind::Double => Cel::Double(0.0),
        FieldKind::Bool => Cel::Bool(false),
        FieldKind::Text => Cel::str(""),
        FieldKind::Bytes => Cel::Bytes(Arc::from([].as_slice())),
        FieldKind::Enum(name) if &**name == NULL_VALUE => Cel::Null,
        FieldKind::Enum(name) if strong_enums => Cel::Enum(name.clone(), 0),
        FieldKind::Enum(_) => Cel::Int(0),
        FieldKind::Message(name) => match types.message(name) {
            Some(descriptor) => Message::new(types, descriptor, strong_enums)
                .finish()
                .unwrap_or(Cel::Null),
            None => Cel::Null,
        },
    }
}

/// A value as one of a field's kind.
pub(super) fn assign<'a>(
    kind: &FieldKind,
    value: Cel<'a>,
    types: &Arc<Types>,
    strong_enums: bool,
    name: &str,
) -> Answer<'a> {
    let wrong = |value: &Cel<'_>| fail(format!("the field {name} does not take a {}", value.type_name()));
    let range = || fail(format!("the value of the field {name} is out of range"));
    Ok(match (kind, value) {
        (FieldKind::Int32 | FieldKind::Sint32 | FieldKind::Sfixed32, Cel::Int(i)) => {
            if i32::try_from(i).is_err() {
                return range();
            }
            Cel::Int(i)
        }
        (FieldKind::Uint32 | FieldKind::Fixed32, Cel::Uint(u)) => {
            if u32::try_from(u).is_err() {
                return range();
            }
            Cel::Uint(u)
        }
        (FieldKind::Int64 | FieldKind::Sint64 | FieldKind::Sfixed64, value @ Cel::Int(_)) => value,
        (FieldKind::Uint64 | FieldKind::Fixed64, value @ Cel::Uint(_)) => value,
        (FieldKind::Float, Cel::Double(d)) => Cel::Double(f64::from(d as f32)),
        (FieldKind::Double, value @ Cel::Double(_)) => value,
        (FieldKind::Bool, value @ Cel::Bool(_)) => value,
        (FieldKind::Text, value @ Cel::Text(_)) => value,
        (FieldKind::Bytes, value @ Cel::Bytes(_)) => value,
        (FieldKind::Enum(kind), Cel::Null) if &**kind == NULL_VALUE => Cel::Null,
        (FieldKind::Enum(kind), Cel::Int(i)) => match i32::try_from(i) {
            Ok(_) if &**kind == NULL_VALUE => Cel::Null,
            Ok(number) if strong_enums => Cel::Enum(kind.clone(), number),
            Ok(_) => Cel::Int(i),
            Err(_) => return range(),
        },
        (FieldKind::Enum(kind), Cel::Enum(other, number)) if *kind == other => Cel::Enum(other, number),
        (FieldKind::Message(message), value) => return assign_message(message, value, types, strong_enums, name),
        (_, other) => return wrong(&other),
    })
}

fn assign_message<'a>(message: &str, value: Cel<'a>, types: &Arc<Types>, strong_enums: bool, name: &str) -> Answer<'a> {
    let wrapped = |kind: FieldKind, value| assign(&kind, value, types, strong_enums, name);
    let wrong = |value: &Cel<'_>| fail(format!("the field {name} does not take a {}", value.type_name()));
    match message.strip_prefix("google.protobuf.") {
        Some("Any") => Ok(value),
        Some("Value") => to_json(value),
        // The keys of a struct are text as they are, not by conversion.
        Some("Struct") if value.is_map() && value.members().iter().all(|(key, _)| key.as_str().is_some()) => {
            to_json(value)
        }
        Some("ListValue") if value.is_list() => to_json(value),
        Some("BoolValue") => wrapped(FieldKind::Bool, value),
        Some("Int32Value") => wrapped(FieldKind::Int32, value),
        Some("Int64Value") => wrapped(FieldKind::Int64, value),
        Some("UInt32Value") => wrapped(FieldKind::Uint32, value),
        Some("UInt64Value") => wrapped(FieldKind::Uint64, value),
        Some("FloatValue") => wrapped(FieldKind::Float, value),
        Some("DoubleValue") => wrapped(FieldKind::Double, value),
        Some("StringValue") => wrapped(FieldKind::Text, value),
        Some("BytesValue") => wrapped(FieldKind::Bytes, value),
        Some("Timestamp") if matches!(value, Cel::Time(_)) => Ok(value),
        Some("Duration") if matches!(value, Cel::Duration(_)) => Ok(value),
        _ => match &value {
            Cel::Message(inner) if &*inner.descriptor.name == message => Ok(value),
            other => wrong(other),
        },
    }
}

/// The largest integer that JSON numbers are sure to keep.
const JSON_INTEGER: u64 = (1 << 53) - 1;

/// A value as JSON holds it: numbers are doubles, what JSON has no type for is text.
pub(super) fn to_json<'a>(value: Cel<'a>) -> Answer<'a> {
    Ok(match value {
        Cel::Int(i) if i.unsigned_abs() > JSON_INTEGER => Cel::text(i.to_string()),
        Cel::Int(i) => Cel::Double(i as f64),
        Cel::Uint(u) if u > JSON_INTEGER => Cel::text(u.to_string()),
        Cel::Uint(u) => Cel::Double(u as f64),
        Cel::Enum(_, number) => Cel::Double(number.into()),
        Cel::Bytes(bytes) => Cel::text(STANDARD.encode(&bytes)),
        value @ (Cel::Duration(_) | Cel::Time(_)) => Cel::text(value.print().unwrap_or_default().into_owned()),
        value @ (Cel::Null | Cel::Bool(_) | Cel::Double(_) | Cel::Text(_)) => value,
        value if value.is_list() => Cel::list(value.items().into_iter().map(to_json).collect::<Result<_, Fault>>()?),
        value if value.is_map() => {
            let mut out = Vec::with_capacity(value.len());
            for (key, member) in value.members() {
                let Some(name) = key.print().map(|name| name.into_owned()) else {
                    return fail(format!("a {} is no key of a JSON object", key.type_name()));
                };
                out.push((Cel::text(name), to_json(member)?));
            }
            Cel::map(out)
        }
        Cel::Message(message) => {
            let field = |name: &str| message.get(name).unwrap_or(Cel::Null);
            match &*message.descriptor.name {
                "google.protobuf.Empty" => Cel::map(Vec::new()),
                "google.protobuf.FieldMask" => {
                    let paths = field("paths").items();
                    let paths: Vec<&str> = paths.iter().filter_map(Cel::as_str).collect();
                    Cel::text(paths.join(","))
                }
                other => return fail(format!("a {other} is no JSON value")),
            }
        }
        other => return fail(format!("a {} is no JSON value", other.type_name())),
    })
}
