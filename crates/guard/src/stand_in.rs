//! What stands in for a stored policy that does not compile: it refuses what the policy is for.
//!
//! Somebody counts on what is stored. A policy that was good once and is not any more, for instance since an upgrade,
//! must not fall silent: its match is kept as far as it can be read, and in place of its rules stands a refusal that
//! says why. Policies that ask to be ignored when they cannot be evaluated are.

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::ObjectRef;
use ridgeway_policy::{CompileError, RuleSet};

use crate::snapshot::constraint_kind;
use crate::source::{self, Role, items, text};

/// The fields of a `match` or `matchConstraints` that narrow it down beyond kinds and resources.
const NARROWING: [&str; 4] = [
    "namespaceSelector",
    "objectSelector",
    "labelSelector",
    "excludeResourceRules",
];

/// The first of some objects that compiles.
fn first(candidates: impl IntoIterator<Item = Value>) -> RuleSet {
    let compiled = candidates.into_iter().find_map(|value| compile(&[&value]));
    compiled.unwrap_or_default()
}

fn compile(values: &[&Value]) -> Option<RuleSet> {
    let nodes: Vec<Node<'_>> = values.iter().map(|value| value.node()).collect();
    let (rules, faults) = RuleSet::compile(&nodes);
    faults.is_empty().then_some(rules)
}

fn sentence(what: &str, faults: &[CompileError]) -> String {
    let why: Vec<&str> = faults.iter().map(|fault| fault.message.as_str()).take(3).collect();
    let said = format!(
        "{what} cannot be evaluated, so what it is for is refused until it is mended: {}",
        why.join("; ")
    );
    // Braces would be read as expressions.
    said.replace('\n', " ").replace("{{", "{ {").replace("}}", "} }")
}

fn ignored(spec: Node<'_>) -> bool {
    [&["failurePolicy"][..], &["webhookConfiguration", "failurePolicy"]]
        .iter()
        .any(|path| text(spec, path) == "Ignore")
}

/// An object that says what it is, with nothing but its name.
fn bare(object: Node<'_>, kind: &str) -> Value {
    let mut out = Value::object();
    out.set(&["apiVersion"], text(object, &["apiVersion"]));
    out.set(&["kind"], kind);
    for field in ["name", "namespace", "uid"] {
        if let Some(value) = object.at(&["metadata", field]) {
            out.set(&["metadata", field], value.to_value());
        }
    }
    out
}

/// Copies some fields, where they are there.
fn copy(from: Node<'_>, into: &mut Value, under: &str, fields: &[&str]) {
    for field in fields {
        if let Some(value) = from.get(field) {
            into.set(&[under, field], value.to_value());
        }
    }
}

