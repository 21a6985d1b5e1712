//! The one pipeline for changes: authorize → compose → default → gate → validate → record → store.
//!
//! There is no second path: HTTP requests and our own controllers come through [`ControlPlane::execute`].

mod admit;
mod compose;
mod delete;
mod journal;
mod record;
mod refusal;
mod service;
mod strategy;
mod validate;
mod written;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use ridgeway_authz::Decision;
use ridgeway_cluster::{Body, Causality, Cause, GateRequest, Identity, Operation, PatchKind, Reason, Status, Write};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvr, Kind};
use ridgeway_store::{Entry, Expect, StoreError, Txn};

use crate::access::Question;
use crate::plane::ControlPlane;
use crate::{codec, fault, keys};

use journal::Draft;

pub(crate) use delete::{FOREGROUND, ORPHAN};
pub(crate) use strategy::{CLEANUP, is_review};
pub(crate) use written::Written;

/// How often a change without `resourceVersion` is tried again when somebody else was faster.
const CONFLICT_RETRIES: usize = 8;
/// How often a change is tried again because the quota it is charged to has moved.
const QUOTA_RETRIES: usize = 256;

/// Everything about a change that stays the same over retries.
pub(crate) struct Change<'a> {
    pub(crate) plane: &'a ControlPlane,
    pub(crate) user: &'a Identity,
    pub(crate) kind: Arc<Kind>,
    pub(crate) gvr: Gvr,
    pub(crate) write: &'a Write,
    pub(crate) name: String,
    pub(crate) verb: &'static str,
    pub(crate) causality: Causality,
    pub(crate) decision: Decision,
    pub(crate) now: String,
    /// Which rules were asked in the latest attempt, and what they said.
    pub(crate) evaluated: Mutex<Vec<(String, String)>>,
}

/// What a client asked for, where the change is not called so: an eviction is a deletion.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(crate) verb: &'static str,
    pub(crate) subresource: &'static str,
}

/// What composing found to be done.
pub(crate) enum Outcome {
    /// Store this object.
    Put {
        /// The object.
        object: Value,
        /// Whether its fields are still to be booked to the field manager.
        book: bool,
    },
    /// Remove it from the store.
    Remove,
    /// The object is already as asked for.
    Unchanged,
}

/// Why one attempt did not go through.
enum Attempt {
    /// Somebody else changed the object first.
    Raced,
    /// Somebody else was charged to the same quota first.
    QuotaRaced,
    Failed(Status),
}

impl From<Status> for Attempt {
    fn from(status: Status) -> Self {
        Attempt::Failed(status)
    }
}

impl ControlPlane {
    /// Runs one change through the whole pipeline.
    pub(crate) async fn execute(&self, user: &Identity, write: Write) -> Result<Written, Status> {
        self.execute_as(user, write, None).await
    }

    /// The same for a change that somebody asked for in other words: access is decided on those.
    pub(crate) async fn execute_as(
        &self,
        user: &Identity,
        write: Write,
        asked: Option<Asked>,
    ) -> Result<Written, Status> {
        let kind = self.kind(&write.gvk)?;
        if kind.namespaced && write.namespace.is_empty() {
            return Err(fault::bad_request(format!(
                "{} is namespaced: name a namespace",
                kind.gvk.kind
            )));
        }
        if !kind.namespaced && !write.namespace.is_empty() {
            return Err(fault::bad_request(format!(
                "{} is cluster-scoped: remove `metadata.namespace`",
                kind.gvk.kind
            )));
        }
        if is_review(&kind.gvk) {
            return Err(fault::bad_request(format!("{} can only be created", kind.gvk.kind)));
        }
        let verb = match &write.body {
            Body::Create(_) => "create",
            Body::Update(_) => "update",
            Body::Patch(..) => "patch",
            Body::Delete(_) => "delete",
        };
        let name = self.settle_name(&write)?;
        let gvr = Gvr::new(&kind.gvk.group, &kind.gvk.version, &kind.plural);
        let causality = write
            .options
            .causality
            .clone()
            .unwrap_or_else(|| self.fresh_causality());
        let mut change = Change {
            plane: self,
            user,
            gvr,
            write: &write,
            name,
            verb,
            causality,
            decision: Decision::default(),
            now: self.timestamp(),
            evaluated: Mutex::default(),
            kind,
        };
        let question = match asked {
            None => change.question(verb),
            Some(Asked { verb, subresource }) => Question {
                subresource,
                ..change.question(verb)
            },
        };
        change.decision = match self.authorize(user, question) {
            Ok(decision) => decision,
            Err(status) => return Err(change.refused(status).await),
        };
        change.run().await
    }

