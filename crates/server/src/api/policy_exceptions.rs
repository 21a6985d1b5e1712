//! Exceptions to policies: asked for, approved by somebody else, ended.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use ridgeway_authz::Attributes;
use ridgeway_cluster::{DeleteOptions, WriteOptions};
use ridgeway_doc::Value as DocValue;
use ridgeway_guard::{ExceptionView, PolicyView};
use ridgeway_krm::Gvk;
use ridgeway_policy::terms::{APPROVED_BY, EXPIRES, OWNER, REASON};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Input};
use crate::Shared;
use crate::error::ApiError;
use crate::gateway::Caller;

/// The field manager of what the portal writes.
const MANAGER: &str = "ridgeway-portal";
/// Kinds that make Pods: an exception for one is for its Pods too.
const CONTROLLERS: [&str; 7] = [
    "CronJob",
    "DaemonSet",
    "Deployment",
    "Job",
    "ReplicaSet",
    "ReplicationController",
    "StatefulSet",
];

/// The kind of exceptions of a group.
fn kind(group: &str) -> Gvk {
    let version = if group == "kyverno.io" { "v2" } else { "v1" };
    Gvk::new(group, version, "PolicyException")
}

impl Shared {
    /// Whether somebody may do something with exceptions of a group in a namespace.
    fn may_with_exceptions(&self, caller: &Caller, verb: &str, group: &str, namespace: &str) -> bool {
        let attributes = Attributes {
            user: &caller.identity.name,
            groups: &caller.identity.groups,
            verb,
            group,
            resource: "policyexceptions",
            namespace,
            ..Attributes::default()
        };
        self.plane.rules().authorize(&attributes).allowed
    }

    /// `PolicyException` of the contract.
    fn exception(&self, caller: &Caller, view: &ExceptionView) -> Value {
        let (object, group) = (&view.object, view.object.group.as_str());
        let may = |verb: &str| self.may_with_exceptions(caller, verb, group, &object.namespace);
        let waits = view.state == "Requested" && view.faults.is_empty();
        let own = view.requested_by == caller.identity.name;
        let policies: Vec<Value> = view
            .policies
            .iter()
            .map(|(name, rules)| json!({"name": name, "rules": rules}))
            .collect();
        json!({
            "id": format!("{group}~{}~{}", object.namespace, object.name),
            "namespace": object.namespace,
            "name": object.name,
            "kind": format!("{group}/PolicyException"),
            "policies": policies,
            "policyIds": view.policy_ids,
            "covers": view.covers,
            "owner": view.owner,
            "reason": view.reason,
            "requestedBy": view.requested_by,
            "requestedAt": view.requested,
            "approvedBy": (!view.approved_by.is_empty()).then_some(&view.approved_by),
            "approvedAt": view.approved,
            "expiresAt": view.expires,
            "secondsLeft": view.left,
            "state": view.state,
            "faults": view.faults,
            "own": own,
            "mayApprove": waits && !own && may("approve"),
            "mayRemove": may("delete"),
        })
    }

