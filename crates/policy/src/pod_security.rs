//! Pod Security admission: the standards that a namespace's labels ask for.

use ridgeway_doc::Node;

use crate::image::pod_spec_path;
use crate::pss::{self, Level, Standard, Violation};
use crate::refine;
use crate::request::{Operation, Request};
use crate::verdict::{Action, Dialect, Outcome, RuleResult};

const PREFIX: &str = "pod-security.kubernetes.io/";

/// The standard of one mode; `None` when the labels ask for none. Labels that cannot be read count as `restricted`, as
/// Kubernetes has it for the level.
fn standard(labels: Option<Node<'_>>, mode: &str) -> Option<Standard> {
    let label = |key: String| labels.and_then(|labels| labels.get(&key)).and_then(Node::as_str);
    let level = label(format!("{PREFIX}{mode}"))?;
    let version = label(format!("{PREFIX}{mode}-version")).unwrap_or_default();
    let strict = Standard {
        level: Level::Restricted,
        version: None,
    };
    let standard = Standard::parse(level, version)
        .or_else(|_| Standard::parse(level, ""))
        .unwrap_or(strict);
    (standard.level != Level::Privileged).then_some(standard)
}

/// Adds what the standards say about a Pod, or about the template of a workload.
pub(crate) fn judge(request: &Request<'_>, results: &mut Vec<RuleResult>) {
    let Some(object) = request.object else { return };
    if !matches!(request.operation, Operation::Create | Operation::Update)
        || !matches!(request.subresource, "" | "ephemeralcontainers")
        || pod_spec_path(&request.gvk.kind).is_none()
    {
        return;
    }
    let labels = request.namespace_labels();
    let (enforce, warn, audit) = (
        standard(labels, "enforce"),
        standard(labels, "warn"),
        standard(labels, "audit"),
    );
    let is_pod = request.gvk.kind == "Pod" && request.gvk.group.is_empty();
    if enforce.is_none() && warn.is_none() && audit.is_none() || is_pod && unchanged(request) {
        return;
    }
    let mut told: Option<Standard> = None;
    let mut judged = |standard: Standard, action: Action| {
        let violations = pss::evaluate(standard, &request.gvk.kind, object).unwrap_or_default();
        results.push(result(standard, action, &violations, object));
    };
    if let Some(standard) = enforce {
        // What is enforced on Pods is told early on what makes them.
        judged(standard, if is_pod { Action::Enforce } else { Action::Warn });
        told = Some(standard);
    }
    if let Some(standard) = warn.filter(|standard| Some(*standard) != told) {
        judged(standard, Action::Warn);
        told = told.or(Some(standard));
    }
    if let Some(standard) = audit.filter(|standard| Some(*standard) != told && Some(*standard) != warn) {
        judged(standard, Action::Audit);
    }
}

/// Whether an update leaves alone what the standards look at.
fn unchanged(request: &Request<'_>) -> bool {
    let (Some(new), Some(old)) = (request.object, request.old_object) else {
        return false;
    };
    request.operation == Operation::Update
        && request.subresource.is_empty()
        && new.get("spec") == old.get("spec")
        && new.at(&["metadata", "annotations"]) == old.at(&["metadata", "annotations"])
}

fn result(standard: Standard, action: Action, violations: &[Violation], object: Node<'_>) -> RuleResult {
    let rule = standard.to_string();
    let mut result = RuleResult::new(Dialect::PodSecurity, "pod-security", &rule, Outcome::Pass, action);
    if violations.is_empty() {
        return result;
    }
    result.outcome = Outcome::Fail;
    let verb = if action == Action::Enforce {
        "violates"
    } else {
        "would violate"
    };
    result.message = format!("{verb} PodSecurity \"{standard}\": {}", pss::details(violations));
    result.author = result.message.clone();
    let remedies: Vec<String> = refine::pod_security_sentences(violations)
        .into_iter()
        .map(|(_, remedy)| remedy)
        .collect();
    result.remedy = remedies.join(" ");
    if let Some(field) = violations.iter().flat_map(|v| &v.fields).next() {
        result.path = field.path.to_string();
        result.value = field.value.clone();
    }
    result.patch = refine::pod_security_patch(violations, object);
    result
}
