//! Exceptions: who may have one, from when to when it counts, and what the gate writes on it.
//!
//! An exception is asked for by whoever stores it and counts once somebody else has agreed who holds the verb `approve`
//! on `policyexceptions`. What it says is what was agreed to: a change asks anew. All of it is annotations, written
//! through the pipeline, so each step is an entry of the ledger.

use jiff::Timestamp;
use ridgeway_authz::Attributes;
use ridgeway_cluster::{GateRequest, Identity, Operation, Refusal, rfc3339};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, ObjectRef};
use ridgeway_policy::CompileError;
use ridgeway_policy::terms::{APPROVED_AT, APPROVED_BY, EXPIRES, OWNER, REASON, REQUESTED_BY, Terms};

use crate::mirror::Mirror;
use crate::source::{items, text};

/// The verb that approving takes.
const VERB: &str = "approve";
pub(crate) const RBAC: &str = "rbac.authorization.k8s.io";

/// How an exception stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has agreed to it yet.
    Requested,
    /// It counts.
    Approved,
    /// Its time is over.
    Expired,
}

impl Standing {
    /// How an exception stands at a time.
    pub(crate) fn at(terms: &Terms, now: Timestamp) -> Standing {
        if terms.expired(Some(now)) {
            Standing::Expired
        } else if terms.approved() {
            Standing::Approved
        } else {
            Standing::Requested
        }
    }

    /// The word for it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Standing::Requested => "Requested",
            Standing::Approved => "Approved",
            Standing::Expired => "Expired",
        }
    }
}

/// A stored exception.
#[derive(Clone, Debug)]
pub(crate) struct Stand {
    pub(crate) doc: Doc,
    pub(crate) created: Timestamp,
    pub(crate) version: u64,
    pub(crate) terms: Terms,
    pub(crate) standing: Standing,
    pub(crate) faults: Vec<CompileError>,
}

impl Stand {
    /// Whether it takes objects out.
    pub(crate) fn counts(&self) -> bool {
        self.faults.is_empty() && self.standing == Standing::Approved
    }
}

/// Whether an exception is about a policy, by the kind and the name that results use.
pub(crate) fn names(exception: Node<'_>, kind: &str, spoken: &str) -> bool {
    let bare = spoken.rsplit('/').next().unwrap_or(spoken);
    let classic = matches!(kind, "ClusterPolicy" | "Policy");
    let old = classic
        && items(exception, &["spec", "exceptions"])
            .any(|item| ridgeway_policy::wildcard(text(item, &["policyName"]), spoken));
    let new = !classic
        && items(exception, &["spec", "policyRefs"]).any(|item| {
            let (of, name) = (text(item, &["kind"]), text(item, &["name"]));
            (of.is_empty() || of == kind) && (name == spoken || name == bare)
        });
    old || new
}

/// The kinds that say who may approve.
pub(crate) fn access() -> [Gvk; 4] {
    ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"].map(|kind| Gvk::new(RBAC, "v1", kind))
}

/// Whether somebody may approve an exception.
fn may_approve(mirror: &Mirror, user: &Identity, group: &str, namespace: &str, name: &str) -> bool {
    let attributes = Attributes {
        user: &user.name,
        groups: &user.groups,
        verb: VERB,
        group,
        resource: "policyexceptions",
        namespace,
        name,
        ..Attributes::default()
    };
    mirror.access().authorize(&attributes).allowed
}

fn annotation<'a>(object: Node<'a>, key: &str) -> &'a str {
    object.str_at(&["metadata", "annotations", key]).unwrap_or_default()
}

/// What somebody agrees to.
fn content(object: Node<'_>) -> (Option<String>, [&str; 6]) {
    let said = |place: &str, key: &str| object.str_at(&["metadata", place, key]).unwrap_or_default();
    let terms = [OWNER, REASON, EXPIRES].map(|key| (said("annotations", key), said("labels", key)));
    let [a, b, c] = terms;
    (object.get("spec").map(Node::to_json), [a.0, a.1, b.0, b.1, c.0, c.1])
}

/// What the gate makes of an exception: the object with who asked and who agreed written on it, and warnings.
#[derive(Debug, Default)]
pub(crate) struct Ruling {
    pub(crate) object: Option<Value>,
    pub(crate) refusals: Vec<Refusal>,
    pub(crate) warnings: Vec<String>,
}

