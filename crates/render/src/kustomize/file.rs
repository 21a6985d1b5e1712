//! The kustomization file: finding it, reading it, and checking its fields.

use ridgeway_doc::{Kind, Node, Value, yaml};

use crate::error::{Fault, RenderError};
use crate::files::{Recorder, join};

/// The names a kustomization file may have.
pub(crate) const KUSTOMIZATION_FILES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// The fields that are understood, with their types.
const FIELDS: [(&str, Kind); 28] = [
    ("apiVersion", Kind::String),
    ("kind", Kind::String),
    ("metadata", Kind::Object),
    ("resources", Kind::Array),
    ("bases", Kind::Array),
    ("components", Kind::Array),
    ("namePrefix", Kind::String),
    ("nameSuffix", Kind::String),
    ("namespace", Kind::String),
    ("commonLabels", Kind::Object),
    ("labels", Kind::Array),
    ("commonAnnotations", Kind::Object),
    ("patches", Kind::Array),
    ("patchesStrategicMerge", Kind::Array),
    ("patchesJson6902", Kind::Array),
    ("images", Kind::Array),
    ("imageTags", Kind::Array),
    ("replicas", Kind::Array),
    ("vars", Kind::Array),
    ("replacements", Kind::Array),
    ("configMapGenerator", Kind::Array),
    ("secretGenerator", Kind::Array),
    ("generatorOptions", Kind::Object),
    ("configurations", Kind::Array),
    ("sortOptions", Kind::Object),
    // Read by the real tool to find more name references in custom resources; those need `configurations` here.
    ("crds", Kind::Array),
    ("helmGlobals", Kind::Object),
    ("inventory", Kind::Object),
];

/// The fields that are refused, with the reason.
const REFUSED: [(&str, &str); 7] = [
    (
        "helmCharts",
        "Helm charts are not rendered yet; commit the output of `helm template` and list it in resources",
    ),
    (
        "helmChartInflationGenerator",
        "Helm charts are not rendered yet; commit the output of `helm template` and list it in resources",
    ),
    (
        "generators",
        "generator plugins are not supported; list the generated objects in resources",
    ),
    (
        "transformers",
        "transformer plugins are not supported; use the built-in fields of the kustomization",
    ),
    (
        "validators",
        "validator plugins are not supported; use an admission policy",
    ),
    (
        "openapi",
        "custom schemas are not supported; patch lists of custom resources with JSON patches",
    ),
    (
        "buildMetadata",
        "origin and transformer annotations are not supported; remove the field",
    ),
];

/// A kustomization that was read.
pub(super) struct Kustomization {
    pub(super) value: Value,
    pub(super) dir: String,
    pub(super) file: String,
}

impl Kustomization {
    /// Reads the kustomization of a directory.
    pub(super) fn load(recorder: &Recorder<'_>, dir: &str) -> Result<Kustomization, RenderError> {
        let mut found = Vec::new();
        // Look at the directory first, so that its listing is part of what was seen.
        if !recorder.is_dir(dir)? {
            return Err(Fault::in_file(dir, "there is no such directory in this revision").into());
        }
        for name in KUSTOMIZATION_FILES {
            let path = join(dir, name).unwrap_or_default();
            if let Some(text) = recorder.read_text(&path)? {
                found.push((path, text));
            }
        }
        let (file, text) = match found.len() {
            0 => {
                let message = format!(
                    "there is no kustomization file here; one of {}",
                    KUSTOMIZATION_FILES.join(", ")
                );
                return Err(Fault::in_file(dir, message).into());
            }
            1 => found.remove(0),
            _ => {
                let message = format!(
                    "there are several kustomization files here; keep one of {}",
                    names(&found)
                );
                return Err(Fault::in_file(dir, message).into());
            }
        };
        let mut docs = yaml::parse_yaml_as(&text, yaml::Reading::GoYaml3).map_err(|e| RenderError::parse(&file, &e))?;
        if docs.len() > 1 {
            return Err(Fault::in_file(&file, "a kustomization file holds one document")
                .at(docs[1].root())
                .into());
        }
        if docs.is_empty() {
            return Err(Fault::in_file(&file, "the kustomization file is empty; it needs at least resources").into());
        }
        let kustomization = Kustomization {
            value: Value::from(docs.remove(0)),
            dir: dir.into(),
            file,
        };
        kustomization.check()?;
        Ok(kustomization)
    }

