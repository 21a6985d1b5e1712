//! One entity of the catalog, read through its document.

use ridgeway_doc::{Doc, Node};

use crate::reference::{DEFAULT_NAMESPACE, EntityRef};

/// Where an entity was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// The repository's name.
    pub repository: String,
    /// The file's path in it.
    pub path: String,
    /// The line where the entity begins, from 1.
    pub line: u32,
}

/// A link that an entity gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Where it leads.
    pub url: String,
    /// What to call it; the URL when it has no title.
    pub title: String,
}

/// An entity that passed validation.
#[derive(Clone, Debug)]
pub struct Entity {
    reference: EntityRef,
    origin: Origin,
    doc: Doc,
}

impl Entity {
    pub(crate) fn new(doc: Doc, origin: Origin) -> Entity {
        Entity {
            reference: reference_of(doc.root()),
            origin,
            doc,
        }
    }

    /// Its identity.
    pub fn reference(&self) -> &EntityRef {
        &self.reference
    }

    /// The file it comes from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The entity as written.
    pub fn node(&self) -> Node<'_> {
        self.doc.root()
    }

    /// The kind in its own spelling, such as `Component`.
    pub fn kind(&self) -> &str {
        self.node().str_at(&["kind"]).unwrap_or_default()
    }

    /// The namespace in its own spelling.
    pub fn namespace(&self) -> &str {
        self.node()
            .str_at(&["metadata", "namespace"])
            .unwrap_or(DEFAULT_NAMESPACE)
    }

    /// The name in its own spelling.
    pub fn name(&self) -> &str {
        self.node().str_at(&["metadata", "name"]).unwrap_or_default()
    }

    /// The title; people's and teams' display name; else the name.
    pub fn title(&self) -> &str {
        let title = self.node().str_at(&["metadata", "title"]);
        title
            .or_else(|| self.spec("profile")?.str_at(&["displayName"]))
            .unwrap_or_else(|| self.name())
    }

    /// The description, empty when there is none.
    pub fn description(&self) -> &str {
        self.node().str_at(&["metadata", "description"]).unwrap_or_default()
    }

    /// A field of `spec`.
    pub fn spec(&self, field: &str) -> Option<Node<'_>> {
        self.node().get("spec")?.get(field)
    }

    /// A text of `spec`, empty when there is none.
    pub fn spec_text(&self, field: &str) -> &str {
        self.spec(field).and_then(Node::as_str).unwrap_or_default()
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.node().str_at(&["metadata", "annotations", key])
    }

    /// All annotations.
    pub fn annotations(&self) -> impl Iterator<Item = (&str, &str)> {
        texts(self.node().at(&["metadata", "annotations"]))
    }

    /// All labels.
    pub fn labels(&self) -> impl Iterator<Item = (&str, &str)> {
        texts(self.node().at(&["metadata", "labels"]))
    }

    /// Its tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.node()
            .at(&["metadata", "tags"])
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::as_str)
    }

    /// Its links.
    pub fn links(&self) -> impl Iterator<Item = Link> {
        self.node()
            .at(&["metadata", "links"])
            .into_iter()
            .flat_map(Node::items)
            .filter_map(|link| {
                let url = link.str_at(&["url"])?;
                Some(Link {
                    url: url.to_owned(),
                    title: link.str_at(&["title"]).unwrap_or(url).to_owned(),
                })
            })
    }
}

fn texts(map: Option<Node<'_>>) -> impl Iterator<Item = (&str, &str)> {
    map.into_iter()
        .flat_map(Node::members)
        .filter_map(|(key, value)| Some((key, value.as_str()?)))
}

/// The identity that an entity's document gives itself.
pub(crate) fn reference_of(entity: Node<'_>) -> EntityRef {
    EntityRef::new(
        entity.str_at(&["kind"]).unwrap_or_default(),
        entity.str_at(&["metadata", "namespace"]).unwrap_or(DEFAULT_NAMESPACE),
        entity.str_at(&["metadata", "name"]).unwrap_or_default(),
    )
}
