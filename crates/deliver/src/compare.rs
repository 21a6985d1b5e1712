//! What an Application wants against what there is.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use ridgeway_cluster::Causality;
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::KindTable;
use ridgeway_sync::{Diff, DiffOptions, Health, HealthStatus, IgnoreRule, Target, TrackingId, health};

use crate::desired::{DesiredObject, is_hook};
use crate::live::{Live, Place, version};
use crate::names::FIELD_MANAGER;

/// One object of an Application.
#[derive(Clone)]
pub(crate) struct Resource {
    pub(crate) place: Place,
    /// As it should be; `None` when it should not be.
    pub(crate) desired: Option<Arc<DesiredObject>>,
    /// As it is; `None` when it is not.
    pub(crate) live: Option<Doc>,
    /// Whether a sync would change it.
    pub(crate) modified: bool,
    pub(crate) health: Option<Health>,
    pub(crate) hook: bool,
    /// Whether it counts for the Application's sync status.
    pub(crate) counts: bool,
    /// The other Application that says it manages the object.
    pub(crate) other: Option<String>,
}

impl Resource {
    pub(crate) fn is_synced(&self) -> bool {
        self.desired.is_some() && self.live.is_some() && !self.modified
    }

    /// Whether it is there and should not be.
    pub(crate) fn is_extraneous(&self) -> bool {
        self.desired.is_none() && self.live.is_some()
    }
}

/// An Application compared.
#[derive(Clone, Default)]
pub(crate) struct Comparison {
    pub(crate) resources: Vec<Resource>,
    pub(crate) synced: bool,
    pub(crate) health: Option<Health>,
}

/// Diff verdicts that hold as long as neither side changes.
#[derive(Default)]
pub(crate) struct Verdicts(HashMap<Place, (usize, u64, bool)>);

/// What comparing needs.
pub(crate) struct Comparing<'a> {
    pub(crate) live: &'a Live,
    pub(crate) kinds: &'a KindTable,
    pub(crate) instance: &'a str,
    pub(crate) diff: &'a DiffOptions,
}

impl Comparing<'_> {
    pub(crate) fn compare(&self, desired: &[Arc<DesiredObject>], verdicts: &mut Verdicts) -> Comparison {
        let mut resources: Vec<Resource> = Vec::with_capacity(desired.len());
        let mut wanted = BTreeSet::new();
        for object in desired {
            wanted.insert((
                object.place.gvk.group.clone(),
                object.place.gvk.kind.clone(),
                object.place.namespace.clone(),
                object.place.name.clone(),
            ));
            let live = (!object.place.name.is_empty())
                .then(|| self.live.get(&object.place))
                .flatten();
            let modified = match &live {
                Some(live) if !object.hook => self.modified(object, live, verdicts),
                _ => false,
            };
            let health = if object.hook {
                None
            } else {
                self.health(object.doc.root(), live.as_ref())
            };
            let tracked = live
                .as_ref()
                .and_then(|live| TrackingId::of(live.root()).filter(|id| id.describes(live.root())));
            resources.push(Resource {
                other: tracked.map(|id| id.app).filter(|app| app != self.instance),
                place: object.place.clone(),
                desired: Some(object.clone()),
                hook: object.hook,
                counts: !object.hook,
                live,
                modified,
                health,
            });
        }
        for place in self.live.tracked(self.instance) {
            let key = (
                place.gvk.group.clone(),
                place.gvk.kind.clone(),
                place.namespace.clone(),
                place.name.clone(),
            );
            if wanted.contains(&key) {
                continue;
            }
            let Some(live) = self.live.get(&place) else { continue };
            // What belongs to something else goes with that; what was made for a sync is its own affair.
            let hook = is_hook(live.root());
            let owned = live
                .root()
                .at(&["metadata", "ownerReferences"])
                .is_some_and(|owners| !owners.is_empty());
            if hook || owned || !wanted.insert(key) {
                continue;
            }
            let counts = !has_option(live.root(), "argocd.argoproj.io/compare-options", "IgnoreExtraneous");
            let health = self.health(live.root(), Some(&live));
            resources.push(Resource {
                other: None,
                place,
                desired: None,
                live: Some(live),
                modified: false,
                health,
                hook,
                counts,
            });
        }
        let synced = resources
            .iter()
            .all(|resource| !resource.counts || resource.is_synced());
        let health = Some(rollup(&resources));
        Comparison {
            resources,
            synced,
            health,
        }
    }

    fn modified(&self, object: &Arc<DesiredObject>, live: &Doc, verdicts: &mut Verdicts) -> bool {
        let (identity, version) = (Arc::as_ptr(object) as usize, version(live));
        match verdicts.0.get(&object.place) {
            Some((known, at, verdict)) if *known == identity && *at == version && version != 0 => *verdict,
            _ => {
                let verdict = self.diff_of(object, live).modified;
                verdicts.0.insert(object.place.clone(), (identity, version, verdict));
                verdict
            }
        }
    }

    /// The difference of one object.
    pub(crate) fn diff_of(&self, object: &DesiredObject, live: &Doc) -> Diff {
        let kind = self.kinds.get(&object.place.gvk);
        let schema = kind.as_ref().and_then(|kind| kind.schema());
        ridgeway_sync::diff(object.doc.root(), live.root(), schema, self.diff)
    }

    fn health(&self, wanted: Node<'_>, live: Option<&Doc>) -> Option<Health> {
        if wanted.str_at(&["metadata", "annotations", "argocd.argoproj.io/ignore-healthcheck"]) == Some("true") {
            return None;
        }
        let Some(live) = live else {
            return Some(Health {
                status: HealthStatus::Missing,
                message: String::new(),
            });
        };
        if live.root().at(&["metadata", "deletionTimestamp"]).is_some() {
            return Some(Health {
                status: HealthStatus::Progressing,
                message: "Pending deletion".into(),
            });
        }
        let health = health(live.root())?;
        if matches!(health.status, HealthStatus::Progressing)
            && let Some(reason) = crash(self.live, live)
        {
            return Some(Health {
                status: HealthStatus::Degraded,
                message: reason,
            });
        }
        Some(health)
    }
}

