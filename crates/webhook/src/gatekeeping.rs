//! Gatekeeper's mutators, expansion templates and `Config`: one unit that changes objects, and what constraints need.

use ridgeway_doc::Node;
use ridgeway_krm::KindTable;
use ridgeway_policy::RuleSet;

use crate::coverage::Coverage;
use crate::policies::{FailurePolicy, Source, Unit};
use crate::surroundings::Surroundings;

/// The name of the unit of all mutators.
const MUTATORS: &str = "mutations.gatekeeper.sh";

/// Gatekeeper's objects beside constraints and their templates.
pub(crate) struct Gatekeeping<'a> {
    pub(crate) mutators: Vec<&'a Source>,
    pub(crate) expansions: Vec<&'a Source>,
    pub(crate) configs: Vec<&'a Source>,
}

fn compile<'a>(sources: impl Iterator<Item = &'a Source>) -> (RuleSet, Vec<ridgeway_policy::CompileError>) {
    let nodes: Vec<Node<'_>> = sources.map(|source| source.doc.root()).collect();
    RuleSet::compile(&nodes)
}

impl<'a> Gatekeeping<'a> {
    fn all(&self) -> impl Iterator<Item = &'a Source> {
        let all = self.mutators.iter().chain(&self.expansions).chain(&self.configs);
        all.copied().collect::<Vec<_>>().into_iter()
    }

    /// What is wrong with them, each with its place; those that contradict each other are told of all.
    pub(crate) fn faults(&self) -> Vec<String> {
        let (_, errors) = compile(self.all());
        let told = |error: &ridgeway_policy::CompileError| {
            let named = |source: &&Source| {
                let (kind, name) = (source.text(&["kind"]), source.text(&["metadata", "name"]));
                error.policy == format!("{kind}/{name}")
            };
            self.all()
                .find(named)
                .map_or_else(|| error.to_string(), |source| source.place(error))
        };
        errors.iter().map(told).collect()
    }

    /// The mutators as one unit: they run until none has anything left to change.
    pub(crate) fn mutating(&self, table: &KindTable) -> Option<Unit> {
        if self.mutators.is_empty() {
            return None;
        }
        let mut coverage = Coverage::default();
        for source in &self.mutators {
            let root = source.doc.root();
            match source.text(&["kind"]) {
                "AssignMetadata" => coverage.of_constraint(root, false, table),
                _ => coverage.of_applied(root, table),
            }
        }
        let sources = self.mutators.iter().chain(&self.configs).copied();
        Some(Unit {
            name: MUTATORS.into(),
            failure: FailurePolicy::Fail,
            budget: None,
            reads: Surroundings::of(self.mutators.iter().copied()),
            again: false,
            mutate: Some((compile(sources).0, coverage)),
            validate: None,
            order: 1,
        })
    }

    /// What a constraint is compiled with.
    pub(crate) fn of_constraint(&self, template: &'a Source) -> Vec<&'a Source> {
        let mut out = vec![template];
        out.extend(&self.configs);
        if !self.expansions.is_empty() {
            out.extend(self.expansions.iter().chain(&self.mutators));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_krm::Gvr;
    use ridgeway_policy::Operation;

    use crate::policies::tests::compile_text;

    const MUTATOR: &str = "---
apiVersion: mutations.gatekeeper.sh/v1
kind: Assign
metadata: {name: pull}
spec:
  applyTo: [{groups: [''], versions: [v1], kinds: [Pod]}]
  location: 'spec.containers[name: *].imagePullPolicy'
  parameters: {assign: {value: Always}}
";
    const CONSTRAINT: &str = "---
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: never}
spec:
  crd: {spec: {names: {kind: Never}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package never
      violation[{\"msg\": \"never\"}] { input.review.kind.kind == \"Pod\" }
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: Never
metadata: {name: pods}
spec: {match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}}
---
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: follow}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  templateSource: spec.template
  generatedGVK: {group: '', version: v1, kind: Pod}
";

    #[test]
    fn mutators_are_one_unit_and_expansion_widens_what_is_asked_about() {
        let set = compile_text(&format!("{MUTATOR}{CONSTRAINT}")).unwrap();
        let names: Vec<&str> = set.units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(names, ["mutations.gatekeeper.sh", "Never/pods"]);
        let pods = Gvr::new("", "v1", "pods");
        let (_, mutates) = set.units[0].mutate.as_ref().unwrap();
        assert!(mutates.covers(&pods, "", Operation::Update) && !mutates.covers(&pods, "", Operation::Delete));
        let (_, judges) = set.units[1].validate.as_ref().unwrap();
        let deployments = Gvr::new("apps", "v1", "deployments");
        assert!(judges.covers(&deployments, "", Operation::Create) && judges.covers(&pods, "", Operation::Create));
    }

    #[test]
    fn contradicting_mutators_are_faults_with_places() {
        let other = MUTATOR
            .replace("name: pull", "name: odd")
            .replace("[name: *].imagePullPolicy", ".imagePullPolicy");
        let said = compile_text(&format!("{MUTATOR}{other}")).unwrap_err().to_string();
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert!(
            lines[0].contains("Assign/odd") && lines[0].contains("Assign/pull"),
            "{said}"
        );
        assert!(lines.iter().all(|line| line.starts_with("policies/a.yaml:")), "{said}");
    }
}
