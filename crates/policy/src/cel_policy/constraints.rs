//! `matchConstraints`: which requests a policy applies to, by resources.

use ridgeway_doc::Node;
use ridgeway_krm::LabelSelector;

use crate::kyverno::Place;
use crate::request::{Operation, Request};

/// Compiled match constraints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constraints {
    rules: Vec<ResourceRule>,
    excluded: Vec<ResourceRule>,
    objects: Option<LabelSelector>,
    namespaces: Option<LabelSelector>,
}

#[derive(Clone, Debug)]
struct ResourceRule {
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    names: Vec<String>,
    operations: Vec<String>,
    scope: String,
}

fn texts(node: Option<Node<'_>>) -> Vec<String> {
    node.into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .map(str::to_owned)
        .collect()
}

/// The plural of a kind by the usual rule, where nobody says better.
pub(crate) fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    if lower.ends_with('s') || lower.ends_with('x') || lower.ends_with("ch") || lower.ends_with("sh") {
        return if lower == "endpoints" {
            lower
        } else {
            format!("{lower}es")
        };
    }
    match lower.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'i', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{lower}s"),
    }
}

impl ResourceRule {
    fn compile(node: Node<'_>) -> ResourceRule {
        ResourceRule {
            groups: texts(node.get("apiGroups")),
            versions: texts(node.get("apiVersions")),
            resources: texts(node.get("resources")),
            names: texts(node.get("resourceNames")),
            operations: texts(node.get("operations")),
            scope: node.str_at(&["scope"]).unwrap_or("*").to_owned(),
        }
    }

    fn matches(&self, request: &Request<'_>, resource: &str) -> bool {
        let has = |list: &[String], text: &str| list.iter().any(|item| item == "*" || item.eq_ignore_ascii_case(text));
        let resources = self.resources.iter().any(|pattern| {
            let (main, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
            (main == "*" || main.eq_ignore_ascii_case(resource))
                && (sub == request.subresource || sub == "*" || pattern == "*" && request.subresource.is_empty())
        });
        let namespaced = !request.namespace.is_empty();
        has(&self.groups, &request.gvk.group)
            && has(&self.versions, &request.gvk.version)
            && resources
            && (self.operations.is_empty() || has(&self.operations, request.operation.as_str()))
            && (self.names.is_empty() || has(&self.names, request.name))
            && match self.scope.as_str() {
                "Namespaced" => namespaced,
                "Cluster" => !namespaced,
                _ => true,
            }
    }
}

impl Constraints {
    pub(crate) fn compile(node: Option<Node<'_>>, path: &str) -> Result<Constraints, Place> {
        let Some(node) = node else {
            return Err(Place::new(
                path,
                "a policy needs `matchConstraints` with `resourceRules`",
            ));
        };
        let rules = |key: &str| {
            node.get(key)
                .into_iter()
                .flat_map(Node::items)
                .map(ResourceRule::compile)
                .collect()
        };
        let selector = |key: &str| {
            let selector = node.get(key).map(LabelSelector::from_node).transpose();
            selector.map_err(|e| Place::new(format!("{path}.{key}"), e.to_string()))
        };
        Ok(Constraints {
            rules: rules("resourceRules"),
            excluded: rules("excludeResourceRules"),
            objects: selector("objectSelector")?.filter(|s| !s.is_everything()),
            namespaces: selector("namespaceSelector")?.filter(|s| !s.is_everything()),
        })
    }

    /// Whether the policy is for this request.
    pub(crate) fn selects(&self, request: &Request<'_>) -> bool {
        let guessed;
        let resource = match request.gvr {
            Some(gvr) => gvr.resource.as_str(),
            None => {
                guessed = plural(&request.gvk.kind);
                &guessed
            }
        };
        let labels = |node: Option<Node<'_>>, selector: &LabelSelector| {
            node.is_some_and(|node| selector.matches(node.at(&["metadata", "labels"])))
        };
        let objects = self.objects.as_ref().is_none_or(|selector| {
            labels(request.object, selector)
                || labels(
                    request.old_object.filter(|_| request.operation != Operation::Create),
                    selector,
                )
        });
        let is_namespace = request.gvk.kind == "Namespace" && request.gvk.group.is_empty();
        let namespaces = self.namespaces.as_ref().is_none_or(|selector| {
            if is_namespace {
                return labels(request.subject(), selector);
            }
            // What lies in no namespace is matched whatever the selector says.
            request.namespace.is_empty() || selector.matches(request.namespace_labels())
        });
        self.rules.iter().any(|rule| rule.matches(request, resource))
            && !self.excluded.iter().any(|rule| rule.matches(request, resource))
            && objects
            && namespaces
    }
}
