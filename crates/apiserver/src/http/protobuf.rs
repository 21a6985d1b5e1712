//! Decoding of Kubernetes' protobuf bodies, driven by a table of message fields.
//!
//! kubectl sends `create <kind>`, `auth can-i` and `create token` as `k8s\0` + `runtime.Unknown` whatever the server
//! offers, and controllers written in Go do so for all built-in kinds. The table (`data/protobuf.txt`) has the messages of
//! the kinds served here; a message or field beyond it is answered with 415 and the way out, never guessed.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine;
use ridgeway_cluster::{Reason, Status};
use ridgeway_doc::{Doc, Value};

use crate::fault;

const MAGIC: &[u8] = b"k8s\0";
const MAX_DEPTH: usize = 32;

/// One field of a message.
#[derive(Clone, Debug)]
struct Field {
    /// Its JSON name; `.` for fields that lie in the parent.
    name: &'static str,
    ty: Type,
    repeated: bool,
    /// Whether the JSON form keeps a zero.
    kept: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Type {
    String,
    Bytes,
    Bool,
    Int,
    Double,
    /// Seconds and nanoseconds; RFC 3339 with whole seconds or with microseconds.
    Time {
        micro: bool,
    },
    /// `k8s.io/apimachinery Quantity`: a message that holds a string.
    Quantity,
    /// type 0: int, 1: string.
    IntOrString,
    /// A message that is but a list of strings.
    Strings,
    /// A map from string to the named type.
    Map(Box<Type>),
    /// Raw JSON in a message (managed fields, extensions).
    RawJson,
    /// Section and name.
    Message(&'static str, &'static str),
}

type Messages = HashMap<(&'static str, &'static str), HashMap<u64, Field>>;

static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
    let mut messages = Messages::new();
    let (mut section, mut current) = ("", "");
    for line in include_str!("../../data/protobuf.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("= ") {
            section = name;
            continue;
        }
        if !line.starts_with(' ') {
            current = line;
            messages.entry((section, current)).or_default();
            continue;
        }
        let mut words = line.split_whitespace();
        let (Some(number), Some(name), Some(ty)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let (ty, kept) = ty.strip_prefix('!').map_or((ty, false), |ty| (ty, true));
        let (ty, repeated) = ty.strip_prefix("[]").map_or((ty, false), |ty| (ty, true));
        if let Ok(number) = number.parse() {
            let field = Field {
                name,
                ty: parse_type(section, ty),
                repeated,
                kept,
            };
            messages.entry((section, current)).or_default().insert(number, field);
        }
    }
    messages
});

fn parse_type(section: &'static str, text: &'static str) -> Type {
    match text {
        "string" => Type::String,
        "bytes" => Type::Bytes,
        "bool" => Type::Bool,
        "int" => Type::Int,
        "double" => Type::Double,
        "time" => Type::Time { micro: false },
        "microtime" => Type::Time { micro: true },
        "quantity" => Type::Quantity,
        "intorstring" => Type::IntOrString,
        "strings" => Type::Strings,
        "json" => Type::RawJson,
        other => match (other.strip_prefix("map:"), other.rsplit_once('.')) {
            (Some(inner), _) => Type::Map(Box::new(parse_type(section, inner))),
            (None, Some((section, name))) => Type::Message(section, name),
            (None, None) => Type::Message(section, other),
        },
    }
}

fn unsupported(what: &str) -> Status {
    Status::new(
        Reason::UnsupportedMediaType,
        format!("protobuf {what} is not decoded by the embedded control plane; send JSON (`kubectl apply -f`) instead"),
    )
}

fn damaged() -> Status {
    fault::bad_request("the protobuf body is damaged")
}

/// Decodes an enveloped object.
pub(super) fn decode(bytes: &[u8]) -> Result<Doc, Status> {
    let body = bytes
        .strip_prefix(MAGIC)
        .ok_or_else(|| fault::bad_request("the protobuf body does not start with the k8s envelope"))?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for field in Wire(body) {
        match field? {
            (1, Item::Bytes(meta)) => {
                for field in Wire(meta) {
                    match field? {
                        (1, Item::Bytes(text)) => api_version = string(text)?,
                        (2, Item::Bytes(text)) => kind = string(text)?,
                        _ => {}
                    }
                }
            }
            (2, Item::Bytes(object)) => raw = object,
            _ => {}
        }
    }
    // Options go by the version of whatever they are for.
    let section = if kind == "DeleteOptions" { "meta" } else { &api_version };
    let (section, message) = MESSAGES
        .get_key_value(&(section, kind.as_str()))
        .ok_or_else(|| unsupported(&format!("{api_version} {kind}")))?
        .0;
    let mut object = Value::object();
    object.set(&["apiVersion"], api_version.as_str());
    object.set(&["kind"], kind.as_str());
    read(section, message, raw, 0, &mut object)?;
    Ok(object.into_doc())
}

fn string(bytes: &[u8]) -> Result<String, Status> {
    std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| damaged())
}

