//! Schedules as cron writes them: five fields, read in UTC.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Names of months and days of the week.
const MONTHS: [&str; 12] = [
    "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC",
];
const DAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
/// How far ahead a time is looked for: a leap day comes within eight years.
const YEARS: i64 = 9;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// At certain minutes.
    Fields(Box<Fields>),
    /// Again and again.
    Every(SignedDuration),
}

/// Sets of minutes, hours, days, months and days of the week, as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fields {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether either kind of day is left open, so that both have to fit rather than one of them.
    both: bool,
}

fn bits(field: &str, name: &str, low: u32, high: u32, names: &[&str]) -> Result<u64, String> {
    let number = |text: &str| -> Result<u32, String> {
        let named = names.iter().position(|n| n.eq_ignore_ascii_case(text));
        let number = match named {
            Some(at) => u32::try_from(at).ok().map(|at| at + low),
            None => text.parse().ok(),
        };
        match number {
            Some(number) if (low..=high).contains(&number) => Ok(number),
            _ => Err(format!("{text:?} is no {name}; write a number from {low} to {high}")),
        }
    };
    let mut out = 0;
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => match step.parse::<usize>() {
                Ok(step) if step > 0 => (range, Some(step)),
                _ => return Err(format!("{step:?} is no step for the {name}; write a number from 1")),
            },
            None => (part, None),
        };
        let (from, to) = match range {
            "*" | "?" => (low, high),
            _ => match range.split_once('-') {
                Some((from, to)) => (number(from)?, number(to)?),
                None if step.is_some() => (number(range)?, high),
                None => (number(range)?, number(range)?),
            },
        };
        if from > to {
            return Err(format!(
                "the range {range:?} of the {name} goes backwards; swap its ends"
            ));
        }
        (from..=to).step_by(step.unwrap_or(1)).for_each(|n| out |= 1 << n);
    }
    Ok(out)
}

impl Schedule {
    /// Reads a schedule.
    pub(crate) fn parse(text: &str) -> Result<Schedule, String> {
        let text = text.trim();
        if let Some(pause) = text.strip_prefix("@every ") {
            return match super::ttl::duration(pause.trim()) {
                Some(pause) if pause >= SignedDuration::from_secs(1) => Ok(Schedule::Every(pause)),
                _ => Err(format!(
                    "{pause:?} is no pause of a second or more; write one such as 90s or 2h"
                )),
            };
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!(
                "{text:?} has {} fields; a schedule has five: minute, hour, day of the month, month, day of the week",
                fields.len()
            ));
        };
        let open = |field: &str| field.starts_with(['*', '?']);
        let mut weekdays = bits(weekday, "day of the week", 0, 7, &DAYS)?;
        // Sunday is 0 and 7.
        weekdays |= weekdays >> 7;
        Ok(Schedule::Fields(Box::new(Fields {
            minutes: bits(minute, "minute", 0, 59, &[])?,
            hours: bits(hour, "hour", 0, 23, &[])?,
            days: bits(day, "day of the month", 1, 31, &[])?,
            months: bits(month, "month", 1, 12, &MONTHS)?,
            weekdays,
            both: open(day) || open(weekday),
        })))
    }

    /// The first time after another.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Schedule::Every(pause) => after.checked_add(*pause).ok(),
            Schedule::Fields(fields) => fields.next(after),
        }
    }
}

fn has(set: u64, bit: i8) -> bool {
    u32::try_from(bit).is_ok_and(|bit| set >> bit & 1 == 1)
}

impl Fields {
    fn fits(&self, at: DateTime) -> bool {
        let day = has(self.days, at.day());
        let weekday = has(self.weekdays, at.weekday().to_sunday_zero_offset());
        has(self.months, at.month()) && if self.both { day && weekday } else { day || weekday }
    }

    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = TimeZone::UTC.to_datetime(after);
        let mut at = start.with().second(0).subsec_nanosecond(0).build().ok()?;
        at = at.checked_add(1.minute()).ok()?;
        let end = at.checked_add(YEARS.years()).ok()?;
        while at < end {
            if !self.fits(at) {
                at = at.date().tomorrow().ok()?.to_datetime(Time::midnight());
            } else if !has(self.hours, at.hour()) {
                at = at.with().minute(0).build().ok()?.checked_add(1.hour()).ok()?;
            } else if !has(self.minutes, at.minute()) {
                at = at.checked_add(1.minute()).ok()?;
            } else {
                return TimeZone::UTC.to_timestamp(at).ok();
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time() {
        for (schedule, after, want) in [
            ("* * * * *", "2026-05-04T10:00:00Z", "2026-05-04T10:01:00Z"),
            ("*/15 * * * *", "2026-05-04T10:15:30Z", "2026-05-04T10:30:00Z"),
            ("5 4 * * *", "2026-05-04T10:00:00Z", "2026-05-05T04:05:00Z"),
            ("0 0 29 2 *", "2026-05-04T10:00:00Z", "2028-02-29T00:00:00Z"),
            ("0 9 * * MON-FRI", "2026-05-08T10:00:00Z", "2026-05-11T09:00:00Z"),
            ("0 0 13 * 5", "2026-05-04T10:00:00Z", "2026-05-08T00:00:00Z"),
            ("0 0 * * 7", "2026-05-04T10:00:00Z", "2026-05-10T00:00:00Z"),
            ("30 10-12/2 1,15 JUN *", "2026-05-04T10:00:00Z", "2026-06-01T10:30:00Z"),
            ("@hourly", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"),
            ("@every 90s", "2026-05-04T10:00:00Z", "2026-05-04T10:01:30Z"),
        ] {
            let next = Schedule::parse(schedule).unwrap().next(after.parse().unwrap()).unwrap();
            assert_eq!(next.to_string(), want, "{schedule}");
        }
        let never = Schedule::parse("0 0 31 2 *").unwrap();
        assert_eq!(never.next("2026-05-04T10:00:00Z".parse().unwrap()), None);
    }

    #[test]
    fn faults_say_what_to_write() {
        for (schedule, want) in [
            ("* * *", "has 3 fields"),
            ("61 * * * *", "from 0 to 59"),
            ("* * * * FUN", "no day of the week"),
            ("*/0 * * * *", "no step"),
            ("30-10 * * * *", "goes backwards"),
            ("@every never", "90s"),
        ] {
            let fault = Schedule::parse(schedule).unwrap_err();
            assert!(fault.contains(want), "{schedule}: {fault}");
        }
    }
}
