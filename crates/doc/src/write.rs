//! Writing JSON.

use std::io::Write;

use crate::node::{Kind, Node};
use crate::number::Number;

/// Appends compact JSON.
pub(crate) fn json(node: Node<'_>, out: &mut Vec<u8>) {
    match node.kind() {
        Kind::Null => out.extend_from_slice(b"null"),
        Kind::Bool => out.extend_from_slice(if node.as_bool() == Some(true) {
            b"true"
        } else {
            b"false"
        }),
        Kind::Number => {
            let number = node.as_number().unwrap_or(Number::Int(0));
            write!(out, "{number}").expect("writing to a Vec cannot fail");
        }
        Kind::String => string(node.as_str().unwrap_or_default(), out),
        Kind::Array => {
            out.push(b'[');
            for (i, item) in node.items().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                json(item, out);
            }
            out.push(b']');
        }
        Kind::Object => {
            out.push(b'{');
            for (i, (key, member)) in node.members().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                string(key, out);
                out.push(b':');
                json(member, out);
            }
            out.push(b'}');
        }
    }
}

/// Appends a quoted JSON string.
pub(crate) fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut from = 0;
    for (i, &b) in bytes.iter().enumerate() {
        let escape: &[u8] = match b {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..=0x1f => {
                out.extend_from_slice(&bytes[from..i]);
                write!(out, "\\u{b:04x}").expect("writing to a Vec cannot fail");
                from = i + 1;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..i]);
        out.extend_from_slice(escape);
        from = i + 1;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}
