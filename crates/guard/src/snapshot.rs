//! The compiled policies: one immutable snapshot that the gate reads, and what each policy is apart from the others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::{Gvk, KindTable, ObjectRef};
use ridgeway_policy::terms::Terms;
use ridgeway_policy::{CompileError, Dialect, RuleResult, RuleSet};

use crate::exception::{self, Stand, Standing};
use crate::interest::{self, Interest, Kinds};
use crate::policies::Stored;
use crate::roles;
use crate::source::{self, POD_SECURITY, Role, text};
use crate::stand_in;

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
    /// Whether it is not in force because of others.
    pub(crate) conflicts: bool,
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
    /// Whether it is a policy of Kubernetes' own.
    pub(crate) fn is_admission(&self) -> bool {
        source::role(&self.key.group, &self.key.kind) == Some(Role::Admission)
    }

    /// Whether its parameters are of a kind.
    pub(crate) fn has_parameters(&self, gvk: &Gvk) -> bool {
        self.is_admission() && self.interest.read.contains(gvk)
    }

    /// Whether its rules read a global context entry by its name.
    pub(crate) fn reads_global(&self, entry: &str) -> bool {
        fn says(node: Node<'_>, entry: &str) -> bool {
            // `entry.projection` names a part of it.
            let named = node
                .str_at(&["globalReference", "name"])
                .and_then(|name| name.strip_prefix(entry));
            named.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                || node
                    .as_str()
                    .is_some_and(|text| text.contains("globalContext.") && text.contains(entry))
                || node.items().any(|item| says(item, entry))
                || node.members().any(|(_, member)| says(member, entry))
        }
        self.doc.root().get("spec").is_some_and(|spec| says(spec, entry))
    }

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
    /// Kubernetes' own policies alone.
    pub(crate) admission: RuleSet,
    /// The policies and constraints, by reference.
    pub(crate) units: BTreeMap<ObjectRef, Arc<Unit>>,
    /// The templates, for constraints that are to be judged before they are stored.
    pub(crate) templates: BTreeMap<String, Stored>,
    /// The exceptions, whether they count or not.
    pub(crate) exceptions: BTreeMap<ObjectRef, Stand>,
    /// What binds Kubernetes' own policies.
    pub(crate) bindings: BTreeMap<ObjectRef, Stored>,
    /// Gatekeeper's mutators and expansion templates: one that is to be stored must agree with them.
    beside: BTreeMap<ObjectRef, Stored>,
    /// The kinds that Gatekeeper's inventory is to hold.
    inventory: BTreeSet<Gvk>,
    /// What rules read by a name.
    pub(crate) globals: BTreeMap<ObjectRef, Stored>,
    /// What deletes by a schedule.
    pub(crate) cleanups: BTreeMap<ObjectRef, Stored>,
    /// What each stored object was compiled to.
    parts: BTreeMap<ObjectRef, Arc<Part>>,
    /// The faults of templates.
    alone: BTreeMap<ObjectRef, Vec<CompileError>>,
    /// Whether some policy asks which roles a user is bound to.
    pub(crate) asks_about_roles: bool,
    /// The kinds that some policy judges.
    pub(crate) judged: Kinds,
    /// The kinds that make some policy generate.
    pub(crate) triggers: Kinds,
    /// The kinds that make some policy change other objects.
    pub(crate) movers: Kinds,
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

/// A stored object, compiled with nothing but what it cannot do without.
#[derive(Clone, Debug)]
struct Part {
    versions: Vec<u64>,
    rules: RuleSet,
    faults: Vec<CompileError>,
}

