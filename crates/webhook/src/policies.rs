//! Directories of policies to one immutable set of units, or every fault with its file, line and column.

mod admission;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ridgeway_doc::{Doc, Node, Position, Value, parse_yaml};
use ridgeway_krm::{GoDuration, Kind, KindTable};
use ridgeway_policy::{CompileError, RuleSet};

use crate::cluster;
use crate::coverage::Coverage;
use crate::gatekeeping::Gatekeeping;
use crate::surroundings::Surroundings;
use admission::{admission, binds};

/// The annotation by which a policy states its time budget, as in `50ms`.
const BUDGET: &str = "webhook.ridgeway.dev/budget";

/// Why a directory's policies are not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Policies have faults; each line names its place.
    #[error("{}", .0.join("\n"))]
    Faults(Vec<String>),
}

/// What happens when a policy cannot be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailurePolicy {
    /// The change is refused.
    #[default]
    Fail,
    /// The change goes through with a warning.
    Ignore,
}

impl FailurePolicy {
    /// `Fail`, as webhook configurations spell it.
    pub fn as_str(self) -> &'static str {
        match self {
            FailurePolicy::Fail => "Fail",
            FailurePolicy::Ignore => "Ignore",
        }
    }
}

/// One policy or constraint by itself.
#[derive(Clone, Debug)]
pub struct Unit {
    /// The name under which results speak of it.
    pub name: String,
    /// What happens when it cannot be asked.
    pub failure: FailurePolicy,
    /// How long it may take; `None` for the server's default.
    pub budget: Option<Duration>,
    /// What its rules ask about that no review tells.
    pub reads: Surroundings,
    /// Whether it is asked once more to change an object that others have changed after it.
    pub(crate) again: bool,
    /// Its mutating rules with what they cover.
    pub mutate: Option<(RuleSet, Coverage)>,
    /// Its other rules with what they cover.
    pub validate: Option<(RuleSet, Coverage)>,
    /// Mutations of one dialect come before those of the next: Kubernetes' own, Gatekeeper's, Kyverno's.
    pub(crate) order: u8,
}

/// Every policy of some directories.
#[derive(Clone, Debug, Default)]
pub struct PolicySet {
    /// The policies in the order in which they are asked.
    pub units: Vec<Unit>,
    /// A fingerprint: equal sets have equal ones.
    pub hash: String,
    /// What is in the directories and not served here, in sentences.
    pub notes: Vec<String>,
    /// Whether some rule asks which roles a user is bound to.
    pub asks_about_roles: bool,
    /// The kinds that constraint templates want in their inventory, as group and kind.
    pub inventory: BTreeSet<(String, String)>,
}

/// A policy as it was found.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) doc: Doc,
}

impl Source {
    pub(crate) fn text(&self, path: &[&str]) -> &str {
        self.doc.root().str_at(path).unwrap_or_default()
    }

    pub(crate) fn place(&self, error: &CompileError) -> String {
        let at = if error.line > 0 {
            format!(":{}:{}", error.line, error.column)
        } else {
            String::new()
        };
        let bare = CompileError {
            line: 0,
            column: 0,
            ..error.clone()
        };
        format!("{}{at}: {bare}", self.path.display())
    }
}

/// What part an object plays here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Policy,
    CelPolicy,
    Generating,
    Exception,
    Template,
    Constraint,
    Admission,
    Binding,
    Mutator,
    Expansion,
    Config,
    Crd,
}

fn role(object: Node<'_>) -> Option<Role> {
    let version = object.str_at(&["apiVersion"]).unwrap_or_default();
    let group = version.split('/').next().unwrap_or_default();
    match (group, object.str_at(&["kind"]).unwrap_or_default()) {
        ("kyverno.io", "ClusterPolicy" | "Policy") => Some(Role::Policy),
        ("kyverno.io", "PolicyException") => Some(Role::Exception),
        (
            "policies.kyverno.io",
            "ValidatingPolicy" | "NamespacedValidatingPolicy" | "MutatingPolicy" | "NamespacedMutatingPolicy",
        ) => Some(Role::CelPolicy),
        ("policies.kyverno.io", "GeneratingPolicy" | "NamespacedGeneratingPolicy") => Some(Role::Generating),
        ("templates.gatekeeper.sh", "ConstraintTemplate") => Some(Role::Template),
        ("constraints.gatekeeper.sh", _) => Some(Role::Constraint),
        ("mutations.gatekeeper.sh", "Assign" | "AssignImage" | "AssignMetadata" | "ModifySet") => Some(Role::Mutator),
        ("expansion.gatekeeper.sh", "ExpansionTemplate") => Some(Role::Expansion),
        ("config.gatekeeper.sh", "Config") => Some(Role::Config),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy") => {
            Some(Role::Admission)
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding") => {
            Some(Role::Binding)
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Some(Role::Crd),
        _ => None,
    }
}

