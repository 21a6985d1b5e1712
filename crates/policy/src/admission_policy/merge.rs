//! Applying a configuration as server-side apply merges it, by the schema of the kind, without owners.

use ridgeway_doc::{Node, Value};
use ridgeway_krm::{ListType, MapType, SchemaRef};

/// The object with a configuration merged into it. What is owned as a whole must not be named: whoever sets some of it
/// would take away the rest.
pub(super) fn apply(object: Node<'_>, configuration: Node<'_>, schema: Option<SchemaRef<'_>>) -> Result<Value, String> {
    let mut atomic = Vec::new();
    find_atomic(configuration, schema, &mut String::new(), &mut atomic);
    if !atomic.is_empty() {
        return Err(format!(
            "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: {}",
            atomic.join(", ")
        ));
    }
    let mut out = object.to_value();
    merge(&mut out, configuration, schema);
    Ok(out)
}

fn list_type(schema: Option<SchemaRef<'_>>) -> ListType {
    let said = schema.and_then(|schema| schema.schema().list_type.clone());
    said.unwrap_or_default()
}

fn find_atomic(node: Node<'_>, schema: Option<SchemaRef<'_>>, path: &mut String, out: &mut Vec<String>) {
    let depth = path.len();
    if node.is_object() {
        if schema.is_some_and(|schema| schema.schema().map_type == MapType::Atomic) {
            out.push(path.clone());
        }
        for (key, member) in node.members() {
            path.push_str(&format!(".{key}"));
            find_atomic(member, schema.and_then(|schema| schema.member(key)), path, out);
            path.truncate(depth);
        }
    } else if node.is_array() {
        if list_type(schema) == ListType::Atomic {
            out.push(path.clone());
        }
        for (i, item) in node.items().enumerate() {
            path.push_str(&format!("[{i}]"));
            find_atomic(item, schema.and_then(SchemaRef::items_schema), path, out);
            path.truncate(depth);
        }
    }
}

fn merge(into: &mut Value, patch: Node<'_>, schema: Option<SchemaRef<'_>>) {
    if patch.is_object() && (into.node().is_object() || into.node().is_null()) {
        for (key, member) in patch.members() {
            if member.is_null() {
                into.remove(&[key]);
                continue;
            }
            let below = schema.and_then(|schema| schema.member(key));
            let map = into.make_object();
            match map.get_mut(key) {
                Some(place) => merge(place, member, below),
                None => {
                    map.insert(key, member.to_value());
                }
            }
        }
    } else if patch.is_array() && into.node().is_array() {
        items(into, patch, schema);
    } else {
        *into = patch.to_value();
    }
}

/// Items that are told apart by keys are merged where they are; new ones come at the end.
fn items(into: &mut Value, patch: Node<'_>, schema: Option<SchemaRef<'_>>) {
    let of_item = schema.and_then(SchemaRef::items_schema);
    let keys = match list_type(schema) {
        ListType::Map(keys) => keys,
        ListType::Set => Vec::new(),
        ListType::Atomic => {
            *into = patch.to_value();
            return;
        }
    };
    let default =
        |key: &str| of_item.and_then(|item| item.member(key)?.schema().default.as_ref().map(|doc| doc.root()));
    let list = into.make_array();
    for item in patch.items() {
        let same = |known: Node<'_>| {
            if keys.is_empty() {
                return known == item;
            }
            keys.iter()
                .all(|key| known.get(key).or_else(|| default(key)) == item.get(key).or_else(|| default(key)))
        };
        match list.iter_mut().find(|known| same(known.node())) {
            Some(known) => merge(known, item, of_item),
            None => list.push(item.to_value()),
        }
    }
}
