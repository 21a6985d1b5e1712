//! What of a document does not fit a schema, in the order and words of the authors' engine.

use std::sync::Arc;

use super::super::super::error::Fault;
use super::super::super::number::Num;
use super::super::super::value::Value;
use super::super::{Env, encoding};
use super::{Draft, MAX_DEPTH, formats, plain, resolve};

/// The field of the document itself.
const ROOT: &str = "(Root)";

/// Checks a document; the answer is what does not fit.
pub(super) fn document<'d>(
    env: &Env<'_>,
    draft: Draft,
    root: &Value<'d>,
    value: &Value<'d>,
) -> Result<Vec<Value<'d>>, Fault> {
    let check = Check { env, draft, root };
    Ok(check.one(root, value, ROOT, 0)?.errors)
}

struct Check<'c, 'd, 'p> {
    env: &'c Env<'p>,
    draft: Draft,
    root: &'c Value<'d>,
}

/// What did not fit. The score says how near it was: of alternatives the nearest tells its errors.
#[derive(Default)]
struct Found<'d> {
    errors: Vec<Value<'d>>,
    score: i64,
}

impl<'d> Found<'d> {
    fn tell(&mut self, kind: &str, field: &str, message: impl AsRef<str>) {
        let message = message.as_ref();
        self.errors.push(Value::named([
            ("desc", Value::str(message)),
            ("error", Value::str(format!("{field}: {message}"))),
            ("field", Value::str(field)),
            ("type", Value::str(kind)),
        ]));
        self.score -= 2;
    }

    fn merge(&mut self, other: Found<'d>) {
        self.errors.extend(other.errors);
        self.score += other.score;
    }
}

fn below(field: &str, name: &str) -> String {
    if field == ROOT {
        name.to_owned()
    } else {
        format!("{field}.{name}")
    }
}

fn type_name(value: &Value<'_>) -> &'static str {
    match value.as_num() {
        Some(num) if num.is_integer() => "integer",
        _ => value.kind().name(),
    }
}

/// A value as JSON in messages.
fn shown(value: &Value<'_>) -> String {
    fn plainly<'d>(value: &Value<'d>) -> Value<'d> {
        match value {
            Value::Num(Num::Float(float)) => Value::Num(Num::float(*float)),
            Value::Array(items) => Value::array(items.iter().map(plainly).collect()),
            Value::Object(members) => {
                Value::Object(Arc::new(members.iter().map(|(k, v)| (k.clone(), plainly(v))).collect()))
            }
            other => other.clone(),
        }
    }
    encoding::escape_html(&plainly(value).to_json())
}

type Outcome<'d> = Result<Found<'d>, Fault>;

