//! Which Application an object belongs to: Argo CD's tracking annotation.

use std::fmt;

use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;

use crate::{annotation, text};

/// The annotation (`util/argo/resource_tracking.go` upstream).
pub const TRACKING_ANNOTATION: &str = "argocd.argoproj.io/tracking-id";

/// `<app>:<group>/<kind>:<namespace>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackingId {
    /// The Application; `namespace_name` outside of the control plane's namespace.
    pub app: String,
    /// API group, empty for core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl TrackingId {
    /// Reads an id; `None` when the text is none.
    pub fn parse(text: &str) -> Option<TrackingId> {
        let mut parts = text.splitn(3, ':');
        let (app, kind, name) = (parts.next()?, parts.next()?, parts.next()?);
        let (group, kind) = kind.split_once('/')?;
        let (namespace, name) = name.split_once('/')?;
        if app.is_empty() || kind.contains('/') || name.contains('/') {
            return None;
        }
        let own = str::to_owned;
        Some(TrackingId {
            app: own(app),
            group: own(group),
            kind: own(kind),
            namespace: own(namespace),
            name: own(name),
        })
    }

    /// The id that an object carries.
    pub fn of(object: Node<'_>) -> Option<TrackingId> {
        TrackingId::parse(annotation(object, TRACKING_ANNOTATION))
    }

    /// Whether the id is about the object that carries it. A copied annotation is not: such an object is left alone.
    pub fn describes(&self, object: Node<'_>) -> bool {
        let gvk = Gvk::of(object).unwrap_or_default();
        let namespace = text(object, &["metadata", "namespace"]);
        self.group == gvk.group
            && self.kind == gvk.kind
            && self.name == text(object, &["metadata", "name"])
            // Cluster-scoped objects carry the Application's namespace in the id.
            && (namespace.is_empty() || self.namespace == namespace)
    }

    /// Puts the id of an Application on an object.
    pub fn mark(app: &str, object: &mut Value, namespace: &str) {
        let node = object.node();
        let gvk = Gvk::of(node).unwrap_or_default();
        let id = TrackingId {
            app: app.into(),
            group: gvk.group,
            kind: gvk.kind,
            namespace: namespace.into(),
            name: text(node, &["metadata", "name"]).into(),
        };
        object.set(&["metadata", "annotations", TRACKING_ANNOTATION], id.to_string());
    }
}

impl fmt::Display for TrackingId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}:{}/{}:{}/{}",
            self.app, self.group, self.kind, self.namespace, self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    #[test]
    fn ids_describe_the_object_they_are_on() {
        let doc = Doc::parse_json(
            br#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"x"}}"#,
        );
        let mut object = doc.unwrap().root().to_value();
        TrackingId::mark("shop", &mut object, "x");
        let id = TrackingId::of(object.node()).unwrap();
        assert_eq!(id.to_string(), "shop:apps/Deployment:x/web");
        assert!(id.describes(object.node()));
        object.set(&["metadata", "name"], "copy");
        assert!(!id.describes(object.node()));
        for bad in ["", "a:b", "a:b/c", "a:b/c:d", ":g/k:n/x", "a:g/k:n/x/y"] {
            assert_eq!(TrackingId::parse(bad), None, "{bad}");
        }
    }
}
