//! What a few built-in kinds need beyond their schema: the hooks that upstream calls strategies.
//!
//! Everything that data can say is in the kind table and the defaults table; here is only what computes.

use jiff::SignedDuration;
use ridgeway_cluster::{Status, rfc3339};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;

use super::{Change, text};

/// Namespaces that cannot be deleted.
const LASTING: [&str; 3] = ["default", "kube-system", "kube-public"];

/// Keeps a CRD until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Kinds that are questions: they are answered and never stored.
pub(crate) fn is_review(gvk: &Gvk) -> bool {
    matches!(gvk.group.as_str(), "authorization.k8s.io" | "authentication.k8s.io") && gvk.kind.ends_with("Review")
}

fn is(change: &Change<'_>, group: &str, kind: &str) -> bool {
    change.kind.gvk.group == group && change.kind.gvk.kind == kind
}

/// Metadata that the server gives, and what single kinds start with.
pub(super) fn before_create(change: &Change<'_>, object: &mut Value) -> Result<(), Status> {
    if change.kind.has_status() {
        object.make_object().remove("status");
    }
    let metadata = object.object_at(&["metadata"]);
    for field in [
        "resourceVersion",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "generation",
    ] {
        metadata.remove(field);
    }
    metadata.insert("name", change.name.as_str());
    metadata.insert("uid", change.plane.inner.randomness.uid());
    metadata.insert("creationTimestamp", change.now.as_str());
    let stateful = object.node().get("spec").is_some() && counts_generations(change);
    if stateful {
        object.set(&["metadata", "generation"], 1i64);
    }
    if is(change, "", "Namespace") {
        object.set(
            &["metadata", "labels", "kubernetes.io/metadata.name"],
            change.name.as_str(),
        );
        object.set(&["spec", "finalizers"], ["kubernetes"].into_iter().collect::<Value>());
        object.set(&["status", "phase"], "Active");
    } else if is(change, "", "Pod") {
        object.set(&["status", "phase"], "Pending");
    } else if is(change, "", "PersistentVolumeClaim") || is(change, "", "PersistentVolume") {
        object.set(
            &["status", "phase"],
            if is(change, "", "PersistentVolume") {
                "Available"
            } else {
                "Pending"
            },
        );
    } else if is(change, "batch", "Job") {
        job_selector(object);
    } else if is(change, "apiextensions.k8s.io", "CustomResourceDefinition") {
        accept_crd(change, object);
        // Its objects go before it does.
        let metadata = object.object_at(&["metadata"]);
        let finalizers = metadata.entry("finalizers", Value::array).make_array();
        if !finalizers.iter().any(|finalizer| finalizer.as_str() == Some(CLEANUP)) {
            finalizers.push(CLEANUP.into());
        }
    }
    Ok(())
}

/// Defaults that are computed rather than constant.
pub(super) fn default(change: &Change<'_>, object: &mut Value) -> Result<(), Status> {
    if is(change, "", "Service") {
        super::service::addresses(change, object)?;
    } else if is(change, "", "Secret") {
        encode_string_data(object);
    } else if is(change, "apiextensions.k8s.io", "CustomResourceDefinition") {
        crd_names(object);
    }
    Ok(())
}

/// Events and leases change all the time; a generation there would only cost.
fn counts_generations(change: &Change<'_>) -> bool {
    !matches!(
        (change.kind.gvk.group.as_str(), change.kind.gvk.kind.as_str()),
        (
            "",
            "Service" | "ServiceAccount" | "Namespace" | "Node" | "PersistentVolumeClaim"
        ) | ("coordination.k8s.io", _)
    )
}

/// The main resource keeps the stored status, the status subresource keeps everything else.
pub(super) fn separate_status(change: &Change<'_>, object: &mut Value, old: Node<'_>) {
    match change.write.subresource.as_str() {
        "status" => {
            let status = object.node().get("status").map(Node::to_value);
            let managed = object.node().at(&["metadata", "managedFields"]).map(Node::to_value);
            *object = old.to_value();
            match status {
                Some(status) => object.set(&["status"], status),
                None => drop(object.remove(&["status"])),
            }
            if let Some(managed) = managed {
                object.set(&["metadata", "managedFields"], managed);
            }
        }
        _ if change.kind.has_status() => match old.get("status") {
            Some(status) => object.set(&["status"], status),
            None => drop(object.remove(&["status"])),
        },
        _ => {}
    }
    if is(change, "apiextensions.k8s.io", "CustomResourceDefinition") && change.write.subresource.is_empty() {
        accept_crd(change, object);
    }
    // A namespace's finalizers are spec; only the finalize subresource takes them off.
    if is(change, "", "Namespace")
        && change.write.subresource != "finalize"
        && let Some(finalizers) = old.at(&["spec", "finalizers"])
    {
        object.set(&["spec", "finalizers"], finalizers);
    }
}

/// Last touches before the object is stored: the generation counts changes of what was asked for.
pub(super) fn finish(change: &Change<'_>, object: &mut Value, old: Option<&Doc>) {
    let Some(old) = old else {
        if is(change, "", "Pod") {
            object.set(&["status", "qosClass"], quality_of_service(object.node()));
        }
        return;
    };
    let before = old.root().at(&["metadata", "generation"]).and_then(Node::as_i64);
    if let Some(generation) = before
        && change.write.subresource != "status"
    {
        let asked = |node: Node<'_>| {
            node.members()
                .filter(|(key, _)| !matches!(*key, "metadata" | "status"))
                .count()
        };
        let changed = asked(object.node()) != asked(old.root())
            || object
                .node()
                .members()
                .filter(|(key, _)| !matches!(*key, "metadata" | "status"))
                .any(|(key, member)| old.root().get(key).is_none_or(|b| b != member));
        if changed {
            object.set(&["metadata", "generation"], generation + 1);
        }
    }
}

