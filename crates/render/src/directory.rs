//! Plain directories of manifests.

use ridgeway_doc::{Doc, Node, parse_json, parse_yaml};

use crate::error::{Fault, RenderError};
use crate::files::{DirEntry, Files, Recorder, base_name, join};
use crate::glob;
use crate::object::{Object, Rendered, check, expand};

/// How deep directories are searched.
const MAX_DIRECTORY_DEPTH: usize = 64;

/// The `directory` part of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirectoryOptions {
    /// Whether sub-directories are read too.
    pub recurse: bool,
    /// Only files that match this pattern, if it is not empty.
    pub include: String,
    /// No files that match this pattern, if it is not empty.
    pub exclude: String,
}

impl DirectoryOptions {
    /// Reads `spec.source.directory`.
    pub fn from_node(directory: Option<Node<'_>>) -> DirectoryOptions {
        let text = |key: &str| directory.and_then(|d| d.str_at(&[key])).unwrap_or_default().to_owned();
        DirectoryOptions {
            recurse: directory.and_then(|d| d.get("recurse")).and_then(Node::as_bool) == Some(true),
            include: text("include"),
            exclude: text("exclude"),
        }
    }

    fn wants(&self, relative: &str) -> bool {
        let known = [".yaml", ".yml", ".json"].iter().any(|e| relative.ends_with(e));
        known
            && (self.include.is_empty() || glob::matches(&self.include, relative))
            && (self.exclude.is_empty() || !glob::matches(&self.exclude, relative))
    }
}

/// Reads the manifests (`*.yaml`, `*.yml`, `*.json`) of a directory, in the order of their paths.
///
/// # Errors
/// Every file that does not parse, and every document that is no object.
pub fn directory(files: &dyn Files, path: &str, options: &DirectoryOptions) -> Result<Rendered, RenderError> {
    let recorder = Recorder::new(files);
    let root = join("", path).ok_or_else(|| Fault::in_file(path, "the path leaves the repository"))?;
    let mut paths = Vec::new();
    if recorder.is_dir(&root)? {
        walk(&recorder, &root, "", options, 0, &mut paths)?;
    } else if recorder.read(&root)?.is_some() {
        paths.push(root.clone());
    } else {
        return Err(Fault::in_file(&root, "there is no such directory in this revision").into());
    }
    let (mut objects, mut faults) = (Vec::new(), Vec::new());
    for file in &paths {
        match read_manifests(&recorder, file) {
            Ok(read) => objects.extend(read),
            Err(error) => faults.extend(error.faults),
        }
    }
    RenderError::check(faults)?;
    let (files, directories) = recorder.into_seen();
    Ok(Rendered {
        objects,
        files,
        directories,
    })
}

fn walk(
    recorder: &Recorder<'_>,
    dir: &str,
    relative: &str,
    options: &DirectoryOptions,
    depth: usize,
    paths: &mut Vec<String>,
) -> Result<(), RenderError> {
    if depth > MAX_DIRECTORY_DEPTH {
        let message = format!("directories nest deeper than {MAX_DIRECTORY_DEPTH} levels");
        return Err(Fault::in_file(dir, message).into());
    }
    for DirEntry { name, is_dir } in recorder.list(dir)?.unwrap_or_default() {
        let path = if dir.is_empty() {
            name.clone()
        } else {
            format!("{dir}/{name}")
        };
        let within = if relative.is_empty() {
            name
        } else {
            format!("{relative}/{name}")
        };
        if !is_dir {
            if options.wants(&within) {
                paths.push(path);
            }
        } else if options.recurse {
            walk(recorder, &path, &within, options, depth + 1, paths)?;
        }
    }
    Ok(())
}

fn read_manifests(recorder: &Recorder<'_>, file: &str) -> Result<Vec<Object>, RenderError> {
    let text = recorder.read_text(file)?.unwrap_or_default();
    // A marker of Argo CD's: the file is YAML, but no manifest.
    if text.contains("+argocd:skip-file-rendering") {
        return Ok(Vec::new());
    }
    let docs = if base_name(file).ends_with(".json") && !text.trim().is_empty() {
        vec![parse_json(text.as_bytes()).map_err(|e| RenderError::parse(file, &e))?]
    } else {
        parse_yaml(&text).map_err(|e| RenderError::parse(file, &e))?
    };
    let (mut objects, mut faults) = (Vec::new(), Vec::new());
    for doc in docs.iter().flat_map(expand) {
        let node = doc.root();
        // A file may hold other YAML; what has neither kind nor apiVersion is none of ours.
        if node.is_object() && node.get("kind").is_none() && node.get("apiVersion").is_none() {
            let message =
                "is no Kubernetes object; move it elsewhere, or exclude it with spec.source.directory.exclude";
            faults.push(Fault::in_file(file, message).at(node));
            continue;
        }
        match check(file, node) {
            Ok(()) => objects.push(object(file, doc)),
            Err(error) => faults.extend(error.faults),
        }
    }
    RenderError::check(faults)?;
    Ok(objects)
}

fn object(file: &str, doc: Doc) -> Object {
    Object {
        line: doc.root().position().map_or(1, |p| p.line),
        file: file.into(),
        doc,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryFiles;

    fn files() -> MemoryFiles {
        MemoryFiles::new()
            .with("app/b.yaml", "# c\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Secret, metadata: {name: s}}\n")
            .with("app/a.json", r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#)
            .with("app/sub/c.yml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n")
            .with("app/README.md", "# no")
    }

    fn names(options: &DirectoryOptions) -> String {
        let rendered = directory(&files(), "app", options).unwrap();
        let name = |o: &Object| format!("{}:{}", o.doc.root().str_at(&["metadata", "name"]).unwrap(), o.line);
        rendered.objects.iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn manifests_come_in_path_order_with_their_lines() {
        let options = |recurse, include: &str, exclude: &str| DirectoryOptions {
            recurse,
            include: include.into(),
            exclude: exclude.into(),
        };
        assert_eq!(names(&options(false, "", "")), "a:1 b:2 s:9");
        assert_eq!(names(&options(true, "", "")), "a:1 b:2 s:9 c:1");
        assert_eq!(names(&options(true, "*.yaml", "")), "b:2 s:9");
        assert_eq!(names(&options(true, "", "{*.json,sub/*}")), "b:2 s:9");
        let rendered = directory(&files(), "./app/", &DirectoryOptions::default()).unwrap();
        assert_eq!(rendered.files, ["app/a.json", "app/b.yaml"]);
        assert_eq!(rendered.directories, ["app"]);
    }

    #[test]
    fn every_fault_is_told() {
        let files = MemoryFiles::new()
            .with("a.yaml", "a: b: c\n")
            .with("b.yaml", "apiVersion: v1\nkind: ConfigMap\n---\nx: 1\n");
        let error = directory(&files, "", &DirectoryOptions::default()).unwrap_err();
        let text = error.to_string();
        assert_eq!(error.faults.len(), 3, "{text}");
        assert!(text.contains("a.yaml:1: line 1"), "{text}");
        assert!(text.contains("b.yaml:1: metadata.name: is missing"), "{text}");
        assert!(text.contains("b.yaml:4: is no Kubernetes object"), "{text}");
        let error = directory(&files, "none", &DirectoryOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), "none: there is no such directory in this revision");
        assert!(directory(&files, "../x", &DirectoryOptions::default()).is_err());
    }
}
