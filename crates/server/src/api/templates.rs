//! Golden paths: what there is, its form, and what a run would make.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use ridgeway_catalog::{EntityRef, Plan, Requester, Template, TemplateError, TemplateFile};
use ridgeway_cluster::{Status, WriteOptions};
use ridgeway_doc::{Doc, Value as DocValue};
use ridgeway_krm::Gvk;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::applications::{reference, text};
use super::changes::json_of;
use super::{Answer, Input};
use crate::Shared;
use crate::error::{ApiError, refusals_of};
use crate::gateway::Caller;

/// The file that makes a folder a template.
const FILE: &str = "template.yaml";

/// The golden paths that the platform offers.
#[derive(Default)]
pub struct Library(BTreeMap<String, (Template, Vec<TemplateFile>)>);

impl Library {
    /// Reads files by path, `<folder>/template.yaml` and what lies beside it. Faulty templates are left out and logged.
    #[must_use]
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Library {
        let mut folders: BTreeMap<&str, Vec<(&str, &[u8])>> = BTreeMap::new();
        for (path, content) in files {
            if let Some((folder, rest)) = path.split_once('/') {
                folders.entry(folder).or_default().push((rest, content));
            }
        }
        let mut templates = BTreeMap::new();
        for (folder, files) in folders {
            let Some((_, text)) = files.iter().find(|(path, _)| *path == FILE) else {
                continue;
            };
            match Template::parse(FILE, &String::from_utf8_lossy(text)) {
                Ok(template) => {
                    let file = |(path, content): &(&str, &[u8])| TemplateFile {
                        path: (*path).to_owned(),
                        content: content.to_vec(),
                        executable: content.starts_with(b"#!"),
                    };
                    templates.insert(template.name().to_owned(), (template, files.iter().map(file).collect()));
                }
                Err(errors) => {
                    for error in errors {
                        tracing::error!(folder, %error, "a golden path is left out");
                    }
                }
            }
        }
        Library(templates)
    }

    fn get(&self, name: &str) -> Result<&(Template, Vec<TemplateFile>), ApiError> {
        self.0
            .get(name)
            .ok_or_else(|| ApiError::not_found(format!("golden path {name}")))
    }

    /// What a run would do.
    pub(crate) fn plan(&self, name: &str, parameters: &Value, user: &str) -> Result<Plan, PlanFault> {
        let (template, files) = self.get(name).map_err(PlanFault::Unknown)?;
        let parameters = Doc::parse_json(parameters.to_string().as_bytes())
            .map_err(|error| PlanFault::Unknown(ApiError::invalid(format!("parameters: {error}"))))?;
        let requester = Requester {
            reference: EntityRef::new("user", "default", user),
            name: user.to_owned(),
        };
        template
            .plan(parameters.root(), files, &requester)
            .map_err(PlanFault::Faults)
    }

    /// Title of a template.
    pub(crate) fn title(&self, name: &str) -> String {
        self.0
            .get(name)
            .map(|(template, _)| template.title().to_owned())
            .unwrap_or_default()
    }
}

/// Why there is no plan.
pub(crate) enum PlanFault {
    /// No such template, or parameters that cannot be read.
    Unknown(ApiError),
    /// What is wrong with the parameters or the template.
    Faults(Vec<TemplateError>),
}

impl From<PlanFault> for ApiError {
    fn from(fault: PlanFault) -> ApiError {
        match fault {
            PlanFault::Unknown(error) => error,
            PlanFault::Faults(faults) => {
                let problems = faults.iter().map(|f| (f.parameter.clone(), f.to_string())).collect();
                ApiError::invalid("the golden path cannot be run with these parameters").with_problems(problems)
            }
        }
    }
}

/// Values of the form.
#[derive(Deserialize)]
pub(crate) struct Parameters {
    pub(crate) parameters: Value,
}

