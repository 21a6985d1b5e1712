//! The journal of admissions: what was put before the policies, both ways, and no secret.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

mod support;

use std::sync::Arc;

use ridgeway_cluster::{DeleteOptions, Gate, GateAnswer, GateRequest, Operation, Refusal, WriteOptions};
use ridgeway_doc::Doc;
use ridgeway_ledger::Journal;

use support::{Plane, by, core, yaml};

/// Refuses what is called `bad`, labels the rest, and has no say about Leases.
struct House;

impl Gate for House {
    fn admit(&self, request: &GateRequest<'_>) -> GateAnswer {
        let mut answer = GateAnswer {
            judged: request.gvk.kind != "Lease",
            ..GateAnswer::default()
        };
        if request.name == "bad" {
            answer.refusals.push(Refusal {
                policy: "names".into(),
                rule: "no-bad".into(),
                message: "a name must not be `bad`".into(),
                ..Refusal::default()
            });
        } else if let Some(object) = request.object
            && request.operation == Operation::Create
        {
            let mut changed = object.to_value();
            changed.set(&["metadata", "labels", "seen"], "yes");
            answer.object = Some(changed);
        }
        answer
    }
}

#[tokio::test]
async fn what_is_put_before_the_policies_is_kept_both_ways() {
    let folder = tempfile::tempdir().unwrap();
    let plane = Plane::recorded().await;
    plane.set_gate(Arc::new(House));
    let journal = Arc::new(Journal::open(folder.path(), 1 << 20).unwrap());
    plane.set_journal(journal.clone());
    let cluster = plane.admin();
    let map = |name: &str, value: &str| {
        yaml(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default}}, data: {{a: '{value}'}}}}"
        ))
    };
    cluster.create(map("a", "1"), by("t")).await.unwrap();
    cluster.create(map("dry", "1"), by("t").dry()).await.unwrap();
    cluster.create(map("bad", "1"), by("t")).await.unwrap_err();
    cluster.update(map("a", "2"), by("t")).await.unwrap();
    cluster
        .delete(
            &core("ConfigMap"),
            "default",
            "a",
            DeleteOptions::default(),
            WriteOptions::by("t", None),
        )
        .await
        .unwrap();
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: default}, stringData: {key: hunter2}}";
    cluster.create(yaml(secret), by("t")).await.unwrap();
    cluster
        .create(
            yaml(
                "{apiVersion: coordination.k8s.io/v1, kind: Lease, metadata: {name: l, namespace: default}, spec: {}}",
            ),
            by("t"),
        )
        .await
        .unwrap();
    journal.close();
    let (_, text) = ridgeway_ledger::journal::read(folder.path())
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert!(
        !text.contains("hunter2") && !text.contains("aHVudGVyMg") && !text.contains("managedFields"),
        "{text}"
    );
    let records: Vec<Doc> = text
        .lines()
        .map(|line| Doc::parse_json(line.as_bytes()).unwrap())
        .collect();
    let told: Vec<String> = records
        .iter()
        .map(|record| {
            let root = record.root();
            let request = root.get("request").unwrap();
            let value = |object: &str| request.str_at(&[object, "data", "a"]).unwrap_or("-");
            format!(
                "{} {} {} {} {}",
                request.str_at(&["operation"]).unwrap(),
                request.str_at(&["name"]).unwrap(),
                value("oldObject"),
                value("object"),
                root.at(&["decision", "allowed"]).unwrap().to_json()
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            "CREATE a - 1 true",
            "CREATE bad - 1 false",
            "UPDATE a 1 2 true",
            "DELETE a 2 - true",
            "CREATE s - - true"
        ]
    );
    let root = |at: usize| records[at].root();
    // As the policies found it, not as they left it.
    assert!(root(0).at(&["request", "object", "metadata", "labels"]).is_none());
    assert_eq!(
        root(0).str_at(&["namespaceObject", "metadata", "name"]),
        Some("default")
    );
    assert_eq!(
        root(0).str_at(&["request", "userInfo", "username"]),
        Some("system:admin")
    );
    assert_eq!(root(1).at(&["decision", "by"]).unwrap().to_json(), "[\"names/no-bad\"]");
    assert_eq!(root(4).str_at(&["request", "object", "data", "key"]), Some("<hidden>"));
    // Each names its entry of the ledger, which has the same digests.
    plane.ledger().checkpoint_now().await.unwrap();
    for record in &records {
        let said = record.root().get("ledger").unwrap();
        let index = u64::try_from(said.get("index").unwrap().as_i64().unwrap()).unwrap();
        let entry = plane.ledger().get(index).unwrap().entry;
        assert_eq!(
            Some(entry.object.name.as_str()),
            record.root().str_at(&["request", "name"])
        );
        assert_eq!(entry.after, said.str_at(&["after"]).unwrap_or_default());
        assert_eq!(entry.before, said.str_at(&["before"]).unwrap_or_default());
    }
    let metrics = plane.metrics().render();
    assert!(metrics.contains("ridgeway_admissions_recorded_total 5\n"), "{metrics}");
    assert!(metrics.contains("ridgeway_admissions_missed_total 0\n"), "{metrics}");
}
