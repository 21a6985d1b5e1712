//! The plane through the `Cluster` trait: what controllers see.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ridgeway_cluster::{
    Body, Cluster, DeleteOptions, Identity, ListOptions, PatchKind, Preconditions, Propagation, Reason, WatchEvent,
    Write, WriteOptions,
};
use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::Gvk;
use support::{Plane, eventually, yaml};

fn core(kind: &str) -> Gvk {
    Gvk::new("", "v1", kind)
}

fn text(doc: &Doc, path: &[&str]) -> String {
    doc.root().str_at(path).unwrap_or_default().to_owned()
}

fn by(manager: &str) -> WriteOptions {
    WriteOptions::by(manager, None)
}

fn config(name: &str, value: &str) -> Value {
    yaml(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default}}, data: {{k: \"{value}\"}}}}"
    ))
}

#[tokio::test]
async fn a_list_and_a_watch_from_it_miss_nothing() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    cluster.create(config("a", "1"), by("t")).await.unwrap();
    let all = ListOptions::default();
    let list = cluster.list(&core("ConfigMap"), Some("default"), &all).await.unwrap();
    assert_eq!(
        list.items
            .iter()
            .map(|d| text(d, &["metadata", "name"]))
            .collect::<Vec<_>>(),
        ["a"]
    );
    let mut watch = cluster
        .watch(&core("ConfigMap"), Some("default"), &all, &list.resource_version)
        .await
        .unwrap();
    cluster.create(config("b", "1"), by("t")).await.unwrap();
    cluster.update(config("a", "2"), by("t")).await.unwrap();
    cluster
        .delete(&core("ConfigMap"), "default", "b", DeleteOptions::default(), by("t"))
        .await
        .unwrap();
    let mut versions = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..3 {
        let (kind, doc) = match watch.recv().await.unwrap() {
            WatchEvent::Added(doc) => ("added", doc),
            WatchEvent::Modified(doc) => ("modified", doc),
            WatchEvent::Deleted(doc) => ("deleted", doc),
            other => panic!("{other:?}"),
        };
        versions.push(text(&doc, &["metadata", "resourceVersion"]).parse::<u64>().unwrap());
        seen.push(format!("{kind} {}", text(&doc, &["metadata", "name"])));
    }
    assert_eq!(seen, ["added b", "modified a", "deleted b"]);
    assert!(
        versions.is_sorted() && versions[0] > list.resource_version.parse().unwrap(),
        "{versions:?}"
    );
    // A watch that resumes from the middle sees the rest, once.
    let mut resumed = cluster
        .watch(&core("ConfigMap"), Some("default"), &all, &versions[1].to_string())
        .await
        .unwrap();
    assert!(
        matches!(resumed.recv().await.unwrap(), WatchEvent::Deleted(doc) if text(&doc, &["metadata", "name"]) == "b")
    );
}

#[tokio::test]
async fn leaving_a_selection_looks_like_a_deletion() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    let mut labelled = config("a", "1");
    labelled.set(&["metadata", "labels", "team"], "x");
    let made = cluster.create(labelled.clone(), by("t")).await.unwrap();
    let options = ListOptions {
        labels: "team=x".into(),
        fields: String::new(),
    };
    let from = text(&made, &["metadata", "resourceVersion"]);
    let mut watch = cluster.watch(&core("ConfigMap"), None, &options, &from).await.unwrap();
    cluster.update(config("a", "2"), by("t")).await.unwrap();
    cluster.update(labelled, by("t")).await.unwrap();
    assert!(matches!(watch.recv().await.unwrap(), WatchEvent::Deleted(_)));
    assert!(matches!(watch.recv().await.unwrap(), WatchEvent::Added(_)));
}

