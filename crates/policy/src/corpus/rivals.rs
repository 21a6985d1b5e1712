//! One rule or expression alone, as other engines evaluate it: what side-by-side measurements and comparisons call.

use ridgeway_doc::{Node, Value as Document, parse_json};

use crate::budget::Fuel;
use crate::cel::{Beginning, Cel, Evaluator, Fault, Global, Program, Root, Scope, Slot, Variable};
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
    object: Option<Node<'a>>,
    old_object: Option<Node<'a>>,
    params: Option<Node<'a>>,
    request: Option<Node<'a>>,
    namespace_object: Option<Node<'a>>,
    spec: Option<Node<'a>>,
    metadata: Option<Node<'a>>,
    all: Node<'a>,
    slots: Vec<Slot<'a>>,
}

impl<'a> Names<'a> {
    /// Reads the names once.
    pub fn of(all: Node<'a>) -> Names<'a> {
        let variables = all.get("variables").into_iter().flat_map(Node::members);
        let container = |name: &str| all.get(name).filter(|node| node.is_object() || node.is_array());
        Names {
            object: container("object"),
            old_object: container("oldObject"),
            params: container("params"),
            request: container("request"),
            namespace_object: container("namespaceObject"),
            spec: all.at(&["object", "spec"]),
            metadata: all.at(&["object", "metadata"]),
            all,
            slots: variables.map(|(name, node)| known(name, node)).collect(),
        }
    }
}

fn known<'a>(name: &str, node: Node<'a>) -> Slot<'a> {
    let slot = Slot::unread(&name.into());
    slot.value.get_or_init(|| Ok(Cel::of(node)));
    slot
}

impl<'a> Scope<'a> for Names<'a> {
    fn lookup(&self, name: &Global) -> Option<Cel<'a>> {
        self.all.get(&name.name).map(Cel::of)
    }

    fn node(&self, name: &Global) -> Option<Node<'a>> {
        match name.root {
            Root::Object => self.object,
            Root::OldObject => self.old_object,
            Root::Params => self.params,
            Root::Request => self.request,
            Root::NamespaceObject => self.namespace_object,
            Root::Other => None,
        }
    }

    fn beginning(&self, place: Beginning) -> Option<Node<'a>> {
        match place {
            Beginning::Object => self.object,
            Beginning::Spec => self.spec,
            Beginning::Metadata => self.metadata,
        }
    }

    fn slots(&self) -> &[Slot<'a>] {
        &self.slots
    }

    fn variable(&self, _: &mut Evaluator<'_, 'a>, variable: &Variable) -> Option<Result<Cel<'a>, Fault>> {
        let value = self.all.at(&["variables", &variable.name.text])?;
        Some(Ok(Cel::of(value)))
    }
}

impl Expression {
    /// Compiles an expression of a policy with these variables.
    pub fn compile(text: &str, variables: &[&str]) -> Result<Expression, String> {
        let program = Program::parse_among(text, variables);
        program.map(Expression).map_err(|error| error.to_string())
    }

    /// Its value over names: the members of an object.
    pub fn answer<'a>(&'a self, names: &Names<'a>) -> Result<Document, String> {
        let fuel = Fuel::default();
        let mut evaluator = Evaluator::new(names, &fuel, None, &NoData);
        let made = evaluator.run(&self.0).map(|value| value.to_value());
        made.map_err(|fault| fault.to_string())
    }

    /// Whether it has a value.
    pub fn runs<'a>(&'a self, names: &Names<'a>) -> bool {
        self.repeat(names, 1)
    }

    /// Evaluates so many times, as the expressions of a policy are: one evaluator for all, a budget for each.
    pub fn repeat<'a>(&'a self, names: &Names<'a>, times: usize) -> bool {
        let fuel = Fuel::default();
        let mut evaluator = Evaluator::new(names, &fuel, None, &NoData);
        (0..times).fold(true, |_, _| {
            fuel.refill();
            std::hint::black_box(evaluator.run(std::hint::black_box(&self.0))).is_ok()
        })
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
        let cel = Expression::compile("object.n + variables.limit", &["limit"]).unwrap();
        assert_eq!(cel.answer(&Names::of(doc.root())).unwrap().to_json(), "5");
        assert!(
            !Expression::compile("object.missing", &[])
                .unwrap()
                .runs(&Names::of(doc.root()))
        );
    }
}
