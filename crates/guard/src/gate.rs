//! The gate: judges changes by the snapshot at hand.

use std::sync::Arc;

use ridgeway_cluster::{Gate, GateAnswer, GateRequest, Identity, Operation, Reason, Refusal};
use ridgeway_doc::{Node, Value};
use ridgeway_policy::{CompileError, Dialect, Point, Request, RuleResult, User, only_releases};

use crate::admission::Beside;
use crate::exempt;
use crate::guard::Shared;
use crate::roles::{self, Roles};
use crate::source::{self, Role};
use crate::{cleanup, exception, global, ttl};

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
        reason: reason(&result.reason),
    }
}

/// The reason that a policy of Kubernetes' own chose.
fn reason(name: &str) -> Option<Reason> {
    Some(match name {
        "" => return None,
        "Unauthorized" => Reason::Unauthorized,
        "Forbidden" => Reason::Forbidden,
        "RequestEntityTooLarge" => Reason::RequestEntityTooLarge,
        _ => Reason::Invalid,
    })
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
    if result.dialect == Dialect::Kubernetes {
        return result.message.clone();
    }
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

/// The refusal of a label that is to say how long an object lives and does not.
fn short_lived(object: Node<'_>, old: Option<Node<'_>>) -> Option<Refusal> {
    let value = ttl::label(object);
    if value.is_empty() || old.is_some_and(|old| ttl::label(old) == value) {
        return None;
    }
    let why = ttl::ends(value, jiff::Timestamp::UNIX_EPOCH).err()?;
    let (_, remedy) = why.split_once("; ").unwrap_or(("", &why));
    let mut remedy = remedy.to_owned();
    remedy[..1].make_ascii_uppercase();
    Some(Refusal {
        policy: "cleanup".into(),
        rule: "ttl".into(),
        message: format!("The label {} cannot be read: {why}.", ttl::LABEL),
        path: format!("metadata.labels.{}", ttl::LABEL),
        value: Some(Value::from(value).into_doc()),
        remedy: format!("{remedy}."),
        ..Refusal::default()
    })
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
            if role == Role::Exception {
                let ruling = exception::admit(request, &self.0.mirror, self.0.clock.now());
                answer.refusals = ruling.refusals;
                answer.warnings = ruling.warnings;
                answer.object = ruling.object;
            }
            if !same && answer.refusals.is_empty() {
                let faults = match role {
                    Role::Cleanup => cleanup::faults(object),
                    Role::Global => global::faults(object),
                    _ => snapshot.try_compile(object, role),
                };
                answer.refusals = faults.into_iter().map(faulty).collect();
            }
        }
        let own = answer.object.take();
        if request.subresource.is_empty()
            && let Some(object) = request.object
            && let Some(refusal) = short_lived(object, request.old_object)
        {
            answer.refusals.push(refusal);
        }
        if !answer.refusals.is_empty() {
            return answer;
        }
        // Only Kubernetes' own policies are asked about these.
        let aside = exempt::kind(&gvk.group, &gvk.kind) || exempt::subresource(request.subresource);
        let exempt = aside || exempt::place(gvk, request.namespace, request.name);
        let admission = !exempt || exempt::asks_admission(gvk, request.user);
        if aside && !admission {
            answer.object = own;
            return answer;
        }
        let both = request.old_object.zip(request.object);
        if request.operation == Operation::Update && both.is_some_and(|(old, new)| only_releases(old, new)) {
            answer.object = own;
            return answer;
        }
        let roles = if snapshot.asks_about_roles {
            roles::of(&self.0.mirror, request.user)
        } else {
            Roles::default()
        };
        let beside = Beside::new(&self.0.mirror, request.user);
        let rules = match (exempt, admission) {
            (false, _) => &snapshot.rules,
            (true, true) => &snapshot.admission,
            (true, false) => &snapshot.standards,
        };
        let delivered = !request.dry_run && request.user.name == Identity::controller("deliver").name;
        let rules = if delivered {
            rules.at(Point::Sync)
        } else {
            rules.clone()
        };
        let mut verdicts = rules.admit(&Request {
            operation: operation(request.operation),
            gvk,
            gvr: Some(request.gvr),
            subresource: request.subresource,
            namespace: request.namespace,
            name: request.name,
            object: own.as_ref().map(Value::node).or(request.object),
            old_object: request.old_object,
            namespace_object: request.namespace_object,
            user: Some(User {
                name: &request.user.name,
                uid: &request.user.uid,
                groups: &request.user.groups,
                roles: &roles.roles,
                cluster_roles: &roles.cluster_roles,
                extra: None,
            }),
            dry_run: request.dry_run,
            options: None,
            now: Some(self.0.clock.now()),
            data: &beside,
            variables: &[],
        });
        answer.judged = !exempt;
        if aside {
            verdicts.results.retain(|result| result.dialect != Dialect::PodSecurity);
        }
        answer.refusals = verdicts.refusals().map(refusal).collect();
        answer.warnings.extend(verdicts.warnings().map(warning));
        answer.annotations = verdicts
            .results
            .iter()
            .map(|result| {
                (
                    format!("rule:{}/{}", result.policy, result.rule),
                    result.outcome.as_str().to_owned(),
                )
            })
            .chain(verdicts.annotations.iter().cloned())
            .collect();
        if !request.dry_run {
            let mut refusing: Vec<String> = verdicts.refusals().map(|result| snapshot.id_of(result)).collect();
            refusing.dedup();
            for id in refusing {
                self.0.refused.count(&id, self.0.clock.now());
                let _ = self.0.scores.send(id);
            }
        }
        answer.object = verdicts.mutated.or(own);
        answer
    }
}
