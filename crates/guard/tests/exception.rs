//! Exceptions are asked for, approved by somebody else, and end.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use std::sync::Arc;

use ridgeway_cluster::{Cluster, Identity, Status, WriteOptions};
use ridgeway_doc::{Value, parse_yaml};
use ridgeway_guard::ExceptionView;
use world::{World, gvk};

const POLICIES: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: team}
spec:
  validationFailureAction: Enforce
  rules:
  - name: labelled
    match: {any: [{resources: {kinds: [ConfigMap]}}]}
    validate:
      message: say whose it is
      pattern: {metadata: {labels: {team: '?*'}}}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: data}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [secrets]}]
  validations: [{expression: 'has(object.data)', message: a Secret needs data}]
";

const ROLES: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: asks}
rules:
- {apiGroups: [kyverno.io, policies.kyverno.io], resources: [policyexceptions], verbs: [create, get, patch, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: approves}
rules:
- {apiGroups: [kyverno.io, policies.kyverno.io], resources: [policyexceptions], verbs: [approve, create, get, patch, update]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: asks}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: asks}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: alice}, {apiGroup: rbac.authorization.k8s.io, kind: User, name: dave}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: approves}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: approves}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: bob}]
";

const CLASSIC: &str = "
apiVersion: kyverno.io/v2
kind: PolicyException
metadata:
  name: legacy
  namespace: default
  annotations:
    ridgeway.dev/owner: team-shop
    ridgeway.dev/reason: the old importer sets no labels
    ridgeway.dev/expires: '2026-05-04T10:10:00Z'
spec:
  match: {any: [{resources: {kinds: [ConfigMap], names: [without]}}]}
  exceptions: [{policyName: team, ruleNames: [labelled]}]
";

const CEL: &str = "
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata:
  name: legacy
  namespace: default
  annotations: {ridgeway.dev/expires: '2026-05-04T10:10:00Z'}
spec:
  policyRefs: [{kind: ValidatingPolicy, name: data}]
  matchConditions: [{name: empty, expression: object.metadata.name == 'empty'}]
";

struct People {
    world: World,
    alice: Arc<dyn Cluster>,
    bob: Arc<dyn Cluster>,
    dave: Arc<dyn Cluster>,
}

async fn people() -> People {
    let world = World::new().await;
    world.enforce(POLICIES).await;
    world.apply(ROLES).await;
    let user = |name: &str| world.plane.client(Identity::user(name, &[], "test"));
    let (alice, bob, dave) = (user("alice"), user("bob"), user("dave"));
    People {
        alice,
        bob,
        dave,
        world,
    }
}

fn object(yaml: &str) -> Value {
    parse_yaml(yaml).unwrap().remove(0).root().to_value()
}

async fn apply(who: &Arc<dyn Cluster>, yaml: &str) -> Result<(), Status> {
    let options = WriteOptions::by("test", None).forced();
    who.apply(object(yaml), options).await.map(drop)
}

async fn annotate(who: &Arc<dyn Cluster>, version: &str, key: &str, value: &str) -> Result<(), Status> {
    let mut patch = Value::object();
    patch.set(&["metadata", "annotations", key], value);
    let kind = gvk(version, "PolicyException");
    who.merge_patch(&kind, "default", "legacy", patch, WriteOptions::by("test", None))
        .await
        .map(drop)
}

/// Approves as soon as the roles are known to the guard.
async fn approve(who: &Arc<dyn Cluster>, version: &str, name: &str) {
    let mut last = Ok(());
    for _ in 0..200 {
        last = annotate(who, version, "ridgeway.dev/approved-by", name).await;
        if last.is_ok() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    last.unwrap();
}

fn one(world: &World) -> ExceptionView {
    let mut all = world.guard.exceptions();
    assert_eq!(all.len(), 1, "{all:#?}");
    all.remove(0)
}

async fn until_state(world: &World, state: &str) {
    world
        .until(state, || {
            let all = world.guard.exceptions();
            !all.is_empty() && all.iter().all(|view| view.state == state)
        })
        .await;
}

const WITHOUT: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: without, namespace: default}}";
const EMPTY: &str = "{apiVersion: v1, kind: Secret, metadata: {name: empty, namespace: default}}";

#[tokio::test]
async fn asked_for_approved_and_over() {
    let People { world, alice, bob, .. } = people().await;
    apply(&alice, CLASSIC).await.unwrap();
    world.until("it is known", || world.guard.exceptions().len() == 1).await;
    let view = one(&world);
    assert_eq!((view.state, view.requested_by.as_str()), ("Requested", "alice"));
    assert_eq!((view.owner.as_str(), view.left), ("team-shop", Some(600)));
    assert_eq!(view.policy_ids, ["team"]);
    assert!(world.try_apply(WITHOUT).await.is_err(), "nobody has agreed yet");
    approve(&bob, "kyverno.io/v2", "bob").await;
    until_state(&world, "Approved").await;
    let view = one(&world);
    assert_eq!(view.approved_by, "bob");
    assert_eq!(view.approved.as_deref(), Some("2026-05-04T10:00:00Z"));
    world.apply(WITHOUT).await;
    assert!(
        world
            .try_apply(&WITHOUT.replace("name: without", "name: other"))
            .await
            .is_err()
    );
    let exception = gvk("kyverno.io/v2", "PolicyException");
    let state = |wanted: &'static str| {
        move |node: Option<ridgeway_doc::Node<'_>>| node.and_then(|n| n.str_at(&["status", "state"])) == Some(wanted)
    };
    world
        .until_object(
            "its status says so",
            &exception,
            ("default", "legacy"),
            state("Approved"),
        )
        .await;
    // Its time comes: what it covered is a violation again, without anybody touching anything.
    world.clock.forward(599);
    world
        .apply(&WITHOUT.replace("namespace: default", "namespace: default, annotations: {a: b}"))
        .await;
    world.clock.forward(1);
    assert!(
        world
            .try_apply(&WITHOUT.replace("namespace: default", "namespace: default, annotations: {a: c}"))
            .await
            .is_ok(),
        "what violated the rule before may change"
    );
    assert!(
        world
            .try_apply(&WITHOUT.replace("name: without", "name: other"))
            .await
            .is_err()
    );
    world
        .until("it is a violation", || {
            world.guard.violations().iter().any(|v| v.policy_id == "team")
        })
        .await;
    assert_eq!(one(&world).left, Some(0));
    world
        .until_object(
            "its status says so",
            &exception,
            ("default", "legacy"),
            state("Expired"),
        )
        .await;
}

