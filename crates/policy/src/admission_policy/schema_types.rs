//! What a policy's expressions get wrong about the objects that they are about, as their schemas describe these.

use std::collections::HashMap;
use std::fmt::Write;

use ridgeway_doc::Node;
use ridgeway_krm::{Kind, KindTable, SchemaId, SchemaRef, SchemaType};

use super::definition::{Body, Definition};
use crate::cel::Program;

/// How many kinds a policy is checked against.
const MOST_KINDS: usize = 10;
/// Of this type nothing is known.
const ANY: &str = "google.protobuf.Value";

/// Warnings for `status.typeChecking`: the field with the expression, and what is wrong with it. Kinds that rules name by
/// `*` are not looked at.
pub fn type_warnings(policy: Node<'_>, table: &KindTable) -> Vec<(String, String)> {
    let Ok(definition) = Definition::compile(policy) else {
        return Vec::new();
    };
    let Body::Validate { validations, .. } = &definition.body else {
        return Vec::new();
    };
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    for kind in kinds(policy, table) {
        let Some((types, root)) = describe(&kind) else { continue };
        let (typing, wrong) = definition.typing().with_object(&types, &root, &definition.variables);
        let words = typing.for_messages();
        let mut warn = |field: String, why: &str| {
            let Gvk { group, version, kind } = Gvk::of(&kind);
            let slash = if group.is_empty() { "" } else { "/" };
            // The types have no names that anybody knows.
            let why = why.split(" of kubernetes.S").next().unwrap_or(why);
            let text = format!("{group}{slash}{version}, Kind={kind}: {why}");
            match found.iter_mut().find(|(known, _)| *known == field) {
                Some((_, texts)) => texts.push(text),
                None => found.push((field, vec![text])),
            }
        };
        for (i, why) in wrong {
            warn(format!("spec.variables[{i}].expression"), &why);
        }
        for (i, validation) in validations.iter().enumerate() {
            let mut look = |typing: &super::typing::Typing, program: &Program, field: &str| {
                if let Err(why) = typing.kind(program) {
                    warn(format!("spec.validations[{i}].{field}"), &why);
                }
            };
            look(&typing, &validation.program, "expression");
            if let Some(program) = &validation.message_program {
                look(&words, program, "messageExpression");
            }
        }
    }
    found
        .into_iter()
        .map(|(field, texts)| (field, texts.join("\n")))
        .collect()
}

/// A kind's names.
struct Gvk<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
}

impl<'a> Gvk<'a> {
    fn of(kind: &'a Kind) -> Gvk<'a> {
        Gvk {
            group: &kind.gvk.group,
            version: &kind.gvk.version,
            kind: &kind.gvk.kind,
        }
    }
}

/// The kinds that the rules of a policy name one by one.
fn kinds(policy: Node<'_>, table: &KindTable) -> Vec<std::sync::Arc<Kind>> {
    let rules = policy.at(&["spec", "matchConstraints", "resourceRules"]);
    let mut out: Vec<std::sync::Arc<Kind>> = Vec::new();
    for rule in rules.into_iter().flat_map(Node::items) {
        let texts = |key: &str| -> Vec<&str> {
            let list = rule.get(key).into_iter().flat_map(Node::items);
            list.filter_map(Node::as_str)
                .filter(|text| !text.contains('*'))
                .collect()
        };
        for group in texts("apiGroups") {
            for version in texts("apiVersions") {
                for resource in texts("resources").into_iter().filter(|text| !text.contains('/')) {
                    let known = |kind: &Kind| out.iter().any(|other| other.gvk == kind.gvk);
                    let kind = table.by_resource(group, version, resource);
                    out.extend(kind.filter(|kind| out.len() < MOST_KINDS && !known(kind)));
                }
            }
        }
    }
    out
}

/// The types of a kind's objects as a table, and the name of the object's own.
fn describe(kind: &Kind) -> Option<(String, String)> {
    let root = kind.schema()?;
    let mut out = Table::default();
    let name = out.message(root)?;
    let mut text = String::from("package kubernetes proto3\n");
    let mut next = 0;
    while let Some(schema) = out.open.get(next).copied() {
        next += 1;
        let _ = writeln!(text, "message S{}", next - 1);
        let mut number = 0;
        let mut field = |text: &mut String, kind: &str, name: &str| {
            number += 1;
            let _ = writeln!(text, "{kind} {name} {number}");
        };
        let own: Vec<(&str, SchemaId)> = schema.schema().properties.iter().map(|(n, id)| (&**n, *id)).collect();
        // What every object has, whether its schema says so or not.
        if next == 1 {
            for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", ANY)] {
                if !own.iter().any(|(own, _)| *own == name) {
                    field(&mut text, kind, name);
                }
            }
        }
        for (name, id) in own {
            let kind = out.spelled(schema.sibling(id));
            field(&mut text, &kind, name);
        }
    }
    Some((text, format!("kubernetes.{name}")))
}

/// Messages in the order in which they were first needed.
#[derive(Default)]
struct Table<'s> {
    numbers: HashMap<SchemaId, usize>,
    open: Vec<SchemaRef<'s>>,
}

impl<'s> Table<'s> {
    /// The name of the message of a schema; `None` when its objects may hold anything.
    fn message(&mut self, schema: SchemaRef<'s>) -> Option<String> {
        let own = schema.schema();
        let closed = own.ty == Some(SchemaType::Object) && !own.properties.is_empty() && !own.preserve_unknown;
        if !closed || own.embedded_resource || own.additional.is_some() || own.additional_any {
            return None;
        }
        let next = self.numbers.len();
        let number = *self.numbers.entry(schema.id()).or_insert(next);
        if number == next {
            self.open.push(schema);
        }
        Some(format!("S{number}"))
    }

    /// The type of a value that stands for itself: a scalar or a message.
    fn single(&mut self, schema: SchemaRef<'s>) -> Option<String> {
        let own = schema.schema();
        if own.int_or_string || !own.any_of.is_empty() || !own.one_of.is_empty() || !own.all_of.is_empty() {
            return None;
        }
        Some(match own.ty? {
            // Times, bytes and quantities have types of their own in some places.
            SchemaType::String if !own.format.is_empty() => return None,
            SchemaType::String => "string".into(),
            SchemaType::Integer => "int64".into(),
            SchemaType::Number => "double".into(),
            SchemaType::Boolean => "bool".into(),
            SchemaType::Object => self.message(schema)?,
            SchemaType::Array => return None,
        })
    }

    fn spelled(&mut self, schema: SchemaRef<'s>) -> String {
        let own = schema.schema();
        let mut within =
            |inner: Option<SchemaRef<'s>>| inner.and_then(|inner| self.single(inner)).unwrap_or(ANY.into());
        match own.ty {
            Some(SchemaType::Array) => format!("repeated {}", within(schema.items_schema())),
            Some(SchemaType::Object) if own.additional.is_some() && own.properties.is_empty() => {
                let inner = own.additional.map(|id| schema.sibling(id));
                format!("map<string,{}>", within(inner))
            }
            _ => self.single(schema).unwrap_or(ANY.into()),
        }
    }
}
