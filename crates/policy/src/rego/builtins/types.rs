//! Kinds of values and conversions between them.

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, builtin, numbers, wrong};

/// A value as it is, when it has the type.
fn cast<'d>(value: &Value<'d>, kind: Type) -> Answer<'d> {
    if value.kind() == kind {
        return Ok(value.clone());
    }
    Err(wrong(0, kind.name(), value))
}

fn is<'d>(value: &Value<'d>, kind: Type) -> Answer<'d> {
    Ok(Value::Bool(value.kind() == kind))
}

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("is_number", 1, |_, a| Ok(Value::Bool(numbers::is_number(&a[0])))),
    builtin("is_string", 1, |_, a| is(&a[0], Type::String)),
    builtin("is_boolean", 1, |_, a| is(&a[0], Type::Boolean)),
    builtin("is_array", 1, |_, a| is(&a[0], Type::Array)),
    builtin("is_object", 1, |_, a| is(&a[0], Type::Object)),
    builtin("is_set", 1, |_, a| is(&a[0], Type::Set)),
    builtin("is_null", 1, |_, a| is(&a[0], Type::Null)),
    builtin("type_name", 1, |_, a| Ok(Value::str(a[0].kind().name()))),
    builtin("to_number", 1, to_number),
    builtin("cast_string", 1, |_, a| cast(&a[0], Type::String)),
    builtin("cast_boolean", 1, |_, a| cast(&a[0], Type::Boolean)),
    builtin("cast_null", 1, |_, a| cast(&a[0], Type::Null)),
    builtin("cast_object", 1, |_, a| cast(&a[0], Type::Object)),
    builtin("cast_array", 1, |_, a| match a[0].as_list() {
        Some(items) => Ok(Value::Array(items)),
        None => Err(wrong(0, "one of {array, set}", &a[0])),
    }),
    builtin("cast_set", 1, |_, a| match a[0].as_list() {
        Some(items) => Ok(Value::set(items.to_vec())),
        None => Err(wrong(0, "one of {array, set}", &a[0])),
    }),
];

fn to_number<'d>(_: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    match &a[0] {
        Value::Null => Ok(Value::int(0)),
        Value::Bool(b) => Ok(Value::int(i64::from(*b))),
        Value::Num(num) => Ok(Value::Num(num.clone())),
        other => {
            let text = other
                .as_str()
                .ok_or_else(|| wrong(0, "one of {null, boolean, number, string}", other))?;
            let bare = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
            if matches!(bare.as_str(), "inf" | "infinity" | "nan") {
                return Err(Fault::Type("operand 1 must be valid number string".into()));
            }
            let text = text.strip_prefix('+').unwrap_or(text);
            let (sign, digits) = match text.strip_prefix('-') {
                Some(digits) => ("-", digits),
                None => ("", text),
            };
            // Fractions may leave out their zero, whole numbers may begin with zeros.
            let trimmed = digits.trim_start_matches('0');
            let digits = if trimmed.starts_with(|c: char| c.is_ascii_digit()) {
                trimmed.to_owned()
            } else {
                format!("0{trimmed}")
            };
            let valid = text.bytes().any(|b| b.is_ascii_digit());
            let num = if valid {
                Num::parse(&format!("{sign}{digits}"))
            } else {
                None
            };
            let within = |num: &Num| num.as_f64().is_finite();
            num.filter(within)
                .map(Value::Num)
                .ok_or_else(|| Fault::value(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")))
        }
    }
}
