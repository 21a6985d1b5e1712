//! Strategic merge, as kustomize does it: maps merge, lists merge by key where the built-in types say so, `null`
//! removes, `$patch` directs.

use ridgeway_doc::{Kind, Node, Value};
use ridgeway_krm::Gvk;

/// How the items of a list are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListKind {
    /// The patch's list replaces the other.
    Atomic,
    /// Items with the same values under these keys are the same item.
    Keyed(&'static [&'static str]),
    /// A set of scalars.
    Set,
}

/// What `$patch` asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Merges a patch into an object; `None` when the patch deletes it.
pub(crate) fn merge(target: Node<'_>, patch: Node<'_>) -> Option<Value> {
    let merger = Merger {
        pod_spec: Gvk::of(target).map_or(&[][..], |gvk| pod_spec_path(&gvk)),
        gvk: Gvk::of(target).unwrap_or_default(),
    };
    let mut path = Vec::new();
    merger.merge(Some(target), Some(patch), &mut path)
}

struct Merger {
    gvk: Gvk,
    /// Where the Pod spec stands in this kind; empty when there is none.
    pod_spec: &'static [&'static str],
}

impl Merger {
    /// Merges one node; `None` when nothing is left of it.
    fn merge<'a>(&self, dest: Option<Node<'a>>, patch: Option<Node<'a>>, path: &mut Vec<&'a str>) -> Option<Value> {
        let (dest, patch) = match (dest, patch) {
            (dest, None) => return dest.map(Node::to_value),
            (_, Some(patch)) if patch.is_null() => return None,
            (dest, Some(patch)) => (dest.filter(|d| !d.is_null()), patch),
        };
        match patch.kind() {
            Kind::Object => {
                let directive = directive(patch);
                if directive == Directive::Delete {
                    return None;
                }
                let dest = dest.filter(|d| d.is_object() && directive == Directive::Merge);
                Some(self.merge_object(dest, patch, path))
            }
            Kind::Array => match self.list_kind(path) {
                ListKind::Atomic => Some(patch.to_value()),
                ListKind::Set => Some(merge_set(dest, patch)),
                ListKind::Keyed(keys) => self.merge_list(dest, patch, keys, path),
            },
            _ => Some(patch.to_value()),
        }
    }

    fn merge_object<'a>(&self, dest: Option<Node<'a>>, patch: Node<'a>, path: &mut Vec<&'a str>) -> Value {
        let mut out = dest.map_or_else(Value::object, Node::to_value);
        for (key, value) in patch.members() {
            if key == "$patch" {
                continue;
            }
            path.push(key);
            let merged = self.merge(dest.and_then(|d| d.get(key)), Some(value), path);
            path.pop();
            match merged {
                Some(merged) => out.set(&[key], merged),
                None => {
                    out.remove(&[key]);
                }
            }
        }
        out
    }

    /// Merges keyed lists: first the patch's items in the patch's order, then what else there was.
    fn merge_list<'a>(
        &self,
        dest: Option<Node<'a>>,
        patch: Node<'a>,
        keys: &[&str],
        path: &mut Vec<&'a str>,
    ) -> Option<Value> {
        // `- $patch: replace` as an item speaks for the whole list.
        let whole = patch
            .items()
            .filter(|item| item.len() == 1)
            .find_map(|item| match directive(item) {
                Directive::Merge => None,
                other => Some(other),
            });
        if whole == Some(Directive::Delete) {
            return None;
        }
        let dest = dest.filter(|_| whole.is_none());
        let mut rest: Vec<Option<Node<'a>>> = dest.into_iter().flat_map(Node::items).map(Some).collect();
        let mut out = Vec::new();
        for item in patch.items() {
            if item.len() == 1 && item.get("$patch").is_some() {
                continue;
            }
            // Keys that the patch does not give do not count, unless it gives none.
            let given: Vec<&str> = keys.iter().copied().filter(|k| item.get(k).is_some()).collect();
            let found = rest.iter_mut().find(|other| {
                !given.is_empty()
                    && other.is_some_and(|other| given.iter().all(|k| text(other.get(k)) == text(item.get(k))))
            });
            let other = found.and_then(Option::take);
            if let Some(merged) = self.merge(other, Some(item), path) {
                let empty = merged.kind() == Kind::Object && merged.node().is_empty();
                if !empty {
                    out.push(merged);
                }
            }
        }
        out.extend(rest.into_iter().flatten().map(Node::to_value));
        Some(out.into_iter().collect())
    }

    /// How the list at a path merges; what is no built-in type has only atomic lists.
    fn list_kind(&self, path: &[&str]) -> ListKind {
        if !is_built_in(&self.gvk.group) {
            return ListKind::Atomic;
        }
        if let ["metadata", rest @ ..] = path {
            return match rest {
                ["ownerReferences"] => ListKind::Keyed(&["uid"]),
                ["finalizers"] => ListKind::Set,
                _ => ListKind::Atomic,
            };
        }
        if !self.pod_spec.is_empty() {
            if let Some(rest) = path.strip_prefix(self.pod_spec) {
                return pod_list(rest);
            }
            // A template's metadata stands beside its spec.
            let template = &self.pod_spec[..self.pod_spec.len() - 1];
            if !template.is_empty()
                && let Some(["metadata", "finalizers"]) = path.strip_prefix(template)
            {
                return ListKind::Set;
            }
        }
        match (self.gvk.kind.as_str(), path) {
            ("Service", ["spec", "ports"]) => ListKind::Keyed(&["port", "protocol"]),
            ("ServiceAccount", ["secrets" | "imagePullSecrets"]) => ListKind::Keyed(&["name"]),
            ("MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration", ["webhooks"]) => {
                ListKind::Keyed(&["name"])
            }
            (_, ["webhooks", "matchConditions"]) => ListKind::Keyed(&["name"]),
            ("ValidatingAdmissionPolicy", ["spec", "variables" | "matchConditions"]) => ListKind::Keyed(&["name"]),
            ("CSINode", ["spec", "drivers"]) => ListKind::Keyed(&["name"]),
            ("Namespace", ["spec", "finalizers"]) => ListKind::Atomic,
            (_, ["status", "conditions"]) => ListKind::Keyed(&["type"]),
            _ => ListKind::Atomic,
        }
    }
}

