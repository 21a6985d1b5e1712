//! Locations: `spec.containers[name: *].image` as steps, and the tests of their prefixes.

use std::collections::BTreeMap;
use std::fmt;

use ridgeway_doc::Value;

/// One step of a location.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// A field of an object.
    Field(String),
    /// The items of a list whose field `key` has a value; without one, all items.
    Items { key: String, value: Option<Value> },
}

/// A parsed location; never empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Location(pub(super) Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Name(String),
    Number(i64),
    Sign(char),
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Token::Name(name) => write!(f, "`{name}`"),
            Token::Number(number) => write!(f, "`{number}`"),
            Token::Sign(sign) => write!(f, "`{sign}`"),
            Token::End => f.write_str("the end"),
        }
    }
}

/// The tokens of a location, each with the column where it begins.
fn tokens(text: &str) -> Result<Vec<(usize, Token)>, String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut at, mut out) = (0, Vec::new());
    while let Some(&c) = chars.get(at) {
        let start = at;
        at += 1;
        let run = |from: usize, keep: fn(char) -> bool| {
            let count = chars[from..].iter().take_while(|c| keep(**c)).count();
            (from + count, chars[from..from + count].iter().collect::<String>())
        };
        let token = match c {
            ' ' | '\t' | '\r' | '\n' => continue,
            '.' | '[' | ']' | '*' | ':' => Token::Sign(c),
            '0'..='9' => {
                let (end, digits) = run(start, |c| c.is_ascii_digit());
                at = end;
                Token::Number(digits.parse().map_err(|_| format!("{digits} is too large a number"))?)
            }
            'a'..='z' | 'A'..='Z' | '_' | '-' => {
                let (end, name) = run(start, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
                at = end;
                Token::Name(name)
            }
            '"' | '\'' => {
                let mut name = String::new();
                loop {
                    match chars.get(at) {
                        None => return Err(format!("the quote at column {} is not closed", start + 1)),
                        Some(&end) if end == c => break,
                        Some('\\') if at + 1 < chars.len() => {
                            name.push(chars[at + 1]);
                            at += 1;
                        }
                        Some(&other) => name.push(other),
                    }
                    at += 1;
                }
                at += 1;
                Token::Name(name)
            }
            other => {
                return Err(format!(
                    "`{other}` at column {} is not allowed outside quotes",
                    start + 1
                ));
            }
        };
        out.push((start + 1, token));
    }
    out.push((chars.len() + 1, Token::End));
    Ok(out)
}

/// Reads tokens one by one.
struct Reader {
    tokens: Vec<(usize, Token)>,
    at: usize,
}

impl Reader {
    fn next(&mut self) -> (usize, Token) {
        let token = self.tokens.get(self.at).cloned().unwrap_or((0, Token::End));
        self.at += 1;
        token
    }

    fn takes(&mut self, sign: char) -> bool {
        let here = matches!(self.tokens.get(self.at), Some((_, Token::Sign(c))) if *c == sign);
        self.at += usize::from(here);
        here
    }

    fn wants<T>(&mut self, what: &str, read: impl Fn(Token) -> Option<T>) -> Result<T, String> {
        let (column, token) = self.next();
        let shown = token.to_string();
        read(token).ok_or_else(|| format!("expected {what} at column {column}, found {shown}"))
    }

    fn sign(&mut self, sign: char) -> Result<(), String> {
        let what = format!("`{sign}`");
        self.wants(&what, |token| (token == Token::Sign(sign)).then_some(()))
    }

    fn name(&mut self, what: &str) -> Result<String, String> {
        self.wants(what, |token| match token {
            Token::Name(name) => Some(name),
            _ => None,
        })
    }
}

impl Location {
    /// Reads a location.
    pub(super) fn parse(text: &str) -> Result<Location, String> {
        let mut reader = Reader {
            tokens: tokens(text)?,
            at: 0,
        };
        let mut steps = Vec::new();
        loop {
            steps.push(Step::Field(
                reader.name("the name of a field (quoted, if it begins with a digit)")?,
            ));
            if reader.takes('[') {
                let key = reader.name("the key of the list, as in [name: *],")?;
                reader.sign(':')?;
                let value = reader.wants("a value or `*`", |token| match token {
                    Token::Sign('*') => Some(None),
                    Token::Name(name) => Some(Some(Value::from(name))),
                    Token::Number(number) => Some(Some(Value::from(number))),
                    _ => None,
                })?;
                reader.sign(']')?;
                steps.push(Step::Items { key, value });
            }
            if !reader.takes('.') {
                break;
            }
        }
        reader.wants("`.` or the end", |token| (token == Token::End).then_some(()))?;
        Ok(Location(steps))
    }

    /// The last step.
    pub(super) fn last(&self) -> Option<&Step> {
        self.0.last()
    }

    /// Whether it begins with a field.
    pub(super) fn begins_with(&self, field: &str) -> bool {
        matches!(self.0.first(), Some(Step::Field(first)) if first == field)
    }

