//! Who may do what: a member of `team-checkout` ships workloads and touches nothing else.

use anyhow::bail;

use super::World;
use crate::kube::As;
use crate::report::{Report, ensure};

const CARLA: As<'static> = As::User("carla", "team-checkout");

pub(super) fn play(world: &World, report: &mut Report) {
    report.step("`auth can-i` agrees for a member of team-checkout", || {
        let expected = [
            ("update", "deployments.apps", "checkout", true),
            ("patch", "deployments.apps", "checkout-staging", true),
            ("get", "pods", "checkout", true),
            ("update", "networkpolicies.networking.k8s.io", "checkout", false),
            ("create", "rolebindings.rbac.authorization.k8s.io", "checkout", false),
            ("delete", "deployments.apps", "checkout", false),
            ("update", "deployments.apps", "default", false),
            ("get", "secrets", "checkout", false),
        ];
        for (verb, resource, namespace, allowed) in expected {
            let answer = world.kube.can_i(CARLA, verb, resource, namespace)?;
            ensure(answer == allowed, || {
                format!("{verb} {resource} in {namespace}: answered {answer}")
            })?;
        }
        Ok(format!("{} answers", expected.len()))
    });
    report.step("she may annotate a Deployment in `checkout`", || {
        let patch = r#"{"metadata":{"annotations":{"example.org/note":"looked at by carla"}}}"#;
        world
            .kube
            .merge_patch(CARLA, "deployments.apps", "checkout", "checkout-service", patch)?;
        Ok(String::new())
    });
    report.step("she may not touch NetworkPolicies or RBAC", || {
        let patch = r#"{"spec":{"policyTypes":["Egress"]}}"#;
        let targets = [
            ("networkpolicies.networking.k8s.io", "checkout-service-policy", patch),
            (
                "rolebindings.rbac.authorization.k8s.io",
                "team-checkout-developer",
                r#"{"subjects":[]}"#,
            ),
        ];
        let mut last = String::new();
        for (resource, name, patch) in targets {
            match world.kube.merge_patch(CARLA, resource, "checkout", name, patch) {
                Ok(()) => bail!("the change to {resource} was let in"),
                Err(error) => last = error.to_string(),
            }
            ensure(last.contains("forbidden") && last.contains("carla"), || {
                format!("unclear refusal: {last}")
            })?;
        }
        Ok(last.chars().take(140).collect())
    });
}
