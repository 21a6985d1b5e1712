//! The resources at hand as what rules may look up beside the object they judge.

use std::collections::HashMap;
use std::sync::{LazyLock, OnceLock};

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, KindTable};
use ridgeway_policy::Data;

use super::load::Source;

static KINDS: LazyLock<KindTable> = LazyLock::new(KindTable::builtin);

/// Whether objects of a kind lie in namespaces; kinds that are not known do.
pub(super) fn is_namespaced(gvk: &Gvk) -> bool {
    KINDS.get(gvk).is_none_or(|kind| kind.namespaced)
}

/// The plural of a kind, for API paths.
pub(super) fn plural(gvk: &Gvk) -> String {
    if let Some(kind) = KINDS.get(gvk) {
        return kind.plural.clone();
    }
    let lower = gvk.kind.to_lowercase();
    if lower.ends_with(['s', 'x']) || lower.ends_with("ch") || lower.ends_with("sh") {
        return format!("{lower}es");
    }
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{lower}s"),
    }
}

/// Objects by what they are called.
#[derive(Default)]
pub(super) struct World {
    objects: Vec<Entry>,
    namespaces: HashMap<String, usize>,
    /// All objects as `data.inventory` has them, made when a rule first reads it.
    inventory: OnceLock<Value>,
}

struct Entry {
    gvk: Gvk,
    namespace: String,
    name: String,
    source: Source,
}

impl World {
    pub(super) fn new(sources: &[Source], default_namespace: &str) -> World {
        let mut out = World::default();
        for source in sources {
            let root = source.root();
            let Some(gvk) = Gvk::of(root) else { continue };
            let text = |key: &str| root.str_at(&["metadata", key]).unwrap_or_default().to_owned();
            let namespace = match text("namespace") {
                namespace if namespace.is_empty() && is_namespaced(&gvk) => default_namespace.to_owned(),
                namespace => namespace,
            };
            if gvk.kind == "Namespace" && gvk.group.is_empty() {
                out.namespaces.insert(text("name"), out.objects.len());
            }
            out.objects.push(Entry {
                name: text("name"),
                namespace,
                source: source.clone(),
                gvk,
            });
        }
        out
    }

    /// A namespace's own object.
    pub(super) fn namespace(&self, name: &str) -> Option<Node<'_>> {
        self.namespaces.get(name).map(|i| self.objects[*i].source.root())
    }
}

impl Data for World {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        self.objects
            .iter()
            .find(|e| e.gvk.kind == gvk.kind && e.gvk.group == gvk.group && e.name == name && e.namespace == namespace)
            .map(|e| e.source.root().to_doc())
    }

    fn api(&self, path: &str) -> Option<Value> {
        let path = path.split('?').next().unwrap_or(path);
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, resource, name) = match rest {
            ["namespaces", namespace, resource, name @ ..] => (*namespace, *resource, name.first()),
            [resource, name @ ..] => ("", *resource, name.first()),
            [] => return None,
        };
        let mut found = self.objects.iter().filter(|e| {
            e.gvk.group == group
                && e.gvk.version == version
                && plural(&e.gvk) == resource
                && (namespace.is_empty() || e.namespace == namespace)
        });
        match name {
            Some(name) => found.find(|e| e.name == **name).map(|e| e.source.root().to_value()),
            None => {
                let mut list = Value::object();
                list.set(&["items"], found.map(|e| e.source.root().to_value()).collect::<Value>());
                Some(list)
            }
        }
    }

    fn inventory(&self) -> Option<Value> {
        if self.objects.is_empty() {
            return None;
        }
        let all = self.inventory.get_or_init(|| {
            let mut out = Value::object();
            for e in &self.objects {
                let root = e.source.root();
                let version = root.str_at(&["apiVersion"]).unwrap_or_default();
                if e.namespace.is_empty() {
                    out.set(&["cluster", version, &e.gvk.kind, &e.name], root.to_value());
                } else {
                    out.set(
                        &["namespace", &e.namespace, version, &e.gvk.kind, &e.name],
                        root.to_value(),
                    );
                }
            }
            out
        });
        Some(all.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_found_by_name_and_path() {
        let docs = ridgeway_doc::parse_yaml(
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {x: y}}\n---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: n, namespace: shop}}\n---\n{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: b}}}\n",
        )
        .unwrap();
        let sources: Vec<Source> = docs.into_iter().map(|doc| Source::new("f", doc)).collect();
        let world = World::new(&sources, "default");
        assert!(world.get(&Gvk::new("", "", "ConfigMap"), "default", "a").is_some());
        assert!(world.api("/api/v1/namespaces/default/configmaps/a").is_some());
        let list = world.api("/apis/networking.k8s.io/v1/networkpolicies").unwrap();
        assert_eq!(list.node().get("items").unwrap().len(), 1);
        assert_eq!(
            world.namespace("shop").unwrap().str_at(&["metadata", "labels", "team"]),
            Some("b")
        );
        let inventory = world.inventory().unwrap();
        assert!(inventory.node().at(&["cluster", "v1", "Namespace", "shop"]).is_some());
        assert!(
            inventory
                .node()
                .at(&["namespace", "default", "v1", "ConfigMap", "a"])
                .is_some()
        );
    }
}
