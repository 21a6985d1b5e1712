//! The controls of `baseline`.

use ridgeway_doc::Node;

use super::fields::{containers, distinct, plural, quoted, setters};
use super::pod::{Container, Field, Fix, Pod, Violation, present};
use crate::path::Segment;

type Judgement = Option<Violation>;

const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

pub(super) fn app_armor(pod: &Pod<'_>) -> Judgement {
    const PATH: [&str; 2] = ["appArmorProfile", "type"];
    let bad = |node: Option<Node<'_>>| {
        present(node).is_some_and(|profile| {
            !matches!(
                profile.str_at(&["type"]).unwrap_or_default(),
                "RuntimeDefault" | "Localhost"
            )
        })
    };
    let (mut names, mut values, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    let on_pod = bad(pod.security(&PATH[..1]));
    if on_pod {
        let value = pod.security(&PATH);
        values.push(value.and_then(Node::as_str).unwrap_or_default());
        fields.push(pod.field(
            &["spec", "securityContext", PATH[0], PATH[1]],
            value,
            Fix::Set("RuntimeDefault".into()),
        ));
    }
    for container in &pod.containers {
        if bad(container.security(&PATH[..1])) {
            let value = container.security(&PATH);
            names.push(container.name());
            values.push(value.and_then(Node::as_str).unwrap_or_default());
            fields.push(container.field(
                &["securityContext", PATH[0], PATH[1]],
                value,
                Fix::Set("RuntimeDefault".into()),
            ));
        }
    }
    let mut annotations: Vec<(&str, &str)> = pod
        .annotations()
        .filter(|(key, value)| {
            key.starts_with(APP_ARMOR_ANNOTATION)
                && !(value.is_empty() || *value == "runtime/default" || value.starts_with("localhost/"))
        })
        .collect();
    annotations.sort_unstable();
    let mut who = setters(on_pod, &names);
    let mut all: Vec<String> = distinct(values).into_iter().map(str::to_owned).collect();
    if !annotations.is_empty() {
        if !who.is_empty() {
            who.push_str(" and ");
        }
        who.push_str(plural("annotation", "annotations", annotations.len()));
        for (key, value) in &annotations {
            all.push(format!("{key}={value:?}"));
            fields.push(pod.annotation(key));
        }
    }
    if who.is_empty() {
        return None;
    }
    let reason = plural("forbidden AppArmor profile", "forbidden AppArmor profiles", all.len());
    Some(Violation::new(
        reason,
        format!("{who} must not set AppArmor profile type to {}", quoted(all)),
        fields,
    ))
}

const DEFAULT_CAPABILITIES: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// Containers that add capabilities outside an allowed set, and what they add.
pub(super) fn added<'a>(pod: &Pod<'a>, allowed: &[&str], fields: &mut Vec<Field>) -> (Vec<&'a str>, Vec<&'a str>) {
    let (mut names, mut added) = (Vec::new(), Vec::new());
    for container in &pod.containers {
        let Some(list) = container.security(&["capabilities", "add"]) else {
            continue;
        };
        let texts = || list.items().filter_map(Node::as_str);
        let bad: Vec<&str> = texts().filter(|c| !allowed.contains(c)).collect();
        if !bad.is_empty() {
            names.push(container.name());
            added.extend(bad);
            let kept = texts().filter(|c| allowed.contains(c)).collect();
            fields.push(container.field(&["securityContext", "capabilities", "add"], Some(list), Fix::Set(kept)));
        }
    }
    (names, distinct(added))
}

pub(super) fn capabilities(pod: &Pod<'_>) -> Judgement {
    let mut fields = Vec::new();
    let (names, added) = added(pod, &DEFAULT_CAPABILITIES, &mut fields);
    if names.is_empty() {
        return None;
    }
    let detail = format!(
        "{} must not include {} in securityContext.capabilities.add",
        containers(&names),
        quoted(added)
    );
    Some(Violation::new("non-default capabilities", detail, fields))
}

pub(super) fn host_namespaces(pod: &Pod<'_>) -> Judgement {
    let (mut found, mut fields) = (Vec::new(), Vec::new());
    for key in ["hostNetwork", "hostPID", "hostIPC"] {
        let value = pod.spec.get(key);
        if value.and_then(Node::as_bool) == Some(true) {
            found.push(format!("{key}=true"));
            fields.push(pod.field(&["spec", key], value, Fix::Set(false.into())));
        }
    }
    (!found.is_empty()).then(|| Violation::new("host namespaces", found.join(", "), fields))
}

