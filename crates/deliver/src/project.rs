//! AppProjects: what the Applications of a team may use and change.

use ridgeway_doc::Node;

use crate::spec::{Application, IN_CLUSTER, strings, text};

/// Shell-style matching as projects use it: `*` any text, `?` one character; `**` is the same as `*`.
pub(crate) fn glob(pattern: &str, subject: &str) -> bool {
    let (pattern, subject): (Vec<char>, Vec<char>) = (pattern.chars().collect(), subject.chars().collect());
    let (mut p, mut s, mut star) = (0, 0, None);
    while s < subject.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, s));
                p += 1;
            }
            Some(c) if *c == '?' || *c == subject[s] => {
                p += 1;
                s += 1;
            }
            _ => match &mut star {
                Some((at, from)) => {
                    *from += 1;
                    (p, s) = (*at + 1, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// What a project allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    name: String,
    source_repos: Vec<String>,
    destinations: Vec<[String; 3]>,
    cluster_allowed: Vec<[String; 2]>,
    cluster_denied: Vec<[String; 2]>,
    namespaced_allowed: Option<Vec<[String; 2]>>,
    namespaced_denied: Vec<[String; 2]>,
    source_namespaces: Vec<String>,
}

impl Project {
    /// Reads an AppProject.
    pub fn read(project: Node<'_>) -> Project {
        let spec = project.get("spec");
        let at = |field: &str| spec.and_then(|spec| spec.get(field));
        let kinds = |field: &str| -> Option<Vec<[String; 2]>> {
            at(field).map(|list| {
                list.items()
                    .map(|item| ["group", "kind"].map(|part| text(item, &[part])))
                    .collect()
            })
        };
        Project {
            name: text(project, &["metadata", "name"]),
            source_repos: strings(at("sourceRepos")),
            destinations: at("destinations")
                .map(|list| {
                    let read = |item: Node<'_>| ["server", "name", "namespace"].map(|part| text(item, &[part]));
                    list.items().map(read).collect()
                })
                .unwrap_or_default(),
            cluster_allowed: kinds("clusterResourceWhitelist").unwrap_or_default(),
            cluster_denied: kinds("clusterResourceBlacklist").unwrap_or_default(),
            namespaced_allowed: kinds("namespaceResourceWhitelist").filter(|list| !list.is_empty()),
            namespaced_denied: kinds("namespaceResourceBlacklist").unwrap_or_default(),
            source_namespaces: strings(at("sourceNamespaces")),
        }
    }

    /// A project that allows everything.
    pub fn permissive(name: &str) -> Project {
        let any = || "*".to_owned();
        Project {
            name: name.into(),
            source_repos: vec![any()],
            destinations: vec![[any(), any(), any()]],
            cluster_allowed: vec![[any(), any()]],
            ..Project::default()
        }
    }

    /// What of an Application's spec the project does not allow, each with the remedy.
    pub fn faults(&self, app: &Application, control_plane: &str) -> Vec<String> {
        let mut faults = Vec::new();
        let name = &self.name;
        if app.key.namespace != control_plane
            && !self
                .source_namespaces
                .iter()
                .any(|allowed| glob(allowed, &app.key.namespace))
        {
            faults.push(format!(
                "Applications in namespace {} may not use project {name}; add it to spec.sourceNamespaces of the project",
                app.key.namespace
            ));
        }
        if !self.permits_repo(&app.source.repo_url) {
            faults.push(format!(
                "project {name} does not allow repository {}; add it to spec.sourceRepos of the project",
                app.source.repo_url
            ));
        }
        if !app.destination.namespace.is_empty() && !self.permits_namespace(&app.destination.namespace) {
            faults.push(format!(
                "project {name} does not allow namespace {} of {IN_CLUSTER}; add it to spec.destinations of the project",
                app.destination.namespace
            ));
        }
        faults
    }

    fn permits_repo(&self, url: &str) -> bool {
        let plain = |url: &str| url.trim_end_matches('/').trim_end_matches(".git").to_owned();
        let url = plain(url);
        let matches = |pattern: &str| glob(&plain(pattern), &url);
        let denied = self
            .source_repos
            .iter()
            .filter_map(|repo| repo.strip_prefix('!'))
            .any(matches);
        !denied
            && self
                .source_repos
                .iter()
                .any(|repo| !repo.starts_with('!') && matches(repo))
    }

    /// Whether objects may go into a namespace of the cluster we run in.
    pub fn permits_namespace(&self, namespace: &str) -> bool {
        let here = |server: &str, name: &str| {
            let plain = |text: &str| text.trim_start_matches('!').trim_end_matches('/').to_owned();
            let by_server = !server.is_empty() && glob(&plain(server), IN_CLUSTER);
            by_server || (!name.is_empty() && glob(&plain(name), "in-cluster"))
        };
        let mut allowed = false;
        for [server, name, wanted] in &self.destinations {
            let here = here(server, name);
            if let Some(denied) = wanted.strip_prefix('!') {
                if here && glob(denied, namespace) {
                    return false;
                }
            } else if server.starts_with('!') || name.starts_with('!') {
                if here && glob(wanted, namespace) {
                    return false;
                }
            } else {
                allowed |= here && glob(wanted, namespace);
            }
        }
        allowed
    }

    /// Whether the project's Applications may manage an object; the error says what to add where.
    pub fn permits(&self, group: &str, kind: &str, namespace: Option<&str>) -> Result<(), String> {
        let listed = |list: &[[String; 2]]| list.iter().any(|[g, k]| glob(g, group) && glob(k, kind));
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        match namespace {
            None if !listed(&self.cluster_allowed) => Err(format!(
                "project {} does not allow the cluster-wide kind {qualified}; add it to spec.clusterResourceWhitelist",
                self.name
            )),
            None if listed(&self.cluster_denied) => Err(format!(
                "project {} forbids the cluster-wide kind {qualified} (spec.clusterResourceBlacklist)",
                self.name
            )),
            Some(_) if self.namespaced_allowed.as_deref().is_some_and(|list| !listed(list)) => Err(format!(
                "project {} does not allow kind {qualified}; add it to spec.namespaceResourceWhitelist",
                self.name
            )),
            Some(_) if listed(&self.namespaced_denied) => Err(format!(
                "project {} forbids kind {qualified} (spec.namespaceResourceBlacklist)",
                self.name
            )),
            Some(namespace) if !self.permits_namespace(namespace) => Err(format!(
                "project {} does not allow namespace {namespace}; add it to spec.destinations",
                self.name
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_shells_do() {
        for (pattern, subject, expected) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("team-*", "team-a", true),
            ("team-*", "tea", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("", "", true),
            ("https://h/*.git", "https://h/x/y.git", true),
        ] {
            assert_eq!(glob(pattern, subject), expected, "{pattern} {subject}");
        }
    }

    #[test]
    fn projects_allow_and_forbid() {
        let doc = ridgeway_doc::parse_yaml(
            "metadata: {name: team-a}
spec:
  sourceRepos: ['https://git.example/team-a/*', '!https://git.example/team-a/secret']
  destinations:
  - {server: https://kubernetes.default.svc, namespace: 'team-a-*'}
  - {name: in-cluster, namespace: '!team-a-frozen'}
  clusterResourceWhitelist: [{group: '', kind: Namespace}]
  namespaceResourceBlacklist: [{group: '', kind: ResourceQuota}]",
        )
        .unwrap();
        let project = Project::read(doc[0].root());
        assert!(project.permits_repo("https://git.example/team-a/shop.git"));
        assert!(!project.permits_repo("https://git.example/team-a/secret"));
        assert!(!project.permits_repo("https://git.example/team-b/shop"));
        assert!(project.permits_namespace("team-a-dev"));
        assert!(!project.permits_namespace("team-a-frozen"));
        assert!(!project.permits_namespace("kube-system"));
        assert!(project.permits("", "Namespace", None).is_ok());
        assert!(
            project
                .permits("rbac.authorization.k8s.io", "ClusterRole", None)
                .unwrap_err()
                .contains("Whitelist")
        );
        assert!(project.permits("apps", "Deployment", Some("team-a-dev")).is_ok());
        assert!(project.permits("", "ResourceQuota", Some("team-a-dev")).is_err());
        assert!(
            project
                .permits("apps", "Deployment", Some("kube-system"))
                .unwrap_err()
                .contains("destinations")
        );
    }
}
