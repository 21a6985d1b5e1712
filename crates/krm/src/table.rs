//! [`KindTable`]: the kinds that are served, as an immutable snapshot that is cheap to clone.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use crate::builtin;
use crate::kind::{Kind, fingerprint};
use crate::name::{GroupVersion, Gvk, Gvr};
use crate::openapi;

/// The served kinds. Clones share their content until one is changed.
#[derive(Clone, Default)]
pub struct KindTable(Arc<Content>);

#[derive(Clone, Default)]
struct Content {
    kinds: Vec<Arc<Kind>>,
    by_gvk: HashMap<Gvk, usize>,
    by_gvr: HashMap<Gvr, usize>,
}

static BUILTIN: LazyLock<KindTable> = LazyLock::new(|| {
    let mut table = KindTable::default();
    builtin::kinds().into_iter().for_each(|kind| table.insert(kind));
    table
});

impl KindTable {
    /// A table without any kind.
    pub fn empty() -> KindTable {
        KindTable::default()
    }

    /// The built-in kinds. Read once, shared by all.
    pub fn builtin() -> KindTable {
        BUILTIN.clone()
    }

    /// A kind.
    pub fn get(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        self.0.by_gvk.get(gvk).map(|i| self.0.kinds[*i].clone())
    }

    /// The kind behind a resource path.
    pub fn by_resource(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Kind>> {
        self.0
            .by_gvr
            .get(&Gvr::new(group, version, plural))
            .map(|i| self.0.kinds[*i].clone())
    }

    /// A kind in its preferred version.
    pub fn by_kind(&self, group: &str, kind: &str) -> Option<Arc<Kind>> {
        self.0
            .kinds
            .iter()
            .find(|k| k.gvk.group == group && k.gvk.kind == kind)
            .cloned()
    }

    /// The kind that a person means: a plural, singular, short name or kind, optionally with `.group` or
    /// `.version.group` behind it. Earlier groups win.
    pub fn resolve(&self, text: &str) -> Option<Arc<Kind>> {
        let text = text.to_lowercase();
        let (name, rest) = text
            .split_once('.')
            .map_or((text.as_str(), None), |(name, rest)| (name, Some(rest)));
        let named = |kind: &Kind| kind.plural == name || kind.singular == name || kind.gvk.kind.to_lowercase() == name;
        let short = |kind: &Kind| kind.short_names.iter().any(|s| s == name);
        let within = |kind: &Kind| match rest {
            None => true,
            Some(rest) => {
                rest == kind.gvk.group
                    || rest.split_once('.') == Some((&kind.gvk.version, &kind.gvk.group))
                    || (kind.gvk.group.is_empty() && rest == kind.gvk.version)
            }
        };
        let mut kinds = self.0.kinds.iter().filter(|kind| within(kind));
        kinds
            .clone()
            .find(|kind| named(kind))
            .or_else(|| kinds.find(|kind| short(kind)))
            .cloned()
    }

    /// All kinds: built-in ones in serving order, then custom ones as they were added.
    pub fn kinds(&self) -> impl Iterator<Item = Arc<Kind>> + '_ {
        self.0.kinds.iter().cloned()
    }

    /// How many kinds are served.
    pub fn len(&self) -> usize {
        self.0.kinds.len()
    }

    /// Whether no kind is served.
    pub fn is_empty(&self) -> bool {
        self.0.kinds.is_empty()
    }

    /// Adds a kind, or replaces the one of the same group, version and kind.
    pub fn insert(&mut self, kind: Kind) {
        let content = Arc::make_mut(&mut self.0);
        let gvk = kind.gvk.clone();
        let gvr = Gvr::new(&gvk.group, &gvk.version, &kind.plural);
        let kind = Arc::new(kind);
        match content.by_gvk.get(&gvk) {
            Some(&i) => {
                let old = std::mem::replace(&mut content.kinds[i], kind);
                content.by_gvr.remove(&Gvr::new(&gvk.group, &gvk.version, &old.plural));
                content.by_gvr.insert(gvr, i);
            }
            None => {
                content.by_gvk.insert(gvk, content.kinds.len());
                content.by_gvr.insert(gvr, content.kinds.len());
                content.kinds.push(kind);
            }
        }
    }

