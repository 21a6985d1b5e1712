//! What generate rules ask for is made, kept, and taken away again.

mod world;

use ridgeway_doc::Node;
use ridgeway_krm::Gvk;
use world::{World, example, gvk};

fn defaults() -> String {
    example("demo/platform/cluster/policies/namespace-defaults.yaml")
}

fn namespace(name: &str) -> String {
    format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}")
}

fn policy() -> Gvk {
    gvk("networking.k8s.io/v1", "NetworkPolicy")
}

fn quota() -> Gvk {
    gvk("v1", "ResourceQuota")
}

fn there(node: Option<Node<'_>>) -> bool {
    node.is_some()
}

fn gone(node: Option<Node<'_>>) -> bool {
    node.is_none()
}

/// Waits until the namespace `shop` has its defaults.
async fn shop_is_made(world: &World) {
    for (kind, name) in [(quota(), "default-quota"), (policy(), "default-deny")] {
        world.until_object("made", &kind, ("shop", name), there).await;
    }
}

/// A world with a policy and the namespace `shop`, as the policy wants it.
async fn shop(policies: &str) -> World {
    let world = World::new().await;
    world.enforce(policies).await;
    world.apply(&namespace("shop")).await;
    shop_is_made(&world).await;
    world
}

fn map(data: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, namespace: default}}, data: {data}}}")
}

#[tokio::test]
async fn a_new_namespace_gets_its_defaults_and_keeps_them() {
    let world = World::new().await;
    world.enforce(&defaults()).await;
    world.apply(&namespace("shop")).await;
    let made = [
        (policy(), "default-deny", "default-deny"),
        (quota(), "default-quota", "quota"),
        (gvk("v1", "LimitRange"), "default-limits", "limit-range"),
    ];
    for (kind, name, rule) in &made {
        world.until_object("a default", kind, ("shop", name), there).await;
        let object = world.get(kind, "shop", name).await.unwrap();
        for (label, want) in [
            ("app.kubernetes.io/managed-by", "kyverno"),
            ("generate.kyverno.io/policy-name", "namespace-defaults"),
            ("generate.kyverno.io/rule-name", *rule),
            ("generate.kyverno.io/trigger-kind", "Namespace"),
            ("generate.kyverno.io/trigger-name", "shop"),
        ] {
            assert_eq!(
                object.root().str_at(&["metadata", "labels", label]),
                Some(want),
                "{name} {label}"
            );
        }
    }
    // Edits are taken back, deletions too.
    world
        .apply(
            "{apiVersion: v1, kind: ResourceQuota, metadata: {name: default-quota, namespace: shop}, spec: {hard: \
             {pods: '5000'}}}",
        )
        .await;
    let repaired = |node: Option<Node<'_>>| node.and_then(|n| n.str_at(&["spec", "hard", "pods"])) == Some("50");
    world
        .until_object("the quota is repaired", &quota(), ("shop", "default-quota"), repaired)
        .await;
    world.delete(&policy(), "shop", "default-deny").await;
    world
        .until_object("the network policy is back", &policy(), ("shop", "default-deny"), there)
        .await;
}

#[tokio::test]
async fn what_is_added_to_a_generated_object_is_taken_back() {
    let world = shop(&defaults()).await;
    world
        .apply(
            "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: default-deny, namespace: shop, \
             labels: {seen: 'yes'}}, spec: {podSelector: {}, ingress: [{}]}}",
        )
        .await;
    let closed = |node: Option<Node<'_>>| {
        node.is_some_and(|n| n.at(&["spec", "ingress"]).is_none() && n.at(&["metadata", "labels", "seen"]).is_some())
    };
    world
        .until_object("closed again", &policy(), ("shop", "default-deny"), closed)
        .await;
}

#[tokio::test]
async fn excluded_and_older_namespaces_are_left_alone_unless_asked_for() {
    let world = World::new().await;
    world.apply(&namespace("old")).await;
    world.clock.forward(60);
    world.enforce(&defaults()).await;
    world.apply(&namespace("new")).await;
    world.apply(&namespace("argocd")).await;
    world
        .until_object("the new one", &quota(), ("new", "default-quota"), there)
        .await;
    assert!(
        world.get(&quota(), "old", "default-quota").await.is_none(),
        "older than the policy"
    );
    assert!(
        world.get(&quota(), "argocd", "default-quota").await.is_none(),
        "excluded"
    );
    assert!(
        world.get(&quota(), "default", "default-quota").await.is_none(),
        "excluded"
    );
    // A change of the older one makes it due.
    world.clock.forward(1);
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: old, labels: {a: b}}}")
        .await;
    world
        .until_object("the changed one", &quota(), ("old", "default-quota"), there)
        .await;
}