fn is_built_in(group: &str) -> bool {
    !group.contains('.') || group.ends_with(".k8s.io") && !group.contains(".x-k8s.io")
}

fn pod_spec_path(gvk: &Gvk) -> &'static [&'static str] {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => &["spec"],
        ("", "PodTemplate") => &["template", "spec"],
        ("" | "apps" | "batch" | "extensions", kind) => match kind {
            "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" | "ReplicationController" => {
                &["spec", "template", "spec"]
            }
            "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
            _ => &[],
        },
        _ => &[],
    }
}

/// The lists of a Pod spec.
fn pod_list(path: &[&str]) -> ListKind {
    ListKind::Keyed(match path {
        ["containers" | "initContainers" | "ephemeralContainers", rest @ ..] => match rest {
            [] | ["env"] | ["resources", "claims"] => &["name"],
            ["ports"] => &["containerPort", "protocol"],
            ["volumeMounts"] => &["mountPath"],
            ["volumeDevices"] => &["devicePath"],
            _ => return ListKind::Atomic,
        },
        ["volumes" | "imagePullSecrets" | "schedulingGates" | "resourceClaims"] => &["name"],
        ["hostAliases"] => &["ip"],
        ["topologySpreadConstraints"] => &["topologyKey", "whenUnsatisfiable"],
        _ => return ListKind::Atomic,
    })
}

fn text(node: Option<Node<'_>>) -> Option<String> {
    node.map(|n| n.as_str().map_or_else(|| n.to_json(), str::to_owned))
}

fn directive(patch: Node<'_>) -> Directive {
    match patch.str_at(&["$patch"]) {
        Some("delete") => Directive::Delete,
        Some("replace") => Directive::Replace,
        _ => Directive::Merge,
    }
}

/// The patch's scalars first, then the others.
fn merge_set(dest: Option<Node<'_>>, patch: Node<'_>) -> Value {
    let mut out: Vec<Value> = Vec::new();
    for item in patch.items().chain(dest.into_iter().flat_map(Node::items)) {
        if !out.iter().any(|seen| seen.node() == item) {
            out.push(item.to_value());
        }
    }
    out.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn check(target: &str, patch: &str, want: &str) {
        let one = |text: &str| parse_yaml(text).unwrap().remove(0);
        let merged = merge(one(target).root(), one(patch).root());
        assert_eq!(merged.map_or("gone".into(), |v| v.node().to_yaml()), want, "{patch}");
    }

    const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      tolerations: [{key: a}]
      containers:
      - name: a
        image: a:1
        ports: [{containerPort: 80, protocol: TCP}, {containerPort: 81}]
      - name: b
        image: b:1
";

    #[test]
    fn lists_of_built_in_types_merge_by_key() {
        check(
            DEPLOYMENT,
            "spec: {template: {spec: {tolerations: [{key: b}], containers: [{name: b, image: 'b:2'}, {name: a, ports: [{containerPort: 80, name: http}]}, {name: c}]}}}",
            "apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  template:
    spec:
      containers:
      - image: b:2
        name: b
      - image: a:1
        name: a
        ports:
        - containerPort: 80
          name: http
          protocol: TCP
        - containerPort: 81
      - name: c
      tolerations:
      - key: b
",
        );
    }

    #[test]
    fn directives_and_nulls() {
        let list = |patch: &str, want: &str| {
            check(
                "{apiVersion: v1, kind: ServiceAccount, secrets: [{name: a}, {name: b}], automountServiceAccountToken: true}",
                patch,
                want,
            );
        };
        let head = "apiVersion: v1\n";
        list(
            "automountServiceAccountToken: null\nsecrets: [{name: a, $patch: delete}]",
            &format!("{head}kind: ServiceAccount\nsecrets:\n- name: b\n"),
        );
        list(
            "secrets: [{$patch: replace}, {name: c}]",
            &format!("{head}automountServiceAccountToken: true\nkind: ServiceAccount\nsecrets:\n- name: c\n"),
        );
        list("$patch: delete", "gone");
        check(
            "{apiVersion: v1, kind: ConfigMap, data: {a: '1', b: '2'}}",
            "data: {$patch: replace, c: '3', d: null}",
            "apiVersion: v1\ndata:\n  c: \"3\"\nkind: ConfigMap\n",
        );
        check(
            "{apiVersion: v1, kind: ConfigMap, metadata: {finalizers: [x, w]}}",
            "metadata: {finalizers: [z, w]}",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  finalizers:\n  - z\n  - w\n  - x\n",
        );
        check(
            "{apiVersion: example.com/v1, kind: My, spec: {containers: [{name: a}]}}",
            "spec: {containers: [{name: b}]}",
            "apiVersion: example.com/v1\nkind: My\nspec:\n  containers:\n  - name: b\n",
        );
    }
}
