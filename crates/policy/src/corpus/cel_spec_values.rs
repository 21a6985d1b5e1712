//! Values, types and declarations of test files, as the engine's own.

use std::sync::Arc;

use super::cel_spec_text::{Block, Item};
use crate::cel::{Cel, Env, Field, FieldKind, Message, Overload, Shape, Type, Types, parameter};

/// The short name of `type.googleapis.com/NAME`.
fn type_name(url: &str) -> Option<&str> {
    url.contains('.')
        .then(|| url.rsplit_once('/').map(|(_, name)| name))
        .flatten()
}

/// The first message type in a test that is not described.
pub(super) fn unknown_message(block: &Block, types: &Types) -> Option<String> {
    block.0.iter().find_map(|(name, item)| {
        let named = match item {
            Item::Text(text) if name == "message_type" => String::from_utf8(text.clone()).ok(),
            _ => type_name(name).map(str::to_owned),
        };
        if let Some(named) = named.filter(|named| !types.is_message(named)) {
            return Some(named);
        }
        match item {
            Item::Block(inner) => unknown_message(inner, types),
            Item::List(items) => items
                .iter()
                .filter_map(Item::block)
                .find_map(|inner| unknown_message(inner, types)),
            _ => None,
        }
    })
}

fn word<T: std::str::FromStr>(item: &Item) -> Result<T, String> {
    match item {
        Item::Word(word) => word.parse().map_err(|_| format!("{word:?} is no such number")),
        other => Err(format!("a number was expected, not {other:?}")),
    }
}

fn double(item: &Item) -> Result<f64, String> {
    match item {
        Item::Word(word) => match word.to_ascii_lowercase().trim_end_matches('f') {
            "in" | "inf" | "infinity" => Ok(f64::INFINITY),
            "-in" | "-inf" | "-infinity" => Ok(f64::NEG_INFINITY),
            "nan" | "-nan" => Ok(f64::NAN),
            plain => plain.parse().map_err(|_| format!("{word:?} is no number")),
        },
        other => Err(format!("a number was expected, not {other:?}")),
    }
}

fn bytes(item: &Item) -> Result<Vec<u8>, String> {
    match item {
        Item::Text(bytes) => Ok(bytes.clone()),
        other => Err(format!("a text was expected, not {other:?}")),
    }
}

fn text(item: &Item) -> Result<String, String> {
    String::from_utf8(bytes(item)?).map_err(|_| "a text is not UTF-8".into())
}

/// A value as tests write it.
pub(super) fn value(block: &Block, types: &Arc<Types>, strong: bool) -> Result<Cel<'static>, String> {
    let Some((kind, item)) = block.0.first() else {
        return Err("a value of no kind".into());
    };
    let inner = || item.block().ok_or_else(|| format!("{kind} needs a message"));
    Ok(match kind.as_str() {
        "null_value" => Cel::Null,
        "bool_value" => Cel::Bool(matches!(item, Item::Word(word) if word == "true")),
        "int64_value" => Cel::Int(word(item)?),
        "uint64_value" => Cel::Uint(word(item)?),
        "double_value" => Cel::Double(double(item)?),
        "string_value" => Cel::text(text(item)?),
        "bytes_value" => Cel::Bytes(bytes(item)?.into()),
        "type_value" => Cel::Type(text(item)?.into()),
        "enum_value" => {
            let inner = inner()?;
            let number = inner.get("value").map_or(Ok(0), word)?;
            Cel::Enum(inner.text("type").unwrap_or_default().into(), number)
        }
        "list_value" => {
            let items = inner()?
                .blocks("values")
                .into_iter()
                .map(|item| value(item, types, strong));
            Cel::list(items.collect::<Result<_, String>>()?)
        }
        "map_value" => {
            let mut members = Vec::new();
            for entry in inner()?.blocks("entries") {
                let (Some(key), Some(member)) = (entry.block("key"), entry.block("value")) else {
                    return Err("an entry needs a key and a value".into());
                };
                members.push((value(key, types, strong)?, value(member, types, strong)?));
            }
            Cel::map(members)
        }
        "object_value" => any(inner()?, types, strong)?,
        other => return Err(format!("values of the kind {other} are unknown")),
    })
}