#[tokio::test]
async fn versions_pin_and_no_change_is_no_write() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    let made = cluster.create(config("a", "1"), by("t")).await.unwrap();
    let again = cluster.create(config("a", "1"), by("t")).await.unwrap_err();
    assert_eq!(
        (again.reason, again.message.as_str()),
        (Reason::AlreadyExists, "configmaps \"a\" already exists")
    );
    let same = cluster.update(made.root().to_value(), by("other")).await.unwrap();
    assert_eq!(
        text(&same, &["metadata", "resourceVersion"]),
        text(&made, &["metadata", "resourceVersion"])
    );
    cluster.update(config("a", "2"), by("t")).await.unwrap();
    let stale = cluster.update(made.root().to_value(), by("t")).await.unwrap_err();
    assert_eq!(stale.reason, Reason::Conflict, "{stale}");
    assert!(stale.message.contains("the object has been modified"), "{stale}");
    let wrong = Preconditions {
        uid: Some("other".into()),
        resource_version: None,
    };
    let delete = DeleteOptions {
        preconditions: wrong,
        ..DeleteOptions::default()
    };
    let refused = cluster
        .delete(&core("ConfigMap"), "default", "a", delete, by("t"))
        .await
        .unwrap_err();
    assert!(
        refused
            .message
            .contains("Precondition failed: UID in precondition: other"),
        "{refused}"
    );
    let dry = cluster.create(config("dry", "1"), by("t").dry()).await.unwrap();
    assert!(!text(&dry, &["metadata", "uid"]).is_empty());
    assert_eq!(
        cluster
            .get(&core("ConfigMap"), "default", "dry")
            .await
            .unwrap_err()
            .reason,
        Reason::NotFound
    );
}

#[tokio::test]
async fn racing_patches_all_arrive() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    cluster.create(config("a", "1"), by("t")).await.unwrap();
    let patches = (0..16).map(|i| {
        let cluster = cluster.clone();
        tokio::spawn(async move {
            let patch = yaml(&format!("data: {{k{i}: x}}"));
            cluster
                .merge_patch(&core("ConfigMap"), "default", "a", patch, by("t"))
                .await
        })
    });
    for patch in patches.collect::<Vec<_>>() {
        patch.await.unwrap().unwrap();
    }
    let map = cluster.get(&core("ConfigMap"), "default", "a").await.unwrap();
    assert_eq!(map.root().get("data").unwrap().len(), 17);
}

fn deployment(replicas: &str, image: &str) -> Value {
    yaml(&format!(
        "{{apiVersion: apps/v1, kind: Deployment, metadata: {{name: web, namespace: default}}, spec: {{{replicas} \
         selector: {{matchLabels: {{app: web}}}}, template: {{metadata: {{labels: {{app: web}}}}, \
         spec: {{containers: [{{name: c, image: {image}}}]}}}}}}}}"
    ))
}

#[tokio::test]
async fn server_side_apply_owns_conflicts_and_takes_over() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    let made = cluster
        .apply(deployment("replicas: 2,", "nginx:1"), by("git"))
        .await
        .unwrap();
    assert_eq!(
        text(&made, &["spec", "strategy", "type"]),
        "RollingUpdate",
        "defaults are in"
    );
    assert_eq!(
        made.root().at(&["metadata", "generation"]).and_then(Node::as_i64),
        Some(1)
    );
    let again = cluster
        .apply(deployment("replicas: 2,", "nginx:1"), by("git"))
        .await
        .unwrap();
    assert_eq!(
        text(&again, &["metadata", "resourceVersion"]),
        text(&made, &["metadata", "resourceVersion"])
    );
    let refused = cluster
        .apply(deployment("replicas: 3,", "nginx:1"), by("scaler"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason, Reason::Conflict);
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"git\": .spec.replicas"
    );
    assert_eq!(
        (refused.causes[0].reason.as_str(), refused.causes[0].field.as_str()),
        ("FieldManagerConflict", ".spec.replicas")
    );
    let taken = cluster
        .apply(deployment("replicas: 3,", "nginx:1"), by("scaler").forced())
        .await
        .unwrap();
    assert_eq!(taken.root().at(&["spec", "replicas"]).and_then(Node::as_i64), Some(3));
    assert_eq!(
        taken.root().at(&["metadata", "generation"]).and_then(Node::as_i64),
        Some(2)
    );
    // Git no longer says how many: the scaler's number stays.
    let kept = cluster.apply(deployment("", "nginx:1"), by("git")).await.unwrap();
    assert_eq!(kept.root().at(&["spec", "replicas"]).and_then(Node::as_i64), Some(3));
    let mut status = kept.root().to_value();
    status.set(&["status", "readyReplicas"], 1i64);
    status.set(&["spec", "replicas"], 9i64);
    let after = cluster.update_status(status, by("controller")).await.unwrap();
    assert_eq!(
        after.root().at(&["spec", "replicas"]).and_then(Node::as_i64),
        Some(3),
        "status writes change status only"
    );
    assert_eq!(
        after.root().at(&["status", "readyReplicas"]).and_then(Node::as_i64),
        Some(1)
    );
    assert_eq!(
        after.root().at(&["metadata", "generation"]).and_then(Node::as_i64),
        Some(2)
    );
}

