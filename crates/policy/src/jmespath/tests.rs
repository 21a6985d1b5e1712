//! Cases of the language.

use std::borrow::Cow;

use ridgeway_doc::{Doc, parse_json};

use super::*;
use crate::budget::Fuel;

struct Root<'a>(Val<'a>);

impl<'a> Scope<'a> for Root<'a> {
    fn lookup(&self, name: &str) -> Option<Result<Val<'a>, Fault>> {
        self.0.get(name).map(Ok)
    }
}

fn run(doc: &Doc, expression: &str) -> String {
    let expression = match Expression::parse(expression) {
        Ok(expression) => expression,
        Err(error) => return format!("syntax: {}", error.why),
    };
    let (scope, fuel) = (Root(Val::of(doc.root())), Fuel::new(10_000));
    match Evaluator::new(&scope, &fuel, "2026-03-04T05:06:07Z".parse().ok()).evaluate(&expression) {
        Ok(value) => value.to_value().to_json(),
        Err(fault) => format!("fault: {fault}"),
    }
}

#[test]
fn grammar() {
    let doc = parse_json(
        br#"{"a":{"b":[1,2,3],"c":{"x":{"n":"p"},"y":{"n":"q"}}},"people":[{"n":"ann","age":31,"tags":["x"]},
        {"n":"bob","age":20,"tags":["y","z"]},{"n":"cy"}],"a-b":"dash","t":"text","nil":null,"e":[],"deep":[[1,[2]],[3]]}"#,
    )
    .unwrap();
    for (expression, want) in [
        ("a.b[0]", "1"),
        ("a.b[-1]", "3"),
        ("a.b[7]", "null"),
        ("a.b[::-1]", "[3,2,1]"),
        ("a.b[:2]", "[1,2]"),
        ("a.c.*.n", r#"["p","q"]"#),
        ("people[].n", r#"["ann","bob","cy"]"#),
        ("people[*].tags[]", r#"["x","y","z"]"#),
        ("people[*].age", "[31,20]"),
        ("people[?age > `25`].n", r#"["ann"]"#),
        ("people[?age > `25`].n | [0]", r#""ann""#),
        ("people[?!age].n", r#"["cy"]"#),
        ("people[].{name: n, years: age} | [2]", r#"{"name":"cy","years":null}"#),
        ("deep[]", "[1,[2],3]"),
        ("deep[][]", "[1,2,3]"),
        (r#""a-b""#, r#""dash""#),
        ("[t, `1`]", r#"["text",1]"#),
        ("missing", "fault: Unknown key \"missing\" in path"),
        ("a.missing", "fault: Unknown key \"missing\" in path"),
        ("t.missing", "null"),
        ("e.missing.too", "null"),
        ("nil.missing", "null"),
        ("a.missing[*]", "null"),
        ("missing[]", "null"),
        ("missing[0]", "fault: Unknown key \"missing\" in path"),
        ("a | missing", "null"),
        ("missing | `1`", "1"),
        ("a && missing", "fault: Unknown key \"missing\" in path"),
        ("keys(t)[]", "null"),
        ("t.keys(@)[?x]", "null"),
        ("keys(t).*", "null"),
        ("a.missing || 'none'", r#""none""#),
        ("a.missing || missing.too || `[]`", "[]"),
        ("missing == `null`", "true"),
        ("!missing && t == 'text'", "true"),
        ("t < `3`", "null"),
        ("length(people)", "3"),
        ("length(people[?age]) == `2`", "true"),
        ("sort_by(people[?age], &age)[0].n", r#""bob""#),
        ("max_by(people[?age], &age).n", r#""ann""#),
        ("map(&n, people)", r#"["ann","bob","cy"]"#),
        ("keys(a.c)", r#"["x","y"]"#),
        ("merge(a.c.x, {z: `1`})", r#"{"n":"p","z":1}"#),
        ("not_null(missing, nil, t)", r#""text""#),
        ("to_string(a.b)", r#""[1,2,3]""#),
        ("to_number('1.5')", "1.5"),
        ("contains(t, 'ex')", "true"),
        ("contains(a.b, `2`)", "true"),
        ("join('-', people[].n)", r#""ann-bob-cy""#),
        ("'it\\'s'", r#""it's""#),
        ("`foo`", r#""foo""#),
        ("e[0]", "null"),
        ("@.t", r#""text""#),
        (
            "a.b[",
            "syntax: an index, a slice, `*` or a filter was expected after `[`",
        ),
        ("nope(t)", "syntax: there is no function `nope`"),
        ("keys(a, t)", "syntax: `keys` was given 2 arguments"),
        ("keys(t)", "fault: `keys` takes an object as argument 1, not string"),
    ] {
        assert_eq!(run(&doc, expression), want, "{expression}");
    }
}

#[test]
fn kyverno_functions() {
    let doc = parse_json(br#"{"images":["a:1","b:2"],"labels":{"app":"web","tier":"x"},"t":"Some-Text"}"#).unwrap();
    for (expression, want) in [
        ("to_upper(t)", r#""SOME-TEXT""#),
        ("replace_all(t, '-', '_')", r#""Some_Text""#),
        ("replace(t, 'e', 'E', `1`)", r#""SomE-Text""#),
        ("split('a,b', ',')", r#"["a","b"]"#),
        ("regex_match('^[a-z]+:[0-9]$', images[0])", "true"),
        (
            "regex_match('(', t)",
            "fault: \"(\" is not a regular expression: unclosed group",
        ),
        ("regex_replace_all('([a-z]):', images[0], '${1}=')", r#""a=1""#),
        ("pattern_match('Some*', t)", "true"),
        ("label_match({app: 'w*'}, labels)", "true"),
        ("add('100Mi', '28Mi')", r#""128Mi""#),
        ("add(`1`, `2`)", "3"),
        ("add('1h', '90s')", r#""1h1m30s""#),
        ("sum(['1Gi', '1Gi'])", r#""2Gi""#),
        ("divide('4Gi', '1Gi')", "4"),
        ("multiply('200m', `3`)", r#""600m""#),
        ("round(`3.14159`, `2`)", "3.14"),
        ("base64_decode('aGk=')", r#""hi""#),
        ("parse_json('{\"a\":[1]}').a[0]", "1"),
        ("parse_yaml('a: [1]').a[0]", "1"),
        ("semver_compare('4.1.3', '>=4.1.x')", "true"),
        ("truncate(t, `4`)", r#""Some""#),
        ("items(labels, 'k', 'v')[0]", r#"{"k":"app","v":"web"}"#),
        ("object_from_lists(['a'], [`1`])", r#"{"a":1}"#),
        ("lookup(labels, 'tier')", r#""x""#),
        ("path_canonicalize('/var//run/../lib')", r#""/var/lib""#),
        ("time_now_utc()", r#""2026-03-04T05:06:07Z""#),
        ("time_add('2026-03-04T05:06:07Z', '2h')", r#""2026-03-04T07:06:07Z""#),
        ("time_since('', '2026-03-04T04:06:07Z', '')", r#""1h0m0s""#),
        ("time_to_cron('2026-03-04T05:06:07Z')", r#""6 5 4 3 3""#),
        ("time_parse('2006-01-02', '2026-01-31')", r#""2026-01-31T00:00:00Z""#),
        ("time_before('2026-01-01T00:00:00Z', '2027-01-01T00:00:00Z')", "true"),
        ("is_external_url('http://10.0.0.1/x')", "false"),
        ("image_normalize('nginx')", r#""docker.io/nginx:latest""#),
    ] {
        assert_eq!(run(&doc, expression), want, "{expression}");
    }
}

#[test]
fn fuel_ends_an_expression_that_grows() {
    let items: Vec<String> = (0..400).map(|i| format!("[{i}]")).collect();
    let doc = parse_json(format!("{{\"a\":[{}]}}", items.join(",")).as_bytes()).unwrap();
    let nested = "map(&length(map(&length(@), [@])), a[].[@][].[@])";
    let all = format!("[{}]", vec![nested; 40].join(","));
    let answer = run(&doc, &all);
    assert!(answer.contains("budget of 10000 steps"), "{answer}");
}

#[test]
fn plain_paths() {
    for (expression, want) in [
        (
            "request.object.spec.hostNetwork",
            Some("request.object.spec.hostNetwork"),
        ),
        (
            "request.object.spec.containers[].image",
            Some("request.object.spec.containers[].image"),
        ),
        ("element.image || ''", Some("element.image")),
        ("length(a)", None),
    ] {
        assert_eq!(
            Expression::parse(expression).unwrap().plain_path().as_deref(),
            want,
            "{expression}"
        );
    }
    let owned: Val<'_> = Val::object(vec![(Cow::Borrowed("k"), Val::Bool(true))]);
    assert!(owned.same(&Val::of(parse_json(br#"{"k":true}"#).unwrap().root())));
}

/// As `kyverno jp query` says, version 1.19.
#[test]
fn a_function_of_a_missing_key_fails() {
    let doc = parse_json(br#"{"t":"text"}"#).unwrap();
    for expression in [
        "length(missing) || 'x'",
        "keys(missing) || 'x'",
        "keys(t)[*]",
        "to_upper(missing) || 'x'",
        "join(',', missing) || 'x'",
        "contains(missing, 'a') || 'x'",
        "starts_with(missing, 'x')",
        "add(missing, `1`) || 'x'",
    ] {
        let said = run(&doc, expression);
        assert!(
            said.starts_with("fault: ") && !said.contains("Unknown key"),
            "{expression}: {said}"
        );
    }
}
