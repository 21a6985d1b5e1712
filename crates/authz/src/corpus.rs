//! Recorded access reviews: a whole RBAC world and what kube-apiserver answered about it.

use ridgeway_doc::{Doc, Node};

use crate::rules::{Attributes, Decision, Rules};

/// Judges one world: how many of its reviews are answered as recorded, and a sentence for each that is not.
///
/// # Errors
/// A sentence when the text is not such a world.
pub fn check_case(json: &str) -> Result<(usize, Vec<String>), String> {
    let world = Doc::parse_json(json.as_bytes()).map_err(|error| format!("not JSON: {error}"))?;
    let list = |key: &str| {
        let found = world.root().get(key).filter(|node| node.is_array());
        found
            .map(Node::items)
            .ok_or_else(|| format!("a world has a list `{key}`; this one has none"))
    };
    let rules = Rules::from_objects(list("objects")?);
    let (mut passed, mut failures) = (0, Vec::new());
    for review in list("reviews")? {
        let wanted = review.get("allowed").and_then(Node::as_bool);
        let decision = review.get("spec").map(|spec| decide(&rules, spec)).unwrap_or_default();
        if wanted == Some(decision.allowed) {
            passed += 1;
        } else {
            failures.push(format!(
                "{review}: answered {}, {:?}",
                decision.allowed, decision.reason
            ));
        }
    }
    Ok((passed, failures))
}

/// The decision about the `spec` of a SubjectAccessReview.
fn decide(rules: &Rules, spec: Node<'_>) -> Decision {
    let groups = spec.get("groups").map(Node::items).into_iter().flatten();
    let groups: Vec<String> = groups.filter_map(Node::as_str).map(Into::into).collect();
    let of = |key: &'static str| spec.str_at(&["resourceAttributes", key]).unwrap_or_default();
    let path = spec.get("nonResourceAttributes");
    let other = |key: &'static str| path.and_then(|path| path.str_at(&[key])).unwrap_or_default();
    rules.authorize(&Attributes {
        user: spec.str_at(&["user"]).unwrap_or_default(),
        groups: &groups,
        verb: if path.is_some() { other("verb") } else { of("verb") },
        group: of("group"),
        version: of("version"),
        resource: of("resource"),
        subresource: of("subresource"),
        name: of("name"),
        namespace: of("namespace"),
        non_resource_path: other("path"),
    })
}
