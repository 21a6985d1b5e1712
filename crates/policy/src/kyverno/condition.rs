//! `preconditions` and `deny.conditions`.

use std::borrow::Cow;
use std::cmp::Ordering;

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{GoDuration, Quantity};

use super::context::Env;
use super::scalar::{Leaf, TextPattern, is_range};
use super::template::{Template, TemplateFault, Tree};
use super::wildcard;
use crate::jmespath::{Fault, Val};
use crate::semver::Version;

/// Compiled conditions: all blocks must hold.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions(Vec<Block>);

#[derive(Clone, Debug)]
struct Block {
    any: Option<Vec<Condition>>,
    all: Vec<Condition>,
}

/// One comparison.
#[derive(Clone, Debug)]
pub(crate) struct Condition {
    pub(crate) key: Tree,
    operator: Operator,
    value: Tree,
    message: Option<Template>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    NotEquals,
    AnyIn,
    AllIn,
    AnyNotIn,
    AllNotIn,
    In,
    NotIn,
    Greater,
    GreaterOrEquals,
    Less,
    LessOrEquals,
}

const OPERATORS: [(&str, Operator); 18] = [
    ("Equal", Operator::Equals),
    ("Equals", Operator::Equals),
    ("NotEqual", Operator::NotEquals),
    ("NotEquals", Operator::NotEquals),
    ("In", Operator::In),
    ("NotIn", Operator::NotIn),
    ("AnyIn", Operator::AnyIn),
    ("AllIn", Operator::AllIn),
    ("AnyNotIn", Operator::AnyNotIn),
    ("AllNotIn", Operator::AllNotIn),
    ("GreaterThan", Operator::Greater),
    ("GreaterThanOrEquals", Operator::GreaterOrEquals),
    ("LessThan", Operator::Less),
    ("LessThanOrEquals", Operator::LessOrEquals),
    ("DurationGreaterThan", Operator::Greater),
    ("DurationGreaterThanOrEquals", Operator::GreaterOrEquals),
    ("DurationLessThan", Operator::Less),
    ("DurationLessThanOrEquals", Operator::LessOrEquals),
];

impl Operator {
    /// Its spelling in policies.
    fn name(self) -> &'static str {
        let spelled = OPERATORS.iter().filter(|(_, operator)| *operator == self);
        let mut names = spelled
            .map(|(name, _)| *name)
            .filter(|name| !name.starts_with("Duration"));
        names.next_back().unwrap_or_default()
    }
}

/// What conditions came to: whether they hold, the conditions' messages, and which comparison decided.
pub(crate) struct Answer<'c> {
    pub(crate) holds: bool,
    pub(crate) message: String,
    pub(crate) decided_by: Option<&'c Condition>,
}

impl Conditions {
    /// Compiles `{any, all}`, a list of those, or the old plain list.
    pub(crate) fn compile(node: Option<Node<'_>>) -> Result<Conditions, TemplateFault> {
        let Some(node) = node else {
            return Ok(Conditions::default());
        };
        if node.is_object() {
            return Ok(Conditions(vec![Block::compile(node)?]));
        }
        let mut blocks = Vec::new();
        let mut plain = Vec::new();
        for item in node.items() {
            if item.get("any").is_some() || item.get("all").is_some() {
                blocks.push(Block::compile(item)?);
            } else {
                plain.push(Condition::compile(item)?);
            }
        }
        if !plain.is_empty() {
            blocks.push(Block { any: None, all: plain });
        }
        Ok(Conditions(blocks))
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Answer<'a>, Fault> {
        let mut answer = Answer {
            holds: true,
            message: String::new(),
            decided_by: None,
        };
        for block in &self.0 {
            let one = block.eval(env)?;
            if !one.holds {
                return Ok(one);
            }
            append(&mut answer.message, &one.message);
            answer.decided_by = answer.decided_by.or(one.decided_by);
        }
        Ok(answer)
    }
}

fn append(messages: &mut String, message: &str) {
    if !message.is_empty() {
        if !messages.is_empty() {
            messages.push_str("; ");
        }
        messages.push_str(message);
    }
}

impl Block {
    fn compile(node: Node<'_>) -> Result<Block, TemplateFault> {
        let list = |key: &str| -> Result<Option<Vec<Condition>>, TemplateFault> {
            node.get(key)
                .map(|list| list.items().map(Condition::compile).collect())
                .transpose()
        };
        for (key, _) in node.members() {
            if !matches!(key, "any" | "all") {
                return Err(format!("conditions are `any` and `all`, not `{key}`"));
            }
        }
        Ok(Block {
            any: list("any")?,
            all: list("all")?.unwrap_or_default(),
        })
    }

    fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Answer<'a>, Fault> {
        let (mut held, mut failed) = (String::new(), String::new());
        let mut decided_by = None;
        let mut any_holds = true;
        if let Some(any) = &self.any {
            any_holds = false;
            for condition in any {
                let message = condition.message(env)?;
                if condition.holds(env)? {
                    any_holds = true;
                    decided_by = Some(condition);
                    append(&mut held, &message);
                    break;
                }
                append(&mut failed, &message);
            }
        }
        let mut all_hold = true;
        for condition in &self.all {
            let message = condition.message(env)?;
            if !condition.holds(env)? {
                all_hold = false;
                append(&mut failed, &message);
                break;
            }
            decided_by = decided_by.or(Some(condition));
            append(&mut held, &message);
        }
        let holds = any_holds && all_hold;
        Ok(Answer {
            holds,
            message: if holds { held } else { failed },
            decided_by,
        })
    }
}

impl Condition {
    fn compile(node: Node<'_>) -> Result<Condition, TemplateFault> {
        let tree = |key: &str| match node.get(key) {
            Some(value) => Tree::compile(value, ""),
            None => Ok(Tree::Fixed(Value::NULL)),
        };
        let name = node.str_at(&["operator"]).ok_or("a condition needs an `operator`")?;
        let Some((_, operator)) = OPERATORS
            .iter()
            .find(|(spelling, _)| spelling.eq_ignore_ascii_case(name))
        else {
            return Err(format!(
                "there is no operator {name}; use Equals, NotEquals, AnyIn, AllIn, AnyNotIn, AllNotIn, GreaterThan, GreaterThanOrEquals, LessThan or LessThanOrEquals"
            ));
        };
        Ok(Condition {
            key: tree("key")?,
            operator: *operator,
            value: tree("value")?,
            message: node
                .str_at(&["message"])
                .map(|text| Template::compile(text, ""))
                .transpose()?,
        })
    }

    fn message<'a>(&'a self, env: &Env<'a>) -> Result<String, Fault> {
        Ok(match &self.message {
            // A message that cannot be written must not keep the condition from being judged.
            Some(message) => message.text(env).map(Cow::into_owned).unwrap_or_default(),
            None => String::new(),
        })
    }

    fn holds<'a>(&'a self, env: &Env<'a>) -> Result<bool, Fault> {
        let (key, value) = (self.key.val(env)?, self.value.val(env)?);
        env.fuel
            .burn(1 + (key.len() as u64 / 8) * (value.len() as u64 / 8 + 1))?;
        let holds = compare(self.operator, &key, &value);
        if let Some(trace) = env.trace {
            trace.condition(
                self.key.plain_path(),
                self.operator.name(),
                value.to_value(),
                key.to_value(),
                holds,
            );
        }
        Ok(holds)
    }
}

fn compare(operator: Operator, key: &Val<'_>, value: &Val<'_>) -> bool {
    match operator {
        Operator::Equals => equals(key, value),
        Operator::NotEquals => !equals(key, value),
        Operator::AnyIn => membership(key, value, |hits, _| hits > 0),
        Operator::AllIn | Operator::In => membership(key, value, |hits, keys| hits == keys),
        Operator::AnyNotIn => membership(key, value, |hits, keys| hits < keys),
        Operator::AllNotIn => membership(key, value, |hits, _| hits == 0),
        // The old operator: some of the keys are missing.
        Operator::NotIn => membership(key, value, |hits, _| hits == 0),
        Operator::Greater => ordered(key, value).is_some_and(Ordering::is_gt),
        Operator::GreaterOrEquals => ordered(key, value).is_some_and(Ordering::is_ge),
        Operator::Less => ordered(key, value).is_some_and(Ordering::is_lt),
        Operator::LessOrEquals => ordered(key, value).is_some_and(Ordering::is_le),
    }
}

/// Both as durations in seconds, when one of them is written as one.
fn durations(key: &Val<'_>, value: &Val<'_>) -> Option<(f64, f64)> {
    let written = |v: &Val<'_>| match v.as_str() {
        Some("0") | None => None,
        Some(text) => GoDuration::parse(text).ok().map(GoDuration::as_secs_f64),
    };
    let (k, v) = (written(key), written(value));
    if k.is_none() && v.is_none() {
        return None;
    }
    let number = |v: &Val<'_>| v.as_number().map(|n| n.as_f64().trunc());
    Some((k.or_else(|| number(key))?, v.or_else(|| number(value))?))
}

fn equals(key: &Val<'_>, value: &Val<'_>) -> bool {
    match key {
        Val::Bool(k) => matches!(value, Val::Bool(v) if v == k),
        Val::Number(k) => match value {
            Val::Number(v) => k == v,
            Val::Str(text) => text.parse::<f64>().is_ok_and(|v| v == k.as_f64()),
            _ => false,
        },
        Val::Str(text) => {
            if let Some((k, v)) = durations(key, value) {
                return k == v;
            }
            let Some(want) = value.as_str() else { return false };
            if let Ok(k) = Quantity::parse(text) {
                return Quantity::parse(want).is_ok_and(|v| k == v);
            }
            wildcard(want, text)
        }
        Val::Null | Val::Scope => false,
        container => container.same(value),
    }
}

/// A value as Go prints it in a text.
fn sprint<'v>(value: &'v Val<'_>) -> Cow<'v, str> {
    match value {
        Val::Null => Cow::Borrowed("<nil>"),
        other => other.render(),
    }
}

