//! What the gate refuses, and in which words.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::World;
use crate::kube::As;
use crate::report::{Report, ensure};

/// The sentence that a Pod without limits must be refused with.
const WITHOUT_LIMITS: &str = "Policy Violation: Container 'app' must have resource limits defined. Please add CPU and \
                              memory limits to comply with cluster policies.";

pub(super) fn play(world: &World, report: &mut Report) {
    report.step("a Pod without limits is refused", || {
        let manifest = match &world.options.manifests {
            Some(folder) => std::fs::read_to_string(folder.join("pod-without-limits.yaml"))?,
            None => example("pod-without-limits.yaml")?,
        };
        let refusal = refused(world, &manifest)?;
        let said = refusal
            .split_once("\"STDIN\": ")
            .map_or(refusal.as_str(), |(_, said)| said);
        ensure(said.starts_with(WITHOUT_LIMITS), || {
            format!("it begins otherwise: {said}")
        })?;
        says(
            &refusal,
            &[
                WITHOUT_LIMITS,
                "require-resource-limits",
                "spec.containers[0].resources",
            ],
        )
    });
    report.step("a Deployment without `team` is refused", || {
        let refusal = refused(world, &example("deployment-without-team.yaml")?)?;
        says(
            &refusal,
            &[
                "team",
                "require-labels",
                "require-team-label",
                "metadata.labels",
                "Please",
            ],
        )
    });
    report.step("a container that may run as root is refused", || {
        let refusal = refused(world, &example("root-container.yaml")?)?;
        says(
            &refusal,
            &[
                "'app'",
                "require-non-root",
                "run-as-non-root",
                "securityContext",
                "runAsNonRoot",
            ],
        )
    });
    report.step("a privileged Pod in `checkout` is refused", || {
        let refusal = refused(world, &example("privileged-pod.yaml")?)?;
        says(&refusal, &["privileged", "\"app\"", "restricted", "securityContext"])
    });
    report.step("a malformed manifest is refused with its line", || {
        // kubectl reads YAML itself; here the server reads it.
        let text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: twice\n  name: twice\n";
        let body = Some(("application/yaml", text.to_owned()));
        match world
            .kube
            .request(As::Admin, "POST", "/api/v1/namespaces/default/configmaps", body)
        {
            Ok(_) => bail!("it was let in"),
            Err(refusal) => says(&refusal.to_string(), &["line 5", "name"]),
        }
    });
}

fn example(name: &str) -> Result<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../examples/try")
        .join(name);
    std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

fn refused(world: &World, manifest: &str) -> Result<String> {
    match world.kube.apply(As::Admin, manifest) {
        Ok(()) => bail!("it was let in"),
        Err(refusal) => Ok(refusal.to_string()),
    }
}

fn says(refusal: &str, wanted: &[&str]) -> Result<String> {
    for text in wanted {
        ensure(refusal.contains(text), || {
            format!("the refusal does not say {text:?}:\n{refusal}")
        })?;
    }
    Ok(refusal.lines().next().unwrap_or_default().chars().take(160).collect())
}
