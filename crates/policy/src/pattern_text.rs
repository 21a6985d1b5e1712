//! Wildcards and regular expressions, with limits.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};

/// Whether a text matches a pattern of `*` (any run) and `?` (any one character).
pub fn wildcard(pattern: &str, text: &str) -> bool {
    if pattern == "*" || pattern == text {
        return true;
    }
    if !pattern.contains(['*', '?']) {
        return false;
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, t));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((star_p, star_t)) = star {
            p = star_p + 1;
            t = star_t + 1;
            star = Some((star_p, star_t + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Whether a text holds wildcard characters.
pub(crate) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

thread_local! {
    static COMPILED: RefCell<HashMap<String, Arc<Regex>>> = RefCell::new(HashMap::new());
}

/// How many compiled expressions a thread keeps.
const KEPT: usize = 256;

/// A compiled regular expression. Matching is linear in the text, and the compiled form is bounded, so neither a
/// policy nor an object can make it explode. It is shared, not copied: a copy would begin with an empty cache.
pub(crate) fn regex(source: &str) -> Result<Arc<Regex>, String> {
    if let Some(regex) = COMPILED.with_borrow(|kept| kept.get(source).cloned()) {
        return Ok(regex);
    }
    let regex = RegexBuilder::new(source)
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let text = error.to_string();
            let why = text
                .lines()
                .last()
                .unwrap_or_default()
                .trim()
                .trim_start_matches("error: ");
            format!("{source:?} is not a regular expression: {why}")
        })?;
    let regex = Arc::new(regex);
    COMPILED.with_borrow_mut(|kept| {
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(source.to_owned(), regex.clone());
    });
    Ok(regex)
}

/// A text of a simple pattern: literals, classes, and `{n}` or `{n,m}` after them.
pub(crate) fn sample(pattern: &str, mut seed: u64) -> Option<String> {
    let mut next = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 11) as usize % below.max(1)
    };
    let mut out = String::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        let class: Vec<char>;
        if c == '[' {
            let end = rest.find(']')?;
            class = expand(&rest[1..end])?;
            rest = &rest[end + 1..];
        } else {
            class = vec![c];
            rest = &rest[c.len_utf8()..];
        }
        let mut count = 1;
        if rest.starts_with('{') {
            let end = rest.find('}')?;
            let (low, high) = rest[1..end].split_once(',').unwrap_or((&rest[1..end], &rest[1..end]));
            let (low, high): (usize, usize) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
            count = low + next(high.checked_sub(low)? + 1);
            rest = &rest[end + 1..];
        }
        if class.is_empty() || out.len() + count > 4096 {
            return None;
        }
        out.extend((0..count).map(|_| class[next(class.len())]));
    }
    Some(out)
}

fn expand(class: &str) -> Option<Vec<char>> {
    let chars: Vec<char> = class.chars().collect();
    let mut out = Vec::new();
    let mut i = 0;
    while i < chars.len() {
        if i + 2 < chars.len() && chars[i + 1] == '-' {
            if chars[i] > chars[i + 2] || !chars[i].is_ascii() || !chars[i + 2].is_ascii() {
                return None;
            }
            out.extend(chars[i]..=chars[i + 2]);
            i += 3;
        } else {
            out.push(chars[i]);
            i += 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        for (pattern, text, want) in [
            ("*", "", true),
            ("?*", "", false),
            ("?*", "a", true),
            ("nginx:*", "nginx:1", true),
            ("*:latest", "a/b:latest", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("abc", "abcd", false),
        ] {
            assert_eq!(wildcard(pattern, text), want, "{pattern} {text}");
        }
    }

    #[test]
    fn samples_follow_their_pattern() {
        let text = sample("app-[a-c0-1]{6}", 7).unwrap();
        assert!(regex("^app-[a-c0-1]{6}$").unwrap().is_match(&text), "{text}");
        assert_eq!(sample("[z-a]", 1), None);
        assert!(regex("(a{500}){500}").is_err(), "the compiled form is bounded");
    }
}
