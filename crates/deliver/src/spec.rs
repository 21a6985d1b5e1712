//! What an Application asks for, read from its object.

use std::fmt;
use std::time::Duration;

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::GoDuration;

use crate::names::{self, DEFAULT_PROJECT};

/// An Application's namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl AppKey {
    /// A key of its parts.
    pub fn new(namespace: &str, name: &str) -> AppKey {
        AppKey {
            namespace: namespace.into(),
            name: name.into(),
        }
    }

    /// The name as tracking annotations write it: qualified outside the control plane's own namespace.
    pub fn instance(&self, control_plane: &str) -> String {
        if self.namespace == control_plane {
            self.name.clone()
        } else {
            format!("{}_{}", self.namespace, self.name)
        }
    }

    /// The key of a tracking annotation's first part.
    pub fn of_instance(instance: &str, control_plane: &str) -> AppKey {
        match instance.split_once('_') {
            Some((namespace, name)) => AppKey::new(namespace, name),
            None => AppKey::new(control_plane, instance),
        }
    }
}

impl fmt::Display for AppKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Where manifests come from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Source {
    /// Repository URL or name.
    pub repo_url: String,
    /// Directory in it; `.` is the root.
    pub path: String,
    /// Branch, tag or commit; `HEAD` when none is given.
    pub target_revision: String,
    /// The whole `source`, for the renderer's own options.
    pub doc: Option<Doc>,
}

/// Where objects go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// API server URL.
    pub server: String,
    /// Cluster name.
    pub name: String,
    /// Namespace of objects that name none.
    pub namespace: String,
}

/// The URL by which Argo CD knows the cluster it runs in.
pub const IN_CLUSTER: &str = "https://kubernetes.default.svc";

impl Destination {
    /// Whether this is the cluster that the platform runs in.
    pub fn is_here(&self) -> bool {
        match (self.server.trim_end_matches('/'), self.name.as_str()) {
            ("", "in-cluster") | (IN_CLUSTER, "" | "in-cluster") => true,
            ("", "") => false,
            _ => false,
        }
    }
}

/// `syncPolicy.automated`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Automated {
    /// Delete what is no longer in the repository.
    pub prune: bool,
    /// Correct what was changed by hand.
    pub self_heal: bool,
    /// Delete even when nothing would be left.
    pub allow_empty: bool,
}

/// When a failed sync is tried again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retry {
    /// How often; negative for ever.
    pub limit: i64,
    /// The first pause.
    pub pause: Duration,
    /// What each further pause is multiplied by.
    pub factor: i64,
    /// The longest pause.
    pub max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Retry {
            limit: 5,
            pause: Duration::from_secs(5),
            factor: 2,
            max: Duration::from_secs(180),
        }
    }
}

impl Retry {
    /// The pause before the retry with this number (from 0); `None` when there is to be none.
    pub fn pause(&self, number: i64) -> Option<Duration> {
        if self.limit >= 0 && number >= self.limit {
            return None;
        }
        let factor = self
            .factor
            .max(1)
            .saturating_pow(u32::try_from(number.min(30)).unwrap_or(0));
        Some(
            self.pause
                .saturating_mul(u32::try_from(factor).unwrap_or(u32::MAX))
                .min(self.max),
        )
    }
}

/// A sync asked for by hand (`operation`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Operation {
    /// Revision to sync to; empty for the target's.
    pub revision: String,
    /// Delete what is no longer in the repository.
    pub prune: bool,
    /// Change nothing, say what would change.
    pub dry_run: bool,
    /// Options of this sync, beside the Application's.
    pub options: Vec<String>,
    /// The only resources to sync, as (group, kind, namespace, name); empty for all.
    pub resources: Vec<[String; 4]>,
    /// Whether to only apply, without hooks (`syncStrategy.apply`).
    pub skip_hooks: bool,
    /// Whether to replace what cannot be changed (`syncStrategy.*.force`).
    pub force: bool,
    /// Who asked.
    pub username: String,
    /// Whether the controller itself did.
    pub automated: bool,
    /// The retries that go with it.
    pub retry: Option<Retry>,
    /// The whole `operation`.
    pub doc: Option<Doc>,
}

/// An Application as the controller works with it.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its key.
    pub key: AppKey,
    /// The whole object.
    pub doc: Doc,
    /// Its project.
    pub project: String,
    /// Where manifests come from.
    pub source: Source,
    /// Where objects go.
    pub destination: Destination,
    /// Whether and how it syncs by itself.
    pub automated: Option<Automated>,
    /// `syncPolicy.syncOptions`
    pub options: Vec<String>,
    /// `syncPolicy.retry`
    pub retry: Retry,
    /// How many history entries are kept.
    pub history_limit: usize,
    /// A sync asked for by hand.
    pub operation: Option<Operation>,
}

