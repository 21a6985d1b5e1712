//! Resource quantities: exact decimal numbers with Kubernetes' suffixes.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// How a quantity was written, and so how it is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Format {
    /// `m`, ``, `k`, `M`, …
    #[default]
    Decimal,
    /// `Ki`, `Mi`, …
    Binary,
    /// `e3`, `e6`, …
    Exponent,
}

/// An exact quantity such as `500m`, `1.5Gi` or `2e3`, in billionths. Finer values are rounded away from zero, and
/// values beyond 2^63-1 are capped, as Kubernetes does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nano: i128,
    format: Format,
}

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a quantity: write a decimal number with an optional suffix (n, u, m, k, M, G, T, P, E, Ki, Mi, Gi, Ti, Pi, Ei) or exponent, such as 500m, 1.5Gi or 2e3"
)]
pub struct QuantityError(String);

const NANO: i128 = 1_000_000_000;
const MAX: i128 = i64::MAX as i128 * NANO;

impl Quantity {
    /// Zero.
    pub const ZERO: Quantity = Quantity {
        nano: 0,
        format: Format::Decimal,
    };

    /// Parses a quantity.
    pub fn parse(text: &str) -> Result<Quantity, QuantityError> {
        parse(text).ok_or_else(|| QuantityError(text.into()))
    }

    /// A whole number of units.
    pub fn from_units(units: i64) -> Quantity {
        Quantity {
            nano: i128::from(units) * NANO,
            format: Format::Decimal,
        }
    }

    /// A number of thousandths, as CPU is counted.
    pub fn from_milli(milli: i64) -> Quantity {
        Quantity {
            nano: i128::from(milli) * (NANO / 1000),
            format: Format::Decimal,
        }
    }

    /// The value in whole units, rounded up.
    pub fn units(self) -> i64 {
        ceil(self.nano, NANO)
    }

    /// The value in thousandths, rounded up; saturates.
    pub fn milli(self) -> i64 {
        ceil(self.nano, NANO / 1000)
    }

    /// The value in billionths, exact.
    pub fn nano(self) -> i128 {
        self.nano
    }

    /// Whether the value is zero.
    pub fn is_zero(self) -> bool {
        self.nano == 0
    }

    /// Less than, equal to or greater than zero.
    pub fn sign(self) -> Ordering {
        self.nano.cmp(&0)
    }

    fn combine(self, other: Quantity, nano: i128) -> Quantity {
        let format = if self.nano == 0 { other.format } else { self.format };
        Quantity {
            nano: nano.clamp(-MAX, MAX),
            format,
        }
    }
}

impl std::ops::Add for Quantity {
    type Output = Quantity;

    /// The sum, printed in the left side's way unless that is zero.
    fn add(self, other: Quantity) -> Quantity {
        self.combine(other, self.nano + other.nano)
    }
}

impl std::ops::Sub for Quantity {
    type Output = Quantity;

