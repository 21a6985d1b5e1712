//! One decision among 1,000 bindings: the promise is at most a microsecond.

use ridgeway_authz::{Attributes, Rules};
use ridgeway_doc::Doc;

fn main() {
    divan::main();
}

/// 1,000 bindings in 100 namespaces to 500 teams, over 20 roles of 30 rules.
fn world() -> Vec<Doc> {
    let mut texts = Vec::new();
    for role in 0..20 {
        let rules: Vec<String> = (0..30)
            .map(|rule| format!(r#"{{"apiGroups":["group{rule}"],"resources":["things{role}","others{rule}"],"verbs":["get","list","watch"]}}"#))
            .collect();
        texts.push(format!(
            r#""kind":"ClusterRole","metadata":{{"name":"role{role}"}},"rules":[{}]"#,
            rules.join(",")
        ));
    }
    for binding in 0..1000 {
        let (namespace, role, team) = (binding % 100, binding % 20, binding % 500);
        texts.push(format!(
            r#""kind":"RoleBinding","metadata":{{"name":"b{binding}","namespace":"ns{namespace}"}},
               "roleRef":{{"kind":"ClusterRole","name":"role{role}"}},"subjects":[{{"kind":"Group","name":"team{team}"}}]"#
        ));
    }
    let parse = |text: String| {
        Doc::parse_json(format!(r#"{{"apiVersion":"rbac.authorization.k8s.io/v1",{text}}}"#).as_bytes()).expect("JSON")
    };
    texts.into_iter().map(parse).collect()
}

fn decide(bencher: divan::Bencher<'_, '_>, verb: &str) {
    let rules = Rules::from_objects(world().iter().map(Doc::root));
    let groups: Vec<String> = ["team123", "team23", "system:authenticated"].map(Into::into).into();
    let attributes = Attributes {
        user: "alice",
        groups: &groups,
        verb,
        group: "group29",
        resource: "others29",
        namespace: "ns23",
        name: "x",
        ..Attributes::default()
    };
    assert_eq!(rules.authorize(&attributes).allowed, verb == "get");
    bencher.bench_local(|| rules.authorize(divan::black_box(&attributes)));
}

#[divan::bench]
fn allowed_by_the_last_rule(bencher: divan::Bencher<'_, '_>) {
    decide(bencher, "get");
}

#[divan::bench]
fn refused(bencher: divan::Bencher<'_, '_>) {
    decide(bencher, "delete");
}

#[divan::bench]
fn snapshot_of_1000_bindings(bencher: divan::Bencher<'_, '_>) {
    let world = world();
    bencher.bench_local(|| Rules::from_objects(world.iter().map(Doc::root)));
}
