//! JSON patch (RFC 6902).

use ridgeway_doc::{Kind, Node, Pointer, Value};

use crate::error::ApplyError;

/// Applies a JSON patch: all of its operations, or none.
pub fn json_patch(target: Node<'_>, patch: Node<'_>) -> Result<Value, ApplyError> {
    if !patch.is_array() {
        let message = format!("a JSON patch is a list of operations, found {}", patch.kind());
        return Err(ApplyError::JsonPatch { index: 0, message });
    }
    let mut value = target.to_value();
    for (index, operation) in patch.items().enumerate() {
        run(&mut value, operation).map_err(|message| ApplyError::JsonPatch { index, message })?;
    }
    Ok(value)
}

fn run(value: &mut Value, operation: Node<'_>) -> Result<(), String> {
    let text = |key: &str| {
        operation
            .str_at(&[key])
            .ok_or_else(|| format!("`{key}` is missing or not a string"))
    };
    let pointer = |key: &str| Pointer::parse(text(key)?).map_err(|e| format!("`{key}`: {e}"));
    let operand = || operation.get("value").ok_or_else(|| "`value` is missing".to_owned());
    let path = pointer("path")?;
    match text("op")? {
        "add" => add(value, &path, operand()?.to_value()),
        "remove" => remove(value, &path).map(drop),
        "replace" => {
            let new = operand()?.to_value();
            *slot(value, path.tokens()).ok_or_else(|| missing(&path))? = new;
            Ok(())
        }
        "move" => {
            let from = pointer("from")?;
            if path.tokens().len() > from.tokens().len() && path.tokens().starts_with(from.tokens()) {
                return Err(format!("cannot move {from} into itself ({path})"));
            }
            let moved = remove(value, &from)?;
            add(value, &path, moved)
        }
        "copy" => {
            let from = pointer("from")?;
            let copied = from.resolve(value.node()).ok_or_else(|| missing(&from))?.to_value();
            add(value, &path, copied)
        }
        "test" => {
            let wanted = operand()?;
            let found = path.resolve(value.node());
            match found {
                Some(found) if found == wanted => Ok(()),
                // An absent member passes as null, as other implementations have it.
                None if wanted.is_null() && !path.tokens().is_empty() => Ok(()),
                Some(found) => Err(format!("testing value {path} failed: it is {found}, not {wanted}")),
                None => Err(missing(&path)),
            }
        }
        other => Err(format!(
            "unknown operation {other:?}: use add, remove, replace, move, copy or test"
        )),
    }
}

fn missing(path: &Pointer) -> String {
    format!("the document has nothing at {path:?}", path = path.to_string())
}

/// An index into an array of `len` items; `-` is its end.
fn index(token: &str, len: usize) -> Option<usize> {
    match token {
        "-" => Some(len),
        _ if token.len() > 1 && token.starts_with('0') || !token.bytes().all(|b| b.is_ascii_digit()) => None,
        _ => token.parse().ok(),
    }
}

fn slot<'v>(value: &'v mut Value, tokens: &[String]) -> Option<&'v mut Value> {
    tokens.iter().try_fold(value, |value, token| match value.kind() {
        Kind::Array => {
            let items = value.as_array_mut()?;
            let at = index(token, items.len())?;
            items.get_mut(at)
        }
        _ => value.get_mut(token),
    })
}

fn add(value: &mut Value, path: &Pointer, new: Value) -> Result<(), String> {
    let Some((last, parents)) = path.tokens().split_last() else {
        *value = new;
        return Ok(());
    };
    let parent = slot(value, parents).ok_or_else(|| format!("the parent of {path} does not exist; add it first"))?;
    if let Some(items) = parent.as_array_mut() {
        let at = index(last, items.len())
            .ok_or_else(|| format!("{path}: {last:?} is no index; use a number, or `-` for the end"))?;
        if at > items.len() {
            return Err(format!("{path}: the list has only {} items", items.len()));
        }
        items.insert(at, new);
    } else if let Some(members) = parent.as_object_mut() {
        members.insert(last.as_str(), new);
    } else {
        return Err(format!(
            "the parent of {path} is {}, which holds nothing",
            parent.kind()
        ));
    }
    Ok(())
}

fn remove(value: &mut Value, path: &Pointer) -> Result<Value, String> {
    let Some((last, parents)) = path.tokens().split_last() else {
        return Ok(std::mem::take(value));
    };
    let parent = slot(value, parents).ok_or_else(|| missing(path))?;
    let removed = if let Some(items) = parent.as_array_mut() {
        index(last, items.len())
            .filter(|at| *at < items.len())
            .map(|at| items.remove(at))
    } else {
        parent.as_object_mut().and_then(|members| members.remove(last))
    };
    removed.ok_or_else(|| missing(path))
}

/// A JSON patch that leads from one value to another: members and items that came, changed or went. Lists are compared
/// place by place.
pub fn json_diff(from: Node<'_>, to: Node<'_>) -> Value {
    let mut operations = Vec::new();
    diff(from, to, &Pointer::default(), &mut operations);
    operations.into()
}

