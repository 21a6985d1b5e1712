//! One rule or expression alone, as other engines evaluate it: what side-by-side measurements and comparisons call.

use ridgeway_doc::{Node, Value as Document, parse_json};

use crate::budget::Fuel;
use crate::cel::{Cel, Evaluator, Fault, Global, Program, Scope};
use crate::name::Name;
use crate::rego::{Engine, Request, Value, Version};
use crate::request::NoData;

/// Modules of Rego with the rule that is asked for.
pub struct Rego {
    engine: Engine,
    rule: usize,
}

impl Rego {
    /// Compiles modules; `query` is a rule's path such as `data.p.violation`.
    pub fn compile(modules: &[&str], v1: bool, query: &str) -> Result<Rego, String> {
        let version = if v1 { Version::V1 } else { Version::V0 };
        let engine = Engine::compile(modules, version).map_err(|e| format!("{}: {}", e.pos.line, e.message))?;
        let path: Vec<&str> = query.split('.').skip(1).collect();
        let rule = engine.rule(&path).ok_or_else(|| format!("there is no rule {query}"))?;
        Ok(Rego { engine, rule })
    }

    /// The rule's value as JSON, sets as sorted arrays; `None` when it is undefined.
    pub fn answer(&self, input: Node<'_>, data: Option<Node<'_>>) -> Result<Option<Document>, String> {
        let fuel = Fuel::default();
        let found = self.value(input, data, &fuel)?.map(|value| value.to_json());
        let read = |json: String| {
            parse_json(json.as_bytes())
                .map(Document::from)
                .map_err(|e| e.to_string())
        };
        found.map(read).transpose()
    }

    /// Evaluates, and says how many elements the answer has.
    pub fn count(&self, input: Node<'_>, data: Option<Node<'_>>) -> Result<usize, String> {
        let fuel = Fuel::default();
        Ok(self
            .value(input, data, &fuel)?
            .and_then(|value| value.len())
            .unwrap_or_default())
    }

    fn value<'d>(
        &'d self,
        input: Node<'d>,
        data: Option<Node<'d>>,
        fuel: &'d Fuel,
    ) -> Result<Option<Value<'d>>, String> {
        let request = Request {
            input: Some(Value::from_node(input)),
            data: data.map_or_else(|| Value::object(Vec::new()), Value::from_node),
            fuel,
            strict: false,
            now: 0,
        };
        let answer = self.engine.value(self.rule, request);
        answer.map_err(|error| format!("{} (line {})", error.message, error.pos.line))
    }
}

/// An expression in CEL.
pub struct Expression(Program);

/// The members of an object as names.
pub struct Names<'a> {
    roots: Vec<(&'a str, Node<'a>)>,
    variables: Vec<(&'a str, Node<'a>)>,
}

impl<'a> Names<'a> {
    /// Reads the names once.
    pub fn of(all: Node<'a>) -> Names<'a> {
        let variables = all.get("variables").into_iter().flat_map(Node::members);
        Names {
            roots: all.members().collect(),
            variables: variables.collect(),
        }
    }
}

fn named<'a>(list: &[(&'a str, Node<'a>)], name: &str) -> Option<Node<'a>> {
    list.iter().find(|(known, _)| *known == name).map(|(_, node)| *node)
}

impl<'a> Scope<'a> for Names<'a> {
    fn lookup(&self, name: &Global) -> Option<Cel<'a>> {
        named(&self.roots, &name.name).map(Cel::of)
    }

    fn node(&self, name: &Global) -> Option<Node<'a>> {
        named(&self.roots, &name.name).filter(|node| node.is_object() || node.is_array())
    }

    fn variable(&self, _: &mut Evaluator<'_, 'a>, name: &Name) -> Option<Result<Cel<'a>, Fault>> {
        named(&self.variables, &name.text).map(|node| Ok(Cel::of(node)))
    }

    fn variable_node(&self, name: &Name) -> Option<Node<'a>> {
        named(&self.variables, &name.text).filter(|node| node.is_object() || node.is_array())
    }
}

impl Expression {
    /// Compiles an expression of a policy.
    pub fn compile(text: &str) -> Result<Expression, String> {
        Program::parse(text).map(Expression).map_err(|error| error.to_string())
    }

    /// Its value over names: the members of an object.
    pub fn answer(&self, names: &Names<'_>) -> Result<Document, String> {
        let fuel = Fuel::default();
        let mut evaluator = Evaluator::new(names, &fuel, None, &NoData);
        let made = evaluator.run(&self.0).map(|value| value.to_value());
        made.map_err(|fault| fault.to_string())
    }

    /// Evaluates, and says whether there is a value.
    pub fn runs(&self, names: &Names<'_>) -> bool {
        let fuel = Fuel::default();
        Evaluator::new(names, &fuel, None, &NoData).run(&self.0).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_and_an_expression_alone() {
        let doc = parse_json(br#"{"object": {"n": 2}, "variables": {"limit": 3}}"#).unwrap();
        let rego = Rego::compile(
            &["package p\nviolation[{\"msg\": m}] { input.object.n < 3; m := \"few\" }"],
            false,
            "data.p.violation",
        )
        .unwrap();
        assert_eq!(rego.count(doc.root(), None), Ok(1));
        let answer = rego.answer(doc.root(), None).unwrap().unwrap();
        assert_eq!(answer.to_json(), r#"[{"msg":"few"}]"#);
        let cel = Expression::compile("object.n + variables.limit").unwrap();
        assert_eq!(cel.answer(&Names::of(doc.root())).unwrap().to_json(), "5");
        assert!(
            !Expression::compile("object.missing")
                .unwrap()
                .runs(&Names::of(doc.root()))
        );
    }
}
