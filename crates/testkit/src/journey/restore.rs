//! Ends, starts again, and starts from nothing but Git.

use std::time::Duration;

use anyhow::{Context, Result};

use super::World;
use crate::kube::Kube;
use crate::platform::{Platform, Start};
use crate::report::{Report, ensure};

pub(super) fn play(world: &mut World, report: &mut Report) {
    report.step("a second instance on the same data is refused", || {
        let data = world.data();
        let start = Start {
            binary: &world.options.binary,
            data: &data,
            git: None,
            demo: false,
        };
        match Platform::start(&start) {
            Ok(_) => anyhow::bail!("it started"),
            Err(error) => {
                let text = error.to_string();
                ensure(text.contains(&data.display().to_string()), || {
                    format!("it does not name the folder: {text}")
                })?;
                Ok(text.lines().last().unwrap_or_default().chars().take(160).collect())
            }
        }
    });
    report.step("SIGTERM ends it cleanly in under a second", || {
        let platform = world.platform.take().context("it is not running")?;
        let took = platform.stop()?;
        ensure(took < Duration::from_secs(1), || format!("it took {took:.0?}"))?;
        Ok(format!("{took:.0?}"))
    });
    report.step("it comes back with everything", || {
        start(world, false)?;
        world.healthy("checkout-production")?;
        let ready = world.running()?.ready_after;
        world.platform.take().context("it is not running")?.stop()?;
        Ok(format!("ready after {ready:.0?}"))
    });
    report.step(
        "wiped data and the same Git repositories restore what Git declares",
        || {
            std::fs::remove_dir_all(world.data())?;
            start(world, true)?;
            for name in ["platform", "checkout-staging", "checkout-production"] {
                world.healthy(name)?;
            }
            let image = crate::report::until(super::PATIENCE, || {
                world.rolled_out_image("checkout", "checkout-service")
            })?;
            ensure(image.ends_with("v1.2.6"), || format!("production runs {image}"))?;
            Ok(String::new())
        },
    );
}

fn start(world: &mut World, demo: bool) -> Result<()> {
    let (data, git) = (world.data(), world.git_dir());
    let start = Start {
        binary: &world.options.binary,
        data: &data,
        git: Some(&git),
        demo,
    };
    let platform = Platform::start(&start)?;
    world.kube = Kube::new(&platform.kubeconfig)?;
    if let Some(password) = &platform.password {
        world.password = password.clone();
    }
    world.platform = Some(platform);
    Ok(())
}
