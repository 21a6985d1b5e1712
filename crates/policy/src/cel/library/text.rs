//! Functions of texts and URLs.

use std::net::IpAddr;
use std::sync::Arc;

use crate::budget::MAX_REGEX_TEXT;
use crate::cel::eval::{Answer, Fault, fail};
use crate::cel::value::Cel;
use crate::pattern_text;

use super::overload;

fn regex(source: &str, text: &str) -> Result<Arc<regex::Regex>, Fault> {
    if text.len() > MAX_REGEX_TEXT {
        return fail(format!("a text longer than {MAX_REGEX_TEXT} bytes is not searched"));
    }
    pattern_text::regex(source).map_err(Fault::invalid)
}

/// The place of a found byte offset, in characters.
fn characters(text: &str, bytes: Option<usize>) -> i64 {
    bytes.map_or(-1, |at| text[..at].chars().count() as i64)
}

/// The byte offset of a character.
fn offset(text: &str, at: i64) -> Option<usize> {
    let at = usize::try_from(at).ok()?;
    text.char_indices().map(|(i, _)| i).chain([text.len()]).nth(at)
}

fn part<'a>(text: &str, from: i64, to: i64) -> Answer<'a> {
    match (offset(text, from), offset(text, to)) {
        (Some(a), Some(b)) if a <= b => Ok(Cel::text(&text[a..b])),
        _ => fail(format!(
            "index out of range: {from} to {to} of {} characters",
            text.chars().count()
        )),
    }
}

pub(super) fn matches(text: &str, pattern: &str) -> Result<bool, Fault> {
    Ok(regex(pattern, text)?.is_match(text))
}

/// `regex.replace`, `regex.extract` and `regex.extractAll`.
pub(super) fn regex_call<'a>(name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let texts: Vec<&str> = arguments.iter().filter_map(Cel::as_str).collect();
    let [text, pattern, ..] = texts.as_slice() else {
        return overload(&format!("regex.{name}"), None, arguments);
    };
    let compiled = regex(pattern, text)?;
    // Of one group what it holds is meant, of none the whole.
    let group = compiled.captures_len() - 1;
    if group > 1 && name != "replace" {
        return fail(format!(
            "regex.{name} takes a pattern of at most one group, and {pattern:?} has {group}"
        ));
    }
    Ok(match (name, arguments, texts.as_slice()) {
        ("extract", [_, _], _) => match compiled.captures(text).and_then(|found| found.get(group)) {
            Some(found) => Cel::some(Cel::text(found.as_str())),
            None => Cel::Optional(None),
        },
        ("extractAll", [_, _], _) => {
            let found = compiled.captures_iter(text).filter_map(|found| found.get(group));
            Cel::list(found.map(|found| Cel::text(found.as_str())).collect())
        }
        ("replace", [_, _, _, rest @ ..], [_, _, with]) => {
            let count = match rest {
                [] => usize::MAX,
                [Cel::Int(count)] => usize::try_from(*count).unwrap_or(usize::MAX),
                _ => return overload("regex.replace", None, arguments),
            };
            if count == 0 {
                return Ok(Cel::text(*text));
            }
            // `\1` is the first group.
            let mut template = String::with_capacity(with.len());
            let mut chars = with.chars();
            while let Some(c) = chars.next() {
                match (c, c == '\\') {
                    (_, true) => match chars.next() {
                        Some(digit) if digit.is_ascii_digit() && digit as usize - '0' as usize <= group => {
                            template.push_str(&format!("${{{digit}}}"));
                        }
                        Some('\\') => template.push('\\'),
                        _ => return fail(format!("{with:?} is no replacement: write \\1 for the first group")),
                    },
                    ('$', _) => template.push_str("$$"),
                    (other, _) => template.push(other),
                }
            }
            let limit = if count == usize::MAX { 0 } else { count };
            Cel::text(compiled.replacen(text, limit, template.as_str()).into_owned())
        }
        _ => return overload(&format!("regex.{name}"), None, arguments),
    })
}

