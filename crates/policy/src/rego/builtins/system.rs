//! What concerns the engine itself: time of the call, randomness, modules, and what a pure engine refuses.

use super::super::error::{Error, Fault};
use super::super::parser::{Version, parse_module};
use super::super::value::Value;
use super::{Answer, Builtin, Env, array, builtin, format, integer, text, versions};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("trace", 1, |_, a| {
        text(a, 0)?;
        Ok(Value::Bool(true))
    }),
    builtin("internal.print", 1, |_, a| array(a, 0).map(|_| Value::Bool(true))),
    builtin("internal.test_case", 1, |_, _| Ok(Value::Bool(true))),
    builtin("internal.template_string", 1, template),
    builtin("walk", 1, |_, _| Err(Fault::Undefined)),
    builtin("opa.runtime", 0, |_, _| Ok(Value::object(Vec::new()))),
    builtin("test.sleep", 1, |_, _| Ok(Value::Null)),
    builtin("http.send", 1, |_, _| {
        Err(Fault::value(
            "policies are evaluated without the network; pass the data as input",
        ))
    }),
    builtin("rand.intn", 2, |env, a| {
        let bound = integer(a, 1)?.unsigned_abs();
        let drawn = versions::mix(env.seed, &format!("{}/{bound}", text(a, 0)?));
        Ok(Value::int(if bound == 0 {
            0
        } else {
            i64::try_from(drawn % bound).unwrap_or(0)
        }))
    }),
    builtin("rego.metadata.chain", 0, |_, _| Ok(Value::array(Vec::new()))),
    builtin("rego.metadata.rule", 0, |_, _| Ok(Value::object(Vec::new()))),
    builtin("rego.parse_module", 2, read_module),
];

/// Joins texts and other scalars, and sets of at most one value: what has none is shown as undefined.
fn template<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    let mut out = String::new();
    for item in array(a, 0)?.iter() {
        let one = item.as_set().map(|items| items.to_vec());
        match one.as_deref() {
            None if item.len().is_none() => out.push_str(&format::plain(item)),
            Some([]) => out.push_str("<undefined>"),
            Some([item]) => out.push_str(&format::plain(item)),
            _ => {
                let pos = super::super::ast::Pos::default();
                let why = "template-strings must not produce multiple outputs";
                return Err(Fault::Halt(Error::conflict(pos, why)));
            }
        }
    }
    env.work(out.len())?;
    Ok(Value::str(out))
}

/// The outline of a module: its package, imports and the names of its rules.
fn read_module<'d>(env: &mut Env<'_>, a: &[Value<'d>]) -> Answer<'d> {
    text(a, 0)?;
    let source = text(a, 1)?;
    env.work(source.len() * 16)?;
    let module = parse_module(source, Version::V1).map_err(|error| Fault::value(error.to_string()))?;
    let term = |kind: &str, value: &str| Value::named([("type", Value::str(kind)), ("value", Value::str(value))]);
    let path = |names: &[super::super::ast::Name]| {
        let mut out = Vec::new();
        for (i, name) in names.iter().enumerate() {
            out.push(term(if i == 0 { "var" } else { "string" }, name));
        }
        Value::array(out)
    };
    let mut package = vec!["data".into()];
    package.extend(module.package.iter().cloned());
    let imports = module.imports.iter().map(|import| {
        let target = Value::named([("type", Value::str("ref")), ("value", path(&import.path))]);
        match &import.alias {
            Some(alias) => Value::named([("path", target), ("alias", Value::str(&**alias))]),
            None => Value::named([("path", target)]),
        }
    });
    let rules = module.rules.iter().map(|rule| {
        let head = Value::named([
            ("name", Value::str(&*rule.name)),
            ("ref", Value::array(vec![term("var", &rule.name)])),
        ]);
        Value::named([("head", head)])
    });
    let package = Value::named([("path", path(&package))]);
    let mut members = vec![(Value::str("package"), package)];
    let lists: [(&str, Vec<Value<'d>>); 2] = [("imports", imports.collect()), ("rules", rules.collect())];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        members.push((Value::str(name), Value::array(list)));
    }
    Ok(Value::object(members))
}
