//! Which fields the built-in transformers touch, as data.

use std::borrow::Cow;

use super::fieldspec::FieldSpec;

/// Where the Pod spec of a workload kind stands.
const POD_SPECS: [(&str, &str); 9] = [
    ("Pod", "spec"),
    ("PodTemplate", "template/spec"),
    ("Deployment", "spec/template/spec"),
    ("ReplicaSet", "spec/template/spec"),
    ("DaemonSet", "spec/template/spec"),
    ("StatefulSet", "spec/template/spec"),
    ("Job", "spec/template/spec"),
    ("CronJob", "spec/jobTemplate/spec/template/spec"),
    ("ReplicationController", "spec/template/spec"),
];

fn in_pods(kinds: &[&str], fields: &[&str], specs: &mut Vec<FieldSpec>) {
    for (kind, prefix) in POD_SPECS.into_iter().filter(|(kind, _)| kinds.contains(kind)) {
        for field in fields {
            specs.push(FieldSpec::new(kind, format!("{prefix}/{field}"), false));
        }
    }
}

/// Kinds whose Pods' references to ConfigMaps and Secrets are repaired.
const DATA_USERS: [&str; 8] = [
    "Pod",
    "PodTemplate",
    "Deployment",
    "ReplicaSet",
    "DaemonSet",
    "StatefulSet",
    "Job",
    "CronJob",
];

/// Kinds whose Pods' other references are repaired.
const NAME_USERS: [&str; 7] = [
    "Pod",
    "StatefulSet",
    "Deployment",
    "ReplicationController",
    "CronJob",
    "Job",
    "DaemonSet",
];

/// Fields that hold the name of objects of one kind.
#[derive(Clone, Debug)]
pub(crate) struct NameReference {
    pub(crate) group: Cow<'static, str>,
    pub(crate) version: Cow<'static, str>,
    pub(crate) kind: Cow<'static, str>,
    pub(crate) fields: Vec<FieldSpec>,
}