impl Application {
    /// Reads an Application. What is wrong with it is said in one sentence each.
    pub fn read(doc: &Doc) -> (Application, Vec<String>) {
        let root = doc.root();
        let mut faults = Vec::new();
        let key = AppKey::new(
            &text(root, &["metadata", "namespace"]),
            &text(root, &["metadata", "name"]),
        );
        let spec = root.get("spec");
        if spec
            .and_then(|spec| spec.get("sources"))
            .is_some_and(|sources| !sources.is_empty())
        {
            faults.push(
                "spec.sources: several sources are not rendered yet; combine them with a kustomization and use spec.source"
                    .into(),
            );
        }
        let source = spec
            .and_then(|spec| spec.get("source"))
            .map(Source::read)
            .unwrap_or_default();
        if source.repo_url.is_empty() {
            faults.push("spec.source.repoURL: name the Git repository to deploy from".into());
        }
        for (field, engine) in [
            ("chart", "a chart repository"),
            ("plugin", "a config management plugin"),
        ] {
            if spec.and_then(|spec| spec.at(&["source", field])).is_some() {
                faults.push(format!(
                    "spec.source.{field}: sources from {engine} are not rendered yet"
                ));
            }
        }
        let destination = spec
            .and_then(|spec| spec.get("destination"))
            .map(Destination::read)
            .unwrap_or_default();
        if !destination.is_here() {
            faults.push(format!(
                "spec.destination: there is no cluster {:?}; use server {IN_CLUSTER} or name in-cluster",
                if destination.server.is_empty() {
                    &destination.name
                } else {
                    &destination.server
                }
            ));
        }
        let policy = spec.and_then(|spec| spec.get("syncPolicy"));
        let retry = policy.and_then(|policy| policy.get("retry"));
        let app = Application {
            project: spec
                .and_then(|spec| spec.str_at(&["project"]))
                .filter(|project| !project.is_empty())
                .unwrap_or(DEFAULT_PROJECT)
                .into(),
            source,
            destination,
            automated: policy
                .and_then(|policy| policy.get("automated"))
                .and_then(read_automated),
            options: strings(policy.and_then(|policy| policy.get("syncOptions"))),
            retry: retry.map_or_else(Retry::default, |node| read_retry(node, &mut faults)),
            history_limit: spec
                .and_then(|spec| spec.get("revisionHistoryLimit"))
                .and_then(Node::as_i64)
                .map_or(10, |limit| usize::try_from(limit).unwrap_or(0)),
            operation: root
                .get("operation")
                .filter(|op| op.is_object())
                .map(|op| read_operation(op, &mut faults)),
            key,
            doc: doc.clone(),
        };
        (app, faults)
    }

    /// An annotation's value.
    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.doc.root().str_at(&["metadata", "annotations", name])
    }

    /// Whether it is being deleted.
    pub fn is_deleting(&self) -> bool {
        self.doc.root().at(&["metadata", "deletionTimestamp"]).is_some()
    }

    /// The finalizer that cascades its deletion, if it has one.
    pub fn cascade(&self) -> Option<&str> {
        let finalizers = self.doc.root().at(&["metadata", "finalizers"])?;
        finalizers
            .items()
            .filter_map(Node::as_str)
            .find(|name| names::FINALIZERS.contains(name))
    }

    /// Whether a bad revision is rolled back by itself.
    pub fn rolls_back(&self) -> bool {
        self.annotation(names::ROLLBACK) != Some("disabled") && self.automated.is_some()
    }

    /// A duration given by annotation, or the default.
    pub fn duration(&self, annotation: &str, default: Duration) -> Duration {
        self.annotation(annotation)
            .and_then(|text| GoDuration::parse(text).ok())
            .and_then(GoDuration::to_std)
            .unwrap_or(default)
    }

    /// Whether an app-level sync option such as `CreateNamespace=true` is set.
    pub fn has_option(&self, option: &str) -> bool {
        self.options.iter().any(|set| set == option)
    }

    /// The status as it is stored.
    pub fn status(&self) -> Option<Node<'_>> {
        self.doc.root().get("status")
    }
}

impl Source {
    fn read(node: Node<'_>) -> Source {
        let or = |field: &str, default: &str| match node.str_at(&[field]) {
            None | Some("") => default.to_owned(),
            Some(text) => text.to_owned(),
        };
        Source {
            repo_url: or("repoURL", ""),
            path: or("path", "."),
            target_revision: or("targetRevision", "HEAD"),
            doc: Some(node.to_doc()),
        }
    }
}

impl Destination {
    fn read(node: Node<'_>) -> Destination {
        Destination {
            server: text(node, &["server"]),
            name: text(node, &["name"]),
            namespace: text(node, &["namespace"]),
        }
    }
}

fn read_automated(node: Node<'_>) -> Option<Automated> {
    let flag = |name: &str| node.get(name).and_then(Node::as_bool);
    // `automated: {}` means yes; `enabled: false` means no, whatever else it says.
    (node.is_object() && flag("enabled") != Some(false)).then(|| Automated {
        prune: flag("prune").unwrap_or(false),
        self_heal: flag("selfHeal").unwrap_or(false),
        allow_empty: flag("allowEmpty").unwrap_or(false),
    })
}

