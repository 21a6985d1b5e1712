//! The gate: judges changes by the snapshot at hand.

use std::sync::Arc;

use ridgeway_cluster::{Gate, GateAnswer, GateRequest, Operation, Refusal};
use ridgeway_doc::{Node, Value};
use ridgeway_policy::{CompileError, Dialect, Request, RuleResult, User};

use crate::exempt;
use crate::guard::Shared;
use crate::roles::{self, Roles};
use crate::source::{self, POD_SECURITY};

/// What the control plane asks.
pub(crate) struct Admission(pub(crate) Arc<Shared>);

fn operation(operation: Operation) -> ridgeway_policy::Operation {
    match operation {
        Operation::Create => ridgeway_policy::Operation::Create,
        Operation::Update => ridgeway_policy::Operation::Update,
        Operation::Delete => ridgeway_policy::Operation::Delete,
        Operation::Connect => ridgeway_policy::Operation::Connect,
    }
}

/// The id of the policy that a result is of.
pub(crate) fn policy_id(result: &RuleResult) -> String {
    if result.dialect == Dialect::PodSecurity {
        POD_SECURITY.to_owned()
    } else {
        source::id(&result.policy)
    }
}

/// A result as a refusal.
pub(crate) fn refusal(result: &RuleResult) -> Refusal {
    Refusal {
        policy: result.policy.clone(),
        rule: result.rule.clone(),
        message: result.message.clone(),
        path: result.path.clone(),
        value: result.value.clone().map(Value::into_doc),
        remedy: result.remedy.clone(),
        patch: result.patch.clone().map(Value::into_doc),
    }
}

/// A fault of a policy that somebody wants to store. Its lines would be those of the request's body, which nobody has
/// seen; the path says the place.
fn faulty(fault: CompileError) -> Refusal {
    let fault = CompileError {
        line: 0,
        column: 0,
        ..fault
    };
    Refusal {
        message: format!("The policy cannot be loaded: {fault}"),
        policy: fault.policy,
        rule: fault.rule,
        path: fault.path,
        remedy: "Correct the policy and apply it again; nothing was changed.".into(),
        ..Refusal::default()
    }
}

/// The sentence for somebody whose change went through all the same.
fn warning(result: &RuleResult) -> String {
    let place = if result.path.is_empty() {
        String::new()
    } else {
        format!(", at {}", result.path)
    };
    format!(
        "{} (policy {}, rule {}{place})",
        result.message, result.policy, result.rule
    )
}

impl Gate for Admission {
    fn admit(&self, request: &GateRequest<'_>) -> GateAnswer {
        let snapshot = self.0.snapshot();
        let mut answer = GateAnswer::default();
        let gvk = request.gvk;
        if let Some(role) = source::role(&gvk.group, &gvk.kind)
            && matches!(request.operation, Operation::Create | Operation::Update)
            && request.subresource.is_empty()
            && let Some(object) = request.object
        {
            // Finalizers must come off a policy whatever it says.
            let same = request
                .old_object
                .is_some_and(|old| old.get("spec") == object.get("spec"));
            if !same {
                answer.refusals = snapshot.try_compile(object, role).into_iter().map(faulty).collect();
            }
        }
        if !answer.refusals.is_empty()
            || exempt::kind(&gvk.group, &gvk.kind)
            || exempt::subresource(request.subresource)
        {
            return answer;
        }
        // What is on its way out only loses its finalizers; nothing may hold that up.
        let leaving = |node: Node<'_>| node.at(&["metadata", "deletionTimestamp"]).is_some();
        if request.operation == Operation::Update && request.old_object.is_some_and(leaving) {
            return answer;
        }
        let roles = if snapshot.asks_about_roles {
            roles::of(&self.0.mirror, request.user)
        } else {
            Roles::default()
        };
        let exempt = exempt::place(gvk, request.namespace, request.name);
        let rules = if exempt { &snapshot.standards } else { &snapshot.rules };
        let verdicts = rules.admit(&Request {
            operation: operation(request.operation),
            gvk,
            gvr: Some(request.gvr),
            subresource: request.subresource,
            namespace: request.namespace,
            name: request.name,
            object: request.object,
            old_object: request.old_object,
            namespace_object: request.namespace_object,
            user: Some(User {
                name: &request.user.name,
                groups: &request.user.groups,
                roles: &roles.roles,
                cluster_roles: &roles.cluster_roles,
            }),
            dry_run: request.dry_run,
            now: Some(self.0.clock.now()),
            data: &*self.0.mirror,
            variables: &[],
        });
        answer.refusals = verdicts.refusals().map(refusal).collect();
        answer.warnings = verdicts.warnings().map(warning).collect();
        answer.annotations = verdicts
            .results
            .iter()
            .map(|result| {
                (
                    format!("rule:{}/{}", result.policy, result.rule),
                    result.outcome.as_str().to_owned(),
                )
            })
            .collect();
        if !request.dry_run {
            let mut refusing: Vec<String> = verdicts.refusals().map(policy_id).collect();
            refusing.dedup();
            for id in refusing {
                self.0.refused.count(&id, self.0.clock.now());
                let _ = self.0.scores.send(id);
            }
        }
        answer.object = verdicts.mutated;
        answer
    }
}
