//! The gitops-engine fixtures: what its own tests expect of each, restated here as data.

use std::path::{Path, PathBuf};

use ridgeway_krm::KindTable;
use ridgeway_sync::{DiffOptions, corpus};

fn root() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpora/gitops-engine");
    if !root.is_dir() {
        println!("skipped: no corpus at {}", root.display());
        return None;
    }
    Some(root)
}

/// One fixture is left out: it gives a key twice, which documents refuse.
const HEALTH: &str = "
apiservice-v1-false Progressing
apiservice-v1-true Healthy
apiservice-v1beta1-false Progressing
apiservice-v1beta1-true Healthy
application-degraded Degraded
application-healthy Healthy
daemonset-ondelete Healthy
deployment-degraded Degraded
deployment-progressing Progressing
deployment-suspended Suspended
hpa-v1-degraded Degraded
hpa-v1-degraded-failedgetobjectmetric Degraded
hpa-v1-healthy Healthy
hpa-v1-healthy-toofew Healthy
hpa-v1-progressing Progressing
hpa-v1-progressing-with-no-annotations Progressing
hpa-v2-degraded Degraded
hpa-v2-healthy Healthy
hpa-v2-progressing Progressing
ingress Healthy
ingress-nonemptylist Healthy
ingress-unassigned Progressing
job-failed Degraded
job-running Progressing
job-succeeded Healthy
job-suspended Suspended
knative-service None
pod-crashloop Degraded
pod-deletion Progressing
pod-error Degraded
pod-failed Degraded
pod-imagepullbackoff Degraded
pod-pending Progressing
pod-running-not-ready Progressing
pod-running-restart-always Healthy
pod-running-restart-never Progressing
pod-running-restart-never-hook-with-ignore-annotation Progressing
pod-running-restart-never-with-ignore-annotation Healthy
pod-running-restart-never-with-ignore-annotation-backoff Degraded
pod-running-restart-onfailure Progressing
pod-succeeded Healthy
pvc-bound Healthy
pvc-pending Progressing
statefulset Healthy
svc-clusterip Healthy
svc-loadbalancer Healthy
svc-loadbalancer-nonemptylist Healthy
svc-loadbalancer-unassigned Progressing
";

#[test]
fn health_of_every_fixture() {
    let Some(root) = root() else { return };
    let (mut passed, mut failed) = (0, Vec::new());
    for line in HEALTH.trim().lines() {
        let (name, want) = line.split_once(' ').unwrap();
        let file = root.join("health/testdata").join(format!("{name}.yaml"));
        match corpus::check_health(&std::fs::read_to_string(&file).unwrap()) {
            Ok(got) if got == want => passed += 1,
            got => failed.push(format!("{name}: {got:?}, expected {want}")),
        }
    }
    println!("corpus gitops-engine health: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// Desired, live, whether they differ when merged three ways.
const PAIRS: &str = "
aggr-clusterrole-config.json aggr-clusterrole-live.json true
deployment-config.json deployment-live.json false
elasticsearch-config.json elasticsearch-live.json false
endpoints-config.json endpoints-live.json false
grafana-clusterrole-config.json grafana-clusterrole-live.json false
mutatingwebhookconfig-config.json mutatingwebhookconfig-live.json false
sealedsecret-config.json sealedsecret-live.json false
spinnaker-sa-config.json spinnaker-sa-live.json false
wordpress-config.json wordpress-live.json false
";

/// Desired, live, whether they differ under server-side apply.
const APPLIED: &str = "
smd-service-config.yaml smd-service-live.yaml true
smd-service-config.yaml smd-service-live-with-type.yaml true
smd-service-config-2-ports.yaml smd-service-live.yaml true
smd-service-config-ports.yaml smd-service-live.yaml true
smd-deploy-config.yaml smd-deploy-live.yaml false
smd-deploy2-config.yaml smd-deploy2-live.yaml true
ssd-configmap-config.yaml ssd-configmap-live.yaml true
ssd-service-config.yaml ssd-service-live.yaml false
ssd-svc-no-label-config.yaml ssd-svc-label-live.yaml true
ssd-deploy-nested-config.yaml ssd-deploy-nested-live.yaml true
ssd-deploy-with-manual-apply-config.yaml ssd-deploy-with-manual-apply-live.yaml true
ssd-deploy-composite-key-config.yaml ssd-deploy-composite-key-live.yaml true
";

#[test]
fn differences_of_every_pair() {
    let Some(root) = root() else { return };
    let read = |name: &str| std::fs::read_to_string(root.join("diff/testdata").join(name)).unwrap();
    let kinds = KindTable::builtin();
    let (mut passed, mut failed) = (0, Vec::new());
    let applied = DiffOptions {
        server_side_manager: Some("argocd-controller".into()),
        ..DiffOptions::default()
    };
    for (pairs, options) in [(PAIRS, &DiffOptions::default()), (APPLIED, &applied)] {
        for line in pairs.trim().lines() {
            let [desired, live, want] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            match corpus::check_diff(&kinds, &read(desired), &read(live), options) {
                Ok(diff) if diff.modified.to_string() == want => passed += 1,
                Ok(diff) => failed.push(format!("{desired} {live}: {:?}, expected {want}", diff.changes)),
                Err(why) => failed.push(format!("{desired}: {why}")),
            }
        }
    }
    println!("corpus gitops-engine diff: {passed} passed, {} failed", failed.len());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
