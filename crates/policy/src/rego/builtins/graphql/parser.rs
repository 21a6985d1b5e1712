//! GraphQL documents to trees of plain values.

use super::super::super::error::Fault;
use super::super::super::value::Value;
use super::lexer::{Tok, tokens};

const MAX_DEPTH: u32 = 64;

type Tree = Value<'static>;
type Read = Result<Tree, Fault>;

pub(super) struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Tok, usize)>,
    at: usize,
    depth: u32,
}

/// An object of the members that are there; empty lists are left out.
fn node(members: Vec<(&str, Option<Tree>)>) -> Tree {
    let present = members
        .into_iter()
        .filter_map(|(name, value)| Some((Value::str(name), value?)));
    Value::object(present.collect())
}

fn list(items: Vec<Tree>) -> Option<Tree> {
    (!items.is_empty()).then(|| Value::array(items))
}

fn some(text: impl Into<std::sync::Arc<str>>) -> Option<Tree> {
    Some(Value::str(text))
}

const LOCATIONS: [&str; 19] = [
    "QUERY",
    "MUTATION",
    "SUBSCRIPTION",
    "FIELD",
    "FRAGMENT_DEFINITION",
    "FRAGMENT_SPREAD",
    "INLINE_FRAGMENT",
    "VARIABLE_DEFINITION",
    "SCHEMA",
    "SCALAR",
    "OBJECT",
    "FIELD_DEFINITION",
    "ARGUMENT_DEFINITION",
    "INTERFACE",
    "UNION",
    "ENUM",
    "ENUM_VALUE",
    "INPUT_OBJECT",
    "INPUT_FIELD_DEFINITION",
];

/// Reads operations and fragments.
pub(super) fn query(text: &str) -> Read {
    let mut parser = Parser::new(text);
    let (mut operations, mut fragments) = (Vec::new(), Vec::new());
    while *parser.peek() != Tok::End {
        match parser.peek() {
            Tok::Punct("{") => operations.push(parser.operation()?),
            Tok::Name(name) => match name.as_str() {
                "query" | "mutation" | "subscription" => operations.push(parser.operation()?),
                "fragment" => fragments.push(parser.fragment()?),
                _ => return parser.unexpected(),
            },
            _ => return parser.unexpected(),
        }
    }
    Ok(node(vec![
        ("Operations", list(operations)),
        ("Fragments", list(fragments)),
    ]))
}

/// Reads the definitions of a schema.
pub(super) fn schema(text: &str) -> Read {
    let mut parser = Parser::new(text);
    let mut out: [(&str, Vec<Tree>); 5] = [
        ("Schema", Vec::new()),
        ("SchemaExtension", Vec::new()),
        ("Directives", Vec::new()),
        ("Definitions", Vec::new()),
        ("Extensions", Vec::new()),
    ];
    while *parser.peek() != Tok::End {
        let described = matches!(parser.peek(), Tok::Text(_) | Tok::Block(_));
        let place = parser.at;
        let description = parser.description();
        if parser.is_name("extend") {
            if described {
                parser.at = place;
                return parser.unexpected();
            }
            parser.at += 1;
            if parser.is_name("schema") {
                let found = parser.schema_definition(None)?;
                out[1].1.push(found);
            } else {
                if matches!(parser.peek(), Tok::Text(_) | Tok::Block(_)) {
                    return parser.unexpected();
                }
                let found = parser.definition(String::new(), true)?;
                out[4].1.push(found);
            }
        } else if parser.is_name("schema") {
            let found = parser.schema_definition(Some(description))?;
            out[0].1.push(found);
        } else if parser.is_name("directive") {
            let found = parser.directive_definition(description)?;
            out[2].1.push(found);
        } else {
            let found = parser.definition(description, false)?;
            out[3].1.push(found);
        }
    }
    Ok(node(out.into_iter().map(|(name, items)| (name, list(items))).collect()))
}

impl<'t> Parser<'t> {
    fn new(text: &'t str) -> Self {
        Parser {
            text,
            tokens: tokens(text),
            at: 0,
            depth: 0,
        }
    }

    fn peek(&self) -> &Tok {
        self.tokens.get(self.at).map_or(&Tok::End, |(tok, _)| tok)
    }

    fn place(&self) -> String {
        let at = self.tokens.get(self.at).map_or(self.text.len(), |(_, at)| *at);
        let before = &self.text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.len() - before.rfind('\n').map_or(0, |at| at + 1) + 1;
        format!("in GraphQL string at location {line}:{column}")
    }

