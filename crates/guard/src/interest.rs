//! Which kinds a policy is about: what it judges, what makes it generate, what it makes, and what it reads beside.

use std::collections::BTreeSet;

use ridgeway_doc::{Doc, Node, parse_json};
use ridgeway_krm::{Gvk, KindTable};

use crate::exempt;
use crate::source::{items, text};

/// A pattern for a group and one for a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Pattern {
    group: String,
    kind: String,
}

/// A set of kinds, as policies write them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kinds(BTreeSet<Pattern>);

impl Kinds {
    fn add(&mut self, group: &str, kind: &str) {
        self.0.insert(Pattern {
            group: group.into(),
            kind: kind.into(),
        });
    }

    /// Adds a kind as Kyverno's `kinds` spell it; entries about subresources stand for no stored object.
    fn add_spelled(&mut self, spelled: &str) {
        let is_version = |text: &str| {
            text == "*"
                || text
                    .strip_prefix('v')
                    .is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()))
        };
        let parts: Vec<&str> = spelled.split('/').collect();
        match parts.as_slice() {
            [kind] => self.add("*", kind),
            ["*", "*"] => self.add("*", "*"),
            [version, kind]
                if is_version(version) && kind.starts_with(|c: char| c.is_ascii_uppercase() || c == '*') =>
            {
                self.add("*", kind);
            }
            [group, version, kind] if is_version(version) && !is_version(group) => self.add(group, kind),
            _ => {}
        }
    }

    /// Whether a kind is among them.
    pub(crate) fn contains(&self, group: &str, kind: &str) -> bool {
        self.0
            .iter()
            .any(|pattern| wildcard(&pattern.group, group) && wildcard(&pattern.kind, kind))
    }

    /// The kinds that are served now, each in one version, without those that are never judged.
    pub(crate) fn resolve(&self, table: &KindTable) -> BTreeSet<Gvk> {
        let mut out = BTreeSet::new();
        for kind in table.kinds().filter(|kind| kind.allows("list") && kind.allows("watch")) {
            let (group, name) = (&kind.gvk.group, &kind.gvk.kind);
            if self.contains(group, name)
                && !exempt::kind(group, name)
                && let Some(preferred) = table.by_kind(group, name)
            {
                out.insert(preferred.gvk.clone());
            }
        }
        out
    }

    /// The kinds that are served now and whose objects can be deleted, each in one version.
    pub(crate) fn served(&self, table: &KindTable) -> BTreeSet<Gvk> {
        let mut out = BTreeSet::new();
        for kind in table
            .kinds()
            .filter(|kind| kind.allows("list") && kind.allows("delete"))
        {
            if self.contains(&kind.gvk.group, &kind.gvk.kind)
                && let Some(preferred) = table.by_kind(&kind.gvk.group, &kind.gvk.kind)
            {
                out.insert(preferred.gvk.clone());
            }
        }
        out
    }

    /// Takes in the kinds of another set.
    pub(crate) fn extend(&mut self, other: &Kinds) {
        self.0.extend(other.0.iter().cloned());
    }
}

/// What a policy is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Kinds that its validating rules judge.
    pub(crate) judged: Kinds,
    /// Kinds whose objects make it generate others.
    pub(crate) triggers: Kinds,
    /// Kinds whose objects make it change others.
    pub(crate) movers: Kinds,
    /// Kinds that it makes, or changes because of another object.
    pub(crate) made: Kinds,
    /// Kinds of objects that it copies.
    pub(crate) copied: Kinds,
    /// Kinds that it reads beside the object at hand.
    pub(crate) read: BTreeSet<Gvk>,
}

/// The controllers that rules for Pods are carried over to.
const CONTROLLERS: [(&str, &str); 6] = [
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("", "ReplicationController"),
];

/// Pods and the controllers that make them.
pub(crate) fn pods() -> Kinds {
    let mut kinds = Kinds::default();
    kinds.add("", "Pod");
    CONTROLLERS.iter().for_each(|(group, kind)| kinds.add(group, kind));
    kinds
}

