//! Tokens of GraphQL documents.

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tok {
    Name(String),
    Int(String),
    Float(String),
    Text(String),
    Block(String),
    Punct(&'static str),
    Invalid,
    End,
}

impl Tok {
    /// The token in messages.
    pub(super) fn shown(&self) -> String {
        match self {
            Tok::Name(name) => format!("Name \"{name}\""),
            Tok::Int(number) => format!("Int \"{number}\""),
            Tok::Float(number) => format!("Float \"{number}\""),
            Tok::Text(text) => format!("String \"{text}\""),
            Tok::Block(text) => format!("BlockString \"{text}\""),
            Tok::Punct(punct) => (*punct).to_owned(),
            Tok::Invalid => "<Invalid>".to_owned(),
            Tok::End => "<EOF>".to_owned(),
        }
    }
}

const PUNCTS: [&str; 14] = ["...", "!", "$", "&", "(", ")", ":", "=", "@", "[", "]", "{", "|", "}"];

/// The tokens of a document with their places.
pub(super) fn tokens(text: &str) -> Vec<(Tok, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        if c.is_ascii_whitespace() || matches!(c, ',' | '\u{feff}') {
            at += c.len_utf8();
        } else if c == '#' {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            let (tok, len) = token(rest, c);
            let ends = tok == Tok::Invalid;
            out.push((tok, at));
            at += len;
            if ends {
                break;
            }
        }
    }
    out.push((Tok::End, text.len()));
    out
}

fn token(rest: &str, c: char) -> (Tok, usize) {
    if let Some(punct) = PUNCTS.iter().find(|punct| rest.starts_with(**punct)) {
        return (Tok::Punct(punct), punct.len());
    }
    if c.is_ascii_alphabetic() || c == '_' {
        let end = rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
            .unwrap_or(rest.len());
        return (Tok::Name(rest[..end].to_owned()), end);
    }
    if c.is_ascii_digit() || c == '-' {
        let end = rest
            .char_indices()
            .find(|(i, c)| {
                let after_exponent = *i > 0 && rest[..*i].ends_with(['e', 'E']);
                let in_number = c.is_ascii_digit()
                    || matches!(c, '.' | 'e' | 'E')
                    || (*i == 0 && *c == '-')
                    || (after_exponent && matches!(c, '+' | '-'));
                !in_number
            })
            .map_or(rest.len(), |(i, _)| i);
        let number = &rest[..end];
        if number.parse::<f64>().is_err() {
            return (Tok::Invalid, end.max(1));
        }
        let whole = number.bytes().all(|b| b.is_ascii_digit() || b == b'-');
        let tok = if whole {
            Tok::Int(number.to_owned())
        } else {
            Tok::Float(number.to_owned())
        };
        return (tok, end);
    }
    if let Some(body) = rest.strip_prefix("\"\"\"") {
        let mut end = 0;
        while let Some(at) = body[end..].find("\"\"\"") {
            if body[..end + at].ends_with('\\') {
                end += at + 3;
                continue;
            }
            let raw = body[..end + at].replace("\\\"\"\"", "\"\"\"");
            return (Tok::Block(dedented(&raw)), end + at + 6);
        }
        return (Tok::Invalid, rest.len());
    }
    if c == '"' {
        return text(rest);
    }
    (Tok::Invalid, c.len_utf8())
}

fn text(rest: &str) -> (Tok, usize) {
    let mut out = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return (Tok::Text(out), i + 1),
            '\n' => break,
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, 'b')) => out.push('\u{8}'),
                Some((_, 'f')) => out.push('\u{c}'),
                Some((_, c @ ('"' | '\\' | '/'))) => out.push(c),
                Some((i, 'u')) => {
                    let code = rest.get(i + 1..i + 5).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                    let Some(code) = code else { break };
                    out.push(char::from_u32(code).unwrap_or('\u{fffd}'));
                    for _ in 0..4 {
                        chars.next();
                    }
                }
                _ => break,
            },
            c => out.push(c),
        }
    }
    (Tok::Invalid, rest.len())
}

/// A block text without the indentation its lines share and without blank lines around it.
fn dedented(raw: &str) -> String {
    let mut lines: Vec<&str> = raw.lines().collect();
    let blank = |line: &&str| line.trim().is_empty();
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    let common = lines
        .iter()
        .skip(1)
        .filter(|line| !blank(line))
        .map(|line| indent(line))
        .min();
    for line in lines.iter_mut().skip(1) {
        *line = line.get(common.unwrap_or(0).min(indent(line))..).unwrap_or_default();
    }
    while lines.first().is_some_and(blank) {
        lines.remove(0);
    }
    while lines.last().is_some_and(blank) {
        lines.pop();
    }
    lines.join("\n")
}
