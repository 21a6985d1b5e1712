//! Families of fields that have sentences of their own.

use ridgeway_doc::Value;

use super::Subject;
use crate::kyverno::{Expected, Failure};

/// Failures told in one sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    who: String,
    family: Family,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Family {
    /// `resources.limits` or `resources.requests` that are missing.
    Resources(String),
    Labels,
    Annotations,
    /// A field with a sentence in [`SENTENCES`], by its index.
    Known(usize),
    Image,
    Probe(String),
    HostPath,
    /// Everything else, one sentence each.
    Field(String),
}

/// Field, the value it must have, what that means, what to do.
const SENTENCES: [(&str, &str, &str, &str); 8] = [
    (
        "runAsNonRoot",
        "true",
        "must run as a non-root user",
        "set securityContext.runAsNonRoot to true",
    ),
    (
        "allowPrivilegeEscalation",
        "false",
        "must not allow privilege escalation",
        "set securityContext.allowPrivilegeEscalation to false",
    ),
    (
        "privileged",
        "false",
        "must not run in privileged mode",
        "set securityContext.privileged to false",
    ),
    (
        "readOnlyRootFilesystem",
        "true",
        "must have a read-only root filesystem",
        "set securityContext.readOnlyRootFilesystem to true and mount writable volumes where needed",
    ),
    (
        "hostNetwork",
        "false",
        "must not use the host's network",
        "remove hostNetwork",
    ),
    (
        "hostPID",
        "false",
        "must not see the host's processes",
        "remove hostPID",
    ),
    (
        "hostIPC",
        "false",
        "must not share the host's IPC namespace",
        "remove hostIPC",
    ),
    (
        "automountServiceAccountToken",
        "false",
        "must not mount a service account token",
        "set automountServiceAccountToken to false",
    ),
];

fn missing(failure: &Failure) -> bool {
    failure.found.as_ref().is_none_or(Value::is_null)
        && matches!(
            failure.expected,
            Expected::Leaf(..) | Expected::Present | Expected::Shape(_)
        )
}

/// Which sentence a failure belongs to.
pub(crate) fn group(subject: Subject, failure: &Failure) -> Group {
    let rest: Vec<&str> = subject.rest.iter().map(String::as_str).collect();
    let last = rest.last().copied().unwrap_or_default();
    let expected = match &failure.expected {
        Expected::Leaf(text, _) => text.as_str(),
        Expected::Absent => "false",
        _ => "",
    };
    let known = SENTENCES
        .iter()
        .position(|(field, value, ..)| *field == last && *value == expected);
    let family = match rest.as_slice() {
        ["resources", which @ ("limits" | "requests"), _] if missing(failure) => Family::Resources((*which).into()),
        [.., "metadata", "labels", _] if missing(failure) => Family::Labels,
        [.., "metadata", "annotations", _] if missing(failure) => Family::Annotations,
        _ if known.is_some() => Family::Known(known.unwrap_or_default()),
        ["image"] => Family::Image,
        [probe @ ("livenessProbe" | "readinessProbe" | "startupProbe"), ..] if missing(failure) => {
            Family::Probe((*probe).into())
        }
        ["hostPath"] if failure.expected == Expected::Absent => Family::HostPath,
        _ => Family::Field(failure.path.to_string()),
    };
    Group {
        who: subject.name,
        family,
    }
}

impl Group {
    /// Order among the sentences of one violation.
    pub(crate) fn rank(&self) -> u8 {
        match &self.family {
            Family::Resources(which) if which == "limits" => 0,
            Family::Resources(_) => 1,
            _ => 2,
        }
    }
}

/// `CPU and memory`; CPU first, then memory, then the rest by name.
fn resources(failures: &[&Failure]) -> String {
    let mut names: Vec<&str> = failures.iter().map(|f| f.path.last_key()).collect();
    names.sort_by_key(|name| (*name != "cpu", *name != "memory", *name));
    names.dedup();
    let spoken: Vec<&str> = names
        .iter()
        .map(|name| if *name == "cpu" { "CPU" } else { name })
        .collect();
    listed(&spoken)
}

fn listed(items: &[&str]) -> String {
    match items {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [head @ .., last] => format!("{} and {last}", head.join(", ")),
    }
}

