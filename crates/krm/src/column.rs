//! Table columns: paths into the object, or computed cells.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use ridgeway_doc::{Kind as NodeKind, Node, Value};

use crate::computed::{self, Computed};
use crate::duration::human_age;
use crate::jsonpath::JsonPath;

/// One column of a kind's tables.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its heading.
    pub name: String,
    /// Its OpenAPI type: `string`, `integer`, `number`, `boolean`, `date`.
    pub ty: String,
    /// Its OpenAPI format; `name` marks the first column.
    pub format: String,
    /// What it shows.
    pub description: String,
    /// 0 for every table, greater for wide ones only.
    pub priority: i32,
    source: Source,
    absent: Value,
}

#[derive(Clone, Debug)]
enum Source {
    Path(JsonPath),
    Age(JsonPath),
    Computed(Computed),
}

impl Column {
    /// A column that shows what a path finds.
    pub fn from_path(name: &str, ty: &str, path: JsonPath, priority: i32) -> Column {
        Column {
            name: name.into(),
            ty: ty.into(),
            format: if name == "Name" { "name".into() } else { String::new() },
            description: String::new(),
            priority,
            source: if ty == "date" {
                Source::Age(path)
            } else {
                Source::Path(path)
            },
            absent: Value::NULL,
        }
    }

    /// The columns of a kind that says nothing about its tables.
    pub(crate) fn name_and_age() -> Vec<Column> {
        let path = |text| JsonPath::parse(text).expect("the path is a literal of this file");
        vec![
            Column::from_path("Name", "string", path(".metadata.name"), 0),
            Column::from_path("Age", "date", path(".metadata.creationTimestamp"), 0),
        ]
    }

    /// The cell of one object.
    pub fn cell(&self, object: Node<'_>, now: Timestamp) -> Value {
        match &self.source {
            Source::Computed(compute) => compute(object, now),
            Source::Age(path) => match path.first(object).and_then(Node::as_str) {
                Some(text) => age(text, now).into(),
                None if self.absent.is_null() && self.ty == "string" => "<unknown>".into(),
                None => self.absent.clone(),
            },
            Source::Path(path) => {
                let found = path.find(object);
                let value = self.convert(&found);
                if value.is_null() || value.as_str() == Some("") {
                    self.absent.clone()
                } else {
                    value
                }
            }
        }
    }

    fn convert(&self, found: &[Node<'_>]) -> Value {
        let Some(first) = found.first() else { return Value::NULL };
        match self.ty.as_str() {
            "string" => found
                .iter()
                .map(|node| text_of(*node))
                .collect::<Vec<_>>()
                .join(" ")
                .into(),
            "integer" => first.as_f64().map(|n| n as i64).into(),
            "number" => first.as_number().into(),
            "boolean" => first.as_bool().into(),
            _ => Value::NULL,
        }
    }
}

/// A value as tables show it: texts bare, everything else as JSON.
fn text_of(node: Node<'_>) -> String {
    match node.kind() {
        NodeKind::String => node.as_str().unwrap_or_default().into(),
        NodeKind::Null => String::new(),
        _ => node.to_json(),
    }
}

/// The age of an RFC 3339 time.
pub(crate) fn age(text: &str, now: Timestamp) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => human_age(now.as_second() - time.as_second()),
        Err(_) => "<invalid>".into(),
    }
}

/// The columns of built-in kinds by `Kind` or `Kind.group`.
static BUILTIN: LazyLock<HashMap<&'static str, Vec<Column>>> =
    LazyLock::new(|| parse(include_str!("../data/columns.txt")));

/// The columns of a built-in kind.
pub(crate) fn builtin(group: &str, kind: &str) -> Vec<Column> {
    let key = if group.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}.{group}")
    };
    BUILTIN.get(key.as_str()).cloned().unwrap_or_else(Column::name_and_age)
}

fn parse(text: &'static str) -> HashMap<&'static str, Vec<Column>> {
    let mut all: HashMap<&'static str, Vec<Column>> = HashMap::new();
    let mut kind = "";
    for line in text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
    {
        if line.starts_with(' ') {
            all.entry(kind).or_default().push(parse_column(line.trim()));
        } else {
            kind = line.trim();
        }
    }
    all
}

fn parse_column(line: &str) -> Column {
    let mut parts = line.split("  ").map(str::trim).filter(|part| !part.is_empty());
    let name = parts.next().unwrap_or_default();
    let (name, priority) = name.strip_prefix('+').map_or((name, 0), |name| (name, 1));
    let source = parts.next().unwrap_or_default();
    let ty = parts.next().unwrap_or("string");
    let absent = parts
        .next()
        .map_or(Value::NULL, |text| match (ty, text.parse::<i64>()) {
            ("integer", Ok(number)) => number.into(),
            ("boolean", _) if matches!(text, "true" | "false") => (text == "true").into(),
            _ => text.into(),
        });
    let source = match source.strip_prefix('@') {
        Some(name) => Source::Computed(
            computed::by_name(name).unwrap_or_else(|| panic!("data/columns.txt: no computed cell is called {name}")),
        ),
        None => {
            let path =
                JsonPath::parse(source).unwrap_or_else(|error| panic!("data/columns.txt: column {name}: {error}"));
            if ty == "date" {
                Source::Age(path)
            } else {
                Source::Path(path)
            }
        }
    };
    let mut column = Column::from_path(name, ty, JsonPath::default(), priority);
    column.source = source;
    column.absent = absent;
    if ty == "date" {
        // Built-in ages are texts that the server has computed.
        column.ty = "string".into();
    }
    column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_data_file_is_whole() {
        assert!(BUILTIN.len() > 40);
        for (kind, columns) in BUILTIN.iter() {
            assert_eq!(
                columns[0].name,
                if *kind == "Event" || kind.starts_with("Event.") {
                    "Last Seen"
                } else {
                    "Name"
                }
            );
            assert!(columns.iter().all(|c| !c.name.is_empty()), "{kind}");
        }
    }
}
