//! JSON Schema: whether a document fits, and what does not.

mod check;
mod formats;
mod validate;

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, builtin, encoding};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("json.match_schema", 2, |env, a| {
        let document = read(env, &a[0])?;
        let schema = read(env, &a[1])?;
        let draft = check::schema(env, &schema).map_err(Fault::value)?;
        let errors = validate::document(env, draft, &schema, &document)?;
        Ok(Value::array(vec![Value::Bool(errors.is_empty()), Value::array(errors)]))
    }),
    builtin("json.verify_schema", 1, |env, a| {
        let verdict = match read(env, &a[0]) {
            Ok(schema) => check::schema(env, &schema).map(|_| ()),
            Err(Fault::Halt(error)) => return Err(Fault::Halt(error)),
            Err(Fault::Type(why) | Fault::Value(why)) => Err(why),
            Err(Fault::Undefined) => Ok(()),
        };
        Ok(match verdict {
            Ok(()) => Value::array(vec![Value::Bool(true), Value::Null]),
            Err(why) => Value::array(vec![Value::Bool(false), Value::str(format!("jsonschema: {why}"))]),
        })
    }),
];

const MAX_DEPTH: u32 = 48;

/// The versions of the language, by what they know. Without a `$schema` all is known.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Draft {
    Four,
    Six,
    Seven,
    Any,
}

/// A document or schema, as a value or as the text of one.
fn read<'d>(env: &Env<'_>, value: &Value<'d>) -> Answer<'d> {
    if let Some(text) = value.as_str() {
        env.work(text.len())?;
        return encoding::from_json(text).map_err(|_| Fault::value("invalid JSON string"));
    }
    match value.kind() {
        Type::Object | Type::Array => {
            // As JSON has it: without sets, and with keys that are texts.
            let json = value.to_json();
            env.work(json.len())?;
            encoding::from_json(&json)
        }
        _ => Err(Fault::value("wrong type, expected string or object")),
    }
}

/// A reference within the schema: `#/definitions/x`, or the name that a schema goes by.
fn resolve<'d>(root: &Value<'d>, target: &str) -> Option<Value<'d>> {
    match target.strip_prefix('#') {
        Some(path) if path.is_empty() || path.starts_with('/') => {
            path.split('/').skip(1).try_fold(root.clone(), |at, part| {
                let part = part.replace("~1", "/").replace("~0", "~");
                match part.parse() {
                    Ok(index) if at.as_array().is_some() => at.get(&Value::int(index)),
                    _ => at.field(&part),
                }
            })
        }
        _ => named(root, target, 0),
    }
}

fn named<'d>(schema: &Value<'d>, name: &str, depth: u32) -> Option<Value<'d>> {
    let is = |key: &str| schema.field(key).is_some_and(|id| id.as_str() == Some(name));
    if is("$id") || is("id") {
        return Some(schema.clone());
    }
    if depth > MAX_DEPTH {
        return None;
    }
    let mut found = None;
    let seen = schema.each::<()>(|_, value| {
        found = named(&value, name, depth + 1);
        Ok(found.is_none())
    });
    seen.ok().and(found)
}

/// A number without what its writing adds to it.
fn plain(num: &Num) -> String {
    match num {
        Num::Float(float) => Num::float(*float).to_string(),
        whole => whole.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::value_of;

    fn types_of(document: &str, schema: &str) -> String {
        value_of(&format!(
            "[sprintf(\"%s %s\", [e.field, e.type]) | e := json.match_schema(object.get({{0: {document}}}, 0, 0), {schema})[1][_]]"
        ))
    }

    #[test]
    fn what_does_not_fit_is_told_by_place_and_kind() {
        for (document, schema, told) in [
            (r#"{"a": 1}"#, r#"{"required": ["b"]}"#, r#"["(Root) required"]"#),
            (
                r#"{"a": 5}"#,
                r#"{"properties": {"a": {"minimum": 10, "multipleOf": 2}}}"#,
                r#"["a multiple_of", "a number_gte"]"#,
            ),
            (
                r#"{"a": 1}"#,
                r#"{"anyOf": [{"required": ["b"]}, {"type": "array"}]}"#,
                r#"["(Root) number_any_of", "(Root) required"]"#,
            ),
            (
                r#"{"a": 1}"#,
                r#"{"allOf": [{"required": ["b"]}, {}]}"#,
                r#"["(Root) required", "(Root) number_all_of"]"#,
            ),
            ("[1, 1]", r#"{"uniqueItems": true}"#, r#"["(Root) unique"]"#),
            (
                "[1]",
                r#"{"contains": {"const": 2}}"#,
                r#"["(Root) contains", "0 const"]"#,
            ),
            (
                "[1, 2]",
                r#"{"items": [{}], "additionalItems": false}"#,
                r#"["(Root) array_no_additional_items"]"#,
            ),
            (
                r#"{"ab": 1}"#,
                r#"{"patternProperties": {"^a": {"type": "string"}}, "additionalProperties": false}"#,
                r#"["ab invalid_type"]"#,
            ),
            (
                r#"{"a": 1}"#,
                r#"{"if": {"required": ["a"]}, "then": {"required": ["b"]}}"#,
                r#"["(Root) condition_then", "(Root) required"]"#,
            ),
            (
                r#"{"a": 1}"#,
                r#"{"dependencies": {"a": ["b"]}}"#,
                r#"["(Root) missing_dependency"]"#,
            ),
            (
                r#"{"abc": 1}"#,
                r#"{"propertyNames": {"maxLength": 2}, "maxProperties": 0}"#,
                r#"["(Root) array_max_properties", "(Root) invalid_property_name", "(Root) string_lte"]"#,
            ),
            (
                r#"{"a": "x"}"#,
                r#"{"properties": {"a": {"format": "date-time"}}}"#,
                r#"["a format"]"#,
            ),
            ("[1.0]", r#"{"enum": [[1], "x"]}"#, "[]"),
            (
                r#"{"a": 1}"#,
                r##"{"$ref": "#/definitions/x", "definitions": {"x": {"type": "array"}}}"##,
                r#"["(Root) invalid_type"]"#,
            ),
        ] {
            assert_eq!(types_of(document, schema), told, "{schema}");
        }
    }

    #[test]
    fn what_is_no_schema() {
        for (schema, why) in [
            (
                r#"{"type": "foo"}"#,
                "has a primitive type that is NOT VALID -- given: /foo/ Expected valid values are:[array boolean integer number null object string]",
            ),
            (r#"{"required": "a"}"#, "required must be of an array"),
            (r#"{"pattern": "["}"#, "pattern must be a valid regex"),
            (
                r#"{"minLength": 2, "maxLength": 1}"#,
                "minLength cannot be greater than maxLength",
            ),
            ("[]", "schema is invalid"),
            ("1", "wrong type, expected string or object"),
            ("\"{\"", "invalid JSON string"),
        ] {
            let told = value_of(&format!("json.verify_schema(object.get({{0: {schema}}}, 0, 0))[1]"));
            assert_eq!(told, format!("{:?}", format!("jsonschema: {why}")));
        }
        assert_eq!(
            value_of(r#"json.verify_schema({"type": ["string", "null"]})"#),
            "[true, null]"
        );
        assert_eq!(
            value_of(r#"json.match_schema({}, {"type": "foo"})"#).split(':').next(),
            Some("eval_builtin_error")
        );
    }
}