/// Volumes for which `bad` gives something.
pub(super) fn volumes<'a, T>(pod: &Pod<'a>, bad: impl Fn(Node<'a>) -> Option<T>) -> Vec<(usize, &'a str, T)> {
    let volumes = pod.spec.get("volumes").into_iter().flat_map(Node::items).enumerate();
    volumes
        .filter_map(|(i, v)| bad(v).map(|t| (i, v.str_at(&["name"]).unwrap_or_default(), t)))
        .collect()
}

pub(super) fn host_path(pod: &Pod<'_>) -> Judgement {
    let bad = volumes(pod, |volume| present(volume.get("hostPath")));
    if bad.is_empty() {
        return None;
    }
    let fields = bad.iter().map(|(i, _, at)| pod.volume(*i, "hostPath", Some(*at)));
    let detail = format!(
        "{} {}",
        plural("volume", "volumes", bad.len()),
        quoted(bad.iter().map(|(_, name, _)| *name))
    );
    Some(Violation::new("hostPath volumes", detail, fields.collect()))
}

pub(super) fn host_ports(pod: &Pod<'_>) -> Judgement {
    let (mut names, mut ports, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for container in &pod.containers {
        let mut bad = false;
        for (i, port) in container
            .node
            .get("ports")
            .into_iter()
            .flat_map(Node::items)
            .enumerate()
        {
            if let Some(value) = port.get("hostPort")
                && value.as_i64().is_some_and(|port| port != 0)
            {
                bad = true;
                ports.push(value.to_json());
                let at = [
                    Segment::Key("ports".into()),
                    Segment::Index(i),
                    Segment::Key("hostPort".into()),
                ];
                fields.push(container.field_at(at, Some(value), Fix::Remove));
            }
        }
        if bad {
            names.push(container.name());
        }
    }
    if names.is_empty() {
        return None;
    }
    let ports = distinct(ports.iter().map(String::as_str));
    let detail = format!(
        "{} {} {} {}",
        containers(&names),
        plural("uses", "use", names.len()),
        plural("hostPort", "hostPorts", ports.len()),
        ports.join(", ")
    );
    Some(Violation::new("hostPort", detail, fields))
}

pub(super) fn host_probes(pod: &Pod<'_>) -> Judgement {
    const HANDLERS: [&[&str]; 5] = [
        &["livenessProbe"],
        &["readinessProbe"],
        &["startupProbe"],
        &["lifecycle", "postStart"],
        &["lifecycle", "preStop"],
    ];
    let (mut names, mut hosts, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    for container in &pod.containers {
        for handler in HANDLERS {
            let Some(node) = container.node.at(handler) else {
                continue;
            };
            for way in ["httpGet", "tcpSocket"] {
                let host = node.at(&[way, "host"]);
                if let Some(text) = host.and_then(Node::as_str).filter(|host| !host.is_empty()) {
                    names.push(container.name());
                    hosts.push(text);
                    let path: Vec<&str> = handler.iter().copied().chain([way, "host"]).collect();
                    fields.push(container.field(&path, host, Fix::Remove));
                }
            }
        }
    }
    if names.is_empty() {
        return None;
    }
    let (names, hosts) = (distinct(names), distinct(hosts));
    let detail = format!(
        "{} {} {} {}",
        containers(&names),
        plural("uses", "use", names.len()),
        plural("probe or lifecycle host", "probe or lifecycle hosts", hosts.len()),
        quoted(hosts)
    );
    Some(Violation::new("probe or lifecycle host", detail, fields))
}

/// Containers whose security context holds a value that `bad` finds, with the value.
fn bad_containers<'a>(
    pod: &Pod<'a>,
    path: &[&'static str],
    bad: impl Fn(Node<'a>) -> bool,
    fix: &Fix,
    fields: &mut Vec<Field>,
) -> Vec<(&'a str, Node<'a>)> {
    let found = |container: &Container<'a>| {
        let value = container.security(path).filter(|value| bad(*value))?;
        let full: Vec<&str> = ["securityContext"].iter().chain(path).copied().collect();
        fields.push(container.field(&full, Some(value), fix.clone()));
        Some((container.name(), value))
    };
    pod.containers.iter().filter_map(found).collect()
}

fn names<'a>(found: &[(&'a str, Node<'a>)]) -> Vec<&'a str> {
    found.iter().map(|(name, _)| *name).collect()
}

pub(super) fn privileged(pod: &Pod<'_>) -> Judgement {
    let mut fields = Vec::new();
    let is_true = |value: Node<'_>| value.as_bool() == Some(true);
    let bad = bad_containers(pod, &["privileged"], is_true, &Fix::Set(false.into()), &mut fields);
    if bad.is_empty() {
        return None;
    }
    let detail = format!(
        "{} must not set securityContext.privileged=true",
        containers(&names(&bad))
    );
    Some(Violation::new("privileged", detail, fields))
}

pub(super) fn proc_mount(pod: &Pod<'_>) -> Judgement {
    let mut fields = Vec::new();
    let other = |value: Node<'_>| value.as_str() != Some("Default");
    let bad = bad_containers(pod, &["procMount"], other, &Fix::Set("Default".into()), &mut fields);
    if bad.is_empty() {
        return None;
    }
    let values = distinct(bad.iter().filter_map(|(_, value)| value.as_str()));
    let detail = format!(
        "{} must not set securityContext.procMount to {}",
        containers(&names(&bad)),
        quoted(values)
    );
    Some(Violation::new("procMount", detail, fields))
}

pub(super) fn proc_mount_user_namespaces(pod: &Pod<'_>) -> Judgement {
    if pod.in_user_namespace() { None } else { proc_mount(pod) }
}

fn selinux_types(pod: &Pod<'_>, allowed: &[&str]) -> Judgement {
    let (mut types, mut user, mut role, mut fields) = (Vec::new(), false, false, Vec::new());
    let mut look = |options: Option<Node<'_>>, field: &dyn Fn(&'static str, Node<'_>) -> Field| {
        let mut bad = false;
        let Some(options) = options else { return false };
        for (key, node) in options.members() {
            let text = node.as_str().unwrap_or_default();
            let key = match key {
                _ if text.is_empty() => continue,
                "type" if !allowed.contains(&text) => {
                    types.push(text.to_owned());
                    "type"
                }
                "user" => {
                    user = true;
                    "user"
                }
                "role" => {
                    role = true;
                    "role"
                }
                _ => continue,
            };
            bad = true;
            fields.push(field(key, node));
        }
        bad
    };
    let on_pod = look(pod.security(&["seLinuxOptions"]), &|key, node| {
        pod.field(
            &["spec", "securityContext", "seLinuxOptions", key],
            Some(node),
            Fix::Remove,
        )
    });
    let mut names = Vec::new();
    for container in &pod.containers {
        if look(container.security(&["seLinuxOptions"]), &|key, node| {
            container.field(&["securityContext", "seLinuxOptions", key], Some(node), Fix::Remove)
        }) {
            names.push(container.name());
        }
    }
    if !on_pod && names.is_empty() {
        return None;
    }
    let mut data = Vec::new();
    let types = distinct(types.iter().map(String::as_str));
    if !types.is_empty() {
        data.push(format!("{} {}", plural("type", "types", types.len()), quoted(&types)));
    }
    if user {
        data.push("user may not be set".into());
    }
    if role {
        data.push("role may not be set".into());
    }
    let detail = format!(
        "{} set forbidden securityContext.seLinuxOptions: {}",
        setters(on_pod, &names),
        data.join("; ")
    );
    Some(Violation::new("seLinuxOptions", detail, fields))
}

pub(super) fn selinux(pod: &Pod<'_>) -> Judgement {
    selinux_types(pod, &["container_t", "container_init_t", "container_kvm_t"])
}

pub(super) fn selinux_engine(pod: &Pod<'_>) -> Judgement {
    selinux_types(
        pod,
        &[
            "container_t",
            "container_init_t",
            "container_kvm_t",
            "container_engine_t",
        ],
    )
}

pub(super) fn seccomp_annotations(pod: &Pod<'_>) -> Judgement {
    const OF_POD: &str = "seccomp.security.alpha.kubernetes.io/pod";
    const OF_CONTAINER: &str = "container.seccomp.security.alpha.kubernetes.io/";
    let concerns = |key: &str| {
        key == OF_POD
            || key
                .strip_prefix(OF_CONTAINER)
                .is_some_and(|name| pod.containers.iter().any(|c| c.name() == name))
    };
    let fine = |value: &str| matches!(value, "runtime/default" | "docker/default") || value.starts_with("localhost/");
    let mut bad: Vec<(&str, &str)> = pod.annotations().filter(|(k, v)| concerns(k) && !fine(v)).collect();
    if bad.is_empty() {
        return None;
    }
    bad.sort_unstable();
    let texts: Vec<String> = bad.iter().map(|(key, value)| format!("{key}={value:?}")).collect();
    let fields = bad.iter().map(|(key, _)| pod.annotation(key)).collect();
    let detail = format!(
        "forbidden {} {}",
        plural("annotation", "annotations", bad.len()),
        texts.join(", ")
    );
    Some(Violation::new("seccompProfile", detail, fields))
}

/// Explicit seccomp profiles that are not allowed: whether the Pod sets one, which containers do, and the message.
pub(super) fn seccomp(pod: &Pod<'_>) -> Judgement {
    const PATH: [&str; 1] = ["seccompProfile"];
    let bad = |profile: Node<'_>| !matches!(profile.str_at(&["type"]), Some("RuntimeDefault" | "Localhost"));
    let mut fields = Vec::new();
    let on_pod = pod.security(&PATH).filter(|profile| bad(*profile));
    let fix = Fix::Set("RuntimeDefault".into());
    if let Some(profile) = on_pod {
        let path = ["spec", "securityContext", "seccompProfile", "type"];
        fields.push(pod.field(&path, profile.get("type"), fix.clone()));
    }
    let mut found = Vec::new();
    for container in &pod.containers {
        if let Some(profile) = container.security(&PATH).filter(|profile| bad(*profile)) {
            found.push((container.name(), profile));
            fields.push(container.field(
                &["securityContext", "seccompProfile", "type"],
                profile.get("type"),
                fix.clone(),
            ));
        }
    }
    if on_pod.is_none() && found.is_empty() {
        return None;
    }
    let profiles = on_pod.into_iter().chain(found.iter().map(|(_, profile)| *profile));
    let values = distinct(profiles.map(|profile| profile.str_at(&["type"]).unwrap_or_default()));
    let who = setters(on_pod.is_some(), &names(&found));
    let detail = format!(
        "{who} must not set securityContext.seccompProfile.type to {}",
        quoted(values)
    );
    Some(Violation::new("seccompProfile", detail, fields))
}

/// Safe sysctls with the minor version that made them so.
const SYSCTLS: [(&str, u32); 14] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
    ("net.ipv4.tcp_slow_start_after_idle", 37),
    ("net.ipv4.tcp_notsent_lowat", 37),
];

