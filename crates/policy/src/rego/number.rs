//! Numbers: exact integers of any size, and decimals.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use num_bigint::BigInt;

/// A number. Integers are exact; what has a fraction is a double, computed with decimal digits where they fit.
#[derive(Clone, Debug)]
#[repr(u64)]
pub(crate) enum Num {
    Int(i64),
    Big(Arc<BigInt>),
    Float(f64),
    /// An integer beyond doubles that was written with an exponent, and how.
    Far(Arc<(BigInt, Box<str>)>),
}

/// Digits and a power of ten.
type Decimal = (i128, i32);

impl Num {
    /// Reads a JSON number.
    pub(crate) fn parse(text: &str) -> Option<Num> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        if !digits.starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        if digits.bytes().all(|b| b.is_ascii_digit()) {
            return match text.parse() {
                Ok(int) => Some(Num::Int(int)),
                Err(_) if text.len() < 5_000 => BigInt::from_str(text).ok().map(Num::big),
                Err(_) => None,
            };
        }
        let float: f64 = text.parse().ok()?;
        if !float.is_finite() {
            // Beyond doubles, but written with an exponent: an integer of many digits, if not too many.
            let (mantissa, exponent) = text.split_once(['e', 'E'])?;
            let exponent: i64 = exponent.trim_start_matches('+').parse().ok()?;
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let zeros = exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
            if !(0..5_000).contains(&zeros) {
                return None;
            }
            let digits = format!("{whole}{fraction}{}", "0".repeat(usize::try_from(zeros).ok()?));
            let value = BigInt::from_str(&digits).ok()?;
            return Some(Num::Far(Arc::new((value, text.into()))));
        }
        Some(Num::Float(float))
    }

    pub(crate) fn big(value: BigInt) -> Num {
        match i64::try_from(&value) {
            Ok(int) => Num::Int(int),
            Err(_) => Num::Big(Arc::new(value)),
        }
    }

    /// A double; whole numbers become integers.
    pub(crate) fn float(value: f64) -> Num {
        if value.fract() == 0.0 && value.abs() < 9.0e15 {
            return Num::Int(value as i64);
        }
        if value.fract() == 0.0
            && value.is_finite()
            && let Ok(big) = BigInt::from_str(&format!("{value:.0}"))
        {
            return Num::big(big);
        }
        Num::Float(value)
    }

    pub(crate) fn as_f64(&self) -> f64 {
        match self {
            Num::Int(int) => *int as f64,
            Num::Big(big) => big.to_string().parse().unwrap_or(f64::NAN),
            Num::Far(far) => far.1.parse().unwrap_or(f64::NAN),
            Num::Float(float) => *float,
        }
    }

    /// The integer, when it is one.
    pub(crate) fn to_big(&self) -> Option<BigInt> {
        match self {
            Num::Int(int) => Some(BigInt::from(*int)),
            Num::Big(big) => Some(big.as_ref().clone()),
            Num::Far(far) => Some(far.0.clone()),
            Num::Float(float) if float.fract() == 0.0 && float.is_finite() => {
                BigInt::from_str(&format!("{float:.0}")).ok()
            }
            Num::Float(_) => None,
        }
    }

    pub(crate) fn as_i64(&self) -> Option<i64> {
        match self {
            Num::Int(int) => Some(*int),
            Num::Big(_) | Num::Far(_) => None,
            Num::Float(float) => (float.fract() == 0.0 && float.abs() < 9.2e18).then_some(*float as i64),
        }
    }

    fn decimal(&self) -> Option<Decimal> {
        match self {
            Num::Int(int) => Some((i128::from(*int), 0)),
            Num::Big(_) | Num::Far(_) => None,
            Num::Float(float) => {
                let text = format!("{float:e}");
                let (mantissa, exponent) = text.split_once('e')?;
                let exponent: i32 = exponent.parse().ok()?;
                let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
                let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
                Some((digits, exponent - i32::try_from(fraction.len()).ok()?))
            }
        }
    }

    fn of_decimal((digits, exponent): Decimal) -> Num {
        if exponent >= 0
            && let Some(power) = 10i128.checked_pow(exponent.unsigned_abs())
            && let Some(whole) = digits.checked_mul(power)
        {
            return match i64::try_from(whole) {
                Ok(int) => Num::Int(int),
                Err(_) => Num::big(BigInt::from(whole)),
            };
        }
        Num::float(format!("{digits}e{exponent}").parse().unwrap_or(f64::NAN))
    }

    /// Both numbers as digits of one power of ten.
    fn aligned(&self, other: &Num) -> Option<(i128, i128, i32)> {
        let (a, b) = (self.decimal()?, other.decimal()?);
        let low = a.1.min(b.1);
        let scale = |(digits, exponent): Decimal| {
            let by = 10i128.checked_pow(u32::try_from(exponent - low).ok()?)?;
            digits.checked_mul(by)
        };
        Some((scale(a)?, scale(b)?, low))
    }

    pub(crate) fn add(&self, other: &Num) -> Num {
        match (self, other) {
            (Num::Int(a), Num::Int(b)) if a.checked_add(*b).is_some() => Num::Int(a.wrapping_add(*b)),
            (Num::Float(_), _) | (_, Num::Float(_)) => {
                let exact = self.aligned(other).and_then(|(a, b, e)| Some((a.checked_add(b)?, e)));
                exact.map_or_else(|| Num::float(self.as_f64() + other.as_f64()), Num::of_decimal)
            }
            _ => self.whole(other, |a, b| a + b),
        }
    }

    pub(crate) fn sub(&self, other: &Num) -> Num {
        match (self, other) {
            (Num::Int(a), Num::Int(b)) if a.checked_sub(*b).is_some() => Num::Int(a.wrapping_sub(*b)),
            (Num::Float(_), _) | (_, Num::Float(_)) => {
                let exact = self.aligned(other).and_then(|(a, b, e)| Some((a.checked_sub(b)?, e)));
                exact.map_or_else(|| Num::float(self.as_f64() - other.as_f64()), Num::of_decimal)
            }
            _ => self.whole(other, |a, b| a - b),
        }
    }

    pub(crate) fn mul(&self, other: &Num) -> Num {
        match (self, other) {
            (Num::Int(a), Num::Int(b)) if a.checked_mul(*b).is_some() => Num::Int(a.wrapping_mul(*b)),
            (Num::Float(_), _) | (_, Num::Float(_)) => {
                let exact = self.decimal().zip(other.decimal());
                let exact = exact.and_then(|(a, b)| Some((a.0.checked_mul(b.0)?, a.1 + b.1)));
                exact.map_or_else(|| Num::float(self.as_f64() * other.as_f64()), Num::of_decimal)
            }
            _ => self.whole(other, |a, b| a * b),
        }
    }

    /// The quotient; `None` by zero.
    pub(crate) fn div(&self, other: &Num) -> Option<Num> {
        if other.as_f64() == 0.0 {
            return None;
        }
        if let (Some(a), Some(b)) = (self.to_big(), other.to_big()) {
            if (&a % &b) == BigInt::ZERO {
                return Some(Num::big(a / b));
            }
            return Some(Num::float(self.as_f64() / other.as_f64()));
        }
        // Whole digits on both sides give the correctly rounded quotient where they are exact doubles.
        if let Some((a, b, _)) = self.aligned(other) {
            if a % b == 0 {
                return Some(Num::of_decimal((a / b, 0)));
            }
            return Some(Num::float(a as f64 / b as f64));
        }
        Some(Num::float(self.as_f64() / other.as_f64()))
    }

    /// The remainder of whole numbers, with the sign of the dividend.
    pub(crate) fn rem(&self, other: &Num) -> Option<Num> {
        match (self, other) {
            (Num::Int(a), Num::Int(b)) if *b != 0 => Some(Num::Int(a.wrapping_rem(*b))),
            _ => {
                let (a, b) = (self.to_big()?, other.to_big()?);
                (b != BigInt::ZERO).then(|| Num::big(a % b))
            }
        }
    }

    fn whole(&self, other: &Num, op: impl Fn(BigInt, BigInt) -> BigInt) -> Num {
        match (self.to_big(), other.to_big()) {
            (Some(a), Some(b)) => Num::big(op(a, b)),
            _ => Num::Float(f64::NAN),
        }
    }

    pub(crate) fn is_integer(&self) -> bool {
        match self {
            Num::Int(_) | Num::Big(_) | Num::Far(_) => true,
            Num::Float(float) => float.fract() == 0.0,
        }
    }
}

