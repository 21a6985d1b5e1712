//! Generated objects: how they are marked, and which trigger each goes back to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, ObjectRef};

use crate::snapshot::Unit;
use crate::source::text;

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const PREFIX: &str = "generate.kyverno.io/";
/// Set to `true` on objects that are kept as their rule says.
const SYNCHRONIZE: &str = "ridgeway.dev/synchronize";
/// Set to `true` on objects that stay when their policy goes.
const ORPHAN: &str = "ridgeway.dev/orphan-on-policy-delete";

/// Where a generated object comes from, as its labels say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The policy's name, cut to a label's length.
    pub(crate) policy: String,
    /// The policy's namespace.
    pub(crate) policy_namespace: String,
    /// The rule.
    pub(crate) rule: String,
    /// The trigger's uid.
    pub(crate) trigger: String,
    /// The trigger's kind and group, for looking whether it is still there.
    pub(crate) trigger_kind: (String, String),
    /// Whether the object is kept as its rule says.
    pub(crate) synchronize: bool,
    /// Whether it stays when its policy goes.
    pub(crate) orphan: bool,
}

/// A text as a label's value: at most 63 characters, ending in a letter or digit.
fn label(value: &str) -> String {
    let cut: String = value.chars().take(63).collect();
    cut.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

impl Mark {
    /// The mark of what a rule makes for a trigger.
    pub(crate) fn new(unit: &Unit, rule: &str, gvk: &Gvk, trigger: Node<'_>, synchronize: bool) -> Mark {
        Mark {
            policy: label(&unit.key.name),
            policy_namespace: label(&unit.key.namespace),
            rule: label(rule),
            trigger: text(trigger, &["metadata", "uid"]).to_owned(),
            trigger_kind: (gvk.group.clone(), gvk.kind.clone()),
            synchronize,
            orphan: unit.generates.get(rule).is_some_and(|rule| rule.orphan),
        }
    }

    /// Reads an object's mark; `None` when it was not generated.
    pub(crate) fn read(object: Node<'_>) -> Option<Mark> {
        let labels = object.at(&["metadata", "labels"])?;
        let of = |key: &str| {
            labels
                .str_at(&[&format!("{PREFIX}{key}")])
                .unwrap_or_default()
                .to_owned()
        };
        let annotated = |key: &str| object.str_at(&["metadata", "annotations", key]) == Some("true");
        let trigger = of("trigger-uid");
        if labels.str_at(&[MANAGED_BY]) != Some("kyverno") || trigger.is_empty() {
            return None;
        }
        Some(Mark {
            policy: of("policy-name"),
            policy_namespace: of("policy-namespace"),
            rule: of("rule-name"),
            trigger,
            trigger_kind: (of("trigger-group"), of("trigger-kind")),
            synchronize: annotated(SYNCHRONIZE),
            orphan: annotated(ORPHAN),
        })
    }

    /// Puts the mark on an object.
    pub(crate) fn write(&self, object: &mut Value, gvk: &Gvk, trigger: Node<'_>) {
        let mut set = |key: &str, value: &str| object.set(&["metadata", "labels", key], label(value));
        set(MANAGED_BY, "kyverno");
        for (key, value) in [
            ("policy-name", self.policy.as_str()),
            ("policy-namespace", &self.policy_namespace),
            ("rule-name", &self.rule),
            ("trigger-group", &gvk.group),
            ("trigger-version", &gvk.version),
            ("trigger-kind", &gvk.kind),
            ("trigger-namespace", text(trigger, &["metadata", "namespace"])),
            ("trigger-name", text(trigger, &["metadata", "name"])),
            ("trigger-uid", &self.trigger),
        ] {
            set(&format!("{PREFIX}{key}"), value);
        }
        if self.synchronize {
            object.set(&["metadata", "annotations", SYNCHRONIZE], "true");
        }
        if self.orphan {
            object.set(&["metadata", "annotations", ORPHAN], "true");
        }
    }

    /// Whether it is of a policy.
    pub(crate) fn is_of(&self, unit: &Unit) -> bool {
        self.policy == label(&unit.key.name) && self.policy_namespace == label(&unit.key.namespace)
    }

    /// Whether it is of a rule.
    pub(crate) fn is_of_rule(&self, unit: &Unit, rule: &str) -> bool {
        self.is_of(unit) && self.rule == label(rule)
    }
}

/// A generated object that exists.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    /// The kind in the version it was read in.
    pub(crate) gvk: Gvk,
    /// Its mark.
    pub(crate) mark: Mark,
}

