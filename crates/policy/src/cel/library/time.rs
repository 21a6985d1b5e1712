//! Functions of times and durations.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cel::eval::{Answer, Evaluator, fail};
use crate::cel::value::Cel;

use super::overload;

pub(super) fn now<'a>(evaluator: &Evaluator<'_, 'a>) -> Answer<'a> {
    match evaluator.now {
        Some(now) => Ok(Cel::Time(now)),
        None => fail("the time is not known here"),
    }
}

pub(super) fn of_duration<'a>(nanos: i64, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    Ok(Cel::Int(match name {
        "getHours" => nanos / 3_600_000_000_000,
        "getMinutes" => nanos / 60_000_000_000,
        "getSeconds" => nanos / 1_000_000_000,
        "getMilliseconds" => nanos / 1_000_000 % 1000,
        _ => return overload(name, Some(&Cel::Duration(nanos)), arguments),
    }))
}

pub(super) fn of_time<'a>(time: Timestamp, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let zone = match arguments {
        [] => TimeZone::UTC,
        [Cel::Text(text)] if matches!(text.as_ref(), "UTC" | "Z" | "+00:00") => TimeZone::UTC,
        _ => return fail("only UTC is known as a time zone here"),
    };
    let at = zone.to_datetime(time);
    Ok(Cel::Int(match name {
        "getFullYear" => at.year().into(),
        "getMonth" => i64::from(at.month()) - 1,
        "getDate" => at.day().into(),
        "getDayOfMonth" => i64::from(at.day()) - 1,
        "getDayOfWeek" => at.weekday().to_sunday_zero_offset().into(),
        "getDayOfYear" => i64::from(at.day_of_year()) - 1,
        "getHours" => at.hour().into(),
        "getMinutes" => at.minute().into(),
        "getSeconds" => at.second().into(),
        "getMilliseconds" => at.millisecond().into(),
        _ => return overload(name, Some(&Cel::Time(time)), arguments),
    }))
}
