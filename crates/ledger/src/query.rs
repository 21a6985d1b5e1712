//! Questions to the ledger, newest first, over a small row per entry in memory.
//!
//! A row holds hashes of the texts that are asked for, not the texts, so it has a fixed size; an entry that a row lets
//! through is read and compared in full.

use std::hash::{DefaultHasher, Hash as _, Hasher};

use jiff::Timestamp;
use serde::Serialize;

use crate::entry::{Entry, Phase, main_resource};

/// What to look for. Empty parts match everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
    /// User name.
    pub actor: String,
    /// Verb.
    pub verb: String,
    /// API group.
    pub group: Option<String>,
    /// Plural resource; without `/` also its subresources.
    pub resource: String,
    /// Namespace.
    pub namespace: String,
    /// Object name.
    pub name: String,
    /// What the change goes back to.
    pub causality: String,
    /// Only entries of this phase.
    pub phase: Option<Phase>,
    /// Leave out the outcomes: an intent stands for the whole, and [`Record::outcome`] leads to the rest.
    pub without_outcomes: bool,
    /// How it ended; an intent is judged by its outcome.
    pub outcome: Option<Outcome>,
    /// Only entries before this index: where the page before ended.
    pub before: Option<u64>,
    /// At most so many; 0 means 100.
    pub limit: usize,
}

/// How something ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was allowed and worked.
    Success,
    /// It was refused or failed.
    Failure,
    /// An intent without a recorded outcome: still under way, or cut off by a crash.
    Open,
}

/// An entry with its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its index.
    pub index: u64,
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// For an intent: the index of its outcome, once there is one.
    #[serde(rename = "outcomeIndex", skip_serializing_if = "Option::is_none")]
    pub outcome: Option<u64>,
    /// How it ended.
    pub result: Outcome,
}

/// One page of an answer, newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryPage {
    /// The entries.
    pub records: Vec<Record>,
    /// [`Query::before`] for the next page; `None` when this is the last.
    pub next: Option<u64>,
    /// How many entries the ledger had.
    pub len: u64,
}

const NONE: u64 = u64::MAX;

/// What is known of an entry without reading it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Microseconds; `i64::MIN` when the entry's time is not one.
    time: i64,
    causality: u64,
    actor: u32,
    verb: u32,
    group: u32,
    resource: u32,
    namespace: u32,
    name: u32,
    /// For an intent: its outcome's index. For an outcome: its intent's.
    other: u64,
    phase: Phase,
    success: bool,
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

fn short(text: &str) -> u32 {
    hash(text) as u32
}

impl Row {
    pub(crate) fn of(entry: &Entry) -> Row {
        Row {
            time: entry
                .time
                .parse::<Timestamp>()
                .map_or(i64::MIN, Timestamp::as_microsecond),
            causality: hash(&entry.causality),
            actor: short(&entry.actor.user),
            verb: short(&entry.verb),
            group: short(&entry.object.group),
            resource: short(entry.object.main_resource()),
            namespace: short(&entry.object.namespace),
            name: short(&entry.object.name),
            other: entry.of.unwrap_or(NONE),
            phase: entry.phase,
            success: entry.decision.allowed && entry.code < 400,
        }
    }
}

/// The rows of all entries.
#[derive(Debug, Default)]
pub(crate) struct Rows(Vec<Row>);

impl Rows {
    pub(crate) fn push(&mut self, row: Row) {
        let index = self.0.len() as u64;
        if row.phase == Phase::Outcome
            && let Some(intent) = self.intent_mut(row.other)
        {
            intent.other = index;
        }
        self.0.push(row);
    }

    fn intent_mut(&mut self, index: u64) -> Option<&mut Row> {
        self.0
            .get_mut(usize::try_from(index).ok()?)
            .filter(|row| row.phase == Phase::Intent)
    }

    /// The outcome of an intent.
    pub(crate) fn outcome_of(&self, index: u64) -> Option<u64> {
        let row = self.row(index)?;
        (row.phase == Phase::Intent && row.other != NONE).then_some(row.other)
    }

    fn row(&self, index: u64) -> Option<&Row> {
        self.0.get(usize::try_from(index).ok()?)
    }

    pub(crate) fn result(&self, index: u64) -> Outcome {
        let judged = match self.row(index) {
            Some(row) if row.phase == Phase::Intent => self.outcome_of(index).and_then(|outcome| self.row(outcome)),
            row => row,
        };
        match judged {
            None => Outcome::Open,
            Some(row) if row.success => Outcome::Success,
            Some(_) => Outcome::Failure,
        }
    }

    /// The newest candidates before an index: entries that may match.
    pub(crate) fn candidates(&self, query: &Query, before: u64, limit: usize) -> Vec<u64> {
        let wanted = Wanted::of(query);
        let end = usize::try_from(before).unwrap_or(usize::MAX).min(self.0.len());
        let rows = self.0[..end].iter().enumerate().rev();
        rows.filter(|(index, row)| wanted.admits(row) && query.outcome.is_none_or(|o| o == self.result(*index as u64)))
            .map(|(index, _)| index as u64)
            .take(limit)
            .collect()
    }
}

/// A query in hashes.
struct Wanted {
    since: i64,
    until: i64,
    causality: Option<u64>,
    actor: Option<u32>,
    verb: Option<u32>,
    group: Option<u32>,
    resource: Option<u32>,
    namespace: Option<u32>,
    name: Option<u32>,
    phase: Option<Phase>,
    without_outcomes: bool,
}

impl Wanted {
    fn of(query: &Query) -> Wanted {
        let some = |text: &str| (!text.is_empty()).then(|| short(text));
        Wanted {
            since: query.since.map_or(i64::MIN, Timestamp::as_microsecond),
            until: query.until.map_or(i64::MAX, Timestamp::as_microsecond),
            causality: (!query.causality.is_empty()).then(|| hash(&query.causality)),
            actor: some(&query.actor),
            verb: some(&query.verb),
            group: query.group.as_deref().map(short),
            resource: some(main_resource(&query.resource)),
            namespace: some(&query.namespace),
            name: some(&query.name),
            phase: query.phase,
            without_outcomes: query.without_outcomes,
        }
    }

    fn admits(&self, row: &Row) -> bool {
        row.time >= self.since
            && row.time < self.until
            && self.name.is_none_or(|name| name == row.name)
            && self.actor.is_none_or(|actor| actor == row.actor)
            && self.causality.is_none_or(|causality| causality == row.causality)
            && self.namespace.is_none_or(|namespace| namespace == row.namespace)
            && self.resource.is_none_or(|resource| resource == row.resource)
            && self.group.is_none_or(|group| group == row.group)
            && self.verb.is_none_or(|verb| verb == row.verb)
            && self.phase.is_none_or(|phase| phase == row.phase)
            && !(self.without_outcomes && row.phase == Phase::Outcome)
    }
}

impl Query {
    /// Whether the texts match in full (times, phases and outcomes are exact in the rows).
    pub(crate) fn accepts(&self, entry: &Entry) -> bool {
        let same = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let object = &entry.object;
        same(&self.actor, &entry.actor.user)
            && same(&self.verb, &entry.verb)
            && self.group.as_deref().is_none_or(|group| group == object.group)
            && (same(&self.resource, &object.resource) || self.resource == object.main_resource())
            && same(&self.namespace, &object.namespace)
            && same(&self.name, &object.name)
            && same(&self.causality, &entry.causality)
    }
}
