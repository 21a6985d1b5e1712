//! Git to running: first rollout, promotion, rollback, drift, generated defaults.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{PATIENCE, World, git};
use crate::kube::As;
use crate::report::{Report, ensure, until};

const KUSTOMIZATION: &str = "deploy/base/kustomization.yaml";

pub(super) fn first_rollout(world: &World, report: &mut Report) {
    report.step("the platform repository is applied", || {
        world.healthy("platform")?;
        let policies = world.kube.list("clusterpolicies.kyverno.io", "")?.len();
        ensure(policies >= 4, || format!("{policies} policies"))?;
        Ok(format!("{policies} policies"))
    });
    for stage in ["staging", "production"] {
        report.step(&format!("checkout reaches Healthy in {stage}"), || {
            let application = world.healthy(&format!("checkout-{stage}"))?;
            let revision = application["status"]["sync"]["revision"].as_str().unwrap_or_default();
            Ok(format!("revision {revision:.7}"))
        });
    }
}

/// The same journey with manifests from outside: they replace what `examples/` had, through Git.
pub(super) fn own_manifests(world: &World, report: &mut Report) {
    report.step("the team's own manifests replace the examples, through Git", || {
        let from = world.options.manifests.as_ref().context("no manifests")?;
        let clone = world.clone_of("platform")?;
        let cluster = clone.join("cluster");
        for old in [
            "policies/require-non-root.yaml",
            "policies/require-resource-limits.yaml",
            "policies/require-labels.yaml",
            "access/platform-developer.yaml",
            "access/team-checkout-in-checkout.yaml",
            "network/checkout.yaml",
            "namespaces/checkout.yaml",
        ] {
            std::fs::remove_file(cluster.join(old)).with_context(|| format!("cannot remove {old}"))?;
        }
        for new in ["kyverno-policies.yaml", "rbac.yaml", "network-policy.yaml"] {
            std::fs::copy(from.join(new), cluster.join(new)).with_context(|| format!("cannot read {new}"))?;
        }
        git(&clone, &["add", "--all"])?;
        git(&clone, &["commit", "--quiet", "-m", "our own manifests"])?;
        git(&clone, &["push", "--quiet"])?;
        let head = git(&clone, &["rev-parse", "HEAD"])?;
        until(PATIENCE, || {
            let application = world.healthy("platform")?;
            let revision = application["status"]["sync"]["revision"].as_str().unwrap_or_default();
            ensure(revision == head, || format!("still at {revision:.7}"))
        })?;
        Ok(format!("revision {head:.7}"))
    });
}

