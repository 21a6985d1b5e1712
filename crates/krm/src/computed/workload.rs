//! Workloads: replicas, jobs, templates, autoscaling.

use jiff::Timestamp;
use ridgeway_doc::{Node, Value};

use super::{condition, items, join, labels, number, text};
use crate::duration::human_age;

pub(super) fn ready_of_replicas(object: Node<'_>, _: Timestamp) -> Value {
    let wanted = object.at(&["spec", "replicas"]).and_then(Node::as_i64).unwrap_or(1);
    format!("{}/{wanted}", number(object, &["status", "readyReplicas"])).into()
}

fn each_container(pod_spec: Option<Node<'_>>, key: &str) -> Value {
    let containers = pod_spec
        .and_then(|spec| spec.get("containers"))
        .map(Node::items)
        .into_iter()
        .flatten();
    join(containers.map(|c| text(c, &[key]))).into()
}

pub(super) fn containers(object: Node<'_>, _: Timestamp) -> Value {
    each_container(object.at(&["spec", "template", "spec"]), "name")
}

pub(super) fn images(object: Node<'_>, _: Timestamp) -> Value {
    each_container(object.at(&["spec", "template", "spec"]), "image")
}

const JOB_TEMPLATE: [&str; 5] = ["spec", "jobTemplate", "spec", "template", "spec"];

pub(super) fn job_template_containers(object: Node<'_>, _: Timestamp) -> Value {
    each_container(object.at(&JOB_TEMPLATE), "name")
}

pub(super) fn job_template_images(object: Node<'_>, _: Timestamp) -> Value {
    each_container(object.at(&JOB_TEMPLATE), "image")
}

pub(super) fn template_containers(object: Node<'_>, _: Timestamp) -> Value {
    each_container(object.at(&["template", "spec"]), "name")
}

pub(super) fn template_images(object: Node<'_>, _: Timestamp) -> Value {
    each_container(object.at(&["template", "spec"]), "image")
}

pub(super) fn template_labels(object: Node<'_>, _: Timestamp) -> Value {
    labels(object.at(&["template", "metadata", "labels"])).into()
}

pub(super) fn suspended(object: Node<'_>, _: Timestamp) -> Value {
    match object.at(&["spec", "suspend"]).and_then(Node::as_bool) {
        Some(true) => "True".into(),
        Some(false) => "False".into(),
        None => "<unset>".into(),
    }
}

pub(super) fn job_status(object: Node<'_>, _: Timestamp) -> Value {
    let is = |ty| condition(object, ty).is_some_and(|c| text(c, &["status"]) == "True");
    if is("Complete") {
        "Complete".into()
    } else if is("Failed") {
        "Failed".into()
    } else if object.at(&["metadata", "deletionTimestamp"]).is_some() {
        "Terminating".into()
    } else if is("Suspended") {
        "Suspended".into()
    } else if is("FailureTarget") {
        "FailureTarget".into()
    } else if is("SuccessCriteriaMet") {
        "SuccessCriteriaMet".into()
    } else {
        "Running".into()
    }
}

pub(super) fn job_completions(object: Node<'_>, _: Timestamp) -> Value {
    let done = number(object, &["status", "succeeded"]);
    let asked = object.at(&["spec", "completions"]).and_then(Node::as_i64);
    let parallelism = object.at(&["spec", "parallelism"]).and_then(Node::as_i64).unwrap_or(0);
    match asked {
        Some(asked) => format!("{done}/{asked}").into(),
        None if parallelism > 1 => format!("{done}/1 of {parallelism}").into(),
        None => format!("{done}/1").into(),
    }
}

pub(super) fn job_duration(object: Node<'_>, now: Timestamp) -> Value {
    let time = |path: &[&str]| text(object, path).parse::<Timestamp>().ok();
    let Some(start) = time(&["status", "startTime"]) else {
        return "".into();
    };
    let failed = condition(object, "Failed").and_then(|c| c.str_at(&["lastTransitionTime"]));
    let end = time(&["status", "completionTime"])
        .or_else(|| failed?.parse().ok())
        .unwrap_or(now);
    human_age(end.as_second() - start.as_second()).into()
}

pub(super) fn scale_target(object: Node<'_>, _: Timestamp) -> Value {
    let target = ["spec", "scaleTargetRef"];
    let part = |key| object.at(&target).map_or("", |t| text(t, &[key]));
    format!("{}/{}", part("kind"), part("name")).into()
}

/// `cpu: 30%/80%`: what each metric is, and what it should be.
pub(super) fn metric_targets(object: Node<'_>, _: Timestamp) -> Value {
    let current: Vec<Node<'_>> = items(object, &["status", "currentMetrics"]).collect();
    let metrics = items(object, &["spec", "metrics"]).enumerate().map(|(i, metric)| {
        let source = text(metric, &["type"]);
        let key = match source {
            "Resource" => "resource",
            "ContainerResource" => "containerResource",
            "Pods" => "pods",
            "Object" => "object",
            _ => "external",
        };
        let name = match metric.str_at(&[key, "name"]) {
            Some(name) => format!("{name}: "),
            None => String::new(),
        };
        let show = |node: Option<Node<'_>>| {
            let node = node?;
            let percent = node
                .get("averageUtilization")
                .and_then(Node::as_i64)
                .map(|n| format!("{n}%"));
            percent
                .or_else(|| node.str_at(&["averageValue"]).map(Into::into))
                .or_else(|| node.str_at(&["value"]).map(Into::into))
        };
        let is = show(current.get(i).and_then(|c| c.at(&[key, "current"]))).unwrap_or_else(|| "<unknown>".into());
        let wanted = show(metric.at(&[key, "target"])).unwrap_or_else(|| "<auto>".into());
        format!("{name}{is}/{wanted}")
    });
    let all: Vec<String> = metrics.collect();
    match all.as_slice() {
        [] => "<none>".into(),
        [.., _] if all.len() > 2 => format!("{} + {} more...", all[..2].join(", "), all.len() - 2).into(),
        _ => all.join(", ").into(),
    }
}
