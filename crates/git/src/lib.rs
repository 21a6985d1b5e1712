//! Git repositories: read trees, commit, fetch, and serve over smart HTTP with push events.
//!
//! Must not know: Kubernetes, rendering, users.
//!
//! The `git` executable is a documented prerequisite ([`Repositories::open`] checks it): it does transport and packing,
//! which it does better than anybody. What it is slow at, starting up, is avoided where it counts: objects are read
//! through long-lived `git cat-file --batch-command` processes and cached by their hash.
//!
//! - [`Repositories`] holds the repositories of one directory: create, resolve a revision, commit, history, push events.
//! - [`Snapshot`] reads the files of one commit, synchronously and cheaply.
//! - [`SmartHttp`] serves them to `git clone`, `git fetch` and `git push`.
//! - [`Repositories::refresh`] mirrors repositories that live elsewhere.

mod commit;
mod error;
mod history;
mod http;
mod mirror;
mod name;
mod objects;
mod oid;
mod pkt;
mod process;
mod repositories;
mod snapshot;

pub use commit::{Author, FileChange};
pub use error::GitError;
pub use history::CommitInfo;
pub use http::{Access, SmartHttp};
pub use mirror::Credentials;
pub use name::check_name;
pub use oid::{CommitId, Oid};
pub use repositories::{Options, PushEvent, Repositories};
pub use snapshot::{Entry, EntryKind, Snapshot};
