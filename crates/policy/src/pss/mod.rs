//! Pod Security Standards: every control of `baseline` and `restricted`, as of any Kubernetes version.
//!
//! A control looks at a Pod and names each field that offends, so that a message can say it as Kubernetes does and a
//! remedy can say what to write instead.

mod baseline;
mod fields;
mod level;
mod pod;
mod restricted;

pub use level::{Level, Standard, StandardError};
pub use pod::{Field, Fix, Violation};

use ridgeway_doc::Node;

use crate::image::pod_spec_path;
use crate::path::{FieldPath, Segment};
use pod::Pod;

/// Judges a Pod by one control.
type Judge = fn(&Pod<'_>) -> Option<Violation>;

/// A control: its id, the minor version since which it is judged so, and the judgement.
struct Control {
    id: &'static str,
    /// The control's name in Kyverno's exclusions.
    title: &'static str,
    restricted: bool,
    /// Versions in rising order: the last one not above the standard's version judges.
    versions: &'static [(u32, Judge)],
    /// The baseline control that this one makes superfluous.
    overrides: Option<&'static str>,
}

const fn control(
    id: &'static str,
    title: &'static str,
    restricted: bool,
    versions: &'static [(u32, Judge)],
) -> Control {
    Control {
        id,
        title,
        restricted,
        versions,
        overrides: None,
    }
}

const fn instead_of(id: &'static str, control: Control) -> Control {
    Control {
        overrides: Some(id),
        ..control
    }
}

/// In the order in which Kubernetes names them: baseline by id, then restricted by id.
static CONTROLS: &[Control] = &[
    control("appArmorProfile", "AppArmor", false, &[(0, baseline::app_armor)]),
    control(
        "capabilities_baseline",
        "Capabilities",
        false,
        &[(0, baseline::capabilities)],
    ),
    control(
        "hostNamespaces",
        "Host Namespaces",
        false,
        &[(0, baseline::host_namespaces)],
    ),
    control(
        "hostPathVolumes",
        "HostPath Volumes",
        false,
        &[(0, baseline::host_path)],
    ),
    control("hostPorts", "Host Ports", false, &[(0, baseline::host_ports)]),
    control(
        "hostProbesAndHostLifecycle",
        "Host Probes / Lifecycle Hooks",
        false,
        &[(34, baseline::host_probes)],
    ),
    control(
        "privileged",
        "Privileged Containers",
        false,
        &[(0, baseline::privileged)],
    ),
    control(
        "procMount",
        "/proc Mount Type",
        false,
        &[(0, baseline::proc_mount), (35, baseline::proc_mount_user_namespaces)],
    ),
    control(
        "seLinuxOptions",
        "SELinux",
        false,
        &[(0, baseline::selinux), (31, baseline::selinux_engine)],
    ),
    control(
        "seccompProfile_baseline",
        "Seccomp",
        false,
        &[(0, baseline::seccomp_annotations), (19, baseline::seccomp)],
    ),
    control(
        "sysctls",
        "Sysctls",
        false,
        &[
            (0, baseline::sysctls_0),
            (27, baseline::sysctls_27),
            (29, baseline::sysctls_29),
            (32, baseline::sysctls_32),
            (37, baseline::sysctls_37),
        ],
    ),
    control(
        "windowsHostProcess",
        "HostProcess",
        false,
        &[(0, baseline::host_process)],
    ),
    control(
        "allowPrivilegeEscalation",
        "Privilege Escalation",
        true,
        &[(8, restricted::escalation), (25, restricted::escalation_but_windows)],
    ),
    instead_of(
        "capabilities_baseline",
        control(
            "capabilities_restricted",
            "Capabilities",
            true,
            &[
                (22, restricted::capabilities),
                (25, restricted::capabilities_but_windows),
            ],
        ),
    ),
    instead_of(
        "procMount",
        control(
            "procMount_restricted",
            "/proc Mount Type",
            true,
            &[(35, baseline::proc_mount)],
        ),
    ),
    instead_of(
        "hostPathVolumes",
        control("restrictedVolumes", "Volume Types", true, &[(0, restricted::volumes)]),
    ),
    control(
        "runAsNonRoot",
        "Running as Non-root",
        true,
        &[(0, restricted::non_root), (35, restricted::non_root_user_namespaces)],
    ),
    control(
        "runAsUser",
        "Running as Non-root user",
        true,
        &[(23, restricted::user), (35, restricted::user_user_namespaces)],
    ),
    instead_of(
        "seccompProfile_baseline",
        control(
            "seccompProfile_restricted",
            "Seccomp",
            true,
            &[(19, restricted::seccomp), (25, restricted::seccomp_but_windows)],
        ),
    ),
];

/// The titles of all controls, as Kyverno's exclusions name them.
pub(crate) fn titles() -> impl Iterator<Item = &'static str> {
    CONTROLS.iter().map(|control| control.title)
}

/// Every violation of a standard by the Pod (or Pod template) of an object; `None` for kinds without one.
pub fn evaluate(standard: Standard, kind: &str, object: Node<'_>) -> Option<Vec<Violation>> {
    let path = pod_spec_path(kind)?;
    let spec = object.at(path)?;
    let root = &path[..path.len() - 1];
    let pod = Pod::new(spec, object.at(root).unwrap_or(object).get("metadata"));
    let prefix = FieldPath(root.iter().map(|key| Segment::Key((*key).into())).collect());
    Some(evaluate_pod(standard, &pod, &prefix))
}

fn evaluate_pod(standard: Standard, pod: &Pod<'_>, prefix: &FieldPath) -> Vec<Violation> {
    let judge = |control: &Control| {
        control
            .versions
            .iter()
            .rev()
            .find(|(since, _)| *since <= standard.minor())
            .map(|(_, judge)| *judge)
    };
    let wanted = |control: &&Control| match standard.level {
        Level::Privileged => false,
        Level::Baseline => !control.restricted,
        Level::Restricted => true,
    };
    let active: Vec<&Control> = CONTROLS
        .iter()
        .filter(wanted)
        .filter(|control| judge(control).is_some())
        .collect();
    let mut out = Vec::new();
    for control in &active {
        if active.iter().any(|other| other.overrides == Some(control.id)) {
            continue;
        }
        let Some(mut violation) = judge(control).and_then(|judge| judge(pod)) else {
            continue;
        };
        violation.control = control.id;
        violation.title = control.title;
        for field in &mut violation.fields {
            field.path = std::mem::take(&mut field.path).under(prefix);
        }
        out.push(violation);
    }
    out
}

/// `allowPrivilegeEscalation != false (container "app" must set …), …`, as Kubernetes joins violations.
pub fn details(violations: &[Violation]) -> String {
    let each = violations.iter().map(|v| {
        if v.detail.is_empty() {
            v.reason.clone()
        } else {
            format!("{} ({})", v.reason, v.detail)
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
