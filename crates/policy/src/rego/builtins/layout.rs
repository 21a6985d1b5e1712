//! Layouts of times, written as the reference time: `Mon Jan 2 15:04:05 MST 2006`.

use std::fmt::Write as _;

use jiff::ZonedDateTime as Zoned;
use jiff::civil::Date;

use super::super::error::Fault;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

/// The layout behind a well-known name, or the text itself.
pub(super) fn named(name: &str) -> &str {
    match name {
        "ANSIC" => "Mon Jan _2 15:04:05 2006",
        "UnixDate" => "Mon Jan _2 15:04:05 MST 2006",
        "RubyDate" => "Mon Jan 02 15:04:05 -0700 2006",
        "RFC822" => "02 Jan 06 15:04 MST",
        "RFC822Z" => "02 Jan 06 15:04 -0700",
        "RFC850" => "Monday, 02-Jan-06 15:04:05 MST",
        "RFC1123" => "Mon, 02 Jan 2006 15:04:05 MST",
        "RFC1123Z" => "Mon, 02 Jan 2006 15:04:05 -0700",
        "RFC3339" => "2006-01-02T15:04:05Z07:00",
        "RFC3339Nano" => "2006-01-02T15:04:05.999999999Z07:00",
        other => other,
    }
}

/// The name of a day.
pub(super) fn weekday(date: Date) -> &'static str {
    WEEKDAYS[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0) % 7]
}

/// What the reference time stands for, the longest texts first where one begins another.
const FIELDS: [&str; 33] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-07:00",
    "-070000",
    "-0700",
    "-07",
    "Z07:00:00",
    "Z07:00",
    "Z070000",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "__2",
    "_2",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
];

enum Piece<'l> {
    Text(&'l str),
    Field(&'static str),
    /// A fraction of so many digits; whether zeros at its end are left out.
    Fraction(usize, bool),
}

/// A layout in pieces.
pub(super) struct Layout<'l>(Vec<Piece<'l>>);

