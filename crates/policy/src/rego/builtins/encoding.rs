//! Base64, hexadecimal, URL queries, JSON and YAML.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use ridgeway_doc::yaml::{Reading, parse_yaml_as};
use ridgeway_doc::{Node, parse_json};

use super::super::error::Fault;
use super::super::json_text;
use super::super::value::{Value, quote};
use super::{Answer, Builtin, Env, builtin, object, text, wrong};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("base64.encode", 1, |_, a| Ok(Value::str(STANDARD.encode(text(a, 0)?)))),
    builtin("base64.decode", 1, |_, a| {
        let bytes = decode_base64(text(a, 0)?, &STANDARD, &STANDARD)?;
        Ok(lossy(&bytes))
    }),
    builtin("base64.is_valid", 1, |_, a| {
        let valid = a[0]
            .as_str()
            .is_some_and(|t| decode_base64(t, &STANDARD, &STANDARD).is_ok());
        Ok(Value::Bool(valid))
    }),
    builtin("base64url.encode", 1, |_, a| {
        Ok(Value::str(URL_SAFE.encode(text(a, 0)?)))
    }),
    builtin("base64url.encode_no_pad", 1, |_, a| {
        Ok(Value::str(URL_SAFE_NO_PAD.encode(text(a, 0)?)))
    }),
    builtin("base64url.decode", 1, |_, a| {
        let bytes = decode_base64(text(a, 0)?, &URL_SAFE, &URL_SAFE_NO_PAD)?;
        Ok(lossy(&bytes))
    }),
    builtin("hex.encode", 1, |_, a| Ok(Value::str(hex(text(a, 0)?.as_bytes())))),
    builtin("hex.decode", 1, |_, a| Ok(lossy(&decode_hex(text(a, 0)?)?))),
    builtin("urlquery.encode", 1, |_, a| Ok(Value::str(query_escape(text(a, 0)?)))),
    builtin("urlquery.decode", 1, |_, a| Ok(lossy(&query_unescape(text(a, 0)?)?))),
    builtin("urlquery.encode_object", 1, encode_object),
    builtin("urlquery.decode_object", 1, |_, a| {
        let mut out: Vec<(String, Vec<Value<'_>>)> = Vec::new();
        for pair in text(a, 0)?.split('&').filter(|pair| !pair.is_empty()) {
            if pair.contains(';') {
                return Err(Fault::value("invalid semicolon separator in query"));
            }
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = String::from_utf8_lossy(&query_unescape(key)?).into_owned();
            let value = lossy(&query_unescape(value)?);
            match out.iter_mut().find(|(k, _)| *k == key) {
                Some((_, values)) => values.push(value),
                None => out.push((key, vec![value])),
            }
        }
        let members = out.into_iter().map(|(k, v)| (Value::str(k), Value::array(v)));
        Ok(Value::object(members.collect()))
    }),
    builtin("json.marshal", 1, |env, a| {
        let out = escape_html(&a[0].to_json());
        env.work(out.len())?;
        Ok(Value::str(out))
    }),
    builtin("json.marshal_with_options", 2, marshal_with_options),
    builtin("json.unmarshal", 1, |env, a| {
        env.work(text(a, 0)?.len())?;
        from_json(text(a, 0)?)
    }),
    builtin("json.is_valid", 1, |env, a| {
        let Some(json) = a[0].as_str() else {
            return Ok(Value::Bool(false));
        };
        env.work(json.len())?;
        Ok(Value::Bool(from_json(json).is_ok()))
    }),
    builtin("yaml.marshal", 1, |env, a| {
        let json = a[0].to_json();
        env.work(json.len())?;
        let doc = parse_json(json.as_bytes()).map_err(|error| Fault::value(error.to_string()))?;
        let mut out = String::new();
        write_yaml(doc.root(), 0, &mut out);
        Ok(Value::str(out))
    }),
    builtin("yaml.unmarshal", 1, |env, a| {
        env.work(text(a, 0)?.len())?;
        from_yaml(text(a, 0)?)
    }),
    builtin("yaml.is_valid", 1, |env, a| {
        let Some(yaml) = a[0].as_str() else {
            return Ok(Value::Bool(false));
        };
        env.work(yaml.len())?;
        Ok(Value::Bool(from_yaml(yaml).is_ok()))
    }),
];

