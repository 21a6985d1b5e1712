//! The journal of a platform's own admissions, checked against its ledger.

use std::path::Path;

use anyhow::{Context, Result};
use ridgeway_doc::Node;
use ridgeway_ledger::Entry;
use ridgeway_policy::Operation;
use ridgeway_policy::replay::{Admission, Replayed};

use super::{Bench, Problem, put};
use crate::Exit;
use crate::up::ADMISSIONS;

/// What the journal itself says.
pub(super) struct Told {
    /// Admissions that were left out of it.
    pub(super) missed: u64,
    /// Whether its records were checked against the ledger.
    pub(super) checked: bool,
}

/// Puts the journal in a platform's data directory before the rules.
pub(super) fn replay(data: &Path, bench: &Bench, replayed: &mut Replayed, problems: &mut Vec<Problem>) -> Result<Told> {
    let folder = data.join(ADMISSIONS);
    if !folder.is_dir() {
        let why = format!(
            "{} keeps no admissions: name the data directory of a platform (`ridgeway up --data-dir`) that does not run \
             with --admissions-mib 0",
            data.display()
        );
        return Err(Exit::unusable(why).into());
    }
    // The journal first: whatever it tells of is in the ledger by then.
    let mut texts = Vec::new();
    for text in ridgeway_ledger::journal::read(&folder)? {
        texts.push(text?);
    }
    let ledger = data.join("ledger");
    let entries = match ledger.is_dir() {
        true => {
            let (_, bodies) = ridgeway_ledger::read_dir(&ledger)
                .with_context(|| format!("the ledger in {} cannot be trusted", ledger.display()))?;
            Some(bodies)
        }
        false => None,
    };
    let check = |admission: &Admission| match &entries {
        Some(entries) => check(admission, entries),
        None => Ok(()),
    };
    let mut missed = 0;
    for (path, text) in &texts {
        // Lines of the journal's own are blank for whoever counts lines.
        let own = |line: &str| ridgeway_ledger::journal::missed(line);
        missed += text.lines().filter_map(own).sum::<u64>();
        let records: Vec<&str> = text
            .lines()
            .map(|line| if own(line).is_some() { "" } else { line })
            .collect();
        let shown = path.display().to_string();
        put(&shown, records.join("\n").as_bytes(), &check, bench, replayed, problems)?;
    }
    Ok(Told {
        missed,
        checked: entries.is_some(),
    })
}

/// Whether the ledger's entry says the same as a record, as far as both say it.
fn check(admission: &Admission, entries: &[Vec<u8>]) -> Result<(), String> {
    let Some(said) = admission.ledger() else {
        return Ok(());
    };
    let index = said.get("index").and_then(Node::as_i64).unwrap_or(-1);
    let body = usize::try_from(index).ok().and_then(|index| entries.get(index));
    let entry: Entry = body
        .and_then(|body| serde_json::from_slice(body).ok())
        .ok_or_else(|| format!("the ledger has no entry {index}, which it names; it is left out"))?;
    let digest = |key: &str| said.str_at(&[key]).unwrap_or_default();
    let deletes = (entry.verb == "delete") == (admission.operation == Operation::Delete);
    let what = [
        ("user", entry.actor.user == admission.user),
        ("operation", deletes),
        ("namespace", entry.object.namespace == admission.namespace),
        ("name", entry.object.name == admission.name),
        ("decision", entry.decision.allowed == admission.allowed),
        ("object before", entry.before == digest("before")),
        ("object after", entry.after == digest("after")),
    ];
    match what.iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(format!(
            "the ledger's entry {index} tells of another {what} than the record; it is left out"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_the_ledger_does_not_know_is_left_out() {
        let record = |index: u32, after: &str, user: &str| {
            Admission::read(&format!(
                r#"{{"ledger":{{"index":{index},"after":"{after}"}},"request":{{"operation":"CREATE","kind":{{"kind":"Pod"}},
                "name":"a","userInfo":{{"username":"{user}"}},"object":{{}}}}}}"#
            ))
            .unwrap()
        };
        let entry = Entry {
            verb: "create".into(),
            actor: ridgeway_ledger::Actor {
                user: "ann".into(),
                ..Default::default()
            },
            object: ridgeway_ledger::ObjectId {
                name: "a".into(),
                ..Default::default()
            },
            decision: ridgeway_ledger::Verdict {
                allowed: true,
                ..Default::default()
            },
            after: "d1".into(),
            ..Entry::default()
        };
        let entries = [serde_json::to_vec(&entry).unwrap()];
        assert_eq!(check(&record(0, "d1", "ann"), &entries), Ok(()));
        for (record, want) in [
            (record(1, "d1", "ann"), "no entry 1"),
            (record(0, "d2", "ann"), "another object after"),
            (record(0, "d1", "bob"), "another user"),
        ] {
            let why = check(&record, &entries).unwrap_err();
            assert!(why.contains(want), "{why}");
        }
    }
}
