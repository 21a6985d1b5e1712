//! Which of YAML's scalar styles can carry a string: libyaml's analysis, which go-yaml follows.

use super::scalar::{Reading, Scalar, is_base60, resolve};

/// How a string is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    Literal,
}

/// Facts about a string that decide its style.
struct Analysis {
    multiline: bool,
    plain: bool,
    single_quoted: bool,
    block: bool,
}

/// Whether the character can stand unescaped. Characters beyond the basic plane cannot, for go-yaml escapes them.
pub(crate) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}'
        | '\u{ff00}'..='\u{fffd}')
}

fn is_blank(c: Option<char>) -> bool {
    matches!(
        c,
        None | Some(' ' | '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
    )
}

fn analyze(text: &str) -> Analysis {
    if text.is_empty() {
        return Analysis {
            multiline: false,
            plain: true,
            single_quoted: true,
            block: false,
        };
    }
    let mut indicators = text.starts_with("---") || text.starts_with("...");
    let mut special = false;
    let (mut breaks, mut edge, mut trailing_space) = (false, false, false);
    let (mut break_space, mut space_break) = (false, false);
    let mut previous: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied();
        match (previous, c) {
            (None, '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`') => {
                indicators = true;
            }
            (None, '?' | '-') | (_, ':') if is_blank(next) => indicators = true,
            (Some(_), '#') if is_blank(previous) => indicators = true,
            _ => {}
        }
        special |= !is_printable(c);
        match c {
            ' ' => {
                edge |= previous.is_none() || next.is_none();
                trailing_space |= next.is_none();
                break_space |= previous == Some('\n');
            }
            '\n' => {
                breaks = true;
                edge |= previous.is_none() || next.is_none();
                space_break |= previous == Some(' ');
            }
            _ => {}
        }
        previous = Some(c);
    }
    let hard = space_break || special;
    Analysis {
        multiline: breaks,
        plain: !(edge || break_space || hard || breaks || indicators),
        single_quoted: !(break_space || hard),
        block: !(trailing_space || hard),
    }
}

/// The style for a string; `simple_key` is a key that stands on the line of its value.
pub(crate) fn of(text: &str, simple_key: bool) -> Style {
    let facts = analyze(text);
    if facts.multiline {
        return if simple_key || !facts.block {
            Style::DoubleQuoted
        } else {
            Style::Literal
        };
    }
    if resolve(text, Reading::Kubernetes) != Scalar::String || is_base60(text) {
        return Style::DoubleQuoted;
    }
    match (facts.plain, facts.single_quoted) {
        (true, _) => Style::Plain,
        (false, true) => Style::SingleQuoted,
        (false, false) => Style::DoubleQuoted,
    }
}

/// Whether a key may stand on one line with its value.
pub(crate) fn is_simple_key(text: &str) -> bool {
    text.len() <= 128 && !text.contains('\n')
}
