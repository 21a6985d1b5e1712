//! The compiled policies: one immutable snapshot that the gate reads, and what each policy is apart from the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, KindTable, ObjectRef};
use ridgeway_policy::{CompileError, RuleSet};

use crate::interest::{Interest, Kinds};
use crate::policies::Stored;
use crate::roles;
use crate::source::{self, Role, text};

/// One policy or constraint by itself.
#[derive(Clone, Debug)]
pub(crate) struct Unit {
    /// Its id in views.
    pub(crate) id: String,
    /// The name under which results speak of it.
    pub(crate) spoken: String,
    /// The object it comes from.
    pub(crate) key: ObjectRef,
    /// Its source.
    pub(crate) doc: Doc,
    /// When it was created.
    pub(crate) created: Timestamp,
    /// The versions of all that it was compiled from.
    versions: Vec<u64>,
    /// It alone, compiled (with what it needs beside it); empty when it is faulty.
    pub(crate) rules: RuleSet,
    /// Why it is not in force.
    pub(crate) faults: Vec<CompileError>,
    /// The kinds that it is about.
    pub(crate) interest: Interest,
    /// Its generate rules by name.
    pub(crate) generates: BTreeMap<String, GenerateRule>,
}

/// What the reconciler needs to know of a generate rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GenerateRule {
    /// Whether triggers that are older than the policy count.
    pub(crate) existing: bool,
    /// Whether what was made stays when the policy goes.
    pub(crate) orphan: bool,
}

impl Unit {
    /// Whether it judges objects of a kind.
    pub(crate) fn judges(&self, group: &str, kind: &str) -> bool {
        self.faults.is_empty() && self.interest.judged.contains(group, kind)
    }
}

/// All policies, compiled together and apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    /// Every policy that compiles.
    pub(crate) rules: RuleSet,
    /// No policy at all: what is left are the standards that namespaces ask for by label.
    pub(crate) standards: RuleSet,
    /// The policies and constraints, by reference.
    pub(crate) units: BTreeMap<ObjectRef, Arc<Unit>>,
    /// The templates, for constraints that are to be judged before they are stored.
    pub(crate) templates: BTreeMap<String, Stored>,
    /// The versions of templates and exceptions, with their faults.
    alone: BTreeMap<ObjectRef, (u64, Vec<CompileError>)>,
    /// Whether some policy asks which roles a user is bound to.
    pub(crate) asks_about_roles: bool,
    /// The kinds that some policy judges.
    pub(crate) judged: Kinds,
    /// The kinds that make some policy generate.
    pub(crate) triggers: Kinds,
    /// The kinds that some policy copies.
    pub(crate) copied: Kinds,
}

/// The constraint kind of a template.
pub(crate) fn constraint_kind(template: Node<'_>) -> &str {
    text(template, &["spec", "crd", "spec", "names", "kind"])
}

fn compile(sources: &[&Doc]) -> (RuleSet, Vec<CompileError>) {
    let nodes: Vec<Node<'_>> = sources.iter().map(|doc| doc.root()).collect();
    RuleSet::compile(&nodes)
}

impl Snapshot {
    /// Compiles the stored policies. Units that are as they were in `before` are taken over.
    pub(crate) fn build(stored: &BTreeMap<ObjectRef, Stored>, table: &KindTable, before: &Snapshot) -> Snapshot {
        let of = |role: Role| {
            stored
                .iter()
                .filter(move |(key, _)| source::role(&key.group, &key.kind) == Some(role))
        };
        let mut out = Snapshot::default();
        let mut good: Vec<&Doc> = Vec::new();
        let mut exceptions: Vec<&Doc> = Vec::new();
        let alone = |key: &ObjectRef, stored: &Stored| match before.alone.get(key) {
            Some((version, faults)) if *version == stored.version => faults.clone(),
            _ => compile(&[&stored.doc]).1,
        };
        let mut versions = Vec::new();
        for (key, stored) in of(Role::Exception) {
            let faults = alone(key, stored);
            if faults.is_empty() {
                exceptions.push(&stored.doc);
                versions.push(stored.version);
            }
            out.alone.insert(key.clone(), (stored.version, faults));
        }
        let mut broken_kinds = BTreeSet::new();
        for (key, stored) in of(Role::Template) {
            let kind = constraint_kind(stored.doc.root()).to_owned();
            let faults = alone(key, stored);
            if faults.is_empty() {
                good.push(&stored.doc);
            } else {
                broken_kinds.insert(kind.clone());
            }
            out.alone.insert(key.clone(), (stored.version, faults));
            out.templates.insert(kind, stored.clone());
        }
        for (key, stored) in of(Role::Policy) {
            let sources: Vec<&Doc> = [&stored.doc].into_iter().chain(exceptions.iter().copied()).collect();
            let versions: Vec<u64> = [stored.version].into_iter().chain(versions.iter().copied()).collect();
            let unit = unit(
                key,
                stored,
                &sources,
                versions,
                before,
                Interest::of_policy(stored.doc.root(), table),
            );
            if unit.faults.is_empty() {
                good.push(&stored.doc);
                out.asks_about_roles |= roles::asked_about(stored.doc.root());
            }
            out.units.insert(key.clone(), unit);
        }
        for (key, stored) in of(Role::Constraint) {
            let template = out.templates.get(&key.kind);
            let interest = Interest::of_constraint(stored.doc.root(), template.map(|t| t.doc.root()), table);
            let sources: Vec<&Doc> = template.map(|t| &t.doc).into_iter().chain([&stored.doc]).collect();
            let versions = template
                .map(|t| t.version)
                .into_iter()
                .chain([stored.version])
                .collect();
            let unit = unit(key, stored, &sources, versions, before, interest);
            if unit.faults.is_empty() && !broken_kinds.contains(&key.kind) {
                good.push(&stored.doc);
            }
            out.units.insert(key.clone(), unit);
        }
        for unit in out.units.values() {
            out.judged.extend(&unit.interest.judged);
            out.triggers.extend(&unit.interest.triggers);
            out.copied.extend(&unit.interest.copied);
        }
        good.extend(exceptions);
        let (rules, faults) = compile(&good);
        out.rules = rules;
        for fault in faults {
            tracing::error!(%fault, "a policy compiles alone and not together with the others");
        }
        out
    }

