//! `match`: which objects a constraint or a mutator is for.

use ridgeway_doc::Node;
use ridgeway_krm::LabelSelector;

use super::template::fault;
use crate::request::Request;
use crate::verdict::CompileError;

/// Where an object comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Somebody wants to store it, or it is stored.
    Original,
    /// An expansion template says that it will follow from another object.
    Generated,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scope {
    Any,
    Namespaced,
    Cluster,
}

/// A compiled `match`; everything it names must hold.
#[derive(Debug)]
pub(super) struct Match {
    kinds: Vec<(Vec<String>, Vec<String>)>,
    name: Option<String>,
    namespaces: Vec<String>,
    excluded: Vec<String>,
    scope: Scope,
    labels: Option<LabelSelector>,
    namespace_labels: Option<LabelSelector>,
    origin: Option<Origin>,
}

pub(super) fn texts(node: Option<Node<'_>>) -> Vec<String> {
    node.into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect()
}

/// Whether a text matches a pattern with `*` at its start or end.
pub(super) fn affix(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(rest), _) if rest.ends_with('*') => text.contains(rest.trim_end_matches('*')),
        (Some(suffix), _) => text.ends_with(suffix),
        (None, Some(prefix)) => text.starts_with(prefix),
        (None, None) => pattern == text,
    }
}

impl Match {
    /// Reads `spec.match` of an object.
    pub(super) fn compile(node: Node<'_>) -> Result<Match, CompileError> {
        let at = |key: &str| node.at(&["spec", "match", key]);
        let wrong = |key: &str, why: String| fault(node, &format!("spec.match.{key}"), why);
        let scope = match at("scope").and_then(Node::as_str) {
            None | Some("*" | "") => Scope::Any,
            Some("Namespaced") => Scope::Namespaced,
            Some("Cluster") => Scope::Cluster,
            Some(other) => {
                let why = format!("{other:?} is no scope; use *, Cluster or Namespaced");
                return Err(wrong("scope", why));
            }
        };
        let origin = match at("source").and_then(Node::as_str) {
            None | Some("All" | "") => None,
            Some("Original") => Some(Origin::Original),
            Some("Generated") => Some(Origin::Generated),
            Some(other) => {
                let why = format!("{other:?} is no source; use All, Original or Generated");
                return Err(wrong("source", why));
            }
        };
        let selector = |key: &str| {
            let selector = at(key).map(LabelSelector::from_node).transpose();
            selector.map_err(|e| wrong(key, e.to_string()))
        };
        let kinds = at("kinds").into_iter().flat_map(Node::items);
        Ok(Match {
            kinds: kinds
                .map(|kind| (texts(kind.get("apiGroups")), texts(kind.get("kinds"))))
                .collect(),
            name: at("name")
                .and_then(Node::as_str)
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            namespaces: texts(at("namespaces")),
            excluded: texts(at("excludedNamespaces")),
            scope,
            labels: selector("labelSelector")?,
            namespace_labels: selector("namespaceSelector")?,
            origin,
        })
    }

    /// Whether it is for an object.
    pub(super) fn selects(&self, request: &Request<'_>, subject: Node<'_>, origin: Origin) -> bool {
        let gvk = request.gvk;
        let has = |list: &[String], text: &str| list.is_empty() || list.iter().any(|item| item == "*" || item == text);
        if self.origin.is_some_and(|wanted| wanted != origin) {
            return false;
        }
        if !self.kinds.is_empty()
            && !self
                .kinds
                .iter()
                .any(|(groups, kinds)| has(groups, &gvk.group) && has(kinds, &gvk.kind))
        {
            return false;
        }
        // What stands for a subresource is another object than the one that is named.
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
        let generated = subject.str_at(&["metadata", "generateName"]).unwrap_or_default();
        // Only the beginning of a name that is still to be made up is known.
        let named = |pattern: &String| {
            !request.name.is_empty() && affix(pattern, request.name)
                || !generated.is_empty() && pattern.ends_with('*') && affix(pattern, generated)
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
            && self.name.as_ref().is_none_or(named)
            // Cluster-scoped objects are in no namespace: lists of namespaces do not concern them.
            && (self.namespaces.is_empty() || namespace.is_empty() || self.namespaces.iter().any(|n| affix(n, namespace)))
            && (namespace.is_empty() || !self.excluded.iter().any(|n| affix(n, namespace)))
            && labels(&self.labels, subject.at(&["metadata", "labels"]))
            && (namespace.is_empty() || labels(&self.namespace_labels, namespace_labels))
    }
}