impl<'d> Check<'_, 'd, '_> {
    fn one(&self, schema: &Value<'d>, value: &Value<'d>, field: &str, depth: u32) -> Outcome<'d> {
        self.env.fuel.burn(8)?;
        if depth > MAX_DEPTH {
            return Err(Fault::value("the schema nests too deeply"));
        }
        let mut found = Found::default();
        if let Value::Bool(fits) = schema {
            if !fits {
                found.tell("false", field, "False always fails validation");
            }
            return Ok(found);
        }
        if let Some(target) = schema.field("$ref").filter(|target| target.as_str().is_some()) {
            return match resolve(self.root, target.as_str().unwrap_or_default()) {
                Some(inner) => self.one(&inner, value, field, depth + 1),
                None => Ok(found),
            };
        }
        if let Some(expected) = unfit_type(schema, value) {
            let given = type_name(value);
            found.tell(
                "invalid_type",
                field,
                format!("Invalid type. Expected: {expected}, given: {given}"),
            );
            return Ok(found);
        }
        self.combined(schema, value, field, depth, &mut found)?;
        if let Some(items) = value.as_array() {
            self.array(schema, &items, field, depth, &mut found)?;
        } else if value.as_object().is_some() {
            self.object(schema, value, field, depth, &mut found)?;
        } else if let Some(num) = value.as_num() {
            self.number(schema, num, field, &mut found);
        }
        self.common(schema, value, field, &mut found);
        if let Some(text) = value.as_str() {
            self.text(schema, text, field, &mut found)?;
        } else if let Some(properties) = schema.field("properties").filter(|_| value.as_object().is_some()) {
            for (key, inner) in properties.as_object().unwrap_or_default().iter() {
                let name = key.as_str().unwrap_or_default();
                if let Some(member) = value.field(name) {
                    let inner = self.one(inner, &member, &below(field, name), depth + 1)?;
                    found.merge(inner);
                }
            }
        }
        found.score += 1;
        Ok(found)
    }

    /// `anyOf`, `oneOf`, `allOf`, `not`, `dependencies` and `if`.
    fn combined(
        &self,
        schema: &Value<'d>,
        value: &Value<'d>,
        field: &str,
        depth: u32,
        found: &mut Found<'d>,
    ) -> Result<(), Fault> {
        let inner = |schema: &Value<'d>| self.one(schema, value, field, depth + 1);
        let list = |name: &str| schema.field(name).and_then(|list| list.as_array());
        let nearer =
            |best: &Option<Found<'d>>, new: &Found<'d>| best.as_ref().is_none_or(|best| new.score > best.score);
        if let Some(list) = list("anyOf").filter(|list| !list.is_empty()) {
            let mut best = None;
            let mut fits = false;
            for schema in list.iter() {
                let new = inner(schema)?;
                fits = new.errors.is_empty();
                if fits {
                    break;
                }
                if nearer(&best, &new) {
                    best = Some(new);
                }
            }
            if !fits {
                found.tell("number_any_of", field, "Must validate at least one schema (anyOf)");
                best.into_iter().for_each(|best| found.merge(best));
            }
        }
        if let Some(list) = list("oneOf").filter(|list| !list.is_empty()) {
            let mut best = None;
            let mut count = 0;
            for schema in list.iter() {
                let new = inner(schema)?;
                if new.errors.is_empty() {
                    count += 1;
                } else if count == 0 && nearer(&best, &new) {
                    best = Some(new);
                }
            }
            if count != 1 {
                found.tell("number_one_of", field, "Must validate one and only one schema (oneOf)");
                best.into_iter()
                    .filter(|_| count == 0)
                    .for_each(|best| found.merge(best));
            }
        }
        if let Some(list) = list("allOf") {
            let mut all = true;
            for schema in list.iter() {
                let new = inner(schema)?;
                all &= new.errors.is_empty();
                found.merge(new);
            }
            if !all {
                found.tell("number_all_of", field, "Must validate all the schemas (allOf)");
            }
        }
        if let Some(not) = schema.field("not")
            && inner(&not)?.errors.is_empty()
        {
            found.tell("number_not", field, "Must not validate the schema (not)");
        }
        if let Some(dependencies) = schema.field("dependencies") {
            for (key, _) in value.as_object().unwrap_or_default().iter() {
                let Some(dependency) = dependencies.field(key.as_str().unwrap_or_default()) else {
                    continue;
                };
                let Some(names) = dependency.as_array() else {
                    found.merge(inner(&dependency)?);
                    continue;
                };
                for name in names.iter().filter_map(Value::as_str) {
                    if value.field(name).is_none() {
                        found.tell("missing_dependency", field, format!("Has a dependency on {name}"));
                    }
                }
            }
        }
        if let Some(condition) = schema.field("if").filter(|_| self.draft >= Draft::Seven) {
            let (branch, kind, message) = if inner(&condition)?.errors.is_empty() {
                ("then", "condition_then", "Must validate \"then\" as \"if\" was valid")
            } else {
                (
                    "else",
                    "condition_else",
                    "Must validate \"else\" as \"if\" was not valid",
                )
            };
            if let Some(branch) = schema.field(branch) {
                let new = inner(&branch)?;
                if !new.errors.is_empty() {
                    found.tell(kind, field, message);
                    found.merge(new);
                }
            }
        }
        found.score += 1;
        Ok(())
    }

    fn common(&self, schema: &Value<'d>, value: &Value<'d>, field: &str, found: &mut Found<'d>) {
        if let Some(wanted) = schema.field("const").filter(|_| self.draft >= Draft::Six)
            && wanted != *value
        {
            found.tell("const", field, format!("{field} does not match: {}", shown(&wanted)));
        }
        if let Some(allowed) = schema.field("enum").and_then(|allowed| allowed.as_array())
            && !allowed.contains(value)
        {
            let allowed: Vec<String> = allowed.iter().map(shown).collect();
            let allowed = allowed.join(", ");
            found.tell(
                "enum",
                field,
                format!("{field} must be one of the following: {allowed}"),
            );
        }
        if let Some(format) = schema.field("format")
            && let (Some(format), Some(text)) = (format.as_str(), value.as_str())
            && !formats::fits(self.env, format, text)
        {
            found.tell("format", field, format!("Does not match format '{format}'"));
        }
        found.score += 1;
    }

    fn number(&self, schema: &Value<'d>, num: &Num, field: &str, found: &mut Found<'d>) {
        let bound = |name: &str| schema.field(name).and_then(|bound| bound.as_num().cloned());
        if let Some(step) = bound("multipleOf")
            && !num.div(&step).is_some_and(|times| times.is_integer())
        {
            found.tell("multiple_of", field, format!("Must be a multiple of {}", plain(&step)));
        }
        // Formerly the exclusive bound was a flag beside the other.
        let flag = |name: &str| schema.field(name) == Some(Value::Bool(true));
        let most = bound("maximum");
        if let Some(most) = most.as_ref().filter(|_| !flag("exclusiveMaximum"))
            && num > most
        {
            found.tell(
                "number_lte",
                field,
                format!("Must be less than or equal to {}", plain(most)),
            );
        }
        let below = bound("exclusiveMaximum").or(most.filter(|_| flag("exclusiveMaximum")));
        if let Some(below) = below.filter(|below| num >= below) {
            found.tell("number_lt", field, format!("Must be less than {}", plain(&below)));
        }
        let least = bound("minimum");
        if let Some(least) = least.as_ref().filter(|_| !flag("exclusiveMinimum"))
            && num < least
        {
            let least = plain(least);
            found.tell("number_gte", field, format!("Must be greater than or equal to {least}"));
        }
        let above = bound("exclusiveMinimum").or(least.filter(|_| flag("exclusiveMinimum")));
        if let Some(above) = above.filter(|above| num <= above) {
            found.tell("number_gt", field, format!("Must be greater than {}", plain(&above)));
        }
        found.score += 1;
    }

    fn text(&self, schema: &Value<'d>, text: &str, field: &str, found: &mut Found<'d>) -> Result<(), Fault> {
        let length = text.chars().count();
        if let Some(least) = size(schema, "minLength").filter(|least| length < *least) {
            found.tell(
                "string_gte",
                field,
                format!("String length must be greater than or equal to {least}"),
            );
        }
        if let Some(most) = size(schema, "maxLength").filter(|most| length > *most) {
            found.tell(
                "string_lte",
                field,
                format!("String length must be less than or equal to {most}"),
            );
        }
        if let Some(pattern) = schema.field("pattern")
            && let Some(pattern) = pattern.as_str()
            && !self.env.pattern(pattern)?.is_match(text)
        {
            found.tell("pattern", field, format!("Does not match pattern '{pattern}'"));
        }
        found.score += 1;
        Ok(())
    }

    fn array(
        &self,
        schema: &Value<'d>,
        items: &[Value<'d>],
        field: &str,
        depth: u32,
        found: &mut Found<'d>,
    ) -> Result<(), Fault> {
        let each =
            |inner: &Value<'d>, at: usize| self.one(inner, &items[at], &below(field, &at.to_string()), depth + 1);
        match schema.field("items").map(|of| (of.as_array(), of)) {
            Some((None, inner)) => {
                for at in 0..items.len() {
                    found.merge(each(&inner, at)?);
                }
            }
            Some((Some(list), _)) if !list.is_empty() => {
                for (at, inner) in list.iter().enumerate().take(items.len()) {
                    found.merge(each(inner, at)?);
                }
                match schema.field("additionalItems").filter(|_| list.len() < items.len()) {
                    Some(Value::Bool(false)) => {
                        let why = "No additional items allowed on array";
                        found.tell("array_no_additional_items", field, why);
                    }
                    Some(Value::Bool(true)) | None => {}
                    Some(inner) => {
                        for at in list.len()..items.len() {
                            found.merge(each(&inner, at)?);
                        }
                    }
                }
            }
            _ => {}
        }
        if let Some(least) = size(schema, "minItems").filter(|least| items.len() < *least) {
            let why = format!("Array must have at least {least} items");
            found.tell("array_min_items", field, why);
        }
        if let Some(most) = size(schema, "maxItems").filter(|most| items.len() > *most) {
            let why = format!("Array must have at most {most} items");
            found.tell("array_max_items", field, why);
        }
        if schema.field("uniqueItems") == Some(Value::Bool(true)) {
            self.env.work(items.len() * items.len())?;
            for (j, item) in items.iter().enumerate() {
                if let Some(i) = items[..j].iter().rposition(|other| other == item) {
                    found.tell("unique", field, format!("array items[{i},{j}] must be unique"));
                }
            }
        }
        if let Some(inner) = schema.field("contains").filter(|_| self.draft >= Draft::Six) {
            let mut best: Option<Found<'d>> = None;
            let mut fits = false;
            for at in 0..items.len() {
                let new = each(&inner, at)?;
                fits = new.errors.is_empty();
                if fits {
                    break;
                }
                if best.as_ref().is_none_or(|best| new.score > best.score) {
                    best = Some(new);
                }
            }
            if !fits {
                found.tell("contains", field, "At least one of the items must match");
                best.into_iter().for_each(|best| found.merge(best));
            }
        }
        found.score += 1;
        Ok(())
    }

    fn object(
        &self,
        schema: &Value<'d>,
        value: &Value<'d>,
        field: &str,
        depth: u32,
        found: &mut Found<'d>,
    ) -> Result<(), Fault> {
        let members = value.as_object().unwrap_or_default();
        if let Some(least) = size(schema, "minProperties").filter(|least| members.len() < *least) {
            let why = format!("Must have at least {least} properties");
            found.tell("array_min_properties", field, why);
        }
        if let Some(most) = size(schema, "maxProperties").filter(|most| members.len() > *most) {
            let why = format!("Must have at most {most} properties");
            found.tell("array_max_properties", field, why);
        }
        let required = schema.field("required").and_then(|names| names.as_array());
        for name in required.unwrap_or_default().iter().filter_map(Value::as_str) {
            if value.field(name).is_some() {
                found.score += 1;
            } else {
                found.tell("required", field, format!("{name} is required"));
            }
        }
        let properties = schema.field("properties");
        let patterns = schema
            .field("patternProperties")
            .and_then(|patterns| patterns.as_object());
        let patterns = patterns.unwrap_or_default();
        for (key, member) in members.iter() {
            let name = key.as_str().unwrap_or_default();
            let place = below(field, name);
            let mut described = properties.as_ref().is_some_and(|known| known.field(name).is_some());
            let mut matched = false;
            for (pattern, inner) in patterns.iter() {
                if self.env.pattern(pattern.as_str().unwrap_or_default())?.is_match(name) {
                    matched = true;
                    found.merge(self.one(inner, member, &place, depth + 1)?);
                }
            }
            found.score += i64::from(matched);
            described |= matched;
            if described {
                continue;
            }
            match schema.field("additionalProperties") {
                Some(Value::Bool(false)) => {
                    let why = format!("Additional property {name} is not allowed");
                    found.tell("additional_property_not_allowed", field, why);
                }
                Some(Value::Bool(true)) | None => {}
                Some(inner) => found.merge(self.one(&inner, member, &place, depth + 1)?),
            }
        }
        if let Some(inner) = schema.field("propertyNames").filter(|_| self.draft >= Draft::Six) {
            for (key, _) in members.iter() {
                let new = self.one(&inner, key, field, depth + 1)?;
                if !new.errors.is_empty() {
                    let name = key.as_str().unwrap_or_default();
                    let why = format!("Property name of \"{name}\" does not match");
                    found.tell("invalid_property_name", field, why);
                    found.merge(new);
                }
            }
        }
        found.score += 1;
        Ok(())
    }
}

fn size(schema: &Value<'_>, name: &str) -> Option<usize> {
    let size = schema.field(name)?.as_i64()?;
    usize::try_from(size).ok()
}

/// The types that are allowed, when the value has none of them.
fn unfit_type(schema: &Value<'_>, value: &Value<'_>) -> Option<String> {
    let allowed = schema.field("type")?;
    let list = allowed
        .as_array()
        .map_or_else(|| vec![allowed.clone()], |list| list.to_vec());
    let names: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    let found = type_name(value);
    let fits = names
        .iter()
        .any(|name| *name == found || (*name == "number" && found == "integer"));
    match &names[..] {
        _ if fits => None,
        [] => None,
        [one] => Some((*one).to_owned()),
        names => Some(format!("[{}]", names.join(","))),
    }
}
