//! From targets to tasks in order.

use std::fmt;

use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, ObjectRef};

use crate::error::SyncError;
use crate::options::{PruneMode, SyncOptions};
use crate::order::rank;
use crate::{annotation, text};

/// One object as Git wants it and as it is.
#[derive(Clone, Debug, Default)]
pub struct Target {
    /// From Git; `None` when it is there no more.
    pub desired: Option<Doc>,
    /// From the cluster; `None` when it is not there.
    pub live: Option<Doc>,
    /// Whether the two differ.
    pub modified: bool,
}

/// What steers a plan.
#[derive(Clone, Debug, Default)]
pub struct PlanOptions {
    /// The Application's destination namespace.
    pub namespace: String,
    /// The commit.
    pub revision: String,
    /// Delete what Git no longer has.
    pub prune: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// The Application's sync options.
    pub sync: SyncOptions,
    /// Only these objects; hooks do not run then.
    pub selected: Option<Vec<ObjectRef>>,
    /// When the sync started, in Unix seconds; part of generated hook names.
    pub started_at: i64,
    /// Whether somebody approved deletions that need it.
    pub prune_confirmed: bool,
}

/// The part of a sync to which a task belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Before anything is applied.
    PreSync,
    /// The objects themselves.
    Sync,
    /// After everything is healthy.
    PostSync,
    /// After a failure.
    SyncFail,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A hook's type is the phase it runs in.
pub type HookType = Phase;

/// When a hook's object is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletePolicy {
    /// After it succeeded.
    HookSucceeded,
    /// After it failed.
    HookFailed,
    /// Before it is created anew; the default.
    BeforeHookCreation,
}

/// What a task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Apply the object.
    Apply,
    /// Delete the object.
    Prune,
    /// It would be deleted, but must not be; the reason is in the task's note.
    PruneSkipped,
}

/// The place of a task in its plan.
pub type TaskId = usize;

/// One step of a sync.
#[derive(Clone, Debug)]
pub struct Task {
    /// Which object.
    pub reference: ObjectRef,
    /// Its kind.
    pub gvk: Gvk,
    /// The part of the sync.
    pub phase: Phase,
    /// The wave within it.
    pub wave: i64,
    /// What to do.
    pub action: Action,
    /// Its hook type, when it is a hook.
    pub hook: Option<HookType>,
    /// When a hook is deleted.
    pub delete_policies: Vec<DeletePolicy>,
    /// The object from Git.
    pub desired: Option<Doc>,
    /// The object from the cluster.
    pub live: Option<Doc>,
    /// Its options.
    pub options: SyncOptions,
    /// Why a prune is skipped.
    pub note: String,
}

impl Task {
    /// The object's name for people.
    pub fn title(&self) -> String {
        format!("{}/{}", self.reference.kind, self.reference.name)
    }
}

/// Tasks in the order in which they run.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// Whether the sync is to try everything and change nothing.
    pub dry_run: bool,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for task in &self.tasks {
            let verb = match task.action {
                Action::Apply => "apply",
                Action::Prune => "prune",
                Action::PruneSkipped => "keep",
            };
            let hook = if task.hook.is_some() { " (hook)" } else { "" };
            writeln!(f, "{} {:>3} {verb} {}{hook}", task.phase, task.wave, task.title())?;
        }
        Ok(())
    }
}

/// The hook types of an object; Argo CD's annotation wins over Helm's.
fn hooks(object: Node<'_>) -> Vec<HookType> {
    let own = annotation(object, "argocd.argoproj.io/hook");
    let parse = |text: &str, name: &dyn Fn(&str) -> Option<HookType>| -> Vec<HookType> {
        let mut types: Vec<_> = text.split(',').filter_map(|part| name(part.trim())).collect();
        types.dedup();
        types
    };
    if !own.is_empty() {
        return parse(own, &|name| match name {
            "PreSync" => Some(Phase::PreSync),
            "Sync" => Some(Phase::Sync),
            "PostSync" => Some(Phase::PostSync),
            "SyncFail" => Some(Phase::SyncFail),
            _ => None,
        });
    }
    parse(annotation(object, "helm.sh/hook"), &|name| match name {
        "pre-install" | "pre-upgrade" => Some(Phase::PreSync),
        "post-install" | "post-upgrade" => Some(Phase::PostSync),
        _ => None,
    })
}

