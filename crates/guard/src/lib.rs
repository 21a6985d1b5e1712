//! Policy as a plane: admission in process, generated objects kept in step, reports as views.
//!
//! Must not know: Git, the store, HTTP, how a dialect evaluates.
//!
//! [`Guard`] follows the stored policies and keeps a compiled snapshot of them. The gate it hands out judges changes by
//! that snapshot without waiting for anything; reconcilers beside it make what generate rules ask for, serve the kinds
//! of Gatekeeper's constraints, and judge what is stored already. Results live in tables, never in report objects.

mod admission;
mod alarm;
mod chain;
mod cleanup;
mod constraint;
mod cron;
mod exception;
mod exempt;
mod existing;
mod gate;
mod generate;
mod generated;
mod global;
mod guard;
mod install;
mod interest;
mod mirror;
mod mutator;
mod playground;
mod policies;
mod refused;
mod report;
mod roles;
mod scan;
mod snapshot;
mod source;
mod stand_in;
mod status;
mod trend;
mod ttl;
mod view;
mod words;

pub use exception::ExceptionView;
pub use global::{Call, Fetch};
pub use guard::Guard;
pub use report::report_kinds;
pub use trend::Score;
pub use view::{PolicyView, RuleView, ViolationView};
