//! Entries about requests that change no object: what was refused before there was a change, and tokens that were issued.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use ridgeway_cluster::{Causality, Identity, Status};
use ridgeway_ledger::{Actor, Entry, ObjectId, Phase, Verdict};

use crate::access::Question;
use crate::plane::ControlPlane;

/// A client that keeps asking to read what it may not is written down so often.
const ONCE_IN: SignedDuration = SignedDuration::from_secs(60);
/// How many refused reads are remembered for that.
const REMEMBERED: usize = 4096;

/// Refused reads that were written down lately.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<HashMap<u64, Timestamp>>);

impl Told {
    /// Whether this has not been told within the last minute; from now on it has.
    fn is_news(&self, what: u64, now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if told.get(&what).is_some_and(|last| now.duration_since(*last) < ONCE_IN) {
            return false;
        }
        if told.len() >= REMEMBERED {
            told.retain(|_, last| now.duration_since(*last) < ONCE_IN);
            if told.len() >= REMEMBERED {
                told.clear();
            }
        }
        told.insert(what, now);
        true
    }
}

/// Who acts, as the ledger writes it.
pub(crate) fn actor(user: &Identity) -> Actor {
    Actor {
        user: user.name.clone(),
        groups: user.groups.clone(),
        source: user.source.clone(),
    }
}

/// What more there is to say about who acts.
pub(crate) fn on_behalf(user: &Identity) -> BTreeMap<String, String> {
    let by = user.impersonator.iter();
    by.map(|by| ("impersonatedBy".to_owned(), by.clone())).collect()
}

fn object(question: Question<'_>) -> ObjectId {
    let resource = match (question.resource, question.subresource) {
        ("", _) => question.path.to_owned(),
        (resource, "") => resource.to_owned(),
        (resource, subresource) => format!("{resource}/{subresource}"),
    };
    ObjectId {
        group: question.group.into(),
        version: question.version.into(),
        resource,
        namespace: question.namespace.into(),
        name: question.name.into(),
        uid: String::new(),
    }
}

impl ControlPlane {
    /// Whether a request may do what it asks; a refusal is written down.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) async fn permit(
        &self,
        user: &Identity,
        causality: &Causality,
        question: Question<'_>,
    ) -> Result<(), Status> {
        let Err(status) = self.authorize(user, question) else {
            return Ok(());
        };
        let reads = matches!(question.verb, "get" | "list" | "watch");
        let mut hasher = DefaultHasher::new();
        (&user.name, &user.impersonator, question).hash(&mut hasher);
        if !reads || self.inner.told.is_news(hasher.finish(), self.now()) {
            let refused = Verdict {
                allowed: false,
                by: String::new(),
                message: status.message.clone(),
            };
            self.tell(user, causality, question, status.code(), refused, BTreeMap::new())
                .await;
        }
        Err(status)
    }

    /// Writes down a request that is whole in itself.
    pub(crate) async fn tell(
        &self,
        user: &Identity,
        causality: &Causality,
        question: Question<'_>,
        code: u16,
        decision: Verdict,
        mut detail: BTreeMap<String, String>,
    ) {
        let Some(ledger) = self.ledger() else { return };
        detail.extend(on_behalf(user));
        let entry = Entry {
            time: self.now().to_string(),
            causality: causality.as_str().into(),
            phase: Phase::Event,
            actor: actor(user),
            verb: question.verb.into(),
            object: object(question),
            decision,
            code,
            detail,
            ..Entry::default()
        };
        if let Err(error) = ledger.append(&entry).await {
            tracing::error!(%error, verb = question.verb, "a request could not be recorded");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refused_read_is_news_once_a_minute() {
        let told = Told::default();
        let start = crate::testing::now();
        assert!(told.is_news(1, start));
        assert!(!told.is_news(1, start + SignedDuration::from_secs(59)));
        assert!(told.is_news(2, start));
        assert!(told.is_news(1, start + SignedDuration::from_secs(60)));
        for what in 0..2 * REMEMBERED as u64 {
            told.is_news(what, start);
        }
        assert!(told.0.lock().unwrap().len() <= REMEMBERED);
    }
}