/// The sentence of a group and its remedy.
pub(crate) fn sentence(group: &Group, failures: &[&Failure]) -> (String, String) {
    let who = &group.who;
    match &group.family {
        Family::Resources(which) => (
            format!("{who} must have resource {which} defined."),
            format!(
                "Please add {} {which} to comply with cluster policies.",
                resources(failures)
            ),
        ),
        Family::Labels | Family::Annotations => {
            let what = if group.family == Family::Labels {
                "label"
            } else {
                "annotation"
            };
            let keys: Vec<String> = failures.iter().map(|f| format!("'{}'", f.path.last_key())).collect();
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let paths: Vec<String> = failures.iter().map(|f| f.path.to_string()).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let plural = if keys.len() == 1 { "" } else { "s" };
            (
                format!("{who} must have the {what}{plural} {}.", listed(&keys)),
                format!("Please give {} a value.", listed(&paths)),
            )
        }
        Family::Known(index) => {
            let (_, _, must, fix) = SENTENCES[*index];
            (format!("{who} {must}."), format!("Please {fix}."))
        }
        Family::Image => image(who, failures),
        Family::Probe(probe) => {
            let spoken = match probe.as_str() {
                "livenessProbe" => "liveness probe",
                "readinessProbe" => "readiness probe",
                _ => "startup probe",
            };
            (
                format!("{who} must define a {spoken}."),
                format!("Please add {probe} with a check of the application's health."),
            )
        }
        Family::HostPath => (
            format!("{who} must not mount a path of the host."),
            "Please use a persistent volume claim, an emptyDir or a config map instead of hostPath.".into(),
        ),
        Family::Field(path) => field(who, path, failures),
    }
}

fn image(who: &str, failures: &[&Failure]) -> (String, String) {
    let Some(failure) = failures.first() else {
        return Default::default();
    };
    let found = failure.found.as_ref().and_then(Value::as_str).unwrap_or_default();
    let wanted = match &failure.expected {
        Expected::Leaf(text, _) => text.as_str(),
        _ => "",
    };
    match wanted {
        "!*:latest" => (
            format!("{who} uses the image '{found}', whose tag 'latest' moves."),
            "Please pin the image to a version tag or a digest.".into(),
        ),
        "*:*" => (
            format!("{who} uses the image '{found}' without a tag."),
            "Please name a version tag or a digest.".into(),
        ),
        _ => (
            format!("{who} uses the image '{found}', which is not allowed."),
            format!("Please use an image that is {}.", words(wanted)),
        ),
    }
}

fn field(who: &str, path: &str, failures: &[&Failure]) -> (String, String) {
    let Some(failure) = failures.first() else {
        return Default::default();
    };
    let found = failure.found.as_ref().filter(|value| !value.is_null());
    let is = match found {
        Some(value) if value.node().is_object() || value.node().is_array() => "is not".to_owned(),
        Some(value) => format!("is {value}, not"),
        None => "is missing; it must be".to_owned(),
    };
    let (said, fix) = match &failure.expected {
        Expected::Leaf(text, _) => {
            let wanted = words(text);
            (
                format!("{path} {is} {wanted}"),
                format!("Please set {path} to {wanted}."),
            )
        }
        Expected::Present => (format!("{path} is missing"), format!("Please set {path}.")),
        Expected::Absent => (format!("{path} must not be set"), format!("Please remove {path}.")),
        Expected::SomeItem => (
            format!("no item of {path} is as the policy asks"),
            format!("Please add the required item to {path}."),
        ),
        Expected::Shape(shape) => (format!("{path} {is} {shape}"), format!("Please set {path} to {shape}.")),
    };
    (format!("In {who}, {said}."), fix)
}

/// A leaf pattern in words.
fn words(pattern: &str) -> String {
    let alternatives: Vec<String> = pattern.split('|').map(|a| term(a.trim())).collect();
    match alternatives.as_slice() {
        [one] => one.clone(),
        many => format!("one of: {}", many.join(", ")),
    }
}

fn term(text: &str) -> String {
    if text.contains('&') {
        let all: Vec<String> = text.split('&').map(|t| term(t.trim())).collect();
        return all.join(" and ");
    }
    for (sign, spoken) in [
        (">=", "at least "),
        ("<=", "at most "),
        (">", "more than "),
        ("<", "less than "),
        ("!", "anything but "),
    ] {
        if let Some(rest) = text.strip_prefix(sign).map(str::trim)
            && !rest.is_empty()
        {
            return format!("{spoken}{rest}");
        }
    }
    match text {
        "?*" => "any value that is not empty".into(),
        "*" => "any value".into(),
        "" => "empty".into(),
        text if text.contains(['*', '?']) => format!("a value like {text}"),
        text => text.into(),
    }
}

/// A value that would satisfy the pattern, where one is obvious.
pub(crate) fn suggestion(failure: &Failure) -> Option<Value> {
    let Expected::Leaf(text, value) = &failure.expected else {
        return None;
    };
    if let Some(value) = value {
        return Some(value.clone());
    }
    if text != "?*" && text != "*" {
        return None;
    }
    let keys = failure.path.keys();
    let usual = match keys.as_slice() {
        [.., "resources", "limits", "cpu"] => "500m",
        [.., "resources", "limits", "memory"] => "256Mi",
        [.., "resources", "requests", "cpu"] => "100m",
        [.., "resources", "requests", "memory"] => "128Mi",
        _ => return None,
    };
    Some(usual.into())
}