impl Interest {
    /// What a `ClusterPolicy` or `Policy` is about.
    pub(crate) fn of_policy(policy: Node<'_>, table: &KindTable) -> Interest {
        let mut out = Interest::default();
        for rule in items(policy, &["spec", "rules"]) {
            let mut kinds = Kinds::default();
            let matches = rule.get("match");
            let blocks = matches.into_iter().flat_map(|m| {
                [Some(m), None]
                    .into_iter()
                    .flatten()
                    .chain(items(m, &["any"]))
                    .chain(items(m, &["all"]))
            });
            for kind in blocks
                .flat_map(|block| items(block, &["resources", "kinds"]))
                .filter_map(Node::as_str)
            {
                kinds.add_spelled(kind);
            }
            if kinds == Kinds::default() {
                kinds.add("*", "*");
            }
            if let Some(generate) = rule.get("generate") {
                out.triggers.extend(&kinds);
                for target in std::iter::once(generate).chain(items(generate, &["foreach"])) {
                    let kind = text(target, &["kind"]);
                    if kind.is_empty() || kind.contains("{{") {
                        continue;
                    }
                    let group = text(target, &["apiVersion"])
                        .split_once('/')
                        .map_or("", |(group, _)| group);
                    out.made.add(group, kind);
                    if target.get("clone").is_some() {
                        out.copied.add(group, kind);
                    }
                }
                for spelled in items(generate, &["cloneList", "kinds"]).filter_map(Node::as_str) {
                    let (version, kind) = spelled.rsplit_once('/').unwrap_or(("", spelled));
                    let group = version.split_once('/').map_or("", |(group, _)| group);
                    out.made.add(group, kind);
                    out.copied.add(group, kind);
                }
            } else if let Some(targets) = rule.at(&["mutate", "targets"]) {
                out.movers.extend(&kinds);
                for target in targets.items() {
                    let group = text(target, &["apiVersion"])
                        .split_once('/')
                        .map_or("", |(group, _)| group);
                    out.made.add(group, text(target, &["kind"]));
                }
            } else if rule.get("validate").is_some() {
                if kinds.contains("", "Pod") {
                    kinds.extend(&pods());
                }
                out.judged.extend(&kinds);
            }
        }
        reads(policy, table, &mut out.read);
        out
    }

    /// What a policy in CEL is about.
    pub(crate) fn of_cel(policy: Node<'_>, table: &KindTable) -> Interest {
        let mut kinds = constrained(policy, table);
        let mut out = Interest::default();
        let kind = text(policy, &["kind"]);
        if kind.ends_with("GeneratingPolicy") {
            out.triggers.extend(&kinds);
        } else if changes_existing(policy) {
            out.movers.extend(&kinds);
            out.made.extend(&kinds);
            out.made.extend(&named(policy, "targetMatchConstraints", table));
        } else if kind.ends_with("ValidatingPolicy") {
            if kinds.contains("", "Pod") {
                kinds.extend(&pods());
            }
            out.judged.extend(&kinds);
        }
        reads_in_cel(policy, table, &mut out.read);
        out
    }

    /// What a policy of Kubernetes' own is about; one that nothing binds judges nothing.
    pub(crate) fn of_admission(policy: Node<'_>, bound: bool, table: &KindTable) -> Interest {
        let mut out = Interest::default();
        if !bound {
            return out;
        }
        if text(policy, &["kind"]) == "ValidatingAdmissionPolicy" {
            out.judged.extend(&constrained(policy, table));
        }
        let (version, kind) = (
            text(policy, &["spec", "paramKind", "apiVersion"]),
            text(policy, &["spec", "paramKind", "kind"]),
        );
        let group = version.split_once('/').map_or("", |(group, _)| group);
        out.read.extend(table.by_kind(group, kind).map(|kind| kind.gvk.clone()));
        out
    }

    /// What a constraint is about.
    pub(crate) fn of_constraint(constraint: Node<'_>, template: Option<Node<'_>>, table: &KindTable) -> Interest {
        let mut out = Interest::default();
        let matches = items(constraint, &["spec", "match", "kinds"]);
        for entry in matches {
            for group in items(entry, &["apiGroups"]).filter_map(Node::as_str) {
                for kind in items(entry, &["kinds"]).filter_map(Node::as_str) {
                    out.judged.add(group, kind);
                }
            }
        }
        if out.judged == Kinds::default() {
            out.judged.add("*", "*");
        }
        if let Some(template) = template {
            synced(template, table, &mut out.read);
        }
        out
    }
}

impl Interest {
    /// Adds the kinds from which others follow that are judged.
    pub(crate) fn expand(&mut self, expansions: &[&Doc]) {
        // What follows may itself be followed from.
        for _ in expansions {
            for expansion in expansions {
                let root = expansion.root();
                let of = |key: &str| text(root, &["spec", "generatedGVK", key]);
                if !self.judged.contains(of("group"), of("kind")) {
                    continue;
                }
                for entry in items(root, &["spec", "applyTo"]) {
                    for group in items(entry, &["groups"]).filter_map(Node::as_str) {
                        for kind in items(entry, &["kinds"]).filter_map(Node::as_str) {
                            self.judged.add(group, kind);
                        }
                    }
                }
            }
        }
    }
}