    /// The difference, printed in the left side's way unless that is zero.
    fn sub(self, other: Quantity) -> Quantity {
        self.combine(other, self.nano - other.nano)
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Quantity>>(items: I) -> Quantity {
        items.fold(Quantity::ZERO, |a, b| a + b)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl std::hash::Hash for Quantity {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.nano.hash(state);
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Quantity, QuantityError> {
        Quantity::parse(text)
    }
}

fn ceil(value: i128, unit: i128) -> i64 {
    let whole = value.div_euclid(unit) + i128::from(value.rem_euclid(unit) != 0);
    whole.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// What a suffix multiplies by: a power of two or of ten.
enum Scale {
    Two(u32),
    Ten(i32),
}

fn suffix(text: &str) -> Option<(Scale, Format)> {
    let ten = |exponent| Some((Scale::Ten(exponent), Format::Decimal));
    let two = |exponent| Some((Scale::Two(exponent), Format::Binary));
    match text {
        "" => ten(0),
        "n" => ten(-9),
        "u" => ten(-6),
        "m" => ten(-3),
        "k" => ten(3),
        "M" => ten(6),
        "G" => ten(9),
        "T" => ten(12),
        "P" => ten(15),
        "E" => ten(18),
        "Ki" => two(10),
        "Mi" => two(20),
        "Gi" => two(30),
        "Ti" => two(40),
        "Pi" => two(50),
        "Ei" => two(60),
        _ => {
            let digits = text.strip_prefix(['e', 'E'])?;
            let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(digits);
            if unsigned.is_empty() || !unsigned.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let magnitude = unsigned.parse::<i32>().unwrap_or(i32::MAX / 4).min(i32::MAX / 4);
            let exponent = if digits.starts_with('-') { -magnitude } else { magnitude };
            Some((Scale::Ten(exponent), Format::Exponent))
        }
    }
}

fn parse(text: &str) -> Option<Quantity> {
    let (negative, rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, tail) = rest.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let (scale, format) = suffix(tail)?;
    let nano = magnitude(whole.trim_start_matches('0'), fraction.trim_end_matches('0'), scale);
    Some(Quantity {
        nano: if negative { -nano } else { nano },
        format,
    })
}

/// `whole.fraction` times the scale in billionths, rounded up, capped.
fn magnitude(whole: &str, fraction: &str, scale: Scale) -> i128 {
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|b| b - b'0').collect();
    if digits.iter().all(|d| *d == 0) {
        return 0;
    }
    let (binary, ten) = match scale {
        Scale::Two(bits) => (1i128 << bits, 0),
        Scale::Ten(exponent) => (1, exponent),
    };
    // value = digits * binary * 10^exponent, in billionths
    let exponent = i64::from(ten) + 9 - fraction.len() as i64;
    let significant = digits.iter().position(|d| *d != 0).map_or(0, |i| digits.len() - i) as i64;
    if significant + exponent > 30 {
        return MAX;
    }
    if significant + exponent + 19 < 0 {
        return 1;
    }
    // Long fractions are cut where they can no longer matter but for rounding up.
    let keep = digits.len().min((digits.len() as i64 - significant) as usize + 36);
    let cut = digits[keep..].iter().any(|d| *d != 0);
    let exponent = exponent + (digits.len() - keep) as i64;
    let mut value = Wide(0, 0);
    for digit in &digits[..keep] {
        value = value.times(10).plus(u128::from(*digit));
    }
    value = value.times(binary as u128);
    let mut rounded = cut;
    for _ in 0..exponent.max(0) {
        value = value.times(10);
    }
    for _ in 0..(-exponent).max(0) {
        let (quotient, rest) = value.divided_by_ten();
        rounded |= rest != 0;
        value = quotient;
    }
    if value.0 > 0 || value.1 >= MAX as u128 {
        return MAX;
    }
    (value.1 as i128 + i128::from(rounded)).min(MAX)
}

/// 256 bits, high and low half: enough for 36 digits times 2^60 times what the exponent adds.
#[derive(Clone, Copy)]
struct Wide(u128, u128);

impl Wide {
    fn plus(self, other: u128) -> Wide {
        let (low, carry) = self.1.overflowing_add(other);
        Wide(self.0.saturating_add(u128::from(carry)), low)
    }

    fn times(self, factor: u128) -> Wide {
        // Factors are at most 2^60, so the halves of the low part do not overflow.
        let mask = u128::from(u64::MAX);
        let (low, high) = ((self.1 & mask) * factor, (self.1 >> 64) * factor);
        let (sum, carry) = low.overflowing_add((high & mask) << 64);
        let top = (high >> 64) + u128::from(carry);
        Wide(self.0.saturating_mul(factor).saturating_add(top), sum)
    }

    fn divided_by_ten(self) -> (Wide, u128) {
        let mask = u128::from(u64::MAX);
        let (high, rest) = (self.0 / 10, self.0 % 10);
        let part = (rest << 64) | (self.1 >> 64);
        let (middle, rest) = (part / 10, part % 10);
        let part = (rest << 64) | (self.1 & mask);
        (Wide(high, (middle << 64) | (part / 10)), part % 10)
    }
}

/// The canonical form: the largest suffix that leaves a whole number, in the way the quantity was written.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nano == 0 {
            return f.write_str("0");
        }
        let whole = self.nano % NANO == 0;
        if self.format == Format::Binary && whole && self.nano.abs() >= 1024 * NANO {
            let (mut value, mut power) = (self.nano / NANO, 0);
            while value % 1024 == 0 && power < 6 {
                value /= 1024;
                power += 1;
            }
            return write!(f, "{value}{}", ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power]);
        }
        let (mut value, mut power) = (self.nano, 0usize);
        while value % 1000 == 0 && power < 9 {
            value /= 1000;
            power += 1;
        }
        let exponent = power as i32 * 3 - 9;
        if self.format == Format::Exponent {
            return if exponent == 0 {
                write!(f, "{value}")
            } else {
                write!(f, "{value}e{exponent}")
            };
        }
        write!(f, "{value}{}", ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"][power])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canonical_forms() {
        for (text, want) in [
            ("0", "0"),
            ("0Ki", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("+1", "1"),
            ("1000", "1k"),
            ("1024", "1024"),
            ("1024Ki", "1Mi"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("1.5Gi", "1536Mi"),
            ("0.1Ki", "102400m"),
            ("100m", "100m"),
            ("1000m", "1"),
            ("0.1", "100m"),
            (".5", "500m"),
            ("5.", "5"),
            ("1e3", "1e3"),
            ("1E3", "1e3"),
            ("12e-1", "1200e-3"),
            ("1E", "1E"),
            ("10E", "9223372036854775807"),
            ("9Ei", "9223372036854775807"),
            ("-9Ei", "-9223372036854775807"),
            ("1e99", "9223372036854775807e0"),
            ("0.0000000001", "1n"),
            ("-0.0000000001", "-1n"),
            ("1.0000000001", "1000000001n"),
            ("123456789n", "123456789n"),
            ("1500000u", "1500m"),
            ("2048000", "2048k"),
            ("00012Mi", "12Mi"),
            ("1.23456789012345678901234567890123456789012345", "1234567891n"),
        ] {
            let want = want.trim_end_matches("e0");
            assert_eq!(Quantity::parse(text).unwrap().to_string(), want, "{text}");
        }
        for text in [
            "", "-", ".", "1.2.3", "Ki", "1ki", "1KI", "1K", "1 Gi", "e3", "1e", "1e+", "--1", "1mm", "a", "0x1",
        ] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sums_round_up_where_asked() {
        let q = |text| Quantity::parse(text).unwrap();
        assert_eq!((q("100m") + q("1Gi")).to_string(), "1073741824100m");
        assert_eq!((q("0") + q("1Gi") + q("1Gi")).to_string(), "2Gi");
        assert_eq!((q("1Gi") - q("1Mi")).to_string(), "1023Mi");
        assert_eq!((q("100m").units(), q("-100m").units(), q("1500u").milli()), (1, 0, 2));
        assert!(q("1Gi") > q("1G") && q("0.5") == q("500m"));
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(units in any::<i32>(), nano in 0u32..1_000_000_000, suffix in "(|m|k|M|Ki|Mi|e2|e-2)") {
            let text = format!("{units}.{nano:09}{suffix}");
            let quantity = Quantity::parse(&text).unwrap();
            let printed = quantity.to_string();
            let again = Quantity::parse(&printed).unwrap();
            prop_assert_eq!(again, quantity);
            prop_assert_eq!(again.to_string(), printed);
        }

        #[test]
        fn order_is_that_of_the_numbers(a in -1_000_000i64..1_000_000, b in -1_000_000i64..1_000_000) {
            let of = |n: i64| Quantity::parse(&format!("{n}m")).unwrap();
            prop_assert_eq!(of(a).cmp(&of(b)), a.cmp(&b));
            prop_assert_eq!(of(a) + of(b), of(a + b));
            prop_assert_eq!(of(a).milli(), a);
        }
    }
}
