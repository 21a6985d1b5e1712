//! Pod Security fixtures: `<level>/<version>/<pass|fail>/<control>.yaml`.

use ridgeway_doc::Doc;

use super::{CorpusResult, Files, Report, RowOutcome, documents};
use crate::pss::{Standard, evaluate};

/// Judges every Pod below a folder by the standard its path names.
pub fn run(files: &dyn Files, root: &str) -> CorpusResult {
    let mut paths = files.walk(root);
    paths.sort();
    let mut report = Report::default();
    for path in paths.iter().filter(|path| path.ends_with(".yaml")) {
        let parts: Vec<&str> = path.rsplit('/').take(4).collect();
        let [_, expected @ ("pass" | "fail"), version, level] = parts.as_slice() else {
            continue;
        };
        let Ok(standard) = Standard::parse(level, version) else {
            continue;
        };
        let docs = match documents(files, path) {
            Ok(docs) => docs,
            Err(error) => {
                report.row(path.as_str(), RowOutcome::Failed, error);
                continue;
            }
        };
        for doc in &docs {
            let (outcome, detail) = judge(standard, doc, *expected == "pass");
            report.row(path.as_str(), outcome, detail);
        }
    }
    report.result()
}

fn judge(standard: Standard, doc: &Doc, allowed: bool) -> (RowOutcome, String) {
    let object = doc.root();
    let kind = object.str_at(&["kind"]).unwrap_or_default();
    let Some(violations) = evaluate(standard, kind, object) else {
        return (RowOutcome::Failed, format!("{kind} has no Pod specification"));
    };
    let detail = crate::pss::details(&violations);
    if violations.is_empty() == allowed {
        (RowOutcome::Passed, detail)
    } else {
        (
            RowOutcome::Failed,
            if allowed {
                detail
            } else {
                "no violation was found".into()
            },
        )
    }
}
