//! The transformers: namespace, names, labels, annotations, replicas, images.

use regex::Regex;
use ridgeway_doc::{Kind, Node, Value};

use super::config::Config;
use super::fieldspec::FieldSpec;
use super::file::Kustomization;
use super::resource::Resources;
use super::tables;
use crate::error::RenderError;

/// Sets the `namespace` of every namespaced object, and of what refers to the namespace itself.
pub(super) fn namespace(this: &Kustomization, config: &Config, resources: &mut Resources) -> Result<(), RenderError> {
    let namespace = this.text("namespace");
    if namespace.is_empty() {
        return Ok(());
    }
    for resource in &mut resources.0 {
        resource.remember();
        let id = resource.id();
        if !id.is_cluster_scoped() {
            resource.value.set(&["metadata", "namespace"], namespace);
        }
        let binding = matches!(id.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding");
        if binding && let Some(subjects) = resource.value.get_mut("subjects").and_then(Value::as_array_mut) {
            for subject in subjects
                .iter_mut()
                .filter(|s| s.node().str_at(&["name"]) == Some("default"))
            {
                subject.set(&["namespace"], namespace);
            }
        }
        for spec in &config.namespaces {
            if spec.selects(&id) && spec.path != "metadata/namespace" && !(binding && spec.path == "subjects") {
                spec.visit(&mut resource.value, &Value::from(""), &mut |v| *v = namespace.into());
            }
        }
    }
    for (i, resource) in resources.0.iter().enumerate() {
        let id = resource.id();
        if let Some(other) = resources.0[..i]
            .iter()
            .find(|r| r.name() == id.name && r.id().same(&id))
        {
            let message = format!(
                "in namespace {namespace:?} it would be the same object as {} from {}:{}; rename one",
                other.original_id(),
                other.file,
                other.line
            );
            return Err(resource.fault(message).into());
        }
    }
    Ok(())
}

/// Adds the name prefix and suffix.
pub(super) fn names(this: &Kustomization, config: &Config, resources: &mut Resources) {
    let (prefix, suffix) = (this.text("namePrefix"), this.text("nameSuffix"));
    for (text, specs, is_prefix) in [(prefix, &config.names, true), (suffix, &config.suffixed, false)] {
        if text.is_empty() {
            continue;
        }
        for resource in &mut resources.0 {
            let id = resource.original_id();
            if tables::UNPREFIXED.contains(&id.gvk.kind.as_str()) {
                continue;
            }
            for spec in specs.iter().filter(|s| s.selects(&id)) {
                if spec.path == "metadata/name" {
                    resource.remember();
                    let list = if is_prefix {
                        &mut resource.prefixes
                    } else {
                        &mut resource.suffixes
                    };
                    list.push(text.to_owned());
                }
                spec.visit(&mut resource.value, &Value::from(""), &mut |v| {
                    if let Some(name) = v.as_str() {
                        let renamed = if is_prefix {
                            format!("{text}{name}")
                        } else {
                            format!("{name}{text}")
                        };
                        *v = renamed.into();
                    }
                });
            }
        }
    }
}

/// Adds `labels` and `commonLabels`.
pub(super) fn labels(this: &Kustomization, config: &Config, resources: &mut Resources) {
    for (_, item) in this.items("labels") {
        let flag = |name: &str| item.get(name).and_then(Node::as_bool) == Some(true);
        let mut specs: Vec<FieldSpec> = item
            .get("fields")
            .or_else(|| item.get("fieldSpecs"))
            .into_iter()
            .flat_map(Node::items)
            .map(FieldSpec::from_node)
            .collect();
        if flag("includeSelectors") {
            specs.extend(config.common_labels.iter().cloned());
        } else {
            specs.extend(tables::metadata_labels());
            if flag("includeTemplates") {
                specs.extend(config.template_labels.iter().cloned());
            }
        }
        if let Some(pairs) = item.get("pairs") {
            set_pairs(resources, &specs, pairs);
        }
    }
    if let Some(pairs) = this.get("commonLabels") {
        set_pairs(resources, &config.common_labels, pairs);
    }
}

/// Adds `commonAnnotations`.
pub(super) fn annotations(this: &Kustomization, config: &Config, resources: &mut Resources) {
    if let Some(pairs) = this.get("commonAnnotations") {
        set_pairs(resources, &config.common_annotations, pairs);
    }
}

fn set_pairs(resources: &mut Resources, specs: &[FieldSpec], pairs: Node<'_>) {
    if pairs.is_empty() {
        return;
    }
    for resource in &mut resources.0 {
        let id = resource.id();
        for spec in specs {
            if !spec.selects(&id) || !(spec.create || spec.reaches(resource.node())) {
                continue;
            }
            spec.visit(&mut resource.value, &Value::object(), &mut |map| {
                for (key, value) in pairs.members() {
                    let text = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
                    map.set(&[key], text);
                }
            });
        }
    }
}

/// Sets replica counts.
pub(super) fn replicas(this: &Kustomization, config: &Config, resources: &mut Resources) -> Result<(), RenderError> {
    for (field, item) in this.items("replicas") {
        let name = item.str_at(&["name"]).unwrap_or_default();
        let count = item.get("count");
        let count = count.and_then(|c| c.as_i64().or_else(|| c.as_str()?.parse().ok()));
        let (false, Some(count)) = (name.is_empty(), count) else {
            return Err(this.fault(item, &field, "needs a name and a count").into());
        };
        let mut found = false;
        for resource in &mut resources.0 {
            let named = resource.name() == name || resource.previous.iter().any(|p| p.name == name);
            let id = resource.id();
            for spec in config.replicas.iter().filter(|s| named && s.selects(&id)) {
                found = true;
                spec.visit(&mut resource.value, &Value::from(0i64), &mut |v| *v = count.into());
            }
        }
        if !found {
            let message = format!("nothing with replicas is named {name:?}; check the name");
            return Err(this.fault(item, &field, message).into());
        }
    }
    Ok(())
}

/// An entry of `images`, ready to apply.
struct ImageRule<'k> {
    pattern: Option<Regex>,
    name: &'k str,
    tag: &'k str,
    suffix: &'k str,
    digest: &'k str,
}

