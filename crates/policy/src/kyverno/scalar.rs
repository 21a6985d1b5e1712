//! Leaf patterns: wildcards, comparisons, ranges, alternatives; quantities and durations compare as such.

use std::cmp::Ordering;

use ridgeway_doc::{Kind, Node, Number};
use ridgeway_krm::{GoDuration, Quantity};

use super::wildcard;

/// A compiled leaf pattern.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    Text(TextPattern),
}

/// A text pattern: alternatives (`|`) of terms that must all hold (`&`).
#[derive(Clone, Debug)]
pub(crate) struct TextPattern {
    pub(crate) raw: Box<str>,
    alternatives: Vec<Vec<Term>>,
}

#[derive(Clone, Debug)]
enum Term {
    Compare(Compare, Operand),
    Within(Operand, Operand),
    Outside(Operand, Operand),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

#[derive(Clone, Debug)]
struct Operand {
    text: Box<str>,
    duration: Option<i64>,
    quantity: Option<Quantity>,
}

/// A leaf value to be matched, from whatever holds it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Leaf<'v> {
    Null,
    Bool(bool),
    Number(Number),
    Text(&'v str),
    Array,
    Object,
}

impl<'v> Leaf<'v> {
    pub(crate) fn of(node: Option<Node<'v>>) -> Leaf<'v> {
        let Some(node) = node else { return Leaf::Null };
        match node.kind() {
            Kind::Null => Leaf::Null,
            Kind::Bool => Leaf::Bool(node.as_bool() == Some(true)),
            Kind::Number => Leaf::Number(node.as_number().unwrap_or(Number::Int(0))),
            Kind::String => Leaf::Text(node.as_str().unwrap_or_default()),
            Kind::Array => Leaf::Array,
            Kind::Object => Leaf::Object,
        }
    }
}

impl Scalar {
    /// Compiles a leaf of a pattern; containers are no leaves.
    pub(crate) fn compile(node: Node<'_>) -> Scalar {
        match Leaf::of(Some(node)) {
            Leaf::Bool(b) => Scalar::Bool(b),
            Leaf::Number(n) => Scalar::Number(n),
            Leaf::Text(text) => Scalar::Text(TextPattern::compile(text)),
            _ => Scalar::Null,
        }
    }

    pub(crate) fn matches(&self, value: Leaf<'_>) -> bool {
        match self {
            Scalar::Bool(want) => matches!(value, Leaf::Bool(b) if b == *want),
            Scalar::Number(want) => match value {
                Leaf::Number(n) => n == *want,
                Leaf::Text(text) if want.is_int() => text.parse::<i64>().ok() == want.as_i64(),
                Leaf::Text(text) => text.parse::<f64>().is_ok_and(|n| n == want.as_f64()),
                _ => false,
            },
            Scalar::Null => match value {
                Leaf::Null => true,
                Leaf::Number(n) => n.as_f64() == 0.0,
                Leaf::Text(text) => text.is_empty(),
                Leaf::Bool(b) => !b,
                Leaf::Array | Leaf::Object => false,
            },
            Scalar::Text(pattern) => pattern.matches(value),
        }
    }
}

impl TextPattern {
    pub(crate) fn compile(text: &str) -> TextPattern {
        let alternatives = text
            .split('|')
            .map(|alternative| {
                alternative
                    .trim_matches(' ')
                    .split('&')
                    .map(|t| Term::compile(t.trim_matches(' ')))
            })
            .map(Iterator::collect)
            .collect();
        TextPattern {
            raw: text.into(),
            alternatives,
        }
    }

    pub(crate) fn matches(&self, value: Leaf<'_>) -> bool {
        if matches!(value, Leaf::Text(text) if text == &*self.raw) {
            return true;
        }
        self.alternatives
            .iter()
            .any(|terms| terms.iter().all(|term| term.matches(value)))
    }
}

/// Where the dash of a range is, if the text is one: `10-20`, `1Mi!-2Mi`.
fn range<'t>(text: &'t str, dash: &str) -> Option<(&'t str, &'t str)> {
    let endpoint = |part: &str| {
        let digits = part.strip_prefix(['-', '+', '|']).unwrap_or(part);
        let unit = digits.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let (whole, fraction) = unit.split_once('.').map_or((unit, None), |(w, f)| (w, Some(f)));
        let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        all_digits(whole) && fraction.is_none_or(all_digits)
    };
    text.match_indices(dash)
        .map(|(at, _)| (&text[..at], &text[at + dash.len()..]))
        .find(|(low, high)| endpoint(low) && endpoint(high))
}

/// Whether the text is a range, as the conditions' operators ask.
pub(crate) fn is_range(text: &str) -> bool {
    !text.starts_with(['<', '>', '!']) && range(text, "!-").is_none() && range(text, "-").is_some()
}

impl Term {
    fn compile(text: &str) -> Term {
        let operators = [
            (">=", Compare::GreaterOrEqual),
            ("<=", Compare::LessOrEqual),
            (">", Compare::Greater),
            ("<", Compare::Less),
            ("!", Compare::NotEqual),
        ];
        if text.len() >= 2 {
            for (sign, op) in operators {
                if let Some(rest) = text.strip_prefix(sign) {
                    return Term::Compare(op, Operand::new(rest.trim()));
                }
            }
            if let Some((low, high)) = range(text, "!-") {
                return Term::Outside(Operand::new(low), Operand::new(high));
            }
            if let Some((low, high)) = range(text, "-") {
                return Term::Within(Operand::new(low), Operand::new(high));
            }
        }
        Term::Compare(Compare::Equal, Operand::new(text))
    }