    fn check(&self) -> Result<(), RenderError> {
        let root = self.value.node();
        if !root.is_object() {
            return Err(self.fault(root, "", "a kustomization is a mapping").into());
        }
        let mut faults = Vec::new();
        for (key, value) in root.members() {
            if value.is_null() {
                continue;
            }
            if let Some((_, reason)) = REFUSED.iter().find(|(name, _)| *name == key) {
                if !value.is_empty() {
                    faults.push(self.fault(value, key, *reason));
                }
                continue;
            }
            match FIELDS.iter().find(|(name, _)| *name == key) {
                None => {
                    let close = FIELDS
                        .iter()
                        .map(|(name, _)| *name)
                        .find(|name| name.eq_ignore_ascii_case(key));
                    let hint = close.map_or_else(String::new, |name| format!("; did you mean {name}?"));
                    faults.push(self.fault(value, key, format!("is no field of a kustomization{hint}")));
                }
                Some((_, kind)) if *kind != value.kind() => {
                    let message = format!("found a {} where a {kind} was expected", value.kind());
                    faults.push(self.fault(value, key, message));
                }
                Some(_) => {}
            }
        }
        match self.kind() {
            "Kustomization" | "Component" => {}
            other => {
                let message = format!("{other:?} is no kustomization; use Kustomization or Component");
                faults.push(self.fault(root, "kind", message));
            }
        }
        RenderError::check(faults)
    }

    /// `Kustomization` or `Component`.
    pub(super) fn kind(&self) -> &str {
        self.value.node().str_at(&["kind"]).unwrap_or("Kustomization")
    }

    pub(super) fn fault(&self, node: Node<'_>, field: &str, message: impl Into<String>) -> Fault {
        Fault::in_file(&self.file, message).at(node).field(field)
    }

    /// A field that is there and not null.
    pub(super) fn get(&self, field: &str) -> Option<Node<'_>> {
        self.value.node().get(field).filter(|n| !n.is_null())
    }

    /// The items of a list field, each with its name for faults.
    pub(super) fn items<'k>(&'k self, field: &'static str) -> impl Iterator<Item = (String, Node<'k>)> {
        let items = self.get(field).into_iter().flat_map(Node::items).enumerate();
        items.map(move |(i, item)| (format!("{field}[{i}]"), item))
    }

    pub(super) fn text(&self, field: &str) -> &str {
        self.get(field).and_then(Node::as_str).unwrap_or_default()
    }

    /// The path of a file this kustomization names; files must lie within its directory.
    pub(super) fn path(&self, node: Node<'_>, field: &str) -> Result<String, RenderError> {
        let Some(relative) = node.as_str().filter(|s| !s.is_empty()) else {
            return Err(self.fault(node, field, "a path was expected").into());
        };
        match join(&self.dir, relative) {
            Some(path) if crate::files::is_within(&path, &self.dir) => Ok(path),
            _ => {
                let message = format!(
                    "{relative:?} lies outside the kustomization's directory; move the file below it, or make its \
                     directory a base of its own"
                );
                Err(self.fault(node, field, message).into())
            }
        }
    }

    /// The text of a file this kustomization names.
    pub(super) fn read(
        &self,
        recorder: &Recorder<'_>,
        node: Node<'_>,
        field: &str,
    ) -> Result<(String, String), RenderError> {
        let path = self.path(node, field)?;
        match recorder.read_text(&path)? {
            Some(text) => Ok((path, text)),
            None => Err(self
                .fault(node, field, format!("there is no file {path:?} in this revision"))
                .into()),
        }
    }
}

fn names(found: &[(String, String)]) -> String {
    found
        .iter()
        .map(|(path, _)| crate::files::base_name(path))
        .collect::<Vec<_>>()
        .join(", ")
}
