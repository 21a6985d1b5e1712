//! Annotations: the `# METADATA` comments above packages and rules.

use ridgeway_doc::parse_yaml;

use super::ast::{Module, Name, Rule};
use super::value::Value;

/// The annotations of all modules.
pub(crate) struct Metadata {
    /// By module: scope, the line it stands above, what it says.
    blocks: Vec<(Vec<Name>, Vec<Block>)>,
}

struct Block {
    scope: String,
    /// The line of what it belongs to.
    line: u32,
    value: Value<'static>,
}

impl Metadata {
    pub(crate) fn of(modules: &[Module]) -> Metadata {
        Metadata {
            blocks: modules
                .iter()
                .map(|module| (module.package.clone(), blocks(module)))
                .collect(),
        }
    }

    /// What the chain from a rule to its package says, and what the rule itself says.
    pub(crate) fn of_rule(
        &self,
        at: usize,
        module: &Module,
        rule: &Rule,
        path: &[Name],
    ) -> (Value<'static>, Option<Value<'static>>) {
        let blocks = &self.blocks[at].1;
        let steps = |path: &[Name]| Value::array(path.iter().map(|name| Value::Str(name.clone())).collect());
        let entry =
            |path: &[Name], block: &Block| Value::named([("annotations", block.value.clone()), ("path", steps(path))]);
        let own = blocks.iter().find(|b| b.scope == "rule" && b.line == rule.pos.line);
        let mut chain = vec![match own {
            Some(block) => entry(path, block),
            None => Value::named([("path", steps(path))]),
        }];
        let same_name = |line: u32| {
            let of = module.rules.iter().find(|other| other.pos.line == line);
            of.is_some_and(|other| other.name == rule.name)
        };
        let documents = blocks.iter().filter(|b| b.scope == "document" && same_name(b.line));
        chain.extend(documents.map(|block| entry(path, block)));
        // A package may be spread over modules.
        let spread = self.blocks.iter().filter(|(package, _)| *package == module.package);
        let package = spread
            .flat_map(|(_, blocks)| blocks)
            .filter(|b| b.scope == "package" || b.scope == "subpackages");
        chain.extend(package.map(|block| entry(&module.package, block)));
        (Value::array(chain), own.map(|block| block.value.clone()))
    }
}

fn blocks(module: &Module) -> Vec<Block> {
    let mut out = Vec::new();
    let mut i = 0;
    while i < module.comments.len() {
        let (start, text) = &module.comments[i];
        if text.trim() != "METADATA" {
            i += 1;
            continue;
        }
        let mut yaml = String::new();
        let mut line = *start;
        let mut end = i + 1;
        while let Some((next, text)) = module.comments.get(end)
            && *next == line + 1
        {
            yaml.push_str(text.strip_prefix(' ').unwrap_or(text));
            yaml.push('\n');
            line = *next;
            end += 1;
        }
        i = end;
        let Some(doc) = parse_yaml(&yaml).ok().and_then(|docs| docs.into_iter().next()) else {
            continue;
        };
        // It belongs to what follows.
        let rule = module
            .rules
            .iter()
            .map(|rule| rule.pos.line)
            .filter(|at| *at > line)
            .min();
        let is_package = module.package_pos.line > line;
        let value = Value::from_node(doc.root()).to_owned();
        let scope = value.field("scope");
        let scope = scope.as_ref().and_then(Value::as_str);
        let scope = scope.unwrap_or(if is_package { "package" } else { "rule" }).to_owned();
        let Some(line) = (if is_package {
            Some(module.package_pos.line)
        } else {
            rule
        }) else {
            continue;
        };
        out.push(Block {
            value: shaped(&value, &scope),
            scope,
            line,
        });
    }
    out
}

/// Annotations in their full form: authors and references as objects.
fn shaped(value: &Value<'static>, scope: &str) -> Value<'static> {
    let mut members = vec![(Value::str("scope"), Value::str(scope))];
    for (key, value) in value.as_object().unwrap_or_default().iter() {
        let list = value.as_list();
        let value = match (key.as_str(), list) {
            (Some("scope"), _) => continue,
            (Some("authors"), Some(list)) => Value::array(list.iter().map(author).collect()),
            (Some("related_resources"), Some(list)) => Value::array(
                list.iter()
                    .map(|item| match item.as_str() {
                        Some(text) => Value::named([("ref", Value::str(text))]),
                        None => item.clone(),
                    })
                    .collect(),
            ),
            _ => value.clone(),
        };
        members.push((key.clone(), value));
    }
    Value::object(members)
}

/// `A Name <mail>`
fn author(value: &Value<'static>) -> Value<'static> {
    let Some(text) = value.as_str() else {
        return value.clone();
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let mail = words.last().and_then(|word| word.strip_prefix('<')?.strip_suffix('>'));
    let names = &words[..words.len() - usize::from(mail.is_some())];
    let mut members = Vec::new();
    if !names.is_empty() {
        members.push((Value::str("name"), Value::str(names.join(" "))));
    }
    if let Some(mail) = mail {
        members.push((Value::str("email"), Value::str(mail)));
    }
    Value::object(members)
}
