//! Templates: the code of one kind of constraint, in CEL or in Rego.

use std::sync::Arc;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::Program;
use regorus::{CompiledPolicy, Engine, Rc, Value as Rego};
use ridgeway_doc::{Node, Position};

use super::native::Native;
use super::rego::{self, Violation};
use crate::admission_policy::TemplateCode;
use crate::verdict::CompileError;

/// The engine of templates in CEL.
const CEL: &str = "K8sNativeValidation";
const TARGET: &str = "admission.k8s.gatekeeper.sh";

/// A compiled template.
pub(crate) struct Template {
    /// The kind of its constraints.
    pub(super) kind: String,
    pub(super) title: String,
    /// Whether it reads objects beside the one at hand.
    pub(super) reads_inventory: bool,
    /// Whether it looks at the operation.
    pub(super) names_operations: bool,
    pub(super) code: Code,
}

/// In which language a template is evaluated. Where it is written in both, CEL is preferred, as Gatekeeper does.
pub(super) enum Code {
    Cel(Box<TemplateCode>),
    Rego(Box<RegoCode>),
}

/// A template in Rego.
pub(super) struct RegoCode {
    /// The program of our own engine, where it knows all that the template uses.
    pub(super) native: Option<Native>,
    reads_inventory: bool,
    entry: Rc<str>,
    /// The program, where the virtual machine can run it.
    program: Option<Arc<Program>>,
    compiled: CompiledPolicy,
    engine: Engine,
}

impl std::fmt::Debug for Template {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Template")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// The kind a template names.
pub(super) fn kind_of(template: Node<'_>) -> Option<&str> {
    template
        .str_at(&["spec", "crd", "spec", "names", "kind"])
        .filter(|kind| !kind.is_empty())
}

/// A fault in a template or constraint.
pub(super) fn fault(node: Node<'_>, path: &str, message: String) -> CompileError {
    let position = crate::source::position_of(node, path);
    let kind = node.str_at(&["kind"]).unwrap_or_default();
    CompileError {
        policy: format!("{kind}/{}", node.str_at(&["metadata", "name"]).unwrap_or_default()),
        rule: String::new(),
        path: path.into(),
        line: position.map_or(0, |p| p.line),
        column: position.map_or(0, |p| p.column),
        message,
    }
}

/// The Rego of a template with its libraries, and where it stands.
struct Source<'a> {
    rego: &'a str,
    libraries: Vec<&'a str>,
    v1: bool,
    path: String,
    position: Option<Position>,
}

impl<'a> Source<'a> {
    fn find(template: Node<'a>) -> Result<Source<'a>, (String, String)> {
        let targets = template
            .at(&["spec", "targets"])
            .into_iter()
            .flat_map(Node::items)
            .enumerate();
        let found = targets
            .clone()
            .find(|(_, target)| target.str_at(&["target"]) == Some(TARGET));
        let Some((i, target)) = found else {
            return Err(("spec.targets".into(), format!("a template needs the target {TARGET}")));
        };
        let path = format!("spec.targets[{i}]");
        let texts = |node: Option<Node<'a>>| {
            node.into_iter()
                .flat_map(Node::items)
                .filter_map(Node::as_str)
                .collect()
        };
        for (j, code) in target.get("code").into_iter().flat_map(Node::items).enumerate() {
            if code.str_at(&["engine"]) == Some("Rego") {
                let path = format!("{path}.code[{j}].source.rego");
                let Some(rego) = code.at(&["source", "rego"]) else {
                    return Err((path, "the source has no `rego`".into()));
                };
                return Ok(Source {
                    rego: rego.as_str().unwrap_or_default(),
                    libraries: texts(code.at(&["source", "libs"])),
                    v1: code.str_at(&["source", "version"]) == Some("v1"),
                    path,
                    position: rego.position(),
                });
            }
        }
        let path = format!("{path}.rego");
        match target.get("rego") {
            Some(rego) => Ok(Source {
                rego: rego.as_str().unwrap_or_default(),
                libraries: texts(target.get("libs")),
                v1: false,
                path,
                position: rego.position(),
            }),
            None => Err((
                path,
                "a template needs its rule, in CEL (K8sNativeValidation) or in Rego".into(),
            )),
        }
    }
}

