//! Corpus runners by name, their results, and the checked-in ledger of pass counts.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// What running one corpus gave, in the unit of the upstream tool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Cases that behave as recorded.
    pub passed: usize,
    /// Cases that do not: an id and what happened instead.
    pub failing: Vec<(String, String)>,
    /// Cases that were not judged, with the reason.
    pub skipped: Vec<(String, String)>,
}

impl Tally {
    /// Counts one case.
    pub fn case(&mut self, id: impl Into<String>, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => self.failing.push((id.into(), why)),
        }
    }

    /// Counts one case as not judged.
    pub fn skip(&mut self, id: impl Into<String>, why: impl Into<String>) {
        self.skipped.push((id.into(), why.into()));
    }
}

/// Runs one corpus over its folder.
pub type Runner = fn(&Path) -> Result<Tally>;

/// Every registered corpus; the name is also its folder's.
pub const CORPORA: &[(&str, Runner)] = &[
    ("merkle", merkle),
    ("rbac-sar", rbac_sar),
    ("kustomize-goldens", kustomize_goldens),
    ("pod-security-standards", pod_security_standards),
    ("kyverno-policies", kyverno_policies),
    ("gatekeeper-library", gatekeeper_library),
    ("opa-rego-v1", opa_rego_v1),
    ("cel-spec", cel_spec),
];

/// Files under a folder with an extension, sorted.
pub fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    walk(folder, &mut |path| {
        if path.extension().is_some_and(|e| e == extension) {
            found.push(path.to_path_buf());
        }
    })?;
    found.sort();
    Ok(found)
}

fn walk(folder: &Path, visit: &mut dyn FnMut(&Path)) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            walk(&path, visit)?;
        } else {
            visit(&path);
        }
    }
    Ok(())
}

/// A file's name within the corpus.
pub fn id(root: &Path, file: &Path) -> String {
    file.strip_prefix(root).unwrap_or(file).display().to_string()
}

fn merkle(root: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for file in files(root, "json")? {
        let text = fs::read_to_string(&file)?;
        let outcome = match ridgeway_ledger::corpus::check_case(&text) {
            Ok(true) => Ok(()),
            Ok(false) => Err("the verifier answers otherwise".into()),
            Err(why) => Err(why),
        };
        tally.case(id(root, &file), outcome);
    }
    Ok(tally)
}

/// Whole RBAC worlds with what kube-apiserver answered; the unit is one review.
fn rbac_sar(root: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for file in files(&root.join("cases"), "json")? {
        let name = id(root, &file);
        match ridgeway_authz::corpus::check_case(&fs::read_to_string(&file)?) {
            Ok((passed, failures)) => {
                tally.passed += passed;
                tally
                    .failing
                    .extend(failures.into_iter().map(|why| (name.clone(), why)));
            }
            Err(why) => tally.case(name, Err(why)),
        }
    }
    Ok(tally)
}

/// Kustomizations with the real tool's output, byte for byte.
fn kustomize_goldens(root: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for set in fs::read_dir(root)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_dir())
    {
        let (source, goldens) = (set.join("src"), set.join("goldens"));
        for golden in files(&goldens, "yaml")? {
            let path = golden.strip_prefix(&goldens)?.with_extension("");
            let text = fs::read_to_string(&golden)?;
            let outcome = ridgeway_render::corpus::check_case(&Disk(source.clone()), &path.to_string_lossy(), &text);
            tally.case(id(root, &golden), outcome);
        }
    }
    Ok(tally)
}

/// Pods that a level and version must pass or fail.
fn pod_security_standards(root: &Path) -> Result<Tally> {
    Ok(of_policy(ridgeway_policy::corpus::pods::run(
        &Texts,
        &root.to_string_lossy(),
    )))
}

/// Suites of the Kyverno CLI; the unit is one row.
fn kyverno_policies(root: &Path) -> Result<Tally> {
    Ok(of_policy(ridgeway_policy::corpus::kyverno_test::run(
        &Texts,
        &root.to_string_lossy(),
    )))
}

