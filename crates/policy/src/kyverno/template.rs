//! Texts and trees with `{{ }}` in them, compiled: a variable is an expression at a place, never text put into text.

use std::borrow::Cow;

use ridgeway_doc::{Kind, Map, Node, Value};

use super::context::Env;
use crate::jmespath::{Expression, Fault, Val};

/// A text with variables.
#[derive(Clone, Debug)]
pub(crate) enum Template {
    /// No variable in it.
    Text(Box<str>),
    /// Nothing but one variable: its value keeps its type.
    Whole(Expression),
    /// Text and variables mixed.
    Parts(Vec<Part>),
}

/// A piece of a mixed text.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(Box<str>),
    Variable(Expression),
    /// A variable within a variable: the expression is only known when the inner ones have been evaluated.
    Nested(Vec<Part>),
}

/// Why a text does not compile.
pub(crate) type TemplateFault = String;

impl Template {
    /// Compiles a text. `at` is where it stands in the object it patterns, for `{{@}}`.
    pub(crate) fn compile(text: &str, at: &str) -> Result<Template, TemplateFault> {
        if !text.contains("{{") {
            return Ok(Template::Text(text.into()));
        }
        let parts = parts(text, at)?;
        Ok(match parts.as_slice() {
            [Part::Variable(expression)] => Template::Whole(expression.clone()),
            [] => Template::Text("".into()),
            [Part::Text(text)] => Template::Text(text.clone()),
            _ => Template::Parts(parts),
        })
    }

    /// The value: typed for a lone variable, else a text.
    pub(crate) fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Val<'a>, Fault> {
        match self {
            Template::Text(text) => Ok(Val::str(text)),
            Template::Whole(expression) => env.evaluate(expression),
            Template::Parts(parts) => match parts.as_slice() {
                [Part::Nested(inner)] => env.evaluate_text(&render(inner, env)?),
                _ => Ok(Val::text(render(parts, env)?)),
            },
        }
    }

    /// The text, whatever the value.
    pub(crate) fn text<'a>(&'a self, env: &Env<'a>) -> Result<Cow<'a, str>, Fault> {
        Ok(match self.eval(env)? {
            Val::Str(text) => text,
            other => Cow::Owned(other.render().into_owned()),
        })
    }

    /// The plain path of the first variable, for evidence.
    pub(crate) fn plain_path(&self) -> Option<String> {
        match self {
            Template::Text(_) => None,
            Template::Whole(expression) => expression.plain_path(),
            Template::Parts(parts) => parts.iter().find_map(|part| match part {
                Part::Variable(expression) => expression.plain_path(),
                _ => None,
            }),
        }
    }
}

fn render<'a>(parts: &'a [Part], env: &Env<'a>) -> Result<String, Fault> {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Variable(expression) => out.push_str(&env.evaluate(expression)?.render()),
            Part::Nested(inner) => {
                let expression = render(inner, env)?;
                out.push_str(&env.evaluate_text(&expression)?.render());
            }
        }
    }
    Ok(out)
}

fn parts(text: &str, at: &str) -> Result<Vec<Part>, TemplateFault> {
    let mut out = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        if rest[..start].ends_with('\\') {
            plain.push_str(&rest[..start - 1]);
            plain.push_str("{{");
            rest = &rest[start + 2..];
            continue;
        }
        let Some(len) = close(&rest[start + 2..]) else {
            // Braces that are never closed are text.
            break;
        };
        plain.push_str(&rest[..start]);
        if !plain.is_empty() {
            out.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        let inner = &rest[start + 2..start + 2 + len];
        out.push(variable(inner, at)?);
        rest = &rest[start + len + 4..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        out.push(Part::Text(plain.into()));
    }
    Ok(out)
}

/// How long the inside of a variable is: up to the `}}` on its own level.
fn close(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut depth = 0;
    let mut i = 0;
    while i < bytes.len() {
        match bytes[i] {
            b'{' => depth += 1,
            b'}' if depth > 0 => depth -= 1,
            b'}' if bytes.get(i + 1) == Some(&b'}') => return Some(i),
            b'}' => return None,
            _ => {}
        }
        i += 1;
    }
    None
}

fn variable(inner: &str, at: &str) -> Result<Part, TemplateFault> {
    let inner = inner.trim();
    // `{{- x }}` asks for one round of substitution; compiled variables are never substituted twice anyway.
    let inner = inner.strip_prefix('-').unwrap_or(inner).trim();
    if inner.contains("{{") {
        return Ok(Part::Nested(parts(inner, at)?));
    }
    let source = if inner == "@" {
        Cow::Owned(at.to_owned())
    } else {
        Cow::Borrowed(inner)
    };
    if source.is_empty() {
        return Err("`{{ }}` needs an expression between its braces".into());
    }
    Expression::parse(&source)
        .map(Part::Variable)
        .map_err(|error| error.to_string())
}

/// A tree of a policy with variables in its leaves or keys.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    /// No variable anywhere.
    Fixed(Value),
    /// A leaf with variables.
    Leaf(Template),
    /// A leaf with variables that is a text whatever they hold.
    Text(Template),
    /// An array with variables somewhere.
    Array(Vec<Tree>),
    /// An object with variables somewhere.
    Object(Vec<(Template, Tree)>),
}

