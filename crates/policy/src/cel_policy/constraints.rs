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
    /// Whether a request for another version of a resource counts as one for the version that is named.
    equivalent: bool,
    /// Whether everything is meant where no resources are named.
    open: bool,
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

    fn matches(&self, request: &Request<'_>, resource: &str, equivalent: bool) -> bool {
        // As Kubernetes compares: letter by letter, and `*` for all, which names know nothing of.
        let has = |list: &[String], text: &str| list.iter().any(|item| item == "*" || item == text);
        let resources = self.resources.iter().any(|pattern| {
            let (main, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
            (main == "*" || main == resource)
                && (sub == request.subresource || sub == "*" || pattern == "*" && request.subresource.is_empty())
        });
        let namespaced = !request.namespace.is_empty();
        let group = |group: &str| has(&self.groups, group);
        let elsewhere = || others(&request.gvk.group, resource).any(group);
        (group(&request.gvk.group) || equivalent && elsewhere())
            && (equivalent || has(&self.versions, &request.gvk.version))
            && resources
            && (self.operations.is_empty() || has(&self.operations, request.operation.as_str()))
            && (self.names.is_empty() || self.names.iter().any(|name| name == request.name))
            && match self.scope.as_str() {
                "Namespaced" => namespaced,
                "Cluster" => !namespaced,
                _ => true,
            }
    }
}

/// Resources that are served in two groups, and are the same objects.
const TWICE: [(&str, &str, &[&str]); 4] = [
    ("", "events.k8s.io", &["events"]),
    ("extensions", "apps", &["daemonsets", "deployments", "replicasets"]),
    ("extensions", "networking.k8s.io", &["ingresses", "networkpolicies"]),
    ("extensions", "policy", &["podsecuritypolicies"]),
];

/// The other groups in which the objects of a resource are served.
fn others<'a>(group: &'a str, resource: &'a str) -> impl Iterator<Item = &'static str> + 'a {
    let about = TWICE
        .iter()
        .filter(move |(.., resources)| resources.contains(&resource));
    about.filter_map(move |(one, two, _)| match group {
        _ if group == *one => Some(*two),
        _ if group == *two => Some(*one),
        _ => None,
    })
}

/// `matchPolicy`: whether other versions of a resource count.
fn equivalent(node: Option<Node<'_>>, path: &str) -> Result<bool, Place> {
    match node.and_then(|node| node.str_at(&["matchPolicy"])) {
        None | Some("" | "Equivalent") => Ok(true),
        Some("Exact") => Ok(false),
        Some(other) => Err(Place::new(
            format!("{path}.matchPolicy"),
            format!("{other:?} is not known here; use Exact or Equivalent"),
        )),
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
            equivalent: false,
            open: false,
        })
    }

    /// The `matchConstraints` of a policy of Kubernetes' own.
    pub(crate) fn of_policy(node: Option<Node<'_>>, path: &str) -> Result<Constraints, Place> {
        let mut out = Constraints::compile(node, path)?;
        if out.rules.is_empty() {
            let why = "a policy needs `resourceRules` that say what it is asked about";
            return Err(Place::new(format!("{path}.resourceRules"), why));
        }
        for (key, rules) in [("resourceRules", &out.rules), ("excludeResourceRules", &out.excluded)] {
            for (i, rule) in rules.iter().enumerate() {
                for (field, list) in [
                    ("apiGroups", &rule.groups),
                    ("apiVersions", &rule.versions),
                    ("resources", &rule.resources),
                    ("operations", &rule.operations),
                ] {
                    if list.is_empty() {
                        let why = format!("a rule needs `{field}`; write [\"*\"] for all");
                        return Err(Place::new(format!("{path}.{key}[{i}].{field}"), why));
                    }
                }
            }
        }
        out.equivalent = equivalent(node, path)?;
        Ok(out)
    }

    /// The `matchResources` of a binding, which may be missing.
    pub(crate) fn of_binding(node: Option<Node<'_>>, path: &str) -> Result<Constraints, Place> {
        let node = node.filter(|node| !node.is_null());
        let mut out = match node {
            Some(_) => Constraints::compile(node, path)?,
            None => Constraints::default(),
        };
        out.equivalent = equivalent(node, path)?;
        out.open = out.rules.is_empty();
        Ok(out)
    }

    /// The same, whatever is being done.
    pub(crate) fn of_any_operation(mut self) -> Constraints {
        let rules = self.rules.iter_mut().chain(&mut self.excluded);
        rules.for_each(|rule| rule.operations.clear());
        self
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
        let any = |rules: &[ResourceRule]| {
            rules
                .iter()
                .any(|rule| rule.matches(request, resource, self.equivalent))
        };
        (self.open || any(&self.rules)) && !any(&self.excluded) && objects && namespaces
    }
}
