//! One function a target: any bytes go in, a broken promise is a panic.

use ridgeway_doc::yaml::write_stream;
use ridgeway_doc::{Doc, Value, parse_json, parse_yaml};
use ridgeway_krm::{Gvk, LabelSelector, Quantity};
use ridgeway_policy::{Request, RuleSet};
use ridgeway_render::{KustomizeOptions, MemoryFiles, kustomize};

/// A target with its name and the texts that inputs grow from.
pub struct Target {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What it does.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: &'static [&'static str],
}

/// All of them.
pub const ALL: &[Target] = &[
    Target {
        name: "json",
        run: json,
        seeds: &[
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","labels":{"x":"é\n\ud83d\ude00"}},"n":[1,-2.5e10,true,null]}"#,
            r#"[[[{"a":{"b":[]}}]]]"#,
        ],
    },
    Target {
        name: "yaml",
        run: yaml,
        seeds: &[
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {x: 'y'}}\ndata:\n  a: |\n    x\n     y\n  b: \"q\n  r\"\n---\n- &k 1\n- *k\n",
            "a: &x {p: 1}\nb: {<<: *x, q: 0x10}\nc: >-\n  p\n  q\n? k\n: 1e3\n",
            "- 'it''s'\n- !!str 1\n- !!binary aGk=\n- ~\n- 2024-01-02\n",
        ],
    },
    Target {
        name: "rego",
        run: rego,
        seeds: &[
            "package t\n\nimport data.a as b\n\ndefault p := {\"a\": [1, 2.5e3, `raw`]}\n\np := $\"{b} {x}\" if {\n\tsome k, v in input.x[_].y with input as {1}\n\tnot every x in {1} { x == [k | v] }\n} else := f(-1)\n\nf(x) := x % 2\n",
            "package t\n\nviolation[{\"msg\": msg}] {\n\tc := input.review.object.spec.containers[_]\n\tnot startswith(c.image, \"a/\")\n\tmsg := sprintf(\"%v\", [c.name])\n}\n",
            "package t\n\np contains x if { walk(data, [[_, x], y]); x = y.z; regex.match(`a+`, x) }\nq[a][b] := count(p) if { a := 1; b := {c: 2 | c := 3} }\n",
        ],
    },
    Target {
        name: "kustomization",
        run: kustomization,
        seeds: &[
            "namePrefix: a-\nnamespace: shop\nresources:\n- a.yaml\nimages:\n- {name: web, newTag: v2}\nlabels:\n- {pairs: {t: x}, includeSelectors: true}\n====\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: c, image: 'web:v1'}]}}}\n",
            "resources: [a.yaml]\nconfigMapGenerator:\n- {name: c, literals: [a=b], files: [a.yaml]}\npatches:\n- target: {kind: ConfigMap}\n  patch: '[{op: add, path: /data/x, value: y}]'\nreplacements:\n- source: {kind: ConfigMap, name: c, fieldPath: data.a}\n  targets: [{select: {kind: ConfigMap}, fieldPaths: [metadata.annotations.x], options: {create: true}}]\n====\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {x: z}\n",
        ],
    },
    Target {
        name: "merge_patch",
        run: merge_patch,
        seeds: &[
            "{\"a\":{\"b\":1,\"c\":[1]},\"d\":null}\n====\n{\"a\":{\"b\":null,\"e\":{}},\"f\":\"x\"}",
            "[1]\n====\n{\"a\":null}",
        ],
    },
    Target {
        name: "selector",
        run: selector,
        seeds: &["a=b,c!=d,e in (f,g),h notin (i),!j,k", "x/y==z,n>3,m<4"],
    },
    Target {
        name: "cel",
        run: cel,
        seeds: &[
            "object.spec.containers.all(c, has(c.image) && c.image.matches('^ghcr.io/') || c.?tag.orValue('') != b'a')",
            "cel.bind(x, [1, 2u, -3.5e2], x.map(y, {y: r'd'})[?0].optMap(y, y in [true, null]))",
        ],
    },
    Target {
        name: "jmespath",
        run: jmespath,
        seeds: &[
            "request.object.spec.containers[?starts_with(image, 'a/')].{n: name, i: image}[0] || `{\"x\": [1, -2.5e3]}`",
            "max_by(items[*].spec[], &to_number(cpu)) | not_null(@.a.\"b-c\", join(',', keys(@))) && !x == 'y'",
            "to_string(add('1Gi', '500Mi')) | regex_replace_all('^a+', @, 'b') | [1:-1:2]",
        ],
    },
    Target {
        name: "pattern",
        run: pattern,
        seeds: &[
            "spec:\n  =(hostNetwork): false\n  (name): \"?*\"\n  containers:\n  - image: \"!*:latest & */*\"\n    resources: {limits: {memory: \"<=1Gi | 2Gi-3Gi\", cpu: \"?*\"}}\n====\nspec: {containers: [{image: a/b:1, resources: {limits: {memory: 512Mi, cpu: 1}}}]}\n",
            "metadata:\n  ^(labels):\n  - {X(a): \"null\", <(b): \">10s\"}\n  +(annotations): {\"{{ request.operation }}\": \"!3!-5\"}\n====\nmetadata: {labels: [{b: 1m}]}\n",
        ],
    },
    Target {
        name: "quantity",
        run: quantity,
        seeds: &[
            "1",
            "100m",
            "1.5Gi",
            "-2e3",
            "12E",
            "0.000001",
            "9223372036854775807",
            "1Ki",
        ],
    },
];

