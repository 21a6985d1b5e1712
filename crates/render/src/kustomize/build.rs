//! The build: bases first, then generators, components, and the transformers in their fixed order.

use ridgeway_doc::{Node, Value, yaml};

use super::config::Config;
use super::file::Kustomization;
use super::options::KustomizeOptions;
use super::resource::{Resource, Resources};
use super::vars::Var;
use super::{generate, names, order, patch, replacements, transform, vars};
use crate::error::RenderError;
use crate::files::{Recorder, join};
use crate::object;

/// How deep bases may nest.
const MAX_BASES: usize = 64;

/// How many kustomizations one build may visit: a diamond of bases doubles with each level.
const MAX_VISITS: usize = 2_000;

/// What a kustomization has gathered so far.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) resources: Resources,
    pub(super) vars: Vec<Var>,
    pub(super) config: Config,
}

/// Builds the kustomization in a directory, with references repaired and objects in order.
pub(super) fn build(recorder: &Recorder<'_>, dir: &str, options: &KustomizeOptions) -> Result<Resources, RenderError> {
    let mut root = Kustomization::load(recorder, dir)?;
    let file = root.file.clone();
    options.edit(&mut root.value, &file)?;
    let mut builder = Builder {
        recorder,
        open: Vec::new(),
        visits: 0,
    };
    let mut gathered = builder.accumulate(&root, Gathered::default())?;
    generate::add_hashes(&mut gathered.resources);
    names::repair(&mut gathered.resources, &gathered.config)?;
    vars::resolve(&mut gathered)?;
    let mut resources = gathered.resources;
    resources.0.retain(|resource| {
        let local = resource
            .node()
            .str_at(&["metadata", "annotations", "config.kubernetes.io/local-config"]);
        local.is_none_or(|v| v == "false")
    });
    // Where the real tool had kept its notes in annotations, it leaves no empty annotations behind.
    for resource in resources.0.iter_mut().filter(|r| !r.previous.is_empty()) {
        let annotations = resource.node().at(&["metadata", "annotations"]);
        if annotations.is_some_and(|a| a.is_null() || a.is_object() && a.is_empty()) {
            resource.value.remove(&["metadata", "annotations"]);
        }
    }
    order::sort(&mut resources, &root)?;
    Ok(resources)
}

pub(super) struct Builder<'r, 'f> {
    recorder: &'r Recorder<'f>,
    /// The directories being built, the outermost first.
    open: Vec<(String, String)>,
    visits: usize,
}

impl Builder<'_, '_> {
    /// Builds one kustomization on top of what is there (nothing, unless it is a component).
    fn accumulate(&mut self, this: &Kustomization, mut gathered: Gathered) -> Result<Gathered, RenderError> {
        self.open.push((this.dir.clone(), this.file.clone()));
        self.visits += 1;
        let mut faults = Vec::new();
        for (field, item) in this.items("resources").chain(this.items("bases")) {
            if let Err(error) = self.resource(this, &field, item, &mut gathered) {
                faults.extend(error.faults);
            }
        }
        RenderError::check(faults)?;
        gathered.config.read(self.recorder, this)?;
        gathered.resources.absorb(generate::config_maps(self.recorder, this)?)?;
        gathered.resources.absorb(generate::secrets(self.recorder, this)?)?;
        for (field, item) in this.items("components") {
            let component = self.open_directory(this, &field, item)?;
            if component.kind() != "Component" {
                let message = format!("{} is no component; its kind must be Component", component.file);
                return Err(this.fault(item, &field, message).into());
            }
            gathered = self.accumulate(&component, gathered)?;
        }
        self.transform(this, &mut gathered)?;
        vars::gather(this, &mut gathered)?;
        self.open.pop();
        Ok(gathered)
    }

    fn transform(&self, this: &Kustomization, gathered: &mut Gathered) -> Result<(), RenderError> {
        let Gathered { resources, config, .. } = gathered;
        patch::strategic_merges(self.recorder, this, resources)?;
        patch::patches(self.recorder, this, resources)?;
        transform::namespace(this, config, resources)?;
        transform::names(this, config, resources);
        transform::labels(this, config, resources);
        transform::annotations(this, config, resources);
        patch::json_patches(self.recorder, this, resources)?;
        transform::replicas(this, config, resources)?;
        transform::images(this, config, resources)?;
        replacements::apply(self.recorder, this, resources)
    }