#[tokio::test]
async fn existing_namespaces_count_where_the_policy_says_so() {
    let world = World::new().await;
    world.apply(&namespace("old")).await;
    world.clock.forward(60);
    world
        .enforce(&defaults().replace("spec:\n  rules:", "spec:\n  generateExisting: true\n  rules:"))
        .await;
    world
        .until_object("the old one", &quota(), ("old", "default-quota"), there)
        .await;
}

#[tokio::test]
async fn generated_objects_follow_their_policy_and_go_with_it() {
    let world = shop(&defaults()).await;
    world.enforce(&defaults().replace("pods: \"50\"", "pods: \"70\"")).await;
    let follows = |node: Option<Node<'_>>| node.and_then(|n| n.str_at(&["spec", "hard", "pods"])) == Some("70");
    world
        .until_object("the quota follows", &quota(), ("shop", "default-quota"), follows)
        .await;
    world
        .enforce(&defaults().replace("name: default-quota", "name: other-quota"))
        .await;
    world
        .until_object("the new name", &quota(), ("shop", "other-quota"), there)
        .await;
    world
        .until_object("the old name", &quota(), ("shop", "default-quota"), gone)
        .await;
    world
        .delete(&gvk("kyverno.io/v1", "ClusterPolicy"), "", "namespace-defaults")
        .await;
    world
        .until_object("gone with the policy", &quota(), ("shop", "other-quota"), gone)
        .await;
    world
        .until_object("gone with the policy", &policy(), ("shop", "default-deny"), gone)
        .await;
}

#[tokio::test]
async fn a_restart_repairs_what_happened_meanwhile() {
    let mut world = shop(&defaults()).await;
    world.end().await;
    world.delete(&quota(), "shop", "default-quota").await;
    world.apply(&namespace("meanwhile")).await;
    world.begin().await;
    world
        .until_object("repaired", &quota(), ("shop", "default-quota"), there)
        .await;
    world
        .until_object("caught up", &quota(), ("meanwhile", "default-quota"), there)
        .await;
    assert!(world.get(&policy(), "shop", "default-deny").await.is_some());
}

const COPY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: copy-settings}
spec:
  rules:
  - name: settings
    match: {any: [{resources: {kinds: [Namespace]}}]}
    exclude: {any: [{resources: {names: [default]}}]}
    generate:
      apiVersion: v1
      kind: ConfigMap
      name: settings
      namespace: '{{request.object.metadata.name}}'
      synchronize: true
      clone: {namespace: default, name: settings}
";

#[tokio::test]
async fn copies_follow_their_source() {
    let world = World::new().await;
    world.enforce(COPY).await;
    world.apply(&namespace("shop")).await;
    world
        .until("the missing source is reported", || {
            !world.policy("copy-settings").faults.is_empty()
        })
        .await;
    world.apply(&map("{k: a}")).await;
    let kind = gvk("v1", "ConfigMap");
    let holds =
        |want: &'static str| move |node: Option<Node<'_>>| node.and_then(|n| n.str_at(&["data", "k"])) == Some(want);
    world
        .until_object("copied", &kind, ("shop", "settings"), holds("a"))
        .await;
    world.apply(&map("{k: b}")).await;
    world
        .until_object("followed", &kind, ("shop", "settings"), holds("b"))
        .await;
    world
        .until("nothing is wrong any more", || {
            world.policy("copy-settings").faults.is_empty()
        })
        .await;
}

#[tokio::test]
async fn what_is_made_once_is_left_to_its_owner() {
    let world = shop(&defaults().replace("synchronize: true", "synchronize: false")).await;
    world.delete(&policy(), "shop", "default-deny").await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b}}}")
        .await;
    world
        .delete(&gvk("kyverno.io/v1", "ClusterPolicy"), "", "namespace-defaults")
        .await;
    world
        .until("the policy is gone", || world.guard.policies().len() == 1)
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(
        world.get(&policy(), "shop", "default-deny").await.is_none(),
        "not made again"
    );
    assert!(
        world.get(&quota(), "shop", "default-quota").await.is_some(),
        "not taken away"
    );
}

