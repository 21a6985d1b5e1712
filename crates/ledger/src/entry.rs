//! The one shape of entry: who did what to which object, why it was allowed, and what came of it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One entry. Empty parts are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Entry {
    /// When, in RFC 3339. The ledger's clock fills it in when it is empty.
    pub time: String,
    /// What a chain of entries goes back to, such as `git:<sha>`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub causality: String,
    /// Before the effect, after it, or neither.
    pub phase: Phase,
    /// Who.
    #[serde(skip_serializing_if = "Actor::is_empty")]
    pub actor: Actor,
    /// Did what: `create`, `apply`, `delete`, `sign-in`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub verb: String,
    /// To which object.
    #[serde(skip_serializing_if = "ObjectId::is_empty")]
    pub object: ObjectId,
    /// What was decided, and by which rule.
    pub decision: Verdict,
    /// SHA-256 of the object before, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub before: String,
    /// SHA-256 of the object after, in hexadecimal.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub after: String,
    /// The HTTP status that was answered; 0 when there is none (yet).
    #[serde(skip_serializing_if = "is_zero")]
    pub code: u16,
    /// For an outcome: the index of its intent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// Whatever else is worth keeping.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub detail: BTreeMap<String, String>,
}

fn is_zero(code: &u16) -> bool {
    *code == 0
}

/// Where an entry stands relative to the effect it tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// About to happen; on disk before it does.
    Intent,
    /// What came of an intent.
    Outcome,
    /// Whole in itself: a refusal, a sign-in.
    #[default]
    Event,
}

/// Who acted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Actor {
    /// User name.
    pub user: String,
    /// The groups that counted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// Address and client, or `controller`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
}

impl Actor {
    fn is_empty(&self) -> bool {
        *self == Actor::default()
    }
}

/// Which object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectId {
    /// API group, empty for core.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// API version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Plural resource, with `/subresource` where one was meant.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource: String,
    /// Namespace.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Uid, where it is known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
}

impl ObjectId {
    fn is_empty(&self) -> bool {
        *self == ObjectId::default()
    }

    /// The resource without subresource.
    pub fn main_resource(&self) -> &str {
        main_resource(&self.resource)
    }
}

pub(crate) fn main_resource(resource: &str) -> &str {
    resource.split_once('/').map_or(resource, |(main, _)| main)
}

/// What was decided.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Verdict {
    /// Whether it was allowed (for an outcome: whether it worked).
    pub allowed: bool,
    /// The rule or policy that decided.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// What was told to the actor.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_parts_are_not_written_and_come_back_empty() {
        let entry = Entry {
            time: "2026-01-02T03:04:05Z".into(),
            verb: "sign-in".into(),
            ..Entry::default()
        };
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(
            json,
            r#"{"time":"2026-01-02T03:04:05Z","phase":"event","verb":"sign-in","decision":{"allowed":false}}"#
        );
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
    }

    #[test]
    fn a_full_entry_comes_back_whole_and_unknown_fields_are_passed_over() {
        let entry = Entry {
            time: "2026-01-02T03:04:05Z".into(),
            causality: "git:abc".into(),
            phase: Phase::Outcome,
            actor: Actor {
                user: "ann".into(),
                groups: vec!["devs".into()],
                source: "127.0.0.1".into(),
            },
            verb: "apply".into(),
            object: ObjectId {
                resource: "pods/status".into(),
                name: "web".into(),
                ..ObjectId::default()
            },
            decision: Verdict {
                allowed: true,
                by: "RBAC".into(),
                message: "ok".into(),
            },
            before: "00".into(),
            after: "ff".into(),
            code: 201,
            of: Some(7),
            detail: BTreeMap::from([("revision".into(), "9".into())]),
        };
        let json = serde_json::to_string(&entry).unwrap();
        assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
        let newer = json.replacen('{', r#"{"tomorrow":[1],"#, 1);
        assert_eq!(serde_json::from_str::<Entry>(&newer).unwrap(), entry);
        assert_eq!(entry.object.main_resource(), "pods");
    }
}