const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, maximum: 10}
              color: {type: string, default: red}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
";

#[tokio::test]
async fn custom_resources_are_served_defaulted_pruned_and_validated() {
    let plane = Plane::start().await;
    plane.run_controllers();
    let cluster = plane.admin();
    let widget = |spec: &str| {
        yaml(&format!(
            "{{apiVersion: example.com/v1, kind: Widget, metadata: {{name: w, namespace: default}}, spec: {spec}}}"
        ))
    };
    let unknown = cluster.create(widget("{size: 1}"), by("t")).await.unwrap_err();
    assert!(
        unknown.reason == Reason::NotFound && unknown.message.contains("CustomResourceDefinition"),
        "{unknown}"
    );
    let crd = cluster.create(yaml(WIDGETS), by("t")).await.unwrap();
    assert_eq!(text(&crd, &["spec", "names", "listKind"]), "WidgetList");
    let conditions = crd.root().at(&["status", "conditions"]).unwrap();
    assert!(
        conditions
            .items()
            .any(|c| c.str_at(&["type"]) == Some("Established") && c.str_at(&["status"]) == Some("True"))
    );
    let wrong = cluster.create(widget("{size: 11}"), by("t")).await.unwrap_err();
    assert_eq!(wrong.reason, Reason::Invalid);
    assert!(
        wrong.message.contains("spec.size") && wrong.message.contains("less than or equal to 10"),
        "{wrong}"
    );
    let mut strict = by("t");
    strict.strict = true;
    let refused = cluster.create(widget("{size: 1, extra: 1}"), strict).await.unwrap_err();
    assert!(
        refused
            .message
            .contains("strict decoding error: unknown field \"spec.extra\""),
        "{refused}"
    );
    let made = cluster.create(widget("{size: 1, extra: 1}"), by("t")).await.unwrap();
    assert_eq!(
        made.root().get("spec").unwrap().to_value(),
        yaml("{size: 1, color: red}")
    );
    let kind = cluster.kinds().get(&Gvk::new("example.com", "v1", "Widget")).unwrap();
    assert!(kind.columns.iter().any(|column| column.name == "Size"));
    // Deleting the definition takes the kind away.
    let gvk = Gvk::new("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    cluster
        .delete(&gvk, "", "widgets.example.com", DeleteOptions::default(), by("t"))
        .await
        .unwrap();
    eventually("the kind is gone", || async {
        cluster.kinds().get(&Gvk::new("example.com", "v1", "Widget")).is_none()
    })
    .await;
    // With its objects: they are not there again when the kind comes back.
    cluster.create(yaml(WIDGETS), by("t")).await.unwrap();
    let left = cluster
        .list(&Gvk::new("example.com", "v1", "Widget"), None, &ListOptions::default())
        .await
        .unwrap();
    assert!(left.items.is_empty());
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_hold() {
    let plane = Plane::start().await;
    let admin = plane.admin();
    let bind = |role: &str, user: &str, namespace: &str| {
        yaml(&format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, metadata: {{name: {user}-{role}, namespace: {namespace}}}, \
             roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {role}}}, \
             subjects: [{{apiGroup: rbac.authorization.k8s.io, kind: User, name: {user}}}]}}"
        ))
    };
    admin.create(bind("admin", "alice", "default"), by("t")).await.unwrap();
    let alice = plane.client(Identity::user("alice", &[], "test"));
    alice.create(config("hers", "1"), by("t")).await.unwrap();
    alice.create(bind("edit", "bob", "default"), by("t")).await.unwrap();
    let refused = alice
        .create(bind("cluster-admin", "bob", "default"), by("t"))
        .await
        .unwrap_err();
    assert_eq!(refused.reason, Reason::Forbidden);
    assert!(
        refused
            .message
            .contains("attempting to grant RBAC permissions not currently held"),
        "{refused}"
    );
    let role = |rules: &str| {
        yaml(&format!(
            "{{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {{name: r, namespace: default}}, rules: {rules}}}"
        ))
    };
    alice
        .create(role("[{apiGroups: [''], resources: [pods], verbs: [get]}]"), by("t"))
        .await
        .unwrap();
    let more = role("[{apiGroups: [''], resources: [nodes], verbs: [get]}]");
    assert_eq!(alice.update(more, by("t")).await.unwrap_err().reason, Reason::Forbidden);
    let elsewhere = alice
        .list(&core("ConfigMap"), Some("kube-system"), &ListOptions::default())
        .await
        .unwrap_err();
    assert_eq!(
        elsewhere.message,
        "configmaps is forbidden: User \"alice\" cannot list resource \"configmaps\" in API group \"\" in the namespace \
         \"kube-system\""
    );
    let as_admin = alice.impersonate(Identity::user("root", &["system:masters"], "test"));
    assert_eq!(
        as_admin.get(&core("Node"), "", "x").await.unwrap_err().reason,
        Reason::Forbidden
    );
    assert!(
        admin
            .impersonate(Identity::user("root", &["system:masters"], "test"))
            .create(config("x", "1"), by("t"))
            .await
            .is_ok()
    );
}