/// Grace in seconds before a deletion takes effect: only Pods that run on a node stop slowly.
pub(super) fn grace(change: &Change<'_>, old: Node<'_>, asked: Option<i64>) -> i64 {
    if !is(change, "", "Pod") {
        return 0;
    }
    let finished = matches!(text(old, &["status", "phase"]), "Succeeded" | "Failed");
    if text(old, &["spec", "nodeName"]).is_empty() || finished {
        return 0;
    }
    let own = old
        .at(&["spec", "terminationGracePeriodSeconds"])
        .and_then(Node::as_i64);
    asked.or(own).unwrap_or(30).max(0)
}

/// Namespaces are held by their `spec.finalizers` until their content is gone.
pub(super) fn holds_itself(change: &Change<'_>, old: Node<'_>) -> bool {
    is(change, "", "Namespace") && old.at(&["spec", "finalizers"]).is_some_and(|list| !list.is_empty())
}

/// Why an object may not be deleted at all.
pub(super) fn forbids_deletion(change: &Change<'_>) -> Option<&'static str> {
    (is(change, "", "Namespace") && LASTING.contains(&change.name.as_str()))
        .then_some("this namespace may not be deleted")
}

/// When the deletion takes effect.
pub(super) fn deletion_time(change: &Change<'_>, grace: i64) -> String {
    let now = change.plane.now();
    rfc3339(now.checked_add(SignedDuration::from_secs(grace)).unwrap_or(now))
}

/// What marking for deletion changes besides the mark.
pub(super) fn on_mark_deleted(change: &Change<'_>, object: &mut Value) {
    if is(change, "", "Namespace") {
        object.set(&["status", "phase"], "Terminating");
    }
}

/// `Guaranteed`, `Burstable` or `BestEffort`, from requests and limits.
fn quality_of_service(pod: Node<'_>) -> &'static str {
    let containers = pod.at(&["spec", "containers"]).map(Node::items).into_iter().flatten();
    let (mut any, mut all) = (false, true);
    for container in containers {
        let resources = container.get("resources");
        let part = |kind: &str, name: &str| resources.and_then(|r| r.at(&[kind, name]));
        for name in ["cpu", "memory"] {
            let (request, limit) = (part("requests", name), part("limits", name));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && request.is_none_or(|r| Some(r) == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// A Job without a selector selects its own Pods by its uid.
fn job_selector(object: &mut Value) {
    if object.node().at(&["spec", "selector"]).is_some()
        || object.node().at(&["spec", "manualSelector"]).and_then(Node::as_bool) == Some(true)
    {
        return;
    }
    let uid = text(object.node(), &["metadata", "uid"]).to_owned();
    let name = text(object.node(), &["metadata", "name"]).to_owned();
    object.set(
        &["spec", "selector", "matchLabels", "batch.kubernetes.io/controller-uid"],
        uid.as_str(),
    );
    for (key, value) in [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ] {
        object.set(&["spec", "template", "metadata", "labels", key], value.as_str());
    }
}

/// `stringData` is write-only: it moves into `data`.
fn encode_string_data(object: &mut Value) {
    use base64::Engine;
    let Some(plain) = object.remove(&["stringData"]) else {
        return;
    };
    for (key, value) in plain.node().members() {
        let encoded = base64::engine::general_purpose::STANDARD.encode(value.as_str().unwrap_or_default());
        object.set(&["data", key], encoded);
    }
}

/// `singular` and `listKind` follow from `kind`.
fn crd_names(object: &mut Value) {
    let kind = text(object.node(), &["spec", "names", "kind"]).to_owned();
    if kind.is_empty() {
        return;
    }
    let names = object.object_at(&["spec", "names"]);
    names.entry("singular", || kind.to_lowercase().into());
    names.entry("listKind", || format!("{kind}List").into());
    object.object_at(&["spec"]).entry("conversion", || {
        let mut conversion = Value::object();
        conversion.set(&["strategy"], "None");
        conversion
    });
}

/// CRDs are served as soon as they are stored, so they are established right away.
fn accept_crd(change: &Change<'_>, object: &mut Value) {
    crd_names(object);
    let condition = |kind: &str, reason: &str, message: &str, since: &str| {
        let mut condition = Value::object();
        condition.set(&["type"], kind);
        condition.set(&["status"], "True");
        condition.set(&["lastTransitionTime"], since);
        condition.set(&["reason"], reason);
        condition.set(&["message"], message);
        condition
    };
    let since = object
        .node()
        .at(&["status", "conditions"])
        .and_then(|c| c.item(0))
        .and_then(|c| c.str_at(&["lastTransitionTime"]))
        .unwrap_or(&change.now)
        .to_owned();
    let names = object.node().at(&["spec", "names"]).map(Node::to_value);
    object.set(&["status", "acceptedNames"], names);
    let conditions = [
        condition("NamesAccepted", "NoConflicts", "no conflicts found", &since),
        condition(
            "Established",
            "InitialNamesAccepted",
            "the initial names have been accepted",
            &since,
        ),
    ];
    object.set(&["status", "conditions"], conditions.into_iter().collect::<Value>());
    let stored: Value = object
        .node()
        .at(&["spec", "versions"])
        .map(Node::items)
        .into_iter()
        .flatten()
        .filter(|v| v.get("storage").and_then(Node::as_bool) == Some(true))
        .filter_map(|v| v.str_at(&["name"]))
        .collect();
    object.set(&["status", "storedVersions"], stored);
}
