//! Group, version, kind, resource and object references.

use std::fmt;

use ridgeway_doc::Node;

/// API group and version; the core group is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupVersion {
    /// API group, empty for core.
    pub group: String,
    /// Version, such as `v1`.
    pub version: String,
}

impl GroupVersion {
    /// Splits an `apiVersion`: `apps/v1`, or `v1` for the core group.
    pub fn parse(api_version: &str) -> GroupVersion {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        GroupVersion {
            group: group.into(),
            version: version.into(),
        }
    }
}

/// Prints the `apiVersion` form.
impl fmt::Display for GroupVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.group.is_empty() {
            f.write_str(&self.version)
        } else {
            write!(f, "{}/{}", self.group, self.version)
        }
    }
}

/// Group, version and kind of an object.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvk {
    /// API group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind, such as `Deployment`.
    pub kind: String,
}

impl Gvk {
    /// A kind from its parts.
    pub fn new(group: &str, version: &str, kind: &str) -> Gvk {
        Gvk {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
        }
    }

    /// The kind of an object, from its `apiVersion` and `kind`; `None` when one is missing or not a string.
    pub fn of(object: Node<'_>) -> Option<Gvk> {
        let gv = GroupVersion::parse(object.str_at(&["apiVersion"])?);
        let kind = object.str_at(&["kind"])?;
        Some(Gvk {
            group: gv.group,
            version: gv.version,
            kind: kind.into(),
        })
    }

    /// The group and version.
    pub fn group_version(&self) -> GroupVersion {
        GroupVersion {
            group: self.group.clone(),
            version: self.version.clone(),
        }
    }

    /// The `apiVersion` form of group and version.
    pub fn api_version(&self) -> String {
        self.group_version().to_string()
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, Kind={}", self.group_version(), self.kind)
    }
}

/// Group, version and plural resource name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gvr {
    /// API group, empty for core.
    pub group: String,
    /// Version.
    pub version: String,
    /// Plural resource, such as `deployments`.
    pub resource: String,
}

impl Gvr {
    /// A resource from its parts.
    pub fn new(group: &str, version: &str, resource: &str) -> Gvr {
        Gvr {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
        }
    }
}

/// `deployments.v1.apps`, as kubectl accepts it.
impl fmt::Display for Gvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.resource, self.version)?;
        if self.group.is_empty() {
            Ok(())
        } else {
            write!(f, ".{}", self.group)
        }
    }
}

/// A reference to one object, by kind (the version does not tell objects apart).
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectRef {
    /// API group, empty for core.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectRef {
    /// The reference of an object, from its own fields.
    pub fn of(object: Node<'_>) -> Option<ObjectRef> {
        let gvk = Gvk::of(object)?;
        Some(ObjectRef {
            group: gvk.group,
            kind: gvk.kind,
            namespace: object.str_at(&["metadata", "namespace"]).unwrap_or_default().into(),
            name: object.str_at(&["metadata", "name"])?.into(),
        })
    }
}

/// `Deployment.apps checkout/web`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}
