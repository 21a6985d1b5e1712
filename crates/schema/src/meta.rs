//! What every resource has beside its own schema: `apiVersion`, `kind` and `metadata`.

use std::sync::LazyLock;

use ridgeway_doc::Doc;
use ridgeway_krm::{GroupVersion, SchemaId, SchemaRef, SchemaSet};

/// `ObjectMeta`, for kinds whose schema says no more of it than `type: object`.
const OBJECT_META: &str = r#"{"type":"object","properties":{
  "annotations":{"type":"object","additionalProperties":{"type":"string"}},
  "creationTimestamp":{"type":"string","format":"date-time"},
  "deletionGracePeriodSeconds":{"type":"integer","format":"int64"},
  "deletionTimestamp":{"type":"string","format":"date-time"},
  "finalizers":{"type":"array","items":{"type":"string"},"x-kubernetes-list-type":"set",
    "x-kubernetes-patch-strategy":"merge"},
  "generateName":{"type":"string"},
  "generation":{"type":"integer","format":"int64"},
  "labels":{"type":"object","additionalProperties":{"type":"string"}},
  "managedFields":{"type":"array","x-kubernetes-list-type":"atomic","items":{"type":"object","properties":{
    "apiVersion":{"type":"string"},"fieldsType":{"type":"string"},
    "fieldsV1":{"type":"object","x-kubernetes-preserve-unknown-fields":true},
    "manager":{"type":"string"},"operation":{"type":"string"},"subresource":{"type":"string"},
    "time":{"type":"string","format":"date-time"}}}},
  "name":{"type":"string"},
  "namespace":{"type":"string"},
  "ownerReferences":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["uid"],
    "x-kubernetes-patch-strategy":"merge","x-kubernetes-patch-merge-key":"uid",
    "items":{"type":"object","x-kubernetes-map-type":"atomic","required":["apiVersion","kind","name","uid"],
      "properties":{"apiVersion":{"type":"string"},"blockOwnerDeletion":{"type":"boolean"},
      "controller":{"type":"boolean"},"kind":{"type":"string"},"name":{"type":"string"},"uid":{"type":"string"}}}},
  "resourceVersion":{"type":"string"},
  "selfLink":{"type":"string"},
  "uid":{"type":"string"}}}"#;

static META: LazyLock<(SchemaSet, SchemaId)> = LazyLock::new(|| {
    let doc = Doc::parse_json(OBJECT_META.as_bytes()).expect("the constant above is JSON");
    let mut set = SchemaSet::new();
    let id = set.add(doc.root()).expect("the constant above is a schema");
    (set, id)
});

/// The schema of `metadata`.
pub fn object_meta() -> SchemaRef<'static> {
    META.0.get(META.1)
}

/// The schema of a member of a resource: its own, but `metadata` is [`object_meta`] wherever the resource's schema
/// does not spell it out. `None` where the schema has nothing to say.
pub fn member_of_resource<'a>(schema: SchemaRef<'a>, name: &str) -> Option<SchemaRef<'a>> {
    match (name, schema.member(name)) {
        ("metadata", Some(own))
            if !own
                .schema()
                .properties
                .iter()
                .any(|(name, _)| &**name == "ownerReferences") =>
        {
            Some(object_meta())
        }
        ("metadata", None) => Some(object_meta()),
        (_, own) => own,
    }
}

/// API groups whose kinds ship with Kubernetes: their decoding is Go's, in which `null` means absent.
const BUILTIN_GROUPS: [&str; 21] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
];

/// Whether an `apiVersion` belongs to the kinds that ship with Kubernetes.
pub fn is_builtin(api_version: &str) -> bool {
    let gv = GroupVersion::parse(api_version);
    gv.group.is_empty() || BUILTIN_GROUPS.contains(&gv.group.as_str())
}
