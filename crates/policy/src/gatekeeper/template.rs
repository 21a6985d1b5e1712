//! Templates: the code of one kind of constraint, in CEL or in Rego.

use ridgeway_doc::{Node, Position};

use super::native::{Fault, Native};
use crate::admission_policy::TemplateCode;
use crate::rego::says;
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
    /// Whether the API server would judge by it: it is written in CEL, and does not say otherwise.
    pub(super) serves_vap: bool,
    /// Whether it looks at the operation or at what was there before: only then it is asked about deletions.
    pub(super) names_operations: bool,
    pub(super) code: Code,
}

/// In which language a template is evaluated. Where it is written in both, CEL is preferred, as Gatekeeper does.
pub(super) enum Code {
    Cel(Box<TemplateCode>),
    Rego(Box<Native>),
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
    rego: Text<'a>,
    libraries: Vec<Text<'a>>,
    v1: bool,
}

/// A module and where it stands.
struct Text<'a> {
    text: &'a str,
    path: String,
    position: Option<Position>,
}

impl<'a> Text<'a> {
    fn new(node: Node<'a>, path: String) -> Text<'a> {
        Text {
            text: node.as_str().unwrap_or_default(),
            path,
            position: node.position(),
        }
    }
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
        let texts = |node: Option<Node<'a>>, path: &str| {
            let items = node.into_iter().flat_map(Node::items).enumerate();
            items.map(|(k, item)| Text::new(item, format!("{path}[{k}]"))).collect()
        };
        for (j, code) in target.get("code").into_iter().flat_map(Node::items).enumerate() {
            if code.str_at(&["engine"]) == Some("Rego") {
                let path = format!("{path}.code[{j}].source");
                let Some(rego) = code.at(&["source", "rego"]) else {
                    return Err((format!("{path}.rego"), "the source has no `rego`".into()));
                };
                return Ok(Source {
                    rego: Text::new(rego, format!("{path}.rego")),
                    libraries: texts(code.at(&["source", "libs"]), &format!("{path}.libs")),
                    v1: code.str_at(&["source", "version"]) == Some("v1"),
                });
            }
        }
        match target.get("rego") {
            Some(rego) => Ok(Source {
                rego: Text::new(rego, format!("{path}.rego")),
                libraries: texts(target.get("libs"), &format!("{path}.libs")),
                v1: false,
            }),
            None => Err((
                format!("{path}.rego"),
                "a template needs its rule, in CEL (K8sNativeValidation) or in Rego".into(),
            )),
        }
    }

    /// The modules, that with the rule first.
    fn texts(&self) -> impl Iterator<Item = &'a str> {
        std::iter::once(&self.rego).chain(&self.libraries).map(|text| text.text)
    }

    /// Tells what is wrong, in the lines of the template's file.
    fn fault(&self, template: Node<'_>, wrong: &Fault) -> CompileError {
        let error = match wrong {
            Fault::Rego(error) => error,
            Fault::NoViolation => {
                let why = "the package has no rule `violation`, which Gatekeeper asks; write `violation[{\"msg\": msg}] { … }`";
                return fault(template, &self.rego.path, why.into());
            }
        };
        let text = match error.module {
            Some(module) if module > 0 => &self.libraries[module - 1],
            _ => &self.rego,
        };
        let message = match error.module {
            Some(_) => error.message.clone(),
            None => format!(
                "{} (line {} of the rule or of one of its libraries)",
                error.message, error.pos.line
            ),
        };
        let mut out = fault(template, &text.path, message);
        if error.module.is_some() {
            // Places within the Rego are counted from its first line and its indentation.
            let start = text.position.map_or((1, 1), |start| (start.line, start.column));
            out.line = start.0 + error.pos.line.saturating_sub(1);
            out.column = start.1 + error.pos.column.saturating_sub(1);
        }
        out
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
            return Ok(Template {
                kind: kind.into(),
                title,
                reads_inventory: false,
                names_operations: code.names_operations(),
                serves_vap: source.get("generateVAP").and_then(Node::as_bool) != Some(false),
                code: Code::Cel(Box::new(code)),
            });
        }
        let source = Source::find(node).map_err(|(path, message)| fault(node, &path, message))?;
        let sources: Vec<&str> = source.texts().collect();
        let code = Native::compile(&sources, source.v1).map_err(|wrong| source.fault(node, &wrong))?;
        Ok(Template {
            kind: kind.into(),
            title,
            reads_inventory: sources.iter().any(|text| says(text, "inventory")),
            names_operations: ["operation", "oldObject"]
                .iter()
                .any(|word| sources.iter().any(|text| says(text, word))),
            serves_vap: false,
            code: Code::Rego(Box::new(code)),
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