impl Snapshot {
    /// Compiles the stored policies. What is as it was in `before` is taken over.
    pub(crate) fn build(
        stored: &BTreeMap<ObjectRef, Stored>,
        table: &KindTable,
        before: &Snapshot,
        now: Timestamp,
    ) -> Snapshot {
        let of = |role: Role| {
            stored
                .iter()
                .filter(move |(key, _)| source::role(&key.group, &key.kind) == Some(role))
        };
        let mut out = Snapshot::default();
        let mut parts = BTreeMap::new();
        let mut part = |key: &ObjectRef, sources: &[&Stored]| -> Arc<Part> {
            let versions: Vec<u64> = sources.iter().map(|stored| stored.version).collect();
            let part = match before.parts.get(key) {
                Some(known) if known.versions == versions => known.clone(),
                _ => {
                    let docs: Vec<&Doc> = sources.iter().map(|stored| &stored.doc).collect();
                    let (rules, faults) = compile(&docs);
                    Arc::new(Part {
                        versions,
                        rules,
                        faults,
                    })
                }
            };
            parts.insert(key.clone(), part.clone());
            part
        };
        let mut exceptions: Vec<(&ObjectRef, Arc<Part>)> = Vec::new();
        for (key, stored) in of(Role::Exception) {
            let part = part(key, &[stored]);
            let terms = Terms::of(stored.doc.root()).unwrap_or_default();
            let stand = Stand {
                doc: stored.doc.clone(),
                created: stored.created,
                version: stored.version,
                standing: Standing::at(&terms, now),
                terms,
                faults: part.faults.clone(),
            };
            if stand.counts() {
                exceptions.push((key, part));
            }
            out.exceptions.insert(key.clone(), stand);
        }
        let mut broken_kinds = BTreeSet::new();
        for (key, stored) in of(Role::Template) {
            let kind = constraint_kind(stored.doc.root()).to_owned();
            let part = part(key, &[stored]);
            if !part.faults.is_empty() {
                broken_kinds.insert(kind.clone());
            }
            out.alone.insert(key.clone(), part.faults.clone());
            out.templates.insert(kind, stored.clone());
        }
        out.globals = of(Role::Global)
            .map(|(key, stored)| (key.clone(), stored.clone()))
            .collect();
        for (key, stored) in of(Role::Cleanup) {
            out.cleanups.insert(key.clone(), stored.clone());
        }
        let mut bindings: Vec<(&ObjectRef, &Stored, Arc<Part>)> = Vec::new();
        let mut stand_ins: Vec<RuleSet> = Vec::new();
        for (key, stored) in of(Role::Binding) {
            let part = part(key, &[stored]);
            if let Some(fault) = part.faults.first() {
                tracing::error!(%fault, "a stored binding cannot be read; as much as can be read of it counts");
                stand_ins.push(stand_in::of_binding(stored.doc.root()));
            }
            bindings.push((key, stored, part));
            out.bindings.insert(key.clone(), stored.clone());
        }
        for (_, stored) in of(Role::Config).chain(of(Role::SyncSet)) {
            interest::inventory(stored.doc.root(), table, &mut out.inventory);
        }
        let mut configs: Vec<Arc<Part>> = Vec::new();
        for (key, stored) in of(Role::Config) {
            let part = part(key, &[stored]);
            for fault in &part.faults {
                tracing::warn!(%fault, "a configuration of Gatekeeper is not in force");
            }
            configs.push(part);
        }
        let both = || of(Role::Mutator).chain(of(Role::Expansion));
        let mutators: Vec<Arc<Part>> = both().map(|(key, stored)| part(key, &[stored])).collect();
        let conflicts = RuleSet::union(mutators.iter().map(|part| &part.rules)).conflicts();
        out.beside = both().map(|(key, stored)| (key.clone(), stored.clone())).collect();
        let expansions: Vec<&Doc> = of(Role::Expansion).map(|(_, stored)| &stored.doc).collect();
        let mut ids = BTreeSet::new();
        let mut good: Vec<Arc<Part>> = Vec::new();
        // What judges comes before what changes and generates: the first of a name has its pages under it.
        let judges = |(key, _): &(&ObjectRef, &Stored)| key.kind.ends_with("ValidatingPolicy");
        let cel = of(Role::Cel)
            .filter(judges)
            .chain(of(Role::Cel).filter(|one| !judges(one)));
        let all = of(Role::Policy)
            .chain(cel)
            .chain(of(Role::Constraint))
            .chain(of(Role::Admission))
            .chain(both());
        for (key, stored) in all {
            let root = stored.doc.root();
            let template = out
                .templates
                .get(&key.kind)
                .filter(|_| key.group == source::CONSTRAINTS);
            let bound: Vec<&(&ObjectRef, &Stored, Arc<Part>)> = bindings
                .iter()
                .filter(|(of, binding, _)| source::binds(of, binding.doc.root(), key))
                .collect();
            let interest = match source::role(&key.group, &key.kind) {
                Some(Role::Admission) => Interest::of_admission(root, !bound.is_empty(), table),
                Some(Role::Constraint) => {
                    let mut interest = Interest::of_constraint(root, template.map(|t| t.doc.root()), table);
                    interest.expand(&expansions);
                    interest
                }
                Some(Role::Mutator | Role::Expansion) => Interest::default(),
                Some(Role::Cel) => Interest::of_cel(root, table),
                _ => Interest::of_policy(root, table),
            };
            let sources: Vec<&Stored> = template.into_iter().chain([stored]).collect();
            let own = part(key, &sources);
            let spoken = source::spoken(key);
            let about = exceptions
                .iter()
                .filter(|(of, _)| {
                    let doc = out.exceptions.get(*of).map(|stand| stand.doc.root());
                    doc.is_some_and(|doc| exception::names(doc, &key.kind, &spoken))
                })
                .map(|(_, part)| part);
            let mut about: Vec<&Arc<Part>> = about.chain(bound.iter().map(|(_, _, part)| part)).collect();
            if key.group == source::CONSTRAINTS {
                about.extend(&configs);
                // What will follow from an object is given what mutators give it.
                if !expansions.is_empty() {
                    about.extend(&mutators);
                }
            }
            let wrong: Vec<CompileError> = conflicts
                .iter()
                .filter(|fault| fault.policy == spoken)
                .cloned()
                .collect();
            // Policies of several kinds may have one name; the first keeps it for itself.
            let mut id = source::id(&spoken);
            if !ids.insert(id.clone()) {
                id = source::id(&format!("{}/{spoken}", key.kind));
                ids.insert(id.clone());
            }
            let unit = unit(key, stored, id, spoken, (&own, &about, &wrong), before, interest);
            if unit.faults.is_empty() && !broken_kinds.contains(&key.kind) {
                good.push(own);
                out.asks_about_roles |= roles::asked_about(root);
            } else if !unit.conflicts {
                let bound: Vec<Node<'_>> = bound.iter().map(|(_, stored, _)| stored.doc.root()).collect();
                let template = template.map(|template| &template.doc);
                stand_ins.push(stand_in::of_policy(key, root, template, &bound, &unit.faults));
                out.asks_about_roles |= roles::asked_about(root);
            }
            out.units.insert(key.clone(), unit);
        }
        for unit in out.units.values() {
            out.judged.extend(&unit.interest.judged);
            out.triggers.extend(&unit.interest.triggers);
            out.movers.extend(&unit.interest.movers);
            out.copied.extend(&unit.interest.copied);
        }
        let beside = exceptions.iter().map(|(_, part)| part);
        let all = good
            .iter()
            .chain(beside)
            .chain(bindings.iter().map(|(_, _, part)| part))
            .chain(&configs);
        out.rules = RuleSet::union(all.map(|part| &part.rules).chain(&stand_ins));
        out.admission = out.rules.only_admission();
        out.parts = parts;
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
        let mut faults = RuleSet::compile(&sources).1;
        if faults.is_empty()
            && matches!(role, Role::Mutator | Role::Expansion)
            && let Some(key) = ObjectRef::of(object)
        {
            let others = self.beside.iter().filter(|(other, _)| **other != key);
            let all: Vec<Node<'_>> = others.map(|(_, stored)| stored.doc.root()).chain([object]).collect();
            let spoken = source::spoken(&key);
            faults = RuleSet::compile(&all).1;
            faults.retain(|fault| fault.policy == spoken);
        }
        faults
    }

