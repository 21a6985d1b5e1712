//! Global context entries: filled from services and kinds, kept fresh, and read by rules.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod world;

use std::sync::{Arc, Mutex};

use ridgeway_doc::Node;
use ridgeway_guard::{Call, Fetch};
use world::{World, gvk};

/// A service that answers what is laid down here.
struct Service {
    answer: Mutex<Result<String, String>>,
    calls: Mutex<Vec<Call>>,
}

impl Service {
    fn says(&self, answer: Result<&str, &str>) {
        *self.answer.lock().unwrap() = answer.map(str::to_owned).map_err(str::to_owned);
    }
}

impl Fetch for Service {
    fn fetch(&self, call: &Call) -> Result<Vec<u8>, String> {
        self.calls.lock().unwrap().push(call.clone());
        self.answer.lock().unwrap().clone().map(String::into_bytes)
    }
}

const ENTRY: &str = "
apiVersion: kyverno.io/v2alpha1
kind: GlobalContextEntry
metadata: {name: teams}
spec:
  apiCall:
    service: {url: 'http://teams.internal/all', headers: [{key: x-from, value: ridgeway}]}
    refreshInterval: 30s
    retryLimit: 1
  projections: [{name: names, jmesPath: 'teams[].name'}]
";

const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: known-teams}
spec:
  rules:
  - name: team
    match: {any: [{resources: {kinds: [ConfigMap], names: ['c-*']}}]}
    context: [{name: teams, globalReference: {name: teams.names}}]
    validate:
      failureAction: Enforce
      message: 'no such team'
      deny: {conditions: {any: [{key: '{{ request.object.data.team }}', operator: AnyNotIn, value: '{{ teams }}'}]}}
";

fn map(name: &str, team: &str) -> String {
    format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}, data: {{team: {team}}}}}")
}

fn ready(want: &'static str, part: &'static str) -> impl Fn(Option<Node<'_>>) -> bool {
    move |node| {
        let condition = node
            .and_then(|n| n.at(&["status", "conditions"]))
            .and_then(|list| list.item(0));
        condition.is_some_and(|c| {
            c.str_at(&["status"]) == Some(want) && c.str_at(&["message"]).is_some_and(|m| m.contains(part))
        })
    }
}

#[tokio::test]
async fn a_service_is_asked_again_and_again() {
    let world = World::new().await;
    let service = Arc::new(Service {
        answer: Mutex::new(Err("connection refused".into())),
        calls: Mutex::default(),
    });
    world.guard.fetch_with(service.clone());
    world.enforce(POLICY).await;
    let refusal = world.try_apply(&map("c-a", "shop")).await.unwrap_err();
    assert!(
        refusal.message.contains("entry teams cannot be read: there is none"),
        "{}",
        refusal.message
    );
    world.apply(ENTRY).await;
    let kind = gvk("kyverno.io/v2", "GlobalContextEntry");
    world
        .until_object(
            "the failure is told",
            &kind,
            ("", "teams"),
            ready("False", "connection refused"),
        )
        .await;
    let refusal = world.try_apply(&map("c-a", "shop")).await.unwrap_err();
    assert!(
        refusal
            .message
            .contains("http://teams.internal/all: connection refused"),
        "{}",
        refusal.message
    );
    service.says(Ok(r#"{"teams": [{"name": "shop"}]}"#));
    world.clock.forward(31);
    world
        .until_object("it is filled", &kind, ("", "teams"), ready("True", ""))
        .await;
    let call = service.calls.lock().unwrap().last().unwrap().clone();
    assert_eq!((call.method.as_str(), call.headers.len(), call.body), ("GET", 1, None));
    world.apply(&map("c-a", "shop")).await;
    assert!(
        world
            .try_apply(&map("c-b", "stall"))
            .await
            .unwrap_err()
            .message
            .contains("no such team")
    );
    // Old content counts while there is no newer.
    service.says(Ok("no json"));
    world.clock.forward(31);
    world
        .until_object("the failure is told", &kind, ("", "teams"), ready("False", "no JSON"))
        .await;
    world.apply(&map("c-c", "shop")).await;
    service.says(Ok(r#"{"teams": [{"name": "stall"}]}"#));
    world.clock.forward(31);
    world
        .until_object("it is fresh", &kind, ("", "teams"), ready("True", ""))
        .await;
    world.apply(&map("c-d", "stall")).await;
}

#[tokio::test]
async fn the_objects_of_a_kind_and_faults() {
    let world = World::new().await;
    let entry = ENTRY[..ENTRY.find("  apiCall").unwrap()].to_owned();
    let objects = "  kubernetesResource: {version: v1, resource: configmaps, namespace: default}\n  projections: [{name: names, \
                   jmesPath: \"[?metadata.labels.team].data.team\"}]\n";
    world.apply(&(entry.clone() + objects)).await;
    world.enforce(POLICY).await;
    world
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {team: 'yes'}}, data: {team: shop}}")
        .await;
    let mut stored = Err(String::new());
    for _ in 0..200 {
        stored = world
            .try_apply(&map("c-a", "shop"))
            .await
            .map_err(|status| status.message);
        if stored.is_ok() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    stored.unwrap();
    for (spec, part) in [
        ("  apiCall: {urlPath: /api}\n", "spec.apiCall.urlPath"),
        (
            "  apiCall: {urlPath: /api/v1/pods, service: {url: 'http://x'}}\n",
            "spec.apiCall",
        ),
        ("  apiCall: {service: {url: 'x'}}\n", "spec.apiCall.service.url"),
        (
            "  apiCall: {service: {url: 'http://x'}, refreshInterval: soon}\n",
            "spec.apiCall.refreshInterval",
        ),
        ("  kubernetesResource: {version: v1}\n", "spec.kubernetesResource"),
        (
            "  projections: [{name: a, jmesPath: 'a['}]\n",
            "spec.projections[0].jmesPath",
        ),
    ] {
        let refusal = world
            .try_apply(&(entry.replace("teams", "other") + spec))
            .await
            .unwrap_err();
        assert!(refusal.message.contains(part), "{spec}: {}", refusal.message);
    }
}

#[tokio::test]
async fn a_path_of_the_api_and_what_is_judged_again() {
    let world = World::new().await;
    let entry = ENTRY[..ENTRY.find("  apiCall").unwrap()].to_owned();
    let path = "  apiCall: {urlPath: '/api/v1/namespaces/default/secrets'}\n  projections: [{name: names, jmesPath: \
                \"items[].metadata.labels.team\"}]\n";
    world.apply(&map("c-a", "shop")).await;
    world.apply(&(entry + path)).await;
    world.enforce(POLICY).await;
    let violating = |want: usize| {
        let found = world.guard.violations().into_iter();
        found.filter(|found| found.object.name == "c-a").count() == want
    };
    world.until("the map is judged", || violating(1)).await;
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: a, labels: {team: shop}}}";
    world.apply(secret).await;
    world.until("it is judged again", || violating(0)).await;
    world.apply(&map("c-b", "shop")).await;
    let refusal = world.try_apply(&map("c-c", "stall")).await.unwrap_err();
    assert!(refusal.message.contains("no such team"), "{}", refusal.message);
    world.apply(&secret.replace("team: shop", "team: stall")).await;
    world.until("and again", || violating(1)).await;
}
