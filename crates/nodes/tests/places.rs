//! Pods find a node or say why not, are found by their Services, and survive a restart of the platform.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod world;

use std::time::{Duration, Instant};

use ridgeway_cluster::{Clock, ListOptions, SystemClock, WriteOptions, rfc3339};
use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;
use world::{World, number};

fn core(kind: &str) -> Gvk {
    Gvk::new("", "v1", kind)
}

fn pod(name: &str, spec: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: default, labels: {{app: {name}}}}}, spec: {{{spec}}}}}"
    )
}

const WEB: &str = "containers: [{name: app, image: 'example/web:v1', ports: [{name: http, containerPort: 8080}]}]";

fn ready(pod: Node<'_>) -> bool {
    condition(pod, "Ready").and_then(|c| c.str_at(&["status"])) == Some("True")
}

fn condition<'a>(object: Node<'a>, ty: &str) -> Option<Node<'a>> {
    object
        .at(&["status", "conditions"])?
        .items()
        .find(|c| c.str_at(&["type"]) == Some(ty))
}

async fn cordon(world: &World, unschedulable: bool) {
    for index in 0..3 {
        let mut patch = Value::object();
        patch.set(&["spec", "unschedulable"], unschedulable);
        let options = WriteOptions::by("test", None);
        world
            .cluster
            .merge_patch(&core("Node"), "", &format!("simulated-{index}"), patch, options)
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_pod_waits_for_a_node_that_takes_it() {
    let world = World::new().await;
    world.apply(&pod("first", WEB)).await;
    world.until("a node for it", &core("Pod"), "first", ready).await;
    cordon(&world, true).await;
    world.apply(&pod("second", WEB)).await;
    let unplaced = |pod: Node<'_>| {
        condition(pod, "PodScheduled").is_some_and(|c| {
            c.str_at(&["reason"]) == Some("Unschedulable")
                && c.str_at(&["message"]) == Some("0/3 nodes are available: 3 node(s) were unschedulable.")
        })
    };
    world.until("told why it waits", &core("Pod"), "second", unplaced).await;
    let events = || async {
        let list = world
            .cluster
            .list(&core("Event"), Some("default"), &ListOptions::default())
            .await
            .unwrap();
        list.items
            .iter()
            .filter(|e| e.root().str_at(&["reason"]) == Some("FailedScheduling"))
            .count()
    };
    for _ in 0..200 {
        if events().await > 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(events().await, 1);
    cordon(&world, false).await;
    let placed = world.until("the nodes are back", &core("Pod"), "second", ready).await;
    assert_eq!(
        condition(placed.root(), "PodScheduled").unwrap().str_at(&["status"]),
        Some("True")
    );
}

#[tokio::test]
async fn a_daemon_set_follows_its_nodes() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: agent, namespace: default}, spec: {selector: \
             {matchLabels: {app: agent}}, template: {metadata: {labels: {app: agent}}, spec: {nodeSelector: {agent: 'yes'}, \
             containers: [{name: a, image: 'example/a:v1'}]}}}}",
        )
        .await;
    let gvk = Gvk::new("apps", "v1", "DaemonSet");
    let settled = |wanted: i64| {
        move |n: Node<'_>| {
            number(n, &["status", "observedGeneration"]) == 1
                && number(n, &["status", "desiredNumberScheduled"]) == wanted
                && number(n, &["status", "numberReady"]) == wanted
        }
    };
    world.until("no node asks for it", &gvk, "agent", settled(0)).await;
    for (label, wanted) in [(Value::from("yes"), 1), (Value::NULL, 0)] {
        let mut patch = Value::object();
        patch.set(&["metadata", "labels", "agent"], label);
        let options = WriteOptions::by("test", None);
        world
            .cluster
            .merge_patch(&core("Node"), "", "simulated-1", patch, options)
            .await
            .unwrap();
        world
            .until("it follows the label", &gvk, "agent", settled(wanted))
            .await;
    }
}

#[tokio::test]
async fn pods_of_a_node_that_is_gone_are_made_anew() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: default}, spec: {replicas: 6, \
             selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: \
             [{name: app, image: 'example/web:v1'}]}}}}",
        )
        .await;
    let gvk = Gvk::new("apps", "v1", "Deployment");
    let all = |n: Node<'_>| number(n, &["status", "availableReplicas"]) == 6;
    world.until("all", &gvk, "web", all).await;
    let options = WriteOptions::by("test", None);
    world
        .cluster
        .delete(&core("Node"), "", "simulated-2", Default::default(), options)
        .await
        .unwrap();
    let lost = || async {
        let pods = world.pods().await;
        pods.iter()
            .filter(|p| p.root().str_at(&["spec", "nodeName"]) == Some("simulated-2"))
            .count()
    };
    for _ in 0..200 {
        if lost().await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lost().await, 0);
    world.until("all, elsewhere", &gvk, "web", all).await;
}

