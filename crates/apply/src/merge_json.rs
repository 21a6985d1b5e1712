//! JSON merge patch (RFC 7386).

use ridgeway_doc::{Node, Value};

/// Applies a merge patch: objects merge member by member, `null` removes, anything else replaces.
pub fn merge_patch(target: Node<'_>, patch: Node<'_>) -> Value {
    merged(target, patch).unwrap_or_else(|| target.to_value())
}

/// `None` when the patch changes nothing.
fn merged(target: Node<'_>, patch: Node<'_>) -> Option<Value> {
    if !patch.is_object() {
        return (target != patch).then(|| patch.to_value());
    }
    let mut out = if target.is_object() {
        None
    } else {
        Some(Value::object())
    };
    for (name, part) in patch.members() {
        let have = target.get(name);
        let edit = match have {
            _ if part.is_null() => have.map(|_| None),
            Some(have) => merged(have, part).map(Some),
            None => Some(Some(without_nulls(part))),
        };
        match edit {
            None => {}
            Some(None) => drop(out.get_or_insert_with(|| target.to_value()).make_object().remove(name)),
            Some(Some(value)) => {
                out.get_or_insert_with(|| target.to_value())
                    .make_object()
                    .insert(name, value);
            }
        }
    }
    out
}

/// A patch that meets nothing: its nulls have nothing to remove.
fn without_nulls(patch: Node<'_>) -> Value {
    if !patch.is_object() {
        return patch.to_value();
    }
    let mut out: Option<Value> = None;
    for (name, part) in patch.members() {
        if part.is_null() {
            out.get_or_insert_with(|| patch.to_value()).make_object().remove(name);
        } else if part.is_object() {
            let inner = without_nulls(part);
            if inner.node() != part {
                out.get_or_insert_with(|| patch.to_value())
                    .make_object()
                    .insert(name, inner);
            }
        }
    }
    out.unwrap_or_else(|| patch.to_value())
}

/// The merge patch that leads from one value to another. Members that are `null` in `to` cannot be expressed: the
/// patch removes them.
pub fn merge_diff(from: Node<'_>, to: Node<'_>) -> Value {
    if !(from.is_object() && to.is_object()) {
        return to.to_value();
    }
    let mut patch = Value::object();
    let members = patch.make_object();
    for (name, _) in from.members().filter(|(name, _)| to.get(name).is_none()) {
        members.insert(name, Value::NULL);
    }
    for (name, wanted) in to.members() {
        match from.get(name) {
            Some(have) if have == wanted => {}
            Some(have) => drop(members.insert(name, merge_diff(have, wanted))),
            None => drop(members.insert(name, wanted)),
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    #[test]
    fn cases_of_the_rfc() {
        for (target, patch, want) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            (r#"[1,2]"#, r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let doc = |text: &str| Doc::parse_json(text.as_bytes()).unwrap();
            assert_eq!(
                merge_patch(doc(target).root(), doc(patch).root()).to_json(),
                want,
                "{target} {patch}"
            );
        }
    }
}