/// An `Any`: expanded, or as a type and bytes.
fn any(block: &Block, types: &Arc<Types>, strong: bool) -> Result<Cel<'static>, String> {
    if let Some((url, item)) = block.0.first()
        && let (Some(name), Some(inner)) = (type_name(url), item.block())
    {
        return message(name, inner, types, strong);
    }
    message("google.protobuf.Any", block, types, strong)
}

fn message(name: &str, block: &Block, types: &Arc<Types>, strong: bool) -> Result<Cel<'static>, String> {
    let descriptor = types
        .message(name)
        .ok_or_else(|| format!("the message type {name} is unknown"))?;
    let mut out = Message::new(types, descriptor, strong);
    let mut seen: Vec<&str> = Vec::new();
    for (key, _) in &block.0 {
        if seen.contains(&key.as_str()) {
            continue;
        }
        seen.push(key);
        let field = descriptor
            .field(key)
            .ok_or_else(|| format!("{name} has no field {key}"))?;
        let items = block.all(key);
        let made = match &field.shape {
            Shape::One => match items.last() {
                Some(item) => one(field, &field.kind, item, types, strong)?,
                None => continue,
            },
            Shape::Many => {
                let items = items
                    .into_iter()
                    .map(|item| one(field, &field.kind, item, types, strong));
                Cel::list(items.collect::<Result<_, String>>()?)
            }
            Shape::Map(key_kind) => {
                let mut members = Vec::new();
                for entry in items.into_iter().filter_map(Item::block) {
                    let part = |name: &str, kind: &FieldKind| match entry.get(name) {
                        Some(item) => one(field, kind, item, types, strong),
                        None => Ok(out.zero_of(kind)),
                    };
                    members.push((part("key", key_kind)?, part("value", &field.kind)?));
                }
                Cel::map(members)
            }
        };
        out.set_field(field, made).map_err(|fault| fault.to_string())?;
    }
    out.finish().map_err(|fault| fault.to_string())
}

fn one(field: &Field, kind: &FieldKind, item: &Item, types: &Arc<Types>, strong: bool) -> Result<Cel<'static>, String> {
    Ok(match kind {
        FieldKind::Int32 | FieldKind::Int64 | FieldKind::Sint32 | FieldKind::Sint64 => Cel::Int(word(item)?),
        FieldKind::Sfixed32 | FieldKind::Sfixed64 => Cel::Int(word(item)?),
        FieldKind::Uint32 | FieldKind::Uint64 | FieldKind::Fixed32 | FieldKind::Fixed64 => Cel::Uint(word(item)?),
        FieldKind::Float => Cel::Double(f64::from(double(item)? as f32)),
        FieldKind::Double => Cel::Double(double(item)?),
        FieldKind::Bool => {
            Cel::Bool(matches!(item, Item::Word(word) if matches!(word.as_str(), "true" | "True" | "t" | "1")))
        }
        FieldKind::Text => Cel::text(text(item)?),
        FieldKind::Bytes => Cel::Bytes(bytes(item)?.into()),
        FieldKind::Enum(name) => match item {
            Item::Word(constant) => {
                let number = types
                    .number(name, constant)
                    .map(i64::from)
                    .or_else(|| constant.parse().ok());
                Cel::Int(number.ok_or_else(|| format!("{name} has no {constant}"))?)
            }
            other => return Err(format!("a constant of {name} was expected, not {other:?}")),
        },
        FieldKind::Message(name) => {
            let inner = item
                .block()
                .ok_or_else(|| format!("the field {} is a message", field.name))?;
            if &**name == "google.protobuf.Any" {
                any(inner, types, strong)?
            } else {
                message(name, inner, types, strong)?
            }
        }
    })
}

