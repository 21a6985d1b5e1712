//! Policies and resources from files, folders, kustomizations and standard input, each with its place.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ridgeway_doc::{Doc, Node};
use ridgeway_policy::CompileError;
use ridgeway_render::{KustomizeOptions, SourceType, detect, kustomize};

use super::parse::{self, Parser};
use super::rego;
use crate::files::{self, Disk};

/// A document, or an item of a list in one, and the file it stands in.
#[derive(Clone)]
pub(super) struct Source {
    /// The file, as it was named; `-` for standard input.
    pub(super) file: String,
    /// Whether it is what a cluster holds: no request brought it here.
    pub(super) stored: bool,
    doc: Arc<Doc>,
    item: Option<usize>,
}

impl Source {
    pub(super) fn new(file: &str, doc: Doc) -> Source {
        Source {
            file: file.to_owned(),
            stored: false,
            doc: Arc::new(doc),
            item: None,
        }
    }

    pub(super) fn root(&self) -> Node<'_> {
        let root = self.doc.root();
        self.item
            .and_then(|i| root.get("items").and_then(|items| items.item(i)))
            .unwrap_or(root)
    }

    fn text(&self, path: &[&str]) -> &str {
        self.root().str_at(path).unwrap_or_default()
    }

    /// The group of its `apiVersion`.
    pub(super) fn group(&self) -> &str {
        self.text(&["apiVersion"])
            .split_once('/')
            .map_or("", |(group, _)| group)
    }

    pub(super) fn kind(&self) -> &str {
        self.text(&["kind"])
    }
}

/// Something unusable in the input: where, what, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) file: String,
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) message: String,
}

impl Problem {
    pub(super) fn new(file: &str, message: impl Into<String>) -> Problem {
        Problem {
            file: file.to_owned(),
            line: 0,
            column: 0,
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}: {}", self.file, self.message),
            (line, column) => write!(f, "{}:{line}:{column}: {}", self.file, self.message),
        }
    }
}

/// What was read, and what could not be.
#[derive(Default)]
pub(super) struct Loaded {
    pub(super) sources: Vec<Source>,
    /// Objects beside policies that are their parameters.
    pub(super) parameters: Vec<Source>,
    pub(super) problems: Vec<Problem>,
}

impl Loaded {
    fn add(&mut self, file: &str, docs: Vec<Doc>) {
        for doc in docs {
            let root = doc.root();
            let is_list = root.str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"));
            let items = root.get("items").filter(|items| is_list && items.is_array());
            match items.map(Node::len) {
                None if root.is_object() || root.is_array() => self.sources.push(Source::new(file, doc)),
                None => {}
                Some(count) => {
                    let doc = Arc::new(doc);
                    self.sources.extend((0..count).map(|i| Source {
                        file: file.to_owned(),
                        stored: false,
                        doc: doc.clone(),
                        item: Some(i),
                    }));
                }
            }
        }
    }

    fn read(&mut self, path: &Path, parser: Option<Parser>) {
        let shown = path.display().to_string();
        match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let message = "there is no such file or folder; check the path";
                self.problems.push(Problem::new(&shown, message));
            }
            Err(error) => self.problems.push(Problem::new(&shown, error.to_string())),
            Ok(bytes) => self.text(&shown, &bytes, parser),
        }
    }

    fn module(&mut self, path: &Path, modules: &mut Vec<rego::Module>) {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => modules.push(rego::Module { file, text }),
            Err(error) => self.problems.push(Problem::new(&file, error.to_string())),
        }
    }

    fn text(&mut self, file: &str, bytes: &[u8], parser: Option<Parser>) {
        let Ok(text) = std::str::from_utf8(bytes) else {
            let problem = Problem::new(file, "the file is not UTF-8 text; save it as UTF-8");
            self.problems.push(problem);
            return;
        };
        let parser = parser.or_else(|| Parser::of_file(file)).unwrap_or(Parser::Yaml);
        match parse::parse(parser, text) {
            Ok(docs) => self.add(file, docs),
            Err(fault) => self.problems.push(Problem {
                file: file.to_owned(),
                line: fault.line,
                column: fault.column,
                message: format!("this is no {}: {}", parser.name(), fault.message),
            }),
        }
    }
}

/// Whether an object is a policy, an exception, a template, a constraint or a binding.
pub(super) fn is_policy(source: &Source) -> bool {
    match source.group() {
        "kyverno.io" | "policies.kyverno.io" | "templates.gatekeeper.sh" | "constraints.gatekeeper.sh" => true,
        "mutations.gatekeeper.sh" | "expansion.gatekeeper.sh" | "config.gatekeeper.sh" => true,
        "admissionregistration.k8s.io" => source.kind().contains("AdmissionPolicy"),
        _ => false,
    }
}

/// The kinds of parameters that policies name, as `apiVersion` and kind.
fn parameter_kinds(sources: &[Source]) -> Vec<(String, String)> {
    let of = |source: &Source| {
        let text = |key: &str| source.text(&["spec", "paramKind", key]).to_owned();
        (text("apiVersion"), text("kind"))
    };
    sources.iter().map(of).filter(|(_, kind)| !kind.is_empty()).collect()
}

/// Says which admission policies nothing binds: they do nothing.
pub(super) fn tell_unbound(policies: &[Source]) {
    let binds = |source: &Source, kind: &str, name: &str| {
        source.kind().strip_suffix("Binding") == Some(kind) && source.text(&["spec", "policyName"]) == name
    };
    for policy in policies
        .iter()
        .filter(|policy| policy.kind().ends_with("AdmissionPolicy"))
    {
        let (kind, name) = (policy.kind(), policy.text(&["metadata", "name"]));
        if !policies.iter().any(|other| binds(other, kind, name)) {
            eprintln!(
                "{}: {kind} {name} has no {kind}Binding here, so it does nothing",
                policy.file
            );
        }
    }
}