fn owned(name: &str, owner: &Doc, more: &str) -> Value {
    let mut object = config(name, "1");
    let reference = format!(
        "[{{apiVersion: v1, kind: ConfigMap, name: {}, uid: {}{more}}}]",
        text(owner, &["metadata", "name"]),
        text(owner, &["metadata", "uid"])
    );
    object.set(&["metadata", "ownerReferences"], yaml(&reference));
    object
}

async fn is_gone(cluster: &dyn Cluster, name: &str) -> bool {
    cluster
        .get(&core("ConfigMap"), "default", name)
        .await
        .is_err_and(|status| status.reason == Reason::NotFound)
}

#[tokio::test]
async fn dependents_go_with_their_owners() {
    let plane = Plane::start().await;
    plane.run_controllers();
    let cluster = plane.admin();
    let delete = |name: &'static str, propagation| {
        let cluster = cluster.clone();
        async move {
            let options = DeleteOptions {
                propagation,
                ..DeleteOptions::default()
            };
            cluster
                .delete(&core("ConfigMap"), "default", name, options, by("t"))
                .await
                .unwrap()
        }
    };
    // Background: the owner goes at once, its dependents and theirs after it.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    let b = cluster.create(owned("b", &a, ""), by("t")).await.unwrap();
    cluster.create(owned("c", &b, ""), by("t")).await.unwrap();
    delete("a", Propagation::Background).await;
    eventually("b and c are collected", || async {
        is_gone(&*cluster, "b").await && is_gone(&*cluster, "c").await
    })
    .await;
    // Orphan: dependents stay and forget.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    cluster.create(owned("b", &a, ""), by("t")).await.unwrap();
    let marked = delete("a", Propagation::Orphan).await;
    assert_eq!(
        marked.root().at(&["metadata", "finalizers"]).unwrap().to_json(),
        r#"["orphan"]"#
    );
    eventually("a is gone", || async { is_gone(&*cluster, "a").await }).await;
    let b = cluster.get(&core("ConfigMap"), "default", "b").await.unwrap();
    assert!(b.root().at(&["metadata", "ownerReferences"]).is_none());
    // Foreground: the owner waits for dependents that block it.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    let mut held = owned("d", &a, ", blockOwnerDeletion: true");
    held.set(&["metadata", "finalizers"], yaml("[example.com/hold]"));
    cluster.create(held, by("t")).await.unwrap();
    delete("a", Propagation::Foreground).await;
    eventually("d is marked", || async {
        let d = cluster.get(&core("ConfigMap"), "default", "d").await.unwrap();
        d.root().at(&["metadata", "deletionTimestamp"]).is_some()
    })
    .await;
    assert!(!is_gone(&*cluster, "a").await, "the owner waits");
    let patch = yaml("metadata: {finalizers: null}");
    cluster
        .merge_patch(&core("ConfigMap"), "default", "d", patch, by("t"))
        .await
        .unwrap();
    eventually("a and d are gone", || async {
        is_gone(&*cluster, "a").await && is_gone(&*cluster, "d").await
    })
    .await;
    // An owner that never was, and one that is only one of two.
    let a = cluster.create(config("a", "1"), by("t")).await.unwrap();
    let mut absent = owned("e", &a, "");
    absent.set(
        &["metadata", "ownerReferences"],
        yaml("[{apiVersion: v1, kind: ConfigMap, name: none, uid: none}]"),
    );
    cluster.create(absent.clone(), by("t")).await.unwrap();
    eventually("e is collected", || async { is_gone(&*cluster, "e").await }).await;
    let mut both = owned("f", &a, "");
    let mut references = both.node().at(&["metadata", "ownerReferences"]).unwrap().to_value();
    references
        .make_array()
        .push(yaml("{apiVersion: v1, kind: ConfigMap, name: none, uid: none}"));
    both.set(&["metadata", "ownerReferences"], references);
    cluster.create(both, by("t")).await.unwrap();
    eventually("f forgets the absent owner", || async {
        let f = cluster.get(&core("ConfigMap"), "default", "f").await.unwrap();
        f.root().at(&["metadata", "ownerReferences"]).map_or(0, Node::len) == 1
    })
    .await;
}

