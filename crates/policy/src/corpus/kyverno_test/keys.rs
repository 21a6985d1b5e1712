//! The keys of a suite: what is misspelt, or asks for what cannot be judged here, is said instead of passed over.

use ridgeway_doc::Node;

use crate::source::unknown_field;

const TEST: [&str; 21] = [
    "apiVersion",
    "kind",
    "metadata",
    "name",
    "policies",
    "resources",
    "jsonPayload",
    "jsonPayloads",
    "httpPayloads",
    "envoyPayloads",
    "targetResources",
    "variables",
    "values",
    "paramResources",
    "userinfo",
    "results",
    "exceptions",
    "context",
    "clusterResources",
    "apiCallResponses",
    "globalContextEntries",
];

const RESULT: [&str; 13] = [
    "policy",
    "rule",
    "kind",
    "result",
    "operation",
    "resources",
    "resourceSpecs",
    "patchedResources",
    "generatedResource",
    "generatedResources",
    "cloneSourceResource",
    "failOnMissingResources",
    // Flags, of which there are several.
    "isValidatingPolicy",
];

const SPEC: [&str; 6] = ["group", "version", "kind", "namespace", "subresource", "name"];

/// What a row says of its policy's kind, which the policy says itself. Kyverno reads keys whatever their case.
const FLAGS: [&str; 7] = [
    "isvalidatingadmissionpolicy",
    "ismutatingadmissionpolicy",
    "isvalidatingpolicy",
    "isdeletingpolicy",
    "isimagevalidatingpolicy",
    "isgeneratingpolicy",
    "ismutatingpolicy",
];

/// Why a suite cannot be run, if it cannot.
pub(super) fn check(test: Node<'_>) -> Result<(), String> {
    for (key, value) in test.members() {
        if !TEST.contains(&key) {
            return Err(unknown_field(key, &TEST));
        }
        if matches!(key, "httpPayloads" | "envoyPayloads") && !value.is_empty() {
            return Err(format!(
                "{key}: requests of a proxy are not judged here; leave the key out, and keep policies with \
                 `evaluation.mode: {}` to `kyverno test`",
                if key == "httpPayloads" { "HTTP" } else { "Envoy" }
            ));
        }
    }
    for (at, row) in test.get("results").into_iter().flat_map(Node::items).enumerate() {
        let place = |why: String| format!("results[{at}]: {why}");
        for (key, _) in row.members() {
            if !RESULT.contains(&key) && !FLAGS.contains(&key.to_lowercase().as_str()) {
                return Err(place(unknown_field(key, &RESULT)));
            }
        }
        for spec in row.get("resourceSpecs").into_iter().flat_map(Node::items) {
            if let Some((key, _)) = spec.members().find(|(key, _)| !SPEC.contains(key)) {
                return Err(place(format!("resourceSpecs: {}", unknown_field(key, &SPEC))));
            }
        }
        let operation = row.str_at(&["operation"]).unwrap_or_default();
        if !matches!(operation, "" | "CREATE" | "UPDATE" | "DELETE") {
            return Err(place(format!(
                "the operation is {operation:?}; it is CREATE, UPDATE or DELETE"
            )));
        }
    }
    Ok(())
}
