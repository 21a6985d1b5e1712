//! `match` and `exclude`: which requests a rule applies to.

use ridgeway_doc::Node;
use ridgeway_krm::{Gvk, LabelSelector};

use super::wildcard;
use crate::request::{Operation, Request, User};

mod why;

/// A kind as policies write it: `Pod`, `apps/v1/Deployment`, `*/Scale`, `Pod/exec`, `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KindSelector {
    group: String,
    version: String,
    pub(crate) kind: String,
    subresource: String,
}

fn is_version(text: &str) -> bool {
    text == "*"
        || text.strip_prefix('v').is_some_and(|rest| {
            let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            digits.len() < rest.len()
                && (digits.is_empty()
                    || ["alpha", "beta"].iter().any(|stage| {
                        digits
                            .strip_prefix(stage)
                            .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
                    }))
        })
}

impl KindSelector {
    pub(crate) fn parse(text: &str) -> Option<KindSelector> {
        let mut parts: Vec<&str> = text.split('/').collect();
        // A dot in the last part sets the subresource off too.
        if let Some((kind, subresource)) = parts.last().and_then(|last| last.split_once('.')) {
            parts.pop();
            parts.extend([kind, subresource]);
        }
        let (group, version, kind, subresource) = match parts.as_slice() {
            ["*", "*"] => ("*", "*", "*", "*"),
            [kind] => ("*", "*", *kind, ""),
            ["*", subresource] if subresource.chars().all(|c| !c.is_ascii_uppercase()) => ("*", "*", "*", *subresource),
            [version, kind] if is_version(version) => ("*", *version, *kind, ""),
            [kind, subresource] => ("*", "*", *kind, *subresource),
            [version, kind, subresource] if is_version(version) => ("*", *version, *kind, *subresource),
            [group, version, kind] => (*group, *version, *kind, ""),
            [group, version, kind, subresource] => (*group, *version, *kind, *subresource),
            _ => return None,
        };
        Some(KindSelector {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            subresource: subresource.into(),
        })
    }

    fn matches(&self, gvk: &Gvk, subresource: &str) -> bool {
        wildcard(&self.kind, &gvk.kind)
            && wildcard(&self.group, &gvk.group)
            && wildcard(&self.version, &gvk.version)
            && (wildcard(&self.subresource, subresource)
                // Ephemeral containers are judged as part of their Pod.
                || subresource == "ephemeralcontainers" && gvk.kind == "Pod" && gvk.group.is_empty())
    }
}

/// A label selector whose `matchLabels` may hold wildcards.
#[derive(Clone, Debug)]
struct Selector {
    labels: Vec<(String, String)>,
    rest: LabelSelector,
}

impl Selector {
    fn compile(node: Node<'_>) -> Result<Selector, String> {
        let mut without_wildcards = ridgeway_doc::Value::object();
        if let Some(expressions) = node.get("matchExpressions") {
            without_wildcards.set(&["matchExpressions"], expressions.to_value());
        }
        let rest = LabelSelector::from_node(without_wildcards.node()).map_err(|e| e.to_string())?;
        Ok(Selector {
            labels: pairs(node.get("matchLabels")),
            rest,
        })
    }

    fn matches(&self, labels: Option<Node<'_>>) -> bool {
        all_pairs(&self.labels, labels) && self.rest.matches(labels)
    }
}

fn pairs(node: Option<Node<'_>>) -> Vec<(String, String)> {
    let text = |v: Node<'_>| v.as_str().map_or_else(|| v.to_json(), str::to_owned);
    node.map(|map| map.members().map(|(k, v)| (k.to_owned(), text(v))).collect())
        .unwrap_or_default()
}

/// Whether every wanted pair (wildcards allowed) is among the labels.
fn all_pairs(wanted: &[(String, String)], have: Option<Node<'_>>) -> bool {
    wanted.iter().all(|(key, value)| {
        have.is_some_and(|map| {
            map.members()
                .any(|(k, v)| wildcard(key, k) && wildcard(value, v.as_str().unwrap_or_default()))
        })
    })
}

#[derive(Clone, Debug)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

/// One block of a match: everything in it must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    kinds: Vec<KindSelector>,
    names: Vec<String>,
    namespaces: Vec<String>,
    annotations: Vec<(String, String)>,
    selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    operations: Vec<Operation>,
    roles: Vec<String>,
    cluster_roles: Vec<String>,
    subjects: Vec<Subject>,
}

