//! A template as written.

use ridgeway_doc::{Doc, Node, parse_yaml};

use super::action::ACTIONS;
use super::parameter::check_schema;
use super::{Plan, Requester, TemplateError, TemplateFile};
use crate::entity::reference_of;
use crate::reference::EntityRef;
use crate::validate::validate;

/// A golden path that passed validation.
#[derive(Clone, Debug)]
pub struct Template {
    pub(super) file: String,
    doc: Doc,
}

/// One page of a template's form.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a>(Node<'a>);

/// One step of a template.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    node: Node<'a>,
    index: usize,
}

impl Template {
    /// Reads a template file; `file` is its name for errors, such as `template.yaml`.
    ///
    /// # Errors
    /// All faults that can be seen without parameters: shape, unknown actions, schemas that the form cannot follow.
    pub fn parse(file: &str, text: &str) -> Result<Template, Vec<TemplateError>> {
        let docs = parse_yaml(text).map_err(|error| {
            vec![TemplateError::at(
                file,
                Some(error.position),
                format!("the file is not YAML: {}", error.message),
            )]
        })?;
        let doc = docs.into_iter().find(|doc| doc.root().str_at(&["kind"]) == Some("Template")).ok_or_else(|| {
            let message = "the file holds no Template; start with `apiVersion: scaffolder.backstage.io/v1beta3` and \
                           `kind: Template`";
            vec![TemplateError::at(file, None, message)]
        })?;
        if let Err(fault) = validate(doc.root()) {
            let position = fault.position;
            return Err(vec![TemplateError {
                column: 0,
                ..TemplateError::at(file, position, fault.message)
            }]);
        }
        let template = Template {
            file: file.to_owned(),
            doc,
        };
        let mut errors = Vec::new();
        for page in template.pages() {
            check_schema(file, page, &mut errors);
        }
        let mut seen = Vec::new();
        for step in template.steps() {
            let at = step.node.get("action").unwrap_or(step.node);
            if !ACTIONS.contains(&step.action()) {
                let message = format!(
                    "step `{}` uses the action `{}`, which is not available; available are {}",
                    step.id(),
                    step.action(),
                    ACTIONS.join(", ")
                );
                errors.push(TemplateError::node(file, at, message));
            }
            for unsupported in ["each", "backstage:permissions"] {
                if let Some(at) = step.node.get(unsupported) {
                    let message = format!("step `{}` uses `{unsupported}`, which is not supported yet", step.id());
                    errors.push(TemplateError::node(file, at, message));
                }
            }
            if seen.contains(&step.id()) {
                errors.push(TemplateError::node(
                    file,
                    at,
                    format!("two steps have the id `{}`", step.id()),
                ));
            }
            seen.push(step.id());
        }
        if errors.is_empty() { Ok(template) } else { Err(errors) }
    }

    /// The template's identity.
    pub fn reference(&self) -> EntityRef {
        reference_of(self.doc.root())
    }

    /// The template as written.
    pub fn node(&self) -> Node<'_> {
        self.doc.root()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.node().str_at(&["metadata", "name"]).unwrap_or_default()
    }

    /// Its title; the name when it has none.
    pub fn title(&self) -> &str {
        self.node()
            .str_at(&["metadata", "title"])
            .unwrap_or_else(|| self.name())
    }

    /// What it is for; may be empty.
    pub fn description(&self) -> &str {
        self.node().str_at(&["metadata", "description"]).unwrap_or_default()
    }

    /// What it makes, such as `service`.
    pub fn kind_of_result(&self) -> &str {
        self.node().str_at(&["spec", "type"]).unwrap_or_default()
    }

    /// Who owns it.
    pub fn owner(&self) -> Option<EntityRef> {
        let owner = self.node().str_at(&["spec", "owner"])?;
        EntityRef::parse(owner, Some("group"), &self.reference().namespace).ok()
    }

    /// Its tags.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.node()
            .at(&["metadata", "tags"])
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::as_str)
    }

    /// The pages of its form.
    pub fn pages(&self) -> Vec<Page<'_>> {
        match self.node().at(&["spec", "parameters"]) {
            Some(pages) if pages.is_array() => pages.items().map(Page).collect(),
            Some(page) if page.is_object() => vec![Page(page)],
            _ => Vec::new(),
        }
    }

    /// Its steps.
    pub fn steps(&self) -> Vec<Step<'_>> {
        let steps = self.node().at(&["spec", "steps"]);
        steps
            .into_iter()
            .flat_map(Node::items)
            .enumerate()
            .map(|(index, node)| Step { node, index })
            .collect()
    }

    /// What a run would do. Touches nothing.
    ///
    /// # Errors
    /// Everything that is wrong with the parameters; else everything wrong with the first step that cannot be done.
    pub fn plan(
        &self,
        parameters: Node<'_>,
        files: &[TemplateFile],
        requester: &Requester,
    ) -> Result<Plan, Vec<TemplateError>> {
        super::plan::plan(self, parameters, files, requester)
    }
}

impl<'a> Page<'a> {
    /// The page's schema as written.
    pub fn node(self) -> Node<'a> {
        self.0
    }

    /// Its title; may be empty.
    pub fn title(self) -> &'a str {
        self.0.str_at(&["title"]).unwrap_or_default()
    }

    /// Its description; may be empty.
    pub fn description(self) -> &'a str {
        self.0.str_at(&["description"]).unwrap_or_default()
    }

    /// The parameters that must be given.
    pub fn required(self) -> impl Iterator<Item = &'a str> {
        self.0
            .get("required")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(Node::as_str)
    }

    /// The parameters with their schemas, in the template's order.
    pub fn properties(self) -> impl Iterator<Item = (&'a str, Node<'a>)> {
        self.0.get("properties").into_iter().flat_map(Node::members)
    }
}

impl<'a> Step<'a> {
    /// The step as written.
    pub fn node(self) -> Node<'a> {
        self.node
    }

    /// Its id; `step-1` and so on when it has none.
    pub fn id(self) -> String {
        self.node
            .str_at(&["id"])
            .map_or_else(|| format!("step-{}", self.index + 1), str::to_owned)
    }

    /// What to call it; its action when it has no name.
    pub fn name(self) -> &'a str {
        self.node.str_at(&["name"]).unwrap_or_else(|| self.action())
    }

    /// Its action.
    pub fn action(self) -> &'a str {
        self.node.str_at(&["action"]).unwrap_or_default()
    }
}
