//! One case of a corpus of kustomizations with the real tool's output.

use crate::files::Files;
use crate::kustomize::{KustomizeOptions, kustomize};

/// Judges one case: renders the kustomization in `dir` and compares with what `kustomize build` printed.
///
/// # Errors
/// The render error, or the first line that differs.
pub fn check_case(files: &dyn Files, dir: &str, golden: &str) -> Result<(), String> {
    let rendered = kustomize(files, dir, &KustomizeOptions::default()).map_err(|e| e.to_string())?;
    let text = rendered.to_yaml();
    if text == golden {
        return Ok(());
    }
    let (mut ours, mut theirs) = (text.lines(), golden.lines());
    let mut line = 1;
    loop {
        match (ours.next(), theirs.next()) {
            (a, b) if a == b && a.is_some() => line += 1,
            (a, b) => {
                return Err(format!(
                    "line {line}: rendered {:?}, expected {:?}",
                    a.unwrap_or("<end>"),
                    b.unwrap_or("<end>")
                ));
            }
        }
    }
}