/// What stands in for a policy; `template` is that of a constraint. Nothing does where nothing is to be refused.
pub(crate) fn of_policy(
    key: &ObjectRef,
    policy: Node<'_>,
    template: Option<&Doc>,
    bindings: &[Node<'_>],
    faults: &[CompileError],
) -> RuleSet {
    let Some(spec) = policy.get("spec") else {
        return RuleSet::default();
    };
    let why = sentence(&format!("{} {}", key.kind, key.name), faults);
    match source::role(&key.group, &key.kind) {
        Some(Role::Policy) => kyverno(policy, spec, &why),
        Some(Role::Cel | Role::Admission) if ignored(spec) => RuleSet::default(),
        Some(Role::Cel) if key.kind.ends_with("GeneratingPolicy") => RuleSet::default(),
        Some(Role::Cel) => {
            let kind = key.kind.replace("MutatingPolicy", "ValidatingPolicy");
            constrained(&bare(policy, &kind), spec, &why)
        }
        Some(Role::Admission) => admission(policy, spec, bindings, &why),
        Some(Role::Constraint) => template.map_or_else(RuleSet::default, |t| constraint(policy, t.root(), &why)),
        _ => RuleSet::default(),
    }
}

/// The rules of a policy that compile stay as they are.
fn kyverno(policy: Node<'_>, spec: Node<'_>, why: &str) -> RuleSet {
    let with_rule = |rule: Value, whole: bool| {
        let mut out = policy.to_value();
        if !whole {
            out = bare(policy, text(policy, &["kind"]));
            let kept = [
                "validationFailureAction",
                "validationFailureActionOverrides",
                "failurePolicy",
            ];
            copy(spec, &mut out, "spec", &kept);
        }
        out.set(&["spec", "rules"], vec![rule]);
        out
    };
    let rules = items(policy, &["spec", "rules"]).map(|rule| {
        if let Some(good) = compile(&[&with_rule(rule.to_value(), true)]) {
            return good;
        }
        let later = rule.get("generate").is_some() || rule.at(&["mutate", "targets"]).is_some();
        if later || ignored(spec) {
            return RuleSet::default();
        }
        let refusing = |fields: &[&str]| {
            let mut out = Value::object();
            out.set(&["name"], text(rule, &["name"]));
            for field in fields {
                if let Some(value) = rule.get(field) {
                    out.set(&[field], value.to_value());
                }
            }
            if let Some(action) = rule.at(&["validate", "failureAction"]) {
                out.set(&["validate", "failureAction"], action.to_value());
            }
            out.set(&["validate", "message"], why);
            if rule.at(&["validate", "deny"]).is_some() {
                out.set(&["validate", "deny"], Value::object());
            } else {
                // Nothing fits it, and unlike `deny` it has nothing to say about deletions.
                out.set(&["validate", "pattern", "kind"], "!*");
            }
            out
        };
        let everything = || {
            let mut out = refusing(&[]);
            let kinds: Value = kinds(rule).into_iter().collect();
            out.set(&["match", "resources", "kinds"], kinds);
            out.remove(&["validate", "failureAction"]);
            out
        };
        let mut bare_policy = bare(policy, text(policy, &["kind"]));
        bare_policy.set(&["spec", "validationFailureAction"], "Enforce");
        bare_policy.set(&["spec", "rules"], vec![everything()]);
        first([
            with_rule(refusing(&["match", "exclude"]), false),
            with_rule(refusing(&["match"]), false),
            with_rule(everything(), false),
            bare_policy,
        ])
    });
    RuleSet::union(&rules.collect::<Vec<_>>())
}

/// The kinds that a rule names, wherever its `match` has them; all where it names none.
fn kinds(rule: Node<'_>) -> Vec<String> {
    fn within(node: Node<'_>, out: &mut Vec<String>) {
        for (key, value) in node.members() {
            if key == "kinds" {
                out.extend(value.items().filter_map(Node::as_str).map(str::to_owned));
            } else {
                within(value, out);
            }
        }
        node.items().for_each(|item| within(item, out));
    }
    let mut out = Vec::new();
    rule.get("match")
        .into_iter()
        .for_each(|matches| within(matches, &mut out));
    if out.is_empty() {
        out.push("*".into());
    }
    out
}

/// The `matchConstraints` of a policy, as they are, by resources alone, and for everything.
fn constraints(spec: Node<'_>) -> Vec<Value> {
    let written = spec.get("matchConstraints").map(Node::to_value);
    let plain = written.clone().map(|mut value| {
        for field in NARROWING {
            value.remove(&[field]);
        }
        value
    });
    let mut rule = Value::object();
    for field in ["apiGroups", "apiVersions", "resources"] {
        rule.set(&[field], vec![Value::from("*")]);
    }
    rule.set(&["operations"], ["CREATE", "UPDATE"].into_iter().collect::<Value>());
    let mut all = Value::object();
    all.set(&["resourceRules"], vec![rule]);
    written.into_iter().chain(plain).chain([all]).collect()
}

/// A validation that nothing satisfies.
fn refusal(why: &str) -> Value {
    let mut out = Value::object();
    out.set(&["expression"], "false");
    out.set(&["message"], why);
    vec![out].into_iter().collect()
}

/// A validating policy by `matchConstraints`.
fn constrained(bare: &Value, spec: Node<'_>, why: &str) -> RuleSet {
    let candidates = constraints(spec).into_iter().flat_map(|constraints| {
        let mut strict = bare.clone();
        strict.set(&["spec", "matchConstraints"], constraints);
        strict.set(&["spec", "validations"], refusal(why));
        let mut written = strict.clone();
        copy(spec, &mut written, "spec", &["validationActions", "autogen"]);
        strict.set(&["spec", "validationActions"], vec![Value::from("Deny")]);
        [written, strict]
    });
    first(candidates)
}

/// A policy of Kubernetes' own. One that judges is bound by its own bindings; one that changes gets a twin that judges.
fn admission(policy: Node<'_>, spec: Node<'_>, bindings: &[Node<'_>], why: &str) -> RuleSet {
    const JUDGES: &str = "ValidatingAdmissionPolicy";
    let mut base = bare(policy, JUDGES);
    let changes = text(policy, &["kind"]) != JUDGES;
    if changes {
        base.set(&["apiVersion"], "admissionregistration.k8s.io/v1");
        base.set(&["metadata", "name"], twin(policy));
    }
    let refusing = first(constraints(spec).into_iter().map(|constraints| {
        let mut out = base.clone();
        out.set(&["spec", "matchConstraints"], constraints);
        out.set(&["spec", "validations"], refusal(why));
        out
    }));
    if !changes {
        return refusing;
    }
    let bound = bindings.iter().map(|binding| {
        let mut out = bare(*binding, "ValidatingAdmissionPolicyBinding");
        out.set(&["apiVersion"], "admissionregistration.k8s.io/v1");
        out.set(&["spec", "policyName"], twin(policy));
        out.set(&["spec", "validationActions"], vec![Value::from("Deny")]);
        let mut narrow = out.clone();
        if let Some(spec) = binding.get("spec") {
            copy(spec, &mut narrow, "spec", &["matchResources"]);
        }
        first([narrow, out])
    });
    let all: Vec<RuleSet> = bound.chain([refusing]).collect();
    RuleSet::union(&all)
}

/// The name of the policy that judges in place of one that changes; no object may have it.
fn twin(policy: Node<'_>) -> String {
    format!("{} (MutatingAdmissionPolicy)", text(policy, &["metadata", "name"]))
}

/// What stands in for a binding: the same policy, where it cannot be read without parameters or for everything.
pub(crate) fn of_binding(binding: Node<'_>) -> RuleSet {
    let Some(spec) = binding.get("spec") else {
        return RuleSet::default();
    };
    let with = |fields: &[&str], strict: bool| {
        let mut out = bare(binding, text(binding, &["kind"]));
        copy(spec, &mut out, "spec", fields);
        if strict && text(binding, &["kind"]).starts_with("Validating") {
            out.set(&["spec", "validationActions"], vec![Value::from("Deny")]);
        }
        out
    };
    let known = ["policyName", "paramRef", "matchResources", "validationActions"];
    first([
        with(&known, false),
        with(&known[..3], true),
        with(&["policyName", "matchResources"], true),
        with(&["policyName", "paramRef"], true),
        with(&["policyName"], true),
    ])
}

/// A constraint under a template that finds everything wrong.
fn constraint(constraint: Node<'_>, template: Node<'_>, why: &str) -> RuleSet {
    let mut refusing = bare(template, text(template, &["kind"]));
    let kind = constraint_kind(template);
    refusing.set(&["spec", "crd", "spec", "names", "kind"], kind);
    let mut target = Value::object();
    target.set(&["target"], "admission.k8s.gatekeeper.sh");
    let rego = format!(
        "package standin\n\nviolation[{{\"msg\": {}}}] {{ true }}\n",
        Value::from(why).to_json()
    );
    target.set(&["rego"], rego);
    refusing.set(&["spec", "targets"], vec![target]);
    let with = |fields: &[&str], narrowing: bool| {
        let mut out = bare(constraint, text(constraint, &["kind"]));
        if let Some(spec) = constraint.get("spec") {
            copy(spec, &mut out, "spec", fields);
        }
        if !narrowing {
            for field in NARROWING {
                out.remove(&["spec", "match", field]);
            }
        }
        out
    };
    let actions = ["match", "enforcementAction", "scopedEnforcementActions"];
    let candidates = [
        with(&actions, true),
        with(&actions[..1], true),
        with(&actions[..1], false),
        with(&[], false),
    ];
    let compiled = candidates.iter().find_map(|candidate| compile(&[&refusing, candidate]));
    compiled.unwrap_or_default()
}