    /// A text that changes whenever the OpenAPI document of the group and version does.
    pub fn hash(&self, group_version: &GroupVersion) -> String {
        let mut hash = *builtin::FINGERPRINT;
        for kind in self.of(group_version) {
            hash = fingerprint(hash, kind.gvk.kind.as_bytes());
            hash = fingerprint(hash, &kind.fingerprint.to_le_bytes());
        }
        format!("{hash:016X}")
    }

    /// The OpenAPI v3 document of a group and version; `None` when it is not served.
    pub fn openapi_v3(&self, group_version: &GroupVersion) -> Option<String> {
        let kinds: Vec<&Arc<Kind>> = self.of(group_version).collect();
        if kinds.is_empty() {
            None
        } else {
            Some(openapi::document(group_version, &kinds))
        }
    }

    fn of<'a>(&'a self, gv: &'a GroupVersion) -> impl Iterator<Item = &'a Arc<Kind>> + 'a {
        self.0
            .kinds
            .iter()
            .filter(|k| k.gvk.group == gv.group && k.gvk.version == gv.version)
    }
}

impl fmt::Debug for KindTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.0.kinds.iter().map(|kind| kind.gvk.to_string()))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ListType, SchemaType};

    #[test]
    fn builtin_kinds_know_their_schemas() {
        let table = KindTable::builtin();
        // No line of `resources.txt` takes the place of another.
        assert_eq!(table.len(), builtin::kinds().len());
        let deployment = table.by_resource("apps", "v1", "deployments").unwrap();
        assert_eq!(deployment.short_names, ["deploy"]);
        assert!(deployment.has_status() && deployment.namespaced && deployment.schema_is_builtin);
        assert_eq!(deployment.scale.as_ref().unwrap().spec_replicas_path, ".spec.replicas");
        let spec = deployment.schema().unwrap().property("spec").unwrap();
        assert_eq!(&*spec.property("strategy").unwrap().patch_strategy, "retainKeys");
        assert_eq!(spec.property("strategy").unwrap().ty, Some(SchemaType::Object));
        let pod = spec.property("template").unwrap().property("spec").unwrap();
        let containers = pod.property("containers").unwrap();
        assert_eq!(containers.list_type, Some(ListType::Map(vec!["name".into()])));
        let ports = containers.items_schema().unwrap().property("ports").unwrap();
        assert!(
            ports
                .items_schema()
                .unwrap()
                .property("protocol")
                .unwrap()
                .default
                .is_some()
        );
        let quantity = containers
            .items_schema()
            .unwrap()
            .property("resources")
            .unwrap()
            .property("limits")
            .unwrap();
        assert_eq!(quantity.member("cpu").unwrap().one_of.len(), 2);
        for kind in table.kinds() {
            assert!(
                kind.schema().unwrap().property("metadata").is_some() || !kind.allows("get"),
                "{}",
                kind.gvk
            );
        }
    }

    #[test]
    fn people_abbreviate() {
        let table = KindTable::builtin();
        for (text, want) in [
            ("po", "Pod"),
            ("pods", "Pod"),
            ("Deployment", "Deployment"),
            ("deploy.apps", "Deployment"),
            ("deployments.v1.apps", "Deployment"),
            ("events", "Event"),
            ("crd", "CustomResourceDefinition"),
        ] {
            assert_eq!(table.resolve(text).unwrap().gvk.kind, want, "{text}");
        }
        assert!(table.resolve("deploy.batch").is_none());
        assert_eq!(
            table.resolve("events.events.k8s.io").unwrap().gvk.group,
            "events.k8s.io"
        );
    }
}
