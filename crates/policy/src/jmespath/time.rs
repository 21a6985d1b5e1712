//! Functions over time: RFC 3339 texts, Go durations, Go layouts.

use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use ridgeway_krm::GoDuration;

use super::function::string;
use super::{Ast, Evaluator, Fault, Val};

type Answer<'a> = Result<Val<'a>, Fault>;

/// A moment with the offset it was written in.
#[derive(Clone, Copy)]
struct Moment {
    at: Timestamp,
    offset: Offset,
}

impl Moment {
    fn text(self) -> String {
        let local = self.offset.to_datetime(self.at);
        let seconds = self.offset.seconds();
        let zone = match seconds {
            0 => "Z".to_owned(),
            s => {
                format!(
                    "{}{:02}:{:02}",
                    if s < 0 { '-' } else { '+' },
                    s.abs() / 3600,
                    s.abs() / 60 % 60
                )
            }
        };
        format!("{}{zone}", local.strftime("%Y-%m-%dT%H:%M:%S"))
    }
}

fn rfc3339(name: &str, text: &str) -> Result<Moment, Fault> {
    let fail = || Fault::Invalid(format!("`{name}`: {text:?} is not a time such as 2026-01-31T12:00:00Z"));
    let at: Timestamp = text.parse().map_err(|_| fail())?;
    let tail = text.get(text.len().saturating_sub(6)..).unwrap_or_default();
    let offset = match tail.as_bytes() {
        [sign @ (b'+' | b'-'), ..] => {
            let (hours, minutes) = tail[1..].split_once(':').ok_or_else(fail)?;
            let total: i32 =
                hours.parse::<i32>().map_err(|_| fail())? * 3600 + minutes.parse::<i32>().map_err(|_| fail())? * 60;
            Offset::from_seconds(if *sign == b'-' { -total } else { total }).map_err(|_| fail())?
        }
        _ => Offset::UTC,
    };
    Ok(Moment { at, offset })
}

fn moment(name: &str, args: &[Val<'_>], index: usize) -> Result<Moment, Fault> {
    rfc3339(name, string(name, args, index)?)
}

fn duration(name: &str, args: &[Val<'_>], index: usize) -> Result<GoDuration, Fault> {
    let text = string(name, args, index)?;
    GoDuration::parse(text).map_err(|error| Fault::Invalid(format!("`{name}`: {error}")))
}

fn present(eval: &Evaluator<'_, '_>, name: &str) -> Result<Moment, Fault> {
    match eval.now {
        Some(at) => Ok(Moment {
            at,
            offset: Offset::UTC,
        }),
        None => Fault::invalid(format!("`{name}` reads the time, which is not known here")),
    }
}

fn between_moments(from: Moment, to: Moment) -> GoDuration {
    GoDuration((to.at.as_nanosecond() - from.at.as_nanosecond()).clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

pub(super) fn now<'a>(eval: &Evaluator<'_, 'a>, _: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::text(present(eval, "time_now")?.text()))
}

/// `time_since(layout, start, end)`: an empty layout is RFC 3339, an empty end is now.
pub(super) fn since<'a>(eval: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let name = "time_since";
    let layout = string(name, args, 0)?;
    let read = |text: &str| {
        if layout.is_empty() {
            rfc3339(name, text)
        } else {
            in_layout(name, layout, text)
        }
    };
    let start = read(string(name, args, 1)?)?;
    let end = match string(name, args, 2)? {
        "" => present(eval, name)?,
        text => read(text)?,
    };
    Ok(Val::text(between_moments(start, end).to_string()))
}

pub(super) fn diff<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::text(
        between_moments(moment("time_diff", args, 0)?, moment("time_diff", args, 1)?).to_string(),
    ))
}

pub(super) fn before<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::Bool(
        moment("time_before", args, 0)?.at < moment("time_before", args, 1)?.at,
    ))
}

pub(super) fn after<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    Ok(Val::Bool(
        moment("time_after", args, 0)?.at > moment("time_after", args, 1)?.at,
    ))
}

pub(super) fn between<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let name = "time_between";
    let (at, from, to) = (
        moment(name, args, 0)?.at,
        moment(name, args, 1)?.at,
        moment(name, args, 2)?.at,
    );
    Ok(Val::Bool(from < at && at < to))
}

pub(super) fn add<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (start, by) = (moment("time_add", args, 0)?, duration("time_add", args, 1)?);
    match start.at.checked_add(SignedDuration::from_nanos(by.0)) {
        Ok(at) => Ok(Val::text(Moment { at, ..start }.text())),
        Err(_) => Fault::invalid("`time_add` leaves the range of times"),
    }
}

