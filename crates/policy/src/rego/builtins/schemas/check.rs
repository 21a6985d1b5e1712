//! Whether a schema is one.

use super::super::super::value::Value;
use super::super::Env;
use super::{Draft, MAX_DEPTH, resolve};

const TYPES: [&str; 7] = ["array", "boolean", "integer", "number", "null", "object", "string"];

/// Reads a whole schema: the version it is written in, or why it is none.
pub(super) fn schema(env: &Env<'_>, schema: &Value<'_>) -> Result<Draft, String> {
    let draft = match schema {
        Value::Bool(_) => Draft::Any,
        schema if schema.as_object().is_none() => return Err("schema is invalid".into()),
        schema => match schema.field("$schema") {
            None => Draft::Any,
            Some(url) => {
                let url = url.as_str().ok_or("$schema must be of type string")?.to_owned();
                let known = |version: &str| url.trim_end_matches('#').ends_with(&format!("{version}/schema"));
                if known("draft-04") {
                    Draft::Four
                } else if known("draft-06") {
                    Draft::Six
                } else if known("draft-07") {
                    Draft::Seven
                } else {
                    Draft::Any
                }
            }
        },
    };
    let check = Check {
        env,
        draft,
        root: schema,
    };
    check.one(schema, 0)?;
    Ok(draft)
}

struct Check<'c, 'd, 'p> {
    env: &'c Env<'p>,
    draft: Draft,
    root: &'c Value<'d>,
}

fn wrong_type(expected: &str, given: &str) -> String {
    format!("Invalid type. Expected: {expected}, given: {given}")
}

fn is_schema(value: &Value<'_>) -> bool {
    matches!(value, Value::Bool(_)) || value.as_object().is_some()
}

impl<'d> Check<'_, 'd, '_> {
    fn one(&self, schema: &Value<'d>, depth: u32) -> Result<(), String> {
        if depth > MAX_DEPTH || self.env.fuel.burn(4).is_err() {
            return Err("the schema nests too deeply".into());
        }
        if matches!(schema, Value::Bool(_)) && self.draft >= Draft::Six {
            return Ok(());
        }
        if schema.as_object().is_none() {
            return Err("Expected: Valid Schema, given: Invalid JSON".into());
        }
        let inner = |value: &Value<'d>| self.one(value, depth + 1);
        let text = |key: &str| match schema.field(key) {
            Some(value) if value.as_str().is_none() => Err(wrong_type("string", key)),
            found => Ok(found),
        };
        text("$id")?;
        if let Some(definitions) = schema.field("definitions") {
            let wrong = || wrong_type("Array Of Schemas", "definitions");
            for (_, value) in definitions.as_object().ok_or_else(wrong)?.iter() {
                if !is_schema(value) {
                    return Err(wrong());
                }
                inner(value)?;
            }
        }
        text("title")?;
        text("description")?;
        if let Some(target) = text("$ref")? {
            let target = target.as_str().unwrap_or_default();
            return match resolve(self.root, target) {
                // What it leads to is read where it stands.
                Some(found) if is_schema(&found) => Ok(()),
                Some(_) => Err("Valid Schema must be of type object".into()),
                None => Err(format!(
                    "the reference {target:?} cannot be resolved without the network"
                )),
            };
        }
        types(schema)?;
        if let Some(properties) = schema.field("properties") {
            let members = properties.as_object().ok_or("Properties must be of type object")?;
            members.iter().try_for_each(|(_, value)| inner(value))?;
        }
        if let Some(patterns) = schema.field("patternProperties") {
            let members = patterns.as_object();
            let members = members.ok_or_else(|| wrong_type("Valid Schema", "patternProperties"))?;
            for (key, value) in members.iter() {
                let pattern = key.as_str().unwrap_or_default();
                if self.env.pattern(pattern).is_err() {
                    return Err(format!("Invalid regex pattern '{pattern}'"));
                }
                inner(value)?;
            }
        }
        for key in ["additionalProperties", "additionalItems"] {
            match schema.field(key) {
                None | Some(Value::Bool(_)) => {}
                Some(value) if value.as_object().is_some() => inner(&value)?,
                Some(_) => return Err(wrong_type("boolean/Valid Schema", key)),
            }
        }
        if let Some(value) = schema.field("propertyNames").filter(|_| self.draft >= Draft::Six) {
            if !is_schema(&value) {
                return Err(wrong_type("Valid Schema", "patternProperties"));
            }
            inner(&value)?;
        }
        self.dependencies(schema, depth)?;
        if let Some(items) = schema.field("items") {
            let wrong = || wrong_type("Valid Schema/Array Of Schemas", "items");
            match items.as_array() {
                Some(list) => {
                    for item in list.iter() {
                        if !is_schema(item) {
                            return Err(wrong());
                        }
                        inner(item)?;
                    }
                }
                None if is_schema(&items) => inner(&items)?,
                None => return Err(wrong()),
            }
        }
        numbers(schema, self.draft)?;
        self.sizes(schema)?;
        text("format")?;
        required(schema)?;
        if let Some(unique) = schema.field("uniqueItems")
            && !matches!(unique, Value::Bool(_))
        {
            return Err("uniqueItems must be of a boolean".into());
        }
        if let Some(value) = schema.field("contains").filter(|_| self.draft >= Draft::Six) {
            inner(&value)?;
        }
        if let Some(allowed) = schema.field("enum") {
            let items = allowed.as_array().ok_or("enum must be of an array")?;
            if (1..items.len()).any(|at| items[..at].contains(&items[at])) {
                return Err("enum items must be unique".into());
            }
        }
        for key in ["oneOf", "anyOf", "allOf"] {
            if let Some(list) = schema.field(key) {
                let items = list.as_array();
                let items = items.ok_or_else(|| format!("{key} must be of an array"))?;
                items.iter().try_for_each(inner)?;
            }
        }
        for key in ["not", "if", "then", "else"] {
            if let Some(value) = schema.field(key).filter(|_| key == "not" || self.draft >= Draft::Seven) {
                if !is_schema(&value) {
                    return Err(format!("{key} must be of an object"));
                }
                inner(&value)?;
            }
        }
        Ok(())
    }

