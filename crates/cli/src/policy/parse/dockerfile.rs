//! Dockerfiles, in the shape that Rego policies for them expect: one entry for each command.

use ridgeway_doc::Value;

use super::Fault;

const COMMANDS: [&str; 18] = [
    "add",
    "arg",
    "cmd",
    "copy",
    "entrypoint",
    "env",
    "expose",
    "from",
    "healthcheck",
    "label",
    "maintainer",
    "onbuild",
    "run",
    "shell",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

/// Entries with `Cmd`, `SubCmd`, `Flags`, `JSON`, `Stage`, `Value` and `Line`.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let mut out: Vec<Value> = Vec::new();
    let mut stage: i64 = -1;
    let lines: Vec<&str> = text.lines().collect();
    let mut i = 0;
    while i < lines.len() {
        let first = i;
        let line = lines[i].trim();
        i += 1;
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut whole = line.to_owned();
        while let Some(open) = whole.strip_suffix('\\') {
            whole = open.to_owned();
            // Comments within a command are left out.
            while i < lines.len() && lines[i].trim_start().starts_with('#') {
                i += 1;
            }
            let Some(next) = lines.get(i) else { break };
            whole.push_str(next.trim_end());
            i += 1;
        }
        let heredoc = whole.split_once("<<").map(|(_, rest)| {
            let word = rest.trim_start_matches('-');
            let word = word.split_whitespace().next().unwrap_or_default();
            word.trim_matches(['"', '\'']).to_owned()
        });
        let (name, rest) = whole.split_once(char::is_whitespace).unwrap_or((&whole, ""));
        let command = name.to_lowercase();
        if !COMMANDS.contains(&command.as_str()) {
            let message = format!(
                "{name} is no Dockerfile command; known are {}",
                COMMANDS.join(", ").to_uppercase()
            );
            return Err(Fault::at(first + 1, 1, message));
        }
        let mut rest = rest.trim().to_owned();
        if let Some(end) = heredoc.filter(|word| !word.is_empty() && matches!(command.as_str(), "run" | "copy" | "add"))
        {
            while i < lines.len() {
                let line = lines[i];
                i += 1;
                if line.trim() == end {
                    break;
                }
                rest.push('\n');
                rest.push_str(line);
            }
        }
        if command == "from" {
            stage += 1;
        }
        out.push(entry(&command, &rest, stage.max(0), first + 1));
    }
    Ok(out.into_iter().collect())
}

fn entry(command: &str, rest: &str, stage: i64, line: usize) -> Value {
    let (mut flags, mut rest) = (Vec::new(), rest);
    while rest.starts_with("--") {
        let (flag, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        flags.push(Value::from(flag));
        rest = tail.trim_start();
    }
    let mut sub = "";
    if matches!(command, "onbuild" | "healthcheck") {
        let (word, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        (sub, rest) = (word, tail.trim_start());
    }
    let list = ridgeway_doc::parse_json(rest.as_bytes())
        .ok()
        .filter(|doc| doc.root().is_array());
    let json = list.is_some();
    let value: Vec<Value> = match list {
        Some(doc) => doc.root().items().map(|item| item.to_value()).collect(),
        None => match command {
            "env" | "label" => pairs(rest),
            "from" | "copy" | "add" | "expose" | "volume" | "arg" => rest.split_whitespace().map(Value::from).collect(),
            _ => vec![rest.into()],
        },
    };
    let mut out = Value::object();
    out.set(&["Cmd"], command);
    out.set(&["Flags"], flags.into_iter().collect::<Value>());
    out.set(&["JSON"], json);
    out.set(&["Line"], line as i64);
    out.set(&["Stage"], stage);
    out.set(&["SubCmd"], sub.to_lowercase());
    out.set(&["Value"], value.into_iter().collect::<Value>());
    out
}

/// Keys and values in turn; `KEY value` is the old form.
fn pairs(rest: &str) -> Vec<Value> {
    let mut out = Vec::new();
    let (first, tail) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if !first.contains('=') {
        return vec![first.into(), tail.trim().into()];
    }
    for word in words(rest) {
        let (key, value) = word.split_once('=').unwrap_or((&word, ""));
        out.extend([Value::from(key), Value::from(value)]);
    }
    out
}

/// Words, where quoted text holds together.
fn words(text: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quote = None;
    for c in text.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, c) if c.is_whitespace() => out.push(String::new()),
            (_, c) => out.last_mut().expect("there is always a word").push(c),
        }
    }
    out.retain(|word| !word.is_empty());
    out
}