/// The options of server-side apply for one Application.
/// What a sync writes for those who act on an object; a commit that changes nothing else changes nothing.
static CARRIED: LazyLock<Vec<IgnoreRule>> = LazyLock::new(|| {
    let pointer = format!("/metadata/annotations/{}", Causality::ANNOTATION.replace('/', "~1"));
    let mut rule = Value::object();
    rule.set(&["group"], "*");
    rule.set(&["kind"], "*");
    rule.set(&["jsonPointers"], [pointer].into_iter().collect::<Value>());
    let list: Value = [rule].into_iter().collect();
    IgnoreRule::from_spec(Some(list.node())).unwrap_or_default()
});

pub(crate) fn diff_options(ignore: Vec<IgnoreRule>) -> DiffOptions {
    let mut ignore = ignore;
    ignore.extend(CARRIED.iter().cloned());
    DiffOptions {
        ignore,
        server_side_manager: Some(FIELD_MANAGER.into()),
        ..DiffOptions::default()
    }
}

pub(crate) fn has_option(node: Node<'_>, annotation: &str, option: &str) -> bool {
    let text = node
        .str_at(&["metadata", "annotations", annotation])
        .unwrap_or_default();
    text.split(',').any(|set| set.trim() == option)
}

/// The health of the whole: the worst of its parts. What is missing counts only if everything is.
fn rollup(resources: &[Resource]) -> Health {
    let counted = resources
        .iter()
        .filter(|resource| !resource.hook && resource.desired.is_some());
    let mut worst: Option<(&Resource, &Health)> = None;
    let (mut all, mut missing) = (0, 0);
    for resource in counted {
        all += 1;
        let Some(health) = &resource.health else { continue };
        if health.status == HealthStatus::Missing {
            missing += 1;
            continue;
        }
        if worst.is_none_or(|(_, other)| health.status > other.status) {
            worst = Some((resource, health));
        }
    }
    if all > 0 && missing == all {
        return Health {
            status: HealthStatus::Missing,
            message: "nothing of it has been deployed".into(),
        };
    }
    match worst {
        None => Health {
            status: HealthStatus::Healthy,
            message: String::new(),
        },
        Some((_, health)) if health.status == HealthStatus::Healthy => Health {
            status: HealthStatus::Healthy,
            message: String::new(),
        },
        Some((resource, health)) => Health {
            status: health.status,
            message: match health.message.as_str() {
                "" => resource.place.reference().to_string(),
                message => format!("{}: {message}", resource.place.reference()),
            },
        },
    }
}