/// Equality in tests: types count, and what is no number is itself.
pub(super) fn equal(a: &Cel<'_>, b: &Cel<'_>) -> bool {
    match (a, b) {
        (Cel::Double(a), Cel::Double(b)) => a == b || a.is_nan() && b.is_nan(),
        (Cel::Optional(Some(a)), b) => matches!(b, Cel::Optional(Some(b)) if equal(a, b)),
        (Cel::Message(a), Cel::Message(b)) => {
            Arc::ptr_eq(a, b)
                || a.descriptor.name == b.descriptor.name
                    && a.fields.len() == b.fields.len()
                    && a.fields
                        .iter()
                        .all(|(number, value)| b.fields.get(number).is_some_and(|other| equal(value, other)))
        }
        (a, b) if a.is_list() && b.is_list() => {
            a.len() == b.len() && a.items().iter().zip(&b.items()).all(|(a, b)| equal(a, b))
        }
        (a, b) if a.is_map() && b.is_map() => {
            let others = b.members();
            a.len() == b.len()
                && a.members()
                    .iter()
                    .all(|(k, v)| others.iter().any(|(l, w)| equal(k, l) && equal(v, w)))
        }
        (a, b) => a.type_name() == b.type_name() && a.same(b),
    }
}

/// A type as tests write it.
pub(super) fn kind_of(block: &Block) -> Result<Type, String> {
    let Some((kind, item)) = block.0.first() else {
        return Ok(Type::Dyn);
    };
    let primitive = || -> Result<Type, String> {
        match item {
            Item::Word(word) => Ok(match word.as_str() {
                "BOOL" => Type::Bool,
                "INT64" => Type::Int,
                "UINT64" => Type::Uint,
                "DOUBLE" => Type::Double,
                "STRING" => Type::Text,
                "BYTES" => Type::Bytes,
                other => return Err(format!("{other} is no primitive type")),
            }),
            other => Err(format!("a type was expected, not {other:?}")),
        }
    };
    let inner = |name: &str| match item.block().and_then(|inner| inner.block(name)) {
        Some(inner) => kind_of(inner),
        None => Ok(Type::Dyn),
    };
    Ok(match kind.as_str() {
        "primitive" => primitive()?,
        "wrapper" => Type::Wrapper(Arc::new(primitive()?)),
        "null" => Type::Null,
        "dyn" | "error" => Type::Dyn,
        "well_known" => match item {
            Item::Word(word) if word == "TIMESTAMP" => Type::Timestamp,
            Item::Word(word) if word == "DURATION" => Type::Duration,
            _ => Type::Any,
        },
        "list_type" => Type::list(inner("elem_type")?),
        "map_type" => Type::map(inner("key_type")?, inner("value_type")?),
        "message_type" => Type::of_message(&text(item)?),
        "type" => Type::Meta,
        "type_param" => {
            let name = text(item)?;
            let letter = name.get(..1).map(str::to_uppercase).unwrap_or_default();
            Type::Param(parameter(&letter).ok_or_else(|| format!("{name} is no type parameter"))?)
        }
        "abstract_type" => {
            let block = item.block().ok_or("an abstract type is a message")?;
            let parameters = block.blocks("parameter_types").into_iter().map(kind_of);
            let name = block.text("name").unwrap_or_default();
            Type::Opaque(name.into(), parameters.collect::<Result<_, String>>()?)
        }
        other => return Err(format!("types of the kind {other} are unknown")),
    })
}

/// Declares a variable or function.
pub(super) fn declare(block: &Block, env: &mut Env) -> Result<(), String> {
    let name = block.text("name").unwrap_or_default();
    if let Some(kind) = block.block("ident").and_then(|ident| ident.block("type")) {
        env.variables.insert(name, kind_of(kind)?);
        return Ok(());
    }
    let Some(function) = block.block("function") else {
        return Ok(());
    };
    let mut overloads = Vec::new();
    for overload in function.blocks("overloads") {
        let parameters = overload.blocks("params").into_iter().map(kind_of);
        overloads.push(Overload {
            method: overload.is_true("is_instance_function"),
            parameters: parameters.collect::<Result<_, String>>()?,
            variadic: false,
            result: overload.block("result_type").map_or(Ok(Type::Dyn), kind_of)?,
        });
    }
    env.functions.insert(name, overloads);
    Ok(())
}