/// Suites of `gator verify`.
fn gatekeeper_library(root: &Path) -> Result<Tally> {
    Ok(of_policy(ridgeway_policy::corpus::gator::run(
        &Texts,
        &root.to_string_lossy(),
    )))
}

/// The conformance tests of the expression language; the unit is one test.
fn cel_spec(root: &Path) -> Result<Tally> {
    let mut tally = Tally::default();
    for row in ridgeway_policy::corpus::cel_spec::run(&Texts, &root.to_string_lossy()).rows {
        match row.outcome {
            ridgeway_policy::corpus::RowOutcome::Passed => tally.case(row.name, Ok(())),
            ridgeway_policy::corpus::RowOutcome::Failed => tally.case(row.name, Err(row.detail)),
            ridgeway_policy::corpus::RowOutcome::Skipped => tally.skip(row.name, row.detail),
        }
    }
    Ok(tally)
}

/// Cases of the Rego language.
fn opa_rego_v1(root: &Path) -> Result<Tally> {
    Ok(of_policy(ridgeway_policy::corpus::rego_v1::run(
        &Texts,
        &root.to_string_lossy(),
    )))
}

fn of_policy(result: ridgeway_policy::corpus::CorpusResult) -> Tally {
    let split = |line: String| match line.split_once(": ") {
        Some((id, why)) => (id.to_owned(), why.to_owned()),
        None => (line, String::new()),
    };
    Tally {
        passed: result.passed,
        failing: result.failing.into_iter().map(split).collect(),
        skipped: vec![
            (
                "objects that a rule excludes".to_owned(),
                "not judged upstream either".to_owned()
            );
            result.skipped
        ],
    }
}

/// Texts on disk by their paths.
struct Texts;

impl ridgeway_policy::corpus::Files for Texts {
    fn read(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn walk(&self, folder: &str) -> Vec<String> {
        let mut found = Vec::new();
        if let Err(error) = walk(Path::new(folder), &mut |path| found.push(path.display().to_string())) {
            eprintln!("  {error:#}");
        }
        found.sort();
        found
    }
}

/// A folder on disk as the renderer reads it.
struct Disk(PathBuf);

impl ridgeway_render::Files for Disk {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        let path = self.0.join(path);
        if !path.is_file() {
            return Ok(None);
        }
        fs::read(path).map(Some).map_err(|error| error.to_string())
    }

    fn list(&self, dir: &str) -> Result<Option<Vec<ridgeway_render::DirEntry>>, String> {
        let Ok(entries) = fs::read_dir(self.0.join(dir)) else {
            return Ok(None);
        };
        let entry = |entry: fs::DirEntry| ridgeway_render::DirEntry {
            name: entry.file_name().to_string_lossy().into_owned(),
            is_dir: entry.path().is_dir(),
        };
        Ok(Some(entries.filter_map(Result::ok).map(entry).collect()))
    }
}

/// Pass counts that may only rise, by corpus; the file is checked in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pins(pub BTreeMap<String, usize>);

impl Pins {
    /// Reads the file; a missing one pins nothing.
    pub fn read(path: &Path) -> Result<Pins> {
        match fs::read_to_string(path) {
            Ok(text) => {
                let pins = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
                Ok(Pins(pins))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Pins::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Raises a count; a lower one changes nothing.
    pub fn raise(&mut self, name: &str, passed: usize) {
        let pin = self.0.entry(name.to_owned()).or_default();
        *pin = passed.max(*pin);
    }

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.0)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_only_rise() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pins.json");
        let mut pins = Pins::read(&path).unwrap();
        pins.raise("merkle", 7);
        pins.raise("merkle", 5);
        pins.write(&path).unwrap();
        assert_eq!(Pins::read(&path).unwrap().0["merkle"], 7);
        fs::write(&path, "{").unwrap();
        assert!(Pins::read(&path).unwrap_err().to_string().contains("damaged"));
    }
}
