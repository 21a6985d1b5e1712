//! The policy half of the gate: what the control plane asks before it commits a change.

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, Gvr};

use crate::identity::Identity;
use crate::status::Reason;

/// What is being done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object.
    Update,
    /// An object going away.
    Delete,
    /// A connection to an object (exec, proxy).
    Connect,
}

impl Operation {
    /// `CREATE`, as admission reviews spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }
}

/// A change put before the gate. Its user may make it (access was decided before).
#[derive(Clone, Copy, Debug)]
pub struct GateRequest<'a> {
    /// What is being done.
    pub operation: Operation,
    /// The kind.
    pub gvk: &'a Gvk,
    /// The resource.
    pub gvr: &'a Gvr,
    /// The subresource, empty for the object itself.
    pub subresource: &'a str,
    /// The namespace, empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The name; empty while `generateName` has not been filled in.
    pub name: &'a str,
    /// The object as it would be stored; `None` on delete.
    pub object: Option<Node<'a>>,
    /// The object as it is; `None` on create.
    pub old_object: Option<Node<'a>>,
    /// The namespace's own object, for selectors and Pod Security levels.
    pub namespace_object: Option<Node<'a>>,
    /// Who asks.
    pub user: &'a Identity,
    /// Whether nothing will be stored.
    pub dry_run: bool,
}

/// One reason why a change was refused (or would be, for warnings), with what would make it pass.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refusal {
    /// The policy's name.
    pub policy: String,
    /// The rule within it.
    pub rule: String,
    /// The sentence for the user: what is wrong and what to do.
    pub message: String,
    /// Where in the object, as a dotted path; empty for the whole object.
    pub path: String,
    /// The offending value, if there is one.
    pub value: Option<Doc>,
    /// What would make it pass.
    pub remedy: String,
    /// A JSON patch that would make it pass, if one is obvious.
    pub patch: Option<Doc>,
    /// The status reason, where the policy chooses it; its message is said as it stands then.
    pub reason: Option<Reason>,
}

/// The gate's answer.
#[derive(Clone, Debug, Default)]
pub struct GateAnswer {
    /// The object as policies changed it; `None` when they did not.
    pub object: Option<Value>,
    /// Why the change is refused; empty means allowed.
    pub refusals: Vec<Refusal>,
    /// Warnings for the client.
    pub warnings: Vec<String>,
    /// Which rules were evaluated and what they said, for the ledger.
    pub annotations: Vec<(String, String)>,
    /// Whether the change was put before all rules there are: it is none of those that policies have no say about.
    pub judged: bool,
}

/// Decides on changes. Pure and synchronous: rule sets are immutable snapshots, remote data is fetched beforehand.
pub trait Gate: Send + Sync {
    /// Judges one change.
    fn admit(&self, request: &GateRequest<'_>) -> GateAnswer;
}
