//! What a suite gives beside its policies and resources: objects to look up, images, parameters, bindings.

use std::sync::Arc;

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Kind, KindTable};

use super::mocks::Mocks;
use super::{key_of, listed, listed_at, load};
use crate::corpus::Files;
use crate::request::{Answer, Data, Global};

/// What a suite gives to look up.
#[derive(Default)]
pub(super) struct Context {
    /// Objects.
    objects: Vec<Doc>,
    /// What is known of images.
    images: Vec<Doc>,
    mocks: Mocks,
    kinds: KindTable,
}

impl Context {
    /// Reads all that a suite names beside its policies and resources.
    pub(super) fn read(files: &dyn Files, base: &str, test: Node<'_>) -> Result<Context, String> {
        let mut out = Context {
            mocks: Mocks::read(files, base, test)?,
            kinds: KindTable::builtin(),
            ..Context::default()
        };
        let named = |key: &str| -> Vec<&str> { listed(test, key) };
        let items = |doc: &Doc, key: &str| -> Vec<Doc> {
            let list = doc.root().at(&["spec", key]).into_iter().flat_map(Node::items);
            list.map(Node::to_doc).collect()
        };
        if let Some(path) = test.str_at(&["context"]) {
            for doc in load(files, base, &[path])? {
                out.objects.extend(items(&doc, "resources"));
                out.images.extend(items(&doc, "images"));
            }
        }
        out.objects.extend(load(files, base, &named("paramResources"))?);
        for result in test.get("results").into_iter().flat_map(Node::items) {
            if let Some(path) = result.str_at(&["cloneSourceResource"]).filter(|path| !path.is_empty()) {
                out.objects.extend(load(files, base, &[path])?);
            }
        }
        for doc in load(files, base, &named("clusterResources"))? {
            out.objects.extend(items(&doc, "resources"));
            for path in listed_at(doc.root(), &["spec", "crds"]) {
                for crd in load(files, base, &[path])? {
                    let kinds = Kind::from_crd(crd.root()).map_err(|error| format!("{path}: {error}"))?;
                    kinds.into_iter().for_each(|kind| out.kinds.insert(kind));
                    out.objects.push(crd);
                }
            }
        }
        Ok(out)
    }

    /// Lets an object be looked up.
    pub(super) fn add(&mut self, object: Doc) {
        self.objects.push(object);
    }

    fn objects(&self) -> impl Iterator<Item = Node<'_>> {
        self.objects.iter().map(Doc::root)
    }

    fn plural(&self, gvk: &Gvk) -> String {
        let kind = self.kinds.get(gvk);
        kind.map_or_else(|| crate::cel_policy::plural(&gvk.kind), |kind| kind.plural.clone())
    }
}

impl Data for Context {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        let wanted = (
            gvk.group.clone(),
            gvk.kind.clone(),
            namespace.to_owned(),
            name.to_owned(),
        );
        self.objects()
            .find(|object| key_of(*object) == wanted)
            .map(Node::to_doc)
    }

    fn api(&self, path: &str) -> Option<Value> {
        let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
        let (version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural, name @ ..] => (*namespace, *plural, name.first()),
            [plural, name @ ..] => ("", *plural, name.first()),
            [] => return None,
        };
        let mut found = self.objects().filter(|object| {
            object.str_at(&["apiVersion"]) == Some(&version)
                && Gvk::of(*object).is_some_and(|gvk| self.plural(&gvk) == plural)
                && (namespace.is_empty() || key_of(*object).2 == namespace)
        });
        match name {
            Some(name) => found.find(|object| key_of(*object).3 == **name).map(Node::to_value),
            None => {
                let mut list = Value::object();
                list.set(&["items"], found.map(Node::to_value).collect::<Value>());
                Some(list)
            }
        }
    }

    fn call(&self, method: &str, url: &str) -> Option<Answer> {
        self.mocks.call(method, url)
    }

    fn global(&self, name: &str) -> Option<Result<Global, String>> {
        self.mocks.global(name)
    }

    fn kind(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        self.kinds.get(gvk)
    }

    fn image_metadata(&self, image: &str) -> Option<Value> {
        self.images
            .iter()
            .map(Doc::root)
            .find(|entry| entry.str_at(&["image"]) == Some(image))
            .map(Node::to_value)
    }
}

pub(super) fn kind_of(doc: &Doc) -> &str {
    doc.root().str_at(&["kind"]).unwrap_or_default()
}

/// What binds a policy of Kubernetes' own; where a suite gives nothing, it is bound everywhere.
pub(super) fn bound(policy: &Doc, bindings: &[Doc]) -> Vec<Doc> {
    let (kind, name) = (kind_of(policy), policy.root().str_at(&["metadata", "name"]));
    if !kind.ends_with("AdmissionPolicy") {
        return Vec::new();
    }
    let binds = |binding: &&Doc| {
        kind_of(binding).strip_suffix("Binding") == Some(kind) && binding.root().str_at(&["spec", "policyName"]) == name
    };
    let found: Vec<Doc> = bindings.iter().filter(binds).cloned().collect();
    if !found.is_empty() {
        return found;
    }
    let mut everywhere = Value::object();
    everywhere.set(&["apiVersion"], "admissionregistration.k8s.io/v1");
    everywhere.set(&["kind"], format!("{kind}Binding"));
    everywhere.set(&["metadata", "name"], name.unwrap_or_default());
    everywhere.set(&["spec", "policyName"], name.unwrap_or_default());
    if kind.starts_with("Validating") {
        everywhere.set(&["spec", "validationActions"], vec![Value::from("Deny")]);
    }
    vec![everywhere.into_doc()]
}
