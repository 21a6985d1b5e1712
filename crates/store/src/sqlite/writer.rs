//! The writer thread: evaluates waiting transactions in order, makes them durable together, then publishes them.
//!
//! Memory changes only after SQLite has committed. When a write fails, the connection is opened again and the file is
//! asked what it holds: a failed commit is either wholly there (then it is published as done) or wholly absent.

use std::io;
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior, params};
use tokio::sync::{mpsc, oneshot};

use super::checkpointer::{self, Due};
use super::database::{Database, stored_revision};
use super::history::{changes, id_of};
use super::{FaultPoint, Faults, Past};
use crate::error::StoreError;
use crate::model::{KeyRange, Revision, Txn};
use crate::state::{Batch, Commit};
use crate::store::Done;

/// The most transactions in one group commit.
const GROUP: usize = 512;

/// How many row ids one step of a compaction examines between two group commits, in revisions.
const COMPACTION_STEP: u64 = 2048;

/// Work for the writer.
pub(crate) enum Job {
    Commit {
        txn: Txn,
        done: Done,
    },
    Compact {
        revision: Revision,
        reply: oneshot::Sender<Result<(), StoreError>>,
    },
}

enum Failure {
    Io(io::Error),
    Sql(rusqlite::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// A compaction under way.
struct Compaction {
    revision: Revision,
    /// Rows up to this revision have been examined.
    done: Revision,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

/// The owner of the writing connection.
pub(crate) struct Writer {
    past: Arc<Past>,
    database: Database,
    /// `None` after a failure, until the file could be opened again.
    connection: Option<Connection>,
    faults: Arc<dyn Faults>,
    checkpoint: Due,
    compactions: Vec<Compaction>,
}

impl Writer {
    pub(crate) fn new(
        past: Arc<Past>,
        database: Database,
        connection: Connection,
        checkpoint: Due,
        faults: Arc<dyn Faults>,
    ) -> Self {
        Self {
            past,
            database,
            connection: Some(connection),
            faults,
            checkpoint,
            compactions: Vec::new(),
        }
    }

    /// Works until the store is dropped and the queue is empty.
    pub(crate) fn run(mut self, mut queue: mpsc::UnboundedReceiver<Job>) {
        let mut group = Vec::new();
        loop {
            // A running compaction takes a step between groups instead of making committers wait for all of it.
            let first = if self.compactions.is_empty() {
                queue.blocking_recv()
            } else {
                queue.try_recv().ok()
            };
            let mut next = first;
            while let Some(job) = next {
                match job {
                    Job::Commit { txn, done } => group.push((txn, done)),
                    Job::Compact { revision, reply } => self.begin_compaction(revision, reply),
                }
                next = if group.len() < GROUP {
                    queue.try_recv().ok()
                } else {
                    None
                };
            }
            if group.is_empty() && self.compactions.is_empty() && queue.is_closed() && queue.is_empty() {
                return;
            }
            if !group.is_empty() {
                self.commit(&mut group);
            }
            self.step_compaction();
        }
    }

    fn commit(&mut self, group: &mut Vec<(Txn, Done)>) {
        if let Err(error) = self.ensure_connection() {
            for (_, done) in group.drain(..) {
                done(Err(error.clone()));
            }
            return;
        }
        let (batch, answers) = {
            let state = self.past.core.read();
            let mut batch = Batch::on(&state);
            let answers: Vec<_> = group
                .drain(..)
                .map(|(txn, done)| (batch.evaluate(&state, txn), done))
                .collect();
            (batch, answers)
        };
        let failed = if batch.commits().is_empty() {
            None
        } else {
            match self.write(batch.commits()) {
                Ok(()) => {
                    self.past.core.publish(batch.commits());
                    None
                }
                Err(failure) => self.settle(failure, batch.revision()),
            }
        };
        for (answer, done) in answers {
            // Also a conflict may have been caused by a write of the same group that did not happen.
            done(failed.clone().map_or(answer, Err));
        }
    }

    /// Makes commits durable in one SQLite transaction.
    fn write(&mut self, commits: &[Commit]) -> Result<(), Failure> {
        let Some(connection) = &mut self.connection else {
            return Err(io::Error::from(io::ErrorKind::NotConnected).into());
        };
        self.faults.strike(FaultPoint::BeforeWrite)?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO change (id, key, create_revision, version, value) VALUES (?1, ?2, ?3, ?4, ?5)",
            )?;
            for commit in commits {
                for (position, event) in commit.events.iter().enumerate() {
                    let id = id_of(commit.revision, position);
                    let entry = event.entry.as_deref();
                    insert.execute(params![
                        id,
                        &event.key[..],
                        entry.map_or(0, |entry| entry.create_revision.0.cast_signed()),
                        entry.map_or(0, |entry| entry.version.cast_signed()),
                        entry.map(|entry| &entry.value[..]),
                    ])?;
                }
            }
        }
        self.faults.strike(FaultPoint::BeforeCommit)?;
        transaction.commit()?;
        self.faults.strike(FaultPoint::AfterCommit)?;
        if self.checkpoint.wrote(commits)
            && let Err(error) = checkpointer::copy(connection)
        {
            tracing::warn!(%error, "the rest of the write-ahead log could not be copied; it is tried again");
        }
        Ok(())
    }

    /// After a failed write: the error for the group, or `None` when the write turns out to be durable up to `wanted`.
    fn settle(&mut self, failure: Failure, wanted: Revision) -> Option<StoreError> {
        let error = self.explain(failure);
        tracing::warn!(%error, "a group commit failed; reopening the database");
        self.connection = None;
        if let Err(error) = self.ensure_connection() {
            tracing::error!(%error, "the database cannot be opened again; writes fail until it can");
        }
        (self.past.core.read().revision() < wanted).then_some(error)
    }

    fn explain(&self, failure: Failure) -> StoreError {
        match failure {
            Failure::Io(error) => self.database.io_error("write", &error),
            Failure::Sql(error) => self.database.error("write", error),
        }
    }

    /// Opens the database again after a failure, and publishes what turns out to be in it.
    fn ensure_connection(&mut self) -> Result<(), StoreError> {
        if self.connection.is_some() {
            return Ok(());
        }
        self.faults
            .strike(FaultPoint::Reopen)
            .map_err(|error| self.database.io_error("reopen", &error))?;
        let connection = self.database.open()?;
        let attempt = |error| self.database.error("reread", error);
        let stored = stored_revision(&connection).map_err(attempt)?;
        loop {
            let known = self.past.core.read().revision();
            if known >= stored {
                break;
            }
            let found = changes(&connection, &KeyRange::all(), known, stored).map_err(attempt)?;
            let mut commits: Vec<Commit> = Vec::new();
            for event in found.events {
                match commits.last_mut() {
                    Some(commit) if commit.revision == event.revision => commit.events.push(event),
                    _ => commits.push(Commit {
                        revision: event.revision,
                        events: vec![event],
                    }),
                }
            }
            let continues = commits
                .iter()
                .zip(known.0 + 1..)
                .all(|(commit, revision)| commit.revision.0 == revision);
            if commits.is_empty() || !continues {
                let reason = format!("the revisions after {known} are not contiguous");
                return Err(StoreError::Corrupt {
                    path: self.database.path.clone(),
                    reason,
                });
            }
            self.past.core.publish(&commits);
        }
        self.connection = Some(connection);
        Ok(())
    }

    fn begin_compaction(&mut self, revision: Revision, reply: oneshot::Sender<Result<(), StoreError>>) {
        let started = {
            let mut state = self.past.core.write();
            if revision <= state.compacted() {
                let _ = reply.send(Ok(()));
                return;
            }
            // Readers are refused before rows go, so that no reader sees a hole.
            state.resolve(Some(revision)).map(|_| state.compact(revision))
        };
        let marked = started
            .and_then(|()| self.ensure_connection())
            .and_then(|()| self.mark_compacted(revision));
        match marked {
            Ok(()) => self.compactions.push(Compaction {
                revision,
                done: Revision(0),
                reply,
            }),
            Err(error) => {
                let _ = reply.send(Err(error));
            }
        }
    }

    fn mark_compacted(&self, revision: Revision) -> Result<(), StoreError> {
        let Some(connection) = &self.connection else {
            return Err(StoreError::Closed);
        };
        connection
            .execute(
                "UPDATE meta SET number = ?1 WHERE name = 'compacted'",
                [revision.0.cast_signed()],
            )
            .map(|_| ())
            .map_err(|error| self.database.error("compact", error))
    }

    /// Removes one stretch of unneeded rows for the oldest running compaction.
    fn step_compaction(&mut self) {
        if self.compactions.is_empty() {
            return;
        }
        let mut compaction = self.compactions.remove(0);
        let upto = Revision(compaction.done.0 + COMPACTION_STEP).min(compaction.revision);
        let removed = self.ensure_connection().and_then(|()| self.remove(&compaction, upto));
        match removed {
            Ok(()) if upto == compaction.revision => {
                let _ = compaction.reply.send(Ok(()));
            }
            Ok(()) => {
                compaction.done = upto;
                self.compactions.insert(0, compaction);
            }
            Err(error) => {
                let _ = compaction.reply.send(Err(error));
            }
        }
    }

    /// Removes the rows of `done < revision <= upto` that were overwritten by the compacted revision, and deletions.
    /// Going upwards, a deletion goes after the rows that it hides, so a crash in between brings nothing back.
    fn remove(&self, compaction: &Compaction, upto: Revision) -> Result<(), StoreError> {
        let Some(connection) = &self.connection else {
            return Err(StoreError::Closed);
        };
        connection
            .prepare_cached(
                "DELETE FROM change WHERE id >= ?1 AND id < ?2 AND (value IS NULL OR EXISTS (
                     SELECT 1 FROM change AS later
                     WHERE later.key = change.key AND later.id > change.id AND later.id < ?3))",
            )
            .and_then(|mut statement| {
                statement.execute(params![
                    id_of(compaction.done.next(), 0),
                    id_of(upto.next(), 0),
                    id_of(compaction.revision.next(), 0),
                ])
            })
            .map(|_| ())
            .map_err(|error| self.database.error("compact", error))
    }
}