#[tokio::test]
async fn a_cron_job_makes_the_job_of_its_time() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: batch/v1, kind: CronJob, metadata: {name: tidy, namespace: default}, spec: {schedule: '* * * * *', \
             jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: t, image: 'example/t:v1'}]}}}}}}",
        )
        .await;
    let gvk = Gvk::new("batch", "v1", "CronJob");
    // A time that was missed a moment ago is caught up with.
    let earlier = SystemClock.now() - jiff::SignedDuration::from_secs(90);
    let cron = world.cluster.get(&gvk, "default", "tidy").await.unwrap();
    let mut object = cron.root().to_value();
    object.set(&["status", "lastScheduleTime"], rfc3339(earlier));
    world
        .cluster
        .update_status(object, WriteOptions::by("test", None))
        .await
        .unwrap();
    let served = |n: Node<'_>| n.str_at(&["status", "lastSuccessfulTime"]).is_some();
    let after = world.until("its job is done", &gvk, "tidy", served).await;
    let jobs = world
        .cluster
        .list(
            &Gvk::new("batch", "v1", "Job"),
            Some("default"),
            &ListOptions::default(),
        )
        .await
        .unwrap();
    assert!(
        jobs.items[0]
            .root()
            .str_at(&["metadata", "name"])
            .unwrap()
            .starts_with("tidy-")
    );
    let last = after.root().str_at(&["status", "lastScheduleTime"]).unwrap();
    assert!(last.ends_with(":00Z"), "{last} is a time of the schedule");
}

#[tokio::test]
async fn a_service_knows_the_pods_behind_it() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: default}, spec: {type: LoadBalancer, \
             selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}}",
        )
        .await;
    world.apply(&pod("web", WEB)).await;
    let running = world.until("the Pod", &core("Pod"), "web", ready).await;
    let slices = Gvk::new("discovery.k8s.io", "v1", "EndpointSlice");
    let options = ListOptions {
        labels: "kubernetes.io/service-name=web".into(),
        ..ListOptions::default()
    };
    let endpoints = || async {
        let list = world.cluster.list(&slices, Some("default"), &options).await.unwrap();
        let [slice] = list.items.as_slice() else { return None };
        let port = number(slice.root().get("ports")?.item(0)?, &["port"]);
        let endpoint = slice.root().get("endpoints")?.item(0)?;
        let address = endpoint.get("addresses")?.item(0)?.as_str()?.to_owned();
        Some((address, port, endpoint.at(&["conditions", "ready"])?.as_bool()?))
    };
    let want = (
        running.root().str_at(&["status", "podIP"]).unwrap().to_owned(),
        8080,
        true,
    );
    for _ in 0..200 {
        if endpoints().await.as_ref() == Some(&want) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(endpoints().await, Some(want));
    let service = world.cluster.get(&core("Service"), "default", "web").await.unwrap();
    assert!(
        service.root().to_json().contains("\"ip\":\"192.0.2."),
        "an address for documentation"
    );
    world
        .cluster
        .delete(
            &core("Pod"),
            "default",
            "web",
            Default::default(),
            WriteOptions::by("test", None),
        )
        .await
        .unwrap();
    for _ in 0..200 {
        if endpoints().await.is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the Pod is gone and still an endpoint: {:?}", endpoints().await);
}

#[tokio::test]
async fn a_pod_starts_with_its_init_containers() {
    let world = World::new().await;
    let init = |tag: &str| format!("initContainers: [{{name: setup, image: 'example/setup:{tag}'}}], {WEB}");
    world.apply(&pod("fine", &init("v1"))).await;
    world.apply(&pod("stuck", &init("v1-broken"))).await;
    let fine = world.until("both done", &core("Pod"), "fine", ready).await;
    let first = fine
        .root()
        .at(&["status", "initContainerStatuses"])
        .unwrap()
        .item(0)
        .unwrap();
    assert_eq!(number(first, &["state", "terminated", "exitCode"]), 0);
    let stuck = world
        .until("it tries again", &core("Pod"), "stuck", |n| {
            n.to_json().contains("CrashLoopBackOff")
        })
        .await;
    let root = stuck.root();
    assert_eq!(root.str_at(&["status", "phase"]), Some("Pending"));
    assert_eq!(
        condition(root, "Initialized").unwrap().str_at(&["status"]),
        Some("False")
    );
    let app = root.at(&["status", "containerStatuses"]).unwrap().item(0).unwrap();
    assert_eq!(app.str_at(&["state", "waiting", "reason"]), Some("PodInitializing"));
}

#[tokio::test]
async fn ready_is_not_yet_available() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: default}, spec: {minReadySeconds: 1, \
             selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: \
             [{name: app, image: 'example/web:v1'}]}}}}",
        )
        .await;
    let gvk = Gvk::new("apps", "v1", "Deployment");
    let first = world
        .until("ready", &gvk, "web", |n| number(n, &["status", "readyReplicas"]) == 1)
        .await;
    assert_eq!(number(first.root(), &["status", "availableReplicas"]), 0);
    world
        .until("available", &gvk, "web", |n| {
            number(n, &["status", "availableReplicas"]) == 1
        })
        .await;
}

