//! Messages from their binary form.

use std::sync::Arc;

use super::descriptor::{Descriptor, Field, FieldKind, Shape, Types};
use super::eval::{Answer, Fault, fail};
use super::message::Message;
use super::value::Cel;

/// One field as it is written.
enum Raw<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
    Fixed32(u32),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut out = 0u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        out |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(out);
        }
    }
    None
}

fn take<'b>(bytes: &mut &'b [u8], len: usize) -> Option<&'b [u8]> {
    let (head, rest) = bytes.split_at_checked(len)?;
    *bytes = rest;
    Some(head)
}

fn raw<'b>(bytes: &mut &'b [u8]) -> Option<(u32, Raw<'b>)> {
    let tag = varint(bytes)?;
    let value = match tag & 7 {
        0 => Raw::Varint(varint(bytes)?),
        1 => Raw::Fixed64(u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?)),
        2 => {
            let len = usize::try_from(varint(bytes)?).ok()?;
            Raw::Bytes(take(bytes, len)?)
        }
        5 => Raw::Fixed32(u32::from_le_bytes(take(bytes, 4)?.try_into().ok()?)),
        _ => return None,
    };
    Some((u32::try_from(tag >> 3).ok()?, value))
}

/// Reads a message.
pub(super) fn read<'a>(
    mut bytes: &[u8],
    descriptor: &Arc<Descriptor>,
    types: &Arc<Types>,
    strong_enums: bool,
) -> Result<Message<'a>, Fault> {
    let broken = || Fault::invalid(format!("the bytes are no message {}", descriptor.name));
    let mut out = Message::new(types, descriptor, strong_enums);
    while !bytes.is_empty() {
        let (number, raw) = raw(&mut bytes).ok_or_else(broken)?;
        let Some(field) = descriptor.numbered(number) else {
            continue;
        };
        match &field.shape {
            Shape::One => {
                let value = value(&field.kind, &raw, types, strong_enums)?;
                out.set_field(field, value)?;
            }
            Shape::Many => {
                let mut items = out.fields.get(&number).map(Cel::items).unwrap_or_default();
                read_many(field, &raw, types, strong_enums, &mut items)?;
                out.set_field(field, Cel::list(items))?;
            }
            Shape::Map(key) => {
                let Raw::Bytes(mut entry) = raw else {
                    return Err(broken());
                };
                let mut members = out.fields.get(&number).map(Cel::members).unwrap_or_default();
                let (mut k, mut v) = (Cel::Null, Cel::Null);
                while !entry.is_empty() {
                    match self::raw(&mut entry).ok_or_else(broken)? {
                        (1, raw) => k = value(key, &raw, types, strong_enums)?,
                        (2, raw) => v = value(&field.kind, &raw, types, strong_enums)?,
                        _ => {}
                    }
                }
                members.push((k, v));
                out.set_field(field, Cel::map(members))?;
            }
        }
    }
    Ok(out)
}

fn read_many<'a>(
    field: &Field,
    raw: &Raw<'_>,
    types: &Arc<Types>,
    strong_enums: bool,
    items: &mut Vec<Cel<'a>>,
) -> Result<(), Fault> {
    let packed = !matches!(field.kind, FieldKind::Text | FieldKind::Bytes | FieldKind::Message(_));
    if let (Raw::Bytes(bytes), true) = (raw, packed) {
        let mut rest = *bytes;
        while !rest.is_empty() {
            let one =
                match field.kind {
                    FieldKind::Fixed32 | FieldKind::Sfixed32 | FieldKind::Float => take(&mut rest, 4)
                        .and_then(|four| Some(Raw::Fixed32(u32::from_le_bytes(four.try_into().ok()?)))),
                    FieldKind::Fixed64 | FieldKind::Sfixed64 | FieldKind::Double => take(&mut rest, 8)
                        .and_then(|eight| Some(Raw::Fixed64(u64::from_le_bytes(eight.try_into().ok()?)))),
                    _ => varint(&mut rest).map(Raw::Varint),
                };
            let Some(one) = one else {
                return fail("a packed field is cut off");
            };
            items.push(value(&field.kind, &one, types, strong_enums)?);
        }
        return Ok(());
    }
    items.push(value(&field.kind, raw, types, strong_enums)?);
    Ok(())
}

fn value<'a>(kind: &FieldKind, raw: &Raw<'_>, types: &Arc<Types>, strong_enums: bool) -> Answer<'a> {
    let zigzag = |v: u64| ((v >> 1) as i64) ^ -((v & 1) as i64);
    Ok(match (kind, raw) {
        (FieldKind::Int32 | FieldKind::Int64, Raw::Varint(v)) => Cel::Int(*v as i64),
        (FieldKind::Enum(_), Raw::Varint(v)) => Cel::Int(*v as i64),
        (FieldKind::Uint32 | FieldKind::Uint64, Raw::Varint(v)) => Cel::Uint(*v),
        (FieldKind::Sint32 | FieldKind::Sint64, Raw::Varint(v)) => Cel::Int(zigzag(*v)),
        (FieldKind::Bool, Raw::Varint(v)) => Cel::Bool(*v != 0),
        (FieldKind::Fixed32, Raw::Fixed32(v)) => Cel::Uint((*v).into()),
        (FieldKind::Sfixed32, Raw::Fixed32(v)) => Cel::Int((*v as i32).into()),
        (FieldKind::Float, Raw::Fixed32(v)) => Cel::Double(f32::from_bits(*v).into()),
        (FieldKind::Fixed64, Raw::Fixed64(v)) => Cel::Uint(*v),
        (FieldKind::Sfixed64, Raw::Fixed64(v)) => Cel::Int(*v as i64),
        (FieldKind::Double, Raw::Fixed64(v)) => Cel::Double(f64::from_bits(*v)),
        (FieldKind::Text, Raw::Bytes(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => Cel::text(text),
            Err(_) => return fail("a text field is not UTF-8"),
        },
        (FieldKind::Bytes, Raw::Bytes(bytes)) => Cel::Bytes((*bytes).into()),
        (FieldKind::Message(name), Raw::Bytes(bytes)) => match types.message(name) {
            Some(descriptor) => {
                let message = read(bytes, descriptor, types, strong_enums)?;
                // An Any without a type stands for its bytes.
                if &**name == "google.protobuf.Any" && message.has("type_url") != Some(true) {
                    return Ok(Cel::Message(Arc::new(message)));
                }
                return message.finish();
            }
            None => return fail(format!("the message type {name} is unknown")),
        },
        _ => return fail("a field is written as another type"),
    })
}