/// The kinds that a `SyncSet` or a `Config` wants in the inventory.
pub(crate) fn inventory(object: Node<'_>, table: &KindTable, out: &mut BTreeSet<Gvk>) {
    for entry in items(object, &["spec", "gvks"]).chain(items(object, &["spec", "sync", "syncOnly"])) {
        let kind = table.by_kind(text(entry, &["group"]), text(entry, &["kind"]));
        out.extend(kind.map(|kind| kind.gvk.clone()));
    }
}

/// The kinds that `matchConstraints` name by their plurals.
pub(crate) fn constrained(policy: Node<'_>, table: &KindTable) -> Kinds {
    named(policy, "matchConstraints", table)
}

/// Whether a `MutatingPolicy` changes what is stored already.
pub(crate) fn changes_existing(policy: Node<'_>) -> bool {
    let enabled = policy.at(&["spec", "evaluation", "mutateExisting", "enabled"]);
    text(policy, &["kind"]).ends_with("MutatingPolicy") && enabled.and_then(Node::as_bool) == Some(true)
}

/// The kinds that the resource rules under a key name.
fn named(policy: Node<'_>, key: &str, table: &KindTable) -> Kinds {
    let mut out = Kinds::default();
    for rule in items(policy, &["spec", key, "resourceRules"]) {
        for group in items(rule, &["apiGroups"]).filter_map(Node::as_str) {
            for resource in items(rule, &["resources"]).filter_map(Node::as_str) {
                if matches!(resource, "*" | "*/*") {
                    out.add(group, "*");
                }
                for kind in table.kinds().filter(|kind| kind.plural == resource) {
                    if wildcard(group, &kind.gvk.group) {
                        out.add(&kind.gvk.group, &kind.gvk.kind);
                    }
                }
            }
        }
    }
    out
}

/// Kinds that expressions read: `resource.Get("v1", "configmaps", …)` and `resource.List`.
fn reads_in_cel(node: Node<'_>, table: &KindTable, out: &mut BTreeSet<Gvk>) {
    if let Some(text) = node.as_str() {
        for call in ["resource.Get(", "resource.List("] {
            for rest in text.split(call).skip(1) {
                let mut literals = rest.split(['"', '\'']).skip(1).step_by(2);
                if let (Some(version), Some(plural)) = (literals.next(), literals.next()) {
                    let (group, version) = version.split_once('/').unwrap_or(("", version));
                    out.extend(table.by_resource(group, version, plural).map(|kind| kind.gvk.clone()));
                }
            }
        }
        return;
    }
    node.items().for_each(|item| reads_in_cel(item, table, out));
    node.members().for_each(|(_, member)| reads_in_cel(member, table, out));
}

/// Kinds that contexts read: config maps, and what API calls list.
fn reads(node: Node<'_>, table: &KindTable, out: &mut BTreeSet<Gvk>) {
    if node.is_array() {
        node.items().for_each(|item| reads(item, table, out));
        return;
    }
    for (key, value) in node.members() {
        match key {
            "configMap" => {
                out.insert(Gvk::new("", "v1", "ConfigMap"));
            }
            "urlPath" => {
                if let Some(path) = value.as_str().and_then(|path| ApiPath::parse(path, table)) {
                    out.insert(path.gvk);
                }
            }
            _ if value.is_object() || value.is_array() => reads(value, table, out),
            _ => {}
        }
    }
}

/// Kinds that a template wants in its inventory, from the annotation that says so.
fn synced(template: Node<'_>, table: &KindTable, out: &mut BTreeSet<Gvk>) {
    let annotation = text(
        template,
        &["metadata", "annotations", "metadata.gatekeeper.sh/requires-sync-data"],
    );
    let json = annotation.trim().trim_matches(['"', '\n', ' ']).replace("\\\"", "\"");
    let Ok(wanted) = parse_json(json.as_bytes()) else {
        return;
    };
    for entry in wanted.root().items().flat_map(Node::items) {
        for group in items(entry, &["groups"]).filter_map(Node::as_str) {
            for kind in items(entry, &["kinds"]).filter_map(Node::as_str) {
                out.extend(table.by_kind(group, kind).map(|kind| kind.gvk.clone()));
            }
        }
    }
}

/// The parts of an API path such as `/apis/apps/v1/namespaces/x/deployments/y?labelSelector=a%3Db`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ApiPath {
    pub(crate) gvk: Gvk,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    /// The label selector asked for, decoded.
    pub(crate) labels: String,
}

