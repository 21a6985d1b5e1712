//! A Pod as the controls see it, and what they report.

use ridgeway_doc::{Node, Value};

use crate::image::CONTAINER_LISTS;
use crate::path::{FieldPath, Segment};

/// What would mend a field.
#[derive(Clone, Debug, PartialEq)]
pub enum Fix {
    /// Set it to this.
    Set(Value),
    /// Leave it out.
    Remove,
}

/// A field that offends.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    pub(crate) path: FieldPath,
    /// The container's name and image, for fields of containers.
    pub(crate) container: Option<(String, String)>,
    /// What it holds, if it is there.
    pub(crate) value: Option<Value>,
    /// What would mend it.
    pub(crate) fix: Fix,
}

impl Field {
    /// The dotted path.
    pub fn path(&self) -> String {
        self.path.to_string()
    }

    /// What would mend it.
    pub fn fix(&self) -> &Fix {
        &self.fix
    }
}

/// One control that a Pod violates.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// The control's id.
    pub control: &'static str,
    /// The control's title.
    pub title: &'static str,
    /// Why, shortly: `allowPrivilegeEscalation != false`.
    pub reason: String,
    /// Where: `container "app" must set …`.
    pub detail: String,
    /// The fields.
    pub fields: Vec<Field>,
}

impl Violation {
    pub(super) fn new(reason: impl Into<String>, detail: impl Into<String>, fields: Vec<Field>) -> Violation {
        Violation {
            control: "",
            title: "",
            reason: reason.into(),
            detail: detail.into(),
            fields,
        }
    }
}

/// One container with its place.
pub(super) struct Container<'a> {
    pub(super) node: Node<'a>,
    list: &'static str,
    index: usize,
}

impl<'a> Container<'a> {
    pub(super) fn name(&self) -> &'a str {
        self.node.str_at(&["name"]).unwrap_or_default()
    }

    /// A field of the security context.
    pub(super) fn security(&self, path: &[&str]) -> Option<Node<'a>> {
        present(self.node.get("securityContext").and_then(|context| context.at(path)))
    }

    /// A field of this container that offends.
    pub(super) fn field(&self, path: &[&'static str], value: Option<Node<'_>>, fix: Fix) -> Field {
        self.field_at(path.iter().map(|key| Segment::Key((*key).into())), value, fix)
    }

    /// The same, by steps that may be indexes.
    pub(super) fn field_at(&self, path: impl IntoIterator<Item = Segment>, value: Option<Node<'_>>, fix: Fix) -> Field {
        let mut at = Vec::with_capacity(8);
        at.extend([
            Segment::Key("spec".into()),
            Segment::Key(self.list.into()),
            Segment::Index(self.index),
        ]);
        at.extend(path);
        let image = self.node.str_at(&["image"]).unwrap_or_default().to_owned();
        Field {
            path: FieldPath(at),
            container: Some((self.name().to_owned(), image)),
            value: value.map(Node::to_value),
            fix,
        }
    }
}

/// A node that is there and not `null`.
pub(super) fn present(node: Option<Node<'_>>) -> Option<Node<'_>> {
    node.filter(|node| !node.is_null())
}

/// A Pod's specification with its metadata.
pub(super) struct Pod<'a> {
    pub(super) spec: Node<'a>,
    pub(super) metadata: Option<Node<'a>>,
    pub(super) containers: Vec<Container<'a>>,
}

impl<'a> Pod<'a> {
    pub(super) fn new(spec: Node<'a>, metadata: Option<Node<'a>>) -> Pod<'a> {
        let mut containers = Vec::new();
        // Kubernetes names init containers first.
        for list in [CONTAINER_LISTS[1], CONTAINER_LISTS[0], CONTAINER_LISTS[2]] {
            let items = spec.get(list).into_iter().flat_map(Node::items).enumerate();
            containers.extend(items.map(|(index, node)| Container { node, list, index }));
        }
        Pod {
            spec,
            metadata,
            containers,
        }
    }

    /// A field of the Pod's security context.
    pub(super) fn security(&self, path: &[&str]) -> Option<Node<'a>> {
        present(self.spec.get("securityContext").and_then(|context| context.at(path)))
    }

    /// A field of the Pod itself that offends.
    pub(super) fn field(&self, path: &[&'static str], value: Option<Node<'_>>, fix: Fix) -> Field {
        self.field_at(path.iter().map(|key| Segment::Key((*key).into())), value, fix)
    }

    /// The same, by steps that may be indexes or names from the Pod.
    pub(super) fn field_at(&self, path: impl IntoIterator<Item = Segment>, value: Option<Node<'_>>, fix: Fix) -> Field {
        Field {
            path: FieldPath(path.into_iter().collect()),
            container: None,
            value: value.map(Node::to_value),
            fix,
        }
    }

    /// A source of a volume that offends.
    pub(super) fn volume(&self, index: usize, source: &'static str, value: Option<Node<'_>>) -> Field {
        let at = [
            Segment::Key("spec".into()),
            Segment::Key("volumes".into()),
            Segment::Index(index),
            Segment::Key(source.into()),
        ];
        self.field_at(at, value, Fix::Remove)
    }

    /// An annotation that offends.
    pub(super) fn annotation(&self, key: &str) -> Field {
        let at = [
            Segment::Key("metadata".into()),
            Segment::Key("annotations".into()),
            Segment::Key(key.to_owned().into()),
        ];
        self.field_at(at, None, Fix::Remove)
    }

    pub(super) fn annotations(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let map = self.metadata.and_then(|metadata| metadata.get("annotations"));
        map.into_iter()
            .flat_map(Node::members)
            .map(|(key, value)| (key, value.as_str().unwrap_or_default()))
    }

    pub(super) fn is_windows(&self) -> bool {
        self.spec.str_at(&["os", "name"]) == Some("windows")
    }

    /// Whether the Pod runs in a user namespace, where root is not the host's root.
    pub(super) fn in_user_namespace(&self) -> bool {
        self.spec.get("hostUsers").and_then(Node::as_bool) == Some(false)
    }
}
