//! Why a constraint or a policy in CEL is not for a request, read from its source.

use ridgeway_doc::Node;

use crate::request::Request;

fn texts(node: Option<Node<'_>>) -> Vec<&str> {
    node.into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .collect()
}

/// Reasons in words; never empty.
pub(crate) fn why_not(source: Node<'_>, request: &Request<'_>, subject: Node<'_>) -> Vec<String> {
    let mut out = Vec::new();
    let kind = &request.gvk.kind;
    let has = |list: &[&str], text: &str| list.is_empty() || list.iter().any(|item| *item == "*" || *item == text);
    if let Some(matches) = source.at(&["spec", "match"]) {
        let kinds: Vec<Node<'_>> = matches.get("kinds").into_iter().flat_map(Node::items).collect();
        let named = kinds
            .iter()
            .any(|k| has(&texts(k.get("apiGroups")), &request.gvk.group) && has(&texts(k.get("kinds")), kind));
        if !kinds.is_empty() && !named {
            let all: Vec<&str> = kinds.iter().flat_map(|k| texts(k.get("kinds"))).collect();
            out.push(format!("it is for {}; this is a {kind}", all.join(", ")));
        }
        for (key, said) in [
            ("namespaces", "it is for the namespaces"),
            ("excludedNamespaces", "it leaves out the namespaces"),
        ] {
            let list = texts(matches.get(key));
            if !list.is_empty() {
                out.push(format!(
                    "{said} {}; this one is {:?}",
                    list.join(", "),
                    request.namespace
                ));
            }
        }
        for (key, labels) in [
            ("labelSelector", subject.at(&["metadata", "labels"])),
            ("namespaceSelector", request.namespace_labels()),
        ] {
            if let Some(selector) = matches.get(key) {
                let labels = labels.map_or_else(|| "none".into(), Node::to_json);
                out.push(format!("its {key} is {}; the labels are {labels}", selector.to_json()));
            }
        }
        if let Some(scope) = matches.str_at(&["scope"]).filter(|scope| *scope != "*") {
            out.push(format!("it is for the scope {scope}"));
        }
    }
    if let Some(constraints) = source.at(&["spec", "matchConstraints"]) {
        let rules = constraints.get("resourceRules").into_iter().flat_map(Node::items);
        let resources: Vec<String> = rules
            .flat_map(|rule| {
                let operations = texts(rule.get("operations")).join(", ");
                let suffix = if operations.is_empty() {
                    String::new()
                } else {
                    format!(" ({operations})")
                };
                texts(rule.get("resources"))
                    .into_iter()
                    .map(move |r| format!("{r}{suffix}"))
            })
            .collect();
        out.push(format!(
            "it is for {}; this is a {kind} ({})",
            resources.join(", "),
            request.operation.as_str()
        ));
        for key in ["objectSelector", "namespaceSelector", "excludeResourceRules"] {
            if let Some(node) = constraints.get(key).filter(|node| !node.is_empty()) {
                out.push(format!("its {key} is {}", node.to_json()));
            }
        }
    }
    // The first reason that names a kind decides; the others are only possible ones.
    if out
        .first()
        .is_some_and(|first| first.starts_with("it is for") && first.contains("this is a"))
    {
        out.truncate(1);
    }
    if out.is_empty() {
        out.push("it did not compile, or is not for this operation".into());
    }
    out
}