impl<'l> Layout<'l> {
    pub(super) fn read(layout: &'l str) -> Layout<'l> {
        let mut out = Vec::new();
        let mut start = 0;
        let mut at = 0;
        while at < layout.len() {
            let rest = &layout[at..];
            let mut found = FIELDS.iter().find(|field| rest.starts_with(**field)).copied();
            // `Janitor` is no month.
            if matches!(found, Some("Jan" | "Mon")) && rest[3..].starts_with(|c: char| c.is_ascii_lowercase()) {
                found = None;
            }
            let fraction = rest.strip_prefix(['.', ',']).and_then(|digits| {
                let mark = digits.chars().next().filter(|c| matches!(c, '0' | '9'))?;
                let count = digits.len() - digits.trim_start_matches(mark).len();
                let ends = !digits[count..].starts_with(|c: char| c.is_ascii_digit());
                ends.then_some((count, mark == '9'))
            });
            let (piece, len) = match (found, fraction) {
                (Some(field), _) => (Piece::Field(field), field.len()),
                (None, Some((count, trim))) => (Piece::Fraction(count, trim), count + 1),
                _ => {
                    at += rest.chars().next().map_or(1, char::len_utf8);
                    continue;
                }
            };
            if start < at {
                out.push(Piece::Text(&layout[start..at]));
            }
            out.push(piece);
            at += len;
            start = at;
        }
        if start < layout.len() {
            out.push(Piece::Text(&layout[start..]));
        }
        Layout(out)
    }

    pub(super) fn format(&self, at: &Zoned) -> String {
        let (date, time) = (at.date(), at.time());
        let month = MONTHS[usize::try_from(date.month() - 1).unwrap_or(0) % 12];
        let hour = if time.hour() % 12 == 0 { 12 } else { time.hour() % 12 };
        let mut out = String::new();
        for piece in &self.0 {
            let field = match piece {
                Piece::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Piece::Fraction(digits, trim) => {
                    let all = format!("{:09}", time.subsec_nanosecond());
                    let shown = &all[..(*digits).min(9)];
                    let shown = if *trim { shown.trim_end_matches('0') } else { shown };
                    if !shown.is_empty() {
                        out.push('.');
                        out.push_str(shown);
                    }
                    continue;
                }
                Piece::Field(field) => *field,
            };
            let _ = match field {
                "January" => write!(out, "{month}"),
                "Jan" => write!(out, "{}", &month[..3]),
                "Monday" => write!(out, "{}", weekday(date)),
                "Mon" => write!(out, "{}", &weekday(date)[..3]),
                "2006" => write!(out, "{:04}", date.year()),
                "06" => write!(out, "{:02}", date.year().rem_euclid(100)),
                "01" => write!(out, "{:02}", date.month()),
                "1" => write!(out, "{}", date.month()),
                "002" => write!(out, "{:03}", date.day_of_year()),
                "__2" => write!(out, "{:3}", date.day_of_year()),
                "02" => write!(out, "{:02}", date.day()),
                "_2" => write!(out, "{:2}", date.day()),
                "2" => write!(out, "{}", date.day()),
                "15" => write!(out, "{:02}", time.hour()),
                "03" => write!(out, "{hour:02}"),
                "3" => write!(out, "{hour}"),
                "04" => write!(out, "{:02}", time.minute()),
                "4" => write!(out, "{}", time.minute()),
                "05" => write!(out, "{:02}", time.second()),
                "5" => write!(out, "{}", time.second()),
                "PM" => write!(out, "{}", if time.hour() < 12 { "AM" } else { "PM" }),
                "pm" => write!(out, "{}", if time.hour() < 12 { "am" } else { "pm" }),
                "MST" => write!(out, "{}", at.strftime("%Z")),
                offset => {
                    write_offset(offset, at.offset().seconds(), &mut out);
                    Ok(())
                }
            };
        }
        out
    }

    /// Nanoseconds since 1970.
    pub(super) fn parse(&self, whole: &str) -> Result<i128, Fault> {
        let mut rest = whole;
        let wrong = || Fault::value(format!("parsing time {whole:?}: cannot parse it by its layout"));
        let (mut year, mut month, mut day) = (1i64, 1i64, 1i64);
        let (mut hour, mut minute, mut second, mut nanos) = (0i64, 0i64, 0i64, 0i64);
        let (mut afternoon, mut morning, mut offset) = (false, false, 0i64);
        let mut day_of_year = None;
        for (i, piece) in self.0.iter().enumerate() {
            let field = match piece {
                Piece::Text(text) => {
                    rest = rest.strip_prefix(text).ok_or_else(wrong)?;
                    continue;
                }
                Piece::Fraction(digits, trim) => {
                    let before = rest;
                    let found = fraction(&mut rest);
                    let read = before.len().saturating_sub(rest.len() + 1);
                    if !*trim && read != *digits {
                        return Err(wrong());
                    }
                    nanos = found.unwrap_or(0);
                    continue;
                }
                Piece::Field(field) => *field,
            };
            match field {
                "January" | "Jan" => month = 1 + word(&mut rest, &MONTHS, field.len() == 3).ok_or_else(wrong)?,
                "Monday" | "Mon" => {
                    word(&mut rest, &WEEKDAYS, field.len() == 3).ok_or_else(wrong)?;
                }
                "2006" => year = digits(&mut rest, 4, 4).ok_or_else(wrong)?,
                "06" => {
                    let short = digits(&mut rest, 2, 2).ok_or_else(wrong)?;
                    year = if short >= 69 { 1900 + short } else { 2000 + short };
                }
                "01" => month = digits(&mut rest, 2, 2).ok_or_else(wrong)?,
                "1" => month = digits(&mut rest, 1, 2).ok_or_else(wrong)?,
                "002" => day_of_year = Some(digits(&mut rest, 3, 3).ok_or_else(wrong)?),
                "__2" => {
                    rest = rest.trim_start_matches(' ');
                    day_of_year = Some(digits(&mut rest, 1, 3).ok_or_else(wrong)?);
                }
                "02" => day = digits(&mut rest, 2, 2).ok_or_else(wrong)?,
                "_2" => {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                    day = digits(&mut rest, 1, 2).ok_or_else(wrong)?;
                }
                "2" => day = digits(&mut rest, 1, 2).ok_or_else(wrong)?,
                "15" | "03" => hour = digits(&mut rest, 2, 2).ok_or_else(wrong)?,
                "3" => hour = digits(&mut rest, 1, 2).ok_or_else(wrong)?,
                "04" => minute = digits(&mut rest, 2, 2).ok_or_else(wrong)?,
                "4" => minute = digits(&mut rest, 1, 2).ok_or_else(wrong)?,
                "05" | "5" => {
                    second = digits(&mut rest, field.len(), 2).ok_or_else(wrong)?;
                    // A fraction may follow the seconds, whether the layout has one or not.
                    if !matches!(self.0.get(i + 1), Some(Piece::Fraction(..)))
                        && let Some(found) = fraction(&mut rest)
                    {
                        nanos = found;
                    }
                }
                "PM" | "pm" => {
                    let (word, after) = rest.split_at_checked(2).ok_or_else(wrong)?;
                    afternoon = word.eq_ignore_ascii_case("pm");
                    morning = word.eq_ignore_ascii_case("am");
                    if !afternoon && !morning {
                        return Err(wrong());
                    }
                    rest = after;
                }
                "MST" => {
                    let end = rest.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(rest.len());
                    if end < 3 {
                        return Err(wrong());
                    }
                    rest = &rest[end..];
                }
                shape => offset = read_offset(shape, &mut rest).ok_or_else(wrong)?,
            }
        }
        if !rest.is_empty() {
            return Err(Fault::value(format!("parsing time {whole:?}: extra text: {rest:?}")));
        }
        if afternoon && hour < 12 {
            hour += 12;
        } else if morning && hour == 12 {
            hour = 0;
        }
        let small = |value: i64| i8::try_from(value).map_err(|_| wrong());
        let date = match day_of_year {
            Some(day) => Date::new(i16::try_from(year).map_err(|_| wrong())?, 1, 1)
                .ok()
                .and_then(|first| first.checked_add(jiff::Span::new().days(day - 1)).ok()),
            None => Date::new(i16::try_from(year).map_err(|_| wrong())?, small(month)?, small(day)?).ok(),
        };
        let out_of_range = || Fault::value(format!("parsing time {whole:?}: a field is out of range"));
        let date = date.ok_or_else(out_of_range)?;
        if hour > 23 || minute > 59 || second > 59 {
            return Err(out_of_range());
        }
        let epoch = Date::new(1970, 1, 1).map_err(|_| wrong())?;
        let days = i128::from((date - epoch).get_days());
        let seconds = days * 86_400 + i128::from(hour * 3600 + minute * 60 + second - offset);
        Ok(seconds * 1_000_000_000 + i128::from(nanos))
    }
}

fn write_offset(shape: &str, offset: i32, out: &mut String) {
    if shape.starts_with('Z') && offset == 0 {
        out.push('Z');
        return;
    }
    let (sign, size) = if offset < 0 { ('-', -offset) } else { ('+', offset) };
    let (hours, minutes, seconds) = (size / 3600, size / 60 % 60, size % 60);
    let _ = match &shape[1..] {
        "07:00" => write!(out, "{sign}{hours:02}:{minutes:02}"),
        "07:00:00" => write!(out, "{sign}{hours:02}:{minutes:02}:{seconds:02}"),
        "0700" => write!(out, "{sign}{hours:02}{minutes:02}"),
        "070000" => write!(out, "{sign}{hours:02}{minutes:02}{seconds:02}"),
        _ => write!(out, "{sign}{hours:02}"),
    };
}

fn read_offset(shape: &str, rest: &mut &str) -> Option<i64> {
    if shape.starts_with('Z')
        && let Some(after) = rest.strip_prefix('Z')
    {
        *rest = after;
        return Some(0);
    }
    let sign = match rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let mut total = digits(rest, 2, 2)? * 3600;
    for (i, part) in [60, 1].into_iter().enumerate() {
        let colons = shape.matches(':').count();
        let parts = if colons > 0 { colons } else { (shape.len() - 3) / 2 };
        if i < parts {
            if colons > 0 {
                *rest = rest.strip_prefix(':')?;
            }
            total += digits(rest, 2, 2)? * part;
        }
    }
    Some(sign * total)
}

fn digits(rest: &mut &str, least: usize, most: usize) -> Option<i64> {
    let end = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if end < least {
        return None;
    }
    let (number, after) = rest.split_at(end);
    *rest = after;
    number.parse().ok()
}

/// `.123` as nanoseconds.
fn fraction(rest: &mut &str) -> Option<i64> {
    let after = rest.strip_prefix(['.', ','])?;
    let end = after.bytes().take_while(u8::is_ascii_digit).count();
    if end == 0 {
        return None;
    }
    let shown: String = after[..end].chars().chain("000000000".chars()).take(9).collect();
    *rest = &after[end..];
    shown.parse().ok()
}

/// One of some words, whole or by its first three letters.
fn word(rest: &mut &str, words: &[&str], short: bool) -> Option<i64> {
    let at = words.iter().position(|word| {
        let word = if short { &word[..3] } else { word };
        rest.get(..word.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(word))
    })?;
    let len = if short { 3 } else { words[at].len() };
    *rest = &rest[len..];
    i64::try_from(at).ok()
}
