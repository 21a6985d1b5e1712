//! Wildcards over texts with separators, and whether two of them have a text in common.

use std::collections::BTreeSet;

use super::super::error::Fault;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, array, builtin, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("glob.match", 3, matches),
    builtin("glob.quote_meta", 1, |_, a| {
        let mut out = String::new();
        for c in text(a, 0)?.chars() {
            if "*?\\[]{}".contains(c) {
                out.push('\\');
            }
            out.push(c);
        }
        Ok(Value::str(out))
    }),
];

fn matches<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let pattern = text(a, 0)?;
    let mut separators = String::new();
    if a[1].kind() != Type::Null {
        for item in array(a, 1)?.iter() {
            let item = item.as_str().ok_or_else(|| super::wrong(1, "array of strings", item))?;
            separators.push_str(item);
        }
        if separators.is_empty() {
            separators.push('.');
        }
    }
    let whole = text(a, 2)?;
    env.work(whole.len())?;
    // Compiled expressions are kept, so that a pattern is translated but not compiled anew.
    let regex = env.pattern(&to_regex(pattern, &separators)?)?;
    Ok(Value::Bool(regex.is_match(whole)))
}

fn to_regex(pattern: &str, separators: &str) -> Result<String, Fault> {
    let mut class = String::new();
    for c in separators.chars() {
        class.push_str(
            &regex::escape(&c.to_string())
                .replace('-', "\\-")
                .replace('&', "\\&")
                .replace('~', "\\~"),
        );
    }
    let single = if class.is_empty() {
        "(?s:.)".to_owned()
    } else {
        format!("[^{class}]")
    };
    let mut out = "^".to_owned();
    let mut chars = pattern.chars().peekable();
    let mut depth = 0u32;
    while let Some(c) = chars.next() {
        match c {
            '*' if chars.peek() == Some(&'*') => {
                while chars.peek() == Some(&'*') {
                    chars.next();
                }
                out.push_str("(?s:.)*");
            }
            '*' => {
                out.push_str(&single);
                out.push('*');
            }
            '?' => out.push_str(&single),
            '\\' => {
                let c = chars.next().unwrap_or('\\');
                out.push_str(&regex::escape(&c.to_string()));
            }
            '[' => {
                out.push('[');
                if chars.peek() == Some(&'!') || chars.peek() == Some(&'^') {
                    chars.next();
                    out.push('^');
                }
                let mut closed = false;
                for c in chars.by_ref() {
                    match c {
                        ']' => {
                            closed = true;
                            break;
                        }
                        '-' => out.push('-'),
                        c => out.push_str(&regex::escape(&c.to_string())),
                    }
                }
                if !closed {
                    return Err(Fault::value("the glob has a `[` without its `]`"));
                }
                out.push(']');
            }
            '{' => {
                depth += 1;
                out.push_str("(?:");
            }
            '}' if depth > 0 => {
                depth -= 1;
                out.push(')');
            }
            ',' if depth > 0 => out.push('|'),
            c => out.push_str(&regex::escape(&c.to_string())),
        }
    }
    if depth > 0 {
        return Err(Fault::value("the glob has a `{` without its `}`"));
    }
    out.push('$');
    Ok(out)
}

/// The characters one place may have.
#[derive(Clone, Debug)]
enum Class {
    Any,
    Of(BTreeSet<char>),
}

impl Class {
    fn meets(&self, other: &Class) -> bool {
        match (self, other) {
            (Class::Of(a), Class::Of(b)) => !a.is_disjoint(b),
            (Class::Any, Class::Of(set)) | (Class::Of(set), Class::Any) => !set.is_empty(),
            (Class::Any, Class::Any) => true,
        }
    }
}

/// A place with how often it may stand: at least so often, and whether more.
type Place = (Class, bool, bool);

/// Whether two simple expressions (`.`, `[a-z]`, `*`, `+`) have a non-empty text in common.
pub(super) fn intersect(env: &Env<'_>, a: &str, b: &str) -> Result<bool, Fault> {
    let (a, b) = (places(a)?, places(b)?);
    env.work(a.len() * b.len() * 16)?;
    // States are positions in both; `true` when at least one character was read.
    let mut queue = vec![(0usize, 0usize, false)];
    let mut seen = BTreeSet::new();
    while let Some((i, j, read)) = queue.pop() {
        if !seen.insert((i, j, read)) {
            continue;
        }
        if i == a.len() && j == b.len() && read {
            return Ok(true);
        }
        let (left, right) = (a.get(i), b.get(j));
        if left.is_some_and(|(_, needed, _)| !needed) {
            queue.push((i + 1, j, read));
        }
        if right.is_some_and(|(_, needed, _)| !needed) {
            queue.push((i, j + 1, read));
        }
        if let (Some((x, _, x_more)), Some((y, _, y_more))) = (left, right)
            && x.meets(y)
        {
            queue.push((i + 1, j + 1, true));
            if *x_more {
                queue.push((i, j + 1, true));
            }
            if *y_more {
                queue.push((i + 1, j, true));
            }
            if *x_more && *y_more {
                queue.push((i, j, true));
            }
        }
    }
    Ok(false)
}

fn places(pattern: &str) -> Result<Vec<Place>, Fault> {
    let invalid = |pos: usize, why: &str| {
        Fault::value(format!(
            "input:{pattern}, pos:{pos}, {why}: the input provided is invalid"
        ))
    };
    let mut out: Vec<Place> = Vec::new();
    let chars: Vec<char> = pattern.chars().collect();
    let mut i = 0;
    while i < chars.len() {
        let at = i;
        let class = match chars[i] {
            '.' => Class::Any,
            '*' | '+' => {
                return Err(invalid(
                    at + 1,
                    &format!("flag '{}' must be preceded by a character", chars[i]),
                ));
            }
            ']' => return Err(invalid(at + 1, "set-close ']' with no preceding '['")),
            '[' => {
                let mut set = BTreeSet::new();
                i += 1;
                loop {
                    match chars.get(i) {
                        None => return Err(invalid(i, "no set-close ']' found")),
                        Some(']') => break,
                        Some(_) if chars.get(i + 1) == Some(&'-') && chars.get(i + 2).is_some_and(|c| *c != ']') => {
                            if chars[i] > chars[i + 2] {
                                return Err(invalid(i + 1, "a range must go upwards"));
                            }
                            set.extend((chars[i]..=chars[i + 2]).take(4096));
                            i += 3;
                        }
                        Some('\\') if chars.get(i + 1).is_some() => {
                            set.insert(chars[i + 1]);
                            i += 2;
                        }
                        Some(c) => {
                            set.insert(*c);
                            i += 1;
                        }
                    }
                }
                Class::Of(set)
            }
            '\\' if i + 1 < chars.len() => {
                i += 1;
                Class::Of(BTreeSet::from([chars[i]]))
            }
            c => Class::Of(BTreeSet::from([c])),
        };
        i += 1;
        let place = match chars.get(i) {
            Some('*') => (class, false, true),
            Some('+') => (class, true, true),
            _ => {
                out.push((class, true, false));
                continue;
            }
        };
        out.push(place);
        i += 1;
    }
    Ok(out)
}
