//! Constraints: where a template applies, with which parameters, to what effect.

use std::sync::Arc;

use regorus::Value as Rego;
use ridgeway_doc::{Node, Value};
use ridgeway_krm::LabelSelector;

use super::rego;
use super::template::{Template, fault};
use crate::request::Request;
use crate::verdict::{Action, CompileError};

/// A compiled constraint.
#[derive(Debug)]
pub(crate) struct Constraint {
    /// `Kind/name`.
    pub(super) name: String,
    pub(super) template: Arc<Template>,
    pub(super) parameters: Rego,
    /// The parameters as our own engine takes them.
    pub(super) native_parameters: crate::rego::Value<'static>,
    /// The parameters for templates in CEL; `null` without any.
    pub(super) cel_parameters: Value,
    pub(super) action: Action,
    kinds: Vec<(Vec<String>, Vec<String>)>,
    names: Option<String>,
    namespaces: Vec<String>,
    excluded: Vec<String>,
    scope: Scope,
    labels: Option<LabelSelector>,
    namespace_labels: Option<LabelSelector>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Any,
    Namespaced,
    Cluster,
}

fn texts(node: Option<Node<'_>>) -> Vec<String> {
    node.into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect()
}

/// Whether a text matches a pattern with `*` at its start or end.
fn affix(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), _) if rest.ends_with('*') => text.contains(rest.trim_end_matches('*')),
        (Some(suffix), _) => text.ends_with(suffix),
        (None, Some(prefix)) => text.starts_with(prefix),
        (None, None) => pattern == text,
    }
}

impl Constraint {
    pub(super) fn compile(node: Node<'_>, template: Arc<Template>) -> Result<Constraint, CompileError> {
        let spec = |path: &[&str]| node.get("spec").and_then(|spec| spec.at(path));
        let action = match spec(&["enforcementAction"]).and_then(Node::as_str) {
            None | Some("deny" | "") => Action::Enforce,
            Some("warn") => Action::Warn,
            Some("dryrun") => Action::Audit,
            Some("scoped") => scoped(spec(&["scopedEnforcementActions"])),
            Some(other) => {
                let why = format!("{other:?} is no action; use deny, warn, dryrun or scoped");
                return Err(fault(node, "spec.enforcementAction", why));
            }
        };
        let scope = match spec(&["match", "scope"]).and_then(Node::as_str) {
            None | Some("*" | "") => Scope::Any,
            Some("Namespaced") => Scope::Namespaced,
            Some("Cluster") => Scope::Cluster,
            Some(other) => {
                let why = format!("{other:?} is no scope; use *, Cluster or Namespaced");
                return Err(fault(node, "spec.match.scope", why));
            }
        };
        let selector = |key: &str| {
            let selector = spec(&["match", key]).map(LabelSelector::from_node).transpose();
            selector.map_err(|e| fault(node, &format!("spec.match.{key}"), e.to_string()))
        };
        let kinds = spec(&["match", "kinds"]).into_iter().flat_map(Node::items);
        Ok(Constraint {
            name: format!(
                "{}/{}",
                template.kind,
                node.str_at(&["metadata", "name"]).unwrap_or_default()
            ),
            parameters: spec(&["parameters"]).map_or_else(Rego::new_object, rego::value),
            native_parameters: spec(&["parameters"]).map_or_else(
                || crate::rego::Value::object(Vec::new()),
                |parameters| crate::rego::Value::from_node(parameters).to_owned(),
            ),
            cel_parameters: spec(&["parameters"]).map_or(Value::NULL, Node::to_value),
            action,
            kinds: kinds
                .map(|kind| (texts(kind.get("apiGroups")), texts(kind.get("kinds"))))
                .collect(),
            names: spec(&["match", "name"]).and_then(Node::as_str).map(str::to_owned),
            namespaces: texts(spec(&["match", "namespaces"])),
            excluded: texts(spec(&["match", "excludedNamespaces"])),
            scope,
            labels: selector("labelSelector")?,
            namespace_labels: selector("namespaceSelector")?,
            template,
        })
    }

    /// Whether it is for this request.
    pub(super) fn selects(&self, request: &Request<'_>, subject: Node<'_>) -> bool {
        let gvk = request.gvk;
        let has = |list: &[String], text: &str| list.is_empty() || list.iter().any(|item| item == "*" || item == text);
        if !self.kinds.is_empty()
            && !self
                .kinds
                .iter()
                .any(|(groups, kinds)| has(groups, &gvk.group) && has(kinds, &gvk.kind))
        {
            return false;
        }
        // What stands for a subresource is another object than the one the constraint names.
        if !matches!(request.subresource, "" | "ephemeralcontainers" | "resize") {
            return false;
        }
        let is_namespace = gvk.kind == "Namespace" && gvk.group.is_empty();
        let namespace = if is_namespace { request.name } else { request.namespace };
        let scope = match self.scope {
            Scope::Any => true,
            Scope::Namespaced => !request.namespace.is_empty() && !is_namespace,
            Scope::Cluster => request.namespace.is_empty() || is_namespace,
        };
        let name = match (request.name, subject.str_at(&["metadata", "generateName"])) {
            ("", Some(generated)) => generated,
            (name, _) => name,
        };
        let labels = |selector: &Option<LabelSelector>, labels: Option<Node<'_>>| {
            selector.as_ref().is_none_or(|selector| selector.matches(labels))
        };
        let namespace_labels = if is_namespace {
            subject.at(&["metadata", "labels"])
        } else {
            request.namespace_labels()
        };
        scope
            && self.names.as_ref().is_none_or(|pattern| affix(pattern, name))
            // Cluster-scoped objects are in no namespace: lists of namespaces do not concern them.
            && (self.namespaces.is_empty() || namespace.is_empty() || self.namespaces.iter().any(|n| affix(n, namespace)))
            && (namespace.is_empty() || !self.excluded.iter().any(|n| affix(n, namespace)))
            && labels(&self.labels, subject.at(&["metadata", "labels"]))
            && (namespace.is_empty() || labels(&self.namespace_labels, namespace_labels))
    }
}

/// The strictest action among those scoped to admission.
fn scoped(list: Option<Node<'_>>) -> Action {
    let mut out = Action::Audit;
    for item in list.into_iter().flat_map(Node::items) {
        let mut points = item.get("enforcementPoints").into_iter().flat_map(Node::items);
        if points.any(|point| matches!(point.str_at(&["name"]), Some("*" | "validation.gatekeeper.sh"))) {
            out = out.max(match item.str_at(&["action"]) {
                Some("deny") => Action::Enforce,
                Some("warn") => Action::Warn,
                _ => Action::Audit,
            });
        }
    }
    out
}
