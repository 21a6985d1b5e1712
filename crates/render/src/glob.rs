//! Shell patterns for paths, as Argo CD's directory sources take them.

/// Whether a pattern matches a path: `*`, `?`, `[a-z]`, `{a,b}`; `*` does not cross `/`, `**` does.
pub(crate) fn matches(pattern: &str, path: &str) -> bool {
    expand(pattern).iter().any(|p| {
        let (p, t): (Vec<char>, Vec<char>) = (p.chars().collect(), path.chars().collect());
        here(&p, &t)
    })
}

/// Expands `{a,b}` alternatives; patterns that would explode are cut off.
fn expand(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![pattern.to_owned()];
    while let Some(next) = open.pop() {
        let group = next
            .find('{')
            .and_then(|start| closing(&next[start..]).map(|end| (start, start + end)));
        match group {
            Some((start, end)) if open.len() + done.len() < 1000 => {
                for choice in split_choices(&next[start + 1..end]) {
                    open.push(format!("{}{choice}{}", &next[..start], &next[end + 1..]));
                }
            }
            _ => done.push(next),
        }
    }
    done
}

fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

fn split_choices(text: &str) -> Vec<&str> {
    let (mut choices, mut depth, mut from) = (Vec::new(), 0, 0);
    for (i, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                choices.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    choices.push(&text[from..]);
    choices
}

fn here(pattern: &[char], text: &[char]) -> bool {
    // Where to try again: the last star, and how much it has swallowed.
    let (mut p, mut t) = (0, 0);
    let mut stars: Vec<(usize, usize, bool)> = Vec::new();
    loop {
        let step = match pattern.get(p) {
            Some('*') => {
                let deep = pattern.get(p + 1) == Some(&'*');
                let next = if deep { p + 2 } else { p + 1 };
                // `**/` also stands for nothing at all.
                if deep && pattern.get(next) == Some(&'/') && here(&pattern[next + 1..], &text[t..]) {
                    return true;
                }
                stars.push((next, t, deep));
                p = next;
                true
            }
            Some('?') => {
                t < text.len() && text[t] != '/' && {
                    (p, t) = (p + 1, t + 1);
                    true
                }
            }
            Some('[') => match (text.get(t), class(&pattern[p..])) {
                (Some(c), Some((len, test))) if *c != '/' && test(*c) => {
                    (p, t) = (p + len, t + 1);
                    true
                }
                _ => false,
            },
            Some('\\') if p + 1 < pattern.len() => {
                text.get(t) == Some(&pattern[p + 1]) && {
                    (p, t) = (p + 2, t + 1);
                    true
                }
            }
            Some(c) => {
                text.get(t) == Some(c) && {
                    (p, t) = (p + 1, t + 1);
                    true
                }
            }
            None if t == text.len() => return true,
            None => false,
        };
        if !step {
            loop {
                match stars.last_mut() {
                    None => return false,
                    Some((next, from, deep)) if *from < text.len() && (*deep || text[*from] != '/') => {
                        *from += 1;
                        (p, t) = (*next, *from);
                        break;
                    }
                    Some(_) => {
                        stars.pop();
                    }
                }
            }
        }
    }
}

/// A character class at `[`: its length in the pattern and its test.
fn class(pattern: &[char]) -> Option<(usize, impl Fn(char) -> bool + '_)> {
    let end = pattern.iter().skip(2).position(|&c| c == ']')? + 2;
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let body = &pattern[if negated { 2 } else { 1 }..end];
    let test = move |c: char| {
        let mut i = 0;
        let mut found = false;
        while i < body.len() {
            if i + 2 < body.len() && body[i + 1] == '-' {
                found |= (body[i]..=body[i + 2]).contains(&c);
                i += 3;
            } else {
                found |= body[i] == c;
                i += 1;
            }
        }
        found != negated
    };
    Some((end + 1, test))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, path, want) in [
            ("*.yaml", "a.yaml", true),
            ("*.yaml", "d/a.yaml", false),
            ("**/*.yaml", "d/e/a.yaml", true),
            ("**/*.yaml", "a.yaml", true),
            ("{*.yml,*.yaml}", "a.yml", true),
            ("{config.json,env-*/*}", "env-usw2/x.yaml", true),
            ("a?c", "abc", true),
            ("a?c", "a/c", false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("a\\*b", "a*b", true),
            ("a**b", "a/x/b", true),
            ("*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
            ("", "", true),
            ("{", "{", true),
        ] {
            assert_eq!(matches(pattern, path), want, "{pattern} {path}");
        }
    }
}
