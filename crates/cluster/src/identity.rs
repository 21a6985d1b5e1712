//! Who acts, and what made them act.

use std::fmt;
use std::sync::Arc;

/// An authenticated user, service account or controller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// User name, such as `alice` or `system:serviceaccount:checkout:default`.
    pub name: String,
    /// Unique id, where the authenticator knows one.
    pub uid: String,
    /// Groups, with `system:authenticated` or `system:unauthenticated` among them.
    pub groups: Vec<String>,
    /// Where the request came from: a client's address and user agent, or `controller`.
    pub source: String,
    /// The user on whose behalf the identity is used, if somebody impersonates it.
    pub impersonator: Option<String>,
}

impl Identity {
    /// A person or machine with its groups; `system:authenticated` is added.
    pub fn user(name: &str, groups: &[&str], source: &str) -> Identity {
        let mut groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        if !groups.iter().any(|g| g == "system:authenticated") {
            groups.push("system:authenticated".into());
        }
        Identity {
            name: name.into(),
            groups,
            source: source.into(),
            ..Identity::default()
        }
    }

    /// One of the platform's own controllers, as a service account of `ridgeway-system`.
    pub fn controller(name: &str) -> Identity {
        let groups = ["system:serviceaccounts", "system:serviceaccounts:ridgeway-system"];
        Identity::user(
            &format!("system:serviceaccount:ridgeway-system:{name}"),
            &groups,
            "controller",
        )
    }

    /// Whether the identity is in a group.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|g| g == group)
    }
}

/// What a chain of changes goes back to: a Git commit (`git:<sha>`), a request, a controller's observation.
///
/// Everything done because of it carries the same id, down to the ledger's leaves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Causality(Arc<str>);

impl Causality {
    /// The annotation by which an object tells those who act on it what it goes back to.
    pub const ANNOTATION: &str = "ridgeway.dev/causality";

    /// An id as text.
    pub fn new(id: impl Into<Arc<str>>) -> Causality {
        Causality(id.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Causality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