/// Whether a sub-tree holds a variable.
pub(crate) fn has_variables(node: Node<'_>) -> bool {
    match node.kind() {
        Kind::String => node.as_str().is_some_and(|text| text.contains("{{")),
        Kind::Array => node.items().any(has_variables),
        Kind::Object => node
            .members()
            .any(|(key, member)| key.contains("{{") || has_variables(member)),
        _ => false,
    }
}

impl Tree {
    /// Compiles a sub-tree.
    pub(crate) fn compile(node: Node<'_>, at: &str) -> Result<Tree, TemplateFault> {
        if !has_variables(node) {
            return Ok(Tree::Fixed(node.to_value()));
        }
        Ok(match node.kind() {
            Kind::Array => {
                let items = node
                    .items()
                    .enumerate()
                    .map(|(i, item)| Tree::compile(item, &format!("{at}[{i}]")));
                Tree::Array(items.collect::<Result<_, _>>()?)
            }
            Kind::Object => {
                let members = node.members().map(|(key, member)| {
                    let inner = member_path(at, key);
                    Ok((Template::compile(key, at)?, Tree::compile(member, &inner)?))
                });
                Tree::Object(members.collect::<Result<_, TemplateFault>>()?)
            }
            _ => Tree::Leaf(Template::compile(node.as_str().unwrap_or_default(), at)?),
        })
    }

    /// The value of the tree. Escaped braces (`\{{`) lose their escape.
    pub(crate) fn eval<'a>(&'a self, env: &Env<'a>) -> Result<Value, Fault> {
        Ok(match self {
            Tree::Fixed(value) => value.clone(),
            Tree::Leaf(template) => template.eval(env)?.to_value(),
            Tree::Text(template) => template.text(env)?.as_ref().into(),
            Tree::Array(items) => {
                let items = items.iter().map(|item| item.eval(env)).collect::<Result<Vec<_>, _>>()?;
                items.into()
            }
            Tree::Object(members) => {
                let mut out = Map::new();
                for (key, member) in members {
                    out.insert(key.text(env)?.as_ref(), member.eval(env)?);
                }
                out.into()
            }
        })
    }

    /// The value as an expression's value.
    pub(crate) fn val<'a>(&'a self, env: &Env<'a>) -> Result<Val<'a>, Fault> {
        match self {
            Tree::Fixed(value) => Ok(Val::of(value.node())),
            Tree::Leaf(template) => template.eval(env),
            Tree::Text(template) => template.text(env).map(Val::Str),
            other => Ok(Val::copy(other.eval(env)?.node())),
        }
    }

    /// The plain path of the first variable, for evidence.
    pub(crate) fn plain_path(&self) -> Option<String> {
        match self {
            Tree::Fixed(_) => None,
            Tree::Leaf(template) | Tree::Text(template) => template.plain_path(),
            Tree::Array(items) => items.iter().find_map(Tree::plain_path),
            Tree::Object(members) => members.iter().find_map(|(_, member)| member.plain_path()),
        }
    }
}

/// The JMESPath of a member; keys with anchors are named without them.
pub(crate) fn member_path(at: &str, key: &str) -> String {
    let key = super::anchor::bare_key(key);
    if key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && !key.is_empty() {
        format!("{at}.{key}")
    } else {
        format!("{at}.{:?}", key)
    }
}
