//! The table of functions.

use std::fmt;
use std::ops::RangeInclusive;

use super::{Ast, Evaluator, Fault, Val, arithmetic, standard, text, time};

/// What implements a function: the evaluator, the arguments' values, and their syntax for `&` references.
pub(crate) type Call = for<'e, 'a> fn(&Evaluator<'e, 'a>, &[Val<'a>], &[Ast]) -> Result<Val<'a>, Fault>;

/// A function an expression may call.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    pub(crate) arity: RangeInclusive<usize>,
    pub(crate) call: Call,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

const fn f(name: &'static str, arity: RangeInclusive<usize>, call: Call) -> Function {
    Function { name, arity, call }
}

static FUNCTIONS: &[Function] = &[
    f("abs", 1..=1, standard::abs),
    f("add", 2..=2, arithmetic::add),
    f("avg", 1..=1, standard::avg),
    f("base64_decode", 1..=1, text::base64_decode),
    f("base64_encode", 1..=1, text::base64_encode),
    f("ceil", 1..=1, standard::ceil),
    f("compare", 2..=2, text::compare),
    f("contains", 2..=2, standard::contains),
    f("divide", 2..=2, arithmetic::divide),
    f("ends_with", 2..=2, text::ends_with),
    f("equal_fold", 2..=2, text::equal_fold),
    f("floor", 1..=1, standard::floor),
    f("items", 3..=3, standard::items),
    f("is_external_url", 1..=1, text::is_external_url),
    f("image_normalize", 1..=1, text::image_normalize),
    f("join", 2..=2, text::join),
    f("keys", 1..=1, standard::keys),
    f("label_match", 2..=2, standard::label_match),
    f("length", 1..=1, standard::length),
    f("lookup", 2..=2, standard::lookup),
    f("map", 2..=2, standard::map),
    f("max", 1..=1, standard::max),
    f("max_by", 2..=2, standard::max_by),
    f("merge", 0..=usize::MAX, standard::merge),
    f("min", 1..=1, standard::min),
    f("min_by", 2..=2, standard::min_by),
    f("modulo", 2..=2, arithmetic::modulo),
    f("multiply", 2..=2, arithmetic::multiply),
    f("not_null", 1..=usize::MAX, standard::not_null),
    f("object_from_lists", 2..=2, standard::object_from_lists),
    f("parse_json", 1..=1, text::parse_json),
    f("parse_yaml", 1..=1, text::parse_yaml),
    f("path_canonicalize", 1..=1, text::path_canonicalize),
    f("pattern_match", 2..=2, text::pattern_match),
    f("random", 1..=1, text::random),
    f("regex_match", 2..=2, text::regex_match),
    f("regex_replace_all", 3..=3, text::regex_replace_all),
    f("regex_replace_all_literal", 3..=3, text::regex_replace_all_literal),
    f("replace", 4..=4, text::replace),
    f("replace_all", 3..=3, text::replace_all),
    f("reverse", 1..=1, standard::reverse),
    f("round", 2..=2, arithmetic::round),
    f("semver_compare", 2..=2, text::semver_compare),
    f("sort", 1..=1, standard::sort),
    f("sort_by", 2..=2, standard::sort_by),
    f("split", 2..=2, text::split),
    f("starts_with", 2..=2, text::starts_with),
    f("subtract", 2..=2, arithmetic::subtract),
    f("sum", 1..=1, arithmetic::sum),
    f("time_add", 2..=2, time::add),
    f("time_after", 2..=2, time::after),
    f("time_before", 2..=2, time::before),
    f("time_between", 3..=3, time::between),
    f("time_diff", 2..=2, time::diff),
    f("time_now", 0..=0, time::now),
    f("time_now_utc", 0..=0, time::now),
    f("time_parse", 2..=2, time::parse),
    f("time_since", 3..=3, time::since),
    f("time_to_cron", 1..=1, time::to_cron),
    f("time_truncate", 2..=2, time::truncate),
    f("time_utc", 1..=1, time::utc),
    f("to_array", 1..=1, standard::to_array),
    f("to_boolean", 1..=1, text::to_boolean),
    f("to_lower", 1..=1, text::to_lower),
    f("to_number", 1..=1, standard::to_number),
    f("to_string", 1..=1, standard::to_string),
    f("to_upper", 1..=1, text::to_upper),
    f("trim", 2..=2, text::trim),
    f("trim_prefix", 2..=2, text::trim_prefix),
    f("truncate", 2..=2, text::truncate),
    f("type", 1..=1, standard::type_of),
    f("values", 1..=1, standard::values),
    f("zip", 2..=usize::MAX, standard::zip),
];

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

/// A string argument.
pub(super) fn string<'v>(name: &str, arguments: &'v [Val<'_>], index: usize) -> Result<&'v str, Fault> {
    match arguments.get(index).and_then(Val::as_str) {
        Some(text) => Ok(text),
        None => wrong(name, arguments, index, "a string"),
    }
}

/// A number argument.
pub(super) fn number(name: &str, arguments: &[Val<'_>], index: usize) -> Result<f64, Fault> {
    match arguments.get(index).and_then(Val::as_number) {
        Some(number) => Ok(number.as_f64()),
        None => wrong(name, arguments, index, "a number"),
    }
}

/// An array argument.
pub(super) fn array<'a>(name: &str, arguments: &[Val<'a>], index: usize) -> Result<Vec<Val<'a>>, Fault> {
    match arguments.get(index) {
        Some(value) if value.is_array() => Ok(value.items()),
        _ => wrong(name, arguments, index, "an array"),
    }
}

/// A string, or a number as its text.
pub(super) fn text_or_number(name: &str, arguments: &[Val<'_>], index: usize) -> Result<String, Fault> {
    match arguments.get(index) {
        Some(Val::Str(text)) => Ok(text.to_string()),
        Some(Val::Number(number)) => Ok(number.to_string()),
        _ => wrong(name, arguments, index, "a string or a number"),
    }
}

/// The fault of a wrong argument.
pub(super) fn wrong<T>(name: &str, arguments: &[Val<'_>], index: usize, want: &str) -> Result<T, Fault> {
    let found = arguments.get(index).map_or("null", Val::type_name);
    Fault::invalid(format!("`{name}` takes {want} as argument {}, not {found}", index + 1))
}