fn texts(node: Option<Node<'_>>) -> Vec<String> {
    node.map(|list| {
        list.items()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    })
    .unwrap_or_default()
}

impl Filter {
    fn compile(node: Node<'_>) -> Result<Filter, String> {
        let resources = node.get("resources");
        let at = |key: &str| resources.and_then(|r| r.get(key));
        if let Some(resources) = resources {
            const KNOWN: [&str; 9] = [
                "kinds",
                "name",
                "names",
                "namespaces",
                "annotations",
                "selector",
                "namespaceSelector",
                "operations",
                "apiGroups",
            ];
            if let Some((key, _)) = resources.members().find(|(key, _)| !KNOWN.contains(key)) {
                return Err(format!(
                    "unknown field `{key}` in `resources`; known are {}",
                    KNOWN[..8].join(", ")
                ));
            }
        }
        let kinds = texts(at("kinds"))
            .iter()
            .map(|text| {
                KindSelector::parse(text).ok_or_else(|| format!("{text:?} is no kind; write Kind, version/Kind or group/version/Kind, with /subresource after it if need be"))
            })
            .collect::<Result<_, _>>()?;
        let operations = texts(at("operations"))
            .iter()
            .map(|text| {
                Operation::parse(text)
                    .ok_or_else(|| format!("{text:?} is no operation; use CREATE, UPDATE, DELETE or CONNECT"))
            })
            .collect::<Result<_, _>>()?;
        let mut names = texts(at("names"));
        names.extend(at("name").and_then(Node::as_str).map(str::to_owned));
        let subjects = node.get("subjects").map(|list| {
            let text = |item: Node<'_>, key: &str| item.str_at(&[key]).unwrap_or_default().to_owned();
            list.items()
                .map(|s| Subject {
                    kind: text(s, "kind"),
                    name: text(s, "name"),
                    namespace: text(s, "namespace"),
                })
                .collect()
        });
        Ok(Filter {
            kinds,
            names,
            namespaces: texts(at("namespaces")),
            annotations: pairs(at("annotations")),
            selector: at("selector").map(Selector::compile).transpose()?,
            namespace_selector: at("namespaceSelector").map(Selector::compile).transpose()?,
            operations,
            roles: texts(node.get("roles")),
            cluster_roles: texts(node.get("clusterRoles")),
            subjects: subjects.unwrap_or_default(),
        })
    }

    fn asks_about_resources(&self) -> bool {
        !self.kinds.is_empty()
            || !self.names.is_empty()
            || !self.namespaces.is_empty()
            || !self.annotations.is_empty()
            || self.selector.is_some()
            || self.namespace_selector.is_some()
            || !self.operations.is_empty()
    }

    fn asks_about_users(&self) -> bool {
        !self.roles.is_empty() || !self.cluster_roles.is_empty() || !self.subjects.is_empty()
    }

    fn matches(&self, request: &Request<'_>, subject: Node<'_>) -> bool {
        let metadata = |key: &str| subject.str_at(&["metadata", key]).unwrap_or_default();
        let is_namespace = request.gvk.kind == "Namespace" && request.gvk.group.is_empty();
        (self.operations.is_empty() || self.operations.contains(&request.operation))
            && (self.kinds.is_empty()
                || self
                    .kinds
                    .iter()
                    .any(|kind| kind.matches(request.gvk, request.subresource)))
            && (self.names.is_empty() || {
                let name = match metadata("name") {
                    "" => metadata("generateName"),
                    name => name,
                };
                self.names.iter().any(|want| wildcard(want, name))
            })
            && (self.namespaces.is_empty() || {
                let namespace = if is_namespace {
                    metadata("name")
                } else {
                    request.namespace
                };
                self.namespaces.iter().any(|want| wildcard(want, namespace))
            })
            && all_pairs(&self.annotations, subject.at(&["metadata", "annotations"]))
            && self
                .selector
                .as_ref()
                .is_none_or(|s| s.matches(subject.at(&["metadata", "labels"])))
            && self
                .namespace_selector
                .as_ref()
                .is_none_or(|s| !is_namespace && s.matches(request.namespace_labels()))
    }

    fn matches_user(&self, user: &User<'_>) -> bool {
        let some = |wanted: &[String], have: &[String]| wanted.is_empty() || wanted.iter().any(|w| have.contains(w));
        some(&self.roles, user.roles)
            && some(&self.cluster_roles, user.cluster_roles)
            && (self.subjects.is_empty() || self.subjects.iter().any(|s| s.is(user)))
    }
}

