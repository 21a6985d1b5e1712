//! Label selectors: the text form of queries and the object form of manifests.

use std::fmt;

use ridgeway_doc::Node;

use crate::validation::{validate_label_key, validate_label_value};

/// How a requirement compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// The value is one of the values.
    In,
    /// The label is missing, or its value is none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is missing.
    DoesNotExist,
    /// The value is a greater integer.
    GreaterThan,
    /// The value is a smaller integer.
    LessThan,
}

/// One requirement on one label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// What with.
    pub values: Vec<String>,
}

/// A label selector: all requirements must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

/// Why something is no selector.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SelectorError(pub(crate) String);

fn fail<T>(message: impl Into<String>) -> Result<T, SelectorError> {
    Err(SelectorError(message.into()))
}

impl LabelSelector {
    /// Selects every object.
    pub fn everything() -> LabelSelector {
        LabelSelector::default()
    }

    /// Selects no object.
    pub fn nothing() -> LabelSelector {
        LabelSelector {
            requirements: Vec::new(),
            nothing: true,
        }
    }

    /// Parses the text form: `app=web,tier in (front,back),!legacy,size>3`. The empty text selects everything.
    pub fn parse(text: &str) -> Result<LabelSelector, SelectorError> {
        let mut parser = Parser {
            tokens: tokens(text),
            next: 0,
        };
        let mut requirements = Vec::new();
        while parser.peek() != &Token::End {
            requirements.push(parser.requirement()?);
            match parser.take() {
                Token::End => break,
                Token::Comma => match parser.peek() {
                    Token::Word(_) | Token::Not => {}
                    other => return fail(format!("found '{other}', expected: identifier after ','")),
                },
                other => return fail(format!("found '{other}', expected: ',' or end of string")),
            }
        }
        LabelSelector::of(requirements)
    }

    /// Reads the object form: `matchLabels` and `matchExpressions`. A missing selector selects nothing, an empty one
    /// everything, as in Kubernetes.
    pub fn from_node<'a>(selector: impl Into<Option<Node<'a>>>) -> Result<LabelSelector, SelectorError> {
        let Some(selector) = selector.into().filter(|node| !node.is_null()) else {
            return Ok(LabelSelector::nothing());
        };
        if !selector.is_object() {
            return fail(format!(
                "a label selector is an object with matchLabels or matchExpressions, found {}",
                selector.kind()
            ));
        }
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels") {
            requirements.extend(equalities(labels, "matchLabels")?);
        }
        let expressions = selector.get("matchExpressions").map(Node::items).into_iter().flatten();
        for (i, expression) in expressions.enumerate() {
            let key = expression.str_at(&["key"]).unwrap_or_default();
            let operator = match expression.str_at(&["operator"]).unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => {
                    return fail(format!(
                        "matchExpressions[{i}].operator: {other:?} is not a valid label selector operator; use In, NotIn, Exists or DoesNotExist"
                    ));
                }
            };
            let values = expression.get("values").map(Node::items).into_iter().flatten();
            let values = values.filter_map(Node::as_str).map(Into::into).collect();
            requirements.push(Requirement {
                key: key.into(),
                operator,
                values,
            });
        }
        LabelSelector::of(requirements)
    }

    /// Reads a plain map of labels, as Services and node selectors use it.
    pub fn from_map<'a>(labels: impl Into<Option<Node<'a>>>) -> Result<LabelSelector, SelectorError> {
        match labels.into().filter(|node| !node.is_null()) {
            None => Ok(LabelSelector::nothing()),
            Some(labels) => LabelSelector::of(equalities(labels, "selector")?),
        }
    }

    /// A selector of requirements, which are checked.
    pub fn of(mut requirements: Vec<Requirement>) -> Result<LabelSelector, SelectorError> {
        for requirement in &mut requirements {
            requirement.check()?;
            if matches!(requirement.operator, Operator::In | Operator::NotIn) {
                requirement.values.sort();
                requirement.values.dedup();
            }
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(LabelSelector {
            requirements,
            nothing: false,
        })
    }

    /// Whether labels (an object, or none) are selected.
    pub fn matches(&self, labels: Option<Node<'_>>) -> bool {
        self.matches_with(|key| labels.and_then(|l| l.get(key)).and_then(Node::as_str))
    }

    /// Whether labels given by a look-up are selected.
    pub fn matches_with<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.holds(label(&r.key)))
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// Whether every object is selected.
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }
}

fn equalities(labels: Node<'_>, what: &str) -> Result<Vec<Requirement>, SelectorError> {
    labels
        .members()
        .map(|(key, value)| match value.as_str() {
            Some(text) => Ok(Requirement {
                key: key.into(),
                operator: Operator::In,
                values: vec![text.into()],
            }),
            None => fail(format!(
                "{what}.{key}: must be a string, found {}; quote it",
                value.kind()
            )),
        })
        .collect()
}

