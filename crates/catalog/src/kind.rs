//! The kinds of entities as data: which fields their `spec` has, and which of them are relations.

use crate::reference::EntityRef;

/// What a field of `spec` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A string that is not empty.
    Text,
    /// Strings that are not empty.
    Texts,
    /// An object.
    Object,
    /// An array of anything.
    Array,
    /// Anything.
    Any,
}

/// A field of `spec`.
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) required: bool,
    /// The relation that the field's references make.
    pub(crate) relation: Option<RelationOf>,
}

/// A relation that a field makes: its name from either end, and the kind that references may leave out.
#[derive(Clone, Copy)]
pub(crate) struct RelationOf {
    pub(crate) outward: &'static str,
    pub(crate) inward: &'static str,
    pub(crate) default_kind: Option<&'static str>,
}

/// One direction of a relation.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relation {
    /// Its name, such as `ownedBy`.
    pub name: &'static str,
    /// The entity at the other end, which may be missing from the catalog.
    pub target: EntityRef,
}

const fn field(name: &'static str, shape: Shape, required: bool) -> Field {
    Field {
        name,
        shape,
        required,
        relation: None,
    }
}

const fn relation(
    name: &'static str,
    shape: Shape,
    required: bool,
    (outward, inward): (&'static str, &'static str),
    default_kind: Option<&'static str>,
) -> Field {
    Field {
        name,
        shape,
        required,
        relation: Some(RelationOf {
            outward,
            inward,
            default_kind,
        }),
    }
}

const OWNED: (&str, &str) = ("ownedBy", "ownerOf");
const PART: (&str, &str) = ("partOf", "hasPart");
const PROVIDES: (&str, &str) = ("providesApi", "apiProvidedBy");
const CONSUMES: (&str, &str) = ("consumesApi", "apiConsumedBy");
const DEPENDS: (&str, &str) = ("dependsOn", "dependencyOf");
const DEPENDED: (&str, &str) = ("dependencyOf", "dependsOn");
const CHILD: (&str, &str) = ("childOf", "parentOf");
const PARENT: (&str, &str) = ("parentOf", "childOf");
const MEMBER: (&str, &str) = ("memberOf", "hasMember");
const HAS_MEMBER: (&str, &str) = ("hasMember", "memberOf");

const TYPE: Field = field("type", Shape::Text, true);
const TYPE_MAYBE: Field = field("type", Shape::Text, false);
const LIFECYCLE: Field = field("lifecycle", Shape::Text, true);
const OWNER: Field = relation("owner", Shape::Text, true, OWNED, Some("group"));
const SYSTEM: Field = relation("system", Shape::Text, false, PART, Some("system"));
const PROFILE: Field = field("profile", Shape::Object, false);
const DEPENDS_ON: Field = relation("dependsOn", Shape::Texts, false, DEPENDS, None);
const DEPENDENCY_OF: Field = relation("dependencyOf", Shape::Texts, false, DEPENDED, None);

const COMPONENT: &[Field] = &[
    TYPE,
    LIFECYCLE,
    OWNER,
    SYSTEM,
    relation("subcomponentOf", Shape::Text, false, PART, Some("component")),
    relation("providesApis", Shape::Texts, false, PROVIDES, Some("api")),
    relation("consumesApis", Shape::Texts, false, CONSUMES, Some("api")),
    DEPENDS_ON,
    DEPENDENCY_OF,
];
const API: &[Field] = &[TYPE, LIFECYCLE, OWNER, SYSTEM, field("definition", Shape::Text, true)];
const RESOURCE: &[Field] = &[TYPE, OWNER, SYSTEM, DEPENDS_ON, DEPENDENCY_OF];
const SYSTEM_KIND: &[Field] = &[
    OWNER,
    TYPE_MAYBE,
    relation("domain", Shape::Text, false, PART, Some("domain")),
];
const DOMAIN: &[Field] = &[
    OWNER,
    TYPE_MAYBE,
    relation("subdomainOf", Shape::Text, false, PART, Some("domain")),
];
const GROUP: &[Field] = &[
    TYPE,
    PROFILE,
    relation("parent", Shape::Text, false, CHILD, Some("group")),
    relation("children", Shape::Texts, true, PARENT, Some("group")),
    relation("members", Shape::Texts, false, HAS_MEMBER, Some("user")),
];
const USER: &[Field] = &[PROFILE, relation("memberOf", Shape::Texts, true, MEMBER, Some("group"))];
const LOCATION: &[Field] = &[
    TYPE_MAYBE,
    field("target", Shape::Text, false),
    field("targets", Shape::Texts, false),
    field("presence", Shape::Text, false),
];
const TEMPLATE: &[Field] = &[
    TYPE,
    field("steps", Shape::Array, true),
    field("parameters", Shape::Any, false),
    field("output", Shape::Object, false),
    relation("owner", Shape::Text, false, OWNED, Some("group")),
    field("lifecycle", Shape::Text, false),
];

/// The fields of a kind; `None` for a kind that the catalog does not know under that API version.
pub(crate) fn fields(api_version: &str, kind: &str) -> Option<&'static [Field]> {
    match api_version {
        "backstage.io/v1alpha1" | "backstage.io/v1beta1" => Some(match kind {
            "Component" => COMPONENT,
            "API" => API,
            "Resource" => RESOURCE,
            "System" => SYSTEM_KIND,
            "Domain" => DOMAIN,
            "Group" => GROUP,
            "User" => USER,
            "Location" => LOCATION,
            _ => return None,
        }),
        "scaffolder.backstage.io/v1beta3" if kind == "Template" => Some(TEMPLATE),
        _ => None,
    }
}
