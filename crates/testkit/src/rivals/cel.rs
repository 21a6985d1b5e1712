//! Expressions of policies beside cel-go.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_policy::corpus::rivals::{Expression, Names};
use serde_json::json;

use super::{Peers, ask, documents, library, measure, shown, summary};

/// How much faster every expression shall be.
const GOAL: f64 = 5.0;

/// How many expressions a policy has, evaluated one after the other on one object.
const POLICY: usize = 8;

/// An expression with what it is evaluated on.
pub struct Case {
    /// The policy's file and the expression's place in it.
    pub name: String,
    /// The expression.
    pub text: String,
    /// `object`, `variables`, `params` and the like.
    pub bindings: Doc,
}

/// A policy's expressions, before objects are looked for.
struct Policy<'a> {
    name: String,
    /// Lower-case names of kinds or resources that it is for; empty for any.
    kinds: Vec<String>,
    variables: Vec<(&'a str, &'a str)>,
    expressions: Vec<(String, &'a str)>,
    params: Option<Node<'a>>,
}

/// Every distinct expression of the libraries, each on the first object of its policy that it can be evaluated on.
pub fn cases(root: &Path) -> Vec<Case> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    let kyverno = root.join("kyverno-policies");
    for (file, doc) in documents(&kyverno) {
        let hidden = file
            .components()
            .any(|part| part.as_os_str().to_string_lossy().starts_with(".kyverno"));
        let policies = if hidden { Vec::new() } else { policies(doc.root()) };
        if policies.is_empty() {
            continue;
        }
        let folder = file.parent().unwrap_or(root);
        let objects = objects(folder);
        for mut policy in policies {
            policy.name = crate::corpora::id(&kyverno, &file);
            gather(&policy, &objects, &mut seen, &mut out);
        }
    }
    for template in library::load(&root.join("gatekeeper-library")) {
        let target = template
            .doc
            .root()
            .at(&["spec", "targets"])
            .and_then(|all| all.items().next());
        for code in target
            .and_then(|target| target.get("code"))
            .into_iter()
            .flat_map(Node::items)
        {
            let Some(source) = code
                .get("source")
                .filter(|_| code.str_at(&["engine"]) == Some("K8sNativeValidation"))
            else {
                continue;
            };
            for sample in &template.samples {
                let mut policy = read(source);
                policy.name = format!("gatekeeper/{}", template.kind);
                policy.params = sample.constraint.root().at(&["spec", "parameters"]);
                let objects: Vec<Doc> = sample.cases.iter().map(|case| case.object.clone()).collect();
                gather(&policy, &objects, &mut seen, &mut out);
            }
        }
    }
    out
}

/// The objects that lie beside a policy, for its tests.
fn objects(folder: &Path) -> Vec<Doc> {
    let near: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'))
        })
        .collect();
    let mut out: Vec<Doc> = near
        .iter()
        .flat_map(|folder| documents(folder))
        .map(|(_, doc)| doc)
        .collect();
    out.retain(|doc| {
        let group = doc.root().text_at(&["apiVersion"]);
        !group.contains("kyverno.io") && !group.is_empty()
    });
    out
}

fn policies<'a>(root: Node<'a>) -> Vec<Policy<'a>> {
    let Some(spec) = root.get("spec") else {
        return Vec::new();
    };
    match (root.text_at(&["apiVersion"]).split('/').next(), root.text_at(&["kind"])) {
        (Some("policies.kyverno.io" | "admissionregistration.k8s.io"), kind) if kind.ends_with("Policy") => {
            let mut policy = read(spec);
            let rules = spec
                .at(&["matchConstraints", "resourceRules"])
                .into_iter()
                .flat_map(Node::items);
            policy.kinds = rules.flat_map(|rule| texts(rule.get("resources"))).collect();
            vec![policy]
        }
        (Some("kyverno.io"), "ClusterPolicy" | "Policy") => {
            let rules = spec.get("rules").into_iter().flat_map(Node::items);
            rules
                .filter_map(|rule| {
                    let mut policy = read(rule.at(&["validate", "cel"])?);
                    let conditions = rule.get("celPreconditions").into_iter().flat_map(Node::items);
                    for (i, condition) in conditions.enumerate() {
                        let text = condition.str_at(&["expression"]);
                        policy
                            .expressions
                            .extend(text.map(|text| (format!("celPreconditions[{i}]"), text)));
                    }
                    Some(policy)
                })
                .collect()
        }
        _ => Vec::new(),
    }
}