impl PolicySet {
    /// Reads directories (and single files); objects that are no policies are passed over.
    pub fn load(roots: &[PathBuf]) -> Result<PolicySet, LoadError> {
        let mut files = Vec::new();
        for root in roots {
            collect(root, &mut files)?;
        }
        let mut texts = Vec::new();
        for path in files {
            let text = std::fs::read_to_string(&path).map_err(|source| LoadError::Read {
                path: path.clone(),
                source,
            })?;
            texts.push((path, text));
        }
        PolicySet::compile(&texts)
    }

    /// Compiles the texts of files.
    pub fn compile(files: &[(PathBuf, String)]) -> Result<PolicySet, LoadError> {
        let mut faults = Vec::new();
        let mut found: Vec<(Role, Source)> = Vec::new();
        for (path, text) in files {
            match parse_yaml(text) {
                Ok(docs) => {
                    for doc in docs {
                        take(path, doc, &mut found);
                    }
                }
                Err(error) => faults.push(format!(
                    "{}{}: {}",
                    path.display(),
                    place(Some(error.position)),
                    error.message
                )),
            }
        }
        let mut table = KindTable::builtin();
        for (_, source) in found.iter().filter(|(role, _)| *role == Role::Crd) {
            match Kind::from_crd(source.doc.root()) {
                Ok(kinds) => kinds.into_iter().for_each(|kind| table.insert(kind)),
                Err(error) => faults.push(format!("{}: {error}", source.path.display())),
            }
        }
        let of = |wanted: Role| found.iter().filter(move |(role, _)| *role == wanted).map(|(_, s)| s);
        let exceptions: Vec<&Source> = of(Role::Exception).collect();
        let bindings: Vec<&Source> = of(Role::Binding).collect();
        let templates: BTreeMap<String, &Source> = of(Role::Template)
            .map(|s| (s.text(&["spec", "crd", "spec", "names", "kind"]).to_owned(), s))
            .collect();
        let beside = exceptions.iter().chain(&bindings).copied();
        for source in beside.chain(templates.values().copied()) {
            let errors = RuleSet::compile(&[source.doc.root()]).1;
            faults.extend(errors.iter().map(|error| source.place(error)));
        }
        let gatekeeping = Gatekeeping {
            mutators: of(Role::Mutator).collect(),
            expansions: of(Role::Expansion).collect(),
            configs: of(Role::Config).collect(),
        };
        faults.extend(gatekeeping.faults());
        let mut out = PolicySet::default();
        out.units.extend(gatekeeping.mutating(&table));
        templates
            .values()
            .for_each(|template| cluster::wanted(template.doc.root(), &mut out.inventory));
        let mut known: BTreeMap<String, &Path> = BTreeMap::new();
        for (role, source) in &found {
            let root = source.doc.root();
            let unit = match role {
                Role::Policy => kyverno(source, &exceptions, &table, &mut faults, &mut out),
                Role::CelPolicy => cel(source, &mut faults),
                Role::Constraint => constraint(source, &templates, &gatekeeping, &table, &mut faults),
                Role::Generating => {
                    out.notes.push(generates(source));
                    None
                }
                Role::Admission => {
                    let bound = bindings
                        .iter()
                        .copied()
                        .filter(|binding| binds(binding, source))
                        .collect();
                    admission(source, bound, &mut faults, &mut out)
                }
                Role::Exception | Role::Template | Role::Binding | Role::Crd => None,
                Role::Mutator | Role::Expansion | Role::Config => None,
            };
            let Some(unit) = unit else { continue };
            out.asks_about_roles |= unit.reads.roles;
            if let Some(first) = known.insert(unit.name.clone(), &source.path) {
                let at = root.at(&["metadata", "name"]).and_then(Node::position);
                faults.push(format!(
                    "{}{}: policy {} is in {} already; keep one of them, or give it another name",
                    source.path.display(),
                    place(at),
                    unit.name,
                    first.display()
                ));
            }
            for (_, coverage) in [&unit.mutate, &unit.validate].into_iter().flatten() {
                out.notes.extend(coverage.guessed().map(|(kind, resource)| {
                    format!(
                        "{}: the kind {kind} is not known here; the webhook is asked about `{resource}`. Put its \
                         CustomResourceDefinition beside the policies if it is called otherwise",
                        source.path.display()
                    )
                }));
            }
            out.units.push(unit);
        }
        if !faults.is_empty() {
            return Err(LoadError::Faults(faults));
        }
        out.units.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
        let everything: Vec<Node<'_>> = found.iter().map(|(_, source)| source.doc.root()).collect();
        out.hash = RuleSet::compile(&everything).0.hash();
        Ok(out)
    }