    /// The exceptions that somebody may see: all, or those to one policy.
    pub(crate) fn exceptions(&self, caller: &Caller, policy: Option<&str>) -> Vec<Value> {
        let mut views = self.guard.exceptions();
        views.retain(|view| policy.is_none_or(|id| view.policy_ids.iter().any(|of| of == id)));
        views.retain(|view| self.may_see(&caller.identity, &view.object));
        // What waits first, then what ends soonest.
        let rank = |view: &ExceptionView| match view.state {
            "Requested" => 0,
            "Approved" => 1,
            _ => 2,
        };
        views.sort_by(|a, b| {
            let key = |view: &ExceptionView| (rank(view), view.left.unwrap_or(u64::MAX), view.object.clone());
            key(a).cmp(&key(b))
        });
        views.iter().map(|view| self.exception(caller, view)).collect()
    }
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    Ok(Json(json!({"items": shared.exceptions(&caller, None)})))
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExceptionRequest {
    policy_id: String,
    rule: String,
    object_kind: String,
    namespace: String,
    object_name: String,
    owner: String,
    reason: String,
    expires_at: String,
}

fn filled(field: &str, value: &str, what: &str) -> Result<(), ApiError> {
    if value.trim().is_empty() {
        return Err(ApiError::invalid(format!("`{field}` is empty; {what}")));
    }
    Ok(())
}

/// A text as part of an object's name.
fn part(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    plain.trim_matches('-').chars().take(60).collect()
}

fn texts(values: impl IntoIterator<Item = String>) -> DocValue {
    values.into_iter().map(DocValue::from).collect()
}

/// What an exception to a `ClusterPolicy` or `Policy` says.
fn classic(view: &PolicyView, input: &ExceptionRequest) -> DocValue {
    let mut out = DocValue::object();
    let policy = match view.namespace.as_str() {
        "" => view.name.clone(),
        namespace => format!("{namespace}/{}", view.name),
    };
    let rules: Vec<String> = match super::policies::written(&input.rule) {
        "" => view.rules.iter().map(|rule| rule.name.clone()).collect(),
        rule => vec![rule.to_owned()],
    };
    let mut about = DocValue::object();
    about.set(&["policyName"], policy);
    about.set(&["ruleNames"], texts(rules));
    out.set(&["exceptions"], vec![about]);
    let mut named = vec![(vec![input.object_kind.clone()], input.object_name.clone())];
    if CONTROLLERS.contains(&input.object_kind.as_str()) {
        named.push((
            vec!["Pod".to_owned(), "Job".to_owned()],
            format!("{}-*", input.object_name),
        ));
    }
    let any = named.into_iter().map(|(kinds, name)| {
        let mut one = DocValue::object();
        one.set(&["resources", "kinds"], texts(kinds));
        one.set(&["resources", "names"], texts([name]));
        if !input.namespace.is_empty() {
            one.set(&["resources", "namespaces"], texts([input.namespace.clone()]));
        }
        one
    });
    out.set(&["match", "any"], any.collect::<DocValue>());
    out
}

/// What an exception to a policy in CEL says.
fn cel(view: &PolicyView, input: &ExceptionRequest) -> DocValue {
    let mut out = DocValue::object();
    let mut about = DocValue::object();
    about.set(&["kind"], view.kind.as_str());
    about.set(&["name"], view.name.as_str());
    out.set(&["policyRefs"], vec![about]);
    let quoted = |text: &str| DocValue::from(text).node().to_json();
    let mut this = format!(
        "object.kind == {} && object.metadata.name == {}",
        quoted(&input.object_kind),
        quoted(&input.object_name)
    );
    if CONTROLLERS.contains(&input.object_kind.as_str()) {
        let prefix = quoted(&format!("{}-", input.object_name));
        this = format!("({this} || object.kind in [\"Pod\", \"Job\"] && object.metadata.name.startsWith({prefix}))");
    }
    if !input.namespace.is_empty() {
        this = format!("object.metadata.namespace == {} && {this}", quoted(&input.namespace));
    }
    let mut condition = DocValue::object();
    condition.set(&["name"], "object");
    condition.set(&["expression"], this);
    out.set(&["matchConditions"], vec![condition]);
    out
}

pub(crate) async fn ask(
    State(shared): State<Arc<Shared>>,
    caller: Caller,
    Input(input): Input<ExceptionRequest>,
) -> Result<Response, ApiError> {
    filled("objectKind", &input.object_kind, "name the kind of the object")?;
    filled("objectName", &input.object_name, "name the object")?;
    filled("owner", &input.owner, "say who answers for the exception")?;
    filled("reason", &input.reason, "say why it is needed")?;
    filled("expiresAt", &input.expires_at, "say until when it is needed")?;
    let views = shared.guard.policies();
    let view = views
        .iter()
        .find(|view| view.id == input.policy_id)
        .ok_or_else(|| ApiError::not_found(format!("policy {}", input.policy_id)))?;
    let (group, spec) = match view.kind.as_str() {
        "ClusterPolicy" | "Policy" => ("kyverno.io", classic(view, &input)),
        kind if kind.ends_with("ValidatingPolicy") || kind.ends_with("MutatingPolicy") => {
            ("policies.kyverno.io", cel(view, &input))
        }
        kind => {
            let what = if kind == "PodSecurity" {
                "the labels of its namespace say how strict it is there"
            } else {
                "its own `match` says which namespaces it leaves out"
            };
            return Err(ApiError::invalid(format!("{} knows no exceptions; {what}", view.title)));
        }
    };
    let gvk = kind(group);
    let namespace = match input.namespace.as_str() {
        "" => "default",
        namespace => namespace,
    };
    // The time makes the name new: an exception that ended does not stand in the way of another.
    let serial = shared.clock.now().as_millisecond();
    let name = format!("{}-{}-{serial}", part(&view.name), part(&input.object_name));
    let mut object = DocValue::object();
    object.set(&["apiVersion"], gvk.api_version());
    object.set(&["kind"], gvk.kind.as_str());
    object.set(&["metadata", "name"], name.as_str());
    object.set(&["metadata", "namespace"], namespace);
    for (key, value) in [
        (OWNER, &input.owner),
        (REASON, &input.reason),
        (EXPIRES, &input.expires_at),
    ] {
        object.set(&["metadata", "annotations", key], value.trim());
    }
    object.set(&["spec"], spec);
    shared
        .cluster(&caller)
        .create(object, WriteOptions::by(MANAGER, None))
        .await?;
    let id = format!("{group}~{namespace}~{name}");
    Ok((
        StatusCode::CREATED,
        Json(json!({"id": id, "namespace": namespace, "name": name})),
    )
        .into_response())
}

/// Group, namespace and name from an id.
fn parts(id: &str) -> Result<(Gvk, &str, &str), ApiError> {
    let mut parts = id.splitn(3, '~');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(group @ ("kyverno.io" | "policies.kyverno.io")), Some(namespace), Some(name)) => {
            Ok((kind(group), namespace, name))
        }
        _ => Err(ApiError::not_found(format!("exception {id}"))),
    }
}

pub(crate) async fn approve(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let (gvk, namespace, name) = parts(&id)?;
    let mut patch = DocValue::object();
    patch.set(&["metadata", "annotations", APPROVED_BY], caller.identity.name.as_str());
    shared
        .cluster(&caller)
        .merge_patch(&gvk, namespace, name, patch, WriteOptions::by(MANAGER, None))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let (gvk, namespace, name) = parts(&id)?;
    shared
        .cluster(&caller)
        .delete(
            &gvk,
            namespace,
            name,
            DeleteOptions::default(),
            WriteOptions::by(MANAGER, None),
        )
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