fn read_retry(node: Node<'_>, faults: &mut Vec<String>) -> Retry {
    let default = Retry::default();
    let mut duration = |field: &str, default: Duration| match node.str_at(&["backoff", field]) {
        None | Some("") => default,
        Some(text) => match GoDuration::parse(text).ok().and_then(GoDuration::to_std) {
            Some(duration) => duration,
            None => {
                faults.push(format!(
                    "spec.syncPolicy.retry.backoff.{field}: {text:?} is not a duration such as 5s or 3m"
                ));
                default
            }
        },
    };
    let (pause, max) = (
        duration("duration", default.pause),
        duration("maxDuration", default.max),
    );
    Retry {
        limit: node.get("limit").and_then(Node::as_i64).unwrap_or(default.limit),
        pause,
        factor: node
            .at(&["backoff", "factor"])
            .and_then(Node::as_i64)
            .unwrap_or(default.factor),
        max,
    }
}

fn read_operation(node: Node<'_>, faults: &mut Vec<String>) -> Operation {
    let sync = node.get("sync");
    let flag = |path: &[&str]| {
        sync.and_then(|sync| sync.at(path))
            .and_then(Node::as_bool)
            .unwrap_or(false)
    };
    let resource = |item: Node<'_>| ["group", "kind", "namespace", "name"].map(|part| text(item, &[part]));
    let resources = sync.and_then(|sync| sync.get("resources"));
    Operation {
        revision: sync.map(|sync| text(sync, &["revision"])).unwrap_or_default(),
        prune: flag(&["prune"]),
        dry_run: flag(&["dryRun"]),
        options: strings(sync.and_then(|sync| sync.get("syncOptions"))),
        resources: resources
            .map(|all| all.items().map(resource).collect())
            .unwrap_or_default(),
        skip_hooks: sync.and_then(|sync| sync.at(&["syncStrategy", "apply"])).is_some(),
        force: flag(&["syncStrategy", "apply", "force"]) || flag(&["syncStrategy", "hook", "force"]),
        username: text(node, &["initiatedBy", "username"]),
        automated: node
            .at(&["initiatedBy", "automated"])
            .and_then(Node::as_bool)
            .unwrap_or(false),
        retry: node
            .get("retry")
            .filter(|retry| !retry.is_empty())
            .map(|retry| read_retry(retry, faults)),
        doc: Some(node.to_doc()),
    }
}

pub(crate) fn text(node: Node<'_>, path: &[&str]) -> String {
    node.str_at(path).unwrap_or_default().to_owned()
}

pub(crate) fn strings(node: Option<Node<'_>>) -> Vec<String> {
    node.map(|list| {
        list.items()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(yaml: &str) -> (Application, Vec<String>) {
        Application::read(&ridgeway_doc::parse_yaml(yaml).unwrap()[0])
    }

    #[test]
    fn a_whole_application_is_read() {
        let (app, faults) = read(
            "metadata: {namespace: argocd, name: shop, finalizers: [x, resources-finalizer.argocd.argoproj.io]}
spec:
  source: {repoURL: shop, path: deploy, targetRevision: main}
  destination: {server: https://kubernetes.default.svc, namespace: shop}
  syncPolicy:
    automated: {prune: true, selfHeal: true}
    syncOptions: [CreateNamespace=true]
    retry: {limit: 2, backoff: {duration: 1s, factor: 3, maxDuration: 2s}}
operation:
  initiatedBy: {username: ann}
  sync: {revision: abc, prune: true, syncStrategy: {apply: {force: true}}, resources: [{kind: Service, name: web}]}",
        );
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!((app.project.as_str(), app.history_limit), ("default", 10));
        assert_eq!(
            app.automated,
            Some(Automated {
                prune: true,
                self_heal: true,
                allow_empty: false
            })
        );
        assert!(app.has_option("CreateNamespace=true") && app.cascade().is_some() && app.rolls_back());
        let pauses: Vec<_> = (0..3).map(|n| app.retry.pause(n)).collect();
        assert_eq!(
            pauses,
            [Some(Duration::from_secs(1)), Some(Duration::from_secs(2)), None]
        );
        let operation = app.operation.unwrap();
        assert!(operation.prune && operation.skip_hooks && operation.force && !operation.automated);
        assert_eq!(operation.resources, [["", "Service", "", "web"].map(str::to_owned)]);
    }

    #[test]
    fn faults_name_the_field_and_the_remedy() {
        let (app, faults) = read(
            "metadata: {namespace: argocd, name: shop}
spec: {source: {chart: x}, destination: {server: https://far.example}, syncPolicy: {automated: {enabled: false, prune: true}, retry: {backoff: {duration: soon}}}}",
        );
        assert_eq!(app.automated, None);
        let fields: Vec<_> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
        assert_eq!(
            fields,
            [
                "spec.source.repoURL",
                "spec.source.chart",
                "spec.destination",
                "spec.syncPolicy.retry.backoff.duration"
            ]
        );
    }

    #[test]
    fn tracking_names_are_qualified_outside_the_control_plane() {
        for key in [AppKey::new("argocd", "shop"), AppKey::new("team-a", "shop")] {
            assert_eq!(AppKey::of_instance(&key.instance("argocd"), "argocd"), key);
        }
        assert_eq!(AppKey::new("team-a", "shop").instance("argocd"), "team-a_shop");
    }
}
