//! The main job as a user lives it, step by step, against a platform of its own.

mod access;
mod audit;
mod delivery;
mod policies;
mod portal;
mod refusals;
mod restore;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::kube::Kube;
use crate::platform::{Platform, Start};
use crate::portal::Portal;
use crate::report::{Report, ensure, until};

/// How long a rollout, a rollback or a promotion may take here. The platform needs a fraction; machines are shared.
const PATIENCE: Duration = Duration::from_secs(30);

/// How to play.
pub struct Options {
    /// The `ridgeway` binary.
    pub binary: PathBuf,
    /// Manifests that replace the ones in `examples/`: a folder with the same files as a platform team starts from.
    pub manifests: Option<PathBuf>,
    /// Also run the portal's journey in a browser.
    pub browser: bool,
}

/// What every step has at hand.
pub(crate) struct World {
    pub(crate) options: Options,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) platform: Option<Platform>,
    pub(crate) kube: Kube,
    pub(crate) password: String,
}

impl World {
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn git_dir(&self) -> PathBuf {
        self.folder.path().join("repositories")
    }

    pub(crate) fn running(&self) -> Result<&Platform> {
        self.platform.as_ref().context("the platform is not running")
    }

    pub(crate) fn portal(&self) -> Result<Portal> {
        Portal::sign_in(&self.running()?.portal, "admin", &self.password)
    }

    /// A working copy of a repository, cloned as a user would.
    pub(crate) fn clone_of(&self, repository: &str) -> Result<PathBuf> {
        let folder = self.folder.path().join("clones").join(repository);
        if !folder.exists() {
            let url = self
                .running()?
                .portal
                .replacen("://", &format!("://admin:{}@", self.password), 1);
            let url = format!("{url}/git/{repository}.git");
            git(
                self.folder.path(),
                &["clone", "--quiet", &url, &folder.to_string_lossy()],
            )?;
            git(&folder, &["config", "user.name", "Carla"])?;
            git(&folder, &["config", "user.email", "carla@example.org"])?;
        }
        Ok(folder)
    }

    /// Replaces text in a file of a repository, commits and pushes.
    pub(crate) fn push_change(&self, repository: &str, file: &str, from: &str, to: &str) -> Result<String> {
        let folder = self.clone_of(repository)?;
        let path = folder.join(file);
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        ensure(text.contains(from), || format!("{file} does not contain {from:?}"))?;
        std::fs::write(&path, text.replace(from, to))?;
        git(&folder, &["commit", "--quiet", "-am", &format!("{file}: {to}")])?;
        git(&folder, &["push", "--quiet"])?;
        git(&folder, &["rev-parse", "HEAD"])
    }

    pub(crate) fn application(&self, name: &str) -> Result<Value> {
        self.kube
            .get("applications.argoproj.io", "argocd", name)?
            .with_context(|| format!("no Application {name}"))
    }

    /// Waits until an Application is synced and healthy.
    pub(crate) fn healthy(&self, name: &str) -> Result<Value> {
        until(PATIENCE, || {
            let application = self.application(name)?;
            let status = &application["status"];
            let (sync, health) = (&status["sync"]["status"], &status["health"]["status"]);
            ensure(sync == "Synced" && health == "Healthy", || {
                format!("{name} is {sync}/{health}; conditions: {}", status["conditions"])
            })?;
            Ok(application)
        })
    }

    /// The image that a Deployment runs now, fully rolled out.
    pub(crate) fn rolled_out_image(&self, namespace: &str, name: &str) -> Result<String> {
        let deployment = self
            .kube
            .get("deployments.apps", namespace, name)?
            .context("no such Deployment")?;
        let status = &deployment["status"];
        let wanted = &deployment["spec"]["replicas"];
        let seen = status["observedGeneration"] == deployment["metadata"]["generation"];
        ensure(
            seen && &status["updatedReplicas"] == wanted && &status["availableReplicas"] == wanted,
            || format!("{namespace}/{name} is not rolled out: {status}"),
        )?;
        let image = deployment["spec"]["template"]["spec"]["containers"][0]["image"].as_str();
        Ok(image.unwrap_or_default().to_owned())
    }
}

/// Plays the journey; returns how many steps passed and failed.
pub fn play(options: Options) -> Result<(usize, usize)> {
    let folder = tempfile::tempdir()?;
    let data = folder.path().join("data");
    let git_dir = folder.path().join("repositories");
    let start = Start {
        binary: &options.binary,
        data: &data,
        git: Some(&git_dir),
        demo: true,
    };
    let platform = Platform::start(&start)?;
    let kube = Kube::new(&platform.kubeconfig)?;
    println!(
        "platform ready after {:.0?}; requests by {}",
        platform.ready_after,
        kube.client()
    );
    let password = platform
        .password
        .clone()
        .context("the first start must print the one-time password")?;
    let mut world = World {
        options,
        folder,
        platform: Some(platform),
        kube,
        password,
    };
    let mut report = Report::default();
    delivery::first_rollout(&world, &mut report);
    if world.options.manifests.is_some() {
        delivery::own_manifests(&world, &mut report);
    }
    refusals::play(&world, &mut report);
    access::play(&world, &mut report);
    policies::play(&world, &mut report);
    delivery::play(&world, &mut report);
    portal::play(&world, &mut report);
    audit::play(&world, &mut report);
    restore::play(&mut world, &mut report);
    Ok(report.counts())
}

/// Runs git and gives its output.
pub fn git(folder: &Path, args: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .args(args)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .context("cannot start git")?;
    if !output.status.success() {
        bail!(
            "git {} failed: {}",
            args.first().unwrap_or(&""),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
