//! Schemas: their types, and whether they hold together.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::value::Value;
use super::{list, text};

const SCALARS: [&str; 5] = ["Int", "Float", "String", "Boolean", "ID"];

/// Name, type, and whether it is required.
type KnownArgument = (&'static str, &'static str, bool);

/// The directives that every schema has, with their arguments.
const DIRECTIVES: [(&str, &[KnownArgument]); 5] = [
    ("include", &[("if", "Boolean", true)]),
    ("skip", &[("if", "Boolean", true)]),
    ("deprecated", &[("reason", "String", false)]),
    ("specifiedBy", &[("url", "String", true)]),
    ("defer", &[("if", "Boolean", false), ("label", "String", false)]),
];

/// A type of a value.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kind {
    /// The name, or the type of the items.
    pub(super) of: KindOf,
    pub(super) required: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum KindOf {
    Named(String),
    List(Box<Kind>),
}

impl Kind {
    pub(super) fn read(tree: Option<&Value<'_>>) -> Kind {
        let empty = Value::object(Vec::new());
        let tree = tree.unwrap_or(&empty);
        let required = tree.field("NonNull") == Some(Value::Bool(true));
        let of = match tree.field("Elem") {
            Some(inner) if inner != Value::Null => KindOf::List(Box::new(Kind::read(Some(&inner)))),
            _ => KindOf::Named(text(tree, "NamedType")),
        };
        Kind { of, required }
    }

    fn named(name: &str, required: bool) -> Kind {
        Kind {
            of: KindOf::Named(name.to_owned()),
            required,
        }
    }

    /// The name at the heart of the type.
    pub(super) fn name(&self) -> &str {
        match &self.of {
            KindOf::Named(name) => name,
            KindOf::List(inner) => inner.name(),
        }
    }

    pub(super) fn shown(&self) -> String {
        let of = match &self.of {
            KindOf::Named(name) => name.clone(),
            KindOf::List(inner) => format!("[{}]", inner.shown()),
        };
        format!("{of}{}", if self.required { "!" } else { "" })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Argument {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) has_default: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) has_default: bool,
    pub(super) arguments: Vec<Argument>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Definition {
    pub(super) kind: String,
    pub(super) fields: Vec<Field>,
    pub(super) interfaces: Vec<String>,
    pub(super) types: Vec<String>,
    pub(super) values: Vec<String>,
    directives: Vec<String>,
}

/// A schema that holds together.
#[derive(Debug, Default)]
pub(super) struct Schema {
    pub(super) types: BTreeMap<String, Definition>,
    pub(super) directives: BTreeMap<String, Vec<Argument>>,
    /// The type of each operation.
    pub(super) roots: BTreeMap<String, String>,
}

fn arguments(tree: &Value<'_>) -> Vec<Argument> {
    let read = |tree: &Value<'_>| Argument {
        name: text(tree, "Name"),
        kind: Kind::read(tree.field("Type").as_ref()),
        has_default: tree.field("DefaultValue").is_some_and(|value| value != Value::Null),
    };
    list(tree, "Arguments").iter().map(read).collect()
}

fn texts(tree: &Value<'_>, name: &str) -> Vec<String> {
    list(tree, name).iter().map(Value::json_key).collect()
}

impl Definition {
    fn extend(&mut self, tree: &Value<'_>) {
        self.fields.extend(list(tree, "Fields").iter().map(|field| Field {
            name: text(field, "Name"),
            kind: Kind::read(field.field("Type").as_ref()),
            has_default: field.field("DefaultValue").is_some_and(|value| value != Value::Null),
            arguments: arguments(field),
        }));
        self.interfaces.extend(texts(tree, "Interfaces"));
        self.types.extend(texts(tree, "Types"));
        self.values
            .extend(list(tree, "EnumValues").iter().map(|value| text(value, "Name")));
        let named = |tree: &Value<'_>| {
            list(tree, "Directives")
                .iter()
                .map(|d| text(d, "Name"))
                .collect::<Vec<_>>()
        };
        self.directives.extend(named(tree));
        for inner in list(tree, "Fields").iter().chain(&list(tree, "EnumValues")) {
            self.directives.extend(named(inner));
        }
    }

    pub(super) fn is_composite(&self) -> bool {
        matches!(self.kind.as_str(), "OBJECT" | "INTERFACE" | "UNION")
    }

    fn is_input(&self) -> bool {
        matches!(self.kind.as_str(), "SCALAR" | "ENUM" | "INPUT_OBJECT")
    }

    pub(super) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