fn texts(node: Option<Node<'_>>) -> Vec<String> {
    let items = node.into_iter().flat_map(Node::items).filter_map(Node::as_str);
    items.map(|text| text.to_lowercase().replace("/*", "")).collect()
}

/// The expressions of a node that is laid out as the admission policies of Kubernetes are.
fn read(spec: Node<'_>) -> Policy<'_> {
    let list = |key: &str| spec.get(key).into_iter().flat_map(Node::items).enumerate();
    let mut expressions = Vec::new();
    for key in ["matchConditions", "validations", "expressions", "auditAnnotations"] {
        for (i, item) in list(key) {
            for field in ["expression", "messageExpression", "valueExpression"] {
                let text = item.str_at(&[field]);
                expressions.extend(text.map(|text| (format!("{key}[{i}].{field}"), text)));
            }
        }
    }
    let variables: Vec<(&str, &str)> = list("variables")
        .map(|(_, item)| (item.text_at(&["name"]), item.text_at(&["expression"])))
        .collect();
    expressions.extend(
        variables
            .iter()
            .map(|(name, text)| (format!("variables.{name}"), *text)),
    );
    Policy {
        name: String::new(),
        kinds: Vec::new(),
        variables,
        expressions,
        params: None,
    }
}

fn gather(policy: &Policy<'_>, objects: &[Doc], seen: &mut BTreeSet<String>, out: &mut Vec<Case>) {
    let fits = |doc: &&Doc| {
        let kind = doc.root().text_at(&["kind"]).to_lowercase();
        policy.kinds.is_empty()
            || policy
                .kinds
                .iter()
                .any(|known| *known == "*" || known.starts_with(&kind))
    };
    let mut chosen: Vec<&Doc> = objects.iter().filter(fits).collect();
    if chosen.is_empty() {
        chosen = objects.iter().collect();
    }
    let worlds: Vec<Doc> = chosen.iter().take(12).map(|doc| bindings(policy, doc.root())).collect();
    for (place, text) in &policy.expressions {
        if seen.contains(*text) {
            continue;
        }
        let Ok(program) = Expression::compile(text, &[]) else {
            continue;
        };
        let Some(world) = worlds
            .iter()
            .find(|world| program.runs(&Names::of(world.root())))
            .or(worlds.first())
        else {
            continue;
        };
        seen.insert((*text).to_owned());
        out.push(Case {
            name: format!("{} {place}", policy.name),
            text: (*text).to_owned(),
            bindings: world.clone(),
        });
    }
}

/// The names of an admission policy over an object, variables evaluated.
fn bindings(policy: &Policy<'_>, object: Node<'_>) -> Doc {
    let review = library::input(object, object);
    let mut out = Value::object();
    out.set(&["object"], object);
    out.set(&["oldObject"], Value::NULL);
    out.set(
        &["request"],
        review.root().get("review").map_or(Value::NULL, Node::to_value),
    );
    out.set(&["request", "userInfo", "username"], "amy");
    let mut namespace = Value::object();
    namespace.set(&["metadata", "name"], object.text_at(&["metadata", "namespace"]));
    namespace.set(&["metadata", "labels"], Value::object());
    out.set(&["namespaceObject"], namespace);
    out.set(&["params"], policy.params.map_or(Value::NULL, Node::to_value));
    out.set(&["variables"], Value::object());
    if let Some(params) = policy.params {
        out.set(&["variables", "params"], params);
        out.set(&["variables", "anyObject"], object);
    }
    for (name, text) in &policy.variables {
        let made = Expression::compile(text, &[]).and_then(|program| program.answer(&Names::of(out.node())));
        if let Ok(value) = made {
            out.set(&["variables", name], value);
        }
    }
    out.into_doc()
}

/// What cel-go is asked.
pub fn question(case: &Case) -> String {
    let bindings: serde_json::Value = serde_json::from_str(&case.bindings.root().to_json()).unwrap_or_default();
    json!({"id": case.name, "expression": case.text, "bindings": bindings}).to_string()
}

/// Whether two values are one, numbers by value.
pub fn same(a: &serde_json::Value, b: &serde_json::Value) -> bool {
    use serde_json::Value as V;
    match (a, b) {
        (V::Number(a), V::Number(b)) => a.as_f64() == b.as_f64(),
        (V::Array(a), V::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (V::Object(a), V::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

/// Prints a line for every expression that is under the goal, and counts.
pub fn run(root: &Path, peers: &Peers, budget: Duration, verbose: bool) -> Result<()> {
    println!(
        "\n== CEL: each distinct expression of the libraries on an object of its policy, CPU time of one evaluation"
    );
    let cases = cases(root);
    let Some(program) = peers.find("cel-go") else {
        return Ok(());
    };
    let questions: Vec<String> = cases.iter().map(question).collect();
    let budgeted = format!("{}ms", budget.as_millis());
    let answers = ask(program, &["-budget", &budgeted], &questions)?;
    // As an API server runs it: with a budget for each evaluation, which ours always has.
    let within = ask(program, &["-limits", "-budget", &budgeted], &questions)?;
    let (mut ratios, mut limited, mut apart) = (Vec::new(), Vec::new(), Vec::new());
    let (mut uncompiled, mut unevaluated) = (0, 0);
    let mut total = [0.0_f64; 3];
    for ((case, answer), within) in cases.iter().zip(&answers).zip(&within) {
        let variables = case
            .bindings
            .root()
            .get("variables")
            .into_iter()
            .flat_map(Node::members);
        let variables: Vec<&str> = variables.map(|(name, _)| name).collect();
        let Ok(program) = Expression::compile(&case.text, &variables) else {
            continue;
        };
        let names = Names::of(case.bindings.root());
        let ours = program.answer(&names);
        let theirs = &answer["result"];
        match (answer["stage"].as_str(), &ours) {
            (Some("compile"), _) => uncompiled += 1,
            (Some(_), Err(_)) => unevaluated += 1,
            (Some(_), Ok(value)) => apart.push(format!("{}: ours {value}, cel-go: {}", case.name, answer["error"])),
            (None, Err(why)) => apart.push(format!("{}: ours {why}, cel-go {theirs}", case.name)),
            (None, Ok(value)) => {
                let value = serde_json::from_str(&value.to_json()).unwrap_or_default();
                if !same(&value, theirs) {
                    apart.push(format!("{}: ours {value}, cel-go {theirs}", case.name));
                }
                let nanos = measure(budget, || {
                    std::hint::black_box(program.repeat(std::hint::black_box(&names), POLICY));
                }) / POLICY as f64;
                let other = answer["nanos"].as_f64().unwrap_or_default();
                let guarded = within["nanos"].as_f64().unwrap_or_default();
                for (sum, nanos) in total.iter_mut().zip([nanos, other, guarded]) {
                    *sum += nanos;
                }
                let ratio = other / nanos;
                if verbose || ratio < GOAL {
                    println!(
                        "{ratio:>6.1}x {:>6.1}x {:>9} {:>9} {:>9}  {}\n        {}",
                        guarded / nanos,
                        shown(nanos),
                        shown(other),
                        shown(guarded),
                        case.name,
                        case.text.split_whitespace().collect::<Vec<_>>().join(" ")
                    );
                }
                ratios.push((case.name.clone(), ratio));
                limited.push((case.name.clone(), guarded / nanos));
            }
        }
    }
    let each = |nanos: f64| shown(nanos / ratios.len().max(1) as f64);
    println!(
        "{} expressions: {} compared, {uncompiled} not known to cel-go with Kubernetes' libraries, {unevaluated} without a value in both",
        cases.len(),
        ratios.len()
    );
    for (what, sum) in [("", total[1]), (" within a budget", total[2])] {
        let (ours, theirs) = (each(total[0]), each(sum));
        println!(
            "total (mean): ours {ours}, cel-go{what} {theirs}, {:.1}x",
            sum / total[0]
        );
    }
    summary("cel-go", "expressions", GOAL, &ratios);
    summary("cel-go within a budget", "expressions", GOAL, &limited);
    println!("answers that differ: {}", apart.len());
    apart.iter().for_each(|line| println!("  {line}"));
    Ok(())
}