pub(super) fn method<'a>(text: &str, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let texts: Vec<&str> = arguments.iter().filter_map(Cel::as_str).collect();
    Ok(match (name, arguments, texts.as_slice()) {
        ("startsWith", [_], [part]) => Cel::Bool(text.starts_with(part)),
        ("endsWith", [_], [part]) => Cel::Bool(text.ends_with(part)),
        ("contains", [_], [part]) => Cel::Bool(text.contains(part)),
        ("matches", [_], [pattern]) => Cel::Bool(regex(pattern, text)?.is_match(text)),
        ("find", [_], [pattern]) => Cel::text(regex(pattern, text)?.find(text).map_or("", |found| found.as_str())),
        ("findAll", [_], [pattern]) => Cel::list(
            regex(pattern, text)?
                .find_iter(text)
                .map(|found| Cel::text(found.as_str()))
                .collect(),
        ),
        ("findAll", [_, Cel::Int(limit)], [pattern]) => {
            let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
            let found = regex(pattern, text)?;
            Cel::list(
                found
                    .find_iter(text)
                    .take(limit)
                    .map(|found| Cel::text(found.as_str()))
                    .collect(),
            )
        }
        ("lowerAscii", [], _) => Cel::text(text.to_ascii_lowercase()),
        ("upperAscii", [], _) => Cel::text(text.to_ascii_uppercase()),
        ("trim", [], _) => Cel::text(text.trim()),
        ("lastIndexOf", [_, Cel::Int(until)], [part]) => match offset(text, *until) {
            Some(last) => {
                let found = text.rmatch_indices(part).map(|(at, _)| at).find(|at| *at <= last);
                // What overlaps is not among the matches from the end.
                let overlapping = text.char_indices().map(|(at, _)| at).chain([text.len()]).rev();
                let exact = overlapping
                    .filter(|at| *at <= last)
                    .find(|at| text[*at..].starts_with(part));
                Cel::Int(characters(text, exact.or(found)))
            }
            None => return fail(format!("index out of range: {until}")),
        },
        ("reverse", [], _) => Cel::text(text.chars().rev().collect::<String>()),
        ("indexOf", [_], [part]) => Cel::Int(characters(text, text.find(part))),
        ("lastIndexOf", [_], [part]) => Cel::Int(characters(text, text.rfind(part))),
        ("indexOf", [_, Cel::Int(from)], [part]) => match offset(text, *from) {
            Some(start) => Cel::Int(characters(text, text[start..].find(part).map(|at| at + start))),
            None => return fail(format!("index out of range: {from}")),
        },
        ("charAt", [Cel::Int(at)], _) if *at == text.chars().count() as i64 => Cel::text(""),
        ("charAt", [Cel::Int(at)], _) => return part(text, *at, *at + 1),
        ("substring", [Cel::Int(from)], _) => return part(text, *from, text.chars().count() as i64),
        ("substring", [Cel::Int(from), Cel::Int(to)], _) => return part(text, *from, *to),
        ("replace", [_, _], [from, to]) => Cel::text(text.replace(from, to)),
        ("replace", [_, _, Cel::Int(count)], [from, to]) => match usize::try_from(*count) {
            Ok(count) => Cel::text(text.replacen(from, to, count)),
            Err(_) => Cel::text(text.replace(from, to)),
        },
        ("split", [_], [at]) => split(text, at, usize::MAX),
        ("split", [_, Cel::Int(limit)], [at]) => split(text, at, usize::try_from(*limit).unwrap_or(usize::MAX)),
        ("format", [list], _) if list.is_list() => return super::format::format(text, &list.items()),
        ("registry" | "repository" | "tag" | "digest" | "identifier" | "containsDigest", [], _) => {
            return match crate::image::parse(text) {
                Some(image) => super::of_image(&image, name, arguments),
                None => fail(format!("{text:?} is not an image reference")),
            };
        }
        ("isIP", [], _) => Cel::Bool(text.parse::<IpAddr>().is_ok()),
        _ => return overload(name, Some(&Cel::text(text)), arguments),
    })
}

fn split<'a>(text: &str, at: &str, limit: usize) -> Cel<'a> {
    if limit == 0 {
        return Cel::list(Vec::new());
    }
    if at.is_empty() {
        return Cel::list(text.chars().map(|c| Cel::text(c.to_string())).collect());
    }
    Cel::list(text.splitn(limit, at).map(Cel::text).collect())
}

/// Scheme, host with port, path and query of a URL.
fn parts(url: &str) -> (&str, &str, &str, &str) {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split('#').next().unwrap_or(rest);
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (host, path) = match (scheme, rest.find('/')) {
        ("", _) => ("", rest),
        (_, Some(at)) => rest.split_at(at),
        (_, None) => (rest, ""),
    };
    (
        scheme,
        host.rsplit_once('@').map_or(host, |(_, host)| host),
        path,
        query,
    )
}

pub(super) fn is_url(text: &str) -> bool {
    let (scheme, host, path, _) = parts(text);
    let plain = |text: &str| !text.chars().any(|c| c.is_whitespace() || c.is_control());
    plain(text) && (!scheme.is_empty() && !host.is_empty() || scheme.is_empty() && path.starts_with('/'))
}

pub(super) fn of_url<'a>(url: &str, name: &str, arguments: &[Cel<'a>]) -> Answer<'a> {
    let (scheme, host, path, query) = parts(url);
    let port = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    Ok(match name {
        "getScheme" => Cel::text(scheme),
        "getHost" => Cel::text(host),
        "getHostname" => Cel::text(port.map_or(host, |(name, _)| name).trim_matches(['[', ']'])),
        "getPort" => Cel::text(port.map_or("", |(_, port)| port)),
        "getEscapedPath" => Cel::text(path),
        "getQuery" => {
            let mut out: Vec<(Cel<'a>, Vec<Cel<'a>>)> = Vec::new();
            for pair in query.split('&').filter(|pair| !pair.is_empty()) {
                let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
                match out.iter_mut().find(|(k, _)| k.as_str() == Some(key)) {
                    Some((_, values)) => values.push(Cel::text(value)),
                    None => out.push((Cel::text(key), vec![Cel::text(value)])),
                }
            }
            Cel::map(out.into_iter().map(|(key, values)| (key, Cel::list(values))).collect())
        }
        _ => return overload(name, None, arguments),
    })
}
