//! Policies tried on resources, with nothing stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_policy::{CompileError, Data, Point, Request, RuleResult, RuleSet};

use crate::source::text;

/// The resources at hand, as rules read them beside the object.
struct Given(BTreeMap<ObjectRef, Doc>);

impl Given {
    fn namespace(&self, name: &str) -> Option<&Doc> {
        let key = ObjectRef {
            kind: "Namespace".into(),
            name: name.into(),
            ..ObjectRef::default()
        };
        self.0.get(&key)
    }
}

impl Data for Given {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        let (group, kind) = (gvk.group.clone(), gvk.kind.clone());
        self.0
            .get(&ObjectRef {
                group,
                kind,
                namespace: namespace.into(),
                name: name.into(),
            })
            .cloned()
    }
}

/// The documents, and the items of those that are lists.
fn flat(docs: &[Doc]) -> Vec<Doc> {
    let mut out = Vec::new();
    for doc in docs {
        let root = doc.root();
        match root
            .get("items")
            .filter(|items| text(root, &["kind"]).ends_with("List") && items.is_array())
        {
            Some(items) => out.extend(items.items().map(Node::to_doc)),
            None => out.push(doc.clone()),
        }
    }
    out
}

/// `Pod shop/web`, as results are headed.
fn title(gvk: &Gvk, object: Node<'_>) -> String {
    let (namespace, name) = (
        text(object, &["metadata", "namespace"]),
        text(object, &["metadata", "name"]),
    );
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{} {namespace}{slash}{name}", gvk.kind)
}

/// What policies say about resources, and what is wrong with the policies themselves.
pub(crate) fn evaluate(
    resources: &[Doc],
    policies: &[Doc],
    now: Timestamp,
) -> (Vec<(String, RuleResult)>, Vec<CompileError>) {
    let (resources, policies) = (flat(resources), flat(policies));
    let sources: Vec<Node<'_>> = policies.iter().map(Doc::root).collect();
    let (rules, faults) = RuleSet::compile(&sources);
    let rules = rules.at(Point::Editor);
    let given = Given(
        resources
            .iter()
            .filter_map(|doc| Some((ObjectRef::of(doc.root())?, doc.clone())))
            .collect(),
    );
    let mut out = Vec::new();
    for doc in &resources {
        let object = doc.root();
        let Some(gvk) = Gvk::of(object) else { continue };
        let mut request = Request::create(&gvk, object);
        request.namespace_object = given.namespace(request.namespace).map(Doc::root);
        request.now = Some(now);
        request.data = &given;
        let heading = title(&gvk, object);
        out.extend(
            rules
                .admit(&request)
                .results
                .into_iter()
                .map(|result| (heading.clone(), result)),
        );
    }
    (out, faults)
}