    /// The kinds that have to be followed for all of this.
    pub(crate) fn followed(&self, table: &KindTable) -> BTreeSet<Gvk> {
        let mut kinds = Kinds::default();
        let mut out = BTreeSet::new();
        for unit in self.units.values() {
            let interest = &unit.interest;
            for set in [
                &interest.judged,
                &interest.triggers,
                &interest.movers,
                &interest.made,
                &interest.copied,
            ] {
                kinds.extend(set);
            }
            out.extend(interest.read.iter().cloned());
        }
        out.extend(kinds.resolve(table));
        out.extend(self.inventory.iter().cloned());
        if self.asks_about_roles {
            out.extend(roles::kinds());
        }
        out
    }

    /// The faults of templates, by reference.
    pub(crate) fn faults_alone(&self) -> impl Iterator<Item = (&ObjectRef, &[CompileError])> {
        self.alone
            .iter()
            .map(|(key, faults)| (key, faults.as_slice()))
            .filter(|(_, faults)| !faults.is_empty())
    }

    /// Exceptions that are new, or stand otherwise than in another snapshot.
    pub(crate) fn changed_exceptions<'a>(&'a self, before: &'a Snapshot) -> impl Iterator<Item = &'a ObjectRef> {
        let as_before = |key: &ObjectRef, stand: &Stand| {
            before
                .exceptions
                .get(key)
                .is_some_and(|old| old.version == stand.version && old.standing == stand.standing)
        };
        self.exceptions
            .iter()
            .filter(move |(key, stand)| !as_before(key, stand))
            .map(|(key, _)| key)
    }

