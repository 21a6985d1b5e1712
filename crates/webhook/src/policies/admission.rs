//! Kubernetes' own policies: units of a policy and all that binds it.

use super::{PolicySet, Source, Unit, budget, compile, failure, reads_surroundings, spoken};
use crate::coverage::Coverage;

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
        reads_surroundings: bound.iter().chain([&source]).any(|source| reads_surroundings(source)),
        mutate,
        validate,
        order: 0,
    })
}