/// Whether an object is a hook, or is skipped by its annotation.
pub(crate) fn is_hook(object: Node<'_>) -> bool {
    let own = annotation(object, "argocd.argoproj.io/hook");
    let helm = annotation(object, "helm.sh/hook");
    !own.is_empty() || (!helm.is_empty() && helm != "crd-install")
}

fn delete_policies(object: Node<'_>) -> Vec<DeletePolicy> {
    let text = format!(
        "{},{}",
        annotation(object, "argocd.argoproj.io/hook-delete-policy"),
        annotation(object, "helm.sh/hook-delete-policy")
    );
    let policies: Vec<_> = text
        .split(',')
        .filter_map(|part| match part.trim() {
            "HookSucceeded" | "hook-succeeded" => Some(DeletePolicy::HookSucceeded),
            "HookFailed" | "hook-failed" => Some(DeletePolicy::HookFailed),
            "BeforeHookCreation" | "before-hook-creation" => Some(DeletePolicy::BeforeHookCreation),
            _ => None,
        })
        .collect();
    if policies.is_empty() {
        vec![DeletePolicy::BeforeHookCreation]
    } else {
        policies
    }
}

/// The wave of an object.
fn wave(object: Node<'_>) -> Result<i64, SyncError> {
    for key in ["argocd.argoproj.io/sync-wave", "helm.sh/hook-weight"] {
        let value = annotation(object, key);
        if !value.is_empty() {
            return value.trim().parse().map_err(|_| SyncError::Option {
                object: format!("{}/{}", text(object, &["kind"]), text(object, &["metadata", "name"])),
                field: format!("metadata.annotations[{key:?}]"),
                message: format!("{value:?} is not a whole number; write \"-1\", \"0\", \"5\" …"),
            });
        }
    }
    Ok(0)
}

fn described(object: &Doc) -> Result<(ObjectRef, Gvk), SyncError> {
    let gvk = Gvk::of(object.root());
    match (ObjectRef::of(object.root()), gvk) {
        (Some(reference), Some(gvk)) => Ok((reference, gvk)),
        _ => Err(SyncError::Object(
            "an object needs `apiVersion`, `kind` and `metadata.name`".into(),
        )),
    }
}

/// Puts targets in order. Follows `gitops-engine`'s `getSyncTasks`.
pub fn plan(targets: &[Target], options: &PlanOptions) -> Result<Plan, SyncError> {
    let mut tasks = Vec::new();
    for target in targets {
        let Some(object) = target.desired.as_ref().or(target.live.as_ref()) else {
            continue;
        };
        if target.desired.as_ref().is_some_and(|desired| is_hook(desired.root())) {
            if options.selected.is_none() {
                hook_tasks(target, options, &mut tasks)?;
            }
            continue;
        }
        // Leftovers of hooks are the hooks' own business.
        if target.desired.is_none() && is_hook(object.root()) {
            continue;
        }
        let (reference, gvk) = described(object)?;
        let selected = options.selected.as_ref().is_none_or(|list| {
            list.iter().any(|s| {
                s.group == reference.group
                    && s.kind == reference.kind
                    && s.name == reference.name
                    && (s.namespace.is_empty() || s.namespace == reference.namespace)
            })
        });
        let own = options.sync.with_annotations(object.root());
        let unchanged = target.desired.is_some() && target.live.is_some() && !target.modified;
        if !selected || (own.apply_out_of_sync_only && unchanged) {
            continue;
        }
        let (action, note) = match (&target.desired, options.prune, own.prune) {
            (Some(_), _, _) => (Action::Apply, ""),
            (None, false, _) => (Action::PruneSkipped, "ignored (requires pruning)"),
            (None, true, PruneMode::No) => (Action::PruneSkipped, "ignored (no prune)"),
            (None, true, PruneMode::Confirm) if !options.prune_confirmed => (
                Action::PruneSkipped,
                "waits for annotation argocd.argoproj.io/deletion-approved",
            ),
            (None, true, _) => (Action::Prune, ""),
        };
        tasks.push(Task {
            reference,
            gvk,
            phase: Phase::Sync,
            wave: wave(object.root())?,
            action,
            hook: None,
            delete_policies: Vec::new(),
            desired: target.desired.clone(),
            live: target.live.clone(),
            options: own,
            note: note.into(),
        });
    }
    mirror_prunes(&mut tasks);
    tasks.sort_by(|a, b| {
        let key = |t: &Task| (t.phase, t.wave, t.action == Action::Apply, rank(&t.reference.kind));
        key(a)
            .cmp(&key(b))
            .then_with(|| a.reference.name.cmp(&b.reference.name))
    });
    needed_first(&mut tasks);
    Ok(Plan {
        tasks,
        dry_run: options.dry_run,
    })
}

