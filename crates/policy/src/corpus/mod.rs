//! Other people's tests, run over this engine: `kyverno test` suites, `gator verify` suites, Pod Security fixtures, the
//! expression language's conformance tests.
//!
//! Nothing here opens a file: a [`Files`] gives texts by path, so that the same runners serve the command line, the
//! tests and a repository at some revision.

pub mod cel_spec;
mod cel_spec_text;
mod cel_spec_types;
mod cel_spec_values;
pub mod gator;
pub mod kyverno_test;
pub mod pods;
pub mod rego_v1;
pub mod rivals;

use ridgeway_doc::{Doc, parse_yaml};

/// Where test files are read from. Paths are separated by `/` and may be relative to whatever the implementer likes.
pub trait Files {
    /// The text of a file; `None` when it is not there.
    fn read(&self, path: &str) -> Option<String>;
    /// All files below a folder, at any depth.
    fn walk(&self, folder: &str) -> Vec<String>;
}

/// Counts in the unit of the upstream tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorpusResult {
    /// What came out as expected.
    pub passed: usize,
    /// What did not.
    pub failed: usize,
    /// What the upstream tool does not judge either (objects a rule excludes).
    pub skipped: usize,
    /// Names of what failed, with the reason.
    pub failing: Vec<String>,
}

impl CorpusResult {
    /// Adds another result.
    pub fn add(&mut self, other: CorpusResult) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failing.extend(other.failing);
    }
}

/// One judged line of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Suite, policy, rule and object.
    pub name: String,
    /// Whether it came out as expected.
    pub outcome: RowOutcome,
    /// Why not, or what was seen.
    pub detail: String,
}

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// As expected.
    Passed,
    /// Otherwise.
    Failed,
    /// Not judged: the rule excludes the object.
    Skipped,
}

/// The lines of one suite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The lines.
    pub rows: Vec<Row>,
}

impl Report {
    fn row(&mut self, name: impl Into<String>, outcome: RowOutcome, detail: impl Into<String>) {
        self.rows.push(Row {
            name: name.into(),
            outcome,
            detail: detail.into(),
        });
    }

    /// The counts.
    pub fn result(&self) -> CorpusResult {
        let mut out = CorpusResult::default();
        for row in &self.rows {
            match row.outcome {
                RowOutcome::Passed => out.passed += 1,
                RowOutcome::Skipped => out.skipped += 1,
                RowOutcome::Failed => {
                    out.failed += 1;
                    out.failing.push(format!("{}: {}", row.name, row.detail));
                }
            }
        }
        out
    }
}

/// `folder/../x/./y` → `x/y`
pub(crate) fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let rooted = folder.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    format!("{}{}", if rooted { "/" } else { "" }, parts.join("/"))
}

/// The folder of a file.
pub(crate) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The documents of a file; lists (`kind: List`) are opened.
pub(crate) fn documents(files: &dyn Files, path: &str) -> Result<Vec<Doc>, String> {
    let text = files.read(path).ok_or_else(|| format!("{path} is not there"))?;
    let docs = parse_yaml(&text).map_err(|error| format!("{path}: {error}"))?;
    let mut out = Vec::new();
    for doc in docs {
        if doc.root().str_at(&["kind"]).is_some_and(|kind| kind.ends_with("List"))
            && let Some(items) = doc.root().get("items").filter(|items| items.is_array())
        {
            out.extend(items.items().map(|item| item.to_doc()));
        } else if doc.root().is_object() {
            out.push(doc);
        }
    }
    Ok(out)
}