#[tokio::test]
async fn a_namespace_takes_its_content_with_it() {
    let plane = Plane::start().await;
    plane.run_controllers();
    let cluster = plane.admin();
    cluster
        .create(
            yaml("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"),
            by("t"),
        )
        .await
        .unwrap();
    eventually("the account and the certificate are there", || async {
        let account = cluster.get(&core("ServiceAccount"), "shop", "default").await;
        let map = cluster.get(&core("ConfigMap"), "shop", "kube-root-ca.crt").await;
        account.is_ok() && map.is_ok_and(|map| text(&map, &["data", "ca.crt"]) == support::ROOT_CA)
    })
    .await;
    let mut held = config("held", "1");
    held.set(&["metadata", "namespace"], "shop");
    held.set(&["metadata", "finalizers"], yaml("[example.com/hold]"));
    cluster.create(held, by("t")).await.unwrap();
    cluster
        .delete(&core("Namespace"), "", "shop", DeleteOptions::default(), by("t"))
        .await
        .unwrap();
    eventually("the namespace says what holds it", || async {
        let namespace = cluster.get(&core("Namespace"), "", "shop").await.unwrap();
        let conditions = namespace
            .root()
            .at(&["status", "conditions"])
            .map(Node::items)
            .into_iter()
            .flatten();
        text(&namespace, &["status", "phase"]) == "Terminating"
            && conditions.into_iter().any(|c| {
                c.str_at(&["type"]) == Some("NamespaceFinalizersRemaining")
                    && c.str_at(&["message"])
                        .is_some_and(|m| m.contains("example.com/hold in 1 resource instances"))
            })
    })
    .await;
    let mut late = config("late", "1");
    late.set(&["metadata", "namespace"], "shop");
    let refused = cluster.create(late, by("t")).await.unwrap_err();
    assert!(refused.message.contains("because it is being terminated"), "{refused}");
    let patch = yaml("metadata: {finalizers: null}");
    cluster
        .merge_patch(&core("ConfigMap"), "shop", "held", patch, by("t"))
        .await
        .unwrap();
    eventually("the namespace is gone", || async {
        cluster.get(&core("Namespace"), "", "shop").await.is_err()
    })
    .await;
    let left = cluster
        .list(&core("ServiceAccount"), Some("shop"), &ListOptions::default())
        .await
        .unwrap();
    assert!(left.items.is_empty());
    let refused = cluster
        .delete(&core("Namespace"), "", "default", DeleteOptions::default(), by("t"))
        .await
        .unwrap_err();
    assert!(
        refused.message.contains("this namespace may not be deleted"),
        "{refused}"
    );
}