impl ImageRule<'_> {
    fn apply(&self, image: &str) -> Option<String> {
        if !self.pattern.as_ref()?.is_match(image) {
            return None;
        }
        let (name, mut tag, mut digest) = split_image(image);
        let name = if self.name.is_empty() { name } else { self.name };
        match (self.tag.is_empty(), self.digest.is_empty()) {
            (true, true) => {}
            _ => (tag, digest) = (self.tag, self.digest),
        }
        let mut out = name.to_owned();
        if !tag.is_empty() {
            out.push(':');
            out.push_str(tag);
            out.push_str(self.suffix);
        }
        if !digest.is_empty() {
            out.push('@');
            out.push_str(digest);
        }
        (out != image).then_some(out)
    }
}

/// Name, tag and digest of an image; a port in the registry is no tag.
fn split_image(image: &str) -> (&str, &str, &str) {
    let (rest, digest) = image.split_once('@').unwrap_or((image, ""));
    let slash = rest.find('/').filter(|&at| at > 0).unwrap_or(0);
    match rest[slash..].find(':') {
        Some(at) => (&rest[..slash + at], &rest[slash + at + 1..], digest),
        None => (rest, "", digest),
    }
}

/// Changes image names, tags and digests.
pub(super) fn images(this: &Kustomization, config: &Config, resources: &mut Resources) -> Result<(), RenderError> {
    for (field, item) in this.items("images").chain(this.items("imageTags")) {
        let text = |key: &str| item.str_at(&[key]).unwrap_or_default();
        let fields = ["name", "newName", "newTag", "tagSuffix", "digest"];
        if let Some((key, value)) = item
            .members()
            .find(|(key, value)| !fields.contains(key) || !value.is_null() && value.as_str().is_none())
        {
            let message = format!(
                "a string field was expected, one of {}; quote numbers",
                fields.join(", ")
            );
            return Err(this.fault(value, &format!("{field}.{key}"), message).into());
        }
        let name = text("name").trim();
        let rule = ImageRule {
            // The real tool takes the name for a pattern, too.
            pattern: Regex::new(&format!(
                r"^{name}(:[a-zA-Z0-9_.{{}}-]*)?(@sha256:[a-zA-Z0-9_.{{}}-]*)?$"
            ))
            .ok(),
            name: text("newName"),
            tag: text("newTag"),
            suffix: text("tagSuffix"),
            digest: text("digest"),
        };
        for resource in &mut resources.0 {
            let id = resource.id();
            if id.gvk.kind != "CustomResourceDefinition" {
                in_containers(&mut resource.value, &rule);
            }
            for spec in config.images.iter().filter(|s| s.selects(&id)) {
                if spec.reaches(resource.node()) {
                    spec.visit(&mut resource.value, &Value::from(""), &mut |v| {
                        if let Some(new) = v.as_str().and_then(|image| rule.apply(image)) {
                            *v = new.into();
                        }
                    });
                }
            }
        }
    }
    Ok(())
}

