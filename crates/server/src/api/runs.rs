//! Runs of golden paths: a plan carried out step by step, through Git and through the gate.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use ridgeway_catalog::{Effect, Plan};
use ridgeway_cluster::{Causality, Cluster, WriteOptions};
use ridgeway_git::Author;
use serde_json::{Value, json};

use super::templates::Parameters;
use super::{Answer, Input};
use crate::Shared;
use crate::access::Right;
use crate::error::{ApiError, refusals_of};
use crate::gateway::Caller;

/// How many runs are remembered.
const KEPT: usize = 50;

/// The latest runs, newest first.
#[derive(Default)]
pub(crate) struct Runs(Mutex<VecDeque<Value>>);

impl Runs {
    fn put(&self, run: &Value) {
        let mut runs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match runs.iter_mut().find(|known| known["id"] == run["id"]) {
            Some(known) => *known = run.clone(),
            None => {
                runs.push_front(run.clone());
                runs.truncate(KEPT);
            }
        }
    }

    fn all(&self) -> Vec<Value> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .cloned()
            .collect()
    }
}

pub(crate) async fn list(State(shared): State<Arc<Shared>>) -> Answer {
    Ok(Json(json!({"items": shared.runs.all()})))
}

pub(crate) async fn show(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answer {
    let run = shared.runs.all().into_iter().find(|run| run["id"] == id);
    run.map(Json)
        .ok_or_else(|| ApiError::not_found(format!("run {id}; only the latest {KEPT} are kept")))
}

pub(crate) async fn start(
    State(shared): State<Arc<Shared>>,
    Path(name): Path<String>,
    caller: Caller,
    Input(input): Input<Parameters>,
) -> Result<Response, ApiError> {
    shared.demand(&caller.identity, Right::RunTemplates)?;
    let plan = shared.templates.plan(&name, &input.parameters, &caller.identity.name)?;
    if let Some(repository) = &plan.repository
        && shared.repositories.exists(&repository.name)
    {
        let message = format!("there is a repository {} already; choose another name", repository.name);
        return Err(ApiError::conflict(message).with_problems(vec![("/name".into(), "is taken".into())]));
    }
    let id = uuid::Uuid::new_v4().simple().to_string()[..12].to_owned();
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({"id": step.id, "name": step.name, "action": step.action, "state": "pending", "startedAt": null,
                   "finishedAt": null, "log": []})
        })
        .collect();
    let made = plan.repository.as_ref().map_or("", |r| r.name.as_str());
    let run = json!({
        "id": id,
        "template": name,
        "title": format!("{made} from {}", shared.templates.title(&name)),
        "actor": caller.identity.name,
        "state": "running",
        "startedAt": shared.clock.now().to_string(),
        "finishedAt": null,
        "steps": steps,
        "links": [],
        "causality": format!("run:{id}"),
        "error": null,
        "refusals": [],
    });
    shared.runs.put(&run);
    let worker = Worker {
        cluster: shared.cluster(&caller),
        shared,
        plan,
        run,
    };
    tokio::spawn(worker.work());
    Ok((StatusCode::ACCEPTED, Json(json!({"id": id}))).into_response())
}

struct Worker {
    shared: Arc<Shared>,
    cluster: Arc<dyn Cluster>,
    plan: Plan,
    run: Value,
}

impl Worker {
    async fn work(mut self) {
        for index in 0..self.plan.steps.len() {
            self.mark(index, "running", "startedAt");
            let effect = self.plan.steps[index].effect.clone();
            match self.carry_out(&effect).await {
                Ok(lines) => {
                    for line in lines {
                        self.log(index, &line);
                    }
                    let state = if effect == Effect::Skipped {
                        "skipped"
                    } else {
                        "succeeded"
                    };
                    self.mark(index, state, "finishedAt");
                }
                Err(error) => {
                    self.log(index, &error.0);
                    self.mark(index, "failed", "finishedAt");
                    self.run["error"] = json!(error.0);
                    self.run["refusals"] = error.1;
                    return self.end("failed");
                }
            }
        }
        let links: Vec<Value> = self
            .plan
            .links
            .iter()
            .map(|(title, url)| json!({"title": title, "url": url}))
            .collect();
        self.run["links"] = json!(links);
        self.end("succeeded");
    }

    async fn carry_out(&self, effect: &Effect) -> Result<Vec<String>, (String, Value)> {
        let plain = |error: &dyn std::fmt::Display| (error.to_string(), json!([]));
        match effect {
            Effect::Files(count) => Ok(vec![format!("{count} files")]),
            Effect::Log(text) => Ok(vec![text.clone()]),
            Effect::Skipped => Ok(Vec::new()),
            Effect::Register(entities) => {
                self.shared.catalog.rebuild(&self.shared.repositories).await;
                Ok(entities
                    .iter()
                    .map(|entity| format!("{entity} is in the catalog"))
                    .collect())
            }
            Effect::CreateRepository => {
                let Some(repository) = &self.plan.repository else {
                    return Ok(Vec::new());
                };
                let repositories = &self.shared.repositories;
                repositories.create(&repository.name).await.map_err(|e| plain(&e))?;
                let user = self.run["actor"].as_str().unwrap_or_default();
                let author = Author::new(user, &format!("{user}@ridgeway.invalid"));
                let files: Vec<_> = self
                    .plan
                    .files
                    .iter()
                    .map(|file| (file.path.as_str(), Some(Bytes::from(file.content.clone()))))
                    .collect();
                let commit = repositories
                    .commit_files(
                        &repository.name,
                        &repository.default_branch,
                        &author,
                        &repository.message,
                        &files,
                    )
                    .await
                    .map_err(|e| plain(&e))?;
                Ok(vec![format!(
                    "{} at {}",
                    self.shared.clone_url(&repository.name),
                    &commit.to_string()[..7]
                )])
            }
            Effect::Apply(index) => {
                let Some(object) = self.plan.objects.get(*index) else {
                    return Ok(Vec::new());
                };
                let causality = Causality::new(self.run["causality"].as_str().unwrap_or_default());
                let options = WriteOptions::by("ridgeway-portal", Some(causality)).forced();
                let stored = self
                    .cluster
                    .apply(object.clone(), options)
                    .await
                    .map_err(|status| (status.message.clone(), json!(refusals_of(&status))))?;
                let part = |path: &[&str]| stored.root().str_at(path).unwrap_or_default().to_owned();
                Ok(vec![format!(
                    "{} {} applied",
                    part(&["kind"]),
                    part(&["metadata", "name"])
                )])
            }
        }
    }

    fn mark(&mut self, index: usize, state: &str, time: &str) {
        self.run["steps"][index]["state"] = json!(state);
        self.run["steps"][index][time] = json!(self.shared.clock.now().to_string());
        self.publish();
    }

    fn log(&mut self, index: usize, line: &str) {
        let entry = json!({"at": self.shared.clock.now().to_string(), "text": line});
        if let Some(log) = self.run["steps"][index]["log"].as_array_mut() {
            log.push(entry);
        }
        self.publish();
    }

    fn end(mut self, state: &str) {
        self.run["state"] = json!(state);
        self.run["finishedAt"] = json!(self.shared.clock.now().to_string());
        for step in self.run["steps"].as_array_mut().into_iter().flatten() {
            if step["state"] == "pending" {
                step["state"] = json!("skipped");
            }
        }
        self.publish();
    }

    fn publish(&self) {
        self.shared.runs.put(&self.run);
        self.shared.hub.publish("run", &json!({"run": self.run}));
    }
}