const INDEX: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: index}
spec:
  rules:
  - name: entry
    match: {any: [{resources: {kinds: [Namespace]}}]}
    exclude: {any: [{resources: {names: [default]}}]}
    generate:
      apiVersion: v1
      kind: ConfigMap
      name: '{{request.object.metadata.name}}'
      namespace: default
      synchronize: true
      orphanDownstreamOnPolicyDelete: true
      data: {data: {k: v}}
";

#[tokio::test]
async fn orphans_stay_when_the_policy_goes_and_go_with_their_trigger() {
    let world = World::new().await;
    world.enforce(INDEX).await;
    let kind = gvk("v1", "ConfigMap");
    for name in ["shop", "stall"] {
        world.apply(&namespace(name)).await;
        world.until_object("made", &kind, ("default", name), there).await;
    }
    let controllers = ridgeway_apiserver::controllers::Options { root_ca: None };
    tokio::spawn(ridgeway_apiserver::controllers::run(
        world.plane.clone(),
        controllers,
        std::future::pending(),
    ));
    world.delete(&gvk("v1", "Namespace"), "", "stall").await;
    world
        .until_object("gone with its trigger", &kind, ("default", "stall"), gone)
        .await;
    world.delete(&gvk("kyverno.io/v1", "ClusterPolicy"), "", "index").await;
    world
        .until("the policy is gone", || world.guard.policies().len() == 1)
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(world.get(&kind, "default", "shop").await.is_some(), "an orphan stays");
}

#[tokio::test]
async fn the_ledger_says_which_rule_made_an_object() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = ridgeway_ledger::Ledger::open(folder.path(), ridgeway_ledger::Options::default()).unwrap();
    let world = World::recorded(ledger.clone()).await;
    world.enforce(&defaults()).await;
    world.apply(&namespace("shop")).await;
    shop_is_made(&world).await;
    let query = ridgeway_ledger::Query {
        causality: "policy:namespace-defaults/quota".into(),
        without_outcomes: true,
        limit: 10,
        ..ridgeway_ledger::Query::default()
    };
    let records = ledger.query(&query).unwrap().records;
    let made: Vec<(&str, &str)> = records
        .iter()
        .map(|r| (r.entry.object.resource.as_str(), r.entry.object.name.as_str()))
        .collect();
    assert_eq!(made, [("resourcequotas", "default-quota")], "one write, by the rule");
    assert_eq!(
        records[0].entry.actor.user,
        "system:serviceaccount:ridgeway-system:guard"
    );
}

const LIST: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: shared}
spec:
  rules:
  - name: copies
    match: {any: [{resources: {kinds: [Namespace], names: ['team-*']}}]}
    generate:
      generateExisting: true
      synchronize: true
      namespace: '{{ request.object.metadata.name }}'
      cloneList:
        namespace: default
        kinds: [v1/ConfigMap, v1/Secret]
        selector: {matchLabels: {shared: 'yes'}}
";

#[tokio::test]
async fn a_list_of_objects_is_copied_and_kept() {
    let world = World::new().await;
    let shared = |value: &str, labels: &str| {
        format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: settings, namespace: default, labels: {labels}}}, data: \
             {{a: {value}}}}}"
        )
    };
    world.apply(&shared("one", "{shared: 'yes'}")).await;
    world
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: own, namespace: default}, data: {a: b}}")
        .await;
    world
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: pull, namespace: default, labels: {shared: 'yes'}}}")
        .await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: team-a}}")
        .await;
    world.enforce(LIST).await;
    let maps = gvk("v1", "ConfigMap");
    let holds = |wanted: &'static str| {
        move |node: Option<Node<'_>>| node.and_then(|n| n.str_at(&["data", "a"])) == Some(wanted)
    };
    world
        .until_object("the map is there", &maps, ("team-a", "settings"), holds("one"))
        .await;
    world
        .until_object("the secret is there", &gvk("v1", "Secret"), ("team-a", "pull"), there)
        .await;
    assert!(world.get(&maps, "team-a", "own").await.is_none());
    world.apply(&shared("two", "{shared: 'yes'}")).await;
    world
        .until_object("the copy follows", &maps, ("team-a", "settings"), holds("two"))
        .await;
    world.apply(&shared("two", "{shared: 'no'}")).await;
    world
        .until_object("what is not shared any more goes", &maps, ("team-a", "settings"), gone)
        .await;
}