/// The fields that name other objects.
pub(crate) fn name_references() -> Vec<NameReference> {
    let mut references = Vec::new();
    let mut add = |group: &'static str, version: &'static str, kind: &'static str, fields: Vec<FieldSpec>| {
        references.push(NameReference {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            fields,
        });
    };
    let field = |kind: &'static str, path: &'static str| FieldSpec::new(kind, path, false);
    let rbac = "rbac.authorization.k8s.io";
    for kind in ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"] {
        add(
            "",
            "",
            kind,
            vec![field("HorizontalPodAutoscaler", "spec/scaleTargetRef/name")],
        );
    }

    let mut config_maps = Vec::new();
    in_pods(
        &DATA_USERS,
        &[
            "volumes/configMap/name",
            "containers/env/valueFrom/configMapKeyRef/name",
            "initContainers/env/valueFrom/configMapKeyRef/name",
            "containers/envFrom/configMapRef/name",
            "initContainers/envFrom/configMapRef/name",
            "volumes/projected/sources/configMap/name",
        ],
        &mut config_maps,
    );
    config_maps.extend([
        field("Node", "spec/configSource/configMap"),
        field("Role", "rules/resourceNames"),
        field("ClusterRole", "rules/resourceNames"),
        field(
            "Ingress",
            r"metadata/annotations/nginx.ingress.kubernetes.io\/fastcgi-params-configmap",
        ),
    ]);
    add("", "v1", "ConfigMap", config_maps);

    let mut secrets = Vec::new();
    in_pods(
        &DATA_USERS,
        &[
            "volumes/secret/secretName",
            "containers/env/valueFrom/secretKeyRef/name",
            "initContainers/env/valueFrom/secretKeyRef/name",
            "containers/envFrom/secretRef/name",
            "initContainers/envFrom/secretRef/name",
            "imagePullSecrets/name",
            "volumes/projected/sources/secret/name",
        ],
        &mut secrets,
    );
    secrets.extend([
        field("Ingress", "spec/tls/secretName"),
        field("Ingress", r"metadata/annotations/ingress.kubernetes.io\/auth-secret"),
        field(
            "Ingress",
            r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-secret",
        ),
        field(
            "Ingress",
            r"metadata/annotations/nginx.ingress.kubernetes.io\/auth-tls-secret",
        ),
        field("ServiceAccount", "imagePullSecrets/name"),
        field("StorageClass", "parameters/secretName"),
        field("StorageClass", "parameters/adminSecretName"),
        field("StorageClass", "parameters/userSecretName"),
        field("StorageClass", "parameters/secretRef"),
        field("Role", "rules/resourceNames"),
        field("ClusterRole", "rules/resourceNames"),
        field(
            "Service",
            "spec/template/spec/containers/env/valueFrom/secretKeyRef/name",
        )
        .group("serving.knative.dev")
        .version("v1"),
        field("PersistentVolume", "spec/azureFile/secretName"),
    ]);
    add("", "v1", "Secret", secrets);

    let webhooks = "admissionregistration.k8s.io";
    add(
        "",
        "v1",
        "Service",
        vec![
            field("StatefulSet", "spec/serviceName").group("apps"),
            field("Ingress", "spec/rules/http/paths/backend/serviceName"),
            field("Ingress", "spec/backend/serviceName"),
            field("Ingress", "spec/rules/http/paths/backend/service/name"),
            field("Ingress", "spec/defaultBackend/service/name"),
            field("APIService", "spec/service/name").group("apiregistration.k8s.io"),
            field("ValidatingWebhookConfiguration", "webhooks/clientConfig/service").group(webhooks),
            field("MutatingWebhookConfiguration", "webhooks/clientConfig/service").group(webhooks),
            field("HTTPRoute", "spec/rules/backendRefs/name"),
        ],
    );
    add(rbac, "", "Role", vec![field("RoleBinding", "roleRef/name").group(rbac)]);
    add(
        rbac,
        "",
        "ClusterRole",
        vec![
            field("RoleBinding", "roleRef/name").group(rbac),
            field("ClusterRoleBinding", "roleRef/name").group(rbac),
        ],
    );

    let mut accounts = vec![
        field("RoleBinding", "subjects").group(rbac),
        field("ClusterRoleBinding", "subjects").group(rbac),
    ];
    in_pods(&NAME_USERS, &["serviceAccountName"], &mut accounts);
    add("", "v1", "ServiceAccount", accounts);

    let mut claims = Vec::new();
    in_pods(&NAME_USERS, &["volumes/persistentVolumeClaim/claimName"], &mut claims);
    add("", "v1", "PersistentVolumeClaim", claims);
    add(
        "",
        "v1",
        "PersistentVolume",
        vec![
            field("PersistentVolumeClaim", "spec/volumeName"),
            field("ClusterRole", "rules/resourceNames"),
        ],
    );
    add(
        "storage.k8s.io",
        "v1",
        "StorageClass",
        vec![
            field("PersistentVolume", "spec/storageClassName"),
            field("PersistentVolumeClaim", "spec/storageClassName"),
            field("StatefulSet", "spec/volumeClaimTemplates/spec/storageClassName"),
        ],
    );
    let mut priorities = Vec::new();
    in_pods(&NAME_USERS, &["priorityClassName"], &mut priorities);
    add("scheduling.k8s.io", "v1", "PriorityClass", priorities);
    add(
        "networking.k8s.io",
        "v1",
        "IngressClass",
        vec![field("Ingress", "spec/ingressClassName")],
    );
    references
}

/// Kinds whose names carry meaning and are never prefixed.
pub(crate) const UNPREFIXED: [&str; 3] = ["CustomResourceDefinition", "APIService", "Namespace"];

/// The metadata (labels or annotations) of objects and their Pod templates.
fn template_metadata(what: &'static str) -> Vec<FieldSpec> {
    let spec = |kind: &'static str, prefix: &str| FieldSpec::new(kind, format!("{prefix}metadata/{what}"), true);
    vec![
        spec("ReplicationController", "spec/template/").version("v1"),
        spec("Deployment", "spec/template/"),
        spec("ReplicaSet", "spec/template/"),
        spec("DaemonSet", "spec/template/"),
        spec("StatefulSet", "spec/template/").group("apps"),
        spec("Job", "spec/template/").group("batch"),
        spec("CronJob", "spec/jobTemplate/").group("batch"),
        spec("CronJob", "spec/jobTemplate/spec/template/").group("batch"),
    ]
}

/// Where `labels` go that do not touch selectors.
pub(crate) fn metadata_labels() -> Vec<FieldSpec> {
    vec![FieldSpec::new("", "metadata/labels", true)]
}

/// Labels of objects and Pod templates.
pub(crate) fn template_labels() -> Vec<FieldSpec> {
    let mut specs = metadata_labels();
    specs.extend(template_metadata("labels"));
    specs
}

/// Where `commonAnnotations` go.
pub(crate) fn common_annotations() -> Vec<FieldSpec> {
    let mut specs = vec![FieldSpec::new("", "metadata/annotations", true)];
    specs.extend(template_metadata("annotations"));
    specs
}

