//! Gatekeeper's `Config`: namespaces that some of its processes leave alone.

use ridgeway_doc::Node;

use super::matching::{affix, texts};
use super::template::fault;
use crate::verdict::CompileError;

/// What leaves namespaces alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Process {
    /// Constraints at admission.
    Webhook,
    /// Mutators.
    Mutation,
    /// Constraints over what is stored.
    Audit,
    /// What templates find in `data.inventory`.
    Sync,
}

/// The exemptions of a `Config`.
#[derive(Debug)]
pub(super) struct Exempt(Vec<(Vec<String>, Vec<Process>)>);

impl Exempt {
    pub(super) fn compile(node: Node<'_>) -> Result<Exempt, CompileError> {
        // Exemptions switch policies off, so not everybody who may write a Config somewhere may write this one.
        let place = ["namespace", "name"].map(|field| node.text_at(&["metadata", field]));
        if place != ["gatekeeper-system", "config"] {
            let why =
                "Gatekeeper reads the Config `config` in the namespace gatekeeper-system and no other; put it there";
            return Err(fault(node, "metadata.name", why.into()));
        }
        let mut out = Vec::new();
        let entries = node.at(&["spec", "match"]).into_iter().flat_map(Node::items);
        for (i, entry) in entries.enumerate() {
            let mut processes = Vec::new();
            for name in texts(entry.get("processes")) {
                match name.as_str() {
                    "*" => processes.extend([Process::Webhook, Process::Mutation, Process::Audit, Process::Sync]),
                    "webhook" => processes.push(Process::Webhook),
                    "mutation-webhook" => processes.push(Process::Mutation),
                    "audit" => processes.push(Process::Audit),
                    "sync" => processes.push(Process::Sync),
                    other => {
                        let why = format!("{other:?} is no process; use audit, mutation-webhook, sync, webhook or *");
                        return Err(fault(node, &format!("spec.match[{i}].processes"), why));
                    }
                }
            }
            out.push((texts(entry.get("excludedNamespaces")), processes));
        }
        Ok(Exempt(out))
    }

    /// Whether a process leaves a namespace alone.
    pub(super) fn exempts(&self, process: Process, namespace: &str) -> bool {
        let mut about = self.0.iter().filter(|(_, processes)| processes.contains(&process));
        about.any(|(namespaces, _)| namespaces.iter().any(|pattern| affix(pattern, namespace)))
    }
}