    /// An id for a chain of changes that begins here.
    pub(crate) fn fresh_causality(&self) -> Causality {
        let mut id = [0u8; 8];
        self.inner.randomness.fill(&mut id);
        Causality::new(format!("req:{:016x}", u64::from_be_bytes(id)))
    }

    /// The name from the write, its body, or made from `generateName`.
    fn settle_name(&self, write: &Write) -> Result<String, Status> {
        if !write.name.is_empty() {
            return Ok(write.name.clone());
        }
        let body = match &write.body {
            Body::Create(object) | Body::Update(object) => object.node(),
            Body::Patch(_, patch) => patch.root(),
            Body::Delete(_) => return Err(fault::bad_request("a delete needs a name")),
        };
        if let Some(name) = body.str_at(&["metadata", "name"]).filter(|name| !name.is_empty()) {
            return Ok(name.to_owned());
        }
        match body.str_at(&["metadata", "generateName"]) {
            Some(prefix) if !prefix.is_empty() && matches!(write.body, Body::Create(_)) => {
                // Names have at most 63 characters where they become labels; the prefix gives way to the suffix.
                let end = prefix.char_indices().map(|(i, _)| i).nth(58).unwrap_or(prefix.len());
                Ok(format!("{}{}", &prefix[..end], self.name_suffix()))
            }
            _ => {
                let cause = Cause {
                    reason: "FieldValueRequired".into(),
                    message: "Required value: name or generateName is required".into(),
                    field: "metadata.name".into(),
                };
                Err(Status::invalid(&write.gvk.group, &write.gvk.kind, "", vec![cause]))
            }
        }
    }

    /// Five characters that make no words, as Kubernetes picks them.
    fn name_suffix(&self) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut random = [0u8; 5];
        self.inner.randomness.fill(&mut random);
        random
            .iter()
            .map(|b| ALPHABET[usize::from(*b) % ALPHABET.len()] as char)
            .collect()
    }
}