fn read(section: &str, message: &str, bytes: &[u8], depth: usize, object: &mut Value) -> Result<(), Status> {
    if depth > MAX_DEPTH {
        return Err(damaged());
    }
    let fields = MESSAGES.get(&(section, message)).ok_or_else(|| unsupported(message))?;
    for item in Wire(bytes) {
        let (number, item) = item?;
        let field = fields
            .get(&number)
            .ok_or_else(|| unsupported(&format!("field {number} of {message}")))?;
        match (&field.ty, item) {
            (Type::Map(inner), Item::Bytes(entry)) => {
                let (key, value) = map_entry(inner, entry, depth)?;
                object.set(&[field.name, &key], value);
            }
            (Type::Message(section, name), Item::Bytes(bytes)) if field.name == "." => {
                read(section, name, bytes, depth + 1, object)?;
            }
            // Repeated numbers come one by one, or packed into one field.
            (Type::Int, Item::Bytes(packed)) if field.repeated => {
                let mut wire = Wire(packed);
                while !wire.0.is_empty() {
                    let n = wire.varint().ok_or_else(damaged)?;
                    object
                        .make_object()
                        .entry(field.name, Value::array)
                        .make_array()
                        .push((n as i64).into());
                }
            }
            (_, item) => {
                let value = convert(&field.ty, item, depth)?;
                if field.repeated {
                    object
                        .make_object()
                        .entry(field.name, Value::array)
                        .make_array()
                        .push(value);
                } else if field.kept && !value.is_null() || !is_zero(&value) {
                    object.set(&[field.name], value);
                }
            }
        }
    }
    Ok(())
}

/// Fields without presence are written even when they are zero; their JSON form leaves them out.
fn is_zero(value: &Value) -> bool {
    let node = value.node();
    match (node.as_str(), node.as_bool(), node.as_i64()) {
        (Some(text), _, _) => text.is_empty(),
        (_, Some(flag), _) => !flag,
        (_, _, Some(number)) => number == 0,
        _ => node.is_null() || node.is_empty(),
    }
}

fn map_entry(inner: &Type, bytes: &[u8], depth: usize) -> Result<(String, Value), Status> {
    let (mut key, mut value) = (String::new(), None);
    for item in Wire(bytes) {
        match item? {
            (1, Item::Bytes(text)) => key = string(text)?,
            (2, item) => value = Some(convert(inner, item, depth)?),
            _ => return Err(damaged()),
        }
    }
    let empty = || {
        if matches!(inner, Type::String | Type::Bytes) {
            Value::from("")
        } else {
            Value::NULL
        }
    };
    Ok((key, value.unwrap_or_else(empty)))
}

fn convert(ty: &Type, item: Item<'_>, depth: usize) -> Result<Value, Status> {
    Ok(match (ty, item) {
        (Type::String, Item::Bytes(text)) => string(text)?.into(),
        (Type::Bytes, Item::Bytes(bytes)) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        (Type::Bool, Item::Varint(n)) => (n != 0).into(),
        (Type::Int, Item::Varint(n)) => (n as i64).into(),
        (Type::Double, Item::Fixed(bits)) => f64::from_bits(bits).into(),
        (Type::Message(section, name), Item::Bytes(bytes)) => {
            let mut object = Value::object();
            read(section, name, bytes, depth + 1, &mut object)?;
            object
        }
        (Type::Strings, Item::Bytes(bytes)) => {
            let mut list = Value::array();
            for item in Wire(bytes) {
                list.make_array().push(text_value(item?.1)?);
            }
            list
        }
        (Type::Quantity, Item::Bytes(bytes)) => field(bytes, 1)?.map_or(Ok(Value::from("0")), text_value)?,
        (Type::RawJson, Item::Bytes(bytes)) => match field(bytes, 1)? {
            Some(Item::Bytes(json)) => Doc::parse_json(json).map_err(|_| damaged())?.into(),
            _ => Value::NULL,
        },
        (Type::Time { micro }, Item::Bytes(bytes)) => time(bytes, *micro)?,
        (Type::IntOrString, Item::Bytes(bytes)) => match (field(bytes, 1)?, field(bytes, 2)?, field(bytes, 3)?) {
            (Some(Item::Varint(1)), _, Some(text)) => text_value(text)?,
            (_, Some(Item::Varint(n)), _) => (n as i64).into(),
            _ => 0i64.into(),
        },
        _ => return Err(damaged()),
    })
}

/// The zero of a time is no time.
fn time(bytes: &[u8], micro: bool) -> Result<Value, Status> {
    let part = |number| {
        Ok(match field(bytes, number)? {
            Some(Item::Varint(n)) => n as i64,
            _ => 0,
        })
    };
    let (seconds, nanos): (i64, i64) = (part(1)?, part(2)?);
    if seconds == 0 && nanos == 0 {
        return Ok(Value::NULL);
    }
    let time = i32::try_from(nanos)
        .ok()
        .and_then(|nanos| jiff::Timestamp::new(seconds, nanos).ok())
        .ok_or_else(damaged)?;
    Ok(if micro {
        time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
    } else {
        ridgeway_cluster::rfc3339(time)
    }
    .into())
}

