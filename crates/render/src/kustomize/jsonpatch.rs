//! JSON Patch (RFC 6902) as kustomize applies it.

use ridgeway_doc::{Kind, Node, Pointer, Value};

/// Applies a list of operations.
///
/// # Errors
/// A sentence that names the operation that does not apply.
pub(crate) fn apply(target: &mut Value, patch: Node<'_>) -> Result<(), String> {
    for (i, operation) in patch.items().enumerate() {
        step(target, operation).map_err(|why| format!("operation {i} ({}): {why}", describe(operation)))?;
    }
    Ok(())
}

fn describe(operation: Node<'_>) -> String {
    let text = |key: &str| operation.str_at(&[key]).unwrap_or("?");
    format!("{} {}", text("op"), text("path"))
}

fn step(target: &mut Value, operation: Node<'_>) -> Result<(), String> {
    let pointer = |key: &str| -> Result<Pointer, String> {
        let text = operation.str_at(&[key]).ok_or_else(|| format!("{key} is missing"))?;
        Pointer::parse(text).map_err(|e| e.to_string())
    };
    let path = pointer("path")?;
    let value = || {
        operation
            .get("value")
            .map(Node::to_value)
            .ok_or("value is missing".to_owned())
    };
    match operation.str_at(&["op"]) {
        Some("add") => add(target, path.tokens(), value()?),
        Some("remove") => remove(target, path.tokens()).map(drop),
        Some("replace") => {
            let value = value()?;
            *find(target, path.tokens())? = value;
            Ok(())
        }
        Some("move") => {
            let moved = remove(target, pointer("from")?.tokens())?;
            add(target, path.tokens(), moved)
        }
        Some("copy") => {
            let copied = find(target, pointer("from")?.tokens())?.clone();
            add(target, path.tokens(), copied)
        }
        Some("test") => {
            let want = operation.get("value").map_or(Value::NULL, Node::to_value);
            let have = path.resolve(target.node()).map_or(Value::NULL, Node::to_value);
            if have == want {
                Ok(())
            } else {
                Err(format!("the value there is {have}"))
            }
        }
        Some(other) => Err(format!(
            "{other:?} is no operation; use add, remove, replace, move, copy or test"
        )),
        None => Err("op is missing".into()),
    }
}

/// An index into a list; a negative one counts from its end.
fn index(token: &str, len: usize) -> Option<usize> {
    match token.parse::<i64>().ok()? {
        i if i < 0 => len.checked_sub(i.unsigned_abs() as usize),
        i => Some(i as usize),
    }
}

fn find<'v>(target: &'v mut Value, tokens: &[String]) -> Result<&'v mut Value, String> {
    let mut value = target;
    for token in tokens {
        let missing = || format!("there is no {token:?}");
        value = match value.kind() {
            Kind::Object => value.get_mut(token).ok_or_else(missing)?,
            Kind::Array => {
                let items = value.as_array_mut().ok_or_else(missing)?;
                let at = index(token, items.len()).ok_or_else(missing)?;
                items.get_mut(at).ok_or_else(missing)?
            }
            kind => return Err(format!("{token:?} cannot be looked up in a {kind}")),
        };
    }
    Ok(value)
}

fn add(target: &mut Value, tokens: &[String], value: Value) -> Result<(), String> {
    let Some((last, parents)) = tokens.split_last() else {
        *target = value;
        return Ok(());
    };
    let parent = find(target, parents).map_err(|why| format!("the parent is missing: {why}; add it first"))?;
    match parent.kind() {
        Kind::Object => {
            parent.set(&[last], value);
            Ok(())
        }
        Kind::Array => {
            let items = parent.make_array();
            let at = if last == "-" {
                Some(items.len())
            } else {
                index(last, items.len())
            };
            match at.filter(|&at| at <= items.len()) {
                Some(at) => {
                    items.insert(at, value);
                    Ok(())
                }
                None => Err(format!("{last:?} is no place in a list of {}", items.len())),
            }
        }
        kind => Err(format!("the parent is a {kind}")),
    }
}

fn remove(target: &mut Value, tokens: &[String]) -> Result<Value, String> {
    let (last, parents) = tokens.split_last().ok_or("the whole document cannot be removed")?;
    let parent = find(target, parents)?;
    let missing = || format!("there is no {last:?} to remove");
    match parent.kind() {
        Kind::Array => {
            let items = parent.make_array();
            let at = index(last, items.len())
                .filter(|&at| at < items.len())
                .ok_or_else(missing)?;
            Ok(items.remove(at))
        }
        _ => parent.remove(&[last]).ok_or_else(missing),
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_json;

    use super::*;

    #[test]
    fn operations() {
        for (target, patch, want) in [
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b","value":2}]"#,
                Ok(r#"{"a":1,"b":2}"#),
            ),
            (
                r#"{"a":[1,3]}"#,
                r#"[{"op":"add","path":"/a/1","value":2}]"#,
                Ok(r#"{"a":[1,2,3]}"#),
            ),
            (
                r#"{"a":[1]}"#,
                r#"[{"op":"add","path":"/a/-","value":2}]"#,
                Ok(r#"{"a":[1,2]}"#),
            ),
            (
                r#"{"a":{"b/c":1}}"#,
                r#"[{"op":"remove","path":"/a/b~1c"}]"#,
                Ok(r#"{"a":{}}"#),
            ),
            (
                r#"{"a":[1,2]}"#,
                r#"[{"op":"replace","path":"/a/-1","value":9}]"#,
                Ok(r#"{"a":[1,9]}"#),
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"move","from":"/a","path":"/b"}]"#,
                Ok(r#"{"b":1}"#),
            ),
            (
                r#"{"a":{"x":1}}"#,
                r#"[{"op":"copy","from":"/a","path":"/b"}]"#,
                Ok(r#"{"a":{"x":1},"b":{"x":1}}"#),
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"test","path":"/a","value":1}]"#,
                Ok(r#"{"a":1}"#),
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"test","path":"/a","value":2}]"#,
                Err("the value there is 1"),
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"remove","path":"/b"}]"#,
                Err("no \"b\" to remove"),
            ),
            (
                r#"{"a":1}"#,
                r#"[{"op":"add","path":"/b/c","value":1}]"#,
                Err("add it first"),
            ),
            (r#"{"a":1}"#, r#"[{"op":"grow","path":"/b"}]"#, Err("is no operation")),
        ] {
            let mut value = Value::from(parse_json(target.as_bytes()).unwrap());
            let patch = parse_json(patch.as_bytes()).unwrap();
            match (apply(&mut value, patch.root()), want) {
                (Ok(()), Ok(want)) => assert_eq!(value.to_json(), want),
                (Err(why), Err(want)) => assert!(why.contains(want), "{why}"),
                (got, want) => panic!("{patch:?}: {got:?}, wanted {want:?}"),
            }
        }
    }
}
