//! The language's own conformance tests (`SimpleTestFile` in text format); the unit is one test.
//!
//! Messages of the tests are described by a table; a test over any other message type is skipped. Whether constants of
//! enumerations are integers or have types of their own is an option of implementations: a test runs with the latter
//! when its values are such constants or it converts to them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::cel_spec_text::{Block, Item, parse};
use super::cel_spec_types::table;
use super::cel_spec_values::{declare, equal, kind_of, unknown_message, value};
use super::{Files, Report, RowOutcome};
use crate::budget::Fuel;
use crate::cel::{Cel, Env, Evaluator, Fault, Global, Program, Scope, Type, Types, Variable, check};
use crate::request::NoData;

/// Runs every `.textproto` file of a folder.
pub fn run(files: &dyn Files, folder: &str) -> Report {
    let mut report = Report::default();
    let mut paths = files.walk(folder);
    paths.retain(|path| path.ends_with(".textproto"));
    paths.sort();
    for path in paths {
        let name = path
            .rsplit('/')
            .next()
            .unwrap_or(&path)
            .trim_end_matches(".textproto")
            .to_owned();
        let text = files.read(&path).unwrap_or_default();
        match parse(&text) {
            Ok(file) => run_file(&name, &file, &mut report),
            Err(why) => report.row(name, RowOutcome::Failed, why),
        }
    }
    report
}

fn run_file(name: &str, file: &Block, report: &mut Report) {
    for section in file.blocks("section") {
        let at = section.text("name").unwrap_or_default();
        for test in section.blocks("test") {
            let id = format!("{name}/{at}/{}", test.text("name").unwrap_or_default());
            match judge(test) {
                Ok(()) => report.row(id, RowOutcome::Passed, ""),
                Err(Verdict::Skipped(why)) => report.row(id, RowOutcome::Skipped, why),
                Err(Verdict::Failed(why)) => {
                    let expression = test.text("expr").unwrap_or_default();
                    report.row(id, RowOutcome::Failed, format!("{why} [{expression}]"));
                }
            }
        }
    }
}

/// Why a test did not pass.
enum Verdict {
    Skipped(String),
    Failed(String),
}

fn failed<T>(why: impl Into<String>) -> Result<T, Verdict> {
    Err(Verdict::Failed(why.into()))
}

/// The names of a test with their values.
struct Bindings(HashMap<String, Cel<'static>>);

impl<'a> Scope<'a> for Bindings {
    fn lookup(&self, name: &Global) -> Option<Cel<'a>> {
        self.0.get(&*name.name).cloned()
    }

    fn variable(&self, _: &mut Evaluator<'_, 'a>, _: &Variable) -> Option<Result<Cel<'a>, Fault>> {
        None
    }
}

fn types() -> Arc<Types> {
    static TYPES: OnceLock<Arc<Types>> = OnceLock::new();
    TYPES
        .get_or_init(|| Arc::new(Types::read_all(&table().each_ref().map(String::as_str))))
        .clone()
}

/// Whether a message or one within it has a field of that name.
fn mentions(block: &Block, wanted: &dyn Fn(&str, &Item) -> bool) -> bool {
    block
        .0
        .iter()
        .any(|(name, item)| wanted(name, item) || item_mentions(item, wanted))
}

fn item_mentions(item: &Item, wanted: &dyn Fn(&str, &Item) -> bool) -> bool {
    match item {
        Item::Block(inner) => mentions(inner, wanted),
        Item::List(items) => items.iter().any(|item| item_mentions(item, wanted)),
        _ => false,
    }
}