    /// When the next exception ends that counts or may come to count.
    pub(crate) fn next_expiry(&self) -> Option<Timestamp> {
        let open = self
            .exceptions
            .values()
            .filter(|stand| stand.standing != Standing::Expired);
        open.filter_map(|stand| stand.terms.expires).min()
    }

    /// The id of the policy that results speak of by a name.
    pub(crate) fn id_of(&self, result: &RuleResult) -> String {
        if result.dialect == Dialect::PodSecurity {
            return POD_SECURITY.to_owned();
        }
        let kind = match result.rule.as_str() {
            "mutations" => "MutatingPolicy",
            "generate" => "GeneratingPolicy",
            "validations" => "ValidatingPolicy",
            _ => "",
        };
        let own = result.dialect == Dialect::Kubernetes;
        let named = || {
            let of_dialect = move |unit: &&Arc<Unit>| unit.is_admission() == own;
            self.units
                .values()
                .filter(of_dialect)
                .filter(|unit| unit.spoken == result.policy)
        };
        let kind = if own { "ValidatingAdmissionPolicy" } else { kind };
        let known = named()
            .find(|unit| !kind.is_empty() && unit.key.kind.ends_with(kind))
            .or_else(|| named().next());
        known.map_or_else(|| source::id(&result.policy), |unit| unit.id.clone())
    }

    /// Whether a template compiles.
    pub(crate) fn template_is_good(&self, name: &str) -> bool {
        self.alone
            .iter()
            .any(|(key, faults)| key.kind == "ConstraintTemplate" && key.name == name && faults.is_empty())
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
        self.units
            .values()
            .find(|unit| unit.spoken == name && !unit.is_admission())
    }

