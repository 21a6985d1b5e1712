//! The read model: policies with their scores, and what violates them.

use ridgeway_cluster::rfc3339;
use ridgeway_doc::{Doc, Node, Value, parse_yaml};
use ridgeway_krm::ObjectRef;

use crate::exception::{self, ExceptionView, Stand};
use crate::guard::Shared;
use crate::mutator;
use crate::policies::Stored;
use crate::snapshot::{Unit, constraint_kind};
use crate::source::{self, POD_SECURITY, Role, items, text};
use crate::trend::Score;
use crate::words;

/// A policy, as people look at it.
#[derive(Clone, Debug)]
pub struct PolicyView {
    /// Identifies it in URLs.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its namespace, empty for cluster-scoped ones.
    pub namespace: String,
    /// What it is about, in a few words.
    pub title: String,
    /// Why it is there.
    pub description: String,
    /// The author's category.
    pub category: String,
    /// `high`, `medium` or `low`.
    pub severity: &'static str,
    /// Whether it refuses or changes anything, rather than only reporting.
    pub enforce: bool,
    /// Its rules.
    pub rules: Vec<RuleView>,
    /// How often stored objects satisfy a rule of it.
    pub passed: u64,
    /// How often stored objects violate a rule of it.
    pub failed: u64,
    /// Its score at the end of each of the last 14 days, the present one last.
    pub days: Vec<Score>,
    /// Its score at the end of each of the last 48 hours, the present one last.
    pub hours: Vec<Score>,
    /// How many changes it refused in the last 24 hours.
    pub refused_24h: u64,
    /// Why it is not, or not wholly, in force.
    pub faults: Vec<String>,
    /// Its source.
    pub source: Doc,
}

/// A rule, as people look at it.
#[derive(Clone, Debug)]
pub struct RuleView {
    /// Its name.
    pub name: String,
    /// `validate`, `mutate` or `generate`.
    pub kind: &'static str,
    /// What it asks for.
    pub words: String,
    /// What it is for.
    pub applies: String,
    /// Its line in the source's YAML form, from 1; 0 where there is none.
    pub line: u32,
}

/// A stored object that violates a rule.
#[derive(Clone, Debug)]
pub struct ViolationView {
    /// The policy's id.
    pub policy_id: String,
    /// The policy's name.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The object.
    pub object: ObjectRef,
    /// The version that the object was read in.
    pub api_version: String,
    /// What is wrong.
    pub message: String,
    /// Where in the object.
    pub path: String,
    /// The offending value.
    pub value: Option<Value>,
    /// What would make it pass.
    pub remedy: String,
    /// A JSON patch that would make it pass.
    pub patch: Option<Value>,
    /// Since when it has been so, in RFC 3339.
    pub since: String,
}

fn severity(text: &str) -> &'static str {
    match text.to_ascii_lowercase().as_str() {
        "high" | "critical" => "high",
        "low" | "info" => "low",
        _ => "medium",
    }
}

/// Whether a policy does more than report.
fn acts(policy: Node<'_>) -> bool {
    let enforces = |node: Node<'_>, key: &str| text(node, &[key]).eq_ignore_ascii_case("enforce");
    policy
        .get("spec")
        .is_some_and(|spec| enforces(spec, "validationFailureAction"))
        || items(policy, &["spec", "rules"]).any(|rule| {
            rule.get("mutate").is_some()
                || rule.get("generate").is_some()
                || rule
                    .get("validate")
                    .is_some_and(|validate| enforces(validate, "failureAction"))
        })
}

fn rule(node: Node<'_>) -> RuleView {
    let kind = ["validate", "mutate", "generate"]
        .into_iter()
        .find(|kind| node.get(kind).is_some())
        .unwrap_or("validate");
    RuleView {
        name: text(node, &["name"]).to_owned(),
        kind,
        words: words::rule(node),
        applies: words::applies(node),
        line: node.position().map_or(0, |position| position.line),
    }
}

fn of_policy(unit: &Unit) -> PolicyView {
    let root = unit.doc.root();
    let annotation = |key: &str| {
        text(
            root,
            &["metadata", "annotations", &format!("policies.kyverno.io/{key}")],
        )
    };
    let title = annotation("title");
    PolicyView {
        title: if title.is_empty() {
            unit.key.name.clone()
        } else {
            title.to_owned()
        },
        description: annotation("description").trim().to_owned(),
        category: annotation("category").to_owned(),
        severity: severity(annotation("severity")),
        enforce: acts(root),
        rules: items(root, &["spec", "rules"]).map(rule).collect(),
        ..bare(unit)
    }
}

