//! The plane through the `Cluster` trait: what controllers can do.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use ridgeway_cluster::{
    Body, DeleteOptions, Gate, GateAnswer, GateRequest, Identity, ListOptions, Operation, PatchKind, Preconditions,
    Reason, Refusal, Write,
};
use ridgeway_doc::{Node, Value};
use ridgeway_krm::Gvk;
use support::{Plane, by, config, core, eventually, is_gone, text, yaml};

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

/// A clock that moves on by a second whenever it is asked.
#[derive(Default)]
struct Steps(std::sync::atomic::AtomicI64);

impl ridgeway_cluster::Clock for Steps {
    fn now(&self) -> jiff::Timestamp {
        let seconds = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        jiff::Timestamp::UNIX_EPOCH + jiff::SignedDuration::from_secs(seconds)
    }
}

#[tokio::test]
async fn an_outcome_is_younger_than_its_intent() {
    let plane = Plane::recorded_at(std::sync::Arc::new(Steps::default())).await;
    let before = plane.ledger().len();
    plane.admin().create(config("a", "1"), by("t")).await.unwrap();
    plane.ledger().checkpoint_now().await.unwrap();
    let records = plane.ledger().entries(before..before + 2).unwrap();
    let time = |index: usize| -> jiff::Timestamp { records[index].entry.time.parse().unwrap() };
    assert!(time(1) > time(0), "{} after {}", time(1), time(0));
}

/// Labels what has no owner label, and refuses what is called `bad`.
struct House;

impl Gate for House {
    fn admit(&self, request: &GateRequest<'_>) -> GateAnswer {
        let mut answer = GateAnswer::default();
        if request.name == "bad" && request.operation != Operation::Delete {
            answer.refusals.push(Refusal {
                policy: "names".into(),
                rule: "no-bad".into(),
                message: "a name must not be `bad`".into(),
                path: "metadata.name".into(),
                remedy: "Choose another name.".into(),
                ..Refusal::default()
            });
        }
        if request.name == "renamed"
            && let Some(object) = request.object
        {
            let mut changed = object.to_value();
            changed.set(&["metadata", "name"], "another");
            answer.object = Some(changed);
        } else if let Some(object) = request.object
            && object.at(&["metadata", "labels", "owner"]).is_none()
        {
            let mut changed = object.to_value();
            changed.set(&["metadata", "labels", "owner"], request.user.name.replace(':', "."));
            answer.object = Some(changed);
        }
        answer
    }
}

#[tokio::test]
async fn the_gate_changes_and_refuses_and_both_are_seen() {
    let plane = Plane::recorded().await;
    plane.set_gate(std::sync::Arc::new(House));
    let cluster = plane.admin();
    let made = cluster.create(config("a", "1"), by("t")).await.unwrap();
    assert_eq!(text(&made, &["metadata", "labels", "owner"]), "system.admin");
    let renamed = cluster.create(config("renamed", "1"), by("t")).await.unwrap_err();
    assert!(
        renamed.message.contains("renamed sets metadata.name") && is_gone(&*cluster, "renamed").await,
        "{renamed:?}"
    );
    let managed = made.root().at(&["metadata", "managedFields"]).unwrap().to_json();
    assert!(
        managed.contains("f:owner"),
        "what the gate adds is booked to the author: {managed}"
    );
    let dry = cluster.create(config("bad", "1"), by("t").dry()).await.unwrap_err();
    let refused = cluster.create(config("bad", "1"), by("t")).await.unwrap_err();
    assert_eq!(dry, refused, "a dry run says the same");
    assert_eq!(
        refused.message,
        "a name must not be `bad` (policy names, rule no-bad, at metadata.name) Remedy: Choose another name."
    );
    assert_eq!(
        (refused.code(), refused.causes[0].reason.as_str()),
        (403, "names/no-bad")
    );
    plane.ledger().checkpoint_now().await.unwrap();
    let last = plane.ledger().get(plane.ledger().len() - 1).unwrap().entry;
    assert_eq!(
        (last.code, last.decision.allowed, last.decision.by.as_str()),
        (403, false, "names/no-bad")
    );
}

#[tokio::test]
async fn reviews_are_answered_and_not_stored() {
    let plane = Plane::start().await;
    let ask = |resource: &str| {
        yaml(&format!(
            "{{apiVersion: authorization.k8s.io/v1, kind: SelfSubjectAccessReview, metadata: {{}}, \
             spec: {{resourceAttributes: {{verb: get, resource: {resource}}}}}}}"
        ))
    };
    let revision = plane.revision();
    for (user, allowed) in [
        (plane.admin(), true),
        (plane.client(Identity::user("bob", &[], "test")), false),
    ] {
        let answer = user.create(ask("pods"), by("t")).await.unwrap();
        assert_eq!(
            answer.root().at(&["status", "allowed"]).and_then(Node::as_bool),
            Some(allowed)
        );
    }
    assert_eq!(plane.revision(), revision);
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
