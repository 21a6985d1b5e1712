//! The ledger's part: an intent before anything is stored, an outcome after.

use std::sync::PoisonError;

use ridgeway_cluster::Status;
use ridgeway_ledger::{Actor, Entry as Record, ObjectId, Phase, Verdict};
use ridgeway_store::{Entry, Revision};

use super::Change;
use crate::fault;

/// SHA-256 as hexadecimal text.
fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    digest.as_ref().iter().fold(String::with_capacity(64), |mut out, b| {
        write!(out, "{b:02x}").expect("writing to a String cannot fail");
        out
    })
}

impl Change<'_> {
    fn record(&self, phase: Phase) -> Record {
        Record {
            time: self.plane.now().to_string(),
            causality: self.causality.as_str().into(),
            phase,
            actor: Actor {
                user: self.user.name.clone(),
                groups: self.user.groups.clone(),
                source: self.user.source.clone(),
            },
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
            detail: self
                .user
                .impersonator
                .iter()
                .map(|by| ("impersonatedBy".to_owned(), by.clone()))
                .collect(),
            ..Record::default()
        }
    }

    /// The rules that were asked, as `rule:<policy>/<rule>` and what each said.
    fn evaluated(&self) -> Vec<(String, String)> {
        self.evaluated.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Writes down what is about to happen; nothing is stored unless this is on disk.
    pub(super) async fn record_intent(
        &self,
        before: Option<&Entry>,
        after: Option<&[u8]>,
    ) -> Result<Option<u64>, Status> {
        let Some(ledger) = self.plane.ledger() else {
            return Ok(None);
        };
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
        ledger.append(&record).await.map(Some).map_err(|error| {
            tracing::error!(%error, "the ledger refused an intent; the change was not made");
            fault::internal(format!(
                "the change was not made because it could not be recorded: {error}"
            ))
        })
    }

    /// Writes down what came of it; durable with the next group of records.
    pub(super) fn record_outcome(&self, intent: Option<u64>, code: u16, message: &str, revision: Option<Revision>) {
        let (Some(ledger), Some(intent)) = (self.plane.ledger(), intent) else {
            return;
        };
        let mut record = self.record(Phase::Outcome);
        record.of = Some(intent);
        record.code = code;
        record.decision = Verdict {
            allowed: code < 400,
            by: String::new(),
            message: message.into(),
        };
        if let Some(revision) = revision {
            record.detail.insert("revision".into(), revision.to_string());
        }
        if let Err(error) = ledger.append_buffered(&record) {
            tracing::error!(%error, intent, "the outcome of a change could not be recorded");
        }
    }

    /// Records a refusal and hands it on.
    pub(super) async fn refused(&self, status: Status) -> Status {
        if self.write.options.dry_run {
            return status;
        }
        self.plane.inner.metrics.refused(self.verb);
        let Some(ledger) = self.plane.ledger() else {
            return status;
        };
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
        if let Err(error) = ledger.append(&record).await {
            tracing::error!(%error, "a refusal could not be recorded");
        }
        status
    }
}
