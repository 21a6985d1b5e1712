//! Formats of lines: INI and `.env`.

use ridgeway_doc::Value;

use super::Fault;

/// Keys at the top, and an object for each section.
pub(super) fn ini(text: &str) -> Result<Value, Fault> {
    let mut out = Value::object();
    let mut section: Option<String> = None;
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with([';', '#']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let Some(name) = rest.strip_suffix(']') else {
                return Err(Fault::at(i + 1, 1, "the section's `[` is not closed; write `[name]`"));
            };
            out.object_at(&[name.trim()]);
            section = Some(name.trim().to_owned());
            continue;
        }
        let Some((key, value)) = line.split_once(['=', ':']) else {
            return Err(Fault::at(i + 1, 1, "expected `key = value` or `[section]`"));
        };
        let (key, value) = (key.trim(), scalar(value.trim()));
        match &section {
            Some(section) => out.set(&[section, key], value),
            None => out.set(&[key], value),
        }
    }
    Ok(out)
}

fn scalar(text: &str) -> Value {
    for quote in ['"', '\''] {
        if text.len() >= 2 && text.starts_with(quote) && text.ends_with(quote) {
            return text[1..text.len() - 1].into();
        }
    }
    match text {
        "true" => true.into(),
        "false" => false.into(),
        _ => match text.parse::<i64>() {
            // What would be written otherwise again is text: 007, +1.
            Ok(n) if n.to_string() == text => n.into(),
            _ => text.into(),
        },
    }
}

/// Keys with texts.
pub(super) fn dotenv(text: &str) -> Result<Value, Fault> {
    let mut out = Value::object();
    for (i, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((key, value)) = line.split_once('=') else {
            return Err(Fault::at(i + 1, 1, "expected `KEY=value`"));
        };
        let value = value.trim();
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => match value[1..].find(quote) {
                Some(end) => &value[1..=end],
                None => return Err(Fault::at(i + 1, 1, format!("the value's {quote} is not closed"))),
            },
            _ => value.split(" #").next().unwrap_or_default().trim_end(),
        };
        out.set(&[key.trim()], value);
    }
    Ok(out)
}