impl Schema {
    pub(super) fn read(tree: &Value<'_>) -> Result<Schema, String> {
        let mut out = Schema::default();
        for name in SCALARS {
            let scalar = Definition {
                kind: "SCALAR".into(),
                ..Definition::default()
            };
            out.types.insert(name.into(), scalar);
        }
        for (name, args) in DIRECTIVES {
            let of = |(name, kind, required): &KnownArgument| Argument {
                name: (*name).to_owned(),
                kind: Kind::named(kind, *required),
                has_default: false,
            };
            out.directives.insert(name.into(), args.iter().map(of).collect());
        }
        for definition in list(tree, "Definitions") {
            let name = text(&definition, "Name");
            let mut found = Definition {
                kind: text(&definition, "Kind"),
                ..Definition::default()
            };
            found.extend(&definition);
            if out.types.insert(name.clone(), found).is_some() {
                return Err(format!("Cannot redeclare type {name}."));
            }
        }
        for extension in list(tree, "Extensions") {
            let (name, kind) = (text(&extension, "Name"), text(&extension, "Kind"));
            let found = out.types.entry(name.clone()).or_insert_with(|| Definition {
                kind: kind.clone(),
                ..Definition::default()
            });
            if found.kind != kind {
                let base = &found.kind;
                return Err(format!(
                    "Cannot extend type {name} because the base type is a {base}, not {kind}."
                ));
            }
            found.extend(&extension);
        }
        for directive in list(tree, "Directives") {
            let name = text(&directive, "Name");
            if name.starts_with("__") {
                return Err(format!("Name \"{name}\" must not begin with \"__\"."));
            }
            out.directives.insert(name, arguments(&directive));
        }
        out.read_roots(tree)?;
        out.check()?;
        Ok(out)
    }

