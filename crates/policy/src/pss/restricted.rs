//! The controls that `restricted` adds.

use ridgeway_doc::Node;

use super::baseline;
use super::fields::{containers, distinct, plural, quoted, setters};
use super::pod::{Fix, Pod, Violation, present};

type Judgement = Option<Violation>;

fn but_windows(pod: &Pod<'_>, judge: fn(&Pod<'_>) -> Judgement) -> Judgement {
    if pod.is_windows() { None } else { judge(pod) }
}

fn but_user_namespaces(pod: &Pod<'_>, judge: fn(&Pod<'_>) -> Judgement) -> Judgement {
    if pod.in_user_namespace() { None } else { judge(pod) }
}

pub(super) fn escalation(pod: &Pod<'_>) -> Judgement {
    let (mut names, mut fields) = (Vec::new(), Vec::new());
    for container in &pod.containers {
        let value = container.security(&["allowPrivilegeEscalation"]);
        if value.and_then(Node::as_bool) != Some(false) {
            names.push(container.name());
            let path = ["securityContext", "allowPrivilegeEscalation"];
            fields.push(container.field(&path, value, Fix::Set(false.into())));
        }
    }
    if names.is_empty() {
        return None;
    }
    let detail = format!(
        "{} must set securityContext.allowPrivilegeEscalation=false",
        containers(&names)
    );
    Some(Violation::new("allowPrivilegeEscalation != false", detail, fields))
}

pub(super) fn escalation_but_windows(pod: &Pod<'_>) -> Judgement {
    but_windows(pod, escalation)
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Judgement {
    let (mut missing, mut fields, mut details) = (Vec::new(), Vec::new(), Vec::new());
    for container in &pod.containers {
        let drop = container.security(&["capabilities", "drop"]);
        if !drop.is_some_and(|list| list.items().any(|c| c == "ALL")) {
            missing.push(container.name());
            let all = Fix::Set(["ALL"].into_iter().collect());
            fields.push(container.field(&["securityContext", "capabilities", "drop"], drop, all));
        }
    }
    if !missing.is_empty() {
        details.push(format!(
            "{} must set securityContext.capabilities.drop=[\"ALL\"]",
            containers(&missing)
        ));
    }
    let (names, added) = baseline::added(pod, &["NET_BIND_SERVICE"], &mut fields);
    if !names.is_empty() {
        let list = quoted(added);
        details.push(format!(
            "{} must not include {list} in securityContext.capabilities.add",
            containers(&names)
        ));
    }
    (!details.is_empty()).then(|| Violation::new("unrestricted capabilities", details.join("; "), fields))
}

pub(super) fn capabilities_but_windows(pod: &Pod<'_>) -> Judgement {
    but_windows(pod, capabilities)
}

pub(super) fn volumes(pod: &Pod<'_>) -> Judgement {
    const ALLOWED: [&str; 9] = [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    ];
    const RESTRICTED: [&str; 21] = [
        "hostPath",
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "gitRepo",
        "nfs",
        "iscsi",
        "glusterfs",
        "rbd",
        "flexVolume",
        "cinder",
        "cephfs",
        "flocker",
        "fc",
        "azureFile",
        "vsphereVolume",
        "quobyte",
        "azureDisk",
        "photonPersistentDisk",
        "portworxVolume",
        "scaleIO",
        "storageos",
    ];
    let bad = baseline::volumes(pod, |volume| {
        let has = |key: &str| present(volume.get(key)).is_some();
        // A volume without a source is an empty directory.
        let bare = volume.members().all(|(key, value)| key == "name" || value.is_null());
        if bare || ALLOWED.iter().any(|key| has(key)) {
            return None;
        }
        Some(RESTRICTED.into_iter().find(|key| has(key)).unwrap_or("unknown"))
    });
    if bad.is_empty() {
        return None;
    }
    let types = distinct(bad.iter().map(|(_, _, kind)| *kind));
    let detail = format!(
        "{} {} {} {} {}",
        plural("volume", "volumes", bad.len()),
        quoted(bad.iter().map(|(_, name, _)| *name)),
        plural("uses", "use", bad.len()),
        plural("restricted volume type", "restricted volume types", types.len()),
        quoted(types)
    );
    let fields = bad.iter().map(|(i, _, kind)| {
        let volume = pod.spec.get("volumes").and_then(|volumes| volumes.item(*i));
        pod.volume(*i, kind, volume.and_then(|volume| volume.get(kind)))
    });
    Some(Violation::new("restricted volume types", detail, fields.collect()))
}

pub(super) fn non_root(pod: &Pod<'_>) -> Judgement {
    const PATH: [&str; 1] = ["runAsNonRoot"];
    const REASON: &str = "runAsNonRoot != true";
    let of_pod = pod.security(&PATH);
    let pod_says = of_pod.and_then(Node::as_bool);
    let (mut explicit, mut implicit) = (Vec::new(), Vec::new());
    let (mut explicit_fields, mut implicit_fields) = (Vec::new(), Vec::new());
    if pod_says == Some(false) {
        explicit_fields.push(pod.field(&["spec", "securityContext", PATH[0]], of_pod, Fix::Set(true.into())));
    }
    for container in &pod.containers {
        let value = container.security(&PATH);
        let field = container.field(&["securityContext", PATH[0]], value, Fix::Set(true.into()));
        match value.and_then(Node::as_bool) {
            Some(true) => {}
            Some(false) => {
                explicit.push(container.name());
                explicit_fields.push(field);
            }
            None if pod_says != Some(true) => {
                implicit.push(container.name());
                implicit_fields.push(field);
            }
            None => {}
        }
    }
    if !explicit_fields.is_empty() {
        let who = setters(pod_says == Some(false), &explicit);
        let detail = format!("{who} must not set securityContext.runAsNonRoot=false");
        return Some(Violation::new(REASON, detail, explicit_fields));
    }
    if implicit.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.runAsNonRoot=true",
        containers(&implicit)
    );
    Some(Violation::new(REASON, detail, implicit_fields))
}

