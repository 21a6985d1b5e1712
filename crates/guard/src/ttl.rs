//! The label that says how long an object lives: `cleanup.kyverno.io/ttl`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::{Change, ListOptions, Reflector};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;

use crate::alarm::What;
use crate::exempt;
use crate::guard::Shared;
use crate::policies::created;
use crate::source::{reference, text};

/// The label.
pub(crate) const LABEL: &str = "cleanup.kyverno.io/ttl";

/// A length of time such as `90s`, `1h30m` or `7d`.
pub(crate) fn duration(text: &str) -> Option<SignedDuration> {
    let mut total = 0f64;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        total += number
            * match &rest[..end] {
                "ms" => 0.001,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                "w" => 604_800.0,
                _ => return None,
            };
        rest = &rest[end..];
    }
    SignedDuration::try_from_secs_f64(total).ok()
}

/// When an object with this label value ends that was made at a time.
pub(crate) fn ends(value: &str, created: Timestamp) -> Result<Timestamp, String> {
    if let Some(lifetime) = duration(value) {
        return created
            .checked_add(lifetime)
            .map_err(|_| format!("{value:?} is longer than time goes; write a shorter one such as 7d"));
    }
    let at = DateTime::strptime("%Y-%m-%dT%H%M%SZ", value)
        .or_else(|_| Date::strptime("%Y-%m-%d", value).map(|date| date.at(0, 0, 0, 0)))
        .ok()
        .and_then(|at| TimeZone::UTC.to_timestamp(at).ok());
    at.ok_or_else(|| {
        format!(
            "{value:?} says no time to live; write a length such as 90s, 1h30m or 7d, a day such as 2027-01-31, or a \
             time such as 2027-01-31T180000Z"
        )
    })
}

/// The label of an object.
pub(crate) fn label<'a>(object: Node<'a>) -> &'a str {
    text(object, &["metadata", "labels", LABEL])
}

/// When an object ends; `None` where nothing readable says so.
pub(crate) fn end_of(object: Node<'_>) -> Option<Timestamp> {
    let value = Some(label(object)).filter(|value| !value.is_empty())?;
    ends(value, created(object)).ok()
}

/// The labelled objects of all kinds.
#[derive(Default)]
pub(crate) struct Ttl(Mutex<BTreeMap<(String, String), Arc<Reflector>>>);

impl Ttl {
    /// Follows the labelled objects of all kinds that are served now.
    pub(crate) fn follow(&self, shared: &Arc<Shared>) {
        let table = shared.cluster.kinds();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(group, kind), _| table.by_kind(group, kind).is_some());
        for kind in table.kinds() {
            let key = (kind.gvk.group.clone(), kind.gvk.kind.clone());
            let usable = ["list", "watch", "delete"].iter().all(|verb| kind.allows(verb));
            let passing = matches!(&*key.1, "Event" | "Lease");
            if !usable || passing || known.contains_key(&key) {
                continue;
            }
            let Some(preferred) = table.by_kind(&key.0, &key.1) else {
                continue;
            };
            let gvk = preferred.gvk.clone();
            let options = ListOptions {
                labels: LABEL.to_owned(),
                ..ListOptions::default()
            };
            let (guard, of) = (Arc::downgrade(shared), gvk.clone());
            let tell = move |change: &Change| {
                if let Some(shared) = guard.upgrade() {
                    told(&shared, &of, change);
                }
            };
            known.insert(key, Reflector::start(shared.cluster.clone(), gvk, options, tell));
        }
    }

    /// Ends all following.
    pub(crate) fn stop(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn told(shared: &Shared, gvk: &Gvk, change: &Change) {
    let (namespace, name) = (&change.key.0, &change.key.1);
    let end = change
        .new
        .as_ref()
        .map(Doc::root)
        .filter(|_| !exempt::place(gvk, namespace, name))
        .and_then(end_of);
    shared.alarm.set(What::Ttl(reference(gvk, namespace, name)), end);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long() {
        let made: Timestamp = "2026-05-04T10:00:00Z".parse().unwrap();
        for (value, want) in [
            ("90s", Some("2026-05-04T10:01:30Z")),
            ("1h30m", Some("2026-05-04T11:30:00Z")),
            ("7d", Some("2026-05-11T10:00:00Z")),
            ("1.5h", Some("2026-05-04T11:30:00Z")),
            ("2026-06-01", Some("2026-06-01T00:00:00Z")),
            ("2026-06-01T083000Z", Some("2026-06-01T08:30:00Z")),
            ("soon", None),
            ("5", None),
            ("5x", None),
        ] {
            let end = ends(value, made).ok().map(|at| at.to_string());
            assert_eq!(end.as_deref(), want, "{value}");
        }
        assert!(ends("soon", made).unwrap_err().contains("1h30m"));
    }
}
