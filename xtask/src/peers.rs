//! `cargo xtask peers`: other people's tools, built from pinned modules into a cache outside the tree.
//!
//! Each tool has its folder `tests/peers/<tool>` with a `go.mod` of its own: shared ones would lift each other's
//! dependencies. Where the peer is a library, the folder holds a small program of ours that calls it, and the first
//! module that `go.mod` requires gives the version. Tests that want a peer look for it in the cache and say `skipped`
//! where it is not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args as ClapArgs;

use crate::run;

/// Which peers to build.
#[derive(ClapArgs)]
pub(crate) struct Args {
    /// Names of folders under tests/peers; without any, says what there is.
    names: Vec<String>,
    /// Builds again what is there already.
    #[arg(long)]
    again: bool,
}

/// A tool by its `go.mod`.
struct Peer {
    name: String,
    folder: PathBuf,
    /// The package that is its program; `.` for one of ours.
    package: String,
    /// The version of the module that the package is in, or that our program calls.
    version: String,
}

impl Peer {
    fn read(folder: PathBuf) -> Result<Peer> {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = folder.join("go.mod");
        let text = std::fs::read_to_string(&path).with_context(|| format!("{} is missing", path.display()))?;
        let found = if folder.join("main.go").exists() {
            library(&text)
        } else {
            tool(&text)
        };
        let (package, version) =
            found.with_context(|| format!("{} names no tool or library with its version", path.display()))?;
        Ok(Peer {
            name,
            folder,
            package,
            version,
        })
    }

    /// Where its program lies once it is built.
    fn program(&self) -> PathBuf {
        cache().join(format!("{}-{}", self.name, self.version)).join(&self.name)
    }

    /// Whether it is built, and not from an older program of ours.
    fn is_there(&self) -> bool {
        let changed = |path: &Path| std::fs::metadata(path).and_then(|data| data.modified()).ok();
        let (built, source) = (changed(&self.program()), changed(&self.folder.join("main.go")));
        built.is_some() && source.is_none_or(|source| built >= Some(source))
    }

    fn build(&self) -> Result<()> {
        let program = self.program();
        let mut flags = "-s -w".to_owned();
        if self.package.starts_with("k8s.io/kubernetes/") {
            // Without it clients cannot read the version.
            let mut numbers = self.version.trim_start_matches('v').split('.');
            let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
            let at = "k8s.io/component-base/version";
            flags.push_str(&format!(
                " -X {at}.gitVersion={} -X {at}.gitMajor={major} -X {at}.gitMinor={minor}",
                self.version
            ));
        }
        let mut command = Command::new("nice");
        command
            .args(["-n", "10", "go", "build", "-trimpath", "-ldflags", &flags, "-o"])
            .arg(&program)
            .arg(&self.package)
            .env("CGO_ENABLED", "0")
            .current_dir(&self.folder);
        run::checked(&mut command)
    }
}

/// The tool's package and its module's version, as a `go.mod` states them.
fn tool(text: &str) -> Option<(String, String)> {
    let package = text.lines().find_map(|line| line.strip_prefix("tool "))?.trim();
    // The module is the longest required path that the package begins with.
    let version = text
        .lines()
        .filter_map(|line| {
            let mut words = line.trim().trim_start_matches("require ").split_whitespace();
            let (module, version) = (words.next()?, words.next()?);
            let inside = package
                .strip_prefix(module)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            (inside && version.starts_with('v')).then_some((module.len(), version))
        })
        .max()?
        .1;
    Some((package.to_owned(), version.to_owned()))
}

/// Our own program, and the version of the first module that a `go.mod` requires.
fn library(text: &str) -> Option<(String, String)> {
    let line = text.lines().find_map(|line| line.strip_prefix("require "))?;
    let version = line
        .split_whitespace()
        .nth(1)
        .filter(|version| version.starts_with('v'))?;
    Some((".".to_owned(), version.to_owned()))
}