/// How many of the keys are among the values, judged by `decide(hits, keys)`.
fn membership(key: &Val<'_>, value: &Val<'_>, decide: impl Fn(usize, usize) -> bool) -> bool {
    let list = key.is_array();
    let keys: Vec<Val<'_>> = match key {
        Val::Null | Val::Scope => return false,
        other if list => other.items(),
        other if other.is_object() => return false,
        other => vec![other.clone()],
    };
    let keys: Vec<Cow<'_, str>> = keys.iter().map(|k| Cow::Owned(sprint(k).into_owned())).collect();
    let hits = |has: &dyn Fn(&str) -> bool| decide(keys.iter().filter(|k| has(k)).count(), keys.len());
    let among =
        |values: &[String]| hits(&|key| values.iter().any(|value| wildcard(value, key) || wildcard(key, value)));
    match value {
        other if other.is_array() => among(&other.items().iter().map(|v| sprint(v).into_owned()).collect::<Vec<_>>()),
        Val::Str(text) => {
            if is_range(text) {
                let pattern = TextPattern::compile(text);
                return hits(&|key| pattern.matches(Leaf::Text(key)));
            }
            match Doc::parse_json(text.as_bytes()) {
                Ok(doc) if doc.root().is_array() => {
                    let values: Vec<String> = doc
                        .root()
                        .items()
                        .map(|item| sprint(&Val::of(item)).into_owned())
                        .collect();
                    among(&values)
                }
                _ if list => among(&[text.to_string()]),
                _ => hits(&|key| wildcard(text, key)),
            }
        }
        Val::Number(_) | Val::Bool(_) => among(&[sprint(value).into_owned()]),
        _ => false,
    }
}

fn ordered(key: &Val<'_>, value: &Val<'_>) -> Option<Ordering> {
    if !matches!(key, Val::Number(_) | Val::Str(_)) {
        return None;
    }
    if let Some((k, v)) = durations(key, value) {
        return k.partial_cmp(&v);
    }
    if let (Some(k), Some(v)) = (key.as_str(), value.as_str()) {
        if let (Ok(k), Ok(v)) = (Quantity::parse(k), Quantity::parse(v)) {
            return Some(k.cmp(&v));
        }
        if let (Some(k), Some(v)) = (Version::parse(k), Version::parse(v)) {
            return Some(k.cmp(&v));
        }
    }
    let number = |v: &Val<'_>| match v {
        Val::Number(n) => Some(n.as_f64()),
        Val::Str(text) => text.parse::<f64>().ok(),
        _ => None,
    };
    number(key)?.partial_cmp(&number(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ridgeway_doc::parse_json;

    #[test]
    fn operators() {
        for (key, operator, value, want) in [
            (r#""a""#, "Equals", r#""a""#, true),
            (r#""nginx""#, "Equals", r#""ng*""#, true),
            (r#""1h""#, "Equals", "3600", true),
            (r#""1000m""#, "Equals", r#""1""#, true),
            ("3", "Equals", r#""3""#, true),
            ("true", "Equals", r#""true""#, false),
            ("true", "NotEquals", "false", true),
            ("[1,2]", "Equals", "[1,2]", true),
            (r#""a""#, "AnyIn", r#"["a","b"]"#, true),
            (r#"["a","c"]"#, "AnyIn", r#"["a","b"]"#, true),
            (r#"["a","c"]"#, "AllIn", r#"["a","b"]"#, false),
            (r#"["a","c"]"#, "AnyNotIn", r#"["a","b"]"#, true),
            (r#"["a","b"]"#, "AnyNotIn", r#"["a","b"]"#, false),
            (r#"["c"]"#, "AllNotIn", r#"["a","b"]"#, true),
            ("[]", "AnyIn", r#"["a"]"#, false),
            ("[]", "AllNotIn", r#"["a"]"#, true),
            (r#""x-1""#, "AnyIn", r#"["x-*"]"#, true),
            ("5", "AnyIn", r#""1-10""#, true),
            ("15", "AnyNotIn", r#""1-10""#, true),
            (r#""DELETE""#, "NotEquals", r#""DELETE""#, false),
            ("5", "GreaterThan", "3", true),
            (r#""2Gi""#, "GreaterThan", r#""1Gi""#, true),
            (r#""90m""#, "LessThanOrEquals", r#""2h""#, true),
            (r#""1.2.3""#, "LessThan", r#""1.10.0""#, true),
            (r#""5""#, "GreaterThanOrEquals", "5", true),
            (r#""abc""#, "LessThan", "5", false),
        ] {
            let (k, v) = (
                parse_json(key.as_bytes()).unwrap(),
                parse_json(value.as_bytes()).unwrap(),
            );
            let (_, op) = OPERATORS.iter().find(|(name, _)| *name == operator).unwrap();
            assert_eq!(
                compare(*op, &Val::of(k.root()), &Val::of(v.root())),
                want,
                "{key} {operator} {value}"
            );
        }
    }
}