fn sysctls(pod: &Pod<'_>, minor: u32) -> Judgement {
    let (mut bad, mut fields) = (Vec::new(), Vec::new());
    for (i, sysctl) in pod.security(&["sysctls"]).into_iter().flat_map(Node::items).enumerate() {
        let name = sysctl.str_at(&["name"]).unwrap_or_default();
        if !SYSCTLS.iter().any(|(safe, since)| *safe == name && *since <= minor) {
            bad.push(name);
            let list = ["spec", "securityContext", "sysctls"].map(|key| Segment::Key(key.into()));
            let at = list.into_iter().chain([Segment::Index(i), Segment::Key("name".into())]);
            fields.push(pod.field_at(at, sysctl.get("name"), Fix::Remove));
        }
    }
    (!bad.is_empty()).then(|| Violation::new("forbidden sysctls", bad.join(", "), fields))
}

pub(super) fn sysctls_0(pod: &Pod<'_>) -> Judgement {
    sysctls(pod, 0)
}

pub(super) fn sysctls_27(pod: &Pod<'_>) -> Judgement {
    sysctls(pod, 27)
}

pub(super) fn sysctls_29(pod: &Pod<'_>) -> Judgement {
    sysctls(pod, 29)
}

pub(super) fn sysctls_32(pod: &Pod<'_>) -> Judgement {
    sysctls(pod, 32)
}

pub(super) fn sysctls_37(pod: &Pod<'_>) -> Judgement {
    sysctls(pod, 37)
}

pub(super) fn host_process(pod: &Pod<'_>) -> Judgement {
    const PATH: [&str; 2] = ["windowsOptions", "hostProcess"];
    let is_true = |value: Node<'_>| value.as_bool() == Some(true);
    let mut fields = Vec::new();
    let on_pod = pod.security(&PATH).filter(|value| is_true(*value));
    if on_pod.is_some() {
        fields.push(pod.field(
            &["spec", "securityContext", PATH[0], PATH[1]],
            on_pod,
            Fix::Set(false.into()),
        ));
    }
    let found = bad_containers(pod, &PATH, is_true, &Fix::Set(false.into()), &mut fields);
    if on_pod.is_none() && found.is_empty() {
        return None;
    }
    let who = setters(on_pod.is_some(), &names(&found));
    let detail = format!("{who} must not set securityContext.windowsOptions.hostProcess=true");
    Some(Violation::new("hostProcess", detail, fields))
}
