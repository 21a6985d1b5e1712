//! Gatekeeper's templates bring their kinds of constraints, and constraints judge.

mod world;

use ridgeway_doc::Node;
use world::{World, gvk};

const TEMPLATE: &str = r#"
apiVersion: templates.gatekeeper.sh/v1
kind: ConstraintTemplate
metadata:
  name: k8srequiredlabels
  annotations: {description: Asks for labels.}
spec:
  crd:
    spec:
      names: {kind: K8sRequiredLabels}
      validation:
        openAPIV3Schema:
          type: object
          properties:
            labels: {type: array, items: {type: string}}
  targets:
  - target: admission.k8s.gatekeeper.sh
    rego: |
      package k8srequiredlabels
      violation[{"msg": msg, "details": {"missing_labels": missing}}] {
        provided := {label | input.review.object.metadata.labels[label]}
        required := {label | label := input.parameters.labels[_]}
        missing := required - provided
        count(missing) > 0
        msg := sprintf("you must provide labels: %v", [missing])
      }
"#;

const CONSTRAINT: &str = "
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: K8sRequiredLabels
metadata: {name: maps-have-owners}
spec:
  match: {kinds: [{apiGroups: [''], kinds: [ConfigMap]}]}
  parameters: {labels: [owner]}
";

const MAP: &str = "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings}}";

async fn with_template() -> World {
    let world = World::new().await;
    world.apply(TEMPLATE).await;
    let kind = gvk("constraints.gatekeeper.sh/v1beta1", "K8sRequiredLabels");
    world
        .until("the kind is served", || world.cluster.kinds().get(&kind).is_some())
        .await;
    world
}

#[tokio::test]
async fn a_constraint_refuses_as_soon_as_its_template_is_there() {
    let world = with_template().await;
    world.enforce(CONSTRAINT).await;
    let refusal = world.try_apply(MAP).await.unwrap_err();
    assert!(
        refusal.message.contains("you must provide labels: {\"owner\"}"),
        "{}",
        refusal.message
    );
    assert!(
        refusal.message.contains("policy K8sRequiredLabels/maps-have-owners"),
        "{}",
        refusal.message
    );
    let view = world.policy("K8sRequiredLabels~maps-have-owners");
    assert_eq!(
        (view.refused_24h, view.enforce, view.rules[0].applies.as_str()),
        (1, true, "ConfigMap")
    );
    world
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {owner: me}}}")
        .await;
    let template = gvk("templates.gatekeeper.sh/v1", "ConstraintTemplate");
    let created =
        |node: Option<Node<'_>>| node.and_then(|n| n.at(&["status", "created"])).and_then(Node::as_bool) == Some(true);
    world
        .until_object("the template says so", &template, ("", "k8srequiredlabels"), created)
        .await;
}

#[tokio::test]
async fn a_dry_run_constraint_reports_what_is_stored() {
    let world = with_template().await;
    world.apply(MAP).await;
    world
        .enforce(&CONSTRAINT.replace("  match:", "  enforcementAction: dryrun\n  match:"))
        .await;
    let view = || world.policy("K8sRequiredLabels~maps-have-owners");
    world
        .until("the violation is in the table", || view().failed == 1)
        .await;
    let kind = gvk("constraints.gatekeeper.sh/v1beta1", "K8sRequiredLabels");
    let total = |want: i64| {
        move |node: Option<Node<'_>>| {
            node.and_then(|n| n.at(&["status", "totalViolations"]))
                .and_then(Node::as_i64)
                == Some(want)
        }
    };
    world
        .until_object("the status tells of it", &kind, ("", "maps-have-owners"), total(1))
        .await;
    world
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, labels: {owner: me}}}")
        .await;
    world
        .until("it passes", || (view().passed, view().failed) == (1, 0))
        .await;
    world
        .until_object("the status follows", &kind, ("", "maps-have-owners"), total(0))
        .await;
}

#[tokio::test]
async fn a_template_that_does_not_compile_is_refused() {
    let world = World::new().await;
    let refusal = world
        .try_apply(&TEMPLATE.replace("count(missing) > 0", "count(missing >"))
        .await
        .unwrap_err();
    assert!(refusal.message.contains("k8srequiredlabels"), "{}", refusal.message);
    assert!(world.guard.policies().iter().all(|view| view.faults.is_empty()));
}

#[tokio::test]
async fn a_template_takes_its_kind_and_its_constraints_with_it() {
    let mut world = with_template().await;
    let controllers = ridgeway_apiserver::controllers::Options { root_ca: None };
    tokio::spawn(ridgeway_apiserver::controllers::run(
        world.plane.clone(),
        controllers,
        std::future::pending(),
    ));
    world.enforce(CONSTRAINT).await;
    world.restart().await;
    assert!(world.try_apply(MAP).await.is_err(), "in force after a restart");
    world
        .delete(
            &gvk("templates.gatekeeper.sh/v1", "ConstraintTemplate"),
            "",
            "k8srequiredlabels",
        )
        .await;
    let kind = gvk("constraints.gatekeeper.sh/v1beta1", "K8sRequiredLabels");
    world
        .until("the kind is gone", || world.cluster.kinds().get(&kind).is_none())
        .await;
    world
        .until("its constraints are gone", || world.guard.policies().len() == 1)
        .await;
    world.apply(MAP).await;
}