    /// Refuses locations that would change the key by which a list's items are told apart.
    pub(super) fn keeps_keys(&self) -> Result<(), String> {
        match self.0.as_slice() {
            [.., Step::Items { key, .. }, Step::Field(field)] if field == key => {
                Err(format!("`{key}` is the key of the list's items and cannot be changed"))
            }
            _ => Ok(()),
        }
    }
}

/// Whether the prefixes of a location must be there or must not; by depth.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PathTests(BTreeMap<usize, bool>);

impl PathTests {
    /// Sorts out tests of prefixes of a location.
    pub(super) fn new(location: &Location, tests: &[(Location, bool)]) -> Result<PathTests, String> {
        let mut out = BTreeMap::new();
        for (prefix, there) in tests {
            if !location.0.starts_with(&prefix.0) {
                return Err("it is no prefix of `location`".into());
            }
            if out.insert(prefix.0.len() - 1, *there).is_some_and(|old| old != *there) {
                return Err("it is to exist and not to exist; keep one of the tests".into());
            }
        }
        let absent = out.iter().find(|(_, there)| !**there).map(|(depth, _)| *depth);
        let present = out.iter().rfind(|(_, there)| **there).map(|(depth, _)| *depth);
        if let (Some(absent), Some(present)) = (absent, present)
            && present > absent
        {
            return Err("it is to exist below a path that must not exist; drop one of the tests".into());
        }
        Ok(PathTests(out))
    }

    /// The location itself must not be there.
    pub(super) fn absent(location: &Location) -> PathTests {
        PathTests(BTreeMap::from([(location.0.len() - 1, false)]))
    }

    /// Whether what is found at a depth is as the tests want it.
    pub(super) fn allows(&self, depth: usize, exists: bool) -> bool {
        self.0.get(&depth).is_none_or(|wanted| *wanted == exists)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(location: &Location) -> String {
        let step = |step: &Step| match step {
            Step::Field(name) => name.clone(),
            Step::Items { key, value } => match value {
                Some(value) => format!("<{key}={}>", value.to_json()),
                None => format!("<{key}>"),
            },
        };
        location.0.iter().map(step).collect::<Vec<_>>().join("/")
    }

    #[test]
    fn locations() {
        for (text, want) in [
            ("spec", Ok("spec")),
            ("spec.containers[name: *].image", Ok("spec/containers/<name>/image")),
            (r#"spec.containers["name":"a.b"]"#, Ok("spec/containers/<name=\"a.b\">")),
            (
                "spec.ports[containerPort: 80].name",
                Ok("spec/ports/<containerPort=80>/name"),
            ),
            (
                r#"metadata.labels."app.kubernetes.io/name""#,
                Ok("metadata/labels/app.kubernetes.io/name"),
            ),
            (r#"a.'it\'s'"#, Ok("a/it's")),
            (" a . b ", Ok("a/b")),
            ("", Err("expected the name of a field")),
            ("a.", Err("at column 3, found the end")),
            ("a..b", Err("at column 3, found `.`")),
            ("a[name]", Err("expected `:` at column 7")),
            ("a[name: *", Err("expected `]` at column 10")),
            ("a[*].b", Err("the key of the list")),
            ("a[0].b", Err("the key of the list")),
            ("a b", Err("expected `.` or the end at column 3")),
            ("a/b", Err("`/` at column 2 is not allowed outside quotes")),
            ("a.\"b", Err("the quote at column 3 is not closed")),
            ("a.99999999999999999999", Err("too large")),
            ("a[k: v][k: w]", Err("expected `.` or the end")),
        ] {
            match (Location::parse(text), want) {
                (Ok(location), Ok(want)) => assert_eq!(shown(&location), want, "{text}"),
                (Err(why), Err(part)) => assert!(why.contains(part), "{text}: {why}"),
                (got, want) => panic!("{text}: {got:?}, want {want:?}"),
            }
        }
    }

    #[test]
    fn tests_of_prefixes() {
        let at = |text: &str| Location::parse(text).unwrap();
        let location = at("a.b[k: *].c");
        let built = |tests: &[(&str, bool)]| {
            let tests: Vec<_> = tests.iter().map(|(path, there)| (at(path), *there)).collect();
            PathTests::new(&location, &tests)
        };
        let tests = built(&[("a", true), ("a.b[k: *].c", false)]).unwrap();
        assert!(tests.allows(0, true) && !tests.allows(0, false));
        assert!(!tests.allows(3, true) && tests.allows(3, false));
        assert!(tests.allows(1, true) && tests.allows(1, false));
        assert!(built(&[("a.c", true)]).unwrap_err().contains("no prefix"));
        assert!(built(&[("a", true), ("a", false)]).unwrap_err().contains("keep one"));
        assert!(built(&[("a", false), ("a.b", true)]).unwrap_err().contains("below"));
    }
}