pub(super) fn play(world: &World, report: &mut Report) {
    report.step("v1.2.4 rolls through staging to production", || {
        let start = Instant::now();
        world.push_change("checkout", KUSTOMIZATION, "v1.2.3", "v1.2.4")?;
        let staging = reaches(world, "checkout-staging", "v1.2.4")?;
        let production = reaches(world, "checkout", "v1.2.4")?;
        ensure(staging <= production, || "production was first".into())?;
        world.healthy("checkout-production")?;
        Ok(format!(
            "staging after {:.1?}, production after {:.1?}",
            staging.duration_since(start),
            production.duration_since(start)
        ))
    });
    report.step("v1.2.5-broken stops in staging and is rolled back by itself", || {
        let bad = world.push_change("checkout", KUSTOMIZATION, "v1.2.4", "v1.2.5-broken")?;
        // The try may be over before anybody looks; what remains is that the revision is quarantined.
        let application = until(PATIENCE, || {
            let application = world.application("checkout-staging")?;
            let status = application["status"].to_string();
            ensure(status.contains(&bad), || {
                format!("{bad:.7} is not named: {}", application["status"]["conditions"])
            })?;
            ensure(status.contains("uarantine"), || {
                format!("not quarantined: {}", application["status"]["conditions"])
            })?;
            Ok(application)
        })?;
        reaches(world, "checkout-staging", "v1.2.4")?;
        let automated = &application["spec"]["syncPolicy"]["automated"];
        ensure(automated["selfHeal"] == true, || "auto-sync was turned off".into())?;
        let production = world.rolled_out_image("checkout", "checkout-service")?;
        ensure(production.ends_with("v1.2.4"), || {
            format!("production runs {production}")
        })?;
        Ok(format!("revision {bad:.7} quarantined"))
    });
    report.step("the fix, v1.2.6, reaches production without any button", || {
        world.push_change("checkout", KUSTOMIZATION, "v1.2.5-broken", "v1.2.6")?;
        reaches(world, "checkout-staging", "v1.2.6")?;
        reaches(world, "checkout", "v1.2.6")?;
        Ok(String::new())
    });
    report.step("a deleted Service is back in under a second", || {
        let uid = |world: &World| -> Result<String> {
            let service = world
                .kube
                .get("services", "checkout", "checkout-service")?
                .context("it is gone")?;
            Ok(service["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
        };
        let before = uid(world)?;
        world.kube.delete("services", "checkout", "checkout-service")?;
        let start = Instant::now();
        until(Duration::from_secs(1), || {
            let now = uid(world)?;
            ensure(now != before, || "the old Service is still there".into())
        })?;
        Ok(format!("after {:.0?}", start.elapsed()))
    });
    report.step("a scaling by hand is corrected in under a second", || {
        let patch = r#"{"spec":{"replicas":7}}"#;
        world
            .kube
            .merge_patch(As::Admin, "deployments.apps", "checkout", "checkout-service", patch)?;
        let start = Instant::now();
        until(Duration::from_secs(1), || {
            let deployment = world
                .kube
                .get("deployments.apps", "checkout", "checkout-service")?
                .context("gone")?;
            ensure(deployment["spec"]["replicas"] == 3, || {
                format!("{}", deployment["spec"]["replicas"])
            })
        })?;
        Ok(format!("after {:.0?}", start.elapsed()))
    });
    report.step("a namespace made by hand receives its defaults", || {
        let manifest = "apiVersion: v1\nkind: Namespace\nmetadata: {name: by-hand}\n";
        world.kube.apply(As::Admin, manifest)?;
        for (resource, name) in [
            ("networkpolicies.networking.k8s.io", "default-deny"),
            ("resourcequotas", "default-quota"),
            ("limitranges", "default-limits"),
        ] {
            until(PATIENCE, || {
                world
                    .kube
                    .get(resource, "by-hand", name)?
                    .with_context(|| format!("no {name}"))
            })?;
        }
        Ok("NetworkPolicy, ResourceQuota, LimitRange".into())
    });
    report.step("an unknown kind in Git is named with its file", || {
        let file = "deploy/base/service.yaml";
        world.push_change("checkout", file, "kind: Service", "kind: Servize")?;
        let message = until(PATIENCE, || {
            let application = world.application("checkout-staging")?;
            let conditions = application["status"]["conditions"].to_string();
            ensure(conditions.contains("Servize") && conditions.contains(file), || {
                format!("conditions: {conditions}")
            })?;
            Ok(conditions)
        })?;
        world.push_change("checkout", file, "kind: Servize", "kind: Service")?;
        world.healthy("checkout-staging")?;
        Ok(message.chars().take(160).collect())
    });
    report.step(
        "a broken manifest in Git is named with file and line, and harms nothing",
        || {
            let file = "deploy/base/service.yaml";
            world.push_change("checkout", file, "  ports:", "  ports: [")?;
            let message = until(PATIENCE, || {
                let application = world.application("checkout-staging")?;
                let conditions = application["status"]["conditions"].to_string();
                ensure(conditions.contains("service.yaml"), || {
                    format!("conditions: {conditions}")
                })?;
                ensure(conditions.contains("line") || conditions.contains("yaml:"), || {
                    format!("no line: {conditions}")
                })?;
                Ok(conditions)
            })?;
            ensure(
                world
                    .kube
                    .get("services", "checkout-staging", "checkout-service")?
                    .is_some(),
                || "it is gone".into(),
            )?;
            world.push_change("checkout", file, "  ports: [", "  ports:")?;
            world.healthy("checkout-staging")?;
            Ok(message.chars().take(160).collect())
        },
    );
}

/// Waits until a namespace's checkout-service runs a version, and says when.
fn reaches(world: &World, namespace: &str, version: &str) -> Result<Instant> {
    until(PATIENCE, || {
        let image = world.rolled_out_image(namespace, "checkout-service")?;
        ensure(image.ends_with(version), || format!("{namespace} runs {image}"))?;
        Ok(Instant::now())
    })
}
