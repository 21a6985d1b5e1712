//! Strategic merge patch: a merge patch whose lists merge as the schema says, with directives.

use ridgeway_doc::{Kind, Map, Node, Value};
use ridgeway_krm::SchemaRef;

use crate::error::ApplyError;
use crate::strategic_list::{self, List};

pub(crate) const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// Applies a strategic merge patch.
///
/// Lists whose schema has `x-kubernetes-patch-strategy: merge` merge by their merge key, or as sets of scalars; all
/// other lists are replaced. Directives: `$patch: replace|delete|merge`, `$retainKeys`, `$deleteFromPrimitiveList/…`,
/// `$setElementOrder/…`.
pub fn strategic_merge_patch(
    target: Node<'_>,
    patch: Node<'_>,
    schema: Option<SchemaRef<'_>>,
) -> Result<Value, ApplyError> {
    if !patch.is_object() {
        return Err(fault(format!("the patch must be an object, found {}", patch.kind())));
    }
    let root = schema.map(|schema| Strategy { schema, resource: true });
    merge_maps(target, patch, root)
}

pub(crate) fn fault(message: impl Into<String>) -> ApplyError {
    ApplyError::Strategic(message.into())
}

/// What the schema says of a value.
#[derive(Clone, Copy)]
pub(crate) struct Strategy<'s> {
    schema: SchemaRef<'s>,
    resource: bool,
}

impl<'s> Strategy<'s> {
    fn of(schema: SchemaRef<'s>) -> Strategy<'s> {
        Strategy {
            schema,
            resource: schema.schema().embedded_resource,
        }
    }

    fn member(self, name: &str) -> Option<Strategy<'s>> {
        let found = if self.resource {
            ridgeway_schema::member_of_resource(self.schema, name)
        } else {
            self.schema.member(name)
        };
        found.map(Strategy::of)
    }

    pub(crate) fn items(self) -> Option<Strategy<'s>> {
        self.schema.items_schema().map(Strategy::of)
    }

    pub(crate) fn has(self, strategy: &str) -> bool {
        self.schema.schema().patch_strategy.split(',').any(|s| s == strategy)
    }

    pub(crate) fn merge_key(self) -> Option<&'s str> {
        self.schema.schema().patch_merge_key.as_deref()
    }
}

/// Merges a patch object into a value (anything but an object counts as an empty one).
pub(crate) fn merge_maps(
    target: Node<'_>,
    patch: Node<'_>,
    strategy: Option<Strategy<'_>>,
) -> Result<Value, ApplyError> {
    match patch.get(PATCH).map(|d| (d, d.as_str())) {
        None | Some((_, Some("merge"))) => {}
        Some((_, Some("replace"))) => return without_directives(patch, strategy),
        Some((_, Some("delete"))) => return Ok(Value::object()),
        Some((found, _)) => {
            return Err(fault(format!("`$patch` is {found}: write replace, delete or merge")));
        }
    }
    let mut out = if target.is_object() {
        target.to_value()
    } else {
        Value::object()
    };
    retain_keys(patch, &mut out)?;
    for (name, part) in patch.members() {
        if let Some(list) = name.strip_prefix(DELETE) {
            // Deletions beside an addition to the same list are handled with it.
            if patch.get(list).is_none() {
                edit_list(target, patch, list, strategy, out.make_object())?;
            }
        } else if let Some(list) = name.strip_prefix(ORDER) {
            if patch.get(list).is_none() && patch.get(&format!("{DELETE}{list}")).is_none() {
                edit_list(target, patch, list, strategy, out.make_object())?;
            }
        } else if name == PATCH || name == RETAIN {
        } else if part.is_null() {
            out.make_object().remove(name);
        } else {
            let below = strategy.and_then(|s| s.member(name));
            let have = out.node().get(name);
            let replaced = below.is_some_and(|s| s.has("replace"));
            match part.kind() {
                Kind::Object if !replaced => {
                    let nothing = Value::object();
                    let merged = merge_maps(have.unwrap_or_else(|| nothing.node()), part, below)?;
                    out.make_object().insert(name, merged);
                }
                Kind::Array if below.is_some_and(|s| s.has("merge")) => {
                    edit_list(target, patch, name, strategy, out.make_object())?;
                }
                Kind::Array => {
                    let plain = strategic_list::replacement(part, below)?;
                    out.make_object().insert(name, plain);
                }
                Kind::Object => {
                    let plain = without_directives(part, below)?;
                    out.make_object().insert(name, plain);
                }
                _ => drop(out.make_object().insert(name, part)),
            }
        }
    }
    Ok(out)
}

/// One list with everything that the patch says of it.
fn edit_list(
    target: Node<'_>,
    patch: Node<'_>,
    name: &str,
    strategy: Option<Strategy<'_>>,
    out: &mut Map,
) -> Result<(), ApplyError> {
    let have = target.get(name).filter(|n| n.is_array());
    let list = List {
        name,
        have,
        patch: patch.get(name).filter(|n| n.is_array()),
        delete: patch.get(&format!("{DELETE}{name}")),
        order: patch.get(&format!("{ORDER}{name}")),
        strategy: strategy.and_then(|s| s.member(name)),
    };
    // An order for a list that is not there orders nothing.
    if list.have.is_none() && list.patch.is_none() {
        return Ok(());
    }
    out.insert(name, strategic_list::merge(list)?);
    Ok(())
}

/// `$retainKeys` names all keys that stay; whatever else the patch sets must be among them.
fn retain_keys(patch: Node<'_>, out: &mut Value) -> Result<(), ApplyError> {
    let Some(list) = patch.get(RETAIN) else { return Ok(()) };
    let keys: Vec<&str> = list.items().filter_map(Node::as_str).collect();
    if !list.is_array() || keys.len() != list.len() {
        return Err(fault("`$retainKeys` must be a list of field names"));
    }
    let stray = patch
        .members()
        .find(|(name, part)| !name.starts_with('$') && !part.is_null() && !keys.contains(name));
    if let Some((stray, _)) = stray {
        return Err(fault(format!(
            "the patch sets {stray:?}, which its `$retainKeys` does not list; add it there"
        )));
    }
    if out.node().members().any(|(name, _)| !keys.contains(&name)) {
        out.make_object().retain(|name, _| keys.contains(&name));
    }
    Ok(())
}

/// The patch as plain value: directives out, nulls dropped.
fn without_directives(patch: Node<'_>, strategy: Option<Strategy<'_>>) -> Result<Value, ApplyError> {
    let mut plain = patch.to_value();
    plain.make_object().remove(PATCH);
    let nothing = Value::object();
    merge_maps(nothing.node(), plain.node(), strategy)
}