/// Bytes as text; what is no text becomes the replacement character.
pub(super) fn lossy<'d>(bytes: &[u8]) -> Value<'d> {
    Value::str(String::from_utf8_lossy(bytes).into_owned())
}

/// Decodes with or without padding; line breaks are passed over.
fn decode_base64(text: &str, padded: &GeneralPurpose, bare: &GeneralPurpose) -> Result<Vec<u8>, Fault> {
    let text: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
    padded.decode(&text).or_else(|_| bare.decode(&text)).map_err(|error| {
        let at = match error {
            base64::DecodeError::InvalidByte(at, _) => at,
            _ => text.len(),
        };
        Fault::value(format!("illegal base64 data at input byte {at}"))
    })
}

/// Decodes the URL alphabet, as tokens use it.
pub(super) fn from_base64url(text: &str) -> Result<Vec<u8>, Fault> {
    decode_base64(text, &URL_SAFE, &URL_SAFE_NO_PAD)
}

pub(super) fn from_base64(text: &str) -> Result<Vec<u8>, Fault> {
    decode_base64(text, &STANDARD, &STANDARD_NO_PAD)
}

pub(super) fn to_base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

pub(super) fn decode_hex(text: &str) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.len() / 2);
    let digit = |c: char| {
        c.to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
            .ok_or_else(|| Fault::value(format!("invalid byte: U+{:04X} {c:?}", u32::from(c))))
    };
    let mut chars = text.chars();
    while let Some(high) = chars.next() {
        let high = digit(high)?;
        let low = chars
            .next()
            .ok_or_else(|| Fault::value("encoding/hex: odd length hex string"))?;
        out.push(high << 4 | digit(low)?);
    }
    Ok(out)
}

pub(super) fn query_escape(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

pub(super) fn query_unescape(text: &str) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'+' => out.push(b' '),
            b'%' => {
                let digits = rest.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
                let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
                let code = code.ok_or_else(|| {
                    let shown = String::from_utf8_lossy(&rest[..rest.len().min(2)]).into_owned();
                    Fault::value(format!("invalid URL escape \"%{shown}\""))
                })?;
                out.push(code);
                rest = &rest[2..];
            }
            byte => out.push(*byte),
        }
    }
    Ok(out)
}

fn encode_object<'d>(_: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let wrong_value = |value: &Value<'_>| {
        Fault::Type(format!(
            "operand 1 values must be string, array[string], or set[string] but got {}",
            value.kind().name()
        ))
    };
    let mut out: Vec<String> = Vec::new();
    for (key, value) in object(a, 0)?.iter() {
        let key = key.as_str().ok_or_else(|| wrong(0, "string", key))?;
        let values = match value.as_list() {
            Some(items) => items.to_vec(),
            None => vec![value.clone()],
        };
        for value in &values {
            let value = value.as_str().ok_or_else(|| wrong_value(value))?;
            out.push(format!("{}={}", query_escape(key), query_escape(value)));
        }
    }
    Ok(Value::str(out.join("&")))
}

/// Reads JSON into a value that borrows nothing.
pub(super) fn from_json<'d>(text: &str) -> Answer<'d> {
    json_text::read(text).map_err(Fault::Value)
}

fn from_yaml<'d>(text: &str) -> Answer<'d> {
    let docs = parse_yaml_as(text, Reading::GoYaml3).map_err(|error| Fault::value(format!("yaml: {error}")))?;
    Ok(docs
        .first()
        .map_or(Value::Null, |doc| Value::from_node(doc.root()).to_owned()))
}

