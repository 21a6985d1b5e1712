//! Mutators over objects.

use ridgeway_doc::{Doc, parse_yaml};
use ridgeway_krm::Gvk;

use crate::{Operation, Outcome, Request, RuleSet, Verdicts};

const PODS: &str = "applyTo: [{groups: [''], versions: [v1], kinds: [Pod]}]";

fn mutator(kind: &str, name: &str, spec: &str) -> String {
    let applies = if kind == "AssignMetadata" { "" } else { PODS };
    let comma = if applies.is_empty() { "" } else { ", " };
    format!(
        "---\napiVersion: mutations.gatekeeper.sh/v1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{applies}{comma}{spec}}}\n"
    )
}

fn rules(text: &str) -> (RuleSet, Vec<String>) {
    let docs = parse_yaml(text).unwrap();
    let sources: Vec<_> = docs.iter().map(Doc::root).collect();
    let (rules, errors) = RuleSet::compile(&sources);
    (rules, errors.iter().map(ToString::to_string).collect())
}

fn admit(rules: &RuleSet, object: &str, operation: Operation) -> Verdicts {
    let object = parse_yaml(object).unwrap().remove(0);
    let gvk = Gvk::of(object.root()).unwrap();
    rules.admit(&Request {
        operation,
        ..Request::create(&gvk, object.root())
    })
}

/// The object after mutation as JSON, or the error.
fn mutated(policies: &str, object: &str) -> String {
    let (rules, errors) = rules(policies);
    assert!(errors.is_empty(), "{policies}: {errors:?}");
    let verdicts = admit(&rules, object, Operation::Create);
    if let Some(error) = verdicts.results.iter().find(|r| r.outcome == Outcome::Error) {
        assert!(verdicts.refusals().count() > 0);
        return format!("error: {}", error.message);
    }
    let doc = parse_yaml(object).unwrap().remove(0);
    let out = verdicts.mutated.map_or(doc, |value| value.into_doc());
    out.root().get("spec").or(out.root().get("metadata")).unwrap().to_json()
}

fn pod(spec: &str) -> String {
    format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p, namespace: shop}}, spec: {spec}}}")
}

