//! What an Application adds to the kustomization it points at.

use ridgeway_doc::{Map, Node, Value};

use crate::error::{Fault, RenderError};

/// The `kustomize` part of a source: edits of the kustomization file, applied before it is built.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KustomizeOptions {
    /// Replaces `namePrefix`, if not empty.
    pub name_prefix: String,
    /// Replaces `nameSuffix`, if not empty.
    pub name_suffix: String,
    /// Replaces `namespace`, if not empty.
    pub namespace: String,
    /// Image overrides, as `kustomize edit set image` takes them: `name=new:tag`, `name:tag`, `name@digest`.
    pub images: Vec<String>,
    /// Replica counts by name.
    pub replicas: Vec<(String, i64)>,
    /// Labels for every object.
    pub common_labels: Vec<(String, String)>,
    /// Annotations for every object.
    pub common_annotations: Vec<(String, String)>,
    /// Whether labels may overrule those of the kustomization.
    pub force_common_labels: bool,
    /// Whether annotations may overrule those of the kustomization.
    pub force_common_annotations: bool,
    /// Whether labels stay out of selectors.
    pub label_without_selector: bool,
    /// Whether labels that stay out of selectors go into Pod templates.
    pub label_include_templates: bool,
    /// More `patches`, in kustomization syntax.
    pub patches: Vec<Value>,
    /// More `components`.
    pub components: Vec<String>,
}

impl KustomizeOptions {
    /// Reads `spec.source.kustomize`.
    ///
    /// # Errors
    /// A field that is unknown or has the wrong type.
    pub fn from_node(kustomize: Option<Node<'_>>) -> Result<KustomizeOptions, RenderError> {
        let mut options = KustomizeOptions::default();
        let Some(node) = kustomize else { return Ok(options) };
        let mut faults = Vec::new();
        for (key, value) in node.members() {
            let text = || value.as_str().map(str::to_owned);
            let flag = || value.as_bool();
            let strings = || -> Option<Vec<String>> { value.items().map(|i| i.as_str().map(str::to_owned)).collect() };
            let pairs = || -> Option<Vec<(String, String)>> {
                value
                    .members()
                    .map(|(k, v)| Some((k.to_owned(), v.as_str()?.to_owned())))
                    .collect()
            };
            let known = match key {
                "namePrefix" => text().map(|v| options.name_prefix = v),
                "nameSuffix" => text().map(|v| options.name_suffix = v),
                "namespace" => text().map(|v| options.namespace = v),
                "images" => strings().map(|v| options.images = v),
                "components" => strings().map(|v| options.components = v),
                "commonLabels" => pairs().map(|v| options.common_labels = v),
                "commonAnnotations" => pairs().map(|v| options.common_annotations = v),
                "forceCommonLabels" => flag().map(|v| options.force_common_labels = v),
                "forceCommonAnnotations" => flag().map(|v| options.force_common_annotations = v),
                "labelWithoutSelector" => flag().map(|v| options.label_without_selector = v),
                "labelIncludeTemplates" => flag().map(|v| options.label_include_templates = v),
                "replicas" => replicas(value).map(|v| options.replicas = v),
                "patches" => {
                    options.patches = value.items().map(Node::to_value).collect();
                    Some(())
                }
                // They choose or feed a binary, which is not used.
                "version" | "kubeVersion" | "apiVersions" | "commonAnnotationsEnvsubst" | "ignoreMissingComponents" => {
                    Some(())
                }
                _ => None,
            };
            if known.is_none() {
                let message = "is unknown or has the wrong type; see the Application's kustomize source";
                faults.push(Fault {
                    field: format!("spec.source.kustomize.{key}"),
                    message: message.into(),
                    ..Fault::default()
                });
            }
        }
        RenderError::check(faults)?;
        Ok(options)
    }

    /// Edits a kustomization, as the `kustomize edit` commands do.
    pub(super) fn edit(&self, kustomization: &mut Value, file: &str) -> Result<(), RenderError> {
        for (field, value) in [
            ("namePrefix", &self.name_prefix),
            ("nameSuffix", &self.name_suffix),
            ("namespace", &self.namespace),
        ] {
            if !value.is_empty() {
                kustomization.set(&[field], value);
            }
        }
        for image in &self.images {
            let image = parse_image(image).ok_or_else(|| Fault {
                field: "spec.source.kustomize.images".into(),
                message: format!("{image:?} is no image override; write name=new:tag, name:tag or name@digest"),
                ..Fault::default()
            })?;
            put_by_name(kustomization, "images", image);
        }
        for (name, count) in &self.replicas {
            let entry: Map = [("name", Value::from(name)), ("count", Value::from(*count))]
                .into_iter()
                .collect();
            put_by_name(kustomization, "replicas", entry);
        }
        if self.label_without_selector && !self.common_labels.is_empty() {
            let pairs: Map = self.common_labels.iter().map(|(k, v)| (k.as_str(), v)).collect();
            let mut entry = Value::object();
            entry.set(&["pairs"], pairs);
            entry.set(&["includeTemplates"], self.label_include_templates);
            append(kustomization, "labels", [entry]);
        } else {
            add_pairs(
                kustomization,
                file,
                "commonLabels",
                &self.common_labels,
                self.force_common_labels,
            )?;
        }
        let force = self.force_common_annotations;
        add_pairs(
            kustomization,
            file,
            "commonAnnotations",
            &self.common_annotations,
            force,
        )?;
        append(kustomization, "patches", self.patches.iter().cloned());
        append(kustomization, "components", self.components.iter().map(Value::from));
        Ok(())
    }
}

