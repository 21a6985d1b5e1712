//! The field specs of a build: the built-in tables and what `configurations` add.

use std::borrow::Cow;

use ridgeway_doc::{Node, yaml};

use super::fieldspec::FieldSpec;
use super::file::Kustomization;
use super::tables::{self, NameReference};
use crate::error::{Fault, RenderError};
use crate::files::Recorder;

/// Which fields each transformer touches.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) name_references: Vec<NameReference>,
    pub(super) names: Vec<FieldSpec>,
    pub(super) suffixed: Vec<FieldSpec>,
    pub(super) namespaces: Vec<FieldSpec>,
    pub(super) common_labels: Vec<FieldSpec>,
    pub(super) template_labels: Vec<FieldSpec>,
    pub(super) common_annotations: Vec<FieldSpec>,
    pub(super) images: Vec<FieldSpec>,
    pub(super) replicas: Vec<FieldSpec>,
    pub(super) variables: Vec<FieldSpec>,
}

impl Default for Config {
    fn default() -> Config {
        let name = || vec![FieldSpec::new("", "metadata/name", false)];
        Config {
            name_references: tables::name_references(),
            names: name(),
            suffixed: name(),
            namespaces: tables::namespaces(),
            common_labels: tables::common_labels(),
            template_labels: tables::template_labels(),
            common_annotations: tables::common_annotations(),
            images: tables::images(),
            replicas: tables::replicas(),
            variables: tables::variables(),
        }
    }
}

fn merge(into: &mut Vec<FieldSpec>, from: impl IntoIterator<Item = FieldSpec>) {
    for spec in from {
        if !into.contains(&spec) {
            into.push(spec);
        }
    }
}

impl Config {
    /// Takes in what another configuration has beyond this one.
    pub(super) fn absorb(&mut self, other: Config) {
        for reference in other.name_references {
            self.refer(reference);
        }
        merge(&mut self.names, other.names);
        merge(&mut self.suffixed, other.suffixed);
        merge(&mut self.namespaces, other.namespaces);
        merge(&mut self.common_labels, other.common_labels);
        merge(&mut self.template_labels, other.template_labels);
        merge(&mut self.common_annotations, other.common_annotations);
        merge(&mut self.images, other.images);
        merge(&mut self.replicas, other.replicas);
        merge(&mut self.variables, other.variables);
    }

    fn refer(&mut self, reference: NameReference) {
        let same = self
            .name_references
            .iter_mut()
            .find(|r| r.kind == reference.kind && r.group == reference.group && r.version == reference.version);
        match same {
            Some(known) => merge(&mut known.fields, reference.fields),
            None => self.name_references.push(reference),
        }
    }

    /// Reads the `configurations` of a kustomization on top.
    pub(super) fn read(&mut self, recorder: &Recorder<'_>, from: &Kustomization) -> Result<(), RenderError> {
        for (field, item) in from.items("configurations") {
            let (path, text) = from.read(recorder, item, &field)?;
            let docs = yaml::parse_yaml_as(&text, yaml::Reading::GoYaml3).map_err(|e| RenderError::parse(&path, &e))?;
            for doc in &docs {
                self.read_document(&path, doc.root())?;
            }
        }
        Ok(())
    }

    fn read_document(&mut self, path: &str, root: Node<'_>) -> Result<(), RenderError> {
        for (key, value) in root.members() {
            let specs = value.items().map(FieldSpec::from_node);
            match key {
                "namePrefix" => merge(&mut self.names, specs),
                "nameSuffix" => merge(&mut self.suffixed, specs),
                "namespace" => merge(&mut self.namespaces, specs),
                "commonLabels" | "labels" => merge(&mut self.common_labels, specs),
                "templateLabels" => merge(&mut self.template_labels, specs),
                "commonAnnotations" => merge(&mut self.common_annotations, specs),
                "images" => merge(&mut self.images, specs),
                "replicas" => merge(&mut self.replicas, specs),
                "varReference" => merge(&mut self.variables, specs),
                "nameReference" => {
                    for item in value.items() {
                        let text = |key: &str| Cow::Owned(item.str_at(&[key]).unwrap_or_default().to_owned());
                        self.refer(NameReference {
                            group: text("group"),
                            version: text("version"),
                            kind: text("kind"),
                            fields: item
                                .get("fieldSpecs")
                                .into_iter()
                                .flat_map(Node::items)
                                .map(FieldSpec::from_node)
                                .collect(),
                        });
                    }
                }
                _ => {
                    let message = "is no field of a transformer configuration; see namePrefix, commonLabels, images, \
                                   replicas, nameReference, varReference";
                    return Err(Fault::in_file(path, message).at(value).field(key).into());
                }
            }
        }
        Ok(())
    }
}