fn hook_tasks(target: &Target, options: &PlanOptions, tasks: &mut Vec<Task>) -> Result<(), SyncError> {
    let Some(desired) = &target.desired else { return Ok(()) };
    for hook in hooks(desired.root()) {
        let mut object = desired.root().to_value();
        if text(object.node(), &["metadata", "name"]).is_empty() {
            let prefix = text(object.node(), &["metadata", "generateName"]).to_owned();
            let short: String = options.revision.chars().take(7).collect();
            let name = format!(
                "{prefix}{short}-{}-{}",
                hook.to_string().to_lowercase(),
                options.started_at
            );
            object.set(&["metadata", "name"], name);
            object.remove(&["metadata", "generateName"]);
        }
        let object = object.into_doc();
        let (reference, gvk) = described(&object)?;
        tasks.push(Task {
            wave: wave(object.root())?,
            delete_policies: delete_policies(object.root()),
            options: options.sync.with_annotations(object.root()),
            reference,
            gvk,
            phase: hook,
            action: Action::Apply,
            hook: Some(hook),
            desired: Some(object),
            live: target.live.clone(),
            note: String::new(),
        });
    }
    Ok(())
}

/// What was applied last is pruned first: waves of prunes are mirrored. `PruneLast` puts one behind everything.
fn mirror_prunes(tasks: &mut [Task]) {
    let mut waves: Vec<i64> = tasks
        .iter()
        .filter(|t| t.action == Action::Prune)
        .map(|t| t.wave)
        .collect();
    waves.sort_unstable();
    waves.dedup();
    let last = tasks
        .iter()
        .filter(|t| t.phase == Phase::Sync)
        .map(|t| t.wave)
        .max()
        .unwrap_or(0);
    for task in tasks.iter_mut().filter(|t| t.action == Action::Prune) {
        if task.options.prune_last {
            task.wave = last + 1;
        } else if let Ok(at) = waves.binary_search(&task.wave) {
            task.wave = waves[waves.len() - 1 - at];
        }
    }
}

