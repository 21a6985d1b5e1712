//! How objects lie in the store: JSON without `resourceVersion`, and where to put it in when read.
//!
//! A value is `[u32 little endian: offset][JSON]`; the offset points just behind `"metadata":{`. The store knows an
//! object's revision only after it is committed, so the version is spliced in on the way out, without parsing.

use bytes::Bytes;
use ridgeway_cluster::Status;
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Kind;
use ridgeway_store::{Entry, Revision};

use crate::fault;

/// How many bytes stand before the JSON.
pub(crate) const HEAD: usize = 4;

/// The stored form of an object. A `metadata.resourceVersion` in it is left out.
pub(crate) fn encode(object: Node<'_>) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.extend_from_slice(&[0; 4]);
    let mut offset = 0u32;
    out.push(b'{');
    let mut first = true;
    for (key, member) in object.members() {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_key(key, &mut out);
        if key == "metadata" && member.is_object() {
            out.push(b'{');
            offset = out.len() as u32 - 4;
            let mut first = true;
            for (key, member) in member.members().filter(|(key, _)| *key != "resourceVersion") {
                if !std::mem::take(&mut first) {
                    out.push(b',');
                }
                write_key(key, &mut out);
                member.write_json(&mut out);
            }
            out.push(b'}');
        } else {
            member.write_json(&mut out);
        }
    }
    out.push(b'}');
    out[..4].copy_from_slice(&offset.to_le_bytes());
    Bytes::from(out)
}

fn write_key(key: &str, out: &mut Vec<u8>) {
    // Field names are plain nearly always; only odd ones need escaping.
    if key.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
        out.push(b'"');
        out.extend_from_slice(key.as_bytes());
        out.push(b'"');
    } else {
        ridgeway_doc::Value::from(key).node().write_json(out);
    }
    out.push(b':');
}

/// The object's JSON with its resource version.
pub(crate) fn render(value: &[u8], revision: Revision) -> Vec<u8> {
    let Some((head, json)) = value.split_at_checked(4) else {
        return b"null".to_vec();
    };
    let offset = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let mut out = Vec::with_capacity(json.len() + 48);
    if offset == 0 || offset > json.len() {
        out.extend_from_slice(json);
        return out;
    }
    out.extend_from_slice(&json[..offset]);
    out.extend_from_slice(b"\"resourceVersion\":\"");
    out.extend_from_slice(revision.to_string().as_bytes());
    out.push(b'"');
    if json.get(offset) != Some(&b'}') {
        out.push(b',');
    }
    out.extend_from_slice(&json[offset..]);
    out
}

/// The object of a store entry, in the version that it was stored in. `Err` means that the stored bytes are damaged.
pub(crate) fn decode(entry: &Entry) -> Result<Doc, Status> {
    parse(entry, entry.mod_revision)
}

/// The object of a store entry in the version of a kind.
pub(crate) fn decode_as(kind: &Kind, entry: &Entry) -> Result<Doc, Status> {
    decode_at(kind, entry, entry.mod_revision)
}

/// The same with a resource version that is not the entry's own: a deletion's.
pub(crate) fn decode_at(kind: &Kind, entry: &Entry, revision: Revision) -> Result<Doc, Status> {
    let doc = parse(entry, revision)?;
    Ok(in_version(kind, doc))
}

/// An object as the version of a kind shows it: all versions have one content.
pub(crate) fn in_version(kind: &Kind, doc: Doc) -> Doc {
    let version = kind.gvk.api_version();
    if kind.only_version || doc.root().str_at(&["apiVersion"]) == Some(version.as_str()) {
        return doc;
    }
    let mut value = doc.root().to_value();
    value.set(&["apiVersion"], version);
    value.into_doc()
}

fn parse(entry: &Entry, revision: Revision) -> Result<Doc, Status> {
    let json = render(&entry.value, revision);
    Doc::parse_json(&json).map_err(|error| {
        let key = String::from_utf8_lossy(&entry.key).into_owned();
        fault::internal(format!(
            "the stored object {key} is damaged ({error}); restore it from Git or a backup"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_spliced_in() {
        for (stored, want) in [
            (
                r#"{"kind":"X","metadata":{"name":"a","resourceVersion":"3"},"spec":{}}"#,
                r#"{"kind":"X","metadata":{"resourceVersion":"7","name":"a"},"spec":{}}"#,
            ),
            (
                r#"{"metadata":{},"a":1}"#,
                r#"{"metadata":{"resourceVersion":"7"},"a":1}"#,
            ),
            (
                r#"{"metadata":{"resourceVersion":"1"}}"#,
                r#"{"metadata":{"resourceVersion":"7"}}"#,
            ),
            (r#"{"a":1}"#, r#"{"a":1}"#),
        ] {
            let doc = Doc::parse_json(stored.as_bytes()).unwrap();
            assert_eq!(
                String::from_utf8(render(&encode(doc.root()), Revision(7))).unwrap(),
                want
            );
        }
    }
}
