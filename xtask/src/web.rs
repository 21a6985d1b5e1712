//! The portal's build: npm packages and assets, only when their sources changed.

use std::fs::{self, File};
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Result, bail};

use crate::run;

/// Makes sure that `web/dist` is what the sources say.
pub(crate) fn build() -> Result<()> {
    Portal::hold()?.build()
}

/// The right to build the portal. While it lives, the build script of the `ridgeway` package waits.
pub(crate) struct Portal {
    _held: File,
    since: SystemTime,
}

impl Portal {
    /// Takes the right, when nobody else builds the portal of this checkout.
    #[expect(clippy::disallowed_methods, reason = "file times are the machine's")]
    pub(crate) fn hold() -> Result<Self> {
        let held = File::open(run::root().join("web"))?;
        held.lock()?;
        Ok(Self {
            _held: held,
            since: SystemTime::now(),
        })
    }

    /// Makes sure that `web/dist` is what the sources say.
    pub(crate) fn build(self) -> Result<()> {
        let web = run::root().join("web");
        if !run::have("npm") {
            bail!("the portal needs Node.js 20 or later with npm on PATH; install it and run this command again");
        }
        packages(&web)?;
        let built = modified(&web.join("dist/index.html"));
        let sources = ["src", "index.html", "public", "package.json", "vite.config.ts"];
        let newest = sources.iter().filter_map(|part| newest(&web.join(part))).max();
        let contract = modified(&run::root().join("crates/server/openapi.json"));
        if built.is_some() && built >= newest && built >= contract {
            return Ok(());
        }
        println!("building the portal …");
        run::checked(&mut run::program("npm", &["run", "--silent", "build"], &web))?;
        // As old as the sources that were read: a source changed since then is newer, and a build script
        // that waited for these files is not older than they are.
        date(&web.join("dist"), self.since)
    }
}

/// Makes sure that `node_modules` is what the lock file says.
pub(crate) fn packages(web: &Path) -> Result<()> {
    let installed = modified(&web.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&web.join("package-lock.json")) {
        return Ok(());
    }
    println!("installing the portal's npm packages …");
    run::checked(&mut run::program("npm", &["ci", "--no-audit", "--no-fund"], web))
}

/// Whether this checkout has never built the portal.
pub(crate) fn is_fresh() -> bool {
    !run::root().join("web/node_modules").exists()
}

/// Gives every file and folder under `path` a time.
fn date(path: &Path, time: SystemTime) -> Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            date(&entry?.path(), time)?;
        }
    }
    File::open(path)?.set_modified(time)?;
    Ok(())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).ok()
}

fn newest(path: &Path) -> Option<SystemTime> {
    let Ok(entries) = fs::read_dir(path) else {
        return modified(path);
    };
    entries.filter_map(|entry| newest(&entry.ok()?.path())).max()
}