fn refused(request: &GateRequest<'_>, rule: &str, key: &str, message: String, remedy: String) -> Ruling {
    let value = request.object.map(|object| annotation(object, key)).unwrap_or_default();
    Ruling {
        refusals: vec![Refusal {
            policy: "exceptions".into(),
            rule: rule.into(),
            message,
            path: format!("metadata.annotations.{key}"),
            value: (!value.is_empty()).then(|| Value::from(value).into_doc()),
            remedy,
            ..Refusal::default()
        }],
        ..Ruling::default()
    }
}

/// Judges the storing of an exception.
pub(crate) fn admit(request: &GateRequest<'_>, mirror: &Mirror, now: Timestamp) -> Ruling {
    let Some(object) = request.object.filter(|_| request.operation != Operation::Delete) else {
        return Ruling::default();
    };
    if let Err(error) = Terms::of(object) {
        let message = format!("The exception cannot be read: at {}: {error}.", error.path());
        let mut remedy = error.remedy();
        remedy[..1].make_ascii_uppercase();
        return refused(request, "terms", error.key, message, format!("{remedy}."));
    }
    let user = &request.user.name;
    let old = request.old_object;
    let changed = old.is_none_or(|old| content(old) != content(object));
    let before = |key: &str| old.map_or("", |old| annotation(old, key));
    let asked = if changed || before(REQUESTED_BY).is_empty() && old.is_none() {
        user.as_str()
    } else {
        before(REQUESTED_BY)
    };
    let (was, wanted) = (before(APPROVED_BY), annotation(object, APPROVED_BY));
    let mut out = Ruling::default();
    let (mut by, mut at) = (was.to_owned(), before(APPROVED_AT).to_owned());
    let approves = !wanted.is_empty() && wanted != was;
    if approves {
        let own = asked == user || request.user.impersonator.as_deref().is_some_and(|other| other == asked);
        if own {
            let why = if changed && old.is_some() {
                "An exception cannot be changed and approved in one step: who changes it asks for it"
            } else {
                "Nobody approves an exception that they have asked for themselves"
            };
            let message = format!("{why}; {user} cannot approve {}.", request.name);
            let remedy = "Leave the annotation out and ask somebody who may approve policyexceptions.".to_owned();
            return refused(request, "approval", APPROVED_BY, message, remedy);
        }
        if !may_approve(
            mirror,
            request.user,
            &request.gvk.group,
            request.namespace,
            request.name,
        ) {
            let message = format!(
                "{user} may not approve exceptions: that takes the verb `approve` on policyexceptions.{} in the \
                 namespace {}.",
                request.gvk.group, request.namespace
            );
            let remedy = "Ask somebody who holds the verb, or the platform team for a role with it.".to_owned();
            return refused(request, "approval", APPROVED_BY, message, remedy);
        }
        if wanted != user {
            let message = format!("An approval is given in one's own name: {user} cannot approve as {wanted}.");
            let remedy = format!("Set {APPROVED_BY} to {user:?}.");
            return refused(request, "approval", APPROVED_BY, message, remedy);
        }
        (by, at) = (user.clone(), rfc3339(now));
    } else if changed {
        if !was.is_empty() {
            out.warnings
                .push("the exception has changed: it counts again once it is approved anew".into());
        }
        (by, at) = (String::new(), String::new());
    } else if wanted.is_empty() && !was.is_empty() {
        if may_approve(
            mirror,
            request.user,
            &request.gvk.group,
            request.namespace,
            request.name,
        ) {
            (by, at) = (String::new(), String::new());
        } else {
            let why = "the approval stays: only who may approve exceptions may withdraw it";
            out.warnings.push(why.into());
        }
    }
    if old.is_none() {
        out.warnings.extend(missing(object, now));
    }
    let written = [(REQUESTED_BY, asked), (APPROVED_BY, &by), (APPROVED_AT, &at)];
    if written.iter().any(|(key, value)| annotation(object, key) != *value) {
        let mut value = object.to_value();
        for (key, text) in written {
            if text.is_empty() {
                value.remove(&["metadata", "annotations", key]);
            } else {
                value.set(&["metadata", "annotations", key], text);
            }
        }
        out.object = Some(value);
    }
    out
}

