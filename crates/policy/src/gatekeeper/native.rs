//! Templates in Rego, which read the review where it lies.

use ridgeway_doc::{Node, Value as Document, parse_json};

use crate::budget::Fuel;
use crate::rego::{Engine, Error, Request as Call, Value, Version};
use crate::request::{Operation, Request};

/// A violation that a template reports.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Violation {
    pub(super) message: String,
    pub(super) details: Option<Document>,
}

/// A template compiled to a program of the Rego engine.
pub(super) struct Native {
    engine: Engine,
    rule: usize,
}

/// What a template wants for.
pub(super) enum Fault {
    Rego(Error),
    /// Its package has no rule `violation`.
    NoViolation,
}

impl Native {
    /// Compiles the Rego of a template: the module with the rule `violation`, then its libraries.
    pub(super) fn compile(sources: &[&str], v1: bool) -> Result<Native, Fault> {
        let version = if v1 { Version::V1 } else { Version::V0 };
        let engine = Engine::compile(sources, version).map_err(Fault::Rego)?;
        let rule = engine.own_rule("violation").ok_or(Fault::NoViolation)?;
        Ok(Native { engine, rule })
    }

    /// The violations of a review.
    pub(super) fn run<'d>(
        &self,
        review: &Value<'d>,
        parameters: &Value<'d>,
        inventory: Option<Value<'d>>,
    ) -> Result<Vec<Violation>, String> {
        let fuel = Fuel::default();
        let call = Call {
            input: Some(Value::named([
                ("parameters", parameters.clone()),
                ("review", review.clone()),
            ])),
            data: match inventory {
                Some(inventory) => Value::named([("inventory", inventory)]),
                None => Value::object(Vec::new()),
            },
            fuel: &fuel,
            strict: false,
            now: 0,
        };
        match self.engine.value(self.rule, call) {
            Ok(Some(answer)) => Ok(violations(&answer)),
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(format!("{} (line {})", error.message, error.pos.line)),
        }
    }
}

fn violations(answer: &Value<'_>) -> Vec<Violation> {
    let read = |item: &Value<'_>| {
        let message = match item.field("msg") {
            Some(text) => text.json_key(),
            None if item.as_str().is_some() => item.json_key(),
            None => "the template reports a violation without a `msg`".to_owned(),
        };
        let details = item.field("details").map(|details| details.to_json());
        Violation {
            message,
            details: details.and_then(|json| parse_json(json.as_bytes()).ok().map(Document::from)),
        }
    };
    if let Some(items) = answer.as_list() {
        return items.iter().map(read).collect();
    }
    // A partial object rule: its values are the violations.
    let members = answer.as_object().unwrap_or_default();
    members.iter().map(|(_, item)| read(item)).collect()
}

/// The `review` of a request, as Gatekeeper hands it to templates. In the background there is no operation.
pub(super) fn review<'d>(request: &Request<'d>, background: bool) -> Value<'d> {
    let node = |node: Option<Node<'d>>| node.map_or(Value::Null, Value::from_node);
    let gvk = request.gvk;
    let text = |text: &'d str| Value::Text(text);
    let mut members = Vec::with_capacity(12);
    let mut put = |key: &'static str, value: Value<'d>| members.push((Value::Text(key), value));
    let kind = Value::named([
        ("group", text(&gvk.group)),
        ("version", text(&gvk.version)),
        ("kind", text(&gvk.kind)),
    ]);
    put("kind", kind);
    put("name", text(request.name));
    let namespace = if background {
        request.namespace
    } else {
        request.told_namespace()
    };
    if !namespace.is_empty() {
        put("namespace", text(namespace));
    }
    // A deleted object is looked at as if it were put before the rule.
    let deleted = !background && request.operation == Operation::Delete;
    put(
        "object",
        node(if deleted { request.old_object } else { request.object }),
    );
    put("oldObject", node(request.old_object));
    put("dryRun", Value::Bool(request.dry_run));
    if !request.subresource.is_empty() {
        put("subResource", text(request.subresource));
    }
    if let Some(gvr) = request.gvr {
        let resource = Value::named([
            ("group", text(&gvr.group)),
            ("version", text(&gvr.version)),
            ("resource", text(&gvr.resource)),
        ]);
        put("resource", resource);
    }
    if let Some(user) = &request.user {
        let groups = user.groups.iter().map(|group| text(group)).collect();
        let mut info = vec![
            (Value::str("username"), text(user.name)),
            (Value::str("groups"), Value::array(groups)),
        ];
        if !user.uid.is_empty() {
            info.push((Value::str("uid"), text(user.uid)));
        }
        if let Some(extra) = user.extra {
            info.push((Value::str("extra"), Value::from_node(extra)));
        }
        put("userInfo", Value::object(info));
    }
    if let Some(options) = request.options {
        put("options", Value::from_node(options));
    }
    if !background {
        put("operation", text(request.operation.as_str()));
    }
    if let Some(namespace) = request.namespace_object {
        put("_unstable", Value::named([("namespace", Value::from_node(namespace))]));
    }
    Value::object(members)
}
