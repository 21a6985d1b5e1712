//! Why a `match` does not select a request, in words.

use ridgeway_doc::Node;

use super::{Filter, KindSelector, Match, all_pairs};
use crate::kyverno::wildcard;
use crate::request::{Operation, Request};

impl KindSelector {
    /// As policies write it.
    fn text(&self) -> String {
        let mut out = String::new();
        for part in [&self.group, &self.version] {
            if part != "*" {
                out.push_str(part);
                out.push('/');
            }
        }
        out.push_str(&self.kind);
        if !self.subresource.is_empty() {
            out.push('/');
            out.push_str(&self.subresource);
        }
        out
    }
}

impl Match {
    /// One reason per block that does not hold; empty when the match selects the request.
    pub(crate) fn why_not(&self, request: &Request<'_>, subject: Node<'_>) -> Vec<String> {
        if self.selects(request, subject) {
            return Vec::new();
        }
        let blocks = if self.any.is_empty() { &self.all } else { &self.any };
        let mut out: Vec<String> = blocks
            .iter()
            .filter_map(|block| block.why_not(request, subject))
            .collect();
        out.dedup();
        out
    }
}

impl Filter {
    fn why_not(&self, request: &Request<'_>, subject: Node<'_>) -> Option<String> {
        let metadata = |key: &str| subject.str_at(&["metadata", key]).unwrap_or_default();
        let labels = |node: Option<Node<'_>>| node.map_or_else(|| "none".into(), Node::to_json);
        if !self.kinds.is_empty()
            && !self
                .kinds
                .iter()
                .any(|kind| kind.matches(request.gvk, request.subresource))
        {
            let kinds: Vec<String> = self.kinds.iter().map(KindSelector::text).collect();
            return Some(format!(
                "it is for {}; this is a {}",
                kinds.join(", "),
                request.gvk.kind
            ));
        }
        if !self.operations.is_empty() && !self.operations.contains(&request.operation) {
            let wanted: Vec<&str> = self.operations.iter().map(|op: &Operation| op.as_str()).collect();
            return Some(format!(
                "it is for {}; this is a {}",
                wanted.join(", "),
                request.operation.as_str()
            ));
        }
        let name = match metadata("name") {
            "" => metadata("generateName"),
            name => name,
        };
        if !self.names.is_empty() && !self.names.iter().any(|want| wildcard(want, name)) {
            return Some(format!(
                "it is for names like {}; this is {name:?}",
                self.names.join(", ")
            ));
        }
        let is_namespace = request.gvk.kind == "Namespace" && request.gvk.group.is_empty();
        let namespace = if is_namespace { name } else { request.namespace };
        if !self.namespaces.is_empty() && !self.namespaces.iter().any(|want| wildcard(want, namespace)) {
            return Some(format!(
                "it is for the namespaces {}; this one is {namespace:?}",
                self.namespaces.join(", ")
            ));
        }
        let annotations = subject.at(&["metadata", "annotations"]);
        if !all_pairs(&self.annotations, annotations) {
            return Some(format!("the annotations are not as it asks: {}", labels(annotations)));
        }
        let own = subject.at(&["metadata", "labels"]);
        if self.selector.as_ref().is_some_and(|selector| !selector.matches(own)) {
            return Some(format!("its selector does not match the labels: {}", labels(own)));
        }
        let of_namespace = request.namespace_labels();
        if self
            .namespace_selector
            .as_ref()
            .is_some_and(|selector| is_namespace || !selector.matches(of_namespace))
        {
            return Some(format!(
                "its namespaceSelector does not match the labels of {namespace:?}: {}",
                labels(of_namespace)
            ));
        }
        match &request.user {
            Some(user) if !self.matches_user(user) => Some(format!("it is not for the user {:?}", user.name)),
            None if !self.asks_about_resources() => Some("it asks only who the user is, and no user is known".into()),
            _ => None,
        }
    }
}