/// Where `commonLabels` go: metadata, templates and selectors.
pub(crate) fn common_labels() -> Vec<FieldSpec> {
    let spec = |kind: &'static str, path: &'static str, create: bool| FieldSpec::new(kind, path, create);
    let mut specs = vec![
        spec("Service", "spec/selector", true).version("v1"),
        spec("ReplicationController", "spec/selector", true).version("v1"),
        spec("Deployment", "spec/selector/matchLabels", true),
        spec("ReplicaSet", "spec/selector/matchLabels", true),
        spec("DaemonSet", "spec/selector/matchLabels", true),
        spec("StatefulSet", "spec/selector/matchLabels", true).group("apps"),
        spec("StatefulSet", "spec/volumeClaimTemplates[]/metadata/labels", true).group("apps"),
        spec("Job", "spec/selector/matchLabels", false).group("batch"),
        spec("CronJob", "spec/jobTemplate/spec/selector/matchLabels", false).group("batch"),
        spec("PodDisruptionBudget", "spec/selector/matchLabels", false).group("policy"),
    ];
    for kind in ["Deployment", "StatefulSet"] {
        for affinity in ["podAffinity", "podAntiAffinity"] {
            for (mode, term) in [("preferred", "/podAffinityTerm"), ("required", "")] {
                let path = format!(
                    "spec/template/spec/affinity/{affinity}/{mode}DuringSchedulingIgnoredDuringExecution{term}\
                     /labelSelector/matchLabels"
                );
                specs.push(FieldSpec::new(kind, path, false).group("apps"));
            }
        }
        let spread = "spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels";
        specs.push(spec(kind, spread, false).group("apps"));
    }
    for path in ["podSelector", "ingress/from/podSelector", "egress/to/podSelector"] {
        specs.push(
            FieldSpec::new("NetworkPolicy", format!("spec/{path}/matchLabels"), false).group("networking.k8s.io"),
        );
    }
    specs.extend(template_labels());
    specs
}

/// Where `namespace` goes, beside `metadata.namespace` and the subjects of role bindings.
pub(crate) fn namespaces() -> Vec<FieldSpec> {
    vec![
        FieldSpec::new("Namespace", "metadata/name", true),
        FieldSpec::new("APIService", "spec/service/namespace", true).group("apiregistration.k8s.io"),
        FieldSpec::new(
            "CustomResourceDefinition",
            "spec/conversion/webhook/clientConfig/service/namespace",
            false,
        )
        .group("apiextensions.k8s.io"),
    ]
}

/// Where `replicas` goes.
pub(crate) fn replicas() -> Vec<FieldSpec> {
    ["Deployment", "ReplicationController", "ReplicaSet", "StatefulSet"]
        .map(|kind| FieldSpec::new(kind, "spec/replicas", true))
        .into()
}

/// Where images stand that are not under `containers` or `initContainers`.
pub(crate) fn images() -> Vec<FieldSpec> {
    vec![
        FieldSpec::new("", "spec/volumes[]/image/reference", false),
        FieldSpec::new("", "spec/template/spec/volumes[]/image/reference", false),
    ]
}

/// Where `$(VAR)` is replaced.
pub(crate) fn variables() -> Vec<FieldSpec> {
    let mut specs = Vec::new();
    in_pods(
        &[
            "Pod",
            "Deployment",
            "ReplicaSet",
            "DaemonSet",
            "StatefulSet",
            "Job",
            "CronJob",
            "ReplicationController",
        ],
        &[
            "containers/args",
            "containers/command",
            "containers/env/value",
            "containers/volumeMounts/mountPath",
            "initContainers/args",
            "initContainers/command",
            "initContainers/env/value",
            "initContainers/volumeMounts/mountPath",
            "volumes/nfs/server",
        ],
        &mut specs,
    );
    specs.extend([
        FieldSpec::new("Ingress", "spec/rules/host", false),
        FieldSpec::new("Ingress", "spec/tls/hosts", false),
        FieldSpec::new("Ingress", "spec/tls/secretName", false),
        FieldSpec::new("Service", "spec/ports/port", false),
        FieldSpec::new("Service", "spec/ports/targetPort", false),
        FieldSpec::new("StatefulSet", "spec/volumeClaimTemplates/spec/nfs/server", false),
        FieldSpec::new("PersistentVolume", "spec/nfs/server", false),
        FieldSpec::new("", "metadata/labels", false),
        FieldSpec::new("", "metadata/annotations", false),
    ]);
    specs
}