impl Change<'_> {
    pub(crate) fn question<'q>(&'q self, verb: &'q str) -> Question<'q> {
        Question {
            verb,
            group: &self.kind.gvk.group,
            version: &self.kind.gvk.version,
            resource: &self.kind.plural,
            subresource: &self.write.subresource,
            namespace: &self.write.namespace,
            name: if self.verb == "create" && self.write.subresource.is_empty() {
                ""
            } else {
                &self.name
            },
            path: "",
        }
    }

    /// Compose, judge and commit, again while others are faster and nobody pinned a version.
    async fn run(&self) -> Result<Written, Status> {
        let (mut conflicts, mut quota_races) = (0, 0);
        loop {
            let live = self.plane.entry(&self.kind, &self.write.namespace, &self.name)?;
            match self.attempt(live).await {
                Ok(written) => return Ok(written),
                Err(Attempt::Failed(status)) => return Err(status),
                Err(Attempt::QuotaRaced) if quota_races < QUOTA_RETRIES => quota_races += 1,
                Err(Attempt::Raced) if conflicts < CONFLICT_RETRIES && !self.pins_version() => conflicts += 1,
                Err(Attempt::Raced | Attempt::QuotaRaced) => return Err(self.stale()),
            }
            self.plane.inner.metrics.retried();
        }
    }

    /// The conflict that tells a client to read the object again.
    pub(crate) fn stale(&self) -> Status {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Status::conflict(&self.kind.gvk.group, &self.kind.plural, &self.name, why)
    }

    /// Whether the client named the version that it wants to change.
    fn pins_version(&self) -> bool {
        let pinned = |node: Node<'_>| !text(node, &["metadata", "resourceVersion"]).is_empty();
        match &self.write.body {
            Body::Create(_) => true,
            Body::Update(object) => pinned(object.node()),
            Body::Patch(_, patch) => pinned(patch.root()),
            Body::Delete(options) => options.preconditions.resource_version.is_some(),
        }
    }

    async fn attempt(&self, live: Option<Arc<Entry>>) -> Result<Written, Attempt> {
        let old = live
            .as_deref()
            .map(|entry| codec::decode_as(&self.kind, entry))
            .transpose()?;
        let namespace = self.namespace_object(old.is_none())?;
        let mut warnings = Vec::new();
        let (operation, outcome) = match &self.write.body {
            Body::Delete(options) => (Operation::Delete, self.compose_delete(old.as_ref(), options)?),
            _ => {
                let operation = if old.is_none() {
                    Operation::Create
                } else {
                    Operation::Update
                };
                if operation == Operation::Create && self.verb == "patch" {
                    // Applying what is not there creates it, which is a right of its own.
                    let question = Question {
                        name: "",
                        ..self.question("create")
                    };
                    if let Err(status) = self.plane.authorize(self.user, question) {
                        return Err(Attempt::Failed(self.refused(status).await));
                    }
                }
                (operation, self.compose(old.as_ref(), &mut warnings)?)
            }
        };
        let (mut next, book) = match outcome {
            Outcome::Unchanged => {
                let object = old.ok_or_else(|| fault::internal("nothing to change and nothing there"))?;
                return Ok(Written::of(object, warnings));
            }
            Outcome::Put { object, book } => (Some(object), book),
            Outcome::Remove => (None, false),
        };
        let deleting = operation == Operation::Delete;
        let mut draft = None;
        // Controllers report status; policies judge what users may ask for, so status is not put before them.
        if self.write.subresource != "status" {
            let judged = if deleting { None } else { next.as_ref() };
            let (judged, changed) = self
                .judge(operation, judged, old.as_ref(), namespace.as_ref(), &mut warnings)
                .await?;
            let mut found = None;
            if let Some(mut changed) = changed {
                if let Some(before) = &next {
                    self.keeps_identity(before.node(), changed.node())?;
                }
                // What a policy adds may leave out what has a default.
                self.default(&mut changed)?;
                found = next.replace(changed);
            }
            draft = self.draft(judged, operation, found, old.as_ref(), namespace.as_ref());
        }
        // What a removed object looked like at the end.
        let mut last = None;
        let mut charges = Vec::new();
        if let Some(mut value) = next.take_if(|_| !deleting) {
            if let Err(status) = self.check(value.node(), old.as_ref()) {
                // Missing rights are recorded as refusals; faulty objects are only said to their author.
                return Err(Attempt::Failed(if status.code() == 403 {
                    self.refused(status).await
                } else {
                    status
                }));
            }
            if let Some(old) = old.clone().filter(|old| old.root() == value.node()) {
                return Ok(Written::of(old, warnings));
            }
            strategy::finish(self, &mut value, old.as_ref());
            if book {
                value = self.book(&value, old.as_ref())?;
            }
            if self.write.subresource.is_empty() {
                charges = match self.charge_quotas(old.as_ref(), value.node()) {
                    Ok(charges) => charges,
                    Err(status) => return Err(Attempt::Failed(self.refused(status).await)),
                };
            }
            // An update that takes the last finalizer off an object marked for deletion removes it.
            if delete::is_released(value.node()) {
                last = Some(value.into_doc());
            } else {
                next = Some(value);
            }
        }
        if self.write.options.dry_run {
            let created = old.is_none();
            let object = next
                .map(Value::into_doc)
                .or(old)
                .ok_or_else(|| fault::internal("empty dry run"))?;
            let mut written = Written::of(object, warnings);
            written.created = created;
            return Ok(written);
        }
        self.commit(live, last.or(old), next, charges, warnings, draft).await
    }

    /// The namespace's object; a namespace that is missing or going away takes nothing new.
    fn namespace_object(&self, creating: bool) -> Result<Option<Doc>, Status> {
        if self.write.namespace.is_empty() {
            return Ok(None);
        }
        let creating = creating
            && self.write.subresource.is_empty()
            && matches!(self.write.body, Body::Create(_) | Body::Patch(PatchKind::Apply, _));
        let Some(namespace) = self.plane.namespace(&self.write.namespace)? else {
            return if creating {
                Err(Status::not_found("", "namespaces", &self.write.namespace))
            } else {
                Ok(None)
            };
        };
        if creating && namespace.root().at(&["metadata", "deletionTimestamp"]).is_some() {
            let why = format!(
                "unable to create new content in namespace {} because it is being terminated",
                self.write.namespace
            );
            let mut status = Status::forbidden(&self.kind.gvk.group, &self.kind.plural, &self.name, &why);
            status.causes.push(Cause {
                reason: "NamespaceTerminating".into(),
                message: format!("namespace {} is being terminated", self.write.namespace),
                field: "metadata.namespace".into(),
            });
            return Err(status);
        }
        Ok(Some(namespace))
    }

    /// Puts the change before the policies. A refusal is recorded; a mutation comes back as the new object, after whether
    /// all rules had a say.
    async fn judge(
        &self,
        operation: Operation,
        next: Option<&Value>,
        old: Option<&Doc>,
        namespace: Option<&Doc>,
        warnings: &mut Vec<String>,
    ) -> Result<(bool, Option<Value>), Status> {
        let answer = self.plane.gate().admit(&GateRequest {
            operation,
            gvk: &self.kind.gvk,
            gvr: &self.gvr,
            subresource: &self.write.subresource,
            namespace: &self.write.namespace,
            name: &self.name,
            object: next.map(Value::node),
            old_object: old.map(Doc::root),
            namespace_object: namespace.map(Doc::root),
            user: self.user,
            dry_run: self.write.options.dry_run,
        });
        warnings.extend(answer.warnings);
        *self.evaluated.lock().unwrap_or_else(PoisonError::into_inner) = answer.annotations;
        if !answer.refusals.is_empty() {
            let status = refusal::status(self, &answer.refusals);
            let index = self.record_refusal(&status).await;
            if let Some(draft) = self.draft(answer.judged, operation, next.cloned(), old, namespace) {
                self.keep(draft.refused(&answer.refusals, &status.message, index));
            }
            return Err(status);
        }
        Ok((answer.judged, answer.object))
    }

    /// A policy may change what an object says, not which object it is: it is stored under the name that access was
    /// decided for.
    fn keeps_identity(&self, before: Node<'_>, after: Node<'_>) -> Result<(), Status> {
        const IDENTITY: [&[&str]; 5] = [
            &["apiVersion"],
            &["kind"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "uid"],
        ];
        match IDENTITY.iter().find(|path| before.at(path) != after.at(path)) {
            None => Ok(()),
            Some(path) => {
                let message = format!(
                    "a policy that changes {} {} sets {}, which says which object it is; correct the policy: nothing was stored",
                    self.kind.gvk.kind,
                    self.name,
                    path.join(".")
                );
                Err(Status::new(Reason::InternalError, message))
            }
        }
    }

    /// Intent, commit, outcome.
    async fn commit(
        &self,
        live: Option<Arc<Entry>>,
        last: Option<Doc>,
        next: Option<Value>,
        charges: Vec<admit::Charge>,
        warnings: Vec<String>,
        draft: Option<Draft>,
    ) -> Result<Written, Attempt> {
        let key = keys::object(&self.kind, &self.write.namespace, &self.name);
        let encoded: Option<Bytes> = next.as_ref().map(|value| codec::encode(value.node()));
        let expect = live
            .as_ref()
            .map_or(Expect::Absent, |entry| Expect::ModRevision(entry.mod_revision));
        let mut txn = Txn::new().expect(key.clone(), expect);
        txn = match &encoded {
            Some(bytes) => txn.put(key, bytes.clone()),
            None => txn.delete(key),
        };
        for charge in charges {
            let seen = Expect::ModRevision(charge.seen);
            txn = txn.expect(charge.key.clone(), seen).put(charge.key, charge.value);
        }
        let (logged, committed) = {
            let _changing = self.plane.changing(&self.kind);
            self.commit_recorded(txn, live.as_deref(), encoded.as_deref()).await?
        };
        let committed = match committed {
            Ok(committed) => committed,
            // What is expected first is the object, then come quotas.
            Err(StoreError::Conflict { index, .. }) if index > 0 => return Err(Attempt::QuotaRaced),
            Err(StoreError::Conflict { current: Some(_), .. }) if matches!(self.write.body, Body::Create(_)) => {
                let (group, plural) = (&self.kind.gvk.group, &self.kind.plural);
                return Err(Attempt::Failed(Status::already_exists(group, plural, &self.name)));
            }
            Err(StoreError::Conflict { .. }) => return Err(Attempt::Raced),
            Err(error) => return Err(Attempt::Failed(fault::store(error))),
        };
        let created = live.is_none();
        self.plane.inner.metrics.writes(self.verb);
        if let Some(draft) = draft {
            self.keep(draft.stored(logged, encoded.clone(), last.as_ref()));
        }
        if encoded.is_none() && self.kind.plural == "namespaces" {
            self.plane.forget_namespace(&self.name);
        }
        match encoded {
            Some(bytes) => Ok(Written::stored(bytes, committed.revision, created, warnings)),
            None => {
                let object = last.ok_or_else(|| fault::internal("removed what was not there"))?;
                let mut written = Written::of(object, warnings);
                written.removed = true;
                Ok(written)
            }
        }
    }
}

/// Text at a path, or nothing.
pub(crate) fn text<'a>(node: Node<'a>, path: &[&str]) -> &'a str {
    node.str_at(path).unwrap_or_default()
}