#[test]
fn assign() {
    for (spec, object, want) in [
        ("location: spec.a, parameters: {assign: {value: 1}}", "{}", r#"{"a":1}"#),
        (
            "location: spec.a, parameters: {assign: {value: 1}}",
            "{a: 2}",
            r#"{"a":1}"#,
        ),
        (
            "location: spec.a.b.c, parameters: {assign: {value: {d: [1]}}}",
            "{}",
            r#"{"a":{"b":{"c":{"d":[1]}}}}"#,
        ),
        (
            "location: spec.a.b, parameters: {assign: {value: x}}",
            "{a: null}",
            r#"{"a":{"b":"x"}}"#,
        ),
        (
            "location: spec.a, parameters: {assign: {value: false}}",
            "{}",
            r#"{"a":false}"#,
        ),
        // Lists.
        (
            "location: 'spec.c[name: *].i', parameters: {assign: {value: x}}",
            "{c: [{name: a}, {name: b, i: w}]}",
            r#"{"c":[{"name":"a","i":"x"},{"name":"b","i":"x"}]}"#,
        ),
        (
            "location: 'spec.c[name: *].i', parameters: {assign: {value: x}}",
            "{}",
            "{}",
        ),
        (
            "location: 'spec.c[name: b].i', parameters: {assign: {value: x}}",
            "{c: [{name: a}, {name: b}]}",
            r#"{"c":[{"name":"a"},{"name":"b","i":"x"}]}"#,
        ),
        (
            "location: 'spec.c[name: b].i', parameters: {assign: {value: x}}",
            "{}",
            r#"{"c":[{"name":"b","i":"x"}]}"#,
        ),
        (
            "location: 'spec.c[port: 80].i', parameters: {assign: {value: x}}",
            "{c: [{port: 80}, {port: '80'}]}",
            r#"{"c":[{"port":80,"i":"x"},{"port":"80"}]}"#,
        ),
        (
            "location: 'spec.c[name: b]', parameters: {assign: {value: {name: b, i: x}}}",
            "{c: [{name: b, j: w}]}",
            r#"{"c":[{"name":"b","i":"x"}]}"#,
        ),
        (
            "location: 'spec.c[name: b]', parameters: {assign: {value: {name: b, i: x}}}",
            "{c: [{name: a}]}",
            r#"{"c":[{"name":"a"},{"name":"b","i":"x"}]}"#,
        ),
        // Tests of paths.
        (
            "location: spec.a.b, parameters: {assign: {value: x}, pathTests: [{subPath: spec.a, condition: MustExist}]}",
            "{}",
            "{}",
        ),
        (
            "location: spec.a.b, parameters: {assign: {value: x}, pathTests: [{subPath: spec.a, condition: MustExist}]}",
            "{a: {}}",
            r#"{"a":{"b":"x"}}"#,
        ),
        (
            "location: spec.a.b, parameters: {assign: {value: x}, pathTests: [{subPath: spec.a.b, condition: MustNotExist}]}",
            "{a: {b: w}}",
            r#"{"a":{"b":"w"}}"#,
        ),
        (
            "location: 'spec.c[name: b].i', parameters: {assign: {value: x}, pathTests: [{subPath: 'spec.c[name: b]', condition: MustExist}]}",
            "{c: [{name: a}]}",
            r#"{"c":[{"name":"a"}]}"#,
        ),
        (
            "location: 'spec.c[name: *].i', parameters: {assign: {value: x}, pathTests: [{subPath: 'spec.c[name: *].i', condition: MustNotExist}]}",
            "{c: [{name: a, i: w}, {name: b}]}",
            r#"{"c":[{"name":"a","i":"w"},{"name":"b","i":"x"}]}"#,
        ),
        // The value that is there.
        (
            "location: spec.a, parameters: {assign: {value: x}, assignIf: {in: [w]}}",
            "{a: w}",
            r#"{"a":"x"}"#,
        ),
        (
            "location: spec.a, parameters: {assign: {value: x}, assignIf: {in: [w]}}",
            "{}",
            "{}",
        ),
        (
            "location: spec.a, parameters: {assign: {value: x}, assignIf: {notIn: [z]}}",
            "{a: z}",
            r#"{"a":"z"}"#,
        ),
        (
            "location: spec.a, parameters: {assign: {value: x}, assignIf: {notIn: [z]}}",
            "{}",
            r#"{"a":"x"}"#,
        ),
        // Metadata.
        (
            "location: spec.a, parameters: {assign: {fromMetadata: {field: name}}}",
            "{}",
            r#"{"a":"p"}"#,
        ),
        (
            "location: spec.a, parameters: {assign: {fromMetadata: {field: namespace}}}",
            "{}",
            r#"{"a":"shop"}"#,
        ),
        // What does not fit.
        (
            "location: spec.a.b, parameters: {assign: {value: x}}",
            "{a: [1]}",
            "error: The mutator Assign/m could not be applied: `location` takes spec.a for an object, and it is a list.",
        ),
        (
            "location: 'spec.a[k: *].b', parameters: {assign: {value: x}}",
            "{a: {}}",
            "error: The mutator Assign/m could not be applied: `location` takes spec.a for a list, and it is an object.",
        ),
        (
            "location: 'spec.a[k: *].b', parameters: {assign: {value: x}}",
            "{a: [1]}",
            "error: The mutator Assign/m could not be applied: `location` takes spec.a[k: *] for an object, and it is a single value.",
        ),
    ] {
        assert_eq!(
            mutated(&mutator("Assign", "m", spec), &pod(object)),
            want,
            "{spec} {object}"
        );
    }
}

#[test]
fn metadata_is_only_added() {
    for (location, object, want) in [
        (
            "metadata.labels.owner",
            "{name: a}",
            r#"{"name":"a","labels":{"owner":"x"}}"#,
        ),
        (
            "metadata.labels.owner",
            "{name: a, labels: {owner: w}}",
            r#"{"name":"a","labels":{"owner":"w"}}"#,
        ),
        (
            "metadata.annotations.\"a.b/c\"",
            "{name: a}",
            r#"{"name":"a","annotations":{"a.b/c":"x"}}"#,
        ),
    ] {
        let spec = format!("location: '{location}', parameters: {{assign: {{value: x}}}}");
        let object = format!("{{apiVersion: v1, kind: ConfigMap, metadata: {object}}}");
        assert_eq!(
            mutated(&mutator("AssignMetadata", "m", &spec), &object),
            want,
            "{location}"
        );
    }
}

#[test]
fn sets() {
    for (operation, object, want) in [
        ("merge", "{}", r#"{"a":["x","w"]}"#),
        ("merge", "{a: [w, z]}", r#"{"a":["w","z","x"]}"#),
        ("prune", "{a: [x, z, x]}", r#"{"a":["z"]}"#),
        ("prune", "{a: [x]}", r#"{"a":[]}"#),
        ("prune", "{}", "{}"),
        (
            "merge",
            "{a: {}}",
            "error: The mutator ModifySet/m could not be applied: `location` takes spec.a for a list of values, and it is an object.",
        ),
    ] {
        let spec = format!("location: spec.a, parameters: {{operation: {operation}, values: {{fromList: [x, w]}}}}");
        assert_eq!(
            mutated(&mutator("ModifySet", "m", &spec), &pod(object)),
            want,
            "{operation} {object}"
        );
    }
}

#[test]
fn images() {
    let spec = "location: 'spec.containers[name: *].image', parameters: {assignDomain: r.io, assignTag: ':2'}";
    let object = "{containers: [{name: a, image: nginx}, {name: b, image: 'x.io/y:1'}, {name: c}]}";
    let want = r#"{"containers":[{"name":"a","image":"r.io/nginx:2"},{"name":"b","image":"r.io/y:2"},{"name":"c","image":"r.io/:2"}]}"#;
    assert_eq!(mutated(&mutator("AssignImage", "m", spec), &pod(object)), want);
}

#[test]
fn matching() {
    for (matches, taken) in [
        ("{}", true),
        ("{kinds: [{apiGroups: [''], kinds: [Pod]}]}", true),
        ("{kinds: [{apiGroups: ['*'], kinds: ['*']}]}", true),
        ("{kinds: [{apiGroups: [apps], kinds: [Pod]}]}", false),
        ("{scope: Cluster}", false),
        ("{scope: Namespaced}", true),
        ("{namespaces: [sh*]}", true),
        ("{namespaces: [other]}", false),
        ("{excludedNamespaces: ['*op']}", false),
        ("{name: 'p*'}", true),
        ("{name: q}", false),
        ("{labelSelector: {matchLabels: {a: b}}}", false),
        (
            "{labelSelector: {matchExpressions: [{key: a, operator: DoesNotExist}]}}",
            true,
        ),
        ("{source: Original}", true),
        ("{source: All}", true),
        ("{source: Generated}", false),
    ] {
        let spec = format!("match: {matches}, location: spec.a, parameters: {{assign: {{value: 1}}}}");
        let got = mutated(&mutator("Assign", "m", &spec), &pod("{}"));
        assert_eq!(got == r#"{"a":1}"#, taken, "{matches}: {got}");
    }
}

#[test]
fn operations() {
    for (operations, create, update) in [
        ("[]", true, true),
        ("['*']", true, true),
        ("[CREATE]", true, false),
        ("[UPDATE]", false, true),
    ] {
        let text = mutator("Assign", "m", "location: spec.a, parameters: {assign: {value: 1}}")
            .replace("kinds: [Pod]", &format!("kinds: [Pod], operations: {operations}"));
        let (rules, errors) = rules(&text);
        assert!(errors.is_empty(), "{errors:?}");
        for (operation, want) in [
            (Operation::Create, create),
            (Operation::Update, update),
            (Operation::Delete, false),
            (Operation::Connect, false),
        ] {
            let verdicts = admit(&rules, &pod("{}"), operation);
            assert_eq!(verdicts.mutated.is_some(), want, "{operations} {operation:?}");
        }
    }
}

#[test]
fn faults() {
    for (kind, spec, path, part) in [
        (
            "Assign",
            "location: metadata.labels.a, parameters: {assign: {value: x}}",
            "spec.location",
            "AssignMetadata",
        ),
        (
            "Assign",
            "location: 'spec.a[name: x].name', parameters: {assign: {value: x}}",
            "spec.location",
            "key",
        ),
        (
            "Assign",
            "location: 'spec.a[', parameters: {assign: {value: x}}",
            "spec.location",
            "expected",
        ),
        (
            "Assign",
            "location: spec.a, parameters: {assign: {value: x, fromMetadata: {field: name}}}",
            "spec.parameters.assign",
            "exactly one",
        ),
        (
            "Assign",
            "location: spec.a, parameters: {assign: {}}",
            "spec.parameters.assign",
            "exactly one",
        ),
        (
            "Assign",
            "location: spec.a, parameters: {assign: {externalData: {provider: p}}}",
            "spec.parameters.assign.externalData",
            "another server",
        ),
        (
            "Assign",
            "location: spec.a, parameters: {assign: {fromMetadata: {field: uid}}}",
            "spec.parameters.assign.fromMetadata.field",
            "name or namespace",
        ),
        (
            "Assign",
            "location: 'spec.a[name: *]', parameters: {assign: {value: {name: x}}}",
            "spec.location",
            "all items",
        ),
        (
            "Assign",
            "location: 'spec.a[name: b]', parameters: {assign: {value: {name: c}}}",
            "spec.parameters.assign.value",
            "\"b\"",
        ),
        (
            "Assign",
            "location: spec.a, parameters: {assign: {value: x}, pathTests: [{subPath: spec.b, condition: MustExist}]}",
            "spec.parameters.pathTests[0].subPath",
            "no prefix",
        ),
        (
            "Assign",
            "location: spec.a, parameters: {assign: {value: x}, pathTests: [{subPath: spec, condition: Exists}]}",
            "spec.parameters.pathTests[0].condition",
            "MustNotExist",
        ),
        (
            "Assign",
            "location: spec.a, parameters: {asign: {value: x}}",
            "spec.parameters.asign",
            "did you mean `assign`",
        ),
        (
            "Assign",
            "location: spec.a, match: {scope: Namespace}, parameters: {assign: {value: x}}",
            "spec.match.scope",
            "no scope",
        ),
        (
            "AssignMetadata",
            "location: metadata.name, parameters: {assign: {value: x}}",
            "spec.location",
            "one label",
        ),
        (
            "AssignMetadata",
            "location: metadata.labels.a, parameters: {assign: {value: 1}}",
            "spec.parameters.assign.value",
            "in quotes",
        ),
        (
            "ModifySet",
            "location: 'spec.a[name: x]', parameters: {values: {fromList: [x]}}",
            "spec.location",
            "field at the end",
        ),
        (
            "ModifySet",
            "location: spec.a, parameters: {operation: add, values: {fromList: [x]}}",
            "spec.parameters.operation",
            "merge or prune",
        ),
        (
            "ModifySet",
            "location: spec.a, parameters: {}",
            "spec.parameters.values.fromList",
            "as a list",
        ),
        (
            "AssignImage",
            "location: spec.a, parameters: {}",
            "spec.parameters",
            "at least one",
        ),
        (
            "AssignImage",
            "location: spec.a, parameters: {assignTag: '1'}",
            "spec.parameters.assignTag",
            "neither a tag",
        ),
    ] {
        let docs = parse_yaml(&mutator(kind, "m", spec)).unwrap();
        let errors = RuleSet::compile(&[docs[0].root()]).1;
        assert_eq!(errors.len(), 1, "{spec}: {errors:?}");
        assert_eq!(
            (errors[0].policy.as_str(), errors[0].path.as_str()),
            (&*format!("{kind}/m"), path),
            "{spec}"
        );
        assert!(errors[0].message.contains(part), "{spec}: {}", errors[0].message);
    }
    let text = mutator("Assign", "m", "location: spec.a, parameters: {assign: {value: x}}");
    for (applies, part) in [
        ("applyTo: []", "name the groups"),
        ("applyTo: [{groups: [''], versions: [v1]}]", "each at least once"),
        ("applyTo: [{groups: ['*'], versions: [v1], kinds: [Pod]}]", "wildcards"),
        (
            "applyTo: [{groups: [''], versions: [v1], kinds: [Pod], operations: [DELETE]}]",
            "CREATE, UPDATE",
        ),
        (
            "applyTo: [{groups: [''], versions: [v1], kinds: [Pod], operations: ['*', CREATE]}]",
            "stands for all",
        ),
    ] {
        let errors = rules(&text.replace(PODS, applies)).1;
        assert!(errors.len() == 1 && errors[0].contains(part), "{applies}: {errors:?}");
    }
}

#[test]
fn contradictions_are_told_of_both_and_neither_runs() {
    let at = |kind: &str, name: &str, location: &str| {
        let parameters = match kind {
            "ModifySet" => "{values: {fromList: [x]}}",
            "AssignImage" => "{assignTag: ':1'}",
            _ => "{assign: {value: x}}",
        };
        mutator(kind, name, &format!("location: '{location}', parameters: {parameters}"))
    };
    for (a, b, clash) in [
        (("Assign", "spec.a.b"), ("Assign", "spec.a[name: x].b"), true),
        (("Assign", "spec.a[name: x].b"), ("Assign", "spec.a[id: x].b"), true),
        (("Assign", "spec.a[name: x].b"), ("Assign", "spec.a[name: *].c"), false),
        (("Assign", "spec.a"), ("Assign", "spec.a.b"), false),
        (("ModifySet", "spec.a"), ("Assign", "spec.a.b"), true),
        (("ModifySet", "spec.a"), ("Assign", "spec.a"), false),
        (("ModifySet", "spec.a"), ("AssignImage", "spec.a"), true),
        (("AssignImage", "spec.a"), ("Assign", "spec.a.b"), true),
        (("AssignImage", "spec.a"), ("AssignImage", "spec.a"), false),
        (("Assign", "spec.a.b"), ("Assign", "spec.b[name: x].b"), false),
    ] {
        let text = at(a.0, "one", a.1) + &at(b.0, "two", b.1);
        let (all, errors) = rules(&text);
        assert_eq!(errors.len(), if clash { 2 } else { 0 }, "{a:?} {b:?}: {errors:?}");
        if clash {
            let (one, two) = (format!("{}/one", a.0), format!("{}/two", b.0));
            assert!(
                errors.iter().all(|error| error.contains(&one) && error.contains(&two)),
                "{errors:?}"
            );
            assert!(admit(&all, &pod("{}"), Operation::Create).mutated.is_none());
            assert_eq!(all.conflicts().len(), 2);
        }
        // The same mutators of different kinds of objects, or of different operations, do not meet.
        let apart = at(a.0, "one", a.1) + &at(b.0, "two", b.1).replace("kinds: [Pod]", "kinds: [Service]");
        assert!(rules(&apart).1.is_empty());
        let apart = at(a.0, "one", a.1).replace("[Pod]", "[Pod], operations: [CREATE]")
            + &at(b.0, "two", b.1).replace("[Pod]", "[Pod], operations: [UPDATE]");
        assert!(rules(&apart).1.is_empty());
        // Compiled apart and put together.
        let (one, two) = (rules(&at(a.0, "one", a.1)).0, rules(&at(b.0, "two", b.1)).0);
        assert_eq!(
            RuleSet::union([&one, &two]).conflicts().len(),
            if clash { 2 } else { 0 }
        );
    }
}

#[test]
fn rounds() {
    // The second needs what the first adds only in the next round.
    let chain = mutator(
        "Assign",
        "a",
        "match: {labelSelector: {matchLabels: {seen: 'yes'}}}, location: spec.a, parameters: {assign: {value: 1}}",
    ) + &mutator(
        "AssignMetadata",
        "b",
        "location: metadata.labels.seen, parameters: {assign: {value: 'yes'}}",
    );
    assert_eq!(mutated(&chain, &pod("{}")), r#"{"a":1}"#);
    // The last one has its way, in any order of the sources.
    let one = mutator("Assign", "a", "location: spec.a, parameters: {assign: {value: 1}}");
    let two = mutator("Assign", "b", "location: spec.a, parameters: {assign: {value: 2}}");
    assert_eq!(mutated(&(one.clone() + &two), &pod("{}")), r#"{"a":2}"#);
    assert_eq!(mutated(&(two + &one), &pod("{}")), r#"{"a":2}"#);
    // Two that switch a value to and fro find no end.
    let flip = |name: &str, from: &str, to: &str| {
        let spec = format!("location: spec.a, parameters: {{assign: {{value: {to}}}, assignIf: {{in: [{from}]}}}}");
        mutator("Assign", name, &spec)
    };
    let endless = flip("a", "x", "w") + &flip("b", "z", "x") + &flip("c", "w", "z");
    let got = mutated(&endless, &pod("{a: x}"));
    assert!(
        got.starts_with("error: The mutators Assign/a, Assign/c find no end")
            || got.starts_with("error: The mutators Assign/a, Assign/b"),
        "{got}"
    );
}

#[test]
fn mutations_of_dialects_have_an_order() {
    let kyverno = "---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: k}
spec: {rules: [{name: r, match: {any: [{resources: {kinds: [Pod]}}]}, mutate: {patchStrategicMerge: {spec: {seen: '{{ request.object.spec.a || `none` }}'}}}}]}
";
    let gatekeeper = mutator("Assign", "a", "location: spec.a, parameters: {assign: {value: g}}");
    assert_eq!(
        mutated(&(kyverno.to_owned() + &gatekeeper), &pod("{}")),
        r#"{"a":"g","seen":"g"}"#
    );
}