    /// How many rules cover a failure policy's mutating and validating calls.
    pub fn coverage(&self, failure: FailurePolicy, mutating: bool) -> Coverage {
        let mut out = Coverage::default();
        for unit in self.units.iter().filter(|unit| unit.failure == failure) {
            let part = if mutating { &unit.mutate } else { &unit.validate };
            if let Some((_, coverage)) = part {
                out.extend(coverage);
            }
        }
        out
    }

    /// The longest budget of a failure policy's units.
    pub fn longest_budget(&self, failure: FailurePolicy, default: Duration) -> Duration {
        let units = self.units.iter().filter(|unit| unit.failure == failure);
        units
            .map(|unit| unit.budget.unwrap_or(default))
            .max()
            .unwrap_or(default)
    }
}

/// `:line:column`, as editors read it.
fn place(position: Option<Position>) -> String {
    position
        .map(|p| format!(":{}:{}", p.line, p.column))
        .unwrap_or_default()
}

/// Sorts out a document; lists are opened.
fn take(path: &Path, doc: Doc, found: &mut Vec<(Role, Source)>) {
    let root = doc.root();
    if root.str_at(&["kind"]) == Some("List") {
        for item in root.get("items").into_iter().flat_map(Node::items) {
            take(path, item.to_doc(), found);
        }
    } else if let Some(role) = role(root) {
        let path = path.to_owned();
        found.push((role, Source { path, doc }));
    }
}

