//! The three-way merge of tools that remember their last configuration themselves.

use ridgeway_doc::{Node, Value};
use ridgeway_krm::SchemaRef;

use crate::merge::{merge, remove};
use crate::ownership::{claimed, everything};
use crate::shape::Type;

/// The live object with the desired configuration in, without what only the last configuration set.
///
/// What neither configuration mentions stays as it is; lists merge as their schema says.
pub fn three_way(last_applied: Node<'_>, live: Node<'_>, desired: Node<'_>, schema: Option<SchemaRef<'_>>) -> Value {
    let ty = Type::resource(schema);
    let merged = merge(ty, live, desired).unwrap_or_else(|| live.to_value());
    // Repeated list keys make a claim unreadable; then all paths count, which removes no less.
    let before = claimed(ty, last_applied).unwrap_or_else(|_| everything(ty, last_applied));
    let after = claimed(ty, desired).unwrap_or_else(|_| everything(ty, desired));
    let gone = before
        .with_declared_fields(ty)
        .difference(&after.with_declared_fields(ty));
    let pruned = if gone.is_empty() {
        None
    } else {
        remove(ty, merged.node(), &gone)
    };
    pruned.unwrap_or(merged)
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    #[test]
    fn removes_only_what_was_applied() {
        let doc = |text: &str| Doc::parse_json(text.as_bytes()).unwrap();
        for (last, live, desired, want) in [
            (r#"{"a":1}"#, r#"{"a":2,"x":1}"#, r#"{"a":3}"#, r#"{"a":3,"x":1}"#),
            (
                r#"{"a":1,"b":{"c":1}}"#,
                r#"{"a":1,"b":{"c":1,"d":2}}"#,
                r#"{"a":1,"b":{}}"#,
                r#"{"a":1,"b":{"d":2}}"#,
            ),
            (
                r#"{"a":1,"b":2}"#,
                r#"{"a":1,"b":3,"l":[1]}"#,
                r#"{"a":1,"l":[2]}"#,
                r#"{"a":1,"l":[2]}"#,
            ),
            (r#"{}"#, r#"{"a":1}"#, r#"{}"#, r#"{"a":1}"#),
        ] {
            let (last, live, desired) = (doc(last), doc(live), doc(desired));
            let got = three_way(last.root(), live.root(), desired.root(), None);
            assert_eq!(got, Value::from(doc(want)), "{last:?} {live:?} {desired:?}");
        }
    }
}
