//! Whether a query fits a schema.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::error::Fault;
use super::super::super::value::Value;
use super::super::Env;
use super::schema::{Argument, Kind, KindOf, Schema};
use super::{list, text};

type Check = Result<(), Fault>;

struct Validator<'v> {
    env: &'v Env<'v>,
    schema: &'v Schema,
    fragments: BTreeMap<String, Value<'v>>,
    spread: BTreeSet<String>,
    /// The variables of the operation at hand, and those it uses.
    variables: BTreeMap<String, Kind>,
    used: BTreeSet<String>,
    /// The fragments on the way to here.
    path: Vec<String>,
}

fn fail<T>(message: String) -> Result<T, Fault> {
    Err(Fault::Value(format!("{message} in GraphQL string")))
}

/// Checks operations and fragments.
pub(super) fn query<'v>(env: &'v Env<'v>, document: &'v Value<'v>, schema: &'v Schema) -> Check {
    let mut fragments = BTreeMap::new();
    for fragment in list(document, "Fragments") {
        let name = text(&fragment, "Name");
        if fragments.insert(name.clone(), fragment).is_some() {
            return fail(format!("There can be only one fragment named \"{name}\"."));
        }
    }
    let mut validator = Validator {
        env,
        schema,
        fragments,
        spread: BTreeSet::new(),
        variables: BTreeMap::new(),
        used: BTreeSet::new(),
        path: Vec::new(),
    };
    let operations = list(document, "Operations");
    let mut names = BTreeSet::new();
    for operation in &operations {
        let name = text(operation, "Name");
        if name.is_empty() && operations.len() > 1 {
            return fail("This anonymous operation must be the only defined operation.".into());
        }
        if !names.insert(name.clone()) {
            return fail(format!("There can be only one operation named \"{name}\"."));
        }
        validator.operation(operation)?;
    }
    let on: Vec<(String, String)> = validator
        .fragments
        .iter()
        .map(|(name, fragment)| (name.clone(), text(fragment, "TypeCondition")))
        .collect();
    for (name, on) in on {
        validator.condition(&on)?;
        if !validator.spread.contains(&name) {
            return fail(format!("Fragment \"{name}\" is never used."));
        }
    }
    Ok(())
}

impl<'v> Validator<'v> {
    fn operation(&mut self, operation: &Value<'v>) -> Check {
        let kind = text(operation, "Operation");
        let Some(root) = self.schema.roots.get(&kind) else {
            return fail(format!("Schema does not support operation type \"{kind}\""));
        };
        self.variables.clear();
        self.used.clear();
        for variable in list(operation, "VariableDefinitions") {
            let name = text(&variable, "Variable");
            let kind = Kind::read(variable.field("Type").as_ref());
            match self.schema.types.get(kind.name()) {
                Some(found) if !found.is_composite() => {}
                Some(_) => {
                    let kind = kind.shown();
                    return fail(format!("Variable \"${name}\" cannot be non-input type \"{kind}\"."));
                }
                None => return fail(format!("Unknown type \"{}\".", kind.name())),
            }
            if let Some(default) = variable.field("DefaultValue") {
                self.value(&default, &kind)?;
            }
            self.directives(&variable)?;
            if self.variables.insert(name.clone(), kind).is_some() {
                return fail(format!("There can be only one variable named \"${name}\"."));
            }
        }
        self.directives(operation)?;
        self.selection(operation, root)?;
        if let Some(unused) = self.variables.keys().find(|name| !self.used.contains(*name)) {
            return fail(format!("Variable \"${unused}\" is never used."));
        }
        Ok(())
    }

    fn condition(&self, name: &str) -> Check {
        match self.schema.types.get(name) {
            Some(found) if found.is_composite() => Ok(()),
            Some(_) => fail(format!("Fragment cannot condition on non composite type \"{name}\".")),
            None => fail(format!("Unknown type \"{name}\".")),
        }
    }

    fn selection(&mut self, parent: &Value<'v>, on: &str) -> Check {
        for selected in list(parent, "SelectionSet") {
            self.env.fuel.burn(4)?;
            self.directives(&selected)?;
            if selected.field("Alias").is_some() {
                self.field(&selected, on)?;
            } else if selected.field("SelectionSet").is_some() {
                let condition = text(&selected, "TypeCondition");
                let inner = if condition.is_empty() { on } else { &condition };
                self.condition(inner)?;
                self.meets(inner, on)?;
                self.selection(&selected, inner)?;
            } else {
                let name = text(&selected, "Name");
                let Some(fragment) = self.fragments.get(&name).cloned() else {
                    return fail(format!("Unknown fragment \"{name}\"."));
                };
                self.spread.insert(name.clone());
                if self.path.contains(&name) || self.path.len() > 64 {
                    return fail(format!("Cannot spread fragment \"{name}\" within itself."));
                }
                let inner = text(&fragment, "TypeCondition");
                self.condition(&inner)?;
                self.meets(&inner, on)?;
                self.directives(&fragment)?;
                self.path.push(name);
                self.selection(&fragment, &inner)?;
                self.path.pop();
            }
        }
        Ok(())
    }

    /// Whether something may be of both types.
    fn meets(&self, inner: &str, on: &str) -> Check {
        if self.schema.possible(inner).is_disjoint(&self.schema.possible(on)) {
            return fail(format!(
                "Fragment cannot be spread here as objects of type \"{on}\" can never be of type \"{inner}\"."
            ));
        }
        Ok(())
    }

