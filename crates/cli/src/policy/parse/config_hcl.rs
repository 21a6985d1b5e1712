//! HCL 2 as JSON: blocks nest by their labels and end in lists, expressions are kept as `${…}`.

use hcl::{Body, Expression, ObjectKey, Structure};
use ridgeway_doc::Value;

use super::Fault;

/// Reads a text.
pub(super) fn parse(text: &str) -> Result<Value, Fault> {
    let body = hcl::parse(text).map_err(|error| {
        let (line, column) = match &error {
            hcl::Error::Parse(error) => (error.location().line(), error.location().column()),
            _ => (1, 1),
        };
        let message = match &error {
            hcl::Error::Parse(error) => error.message().to_owned(),
            other => other.to_string(),
        };
        Fault::at(line, column, message)
    })?;
    Ok(object(&body))
}

fn object(body: &Body) -> Value {
    let mut out = Value::object();
    for structure in body.iter() {
        match structure {
            Structure::Attribute(attribute) => out.set(&[attribute.key.as_str()], expression(&attribute.expr)),
            Structure::Block(block) => {
                let mut path = vec![block.identifier.as_str()];
                path.extend(block.labels.iter().map(|label| label.as_str()));
                let (last, parents) = path.split_last().expect("a block has a name");
                let parent = out.object_at(parents);
                let list = parent.entry(last, Value::array);
                list.make_array().push(object(&block.body));
            }
        }
    }
    out
}

fn expression(expression: &Expression) -> Value {
    match expression {
        Expression::Null => Value::NULL,
        Expression::Bool(b) => (*b).into(),
        Expression::Number(n) => match n.as_i64() {
            Some(n) => n.into(),
            None => n.as_f64().unwrap_or_default().into(),
        },
        Expression::String(text) => text.as_str().into(),
        Expression::Array(items) => items.iter().map(self::expression).collect(),
        Expression::Object(members) => {
            let mut out = Value::object();
            for (key, member) in members {
                let key = match key {
                    ObjectKey::Identifier(name) => name.as_str().to_owned(),
                    ObjectKey::Expression(Expression::String(text)) => text.clone(),
                    other => format!("${{{}}}", other),
                };
                out.make_object().insert(key, self::expression(member));
            }
            out
        }
        Expression::TemplateExpr(template) => template.to_string().trim_matches('"').into(),
        other => format!("${{{}}}", hcl::format::to_string(other).unwrap_or_default()).into(),
    }
}
