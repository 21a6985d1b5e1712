//! One step of a field path, as `fieldsV1` writes it.

use std::borrow::Cow;
use std::fmt;

use ridgeway_doc::{Doc, Kind, Node};

/// A step from a value to a part of it. The order of variants is the order in `fieldsV1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Element<'a> {
    /// `f:name`: a member of a map.
    Field(Cow<'a, str>),
    /// `k:{…}`: the item of a list-map with these keys, sorted by name.
    Key(Vec<(Cow<'a, str>, Scalar<'a>)>),
    /// `v:…`: an item of a set.
    Value(Scalar<'a>),
    /// `i:0`: an item by its place.
    Index(u32),
}

/// A value that identifies a list item.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Text(Cow<'a, str>),
    /// Anything else, as canonical JSON.
    Json(String),
}

impl<'a> Scalar<'a> {
    pub(crate) fn of(node: Node<'a>) -> Scalar<'a> {
        match node.kind() {
            Kind::Null => Scalar::Null,
            Kind::Bool => Scalar::Bool(node.as_bool() == Some(true)),
            Kind::String => Scalar::Text(node.as_str().unwrap_or_default().into()),
            Kind::Number => match node.as_i64() {
                Some(n) => Scalar::Int(n),
                None => Scalar::Json(node.to_json()),
            },
            Kind::Array | Kind::Object => {
                let mut out = String::new();
                canonical(node, &mut out);
                Scalar::Json(out)
            }
        }
    }

    pub(crate) fn into_owned(self) -> Scalar<'static> {
        match self {
            Scalar::Null => Scalar::Null,
            Scalar::Bool(b) => Scalar::Bool(b),
            Scalar::Int(n) => Scalar::Int(n),
            Scalar::Text(text) => Scalar::Text(Cow::Owned(text.into_owned())),
            Scalar::Json(text) => Scalar::Json(text),
        }
    }
}

/// JSON with sorted members, so that equal values give equal texts.
fn canonical(node: Node<'_>, out: &mut String) {
    match node.kind() {
        Kind::Object => {
            let mut members: Vec<_> = node.members().collect();
            members.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (i, (key, member)) in members.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote(key, out);
                out.push(':');
                canonical(member, out);
            }
            out.push('}');
        }
        Kind::Array => {
            out.push('[');
            for (i, item) in node.items().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        _ => out.push_str(&node.to_json()),
    }
}

fn quote(text: &str, out: &mut String) {
    if text
        .bytes()
        .all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\')
    {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&ridgeway_doc::Value::from(text).to_json());
    }
}

/// JSON.
impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::Null => f.write_str("null"),
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Int(n) => write!(f, "{n}"),
            Scalar::Text(text) => {
                let mut out = String::with_capacity(text.len() + 2);
                quote(text, &mut out);
                f.write_str(&out)
            }
            Scalar::Json(text) => f.write_str(text),
        }
    }
}

impl<'a> Element<'a> {
    /// Reads the member name of a `fieldsV1` object; `None` for what this version does not know.
    pub(crate) fn parse(text: &'a str) -> Option<Element<'a>> {
        let (kind, rest) = text.split_once(':')?;
        Some(match kind {
            "f" => Element::Field(rest.into()),
            "i" => Element::Index(rest.parse().ok()?),
            "v" => Element::Value(match simple_text(rest) {
                Some(text) => Scalar::Text(text.into()),
                None => Scalar::of(Doc::parse_json(rest.as_bytes()).ok()?.root()).into_owned(),
            }),
            "k" => {
                let single = rest
                    .strip_prefix('{')
                    .and_then(|r| r.strip_suffix('}'))
                    .and_then(|r| r.split_once(':'));
                if let Some((key, value)) = single
                    && let (Some(key), Some(value)) = (simple_text(key), simple_text(value))
                {
                    return Some(Element::Key(vec![(key.into(), Scalar::Text(value.into()))]));
                }
                let doc = Doc::parse_json(rest.as_bytes()).ok()?;
                let mut keys: Vec<_> = doc
                    .root()
                    .members()
                    .map(|(key, value)| (Cow::Owned(key.to_owned()), Scalar::of(value).into_owned()))
                    .collect();
                keys.sort();
                Element::Key(keys)
            }
            _ => return None,
        })
    }

    /// The member name in `fieldsV1`.
    pub(crate) fn field_name(&self) -> String {
        match self {
            Element::Field(name) => format!("f:{name}"),
            Element::Index(index) => format!("i:{index}"),
            Element::Value(value) => format!("v:{value}"),
            Element::Key(keys) => {
                let mut out = String::from("k:{");
                for (i, (key, value)) in keys.iter().enumerate() {
                    if i > 0 {
                        out.push(',');
                    }
                    quote(key, &mut out);
                    out.push(':');
                    out.push_str(&value.to_string());
                }
                out.push('}');
                out
            }
        }
    }
}

/// The content of a JSON text without escapes.
fn simple_text(json: &str) -> Option<&str> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains(['"', '\\'])).then_some(inner)
}

/// As paths are printed: `.spec`, `[name="web"]`, `[="finalizer"]`, `[0]`.
impl fmt::Display for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(f, ".{name}"),
            Element::Index(index) => write!(f, "[{index}]"),
            Element::Value(value) => write!(f, "[={value}]"),
            Element::Key(keys) => {
                f.write_str("[")?;
                for (i, (key, value)) in keys.iter().enumerate() {
                    write!(f, "{}{key}={value}", if i > 0 { "," } else { "" })?;
                }
                f.write_str("]")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_writes_and_prints() {
        for (text, path) in [
            ("f:spec", ".spec"),
            ("f:a.b/c:d", ".a.b/c:d"),
            (r#"k:{"name":"web"}"#, r#"[name="web"]"#),
            (
                r#"k:{"containerPort":80,"protocol":"TCP"}"#,
                r#"[containerPort=80,protocol="TCP"]"#,
            ),
            (r#"k:{"n":"a\"b:c"}"#, r#"[n="a\"b:c"]"#),
            (r#"v:"x""#, r#"[="x"]"#),
            ("v:1", "[=1]"),
            (r#"v:{"a":[true,null,1.5]}"#, r#"[={"a":[true,null,1.5]}]"#),
            ("i:3", "[3]"),
        ] {
            let element = Element::parse(text).unwrap();
            assert_eq!(element.field_name(), text);
            assert_eq!(element.to_string(), path);
        }
        for bad in ["", "spec", "x:1", "i:-1", "v:{", "k:"] {
            assert_eq!(Element::parse(bad), None, "{bad}");
        }
        let sorted = Element::parse(r#"k:{"b":1,"a":2}"#).unwrap();
        assert_eq!(sorted.field_name(), r#"k:{"a":2,"b":1}"#);
    }
}
