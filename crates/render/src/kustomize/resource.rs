//! Resources on their way through a build, with the identities they have had.

use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;

use super::scope::is_cluster_scoped;
use crate::error::{Fault, RenderError};

/// What a resource was called at some stage of the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Id {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

impl Id {
    pub(crate) fn of(node: Node<'_>) -> Id {
        Id {
            gvk: Gvk::of(node).unwrap_or_default(),
            name: node.str_at(&["metadata", "name"]).unwrap_or_default().into(),
            namespace: node.str_at(&["metadata", "namespace"]).unwrap_or_default().into(),
        }
    }

    pub(crate) fn is_cluster_scoped(&self) -> bool {
        is_cluster_scoped(&self.gvk)
    }

    /// The namespace that counts: none for cluster-scoped kinds, `default` where none is said.
    pub(crate) fn effective_namespace(&self) -> &str {
        match self.namespace.as_str() {
            _ if self.is_cluster_scoped() => "_non_namespaceable_",
            "" => "default",
            namespace => namespace,
        }
    }

    /// Whether two identities are of the same object.
    pub(crate) fn same(&self, other: &Id) -> bool {
        self.name == other.name && self.gvk == other.gvk && self.effective_namespace() == other.effective_namespace()
    }

    /// Whether the kind fits a partial one, in which empty parts stand for anything.
    pub(crate) fn is_selected(&self, group: &str, version: &str, kind: &str) -> bool {
        let fits = |want: &str, have: &str| want.is_empty() || want == have;
        fits(group, &self.gvk.group) && fits(version, &self.gvk.version) && fits(kind, &self.gvk.kind)
    }
}

/// `Deployment.v1.apps/web.checkout`
impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.gvk.kind, self.name)?;
        if !self.namespace.is_empty() {
            write!(f, " in namespace {:?}", self.namespace)?;
        }
        Ok(())
    }
}

/// How a generated resource meets one of the same name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Create,
    Replace,
    Merge,
}

/// One object of a build.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) value: Value,
    /// Every earlier identity, the oldest first.
    pub(crate) previous: Vec<Id>,
    /// Name prefixes added, the innermost first.
    pub(crate) prefixes: Vec<String>,
    /// Name suffixes added, the innermost first.
    pub(crate) suffixes: Vec<String>,
    /// Whether the name gets the hash of the content.
    pub(crate) hashed: bool,
    pub(crate) behavior: Behavior,
    /// The vars whose values come from here.
    pub(crate) vars: Vec<String>,
    pub(crate) file: String,
    pub(crate) line: u32,
}

impl Resource {
    pub(crate) fn new(value: Value, file: &str, line: u32) -> Resource {
        Resource {
            value,
            previous: Vec::new(),
            prefixes: Vec::new(),
            suffixes: Vec::new(),
            hashed: false,
            behavior: Behavior::Create,
            vars: Vec::new(),
            file: file.into(),
            line,
        }
    }

    pub(crate) fn node(&self) -> Node<'_> {
        self.value.node()
    }

    pub(crate) fn id(&self) -> Id {
        Id::of(self.node())
    }

    /// The identity it had when it was read.
    pub(crate) fn original_id(&self) -> Id {
        self.previous.first().cloned().unwrap_or_else(|| self.id())
    }

    /// Notes the current identity, before a change of it.
    pub(crate) fn remember(&mut self) {
        self.previous.push(self.id());
    }

    /// Whether it is or ever was called that.
    pub(crate) fn was(&self, id: &Id) -> bool {
        self.previous.iter().any(|p| p.same(id)) || self.id().same(id)
    }

    pub(crate) fn name(&self) -> &str {
        self.node().str_at(&["metadata", "name"]).unwrap_or_default()
    }

    pub(crate) fn namespace(&self) -> &str {
        self.node().str_at(&["metadata", "namespace"]).unwrap_or_default()
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        self.value.set(&["metadata", "name"], name);
    }

    /// A fault that names where this resource came from.
    pub(crate) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            file: self.file.clone(),
            line: Some(self.line),
            field: String::new(),
            message: message.into(),
        }
    }
}

/// The resources of a build, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resources(pub(crate) Vec<Resource>);

/// How many objects a build may hold.
const MAX_OBJECTS: usize = 50_000;

impl Resources {
    /// Appends resources; one whose identity is taken is a fault.
    pub(crate) fn append(&mut self, more: Vec<Resource>) -> Result<(), RenderError> {
        let mut taken: std::collections::HashMap<(String, String, String, String), usize> =
            self.0.iter().enumerate().map(|(i, r)| (key_of(&r.id()), i)).collect();
        for resource in more {
            let key = key_of(&resource.id());
            if let Some(&first) = taken.get(&key).filter(|&&i| self.0[i].id().same(&resource.id())) {
                let first = &self.0[first];
                let message = format!(
                    "{} is already there, from {}:{}; remove one, or change one by a patch",
                    resource.id(),
                    first.file,
                    first.line
                );
                return Err(resource.fault(message).into());
            }
            if self.0.len() >= MAX_OBJECTS {
                let message = format!("the kustomization yields more than {MAX_OBJECTS} objects; split it");
                return Err(resource.fault(message).into());
            }
            taken.insert(key, self.0.len());
            self.0.push(resource);
        }
        Ok(())
    }

    /// Takes in generated resources, each by its behaviour.
    pub(crate) fn absorb(&mut self, generated: Vec<Resource>) -> Result<(), RenderError> {
        for mut new in generated {
            let id = new.id();
            let found: Vec<usize> = (0..self.0.len()).filter(|&i| self.0[i].was(&id)).collect();
            match (found.as_slice(), new.behavior) {
                ([], Behavior::Create) => self.append(vec![new])?,
                ([], behavior) => {
                    let message =
                        format!("behavior is {behavior:?} but {id} is nowhere to be found; use create").to_lowercase();
                    return Err(new.fault(message).into());
                }
                (_, Behavior::Create) => {
                    let message = format!("{id} exists already; use behavior merge or replace");
                    return Err(new.fault(message).into());
                }
                (&[at], behavior) => {
                    inherit(&mut new, &self.0[at], behavior == Behavior::Merge);
                    self.0[at] = new;
                }
                _ => {
                    let message = format!("{id} matches several resources; give them names that differ");
                    return Err(new.fault(message).into());
                }
            }
        }
        Ok(())
    }
}

fn key_of(id: &Id) -> (String, String, String, String) {
    let namespace = id.effective_namespace().to_owned();
    (id.gvk.group.clone(), id.gvk.kind.clone(), namespace, id.name.clone())
}

/// Gives a generated resource the name, history and metadata of the one it replaces, and its data if they merge.
fn inherit(new: &mut Resource, old: &Resource, merge: bool) {
    let under = |new: &mut Resource, field: &[&str]| {
        let Some(below) = old.node().at(field).filter(|n| !n.is_empty()) else {
            return;
        };
        let mut merged = below.to_value();
        if let Some(above) = new.value.node().at(field) {
            let map = merged.make_object();
            for (key, value) in above.members() {
                map.insert(key, value);
            }
        }
        new.value.set(field, merged);
    };
    under(new, &["metadata", "labels"]);
    under(new, &["metadata", "annotations"]);
    if merge {
        under(new, &["data"]);
        under(new, &["binaryData"]);
    }
    new.set_name(old.name());
    if !old.namespace().is_empty() {
        new.value.set(&["metadata", "namespace"], old.namespace());
    }
    new.previous = old.previous.clone();
    new.prefixes = old.prefixes.clone();
    new.suffixes = old.suffixes.clone();
    new.vars = old.vars.clone();
}