/// What somebody who asks should know.
fn missing(object: Node<'_>, now: Timestamp) -> Vec<String> {
    let terms = Terms::of(object).unwrap_or_default();
    let mut out = vec![format!(
        "the exception counts once somebody else who may approve policyexceptions sets {APPROVED_BY}"
    )];
    let absent: Vec<&str> = [(OWNER, &terms.owner), (REASON, &terms.reason)]
        .into_iter()
        .filter(|(_, value)| value.is_empty())
        .map(|(key, _)| key)
        .chain(terms.expires.is_none().then_some(EXPIRES))
        .collect();
    if !absent.is_empty() {
        out.push(format!("the exception does not say {}", absent.join(", ")));
    }
    if terms.expired(Some(now)) {
        out.push("the exception has expired already and has no effect".into());
    }
    out
}

/// An exception, as people look at it.
#[derive(Clone, Debug)]
pub struct ExceptionView {
    /// The object.
    pub object: ObjectRef,
    /// The policies that it is for, each with its rules (none: all).
    pub policies: Vec<(String, Vec<String>)>,
    /// The ids of those that are in force.
    pub policy_ids: Vec<String>,
    /// What it takes out.
    pub covers: String,
    /// Who answers for it.
    pub owner: String,
    /// Why it is needed.
    pub reason: String,
    /// Who asked for it.
    pub requested_by: String,
    /// When it was stored, in RFC 3339.
    pub requested: String,
    /// Who has agreed.
    pub approved_by: String,
    /// When that was, in RFC 3339.
    pub approved: Option<String>,
    /// When it ends, in RFC 3339.
    pub expires: Option<String>,
    /// Seconds until then; 0 when it is over.
    pub left: Option<u64>,
    /// `Requested`, `Approved` or `Expired`.
    pub state: &'static str,
    /// Why it cannot count.
    pub faults: Vec<String>,
}

/// The policies that an exception names.
fn policies(exception: Node<'_>) -> Vec<(String, Vec<String>)> {
    let classic = items(exception, &["spec", "exceptions"]).map(|item| {
        let rules = items(item, &["ruleNames"]).filter_map(Node::as_str);
        (
            text(item, &["policyName"]).to_owned(),
            rules.map(str::to_owned).collect(),
        )
    });
    let cel = items(exception, &["spec", "policyRefs"]).map(|item| (text(item, &["name"]).to_owned(), Vec::new()));
    classic.chain(cel).collect()
}

impl ExceptionView {
    pub(crate) fn of(key: &ObjectRef, stand: &Stand, policy_ids: Vec<String>, now: Timestamp) -> ExceptionView {
        let root = stand.doc.root();
        let terms = &stand.terms;
        let conditions: Vec<&str> = items(root, &["spec", "matchConditions"])
            .map(|item| text(item, &["expression"]))
            .collect();
        let covers = match root.at(&["spec", "match"]) {
            Some(_) => root.get("spec").map(crate::words::applies).unwrap_or_default(),
            None if conditions.is_empty() => "everything that the policy is for".to_owned(),
            None => format!("where {}", conditions.join(" and ")),
        };
        ExceptionView {
            object: key.clone(),
            policies: policies(root),
            policy_ids,
            covers,
            owner: terms.owner.clone(),
            reason: terms.reason.clone(),
            requested_by: terms.requested_by.clone(),
            requested: rfc3339(stand.created),
            approved_by: terms.approved_by.clone(),
            approved: terms.approved_at.map(rfc3339),
            expires: terms.expires.map(rfc3339),
            left: terms
                .expires
                .map(|at| u64::try_from(at.as_second() - now.as_second()).unwrap_or(0)),
            state: Standing::at(terms, now).word(),
            faults: stand.faults.iter().map(ToString::to_string).collect(),
        }
    }
}

/// The status of an exception.
pub(crate) fn status(stand: &Stand) -> Value {
    let terms = &stand.terms;
    let message = match stand.standing {
        _ if !stand.faults.is_empty() => stand
            .faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("; "),
        Standing::Requested => "waits for the approval of somebody other than who asked".to_owned(),
        Standing::Approved => match terms.expires {
            Some(at) => format!("counts until {}", rfc3339(at)),
            None => "counts until it is removed".to_owned(),
        },
        Standing::Expired => "its time is over: it has no effect".to_owned(),
    };
    let mut out = Value::object();
    out.set(&["state"], stand.standing.word());
    out.set(&["message"], message);
    out
}