    fn unexpected<T>(&self) -> Result<T, Fault> {
        Err(Fault::value(format!(
            "Unexpected {} {}",
            self.peek().shown(),
            self.place()
        )))
    }

    fn expected<T>(&self, wanted: &str) -> Result<T, Fault> {
        let found = self.peek().shown();
        Err(Fault::value(format!(
            "Expected {wanted}, found {found} {}",
            self.place()
        )))
    }

    fn is(&self, punct: &str) -> bool {
        matches!(self.peek(), Tok::Punct(found) if *found == punct)
    }

    fn take(&mut self, punct: &str) -> bool {
        let found = self.is(punct);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, punct: &str) -> Result<(), Fault> {
        if self.take(punct) {
            return Ok(());
        }
        self.expected(punct)
    }

    fn is_name(&self, word: &str) -> bool {
        matches!(self.peek(), Tok::Name(name) if name == word)
    }

    fn take_name(&mut self, word: &str) -> bool {
        let found = self.is_name(word);
        self.at += usize::from(found);
        found
    }

    fn name(&mut self) -> Result<String, Fault> {
        match self.peek() {
            Tok::Name(name) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => self.expected("Name"),
        }
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Fault::value("the document nests too deeply"));
        }
        let out = read(self);
        self.depth -= 1;
        out
    }

    /// Items between brackets, at least one.
    fn many(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Read,
    ) -> Result<Option<Vec<Tree>>, Fault> {
        if !self.take(open) {
            return Ok(None);
        }
        let mut out = Vec::new();
        while !self.take(close) {
            out.push(item(self)?);
        }
        if out.is_empty() {
            self.at -= 1;
            let found = self.peek().shown();
            return Err(Fault::value(format!(
                "expected at least one definition, found {found} {}",
                self.place()
            )));
        }
        Ok(Some(out))
    }

    fn operation(&mut self) -> Read {
        if self.is("{") {
            let selection = self.selection_set()?;
            return Ok(node(vec![
                ("Operation", some("query")),
                ("Name", some("")),
                ("SelectionSet", selection),
            ]));
        }
        let kind = self.name()?;
        let name = match self.peek() {
            Tok::Name(_) => self.name()?,
            _ => String::new(),
        };
        let variables = self.variables()?;
        let directives = self.directives(false)?;
        let selection = self.required_selection_set()?;
        Ok(node(vec![
            ("Operation", some(kind)),
            ("Name", some(name)),
            ("VariableDefinitions", variables),
            ("Directives", directives),
            ("SelectionSet", selection),
        ]))
    }

    fn variables(&mut self) -> Result<Option<Tree>, Fault> {
        let found = self.many("(", ")", |p| {
            p.expect("$")?;
            let name = p.name()?;
            p.expect(":")?;
            let kind = p.kind()?;
            let default = if p.take("=") { Some(p.value(true)?) } else { None };
            let directives = p.directives(false)?;
            Ok(node(vec![
                ("Variable", some(name)),
                ("Type", Some(kind)),
                ("DefaultValue", default),
                ("Directives", directives),
                ("Used", Some(Value::Bool(false))),
            ]))
        })?;
        Ok(found.map(Value::array))
    }

    fn fragment(&mut self) -> Read {
        self.at += 1;
        if self.is_name("on") {
            return self.unexpected();
        }
        let name = self.name()?;
        let variables = self.variables()?;
        if !self.take_name("on") {
            return self.expected("\"on\"");
        }
        let on = self.name()?;
        let directives = self.directives(false)?;
        let selection = self.required_selection_set()?;
        Ok(node(vec![
            ("Name", some(name)),
            ("VariableDefinition", variables),
            ("TypeCondition", some(on)),
            ("Directives", directives),
            ("SelectionSet", selection),
        ]))
    }

    fn required_selection_set(&mut self) -> Result<Option<Tree>, Fault> {
        if !self.is("{") {
            return self.expected("{");
        }
        self.selection_set()
    }

    fn selection_set(&mut self) -> Result<Option<Tree>, Fault> {
        self.deeper(|p| Ok(p.many("{", "}", Self::selection)?.map(Value::array)))
    }

    fn selection(&mut self) -> Read {
        if self.take("...") {
            if matches!(self.peek(), Tok::Name(name) if name != "on") {
                let name = self.name()?;
                let directives = self.directives(false)?;
                return Ok(node(vec![("Name", some(name)), ("Directives", directives)]));
            }
            let on = if self.take_name("on") {
                self.name()?
            } else {
                String::new()
            };
            let directives = self.directives(false)?;
            let selection = self.required_selection_set()?;
            return Ok(node(vec![
                ("TypeCondition", some(on)),
                ("Directives", directives),
                ("SelectionSet", selection),
            ]));
        }
        let alias = self.name()?;
        let name = if self.take(":") { self.name()? } else { alias.clone() };
        let arguments = self.arguments(false)?;
        let directives = self.directives(false)?;
        let selection = if self.is("{") { self.selection_set()? } else { None };
        Ok(node(vec![
            ("Alias", some(alias)),
            ("Name", some(name)),
            ("Arguments", arguments),
            ("Directives", directives),
            ("SelectionSet", selection),
        ]))
    }

    fn arguments(&mut self, constant: bool) -> Result<Option<Tree>, Fault> {
        let found = self.many("(", ")", |p| {
            let name = p.name()?;
            p.expect(":")?;
            let value = p.value(constant)?;
            Ok(node(vec![("Name", some(name)), ("Value", Some(value))]))
        })?;
        Ok(found.map(Value::array))
    }

    fn directives(&mut self, constant: bool) -> Result<Option<Tree>, Fault> {
        let mut out = Vec::new();
        while self.take("@") {
            let name = self.name()?;
            let arguments = self.arguments(constant)?;
            out.push(node(vec![
                ("Name", some(name)),
                ("Arguments", arguments),
                ("Location", some("")),
            ]));
        }
        Ok(list(out))
    }

    fn value(&mut self, constant: bool) -> Read {
        let of = |kind: i64, raw: &str, children: Option<Tree>| {
            node(vec![
                ("Kind", Some(Value::int(kind))),
                ("Raw", some(raw)),
                ("Children", children),
                ("ExpectedTypeHasDefault", Some(Value::Bool(false))),
            ])
        };
        let tok = self.peek().clone();
        let simple = match &tok {
            Tok::Punct("$") if !constant => {
                self.at += 1;
                let name = self.name()?;
                return Ok(of(0, &name, None));
            }
            Tok::Punct("[") => {
                self.at += 1;
                return self.deeper(|p| {
                    let mut items = Vec::new();
                    while !p.take("]") {
                        let value = p.value(constant)?;
                        items.push(node(vec![("Name", some("")), ("Value", Some(value))]));
                    }
                    Ok(of(8, "", list(items)))
                });
            }
            Tok::Punct("{") => {
                self.at += 1;
                return self.deeper(|p| {
                    let mut items = Vec::new();
                    while !p.take("}") {
                        let name = p.name()?;
                        p.expect(":")?;
                        let value = p.value(constant)?;
                        items.push(node(vec![("Name", some(name)), ("Value", Some(value))]));
                    }
                    Ok(of(9, "", list(items)))
                });
            }
            Tok::Int(raw) => of(1, raw, None),
            Tok::Float(raw) => of(2, raw, None),
            Tok::Text(raw) => of(3, raw, None),
            Tok::Block(raw) => of(4, raw, None),
            Tok::Name(raw) => match raw.as_str() {
                "true" | "false" => of(5, raw, None),
                "null" => of(6, raw, None),
                _ => of(7, raw, None),
            },
            _ => return self.unexpected(),
        };
        self.at += 1;
        Ok(simple)
    }

    fn kind(&mut self) -> Read {
        self.deeper(|p| {
            let (name, inner) = if p.take("[") {
                let inner = p.kind()?;
                p.expect("]")?;
                (String::new(), Some(inner))
            } else {
                (p.name()?, None)
            };
            let required = p.take("!");
            Ok(node(vec![
                ("NamedType", some(name)),
                ("Elem", inner),
                ("NonNull", Some(Value::Bool(required))),
            ]))
        })
    }

    fn description(&mut self) -> String {
        match self.peek() {
            Tok::Text(text) | Tok::Block(text) => {
                let text = text.clone();
                self.at += 1;
                text
            }
            _ => String::new(),
        }
    }

    fn schema_definition(&mut self, description: Option<String>) -> Read {
        self.at += 1;
        let extension = description.is_none();
        let directives = self.directives(true)?;
        let types = self.many("{", "}", |p| {
            let operation = p.name()?;
            p.expect(":")?;
            let kind = p.name()?;
            Ok(node(vec![("Operation", some(operation)), ("Type", some(kind))]))
        })?;
        if types.is_none() && (!extension || directives.is_none()) {
            return if extension {
                self.unexpected()
            } else {
                self.expected("{")
            };
        }
        Ok(node(vec![
            ("Description", some(description.unwrap_or_default())),
            ("Directives", directives),
            ("OperationTypes", types.map(Value::array)),
        ]))
    }

    fn directive_definition(&mut self, description: String) -> Read {
        self.at += 1;
        self.expect("@")?;
        let name = self.name()?;
        let arguments = self.argument_definitions()?;
        let repeatable = self.take_name("repeatable");
        if !self.take_name("on") {
            return self.expected("\"on\"");
        }
        self.take("|");
        let mut locations = Vec::new();
        loop {
            if !matches!(self.peek(), Tok::Name(name) if LOCATIONS.contains(&name.as_str())) {
                return self.unexpected();
            }
            locations.push(Value::str(self.name()?));
            if !self.take("|") {
                break;
            }
        }
        Ok(node(vec![
            ("Description", some(description)),
            ("Name", some(name)),
            ("Arguments", arguments),
            ("Locations", list(locations)),
            ("IsRepeatable", Some(Value::Bool(repeatable))),
        ]))
    }

    fn argument_definitions(&mut self) -> Result<Option<Tree>, Fault> {
        let found = self.many("(", ")", |p| p.field_definition(true))?;
        Ok(found.map(Value::array))
    }

    /// A field, or with `input` an argument or a field of an input.
    fn field_definition(&mut self, input: bool) -> Read {
        let description = self.description();
        let name = self.name()?;
        let arguments = if input { None } else { self.argument_definitions()? };
        self.expect(":")?;
        let kind = self.kind()?;
        let default = if input && self.take("=") {
            Some(self.value(true)?)
        } else {
            None
        };
        let directives = self.directives(true)?;
        Ok(node(vec![
            ("Description", some(description)),
            ("Name", some(name)),
            ("Arguments", arguments),
            ("Type", Some(kind)),
            ("DefaultValue", default),
            ("Directives", directives),
        ]))
    }

    fn definition(&mut self, description: String, extension: bool) -> Read {
        let kind = match self.peek() {
            Tok::Name(word) => match word.as_str() {
                "scalar" => "SCALAR",
                "type" => "OBJECT",
                "interface" => "INTERFACE",
                "union" => "UNION",
                "enum" => "ENUM",
                "input" => "INPUT_OBJECT",
                _ => return self.unexpected(),
            },
            _ => return self.unexpected(),
        };
        self.at += 1;
        let name = self.name()?;
        let mut interfaces = Vec::new();
        if matches!(kind, "OBJECT" | "INTERFACE") && self.take_name("implements") {
            self.take("&");
            loop {
                interfaces.push(Value::str(self.name()?));
                if !self.take("&") {
                    break;
                }
            }
        }
        let directives = self.directives(true)?;
        let (mut fields, mut types, mut values) = (None, Vec::new(), None);
        match kind {
            "OBJECT" | "INTERFACE" => fields = self.many("{", "}", |p| p.field_definition(false))?,
            "INPUT_OBJECT" => fields = self.many("{", "}", |p| p.field_definition(true))?,
            "UNION" if self.take("=") => {
                self.take("|");
                loop {
                    types.push(Value::str(self.name()?));
                    if !self.take("|") {
                        break;
                    }
                }
            }
            "ENUM" => {
                values = self.many("{", "}", |p| {
                    let description = p.description();
                    let name = p.name()?;
                    let directives = p.directives(true)?;
                    Ok(node(vec![
                        ("Description", some(description)),
                        ("Name", some(name)),
                        ("Directives", directives),
                    ]))
                })?;
            }
            _ => {}
        }
        let nothing =
            interfaces.is_empty() && directives.is_none() && fields.is_none() && types.is_empty() && values.is_none();
        if extension && nothing {
            return self.unexpected();
        }
        Ok(node(vec![
            ("Kind", some(kind)),
            ("Description", some(description)),
            ("Name", some(name)),
            ("BuiltIn", Some(Value::Bool(false))),
            ("Directives", directives),
            ("Interfaces", list(interfaces)),
            ("Fields", fields.map(Value::array)),
            ("Types", list(types)),
            ("EnumValues", values.map(Value::array)),
        ]))
    }
}
