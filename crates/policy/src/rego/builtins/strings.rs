//! Texts.

use super::super::error::Fault;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, array, builtin, format, integer, list, num, object, template, text, wrong};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("concat", 2, |env, a| {
        let between = text(a, 0)?;
        let items = list(a, 1)?;
        let mut out = String::new();
        for (i, item) in items.iter().enumerate() {
            let Some(item) = item.as_str() else {
                let kind = a[1].kind().name();
                let of = item.kind().name();
                return Err(Fault::Type(format!(
                    "operand 2 must be {kind} of strings but got {kind} containing {of}"
                )));
            };
            if i > 0 {
                out.push_str(between);
            }
            out.push_str(item);
        }
        env.work(out.len())?;
        Ok(Value::str(out))
    }),
    builtin("contains", 2, |env, a| {
        env.work(text(a, 0)?.len())?;
        Ok(Value::Bool(text(a, 0)?.contains(text(a, 1)?)))
    }),
    builtin("startswith", 2, |_, a| {
        Ok(Value::Bool(text(a, 0)?.starts_with(text(a, 1)?)))
    }),
    builtin("endswith", 2, |_, a| {
        Ok(Value::Bool(text(a, 0)?.ends_with(text(a, 1)?)))
    }),
    builtin("lower", 1, |env, a| mapped(env, a, |c| single(c, c.to_lowercase()))),
    builtin("upper", 1, |env, a| mapped(env, a, |c| single(c, c.to_uppercase()))),
    builtin("trim", 2, |_, a| {
        let cut = text(a, 1)?;
        Ok(Value::str(text(a, 0)?.trim_matches(|c| cut.contains(c))))
    }),
    builtin("trim_left", 2, |_, a| {
        let cut = text(a, 1)?;
        Ok(Value::str(text(a, 0)?.trim_start_matches(|c| cut.contains(c))))
    }),
    builtin("trim_right", 2, |_, a| {
        let cut = text(a, 1)?;
        Ok(Value::str(text(a, 0)?.trim_end_matches(|c| cut.contains(c))))
    }),
    builtin("trim_prefix", 2, |_, a| {
        let (whole, cut) = (text(a, 0)?, text(a, 1)?);
        Ok(Value::str(whole.strip_prefix(cut).unwrap_or(whole)))
    }),
    builtin("trim_suffix", 2, |_, a| {
        let (whole, cut) = (text(a, 0)?, text(a, 1)?);
        Ok(Value::str(whole.strip_suffix(cut).unwrap_or(whole)))
    }),
    builtin("trim_space", 1, |_, a| Ok(Value::str(text(a, 0)?.trim()))),
    builtin("split", 2, |env, a| {
        let (whole, by) = (text(a, 0)?, text(a, 1)?);
        env.work(whole.len())?;
        Ok(Value::array(parts(whole, by).into_iter().map(Value::str).collect()))
    }),
    builtin("strings.split_n", 3, split_n),
    builtin("replace", 3, |env, a| {
        let (whole, old, new) = (text(a, 0)?, text(a, 1)?, text(a, 2)?);
        env.work(whole.len() * (1 + new.len()))?;
        Ok(Value::str(whole.replace(old, new)))
    }),
    builtin("strings.replace_n", 2, replace_n),
    builtin("strings.reverse", 1, |_, a| {
        let whole = a[0].as_str().ok_or_else(|| wrong(0, "string", &a[0]))?;
        Ok(Value::str(whole.chars().rev().collect::<String>()))
    }),
    builtin("strings.count", 2, |env, a| {
        let (whole, part) = (text(a, 0)?, text(a, 1)?);
        env.work(whole.len())?;
        Ok(Value::usize(if part.is_empty() {
            whole.chars().count() + 1
        } else {
            whole.matches(part).count()
        }))
    }),
    builtin("strings.any_prefix_match", 2, |env, a| {
        any_match(env, a, |s, p| s.starts_with(p))
    }),
    builtin("strings.any_suffix_match", 2, |env, a| {
        any_match(env, a, |s, p| s.ends_with(p))
    }),
    builtin("strings.render_template", 2, |env, a| {
        let template = text(a, 0)?;
        object(a, 1)?;
        let out = template::render(env, template, &a[1])?;
        env.work(out.len())?;
        Ok(Value::str(out))
    }),
    builtin("indexof", 2, |env, a| {
        let (whole, part) = (text(a, 0)?, text(a, 1)?);
        if part.is_empty() {
            return Err(Fault::value("empty search character"));
        }
        env.work(whole.len())?;
        Ok(match whole.find(part) {
            Some(at) => Value::usize(whole[..at].chars().count()),
            None => Value::int(-1),
        })
    }),
    builtin("indexof_n", 2, |env, a| {
        let (whole, part) = (text(a, 0)?, text(a, 1)?);
        if part.is_empty() {
            return Err(Fault::value("empty search character"));
        }
        env.work(whole.len())?;
        let starts = whole.char_indices().enumerate();
        let found = starts.filter(|(_, (at, _))| whole[*at..].starts_with(part));
        Ok(Value::array(found.map(|(i, _)| Value::usize(i)).collect()))
    }),
    builtin("substring", 3, |_, a| {
        let whole = text(a, 0)?;
        let (from, length) = (integer(a, 1)?, integer(a, 2)?);
        let Ok(from) = usize::try_from(from) else {
            return Err(Fault::value("negative offset"));
        };
        let rest = whole.chars().skip(from);
        Ok(Value::str(match usize::try_from(length) {
            Ok(length) => rest.take(length).collect::<String>(),
            Err(_) => rest.collect(),
        }))
    }),
    builtin("format_int", 2, |_, a| {
        let number = num(a, 0)?;
        let radix = match integer(a, 1) {
            Ok(radix @ (2 | 8 | 10 | 16)) => radix as u32,
            _ => return Err(Fault::Type("operand 2 must be one of {2, 8, 10, 16}".into())),
        };
        let whole = match number.to_big() {
            Some(whole) => whole,
            None => num_bigint::BigInt::from(number.as_f64().trunc() as i128),
        };
        Ok(Value::str(whole.to_str_radix(radix)))
    }),
    builtin("sprintf", 2, |env, a| {
        let out = format::sprintf(text(a, 0)?, &array(a, 1)?)?;
        env.work(out.len())?;
        Ok(Value::str(out))
    }),
];

