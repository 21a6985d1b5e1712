//! `ridgeway template`: golden paths of a running platform.

use std::io::Write;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::app::encode;
use crate::client::{Client, Target};
use crate::table;

/// Golden paths: list, run.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Lists the templates.
    List,
    /// Runs a template and shows its steps.
    Run {
        /// Name of the template.
        name: String,
        /// A parameter: `name=value`. JSON values keep their type.
        #[arg(long = "set", value_name = "NAME=VALUE")]
        values: Vec<String>,
        /// Shows what would be made, and what the policies say, and makes nothing.
        #[arg(long)]
        preview: bool,
    },
}

/// Runs it.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<()> {
    let client = args.target.client()?;
    match &args.action {
        Action::List => list(out, &client),
        Action::Run {
            name,
            values,
            preview: true,
        } => preview(out, &client, name, &parameters(values)?),
        Action::Run {
            name,
            values,
            preview: false,
        } => start(out, &client, name, &parameters(values)?),
    }
}

fn parameters(values: &[String]) -> Result<Value> {
    let mut parameters = Map::new();
    for pair in values {
        let (name, value) = pair
            .split_once('=')
            .with_context(|| format!("`--set {pair}` is not NAME=VALUE; write --set name=basket"))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        parameters.insert(name.to_owned(), value);
    }
    Ok(json!({"parameters": parameters}))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(out: &mut dyn Write, client: &Client) -> Result<()> {
    let answer = client.get("/templates")?;
    let items = answer["items"].as_array().into_iter().flatten();
    let rows: Vec<_> = items
        .map(|t| {
            [&t["name"], &t["title"], &t["description"]]
                .map(|v| text(v).to_owned())
                .to_vec()
        })
        .collect();
    write!(out, "{}", table::render(&["NAME", "TITLE", "DESCRIPTION"], &rows))?;
    Ok(())
}

fn preview(out: &mut dyn Write, client: &Client, name: &str, parameters: &Value) -> Result<()> {
    let preview = client.post(&format!("/templates/{}/preview", encode(name)), parameters)?;
    for problem in preview["problems"].as_array().into_iter().flatten() {
        eprintln!("{}: {}", text(&problem["field"]), text(&problem["message"]));
    }
    for file in preview["files"].as_array().into_iter().flatten() {
        writeln!(out, "{}", text(&file["path"]))?;
    }
    for outcome in preview["outcomes"].as_array().into_iter().flatten() {
        writeln!(out, "→ {}", text(outcome))?;
    }
    if preview["problems"].as_array().is_some_and(|p| !p.is_empty()) {
        bail!("the parameters are not complete");
    }
    Ok(())
}

fn start(out: &mut dyn Write, client: &Client, name: &str, parameters: &Value) -> Result<()> {
    let run = client.post(&format!("/templates/{}/runs", encode(name)), parameters)?;
    let id = text(&run["id"]).to_owned();
    let mut shown = 0;
    loop {
        let run = client.get(&format!("/runs/{id}"))?;
        let steps: Vec<&Value> = run["steps"].as_array().into_iter().flatten().collect();
        let done = steps
            .iter()
            .take_while(|step| !matches!(text(&step["state"]), "pending" | "running"))
            .count();
        for step in &steps[shown.min(done)..done] {
            writeln!(out, "{:<10} {}", text(&step["state"]), text(&step["name"]))?;
        }
        shown = done;
        match text(&run["state"]) {
            "succeeded" => {
                for link in run["links"].as_array().into_iter().flatten() {
                    writeln!(out, "{}: {}", text(&link["title"]), text(&link["url"]))?;
                }
                return Ok(());
            }
            "failed" => bail!("{}", run["error"].as_str().unwrap_or("the run failed")),
            _ => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_type_and_wrong_pairs_are_told() {
        let set = |pairs: &[&str]| parameters(&pairs.iter().map(|p| (*p).to_owned()).collect::<Vec<_>>());
        let values = set(&["name=basket", "port=8080", "callers=[\"a\"]", "note=a=b", "empty="]).unwrap();
        let wanted = json!({"name": "basket", "port": 8080, "callers": ["a"], "note": "a=b", "empty": ""});
        assert_eq!(values["parameters"], wanted);
        assert!(set(&["name"]).unwrap_err().to_string().contains("NAME=VALUE"));
    }
}
