//! Puts the portal, the demo organisation and the golden paths into the binary.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

fn main() -> std::io::Result<()> {
    let project = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default()).join("../..");
    let out = PathBuf::from(std::env::var("OUT_DIR").unwrap_or_default());
    let mut code = String::new();
    // Who builds the portal (`cargo xtask up`) holds a lock on its folder until it is whole.
    let portal = std::fs::File::open(project.join("web"))?;
    portal.lock_shared()?;
    for (name, folder, pack) in [
        ("PORTAL", "web/dist", true),
        ("DEMO", "examples/demo", false),
        ("TEMPLATES", "examples/templates", false),
    ] {
        let folder = project.join(folder);
        println!("cargo:rerun-if-changed={}", folder.display());
        let mut files = Vec::new();
        collect(&folder, &folder, &mut files)?;
        files.sort();
        let _ = writeln!(
            code,
            "/// Files of `{name}`: path and content.\npub(crate) static {name}: &[(&str, &[u8])] = &["
        );
        let ready: Vec<String> = files
            .iter()
            .map(|(path, _)| path.clone())
            .filter(|p| p.ends_with(".br"))
            .collect();
        for (path, file) in files {
            let _ = writeln!(code, "    ({path:?}, include_bytes!({:?})),", file.canonicalize()?);
            if pack && compressible(&path) && !ready.contains(&format!("{path}.br")) {
                let packed = out.join(format!("{}.br", path.replace('/', "_")));
                let mut writer = brotli::CompressorWriter::new(std::fs::File::create(&packed)?, 1 << 16, 9, 22);
                writer.write_all(&std::fs::read(&file)?)?;
                drop(writer);
                let _ = writeln!(code, "    ({:?}, include_bytes!({packed:?})),", format!("{path}.br"));
            }
        }
        code.push_str("];\n");
    }
    std::fs::write(out.join("embedded.rs"), code)
}

fn compressible(path: &str) -> bool {
    [".html", ".js", ".css", ".svg", ".json"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// Files under a folder by their path within `root`; a missing folder has none.
fn collect(root: &Path, folder: &Path, files: &mut Vec<(String, PathBuf)>) -> std::io::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            println!("cargo:rerun-if-changed={}", path.display());
            collect(root, &path, files)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            files.push((name, path));
        }
    }
    Ok(())
}