#[tokio::test]
async fn policies_in_cel_have_exceptions_too() {
    let People { world, alice, bob, .. } = people().await;
    assert!(world.try_apply(EMPTY).await.is_err());
    apply(&alice, CEL).await.unwrap();
    world.until("it is known", || world.guard.exceptions().len() == 1).await;
    assert!(world.try_apply(EMPTY).await.is_err());
    approve(&bob, "policies.kyverno.io/v1", "bob").await;
    until_state(&world, "Approved").await;
    world.apply(EMPTY).await;
    world
        .until("nothing violates", || world.policy("data").failed == 0)
        .await;
    assert!(
        world
            .try_apply(&EMPTY.replace("name: empty", "name: other"))
            .await
            .is_err()
    );
    world.clock.forward(600);
    world.until("it violates", || world.policy("data").failed == 1).await;
}

#[tokio::test]
async fn nobody_approves_their_own_or_without_the_right_or_as_another() {
    let People {
        world,
        alice,
        bob,
        dave,
    } = people().await;
    let own = CLASSIC.replace(
        "  annotations:\n",
        "  annotations:\n    ridgeway.dev/approved-by: alice\n",
    );
    for (who, manifest) in [
        (&alice, &own),
        (&bob, &own.replace("approved-by: alice", "approved-by: bob")),
    ] {
        let refusal = apply(who, manifest).await.unwrap_err();
        assert!(refusal.message.contains("asked for themselves"), "{}", refusal.message);
    }
    apply(&alice, CLASSIC).await.unwrap();
    let refusal = annotate(&alice, "kyverno.io/v2", "ridgeway.dev/approved-by", "alice")
        .await
        .unwrap_err();
    assert!(refusal.message.contains("asked for themselves"), "{}", refusal.message);
    let refusal = annotate(&dave, "kyverno.io/v2", "ridgeway.dev/approved-by", "dave")
        .await
        .unwrap_err();
    assert!(refusal.message.contains("verb `approve`"), "{}", refusal.message);
    approve(&bob, "kyverno.io/v2", "bob").await;
    // Another approver's name takes somebody in.
    let again = annotate(&bob, "kyverno.io/v2", "ridgeway.dev/approved-by", "carol")
        .await
        .unwrap_err();
    assert!(again.message.contains("own name"), "{}", again.message);
    // Who asked is not for anybody to write.
    annotate(&dave, "kyverno.io/v2", "ridgeway.dev/requested-by", "dave")
        .await
        .unwrap();
    until_state(&world, "Approved").await;
    assert_eq!(one(&world).requested_by, "alice");
    // A change asks anew.
    annotate(&dave, "kyverno.io/v2", "ridgeway.dev/expires", "2027-05-04T10:00:00Z")
        .await
        .unwrap();
    until_state(&world, "Requested").await;
    let view = one(&world);
    assert_eq!((view.requested_by.as_str(), view.approved_by.as_str()), ("dave", ""));
    // One step that changes and approves is one's own approval.
    let both = CLASSIC.replace("names: [without]", "names: ['*']");
    let both = both.replace(
        "  annotations:\n",
        "  annotations:\n    ridgeway.dev/approved-by: bob\n",
    );
    let refusal = apply(&bob, &both).await.unwrap_err();
    assert!(refusal.message.contains("one step"), "{}", refusal.message);
}

#[tokio::test]
async fn a_time_that_cannot_be_read_is_refused_with_its_field_and_what_to_write() {
    let People { alice, .. } = people().await;
    let refusal = apply(&alice, &CLASSIC.replace("2026-05-04T10:10:00Z", "next week"))
        .await
        .unwrap_err();
    assert!(refusal.message.contains("\"next week\""), "{}", refusal.message);
    assert_eq!(refusal.causes[0].field, "metadata.annotations.ridgeway.dev/expires");
    assert!(refusal.message.contains("RFC 3339"), "{}", refusal.message);
}

#[tokio::test]
async fn who_may_approve_may_withdraw_and_nobody_else() {
    let People {
        world,
        alice,
        bob,
        dave,
    } = people().await;
    apply(&alice, CLASSIC).await.unwrap();
    approve(&bob, "kyverno.io/v2", "bob").await;
    annotate(&dave, "kyverno.io/v2", "ridgeway.dev/approved-by", "")
        .await
        .unwrap();
    until_state(&world, "Approved").await;
    annotate(&bob, "kyverno.io/v2", "ridgeway.dev/approved-by", "")
        .await
        .unwrap();
    until_state(&world, "Requested").await;
}
