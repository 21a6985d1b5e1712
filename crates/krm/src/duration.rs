//! Durations as Go prints and reads them, and as tables show ages.

use std::fmt;
use std::str::FromStr;

/// A duration in nanoseconds, in Go's text form: `1h30m`, `1.5s`, `300ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub i64);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration: write numbers with units (ns, us, ms, s, m, h), such as 30s or 1h30m")]
pub struct DurationError(String);

const UNITS: [(&str, i64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl GoDuration {
    /// Parses a duration.
    pub fn parse(text: &str) -> Result<GoDuration, DurationError> {
        parse(text).map(GoDuration).ok_or_else(|| DurationError(text.into()))
    }

    /// A duration of whole seconds; saturates.
    pub fn from_secs(seconds: i64) -> GoDuration {
        GoDuration(seconds.saturating_mul(1_000_000_000))
    }

    /// The standard library's duration; `None` when negative.
    pub fn to_std(self) -> Option<std::time::Duration> {
        u64::try_from(self.0).ok().map(std::time::Duration::from_nanos)
    }

    /// Seconds, with fraction.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }
}

impl FromStr for GoDuration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<GoDuration, DurationError> {
        GoDuration::parse(text)
    }
}

fn parse(text: &str) -> Option<i64> {
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let end = tail
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(tail.len());
        let (unit, after) = tail.split_at(end);
        let unit = i128::from(UNITS.iter().find(|(name, _)| *name == unit)?.1);
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total = total.checked_add(whole.checked_mul(unit)?)?;
        let mut place = unit;
        for digit in fraction.bytes() {
            // The part below a nanosecond is dropped, digit by digit it could add up: keep the exact remainder.
            place *= 10;
            if place > i128::MAX / 100 {
                break;
            }
            let scale = place / unit;
            total += i128::from(digit - b'0') * unit / scale;
        }
        rest = after;
    }
    if total > i128::from(i64::MAX) + i128::from(negative) {
        return None;
    }
    Some(if negative { (-total) as i64 } else { total as i64 })
}

/// Go's form: `1h0m0s`, `1.5s`, `300ms`, `0s`.
impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let magnitude = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        let decimal = |f: &mut fmt::Formatter<'_>, value: u64, unit: u64| {
            write!(f, "{}", value / unit)?;
            let rest = value % unit;
            if rest > 0 {
                let width = unit.ilog10() as usize;
                write!(f, ".{}", format!("{rest:0width$}").trim_end_matches('0'))?;
            }
            Ok(())
        };
        match magnitude {
            0 => f.write_str("0s"),
            1..1_000 => write!(f, "{magnitude}ns"),
            1_000..1_000_000 => decimal(f, magnitude, 1_000).and_then(|()| f.write_str("µs")),
            1_000_000..1_000_000_000 => decimal(f, magnitude, 1_000_000).and_then(|()| f.write_str("ms")),
            _ => {
                let (seconds, nanos) = (magnitude / 1_000_000_000, magnitude % 1_000_000_000);
                let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                decimal(f, seconds % 60 * 1_000_000_000 + nanos, 1_000_000_000)?;
                f.write_str("s")
            }
        }
    }
}

/// An age in seconds as tables show it: two significant units at most, coarser the older.
pub fn human_age(seconds: i64) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let pair = |big: i64, big_unit: &str, small: i64, small_unit: &str| {
        if small == 0 {
            format!("{big}{big_unit}")
        } else {
            format!("{big}{big_unit}{small}{small_unit}")
        }
    };
    match seconds {
        ..-1 => "<invalid>".into(),
        -1 => "0s".into(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(hours / 24, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{}d", hours / 24),
        63_072_000..252_288_000 => pair(hours / 24 / 365, "y", hours / 24 % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_and_prints_as_go() {
        for (text, want) in [
            ("0", "0s"),
            ("1h", "1h0m0s"),
            ("1h30m", "1h30m0s"),
            ("90s", "1m30s"),
            ("1.5s", "1.5s"),
            ("300ms", "300ms"),
            ("1500us", "1.5ms"),
            ("-2m0.5s", "-2m0.5s"),
            ("1ns", "1ns"),
            (".5h", "30m0s"),
            ("0.000000001s", "1ns"),
        ] {
            assert_eq!(GoDuration::parse(text).unwrap().to_string(), want, "{text}");
        }
        for text in ["", "1", "s", "1d", "1h 2m", "-", "1.2.3s", "9999999999h"] {
            assert!(GoDuration::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn ages() {
        for (seconds, want) in [
            (-5, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (172_800, "2d"),
            (176_400, "2d1h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (63_158_400, "2y1d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(human_age(seconds), want, "{seconds}");
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_reads_back(nanos in any::<i64>()) {
            prop_assume!(nanos != i64::MIN);
            let duration = GoDuration(nanos);
            prop_assert_eq!(GoDuration::parse(&duration.to_string()).unwrap(), duration);
        }
    }
}
