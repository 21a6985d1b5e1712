//! The portal's API as a signed-in person's browser uses it.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

/// A signed-in session.
pub struct Portal {
    agent: ureq::Agent,
    base: String,
    cookie: String,
    csrf: String,
}

impl Portal {
    /// Signs in.
    pub fn sign_in(base: &str, user: &str, password: &str) -> Result<Portal> {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let body = json!({"user": user, "password": password}).to_string();
        let mut response = agent
            .post(format!("{base}/api/v1/session"))
            .header("content-type", "application/json")
            .send(body)?;
        let cookies: Vec<_> = response
            .headers()
            .get_all("set-cookie")
            .iter()
            .filter_map(|value| value.to_str().ok()?.split(';').next().map(str::to_owned))
            .collect();
        let text = response.body_mut().read_to_string()?;
        if !response.status().is_success() {
            bail!("sign-in was refused: {text}");
        }
        let answer: Value = serde_json::from_str(&text).context("sign-in answered no JSON")?;
        let csrf = answer["csrfToken"].as_str().unwrap_or_default().to_owned();
        Ok(Portal {
            agent,
            base: base.to_owned(),
            cookie: cookies.join("; "),
            csrf,
        })
    }

    /// Reads a path under `/api/v1`.
    pub fn get(&self, path: &str) -> Result<Value> {
        let request = ureq::http::Request::get(format!("{}/api/v1{path}", self.base));
        self.send(request.header("cookie", &self.cookie).body(String::new())?)
    }

    /// Posts to a path under `/api/v1`.
    pub fn post(&self, path: &str, body: &Value) -> Result<Value> {
        let request = ureq::http::Request::post(format!("{}/api/v1{path}", self.base))
            .header("cookie", &self.cookie)
            .header("x-csrf-token", &self.csrf)
            .header("content-type", "application/json");
        self.send(request.body(body.to_string())?)
    }

    fn send(&self, request: ureq::http::Request<String>) -> Result<Value> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let mut response = self.agent.run(request).with_context(|| what.clone())?;
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        if !response.status().is_success() {
            bail!("{what}: {} {text}", response.status());
        }
        if text.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&text).with_context(|| format!("{what} answered no JSON: {text:.200}"))
    }
}