impl PartialEq for Num {
    fn eq(&self, other: &Num) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Num {}

impl PartialOrd for Num {
    fn partial_cmp(&self, other: &Num) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Num {
    fn cmp(&self, other: &Num) -> Ordering {
        match (self, other) {
            (Num::Int(a), Num::Int(b)) => a.cmp(b),
            (Num::Float(a), Num::Float(b)) => a.total_cmp(b),
            (Num::Float(a), b) | (b, Num::Float(a)) => {
                let turned = matches!(other, Num::Float(_));
                let order = match Num::Float(*a).to_big() {
                    Some(whole) => b.to_big().map_or(Ordering::Equal, |b| whole.cmp(&b)),
                    None => a.total_cmp(&b.as_f64()),
                };
                if turned { order.reverse() } else { order }
            }
            _ => match (self.to_big(), other.to_big()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => Ordering::Equal,
            },
        }
    }
}

impl fmt::Display for Num {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Num::Int(int) => int.fmt(f),
            Num::Big(big) => big.fmt(f),
            Num::Far(far) => f.write_str(&far.1),
            Num::Float(float) => {
                let size = float.abs();
                if size != 0.0 && !(1e-6..1e21).contains(&size) {
                    let text = format!("{float:e}");
                    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                    let (sign, digits) = match exponent.strip_prefix('-') {
                        Some(digits) => ('-', digits),
                        None => ('+', exponent),
                    };
                    write!(f, "{mantissa}e{sign}{digits:0>2}")
                } else if float.fract() == 0.0 {
                    // Only what was written with a fraction is still a double.
                    write!(f, "{float:.1}")
                } else {
                    float.fmt(f)
                }
            }
        }
    }
}
