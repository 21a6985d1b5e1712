//! Field specs: which field of which kind a transformer touches, and walking there.

use std::borrow::Cow;

use ridgeway_doc::{Kind, Node, Value};

use super::resource::Id;

/// A field of a kind; empty kind parts stand for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    pub(crate) group: Cow<'static, str>,
    pub(crate) version: Cow<'static, str>,
    pub(crate) kind: Cow<'static, str>,
    /// `spec/template/spec/containers[]/image`; lists are walked through whether or not `[]` says so, a `/` inside a
    /// key is written `\/`.
    pub(crate) path: Cow<'static, str>,
    /// Whether the field is made where it is missing.
    pub(crate) create: bool,
}

impl FieldSpec {
    /// A spec for any kind of a name.
    pub(crate) fn new(kind: &'static str, path: impl Into<Cow<'static, str>>, create: bool) -> FieldSpec {
        FieldSpec {
            group: "".into(),
            version: "".into(),
            kind: kind.into(),
            path: path.into(),
            create,
        }
    }

    pub(crate) fn group(mut self, group: &'static str) -> FieldSpec {
        self.group = group.into();
        self
    }

    pub(crate) fn version(mut self, version: &'static str) -> FieldSpec {
        self.version = version.into();
        self
    }

    /// Reads a spec of a kustomization or a transformer configuration.
    pub(crate) fn from_node(node: Node<'_>) -> FieldSpec {
        let text = |key: &str| Cow::Owned(node.str_at(&[key]).unwrap_or_default().to_owned());
        FieldSpec {
            group: text("group"),
            version: text("version"),
            kind: text("kind"),
            path: text("path"),
            create: node.get("create").and_then(Node::as_bool) == Some(true),
        }
    }

    pub(crate) fn selects(&self, id: &Id) -> bool {
        id.is_selected(&self.group, &self.version, &self.kind)
    }

    /// Calls `set` on every value at the path. `leaf` is what a created field starts as.
    pub(crate) fn visit(&self, root: &mut Value, leaf: &Value, set: &mut dyn FnMut(&mut Value)) {
        let path = split(&self.path);
        walk(root, &path, self.create.then_some(leaf), set);
    }

    /// Whether the path leads anywhere, without touching the object.
    pub(crate) fn reaches(&self, root: Node<'_>) -> bool {
        fn reach(node: Node<'_>, path: &[Cow<'_, str>]) -> bool {
            match path.split_first() {
                None => true,
                Some(_) if node.is_array() => node.items().any(|item| reach(item, path)),
                Some((first, rest)) => node
                    .get(first.trim_end_matches("[]"))
                    .is_some_and(|member| reach(member, rest)),
            }
        }
        reach(root, &split(&self.path))
    }
}

/// The elements of a path.
fn split(path: &str) -> Vec<Cow<'_, str>> {
    if !path.contains('\\') {
        return path.split('/').map(Cow::Borrowed).collect();
    }
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    for part in path.split('/') {
        match parts.last_mut() {
            Some(last) if last.ends_with('\\') => {
                let joined = format!("{}/{part}", &last[..last.len() - 1]);
                *last = Cow::Owned(joined);
            }
            _ => parts.push(Cow::Borrowed(part)),
        }
    }
    parts
}

fn walk(value: &mut Value, path: &[Cow<'_, str>], create: Option<&Value>, set: &mut dyn FnMut(&mut Value)) {
    let Some((first, rest)) = path.split_first() else {
        set(value);
        return;
    };
    match value.kind() {
        Kind::Array => {
            for item in value.as_array_mut().into_iter().flatten() {
                walk(item, path, create, set);
            }
        }
        Kind::Object => {
            let key = first.trim_end_matches("[]");
            let is_list = key.len() < first.len();
            let missing = value.node().get(key).is_none_or(Node::is_null);
            if missing {
                let Some(leaf) = create.filter(|_| !is_list) else {
                    return;
                };
                let fresh = if rest.is_empty() { leaf.clone() } else { Value::object() };
                value.set(&[key], fresh);
            }
            if let Some(member) = value.get_mut(key) {
                walk(member, rest, create, set);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_json;

    use super::*;

    #[test]
    fn paths_are_walked_and_made() {
        let check = |json: &str, path: &'static str, create: bool, want: &str| {
            let mut value = Value::from(parse_json(json.as_bytes()).unwrap());
            let spec = FieldSpec::new("", path, create);
            spec.visit(&mut value, &Value::from(""), &mut |v| *v = "x".into());
            assert_eq!(value.to_json(), want, "{path}");
        };
        check(
            r#"{"a":[{"b":1},{"c":2}]}"#,
            "a/b",
            false,
            r#"{"a":[{"b":"x"},{"c":2}]}"#,
        );
        check(
            r#"{"a":[{"b":1},{"c":2}]}"#,
            "a[]/b",
            true,
            r#"{"a":[{"b":"x"},{"c":2,"b":"x"}]}"#,
        );
        check("{}", "a/b", true, r#"{"a":{"b":"x"}}"#);
        check("{}", "a[]/b", true, "{}");
        check("{}", "a/b", false, "{}");
        check(r#"{"a":{"b/c":1}}"#, r"a/b\/c", false, r#"{"a":{"b/c":"x"}}"#);
        check(r#"{"a":"scalar"}"#, "a/b", true, r#"{"a":"scalar"}"#);
    }
}
