//! From nodes to text.

use std::cmp::Ordering;

use super::super::super::error::Fault;
use super::super::super::number::Num;
use super::super::super::value::Value;
use super::super::{Env, encoding, format};
use super::parser::Parsed;
use super::{Arg, Node, Of, Pipe, wrong};

/// What may be called.
pub(super) const FUNCTIONS: [&str; 18] = [
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery", "eq", "ne",
    "lt", "le", "gt", "ge",
];

const MAX_DEPTH: u32 = 64;

/// A value; `None` is what a map has no entry for.
type Found = Option<Value<'static>>;

/// How a list of nodes ends.
#[derive(PartialEq)]
enum Flow {
    On,
    Break,
    Continue,
}

struct Run<'r, 'p> {
    env: &'r Env<'p>,
    parsed: &'r Parsed,
    variables: Vec<(&'r str, Found)>,
    out: String,
    depth: u32,
}

pub(super) fn run(env: &Env<'_>, parsed: &Parsed, data: &Value<'static>) -> Result<String, Fault> {
    let data = with_texts(data);
    let mut run = Run {
        env,
        parsed,
        variables: vec![("", Some(data.clone()))],
        out: String::new(),
        depth: 0,
    };
    run.list(&parsed.nodes, &Some(data))?;
    Ok(run.out)
}

/// Numbers of the data count as their texts.
fn with_texts(value: &Value<'static>) -> Value<'static> {
    match value {
        Value::Num(num) => Value::str(num.to_string()),
        Value::Array(items) | Value::Set(items) => Value::array(items.iter().map(with_texts).collect()),
        Value::Object(members) => {
            let members = members.iter();
            Value::object(
                members
                    .map(|(k, v)| (Value::str(k.json_key()), with_texts(v)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}

/// A value as Go prints it.
fn shown(value: &Value<'_>) -> String {
    let joined = |items: Vec<String>| items.join(" ");
    match (value, value.as_str(), value.as_list(), value.as_object()) {
        (Value::Null, ..) => "<nil>".into(),
        (Value::Num(Num::Float(float)), ..) => Num::float(*float).to_string(),
        (_, Some(text), ..) => text.to_owned(),
        (_, _, Some(items), _) => format!("[{}]", joined(items.iter().map(shown).collect())),
        (_, _, _, Some(members)) => {
            let members = members.iter().map(|(k, v)| format!("{}:{}", shown(k), shown(v)));
            format!("map[{}]", joined(members.collect()))
        }
        (other, ..) => other.to_string(),
    }
}

fn is_true(value: &Found) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(yes)) => *yes,
        Some(Value::Num(num)) => *num != Num::Int(0),
        Some(value) => match value.as_str() {
            Some(text) => !text.is_empty(),
            None => value.len() != Some(0),
        },
    }
}

impl<'r> Run<'r, '_> {
    fn list(&mut self, nodes: &'r [Node], dot: &Found) -> Result<Flow, Fault> {
        for node in nodes {
            self.env.fuel.burn(2)?;
            let known = self.variables.len();
            let flow = match node {
                Node::Text(text) => {
                    self.put(text)?;
                    Flow::On
                }
                Node::Show(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.names.is_empty() {
                        match &value {
                            None | Some(Value::Null) => self.put("<no value>")?,
                            Some(value) => self.put(&shown(value))?,
                        }
                    }
                    continue;
                }
                Node::If(pipe, then, other) => {
                    let value = self.pipe(pipe, dot)?;
                    self.list(if is_true(&value) { then } else { other }, dot)?
                }
                Node::With(pipe, then, other) => {
                    let value = self.pipe(pipe, dot)?;
                    if is_true(&value) {
                        self.list(then, &value)?
                    } else {
                        self.list(other, dot)?
                    }
                }
                Node::Range(pipe, each, other) => self.range(pipe, each, other, dot)?,
                Node::Template(name, pipe) => {
                    let value = match pipe {
                        Some(pipe) => self.pipe(pipe, dot)?,
                        None => None,
                    };
                    self.template(name, value)?;
                    Flow::On
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            };
            self.variables.truncate(known);
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn put(&mut self, text: &str) -> Result<(), Fault> {
        self.env.work(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn template(&mut self, name: &str, value: Found) -> Result<(), Fault> {
        let body = self.parsed.named.get(name);
        let body = body.ok_or_else(|| wrong(format!("template {name:?} not defined")))?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(wrong("templates call each other too deeply"));
        }
        let saved = std::mem::replace(&mut self.variables, vec![("", value.clone())]);
        self.list(body, &value)?;
        self.variables = saved;
        self.depth -= 1;
        Ok(())
    }

    fn range(&mut self, pipe: &'r Pipe, each: &'r [Node], other: &'r [Node], dot: &Found) -> Result<Flow, Fault> {
        let value = self.value_of(pipe, dot)?;
        let value = value.unwrap_or(Value::Null);
        let mut items: Vec<(Value<'static>, Value<'static>)> = Vec::new();
        match (&value, value.as_array(), value.as_object()) {
            (Value::Null, ..) => {}
            (Value::Num(Num::Int(count)), ..) => {
                self.env.fuel.burn(u64::try_from(*count).unwrap_or(0))?;
                items.extend((0..*count).map(|i| (Value::int(i), Value::int(i))));
            }
            (_, Some(list), _) => {
                let list = list.iter().enumerate();
                items.extend(list.map(|(i, item)| (Value::usize(i), item.clone())));
            }
            (_, _, Some(members)) => items.extend(members.iter().cloned()),
            _ => return Err(wrong(format!("range can't iterate over {}", shown(&value)))),
        }
        if items.is_empty() {
            return self.list(other, dot);
        }
        let known = self.variables.len();
        for (key, item) in items {
            self.env.fuel.burn(2)?;
            match &pipe.names[..] {
                [name] => self.name(name, Some(item.clone()), pipe.declares),
                [first, second] => {
                    self.name(first, Some(key), pipe.declares);
                    self.name(second, Some(item.clone()), pipe.declares);
                }
                _ => {}
            }
            let flow = self.list(each, &Some(item))?;
            self.variables.truncate(known);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(Flow::On)
    }

    fn name(&mut self, name: &'r str, value: Found, declares: bool) {
        if declares {
            self.variables.push((name, value));
        } else if let Some(known) = self.variables.iter_mut().rev().find(|(known, _)| *known == name) {
            known.1 = value;
        }
    }

    fn pipe(&mut self, pipe: &'r Pipe, dot: &Found) -> Result<Found, Fault> {
        let value = self.value_of(pipe, dot)?;
        for name in &pipe.names {
            self.name(name, value.clone(), pipe.declares);
        }
        Ok(value)
    }

    fn value_of(&mut self, pipe: &'r Pipe, dot: &Found) -> Result<Found, Fault> {
        let mut last: Option<Found> = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.flatten())
    }

    fn command(&mut self, command: &'r [Arg], dot: &Found, last: Option<Found>) -> Result<Found, Fault> {
        let Some((first, rest)) = command.split_first() else {
            return Ok(None);
        };
        if let Of::Function(name) = &first.of {
            // `and` and `or` look no further than they must.
            if matches!(name.as_str(), "and" | "or") {
                let mut value = None;
                let mut any = false;
                for arg in rest {
                    value = self.arg(arg, dot)?;
                    any = true;
                    if is_true(&value) == (name == "or") {
                        return Ok(value);
                    }
                }
                return match last {
                    Some(last) => Ok(last),
                    None if any => Ok(value),
                    None => Err(wrong(format!("wrong number of args for {name}: want at least 1 got 0"))),
                };
            }
            let mut args = Vec::new();
            for arg in rest {
                args.push(self.arg(arg, dot)?);
            }
            args.extend(last);
            return call(name, &args).map(Some);
        }
        if !rest.is_empty() || last.is_some() {
            return Err(wrong("can't give argument to non-function"));
        }
        if matches!(first.of, Of::Value(Value::Null)) {
            return Err(wrong("nil is not a command"));
        }
        self.arg(first, dot)
    }

    fn arg(&mut self, arg: &'r Arg, dot: &Found) -> Result<Found, Fault> {
        let mut value = match &arg.of {
            Of::Dot => dot.clone(),
            Of::Variable(name) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                found.and_then(|(_, value)| value.clone())
            }
            Of::Function(name) => return call(name, &[]).map(Some),
            Of::Value(value) => Some(value.clone()),
            Of::Pipe(pipe) => self.value_of(pipe, dot)?,
        };
        for name in &arg.fields {
            value = match value {
                None => None,
                Some(Value::Null) => return Err(wrong(format!("nil pointer evaluating interface {{}}.{name}"))),
                Some(value) if value.as_object().is_some() => value.field(name),
                Some(_) => return Err(wrong(format!("can't evaluate field {name}"))),
            };
        }
        Ok(value)
    }
}

/// An argument of `printf`: what Go would print of a list or map.
fn printable(value: &Found) -> Value<'static> {
    match value {
        None | Some(Value::Null) => Value::str("<nil>"),
        Some(value) if value.len().is_some() => Value::str(shown(value)),
        Some(value) => value.clone(),
    }
}

fn call(name: &str, args: &[Found]) -> Result<Value<'static>, Fault> {
    let text = |value: &Found| value.as_ref().map_or_else(|| "<nil>".to_owned(), shown);
    // Blanks stand between operands that are no texts.
    let printed = |between: bool| {
        let mut out = String::new();
        for (i, arg) in args.iter().enumerate() {
            let is_text = |arg: &Found| arg.as_ref().is_some_and(|arg| arg.as_str().is_some());
            if i > 0 && (between || !is_text(arg) && !is_text(&args[i - 1])) {
                out.push(' ');
            }
            out.push_str(&text(arg));
        }
        out
    };
    let count = |want: usize| {
        if args.len() == want {
            return Ok(());
        }
        Err(wrong(format!(
            "wrong number of args for {name}: want {want} got {}",
            args.len()
        )))
    };
    Ok(match name {
        "not" => {
            count(1)?;
            Value::Bool(!is_true(&args[0]))
        }
        "len" => {
            count(1)?;
            let value = args[0].clone().unwrap_or(Value::Null);
            let len = value.len().or(value.as_str().map(str::len));
            Value::usize(len.ok_or_else(|| wrong("error calling len: it has no length"))?)
        }
        "index" => index(args)?,
        "slice" => slice(args)?,
        "print" => Value::str(printed(false)),
        "println" => Value::str(printed(true) + "\n"),
        "printf" => {
            let format = args.first().cloned().flatten();
            let format = format.as_ref().and_then(Value::as_str);
            let format = format.ok_or_else(|| wrong("wrong type for the format of printf"))?;
            let args: Vec<Value<'_>> = args[1..].iter().map(printable).collect();
            Value::str(format::sprintf(format, &args)?)
        }
        "html" => Value::str(html(&printed(false))),
        "js" => Value::str(js(&printed(false))),
        "urlquery" => Value::str(encoding::query_escape(&printed(false))),
        "eq" => {
            let (first, rest) = args
                .split_first()
                .filter(|(_, rest)| !rest.is_empty())
                .ok_or_else(missing)?;
            let mut any = false;
            for other in rest {
                any = same(first, other)?;
                if any {
                    break;
                }
            }
            Value::Bool(any)
        }
        "ne" => {
            count(2)?;
            Value::Bool(!same(&args[0], &args[1])?)
        }
        _ => {
            count(2)?;
            let order = order(&args[0], &args[1])?;
            Value::Bool(match name {
                "lt" => order == Ordering::Less,
                "le" => order != Ordering::Greater,
                "gt" => order == Ordering::Greater,
                _ => order != Ordering::Less,
            })
        }
    })
}

fn missing() -> Fault {
    wrong("missing argument for comparison")
}

fn incompatible() -> Fault {
    wrong("incompatible types for comparison")
}

/// Whether two numbers are written alike: with a fraction or without.
fn alike(a: &Num, b: &Num) -> bool {
    matches!(a, Num::Float(_)) == matches!(b, Num::Float(_))
}

fn same(a: &Found, b: &Found) -> Result<bool, Fault> {
    let (a, b) = (a.clone().unwrap_or(Value::Null), b.clone().unwrap_or(Value::Null));
    if a.len().is_some() || b.len().is_some() {
        return Err(wrong("non-comparable type"));
    }
    match (&a, &b) {
        (Value::Null, _) | (_, Value::Null) => Ok(a == b),
        (Value::Num(x), Value::Num(y)) if !alike(x, y) => Err(incompatible()),
        _ if a.kind() != b.kind() => Err(incompatible()),
        _ => Ok(a == b),
    }
}

fn order(a: &Found, b: &Found) -> Result<Ordering, Fault> {
    let (a, b) = (a.clone().unwrap_or(Value::Null), b.clone().unwrap_or(Value::Null));
    match (&a, &b) {
        (Value::Num(x), Value::Num(y)) if alike(x, y) => Ok(x.cmp(y)),
        _ => match (a.as_str(), b.as_str()) {
            (Some(x), Some(y)) => Ok(x.cmp(y)),
            _ => Err(incompatible()),
        },
    }
}

fn place(value: &Found, len: usize) -> Result<usize, Fault> {
    let at = match value {
        Some(Value::Num(Num::Int(at))) => usize::try_from(*at).ok(),
        _ => return Err(wrong("cannot index slice/array with that type")),
    };
    at.filter(|at| *at <= len).ok_or_else(|| wrong("index out of range"))
}

fn index(args: &[Found]) -> Result<Value<'static>, Fault> {
    let (of, keys) = args
        .split_first()
        .ok_or_else(|| wrong("wrong number of args for index"))?;
    let mut value = of.clone();
    for key in keys {
        let Some(of) = value else {
            return Err(wrong("index of nil pointer"));
        };
        value = if let Some(items) = of.as_array() {
            let at = place(key, items.len())?;
            Some(items.get(at).cloned().ok_or_else(|| wrong("index out of range"))?)
        } else if let Some(text) = of.as_str() {
            let at = place(key, text.len())?;
            let byte = text.as_bytes().get(at).ok_or_else(|| wrong("index out of range"))?;
            Some(Value::int(i64::from(*byte)))
        } else if of.as_object().is_some() {
            let key = key.as_ref().and_then(Value::as_str);
            of.field(key.ok_or_else(|| wrong("value has another type than the keys"))?)
        } else {
            return Err(wrong("can't index item of that type"));
        };
    }
    Ok(value.unwrap_or(Value::Null))
}

fn slice(args: &[Found]) -> Result<Value<'static>, Fault> {
    let (of, bounds) = args
        .split_first()
        .ok_or_else(|| wrong("wrong number of args for slice"))?;
    let of = of.clone().ok_or_else(|| wrong("slice of untyped nil"))?;
    let len = of.as_array().map(|items| items.len()).or(of.as_str().map(str::len));
    let len = len.ok_or_else(|| wrong("can't slice item of that type"))?;
    let from = bounds.first().map_or(Ok(0), |bound| place(bound, len))?;
    let to = bounds.get(1).map_or(Ok(len), |bound| place(bound, len))?;
    if from > to {
        return Err(wrong("invalid slice index"));
    }
    Ok(match of.as_array() {
        Some(items) => Value::array(items[from..to].to_vec()),
        None => encoding::lossy(&of.as_str().unwrap_or_default().as_bytes()[from..to]),
    })
}

fn html(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn js(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}
