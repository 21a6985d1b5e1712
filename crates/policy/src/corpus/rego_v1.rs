//! Conformance cases of the Rego language: modules, a query, data and input, and what must come out.

use ridgeway_doc::{Node, parse_json};

use super::{CorpusResult, Files, Report, RowOutcome};
use crate::budget::Fuel;
use crate::rego::{Bindings, Engine, Error, Request, Type, Value, Version};

/// Steps one case may take.
const STEPS: u64 = 20_000_000;

/// When the cases take place: 2026-01-01T00:00:00Z.
const NOW: i128 = 1_767_225_600_000_000_000;

/// Runs all case files below a folder; the unit is one case.
pub fn run(files: &dyn Files, folder: &str) -> CorpusResult {
    report(files, folder).result()
}

/// As [`run`], with each case.
pub fn report(files: &dyn Files, folder: &str) -> Report {
    let mut report = Report::default();
    for path in files.walk(folder).iter().filter(|path| path.ends_with(".json")) {
        let short = path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/');
        let doc = files.read(path).map(|text| parse_json(text.as_bytes()));
        let doc = match doc {
            Some(Ok(doc)) => doc,
            Some(Err(error)) => {
                report.row(short, RowOutcome::Failed, error.to_string());
                continue;
            }
            None => continue,
        };
        for case in doc.root().get("cases").into_iter().flat_map(Node::items) {
            let name = format!("{short}#{}", case.str_at(&["note"]).unwrap_or_default());
            match check(case) {
                Ok(()) => report.row(name, RowOutcome::Passed, ""),
                Err(why) => report.row(name, RowOutcome::Failed, why),
            }
        }
    }
    report
}

/// Compiles a text in both versions of the language and evaluates all of it; for fuzzing.
pub fn exercise(text: &str) {
    for version in [Version::V0, Version::V1] {
        let Ok(engine) = Engine::compile(&[text], version) else {
            continue;
        };
        let fuel = Fuel::new(50_000);
        let request = Request {
            input: Some(Value::named([("a", Value::int(1))])),
            data: Value::object(Vec::new()),
            fuel: &fuel,
            strict: true,
            now: NOW,
        };
        // Whatever comes out, it comes out within the budget.
        let _ = engine.query("x = data", request);
    }
}

fn check(case: Node<'_>) -> Result<(), String> {
    let wanted_code = case.str_at(&["want_error_code"]);
    let wanted_error = case.str_at(&["want_error"]);
    let fuel = Fuel::new(STEPS);
    match (evaluate(case, &fuel), wanted_code.or(wanted_error)) {
        (Ok(_), Some(wanted)) => Err(format!("want the error {wanted}, got a result")),
        (Err(error), None) => Err(error.to_string()),
        (Err(error), Some(_)) => {
            let fits = match wanted_code {
                Some(code) => error.code == code,
                None => wanted_error.is_some_and(|text| text.contains(error.code)),
            };
            if fits {
                Ok(())
            } else {
                Err(format!(
                    "want the error {}, got {error}",
                    wanted_code.or(wanted_error).unwrap_or_default()
                ))
            }
        }
        (Ok(solutions), None) => match case.get("want_result") {
            Some(wanted) => compare(&solutions, Value::from_node(wanted), case),
            None => Ok(()),
        },
    }
}

fn evaluate<'d>(case: Node<'d>, fuel: &Fuel) -> Result<Vec<Bindings<'d>>, Error> {
    let modules: Vec<&str> = case
        .get("modules")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .collect();
    let engine = Engine::compile(&modules, Version::V1)?;
    let input = match case.str_at(&["input_term"]) {
        Some(term) => Some(Engine::term(term)?),
        None => case.get("input").map(Value::from_node),
    };
    let data = case.get("data").filter(|data| data.is_object());
    let request = Request {
        input,
        data: data.map_or_else(|| Value::object(Vec::new()), Value::from_node),
        fuel,
        strict: case.get("strict_error").and_then(Node::as_bool) == Some(true),
        now: NOW,
    };
    engine.query(case.str_at(&["query"]).unwrap_or_default(), request)
}

/// Solutions and what is wanted are compared as JSON, where sets are sorted arrays.
fn compare(solutions: &[Bindings<'_>], wanted: Value<'_>, case: Node<'_>) -> Result<(), String> {
    let sort = case.get("sort_bindings").and_then(Node::as_bool) == Some(true);
    let plain = |value: &Value<'_>| {
        let json = parse_json(value.to_json().as_bytes()).map_err(|error| error.to_string())?;
        let value = Value::from_node(json.root()).to_owned();
        Ok::<_, String>(match value.as_array() {
            Some(items) if sort => {
                let mut items = items.to_vec();
                items.sort();
                Value::array(items)
            }
            _ => value,
        })
    };
    let mut found = Vec::new();
    for solution in solutions {
        let mut members = Vec::new();
        for (name, value) in solution {
            members.push((Value::str(&**name), plain(value)?));
        }
        found.push(Value::object(members));
    }
    let mut expected = Vec::new();
    for item in wanted.as_array().unwrap_or_default().iter() {
        let members = item.as_object().unwrap_or_default();
        let mut out = Vec::new();
        for (name, value) in members.iter() {
            out.push((name.clone(), plain(value)?));
        }
        expected.push(Value::object(out));
    }
    found.sort();
    expected.sort();
    debug_assert!(expected.iter().all(|item| item.kind() == Type::Object));
    if found == expected {
        return Ok(());
    }
    let shown = |list: Vec<Value<'_>>| {
        let text = Value::array(list).to_string();
        text.chars().take(400).collect::<String>()
    };
    Err(format!("want {}, got {}", shown(expected), shown(found)))
}