/// The programs of all peers by name, there or not.
pub(crate) fn programs() -> Vec<(String, PathBuf)> {
    let known = known().unwrap_or_default();
    known.iter().map(|peer| (peer.name.clone(), peer.program())).collect()
}

/// Where peers are kept: `RIDGEWAY_PEERS`, else `~/.cache/ridgeway/peers`.
fn cache() -> PathBuf {
    if let Some(path) = std::env::var_os("RIDGEWAY_PEERS") {
        return PathBuf::from(path);
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    Path::new(&home).join(".cache/ridgeway/peers")
}

fn known() -> Result<Vec<Peer>> {
    let folder = run::root().join("tests/peers");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(&folder)
        .with_context(|| format!("{} is missing", folder.display()))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("go.mod").exists())
        .collect();
    folders.sort();
    folders.into_iter().map(Peer::read).collect()
}

/// Builds peers, or says which there are.
pub(crate) fn run(args: &Args) -> Result<()> {
    let known = known()?;
    if args.names.is_empty() {
        for peer in &known {
            let state = if peer.is_there() { "there" } else { "absent" };
            println!(
                "{:16} {:10} {state:7} {}",
                peer.name,
                peer.version,
                peer.program().display()
            );
        }
        println!("\n`cargo xtask peers NAME…` builds them; it takes Go and some minutes of computing.");
        return Ok(());
    }
    for name in &args.names {
        if !known.iter().any(|peer| peer.name == *name) {
            let names: Vec<_> = known.iter().map(|peer| &*peer.name).collect();
            bail!("unknown peer `{name}`; known are {}", names.join(", "));
        }
    }
    if Command::new("go").arg("version").output().is_err() {
        bail!("go is not on PATH; peers are built from Go modules (https://go.dev/dl, or `apt-get install golang`)");
    }
    for peer in known.iter().filter(|peer| args.names.contains(&peer.name)) {
        let program = peer.program();
        if peer.is_there() && !args.again {
            println!("{} {} is there: {}", peer.name, peer.version, program.display());
            continue;
        }
        println!("{} {}: building {}", peer.name, peer.version, peer.package);
        let begun = Instant::now();
        peer.build()?;
        println!(
            "{} {} after {:.0?}: {}",
            peer.name,
            peer.version,
            begun.elapsed(),
            program.display()
        );
    }
    Ok(())
}

/// Says which peers are absent, for the tests that want them.
pub(crate) fn note_absent() {
    for peer in known().unwrap_or_default() {
        if !peer.program().exists() {
            println!(
                "skipped: peer {} absent; `cargo xtask peers {}` builds it",
                peer.name, peer.name
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{library, tool};

    #[test]
    fn a_library_with_its_version() {
        let text = "module m\n\ngo 1.26\n\nrequire example.org/a v1.2.3\n\nrequire (\n\texample.org/b v9.0.0\n)\n";
        assert_eq!(library(text), Some((".".to_owned(), "v1.2.3".to_owned())));
        assert_eq!(library("module m\nrequire (\n\texample.org/b v9.0.0\n)\n"), None);
    }

    #[test]
    fn a_tool_with_its_version() {
        for (text, want) in [
            (
                "module m\n\ngo 1.26\n\ntool example.org/a/cmd/b\n\nrequire (\n\texample.org/a v1.2.3 // indirect\n\texample.org v9.0.0\n)\n",
                Some(("example.org/a/cmd/b", "v1.2.3")),
            ),
            (
                "tool example.org/a/v3\nrequire example.org/a/v3 v3.1.0\n",
                Some(("example.org/a/v3", "v3.1.0")),
            ),
            ("module m\n", None),
            ("tool example.org/a\nrequire example.org/ab v1.0.0\n", None),
        ] {
            let found = tool(text);
            let found = found.as_ref().map(|(package, version)| (&**package, &**version));
            assert_eq!(found, want, "{text}");
        }
    }
}
