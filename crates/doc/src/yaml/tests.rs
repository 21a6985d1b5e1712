//! What reading and printing promise.

use proptest::prelude::*;

use super::*;
use crate::value::{Map, Value};
use crate::{Position, parse_json};

fn one(text: &str) -> Doc {
    let mut docs = parse_yaml(text).unwrap_or_else(|e| panic!("{text}: {e}"));
    assert_eq!(docs.len(), 1, "{text}");
    docs.remove(0)
}

#[test]
fn reads_as_kubernetes_reads() {
    for (yaml, json) in [
        ("a: 1\nb: [x, 'y', \"z\"]\n", r#"{"a":1,"b":["x","y","z"]}"#),
        ("a:\n- b\n-   c: d\n    e:\n", r#"{"a":["b",{"c":"d","e":null}]}"#),
        (
            "{\"a\": {\"b\": [1, 2.5, true, null]}}",
            r#"{"a":{"b":[1,2.5,true,null]}}"#,
        ),
        ("on: off\nno: 1\n", r#"{"true":false,"false":1}"#),
        (
            "1: a\n0x10: b\n1.5: c\n\"on\": d\n",
            r#"{"1":"a","16":"b","1.5":"c","on":"d"}"#,
        ),
        (
            "a: 010\nb: '010'\nc: 1e3\nd: 0.5\n",
            r#"{"a":8,"b":"010","c":1000,"d":0.5}"#,
        ),
        (
            "a: 2024-01-02\nb: 12:30\nc: 1.2.3\n",
            r#"{"a":"2024-01-02","b":"12:30","c":"1.2.3"}"#,
        ),
        (
            "a: !!str 1\nb: !!int '7'\nc: !!binary aGk=\nd: !local x\n",
            r#"{"a":"1","b":7,"c":"hi","d":"x"}"#,
        ),
        (
            "a: |\n  x\n   y\n\nb: >-\n  p\n  q\n",
            "{\"a\":\"x\\n y\\n\",\"b\":\"p q\"}",
        ),
        (
            "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: *x\n",
            r#"{"a":{"p":1,"q":2},"b":{"q":3,"p":1},"c":{"p":1,"q":2}}"#,
        ),
        (
            "a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc:\n  <<: [*x, *y]\n  r: 3\n",
            r#"{"a":{"p":1},"b":{"p":2,"q":2},"c":{"r":3,"p":1,"q":2}}"#,
        ),
        ("- &k name\n- *k : v\n", r#"["name",{"name":"v"}]"#),
        ("\u{feff}a: ü\nb: x\n", "{\"a\":\"ü\",\"b\":\"x\"}"),
        ("a: \"\\u00e9\\n\\x41\"\n", "{\"a\":\"é\\nA\"}"),
        ("just text", "\"just text\""),
    ] {
        assert_eq!(one(yaml).root().to_json(), json, "{yaml}");
    }
}

#[test]
fn documents_of_a_stream() {
    let docs = parse_yaml("---\n# nothing\n---\na: 1\n---\n\n---\nnull\n---\nb: 2\n...\n").unwrap();
    assert_eq!(
        docs.iter().map(|d| d.root().to_json()).collect::<Vec<_>>(),
        [r#"{"a":1}"#, r#"{"b":2}"#]
    );
    assert_eq!(
        docs[1].root().get("b").unwrap().position(),
        Some(Position { line: 10, column: 4 })
    );
    assert_eq!(write_stream(&docs), "a: 1\n---\nb: 2\n");
    assert!(parse_yaml("").unwrap().is_empty());
}

#[test]
fn refusals_name_the_place() {
    for (yaml, want) in [
        (
            "a: 1\nb: 2\na: 3\n",
            "line 3, column 1: the key \"a\" stands twice in one mapping, first at line 1, column 1; remove one of them",
        ),
        (
            "a: *nope\n",
            "line 1, column 4: this alias names an anchor that the document does not define before it",
        ),
        (
            "a: &a [*a]\n",
            "line 1, column 8: this alias stands inside the node it names: the node would contain itself",
        ),
        (
            "a: &a\n  <<: *a\n",
            "line 2, column 7: this alias stands inside the node it names: the node would contain itself",
        ),
        (
            "a: .inf\n",
            "line 1, column 4: .inf is no JSON number; quote it if a string is meant",
        ),
        (
            "? {a: 1}\n: b\n",
            "line 1, column 3: a key must be a scalar; JSON objects have no other keys",
        ),
        (
            "ü: 1\nb: ~\n~: 2\n",
            "line 3, column 1: a key must not be null; quote it",
        ),
        ("a: !!int x\n", "line 1, column 4: \"x\" cannot be read as !!int"),
        (
            "<<: 1\n",
            "line 1, column 5: a merge key (<<) takes a mapping, an alias of one, or a list of them",
        ),
    ] {
        assert_eq!(parse_yaml(yaml).unwrap_err().to_string(), want, "{yaml}");
    }
    assert!(parse_yaml("a:\n\tb: 1\n").unwrap_err().to_string().contains("tabs"));
    assert!(parse_yaml("a: [1\n").is_err());
}

#[test]
fn bombs_are_refused() {
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        laughs.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    assert!(parse_yaml(&laughs).unwrap_err().message.contains("too many nodes"));
    let mut merges = String::from("a0: &a0 {x: 1}\n");
    for i in 1..40 {
        merges.push_str(&format!("a{i}: &a{i} {{<<: [*a{0}, *a{0}]}}\n", i - 1));
    }
    assert!(parse_yaml(&merges).unwrap_err().message.contains("too many nodes"));
    let deep = "[".repeat(200_000);
    assert!(parse_yaml(&deep).is_err());
    let deep: String = (0..400).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(parse_yaml(&deep).unwrap_err().message.contains("nest deeper"));
}

#[test]
fn prints_as_go_yaml_prints() {
    let check = |json: &str, yaml: &str| {
        let doc = parse_json(json.as_bytes()).unwrap();
        assert_eq!(doc.root().to_yaml(), yaml, "{json}");
        assert_eq!(one(yaml), doc, "{yaml}");
    };
    check(
        r#"{"kind":"Pod","apiVersion":"v1","spec":{"containers":[{"name":"a","args":["x","y"]},{"name":"b"}],"e":{},"l":[]}}"#,
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - args:\n    - x\n    - \"y\"\n    name: a\n  - name: b\n  e: {}\n  l: []\n",
    );
    check(
        r#"[[1,[2,{"a":[3]}]],[]]"#,
        "- - 1\n  - - 2\n    - a:\n      - 3\n- []\n",
    );
    check(
        r#"{"a":"true","b":"1","c":"null","d":"","e":"2024-01-02","f":"1e3","g":"10:30","h":"yes","i":"~","j":"0x1"}"#,
        "a: \"true\"\nb: \"1\"\nc: \"null\"\nd: \"\"\ne: \"2024-01-02\"\nf: \"1e3\"\ng: \"10:30\"\nh: \"yes\"\ni: \"~\"\nj: \"0x1\"\n",
    );
    check(
        r#"{"a":"*","b":"- x","c":"a: b","d":"a #b","e":" x","f":"it's","g":"'q'","h":"a,b[c]","i":"-x","j":"k:","k":"?"}"#,
        "a: '*'\nb: '- x'\nc: 'a: b'\nd: 'a #b'\ne: ' x'\nf: it's\ng: '''q'''\nh: a,b[c]\ni: -x\nj: 'k:'\nk: '?'\n",
    );
    check(
        r#"{"a":"x\ny","b":"x\n","c":"x\n\n","d":" x\ny","e":"x \ny","f":"a\tb","g":"\n","h":"x\n y\n"}"#,
        "a: |-\n  x\n  y\nb: |\n  x\nc: |+\n  x\n\nd: |2-\n   x\n  y\ne: \"x \\ny\"\nf: \"a\\tb\"\ng: |2+\n\nh: |\n  x\n   y\n",
    );
    check(
        r#"[1.5,1234567.5,1e21,0.00001,-3,1e20]"#,
        "- 1.5\n- 1.2345675e+06\n- 1e+21\n- 1e-05\n- -3\n- 100000000000000000000\n",
    );
    check("\"\u{1F600} \u{e9}\"", "\"\\U0001F600 é\"\n");
    let key = "k".repeat(129);
    check(
        &format!(r#"{{"{key}":{{"a":1,"b":[2]}}}}"#),
        &format!("? {key}\n: a: 1\n  b:\n  - 2\n"),
    );
    let words = vec!["word"; 30].join(" ");
    check(
        &format!(r#"{{"a":{{"description":"{words}"}}}}"#),
        "a:\n  description: word word word word word word word word word word word word word word\n    word word word word word word word word word word word word word word word word\n",
    );
    check(
        &format!(r#"{{"a":"{}"}}"#, vec!["it's: x"; 14].join("  ")),
        &format!("a: '{}'\n", vec!["it''s: x"; 14].join("  ")).replace(
            "it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s: x",
            "it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s: x  it''s:\n  x",
        ),
    );
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{0,8}",
        "[ -~]{0,30}",
        "[a-z \n]{0,40}",
        "[0-9.eE+_xo:-]{0,12}",
        "(yes|no|on|off|true|null|~|y|n|<<|\\.inf|2024-01-02)",
        any::<String>(),
        "([a-z]{1,9}[ ]{1,2}){10,30}",
        "([a-z'\"#:\\\\]{1,9}[ ]{1,2}){10,30}",
    ]
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::NULL),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| items.into_iter().collect::<Value>()),
            prop::collection::vec((any_text(), inner), 0..6)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map>())),
        ]
    })
}

