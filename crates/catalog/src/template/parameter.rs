//! Parameters: the part of JSON Schema that forms use.

use regex::Regex;
use ridgeway_doc::{Kind, Map, Node, Value};

use super::{Page, TemplateError};

/// Keywords that would change what a form accepts; ignoring them would be a silent lie.
const UNSUPPORTED: [&str; 10] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependencies",
    "patternProperties",
    "$ref",
];

/// Looks for what the form could not follow.
pub(super) fn check_schema(file: &str, page: Page<'_>, errors: &mut Vec<TemplateError>) {
    unsupported(file, page.node(), errors);
    for (name, schema) in page.properties() {
        unsupported(file, schema, errors);
        if let Some(pattern) = schema.get("pattern")
            && let Some(Err(error)) = pattern.as_str().map(Regex::new)
        {
            let reason = error.to_string().lines().last().unwrap_or_default().to_owned();
            errors.push(TemplateError::node(
                file,
                pattern,
                format!("the pattern of `{name}` cannot be used: {reason}"),
            ));
        }
    }
    for name in page.required() {
        if page.properties().all(|(known, _)| known != name) {
            let at = page.node().get("required").unwrap_or(page.node());
            let message = format!("`{name}` is required, but the page has no such parameter");
            errors.push(TemplateError::node(file, at, message));
        }
    }
}

fn unsupported(file: &str, schema: Node<'_>, errors: &mut Vec<TemplateError>) {
    for keyword in UNSUPPORTED {
        if let Some(at) = schema.get(keyword) {
            errors.push(TemplateError::node(
                file,
                at,
                format!("`{keyword}` is not supported in parameters yet"),
            ));
        }
    }
}

/// Judges the given parameters and fills in defaults.
pub(super) fn complete(pages: &[Page<'_>], given: Node<'_>) -> Result<Value, Vec<TemplateError>> {
    let mut errors = Vec::new();
    let mut all = Map::new();
    for page in pages {
        for (name, schema) in page.properties() {
            let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
            // Forms send empty texts for fields left empty.
            let value = given
                .get(name)
                .filter(|value| !value.is_null() && value.as_str() != Some(""));
            match (value, schema.get("default")) {
                (Some(value), _) => {
                    check(&pointer, schema, value, &mut errors);
                    all.insert(name, value.to_value());
                }
                (None, Some(default)) => {
                    all.insert(name, default.to_value());
                }
                (None, None) if page.required().any(|required| required == name) => {
                    let title = schema.str_at(&["title"]).unwrap_or(name);
                    let what = ["ui:help", "description"]
                        .iter()
                        .find_map(|part| schema.str_at(&[part]))
                        .map(|text| format!(": {}", text.trim().trim_end_matches('.')))
                        .unwrap_or_default();
                    let message = format!("{title} is missing; set the parameter `{name}`{what}");
                    errors.push(TemplateError::parameter(pointer, message));
                }
                (None, None) => {}
            }
        }
    }
    for (name, _) in given.members() {
        if !pages
            .iter()
            .any(|page| page.properties().any(|(known, _)| known == name))
        {
            let message = "this template has no such parameter";
            errors.push(TemplateError::parameter(format!("/{name}"), message));
        }
    }
    if errors.is_empty() { Ok(all.into()) } else { Err(errors) }
}

fn check(pointer: &str, schema: Node<'_>, value: Node<'_>, errors: &mut Vec<TemplateError>) {
    let before = errors.len();
    let help = schema
        .str_at(&["ui:help"])
        .map(|help| format!(" ({help})"))
        .unwrap_or_default();
    let mut fault = |message: String| errors.push(TemplateError::parameter(pointer.to_owned(), message));
    let number = |name: &str| schema.get(name).and_then(Node::as_f64);
    if let Some(expected) = schema.str_at(&["type"]) {
        let fits = match expected {
            "integer" => value.kind() == Kind::Number && value.as_i64().is_some(),
            other => value.kind().to_string() == other,
        };
        if !fits {
            return fault(format!(
                "must be {} {expected}, not {}",
                article(expected),
                value.kind()
            ));
        }
    }
    if let Some(allowed) = schema.get("enum")
        && !allowed.items().any(|item| item.to_json() == value.to_json())
    {
        let allowed: Vec<String> = allowed.items().map(|item| item.to_json()).collect();
        fault(format!("must be one of {}", allowed.join(", ")));
    }
    if let Some(text) = value.as_str() {
        let length = text.chars().count() as f64;
        if number("minLength").is_some_and(|least| length < least) {
            fault(format!(
                "is too short; at least {} characters{help}",
                number("minLength").unwrap_or_default()
            ));
        }
        if number("maxLength").is_some_and(|most| length > most) {
            fault(format!(
                "is too long; at most {} characters{help}",
                number("maxLength").unwrap_or_default()
            ));
        }
        if let Some(pattern) = schema.str_at(&["pattern"])
            && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
        {
            fault(format!("`{text}` does not fit the pattern `{pattern}`{help}"));
        }
    }
    if let Some(found) = value.as_f64() {
        if let Some(least) = number("minimum").filter(|least| found < *least) {
            fault(format!("must be at least {least}{help}"));
        }
        if let Some(most) = number("maximum").filter(|most| found > *most) {
            fault(format!("must be at most {most}{help}"));
        }
    }
    if value.is_array() {
        let length = value.len() as f64;
        if number("minItems").is_some_and(|least| length < least) {
            fault(format!(
                "needs at least {} entries{help}",
                number("minItems").unwrap_or_default()
            ));
        }
        if number("maxItems").is_some_and(|most| length > most) {
            fault(format!(
                "takes at most {} entries{help}",
                number("maxItems").unwrap_or_default()
            ));
        }
        if schema.get("uniqueItems").and_then(Node::as_bool) == Some(true) {
            let mut seen: Vec<String> = value.items().map(|item| item.to_json()).collect();
            seen.sort();
            if seen.windows(2).any(|pair| pair[0] == pair[1]) {
                fault("names something twice".to_owned());
            }
        }
        if let Some(items) = schema.get("items").filter(|_| errors.len() == before) {
            for (index, item) in value.items().enumerate() {
                check(&format!("{pointer}/{index}"), items, item, errors);
            }
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) {
        "an"
    } else {
        "a"
    }
}