/// Writes a value as go-yaml's third version does: lists stand further in than the key they belong to.
fn write_yaml(node: Node<'_>, indent: usize, out: &mut String) {
    let next = |out: &mut String, i: usize| {
        if i > 0 {
            out.push_str(&" ".repeat(indent));
        }
    };
    if node.is_object() && !node.is_empty() {
        let mut members: Vec<_> = node.members().collect();
        members.sort_by(|a, b| a.0.cmp(b.0));
        for (i, (key, value)) in members.into_iter().enumerate() {
            next(out, i);
            let name = parse_json(Value::str(key).to_json().as_bytes());
            out.push_str(
                name.map_or_else(|_| key.to_owned(), |doc| doc.root().to_yaml())
                    .trim_end(),
            );
            if (value.is_object() || value.is_array()) && !value.is_empty() {
                out.push_str(":\n");
                out.push_str(&" ".repeat(indent + 2));
                write_yaml(value, indent + 2, out);
            } else {
                out.push_str(": ");
                write_yaml(value, indent, out);
            }
        }
    } else if node.is_array() && !node.is_empty() {
        for (i, item) in node.items().enumerate() {
            next(out, i);
            out.push_str("- ");
            let within = (item.is_object() || item.is_array()) && !item.is_empty();
            write_yaml(item, indent + if within { 2 } else { 0 }, out);
        }
    } else {
        // Further lines of a text stand as far in as what it belongs to.
        let mut text = node.to_yaml();
        // Long texts are not folded.
        if !text.starts_with(['|', '>', '"']) && !text.contains("\n\n") {
            let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
            text = lines.join(" ") + "\n";
        }
        for (i, line) in text.split_inclusive('\n').enumerate() {
            if !line.trim_end_matches('\n').is_empty() {
                next(out, i);
            }
            out.push_str(line);
        }
    }
}

fn marshal_with_options<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let (mut prefix, mut indent, mut pretty) = (String::new(), "\t".to_owned(), None);
    let mut shaped = false;
    for (key, value) in object(a, 1)?.iter() {
        let as_text = || value.as_str().map(str::to_owned);
        let wrong = |wanted: &str| Fault::Type(format!("key {key} failed cast to {wanted}"));
        match key.as_str() {
            Some("prefix") => {
                prefix = as_text().ok_or_else(|| wrong("string"))?;
                shaped = true;
            }
            Some("indent") => {
                indent = as_text().ok_or_else(|| wrong("string"))?;
                shaped = true;
            }
            Some("pretty") => match value {
                Value::Bool(b) => pretty = Some(*b),
                _ => return Err(wrong("bool")),
            },
            _ => return Err(Fault::Type(format!("object contained unknown key {key}"))),
        }
    }
    let mut out = String::new();
    if pretty.unwrap_or(shaped) {
        out.push_str(&prefix);
        write_pretty(&a[0], &prefix, &indent, 0, &mut out);
    } else {
        out = escape_html(&a[0].to_json());
    }
    env.work(out.len())?;
    Ok(Value::str(out))
}

/// JSON that may stand in HTML, as Go writes it.
pub(super) fn escape_html(json: &str) -> String {
    if !json.contains(['<', '>', '&', '\u{2028}', '\u{2029}']) {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    for c in json.chars() {
        match c {
            // Such characters stand in texts only.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out
}

fn write_pretty(value: &Value<'_>, prefix: &str, indent: &str, depth: usize, out: &mut String) {
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        out.push_str(prefix);
        out.push_str(&indent.repeat(depth));
    };
    if let Some(items) = value.as_list().filter(|items| !items.is_empty()) {
        out.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            line(out, depth + 1);
            write_pretty(item, prefix, indent, depth + 1, out);
        }
        line(out, depth);
        out.push(']');
    } else if let Some(members) = value.as_object().filter(|members| !members.is_empty()) {
        out.push('{');
        for (i, (key, value)) in members.iter().enumerate() {
            if i > 0 {
                out.push(',');
            }
            line(out, depth + 1);
            let mut name = String::new();
            quote(&key.json_key(), &mut name);
            out.push_str(&escape_html(&name));
            out.push_str(": ");
            write_pretty(value, prefix, indent, depth + 1, out);
        }
        line(out, depth);
        out.push('}');
    } else {
        out.push_str(&escape_html(&value.to_json()));
    }
}