#[tokio::test]
async fn a_restart_of_the_platform_changes_no_pod() {
    let mut world = World::new().await;
    world.apply(&pod("web", WEB)).await;
    let before = world.until("running", &core("Pod"), "web", ready).await;
    assert!(world.nodes.logs("default", "web", "app", false).is_some());
    world.restart();
    for _ in 0..200 {
        if world.nodes.logs("default", "web", "app", false).is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        world.nodes.logs("default", "web", "app", false).is_some(),
        "the new nodes took the Pod over"
    );
    world.apply(&pod("next", WEB)).await;
    let next = world.until("running beside it", &core("Pod"), "next", ready).await;
    let after = world.cluster.get(&core("Pod"), "default", "web").await.unwrap();
    assert_eq!(before, after);
    assert_ne!(
        next.root().str_at(&["status", "podIP"]),
        after.root().str_at(&["status", "podIP"])
    );
}

/// Not a benchmark, but a guard against work that grows with the square of the Pods.
#[tokio::test]
async fn a_hundred_pods_are_up_in_seconds() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: default}, spec: {replicas: 100, \
             selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: \
             [{name: app, image: 'example/web:v1'}]}}}}",
        )
        .await;
    let start = Instant::now();
    let gvk = Gvk::new("apps", "v1", "Deployment");
    world
        .until("all", &gvk, "web", |n| {
            number(n, &["status", "availableReplicas"]) == 100
        })
        .await;
    println!("100 Pods available after {:?}", start.elapsed());
    let pods = world.pods().await;
    let on = |node: &str| {
        pods.iter()
            .filter(|p| p.root().str_at(&["spec", "nodeName"]) == Some(node))
            .count()
    };
    assert!(
        (0..3).all(|i| on(&format!("simulated-{i}")) >= 32),
        "spread over the nodes"
    );
}

#[tokio::test]
async fn a_disruption_budget_follows_its_pods() {
    let world = World::new().await;
    world
        .apply(
            "{apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: web, namespace: default}, spec: \
             {maxUnavailable: 1, selector: {matchLabels: {app: web}}}}",
        )
        .await;
    let gvk = Gvk::new("policy", "v1", "PodDisruptionBudget");
    world
        .until("nothing to take away", &gvk, "web", |n| {
            number(n, &["status", "observedGeneration"]) == 1 && number(n, &["status", "disruptionsAllowed"]) == 0
        })
        .await;
    let deployment = |replicas: u32| {
        format!(
            "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: default}}, spec: {{replicas: {replicas}, \
             selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, spec: {{{WEB}}}}}}}}}"
        )
    };
    world.apply(&deployment(3)).await;
    let budget = world
        .until("one of three", &gvk, "web", |n| {
            number(n, &["status", "currentHealthy"]) == 3 && number(n, &["status", "disruptionsAllowed"]) == 1
        })
        .await;
    assert_eq!(number(budget.root(), &["status", "desiredHealthy"]), 2);
    assert_eq!(
        condition(budget.root(), "DisruptionAllowed").and_then(|c| c.str_at(&["status"])),
        Some("True")
    );
    world.apply(&deployment(0)).await;
    world
        .until("nothing again", &gvk, "web", |n| {
            number(n, &["status", "currentHealthy"]) == 0 && number(n, &["status", "disruptionsAllowed"]) == 0
        })
        .await;
}