fn operation(op: &str, path: &Pointer, value: Option<Node<'_>>) -> Value {
    let mut out = Value::object();
    out.set(&["op"], op);
    out.set(&["path"], path.to_string());
    if let Some(value) = value {
        out.set(&["value"], value);
    }
    out
}

fn diff(from: Node<'_>, to: Node<'_>, path: &Pointer, out: &mut Vec<Value>) {
    match (from.kind(), to.kind()) {
        (Kind::Object, Kind::Object) => {
            for (name, _) in from.members().filter(|(name, _)| to.get(name).is_none()) {
                out.push(operation("remove", &path.child(name), None));
            }
            for (name, wanted) in to.members() {
                match from.get(name) {
                    Some(have) => diff(have, wanted, &path.child(name), out),
                    None => out.push(operation("add", &path.child(name), Some(wanted))),
                }
            }
        }
        (Kind::Array, Kind::Array) => {
            for (i, (have, wanted)) in from.items().zip(to.items()).enumerate() {
                diff(have, wanted, &path.child(i.to_string()), out);
            }
            for i in (to.len()..from.len()).rev() {
                out.push(operation("remove", &path.child(i.to_string()), None));
            }
            for wanted in to.items().skip(from.len()) {
                out.push(operation("add", &path.child("-"), Some(wanted)));
            }
        }
        _ if from == to => {}
        _ => out.push(operation("replace", path, Some(to))),
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    fn patched(target: &str, patch: &str) -> String {
        let doc = |text: &str| Doc::parse_json(text.as_bytes()).unwrap();
        match json_patch(doc(target).root(), doc(patch).root()) {
            Ok(value) => value.to_json(),
            Err(error) => format!("error: {error}"),
        }
    }

    #[test]
    fn operations() {
        for (target, patch, want) in [
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b","value":2}]"#,
                r#"{"a":1,"b":2}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"/a","value":2}]"#, r#"{"a":2}"#),
            (
                r#"{"a":[1,3]}"#,
                r#"[{"op":"add","path":"/a/1","value":2}]"#,
                r#"{"a":[1,2,3]}"#,
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/-","value":[2]}]"#,
                r#"{"a":[1,[2]]}"#,
            ),
            (r#"{"a":1}"#, r#"[{"op":"add","path":"","value":[]}]"#, "[]"),
            (
                r#"{"a/b":{"m~n":1}}"#,
                r#"[{"op":"remove","path":"/a~1b/m~0n"}]"#,
                r#"{"a/b":{}}"#,
            ),
            (
                r#"{"a":[1,2,3]}"#,
                r#"[{"op":"remove","path":"/a/1"}]"#,
                r#"{"a":[1,3]}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"replace","path":"/a/b","value":{"c":null}}]"#,
                r#"{"a":{"b":{"c":null}}}"#,
            ),
            (
                r#"{"a":{"b":1},"c":{}}"#,
                r#"[{"op":"move","from":"/a/b","path":"/c/d"}]"#,
                r#"{"a":{},"c":{"d":1}}"#,
            ),
            (
                r#"{"a":[1,2,3]}"#,
                r#"[{"op":"move","from":"/a/0","path":"/a/2"}]"#,
                r#"{"a":[2,3,1]}"#,
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/c"}]"#,
                r#"{"a":{"b":1},"c":{"b":1}}"#,
            ),
            (
                r#"{"a":[1,{"b":2.0}]}"#,
                r#"[{"op":"test","path":"/a","value":[1,{"b":2}]}]"#,
                r#"{"a":[1,{"b":2}]}"#,
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"test","path":"/b","value":null}]"#,
                r#"{"a":1}"#,
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"test","path":"/a","value":2}]"#,
                "error: operation 0 of the JSON patch: testing value /a failed: it is 1, not 2",
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b","value":1},{"op":"remove","path":"/c"}]"#,
                "error: operation 1 of the JSON patch: the document has nothing at \"/c\"",
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b/c","value":1}]"#,
                "error: operation 0 of the JSON patch: the parent of /b/c does not exist; add it first",
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/3","value":1}]"#,
                "error: operation 0 of the JSON patch: /a/3: the list has only 1 items",
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/01","value":1}]"#,
                "error: operation 0 of the JSON patch: /a/01: \"01\" is no index; use a number, or `-` for the end",
            ),
            (
                r#"{"a":{"b":1}}"#,
                r#"[{"op":"move","from":"/a","path":"/a/b"}]"#,
                "error: operation 0 of the JSON patch: cannot move /a into itself (/a/b)",
            ),
            (
                "{}",
                r#"[{"op":"frob","path":"/a"}]"#,
                "error: operation 0 of the JSON patch: unknown operation \"frob\": use add, remove, replace, move, copy or test",
            ),
            (
                "{}",
                "{}",
                "error: operation 0 of the JSON patch: a JSON patch is a list of operations, found object",
            ),
        ] {
            assert_eq!(patched(target, patch), want, "{target} {patch}");
        }
    }
}
