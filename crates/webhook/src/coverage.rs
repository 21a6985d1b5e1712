//! What a policy has to be asked about: rules as webhook configurations write them.

use std::collections::BTreeSet;

use ridgeway_doc::{Node, Value};
use ridgeway_krm::{Gvr, KindTable};
use ridgeway_policy::{Operation, wildcard};

/// One rule of a webhook configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// API group, `*` for all.
    pub group: String,
    /// API version, `*` for all.
    pub version: String,
    /// Resource and subresource, as in `pods`, `pods/exec`, `*/scale`.
    pub resource: String,
    /// Operations, as they are spelled.
    pub operations: BTreeSet<&'static str>,
}

/// A set of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    rules: BTreeSet<Rule>,
    /// Kinds that nobody knows here, with the resource that was guessed for them.
    guessed: BTreeSet<(String, String)>,
}

/// Pods' controllers, to which rules for Pods are carried over.
const CONTROLLERS: [(&str, &str); 7] = [
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("", "replicationcontrollers"),
];

const ALL: [Operation; 4] = [
    Operation::Create,
    Operation::Update,
    Operation::Delete,
    Operation::Connect,
];

fn items<'a>(node: Node<'a>, path: &[&str]) -> impl Iterator<Item = Node<'a>> {
    node.at(path).into_iter().flat_map(Node::items)
}

fn texts<'a>(node: Node<'a>, path: &[&str]) -> Vec<&'a str> {
    items(node, path).filter_map(Node::as_str).collect()
}

/// Operations as policies spell them; `*` is all.
fn operations(spelled: &[&str]) -> Vec<Operation> {
    let named = |operation: &Operation| spelled.iter().any(|text| *text == "*" || *text == operation.as_str());
    ALL.into_iter().filter(named).collect()
}

impl Coverage {
    fn add(&mut self, group: &str, version: &str, resource: &str, operations: &[Operation]) {
        self.rules.insert(Rule {
            group: group.into(),
            version: version.into(),
            resource: resource.into(),
            operations: operations.iter().map(|operation| operation.as_str()).collect(),
        });
    }

    /// A resource for a kind of somebody else's, as people name them.
    fn guess(&mut self, kind: &str) -> String {
        let resource = plural(kind);
        self.guessed.insert((kind.to_owned(), resource.clone()));
        resource
    }

    /// Kinds that nobody knows here, with the resource that was guessed for them.
    pub fn guessed(&self) -> impl Iterator<Item = &(String, String)> {
        self.guessed.iter()
    }

