//! Workloads become running Pods, roll to the next version, and stand still where a version is broken.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod world;

use std::time::Duration;

use ridgeway_cluster::{DeleteOptions, WriteOptions};
use ridgeway_doc::{Doc, Node};
use ridgeway_krm::Gvk;
use world::{World, number};

fn deployment() -> Gvk {
    Gvk::new("apps", "v1", "Deployment")
}

fn manifest(tag: &str) -> String {
    format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: default}}, spec: {{replicas: 3, \
         selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
         spec: {{containers: [{{name: app, image: 'example/web:{tag}'}}]}}}}}}}}"
    )
}

fn complete(node: Node<'_>) -> bool {
    number(node, &["status", "updatedReplicas"]) == 3
        && number(node, &["status", "availableReplicas"]) == 3
        && number(node, &["status", "replicas"]) == 3
        && number(node, &["metadata", "generation"]) == number(node, &["status", "observedGeneration"])
}

#[tokio::test]
async fn a_deployment_rolls_out_and_on_and_stops_at_a_broken_version() {
    let world = World::new().await;
    world.apply(&manifest("v1")).await;
    world.until("the first rollout", &deployment(), "web", complete).await;
    assert_eq!(world.pods().await.len(), 3);

    world.apply(&manifest("v2")).await;
    let done = |node: Node<'_>| {
        complete(node) && node.str_at(&["metadata", "annotations", "deployment.kubernetes.io/revision"]) == Some("2")
    };
    world.until("the second rollout", &deployment(), "web", done).await;

    world.apply(&manifest("v3-broken")).await;
    let stuck = |node: Node<'_>| {
        number(node, &["status", "updatedReplicas"]) == 1 && number(node, &["status", "availableReplicas"]) == 3
    };
    world.until("the broken one", &deployment(), "web", stuck).await;
    let crashing = |pods: Vec<Doc>| {
        pods.iter()
            .filter(|pod| pod.root().to_json().contains("CrashLoopBackOff"))
            .count()
    };
    for _ in 0..100 {
        if crashing(world.pods().await) == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        crashing(world.pods().await),
        1,
        "one Pod tries, the others keep serving"
    );
}

#[tokio::test]
async fn a_deleted_pod_is_replaced_and_a_deleted_deployment_takes_all_with_it() {
    let world = World::new().await;
    world.apply(&manifest("v1")).await;
    world.until("the rollout", &deployment(), "web", complete).await;
    let pod = world.pods().await[0]
        .root()
        .str_at(&["metadata", "name"])
        .unwrap()
        .to_owned();
    let gvk = Gvk::new("", "v1", "Pod");
    let options = || WriteOptions::by("test", None);
    world
        .cluster
        .delete(&gvk, "default", &pod, DeleteOptions::default(), options())
        .await
        .unwrap();
    for _ in 0..500 {
        let pods = world.pods().await;
        if pods.len() == 3
            && pods
                .iter()
                .all(|p| p.root().str_at(&["metadata", "name"]) != Some(&pod))
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    world.until("all three again", &deployment(), "web", complete).await;
    world
        .cluster
        .delete(&deployment(), "default", "web", DeleteOptions::default(), options())
        .await
        .unwrap();
    for _ in 0..500 {
        if world.pods().await.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} Pods are left", world.pods().await.len());
}

#[tokio::test]
async fn stateful_sets_come_in_order_with_their_claims_and_jobs_end() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db, namespace: default}, spec: {replicas: 2, \
             serviceName: db, selector: {matchLabels: {app: db}}, template: {metadata: {labels: {app: db}}, \
             spec: {containers: [{name: db, image: 'example/db:v1'}]}}, volumeClaimTemplates: [{metadata: {name: data}, \
             spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]}}\n---\n\
             {apiVersion: batch/v1, kind: Job, metadata: {name: migrate, namespace: default}, spec: {template: {spec: \
             {restartPolicy: Never, containers: [{name: m, image: 'example/m:v1'}]}}}}\n---\n\
             {apiVersion: batch/v1, kind: Job, metadata: {name: fails, namespace: default}, spec: {backoffLimit: 1, template: \
             {spec: {restartPolicy: Never, containers: [{name: m, image: 'example/m:exit-3'}]}}}}\n---\n\
             {apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, namespace: default}, spec: {selector: \
             {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {containers: \
             [{name: a, image: 'example/a:v1'}]}}}}",
        )
        .await;
    let set = Gvk::new("apps", "v1", "StatefulSet");
    world
        .until("the set", &set, "db", |n| number(n, &["status", "readyReplicas"]) == 2)
        .await;
    let claim = Gvk::new("", "v1", "PersistentVolumeClaim");
    world
        .until("its claim", &claim, "data-db-1", |n| {
            n.str_at(&["status", "phase"]) == Some("Bound")
        })
        .await;
    let job = Gvk::new("batch", "v1", "Job");
    world
        .until("the job", &job, "migrate", |n| number(n, &["status", "succeeded"]) == 1)
        .await;
    world
        .until("the failing job", &job, "fails", |n| {
            n.to_json().contains("BackoffLimitExceeded")
        })
        .await;
    let daemon = Gvk::new("apps", "v1", "DaemonSet");
    world
        .until("the daemon", &daemon, "agent", |n| {
            number(n, &["status", "numberReady"]) == 3
        })
        .await;
}