const EXISTING: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: restart}
spec:
  mutateExistingOnPolicyUpdate: FLAG
  rules:
  - name: note
    match: {any: [{resources: {kinds: [ConfigMap], names: [settings]}}]}
    mutate:
      targets:
      - {apiVersion: v1, kind: Secret, namespace: '{{ request.object.metadata.namespace }}', preconditions: {all: [{key: '{{ target.metadata.labels.follows || `no` }}', operator: Equals, value: settings}]}}
      patchStrategicMerge:
        metadata:
          annotations:
            settings: '{{ request.object.data.a }}-{{ target.metadata.name }}'
";

#[tokio::test]
async fn what_is_there_is_changed_when_its_trigger_changes() {
    let world = World::new().await;
    for (name, labels) in [("db", "{follows: settings}"), ("other", "{}")] {
        let secret = format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: {name}, namespace: default, labels: {labels}}}}}"
        );
        world.apply(&secret).await;
    }
    world.apply(&map("{a: one}")).await;
    world.clock.forward(10);
    world.enforce(&EXISTING.replace("FLAG", "false")).await;
    let secrets = gvk("v1", "Secret");
    let noted = |wanted: &'static str| {
        move |node: Option<Node<'_>>| {
            node.and_then(|n| n.str_at(&["metadata", "annotations", "settings"])) == Some(wanted)
        }
    };
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let db = world.get(&secrets, "default", "db").await.unwrap();
    assert!(
        db.root().at(&["metadata", "annotations"]).is_none(),
        "the trigger is older than the policy"
    );
    world.apply(&map("{a: two}")).await;
    world
        .until_object("it follows", &secrets, ("default", "db"), noted("two-db"))
        .await;
    let other = world.get(&secrets, "default", "other").await.unwrap();
    assert!(other.root().at(&["metadata", "annotations"]).is_none());
}

#[tokio::test]
async fn what_is_there_is_changed_when_the_policy_comes_if_it_says_so() {
    let world = World::new().await;
    world
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: default, labels: {follows: settings}}}")
        .await;
    world.apply(&map("{a: one}")).await;
    world.clock.forward(10);
    world.enforce(&EXISTING.replace("FLAG", "true")).await;
    let noted = |node: Option<Node<'_>>| {
        node.and_then(|n| n.str_at(&["metadata", "annotations", "settings"])) == Some("one-db")
    };
    world
        .until_object("it is changed", &gvk("v1", "Secret"), ("default", "db"), noted)
        .await;
}

const COUNT: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: count}
spec:
  rules:
  - name: up
    match: {any: [{resources: {kinds: [ConfigMap], names: [settings]}}]}
    mutate:
      targets: [{apiVersion: v1, kind: ConfigMap, name: settings, namespace: default}]
      patchStrategicMerge: {data: {count: \"{{ join('', [target.data.count || '', 'i']) }}\"}}
";

#[tokio::test]
async fn a_rule_that_would_change_its_own_trigger_for_ever_is_stopped_and_named() {
    let world = World::new().await;
    world.enforce(COUNT).await;
    world.apply(&map("{a: one}")).await;
    world
        .until("it is reported", || !world.policy("count").faults.is_empty())
        .await;
    let fault = world.policy("count").faults.join("; ");
    assert!(
        fault.contains("rule up of the policy count") && fault.contains("for ever"),
        "{fault}"
    );
    let kind = gvk("v1", "ConfigMap");
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    let stored = world.get(&kind, "default", "settings").await.unwrap();
    assert_eq!(stored.root().str_at(&["data", "count"]), Some("i"), "once");
    // Somebody else's change counts anew; a better policy is not held to account for the old one.
    world.apply(&map("{a: two}")).await;
    let counted = |node: Option<Node<'_>>| node.and_then(|n| n.str_at(&["data", "count"])) == Some("ii");
    world
        .until_object("once more", &kind, ("default", "settings"), counted)
        .await;
    let better = COUNT.replace("\"{{ join('', [target.data.count || '', 'i']) }}\"", "done");
    world.apply(&better).await;
    world
        .until("nothing is wrong any more", || world.policy("count").faults.is_empty())
        .await;
}
