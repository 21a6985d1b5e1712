//! The API of a running platform, as its command line uses it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The file in the data directory that lets its owner's command line in.
pub const ACCESS_FILE: &str = "cli.json";

/// Address and token of a platform; the file is readable by its owner only.
#[derive(Clone, Serialize, Deserialize)]
pub struct Access {
    /// The portal's address, such as `http://127.0.0.1:7070`.
    pub url: String,
    /// A bearer token.
    pub token: String,
}

/// Which platform to talk to.
#[derive(Clone, Debug, clap::Args)]
pub struct Target {
    /// Data directory of the platform on this machine.
    #[arg(long, env = "RIDGEWAY_DATA_DIR", default_value = ".ridgeway", global = true)]
    pub data_dir: PathBuf,
    /// Address of a platform elsewhere; needs RIDGEWAY_TOKEN.
    #[arg(long, env = "RIDGEWAY_URL", global = true)]
    pub url: Option<String>,
    /// Token for that platform.
    #[arg(long, env = "RIDGEWAY_TOKEN", hide_env_values = true, global = true)]
    pub token: Option<String>,
}

/// A client of one platform.
pub struct Client {
    agent: ureq::Agent,
    access: Access,
}

impl Target {
    /// Finds the platform.
    pub fn client(&self) -> Result<Client> {
        let access = match (&self.url, &self.token) {
            (Some(url), Some(token)) => Access {
                url: url.trim_end_matches('/').into(),
                token: token.clone(),
            },
            (Some(_), None) => bail!("--url needs a token too: set RIDGEWAY_TOKEN"),
            (None, _) => {
                let path = self.data_dir.join(ACCESS_FILE);
                let text = std::fs::read_to_string(&path).with_context(|| {
                    format!(
                        "no running platform is known at {}; start one with `ridgeway up`, or name its folder with \
                         --data-dir",
                        path.display()
                    )
                })?;
                serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?
            }
        };
        let agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        Ok(Client { agent, access })
    }
}

impl Client {
    /// Reads a path under `/api/v1`.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.send(ureq::http::Method::GET, path, String::new())
    }

    /// Posts to a path under `/api/v1`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        self.send(ureq::http::Method::POST, path, body.to_string())
    }

    fn send(&self, method: ureq::http::Method, path: &str, body: String) -> Result<Value> {
        let url = format!("{}/api/v1{path}", self.access.url);
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(&url)
            .header("authorization", format!("Bearer {}", self.access.token))
            .header("content-type", "application/json")
            .body(body)
            .with_context(|| format!("{url} is no address"))?;
        let mut response = self
            .agent
            .run(request)
            .with_context(|| format!("the platform at {} does not answer; is it running?", self.access.url))?;
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if response.status().is_success() {
            return Ok(value);
        }
        let error = &value["error"];
        let mut message = error["message"].as_str().unwrap_or("no reason was given").to_owned();
        for problem in error["problems"].as_array().into_iter().flatten() {
            let part = |key: &str| problem[key].as_str().unwrap_or_default();
            message.push_str(&format!("\n  {}: {}", part("field"), part("message")));
        }
        bail!(
            "{message} ({}, request {})",
            response.status(),
            error["requestId"].as_str().unwrap_or("-")
        )
    }
}
