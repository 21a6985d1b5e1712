//! GraphQL: documents to trees, and whether a query fits a schema.

mod lexer;
mod parser;
mod schema;
mod validate;

use super::super::error::Fault;
use super::super::value::{Type, Value};
use super::{Answer, Builtin, Env, builtin, wrong};
use schema::Schema;

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("graphql.parse_query", 1, |env, a| {
        env.work(super::text(a, 0)?.len())?;
        parser::query(super::text(a, 0)?)
    }),
    builtin("graphql.parse_schema", 1, |env, a| {
        env.work(super::text(a, 0)?.len())?;
        parser::schema(super::text(a, 0)?)
    }),
    builtin("graphql.parse", 2, |env, a| {
        let (query, schema) = (tree(env, a, 0)?, tree(env, a, 1)?);
        verify(env, &query, &schema)?;
        Ok(Value::array(vec![query, schema]))
    }),
    builtin("graphql.parse_and_verify", 2, |env, a| {
        let told = |valid: bool, query, schema| Ok(Value::array(vec![Value::Bool(valid), query, schema]));
        let empty = || Value::object(Vec::new());
        let (Ok(query), Ok(schema)) = (tree(env, a, 0), tree(env, a, 1)) else {
            return told(false, empty(), empty());
        };
        match verify(env, &query, &schema) {
            Ok(()) => told(true, query, schema),
            Err(halt @ Fault::Halt(_)) => Err(halt),
            Err(_) => told(false, empty(), empty()),
        }
    }),
    builtin("graphql.is_valid", 2, |env, a| {
        let (Ok(query), Ok(schema)) = (tree(env, a, 0), tree(env, a, 1)) else {
            return Ok(Value::Bool(false));
        };
        Ok(Value::Bool(verify(env, &query, &schema).is_ok()))
    }),
    builtin("graphql.schema_is_valid", 1, |env, a| {
        let Ok(schema) = tree(env, a, 0) else {
            return Ok(Value::Bool(false));
        };
        Ok(Value::Bool(Schema::read(&schema).is_ok()))
    }),
];

/// A document as a tree: read from its text, or given as one.
fn tree<'d>(env: &Env<'_>, a: &[Value<'d>], at: usize) -> Answer<'d> {
    if a[at].kind() == Type::Object {
        return Ok(a[at].clone());
    }
    let text = a[at]
        .as_str()
        .ok_or_else(|| wrong(at, "one of {string, object}", &a[at]))?;
    env.work(text.len())?;
    if at == 0 && a.len() == 2 {
        parser::query(text)
    } else {
        parser::schema(text)
    }
}

fn verify(env: &Env<'_>, query: &Value<'_>, schema: &Value<'_>) -> Result<(), Fault> {
    let schema = Schema::read(schema).map_err(Fault::Value)?;
    validate::query(env, query, &schema)
}

/// A text member of a tree.
fn text(tree: &Value<'_>, name: &str) -> String {
    let found = tree.field(name);
    found.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A list member of a tree.
fn list<'d>(tree: &Value<'d>, name: &str) -> Vec<Value<'d>> {
    let found = tree.field(name).and_then(|list| list.as_array());
    found.map_or_else(Vec::new, |list| list.to_vec())
}