pub(super) fn utc<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let at = moment("time_utc", args, 0)?.at;
    Ok(Val::text(
        Moment {
            at,
            offset: Offset::UTC,
        }
        .text(),
    ))
}

pub(super) fn truncate<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (start, by) = (moment("time_truncate", args, 0)?, duration("time_truncate", args, 1)?);
    if by.0 <= 0 {
        return Ok(Val::text(start.text()));
    }
    let nanos = start.at.as_nanosecond();
    match Timestamp::from_nanosecond(nanos - nanos.rem_euclid(i128::from(by.0))) {
        Ok(at) => Ok(Val::text(Moment { at, ..start }.text())),
        Err(_) => Fault::invalid("`time_truncate` leaves the range of times"),
    }
}

/// The cron expression that fires at a time once a year, in UTC.
pub(super) fn to_cron<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let t = Offset::UTC.to_datetime(moment("time_to_cron", args, 0)?.at);
    let weekday = t.weekday().to_sunday_zero_offset();
    Ok(Val::text(format!(
        "{} {} {} {} {weekday}",
        t.minute(),
        t.hour(),
        t.day(),
        t.month()
    )))
}

pub(super) fn parse<'a>(_: &Evaluator<'_, 'a>, args: &[Val<'a>], _: &[Ast]) -> Answer<'a> {
    let (layout, text) = (string("time_parse", args, 0)?, string("time_parse", args, 1)?);
    if layout.bytes().all(|b| b.is_ascii_digit()) && text == layout {
        let seconds = text
            .parse()
            .map_err(|_| Fault::Invalid("`time_parse`: not a Unix time".into()))?;
        let at = Timestamp::from_second(seconds).map_err(|_| Fault::Invalid("`time_parse`: out of range".into()))?;
        return Ok(Val::text(
            Moment {
                at,
                offset: Offset::UTC,
            }
            .text(),
        ));
    }
    Ok(Val::text(in_layout("time_parse", layout, text)?.text()))
}

/// Reads a time by a Go layout (`2006-01-02 15:04:05`), translated to `strptime` directives.
fn in_layout(name: &str, layout: &str, text: &str) -> Result<Moment, Fault> {
    const PARTS: [(&str, &str); 22] = [
        ("January", "%B"),
        ("Monday", "%A"),
        ("2006", "%Y"),
        ("-07:00", "%:z"),
        ("Z07:00", "%:z"),
        ("-0700", "%z"),
        ("Jan", "%b"),
        ("Mon", "%a"),
        ("MST", "%Z"),
        ("15", "%H"),
        ("01", "%m"),
        ("02", "%d"),
        ("03", "%I"),
        ("04", "%M"),
        ("05", "%S"),
        ("06", "%y"),
        ("PM", "%p"),
        ("_2", "%e"),
        ("1", "%m"),
        ("2", "%d"),
        ("3", "%I"),
        ("4", "%M"),
    ];
    let fail = || Fault::Invalid(format!("`{name}`: {text:?} does not follow the layout {layout:?}"));
    let mut format = String::new();
    let mut rest = layout;
    while let Some(c) = rest.chars().next() {
        match PARTS.iter().find(|(part, _)| rest.starts_with(part)) {
            Some((part, directive)) => {
                format.push_str(directive);
                rest = &rest[part.len()..];
            }
            None => {
                if c == '%' {
                    format.push('%');
                }
                format.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    // Zone names carry no offset: Go takes unknown ones as UTC.
    let (format, text) = match format.split_once("%Z") {
        Some((before, "")) => (
            before.trim_end().to_owned(),
            text.rsplit_once(' ').map_or(text, |(head, _)| head),
        ),
        _ => (format.clone(), text),
    };
    let broken = jiff::fmt::strtime::parse(&format, text).map_err(|_| fail())?;
    if let Ok(at) = broken.to_timestamp() {
        return Ok(Moment {
            at,
            offset: broken.offset().unwrap_or(Offset::UTC),
        });
    }
    let civil: DateTime = match broken.to_datetime() {
        Ok(civil) => civil,
        Err(_) => broken
            .to_date()
            .map_err(|_| fail())?
            .to_datetime(jiff::civil::Time::midnight()),
    };
    let at = Offset::UTC.to_timestamp(civil).map_err(|_| fail())?;
    Ok(Moment {
        at,
        offset: Offset::UTC,
    })
}
