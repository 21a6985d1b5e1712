//! Quantities with units.

use num_bigint::BigInt;

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::Value;
use super::{Answer, Builtin, Env, builtin, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("units.parse", 1, |env, a| parse(env, a, "amount", false)),
    builtin("units.parse_bytes", 1, |env, a| parse(env, a, "byte amount", true)),
];

fn parse<'d>(_: &mut Env<'_>, a: &[Value<'d>], what: &str, bytes: bool) -> Answer<'d> {
    let whole = text(a, 0)?.replace('"', "");
    if whole.contains(' ') {
        return Err(Fault::value("spaces not allowed in resource strings"));
    }
    let split = whole
        .char_indices()
        .find(|(i, c)| {
            let exponent = matches!(c, 'e' | 'E')
                && whole[i + 1..].starts_with(|next: char| next.is_ascii_digit() || matches!(next, '+' | '-'));
            let in_number = c.is_ascii_digit() || matches!(c, '.' | '+' | '-') || exponent;
            !in_number
        })
        .map_or(whole.len(), |(i, _)| i);
    let (number, unit) = whole.split_at(split);
    if number.is_empty() {
        return Err(Fault::value(format!("no {what} provided")));
    }
    // Only the millis and megas differ by their case.
    let unit = match unit {
        "m" if !bytes => "m".to_owned(),
        "M" if !bytes => "M".to_owned(),
        unit => unit.to_lowercase(),
    };
    let unit = if bytes {
        unit.strip_suffix('b').map_or(unit.clone(), str::to_owned)
    } else {
        unit
    };
    let (base, power, milli): (u32, u32, bool) = match unit.as_str() {
        "" => (10, 0, false),
        "m" if !bytes => (10, 3, true),
        "k" => (10, 3, false),
        "m" | "M" => (10, 6, false),
        "g" => (10, 9, false),
        "t" => (10, 12, false),
        "p" => (10, 15, false),
        "e" => (10, 18, false),
        "ki" => (2, 10, false),
        "mi" => (2, 20, false),
        "gi" => (2, 30, false),
        "ti" => (2, 40, false),
        "pi" => (2, 50, false),
        "ei" => (2, 60, false),
        other => {
            let what = if bytes { "byte unit" } else { "unit" };
            return Err(Fault::value(format!("{what} {other} not recognized")));
        }
    };
    let wrong = || Fault::value(format!("could not parse {what} to a number"));
    let digits = number.strip_prefix('+').unwrap_or(number);
    let digits = if digits.starts_with('.') {
        format!("0{digits}")
    } else {
        digits.to_owned()
    };
    let digits = digits.strip_suffix('.').map_or(digits.clone(), str::to_owned);
    let value = Num::parse(&digits).ok_or_else(wrong)?;
    let factor = Num::big(BigInt::from(base).pow(power));
    let out = if milli {
        value.div(&factor).ok_or_else(wrong)?
    } else {
        value.mul(&factor)
    };
    if bytes {
        // Bytes are whole.
        return Ok(Value::Num(match &out {
            Num::Float(f) => Num::float(f.trunc()),
            whole => whole.clone(),
        }));
    }
    Ok(Value::Num(out))
}