#[derive(Debug, Default)]
struct Content {
    /// Generated objects by the uid of their trigger.
    made: HashMap<String, BTreeMap<ObjectRef, Made>>,
    /// The trigger of each generated object.
    of: HashMap<ObjectRef, String>,
    /// Possible triggers by uid.
    triggers: HashMap<String, ObjectRef>,
    /// When an object was last changed by somebody, as far as this process saw.
    touched: HashMap<ObjectRef, Timestamp>,
    /// What was made once and is not kept: by trigger uid.
    once: HashSet<(String, ObjectRef)>,
}

/// Generated objects and their triggers, as the mirror shows them.
#[derive(Debug, Default)]
pub(crate) struct Index(Mutex<Content>);

impl Index {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in the state of an object that may be generated.
    pub(crate) fn observe(&self, gvk: &Gvk, object: &ObjectRef, new: Option<&Doc>) {
        let mut content = self.lock();
        let mark = new.and_then(|doc| Mark::read(doc.root()));
        if let Some(before) = content.of.remove(object)
            && let Some(made) = content.made.get_mut(&before)
        {
            made.remove(object);
            if made.is_empty() {
                content.made.remove(&before);
            }
        }
        if let Some(mark) = mark {
            content.of.insert(object.clone(), mark.trigger.clone());
            let made = Made { gvk: gvk.clone(), mark };
            content
                .made
                .entry(made.mark.trigger.clone())
                .or_default()
                .insert(object.clone(), made);
        }
    }

    /// Takes note of a possible trigger.
    pub(crate) fn trigger(&self, object: &ObjectRef, old: Option<&Doc>, new: Option<&Doc>) {
        let uid = |doc: &Doc| text(doc.root(), &["metadata", "uid"]).to_owned();
        let mut content = self.lock();
        if let Some(old) = old {
            content.triggers.remove(&uid(old));
        }
        match new {
            Some(new) => {
                content.triggers.insert(uid(new), object.clone());
            }
            None => {
                content.touched.remove(object);
                let gone = old.map(uid).unwrap_or_default();
                content.once.retain(|(trigger, _)| *trigger != gone);
            }
        }
    }

    /// Takes note that somebody has changed an object.
    pub(crate) fn touch(&self, object: &ObjectRef, now: Timestamp) {
        self.lock().touched.insert(object.clone(), now);
    }

    /// When an object was last changed.
    pub(crate) fn touched(&self, object: &ObjectRef) -> Option<Timestamp> {
        self.lock().touched.get(object).copied()
    }

    /// The trigger with a uid, if it is still there.
    pub(crate) fn find_trigger(&self, uid: &str) -> Option<ObjectRef> {
        self.lock().triggers.get(uid).cloned()
    }

    /// What was made for a trigger.
    pub(crate) fn made_for(&self, uid: &str) -> BTreeMap<ObjectRef, Made> {
        self.lock().made.get(uid).cloned().unwrap_or_default()
    }

    /// Everything that was made.
    pub(crate) fn all(&self) -> Vec<(ObjectRef, Made)> {
        let content = self.lock();
        content
            .made
            .values()
            .flatten()
            .map(|(object, made)| (object.clone(), made.clone()))
            .collect()
    }

    /// Takes note that an object that is not kept has been made. Says whether it was the first time.
    pub(crate) fn once(&self, trigger: &str, object: &ObjectRef) -> bool {
        self.lock().once.insert((trigger.to_owned(), object.clone()))
    }

    /// Takes such a note back.
    pub(crate) fn not_once(&self, trigger: &str, object: &ObjectRef) {
        self.lock().once.remove(&(trigger.to_owned(), object.clone()));
    }
}
