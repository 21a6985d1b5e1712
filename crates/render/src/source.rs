//! From the `source` of an Application to objects.

use std::fmt;

use ridgeway_doc::Node;

use crate::directory::{DirectoryOptions, directory};
use crate::error::{Fault, RenderError};
use crate::files::{Files, join};
use crate::kustomize::{KUSTOMIZATION_FILES, KustomizeOptions, kustomize};
use crate::object::Rendered;

/// What kind of source a directory is; prints as Argo CD's `status.sourceType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceType {
    /// Manifests as they are.
    Directory,
    /// A kustomization.
    Kustomize,
    /// A Helm chart.
    Helm,
}

impl fmt::Display for SourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SourceType::Directory => "Directory",
            SourceType::Kustomize => "Kustomize",
            SourceType::Helm => "Helm",
        })
    }
}

/// What a directory holds, judged by its files: a `Chart.yaml` is Helm, a kustomization file is Kustomize.
///
/// # Errors
/// When the path leaves the repository or cannot be listed.
pub fn detect(files: &dyn Files, path: &str) -> Result<SourceType, RenderError> {
    let dir = join("", path).ok_or_else(|| Fault::in_file(path, "the path leaves the repository"))?;
    let entries = files.list(&dir).map_err(|e| Fault::in_file(&dir, e))?;
    let entries = entries.unwrap_or_default();
    let has = |names: &[&str]| entries.iter().any(|e| !e.is_dir && names.contains(&e.name.as_str()));
    Ok(if has(&["Chart.yaml"]) {
        SourceType::Helm
    } else if has(&KUSTOMIZATION_FILES) {
        SourceType::Kustomize
    } else {
        SourceType::Directory
    })
}

/// Renders an Application's `spec.source`: the type its fields name, else the type its directory shows.
///
/// # Errors
/// What rendering of that type gives; Helm charts and plugins are refused for now.
pub fn render_source(files: &dyn Files, source: Node<'_>) -> Result<(SourceType, Rendered), RenderError> {
    let field = |key: &str| source.get(key).filter(|n| !n.is_null() && !n.is_empty());
    let refuse = |field: &str, message: &str| -> RenderError {
        Fault {
            field: format!("spec.source.{field}"),
            message: message.into(),
            ..Fault::default()
        }
        .into()
    };
    if field("plugin").is_some() {
        return Err(refuse(
            "plugin",
            "config management plugins are not supported; commit the rendered manifests",
        ));
    }
    if source.str_at(&["chart"]).is_some_and(|c| !c.is_empty()) {
        return Err(refuse(
            "chart",
            "Helm repositories are not supported yet; commit the rendered manifests",
        ));
    }
    let path = source.str_at(&["path"]).unwrap_or(".");
    let kind = match (field("helm"), field("kustomize"), field("directory")) {
        (Some(_), _, _) => SourceType::Helm,
        (_, Some(_), _) => SourceType::Kustomize,
        (_, _, Some(_)) => SourceType::Directory,
        _ => detect(files, path)?,
    };
    let rendered = match kind {
        SourceType::Helm => {
            let message = "Helm charts are not rendered yet; commit the output of `helm template` instead";
            return Err(Fault::in_file(path, message).into());
        }
        SourceType::Kustomize => kustomize(files, path, &KustomizeOptions::from_node(field("kustomize"))?)?,
        SourceType::Directory => directory(files, path, &DirectoryOptions::from_node(field("directory")))?,
    };
    Ok((kind, rendered))
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_json;

    use super::*;
    use crate::MemoryFiles;

    #[test]
    fn the_directory_shows_its_type_and_fields_overrule_it() {
        let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
        let files = MemoryFiles::new()
            .with("chart/Chart.yaml", "")
            .with("k/kustomization.yml", "resources: [a.yaml]\nnamePrefix: x-\n")
            .with("k/a.yaml", manifest)
            .with("plain/a.yaml", manifest);
        for (path, want) in [
            ("chart", SourceType::Helm),
            ("./k/", SourceType::Kustomize),
            ("plain", SourceType::Directory),
        ] {
            assert_eq!(detect(&files, path).unwrap(), want);
        }
        let render = |source: &str| {
            let source = parse_json(source.as_bytes()).unwrap();
            render_source(&files, source.root()).map(|(kind, r)| format!("{kind} {}", r.objects[0].doc.root()))
        };
        assert_eq!(
            render(r#"{"path":"k"}"#).unwrap(),
            r#"Kustomize {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x-a"}}"#
        );
        assert!(
            render(r#"{"path":"plain","directory":{"recurse":true}}"#)
                .unwrap()
                .starts_with("Directory")
        );
        assert!(
            render(r#"{"path":"chart"}"#)
                .unwrap_err()
                .to_string()
                .contains("helm template")
        );
        assert!(render(r#"{"path":"k","plugin":{"name":"x"}}"#).is_err());
    }
}
