//! `ridgeway app`: applications of a running platform.

use anyhow::{Context, Result};
use clap::Subcommand;
use serde_json::{Value, json};
use std::io::Write;

use crate::client::{Client, Target};
use crate::table;

/// Applications: list, diff, sync, rollback.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists applications with their health, sync state and version.
    List,
    /// Shows where the cluster differs from Git; exits with 1 when it does.
    Diff {
        /// Name of the Application.
        name: String,
    },
    /// Applies what Git says now.
    Sync {
        /// Name of the Application.
        name: String,
        /// Branch, tag or commit; default the Application's own.
        #[arg(long)]
        revision: Option<String>,
        /// Also delete what is no longer in Git.
        #[arg(long)]
        prune: bool,
        /// Plan and judge only.
        #[arg(long)]
        dry_run: bool,
    },
    /// Goes back to an earlier deployment; without an id it lists them.
    Rollback {
        /// Name of the Application.
        name: String,
        /// Id in the history.
        id: Option<u64>,
    },
}

/// Runs it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let client = args.target.client()?;
    match &args.action {
        Action::List => list(out, &client),
        Action::Diff { name } => diff(out, &client, name),
        Action::Sync {
            name,
            revision,
            prune,
            dry_run,
        } => {
            let mut body = json!({"prune": prune, "dryRun": dry_run});
            if let Some(revision) = revision {
                body["revision"] = json!(revision);
            }
            started(
                out,
                &client.post(&format!("/applications/{}/sync", encode(name)), &body)?,
            )
        }
        Action::Rollback { name, id: Some(id) } => started(
            out,
            &client.post(
                &format!("/applications/{}/rollback", encode(name)),
                &json!({"historyId": id}),
            )?,
        ),
        Action::Rollback { name, id: None } => history(out, &client, name),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn list(out: &mut dyn Write, client: &Client) -> Result<()> {
    let answer = client.get("/applications")?;
    let rows: Vec<Vec<String>> = answer["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|app| {
            let revision = text(&app["revision"]);
            vec![
                text(&app["name"]),
                text(&app["health"]),
                text(&app["sync"]),
                text(&app["version"]),
                revision.chars().take(7).collect(),
                text(&app["destination"]["namespace"]),
            ]
        })
        .collect();
    write!(
        out,
        "{}",
        table::render(&["NAME", "HEALTH", "SYNC", "VERSION", "REVISION", "NAMESPACE"], &rows)
    )?;
    Ok(())
}

fn diff(out: &mut dyn Write, client: &Client, name: &str) -> Result<()> {
    let detail = client.get(&format!("/applications/{}", encode(name)))?;
    let mut differs = false;
    for node in detail["tree"].as_array().into_iter().flatten() {
        if node["sync"] != "OutOfSync" {
            continue;
        }
        let key = node["ref"]["key"].as_str().context("an object without a key")?;
        let object = client.get(&format!("/applications/{}/object?key={}", encode(name), encode(key)))?;
        writeln!(out, "{} {}", text(&node["ref"]["kind"]), text(&node["ref"]["name"]))?;
        for entry in object["diff"].as_array().into_iter().flatten() {
            differs = true;
            writeln!(
                out,
                "  {}: {} → {}",
                text(&entry["path"]),
                text(&entry["before"]),
                text(&entry["after"])
            )?;
            writeln!(out, "    {}", text(&entry["reason"]["text"]))?;
        }
    }
    if differs {
        anyhow::bail!("{name} differs from Git; `ridgeway app sync {name}` applies what Git says");
    }
    writeln!(out, "{name} is as Git says")?;
    Ok(())
}

fn history(out: &mut dyn Write, client: &Client, name: &str) -> Result<()> {
    let detail = client.get(&format!("/applications/{}", encode(name)))?;
    let rows: Vec<Vec<String>> = detail["history"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|entry| {
            let revision = text(&entry["revision"]);
            vec![
                text(&entry["id"]),
                revision.chars().take(7).collect(),
                text(&entry["version"]),
                text(&entry["deployedAt"]),
                text(&entry["initiatedBy"]),
            ]
        })
        .collect();
    write!(
        out,
        "{}",
        table::render(&["ID", "REVISION", "VERSION", "DEPLOYED", "BY"], &rows)
    )?;
    writeln!(out, "`ridgeway app rollback {name} ID` goes back to one of them")?;
    Ok(())
}

fn started(out: &mut dyn Write, operation: &Value) -> Result<()> {
    writeln!(out, "{}: {}", text(&operation["phase"]), text(&operation["message"]))?;
    Ok(())
}

/// Percent-encodes a segment of a path or a value of a query.
pub(crate) fn encode(value: &str) -> String {
    value
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => (b as char).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_leave_their_place_in_an_address() {
        for (name, encoded) in [
            ("checkout-staging", "checkout-staging"),
            ("../audit?x=1", "..%2Faudit%3Fx%3D1"),
            ("ä", "%C3%A4"),
        ] {
            assert_eq!(super::encode(name), encoded);
        }
    }
}
