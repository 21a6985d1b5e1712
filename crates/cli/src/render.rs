//! `ridgeway render`: what a folder of manifests or a kustomization gives.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use ridgeway_render::{DirectoryOptions, KustomizeOptions, SourceType, detect, directory, kustomize};

use crate::files::Disk;

/// Renders a folder and prints the objects as YAML.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder; a kustomization in it is built, other folders are read as they are.
    folder: PathBuf,
    /// Also read folders within (plain folders only).
    #[arg(long, short)]
    recurse: bool,
    /// Say which files were read, on standard error.
    #[arg(long)]
    files: bool,
}

/// Runs it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let folder = args
        .folder
        .canonicalize()
        .with_context(|| format!("there is no folder {}", args.folder.display()))?;
    if !folder.is_dir() {
        bail!("{} is a file; name the folder that it lies in", args.folder.display());
    }
    // References may climb out of the folder, up to the repository's root.
    let root = folder
        .ancestors()
        .find(|p| p.join(".git").exists())
        .unwrap_or_else(|| Path::new("/"));
    let files = Disk::new(root);
    let path = relative(root, &folder);
    let rendered = match detect(&files, &path)? {
        SourceType::Kustomize => kustomize(&files, &path, &KustomizeOptions::default())?,
        SourceType::Directory => {
            let options = DirectoryOptions {
                recurse: args.recurse,
                ..DirectoryOptions::default()
            };
            directory(&files, &path, &options)?
        }
        SourceType::Helm => bail!("{} is a Helm chart; charts are not rendered yet", args.folder.display()),
    };
    write!(out, "{}", rendered.to_yaml())?;
    if args.files {
        for file in &rendered.files {
            eprintln!("{file}");
        }
    }
    Ok(())
}

fn relative(root: &Path, folder: &Path) -> String {
    let inner = folder.strip_prefix(root).unwrap_or(folder);
    let parts = inner.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_root() {
        assert_eq!(relative(Path::new("/a"), Path::new("/a/b/c")), "b/c");
        assert_eq!(relative(Path::new("/"), Path::new("/a/b")), "a/b");
        assert_eq!(relative(Path::new("/a"), Path::new("/a")), "");
    }
}
