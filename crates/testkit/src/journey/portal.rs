//! What a person sees in the portal: applications, policies, audit with proof, the catalog, a golden path.

use anyhow::{Context, Result};
use serde_json::json;

use super::{PATIENCE, World, policies};
use crate::report::{Report, ensure, until};

pub(super) fn play(world: &World, report: &mut Report) {
    report.step("no page answers without signing in", || {
        let base = &world.running()?.portal;
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let closed = [
            "/api/v1/applications",
            "/api/v1/audit/entries",
            "/metrics",
            "/git/checkout.git/info/refs?service=git-upload-pack",
        ];
        for path in closed {
            let status = agent.get(format!("{base}{path}")).call()?.status();
            ensure(status == 401, || format!("{path} answered {status}"))?;
        }
        ensure(agent.get(format!("{base}/healthz")).call()?.status() == 200, || {
            "/healthz is not open".into()
        })?;
        Ok(format!("{} paths closed", closed.len()))
    });
    report.step("the portal lists the applications with health and version", || {
        let portal = world.portal()?;
        let list = portal.get("/applications")?;
        let text = list.to_string();
        for name in ["checkout-staging", "checkout-production", "platform"] {
            ensure(text.contains(name), || format!("{name} is missing: {text:.300}"))?;
        }
        Ok(String::new())
    });
    report.step("policies show what they refused", || {
        let text = world.portal()?.get("/policies")?.to_string();
        ensure(text.contains("require-resource-limits"), || format!("{text:.300}"))?;
        Ok(String::new())
    });
    report.step("an audit entry comes with its inclusion proof", || {
        let portal = world.portal()?;
        let entries = portal.get("/audit/entries?limit=5")?;
        let index = entries["items"][0]["index"]
            .as_u64()
            .with_context(|| format!("no entry: {entries:.300}"))?;
        let entry = until(PATIENCE, || portal.get(&format!("/audit/entries/{index}")))?;
        ensure(entry["proof"].is_object(), || format!("no proof: {entry:.300}"))?;
        Ok(format!("entry {index}"))
    });
    report.step("the catalog knows the service, its owner and its API", || {
        let text = world.portal()?.get("/catalog/entities")?.to_string();
        for name in ["checkout", "team-checkout", "checkout-api"] {
            ensure(text.contains(name), || format!("{name} is missing: {text:.300}"))?;
        }
        Ok(String::new())
    });
    report.step("a golden path makes a running service", || {
        let portal = world.portal()?;
        let values = json!({"parameters": {"name": "basket", "owner": "team-checkout", "description": "Holds what people want"}});
        let run = portal.post("/templates/golden-service/runs", &values)?;
        let id = run["id"].as_str().with_context(|| format!("no run: {run:.300}"))?.to_owned();
        until(PATIENCE, || {
            let run = portal.get(&format!("/runs/{id}"))?;
            ensure(run["state"] == "succeeded", || format!("{run:.600}"))
        })?;
        until(PATIENCE, || {
            let applications = world.kube.list("applications.argoproj.io", "argocd")?;
            let ours: Vec<_> = applications
                .iter()
                .filter(|a| a["metadata"]["name"].as_str().is_some_and(|n| n.starts_with("basket")))
                .collect();
            ensure(!ours.is_empty(), || "no Application was made".into())?;
            let healthy = ours.iter().all(|a| a["status"]["health"]["status"] == "Healthy");
            ensure(healthy, || format!("not healthy: {}", ours[0]["status"]["conditions"]))
        })?;
        Ok("repository `basket`, its Application is Healthy".into())
    });
    if world.options.browser {
        report.step("the portal's journey passes in a browser", || browser(world));
    }
}

fn browser(world: &World) -> Result<String> {
    let web = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let output = std::process::Command::new("npm")
        .args(["run", "--silent", "e2e"])
        .current_dir(web)
        .env("RIDGEWAY_URL", &world.running()?.portal)
        .env("RIDGEWAY_PASSWORD", &world.password)
        .env("RIDGEWAY_BROKEN", policies::BROKEN)
        .env("RIDGEWAY_WAITING", policies::WAITING)
        .output()
        .context("cannot start npm")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.success(), || {
        format!("{text}\n{}", String::from_utf8_lossy(&output.stderr))
    })?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}
