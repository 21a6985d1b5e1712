//! What rules ask about that a review does not tell.

use ridgeway_doc::Node;

use crate::policies::Source;

/// What rules may ask about that a review does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// The namespace's own object: its labels above all.
    pub namespace: bool,
    /// The roles that the user is bound to.
    pub roles: bool,
    /// Other objects, in a template's inventory.
    pub inventory: bool,
}

impl Surroundings {
    /// What objects ask about.
    pub(crate) fn of<'a>(sources: impl IntoIterator<Item = &'a Source>) -> Surroundings {
        let mut out = Surroundings::default();
        for source in sources {
            out.within(source.doc.root());
        }
        out
    }

    fn within(&mut self, node: Node<'_>) {
        if let Some(text) = node.as_str() {
            let says = |words: [&str; 2]| words.iter().any(|word| text.contains(word));
            self.namespace |= says(["namespaceObject", "_unstable"]);
            self.roles |= says(["request.roles", "request.clusterRoles"]);
        }
        for (key, value) in node.members() {
            let mut inner = value.members().map(|(_, inner)| inner);
            self.namespace |= key == "namespaceSelector"
                && inner.any(|inner| inner.members().next().is_some() || inner.items().next().is_some());
            self.roles |= matches!(key, "roles" | "clusterRoles") && value.items().any(|item| item.as_str().is_some());
            self.within(value);
        }
        node.items().for_each(|item| self.within(item));
    }
}
