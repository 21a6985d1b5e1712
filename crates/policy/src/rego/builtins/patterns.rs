//! Regular expressions.

use super::super::error::Fault;
use super::super::value::Value;
use super::{Answer, Builtin, Env, builtin, glob, integer, text};
use crate::budget::MAX_REGEX_TEXT;

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("regex.match", 2, is_match),
    builtin("re_match", 2, is_match),
    builtin("regex.is_valid", 1, |env, a| {
        Ok(Value::Bool(
            a[0].as_str().is_some_and(|pattern| env.pattern(pattern).is_ok()),
        ))
    }),
    builtin("regex.split", 2, |env, a| {
        let regex = env.pattern(text(a, 0)?)?;
        let whole = bounded(env, a, 1)?;
        let mut parts = Vec::new();
        let (mut from, mut to) = (0, 0);
        if !whole.is_empty() {
            for found in regex.find_iter(whole) {
                to = found.start();
                // A match of nothing at the beginning parts nothing.
                if found.end() > 0 {
                    parts.push(Value::str(&whole[from..to]));
                }
                from = found.end();
            }
        }
        if to != whole.len() || whole.is_empty() && !text(a, 0)?.is_empty() {
            parts.push(Value::str(&whole[from..]));
        }
        Ok(Value::array(parts))
    }),
    builtin("regex.find_n", 3, |env, a| {
        let regex = env.pattern(text(a, 0)?)?;
        let found = regex
            .find_iter(bounded(env, a, 1)?)
            .map(|found| Value::str(found.as_str()));
        Ok(Value::array(found.take(limit(a, 2)?).collect()))
    }),
    builtin("regex.find_all_string_submatch_n", 3, |env, a| {
        let regex = env.pattern(text(a, 0)?)?;
        let groups = |found: regex::Captures<'_>| {
            let groups = found
                .iter()
                .map(|group| Value::str(group.map_or("", |group| group.as_str())));
            Value::array(groups.collect())
        };
        let found = regex.captures_iter(bounded(env, a, 1)?).map(groups);
        Ok(Value::array(found.take(limit(a, 2)?).collect()))
    }),
    builtin("regex.replace", 3, |env, a| {
        let regex = env.pattern(text(a, 1)?)?;
        let whole = bounded(env, a, 0)?;
        let out = regex.replace_all(whole, text(a, 2)?).into_owned();
        env.work(out.len())?;
        Ok(Value::str(out))
    }),
    builtin("regex.template_match", 4, template_match),
    builtin("regex.globs_match", 2, |env, a| {
        Ok(Value::Bool(glob::intersect(env, text(a, 0)?, text(a, 1)?)?))
    }),
];

fn is_match<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let regex = env.pattern(text(a, 0)?)?;
    Ok(Value::Bool(regex.is_match(bounded(env, a, 1)?)))
}

/// A text that is not too long to search.
fn bounded<'a>(env: &Env<'_>, a: &'a [Value<'_>], at: usize) -> Result<&'a str, Fault> {
    let whole = text(a, at)?;
    env.work(whole.len())?;
    if whole.len() > MAX_REGEX_TEXT {
        return Err(Fault::value("the text is too long for a regular expression"));
    }
    Ok(whole)
}

fn limit(a: &[Value<'_>], at: usize) -> Result<usize, Fault> {
    Ok(usize::try_from(integer(a, at)?).unwrap_or(usize::MAX))
}

/// A text with regular expressions between delimiters.
fn template_match<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let delimiter = |at: usize| -> Result<char, Fault> {
        let mut chars = text(a, at)?.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(c),
            _ => Err(Fault::value("delimiters must be exactly one character in length")),
        }
    };
    let (open, close) = (delimiter(2)?, delimiter(3)?);
    let mut pattern = "^".to_owned();
    let mut rest = text(a, 0)?;
    let unbalanced = || Fault::value(format!("unbalanced braces in {:?}", a[0].as_str().unwrap_or_default()));
    while let Some(at) = rest.find(open) {
        if rest[..at].contains(close) {
            return Err(unbalanced());
        }
        pattern.push_str(&regex::escape(&rest[..at]));
        let inner = &rest[at + open.len_utf8()..];
        let mut depth = 0usize;
        let end = inner.char_indices().find(|(_, c)| {
            if *c == close && depth == 0 {
                return true;
            }
            depth = depth + usize::from(*c == open) - usize::from(*c == close && depth > 0);
            false
        });
        let (end, _) = end.ok_or_else(unbalanced)?;
        pattern.push_str(&format!("(?:{})", &inner[..end]));
        rest = &inner[end + close.len_utf8()..];
    }
    if rest.contains(close) {
        return Err(unbalanced());
    }
    pattern.push_str(&regex::escape(rest));
    pattern.push('$');
    Ok(Value::Bool(env.pattern(&pattern)?.is_match(bounded(env, a, 1)?)))
}
