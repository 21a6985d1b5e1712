//! GitOps controllers: Application sync, health, self-heal, automatic rollback, promotion.
//!
//! Must not know: the store, HTTP, policy dialects.
//!
//! [`Deliver`] watches Applications, their repositories and the objects they manage, and looks at an Application whenever
//! one of them moves: it renders the source at the wanted commit, compares that with what is live, decides (purely) and
//! acts through the `Cluster` it was given: so through access, policy and ledger, like everybody else.
//!
//! - A push is deployed, a hand edit put right, both within moments and never by polling.
//! - A revision that turns out bad is quarantined and the last healthy one restored ([`Trust`]); automatic sync stays on.
//! - A [`step`] of a Promotion lets a revision into the next stage only after it proved itself in the one before.

mod act;
mod cascade;
mod compare;
mod controller;
mod credentials;
mod decide;
mod desired;
mod drift;
mod execute;
mod heal;
mod install;
mod judge;
mod live;
mod look;
mod names;
mod operation;
mod project;
mod promotion;
mod read;
mod reconcile;
mod record;
mod rollback;
mod sets;
mod spec;
mod stages;
mod status;

pub use controller::{Deliver, Options};
pub use install::{definitions, install_crds};
pub use names::{app_project, application, application_set, promotion};
pub use project::Project;
pub use promotion::{PromotionSpec, Stage, StagePhase, StageSeen, StageStatus, step};
pub use read::{ObjectDiff, SyncAsk, Tree, TreeNode};
pub use rollback::{Quarantine, Seen, Trust, Verdict};
pub use spec::{AppKey, Application, Automated, Destination, IN_CLUSTER, Operation, Retry, Source};
