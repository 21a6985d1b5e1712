//! Gatekeeper's mutators and expansion templates, stored and in force.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use std::sync::Arc;

use ridgeway_cluster::{Gate, GateAnswer, GateRequest};
use ridgeway_doc::Node;
use world::{World, gvk};

const MUTATOR: &str = "
apiVersion: mutations.gatekeeper.sh/v1beta1
kind: Assign
metadata: {name: mode}
spec:
  applyTo: [{groups: [''], versions: [v1], kinds: [ConfigMap]}]
  match: {excludedNamespaces: ['kube-*']}
  location: data.mode
  parameters: {assign: {value: safe}, pathTests: [{subPath: data.mode, condition: MustNotExist}]}
---
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: seen}
spec: {match: {kinds: [{apiGroups: [''], kinds: [ConfigMap]}]}, location: metadata.labels.seen, parameters: {assign: {value: 'yes'}}}
";

const MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}, data: {a: b}}";

const TEMPLATE: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata: {name: podsareowned}
spec:
  crd: {spec: {names: {kind: PodsAreOwned}}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package podsareowned
      violation[{"msg": msg}] {
        not input.review.object.metadata.labels.owner
        msg := sprintf("%v has no owner", [input.review.name])
      }
"#;

const CONSTRAINT: &str = "
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: PodsAreOwned
metadata: {name: pods}
spec:
  enforcementAction: ACTION
  match: {kinds: [{apiGroups: [''], kinds: [Pod]}]}
";

const EXPANSION: &str = "
apiVersion: expansion.gatekeeper.sh/v1beta1
kind: ExpansionTemplate
metadata: {name: deployments}
spec:
  applyTo: [{groups: [apps], versions: [v1], kinds: [Deployment]}]
  templateSource: spec.template
  generatedGVK: {group: '', version: v1, kind: Pod}
";

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template: {metadata: {labels: {app: web}}, spec: {containers: [{name: web, image: 'r.io/web:1'}]}}
";

/// Whether an entry of `status.byPod` tells of errors with a text in them; without one, of none.
fn tells(node: Option<Node<'_>>, part: &str) -> bool {
    let entry = node
        .and_then(|n| n.at(&["status", "byPod"]))
        .and_then(|list| list.item(0));
    let Some(entry) = entry else { return false };
    match entry.get("errors").and_then(|errors| errors.item(0)) {
        Some(error) => !part.is_empty() && error.str_at(&["message"]).is_some_and(|message| message.contains(part)),
        None => part.is_empty(),
    }
}

/// A gate that lets everything through.
struct Open;

impl Gate for Open {
    fn admit(&self, _: &GateRequest<'_>) -> GateAnswer {
        GateAnswer::default()
    }
}

#[tokio::test]
async fn objects_are_given_what_mutators_say() {
    let mut world = World::new().await;
    world.enforce(MUTATOR).await;
    let map = gvk("v1", "ConfigMap");
    let check = async |world: &World, mode: &str| {
        let stored = world.get(&map, "default", "settings").await.unwrap();
        assert_eq!(stored.root().str_at(&["data", "mode"]), Some(mode));
        assert_eq!(stored.root().str_at(&["metadata", "labels", "seen"]), Some("yes"));
    };
    world.apply(MAP).await;
    check(&world, "safe").await;
    // What is there already is left alone.
    world.apply(&MAP.replace("a: b", "mode: own")).await;
    check(&world, "own").await;
    let assign = gvk("mutations.gatekeeper.sh/v1", "Assign");
    world
        .until_object("the status tells", &assign, ("", "mode"), |node| tells(node, ""))
        .await;
    let view = world.policy("Assign~mode");
    assert_eq!(
        (
            view.rules[0].kind,
            view.rules[0].words.as_str(),
            view.rules[0].applies.as_str(),
            view.enforce
        ),
        ("mutate", "data.mode is \"safe\"", "ConfigMap", true)
    );
    world.restart().await;
    world.delete(&map, "default", "settings").await;
    world.apply(MAP).await;
    check(&world, "safe").await;
}

#[tokio::test]
async fn a_mutator_that_contradicts_another_is_refused_and_named() {
    let mut world = World::new().await;
    world.enforce(MUTATOR).await;
    let other = "
apiVersion: mutations.gatekeeper.sh/v1
kind: ModifySet
metadata: {name: modes}
spec:
  applyTo: [{groups: [''], versions: [v1], kinds: [ConfigMap]}]
  location: data.mode.all
  parameters: {values: {fromList: [x]}}
";
    let first = other
        .replace("name: modes", "name: list")
        .replace("data.mode.all", "'data.mode[name: x].all'");
    world.enforce(&first).await;
    let refusal = world.try_apply(other).await.unwrap_err();
    assert!(
        refusal.message.contains("ModifySet/list") && refusal.message.contains("ModifySet/modes"),
        "{}",
        refusal.message
    );
    // Stored while nobody looked, both are marked, and neither changes anything.
    world.end().await;
    world.plane.set_gate(Arc::new(Open));
    world.apply(other).await;
    world.begin().await;
    let set = gvk("mutations.gatekeeper.sh/v1", "ModifySet");
    for (name, part) in [("modes", "ModifySet/list"), ("list", "ModifySet/modes")] {
        world
            .until_object("the status tells", &set, ("", name), |node| tells(node, part))
            .await;
        assert!(world.policy(&format!("ModifySet~{name}")).faults[0].contains(part));
    }
    world.apply(MAP).await;
    world.delete(&set, "", "list").await;
    world
        .until_object("the other is in force", &set, ("", "modes"), |node| tells(node, ""))
        .await;
}

#[tokio::test]
async fn what_follows_from_an_object_is_judged_with_it() {
    let world = World::new().await;
    world.apply(TEMPLATE).await;
    let kind = gvk("constraints.gatekeeper.sh/v1beta1", "PodsAreOwned");
    world
        .until("the kind is served", || world.cluster.kinds().get(&kind).is_some())
        .await;
    world.enforce(&CONSTRAINT.replace("ACTION", "dryrun")).await;
    world.apply(DEPLOYMENT).await;
    let view = || world.policy("PodsAreOwned~pods");
    assert_eq!(view().failed, 0);
    // In the background: the deployment is judged by what follows from it.
    world.enforce(EXPANSION).await;
    world.until("the violation is found", || view().failed == 1).await;
    let violation = world
        .guard
        .violations()
        .into_iter()
        .find(|v| v.policy_id == "PodsAreOwned~pods")
        .unwrap();
    assert_eq!(violation.object.kind, "Deployment");
    assert!(
        violation
            .message
            .contains("[Implied by deployments] web-pod has no owner"),
        "{}",
        violation.message
    );
    // At admission.
    world.apply(&CONSTRAINT.replace("ACTION", "deny")).await;
    let other = DEPLOYMENT.replace("name: web}\nspec", "name: other}\nspec");
    let mut refused = None;
    for _ in 0..200 {
        refused = world.try_apply(&other).await.err();
        if refused.is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        world.delete(&gvk("apps/v1", "Deployment"), "default", "other").await;
    }
    assert!(
        refused
            .unwrap()
            .message
            .contains("[Implied by deployments] other-pod has no owner")
    );
    // A mutator for what is generated mends it.
    let owner = "
apiVersion: mutations.gatekeeper.sh/v1
kind: AssignMetadata
metadata: {name: owner}
spec: {match: {source: Generated}, location: metadata.labels.owner, parameters: {assign: {value: me}}}
";
    world.enforce(owner).await;
    world.apply(&other).await;
    let circle = EXPANSION
        .replace("name: deployments", "name: circle")
        .replace(
            "groups: [apps], versions: [v1], kinds: [Deployment]",
            "groups: [''], versions: [v1], kinds: [Pod]",
        )
        .replace(
            "{group: '', version: v1, kind: Pod}",
            "{group: apps, version: v1, kind: Deployment}",
        );
    let refusal = world.try_apply(&circle).await.unwrap_err();
    assert!(
        refusal.message.contains("ExpansionTemplate/circle") && refusal.message.contains("deployments"),
        "{}",
        refusal.message
    );
}

#[tokio::test]
async fn namespaces_are_left_alone() {
    let world = World::new().await;
    world.enforce(MUTATOR).await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: gatekeeper-system}}")
        .await;
    world
        .apply(
            "
apiVersion: config.gatekeeper.sh/v1alpha1
kind: Config
metadata: {name: config, namespace: gatekeeper-system}
spec: {match: [{excludedNamespaces: [default], processes: [mutation-webhook]}]}
",
        )
        .await;
    let map = gvk("v1", "ConfigMap");
    for i in 0..200 {
        let name = format!("settings-{i}");
        world.apply(&MAP.replace("settings", &name)).await;
        let stored = world.get(&map, "default", &name).await.unwrap();
        if stored.root().at(&["data", "mode"]).is_none() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the namespace is not left alone");
}