fn collect(path: &Path, out: &mut Vec<PathBuf>) -> Result<(), LoadError> {
    let fail = |source| LoadError::Read {
        path: path.to_owned(),
        source,
    };
    if std::fs::metadata(path).map_err(fail)?.is_file() {
        out.push(path.to_owned());
        return Ok(());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(fail)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .map_err(fail)?;
    entries.sort();
    for entry in entries {
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Mounted volumes keep their generations in hidden directories beside the names that count.
        if name.starts_with('.') {
            continue;
        }
        let policy = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        if policy || entry.is_dir() {
            collect(&entry, out)?;
        }
    }
    Ok(())
}

fn generates(source: &Source) -> String {
    format!(
        "{}: generate rules of policy {} are kept by the platform (`ridgeway up`), not by the webhook",
        source.path.display(),
        source.text(&["metadata", "name"])
    )
}

fn compile(source: &Source, beside: &[&Source]) -> (RuleSet, Vec<String>) {
    let nodes: Vec<Node<'_>> = [source].iter().chain(beside).map(|source| source.doc.root()).collect();
    let (rules, errors) = RuleSet::compile(&nodes);
    (rules, errors.iter().map(|error| source.place(error)).collect())
}

fn failure(spec: Option<Node<'_>>) -> FailurePolicy {
    let said = [&["failurePolicy"][..], &["webhookConfiguration", "failurePolicy"]]
        .iter()
        .find_map(|path| spec.and_then(|spec| spec.str_at(path)));
    if said == Some("Ignore") {
        FailurePolicy::Ignore
    } else {
        FailurePolicy::Fail
    }
}

fn budget(source: &Source, faults: &mut Vec<String>) -> Option<Duration> {
    let root = source.doc.root();
    let path = ["metadata", "annotations", BUDGET];
    if let Some(text) = root.str_at(&path) {
        let read = GoDuration::parse(text).ok().and_then(GoDuration::to_std);
        if let Some(budget) = read.filter(|budget| !budget.is_zero()) {
            return Some(budget);
        }
        let at = root.at(&path).and_then(Node::position);
        faults.push(format!(
            "{}{}: {BUDGET} is {text:?}; write a duration such as 50ms or 2s",
            source.path.display(),
            place(at)
        ));
        return None;
    }
    let seconds = [
        &["spec", "webhookConfiguration", "timeoutSeconds"][..],
        &["spec", "webhookTimeoutSeconds"],
    ];
    let seconds = seconds.iter().find_map(|path| root.at(path).and_then(Node::as_i64))?;
    Some(Duration::from_secs(seconds.clamp(1, 30).unsigned_abs()))
}

fn spoken(source: &Source) -> String {
    match source.text(&["metadata", "namespace"]) {
        "" => source.text(&["metadata", "name"]).to_owned(),
        namespace => format!("{namespace}/{}", source.text(&["metadata", "name"])),
    }
}

/// The policy with some of its rules only.
fn with_rules(source: &Source, keep: impl Fn(Node<'_>) -> bool) -> Option<Source> {
    let rules = source.doc.root().at(&["spec", "rules"])?;
    let kept: Vec<Value> = rules.items().filter(|r| keep(*r)).map(Node::to_value).collect();
    if kept.is_empty() {
        return None;
    }
    let mut value = source.doc.root().to_value();
    value.set(&["spec", "rules"], kept.into_iter().collect::<Value>());
    Some(Source {
        path: source.path.clone(),
        doc: value.into_doc(),
    })
}

fn kyverno(
    source: &Source,
    exceptions: &[&Source],
    table: &KindTable,
    faults: &mut Vec<String>,
    set: &mut PolicySet,
) -> Option<Unit> {
    let before = faults.len();
    faults.extend(compile(source, &[]).1);
    let budget = budget(source, faults);
    if faults.len() > before {
        return None;
    }
    let root = source.doc.root();
    let rules = || root.at(&["spec", "rules"]).into_iter().flat_map(Node::items);
    if rules().any(|rule| rule.get("generate").is_some()) {
        set.notes.push(generates(source));
    }
    let part = |keep: fn(Node<'_>) -> bool| {
        let source = with_rules(source, keep)?;
        let mut coverage = Coverage::default();
        let rules = source.doc.root().at(&["spec", "rules"])?;
        rules
            .items()
            .for_each(|rule| coverage.of_rule(source.doc.root(), rule, table));
        // The policy and its exceptions have been checked by themselves.
        Some((compile(&source, exceptions).0, coverage))
    };
    // Mutations of objects that are stored already are the platform's, as generated ones are.
    let mutate = part(|rule| rule.get("mutate").is_some_and(|m| m.get("targets").is_none()));
    let validate = part(|rule| rule.get("mutate").is_none() && rule.get("generate").is_none());
    if mutate.is_none() && validate.is_none() {
        return None;
    }
    Some(Unit {
        name: spoken(source),
        failure: failure(root.get("spec")),
        budget,
        reads: Surroundings::of([source].into_iter().chain(exceptions.iter().copied())),
        again: false,
        mutate,
        validate,
        order: 2,
    })
}

fn cel(source: &Source, faults: &mut Vec<String>) -> Option<Unit> {
    let before = faults.len();
    let (rules, errors) = compile(source, &[]);
    faults.extend(errors);
    let budget = budget(source, faults);
    if faults.len() > before {
        return None;
    }
    let spec = source.doc.root().get("spec")?;
    let mut coverage = Coverage::default();
    coverage.of_constraints(spec);
    let mutates = source.text(&["kind"]).ends_with("MutatingPolicy");
    let (mutate, validate) = if mutates {
        (Some((rules, coverage)), None)
    } else {
        (None, Some((rules, coverage)))
    };
    Some(Unit {
        name: spoken(source),
        failure: failure(Some(spec)),
        budget,
        reads: Surroundings::of([source]),
        again: false,
        mutate,
        validate,
        order: 3,
    })
}

fn constraint(
    source: &Source,
    templates: &BTreeMap<String, &Source>,
    beside: &Gatekeeping<'_>,
    table: &KindTable,
    faults: &mut Vec<String>,
) -> Option<Unit> {
    let (kind, name) = (source.text(&["kind"]), source.text(&["metadata", "name"]));
    let Some(template) = templates.get(kind) else {
        let at = source.doc.root().get("kind").and_then(Node::position);
        faults.push(format!(
            "{}{}: constraint {kind}/{name} has no ConstraintTemplate here; add the template's file to the directory",
            source.path.display(),
            place(at)
        ));
        return None;
    };
    let before = faults.len();
    let budget = budget(source, faults);
    let (_, errors) = compile(source, &[template]);
    // A faulty template has been told of already.
    if RuleSet::compile(&[template.doc.root()]).1.is_empty() {
        faults.extend(errors);
    }
    if faults.len() > before {
        return None;
    }
    // What stands beside it has been checked by itself.
    let needed = beside.of_constraint(template);
    let rules = compile(source, &needed).0.judging();
    let mut coverage = Coverage::default();
    coverage.of_constraint(source.doc.root(), rules.asks_about_deletions(), table);
    beside
        .expansions
        .iter()
        .for_each(|expansion| coverage.of_applied(expansion.doc.root(), table));
    let reads = Surroundings {
        inventory: rules.reads_inventory(),
        ..Surroundings::of(needed.into_iter().chain([source]))
    };
    Some(Unit {
        name: format!("{kind}/{name}"),
        failure: failure(source.doc.root().get("spec")),
        budget,
        reads,
        again: false,
        mutate: None,
        validate: Some((rules, coverage)),
        order: 4,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn compile_text(text: &str) -> Result<PolicySet, LoadError> {
        PolicySet::compile(&[(PathBuf::from("policies/a.yaml"), text.to_owned())])
    }

    const MIXED: &str = "apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata:
  name: mixed
  annotations: {webhook.ridgeway.dev/budget: 50ms}
spec:
  failurePolicy: Ignore
  rules:
    - name: label
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      mutate: {patchStrategicMerge: {metadata: {labels: {+(seen): 'yes'}}}}
    - name: named
      match: {any: [{resources: {kinds: [ConfigMap], namespaces: [shop]}}], all: []}
      validate: {message: no, pattern: {metadata: {name: 'a*'}}}
    - name: made
      match: {any: [{resources: {kinds: [Namespace]}}]}
      generate: {apiVersion: v1, kind: ConfigMap, name: x, namespace: y, data: {}}
";

    #[test]
    fn a_policy_is_split_by_what_its_rules_do() {
        let text = MIXED.replace(", all: []", "");
        let set = compile_text(&text).unwrap();
        let [unit] = set.units.as_slice() else {
            panic!("{:?}", set.units)
        };
        assert_eq!(unit.failure, FailurePolicy::Ignore);
        assert_eq!(unit.budget, Some(Duration::from_millis(50)));
        assert!(unit.mutate.is_some() && unit.validate.is_some());
        assert_eq!(set.notes.len(), 1, "{:?}", set.notes);
        assert!(set.coverage(FailurePolicy::Fail, true).is_empty());
        assert!(!set.coverage(FailurePolicy::Ignore, true).is_empty());
    }

    #[test]
    fn faults_name_their_place() {
        for (text, want) in [
            ("a: [", "policies/a.yaml:1:"),
            (
                "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p}\nspec:\n  rules:\n    - name: r\n      match: {any: [{resources: {kinds: [Pod]}}]}\n      validate:\n        mesage: no\n        pattern: {}\n",
                "policies/a.yaml:9:",
            ),
            (
                "apiVersion: constraints.gatekeeper.sh/v1beta1\nkind: Lonely\nmetadata: {name: x}\n",
                "policies/a.yaml:2:",
            ),
            (
                "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: p, annotations: {webhook.ridgeway.dev/budget: soon}}\nspec: {rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, validate: {pattern: {a: b}}}]}\n",
                "policies/a.yaml:3:",
            ),
        ] {
            let said = compile_text(text).unwrap_err().to_string();
            assert!(said.starts_with(want), "{said}");
        }
    }

    #[test]
    fn two_policies_of_one_name_are_a_fault() {
        let one = MIXED.replace(", all: []", "");
        let files = [(PathBuf::from("a.yaml"), one.clone()), (PathBuf::from("b.yaml"), one)];
        let said = PolicySet::compile(&files).unwrap_err().to_string();
        assert!(
            said.starts_with("b.yaml:4:") && said.contains("a.yaml already"),
            "{said}"
        );
    }
}
