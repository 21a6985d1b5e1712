//! Gatekeeper's mutators and expansion templates: how they stand, and how people look at them.

use ridgeway_doc::{Doc, Node, Value};

use crate::snapshot::Unit;
use crate::source::{Role, items, text};
use crate::view::RuleView;

/// Who tells of a mutator in its status, where Gatekeeper has one entry for each of its Pods.
const TELLER: &str = "ridgeway";

/// The status of a mutator or an expansion template.
pub(crate) fn status(unit: &Unit, live: &Doc, role: Role) -> Value {
    let root = live.root();
    let mut entry = Value::object();
    entry.set(&["id"], TELLER);
    let uid = if role == Role::Mutator {
        "mutatorUID"
    } else {
        "templateUID"
    };
    entry.set(&[uid], text(root, &["metadata", "uid"]));
    let operations: &[&str] = if role == Role::Mutator {
        &["mutation-webhook"]
    } else {
        &["audit", "webhook"]
    };
    entry.set(&["operations"], operations.iter().copied().collect::<Value>());
    if role == Role::Mutator {
        entry.set(&["enforced"], unit.faults.is_empty());
    }
    if let Some(generation) = root.at(&["metadata", "generation"]) {
        entry.set(&["observedGeneration"], generation.to_value());
    }
    if !unit.faults.is_empty() {
        let one = |fault: &ridgeway_policy::CompileError| {
            let mut out = Value::object();
            if unit.conflicts {
                out.set(&["type"], "ErrConflictingSchema");
            }
            out.set(&["message"], fault.to_string());
            out
        };
        entry.set(&["errors"], unit.faults.iter().map(one).collect::<Value>());
    }
    let mut out = Value::object();
    out.set(&["byPod"], vec![entry]);
    out
}

fn joined(node: Node<'_>, path: &[&str], key: &str) -> Vec<String> {
    let lists = items(node, path).filter_map(|entry| entry.get(key));
    let texts = lists.flat_map(Node::items).filter_map(Node::as_str);
    texts.map(str::to_owned).collect()
}

/// What a mutator or an expansion template is for and does, as a rule.
pub(crate) fn rule(unit: &Unit) -> RuleView {
    let root = unit.doc.root();
    let spec = |key: &str| text(root, &["spec", key]);
    let parameter = |path: &[&str]| {
        root.at(&["spec", "parameters"])
            .and_then(|parameters| parameters.at(path))
            .map(Node::to_json)
    };
    let words = match unit.key.kind.as_str() {
        "ExpansionTemplate" => {
            let kind = text(root, &["spec", "generatedGVK", "kind"]);
            format!("a {kind} follows, made of {}", spec("templateSource"))
        }
        "ModifySet" => {
            let values = parameter(&["values", "fromList"]).unwrap_or_default();
            match parameter(&["operation"]).as_deref() {
                Some("\"prune\"") => format!("{} loses {values}", spec("location")),
                _ => format!("{} has {values}", spec("location")),
            }
        }
        "AssignImage" => {
            let parts = ["assignDomain", "assignPath", "assignTag"].map(|key| parameter(&[key]));
            let parts: Vec<String> = parts.into_iter().flatten().collect();
            format!("{} has {}", spec("location"), parts.join(", "))
        }
        _ => match parameter(&["assign", "value"]) {
            Some(value) => format!("{} is {value}", spec("location")),
            None => {
                let field = text(root, &["spec", "parameters", "assign", "fromMetadata", "field"]);
                format!("{} is the object's {field}", spec("location"))
            }
        },
    };
    let kinds = match joined(root, &["spec", "applyTo"], "kinds") {
        kinds if kinds.is_empty() => joined(root, &["spec", "match", "kinds"], "kinds"),
        kinds => kinds,
    };
    let applies = if kinds.is_empty() {
        "every object".into()
    } else {
        kinds.join(", ")
    };
    let line = root.get("spec").and_then(Node::position);
    RuleView {
        name: unit.key.kind.clone(),
        kind: if unit.key.kind == "ExpansionTemplate" {
            "validate"
        } else {
            "mutate"
        },
        words,
        applies,
        line: line.map_or(0, |position| position.line),
    }
}