    /// Takes in the rules of another set.
    pub fn extend(&mut self, other: &Coverage) {
        self.guessed.extend(other.guessed.iter().cloned());
        self.rules.extend(other.rules.iter().cloned());
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Whether an API server with these rules would ask about a change.
    pub fn covers(&self, gvr: &Gvr, subresource: &str, operation: Operation) -> bool {
        self.rules.iter().any(|rule| {
            let (resource, sub) = rule.resource.split_once('/').unwrap_or((&rule.resource, ""));
            // `*/*` is every resource with and without subresource, `*` those without.
            let sub_fits = sub == subresource || sub == "*";
            // Ephemeral containers are judged as part of their Pod.
            let ephemeral = subresource == "ephemeralcontainers" && resource == "pods" && sub.is_empty();
            (rule.group == "*" || rule.group == gvr.group)
                && (rule.version == "*" || rule.version == gvr.version)
                && (resource == "*" || resource == gvr.resource)
                && (sub_fits || ephemeral)
                && rule.operations.contains(operation.as_str())
        })
    }

    /// The rules in as few entries as say the same: one an API group, version and set of operations.
    pub fn merged(&self) -> Vec<(Rule, Vec<String>)> {
        // A resource that several policies name gets the union of their operations.
        let mut rules: Vec<Rule> = Vec::new();
        for rule in &self.rules {
            let same =
                |r: &&mut Rule| (&r.group, &r.version, &r.resource) == (&rule.group, &rule.version, &rule.resource);
            match rules.iter_mut().find(same) {
                Some(known) => known.operations.extend(&rule.operations),
                None => rules.push(rule.clone()),
            }
        }
        // What a wider rule says need not be said again.
        let wider = |a: &Rule, b: &Rule| {
            let (wide, narrow) = (
                a.resource.split_once('/').unwrap_or((&a.resource, "")),
                b.resource.split_once('/').unwrap_or((&b.resource, "")),
            );
            a != b
                && (a.group == "*" || a.group == b.group)
                && (a.version == "*" || a.version == b.version)
                && (wide.0 == "*" || wide.0 == narrow.0)
                && (wide.1 == "*" || wide.1 == narrow.1)
                && b.operations.is_subset(&a.operations)
        };
        let needed: Vec<Rule> = rules
            .iter()
            .filter(|rule| !rules.iter().any(|other| wider(other, rule)))
            .cloned()
            .collect();
        let mut out: Vec<(Rule, Vec<String>)> = Vec::new();
        for rule in needed {
            let mut resources = vec![rule.resource.clone()];
            // The API server asks about ephemeral containers only where they are named.
            if rule.resource == "pods" && rule.operations.contains("UPDATE") {
                resources.push("pods/ephemeralcontainers".into());
            }
            let same = |(r, _): &&mut (Rule, Vec<String>)| {
                (&r.group, &r.version, &r.operations) == (&rule.group, &rule.version, &rule.operations)
            };
            match out.iter_mut().find(same) {
                Some((_, known)) => known.extend(resources),
                None => out.push((rule, resources)),
            }
        }
        out
    }

    /// The rules as the `rules` of a webhook.
    pub fn to_value(&self) -> Value {
        let entry = |(rule, resources): (Rule, Vec<String>)| {
            let one = |text: &str| [text].into_iter().collect::<Value>();
            let mut out = Value::object();
            out.set(&["apiGroups"], one(&rule.group));
            out.set(&["apiVersions"], one(&rule.version));
            out.set(&["operations"], rule.operations.iter().copied().collect::<Value>());
            out.set(&["resources"], resources.into_iter().collect::<Value>());
            out.set(&["scope"], "*");
            out
        };
        self.merged().into_iter().map(entry).collect()
    }

    /// What one rule of a `ClusterPolicy` or `Policy` is about.
    pub(crate) fn of_rule(&mut self, policy: Node<'_>, rule: Node<'_>, table: &KindTable) {
        let validates = rule.get("mutate").is_none();
        // What is about to go is only put before rules that can say something about it.
        let usual: &[Operation] = if validates && judges_deletion(rule) {
            &[Operation::Create, Operation::Update, Operation::Delete]
        } else {
            &[Operation::Create, Operation::Update]
        };
        let Some(matches) = rule.get("match") else { return };
        let mut blocks: Vec<Node<'_>> = items(matches, &["any"]).chain(items(matches, &["all"])).collect();
        if blocks.is_empty() {
            blocks.push(matches);
        }
        let all = matches.get("all").is_some();
        // Blocks that must all hold share their operations: the kinds stand in one, the operations perhaps in another.
        let shared: Vec<&str> = blocks
            .iter()
            .filter(|_| all)
            .flat_map(|block| texts(*block, &["resources", "operations"]))
            .collect();
        let mut found = false;
        for block in &blocks {
            let mut spelled = texts(*block, &["resources", "operations"]);
            if spelled.is_empty() {
                spelled.clone_from(&shared);
            }
            let named = operations(&spelled);
            for kind in texts(*block, &["resources", "kinds"]) {
                found = true;
                self.of_kind(kind, &named, usual, table);
            }
        }
        if !found {
            self.add("*", "*", "*", usual);
        }
        let autogen = policy
            .str_at(&["metadata", "annotations", "pod-policies.kyverno.io/autogen-controllers"])
            .unwrap_or("all");
        let pods: Vec<Rule> = self
            .rules
            .iter()
            .filter(|r| r.resource == "pods" && matches!(&*r.group, "" | "*"))
            .cloned()
            .collect();
        if autogen != "none" {
            for pod in pods {
                for (group, resource) in CONTROLLERS {
                    self.rules.insert(Rule {
                        group: group.into(),
                        version: "v1".into(),
                        resource: resource.into(),
                        operations: pod.operations.clone(),
                    });
                }
            }
        }
    }

    /// A kind as Kyverno spells it: `Pod`, `v1/Pod`, `apps/v1/Deployment`, `Pod/exec`, `*`.
    fn of_kind(&mut self, spelled: &str, named: &[Operation], usual: &[Operation], table: &KindTable) {
        let spelled = match spelled.rsplit_once('/') {
            None => spelled.replacen('.', "/", 1),
            Some((head, tail)) => format!("{head}/{}", tail.replacen('.', "/", 1)),
        };
        let is_version = |text: &str| {
            text == "*"
                || text
                    .strip_prefix('v')
                    .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let is_kind = |text: &str| text.starts_with(|c: char| c.is_ascii_uppercase() || c == '*' || c == '?');
        let parts: Vec<&str> = spelled.split('/').collect();
        let (group, version, kind, sub) = match parts.as_slice() {
            ["*", "*"] => ("*", "*", "*", "*"),
            [kind] => ("*", "*", *kind, ""),
            ["*", sub] if !is_kind(sub) => ("*", "*", "*", *sub),
            [version, kind] if is_version(version) && is_kind(kind) => ("*", *version, *kind, ""),
            [kind, sub] => ("*", "*", *kind, *sub),
            [version, kind, sub] if is_version(version) && !is_version(kind) => ("*", *version, *kind, *sub),
            [group, version, kind] => (*group, *version, *kind, ""),
            [group, version, kind, sub] => (*group, *version, *kind, *sub),
            _ => return,
        };
        let operations = if !named.is_empty() {
            named.to_vec()
        } else if matches!(sub, "exec" | "attach" | "portforward" | "proxy") {
            vec![Operation::Connect]
        } else if sub == "*" {
            ALL.to_vec()
        } else {
            usual.to_vec()
        };
        let with_sub = |resource: &str| {
            if sub.is_empty() {
                resource.to_owned()
            } else {
                format!("{resource}/{sub}")
            }
        };
        if kind == "*" {
            self.add(group, version, &with_sub("*"), &operations);
            return;
        }
        let mut known = BTreeSet::new();
        for served in table.kinds() {
            if wildcard(kind, &served.gvk.kind)
                && wildcard(group, &served.gvk.group)
                && wildcard(version, &served.gvk.version)
            {
                known.insert((served.gvk.group.clone(), served.plural.clone()));
            }
        }
        if known.is_empty() {
            let group = if group.contains(['*', '?']) { "*" } else { group };
            let resource = if kind.contains(['*', '?']) {
                "*".into()
            } else {
                self.guess(kind)
            };
            self.add(group, version, &with_sub(&resource), &operations);
        }
        for (group, resource) in known {
            self.add(&group, version, &with_sub(&resource), &operations);
        }
    }

    /// What a policy of Kubernetes' own is about.
    pub(crate) fn of_resources(&mut self, spec: Node<'_>) {
        for rule in items(spec, &["matchConstraints", "resourceRules"]) {
            let operations = operations(&texts(rule, &["operations"]));
            for group in texts(rule, &["apiGroups"]) {
                for version in texts(rule, &["apiVersions"]) {
                    for resource in texts(rule, &["resources"]) {
                        self.add(group, version, resource, &operations);
                    }
                }
            }
        }
    }

    /// What a policy in CEL is about: it says so in a webhook's words already.
    pub(crate) fn of_constraints(&mut self, spec: Node<'_>) {
        let mut pods = Vec::new();
        for rule in items(spec, &["matchConstraints", "resourceRules"]) {
            let operations = operations(&texts(rule, &["operations"]));
            for group in texts(rule, &["apiGroups"]) {
                for version in texts(rule, &["apiVersions"]) {
                    for resource in texts(rule, &["resources"]) {
                        self.add(group, version, resource, &operations);
                        if matches!((group, resource), ("" | "*", "pods")) {
                            pods.push(operations.clone());
                        }
                    }
                }
            }
        }
        let chosen = spec.at(&["autogen", "podControllers", "controllers"]);
        for operations in pods {
            for (group, resource) in CONTROLLERS.into_iter().take(6) {
                if chosen.is_none_or(|list| list.items().any(|item| item == resource)) {
                    self.add(group, "v1", resource, &operations);
                }
            }
        }
    }

    /// What a constraint is about; deletions where its template reads the operation.
    pub(crate) fn of_constraint(&mut self, constraint: Node<'_>, judges_deletion: bool, table: &KindTable) {
        let operations: &[Operation] = if judges_deletion {
            &[Operation::Create, Operation::Update, Operation::Delete]
        } else {
            &[Operation::Create, Operation::Update]
        };
        let mut found = false;
        for entry in items(constraint, &["spec", "match", "kinds"]) {
            let groups = texts(entry, &["apiGroups"]);
            let groups = if groups.is_empty() { vec!["*"] } else { groups };
            for kind in texts(entry, &["kinds"]) {
                for group in &groups {
                    found = true;
                    if kind == "*" {
                        self.add(group, "*", "*", operations);
                        continue;
                    }
                    let known: BTreeSet<_> = table
                        .kinds()
                        .filter(|k| k.gvk.kind == kind && wildcard(group, &k.gvk.group))
                        .map(|k| (k.gvk.group.clone(), k.plural.clone()))
                        .collect();
                    if known.is_empty() {
                        let resource = self.guess(kind);
                        self.add(group, "*", &resource, operations);
                    }
                    for (group, resource) in known {
                        self.add(&group, "*", &resource, operations);
                    }
                }
            }
        }
        if !found {
            self.add("*", "*", "*", operations);
        }
    }
}

impl Coverage {
    fn of_named(&mut self, group: &str, version: &str, kind: &str, operations: &[Operation], table: &KindTable) {
        let known = table.kinds().find(|k| k.gvk.kind == kind && k.gvk.group == group);
        let resource = match known {
            Some(known) => known.plural.clone(),
            None => self.guess(kind),
        };
        self.add(group, version, &resource, operations);
    }

    /// What a mutator of Gatekeeper's is about, or an expansion template.
    pub(crate) fn of_applied(&mut self, object: Node<'_>, table: &KindTable) {
        for entry in items(object, &["spec", "applyTo"]) {
            let named = operations(&texts(entry, &["operations"]));
            let named: Vec<Operation> = [Operation::Create, Operation::Update]
                .into_iter()
                .filter(|operation| named.is_empty() || named.contains(operation))
                .collect();
            for group in texts(entry, &["groups"]) {
                for version in texts(entry, &["versions"]) {
                    for kind in texts(entry, &["kinds"]) {
                        self.of_named(group, version, kind, &named, table);
                    }
                }
            }
        }
    }
}

/// Whether a rule can say something about an object that goes.
fn judges_deletion(rule: Node<'_>) -> bool {
    let validate = rule.get("validate");
    validate.is_some_and(|v| v.get("deny").is_some() || v.get("cel").is_some() || v.get("foreach").is_some())
}

/// The usual plural.
fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.as_bytes() {
        [.., b's' | b'x'] => format!("{kind}es"),
        [.., b'a' | b'e' | b'o' | b'u', b'y'] => format!("{kind}s"),
        [.., b'y'] => format!("{}ies", &kind[..kind.len() - 1]),
        _ => format!("{kind}s"),
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn of_rule(yaml: &str) -> Vec<String> {
        let rule = parse_yaml(yaml).unwrap().remove(0);
        let policy = parse_yaml("{}").unwrap().remove(0);
        let mut coverage = Coverage::default();
        coverage.of_rule(policy.root(), rule.root(), &KindTable::builtin());
        said(&coverage)
    }

    fn said(coverage: &Coverage) -> Vec<String> {
        let one = |(rule, resources): (Rule, Vec<String>)| {
            let operations: Vec<&str> = rule.operations.iter().copied().collect();
            format!(
                "{}/{} {}: {}",
                rule.group,
                rule.version,
                resources.join(","),
                operations.join(",")
            )
        };
        coverage.merged().into_iter().map(one).collect()
    }

    #[test]
    fn kinds_become_resources() {
        for (rule, want) in [
            (
                "{match: {any: [{resources: {kinds: [Service, apps/v1/Deployment]}}]}, validate: {pattern: {}}}",
                vec!["/* services: CREATE,UPDATE", "apps/v1 deployments: CREATE,UPDATE"],
            ),
            (
                "{match: {resources: {kinds: [Namespace], operations: [DELETE]}}, validate: {deny: {}}}",
                vec!["/* namespaces: DELETE"],
            ),
            (
                "{match: {all: [{resources: {kinds: [ConfigMap]}}, {resources: {operations: [UPDATE]}}]}, validate: {deny: {}}}",
                vec!["/* configmaps: UPDATE"],
            ),
            (
                "{match: {any: [{resources: {kinds: [Pod/exec]}}]}, validate: {deny: {}}}",
                vec!["/* pods/exec: CONNECT"],
            ),
            (
                "{match: {any: [{resources: {kinds: [Secret]}}]}, validate: {deny: {}}}",
                vec!["/* secrets: CREATE,DELETE,UPDATE"],
            ),
            (
                "{match: {any: [{resources: {kinds: [Secret]}}]}, mutate: {}}",
                vec!["/* secrets: CREATE,UPDATE"],
            ),
            (
                "{match: {any: [{resources: {kinds: [example.org/v1/Gateway]}}]}, mutate: {}}",
                vec!["example.org/v1 gateways: CREATE,UPDATE"],
            ),
            (
                "{match: {any: [{resources: {kinds: ['*', Secret]}}]}, validate: {pattern: {}}}",
                vec!["*/* *: CREATE,UPDATE"],
            ),
        ] {
            assert_eq!(of_rule(rule), want, "{rule}");
        }
    }

    #[test]
    fn rules_for_pods_are_about_controllers_and_ephemeral_containers() {
        let found = of_rule("{match: {any: [{resources: {kinds: [Pod]}}]}, validate: {pattern: {}}}");
        assert_eq!(
            found,
            [
                "/* pods,pods/ephemeralcontainers: CREATE,UPDATE",
                "/v1 replicationcontrollers: CREATE,UPDATE",
                "apps/v1 daemonsets,deployments,replicasets,statefulsets: CREATE,UPDATE",
                "batch/v1 cronjobs,jobs: CREATE,UPDATE",
            ]
        );
    }

    #[test]
    fn what_is_covered() {
        let mut coverage = Coverage::default();
        coverage.add("", "v1", "pods", &[Operation::Create]);
        coverage.add("*", "*", "*/scale", &[Operation::Update]);
        for (group, resource, sub, operation, want) in [
            ("", "pods", "", Operation::Create, true),
            ("", "pods", "", Operation::Delete, false),
            ("", "pods", "exec", Operation::Create, false),
            ("", "pods", "ephemeralcontainers", Operation::Create, true),
            ("apps", "deployments", "scale", Operation::Update, true),
            ("apps", "deployments", "", Operation::Update, false),
        ] {
            let gvr = Gvr::new(group, "v1", resource);
            assert_eq!(coverage.covers(&gvr, sub, operation), want, "{group} {resource}/{sub}");
        }
    }

    #[test]
    fn constraints_and_cel() {
        let constraint = parse_yaml("spec: {match: {kinds: [{apiGroups: [''], kinds: [Namespace]}, {apiGroups: [networking.k8s.io], kinds: [Ingress]}]}}")
            .unwrap()
            .remove(0);
        let mut coverage = Coverage::default();
        coverage.of_constraint(constraint.root(), true, &KindTable::builtin());
        assert_eq!(
            said(&coverage),
            [
                "/* namespaces: CREATE,DELETE,UPDATE",
                "networking.k8s.io/* ingresses: CREATE,DELETE,UPDATE"
            ]
        );
        let spec = parse_yaml("matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps]}]}")
            .unwrap()
            .remove(0);
        let mut coverage = Coverage::default();
        coverage.of_constraints(spec.root());
        assert_eq!(
            said(&coverage),
            ["/v1 configmaps: CREATE,UPDATE,DELETE,CONNECT"
                .replace("CREATE,UPDATE,DELETE,CONNECT", "CONNECT,CREATE,DELETE,UPDATE")]
        );
    }
}
