//! The database file: pragmas, schema, recognising foreign and damaged files, loading, and the words for its errors.
//!
//! One row of `change` is one key changed at one revision; its id is `revision << 20 | position in the transaction`.
//! A deletion is a row without a value. Compaction removes the rows that no readable revision needs.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension};

use super::history::{entry, revision_of};
use crate::error::StoreError;
use crate::model::{Entry, Revision};

/// Pages of write-ahead log after which the writer copies it itself.
const LONG_LOG: u32 = 8192;
/// "Ridg": marks the file as ours in the SQLite header.
const APPLICATION_ID: i32 = 0x5269_6467;
/// The schema that this release writes.
const SCHEMA_VERSION: u32 = 1;
const SCHEMA: &str = "
    CREATE TABLE change (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL,
        create_revision INTEGER NOT NULL,
        version INTEGER NOT NULL,
        value BLOB
    ) STRICT;
    CREATE UNIQUE INDEX change_by_key ON change (key, id);
    CREATE TABLE meta (name TEXT PRIMARY KEY, number INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('compacted', 1);
";

/// Which file, and how large it may grow.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    pub(crate) max_bytes: Option<u64>,
}

/// What a database holds.
pub(crate) struct Loaded {
    pub(crate) entries: Vec<Arc<Entry>>,
    pub(crate) revision: Revision,
    pub(crate) compacted: Revision,
}

impl Database {
    /// The writing connection, with the schema in place.
    pub(crate) fn open(&self) -> Result<Connection, StoreError> {
        let attempt = |error| self.error("open", error);
        let mut connection = Connection::open(&self.path).map_err(attempt)?;
        self.recognise(&mut connection)?;
        let mode: String = connection
            .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))
            .map_err(attempt)?;
        if mode != "wal" {
            return Err(StoreError::Storage {
                action: "enable write-ahead logging for",
                path: self.path.clone(),
                reason: format!("the file system gave journal mode {mode}"),
            });
        }
        connection.pragma_update(None, "synchronous", "FULL").map_err(attempt)?;
        // The checkpointer keeps the log short; only when it cannot keep up, the writer does it itself.
        connection
            .pragma_update_and_check(None, "wal_autocheckpoint", LONG_LOG, |_| Ok(()))
            .map_err(attempt)?;
        if let Some(max_bytes) = self.max_bytes {
            let page: u32 = connection
                .pragma_query_value(None, "page_size", |row| row.get(0))
                .map_err(attempt)?;
            let pages = u32::try_from(max_bytes / u64::from(page.max(1)))
                .unwrap_or(u32::MAX)
                .clamp(1, u32::MAX - 1);
            connection
                .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
                .map_err(attempt)?;
        }
        Ok(connection)
    }

    /// The connection that copies the write-ahead log into the file.
    pub(crate) fn open_checkpointer(&self) -> Result<Connection, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let attempt = |error| self.error("open", error);
        let connection = Connection::open_with_flags(&self.path, flags).map_err(attempt)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(attempt)?;
        Ok(connection)
    }

    /// The connection for reading history.
    pub(crate) fn open_reader(&self) -> Result<Connection, StoreError> {
        let attempt = |error| self.error("open", error);
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(attempt)?;
        connection.pragma_update(None, "query_only", true).map_err(attempt)?;
        Ok(connection)
    }

    /// Creates the schema in an empty file; refuses any file that is not ours.
    fn recognise(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let attempt = |error| self.error("open", error);
        let application: i32 = connection
            .pragma_query_value(None, "application_id", |row| row.get(0))
            .map_err(attempt)?;
        let found: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(attempt)?;
        let tables: u32 = connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
            .map_err(attempt)?;
        match (application, found) {
            (0, 0) if tables == 0 => {
                let transaction = connection.transaction().map_err(attempt)?;
                transaction.execute_batch(SCHEMA).map_err(attempt)?;
                transaction
                    .pragma_update(None, "application_id", APPLICATION_ID)
                    .map_err(attempt)?;
                transaction
                    .pragma_update(None, "user_version", SCHEMA_VERSION)
                    .map_err(attempt)?;
                transaction.commit().map_err(attempt)
            }
            (APPLICATION_ID, SCHEMA_VERSION) => Ok(()),
            (APPLICATION_ID, _) if found > SCHEMA_VERSION => Err(StoreError::NewerSchema {
                path: self.path.clone(),
                found,
                supported: SCHEMA_VERSION,
            }),
            _ => Err(StoreError::Foreign {
                path: self.path.clone(),
                reason: format!("an SQLite database with application id {application:#x} and schema version {found}"),
            }),
        }
    }

    /// Reads the current entries and the bounds of history.
    pub(crate) fn load(&self, connection: &Connection) -> Result<Loaded, StoreError> {
        let attempt = |error| self.error("load", error);
        let compacted: Option<i64> = connection
            .query_row("SELECT number FROM meta WHERE name = 'compacted'", [], |row| row.get(0))
            .optional()
            .map_err(attempt)?;
        let compacted = compacted.ok_or_else(|| self.corrupt("the compaction mark is missing"))?;
        let compacted = Revision(compacted.cast_unsigned());
        let revision = stored_revision(connection).map_err(attempt)?.max(compacted);
        let mut statement = connection
            .prepare(
                "SELECT c.id, c.key, c.create_revision, c.version, c.value
                 FROM (SELECT max(id) AS id FROM change GROUP BY key) AS latest JOIN change AS c ON c.id = latest.id
                 WHERE c.value IS NOT NULL",
            )
            .map_err(attempt)?;
        let rows = statement.query_map([], entry).map_err(attempt)?;
        let entries: Vec<_> = rows.collect::<Result<_, _>>().map_err(attempt)?;
        let broken = entries
            .iter()
            .find(|entry| entry.key.is_empty() || entry.version == 0 || entry.create_revision > entry.mod_revision);
        match broken {
            Some(entry) => Err(self.corrupt(&format!("the record {entry:?} contradicts itself"))),
            None => Ok(Loaded {
                entries,
                revision,
                compacted,
            }),
        }
    }

    fn corrupt(&self, reason: &str) -> StoreError {
        StoreError::Corrupt {
            path: self.path.clone(),
            reason: reason.to_owned(),
        }
    }

    /// What an SQLite error means for the caller.
    pub(crate) fn error(&self, action: &'static str, error: rusqlite::Error) -> StoreError {
        let path = self.path.clone();
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => StoreError::Foreign { path, reason },
            Some(ErrorCode::DatabaseCorrupt) => StoreError::Corrupt { path, reason },
            Some(ErrorCode::DiskFull) => StoreError::Full { path, reason },
            _ => StoreError::Storage { action, path, reason },
        }
    }

    /// What an operating system error means for the caller.
    pub(crate) fn io_error(&self, action: &'static str, error: &io::Error) -> StoreError {
        let path = self.path.clone();
        let reason = error.to_string();
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full { path, reason },
            _ => StoreError::Storage { action, path, reason },
        }
    }
}

/// The newest revision in the table; compaction may have removed it, then the compaction mark is newer.
pub(crate) fn stored_revision(connection: &Connection) -> rusqlite::Result<Revision> {
    let last: Option<i64> = connection.query_row("SELECT max(id) FROM change", [], |row| row.get(0))?;
    Ok(last.map_or(Revision::FIRST, revision_of))
}
