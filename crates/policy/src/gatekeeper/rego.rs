//! Between documents and Rego values, and the machine's limits.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use regorus::Value as Rego;
use regorus::rvm::vm::VmError;
use regorus::rvm::{Program, RegoVM};
use regorus::utils::limits::ExecutionTimerConfig;
use ridgeway_doc::{Kind, Node, Number, Value, parse_json};

use crate::request::{Operation, Request};

/// Instructions one template may take: some ten milliseconds of work.
const INSTRUCTIONS: usize = 1_000_000;

/// The interpreter counts time, not steps.
pub(super) fn time_limit() -> ExecutionTimerConfig {
    let check_interval = NonZeroU32::MIN.saturating_add(127);
    ExecutionTimerConfig {
        limit: Duration::from_millis(500),
        check_interval,
    }
}

/// A violation that a template reports.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
}

/// How a run in the machine ended without an answer.
pub(super) enum Ended {
    Exhausted(String),
    Unable,
}

/// Runs a program.
pub(super) fn execute(program: &Arc<Program>, input: Rego, data: Rego) -> Result<Rego, Ended> {
    let mut vm = RegoVM::new();
    vm.set_max_instructions(INSTRUCTIONS);
    vm.load_program(program.clone());
    vm.set_data(data).map_err(|_| Ended::Unable)?;
    vm.set_input(input);
    vm.execute().map_err(|error| match error {
        VmError::InstructionLimitExceeded { .. } => Ended::Exhausted(format!(
            "the rule took more than its budget of {INSTRUCTIONS} instructions"
        )),
        _ => Ended::Unable,
    })
}

/// An object of named values.
pub(super) fn object<const N: usize>(members: [(&str, Rego); N]) -> Rego {
    members
        .into_iter()
        .map(|(key, value)| (Rego::from(key), value))
        .collect::<BTreeMap<_, _>>()
        .into()
}

/// A node as a Rego value.
pub(super) fn value(node: Node<'_>) -> Rego {
    match node.kind() {
        Kind::Null => Rego::Null,
        Kind::Bool => Rego::Bool(node.as_bool() == Some(true)),
        Kind::Number => match node.as_number() {
            Some(Number::Float(f)) => Rego::from(f),
            Some(Number::Int(i)) => Rego::from(i),
            None => Rego::Null,
        },
        Kind::String => Rego::from(node.as_str().unwrap_or_default()),
        Kind::Array => node.items().map(value).collect::<Vec<_>>().into(),
        Kind::Object => node
            .members()
            .map(|(key, member)| (Rego::from(key), value(member)))
            .collect::<BTreeMap<_, _>>()
            .into(),
    }
}

/// A value of the engine's as a document.
fn document(value: &Rego) -> Option<Value> {
    let text = value.to_json_str().ok()?;
    parse_json(text.as_bytes()).ok().map(Value::from)
}

/// The `review` of a request, as Gatekeeper hands it to templates. In the background there is no operation.
pub(super) fn review(request: &Request<'_>, background: bool) -> Rego {
    let node = |node: Option<Node<'_>>| node.map_or(Rego::Null, value);
    let gvk = request.gvk;
    let kind = object([
        ("group", gvk.group.as_str().into()),
        ("version", gvk.version.as_str().into()),
        ("kind", gvk.kind.as_str().into()),
    ]);
    let mut members: BTreeMap<Rego, Rego> = BTreeMap::new();
    let mut put = |key: &str, value: Rego| members.insert(key.into(), value);
    put("kind", kind);
    put("name", request.name.into());
    if !request.namespace.is_empty() {
        put("namespace", request.namespace.into());
    }
    put("object", node(request.object));
    put("oldObject", node(request.old_object));
    put("dryRun", Rego::Bool(request.dry_run));
    if !request.subresource.is_empty() {
        put("subResource", request.subresource.into());
    }
    if let Some(gvr) = request.gvr {
        let resource = object([
            ("group", gvr.group.as_str().into()),
            ("version", gvr.version.as_str().into()),
            ("resource", gvr.resource.as_str().into()),
        ]);
        put("resource", resource);
    }
    if let Some(user) = &request.user {
        let groups: Vec<Rego> = user.groups.iter().map(|group| group.as_str().into()).collect();
        put(
            "userInfo",
            object([("username", user.name.into()), ("groups", groups.into())]),
        );
    }
    if !background {
        put("operation", request.operation.as_str().into());
        // A deleted object is looked at as if it were put before the rule.
        if request.operation == Operation::Delete {
            put("object", node(request.old_object));
        }
    }
    if let Some(namespace) = request.namespace_object {
        put("_unstable", object([("namespace", value(namespace))]));
    }
    members.into()
}

/// The objects beside the one at hand.
pub(super) fn inventory(all: Option<Value>) -> Rego {
    all.map_or_else(Rego::new_object, |all| value(all.node()))
}

/// The violations in a template's answer.
pub(super) fn violations(answer: &Rego) -> Result<Vec<Violation>, String> {
    if matches!(answer, Rego::Undefined | Rego::Null) {
        return Ok(Vec::new());
    }
    let list = document(answer).ok_or("the template's answer cannot be read")?;
    let read = |item: Node<'_>| {
        let message = match item.get("msg").or(Some(item).filter(|item| item.as_str().is_some())) {
            Some(text) => text.as_str().map_or_else(|| text.to_json(), str::to_owned),
            None => "the template reports a violation without a `msg`".to_owned(),
        };
        Violation {
            message,
            details: item.get("details").map(Node::to_value),
        }
    };
    let node = list.node();
    if node.is_object() {
        // A partial object rule: its keys or values are the violations.
        return Ok(node.members().map(|(_, item)| read(item)).collect());
    }
    Ok(node.items().map(read).collect())
}

/// The package that a module opens with.
pub(super) fn package(module: &str) -> Option<&str> {
    let lines = module.lines().map(str::trim);
    lines
        .into_iter()
        .find_map(|line| line.strip_prefix("package "))
        .map(|rest| rest.split('#').next().unwrap_or(rest).trim())
}

/// The sentence of an error: the last line that says something, without its frame.
pub(super) fn first_line(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let said = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && *line != "|");
    let sentence = said
        .clone()
        .find_map(|line| line.strip_prefix("error: "))
        .or_else(|| said.clone().next());
    sentence.unwrap_or("it does not compile").to_owned()
}

/// Line and column of an error within its module: `--> name:3:14`.
pub(super) fn place_in(error: &dyn std::fmt::Display) -> Option<(u32, u32)> {
    let text = error.to_string();
    let place = text.lines().find_map(|line| line.trim().strip_prefix("--> "))?;
    let mut parts = place.rsplit(':');
    let column = parts.next()?.trim().parse().ok()?;
    Some((parts.next()?.trim().parse().ok()?, column))
}
