//! The actions: what each step adds to a plan.

use ridgeway_doc::{Map, Node, Value};
use ridgeway_krm::{validate_label, validate_subdomain};

use super::skeleton::{Files, clean, fetch};
use super::{Effect, Plan, PlannedRepository, TemplateError, TemplateFile};
use crate::index::{Catalog, SourceFile};

/// The actions that steps may use.
pub(super) const ACTIONS: [&str; 8] = [
    "fetch:template",
    "fetch:plain",
    "publish",
    "publish:github",
    "publish:gitlab",
    "catalog:register",
    "debug:log",
    "ridgeway:application",
];

/// A plan in the making.
pub(super) struct Draft<'a> {
    pub(super) plan: Plan,
    pub(super) files: Files,
    pub(super) skeleton: &'a [TemplateFile],
}

type Done = Result<(Effect, Map), Vec<TemplateError>>;

impl Draft<'_> {
    /// Does one step. Returns its effect and its output.
    pub(super) fn act(&mut self, action: &str, input: Node<'_>, at: &dyn Fn(String) -> TemplateError) -> Done {
        let one = |message: String| vec![at(message)];
        let text = |name: &str| input.str_at(&[name]).filter(|text| !text.is_empty());
        match action {
            "fetch:template" => {
                let empty = Value::object();
                let values = input.get("values").unwrap_or_else(|| empty.node());
                let count = fetch(input, Some(values), self.skeleton, &mut self.files, at)?;
                Ok((Effect::Files(count), Map::new()))
            }
            "fetch:plain" => {
                let count = fetch(input, None, self.skeleton, &mut self.files, at)?;
                Ok((Effect::Files(count), Map::new()))
            }
            "debug:log" => Ok((Effect::Log(text("message").unwrap_or_default().to_owned()), Map::new())),
            "catalog:register" => self.register(text("catalogInfoPath").unwrap_or("catalog-info.yaml"), at),
            "ridgeway:application" => self.application(input, at),
            _ => {
                let url = text("repoUrl").ok_or_else(|| {
                    one("`repoUrl` is missing; write the repository's name, or `host?owner=team&repo=name`".to_owned())
                })?;
                self.publish(url, input, at)
            }
        }
    }

    fn publish(&mut self, url: &str, input: Node<'_>, at: &dyn Fn(String) -> TemplateError) -> Done {
        let name = match url.split_once('?') {
            None => url.to_owned(),
            Some((_, query)) => {
                let repo = query.split('&').find_map(|pair| pair.strip_prefix("repo="));
                repo.ok_or_else(|| vec![at(format!("`repoUrl: {url}` names no repository (`repo=…`)"))])?
                    .to_owned()
            }
        };
        if let Err(reason) = validate_label(&name) {
            return Err(vec![at(format!("`{name}` cannot be a repository's name: {reason}"))]);
        }
        if let Some(first) = &self.plan.repository {
            return Err(vec![at(format!(
                "the template publishes twice; `{}` was first",
                first.name
            ))]);
        }
        if self.files.is_empty() {
            return Err(vec![at(
                "there is nothing to publish; put a `fetch:template` step before".to_owned(),
            )]);
        }
        let text = |name: &str, default: &str| input.str_at(&[name]).unwrap_or(default).to_owned();
        self.plan
            .outcomes
            .push(format!("Repository {name} with {} files", self.files.len()));
        self.plan.repository = Some(PlannedRepository {
            description: text("description", ""),
            default_branch: text("defaultBranch", "main"),
            message: text("gitCommitMessage", "Start from the golden path"),
            name: name.clone(),
        });
        let mut output = Map::new();
        // Repositories of the platform are addressed by their bare name.
        output.insert("remoteUrl", name.as_str());
        output.insert("repoContentsUrl", name.as_str());
        output.insert("repository", name);
        Ok((Effect::CreateRepository, output))
    }

    fn register(&mut self, path: &str, at: &dyn Fn(String) -> TemplateError) -> Done {
        let path = clean(path.trim_start_matches('/')).map_err(|message| vec![at(message)])?;
        let Some(file) = self.files.get(&path) else {
            return Err(vec![at(format!("there is no file `{path}` to register"))]);
        };
        let text = String::from_utf8_lossy(&file.content);
        let source = SourceFile {
            repository: "",
            path: &path,
            text: &text,
        };
        let catalog = Catalog::build([source]);
        if !catalog.problems().is_empty() {
            let told = |p: &crate::Problem| {
                at(format!(
                    "the new `{path}` is faulty at line {}: {}",
                    p.origin.line, p.message
                ))
            };
            return Err(catalog.problems().iter().map(told).collect());
        }
        let entities: Vec<_> = catalog.entities().map(|entity| entity.reference().clone()).collect();
        let Some(first) = entities.first() else {
            return Err(vec![at(format!("the new `{path}` holds no entity"))]);
        };
        let mut output = Map::new();
        output.insert("entityRef", first.to_string());
        for entity in &entities {
            self.plan.outcomes.push(format!("{entity} in the catalog"));
        }
        self.plan.entities.extend(entities.iter().cloned());
        Ok((Effect::Register(entities), output))
    }

    fn application(&mut self, input: Node<'_>, at: &dyn Fn(String) -> TemplateError) -> Done {
        let mut errors = Vec::new();
        let mut needed = |name: &str| -> String {
            let text = input.str_at(&[name]).unwrap_or_default();
            if text.is_empty() {
                errors.push(at(format!("`{name}` is missing")));
            }
            text.to_owned()
        };
        let (name, namespace, path) = (needed("name"), needed("namespace"), needed("path"));
        if let Some(Err(reason)) = (!name.is_empty()).then(|| validate_subdomain(&name)) {
            errors.push(at(format!("`{name}` cannot be an application's name: {reason}")));
        }
        if let Some(Err(reason)) = (!namespace.is_empty()).then(|| validate_label(&namespace)) {
            errors.push(at(format!("`{namespace}` cannot be a namespace: {reason}")));
        }
        let path = clean(&path).unwrap_or_else(|message| {
            errors.push(at(message));
            String::new()
        });
        let published = self.plan.repository.as_ref().map(|repository| repository.name.as_str());
        let repository = input
            .str_at(&["repository"])
            .or(published)
            .unwrap_or_default()
            .to_owned();
        if repository.is_empty() {
            errors.push(at(
                "`repository` is missing, and no step before publishes one".to_owned()
            ));
        }
        let inside = format!("{path}/");
        if Some(repository.as_str()) == published
            && !path.is_empty()
            && !self.files.keys().any(|f| f.starts_with(&inside))
        {
            errors.push(at(format!("the new repository has no files in `{path}`")));
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let text = |name: &str, default: &str| input.str_at(&[name]).unwrap_or(default).to_owned();
        let mut object = Value::object();
        object.set(&["apiVersion"], "argoproj.io/v1alpha1");
        object.set(&["kind"], "Application");
        object.set(&["metadata", "name"], name.as_str());
        object.set(&["metadata", "namespace"], "argocd");
        if let Some(environment) = input.str_at(&["environment"]) {
            object.set(&["metadata", "labels", "environment"], environment);
        }
        for (key, value) in input.get("labels").into_iter().flat_map(Node::members) {
            object.set(&["metadata", "labels", key], value.as_str().unwrap_or_default());
        }
        object.set(
            &["metadata", "finalizers"],
            vec![Value::from("resources-finalizer.argocd.argoproj.io")],
        );
        object.set(&["spec", "project"], text("project", "default"));
        object.set(&["spec", "source", "repoURL"], repository.as_str());
        object.set(&["spec", "source", "targetRevision"], text("targetRevision", "main"));
        object.set(&["spec", "source", "path"], path.as_str());
        object.set(&["spec", "destination", "server"], "https://kubernetes.default.svc");
        object.set(&["spec", "destination", "namespace"], namespace.as_str());
        if input.get("autoSync").and_then(Node::as_bool).unwrap_or(true) {
            object.set(&["spec", "syncPolicy", "automated", "prune"], true);
            object.set(&["spec", "syncPolicy", "automated", "selfHeal"], true);
        }
        self.plan.outcomes.push(format!(
            "Application {name}, which keeps namespace {namespace} as {path} says"
        ));
        self.plan.objects.push(object);
        let mut output = Map::new();
        output.insert("name", name);
        output.insert("namespace", namespace);
        Ok((Effect::Apply(self.plan.objects.len() - 1), output))
    }
}
