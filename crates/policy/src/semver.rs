//! Semantic versions and ranges of them (`>=1.2.3 <2 || 3.x`).

use std::cmp::Ordering;

/// A version; build metadata is dropped, it does not order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    numbers: [u64; 3],
    pre: Vec<String>,
}

impl Version {
    pub(crate) fn parse(text: &str) -> Option<Version> {
        let text = text.split_once('+').map_or(text, |(version, _)| version);
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(n, p)| (n, Some(p)));
        let parts: Vec<&str> = numbers.split('.').collect();
        let [a, b, c] = parts.as_slice() else { return None };
        let number = |part: &str| {
            let plain = part.bytes().all(|b| b.is_ascii_digit()) && (part == "0" || !part.starts_with('0'));
            if plain { part.parse().ok() } else { None }
        };
        let pre = pre.map_or(Vec::new(), |pre| pre.split('.').map(str::to_owned).collect());
        if pre.iter().any(String::is_empty) {
            return None;
        }
        Some(Version {
            numbers: [number(a)?, number(b)?, number(c)?],
            pre,
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => {
                    for (a, b) in self.pre.iter().zip(&other.pre) {
                        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
                            (Ok(a), Ok(b)) => a.cmp(&b),
                            (Ok(_), Err(_)) => Ordering::Less,
                            (Err(_), Ok(_)) => Ordering::Greater,
                            (Err(_), Err(_)) => a.cmp(b),
                        };
                        if order != Ordering::Equal {
                            return order;
                        }
                    }
                    self.pre.len().cmp(&other.pre.len())
                }
            })
    }
}

/// Whether a version lies in a range.
pub(crate) fn in_range(version: &str, range: &str) -> Result<bool, String> {
    let parsed =
        Version::parse(version).ok_or_else(|| format!("{version:?} is not a semantic version such as 1.2.3"))?;
    let mut any = false;
    for alternative in range.split("||") {
        let mut all = true;
        let mut seen = false;
        let joined = join_operators(alternative);
        for term in joined.split_whitespace() {
            seen = true;
            all &= term_holds(&parsed, term)
                .ok_or_else(|| format!("{range:?} is not a version range such as \">=1.2.3 <2.0.0\""))?;
        }
        if !seen {
            return Err(format!("{range:?} is not a version range"));
        }
        any |= all;
    }
    Ok(any)
}

/// Closes the gap between an operator and its version.
fn join_operators(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == ' ' && out.ends_with(['<', '>', '=', '!']) {
            continue;
        }
        out.push(c);
    }
    out
}

fn term_holds(version: &Version, term: &str) -> Option<bool> {
    let at = term
        .find(|c: char| !matches!(c, '<' | '>' | '=' | '!'))
        .unwrap_or(term.len());
    let (op, bound) = term.split_at(at);
    let mut numbers: Vec<&str> = bound.splitn(3, '.').collect();
    while numbers.len() < 3 {
        numbers.push("x");
    }
    let wild = numbers.iter().position(|n| matches!(*n, "x" | "X" | "*"));
    let Some(wild) = wild else {
        let bound = Version::parse(bound)?;
        return Some(match op {
            "" | "=" | "==" => *version == bound,
            "!" | "!=" => *version != bound,
            ">" => *version > bound,
            ">=" => *version >= bound,
            "<" => *version < bound,
            "<=" => *version <= bound,
            _ => return None,
        });
    };
    let low: Vec<u64> = numbers[..wild].iter().map(|n| n.parse().ok()).collect::<Option<_>>()?;
    let order = version.numbers[..wild].cmp(&low);
    Some(match op {
        "" | "=" | "==" => order == Ordering::Equal,
        "!" | "!=" => order != Ordering::Equal,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        "<" => order == Ordering::Less,
        "<=" => order != Ordering::Greater,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        for (version, range, want) in [
            ("4.1.3", ">=4.1.x", Some(true)),
            ("4.0.9", ">=4.1.x", Some(false)),
            ("1.2.3", ">1.0.0 <2.0.0 || >3.0.0", Some(true)),
            ("2.5.0", ">1.0.0 <2.0.0 || >3.0.0", Some(false)),
            ("1.0.0-rc.1", "<1.0.0", Some(true)),
            ("1.0.0-rc.2", ">1.0.0-rc.1", Some(true)),
            ("1.2.3", "!1.2.x", Some(false)),
            ("1.2.3", ">= 1.2.3", Some(true)),
            ("1.2", ">=1.0.0", None),
            ("1.2.3", "about 1", None),
        ] {
            assert_eq!(in_range(version, range).ok(), want, "{version} {range}");
        }
    }
}
