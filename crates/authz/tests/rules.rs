//! Decisions, reviews and escalation over small worlds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use expect_test::{Expect, expect};
use proptest::prelude::*;
use ridgeway_authz::{Attributes, Rules, Subject};
use ridgeway_doc::{Doc, Node};

const WORLD: &str = r#"[
  {"kind":"ClusterRole","metadata":{"name":"view","labels":{"to-edit":"true"}},"rules":[
    {"apiGroups":["","apps"],"resources":["pods","deployments","pods/log"],"verbs":["get","list","watch"]},
    {"nonResourceURLs":["/healthz","/version*"],"verbs":["get"]}]},
  {"kind":"ClusterRole","metadata":{"name":"scale","labels":{"to-edit":"true"}},"rules":[
    {"apiGroups":["apps"],"resources":["*/scale"],"verbs":["*"]}]},
  {"kind":"ClusterRole","metadata":{"name":"edit","labels":{"to-admin":"yes"}},
    "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"to-edit":"true"}}]},
    "rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]},
  {"kind":"ClusterRole","metadata":{"name":"admin"},
    "aggregationRule":{"clusterRoleSelectors":[{"matchExpressions":[{"key":"to-admin","operator":"Exists"}]}]}},
  {"kind":"ClusterRole","metadata":{"name":"loop-a","labels":{"loop":"b"}},
    "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"loop":"a"}}]}},
  {"kind":"ClusterRole","metadata":{"name":"loop-b","labels":{"loop":"a"}},
    "aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"loop":"b"}}]}},
  {"kind":"ClusterRole","metadata":{"name":"odd"},
    "aggregationRule":{"clusterRoleSelectors":[{"matchExpressions":[{"key":"x","operator":"Near"}]}]}},
  {"kind":"ClusterRole","metadata":{"name":"all"},"rules":[
    {"apiGroups":["*"],"resources":["*"],"verbs":["*"]},{"nonResourceURLs":["*"],"verbs":["*"]}]},
  {"kind":"Role","metadata":{"name":"one-secret","namespace":"shop"},"rules":[
    {"apiGroups":[""],"resources":["secrets"],"resourceNames":["db"],"verbs":["get","update"]}]},
  {"kind":"ClusterRoleBinding","metadata":{"name":"viewers"},"roleRef":{"kind":"ClusterRole","name":"view"},
    "subjects":[{"kind":"Group","name":"devs"}]},
  {"kind":"ClusterRoleBinding","metadata":{"name":"ops"},"roleRef":{"kind":"ClusterRole","name":"all"},
    "subjects":[{"kind":"User","name":"olga"}]},
  {"kind":"ClusterRoleBinding","metadata":{"name":"a-role-is-not-for-clusters"},"roleRef":{"kind":"Role","name":"one-secret"},
    "subjects":[{"kind":"User","name":"eve"}]},
  {"kind":"RoleBinding","metadata":{"name":"admins","namespace":"shop"},"roleRef":{"kind":"ClusterRole","name":"admin"},
    "subjects":[{"kind":"User","name":"ann"},{"kind":"ServiceAccount","name":"bot"},{"kind":"Robot","name":"r2"}]},
  {"kind":"RoleBinding","metadata":{"name":"secret","namespace":"shop"},"roleRef":{"kind":"Role","name":"one-secret"},
    "subjects":[{"kind":"ServiceAccount","name":"bot","namespace":"ci"},{"kind":"User","name":"eve"}]},
  {"kind":"RoleBinding","metadata":{"name":"gone","namespace":"shop"},"roleRef":{"kind":"Role","name":"gone"},
    "subjects":[{"kind":"User","name":"eve"},{"kind":"User","name":"mia"}]},
  {"kind":"RoleBinding","metadata":{"name":"gone-too","namespace":"shop"},"roleRef":{"kind":"ClusterRole","name":"gone"},
    "subjects":[{"kind":"User","name":"mia"}]},
  {"kind":"RoleBinding","metadata":{"name":"odd","namespace":"shop"},"roleRef":{"kind":"ClusterRole","name":"odd"},
    "subjects":[{"kind":"User","name":"sue"}]},
  {"kind":"RoleBinding","metadata":{"name":"loop","namespace":"shop"},"roleRef":{"kind":"ClusterRole","name":"loop-a"},
    "subjects":[{"kind":"User","name":"sue"}]},
  {"kind":"ConfigMap","metadata":{"name":"not-rbac"}}
]"#;

fn documents(json: &str) -> Vec<Doc> {
    let list = Doc::parse_json(json.as_bytes()).unwrap();
    let typed = |node: Node<'_>| {
        let mut value = node.to_value();
        value.set(&["apiVersion"], "rbac.authorization.k8s.io/v1");
        value.into_doc()
    };
    list.root().items().map(typed).collect()
}

fn world() -> Rules {
    Rules::from_objects(documents(WORLD).iter().map(Doc::root))
}

/// `user[,group…] verb group/resource[/sub] [namespace [name]]`, or `user verb /path`.
fn ask(rules: &Rules, question: &str) -> ridgeway_authz::Decision {
    let words: Vec<&str> = question.split(' ').collect();
    let mut who = words[0].split(',');
    let user = who.next().unwrap();
    let groups: Vec<String> = who.map(Into::into).collect();
    let word = |at: usize| words.get(at).copied().unwrap_or_default();
    let mut attributes = Attributes {
        user,
        groups: &groups,
        verb: word(1),
        ..Attributes::default()
    };
    if word(2).starts_with('/') && word(3).is_empty() && word(2).matches('/').count() != 2 {
        attributes.non_resource_path = word(2);
    } else {
        let mut what = word(2).splitn(3, '/');
        attributes.group = what.next().unwrap_or_default();
        attributes.resource = what.next().unwrap_or_default();
        attributes.subresource = what.next().unwrap_or_default();
        (attributes.namespace, attributes.name) = (word(3), word(4));
    }
    rules.authorize(&attributes)
}

#[test]
fn decisions() {
    let rules = world();
    for (question, allowed, reason) in [
        (
            "dora,devs get /pods shop",
            true,
            r#"RBAC: allowed by ClusterRoleBinding "viewers" of ClusterRole "view" to Group "devs""#,
        ),
        ("dora,devs delete /pods shop", false, ""),
        ("dora get /pods shop", false, ""),
        (
            "dora,devs get /pods/log shop",
            true,
            r#"RBAC: allowed by ClusterRoleBinding "viewers" of ClusterRole "view" to Group "devs""#,
        ),
        ("dora,devs get /pods/exec shop", false, ""),
        ("dora,devs get batch/pods shop", false, ""),
        (
            "dora,devs get /healthz",
            true,
            r#"RBAC: allowed by ClusterRoleBinding "viewers" of ClusterRole "view" to Group "devs""#,
        ),
        (
            "dora,devs get /versions",
            true,
            r#"RBAC: allowed by ClusterRoleBinding "viewers" of ClusterRole "view" to Group "devs""#,
        ),
        ("dora,devs get /metrics", false, ""),
        ("dora,devs post /healthz", false, ""),
        // Two steps of aggregation; what an aggregating role says itself does not count.
        (
            "ann get apps/deployments shop",
            true,
            r#"RBAC: allowed by RoleBinding "admins/shop" of ClusterRole "admin" to User "ann""#,
        ),
        (
            "ann patch apps/statefulsets/scale shop",
            true,
            r#"RBAC: allowed by RoleBinding "admins/shop" of ClusterRole "admin" to User "ann""#,
        ),
        ("ann patch apps/statefulsets shop", false, ""),
        ("ann get apps/deployments other", false, ""),
        ("ann get apps/deployments", false, ""),
        // A binding in a namespace grants no paths.
        ("ann get /healthz", false, ""),
        (
            "system:serviceaccount:shop:bot list /pods shop",
            true,
            r#"RBAC: allowed by RoleBinding "admins/shop" of ClusterRole "admin" to ServiceAccount "bot/shop""#,
        ),
        (
            "system:serviceaccount:ci:bot update /secrets shop db",
            true,
            r#"RBAC: allowed by RoleBinding "secret/shop" of Role "one-secret" to ServiceAccount "bot/ci""#,
        ),
        ("system:serviceaccount:ci:bot update /secrets shop other", false, ""),
        ("system:serviceaccount:ci:bot list /secrets shop", false, ""),
        (
            "eve get /secrets shop db",
            true,
            r#"RBAC: allowed by RoleBinding "secret/shop" of Role "one-secret" to User "eve""#,
        ),
        (
            "eve get /secrets shop x",
            false,
            r#"RBAC: role.rbac.authorization.k8s.io "gone" not found"#,
        ),
        (
            "mia get /secrets shop",
            false,
            r#"RBAC: [role.rbac.authorization.k8s.io "gone" not found, clusterrole.rbac.authorization.k8s.io "gone" not found]"#,
        ),
        (
            "olga frobnicate nobody.knows/things/sub anywhere at-all",
            true,
            r#"RBAC: allowed by ClusterRoleBinding "ops" of ClusterRole "all" to User "olga""#,
        ),
        (
            "olga delete /x",
            true,
            r#"RBAC: allowed by ClusterRoleBinding "ops" of ClusterRole "all" to User "olga""#,
        ),
        (
            "root,system:masters frobnicate x/y",
            true,
            r#"allowed to members of Group "system:masters""#,
        ),
    ] {
        let decision = ask(&rules, question);
        assert_eq!(
            (decision.allowed, decision.reason.as_str()),
            (allowed, reason),
            "{question}"
        );
        assert_eq!(
            decision.proof.is_some(),
            allowed && !question.contains("masters"),
            "{question}"
        );
    }
}

#[test]
fn the_proof_names_the_rule() {
    let proof = ask(&world(), "eve get /secrets shop db").proof.unwrap();
    assert_eq!(
        (proof.grant.binding.as_str(), proof.grant.role.as_str()),
        ("secret", "one-secret")
    );
    assert_eq!(proof.grant.subject, Subject::User("eve".into()));
    assert_eq!(proof.rule.resource_names, ["db"]);
}

#[test]
fn an_unreadable_aggregation_is_an_evaluation_error_and_a_cycle_is_not() {
    let decision = ask(&world(), "sue get /pods shop");
    assert!(!decision.allowed && decision.reason.is_empty());
    assert!(
        decision
            .evaluation_error
            .contains("clusterrole \"odd\": aggregationRule"),
        "{}",
        decision.evaluation_error
    );
    assert!(
        !decision.evaluation_error.contains("loop"),
        "{}",
        decision.evaluation_error
    );
}

#[test]
fn who_can_lists_each_subject_once() {
    let found = world().who_can(&Attributes {
        verb: "get",
        resource: "pods",
        namespace: "shop",
        ..Attributes::default()
    });
    let shown: Vec<String> = found.keys().map(ToString::to_string).collect();
    assert_eq!(
        shown,
        [
            r#"User "ann""#,
            r#"User "olga""#,
            r#"Group "devs""#,
            r#"ServiceAccount "bot/shop""#
        ]
    );
}

fn check_review(user: &str, groups: &[&str], namespace: &str, want: &Expect) {
    let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
    want.assert_eq(&world().rules_for(user, &groups, namespace).to_json());
}

#[test]
fn rules_reviews() {
    check_review(
        "dora",
        &["devs"],
        "shop",
        &expect![[
            r#"{"resourceRules":[{"verbs":["get","list","watch"],"apiGroups":["","apps"],"resources":["pods","deployments","pods/log"]}],"nonResourceRules":[{"verbs":["get"],"nonResourceURLs":["/healthz","/version*"]}],"incomplete":false}"#
        ]],
    );
    check_review(
        "eve",
        &[],
        "shop",
        &expect![[
            r#"{"resourceRules":[{"verbs":["get","update"],"apiGroups":[""],"resources":["secrets"],"resourceNames":["db"]}],"nonResourceRules":[],"incomplete":true,"evaluationError":"role.rbac.authorization.k8s.io \"gone\" not found"}"#
        ]],
    );
    check_review(
        "root",
        &["system:masters"],
        "shop",
        &expect![[
            r#"{"resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}],"nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}],"incomplete":false}"#
        ]],
    );
}

fn grant(user: &str, groups: &[&str], role: &str, namespace: &str) -> Result<(), String> {
    let rules = world();
    let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
    let doc = Doc::parse_json(role.as_bytes()).unwrap();
    let granted = if doc.root().get("kind").is_some() {
        rules.rules_of_role(Some(doc.root()), namespace)?
    } else {
        rules.rules_in(doc.root())?
    };
    rules.escalation_check(user, &groups, &granted, namespace)
}

#[test]
fn nobody_grants_more_than_he_holds() {
    let pods = r#"{"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get","list","delete","create"]}]}"#;
    expect![[r#"
        user "dora" (groups=["devs"]) is attempting to grant RBAC permissions not currently held:
        {APIGroups:[""], Resources:["pods"], Verbs:["delete" "create"]}"#]]
    .assert_eq(&grant("dora", &["devs"], pods, "shop").unwrap_err());
    for (user, groups, role, namespace, allowed) in [
        ("olga", &[][..], pods, "", true),
        (
            "dora",
            &["devs"],
            r#"{"rules":[{"apiGroups":["apps"],"resources":["deployments"],"verbs":["get"]}]}"#,
            "",
            true,
        ),
        (
            "dora",
            &["devs"],
            r#"{"rules":[{"apiGroups":["apps"],"resources":["deployments"],"verbs":["*"]}]}"#,
            "",
            false,
        ),
        (
            "dora",
            &["devs"],
            r#"{"rules":[{"nonResourceURLs":["/version/x"],"verbs":["get"]}]}"#,
            "",
            true,
        ),
        (
            "dora",
            &["devs"],
            r#"{"rules":[{"nonResourceURLs":["*"],"verbs":["get"]}]}"#,
            "",
            false,
        ),
        // A right on one object covers that object only; a right on all covers one.
        (
            "eve",
            &[],
            r#"{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"]}]}"#,
            "shop",
            false,
        ),
        (
            "eve",
            &[],
            r#"{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"],"resourceNames":["db"]}]}"#,
            "shop",
            true,
        ),
        (
            "eve",
            &[],
            r#"{"rules":[{"apiGroups":[""],"resources":["secrets"],"verbs":["get"],"resourceNames":["db","x"]}]}"#,
            "shop",
            false,
        ),
        (
            "dora",
            &["devs"],
            r#"{"rules":[{"apiGroups":[""],"resources":["pods"],"verbs":["get"],"resourceNames":["x"]}]}"#,
            "shop",
            true,
        ),
        (
            "ann",
            &[],
            r#"{"rules":[{"apiGroups":["apps"],"resources":["deployments/scale"],"verbs":["update"]}]}"#,
            "shop",
            true,
        ),
        (
            "ann",
            &[],
            r#"{"rules":[{"apiGroups":["apps"],"resources":["deployments/scale"],"verbs":["update"]}]}"#,
            "",
            false,
        ),
        ("ann", &[], r#"{"kind":"ClusterRole","name":"view"}"#, "shop", true),
        ("ann", &[], r#"{"kind":"ClusterRole","name":"view"}"#, "other", false),
        ("olga", &[], r#"{"kind":"ClusterRole","name":"view"}"#, "", true),
        ("olga", &[], r#"{"kind":"Role","name":"one-secret"}"#, "shop", true),
        ("dora", &["devs"], r#"{"aggregationRule":{},"rules":[]}"#, "", false),
        ("olga", &[], r#"{"aggregationRule":{},"rules":[]}"#, "", true),
    ] {
        let verdict = grant(user, groups, role, namespace);
        assert_eq!(verdict.is_ok(), allowed, "{user} {role}: {verdict:?}");
    }
    assert_eq!(
        grant("olga", &[], r#"{"kind":"Role","name":"one-secret"}"#, "other"),
        Err("one-secret".into())
    );
}

/// Rule texts from a small alphabet, so that matches are frequent.
fn a_rule() -> impl Strategy<Value = String> {
    let some = |words: &'static [&'static str]| proptest::sample::subsequence(words, 0..=2);
    let verbs = some(&["get", "list", "*"]);
    let groups = some(&["", "apps", "*"]);
    let resources = some(&["pods", "pods/log", "*/log", "*"]);
    let names = proptest::sample::subsequence(&["a", "b"][..], 0..=1);
    (verbs, groups, resources, names).prop_map(|(verbs, groups, resources, names)| {
        format!(r#"{{"verbs":{verbs:?},"apiGroups":{groups:?},"resources":{resources:?},"resourceNames":{names:?}}}"#)
    })
}

proptest! {
    /// What one may grant, one may do: if a user passes the escalation check for a rule, the user is allowed all it allows.
    #[test]
    fn a_covered_grant_allows_nothing_new(owned in proptest::collection::vec(a_rule(), 0..4), wanted in a_rule()) {
        let world = |rules: &str| {
            let text = format!(
                r#"[{{"kind":"ClusterRole","metadata":{{"name":"r"}},"rules":[{rules}]}},
                {{"kind":"ClusterRoleBinding","metadata":{{"name":"b"}},"roleRef":{{"kind":"ClusterRole","name":"r"}},
                  "subjects":[{{"kind":"User","name":"u"}}]}}]"#
            );
            Rules::from_objects(documents(&text).iter().map(Doc::root))
        };
        let (owner, other) = (world(&owned.join(",")), world(&wanted));
        let role = Doc::parse_json(format!(r#"{{"rules":[{wanted}]}}"#).as_bytes()).unwrap();
        let granted = owner.rules_in(role.root()).unwrap();
        if owner.escalation_check("u", &[], &granted, "").is_ok() {
            for verb in ["get", "list", "watch"] {
                for what in ["/pods", "/pods/log", "apps/pods", "apps/jobs/log", "x/y"] {
                    for name in ["", "a", "b"] {
                        let question = format!("u {verb} {what} ns {name}");
                        let question = question.trim_end();
                        prop_assert!(!ask(&other, question).allowed || ask(&owner, question).allowed, "{question}");
                    }
                }
            }
        }
    }
}
