//! Findings in Kubernetes' words, as a table.

use ridgeway_doc::Doc;
use ridgeway_krm::SchemaSet;

use super::*;

fn doc(text: &str) -> Doc {
    Doc::parse_json(text.as_bytes()).unwrap()
}

fn findings(schema: &str, new: &str, old: Option<&str>) -> Vec<String> {
    let mut set = SchemaSet::new();
    let id = set.add(doc(schema).root()).unwrap();
    let old = old.map(doc);
    let found = validate(set.get(id), doc(new).root(), old.as_ref().map(Doc::root));
    found.iter().map(|v| format!("{} {}", v.reason(), v)).collect()
}

#[test]
fn every_keyword() {
    let field = |schema: &str| {
        format!(r#"{{"type":"object","properties":{{"spec":{{"type":"object","properties":{{"x":{schema}}}}}}}}}"#)
    };
    let object = |value: &str| format!(r#"{{"spec":{{"x":{value}}}}}"#);
    for (schema, value, want) in [
        (r#"{"type":"integer"}"#, "1", vec![]),
        (r#"{"type":"integer"}"#, "2.0", vec![]),
        (
            r#"{"type":"integer"}"#,
            r#""a""#,
            vec![
                r#"FieldValueTypeInvalid spec.x: Invalid value: "string": spec.x in body must be of type integer: "string""#,
            ],
        ),
        (
            r#"{"type":"integer"}"#,
            "1.5",
            vec![
                r#"FieldValueTypeInvalid spec.x: Invalid value: "number": spec.x in body must be of type integer: "number""#,
            ],
        ),
        (
            r#"{"type":"string"}"#,
            "null",
            vec![
                r#"FieldValueTypeInvalid spec.x: Invalid value: "null": spec.x in body must be of type string: "null""#,
            ],
        ),
        (r#"{"type":"string","nullable":true}"#, "null", vec![]),
        (
            r#"{"x-kubernetes-int-or-string":true,"anyOf":[{"type":"integer"},{"type":"string"}]}"#,
            "true",
            vec![
                r#"FieldValueTypeInvalid spec.x: Invalid value: "boolean": spec.x in body must be of type integer,string: "boolean""#,
            ],
        ),
        (
            r#"{"oneOf":[{"type":"string"},{"type":"number"}]}"#,
            "{}",
            vec![
                r#"FieldValueTypeInvalid spec.x: Invalid value: "object": spec.x in body must be of type string,number: "object""#,
            ],
        ),
        (
            r#"{"type":"string","enum":["a","b"]}"#,
            r#""c""#,
            vec![r#"FieldValueNotSupported spec.x: Unsupported value: "c": supported values: "a", "b""#],
        ),
        (
            r#"{"type":"string","pattern":"^a+$"}"#,
            r#""b""#,
            vec![r#"FieldValueInvalid spec.x: Invalid value: "b": spec.x in body should match '^a+$'"#],
        ),
        (
            r#"{"type":"string","minLength":2}"#,
            r#""é""#,
            vec![r#"FieldValueInvalid spec.x: Invalid value: "é": spec.x in body should be at least 2 chars long"#],
        ),
        (r#"{"type":"string","maxLength":2}"#, r#""éé""#, vec![]),
        (
            r#"{"type":"string","maxLength":2}"#,
            r#""abc""#,
            vec!["FieldValueTooLong spec.x: Too long: may not be more than 2 bytes"],
        ),
        (
            r#"{"type":"integer","minimum":1,"maximum":5}"#,
            "9",
            vec!["FieldValueInvalid spec.x: Invalid value: 9: spec.x in body should be less than or equal to 5"],
        ),
        (
            r#"{"type":"integer","minimum":1,"exclusiveMinimum":true}"#,
            "1",
            vec!["FieldValueInvalid spec.x: Invalid value: 1: spec.x in body should be greater than 1"],
        ),
        (
            r#"{"type":"number","multipleOf":0.1}"#,
            "0.25",
            vec!["FieldValueInvalid spec.x: Invalid value: 0.25: spec.x in body should be a multiple of 0.1"],
        ),
        (r#"{"type":"number","multipleOf":0.1}"#, "0.3", vec![]),
        (
            r#"{"type":"array","maxItems":1,"items":{"type":"string"}}"#,
            r#"["a",2]"#,
            vec![
                "FieldValueTooMany spec.x: Too many: 2: must have at most 1 item",
                r#"FieldValueTypeInvalid spec.x[1]: Invalid value: "integer": spec.x[1] in body must be of type string: "integer""#,
            ],
        ),
        (
            r#"{"type":"array","minItems":1}"#,
            "[]",
            vec!["FieldValueInvalid spec.x: Invalid value: 0: spec.x in body should have at least 1 items"],
        ),
        (
            r#"{"type":"array","uniqueItems":true}"#,
            r#"[1,2,1]"#,
            vec!["FieldValueInvalid spec.x: Invalid value: [1,2,1]: spec.x in body shouldn't contain duplicates"],
        ),
        (
            r#"{"type":"array","x-kubernetes-list-type":"set"}"#,
            r#"["a","b","a"]"#,
            vec![r#"FieldValueDuplicate spec.x[2]: Duplicate value: "a""#],
        ),
        (
            r#"{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["n","p"],"items":{"type":"object"}}"#,
            r#"[{"n":"a","p":1},{"n":"a","p":2},{"p":1,"n":"a","z":0}]"#,
            vec![r#"FieldValueDuplicate spec.x[2]: Duplicate value: {"n":"a","p":1}"#],
        ),
        (
            r#"{"type":"object","required":["a","b"],"minProperties":3}"#,
            r#"{"a":1}"#,
            vec![
                "FieldValueRequired spec.x.b: Required value",
                "FieldValueInvalid spec.x: Invalid value: 1: spec.x in body should have at least 3 properties",
            ],
        ),
        (
            r#"{"type":"object","additionalProperties":{"type":"integer"}}"#,
            r#"{"k":"v"}"#,
            vec![
                r#"FieldValueTypeInvalid spec.x.k: Invalid value: "string": spec.x.k in body must be of type integer: "string""#,
            ],
        ),
        (
            r#"{"type":"string","format":"ipv4"}"#,
            r#""abc""#,
            vec![r#"FieldValueTypeInvalid spec.x: Invalid value: "abc": spec.x in body must be of type ipv4: "abc""#],
        ),
        (
            r#"{"type":"integer","allOf":[{"minimum":2}],"not":{"enum":[3]}}"#,
            "2",
            vec![],
        ),
        (
            r#"{"type":"integer","allOf":[{"minimum":2}],"not":{"enum":[1]}}"#,
            "1",
            vec![
                "FieldValueInvalid spec.x: Invalid value: 1: spec.x in body should be greater than or equal to 2",
                r#"FieldValueInvalid spec.x: Invalid value: 1: "spec.x" must not validate the schema (not)"#,
            ],
        ),
        (
            r#"{"type":"object","anyOf":[{"required":["a"]},{"required":["b","c"]}]}"#,
            "{}",
            vec![
                r#"FieldValueInvalid spec.x: Invalid value: {}: "spec.x" must validate at least one schema (anyOf)"#,
                "FieldValueRequired spec.x.a: Required value",
            ],
        ),
        (
            r#"{"type":"object","oneOf":[{"required":["a"]},{"required":["b"]}]}"#,
            r#"{"a":1,"b":2}"#,
            vec![
                r#"FieldValueInvalid spec.x: Invalid value: {"a":1,"b":2}: "spec.x" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
            ],
        ),
        (
            r#"{"type":"object","x-kubernetes-embedded-resource":true,"x-kubernetes-preserve-unknown-fields":true}"#,
            r#"{"kind":"Pod"}"#,
            vec!["FieldValueRequired spec.x.apiVersion: Required value: must not be empty"],
        ),
    ] {
        assert_eq!(
            findings(&field(schema), &object(value), None),
            want,
            "{schema} against {value}"
        );
    }
}

#[test]
fn old_faults_are_forgiven_until_touched() {
    let schema = r#"{"type":"object","properties":{
        "a":{"type":"integer","maximum":5},
        "obj":{"type":"object","required":["r"]},
        "atomic":{"type":"array","items":{"type":"integer","maximum":5}},
        "map":{"type":"array","x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["n"],"items":
            {"type":"object","properties":{"n":{"type":"string"},"v":{"type":"integer","maximum":5}}}}}}"#;
    let old = r#"{"a":9,"obj":{},"atomic":[9],"map":[{"n":"x","v":9},{"n":"y","v":1}]}"#;
    for (new, faults) in [
        (old, 0),
        (
            r#"{"a":9,"obj":{},"atomic":[9],"map":[{"n":"y","v":1},{"n":"x","v":9,"z":1}],"b":1}"#,
            0,
        ),
        (r#"{"a":8,"obj":{},"atomic":[9],"map":[]}"#, 1),
        (r#"{"a":9,"obj":{"o":1},"atomic":[9,1],"map":[{"n":"x","v":8}]}"#, 3),
    ] {
        assert_eq!(findings(schema, new, Some(old)).len(), faults, "{new}");
    }
}

#[test]
fn lists_of_builtin_kinds_may_repeat_keys() {
    let schema = r#"{"type":"object","properties":{"env":{"type":"array","x-kubernetes-list-type":"map",
        "x-kubernetes-list-map-keys":["name"],"items":{"type":"object"}}}}"#;
    let list = r#""env":[{"name":"A"},{"name":"A"}]"#;
    assert_eq!(
        findings(schema, &format!(r#"{{"apiVersion":"v1",{list}}}"#), None),
        Vec::<String>::new()
    );
    assert_eq!(
        findings(schema, &format!(r#"{{"apiVersion":"x.dev/v1",{list}}}"#), None).len(),
        1
    );
}