impl ApiPath {
    /// Reads a path; `None` where no served kind answers it.
    pub(crate) fn parse(path: &str, table: &KindTable) -> Option<ApiPath> {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        // Expressions in the path may hold slashes; only their place matters here.
        let mut plain = String::new();
        let mut depth = 0usize;
        for part in path.split_inclusive(['{', '}']) {
            let end = part.chars().last();
            if depth == 0 {
                plain.push_str(part.trim_end_matches(['{', '}']));
                if end == Some('{') {
                    plain.push('_');
                }
            }
            match end {
                Some('{') => depth += 1,
                Some('}') => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        let parts: Vec<&str> = plain.split('/').filter(|part| !part.is_empty()).collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural] => (None, *plural, None),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return None,
        };
        let kind = table.by_resource(group, version, plural)?;
        let labels = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("labelSelector="))
            .unwrap_or_default();
        Some(ApiPath {
            gvk: kind.gvk.clone(),
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
            labels: labels
                .replace("%3D", "=")
                .replace("%2C", ",")
                .replace("%2F", "/")
                .replace("%21", "!"),
        })
    }
}

/// Whether a text fits a pattern of `*` and `?`.
pub(crate) fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match star {
                Some((at, seen)) => {
                    p = at + 1;
                    t = seen + 1;
                    star = Some((at, t));
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn interest(rules: &str) -> Interest {
        let doc = parse_yaml(&format!("spec:\n  rules:\n{rules}")).unwrap().remove(0);
        Interest::of_policy(doc.root(), &KindTable::builtin())
    }

    #[test]
    fn rules_for_pods_are_about_their_controllers_too() {
        let it = interest("  - {match: {any: [{resources: {kinds: [v1/Pod]}}]}, validate: {}}\n");
        let kinds: Vec<String> = it
            .judged
            .resolve(&KindTable::builtin())
            .into_iter()
            .map(|gvk| gvk.kind)
            .collect();
        assert_eq!(
            kinds,
            [
                "Pod",
                "ReplicationController",
                "DaemonSet",
                "Deployment",
                "StatefulSet",
                "CronJob",
                "Job"
            ]
        );
        assert_eq!(it.triggers, Kinds::default());
    }

    #[test]
    fn generate_rules_name_triggers_and_targets() {
        let it = interest(
            "  - match: {resources: {kinds: [Namespace]}}\n    context: [{name: c, configMap: {name: a}}]\n    generate: {apiVersion: \
             networking.k8s.io/v1, kind: NetworkPolicy, name: x, clone: {name: y}}\n",
        );
        assert!(it.triggers.contains("", "Namespace") && !it.judged.contains("", "Namespace"));
        assert!(it.made.contains("networking.k8s.io", "NetworkPolicy"));
        assert!(it.copied.contains("networking.k8s.io", "NetworkPolicy"));
        assert_eq!(it.read, BTreeSet::from([Gvk::new("", "v1", "ConfigMap")]));
    }

    #[test]
    fn subresources_are_no_objects() {
        let it =
            interest("  - {match: {any: [{resources: {kinds: [Pod/exec, 'apps/v1/Deployment']}}]}, validate: {}}\n");
        assert!(!it.judged.contains("", "Pod"));
        assert!(it.judged.contains("apps", "Deployment") && !it.judged.contains("x", "Deployment"));
    }

    #[test]
    fn api_paths() {
        let table = KindTable::builtin();
        for (path, want) in [
            (
                "/api/v1/namespaces/{{ request.namespace }}/pods",
                Some(("Pod", Some("_"), None, "")),
            ),
            (
                "/apis/apps/v1/deployments?labelSelector=app%3Dweb",
                Some(("Deployment", None, None, "app=web")),
            ),
            (
                "/api/v1/namespaces/{{a.\"x/y\"}}",
                Some(("Namespace", None, Some("_"), "")),
            ),
            (
                "/api/v1/namespaces/shop/configmaps/c",
                Some(("ConfigMap", Some("shop"), Some("c"), "")),
            ),
            ("/version", None),
        ] {
            let found = ApiPath::parse(path, &table);
            let found = found
                .as_ref()
                .map(|p| (&*p.gvk.kind, p.namespace.as_deref(), p.name.as_deref(), &*p.labels));
            assert_eq!(found, want, "{path}");
        }
    }

    #[test]
    fn wildcards() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abb", false),
            ("P?d", "Pod", true),
            ("", "x", false),
        ] {
            assert_eq!(wildcard(pattern, text), want, "{pattern} {text}");
        }
    }
}