#[tokio::test]
async fn quotas_hold_under_concurrency_and_are_given_back() {
    let plane = Plane::start().await;
    plane.run_controllers();
    let cluster = plane.admin();
    cluster
        .create(
            yaml("{apiVersion: v1, kind: ResourceQuota, metadata: {name: few, namespace: default}, spec: {hard: {count/configmaps: 5, pods: 1, requests.cpu: 1}}}"),
            by("t"),
        )
        .await
        .unwrap();
    // kube-root-ca.crt is one of the five.
    eventually("the certificate is published", || async {
        !is_gone(&*cluster, "kube-root-ca.crt").await
    })
    .await;
    let creations: Vec<_> = (0..20)
        .map(|i| {
            let cluster = cluster.clone();
            tokio::spawn(async move { cluster.create(config(&format!("c{i}"), "1"), by("t")).await })
        })
        .collect();
    let mut made = 0;
    for creation in creations {
        match creation.await.unwrap() {
            Ok(_) => made += 1,
            Err(status) => {
                assert!(status.message.contains("exceeded quota: few, requested: count/configmaps=1, used: count/configmaps=5, limited: count/configmaps=5"), "{status}");
            }
        }
    }
    assert_eq!(made, 4);
    let used = |path: &'static str| {
        let cluster = cluster.clone();
        async move {
            let quota = cluster.get(&core("ResourceQuota"), "default", "few").await.unwrap();
            text(&quota, &["status", "used", path])
        }
    };
    assert_eq!(used("count/configmaps").await, "5");
    let maps = cluster
        .list(&core("ConfigMap"), Some("default"), &ListOptions::default())
        .await
        .unwrap();
    let name = maps
        .items
        .iter()
        .map(|m| text(m, &["metadata", "name"]))
        .find(|n| n.starts_with('c'))
        .unwrap();
    cluster
        .delete(&core("ConfigMap"), "default", &name, DeleteOptions::default(), by("t"))
        .await
        .unwrap();
    eventually("usage is counted anew", || async {
        used("count/configmaps").await == "4"
    })
    .await;
    let pod = |name: &str, resources: &str| {
        yaml(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, namespace: default}}, \
             spec: {{containers: [{{name: c, image: i, resources: {resources}}}]}}}}"
        ))
    };
    let silent = cluster.create(pod("p", "{}"), by("t")).await.unwrap_err();
    assert!(
        silent.message.contains("failed quota: few: must specify requests.cpu"),
        "{silent}"
    );
    cluster
        .create(
            yaml("{apiVersion: v1, kind: LimitRange, metadata: {name: l, namespace: default}, spec: {limits: [{type: Container, defaultRequest: {cpu: 100m}, max: {memory: 1Gi}, default: {memory: 1Gi}}]}}"),
            by("t"),
        )
        .await
        .unwrap();
    let made = cluster.create(pod("p", "{}"), by("t")).await.unwrap();
    let container = made.root().at(&["spec", "containers"]).unwrap().item(0).unwrap();
    assert_eq!(container.str_at(&["resources", "requests", "cpu"]), Some("100m"));
    assert_eq!(text(&made, &["spec", "serviceAccountName"]), "default");
    assert_eq!(text(&made, &["status", "qosClass"]), "Burstable");
    let second = cluster.create(pod("q", "{}"), by("t")).await.unwrap_err();
    assert!(
        second
            .message
            .contains("exceeded quota: few, requested: pods=1, used: pods=1, limited: pods=1"),
        "{second}"
    );
    let big = cluster
        .create(pod("r", "{limits: {memory: 2Gi}}"), by("t"))
        .await
        .unwrap_err();
    assert!(
        big.message
            .contains("maximum memory usage per Container is 1Gi, but limit is 2Gi"),
        "{big}"
    );
}

#[tokio::test]
async fn old_events_go() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    let event = |name: &str, last: &str| {
        yaml(&format!(
            "{{apiVersion: v1, kind: Event, metadata: {{name: {name}, namespace: default}}, involvedObject: {{}}, lastTimestamp: \"{last}\"}}"
        ))
    };
    cluster
        .create(event("old", "2026-01-02T02:00:00Z"), by("t"))
        .await
        .unwrap();
    cluster
        .create(event("new", "2026-01-02T03:00:00Z"), by("t"))
        .await
        .unwrap();
    plane.run_controllers();
    eventually("the old event is gone", || async {
        cluster.get(&core("Event"), "default", "old").await.is_err()
    })
    .await;
    assert!(cluster.get(&core("Event"), "default", "new").await.is_ok());
}