    /// Takes in one entry of `resources`: a file or a directory.
    fn resource(
        &mut self,
        this: &Kustomization,
        field: &str,
        item: Node<'_>,
        gathered: &mut Gathered,
    ) -> Result<(), RenderError> {
        let Some(entry) = item.as_str().filter(|s| !s.is_empty()) else {
            return Err(this.fault(item, field, "a path was expected").into());
        };
        if is_remote(entry) {
            let message = format!(
                "{entry:?} is remote; rendering reads this repository only: copy the base into it, or make it a source \
                 of its own"
            );
            return Err(this.fault(item, field, message).into());
        }
        let path = join(&this.dir, entry)
            .ok_or_else(|| this.fault(item, field, format!("{entry:?} leaves the repository")))?;
        let text = if path.is_empty() {
            None
        } else {
            self.recorder.read_text(&path)?
        };
        if let Some(text) = text {
            this.path(item, field)?;
            return gathered.resources.append(parse(&path, &text)?);
        }
        let base = self.open_directory(this, field, item)?;
        if base.kind() == "Component" {
            let message = format!("{} is a component; list it under components", base.file);
            return Err(this.fault(item, field, message).into());
        }
        let below = self.accumulate(&base, Gathered::default())?;
        gathered.resources.append(below.resources.0)?;
        gathered.vars.extend(below.vars);
        gathered.config.absorb(below.config);
        Ok(())
    }

    /// Loads the kustomization of a directory that is named by another.
    fn open_directory(&self, this: &Kustomization, field: &str, item: Node<'_>) -> Result<Kustomization, RenderError> {
        let entry = item.as_str().unwrap_or_default();
        let dir = join(&this.dir, entry)
            .filter(|_| !entry.is_empty())
            .ok_or_else(|| this.fault(item, field, format!("{entry:?} is no directory of this repository")))?;
        if !self.recorder.is_dir(&dir)? {
            return Err(this
                .fault(
                    item,
                    field,
                    format!("there is no file or directory {dir:?} in this revision"),
                )
                .into());
        }
        if let Some(at) = self.open.iter().position(|(open, _)| *open == dir) {
            let mut chain: Vec<&str> = self.open[at..].iter().map(|(_, file)| file.as_str()).collect();
            chain.push(&self.open[at].1);
            let message = format!("this makes a cycle: {}; remove one of the links", chain.join(" -> "));
            return Err(this.fault(item, field, message).into());
        }
        if self.open.len() >= MAX_BASES || self.visits >= MAX_VISITS {
            let message = format!("bases nest deeper than {MAX_BASES}, or are visited more than {MAX_VISITS} times");
            return Err(this.fault(item, field, message).into());
        }
        Kustomization::load(self.recorder, &dir)
    }
}

/// The resources of a manifest.
pub(super) fn parse(path: &str, text: &str) -> Result<Vec<Resource>, RenderError> {
    let docs = yaml::parse_yaml_as(text, yaml::Reading::GoYaml3).map_err(|e| RenderError::parse(path, &e))?;
    let (mut resources, mut faults) = (Vec::new(), Vec::new());
    for doc in docs.iter().flat_map(object::expand) {
        match object::check(path, doc.root()) {
            Err(error) => faults.extend(error.faults),
            Ok(()) => {
                let line = doc.root().position().map_or(1, |p| p.line);
                resources.push(Resource::new(Value::from(doc), path, line));
            }
        }
    }
    RenderError::check(faults)?;
    Ok(resources)
}

/// Whether an entry of `resources` is an address and no path.
fn is_remote(entry: &str) -> bool {
    entry.contains("://")
        || entry.starts_with("git@")
        || entry.starts_with("git::")
        || ["github.com/", "gitlab.com/", "bitbucket.org/"]
            .iter()
            .any(|host| entry.starts_with(host))
}