/// A policy in CEL.
fn of_cel(unit: &Unit) -> PolicyView {
    let root = unit.doc.root();
    let (kind, list, name) = match unit.key.kind.trim_start_matches("Namespaced") {
        "MutatingPolicy" => ("mutate", "mutations", "mutations"),
        "GeneratingPolicy" => ("generate", "generate", "generate"),
        _ => ("validate", "validations", "validations"),
    };
    let actions = || items(root, &["spec", "validationActions"]).filter_map(Node::as_str);
    let refuses = actions().next().is_none() || actions().any(|action| action == "Deny");
    let line = root.at(&["spec", list]).and_then(Node::position);
    PolicyView {
        enforce: kind != "validate" || refuses,
        rules: vec![RuleView {
            name: name.to_owned(),
            kind,
            words: words::cel(root, list),
            applies: words::constraints(root),
            line: line.map_or(0, |position| position.line),
        }],
        ..of_policy(unit)
    }
}

/// A policy of Kubernetes' own; each binding counts as a rule.
fn of_admission(unit: &Unit, bindings: &[&Doc]) -> PolicyView {
    let root = unit.doc.root();
    let (kind, list) = match unit.key.kind.as_str() {
        "MutatingAdmissionPolicy" => ("mutate", "mutations"),
        _ => ("validate", "validations"),
    };
    let denies = |binding: &&Doc| items(binding.root(), &["spec", "validationActions"]).any(|action| action == "Deny");
    let line = root.at(&["spec", list]).and_then(Node::position);
    let rule = |binding: &&Doc| RuleView {
        name: text(binding.root(), &["metadata", "name"]).to_owned(),
        kind,
        words: words::cel(root, list),
        applies: words::constraints(root),
        line: line.map_or(0, |position| position.line),
    };
    PolicyView {
        enforce: kind == "mutate" && !bindings.is_empty() || bindings.iter().any(denies),
        rules: bindings.iter().map(rule).collect(),
        ..of_policy(unit)
    }
}

/// What is the same for all dialects.
fn bare(unit: &Unit) -> PolicyView {
    PolicyView {
        id: unit.id.clone(),
        name: unit.key.name.clone(),
        kind: unit.key.kind.clone(),
        namespace: unit.key.namespace.clone(),
        title: unit.key.name.clone(),
        description: String::new(),
        category: String::new(),
        severity: "medium",
        enforce: false,
        rules: Vec::new(),
        passed: 0,
        failed: 0,
        days: Vec::new(),
        hours: Vec::new(),
        refused_24h: 0,
        faults: unit.faults.iter().map(ToString::to_string).collect(),
        source: unit.doc.clone(),
    }
}

fn of_constraint(unit: &Unit, template: Option<&Doc>) -> PolicyView {
    let root = unit.doc.root();
    let annotation =
        |key: &str| template.map_or("", |template| text(template.root(), &["metadata", "annotations", key]));
    let title = match annotation("metadata.gatekeeper.sh/title") {
        "" => unit.key.kind.clone(),
        title => format!("{title}: {}", unit.key.name),
    };
    let description = annotation("description")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let line = root
        .get("spec")
        .and_then(Node::position)
        .map_or(0, |position| position.line);
    let action = text(root, &["spec", "enforcementAction"]);
    PolicyView {
        title,
        rules: vec![RuleView {
            name: unit.key.kind.clone(),
            kind: "validate",
            words: if description.is_empty() {
                format!("satisfies {}", unit.key.kind)
            } else {
                description.clone()
            },
            applies: words::constraint(root),
            line,
        }],
        description,
        category: "Gatekeeper".into(),
        enforce: matches!(action, "" | "deny"),
        ..bare(unit)
    }
}

const STANDARDS: &str = "\
# No object stands for this policy: each namespace asks for a standard by label.
apiVersion: v1
kind: Namespace
metadata:
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
  name: NAME
";