/// A namespace is moved before the first task within it, a definition before its first object; each takes over the wave
/// and phase of what needs it.
fn needed_first(tasks: &mut Vec<Task>) {
    let needs = |provider: &Task, task: &Task| {
        let Some(object) = provider.desired.as_ref().filter(|_| provider.action == Action::Apply) else {
            return false;
        };
        match provider.gvk.kind.as_str() {
            "Namespace" if provider.gvk.group.is_empty() => task.reference.namespace == provider.reference.name,
            "CustomResourceDefinition" => {
                task.gvk.kind == text(object.root(), &["spec", "names", "kind"])
                    && task.gvk.group == text(object.root(), &["spec", "group"])
            }
            _ => false,
        }
    };
    let mut at = 0;
    while at < tasks.len() {
        let first =
            (0..at).find(|earlier| tasks[*earlier].action == Action::Apply && needs(&tasks[at], &tasks[*earlier]));
        if let Some(first) = first {
            let mut provider = tasks.remove(at);
            provider.phase = tasks[first].phase;
            provider.wave = tasks[first].wave;
            tasks.insert(first, provider);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    fn object(kind: &str, name: &str, more: &str) -> Doc {
        let version = match kind {
            "Deployment" => "apps/v1",
            "Job" => "batch/v1",
            "Thing" => "example.org/v1",
            "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
            _ => "v1",
        };
        parse_yaml(&format!(
            "{{apiVersion: {version}, kind: {kind}, metadata: {{name: {name}, {more}}}}}"
        ))
        .unwrap()
        .remove(0)
    }

    fn wave_of(n: i64) -> String {
        format!("namespace: x, annotations: {{argocd.argoproj.io/sync-wave: '{n}'}}")
    }

    fn apply(doc: Doc) -> Target {
        Target {
            desired: Some(doc),
            live: None,
            modified: false,
        }
    }

    fn prune(doc: Doc) -> Target {
        Target {
            desired: None,
            live: Some(doc),
            modified: false,
        }
    }

    fn show(targets: &[Target], options: &PlanOptions) -> Vec<String> {
        let plan = plan(targets, options).unwrap();
        plan.to_string()
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    }

    #[test]
    fn waves_then_kinds_then_names() {
        let targets = [
            apply(object("Deployment", "web", "namespace: x")),
            apply(object("Service", "b", "namespace: x")),
            apply(object("Service", "a", "namespace: x")),
            apply(object("ConfigMap", "early", &wave_of(-1))),
            apply(object("ConfigMap", "late", &wave_of(2))),
        ];
        assert_eq!(
            show(&targets, &PlanOptions::default()),
            [
                "Sync -1 apply ConfigMap/early",
                "Sync 0 apply Service/a",
                "Sync 0 apply Service/b",
                "Sync 0 apply Deployment/web",
                "Sync 2 apply ConfigMap/late",
            ]
        );
    }

    #[test]
    fn namespaces_and_definitions_come_before_what_needs_them() {
        let crd = parse_yaml(
            "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: things.example.org}, \
             spec: {group: example.org, names: {kind: Thing}}}",
        )
        .unwrap()
        .remove(0);
        let targets = [
            apply(object("Thing", "t", &wave_of(-5))),
            apply(crd),
            apply(object(
                "Namespace",
                "x",
                "annotations: {argocd.argoproj.io/sync-wave: '3'}",
            )),
        ];
        assert_eq!(
            show(&targets, &PlanOptions::default()),
            [
                "Sync -5 apply CustomResourceDefinition/things.example.org",
                "Sync -5 apply Namespace/x",
                "Sync -5 apply Thing/t"
            ]
        );
    }

    #[test]
    fn prunes_mirror_their_waves() {
        let options = PlanOptions {
            prune: true,
            ..PlanOptions::default()
        };
        let targets = [
            prune(object("ConfigMap", "first", &wave_of(0))),
            prune(object("ConfigMap", "last", &wave_of(5))),
            apply(object("Service", "s", "namespace: x")),
        ];
        assert_eq!(
            show(&targets, &options),
            [
                "Sync 0 prune ConfigMap/last",
                "Sync 0 apply Service/s",
                "Sync 5 prune ConfigMap/first"
            ]
        );
        assert_eq!(
            show(&targets[..1], &PlanOptions::default()),
            ["Sync 0 keep ConfigMap/first"]
        );
        let kept = object(
            "ConfigMap",
            "kept",
            "namespace: x, annotations: {argocd.argoproj.io/sync-options: Prune=false}",
        );
        assert_eq!(show(&[prune(kept)], &options), ["Sync 0 keep ConfigMap/kept"]);
    }

    #[test]
    fn hooks_get_a_task_for_each_type_and_a_name() {
        let job = object(
            "Job",
            "''",
            "generateName: migrate-, namespace: x, annotations: {argocd.argoproj.io/hook: 'PreSync,PostSync'}",
        );
        let options = PlanOptions {
            revision: "0123456789".into(),
            started_at: 42,
            ..PlanOptions::default()
        };
        assert_eq!(
            show(&[apply(job.clone())], &options),
            [
                "PreSync 0 apply Job/migrate-0123456-presync-42 (hook)",
                "PostSync 0 apply Job/migrate-0123456-postsync-42 (hook)",
            ]
        );
        let selected = PlanOptions {
            selected: Some(Vec::new()),
            ..options
        };
        assert!(show(&[apply(job)], &selected).is_empty());
    }

    #[test]
    fn a_wave_that_is_no_number_is_named() {
        let bad = object("ConfigMap", "a", "annotations: {argocd.argoproj.io/sync-wave: soon}");
        let error = plan(&[apply(bad)], &PlanOptions::default()).unwrap_err().to_string();
        assert!(
            error.contains("ConfigMap/a") && error.contains("sync-wave") && error.contains("soon"),
            "{error}"
        );
    }
}