impl Requirement {
    fn check(&self) -> Result<(), SelectorError> {
        let key = &self.key;
        if let Err(why) = validate_label_key(key) {
            return fail(format!("key: Invalid value: {key:?}: {why}"));
        }
        match (self.operator, self.values.as_slice()) {
            (Operator::In | Operator::NotIn, []) => {
                return fail(format!(
                    "{key}: values: for 'in' and 'notin' operators, values set can't be empty"
                ));
            }
            (Operator::Exists | Operator::DoesNotExist, [_, ..]) => {
                return fail(format!(
                    "{key}: values: values set must be empty for exists and does not exist"
                ));
            }
            (Operator::GreaterThan | Operator::LessThan, values) => match values {
                [one] if one.parse::<i64>().is_ok() => {}
                _ => return fail(format!("{key}: for 'Gt', 'Lt' operators, the value must be an integer")),
            },
            _ => {}
        }
        for value in &self.values {
            if let Err(why) = validate_label_value(value) {
                return fail(format!("values[{key}]: Invalid value: {value:?}: {why}"));
            }
        }
        Ok(())
    }

    fn holds(&self, label: Option<&str>) -> bool {
        let among = |text: &str| self.values.iter().any(|v| v == text);
        let number = || Some((label?.parse::<i64>().ok()?, self.values.first()?.parse::<i64>().ok()?));
        match self.operator {
            Operator::In => label.is_some_and(among),
            Operator::NotIn => !label.is_some_and(among),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => number().is_some_and(|(have, want)| have > want),
            Operator::LessThan => number().is_some_and(|(have, want)| have < want),
        }
    }
}

/// The text form; nothing prints as `<none>`.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nothing {
            return f.write_str("<none>");
        }
        for (i, requirement) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (key, values) = (&self.key, self.values.join(","));
        match (self.operator, self.values.len()) {
            (Operator::In, 1) => write!(f, "{key}={values}"),
            (Operator::NotIn, 1) => write!(f, "{key}!={values}"),
            (Operator::In, _) => write!(f, "{key} in ({values})"),
            (Operator::NotIn, _) => write!(f, "{key} notin ({values})"),
            (Operator::Exists, _) => f.write_str(key),
            (Operator::DoesNotExist, _) => write!(f, "!{key}"),
            (Operator::GreaterThan, _) => write!(f, "{key}>{values}"),
            (Operator::LessThan, _) => write!(f, "{key}<{values}"),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Equals,
    NotEquals,
    Not,
    Open,
    Close,
    Comma,
    Greater,
    Less,
    End,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Token::Word(word) => word,
            Token::Equals => "=",
            Token::NotEquals => "!=",
            Token::Not => "!",
            Token::Open => "(",
            Token::Close => ")",
            Token::Comma => ",",
            Token::Greater => ">",
            Token::Less => "<",
            Token::End => "",
        })
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            ',' => Token::Comma,
            '>' => Token::Greater,
            '<' => Token::Less,
            '=' => {
                chars.next_if_eq(&'=');
                Token::Equals
            }
            '!' => {
                if chars.next_if_eq(&'=').is_some() {
                    Token::NotEquals
                } else {
                    Token::Not
                }
            }
            c => {
                let mut word = c.to_string();
                while let Some(c) = chars.next_if(|c| !c.is_whitespace() && !"=!(),><".contains(*c)) {
                    word.push(c);
                }
                Token::Word(word)
            }
        };
        out.push(token);
    }
    out.push(Token::End);
    out
}