/// What lies between separators; without one, the characters.
fn parts<'t>(whole: &'t str, by: &'t str) -> Vec<&'t str> {
    if by.is_empty() {
        whole.split("").filter(|c| !c.is_empty()).collect()
    } else {
        whole.split(by).collect()
    }
}

/// The first parts, or with a negative count the last.
fn split_n<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let (whole, by, count) = (text(a, 0)?, text(a, 1)?, integer(a, 2)?);
    env.work(whole.len())?;
    let parts = parts(whole, by);
    let wanted = usize::try_from(count.unsigned_abs())
        .unwrap_or(usize::MAX)
        .min(parts.len());
    let kept = if count < 0 {
        &parts[parts.len() - wanted..]
    } else {
        &parts[..wanted]
    };
    Ok(Value::array(kept.iter().map(|part| Value::str(*part)).collect()))
}

fn mapped<'d>(env: &Env<'_>, a: &[Value<'d>], map: fn(char) -> char) -> Answer<'d> {
    let whole = text(a, 0)?;
    env.work(whole.len())?;
    Ok(Value::str(whole.chars().map(map).collect::<String>()))
}

/// The one character that another becomes; where that takes several, it stays.
fn single(c: char, mut mapped: impl ExactSizeIterator<Item = char>) -> char {
    match (mapped.len(), mapped.next()) {
        (1, Some(one)) => one,
        (_, Some('i')) => 'i',
        _ => c,
    }
}

fn any_match<'d>(env: &Env<'_>, a: &[Value<'d>], fits: fn(&str, &str) -> bool) -> Answer<'d> {
    let texts = |at: usize| -> Result<Vec<Value<'d>>, Fault> {
        if a[at].kind() == Type::String {
            return Ok(vec![a[at].clone()]);
        }
        let items = a[at]
            .as_list()
            .ok_or_else(|| wrong(at, "one of {string, set, array}", &a[at]))?;
        let kind = a[at].kind().name();
        if let Some(item) = items.iter().find(|item| item.as_str().is_none()) {
            return Err(Fault::Type(format!(
                "operand {} must be {kind} of strings but got {kind} containing {}",
                at + 1,
                item.kind().name()
            )));
        }
        Ok(items.to_vec())
    };
    let (whole, parts) = (texts(0)?, texts(1)?);
    env.work(whole.len() * parts.len() * 16)?;
    let any = whole.iter().filter_map(Value::as_str).any(|whole| {
        let mut parts = parts.iter().filter_map(Value::as_str);
        parts.any(|part| fits(whole, part))
    });
    Ok(Value::Bool(any))
}

/// Replaces all patterns at once, by the first that fits in the order of the patterns.
fn replace_n<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let members = object(a, 0)?;
    let whole = text(a, 1)?;
    let mut pairs = Vec::new();
    for (key, value) in members.iter() {
        let key = key
            .as_str()
            .ok_or_else(|| Fault::Type("operand 1 non-string key found in pattern object".into()))?;
        let value = value
            .as_str()
            .ok_or_else(|| Fault::Type("operand 1 non-string value found in pattern object".into()))?;
        pairs.push((key, value));
    }
    env.work(whole.len() * (1 + pairs.len()))?;
    let mut out = String::new();
    let mut rest = whole;
    // The empty pattern fits everywhere, but not twice in one place.
    let mut empty = false;
    loop {
        let found = pairs
            .iter()
            .find(|(old, _)| rest.starts_with(old) && !(empty && old.is_empty()));
        if let Some((old, new)) = found {
            out.push_str(new);
            rest = &rest[old.len()..];
            empty = old.is_empty();
            continue;
        }
        empty = false;
        let Some(c) = rest.chars().next() else {
            return Ok(Value::str(out));
        };
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
}