#[tokio::test]
async fn every_change_leaves_an_intent_and_an_outcome_and_a_refusal_an_event() {
    let plane = Plane::recorded().await;
    plane.ledger().checkpoint_now().await.unwrap();
    let before = plane.ledger().len();
    plane.admin().create(config("a", "1"), by("t")).await.unwrap();
    let nobody = plane.client(Identity::user("nobody", &[], "test"));
    assert!(nobody.create(config("b", "1"), by("t")).await.is_err());
    plane.ledger().checkpoint_now().await.unwrap();
    let records = plane.ledger().entries(before..plane.ledger().len()).unwrap();
    let said: Vec<String> = records
        .iter()
        .map(|record| {
            let entry = &record.entry;
            format!(
                "{:?} {} {} {} {}",
                entry.phase, entry.actor.user, entry.verb, entry.object.name, entry.code
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            "Intent system:admin create a 0",
            "Outcome system:admin create a 201",
            "Event nobody create b 403"
        ]
    );
    assert_eq!(records[1].entry.of, Some(before));
    assert_eq!(records[0].entry.causality, records[1].entry.causality);
    assert_eq!(records[0].entry.after.len(), 64);
}

#[tokio::test]
async fn a_fork_goes_its_own_way() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    cluster.create(config("a", "1"), by("t")).await.unwrap();
    let fork = plane.fork(None).await.unwrap();
    fork.admin().update(config("a", "2"), by("t")).await.unwrap();
    fork.admin().create(config("b", "2"), by("t")).await.unwrap();
    assert_eq!(
        text(
            &cluster.get(&core("ConfigMap"), "default", "a").await.unwrap(),
            &["data", "k"]
        ),
        "1"
    );
    assert!(is_gone(&*cluster, "b").await);
}

#[tokio::test]
async fn services_get_free_addresses_and_ports() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    let mut seen = std::collections::BTreeSet::new();
    for i in 0..40 {
        let service = yaml(&format!(
            "{{apiVersion: v1, kind: Service, metadata: {{name: s{i}, namespace: default}}, \
             spec: {{type: NodePort, selector: {{a: b}}, ports: [{{port: 80, name: a}}, {{port: 81, name: b}}]}}}}"
        ));
        let made = cluster.create(service.clone(), by("t")).await.unwrap();
        assert!(seen.insert(text(&made, &["spec", "clusterIP"])));
        for port in made.root().at(&["spec", "ports"]).unwrap().items() {
            let port = port.get("nodePort").and_then(Node::as_i64).unwrap();
            assert!((30_000..32_768).contains(&port));
            assert!(seen.insert(port.to_string()));
        }
        let mut again = made.root().to_value();
        again.set(&["metadata", "labels", "x"], "y");
        let updated = cluster.update(again, by("t")).await.unwrap();
        assert_eq!(
            updated.root().get("spec"),
            made.root().get("spec"),
            "what was given stays"
        );
    }
}

#[tokio::test]
async fn patches_of_each_kind() {
    let plane = Plane::start().await;
    let cluster = plane.admin();
    cluster
        .create(deployment("replicas: 1,", "nginx:1"), by("t"))
        .await
        .unwrap();
    let patch = |kind, text: &str| Write {
        gvk: Gvk::new("apps", "v1", "Deployment"),
        namespace: "default".into(),
        name: "web".into(),
        subresource: String::new(),
        body: Body::Patch(kind, yaml(text).into_doc()),
        options: by("t"),
    };
    let done = cluster
        .write(patch(
            PatchKind::Strategic,
            "spec: {template: {spec: {containers: [{name: side, image: s}]}}}",
        ))
        .await
        .unwrap();
    assert_eq!(
        done.root()
            .at(&["spec", "template", "spec", "containers"])
            .unwrap()
            .len(),
        2
    );
    let done = cluster
        .write(patch(
            PatchKind::Json,
            "[{op: replace, path: /spec/replicas, value: 4}]",
        ))
        .await
        .unwrap();
    assert_eq!(done.root().at(&["spec", "replicas"]).and_then(Node::as_i64), Some(4));
    let failed = cluster
        .write(patch(PatchKind::Json, "[{op: test, path: /spec/replicas, value: 5}]"))
        .await
        .unwrap_err();
    assert_eq!(failed.reason, Reason::Invalid);
    let done = cluster
        .write(patch(
            PatchKind::Merge,
            "spec: {template: {spec: {containers: [{name: c, image: new}]}}}",
        ))
        .await
        .unwrap();
    assert_eq!(
        done.root()
            .at(&["spec", "template", "spec", "containers"])
            .unwrap()
            .len(),
        1
    );
    let immutable = cluster
        .write(patch(
            PatchKind::Merge,
            "spec: {selector: {matchLabels: {app: other}}, template: {metadata: {labels: {app: other}}}}",
        ))
        .await
        .unwrap_err();
    assert!(immutable.message.contains("field is immutable"), "{immutable}");
}