    fn field(&mut self, field: &Value<'v>, on: &str) -> Check {
        let name = text(field, "Name");
        // What describes the schema itself is let through.
        if matches!(name.as_str(), "__typename" | "__schema" | "__type") {
            return Ok(());
        }
        let schema = self.schema;
        let Some(definition) = schema.types.get(on).and_then(|of| of.field(&name)) else {
            return fail(format!("Cannot query field \"{name}\" on type \"{on}\"."));
        };
        self.arguments(&format!("Field \"{name}\""), field, &definition.arguments)?;
        let of = definition.kind.name();
        let composite = schema.types.get(of).is_some_and(|of| of.is_composite());
        let selects = !list(field, "SelectionSet").is_empty();
        if composite && !selects {
            let shown = definition.kind.shown();
            return fail(format!(
                "Field \"{name}\" of type \"{shown}\" must have a selection of subfields."
            ));
        }
        if !composite && selects {
            let shown = definition.kind.shown();
            return fail(format!(
                "Field \"{name}\" must not have a selection since type \"{shown}\" has no subfields."
            ));
        }
        self.selection(field, of)
    }

    fn arguments(&mut self, of: &str, tree: &Value<'v>, known: &[Argument]) -> Check {
        let given = list(tree, "Arguments");
        let mut names = BTreeSet::new();
        for argument in &given {
            let name = text(argument, "Name");
            let Some(definition) = known.iter().find(|argument| argument.name == name) else {
                return fail(format!("Unknown argument \"{name}\" on {of}."));
            };
            if let Some(value) = argument.field("Value") {
                self.value(&value, &definition.kind)?;
            }
            if !names.insert(name.clone()) {
                return fail(format!("There can be only one argument named \"{name}\"."));
            }
        }
        let missing = known
            .iter()
            .find(|argument| argument.kind.required && !argument.has_default && !names.contains(&argument.name));
        if let Some(missing) = missing {
            let (name, kind) = (&missing.name, missing.kind.shown());
            return fail(format!(
                "{of} argument \"{name}\" of type \"{kind}\" is required, but it was not provided"
            ));
        }
        Ok(())
    }

    fn directives(&mut self, tree: &Value<'v>) -> Check {
        let schema = self.schema;
        for directive in list(tree, "Directives") {
            let name = text(&directive, "Name");
            let Some(known) = schema.directives.get(&name) else {
                return fail(format!("Unknown directive \"@{name}\"."));
            };
            self.arguments(&format!("Directive \"@{name}\""), &directive, known)?;
        }
        Ok(())
    }

    fn value(&mut self, value: &Value<'v>, kind: &Kind) -> Check {
        self.env.fuel.burn(1)?;
        let shape = value.field("Kind").and_then(|kind| kind.as_i64()).unwrap_or(-1);
        let raw = text(value, "Raw");
        let wrong = || fail(format!("Expected value of type \"{}\", found {raw}.", kind.shown()));
        if shape == 0 {
            self.used.insert(raw.clone());
            let Some(own) = self.variables.get(&raw) else {
                return fail(format!("Variable \"${raw}\" is not defined."));
            };
            return if own.name() == kind.name() {
                Ok(())
            } else {
                let (own, kind) = (own.shown(), kind.shown());
                fail(format!(
                    "Variable \"${raw}\" of type \"{own}\" used in position expecting type \"{kind}\"."
                ))
            };
        }
        if shape == 6 {
            return if kind.required { wrong() } else { Ok(()) };
        }
        match &kind.of {
            KindOf::List(inner) => {
                if shape == 8 {
                    for item in list(value, "Children") {
                        if let Some(item) = item.field("Value") {
                            self.value(&item, inner)?;
                        }
                    }
                    return Ok(());
                }
                // One item stands for a list of one.
                self.value(value, inner)
            }
            KindOf::Named(name) => {
                let schema = self.schema;
                let Some(definition) = schema.types.get(name) else {
                    return wrong();
                };
                let fits = match (definition.kind.as_str(), name.as_str()) {
                    ("SCALAR", "Int") => shape == 1,
                    ("SCALAR", "Float") => matches!(shape, 1 | 2),
                    ("SCALAR", "String") => matches!(shape, 3 | 4),
                    ("SCALAR", "Boolean") => shape == 5,
                    ("SCALAR", "ID") => matches!(shape, 1 | 3 | 4),
                    ("ENUM", _) => shape == 7 && definition.values.contains(&raw),
                    ("INPUT_OBJECT", _) => {
                        if shape != 9 {
                            return wrong();
                        }
                        let children = list(value, "Children");
                        for child in &children {
                            let name = text(child, "Name");
                            let Some(field) = definition.field(&name) else {
                                return fail(format!("Field \"{name}\" is not defined by type \"{}\".", kind.shown()));
                            };
                            if let Some(inner) = child.field("Value") {
                                self.value(&inner, &field.kind)?;
                            }
                        }
                        let given = |name: &str| children.iter().any(|child| text(child, "Name") == name);
                        definition
                            .fields
                            .iter()
                            .all(|field| !field.kind.required || field.has_default || given(&field.name))
                    }
                    // A scalar of the schema's own takes anything.
                    _ => true,
                };
                if fits { Ok(()) } else { wrong() }
            }
        }
    }
}
