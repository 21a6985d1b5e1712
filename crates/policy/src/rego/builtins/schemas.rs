//! JSON Schema: whether a document fits, and what does not.

use super::super::error::Fault;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, builtin, encoding, wrong};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("json.match_schema", 2, |env, a| {
        let document = read(&a[0], 0)?;
        let schema = read(&a[1], 1)?;
        check(env, &schema, &schema, 0).map_err(Fault::value)?;
        let mut errors = Vec::new();
        validate(env, &schema, &schema, &document, "(root)", &mut errors, 0)?;
        Ok(Value::array(vec![Value::Bool(errors.is_empty()), Value::array(errors)]))
    }),
    builtin("json.verify_schema", 1, |env, a| {
        let verdict = read(&a[0], 0)
            .map_err(|_| "jsonschema: the schema is no JSON".to_owned())
            .and_then(|schema| check(env, &schema, &schema, 0));
        Ok(match verdict {
            Ok(()) => Value::array(vec![Value::Bool(true), Value::Null]),
            Err(why) => Value::array(vec![Value::Bool(false), Value::str(format!("jsonschema: {why}"))]),
        })
    }),
];

const MAX_DEPTH: u32 = 48;

const TYPES: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];

/// A document or schema, as a value or as the text of one.
fn read<'d>(value: &Value<'d>, at: usize) -> Answer<'d> {
    match (value.kind(), value.as_str()) {
        (Type::Object, _) => Ok(value.clone()),
        (_, Some(text)) => encoding::from_json(text),
        _ => Err(wrong(at, "one of {string, object}", value)),
    }
}

fn texts(value: &Value<'_>) -> Vec<String> {
    let list = value.as_array();
    let one = || value.as_str().map(str::to_owned).into_iter().collect();
    list.map_or_else(one, |list| {
        list.iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect()
    })
}

