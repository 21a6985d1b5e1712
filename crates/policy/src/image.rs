//! Image references, with the defaults a container runtime fills in.

use ridgeway_doc::{Node, Value};

/// A parsed image reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Registry, `docker.io` where none is given.
    pub registry: String,
    /// Repository path within the registry.
    pub path: String,
    /// Last part of the path.
    pub name: String,
    /// Tag; `latest` where neither tag nor digest is given, else empty.
    pub tag: String,
    /// Digest, such as `sha256:…`; empty where none is given.
    pub digest: String,
}

impl Image {
    /// The full reference; a digest takes the tag's place.
    pub fn reference(&self) -> String {
        if self.digest.is_empty() {
            self.with_tag()
        } else {
            format!("{}/{}@{}", self.registry, self.path, self.digest)
        }
    }

    fn with_tag(&self) -> String {
        format!("{}/{}:{}", self.registry, self.path, self.tag)
    }

    fn to_value(&self, pointer: String) -> Value {
        let mut out = Value::object();
        for (key, text) in [
            ("registry", &self.registry),
            ("path", &self.path),
            ("name", &self.name),
            ("tag", &self.tag),
            ("digest", &self.digest),
            ("reference", &self.reference()),
            ("referenceWithTag", &self.with_tag()),
        ] {
            if !text.is_empty() || key == "tag" {
                out.set(&[key], text.as_str());
            }
        }
        out.set(&["jsonPointer"], pointer);
        out
    }
}

/// Parses a reference; `None` when it is none.
pub(crate) fn parse(text: &str) -> Option<Image> {
    let (rest, digest) = text.split_once('@').map_or((text, ""), |(rest, digest)| (rest, digest));
    let (rest, tag) = match rest.rsplit_once(':') {
        Some((rest, tag)) if !tag.contains('/') => (rest, tag),
        _ => (rest, ""),
    };
    let (registry, path) = match rest.split_once('/') {
        Some((first, path)) if first.contains(['.', ':']) || first == "localhost" => (first, path),
        _ => ("docker.io", rest),
    };
    let valid = !path.is_empty()
        && path.split('/').all(|part| !part.is_empty())
        && path
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'/' | b'-' | b'_' | b'.'))
        && (digest.is_empty() && !text.contains('@') || digest.contains(':'))
        && tag
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if !valid {
        return None;
    }
    let tag = if tag.is_empty() && digest.is_empty() {
        "latest"
    } else {
        tag
    };
    Some(Image {
        registry: registry.into(),
        path: path.into(),
        name: path.rsplit('/').next().unwrap_or(path).into(),
        tag: tag.into(),
        digest: digest.into(),
    })
}

/// Where a kind keeps its Pod specification.
pub(crate) fn pod_spec_path(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "Pod" => &["spec"],
        "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
        "PodTemplate" => &["template", "spec"],
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
            &["spec", "template", "spec"]
        }
        _ => return None,
    })
}

/// The three lists of containers of a Pod specification.
pub(crate) const CONTAINER_LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

/// The `images` variable: container list → container name → parts of its image. As with Kyverno, a container without a name
/// and an image that cannot be read are faults of whoever asks for it; a container without an image is passed over.
pub(crate) fn of_object(kind: &str, object: Node<'_>) -> Option<Result<Value, String>> {
    let path = pod_spec_path(kind)?;
    let spec = object.at(path)?;
    Some(of_spec(spec, &path.join("/")))
}

fn of_spec(spec: Node<'_>, path: &str) -> Result<Value, String> {
    let mut out = Value::object();
    for list in CONTAINER_LISTS {
        let Some(containers) = spec.get(list) else { continue };
        for (i, container) in containers.items().enumerate() {
            let place = format!("{}.{list}[{i}]", path.replace('/', "."));
            let name = container
                .str_at(&["name"])
                .ok_or_else(|| format!("the images cannot be told apart: {place} has no name"))?;
            let Some(text) = container.str_at(&["image"]).filter(|text| !text.trim().is_empty()) else {
                continue;
            };
            let image = parse(text).ok_or_else(|| format!("{place}.image: {text:?} is no image reference"))?;
            out.set(&[list, name], image.to_value(format!("/{path}/{list}/{i}/image")));
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        for (text, want) in [
            ("nginx", Some("docker.io/nginx:latest")),
            ("ghcr.io/a/b:1.2", Some("ghcr.io/a/b:1.2")),
            ("localhost:5000/x", Some("localhost:5000/x:latest")),
            ("a/b@sha256:ab", Some("docker.io/a/b@sha256:ab")),
            ("a/b:1@sha256:ab", Some("docker.io/a/b@sha256:ab")),
            ("", None),
            ("UPPER", None),
        ] {
            assert_eq!(parse(text).map(|image| image.reference()).as_deref(), want, "{text}");
        }
    }
    #[test]
    fn images_of_containers_that_cannot_be_read_are_told() {
        let images = |containers: &str| {
            let text = format!("{{kind: Pod, spec: {{containers: {containers}}}}}");
            let object = ridgeway_doc::parse_yaml(&text).unwrap().remove(0);
            let images = of_object("Pod", object.root()).unwrap();
            images.map(|images| images.to_json())
        };
        let read = images("[{name: a, image: 'b:1'}, {name: c}, {name: d, image: ''}]").unwrap();
        assert!(read.contains("\"a\"") && !read.contains("\"c\""), "{read}");
        for (containers, want) in [
            ("[{image: b}]", "spec.containers[0] has no name"),
            ("[{name: true, image: b}]", "has no name"),
            ("[{name: a, image: 'A b'}]", "spec.containers[0].image: \"A b\""),
        ] {
            let why = images(containers).unwrap_err();
            assert!(why.contains(want), "{why}");
        }
    }
}
