//! Sync options: those of the Application, and what an object's annotation changes of them.

use ridgeway_doc::Node;

use crate::annotation;

/// What happens to dependents of a deleted object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// The object stays until its dependents are gone; the default of a sync.
    #[default]
    Foreground,
    /// Dependents are collected afterwards.
    Background,
    /// Dependents stay.
    Orphan,
}

/// Whether an object may be pruned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PruneMode {
    /// When the sync prunes.
    #[default]
    Yes,
    /// Never (`Prune=false`).
    No,
    /// Only after somebody approved (`Prune=confirm`).
    Confirm,
}

/// The options that steer how objects are applied and pruned (`spec.syncPolicy.syncOptions`, and the annotation
/// `argocd.argoproj.io/sync-options` on single objects).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch that users set by name")]
pub struct SyncOptions {
    /// `PruneLast=true`
    pub prune_last: bool,
    /// `CreateNamespace=true`
    pub create_namespace: bool,
    /// `Replace=true`
    pub replace: bool,
    /// `Force=true`
    pub force: bool,
    /// `ServerSideApply=true`; the default here.
    pub server_side_apply: bool,
    /// `ApplyOutOfSyncOnly=true`
    pub apply_out_of_sync_only: bool,
    /// `SkipDryRunOnMissingResource=true`
    pub skip_dry_run_on_missing: bool,
    /// `FailOnSharedResource=true`
    pub fail_on_shared_resource: bool,
    /// `RespectIgnoreDifferences=true`
    pub respect_ignore_differences: bool,
    /// `Validate=true`, the default.
    pub validate: bool,
    /// `Prune=…`
    pub prune: PruneMode,
    /// `PrunePropagationPolicy=…`
    pub propagation: Propagation,
}

impl Default for SyncOptions {
    fn default() -> Self {
        SyncOptions {
            prune_last: false,
            create_namespace: false,
            replace: false,
            force: false,
            server_side_apply: true,
            apply_out_of_sync_only: false,
            skip_dry_run_on_missing: false,
            fail_on_shared_resource: false,
            respect_ignore_differences: false,
            validate: true,
            prune: PruneMode::Yes,
            propagation: Propagation::Foreground,
        }
    }
}

impl SyncOptions {
    /// The options of a list of `Name=value`; unknown ones are passed over, as Argo CD does.
    pub fn from_list(list: Option<Node<'_>>) -> SyncOptions {
        let mut options = SyncOptions::default();
        for option in list.map(Node::items).into_iter().flatten().filter_map(Node::as_str) {
            options.set(option);
        }
        options
    }

    /// These options with an object's own on top.
    pub fn with_annotations(&self, object: Node<'_>) -> SyncOptions {
        let mut options = *self;
        for option in annotation(object, "argocd.argoproj.io/sync-options").split(',') {
            options.set(option.trim());
        }
        options
    }

    fn set(&mut self, option: &str) {
        let Some((name, value)) = option.split_once('=') else {
            return;
        };
        let on = value == "true";
        match name {
            "PruneLast" => self.prune_last = on,
            "CreateNamespace" => self.create_namespace = on,
            "Replace" => self.replace = on,
            "Force" => self.force = on,
            "ServerSideApply" => self.server_side_apply = on,
            "ApplyOutOfSyncOnly" => self.apply_out_of_sync_only = on,
            "SkipDryRunOnMissingResource" => self.skip_dry_run_on_missing = on,
            "FailOnSharedResource" => self.fail_on_shared_resource = on,
            "RespectIgnoreDifferences" => self.respect_ignore_differences = on,
            "Validate" => self.validate = on,
            "Prune" => {
                self.prune = match value {
                    "false" => PruneMode::No,
                    "confirm" => PruneMode::Confirm,
                    _ => PruneMode::Yes,
                }
            }
            "PrunePropagationPolicy" => {
                self.propagation = match value {
                    "background" => Propagation::Background,
                    "orphan" => Propagation::Orphan,
                    _ => Propagation::Foreground,
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::Doc;

    use super::*;

    #[test]
    fn objects_have_the_last_word() {
        let list = Doc::parse_json(br#"["PruneLast=true","Replace=true","Nonsense","PrunePropagationPolicy=orphan"]"#)
            .unwrap();
        let options = SyncOptions::from_list(Some(list.root()));
        assert!(options.prune_last && options.replace && options.propagation == Propagation::Orphan);
        let object = Doc::parse_json(
            br#"{"metadata":{"annotations":{"argocd.argoproj.io/sync-options":"Prune=false, Replace=false"}}}"#,
        )
        .unwrap();
        let own = options.with_annotations(object.root());
        assert!(own.prune_last && !own.replace && own.prune == PruneMode::No);
    }
}