    /// Compiles a policy that is about to be stored, with what it needs beside it.
    pub(crate) fn try_compile(&self, object: Node<'_>, role: Role) -> Vec<CompileError> {
        let kind = text(object, &["kind"]);
        let template = if role == Role::Constraint {
            self.templates.get(kind)
        } else {
            None
        };
        let sources: Vec<Node<'_>> = template.map(|t| t.doc.root()).into_iter().chain([object]).collect();
        RuleSet::compile(&sources).1
    }

    /// The kinds that have to be followed for all of this.
    pub(crate) fn followed(&self, table: &KindTable) -> BTreeSet<Gvk> {
        let mut kinds = Kinds::default();
        let mut out = BTreeSet::new();
        for unit in self.units.values() {
            let interest = &unit.interest;
            for set in [&interest.judged, &interest.triggers, &interest.made, &interest.copied] {
                kinds.extend(set);
            }
            out.extend(interest.read.iter().cloned());
        }
        out.extend(kinds.resolve(table));
        if self.asks_about_roles {
            out.extend(roles::kinds());
        }
        out
    }

    /// The faults of templates and exceptions, by reference.
    pub(crate) fn faults_alone(&self) -> impl Iterator<Item = (&ObjectRef, &[CompileError])> {
        self.alone
            .iter()
            .map(|(key, (_, faults))| (key, faults.as_slice()))
            .filter(|(_, faults)| !faults.is_empty())
    }

    /// Whether a template compiles.
    pub(crate) fn template_is_good(&self, name: &str) -> bool {
        self.alone
            .iter()
            .any(|(key, (_, faults))| key.kind == "ConstraintTemplate" && key.name == name && faults.is_empty())
    }

    /// Templates that are new, changed or gone since another snapshot: name and constraint kind.
    pub(crate) fn changed_templates(&self, before: &Snapshot) -> Vec<(String, String)> {
        let of =
            |kind: &String, stored: &Stored| (text(stored.doc.root(), &["metadata", "name"]).to_owned(), kind.clone());
        let known = |other: &Snapshot, kind: &str, version: u64| {
            other.templates.get(kind).is_some_and(|t| t.version == version)
        };
        let new = self
            .templates
            .iter()
            .filter(|(kind, stored)| !known(before, kind, stored.version));
        let gone = before
            .templates
            .iter()
            .filter(|(kind, _)| !self.templates.contains_key(*kind));
        new.chain(gone).map(|(kind, stored)| of(kind, stored)).collect()
    }

    /// The unit that results speak of by this name.
    pub(crate) fn spoken(&self, name: &str) -> Option<&Arc<Unit>> {
        self.units.values().find(|unit| unit.spoken == name)
    }

    /// The units that differ from those of another snapshot, and the ids that are gone.
    pub(crate) fn changed(&self, before: &Snapshot) -> (Vec<Arc<Unit>>, Vec<String>) {
        let changed = self
            .units
            .iter()
            .filter(|(key, unit)| before.units.get(*key).is_none_or(|old| !Arc::ptr_eq(old, unit)));
        let gone = before.units.iter().filter(|(key, _)| !self.units.contains_key(*key));
        (
            changed.map(|(_, unit)| unit.clone()).collect(),
            gone.map(|(_, unit)| unit.id.clone()).collect(),
        )
    }
}

fn unit(
    key: &ObjectRef,
    stored: &Stored,
    sources: &[&Doc],
    versions: Vec<u64>,
    before: &Snapshot,
    interest: Interest,
) -> Arc<Unit> {
    if let Some(old) = before.units.get(key)
        && old.versions == versions
        && old.interest == interest
    {
        return old.clone();
    }
    let (rules, faults) = compile(sources);
    let spoken = source::spoken(key);
    let root = stored.doc.root();
    let flag = |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_bool);
    let existing = root
        .get("spec")
        .and_then(|spec| flag(spec, "generateExisting").or(flag(spec, "generateExistingOnPolicyUpdate")));
    let generates = source::items(root, &["spec", "rules"]).filter_map(|rule| {
        let generate = rule.get("generate")?;
        let facts = GenerateRule {
            existing: flag(generate, "generateExisting").or(existing).unwrap_or(false),
            orphan: flag(generate, "orphanDownstreamOnPolicyDelete").unwrap_or(false),
        };
        Some((text(rule, &["name"]).to_owned(), facts))
    });
    let generates = generates.collect();
    Arc::new(Unit {
        id: source::id(&spoken),
        spoken,
        key: key.clone(),
        doc: stored.doc.clone(),
        created: stored.created,
        versions,
        rules,
        faults,
        interest,
        generates,
    })
}
