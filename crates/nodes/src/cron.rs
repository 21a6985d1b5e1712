//! Cron schedules: five fields, as CronJobs write them, in UTC.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// A parsed schedule, such as `*/15 8-18 * * mon-fri`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// When both days are restricted, either may match.
    either_day: bool,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{schedule:?} is not a schedule: {message}; write five fields: minute hour day-of-month month day-of-week")]
pub struct ScheduleError {
    schedule: String,
    message: String,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Parses a schedule, or one of the short forms (`@hourly`, `@daily`, …).
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let fail = |message: String| ScheduleError {
            schedule: text.into(),
            message,
        };
        let long = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = long.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(fail(format!("it has {} fields", fields.len())));
        };
        let weekdays = field(weekday, 0, 7, &WEEKDAYS, 0).map_err(fail)?;
        let free = |text: &str| text.starts_with(['*', '?']);
        Ok(Schedule {
            minutes: field(minute, 0, 59, &[], 0).map_err(fail)?,
            hours: field(hour, 0, 23, &[], 0).map_err(fail)?,
            days: field(day, 1, 31, &[], 0).map_err(fail)?,
            months: field(month, 1, 12, &MONTHS, 1).map_err(fail)?,
            // Sunday is 0 and 7.
            weekdays: weekdays | (weekdays >> 7 & 1),
            either_day: !free(day) && !free(weekday),
        })
    }

    /// The first time after `after`; `None` when none comes within eight years.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = Offset::UTC.to_datetime(after);
        let mut date = start.date();
        let first = i32::from(start.hour()) * 60 + i32::from(start.minute()) + 1;
        for day in 0..8 * 366 {
            if day > 0 {
                date = date.tomorrow().ok()?;
            }
            let from = if day == 0 { first } else { 0 };
            let at = self.day(date).then(|| (from..1440).find(|m| self.minute(*m))).flatten();
            if let Some(minute) = at {
                let time =
                    DateTime::from_parts(date, jiff::civil::time((minute / 60) as i8, (minute % 60) as i8, 0, 0));
                return Offset::UTC.to_timestamp(time).ok();
            }
        }
        None
    }

    fn minute(&self, of_day: i32) -> bool {
        has(self.hours, of_day / 60) && has(self.minutes, of_day % 60)
    }

    fn day(&self, date: Date) -> bool {
        let by_day = has(self.days, date.day().into());
        let by_weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset().into());
        let day = if self.either_day {
            by_day || by_weekday
        } else {
            by_day && by_weekday
        };
        has(self.months, date.month().into()) && day
    }
}

fn has(set: u64, value: i32) -> bool {
    set >> value & 1 == 1
}

/// The set of values of one field, as bits.
fn field(text: &str, least: u32, most: u32, names: &[&str], first_name: u32) -> Result<u64, String> {
    let value = |text: &str| -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        let named = names
            .iter()
            .position(|name| *name == lower)
            .map(|i| i as u32 + first_name);
        let value = named
            .or_else(|| text.parse().ok())
            .ok_or_else(|| format!("{text:?} is no value"))?;
        if (least..=most).contains(&value) {
            Ok(value)
        } else {
            Err(format!("{value} is not in {least}-{most}"))
        }
    };
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().map_err(|_| format!("{step:?} is no step"))?),
            None => (part, 1),
        };
        if step == 0 {
            return Err("a step of 0 never moves".into());
        }
        let (from, to) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (least, most),
            Some((from, to)) => (value(from)?, value(to)?),
            // `5/10` is from 5 on.
            None if part.contains('/') => (value(range)?, most),
            None => (value(range)?, value(range)?),
        };
        if from > to {
            return Err(format!("{range:?} runs backwards"));
        }
        for value in (from..=to).step_by(step as usize) {
            set |= 1 << value;
        }
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_times() {
        let after = "2026-01-30T10:07:30Z";
        for (schedule, want) in [
            ("* * * * *", "2026-01-30T10:08:00Z"),
            ("*/15 * * * *", "2026-01-30T10:15:00Z"),
            ("5 * * * *", "2026-01-30T11:05:00Z"),
            ("@daily", "2026-01-31T00:00:00Z"),
            ("30 8 * * mon-fri", "2026-02-02T08:30:00Z"),
            ("0 0 * * 7", "2026-02-01T00:00:00Z"),
            ("0 0 1,15 * *", "2026-02-01T00:00:00Z"),
            ("0 0 31 * *", "2026-01-31T00:00:00Z"),
            ("0 0 29 feb *", "2028-02-29T00:00:00Z"),
            ("0 12 13 * fri", "2026-01-30T12:00:00Z"),
            ("10-20/5 9 * * *", "2026-01-31T09:10:00Z"),
            ("50/5 10 * * *", "2026-01-30T10:50:00Z"),
        ] {
            let next = Schedule::parse(schedule).unwrap().next(after.parse().unwrap());
            assert_eq!(next.map(|t| t.to_string()).as_deref(), Some(want), "{schedule}");
        }
        assert_eq!(
            Schedule::parse("0 0 30 2 *").unwrap().next(after.parse().unwrap()),
            None
        );
        for schedule in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "* * 0 * *",
            "x * * * *",
        ] {
            assert!(Schedule::parse(schedule).is_err(), "{schedule}");
        }
    }
}