fn describe(template: &Template) -> Value {
    json!({
        "name": template.name(),
        "title": template.title(),
        "description": template.description(),
        "type": template.kind_of_result(),
        "owner": template.owner().map(|owner| owner.to_string()),
        "tags": template.tags().collect::<Vec<_>>(),
        "makes": template.steps().iter().map(|step| step.name().to_owned()).collect::<Vec<_>>(),
    })
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Answer {
    let items: Vec<Value> = shared
        .templates
        .0
        .values()
        .map(|(template, _)| describe(template))
        .collect();
    Ok(Json(json!({"items": items})))
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>, Path(name): Path<String>) -> Answer<Detail> {
    let (template, _) = shared.templates.get(&name)?;
    let pages = template
        .pages()
        .iter()
        .map(|page| Page {
            title: page.title().to_owned(),
            description: page.description().to_owned(),
            required: page.required().map(str::to_owned).collect(),
            properties: Ordered(
                page.properties()
                    .map(|(name, schema)| (name.to_owned(), json_of(schema)))
                    .collect(),
            ),
        })
        .collect();
    let steps: Vec<Value> = template
        .steps()
        .iter()
        .map(|step| json!({"id": step.id(), "name": step.name(), "action": step.action()}))
        .collect();
    Ok(Json(Detail {
        summary: describe(template),
        pages,
        steps,
    }))
}

/// `TemplateDetail` of the contract.
#[derive(Serialize)]
pub(crate) struct Detail {
    #[serde(flatten)]
    summary: Value,
    pages: Vec<Page>,
    steps: Vec<Value>,
}

/// A page of the form.
#[derive(Serialize)]
struct Page {
    title: String,
    description: String,
    required: Vec<String>,
    properties: Ordered,
}

/// An object whose members stay in the order in which the template's author wrote them.
struct Ordered(Vec<(String, Value)>);

impl Serialize for Ordered {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// Group, version, kind, namespace and name of an object as a reference.
pub(crate) fn reference_of(object: ridgeway_doc::Node<'_>) -> Value {
    let gvk = Gvk::of(object).unwrap_or_default();
    let (namespace, name) = (
        text(object, &["metadata", "namespace"]),
        text(object, &["metadata", "name"]),
    );
    reference(&gvk.group, &gvk.version, &gvk.kind, namespace, name)
}

pub(crate) async fn preview(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    Input(input): Input<Parameters>,
) -> Answer {
    let plan = match shared.templates.plan(&name, &input.parameters, &caller.identity.name) {
        Ok(plan) => plan,
        Err(PlanFault::Faults(faults)) => {
            let problems: Vec<Value> = faults
                .iter()
                .map(|f| json!({"field": f.parameter, "message": f.message}))
                .collect();
            return Ok(Json(
                json!({"problems": problems, "files": [], "objects": [], "verdicts": [], "outcomes": []}),
            ));
        }
        Err(PlanFault::Unknown(error)) => return Err(error),
    };
    let files: Vec<Value> = plan
        .files
        .iter()
        .map(|file| json!({"path": file.path, "content": String::from_utf8_lossy(&file.content)}))
        .collect();
    let mut verdicts = Vec::new();
    for object in &plan.objects {
        verdicts.push(shared.dry_run(&caller, object).await);
    }
    Ok(Json(json!({
        "problems": [],
        "files": files,
        "objects": plan.objects.iter().map(|o| reference_of(o.node())).collect::<Vec<_>>(),
        "verdicts": verdicts,
        "outcomes": plan.outcomes,
    })))
}

impl Shared {
    /// What the gate says about an object, without storing it.
    async fn dry_run(&self, caller: &Caller, object: &DocValue) -> Value {
        let options = WriteOptions::by("ridgeway-portal", None).forced().dry();
        let node = object.node();
        let shown = format!("{}/{}", text(node, &["kind"]), text(node, &["metadata", "name"]));
        let outcome: Result<_, Status> = self.cluster(caller).apply(object.clone(), options).await;
        match outcome {
            Ok(_) => {
                json!({"policy": "gate", "rule": "", "object": shown, "result": "pass", "message": "", "refusal": null})
            }
            Err(status) => {
                let refusal = refusals_of(&status).into_iter().next();
                json!({
                    "policy": refusal.as_ref().map_or("gate", |r| r.policy.as_str()),
                    "rule": refusal.as_ref().map_or("", |r| r.rule.as_str()),
                    "object": shown,
                    "result": "fail",
                    "message": status.message,
                    "refusal": refusal,
                })
            }
        }
    }
}