/// The view of what namespaces ask for by label.
fn standards() -> PolicyView {
    let source = parse_yaml(STANDARDS).ok().and_then(|docs| docs.into_iter().next());
    let source = source.unwrap_or_else(|| Value::object().into_doc());
    PolicyView {
        id: POD_SECURITY.into(),
        name: POD_SECURITY.into(),
        kind: "PodSecurity".into(),
        namespace: String::new(),
        title: "Pod Security Standards".into(),
        description: "Namespaces say by label how strictly their Pods are bounded: baseline closes known ways to \
                      break out of a container, restricted asks for current hardening practice."
            .into(),
        category: "Pod Security".into(),
        severity: "high",
        enforce: true,
        rules: vec![RuleView {
            name: "pod-security.kubernetes.io".into(),
            kind: "validate",
            words: "Pods satisfy the standard that their namespace asks for".into(),
            applies: "Pods and what makes them, in namespaces with a pod-security.kubernetes.io label".into(),
            line: 4,
        }],
        passed: 0,
        failed: 0,
        days: Vec::new(),
        hours: Vec::new(),
        refused_24h: 0,
        faults: Vec::new(),
        source,
    }
}

/// Every policy.
pub(crate) fn policies(shared: &Shared) -> Vec<PolicyView> {
    let snapshot = shared.snapshot();
    let now = shared.clock.now();
    let units = snapshot
        .units
        .values()
        .map(|unit| match source::role(&unit.key.group, &unit.key.kind) {
            Some(Role::Cel) => of_cel(unit),
            Some(Role::Admission) => {
                let bound = |(key, binding): &(&ObjectRef, &Stored)| source::binds(key, binding.doc.root(), &unit.key);
                let bindings: Vec<&Doc> = snapshot.bindings.iter().filter(bound).map(|(_, b)| &b.doc).collect();
                of_admission(unit, &bindings)
            }
            Some(Role::Constraint) => of_constraint(unit, snapshot.templates.get(&unit.key.kind).map(|t| &t.doc)),
            Some(Role::Mutator | Role::Expansion) => PolicyView {
                enforce: unit.key.kind != "ExpansionTemplate",
                category: "Gatekeeper".into(),
                rules: vec![mutator::rule(unit)],
                ..of_policy(unit)
            },
            _ => of_policy(unit),
        });
    let mut views: Vec<PolicyView> = units.chain([standards()]).collect();
    for view in &mut views {
        (view.passed, view.failed) = shared.scan.score(&view.id);
        shared.trend.note(&view.id, (view.passed, view.failed), now);
        view.days = shared.trend.series(&view.id, 14, 24 * 3600, now);
        view.hours = shared.trend.series(&view.id, 48, 3600, now);
        view.refused_24h = shared.refused.within(&view.id, now);
        view.faults.extend(shared.generate.faults(&view.id));
        view.faults.extend(shared.existing.faults(&view.id));
    }
    // A template that does not compile keeps its constraints out of force.
    for (key, faults) in snapshot
        .faults_alone()
        .filter(|(key, _)| key.kind == "ConstraintTemplate")
    {
        let template = snapshot
            .templates
            .values()
            .find(|t| text(t.doc.root(), &["metadata", "name"]) == key.name);
        let kind = template.map_or("", |template| constraint_kind(template.doc.root()));
        for view in views.iter_mut().filter(|view| view.kind == kind) {
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            view.faults.retain(|fault| !told.contains(fault));
            view.faults.extend(told);
        }
    }
    views
}

/// Every violation by a stored object.
pub(crate) fn violations(shared: &Shared) -> Vec<ViolationView> {
    shared.scan.violations(|object, policy_id, row, result| ViolationView {
        policy_id: policy_id.to_owned(),
        policy: result.policy.clone(),
        rule: result.rule.clone(),
        object: object.clone(),
        api_version: row.api_version.clone(),
        message: result.message.clone(),
        path: result.path.clone(),
        value: result.value.clone(),
        remedy: result.remedy.clone(),
        patch: result.patch.clone(),
        since: rfc3339(row.since),
    })
}

/// Every exception.
pub(crate) fn exceptions(shared: &Shared) -> Vec<ExceptionView> {
    let snapshot = shared.snapshot();
    let now = shared.clock.now();
    let of = |(key, stand): (&ObjectRef, &Stand)| {
        let about = snapshot
            .units
            .values()
            .filter(|unit| exception::names(stand.doc.root(), &unit.key.kind, &unit.spoken));
        ExceptionView::of(key, stand, about.map(|unit| unit.id.clone()).collect(), now)
    };
    snapshot.exceptions.iter().map(of).collect()
}