    fn read_roots(&mut self, tree: &Value<'_>) -> Result<(), String> {
        let schemas = list(tree, "Schema");
        if schemas.len() > 1 {
            return Err("Cannot have multiple schema entry points, consider schema extensions instead.".into());
        }
        for (operation, name) in [
            ("query", "Query"),
            ("mutation", "Mutation"),
            ("subscription", "Subscription"),
        ] {
            if schemas.is_empty() && self.types.contains_key(name) {
                self.roots.insert(operation.into(), name.into());
            }
        }
        for part in schemas.iter().chain(&list(tree, "SchemaExtension")) {
            for root in list(part, "OperationTypes") {
                let (operation, name) = (text(&root, "Operation"), text(&root, "Type"));
                if !self.types.contains_key(&name) {
                    return Err(format!(
                        "Schema root {operation} refers to a type {name} that does not exist."
                    ));
                }
                self.roots.insert(operation, name);
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        for (name, definition) in &self.types {
            if name.starts_with("__") {
                return Err(format!("Name \"{name}\" must not begin with \"__\"."));
            }
            self.check_definition(name, definition)?;
        }
        for (name, arguments) in &self.directives {
            self.check_arguments(&format!("@{name}"), arguments)?;
        }
        Ok(())
    }

    fn check_definition(&self, name: &str, definition: &Definition) -> Result<(), String> {
        let kind = definition.kind.as_str();
        if matches!(kind, "OBJECT" | "INTERFACE" | "INPUT_OBJECT") && definition.fields.is_empty() {
            return Err(format!("{kind} {name}: must define one or more fields."));
        }
        if kind == "ENUM" && definition.values.is_empty() {
            return Err(format!("{kind} {name}: must define one or more unique enum values."));
        }
        let mut seen = BTreeSet::new();
        for field in &definition.fields {
            let place = format!("{name}.{}", field.name);
            if field.name.starts_with("__") {
                return Err(format!("Name \"{}\" must not begin with \"__\".", field.name));
            }
            if !seen.insert(&field.name) {
                return Err(format!("Field {place} can only be defined once."));
            }
            let of = self.types.get(field.kind.name());
            let of = of.ok_or_else(|| format!("Undefined type {}.", field.kind.name()))?;
            let fits = if kind == "INPUT_OBJECT" {
                of.is_input()
            } else {
                of.kind != "INPUT_OBJECT"
            };
            if !fits {
                return Err(format!(
                    "{place}: {} cannot be the type of this field.",
                    field.kind.name()
                ));
            }
            self.check_arguments(&place, &field.arguments)?;
        }
        for member in &definition.types {
            match self.types.get(member) {
                Some(found) if found.kind == "OBJECT" => {}
                Some(_) => return Err(format!("UNION type \"{member}\" must be OBJECT.")),
                None => return Err(format!("Undefined type \"{member}\".")),
            }
        }
        if let Some(unknown) = definition
            .directives
            .iter()
            .find(|name| !self.directives.contains_key(*name))
        {
            return Err(format!("Undefined directive {unknown}."));
        }
        for interface in &definition.interfaces {
            self.check_interface(name, definition, interface)?;
        }
        Ok(())
    }

    fn check_interface(&self, name: &str, definition: &Definition, interface: &str) -> Result<(), String> {
        let found = self.types.get(interface);
        let found = found.ok_or_else(|| format!("Undefined type \"{interface}\"."))?;
        if found.kind != "INTERFACE" {
            return Err(format!("{interface} is a non interface type {}.", found.kind));
        }
        if let Some(missing) = found
            .interfaces
            .iter()
            .find(|inner| !definition.interfaces.contains(inner))
        {
            return Err(format!(
                "Type {name} must implement {missing} because it is implemented by {interface}."
            ));
        }
        for wanted in &found.fields {
            let own = definition.field(&wanted.name);
            let own = own.ok_or_else(|| {
                format!(
                    "For {name} to implement {interface} it must have a field called {}.",
                    wanted.name
                )
            })?;
            if !self.covers(&wanted.kind, &own.kind) {
                return Err(format!(
                    "For {name} to implement {interface} the field {} must have type {}.",
                    wanted.name,
                    wanted.kind.shown()
                ));
            }
            let lacks = |argument: &&Argument| !own.arguments.iter().any(|own| own.name == argument.name);
            if let Some(argument) = wanted.arguments.iter().find(lacks) {
                return Err(format!(
                    "For {name} to implement {interface} the field {} must have the argument {}.",
                    wanted.name, argument.name
                ));
            }
        }
        Ok(())
    }

    /// Whether a value of the narrow type is always one of the wide type.
    fn covers(&self, wide: &Kind, narrow: &Kind) -> bool {
        if wide.required && !narrow.required {
            return false;
        }
        match (&wide.of, &narrow.of) {
            (KindOf::List(a), KindOf::List(b)) => self.covers(a, b),
            (KindOf::Named(a), KindOf::Named(b)) => a == b || self.possible(a).contains(b.as_str()),
            _ => false,
        }
    }

    fn check_arguments(&self, place: &str, arguments: &[Argument]) -> Result<(), String> {
        for argument in arguments {
            let kind = argument.kind.name();
            match self.types.get(kind) {
                Some(found) if found.is_input() => {}
                Some(_) => {
                    let name = &argument.name;
                    return Err(format!("{place}: {kind} cannot be the type of the argument {name}."));
                }
                None => return Err(format!("Undefined type {kind}.")),
            }
            if argument.name.starts_with("__") {
                return Err(format!("Name \"{}\" must not begin with \"__\".", argument.name));
            }
        }
        Ok(())
    }

    /// The object types that a composite type may be.
    pub(super) fn possible<'s>(&'s self, name: &'s str) -> BTreeSet<&'s str> {
        match self.types.get(name) {
            Some(found) if found.kind == "UNION" => found.types.iter().map(String::as_str).collect(),
            Some(found) if found.kind == "INTERFACE" => {
                let implementing = self
                    .types
                    .iter()
                    .filter(|(_, of)| of.interfaces.iter().any(|i| i == name));
                implementing.map(|(name, _)| name.as_str()).collect()
            }
            _ => BTreeSet::from([name]),
        }
    }
}
