//! Who owns whom: an index of the objects that name owners.

use std::collections::{HashMap, HashSet};

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::GroupVersion;

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnerReference {
    pub(super) group_version: GroupVersion,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) blocks: bool,
}

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) namespace: String,
    pub(super) name: String,
}

/// An object with owners.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependent {
    pub(super) uid: String,
    pub(super) place: Place,
    pub(super) owners: Vec<OwnerReference>,
}

impl Dependent {
    /// Reads an object.
    pub(super) fn of(place: Place, object: &Doc) -> Dependent {
        let uid = object
            .root()
            .str_at(&["metadata", "uid"])
            .unwrap_or_default()
            .to_owned();
        Dependent {
            uid,
            place,
            owners: owners(object.root()),
        }
    }
}

/// The owners that an object names.
pub(super) fn owners(object: Node<'_>) -> Vec<OwnerReference> {
    let references = object
        .at(&["metadata", "ownerReferences"])
        .map(Node::items)
        .into_iter()
        .flatten();
    references
        .map(|reference| {
            let text = |key: &str| reference.str_at(&[key]).unwrap_or_default();
            OwnerReference {
                group_version: GroupVersion::parse(text("apiVersion")),
                kind: text("kind").into(),
                name: text("name").into(),
                uid: text("uid").into(),
                blocks: reference
                    .get("blockOwnerDeletion")
                    .and_then(Node::as_bool)
                    .unwrap_or(false),
            }
        })
        .collect()
}

/// The index. Objects without owners are not in it: whether an owner exists is asked of the store.
#[derive(Debug, Default)]
pub(super) struct Graph {
    dependents: HashMap<String, Dependent>,
    /// Uids of dependents by the uid of their owner.
    of_owner: HashMap<String, HashSet<String>>,
}

impl Graph {
    /// Takes an object in, or its change. Says whether its owners are news.
    pub(super) fn put(&mut self, dependent: Dependent) -> bool {
        if self
            .dependents
            .get(&dependent.uid)
            .is_some_and(|known| known.owners == dependent.owners)
        {
            return false;
        }
        self.remove(&dependent.uid);
        if dependent.owners.is_empty() {
            return false;
        }
        for owner in &dependent.owners {
            self.of_owner
                .entry(owner.uid.clone())
                .or_default()
                .insert(dependent.uid.clone());
        }
        self.dependents.insert(dependent.uid.clone(), dependent);
        true
    }

    /// Forgets an object; gives back what was known of it.
    pub(super) fn remove(&mut self, uid: &str) -> Option<Dependent> {
        let known = self.dependents.remove(uid)?;
        for owner in &known.owners {
            if let Some(uids) = self.of_owner.get_mut(&owner.uid) {
                uids.remove(uid);
                if uids.is_empty() {
                    self.of_owner.remove(&owner.uid);
                }
            }
        }
        Some(known)
    }

    /// What is known of an object.
    pub(super) fn get(&self, uid: &str) -> Option<&Dependent> {
        self.dependents.get(uid)
    }

    /// The objects that name an owner.
    pub(super) fn of_owner(&self, uid: &str) -> Vec<Dependent> {
        let uids = self.of_owner.get(uid).into_iter().flatten();
        uids.filter_map(|uid| self.dependents.get(uid).cloned()).collect()
    }

    /// Whether an object owns others.
    pub(super) fn has_dependents(&self, uid: &str) -> bool {
        self.of_owner.contains_key(uid)
    }

    /// Whether anything is owned at all.
    pub(super) fn is_empty(&self) -> bool {
        self.dependents.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependent(uid: &str, owners: &[&str]) -> Dependent {
        let place = Place {
            group: String::new(),
            resource: "pods".into(),
            namespace: "n".into(),
            name: uid.to_uppercase(),
        };
        let reference = |owner: &&str| OwnerReference {
            group_version: GroupVersion::parse("apps/v1"),
            kind: "ReplicaSet".into(),
            name: (*owner).into(),
            uid: (*owner).into(),
            blocks: true,
        };
        Dependent {
            uid: uid.into(),
            place,
            owners: owners.iter().map(reference).collect(),
        }
    }

    #[test]
    fn changes_of_owners_move_dependents() {
        let mut graph = Graph::default();
        assert!(graph.put(dependent("a", &["x", "y"])));
        assert!(!graph.put(dependent("a", &["x", "y"])), "nothing new");
        assert!(graph.put(dependent("b", &["y"])));
        let names = |graph: &Graph, owner: &str| {
            let mut uids: Vec<String> = graph.of_owner(owner).into_iter().map(|d| d.uid).collect();
            uids.sort();
            uids.join(" ")
        };
        assert_eq!((names(&graph, "x"), names(&graph, "y")), ("a".into(), "a b".into()));
        assert!(graph.put(dependent("a", &["y"])));
        assert_eq!((names(&graph, "x"), names(&graph, "y")), ("".into(), "a b".into()));
        assert!(!graph.put(dependent("a", &[])), "an orphan is no dependent");
        assert_eq!(graph.remove("b").unwrap().owners.len(), 1);
        assert!(graph.is_empty() && !graph.has_dependents("y"));
    }

    #[test]
    fn references_are_read() {
        let object = Doc::parse_json(
            br#"{"metadata":{"uid":"u","ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"1","blockOwnerDeletion":true},{"apiVersion":"v1","kind":"Node","name":"n","uid":"2"}]}}"#,
        )
        .unwrap();
        let owners = owners(object.root());
        assert_eq!(owners.len(), 2);
        assert_eq!(
            (owners[0].group_version.group.as_str(), owners[0].blocks),
            ("apps", true)
        );
        assert_eq!((owners[1].group_version.group.as_str(), owners[1].blocks), ("", false));
    }
}