/// Reads policies; other documents beside them are passed over.
pub(super) fn policies(paths: &[PathBuf]) -> Loaded {
    let mut out = Loaded::default();
    for path in paths {
        let mut modules = Vec::new();
        if path.is_dir() {
            for file in files::walk(path) {
                match Parser::of_file(&file) {
                    Some(Parser::Yaml | Parser::Json) => out.read(Path::new(&file), None),
                    _ if file.ends_with(".rego") => out.module(Path::new(&file), &mut modules),
                    _ => {}
                }
            }
        } else if path.extension().is_some_and(|extension| extension == "rego") {
            out.module(path, &mut modules);
        } else {
            let before = (out.sources.len(), out.problems.len());
            out.read(path, None);
            let found = out.sources[before.0..].iter().any(is_policy);
            if !found && out.problems.len() == before.1 {
                let message = "no policy is in this file; expected a Kyverno policy, an admission policy, a \
                               ConstraintTemplate, a constraint or Rego with `deny` rules";
                out.problems.push(Problem::new(&path.display().to_string(), message));
            }
        }
        if !modules.is_empty() {
            match rego::sources(&modules) {
                Ok(docs) => docs.into_iter().for_each(|(file, doc)| out.add(&file, vec![doc])),
                Err((file, message)) => out.problems.push(Problem::new(&file, message)),
            }
        }
    }
    let kinds = parameter_kinds(&out.sources);
    let (policies, others): (Vec<Source>, Vec<Source>) = out.sources.into_iter().partition(is_policy);
    out.sources = policies;
    let wanted = |source: &Source| {
        let (version, kind) = (source.text(&["apiVersion"]), source.kind());
        kinds.iter().any(|(v, k)| v == version && k == kind)
    };
    out.parameters = others.into_iter().filter(wanted).collect();
    out
}

/// Reads resources: files, folders, kustomizations, `-` for standard input.
pub(super) fn resources(paths: &[PathBuf], parser: Option<Parser>) -> Loaded {
    let mut out = Loaded::default();
    for path in paths {
        if path.as_os_str() == "-" {
            let mut bytes = Vec::new();
            match std::io::stdin().lock().read_to_end(&mut bytes) {
                Err(error) => out.problems.push(Problem::new("-", error.to_string())),
                Ok(_) => out.text("-", &bytes, parser),
            }
        } else if path.is_dir() {
            folder(&mut out, path, parser);
        } else {
            out.read(path, parser);
        }
    }
    out
}

fn folder(out: &mut Loaded, path: &Path, parser: Option<Parser>) {
    let shown = path.display().to_string();
    if let Some((root, inner)) = files::in_repository(path) {
        let disk = Disk::new(&root);
        let rendered = match detect(&disk, &inner) {
            Ok(SourceType::Kustomize) => Some(kustomize(&disk, &inner, &KustomizeOptions::default())),
            Ok(SourceType::Helm) => {
                let message = "a Helm chart is no list of resources; render it and pipe it in: helm template . | \
                               ridgeway policy apply POLICY --resource -";
                out.problems.push(Problem::new(&shown, message));
                return;
            }
            Ok(SourceType::Directory) => None,
            // A folder that is no kustomization is read file by file, whatever the renderer thinks of it.
            Err(_) => None,
        };
        match rendered {
            Some(Ok(rendered)) => {
                for object in rendered.objects {
                    let file = root.join(&object.file).display().to_string();
                    out.add(&file, vec![object.doc]);
                }
                return;
            }
            Some(Err(error)) => {
                out.problems.push(Problem::new(&shown, error.to_string()));
                return;
            }
            None => {}
        }
    }
    let mut found = false;
    for file in files::walk(path) {
        let known = Parser::of_file(&file);
        let wanted = match parser {
            Some(parser) => known == Some(parser),
            None => matches!(known, Some(Parser::Yaml | Parser::Json)),
        };
        if wanted {
            found = true;
            out.read(Path::new(&file), parser);
        }
    }
    if !found {
        let message = "no file here is read; name the files, or say what they are with --parser";
        out.problems.push(Problem::new(&shown, message));
    }
}

/// Compile errors as problems: each with the file its policy came from.
pub(super) fn compile_problems(errors: &[CompileError], sources: &[Source]) -> Vec<Problem> {
    errors
        .iter()
        .map(|error| {
            let named = |source: &&Source| {
                let name = source.text(&["metadata", "name"]);
                let namespace = source.text(&["metadata", "namespace"]);
                error.policy == name
                    || error.policy == format!("{namespace}/{name}")
                    || error.policy == format!("{}/{name}", source.kind())
            };
            let source = sources.iter().find(named);
            let mut message = format!("policy {}", error.policy);
            if !error.rule.is_empty() {
                message.push_str(&format!(", rule {}", error.rule));
            }
            if !error.path.is_empty() {
                message.push_str(&format!(", at {}", error.path));
            }
            let rego = source.is_some_and(|source| source.file.ends_with(".rego"));
            Problem {
                file: source.map_or_else(|| "-".into(), |source| source.file.clone()),
                line: error.line.max(u32::from(!rego && source.is_some())),
                column: error.column.max(1),
                message: format!("{message}: {}", error.message),
            }
        })
        .collect()
}
