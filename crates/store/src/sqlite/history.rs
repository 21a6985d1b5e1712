//! Queries about the past, for what the memory window no longer holds.

use std::sync::Arc;

use bytes::Bytes;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::model::{Entry, KeyRange, Page, RangeRequest, Revision, WatchEvent};
use crate::state::{Changes, REPLAY_EVENTS};

/// Bits of a row id that hold the position inside the transaction.
const POSITION_BITS: u32 = 20;

/// The id of a change.
pub(crate) fn id_of(revision: Revision, position: usize) -> i64 {
    ((revision.0 << POSITION_BITS) | position as u64).cast_signed()
}

/// The revision of a change.
pub(crate) fn revision_of(id: i64) -> Revision {
    Revision(id.cast_unsigned() >> POSITION_BITS)
}

/// Reads `id, key, create_revision, version, value` of a row with a value.
pub(crate) fn entry(row: &Row<'_>) -> rusqlite::Result<Arc<Entry>> {
    Ok(Arc::new(Entry {
        key: Bytes::from(row.get::<_, Vec<u8>>(1)?),
        value: Bytes::from(row.get::<_, Vec<u8>>(4)?),
        create_revision: Revision(row.get::<_, i64>(2)?.cast_unsigned()),
        mod_revision: revision_of(row.get(0)?),
        version: row.get::<_, i64>(3)?.cast_unsigned(),
    }))
}

/// As [`entry`]; a deletion has none.
fn entry_or_deletion(row: &Row<'_>) -> rusqlite::Result<Option<Arc<Entry>>> {
    match row.get_ref(4)? {
        rusqlite::types::ValueRef::Null => Ok(None),
        _ => entry(row).map(Some),
    }
}

/// The newest state of `key` below a row id.
fn latest_before(connection: &Connection, key: &[u8], id: i64) -> rusqlite::Result<Option<Arc<Entry>>> {
    connection
        .prepare_cached(
            "SELECT id, key, create_revision, version, value FROM change
             WHERE key = ?1 AND id < ?2 ORDER BY id DESC LIMIT 1",
        )?
        .query_row(params![key, id], entry_or_deletion)
        .optional()
        .map(Option::flatten)
}

/// The entry of `key` at a revision.
pub(crate) fn get(connection: &Connection, key: &[u8], at: Revision) -> rusqlite::Result<Option<Arc<Entry>>> {
    latest_before(connection, key, id_of(at.next(), 0))
}

/// The SQL condition for a key range and its parameters, numbered from ?1.
fn within(keys: &KeyRange) -> (&'static str, Vec<Value>) {
    let start = Value::Blob(keys.start.to_vec());
    match &keys.end {
        Some(end) => ("key >= ?1 AND key < ?2", vec![start, Value::Blob(end.to_vec())]),
        None => ("key >= ?1", vec![start]),
    }
}

/// A page at a revision.
pub(crate) fn range(connection: &Connection, request: &RangeRequest, at: Revision) -> rusqlite::Result<Page> {
    let (condition, mut values) = within(&request.keys);
    values.push(Value::Integer(id_of(at.next(), 0)));
    let bound = values.len();
    let snapshot = format!(
        "FROM (SELECT key, max(id) AS id FROM change WHERE {condition} AND id < ?{bound} GROUP BY key) AS latest
         JOIN change AS c ON c.id = latest.id WHERE c.value IS NOT NULL"
    );
    let total: i64 = connection
        .prepare_cached(&format!("SELECT count(*) {snapshot}"))?
        .query_row(params_from_iter(&values), |row| row.get(0))?;
    let mut entries = Vec::new();
    if !request.count_only {
        values.push(Value::Integer(i64::try_from(request.capacity()).unwrap_or(-1)));
        let limit = values.len();
        entries = connection
            .prepare_cached(&format!(
                "SELECT c.id, c.key, c.create_revision, c.version, c.value {snapshot}
                 ORDER BY latest.key LIMIT ?{limit}"
            ))?
            .query_map(params_from_iter(&values), entry)?
            .collect::<Result<_, _>>()?;
    }
    let remaining = total.cast_unsigned().saturating_sub(entries.len() as u64);
    Ok(Page {
        entries,
        more: remaining > 0,
        remaining,
        revision: at,
    })
}

/// Some of the events with `after < revision <= until`, cut at a revision boundary.
pub(crate) fn changes(
    connection: &Connection,
    keys: &KeyRange,
    after: Revision,
    until: Revision,
) -> rusqlite::Result<Changes> {
    let (condition, mut values) = within(keys);
    values.push(Value::Integer(id_of(after.next(), 0)));
    values.push(Value::Integer(id_of(until.next(), 0)));
    let (low, high) = (values.len() - 1, values.len());
    // `+key` keeps SQLite on the row ids: a stretch of history is short, the history of a key range may be long.
    let condition = condition.replace("key", "+key");
    let cut: Option<i64> = connection
        .prepare_cached(&format!(
            "SELECT id FROM change WHERE id >= ?{low} AND id < ?{high} AND {condition}
             ORDER BY id LIMIT 1 OFFSET {}",
            REPLAY_EVENTS - 1
        ))?
        .query_row(params_from_iter(&values), |row| row.get(0))
        .optional()?;
    let upto = cut.map_or(until, revision_of);
    if let Some(last) = values.last_mut() {
        *last = Value::Integer(id_of(upto.next(), 0));
    }
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, key, create_revision, version, value FROM change
         WHERE id >= ?{low} AND id < ?{high} AND {condition} ORDER BY id"
    ))?;
    let mut rows = statement.query(params_from_iter(&values))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        let key: Vec<u8> = row.get(1)?;
        let prev = latest_before(connection, &key, id)?;
        let entry = entry_or_deletion(row)?;
        events.push(Arc::new(WatchEvent {
            revision: revision_of(id),
            key: key.into(),
            prev,
            entry,
        }));
    }
    Ok(Changes { events, upto })
}