    /// The unit of a name that changes what is stored.
    pub(crate) fn mover(&self, name: &str) -> Option<&Arc<Unit>> {
        let moves = |unit: &&Arc<Unit>| unit.spoken == name && unit.interest.movers != Kinds::default();
        self.units.values().find(moves)
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
    id: String,
    spoken: String,
    (own, exceptions, conflicts): (&Part, &[&Arc<Part>], &[CompileError]),
    before: &Snapshot,
    interest: Interest,
) -> Arc<Unit> {
    let parts = || [own].into_iter().chain(exceptions.iter().map(|part| &***part));
    let versions: Vec<u64> = parts().flat_map(|part| part.versions.iter().copied()).collect();
    if let Some(old) = before.units.get(key)
        && old.versions == versions
        && old.interest == interest
        && old.id == id
        && own.faults.iter().chain(conflicts).eq(&old.faults)
    {
        return old.clone();
    }
    let root = stored.doc.root();
    Arc::new(Unit {
        id,
        spoken,
        key: key.clone(),
        doc: stored.doc.clone(),
        created: stored.created,
        versions,
        rules: RuleSet::union(parts().map(|part| &part.rules)),
        faults: own.faults.iter().chain(conflicts).cloned().collect(),
        conflicts: !conflicts.is_empty(),
        interest,
        generates: generates(root),
    })
}

/// The generate rules of a policy.
fn generates(root: Node<'_>) -> BTreeMap<String, GenerateRule> {
    let flag = |node: Node<'_>, key: &str| node.get(key).and_then(Node::as_bool);
    if text(root, &["kind"]).ends_with("GeneratingPolicy") {
        let enabled = |key: &str| {
            root.at(&["spec", "evaluation", key])
                .and_then(|node| flag(node, "enabled"))
                .unwrap_or(false)
        };
        let rule = GenerateRule {
            existing: enabled("generateExisting"),
            orphan: enabled("orphanDownstreamOnPolicyDelete"),
        };
        return BTreeMap::from([("generate".to_owned(), rule)]);
    }
    let existing = root
        .get("spec")
        .and_then(|spec| flag(spec, "generateExisting").or(flag(spec, "generateExistingOnPolicyUpdate")));
    let rules = source::items(root, &["spec", "rules"]).filter_map(|rule| {
        let generate = rule.get("generate")?;
        let facts = GenerateRule {
            existing: flag(generate, "generateExisting").or(existing).unwrap_or(false),
            orphan: flag(generate, "orphanDownstreamOnPolicyDelete").unwrap_or(false),
        };
        Some((text(rule, &["name"]).to_owned(), facts))
    });
    rules.collect()
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;
    use crate::policies::Policies;

    const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: NAME}
spec: {rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, validate: {pattern: {a: VALUE}}}]}
";
    const EXCEPTION: &str = "
apiVersion: kyverno.io/v2
kind: PolicyException
metadata:
  name: e
  namespace: shop
  annotations: {ridgeway.dev/requested-by: alice, ridgeway.dev/approved-by: BY, ridgeway.dev/expires: '2026-05-04T10:00:00Z'}
spec: {match: {any: [{resources: {kinds: [Pod]}}]}, exceptions: [{policyName: first, ruleNames: [r]}]}
";

    fn put(policies: &Policies, yaml: &str) {
        let doc = parse_yaml(yaml).unwrap().remove(0);
        let key = ObjectRef::of(doc.root()).unwrap();
        policies.put(key, Some(&doc));
    }

    #[test]
    fn only_what_a_change_is_about_is_compiled_anew() {
        let (policies, table) = (Policies::default(), KindTable::builtin());
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let build = |before: &Snapshot, now: &str| Snapshot::build(&policies.all(), &table, before, at(now));
        let policy = |name: &str, value: &str| POLICY.replace("NAME", name).replace("VALUE", value);
        put(&policies, &policy("first", "1"));
        put(&policies, &policy("second", "1"));
        let ids = |after: &Snapshot, before: &Snapshot| -> Vec<String> {
            after.changed(before).0.iter().map(|unit| unit.id.clone()).collect()
        };
        let one = build(&Snapshot::default(), "2026-05-04T09:00:00Z");
        assert_eq!(ids(&one, &Snapshot::default()), ["first", "second"]);
        put(&policies, &policy("second", "2"));
        let two = build(&one, "2026-05-04T09:00:00Z");
        assert_eq!(ids(&two, &one), ["second"]);
        // An exception that nobody has approved changes nothing; an approved one only what it names.
        put(&policies, &EXCEPTION.replace("BY", "''"));
        let asked = build(&two, "2026-05-04T09:00:00Z");
        assert!(ids(&asked, &two).is_empty());
        assert_eq!(asked.changed_exceptions(&two).count(), 1);
        put(&policies, &EXCEPTION.replace("BY", "bob"));
        let approved = build(&asked, "2026-05-04T09:00:00Z");
        assert_eq!(ids(&approved, &asked), ["first"]);
        assert_eq!(approved.next_expiry(), Some(at("2026-05-04T10:00:00Z")));
        let over = build(&approved, "2026-05-04T10:00:00Z");
        assert_eq!(ids(&over, &approved), ["first"]);
        assert_eq!(
            (over.changed_exceptions(&approved).count(), over.next_expiry()),
            (1, None)
        );
        assert_eq!(build(&over, "2026-05-04T10:00:00Z").changed(&over).0.len(), 0);
    }
}
