//! The ledger's part: an intent before anything is stored, an outcome after.

use std::sync::PoisonError;

use ridgeway_cluster::Status;
use ridgeway_ledger::{Entry as Record, LedgerError, ObjectId, Phase, Verdict};
use ridgeway_store::{Committed, Entry, StoreError, Txn};
use tokio::sync::oneshot;

use super::Change;
use crate::{audit, fault};

/// SHA-256 as hexadecimal text.
fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut out, b| {
        write!(out, "{b:02x}").expect("writing to a String cannot fail");
        out
    })
}

/// What the ledger's entry about a change says of it.
pub(super) struct Logged {
    pub(super) index: u64,
    /// The digests of the stored forms; empty where there is none.
    pub(super) before: String,
    pub(super) after: String,
}

/// What came of a change, in its outcome's record.
fn settle(outcome: &mut Record, done_code: u16, committed: &Result<Committed, StoreError>) {
    let (code, message) = match committed {
        Ok(committed) => {
            outcome.detail.insert("revision".into(), committed.revision.to_string());
            (done_code, String::new())
        }
        Err(StoreError::Conflict { .. }) => (409, "somebody else changed the object first".into()),
        Err(error) => {
            let status = fault::of_store(error);
            (status.code(), status.message)
        }
    };
    outcome.code = code;
    outcome.decision = Verdict {
        allowed: code < 400,
        by: String::new(),
        message,
    };
}

impl Change<'_> {
    fn record(&self, phase: Phase) -> Record {
        Record {
            time: self.plane.now().to_string(),
            causality: self.causality.as_str().into(),
            phase,
            actor: audit::actor(self.user),
            verb: self.verb.into(),
            object: ObjectId {
                group: self.kind.gvk.group.clone(),
                version: self.kind.gvk.version.clone(),
                resource: if self.write.subresource.is_empty() {
                    self.kind.plural.clone()
                } else {
                    format!("{}/{}", self.kind.plural, self.write.subresource)
                },
                namespace: self.write.namespace.clone(),
                name: self.name.clone(),
                uid: String::new(),
            },
            detail: audit::on_behalf(self.user),
            ..Record::default()
        }
    }

    /// The rules that were asked, as `rule:<policy>/<rule>` and what each said.
    fn evaluated(&self) -> Vec<(String, String)> {
        self.evaluated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what is about to happen, commits it and writes down what came of it. Nothing is stored unless the
    /// intent is on disk. Once the intent is queued, all of it happens, whether or not somebody waits: the ledger's thread hands
    /// the transaction to the store's, and that one the outcome to the ledger.
    ///
    /// Tells the intent, where there is a ledger.
    ///
    /// # Errors
    /// The intent could not be recorded; the inner error is the store's.
    pub(super) async fn commit_recorded(
        &self,
        txn: Txn,
        before: Option<&Entry>,
        after: Option<&[u8]>,
    ) -> Result<(Option<Logged>, Result<Committed, StoreError>), Status> {
        let store = &self.plane.inner.store;
        let Some(ledger) = self.plane.ledger() else {
            return Ok((None, store.commit(txn).await));
        };
        let record = self.intent(before, after);
        let (before_digest, after_digest) = (record.before.clone(), record.after.clone());
        let mut outcome = self.record(Phase::Outcome);
        let done_code = if before.is_some() { 200 } else { 201 };
        let (reply, answer) = oneshot::channel();
        let (store, outcomes, clock) = (store.clone(), ledger.appender(), self.plane.clock().clone());
        let then = move |intent: Result<u64, LedgerError>| {
            let intent = match intent {
                Ok(intent) => intent,
                Err(error) => return drop(reply.send(Err(error))),
            };
            outcome.of = Some(intent);
            let done = move |committed: Result<Committed, StoreError>| {
                outcome.time = clock.now().to_string();
                settle(&mut outcome, done_code, &committed);
                if let Err(error) = outcomes.append_buffered(&outcome) {
                    tracing::error!(%error, intent, "the outcome of a change could not be recorded");
                }
                let logged = Logged {
                    index: intent,
                    before: before_digest,
                    after: after_digest,
                };
                drop(reply.send(Ok((Some(logged), committed))));
            };
            store.submit(txn, Box::new(done));
        };
        let queued = ledger.append_then(&record, then).await;
        let committed = match queued {
            Ok(()) => answer.await.unwrap_or(Err(LedgerError::Closed)),
            Err(error) => Err(error),
        };
        committed.map_err(|error| {
            tracing::error!(%error, "the ledger refused an intent; the change was not made");
            fault::internal(format!(
                "the change was not made because it could not be recorded: {error}"
            ))
        })
    }

    fn intent(&self, before: Option<&Entry>, after: Option<&[u8]>) -> Record {
        let mut record = self.record(Phase::Intent);
        record.decision = Verdict {
            allowed: true,
            by: self.decision.reason.clone(),
            message: String::new(),
        };
        // Digests cover the stored form (without resource version); its first four bytes are an offset.
        record.before = before
            .map(|entry| digest(entry.value.get(4..).unwrap_or_default()))
            .unwrap_or_default();
        record.after = after
            .map(|bytes| digest(bytes.get(4..).unwrap_or_default()))
            .unwrap_or_default();
        record.detail.extend(self.evaluated());
        if let Some(entry) = before {
            record
                .detail
                .insert("beforeRevision".into(), entry.mod_revision.to_string());
        }
        record
    }

    /// Records a refusal and hands it on.
    pub(super) async fn refused(&self, status: Status) -> Status {
        self.record_refusal(&status).await;
        status
    }

    /// Records a refusal, and tells the index of its entry.
    pub(super) async fn record_refusal(&self, status: &Status) -> Option<u64> {
        if self.write.options.dry_run {
            return None;
        }
        self.plane.inner.metrics.refused(self.verb);
        let ledger = self.plane.ledger()?;
        let mut record = self.record(Phase::Event);
        record.code = status.code();
        record.detail.extend(self.evaluated());
        let by = status
            .causes
            .iter()
            .map(|c| c.reason.as_str())
            .collect::<Vec<_>>()
            .join(", ");
        record.decision = Verdict {
            allowed: false,
            by,
            message: status.message.clone(),
        };
        match ledger.append(&record).await {
            Ok(index) => Some(index),
            Err(error) => {
                tracing::error!(%error, "a refusal could not be recorded");
                None
            }
        }
    }
}