struct Parser {
    tokens: Vec<Token>,
    next: usize,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next.min(self.tokens.len() - 1)]
    }

    fn take(&mut self) -> Token {
        let token = self.peek().clone();
        self.next += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, SelectorError> {
        let absent = self.peek() == &Token::Not;
        if absent {
            self.take();
        }
        let key = match self.take() {
            Token::Word(word) => word,
            other => return fail(format!("found '{other}', expected: identifier")),
        };
        let make = |operator, values| {
            Ok(Requirement {
                key: key.clone(),
                operator,
                values,
            })
        };
        if absent {
            return make(Operator::DoesNotExist, Vec::new());
        }
        match self.peek().clone() {
            Token::End | Token::Comma => make(Operator::Exists, Vec::new()),
            Token::Equals => make(Operator::In, vec![self.value()]),
            Token::NotEquals => make(Operator::NotIn, vec![self.value()]),
            Token::Greater => make(Operator::GreaterThan, vec![self.value()]),
            Token::Less => make(Operator::LessThan, vec![self.value()]),
            Token::Word(word) if word == "in" => make(Operator::In, self.values()?),
            Token::Word(word) if word == "notin" => make(Operator::NotIn, self.values()?),
            other => fail(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    /// The value behind an operator; none is the empty one.
    fn value(&mut self) -> String {
        self.take();
        match self.peek().clone() {
            Token::Word(word) => {
                self.take();
                word
            }
            _ => String::new(),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        self.take();
        match self.take() {
            Token::Open => {}
            other => return fail(format!("found '{other}', expected: '('")),
        }
        let mut values = Vec::new();
        loop {
            match self.take() {
                Token::Word(word) => {
                    values.push(word);
                    match self.take() {
                        Token::Comma => {
                            if self.peek() == &Token::Close {
                                values.push(String::new());
                            }
                        }
                        Token::Close => return Ok(values),
                        other => return fail(format!("found '{other}', expected: ',' or ')'")),
                    }
                }
                Token::Comma => {
                    values.push(String::new());
                    if self.peek() == &Token::Close {
                        values.push(String::new());
                    }
                }
                Token::Close => {
                    if values.is_empty() {
                        values.push(String::new());
                    }
                    return Ok(values);
                }
                other => return fail(format!("found '{other}', expected: ',', ')' or identifier")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ridgeway_doc::Doc;

    fn doc(text: &str) -> Doc {
        Doc::parse_json(text.as_bytes()).unwrap()
    }

    #[test]
    fn text_form() {
        for (text, want) in [
            ("", ""),
            ("x", "x"),
            ("!x", "!x"),
            ("x=a", "x=a"),
            ("x==a", "x=a"),
            ("x!=a", "x!=a"),
            ("x=", "x="),
            ("x in (b, a)", "x in (a,b)"),
            ("x in (a)", "x=a"),
            ("x notin (a,b),y", "x notin (a,b),y"),
            ("y=2 , x=1", "x=1,y=2"),
            ("x in ()", "x="),
            ("x in (,a)", "x in (,a)"),
            ("x>5", "x>5"),
            ("x<5", "x<5"),
            ("a.io/b=c", "a.io/b=c"),
        ] {
            assert_eq!(LabelSelector::parse(text).unwrap().to_string(), want, "{text}");
        }
        for text in [
            "x=a,", "=a", "x in", "x in (a", "x a", "x=a b", "!", "x>a", "-x=a", "x=a/b", "x==!a", ",x", "x,,y",
        ] {
            assert!(LabelSelector::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn matching() {
        let labels = doc(r#"{"app":"web","tier":"front","size":"5"}"#);
        for (text, want) in [
            ("", true),
            ("app=web", true),
            ("app=web,tier=back", false),
            ("app!=db", true),
            ("none!=x", true),
            ("none notin (x)", true),
            ("tier in (front,back)", true),
            ("!none", true),
            ("!app", false),
            ("size>4", true),
            ("size<5", false),
            ("app>1", false),
        ] {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(selector.matches(Some(labels.root())), want, "{text}");
        }
        assert!(!LabelSelector::parse("app").unwrap().matches(None));
    }

    #[test]
    fn object_form() {
        let of = |text: &str| LabelSelector::from_node(doc(text).root());
        let selector =
            of(r#"{"matchLabels":{"b":"1"},"matchExpressions":[{"key":"a","operator":"NotIn","values":["x","y"]}]}"#);
        assert_eq!(selector.unwrap().to_string(), "a notin (x,y),b=1");
        assert!(of("{}").unwrap().matches(None));
        assert!(!LabelSelector::from_node(None).unwrap().matches(None));
        for text in [
            r#"{"matchLabels":{"a":1}}"#,
            r#"{"matchExpressions":[{"key":"a","operator":"in","values":["x"]}]}"#,
            r#"{"matchExpressions":[{"key":"a","operator":"In"}]}"#,
            r#"{"matchExpressions":[{"key":"a","operator":"Exists","values":["x"]}]}"#,
            "[]",
        ] {
            assert!(of(text).is_err(), "{text}");
        }
    }

    fn requirement() -> impl Strategy<Value = Requirement> {
        let value = || "[a-z]{0,3}";
        (
            "[a-z]{1,3}",
            0..6,
            proptest::collection::vec(value(), 1..4),
            any::<i32>(),
        )
            .prop_map(|(key, op, values, n)| {
                let (operator, values) = match op {
                    0 => (Operator::In, values),
                    1 => (Operator::NotIn, values),
                    2 => (Operator::Exists, Vec::new()),
                    3 => (Operator::DoesNotExist, Vec::new()),
                    4 => (Operator::GreaterThan, vec![n.unsigned_abs().to_string()]),
                    _ => (Operator::LessThan, vec![n.unsigned_abs().to_string()]),
                };
                Requirement { key, operator, values }
            })
    }

    proptest! {
        #[test]
        fn what_is_printed_selects_the_same(
            requirements in proptest::collection::vec(requirement(), 0..4),
            labels in proptest::collection::btree_map("[a-z]{1,3}", "[a-z0-9]{0,3}", 0..5),
        ) {
            let selector = LabelSelector::of(requirements).unwrap();
            let again = LabelSelector::parse(&selector.to_string()).unwrap();
            let look_up = |key: &str| labels.get(key).map(String::as_str);
            prop_assert_eq!(selector.matches_with(look_up), again.matches_with(look_up));
            prop_assert_eq!(selector.to_string(), again.to_string());
        }
    }
}
