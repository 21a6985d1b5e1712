//! What rules read beside a request that somebody makes: the mirror, and what the user may do.

use std::sync::Arc;

use ridgeway_authz::Attributes;
use ridgeway_cluster::Identity;
use ridgeway_doc::{Doc, Value};
use ridgeway_krm::{Gvk, Kind};
use ridgeway_policy::{Data, Decision, Global, Question};

use crate::mirror::Mirror;

/// The groups of every service account.
const ACCOUNTS: &str = "system:serviceaccounts";

/// The mirror, as seen by the request of a user.
pub(crate) struct Beside<'a> {
    mirror: &'a Mirror,
    user: &'a Identity,
}

impl<'a> Beside<'a> {
    pub(crate) fn new(mirror: &'a Mirror, user: &'a Identity) -> Beside<'a> {
        Beside { mirror, user }
    }
}

impl Data for Beside<'_> {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        self.mirror.get(gvk, namespace, name)
    }

    fn api(&self, path: &str) -> Option<Value> {
        self.mirror.api(path)
    }

    fn kind(&self, gvk: &Gvk) -> Option<Arc<Kind>> {
        self.mirror.kind(gvk)
    }

    fn list(&self, gvk: &Gvk, namespace: &str) -> Option<Vec<Doc>> {
        self.mirror.list(gvk, namespace)
    }

    fn global(&self, name: &str) -> Option<Result<Global, String>> {
        self.mirror.global(name)
    }

    fn inventory(&self) -> Option<Value> {
        self.mirror.inventory()
    }

    fn authorize(&self, question: &Question<'_>) -> Option<Decision> {
        let account = question.account.map(|(namespace, name)| {
            let groups = vec![
                ACCOUNTS.to_owned(),
                format!("{ACCOUNTS}:{namespace}"),
                "system:authenticated".to_owned(),
            ];
            (format!("system:serviceaccount:{namespace}:{name}"), groups)
        });
        let (user, groups) = match &account {
            Some((name, groups)) => (name, groups),
            None => (&self.user.name, &self.user.groups),
        };
        let decision = self.mirror.access().authorize(&Attributes {
            user,
            groups,
            verb: question.verb,
            group: question.group,
            resource: question.resource,
            subresource: question.subresource,
            name: question.name,
            namespace: question.namespace,
            non_resource_path: question.path,
            ..Attributes::default()
        });
        Some(Decision {
            allowed: decision.allowed,
            reason: decision.reason,
            error: Some(decision.evaluation_error).filter(|error| !error.is_empty()),
        })
    }
}
