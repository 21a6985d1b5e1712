//! ServiceAccount admission: every Pod runs as an account of its namespace.

use ridgeway_doc::{Doc, Node, Value};

/// The account that a Pod asks for.
pub(crate) fn wanted(pod: Node<'_>) -> &str {
    let named = |key: &str| pod.str_at(&["spec", key]).filter(|name| !name.is_empty());
    named("serviceAccountName")
        .or_else(|| named("serviceAccount"))
        .unwrap_or("default")
}

/// Writes the account into the Pod, with the account's image pull secrets where the Pod has none.
pub(crate) fn assign(pod: &mut Value, account: Option<&Doc>) {
    let name = wanted(pod.node()).to_owned();
    pod.set(&["spec", "serviceAccountName"], name.as_str());
    pod.set(&["spec", "serviceAccount"], name.as_str());
    let secrets = account
        .and_then(|account| account.root().get("imagePullSecrets"))
        .filter(|list| !list.is_empty());
    if let Some(secrets) = secrets
        && pod.node().at(&["spec", "imagePullSecrets"]).is_none_or(Node::is_empty)
    {
        pod.set(&["spec", "imagePullSecrets"], secrets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::yaml;

    #[test]
    fn accounts_and_their_secrets() {
        let account = yaml("imagePullSecrets: [{name: registry}]").into_doc();
        let mut pod = yaml("spec: {containers: []}");
        assign(&mut pod, Some(&account));
        assert_eq!(
            pod,
            yaml(
                "spec: {containers: [], serviceAccountName: default, serviceAccount: default, \
             imagePullSecrets: [{name: registry}]}"
            )
        );
        let mut pod = yaml("spec: {serviceAccount: old, imagePullSecrets: [{name: own}]}");
        assign(&mut pod, Some(&account));
        assert_eq!(pod.node().str_at(&["spec", "serviceAccountName"]), Some("old"));
        assert_eq!(
            pod.node().at(&["spec", "imagePullSecrets"]).unwrap().to_json(),
            r#"[{"name":"own"}]"#
        );
    }
}
