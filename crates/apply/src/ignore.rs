//! Fields that nobody owns.

use ridgeway_doc::Node;

use crate::element::Element;
use crate::set::FieldSet;

/// Metadata that identifies the object or that the server keeps.
const SERVER_KEPT: [&str; 9] = [
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// Which parts of an object a request may own.
#[derive(Clone, Copy)]
pub(crate) struct Scope {
    status_only: bool,
    without_status: bool,
}

impl Scope {
    /// What a write to that subresource of that object owns. Built-in kinds keep `status` behind its subresource; for
    /// custom ones the server has separated it before, if their definition says so.
    pub(crate) fn of(object: Node<'_>, subresource: &str) -> Scope {
        Scope {
            status_only: subresource == "status",
            without_status: subresource != "status"
                && object.str_at(&["apiVersion"]).is_some_and(ridgeway_schema::is_builtin),
        }
    }

    /// Takes out of a set what cannot be owned.
    pub(crate) fn strip(self, set: &mut FieldSet<'_>) {
        set.retain(|element, member, children| {
            let Element::Field(name) = element else { return };
            let drop = match &**name {
                "apiVersion" | "kind" => true,
                "status" => self.without_status,
                _ => self.status_only,
            };
            if drop {
                *member = false;
                *children = FieldSet::default();
            } else if name == "metadata" {
                *member = false;
                children.retain(|element, member, children| {
                    if matches!(element, Element::Field(name) if SERVER_KEPT.contains(&&**name)) {
                        *member = false;
                        *children = FieldSet::default();
                    }
                });
            }
        });
    }
}