    fn matches(&self, value: Leaf<'_>) -> bool {
        match self {
            Term::Compare(op, operand) => operand.compare(*op, value),
            Term::Within(low, high) => {
                low.compare(Compare::GreaterOrEqual, value) && high.compare(Compare::LessOrEqual, value)
            }
            Term::Outside(low, high) => low.compare(Compare::Less, value) || high.compare(Compare::Greater, value),
        }
    }
}

fn holds(op: Compare, order: Ordering) -> bool {
    match op {
        Compare::Equal => order.is_eq(),
        Compare::NotEqual => order.is_ne(),
        Compare::Greater => order.is_gt(),
        Compare::GreaterOrEqual => order.is_ge(),
        Compare::Less => order.is_lt(),
        Compare::LessOrEqual => order.is_le(),
    }
}

impl Operand {
    fn new(text: &str) -> Operand {
        Operand {
            text: text.into(),
            duration: GoDuration::parse(text).ok().map(|d| d.0),
            quantity: Quantity::parse(text).ok(),
        }
    }

    fn compare(&self, op: Compare, value: Leaf<'_>) -> bool {
        if self.duration.is_some() || self.quantity.is_some() {
            // A missing value compares as zero, but only where the pattern is a number.
            let number;
            let text = match value {
                Leaf::Null => Some("0"),
                Leaf::Text(text) => Some(text),
                Leaf::Number(n) => {
                    number = n.to_string();
                    Some(number.as_str())
                }
                _ => None,
            };
            if let Some(text) = text {
                if let (Some(want), Ok(have)) = (self.duration, GoDuration::parse(text)) {
                    return holds(op, have.0.cmp(&want));
                }
                if let (Some(want), Ok(have)) = (self.quantity, Quantity::parse(text)) {
                    return holds(op, have.cmp(&want));
                }
            }
        }
        let equal = match value {
            Leaf::Text(text) => wildcard(&self.text, text),
            Leaf::Bool(b) => wildcard(&self.text, if b { "true" } else { "false" }),
            Leaf::Number(n) => wildcard(&self.text, &n.to_string()),
            Leaf::Null | Leaf::Array | Leaf::Object => return false,
        };
        match op {
            Compare::Equal => equal,
            Compare::NotEqual => !equal,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridgeway_doc::parse_json;

    #[test]
    fn leaves() {
        for (pattern, value, want) in [
            (r#""?*""#, r#""a""#, true),
            (r#""?*""#, r#""""#, false),
            (r#""?*""#, "null", false),
            (r#""?*""#, "5", true),
            (r#""!*:latest""#, r#""nginx:latest""#, false),
            (r#""!*:latest""#, r#""nginx:1""#, true),
            (r#""!x""#, "null", false),
            (r#"">=2""#, "3", true),
            (r#"">=2""#, "null", false),
            (r#""<2""#, "null", true),
            (r#""<=1Gi""#, r#""512Mi""#, true),
            (r#""<=1Gi""#, r#""2Gi""#, false),
            (r#"">1h""#, r#""90m""#, true),
            (r#""10-20""#, "15", true),
            (r#""10-20""#, "25", false),
            (r#""10!-20""#, "25", true),
            (r#""1Mi-1Gi""#, r#""5Mi""#, true),
            (r#""a | b*""#, r#""bcd""#, true),
            (r#"">1 & <5""#, "3", true),
            (r#"">1 & <5""#, "7", false),
            (r#""!a & !b""#, r#""c""#, true),
            (r#""true""#, "true", true),
            ("true", r#""true""#, false),
            ("5", r#""5""#, true),
            ("5", "5.0", true),
            ("null", r#""""#, true),
            ("null", "{}", false),
            (r#""1000m""#, "1", true),
            (r#""1000m""#, r#""1""#, true),
            (r#""a-b""#, r#""a-b""#, true),
        ] {
            let (p, v) = (
                parse_json(pattern.as_bytes()).unwrap(),
                parse_json(value.as_bytes()).unwrap(),
            );
            assert_eq!(
                Scalar::compile(p.root()).matches(Leaf::of(Some(v.root()))),
                want,
                "{pattern} on {value}"
            );
        }
    }
}
