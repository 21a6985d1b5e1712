//! Kubernetes' own policies: units of a policy and all that binds it.

use super::{PolicySet, Source, Unit, budget, compile, failure, spoken};
use crate::coverage::Coverage;
use crate::surroundings::Surroundings;

/// Whether a binding is one of a policy of Kubernetes' own.
pub(super) fn binds(binding: &Source, policy: &Source) -> bool {
    binding.text(&["kind"]).strip_suffix("Binding") == Some(policy.text(&["kind"]))
        && binding.text(&["spec", "policyName"]) == policy.text(&["metadata", "name"])
}

/// A policy of Kubernetes' own with what binds it.
pub(super) fn admission(
    source: &Source,
    bound: Vec<&Source>,
    faults: &mut Vec<String>,
    set: &mut PolicySet,
) -> Option<Unit> {
    let before = faults.len();
    faults.extend(compile(source, &[]).1);
    let budget = budget(source, faults);
    if faults.len() > before {
        return None;
    }
    let (kind, name) = (source.text(&["kind"]), source.text(&["metadata", "name"]));
    if bound.is_empty() {
        set.notes.push(format!(
            "{}: {kind} {name} has no {kind}Binding here, so it does nothing",
            source.path.display()
        ));
        return None;
    }
    let spec = source.doc.root().get("spec")?;
    let mut coverage = Coverage::default();
    coverage.of_resources(spec);
    // Bindings have been checked by themselves.
    let rules = compile(source, &bound).0;
    let (mutate, validate) = match kind {
        "MutatingAdmissionPolicy" => (Some((rules, coverage)), None),
        _ => (None, Some((rules, coverage))),
    };
    Some(Unit {
        name: spoken(source),
        failure: failure(Some(spec)),
        budget,
        reads: Surroundings::of(bound.into_iter().chain([source])),
        again: kind == "MutatingAdmissionPolicy" && spec.str_at(&["reinvocationPolicy"]) == Some("IfNeeded"),
        mutate,
        validate,
        order: 0,
    })
}

#[cfg(test)]
mod tests {
    use ridgeway_krm::Gvr;
    use ridgeway_policy::Operation;

    use super::super::tests::compile_text;

    const POLICY: &str = "apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: few}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}]
  validations: [{expression: object.spec.replicas < 3}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: all}
spec: {policyName: few, validationActions: [Deny]}
";

    #[test]
    fn a_policy_is_asked_under_its_bindings() {
        let set = compile_text(POLICY).unwrap();
        let (_, coverage) = set.units[0].validate.as_ref().unwrap();
        let gvr = Gvr::new("apps", "v1", "deployments");
        assert!(coverage.covers(&gvr, "", Operation::Create) && !coverage.covers(&gvr, "", Operation::Update));
        let alone = compile_text(&POLICY.replace("policyName: few", "policyName: other")).unwrap();
        assert!(
            alone.units.is_empty() && alone.notes[0].contains("does nothing"),
            "{:?}",
            alone.notes
        );
        let faulty = compile_text(&POLICY.replace("[Deny]", "[Refuse]"))
            .unwrap_err()
            .to_string();
        assert!(faulty.starts_with("policies/a.yaml:12:"), "{faulty}");
    }
}