pub(super) fn non_root_user_namespaces(pod: &Pod<'_>) -> Judgement {
    but_user_namespaces(pod, non_root)
}

pub(super) fn user(pod: &Pod<'_>) -> Judgement {
    const PATH: [&str; 1] = ["runAsUser"];
    let root = |value: Option<Node<'_>>| value.and_then(Node::as_i64) == Some(0);
    let (mut names, mut fields) = (Vec::new(), Vec::new());
    let of_pod = pod.security(&PATH);
    if root(of_pod) {
        fields.push(pod.field(&["spec", "securityContext", PATH[0]], of_pod, Fix::Remove));
    }
    for container in &pod.containers {
        let value = container.security(&PATH);
        if root(value) {
            names.push(container.name());
            fields.push(container.field(&["securityContext", PATH[0]], value, Fix::Remove));
        }
    }
    if fields.is_empty() {
        return None;
    }
    let detail = format!("{} must not set runAsUser=0", setters(root(of_pod), &names));
    Some(Violation::new("runAsUser=0", detail, fields))
}

pub(super) fn user_user_namespaces(pod: &Pod<'_>) -> Judgement {
    but_user_namespaces(pod, user)
}

pub(super) fn seccomp(pod: &Pod<'_>) -> Judgement {
    if let Some(explicit) = baseline::seccomp(pod) {
        return Some(explicit);
    }
    if pod.security(&["seccompProfile"]).is_some() {
        return None;
    }
    let (mut names, mut fields) = (Vec::new(), Vec::new());
    for container in &pod.containers {
        if container.security(&["seccompProfile"]).is_none() {
            names.push(container.name());
            let path = ["securityContext", "seccompProfile", "type"];
            fields.push(container.field(&path, None, Fix::Set("RuntimeDefault".into())));
        }
    }
    if names.is_empty() {
        return None;
    }
    let detail = format!(
        "pod or {} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"",
        containers(&names)
    );
    Some(Violation::new("seccompProfile", detail, fields))
}

pub(super) fn seccomp_but_windows(pod: &Pod<'_>) -> Judgement {
    but_windows(pod, seccomp)
}