/// JSON: reading does not panic, and what is read is written as it was.
pub fn json(data: &[u8]) {
    if let Ok(doc) = parse_json(data) {
        let again = parse_json(doc.root().to_json().as_bytes()).expect("written JSON reads");
        assert_eq!(doc, again);
    }
}

/// YAML: the same, in go-yaml's way of writing.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(docs) = parse_yaml(text) {
        let again = parse_yaml(&write_stream(&docs)).expect("written YAML reads");
        assert_eq!(docs, again);
    }
}

/// What stands before and after a line of `====`.
fn halves(data: &[u8]) -> Option<(&str, &str)> {
    std::str::from_utf8(data).ok()?.split_once("\n====\n")
}

/// A kustomization and a manifest: rendering ends, and what is rendered are objects that can be written.
pub fn kustomization(data: &[u8]) {
    let Some((kustomization, manifest)) = halves(data) else {
        return;
    };
    let files = MemoryFiles::new()
        .with("kustomization.yaml", kustomization)
        .with("a.yaml", manifest);
    let Ok(rendered) = kustomize(&files, "", &KustomizeOptions::default()) else {
        return;
    };
    let docs: Vec<Doc> = rendered.objects.iter().map(|object| object.doc.clone()).collect();
    parse_yaml(&write_stream(&docs)).expect("rendered objects read");
}

/// A document and a patch: patching twice is patching once, and a difference leads where it says.
pub fn merge_patch(data: &[u8]) {
    let Some((target, patch)) = halves(data) else { return };
    let (Ok(target), Ok(patch)) = (parse_json(target.as_bytes()), parse_json(patch.as_bytes())) else {
        return;
    };
    let once = ridgeway_apply::merge_patch(target.root(), patch.root());
    let twice = ridgeway_apply::merge_patch(once.node(), patch.root());
    assert_eq!(once.to_json(), twice.to_json());
}

/// An expression: compiling and checking it ends, and says the same every time.
pub fn cel(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    assert_eq!(
        ridgeway_policy::expression_type(text),
        ridgeway_policy::expression_type(text)
    );
}

/// What a Kyverno rule says of an object: it is compiled or refused, ends within its budget, and says the same twice.
fn judged(rule: Value, object: &Doc) {
    let mut policy = Value::object();
    policy.set(&["apiVersion"], "kyverno.io/v1");
    policy.set(&["kind"], "ClusterPolicy");
    policy.set(&["metadata", "name"], "p");
    let mut all = Value::object();
    all.set(&["name"], "r");
    all.set(&["match", "any"], vec![kinds()]);
    all.set(&["validate"], rule);
    policy.set(&["spec", "rules"], vec![all]);
    let policy = policy.into_doc();
    let (rules, _) = RuleSet::compile(&[policy.root()]);
    let gvk = Gvk::new("", "v1", "ConfigMap");
    let say = || format!("{:?}", rules.admit(&Request::create(&gvk, object.root())).results);
    assert_eq!(say(), say());
}

fn kinds() -> Value {
    let mut filter = Value::object();
    filter.set(&["resources", "kinds"], vec![Value::from("*")]);
    filter
}

/// A JMESPath expression, in a condition and in a message.
pub fn jmespath(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let object = parse_json(br#"{"kind":"ConfigMap","spec":{"containers":[{"name":"a","image":"a/b"}]},"items":[{"spec":[{"cpu":"1"}]}]}"#)
        .expect("this object reads");
    let mut condition = Value::object();
    condition.set(&["key"], format!("{{{{ {text} }}}}"));
    condition.set(&["operator"], "Equals");
    condition.set(&["value"], "x");
    let mut rule = Value::object();
    rule.set(&["message"], format!("{{{{ {text} }}}}"));
    rule.set(&["deny", "conditions", "any"], vec![condition]);
    judged(rule, &object);
}

/// A pattern and an object.
pub fn pattern(data: &[u8]) {
    let Some((pattern, object)) = halves(data) else { return };
    let (Ok(pattern), Ok(object)) = (parse_yaml(pattern), parse_yaml(object)) else {
        return;
    };
    let (Some(pattern), Some(object)) = (pattern.first(), object.first()) else {
        return;
    };
    let mut rule = Value::object();
    rule.set(&["pattern"], pattern.root().to_value());
    judged(rule, object);
}

/// A label selector: what is read is written so that it reads to the same.
pub fn selector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(selector) = LabelSelector::parse(text) {
        let written = selector.to_string();
        let again = LabelSelector::parse(&written).expect("a written selector reads");
        assert_eq!(written, again.to_string());
        selector.matches(None);
    }
}

/// A quantity: the canonical form is the same amount, and its own canonical form.
pub fn quantity(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(quantity) = Quantity::parse(text) {
        let written = quantity.to_string();
        let again = Quantity::parse(&written).expect("a canonical quantity reads");
        assert!(quantity.cmp(&again).is_eq(), "{text} became {written}");
        assert_eq!(written, again.to_string());
    }
}

/// Any text as a Rego module: it compiles or is refused, and runs within its budget.
pub fn rego(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        ridgeway_policy::corpus::rego_v1::exercise(text);
    }
}
