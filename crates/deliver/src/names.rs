//! Names that users and other tools know: annotations, finalizers, field managers, kinds.

use ridgeway_krm::Gvk;

/// Group of Argo CD's kinds.
pub(crate) const ARGO_GROUP: &str = "argoproj.io";
/// Group of our own kinds.
pub(crate) const OWN_GROUP: &str = "ridgeway.dev";
/// Version of all of them.
pub(crate) const VERSION: &str = "v1alpha1";

/// Who owns the fields that a sync sets.
pub(crate) const FIELD_MANAGER: &str = "argocd-controller";
/// Who owns the fields of an Application that the controller sets.
pub(crate) const STATUS_MANAGER: &str = "argocd-application-controller";

/// Asks for a refresh: `normal` or `hard`.
pub(crate) const REFRESH: &str = "argocd.argoproj.io/refresh";
/// Says which Application an object belongs to.
pub(crate) const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// Cascades the deletion of an Application.
pub(crate) const FINALIZERS: [&str; 3] = [
    "resources-finalizer.argocd.argoproj.io",
    "resources-finalizer.argocd.argoproj.io/foreground",
    "resources-finalizer.argocd.argoproj.io/background",
];
/// Turns automatic rollback off when it says `disabled`.
pub(crate) const ROLLBACK: &str = "ridgeway.dev/rollback";
/// How long a revision must stay healthy before it is trusted.
pub(crate) const ROLLBACK_WINDOW: &str = "ridgeway.dev/rollback-window";
/// How long a revision may take to become healthy.
pub(crate) const HEALTH_DEADLINE: &str = "ridgeway.dev/health-deadline";
/// Names the Promotion that an Application waits for, so that it is not synced before that exists.
pub(crate) const PROMOTION: &str = "ridgeway.dev/promotion";
/// Approves a revision for the stage it waits for, on a Promotion.
pub(crate) const APPROVE: &str = "ridgeway.dev/approve";

/// The project of Applications that name none.
pub(crate) const DEFAULT_PROJECT: &str = "default";

/// `Application.argoproj.io`
pub fn application() -> Gvk {
    Gvk::new(ARGO_GROUP, VERSION, "Application")
}

/// `AppProject.argoproj.io`
pub fn app_project() -> Gvk {
    Gvk::new(ARGO_GROUP, VERSION, "AppProject")
}

/// `Promotion.ridgeway.dev`
pub fn promotion() -> Gvk {
    Gvk::new(OWN_GROUP, VERSION, "Promotion")
}

/// `ApplicationSet.argoproj.io`
pub fn application_set() -> Gvk {
    Gvk::new(ARGO_GROUP, VERSION, "ApplicationSet")
}
