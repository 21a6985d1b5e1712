//! A policy that does not compile is refused; one that is stored already disturbs nobody.

mod world;

use world::{World, demo_policies, example};

const BROKEN: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: broken}
spec:
  validationFailureAction: Enforce
  rules:
  - name: typo
    match: {any: [{resources: {kinds: [Pod]}}]}
    validate:
      message: no
      patern: {spec: {x: y}}
";

#[tokio::test]
async fn a_broken_policy_is_refused_with_its_fault() {
    let world = World::new().await;
    world.enforce(&demo_policies()).await;
    let refusal = world.try_apply(BROKEN).await.unwrap_err();
    for text in [
        "broken",
        "typo",
        "spec.rules[0].validate.patern",
        "did you mean `pattern`?",
    ] {
        assert!(
            refusal.message.contains(text),
            "{text:?} is not in: {}",
            refusal.message
        );
    }
    assert!(world.guard.policies().iter().all(|view| view.name != "broken"));
    assert!(
        world.try_apply(&example("try/pod-without-limits.yaml")).await.is_err(),
        "the others are in force"
    );
}

#[tokio::test]
async fn a_broken_policy_that_is_stored_is_kept_out_and_reported() {
    let mut world = World::new().await;
    // Stored while no gate looked at it.
    world.plane.set_gate(std::sync::Arc::new(Open));
    world.apply(BROKEN).await;
    world.apply(&demo_policies()).await;
    world.restart().await;
    let view = world.policy("broken");
    assert_eq!(view.faults.len(), 1);
    assert!(view.faults[0].contains("did you mean `pattern`?"), "{}", view.faults[0]);
    assert!(view.faults[0].contains("line "), "{}", view.faults[0]);
    assert!(
        world.try_apply(&example("try/pod-without-limits.yaml")).await.is_err(),
        "the others are in force"
    );
    let gvk = world::gvk("kyverno.io/v1", "ClusterPolicy");
    let ready = |name: &'static str, want: &'static str| {
        let (world, gvk) = (&world, &gvk);
        async move {
            let holds = |node: Option<ridgeway_doc::Node<'_>>| {
                let conditions = node.and_then(|node| node.at(&["status", "conditions"]));
                conditions
                    .and_then(|list| list.item(0))
                    .and_then(|c| c.str_at(&["status"]))
                    == Some(want)
            };
            world.until_object("the condition", gvk, ("", name), holds).await;
        }
    };
    ready("broken", "False").await;
    ready("require-labels", "True").await;
    // It can be mended and deleted.
    world.apply(&BROKEN.replace("patern", "pattern")).await;
    world
        .until("it is in force", || world.policy("broken").faults.is_empty())
        .await;
    world.delete(&gvk, "", "broken").await;
    world
        .until("it is gone", || {
            world.guard.policies().iter().all(|view| view.name != "broken")
        })
        .await;
}

struct Open;

impl ridgeway_cluster::Gate for Open {
    fn admit(&self, _: &ridgeway_cluster::GateRequest<'_>) -> ridgeway_cluster::GateAnswer {
        ridgeway_cluster::GateAnswer::default()
    }
}