/// Whether a schema is one.
fn check(env: &Env<'_>, root: &Value<'_>, schema: &Value<'_>, depth: u32) -> Result<(), String> {
    if matches!(schema, Value::Bool(_)) {
        return Ok(());
    }
    let Some(members) = schema.as_object() else {
        return Err("a schema must be an object or a boolean".into());
    };
    if depth > MAX_DEPTH || env.fuel.burn(4).is_err() {
        return Err("the schema nests too deeply".into());
    }
    for (key, value) in members.iter() {
        let key = key.as_str().unwrap_or_default();
        let inner = |value: &Value<'_>| check(env, root, value, depth + 1);
        match key {
            "type" => {
                let named = texts(value);
                if named.is_empty() || named.iter().any(|name| !TYPES.contains(&name.as_str())) {
                    return Err(format!(
                        "has a primitive type that is NOT VALID -- given: /{}/",
                        named.join(",")
                    ));
                }
            }
            "properties" | "definitions" | "$defs" | "patternProperties" => {
                let Some(members) = value.as_object() else {
                    return Err(format!("Invalid type. Expected: object, given: {key}"));
                };
                members.iter().try_for_each(|(_, value)| inner(value))?;
            }
            "required" | "enum" if value.as_array().is_none() => {
                return Err(format!("{key} must be an array"));
            }
            "allOf" | "anyOf" | "oneOf" => {
                let Some(items) = value.as_array() else {
                    return Err(format!("{key} must be an array"));
                };
                items.iter().try_for_each(inner)?;
            }
            "items" => match value.as_array() {
                Some(items) => items.iter().try_for_each(inner)?,
                None => inner(value)?,
            },
            "not" | "additionalProperties" => inner(value)?,
            "pattern" if value.as_str().is_none_or(|pattern| env.pattern(pattern).is_err()) => {
                return Err(format!("pattern must be a valid regex: {value}"));
            }
            "$ref" => {
                let target = value.as_str().unwrap_or_default();
                if resolve(root, target).is_none() {
                    return Err(format!(
                        "the reference {target:?} cannot be resolved without the network"
                    ));
                }
            }
            "minimum" | "maximum" | "minLength" | "maxLength" | "minItems" | "maxItems" if value.as_num().is_none() => {
                return Err(format!("{key} must be a number"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A reference within the schema: `#/definitions/x`.
fn resolve<'d>(root: &Value<'d>, target: &str) -> Option<Value<'d>> {
    let path = target.strip_prefix('#')?;
    path.split('/')
        .filter(|part| !part.is_empty())
        .try_fold(root.clone(), |at, part| {
            let part = part.replace("~1", "/").replace("~0", "~");
            match part.parse() {
                Ok(index) if at.as_array().is_some() => at.get(&Value::int(index)),
                _ => at.field(&part),
            }
        })
}

fn type_name(value: &Value<'_>) -> &'static str {
    match value.as_num() {
        Some(num) if num.is_integer() => "integer",
        _ => value.kind().name(),
    }
}

fn validate<'d>(
    env: &Env<'_>,
    root: &Value<'d>,
    schema: &Value<'d>,
    value: &Value<'d>,
    field: &str,
    errors: &mut Vec<Value<'d>>,
    depth: u32,
) -> Result<(), Fault> {
    env.fuel.burn(8)?;
    if depth > MAX_DEPTH {
        return Err(Fault::value("the schema nests too deeply"));
    }
    let mut tell = |kind: &str, field: &str, message: String| {
        errors.push(Value::named([
            ("desc", Value::str(message.as_str())),
            ("error", Value::str(format!("{field}: {message}"))),
            ("field", Value::str(field)),
            ("type", Value::str(kind)),
        ]));
    };
    if schema.is_false() {
        tell("false", field, "False always fails validation".into());
        return Ok(());
    }
    if let Some(target) = schema
        .field("$ref")
        .and_then(|target| target.as_str().map(str::to_owned))
    {
        let Some(inner) = resolve(root, &target) else {
            return Ok(());
        };
        return validate(env, root, &inner, value, field, errors, depth + 1);
    }
    if let Some(types) = schema.field("type") {
        let types = texts(&types);
        let found = type_name(value);
        let fits = |name: &String| name == found || (name == "number" && found == "integer");
        if !types.iter().any(fits) {
            tell(
                "invalid_type",
                field,
                format!("Invalid type. Expected: {}, given: {found}", types.join("/")),
            );
            return Ok(());
        }
    }
    if let Some(allowed) = schema.field("enum").and_then(|allowed| allowed.as_array())
        && !allowed.contains(value)
    {
        let shown: Vec<String> = allowed.iter().map(Value::to_json).collect();
        tell(
            "enum",
            field,
            format!("{field} must be one of the following: {}", shown.join(", ")),
        );
    }
    if let Some(wanted) = schema.field("const")
        && wanted != *value
    {
        tell("const", field, format!("{field} does not match: {}", wanted.to_json()));
    }
    if let Some(num) = value.as_num() {
        let bound = |name: &str| schema.field(name).and_then(|bound| bound.as_num().cloned());
        if let Some(least) = bound("minimum").filter(|least| num < least) {
            tell("number_gte", field, format!("Must be greater than or equal to {least}"));
        }
        if let Some(most) = bound("maximum").filter(|most| num > most) {
            tell("number_lte", field, format!("Must be less than or equal to {most}"));
        }
    }
    let size = |name: &str| schema.field(name).and_then(|bound| bound.as_i64());
    if let Some(text) = value.as_str() {
        let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if let Some(least) = size("minLength").filter(|least| length < *least) {
            tell(
                "string_gte",
                field,
                format!("String length must be greater than or equal to {least}"),
            );
        }
        if let Some(most) = size("maxLength").filter(|most| length > *most) {
            tell(
                "string_lte",
                field,
                format!("String length must be less than or equal to {most}"),
            );
        }
        if let Some(pattern) = schema
            .field("pattern")
            .and_then(|pattern| pattern.as_str().map(str::to_owned))
            && !env.pattern(&pattern)?.is_match(text)
        {
            tell("pattern", field, format!("Does not match pattern '{pattern}'"));
        }
    }
    let below = |name: &str| {
        if field == "(root)" {
            name.to_owned()
        } else {
            format!("{field}.{name}")
        }
    };
    if let Some(members) = value.as_object() {
        for name in schema.field("required").map(|names| texts(&names)).unwrap_or_default() {
            if value.field(&name).is_none() {
                tell("required", field, format!("{name} is required"));
            }
        }
        let properties = schema.field("properties");
        for (key, member) in members.iter() {
            let name = key.json_key();
            match properties.as_ref().and_then(|properties| properties.field(&name)) {
                Some(inner) => validate(env, root, &inner, member, &below(&name), errors, depth + 1)?,
                None => match schema.field("additionalProperties") {
                    Some(Value::Bool(false)) => errors.push(Value::named([
                        ("desc", Value::str(format!("Additional property {name} is not allowed"))),
                        (
                            "error",
                            Value::str(format!("{field}: Additional property {name} is not allowed")),
                        ),
                        ("field", Value::str(field)),
                        ("type", Value::str("additional_property_not_allowed")),
                    ])),
                    Some(inner) => validate(env, root, &inner, member, &below(&name), errors, depth + 1)?,
                    None => {}
                },
            }
        }
    } else if let Some(items) = value.as_array() {
        let count = i64::try_from(items.len()).unwrap_or(i64::MAX);
        if let Some(least) = size("minItems").filter(|least| count < *least) {
            tell(
                "array_min_items",
                field,
                format!("Array must have at least {least} items"),
            );
        }
        if let Some(most) = size("maxItems").filter(|most| count > *most) {
            tell(
                "array_max_items",
                field,
                format!("Array must have at most {most} items"),
            );
        }
        if let Some(of) = schema.field("items") {
            let list = of.as_array();
            for (i, item) in items.iter().enumerate() {
                let inner = match &list {
                    Some(list) => list.get(i).cloned(),
                    None => Some(of.clone()),
                };
                if let Some(inner) = inner {
                    validate(env, root, &inner, item, &below(&i.to_string()), errors, depth + 1)?;
                }
            }
        }
    }
    combined(env, root, schema, value, field, errors, depth)
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn combined<'d>(
    env: &Env<'_>,
    root: &Value<'d>,
    schema: &Value<'d>,
    value: &Value<'d>,
    field: &str,
    errors: &mut Vec<Value<'d>>,
    depth: u32,
) -> Result<(), Fault> {
    let fits = |inner: &Value<'d>| {
        let mut found = Vec::new();
        validate(env, root, inner, value, field, &mut found, depth + 1).map(|()| found.is_empty())
    };
    let mut tell = |kind: &str, message: &str| {
        errors.push(Value::named([
            ("desc", Value::str(message)),
            ("error", Value::str(format!("{field}: {message}"))),
            ("field", Value::str(field)),
            ("type", Value::str(kind)),
        ]));
    };
    let alternatives = |name: &str| schema.field(name).and_then(|list| list.as_array());
    if let Some(inner) = schema.field("not")
        && fits(&inner)?
    {
        tell("number_not", "Must not validate the schema (not)");
    }
    for (name, kind, message) in [
        ("anyOf", "number_any_of", "Must validate at least one schema (anyOf)"),
        (
            "oneOf",
            "number_one_of",
            "Must validate one and only one schema (oneOf)",
        ),
    ] {
        if let Some(list) = alternatives(name) {
            let mut count = 0;
            for inner in list.iter() {
                count += usize::from(fits(inner)?);
            }
            if count == 0 || (name == "oneOf" && count > 1) {
                tell(kind, message);
            }
        }
    }
    if let Some(list) = alternatives("allOf") {
        for inner in list.iter() {
            validate(env, root, inner, value, field, errors, depth + 1)?;
        }
    }
    Ok(())
}
