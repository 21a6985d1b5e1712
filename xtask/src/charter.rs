//! Charters: the first doc line of each crate, and the table in ARCHITECTURE.md that repeats them.

use std::fs;

use anyhow::{Context, Result};

use crate::run;

/// The first sentence of a crate's root file.
pub(crate) fn of_crate(name: &str) -> Result<String> {
    let folder = run::root().join("crates").join(name).join("src");
    let file = ["lib.rs", "main.rs"]
        .into_iter()
        .map(|f| folder.join(f))
        .find(|f| f.exists());
    let file = file.with_context(|| format!("crates/{name} has neither src/lib.rs nor src/main.rs"))?;
    let text = fs::read_to_string(&file)?;
    let line = text
        .lines()
        .next()
        .and_then(|line| line.strip_prefix("//! "))
        .map(str::trim);
    line.map(str::to_owned)
        .with_context(|| format!("{} must open with `//! ` and its charter", file.display()))
}

/// Crate and charter of each row of the code map: `| `name` | charter |`.
pub(crate) fn of_architecture() -> Result<Vec<(String, String)>> {
    let text = fs::read_to_string(run::root().join("ARCHITECTURE.md")).context("ARCHITECTURE.md is missing")?;
    Ok(text.lines().filter_map(row).collect())
}

fn row(line: &str) -> Option<(String, String)> {
    let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
    let name = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    let charter = cells.next()?;
    let is_crate = run::root().join("crates").join(name).is_dir();
    (is_crate && cells.next().is_none()).then(|| (name.to_owned(), charter.to_owned()))
}