fn judge(test: &Block) -> Result<(), Verdict> {
    let types = types();
    if let Some(message) = unknown_message(test, &types) {
        return Err(Verdict::Skipped(format!(
            "the message type {message} is not described here"
        )));
    }
    let expression = test.text("expr").unwrap_or_default();
    let mut env = Env {
        container: test.text("container").unwrap_or_default(),
        types: types.clone(),
        ..Env::default()
    };
    for declaration in test.blocks("type_env") {
        declare(declaration, &mut env).map_err(Verdict::Failed)?;
    }
    for binding in test.blocks("bindings") {
        let name = binding.text("key").unwrap_or_default();
        env.variables.entry(name).or_insert(Type::Dyn);
    }
    let strong_values = mentions(test, &|name, item| {
        let of_enum = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| types.is_enum(text));
        name == "enum_value" || name == "type_value" && matches!(item, Item::Text(text) if of_enum(text))
    });
    env.strong_enums = true;
    let converts = Program::compile(&expression, &env).is_ok_and(|program| program.converts_enums());
    env.strong_enums = strong_values || converts;

    let expected = test.block("typed_result");
    let error = test.get("eval_error").is_some() || test.get("any_eval_errors").is_some();
    if test.get("unknown").is_some() || test.get("any_unknowns").is_some() {
        return Err(Verdict::Skipped(
            "partial evaluation with unknown values is not offered".into(),
        ));
    }
    let program = match Program::compile(&expression, &env) {
        Ok(_) if error && test.is_true("check_only") => return failed("it compiles"),
        Ok(program) => program,
        Err(_) if error => return Ok(()),
        Err(why) => return failed(why.to_string()),
    };
    if !test.is_true("disable_check") {
        match check(&program, &env) {
            Ok(deduced) => {
                if let Some(wanted) = expected.and_then(|expected| expected.block("deduced_type")) {
                    let wanted = kind_of(wanted).map_err(Verdict::Failed)?;
                    if wanted != deduced {
                        return failed(format!("the type is {deduced}, not {wanted}"));
                    }
                }
            }
            Err(_) if error => return Ok(()),
            Err(why) => return failed(format!("the check says: {why}")),
        }
    }
    if test.is_true("check_only") {
        return Ok(());
    }
    let mut bindings = Bindings(HashMap::new());
    for binding in test.blocks("bindings") {
        let name = binding.text("key").unwrap_or_default();
        let given = binding.block("value").and_then(|given| given.block("value"));
        let Some(given) = given else {
            return Err(Verdict::Skipped(
                "a binding to an error or unknown value is not offered".into(),
            ));
        };
        let made = value(given, &types, env.strong_enums).map_err(Verdict::Failed)?;
        bindings.0.insert(name, made);
    }
    let fuel = Fuel::default();
    let answer = Evaluator::new(&bindings, &fuel, None, &NoData).run(&program);
    let wanted = test
        .block("value")
        .or_else(|| expected.and_then(|expected| expected.block("result")));
    let wanted = match wanted {
        Some(wanted) => value(wanted, &types, env.strong_enums).map_err(Verdict::Failed)?,
        // A test that says nothing expects the truth.
        None => Cel::Bool(true),
    };
    match answer {
        Err(_) if error => Ok(()),
        Err(fault) => failed(format!("it faults: {fault}")),
        Ok(seen) if error => failed(format!("it gives {} instead of a fault", seen.to_value().to_json())),
        Ok(seen) if equal(&seen, &wanted) => Ok(()),
        Ok(seen) => failed(format!(
            "it gives {} ({}) instead of {} ({})",
            seen.to_value().to_json(),
            seen.type_name(),
            wanted.to_value().to_json(),
            wanted.type_name()
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(&'static str);

    impl Files for One {
        fn read(&self, _: &str) -> Option<String> {
            Some(self.0.into())
        }

        fn walk(&self, _: &str) -> Vec<String> {
            vec!["a/b.textproto".into(), "a/LICENSE".into()]
        }
    }

    #[test]
    fn tests_pass_fail_and_are_skipped() {
        let file = r#"name: "b" section { name: "s"
            test { name: "pass" expr: "x + 1" bindings { key: "x" value { value { int64_value: 2 } } } value { int64_value: 3 } }
            test { name: "truth" expr: "true" }
            test { name: "other type" expr: "1u" value { int64_value: 1 } }
            test { name: "fault" expr: "1 / 0" eval_error { errors { message: "?" } } }
            test { name: "no fault" expr: "1 / 1" eval_error { errors { message: "?" } } }
            test { name: "checked" expr: "1 + 'a'" value { bool_value: true } }
            test { name: "deduced" check_only: true expr: "[1]" typed_result { deduced_type { list_type { elem_type { primitive: INT64 } } } } }
            test { name: "enum" expr: "cel.expr.conformance.proto3.GlobalEnum(1)" value { enum_value { type: "cel.expr.conformance.proto3.GlobalEnum" value: 1 } } }
            test { name: "stranger" expr: "x" value { object_value { [type.googleapis.com/some.Other] {} } } }
        }"#;
        let report = run(&One(file), "a");
        let outcomes: String = report
            .rows
            .iter()
            .map(|row| match row.outcome {
                RowOutcome::Passed => 'p',
                RowOutcome::Failed => 'f',
                RowOutcome::Skipped => 's',
            })
            .collect();
        assert_eq!(outcomes, "ppfpffpps", "{:?}", report.rows);
    }
}