    fn dependencies(&self, schema: &Value<'d>, depth: u32) -> Result<(), String> {
        let Some(dependencies) = schema.field("dependencies") else {
            return Ok(());
        };
        let members = dependencies.as_object().ok_or("dependencies must be of type object")?;
        for (_, value) in members.iter() {
            match value.as_array() {
                Some(names) if names.iter().all(|name| name.as_str().is_some()) => {}
                None if is_schema(value) => self.one(value, depth + 1)?,
                _ => return Err("Dependency must be of type Schema Or Array Of Strings".into()),
            }
        }
        Ok(())
    }

    fn sizes(&self, schema: &Value<'d>) -> Result<(), String> {
        let size = |key: &str| match schema.field(key) {
            None => Ok(None),
            Some(value) => match value.as_i64() {
                None => Err(format!("{key} must be of an integer")),
                Some(size) if size < 0 => Err(format!("{key} must be greater than or equal to 0")),
                size => Ok(size),
            },
        };
        let pair = |least: &str, most: &str| match (size(least)?, size(most)?) {
            (Some(a), Some(b)) if a > b => Err(format!("{least} cannot be greater than {most}")),
            _ => Ok(()),
        };
        pair("minLength", "maxLength")?;
        if let Some(pattern) = schema.field("pattern") {
            let pattern = pattern.as_str().ok_or_else(|| wrong_type("string", "pattern"))?;
            if self.env.pattern(pattern).is_err() {
                return Err("pattern must be a valid regex".into());
            }
        }
        pair("minProperties", "maxProperties")?;
        size("minItems")?;
        size("maxItems").map(|_| ())
    }
}

fn types(schema: &Value<'_>) -> Result<(), String> {
    let Some(value) = schema.field("type") else {
        return Ok(());
    };
    let wrong = || wrong_type("type", "string/Array Of Strings");
    let list = match (value.as_array(), value.as_str()) {
        (Some(list), _) => list.to_vec(),
        (None, Some(_)) => vec![value],
        _ => return Err(wrong()),
    };
    for (at, item) in list.iter().enumerate() {
        let name = item.as_str().ok_or_else(wrong)?;
        if !TYPES.contains(&name) {
            return Err(format!(
                "has a primitive type that is NOT VALID -- given: /{name}/ Expected valid values are:[{}]",
                TYPES.join(" ")
            ));
        }
        if list[..at].contains(item) {
            return Err(format!("{name} type is duplicated"));
        }
    }
    Ok(())
}

fn numbers(schema: &Value<'_>, draft: Draft) -> Result<(), String> {
    if let Some(step) = schema.field("multipleOf") {
        let step = step.as_num().ok_or_else(|| wrong_type("Number", "multipleOf"))?;
        if step.as_f64() <= 0.0 {
            return Err("multipleOf must be strictly greater than 0".into());
        }
    }
    for (bound, exclusive) in [("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")] {
        let found = schema.field(bound);
        if found.as_ref().is_some_and(|bound| bound.as_num().is_none()) {
            return Err(format!("{bound} must be of a Number"));
        }
        let numbers = draft != Draft::Four;
        let flags = matches!(draft, Draft::Four | Draft::Any);
        match schema.field(exclusive) {
            None => {}
            Some(Value::Num(_)) if numbers => {}
            Some(Value::Bool(_)) if flags && found.is_none() => {
                return Err(format!("{exclusive} cannot be used without {bound}"));
            }
            Some(Value::Bool(_)) if flags => {}
            Some(_) => {
                let expected = match draft {
                    Draft::Four => "boolean",
                    Draft::Any => "boolean/number",
                    _ => "number",
                };
                return Err(wrong_type(expected, exclusive));
            }
        }
    }
    Ok(())
}

fn required(schema: &Value<'_>) -> Result<(), String> {
    let Some(names) = schema.field("required") else {
        return Ok(());
    };
    let names = names.as_array().ok_or("required must be of an array")?;
    for (at, name) in names.iter().enumerate() {
        if name.as_str().is_none() {
            return Err(wrong_type("string", "required"));
        }
        if names[..at].contains(name) {
            return Err("required items must be unique".into());
        }
    }
    Ok(())
}