fn replicas(value: Node<'_>) -> Option<Vec<(String, i64)>> {
    let one = |item: Node<'_>| {
        let count = item.get("count")?;
        let count = count.as_i64().or_else(|| count.as_str()?.parse().ok())?;
        Some((item.str_at(&["name"])?.to_owned(), count))
    };
    value.items().map(one).collect()
}

fn append(kustomization: &mut Value, field: &str, items: impl IntoIterator<Item = Value>) {
    let mut items = items.into_iter().peekable();
    if items.peek().is_some() {
        kustomization
            .make_object()
            .entry(field, Value::array)
            .make_array()
            .extend(items);
    }
}

/// Sets the entry of that name in a list of named entries; fields that it does not give stay.
fn put_by_name(kustomization: &mut Value, field: &str, entry: Map) {
    let list = kustomization.make_object().entry(field, Value::array).make_array();
    let name = entry.get("name").cloned().unwrap_or_default();
    match list.iter_mut().find(|e| e.node().get("name") == Some(name.node())) {
        None => list.push(Value::from(entry)),
        Some(old) => {
            let has_tag = entry.contains_key("newTag") || entry.contains_key("digest");
            let old = old.make_object();
            if has_tag {
                old.remove("newTag");
                old.remove("digest");
            }
            for (key, value) in entry {
                old.insert(key, value);
            }
        }
    }
}

fn add_pairs(
    kustomization: &mut Value,
    file: &str,
    field: &str,
    pairs: &[(String, String)],
    force: bool,
) -> Result<(), RenderError> {
    if pairs.is_empty() {
        return Ok(());
    }
    let map = kustomization.make_object().entry(field, Value::object).make_object();
    for (key, value) in pairs {
        if map.contains_key(key) && !force {
            let option = if field == "commonLabels" {
                "forceCommonLabels"
            } else {
                "forceCommonAnnotations"
            };
            let message = format!("{key} is set already; set spec.source.kustomize.{option} to overrule it");
            return Err(Fault::in_file(file, message).field(field).into());
        }
        map.insert(key.as_str(), value);
    }
    Ok(())
}

/// An image override as an entry of `images`.
fn parse_image(text: &str) -> Option<Map> {
    let (name, rest) = match text.split_once('=') {
        Some((name, new)) => (Some(name), new),
        None => (None, text),
    };
    let slash = rest.rfind('/').map_or(0, |i| i + 1);
    let (new, tag, digest) = match (rest.find('@'), rest[slash..].find(':').map(|i| i + slash)) {
        (Some(at), _) => (&rest[..at], None, Some(&rest[at + 1..])),
        (None, Some(colon)) => (&rest[..colon], Some(&rest[colon + 1..]), None),
        (None, None) => (rest, None, None),
    };
    let name = name.unwrap_or(new);
    if name.is_empty() || (new == name && tag.is_none() && digest.is_none()) {
        return None;
    }
    let mut entry = Map::new();
    entry.insert("name", name);
    if new != name && !new.is_empty() && new != "*" {
        entry.insert("newName", new);
    }
    if let Some(tag) = tag.filter(|t| *t != "*") {
        entry.insert("newTag", tag);
    }
    if let Some(digest) = digest {
        entry.insert("digest", digest);
    }
    Some(entry)
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn image_overrides() {
        for (text, want) in [
            (
                "nginx=reg:5000/nginx:1.2",
                Some(r#"{"name":"nginx","newName":"reg:5000/nginx","newTag":"1.2"}"#),
            ),
            ("nginx:1.2", Some(r#"{"name":"nginx","newTag":"1.2"}"#)),
            (
                "reg:5000/nginx:1.2",
                Some(r#"{"name":"reg:5000/nginx","newTag":"1.2"}"#),
            ),
            ("nginx@sha256:ab", Some(r#"{"name":"nginx","digest":"sha256:ab"}"#)),
            ("nginx=other", Some(r#"{"name":"nginx","newName":"other"}"#)),
            ("nginx", None),
            ("", None),
        ] {
            assert_eq!(
                parse_image(text).map(|m| Value::from(m).to_json()).as_deref(),
                want,
                "{text}"
            );
        }
    }

    #[test]
    fn options_edit_the_kustomization() {
        let node = parse_yaml(
            "namePrefix: p-\nimages: ['a:2', 'b=c']\nreplicas: [{name: w, count: '3'}]\ncommonLabels: {x: z}\nlabelWithoutSelector: true\npatches: [{patch: q}]\n",
        )
        .unwrap();
        let options = KustomizeOptions::from_node(Some(node[0].root())).unwrap();
        let mut kustomization = Value::from(
            parse_yaml("namePrefix: old\nimages: [{name: a, newName: z, digest: d}]\n")
                .unwrap()
                .remove(0),
        );
        options.edit(&mut kustomization, "k").unwrap();
        assert_eq!(
            kustomization.to_json(),
            r#"{"namePrefix":"p-","images":[{"name":"a","newName":"z","newTag":"2"},{"name":"b","newName":"c"}],"replicas":[{"name":"w","count":3}],"labels":[{"pairs":{"x":"z"},"includeTemplates":false}],"patches":[{"patch":"q"}]}"#
        );
        let bad = parse_yaml("namePrefix: 1\nnope: 2\n").unwrap();
        assert_eq!(
            KustomizeOptions::from_node(Some(bad[0].root()))
                .unwrap_err()
                .faults
                .len(),
            2
        );
        let labels = parse_yaml("commonLabels: {a: b}\n").unwrap();
        let options = KustomizeOptions::from_node(Some(labels[0].root())).unwrap();
        let mut has = Value::from(labels[0].clone());
        assert!(
            options
                .edit(&mut has, "k")
                .unwrap_err()
                .to_string()
                .contains("forceCommonLabels")
        );
    }
}