/// Container states from which nothing comes without a change: the rollout need not be waited for to its deadline.
const HOPELESS: [&str; 6] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// Why a workload that is still progressing will not get anywhere, if one of the Pods of its present template says so.
fn crash(live: &Live, workload: &Doc) -> Option<String> {
    let root = workload.root();
    if !root
        .str_at(&["apiVersion"])
        .is_some_and(|version| version.starts_with("apps/"))
    {
        // A Job's Pods may fail as often as it says they may.
        return None;
    }
    let number = |path: &[&str]| root.at(path).and_then(Node::as_i64).unwrap_or(0);
    if number(&["status", "observedGeneration"]) < number(&["metadata", "generation"]) {
        // Its controller has not seen the change yet: what crashes may be what is being replaced.
        return None;
    }
    let template = root.at(&["spec", "template", "spec"])?;
    let uid = root.str_at(&["metadata", "uid"]).unwrap_or_default();
    let is_pod = |doc: &Doc| doc.root().str_at(&["kind"]) == Some("Pod");
    let (mut pods, sets): (Vec<Doc>, Vec<Doc>) = live.owned_by(uid).into_iter().partition(is_pod);
    // Pods of older templates may crash as they like: they are on their way out.
    let current = sets
        .iter()
        .filter(|set| set.root().at(&["spec", "template", "spec"]) == Some(template));
    for set in current {
        pods.extend(live.owned_by(set.root().str_at(&["metadata", "uid"]).unwrap_or_default()));
    }
    pods.iter()
        .map(Doc::root)
        .filter(|pod| runs_images_of(*pod, template))
        .find_map(hopeless)
}

/// Whether a Pod was made from a template, judged by its containers' images.
fn runs_images_of(pod: Node<'_>, template: Node<'_>) -> bool {
    let images = |spec: Option<Node<'_>>| -> Vec<(String, String)> {
        let containers = spec
            .and_then(|spec| spec.get("containers"))
            .into_iter()
            .flat_map(|list| list.items());
        let part = |container: Node<'_>, key: &str| container.str_at(&[key]).unwrap_or_default().to_owned();
        containers
            .map(|container| (part(container, "name"), part(container, "image")))
            .collect()
    };
    let running = images(pod.get("spec"));
    images(Some(template)).iter().all(|wanted| running.contains(wanted))
}

fn hopeless(pod: Node<'_>) -> Option<String> {
    let name = pod.str_at(&["metadata", "name"]).unwrap_or_default();
    let lists = ["initContainerStatuses", "containerStatuses"];
    let statuses = lists
        .into_iter()
        .filter_map(|list| pod.at(&["status", list]))
        .flat_map(|list| list.items());
    for status in statuses {
        let Some(reason) = status
            .str_at(&["state", "waiting", "reason"])
            .filter(|r| HOPELESS.contains(r))
        else {
            continue;
        };
        let container = status.str_at(&["name"]).unwrap_or_default();
        let detail = ["message", "reason"]
            .into_iter()
            .find_map(|field| status.str_at(&["lastState", "terminated", field]))
            .or_else(|| status.str_at(&["state", "waiting", "message"]))
            .map(|detail| format!(" ({detail})"))
            .unwrap_or_default();
        return Some(format!(
            "Pod {name}: container {container} is in {reason}{detail}; see its logs"
        ));
    }
    None
}

impl Comparison {
    /// The comparison as the planner takes it.
    pub(crate) fn targets(&self, skip_hooks: bool) -> Vec<Target> {
        let target = |resource: &Resource| Target {
            desired: resource.desired.as_ref().map(|object| object.doc.clone()),
            live: resource.live.clone(),
            modified: resource.modified,
        };
        self.resources
            .iter()
            .filter(|resource| !(skip_hooks && resource.hook))
            .map(target)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pods_of_another_template_are_told_apart_and_sidecars_do_not_matter() {
        let spec = |images: &str| ridgeway_doc::parse_yaml(&format!("{{spec: {{containers: [{images}]}}}}")).unwrap();
        let template = spec("{name: web, image: 'w:2'}");
        let template = template[0].root().get("spec").unwrap();
        let same = spec("{name: proxy, image: 'p:1'}, {name: web, image: 'w:2'}");
        assert!(runs_images_of(same[0].root(), template));
        assert!(!runs_images_of(spec("{name: web, image: 'w:1'}")[0].root(), template));
    }

    #[test]
    fn pods_that_will_not_start_are_told_from_those_that_may() {
        let pod = |state: &str| {
            let text = format!(
                "metadata: {{name: web-1}}\nstatus: {{containerStatuses: [{{name: web, {state}, lastState: {{terminated: \
                 {{reason: Error, exitCode: 1}}}}}}]}}"
            );
            hopeless(ridgeway_doc::parse_yaml(&text).unwrap()[0].root())
        };
        let reason = pod("state: {waiting: {reason: CrashLoopBackOff}}").unwrap();
        assert!(
            reason.contains("web-1") && reason.contains("CrashLoopBackOff (Error)"),
            "{reason}"
        );
        assert!(pod("state: {waiting: {reason: ContainerCreating}}").is_none());
        assert!(pod("state: {running: {}}").is_none());
    }
}
