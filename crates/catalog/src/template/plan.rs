//! The driver: steps in order, each over what the ones before gave.

use std::collections::BTreeMap;

use ridgeway_doc::{Kind, Map, Node, Value};

use super::action::Draft;
use super::model::{Step, Template};
use super::parameter::complete;
use super::{Effect, Plan, PlannedStep, Requester, TemplateError, TemplateFile};
use crate::expression::Text;

pub(super) fn plan(
    template: &Template,
    parameters: Node<'_>,
    skeleton: &[TemplateFile],
    requester: &Requester,
) -> Result<Plan, Vec<TemplateError>> {
    let parameters = complete(&template.pages(), parameters)?;
    let mut root = Value::object();
    root.set(&["parameters"], parameters.clone());
    root.set(&["steps"], Value::object());
    root.set(&["user", "ref"], requester.reference.to_string());
    root.set(&["user", "entity", "metadata", "name"], requester.name.as_str());
    let mut draft = Draft {
        plan: Plan::default(),
        files: BTreeMap::new(),
        skeleton,
    };
    for step in template.steps() {
        let (effect, output) = one(template, step, &root, &mut draft)?;
        root.set(&["steps", &step.id(), "output"], output);
        let name = rendered(&template.file, step.node().get("name"), &root)?;
        draft.plan.steps.push(PlannedStep {
            id: step.id(),
            name: name
                .as_str()
                .filter(|name| !name.is_empty())
                .unwrap_or(step.action())
                .to_owned(),
            action: step.action().to_owned(),
            effect,
        });
    }
    let output = rendered(&template.file, template.node().at(&["spec", "output"]), &root)?;
    let mut plan = draft.plan;
    for link in output.node().get("links").into_iter().flat_map(Node::items) {
        if link.get("if").is_some_and(|condition| !holds(condition)) {
            continue;
        }
        if let (Some(title), Some(url)) = (link.str_at(&["title"]), link.str_at(&["url"])) {
            plan.links.push((title.to_owned(), url.to_owned()));
        }
    }
    plan.parameters = Some(parameters);
    plan.files = draft.files.into_values().collect();
    Ok(plan)
}

fn one(
    template: &Template,
    step: Step<'_>,
    root: &Value,
    draft: &mut Draft<'_>,
) -> Result<(Effect, Map), Vec<TemplateError>> {
    if let Some(condition) = step.node().get("if")
        && !condition_holds(&template.file, condition, root)?
    {
        return Ok((Effect::Skipped, Map::new()));
    }
    let input = rendered(&template.file, step.node().get("input"), root)?;
    let place = step.node().get("input").unwrap_or(step.node());
    let id = step.id();
    let at = |message: String| TemplateError::node(&template.file, place, format!("step `{id}`: {message}"));
    draft.act(step.action(), input.node(), &at)
}

fn condition_holds(file: &str, condition: Node<'_>, root: &Value) -> Result<bool, Vec<TemplateError>> {
    match condition.as_str() {
        Some(text) => Text::parse(text)
            .and_then(|text| text.holds(root))
            .map_err(|fault| vec![TemplateError::node(file, condition, fault.message)]),
        None => Ok(holds(condition)),
    }
}

/// What a step's condition takes for yes.
fn holds(value: Node<'_>) -> bool {
    match value.kind() {
        Kind::Null => false,
        Kind::Bool => value.as_bool() == Some(true),
        Kind::Number => value.as_f64() != Some(0.0),
        Kind::String => value.as_str() != Some(""),
        Kind::Array => !value.is_empty(),
        Kind::Object => true,
    }
}

/// Renders every text of a tree; all faults at once.
fn rendered(file: &str, node: Option<Node<'_>>, root: &Value) -> Result<Value, Vec<TemplateError>> {
    let Some(node) = node else { return Ok(Value::NULL) };
    let mut errors = Vec::new();
    let value = render(file, node, root, &mut errors);
    if errors.is_empty() { Ok(value) } else { Err(errors) }
}

fn render(file: &str, node: Node<'_>, root: &Value, errors: &mut Vec<TemplateError>) -> Value {
    match node.kind() {
        Kind::String => {
            let text = node.as_str().unwrap_or_default();
            Text::parse(text)
                .and_then(|text| text.value(root))
                .unwrap_or_else(|fault| {
                    errors.push(TemplateError::node(file, node, fault.message));
                    Value::NULL
                })
        }
        Kind::Array => node.items().map(|item| render(file, item, root, errors)).collect(),
        Kind::Object => {
            let members = node
                .members()
                .map(|(key, value)| (key, render(file, value, root, errors)));
            members.collect::<Map>().into()
        }
        _ => node.to_value(),
    }
}