proptest! {
    #[test]
    fn printing_and_reading_are_inverse(value in any_value()) {
        let yaml = to_yaml(value.node());
        let docs = parse_yaml(&yaml).map_err(|e| TestCaseError::fail(format!("{e}\n{yaml}")))?;
        match docs.as_slice() {
            [] => prop_assert!(value.is_null()),
            [doc] => prop_assert_eq!(doc.root(), value.node(), "{}", yaml),
            _ => prop_assert!(false, "several documents: {}", yaml),
        }
    }

    #[test]
    fn json_is_yaml(value in any_value()) {
        prop_assume!(!value.is_null());
        let docs = parse_yaml(&value.to_json()).map_err(|e| TestCaseError::fail(format!("{e}\n{value}")))?;
        prop_assert_eq!(docs[0].root(), value.node());
    }

    #[test]
    fn reading_never_panics(text in prop_oneof![any::<String>(), "[a-c:&* <\\[\\]{},'\"|>!?#%@\n\t-]{0,60}"]) {
        let _ = parse_yaml(&text);
    }
}

#[test]
fn quoted_scalars_continue_at_any_indentation() {
    for (yaml, json) in [
        ("a:\n  b: \"x\n  y\"\n  c: 1\n", r#"{"a":{"b":"x y","c":1}}"#),
        (
            "a:\n  b: 'x\n\n y''s\n'\n  c: 1\n",
            "{\"a\":{\"b\":\"x\\ny's \",\"c\":1}}",
        ),
        (
            "a:\n    b: [\"x\n\", \"z\nw\"]\n    c: 1\n",
            r#"{"a":{"b":["x ","z w"],"c":1}}"#,
        ),
        ("- - \"é \\\nü\r\n- -\"\n  - é\n- 2\n", r#"[["é ü - -","é"],2]"#),
        ("a:\n  b: \"\\\"\n: '#\"\n---\nb: 1\n", r##"{"a":{"b":"\" : '#"}}"##),
    ] {
        assert_eq!(parse_yaml(yaml).unwrap()[0].root().to_json(), json, "{yaml}");
    }
    let doc = one("a:\n  é: \"x\n y\n z\"\n  c: 1\n");
    let c = doc.root().at(&["a", "c"]).unwrap();
    assert_eq!(c.position(), Some(Position { line: 5, column: 6 }));
    // A document ends where it ends, and what is wrong behind such a scalar is told where it stands.
    assert!(parse_yaml("a:\n  b: \"x\n--- y\"\n").is_err());
    assert!(parse_yaml("a:\n  b: \"x\ny\n").is_err());
    let error = parse_yaml("a:\n  b: \"x\ny\"\n  c: [\n").unwrap_err();
    assert!(error.position.line >= 4, "{error}");
    // Neither many such scalars nor wide ones may cost more than the text is worth.
    let many = format!("a:\n{}", "  - \"x\n\"\n".repeat(400));
    assert_eq!(one(&many).root().get("a").unwrap().len(), 400);
    let wide = format!("a: {{{}: \"{}\"}}", "k".repeat(10_000), "x\n".repeat(10_000));
    let _ = parse_yaml(&wide);
}

/// A quoted scalar of some lines, as YAML text with the given indentation.
fn quoted_lines() -> impl Strategy<Value = (char, Vec<(usize, String)>)> {
    let line = (0usize..9, "[a-zé:#{-]{1,3}( [a-z\\[]{1,2})?");
    (prop::sample::select(vec!['"', '\'']), prop::collection::vec(line, 1..4))
}

proptest! {
    #[test]
    fn the_indentation_of_quoted_lines_says_nothing(scalars in prop::collection::vec(quoted_lines(), 1..5), depth in 0usize..4) {
        let write = |deep: bool| {
            let mut out = String::new();
            for level in 0..depth {
                out.push_str(&format!("{}m:\n", "  ".repeat(level)));
            }
            for (i, (quote, lines)) in scalars.iter().enumerate() {
                out.push_str(&format!("{}k{i}: {quote}", "  ".repeat(depth)));
                for (n, (indent, text)) in lines.iter().enumerate() {
                    if n > 0 {
                        out.push('\n');
                        out.push_str(&" ".repeat(if deep { 20 } else { *indent }));
                    }
                    out.push_str(text);
                }
                out.push(*quote);
                out.push('\n');
            }
            out
        };
        let marker = scalars.iter().flat_map(|s| &s.1).any(|(indent, text)| *indent == 0 && text.starts_with("---"));
        prop_assume!(!marker);
        let (deep, shallow) = (one(&write(true)), one(&write(false)));
        prop_assert_eq!(deep.root().to_json(), shallow.root().to_json());
        let place = |doc: &Doc| {
            let mut node = doc.root();
            while let Some(inner) = node.get("m") { node = inner; }
            node.members().map(|(_, value)| value.position()).collect::<Vec<_>>()
        };
        prop_assert_eq!(place(&deep), place(&shallow));
    }
}