fn text_value(item: Item<'_>) -> Result<Value, Status> {
    match item {
        Item::Bytes(text) => Ok(string(text)?.into()),
        Item::Varint(_) | Item::Fixed(_) => Err(damaged()),
    }
}

fn field(bytes: &[u8], number: u64) -> Result<Option<Item<'_>>, Status> {
    for item in Wire(bytes) {
        let (n, item) = item?;
        if n == number {
            return Ok(Some(item));
        }
    }
    Ok(None)
}

/// A value on the wire.
enum Item<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn item(&mut self) -> Option<(u64, Item<'a>)> {
        let tag = self.varint()?;
        let item = match tag & 7 {
            0 => Item::Varint(self.varint()?),
            1 => {
                let (bytes, rest) = self.0.split_first_chunk::<8>()?;
                self.0 = rest;
                Item::Fixed(u64::from_le_bytes(*bytes))
            }
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Item::Bytes(bytes)
            }
            _ => return None,
        };
        Some((tag >> 3, item))
    }
}

impl<'a> Iterator for Wire<'a> {
    type Item = Result<(u64, Item<'a>), Status>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let item = self.item();
        if item.is_none() {
            self.0 = &[];
        }
        Some(item.ok_or_else(damaged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::yaml;

    /// Length-delimited field.
    fn put(number: u8, body: &[u8]) -> Vec<u8> {
        let mut out = vec![number << 3 | 2, body.len() as u8];
        out.extend_from_slice(body);
        out
    }

    fn int(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let meta = [put(1, api_version.as_bytes()), put(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), put(1, &meta), put(2, raw)].concat()
    }

    #[test]
    fn an_access_review_as_kubectl_sends_it() {
        let attributes = [
            put(1, b"checkout"),
            put(2, b"update"),
            put(3, b"apps"),
            put(5, b"deployments"),
        ]
        .concat();
        let body = envelope(
            "authorization.k8s.io/v1",
            "SelfSubjectAccessReview",
            &put(2, &put(1, &attributes)),
        );
        let doc = decode(&body).unwrap();
        let attributes = doc.root().at(&["spec", "resourceAttributes"]).unwrap();
        assert_eq!(attributes.str_at(&["resource"]), Some("deployments"));
        assert_eq!(attributes.str_at(&["verb"]), Some("update"));
        assert_eq!(doc.root().str_at(&["kind"]), Some("SelfSubjectAccessReview"));
    }

    #[test]
    fn embedded_messages_zeros_and_maps() {
        // volumes: [{name: v, emptyDir: {}}], containers: [{name: c, ports: [{hostPort: 0, containerPort: 80}]}]
        let volume = [put(1, b"v"), put(2, &put(2, b""))].concat();
        let container = [put(1, b"c"), put(6, &[int(2, 0), int(3, 80)].concat())].concat();
        let spec = [
            put(1, &volume),
            put(2, &container),
            int(4, 0),
            put(7, &[put(1, b"k"), put(2, b"w")].concat()),
        ]
        .concat();
        let metadata = [put(1, b"p"), put(8, b"")].concat();
        let body = envelope("v1", "Pod", &[put(1, &metadata), put(2, &spec), put(3, b"")].concat());
        let want = "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {volumes: [{name: v, emptyDir: {}}], \
                    containers: [{name: c, ports: [{containerPort: 80}]}], terminationGracePeriodSeconds: 0, \
                    nodeSelector: {k: w}}}";
        assert_eq!(Value::from(decode(&body).unwrap()), yaml(want));
    }

    #[test]
    fn one_kind_in_two_groups() {
        let core = decode(&envelope("v1", "Event", &int(8, 3))).unwrap();
        assert_eq!(core.root().to_json(), r#"{"apiVersion":"v1","kind":"Event","count":3}"#);
        let new = decode(&envelope("events.k8s.io/v1", "Event", &int(15, 3))).unwrap();
        assert_eq!(new.root().at(&["deprecatedCount"]).unwrap().to_json(), "3");
    }

    #[test]
    fn every_type_in_the_table_is_known() {
        assert!(MESSAGES.len() > 400);
        for (message, fields) in MESSAGES.iter() {
            for field in fields.values() {
                let mut ty = &field.ty;
                while let Type::Map(inner) = ty {
                    ty = inner;
                }
                if let Type::Message(section, name) = ty {
                    assert!(
                        MESSAGES.contains_key(&(*section, *name)),
                        "{message:?}: {section} {name}"
                    );
                }
            }
        }
    }

    #[test]
    fn damage_and_unknown_kinds_are_said() {
        assert_eq!(decode(&envelope("v1", "Nothing", b"")).unwrap_err().code(), 415);
        assert_eq!(
            decode(&envelope("v1", "ConfigMap", &int(15, 1))).unwrap_err().code(),
            415
        );
        assert_eq!(decode(b"k8s\0\xff").unwrap_err().code(), 400);
        assert_eq!(decode(b"{}").unwrap_err().code(), 400);
        let whole = envelope("v1", "ConfigMap", &put(1, &put(1, b"name")));
        for length in MAGIC.len() + 1..whole.len() {
            // A cut is damage, or an object without its end: never a panic.
            let _ = decode(&whole[..length]);
        }
    }
}
