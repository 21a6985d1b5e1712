//! Comparison, arithmetic and bits.

use num_bigint::BigInt;

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, builtin, integer, num, wrong};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("equal", 2, |_, a| Ok(Value::Bool(a[0] == a[1]))),
    builtin("eq", 2, |_, a| Ok(Value::Bool(a[0] == a[1]))),
    builtin("neq", 2, |_, a| Ok(Value::Bool(a[0] != a[1]))),
    builtin("lt", 2, |_, a| Ok(Value::Bool(a[0] < a[1]))),
    builtin("lte", 2, |_, a| Ok(Value::Bool(a[0] <= a[1]))),
    builtin("gt", 2, |_, a| Ok(Value::Bool(a[0] > a[1]))),
    builtin("gte", 2, |_, a| Ok(Value::Bool(a[0] >= a[1]))),
    builtin("plus", 2, |_, a| Ok(Value::Num(num(a, 0)?.add(num(a, 1)?)))),
    builtin("minus", 2, minus),
    builtin("mul", 2, mul),
    builtin("div", 2, |_, a| {
        let out = num(a, 0)?.div(num(a, 1)?);
        out.map(Value::Num).ok_or_else(|| Fault::value("divide by zero"))
    }),
    builtin("rem", 2, rem),
    builtin("abs", 1, |_, a| {
        let n = num(a, 0)?;
        let negative = *n < Num::Int(0);
        Ok(Value::Num(if negative { Num::Int(0).sub(n) } else { n.clone() }))
    }),
    builtin("round", 1, |_, a| rounded(a, f64::round)),
    builtin("ceil", 1, |_, a| rounded(a, f64::ceil)),
    builtin("floor", 1, |_, a| rounded(a, f64::floor)),
    builtin("numbers.range", 2, |env, a| range(env, a, None)),
    builtin("numbers.range_step", 3, |env, a| range(env, a, Some(2))),
    builtin("bits.and", 2, |_, a| Ok(whole(big(a, 0)? & big(a, 1)?))),
    builtin("bits.or", 2, |_, a| Ok(whole(big(a, 0)? | big(a, 1)?))),
    builtin("bits.xor", 2, |_, a| Ok(whole(big(a, 0)? ^ big(a, 1)?))),
    builtin("bits.negate", 1, |_, a| Ok(whole(-big(a, 0)? - 1))),
    builtin("bits.lsh", 2, |env, a| {
        let (value, by) = (big(a, 0)?, shift(a)?);
        env.work(by)?;
        Ok(whole(value << by))
    }),
    builtin("bits.rsh", 2, |_, a| Ok(whole(big(a, 0)? >> shift(a)?))),
];

fn whole<'d>(value: BigInt) -> Value<'d> {
    Value::Num(Num::big(value))
}

fn big(a: &[Value<'_>], at: usize) -> Result<BigInt, Fault> {
    num(a, at)?.to_big().ok_or_else(|| {
        Fault::Type(format!(
            "operand {} must be integer number but got floating-point number",
            at + 1
        ))
    })
}

fn shift(a: &[Value<'_>]) -> Result<usize, Fault> {
    let by = big(a, 1)?;
    if by < BigInt::ZERO {
        return Err(Fault::Type(
            "operand 2 must be an unsigned integer number but got a negative integer".into(),
        ));
    }
    usize::try_from(by)
        .ok()
        .filter(|by| *by <= 1 << 16)
        .ok_or_else(|| Fault::value("the shift is too large"))
}

fn minus<'d>(_: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    match (&a[0], &a[1]) {
        (Value::Num(x), Value::Num(y)) => Ok(Value::Num(x.sub(y))),
        (Value::Set(x), Value::Set(y)) => {
            let left = x.iter().filter(|item| y.binary_search(item).is_err());
            Ok(Value::set(left.cloned().collect()))
        }
        (Value::Num(_), other) => Err(wrong(1, "number", other)),
        (Value::Set(_), other) => Err(wrong(1, "set", other)),
        (other, _) => Err(wrong(0, "one of {number, set}", other)),
    }
}

fn mul<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let (x, y) = (num(a, 0)?, num(a, 1)?);
    if let (Num::Big(x), Num::Big(y)) = (x, y) {
        let bits = x.bits().saturating_add(y.bits());
        env.work(usize::try_from(bits).unwrap_or(usize::MAX) / 8)?;
        if bits > 1 << 18 {
            return Err(Fault::value("the product is too large"));
        }
    }
    Ok(Value::Num(x.mul(y)))
}

fn rem<'d>(_: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let (x, y) = (num(a, 0)?, num(a, 1)?);
    if !x.is_integer() || !y.is_integer() {
        return Err(Fault::value("modulo on floating-point number"));
    }
    x.rem(y).map(Value::Num).ok_or_else(|| Fault::value("modulo by zero"))
}

fn rounded<'d>(a: &[Value<'d>], round: fn(f64) -> f64) -> Answer<'d> {
    Ok(Value::Num(match num(a, 0)? {
        Num::Float(f) => Num::float(round(*f)),
        whole => whole.clone(),
    }))
}

fn range<'d>(env: &mut Env<'_>, a: &[Value<'d>], step: Option<usize>) -> Answer<'d> {
    let (from, to) = (integer(a, 0)?, integer(a, 1)?);
    let step = match step {
        // A step beyond all counting is as good as the largest.
        Some(at) => match num(a, at)? {
            Num::Big(step) if **step > BigInt::ZERO => i64::MAX,
            _ => integer(a, at)?,
        },
        None => 1,
    };
    if step <= 0 {
        return Err(Fault::value("step must be a positive integer"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let count = from.abs_diff(to) / step as u64;
    env.fuel.burn(count)?;
    let items: Vec<_> = if from <= to {
        (from..=to).step_by(step).map(Value::int).collect()
    } else {
        (to..=from).rev().step_by(step).map(Value::int).collect()
    };
    Ok(Value::array(items))
}

/// Whether a value has the type of numbers.
pub(super) fn is_number(value: &Value<'_>) -> bool {
    value.kind() == Type::Number
}
