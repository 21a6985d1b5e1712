//! Arithmetic over numbers, quantities and durations.

use ridgeway_krm::{GoDuration, Quantity};

use super::function::{array, number};
use super::{Ast, Evaluator, Fault, Val};

type Answer<'a> = Result<Val<'a>, Fault>;

enum Operand {
    Scalar(f64),
    Quantity(Quantity),
    Duration(GoDuration),
}

fn operand(name: &str, value: &Val<'_>) -> Result<Operand, Fault> {
    match value {
        Val::Number(n) => return Ok(Operand::Scalar(n.as_f64())),
        Val::Str(text) => {
            if let Ok(quantity) = Quantity::parse(text) {
                return Ok(Operand::Quantity(quantity));
            }
            if let Ok(duration) = GoDuration::parse(text) {
                return Ok(Operand::Duration(duration));
            }
        }
        _ => {}
    }
    Fault::invalid(format!(
        "`{name}` takes numbers, quantities such as \"100Mi\" or durations such as \"1h\""
    ))
}

fn mismatch<'a>(name: &str) -> Answer<'a> {
    Fault::invalid(format!(
        "`{name}` cannot combine these types: quantities, durations and numbers do not mix here"
    ))
}

fn quantity<'a>(nano: f64) -> Val<'a> {
    // Nano units are the finest a quantity has; rounding up is what Kubernetes does.
    let milli = (nano / 1e6).ceil();
    Val::text(Quantity::from_milli(milli as i64).to_string())
}

fn plus<'a>(name: &str, left: &Val<'a>, right: &Val<'a>) -> Answer<'a> {
    use Operand::{Duration, Scalar};
    Ok(match (operand(name, left)?, operand(name, right)?) {
        (Scalar(a), Scalar(b)) => Val::float(a + b),
        (Operand::Quantity(a), Operand::Quantity(b)) => Val::text((a + b).to_string()),
        (Duration(a), Duration(b)) => Val::text(GoDuration(a.0.saturating_add(b.0)).to_string()),
        _ => return mismatch(name),
    })
}

pub(super) fn add<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    plus("add", &args[0], &args[1])
}

pub(super) fn sum<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let items = array("sum", args, 0)?;
    let mut items = items.into_iter();
    let Some(mut total) = items.next() else {
        return Ok(Val::float(0.0));
    };
    for item in items {
        total = plus("sum", &total, &item)?;
    }
    Ok(total)
}

pub(super) fn subtract<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    use Operand::{Duration, Scalar};
    Ok(match (operand("subtract", &args[0])?, operand("subtract", &args[1])?) {
        (Scalar(a), Scalar(b)) => Val::float(a - b),
        (Operand::Quantity(a), Operand::Quantity(b)) => Val::text((a - b).to_string()),
        (Duration(a), Duration(b)) => Val::text(GoDuration(a.0.saturating_sub(b.0)).to_string()),
        _ => return mismatch("subtract"),
    })
}

pub(super) fn multiply<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    use Operand::{Duration, Scalar};
    Ok(match (operand("multiply", &args[0])?, operand("multiply", &args[1])?) {
        (Scalar(a), Scalar(b)) => Val::float(a * b),
        (Operand::Quantity(q), Scalar(n)) | (Scalar(n), Operand::Quantity(q)) => quantity(q.nano() as f64 * n),
        (Duration(d), Scalar(n)) | (Scalar(n), Duration(d)) => {
            Val::text(GoDuration((d.0 as f64 * n) as i64).to_string())
        }
        _ => return mismatch("multiply"),
    })
}

pub(super) fn divide<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    use Operand::{Duration, Scalar};
    let zero = || Fault::invalid("`divide` by zero");
    Ok(match (operand("divide", &args[0])?, operand("divide", &args[1])?) {
        (_, Scalar(0.0)) => return zero(),
        (Scalar(a), Scalar(b)) => Val::float(a / b),
        (Operand::Quantity(a), Operand::Quantity(b)) if !b.is_zero() => Val::float(a.nano() as f64 / b.nano() as f64),
        (Operand::Quantity(a), Scalar(b)) => quantity(a.nano() as f64 / b),
        (Duration(a), Duration(b)) if b.0 != 0 => Val::float(a.0 as f64 / b.0 as f64),
        (Duration(a), Scalar(b)) => Val::text(GoDuration((a.0 as f64 / b) as i64).to_string()),
        (Operand::Quantity(_), Operand::Quantity(_)) | (Duration(_), Duration(_)) => return zero(),
        _ => return mismatch("divide"),
    })
}

pub(super) fn modulo<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    use Operand::{Duration, Scalar};
    let zero = || Fault::invalid("`modulo` by zero");
    Ok(match (operand("modulo", &args[0])?, operand("modulo", &args[1])?) {
        (_, Scalar(0.0)) => return zero(),
        (Scalar(a), Scalar(b)) if a.fract() == 0.0 && b.fract() == 0.0 => Val::float(a % b),
        (Scalar(_), Scalar(_)) => return Fault::invalid("`modulo` takes whole numbers"),
        (Operand::Quantity(a), Operand::Quantity(b)) if !b.is_zero() => quantity((a.nano() % b.nano()) as f64),
        (Duration(a), Duration(b)) if b.0 != 0 => Val::text(GoDuration(a.0 % b.0).to_string()),
        (Operand::Quantity(_), Operand::Quantity(_)) | (Duration(_), Duration(_)) => return zero(),
        _ => return mismatch("modulo"),
    })
}

pub(super) fn round<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (value, digits) = (number("round", args, 0)?, number("round", args, 1)?);
    if digits.fract() != 0.0 || !(0.0..=15.0).contains(&digits) {
        return Fault::invalid("`round` takes a whole number of digits from 0 to 15");
    }
    let scale = 10f64.powi(digits as i32);
    Ok(Val::float((value * scale).round() / scale))
}
