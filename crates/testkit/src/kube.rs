//! The Kubernetes API as a user reaches it: kubectl where it is on PATH, the same requests over HTTPS where it is not.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use crate::http2::{ClientIdentity, Connection};
use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use serde_json::Value;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum As<'a> {
    /// The administrator of the kubeconfig.
    Admin,
    /// A user with one group, impersonated.
    User(&'a str, &'a str),
}

/// A client of one control plane.
pub struct Kube {
    kubeconfig: PathBuf,
    server: String,
    agent: ureq::Agent,
    authority: Vec<u8>,
    /// The certificate and key that it shows.
    client: Option<(Vec<u8>, Vec<u8>)>,
    token: Option<String>,
    kubectl: bool,
}

impl Kube {
    /// Reads a kubeconfig.
    pub fn new(kubeconfig: &Path) -> Result<Kube> {
        let text = std::fs::read_to_string(kubeconfig)
            .with_context(|| format!("cannot read the kubeconfig {}", kubeconfig.display()))?;
        let docs = ridgeway_doc::parse_yaml(&text).map_err(|e| anyhow!("the kubeconfig is no YAML: {e}"))?;
        let root = docs.first().context("the kubeconfig is empty")?.root();
        let first = |list: &str, path: &[&str]| {
            root.get(list)
                .and_then(|l| l.item(0))
                .and_then(|n| n.str_at(path))
                .map(str::to_owned)
        };
        let server = first("clusters", &["cluster", "server"]).context("the kubeconfig names no server")?;
        let pem = |text: Option<String>| -> Result<Option<Vec<u8>>> {
            text.map(|t| base64::engine::general_purpose::STANDARD.decode(t))
                .transpose()
                .context("not base64")
        };
        let authority = pem(first("clusters", &["cluster", "certificate-authority-data"]))?.context("no CA")?;
        let certificate = pem(first("users", &["user", "client-certificate-data"]))?;
        let key = pem(first("users", &["user", "client-key-data"]))?;
        let client = certificate.zip(key);
        let shown = client.as_ref().map(|(certificate, key)| -> Result<ClientCert> {
            Ok(ClientCert::new_with_certs(
                &[Certificate::from_pem(certificate)?],
                PrivateKey::from_pem(key)?,
            ))
        });
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = TlsConfig::builder()
            .root_certs(RootCerts::from(vec![Certificate::from_pem(&authority)?]))
            .client_cert(shown.transpose()?)
            .unversioned_rustls_crypto_provider(provider)
            .build();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls)
            .http_status_as_error(false)
            .build()
            .into();
        Ok(Kube {
            kubeconfig: kubeconfig.to_path_buf(),
            server,
            agent,
            authority,
            client,
            token: first("users", &["user", "token"]),
            kubectl: Command::new("kubectl").arg("version").arg("--client").output().is_ok(),
        })
    }

    /// A connection of its own that carries many requests at a time.
    pub async fn connection(&self) -> Result<Connection> {
        let address = self
            .server
            .strip_prefix("https://")
            .context("the kubeconfig's server is not https")?;
        let client = self
            .client
            .as_ref()
            .map(|(certificate, key)| ClientIdentity { certificate, key });
        Connection::open(address.parse()?, &self.authority, client).await
    }

    /// What the requests are sent with.
    pub fn client(&self) -> &'static str {
        if self.kubectl {
            "kubectl"
        } else {
            "HTTPS requests (kubectl is not on PATH)"
        }
    }

    /// Applies manifests. A refusal is the error, in the server's words.
    pub fn apply(&self, who: As<'_>, manifest: &str) -> Result<()> {
        if self.kubectl {
            return self.kubectl(who, &["apply", "-f", "-"], Some(manifest)).map(drop);
        }
        for doc in ridgeway_doc::parse_yaml(manifest).map_err(|e| anyhow!("{e}"))? {
            let path = self.path_of(doc.root())?;
            let path = format!("{path}?fieldManager=journey&force=true");
            self.request(
                who,
                "PATCH",
                &path,
                Some(("application/apply-patch+yaml", doc.root().to_json())),
            )?;
        }
        Ok(())
    }

    /// Deletes one object; `resource` as in `services` or `deployments.apps`.
    pub fn delete(&self, resource: &str, namespace: &str, name: &str) -> Result<()> {
        if self.kubectl {
            return self
                .kubectl(
                    As::Admin,
                    &["-n", namespace, "delete", resource, name, "--wait=false"],
                    None,
                )
                .map(drop);
        }
        let path = self.collection(resource, namespace)?;
        self.request(As::Admin, "DELETE", &format!("{path}/{name}"), None)
            .map(drop)
    }

    /// A JSON merge patch.
    pub fn merge_patch(&self, who: As<'_>, resource: &str, namespace: &str, name: &str, patch: &str) -> Result<()> {
        if self.kubectl {
            return self
                .kubectl(
                    who,
                    &["-n", namespace, "patch", resource, name, "--type=merge", "-p", patch],
                    None,
                )
                .map(drop);
        }
        let path = format!("{}/{name}?fieldManager=journey", self.collection(resource, namespace)?);
        self.request(
            who,
            "PATCH",
            &path,
            Some(("application/merge-patch+json", patch.to_owned())),
        )
        .map(drop)
    }

    /// One object, or `None`.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Result<Option<Value>> {
        let path = format!("{}/{name}", self.collection(resource, namespace)?);
        match self.request(As::Admin, "GET", &path, None) {
            Ok(value) => Ok(Some(value)),
            Err(error) if error.to_string().contains("not found") => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// All objects of a resource in a namespace (empty: everywhere).
    pub fn list(&self, resource: &str, namespace: &str) -> Result<Vec<Value>> {
        let path = self.collection(resource, namespace)?;
        let list = self.request(As::Admin, "GET", &path, None)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Whether somebody may do something, as `kubectl auth can-i` answers.
    pub fn can_i(&self, who: As<'_>, verb: &str, resource: &str, namespace: &str) -> Result<bool> {
        if self.kubectl {
            let output = self
                .command(who, &["-n", namespace, "auth", "can-i", verb, resource])
                .output()?;
            return Ok(String::from_utf8_lossy(&output.stdout).trim() == "yes");
        }
        let (resource, group) = resource.split_once('.').unwrap_or((resource, ""));
        let review = serde_json::json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes":
                {"verb": verb, "resource": resource, "group": group, "namespace": namespace}},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self.request(who, "POST", path, Some(("application/json", review.to_string())))?;
        Ok(answer["status"]["allowed"] == true)
    }

    /// A raw request for a path of the API.
    pub fn request(&self, who: As<'_>, method: &str, path: &str, body: Option<(&str, String)>) -> Result<Value> {
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let As::User(user, group) = who {
            request = request
                .header("impersonate-user", user)
                .header("impersonate-group", group);
        }
        let (kind, text) = body.unwrap_or(("application/json", String::new()));
        let request = request.header("content-type", kind).body(text)?;
        let mut response = self.agent.run(request).with_context(|| format!("{method} {path}"))?;
        let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
        let value: Value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        if !response.status().is_success() {
            bail!(
                "{}",
                value["message"]
                    .as_str()
                    .unwrap_or(&format!("{method} {path}: {}", response.status()))
            );
        }
        Ok(value)
    }

    /// Posts raw bytes; gives the status and what was answered, also when that came before all was sent.
    pub fn post_bytes(&self, path: &str, content_type: &str, body: &[u8]) -> Result<(u16, String)> {
        let mut request =
            ureq::http::Request::post(format!("{}{path}", self.server)).header("content-type", content_type);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = self
            .agent
            .run(request.body(body)?)
            .with_context(|| format!("POST {path}"))?;
        let text = response.body_mut().with_config().limit(1 << 20).read_to_string()?;
        Ok((response.status().as_u16(), text))
    }

    /// The body of a GET as it arrives; for watches.
    pub fn stream(&self, path: &str) -> Result<impl std::io::Read + Send + use<>> {
        let mut request = ureq::http::Request::get(format!("{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let response = self.agent.run(request.body(())?).with_context(|| path.to_owned())?;
        Ok(response.into_body().into_reader())
    }

    fn command(&self, who: As<'_>, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig);
        if let As::User(user, group) = who {
            command.args(["--as", user, "--as-group", group]);
        }
        command.args(args);
        command
    }

    fn kubectl(&self, who: As<'_>, args: &[&str], input: Option<&str>) -> Result<String> {
        let mut child = self
            .command(who, args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start kubectl")?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.unwrap_or_default().as_bytes())?;
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Path of a collection, found in discovery.
    fn collection(&self, resource: &str, namespace: &str) -> Result<String> {
        let (plural, group) = resource.split_once('.').unwrap_or((resource, ""));
        let base = if group.is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}", self.serving(plural, group)?)
        };
        Ok(if namespace.is_empty() {
            format!("{base}/{plural}")
        } else {
            format!("{base}/namespaces/{namespace}/{plural}")
        })
    }

    /// The version of a group, the preferred one if possible, that has a resource.
    fn serving(&self, plural: &str, group: &str) -> Result<String> {
        let about = self.request(As::Admin, "GET", &format!("/apis/{group}"), None)?;
        let others = about["versions"].as_array().into_iter().flatten();
        let versions = std::iter::once(&about["preferredVersion"]).chain(others);
        for version in versions.filter_map(|version| version["groupVersion"].as_str()) {
            let served = self.request(As::Admin, "GET", &format!("/apis/{version}"), None)?;
            let mut resources = served["resources"].as_array().into_iter().flatten();
            if resources.any(|resource| resource["name"] == plural) {
                return Ok(version.to_owned());
            }
        }
        anyhow::bail!("no version of {group} has {plural}")
    }

    /// Path of an object in a manifest.
    fn path_of(&self, object: ridgeway_doc::Node<'_>) -> Result<String> {
        let text = |path: &[&str]| object.str_at(path).unwrap_or_default().to_owned();
        let version = text(&["apiVersion"]);
        let base = if version.contains('/') {
            format!("/apis/{version}")
        } else {
            format!("/api/{version}")
        };
        let about = self.request(As::Admin, "GET", &base, None)?;
        let kind = text(&["kind"]);
        let resource = about["resources"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|r| r["kind"] == *kind && !r["name"].as_str().unwrap_or_default().contains('/'))
            .with_context(|| format!("{kind} of {version} is not served"))?;
        let plural = resource["name"].as_str().unwrap_or_default();
        let name = text(&["metadata", "name"]);
        if resource["namespaced"] != true {
            return Ok(format!("{base}/{plural}/{name}"));
        }
        let namespace = match text(&["metadata", "namespace"]) {
            empty if empty.is_empty() => "default".to_owned(),
            namespace => namespace,
        };
        Ok(format!("{base}/namespaces/{namespace}/{plural}/{name}"))
    }
}
