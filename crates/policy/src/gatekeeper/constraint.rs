//! Constraints: where a template applies, with which parameters, to what effect.

use std::sync::Arc;

use ridgeway_doc::{Doc, Node};

use super::matching::Match;
use super::point::{Actions, Point};
use super::template::{Template, fault};
use crate::admission_policy::TemplateCode;
use crate::verdict::{Action, CompileError};

/// A compiled constraint.
#[derive(Debug)]
pub(crate) struct Constraint {
    /// `Kind/name`.
    pub(super) name: String,
    pub(super) template: Arc<Template>,
    /// The parameters for templates in Rego; empty without any.
    pub(super) parameters: crate::rego::Value<'static>,
    /// The parameters for templates in CEL.
    pub(super) cel_parameters: Doc,
    /// The strictest that it does anywhere.
    pub(super) action: Action,
    pub(super) matches: Match,
    actions: Actions,
}

impl Constraint {
    pub(super) fn compile(node: Node<'_>, template: Arc<Template>) -> Result<Constraint, CompileError> {
        let spec = |path: &[&str]| node.get("spec").and_then(|spec| spec.at(path));
        let actions = Actions::compile(node.get("spec")).map_err(|(path, why)| fault(node, &path, why))?;
        Ok(Constraint {
            name: format!(
                "{}/{}",
                template.kind,
                node.str_at(&["metadata", "name"]).unwrap_or_default()
            ),
            parameters: spec(&["parameters"]).map_or_else(
                || crate::rego::Value::object(Vec::new()),
                |parameters| crate::rego::Value::from_node(parameters).to_owned(),
            ),
            cel_parameters: TemplateCode::parameters(spec(&["parameters"])),
            action: actions.strictest(),
            matches: Match::compile(node)?,
            actions,
            template,
        })
    }

    /// What it does at a point; `None` where it has nothing to say.
    pub(super) fn action_at(&self, point: Point) -> Option<Action> {
        self.actions.at(point, self.template.serves_vap)
    }
}