impl Subject {
    fn is(&self, user: &User<'_>) -> bool {
        match self.kind.as_str() {
            "ServiceAccount" => user
                .name
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'))
                .is_some_and(|(namespace, name)| wildcard(&self.namespace, namespace) && wildcard(&self.name, name)),
            "Group" => user.groups.iter().any(|group| wildcard(&self.name, group)),
            _ => wildcard(&self.name, user.name),
        }
    }
}

/// `match` or `exclude`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Match {
    any: Vec<Filter>,
    all: Vec<Filter>,
}

impl Match {
    pub(crate) fn compile(node: Node<'_>) -> Result<Match, String> {
        let list = |key: &str| -> Result<Vec<Filter>, String> {
            node.get(key)
                .map(|list| list.items().map(Filter::compile).collect())
                .unwrap_or(Ok(Vec::new()))
        };
        let (any, mut all) = (list("any")?, list("all")?);
        if any.is_empty() && all.is_empty() && !node.is_empty() {
            all.push(Filter::compile(node)?);
        }
        Ok(Match { any, all })
    }

    /// Whether nothing is written in it.
    pub(crate) fn is_empty(&self) -> bool {
        !self
            .any
            .iter()
            .chain(&self.all)
            .any(|f| f.asks_about_resources() || f.asks_about_users())
    }

    /// The kinds it names, for the index; `None` when it may match any.
    pub(crate) fn kinds(&self) -> Option<Vec<&str>> {
        let named = |filter: &'_ Filter| -> Option<Vec<String>> {
            if filter.kinds.is_empty() || filter.kinds.iter().any(|k| crate::pattern_text::has_wildcard(&k.kind)) {
                return None;
            }
            Some(filter.kinds.iter().map(|k| k.kind.clone()).collect())
        };
        let filters: Vec<&Filter> = if self.any.is_empty() {
            self.all.iter().take(1).collect()
        } else {
            self.any.iter().collect()
        };
        if filters.is_empty() || filters.iter().any(|f| named(f).is_none()) {
            return None;
        }
        Some(
            filters
                .iter()
                .flat_map(|f| f.kinds.iter().map(|k| k.kind.as_str()))
                .collect(),
        )
    }

    /// Whether some filter names operations.
    pub(crate) fn names_operations(&self) -> bool {
        self.any.iter().chain(&self.all).any(|f| !f.operations.is_empty())
    }

    /// Whether some filter asks about users: such rules cannot be judged in the background.
    pub(crate) fn asks_about_users(&self) -> bool {
        self.any.iter().chain(&self.all).any(Filter::asks_about_users)
    }

    /// As a `match`: without a user, what is asked about users does not count.
    pub(crate) fn selects(&self, request: &Request<'_>, subject: Node<'_>) -> bool {
        let one = |filter: &Filter| match &request.user {
            Some(user) => filter.matches(request, subject) && filter.matches_user(user),
            None => filter.asks_about_resources() && filter.matches(request, subject),
        };
        if self.any.is_empty() {
            !self.all.is_empty() && self.all.iter().all(one)
        } else {
            self.any.iter().any(one)
        }
    }

    /// As an `exclude`.
    pub(crate) fn excludes(&self, request: &Request<'_>, subject: Node<'_>) -> bool {
        let one = |filter: &Filter| {
            (filter.asks_about_resources() || filter.asks_about_users())
                && filter.matches(request, subject)
                && filter.matches_user(&request.user.unwrap_or_default())
        };
        if self.any.is_empty() {
            !self.all.is_empty() && self.all.iter().all(one)
        } else {
            self.any.iter().any(one)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        for (text, want) in [
            ("Pod", ("*", "*", "Pod", "")),
            ("v1/Pod", ("*", "v1", "Pod", "")),
            ("apps/v1/Deployment", ("apps", "v1", "Deployment", "")),
            ("Pod/exec", ("*", "*", "Pod", "exec")),
            ("v1/Pod.exec", ("*", "v1", "Pod", "exec")),
            ("*/*", ("*", "*", "*", "*")),
            ("*/scale", ("*", "*", "*", "scale")),
            ("batch/v1beta1/CronJob", ("batch", "v1beta1", "CronJob", "")),
        ] {
            let kind = KindSelector::parse(text).unwrap();
            assert_eq!(
                (&*kind.group, &*kind.version, &*kind.kind, &*kind.subresource),
                want,
                "{text}"
            );
        }
    }
}