/// Whether the rule would change anything in the containers below.
fn concerns(node: Node<'_>, rule: &ImageRule<'_>) -> bool {
    match node.kind() {
        Kind::Array => node.items().any(|item| concerns(item, rule)),
        Kind::Object => node.members().any(|(key, value)| {
            concerns(value, rule)
                || matches!(key, "containers" | "initContainers")
                    && value
                        .items()
                        .any(|c| c.str_at(&["image"]).is_some_and(|i| rule.apply(i).is_some()))
        }),
        _ => false,
    }
}

/// Applies the rule to every container, wherever containers stand.
fn in_containers(value: &mut Value, rule: &ImageRule<'_>) {
    if !concerns(value.node(), rule) {
        return;
    }
    if let Some(items) = value.as_array_mut() {
        items.iter_mut().for_each(|item| in_containers(item, rule));
    } else if let Some(map) = value.as_object_mut() {
        for (key, member) in map.iter_mut() {
            in_containers(member, rule);
            if matches!(key, "containers" | "initContainers") {
                for container in member.as_array_mut().into_iter().flatten() {
                    let new = container.node().str_at(&["image"]).and_then(|image| rule.apply(image));
                    if let Some(new) = new {
                        container.set(&["image"], new);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_change_by_name() {
        let pattern = Regex::new(r"^nginx(:[a-zA-Z0-9_.{}-]*)?(@sha256:[a-zA-Z0-9_.{}-]*)?$").ok();
        for (image, new_name, tag, digest, want) in [
            ("nginx", "", "1.2", "", "nginx:1.2"),
            ("nginx:1.1", "", "1.2", "", "nginx:1.2"),
            ("nginx:1.1@sha256:ab", "", "1.2", "", "nginx:1.2"),
            ("nginx:1.1", "", "", "sha256:cd", "nginx@sha256:cd"),
            ("nginx:1.1", "other", "", "", "other:1.1"),
            ("nginx-proxy:1.1", "other", "", "", "nginx-proxy:1.1"),
            ("reg:5000/nginx:1.1", "other", "", "", "reg:5000/nginx:1.1"),
        ] {
            let rule = ImageRule {
                pattern: pattern.clone(),
                name: new_name,
                tag,
                suffix: "",
                digest,
            };
            assert_eq!(rule.apply(image).as_deref().unwrap_or(image), want);
        }
        assert_eq!(
            split_image("reg:5000/a/b:1@sha256:x"),
            ("reg:5000/a/b", "1", "sha256:x")
        );
        assert_eq!(split_image("reg:5000/a"), ("reg:5000/a", "", ""));
    }
}