impl Template {
    pub(crate) fn compile(node: Node<'_>) -> Result<Template, CompileError> {
        let Some(kind) = kind_of(node) else {
            return Err(fault(
                node,
                "spec.crd.spec.names.kind",
                "a template names the kind of its constraints".into(),
            ));
        };
        let title = node
            .at(&["metadata", "annotations"])
            .and_then(|a| a.get("metadata.gatekeeper.sh/title"));
        let title = title.and_then(Node::as_str).unwrap_or(kind).to_owned();
        if let Some((source, path)) = cel_source(node) {
            let code = TemplateCode::compile(source, &path).map_err(|place| fault(node, &place.path, place.message))?;
            let json = source.to_json();
            return Ok(Template {
                kind: kind.into(),
                title,
                reads_inventory: false,
                names_operations: json.contains("request.operation") || json.contains("oldObject"),
                code: Code::Cel(Box::new(code)),
            });
        }
        let source = Source::find(node).map_err(|(path, message)| fault(node, &path, message))?;
        let wrong = |error: &dyn std::fmt::Display| {
            let mut out = fault(node, &source.path, rego::first_line(error));
            // Places within the Rego are counted from its first line and its indentation.
            match (source.position, rego::place_in(error)) {
                (Some(start), Some((line, column))) => {
                    out.line = start.line + line - 1;
                    out.column = start.column + column - 1;
                }
                (None, Some((line, column))) => (out.line, out.column) = (line, column),
                _ => {}
            }
            out
        };
        let mut engine = Engine::new();
        engine.set_rego_v0(!source.v1);
        engine.clear_policy_length_config();
        engine
            .add_policy(format!("{kind}.rego"), source.rego.to_owned())
            .map_err(|e| wrong(&e))?;
        for (i, library) in source.libraries.iter().enumerate() {
            engine
                .add_policy(format!("{kind}.lib{i}.rego"), (*library).to_owned())
                .map_err(|e| wrong(&e))?;
        }
        let package = rego::package(source.rego)
            .ok_or_else(|| fault(node, &source.path, "the rule must open with its `package`".into()))?;
        let entry: Rc<str> = format!("data.{package}.violation").into();
        let compiled = engine.compile_with_entrypoint(&entry).map_err(|e| wrong(&e))?;
        let program = Compiler::compile_from_policy(&compiled, &[&entry]).ok();
        let all = || std::iter::once(source.rego).chain(source.libraries.iter().copied());
        let sources: Vec<&str> = all().collect();
        let reads_inventory = all().any(|text| text.contains("data.inventory") || text.contains("inventory["));
        Ok(Template {
            kind: kind.into(),
            title,
            reads_inventory,
            names_operations: all().any(|text| text.contains(".operation")),
            code: Code::Rego(Box::new(RegoCode {
                native: Native::compile(&sources, package, source.v1),
                reads_inventory,
                entry,
                program,
                compiled,
                engine,
            })),
        })
    }
}

/// The source in CEL of a template's first target, and where it stands.
fn cel_source(template: Node<'_>) -> Option<(Node<'_>, String)> {
    let target = template.at(&["spec", "targets"]).and_then(|targets| targets.item(0))?;
    let mut code = target.get("code").into_iter().flat_map(Node::items).enumerate();
    let (i, code) = code.find(|(_, code)| code.str_at(&["engine"]) == Some(CEL))?;
    Some((code.get("source")?, format!("spec.targets[0].code[{i}].source")))
}

impl RegoCode {
    /// The violations of a review; `inventory` is given when the template reads one.
    pub(crate) fn run(
        &self,
        review: &Rego,
        parameters: &Rego,
        inventory: Option<Rego>,
    ) -> Result<Vec<Violation>, String> {
        let input = rego::object([("review", review.clone()), ("parameters", parameters.clone())]);
        let data = inventory.map_or_else(Rego::new_object, |inventory| rego::object([("inventory", inventory)]));
        if let Some(program) = &self.program {
            match rego::execute(program, input.clone(), data.clone()) {
                Ok(value) => return rego::violations(&value),
                Err(rego::Ended::Exhausted(why)) => return Err(why),
                // What the machine cannot do, the interpreter may.
                Err(rego::Ended::Unable) => {}
            }
        }
        let answer = if self.reads_inventory {
            let mut engine = self.engine.clone();
            engine.add_data(data).map_err(|e| rego::first_line(&e))?;
            engine.set_execution_timer_config(rego::time_limit());
            engine.set_input(input);
            engine.eval_rule(self.entry.to_string())
        } else {
            self.compiled.eval_with_input(input)
        };
        rego::violations(&answer.map_err(|e| rego::first_line(&e))?)
    }
}
