//! A live cluster: which kinds the rules are about, and what it holds of them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use ridgeway_doc::{Doc, Node, Value};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use super::load::Source;

/// What rules are about, as they name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    kinds: Vec<String>,
    resources: Vec<String>,
    everything: bool,
}

/// The kinds that Pod rules are carried over to.
const CONTROLLERS: [&str; 7] = [
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
    "CronJob",
];

/// Kinds that are no manifests, or never judged.
const PASSED_OVER: [&str; 6] = [
    "Event",
    "Lease",
    "Node",
    "ComponentStatus",
    "ControllerRevision",
    "APIService",
];

/// What the rules of documents are about.
pub(super) fn wanted(policies: &[Node<'_>]) -> Wanted {
    let mut out = Wanted::default();
    for policy in policies {
        let kyverno = policy
            .str_at(&["apiVersion"])
            .is_some_and(|v| v.starts_with("kyverno.io"));
        for rule in policy.at(&["spec", "rules"]).into_iter().flat_map(Node::items) {
            let Some(matches) = rule.get("match") else { continue };
            let blocks = ["any", "all"]
                .into_iter()
                .filter_map(|key| matches.get(key))
                .flat_map(Node::items);
            let mut named = false;
            for block in blocks.chain([matches]) {
                for kind in texts(block.at(&["resources", "kinds"])) {
                    named = true;
                    // `group/version/Kind/subresource`: the kind is the part that begins with a capital.
                    let part = kind
                        .split('/')
                        .find(|part| part.starts_with(|c: char| c.is_ascii_uppercase()));
                    match part.map(|part| part.split('.').next().unwrap_or(part)) {
                        Some(kind) if !kind.contains(['*', '?']) => out.kind(kind),
                        _ => out.everything = true,
                    }
                }
            }
            out.everything |= !named;
        }
        if kyverno && out.kinds.iter().any(|kind| kind == "Pod") {
            CONTROLLERS.iter().for_each(|kind| out.kind(kind));
        }
        for rule in policy
            .at(&["spec", "matchConstraints", "resourceRules"])
            .into_iter()
            .flat_map(Node::items)
        {
            for resource in texts(rule.get("resources")) {
                match resource.split('/').next().unwrap_or(resource) {
                    "*" => out.everything = true,
                    name if !out.resources.iter().any(|r| r == name) => out.resources.push(name.to_owned()),
                    _ => {}
                }
            }
        }
        if policy
            .str_at(&["apiVersion"])
            .is_some_and(|v| v.starts_with("constraints.gatekeeper.sh"))
        {
            let kinds: Vec<&str> = policy
                .at(&["spec", "match", "kinds"])
                .into_iter()
                .flat_map(Node::items)
                .flat_map(|block| texts(block.get("kinds")))
                .collect();
            out.everything |= kinds.is_empty() || kinds.contains(&"*");
            kinds
                .into_iter()
                .filter(|kind| *kind != "*")
                .for_each(|kind| out.kind(kind));
        }
    }
    // What follows from an object is judged with it; chains are followed to their start.
    for expansion in policies
        .iter()
        .chain(policies)
        .filter(|p| p.str_at(&["kind"]) == Some("ExpansionTemplate"))
    {
        let made = expansion.str_at(&["spec", "generatedGVK", "kind"]).unwrap_or_default();
        if out.kinds.iter().any(|kind| kind == made) {
            let entries = expansion.at(&["spec", "applyTo"]).into_iter().flat_map(Node::items);
            let parents: Vec<&str> = entries.flat_map(|entry| texts(entry.get("kinds"))).collect();
            parents.into_iter().for_each(|kind| out.kind(kind));
        }
    }
    out
}

fn texts(node: Option<Node<'_>>) -> Vec<&str> {
    node.into_iter()
        .flat_map(Node::items)
        .filter_map(Node::as_str)
        .collect()
}

impl Wanted {
    fn kind(&mut self, kind: &str) {
        if !self.kinds.iter().any(|known| known == kind) {
            self.kinds.push(kind.to_owned());
        }
    }

    fn has(&self, kind: &str, resource: &str) -> bool {
        if self.kinds.iter().any(|k| k == kind) || self.resources.iter().any(|r| r == resource) {
            return true;
        }
        self.everything && !PASSED_OVER.contains(&kind)
    }
}

/// A client of a Kubernetes API.
pub(super) struct Client {
    agent: ureq::Agent,
    server: String,
    token: Option<String>,
}

impl Client {
    /// Reads the kubeconfig that is named, or the usual one.
    pub(super) fn open(named: Option<&Path>, data_dir: &Path) -> Result<Client> {
        let path = match named {
            Some(path) => path.to_path_buf(),
            None => usual(data_dir)?,
        };
        let text = std::fs::read_to_string(&path).with_context(|| {
            format!(
                "cannot read the kubeconfig {}; name one with --kubeconfig",
                path.display()
            )
        })?;
        let docs = ridgeway_doc::parse_yaml(&text).map_err(|error| anyhow!("{}: {error}", path.display()))?;
        let root = docs
            .first()
            .map(Doc::root)
            .with_context(|| format!("{} is empty", path.display()))?;
        let named = |list: &str, name: &str, inner: &str| {
            let items = root.get(list).into_iter().flat_map(Node::items);
            let mut items = items.filter(move |item| item.str_at(&["name"]) == Some(name));
            items.next().and_then(|item| item.get(inner).map(Node::to_doc))
        };
        let current = root.str_at(&["current-context"]).unwrap_or_default();
        let context = named("contexts", current, "context").with_context(|| {
            format!(
                "{}: the current-context {current:?} is not among the contexts",
                path.display()
            )
        })?;
        let part = |key: &str| context.root().str_at(&[key]).unwrap_or_default();
        let cluster = named("clusters", part("cluster"), "cluster")
            .with_context(|| format!("{}: there is no cluster {:?}", path.display(), part("cluster")))?;
        let user = named("users", part("user"), "user");
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let pem = |doc: Option<&Doc>, key: &str| -> Result<Option<Vec<u8>>> {
            let Some(root) = doc.map(Doc::root) else {
                return Ok(None);
            };
            if let Some(data) = root.str_at(&[&format!("{key}-data")]) {
                let bytes = base64::engine::general_purpose::STANDARD.decode(data);
                return Ok(Some(
                    bytes.with_context(|| format!("{}: {key}-data is no base64", path.display()))?,
                ));
            }
            let Some(file) = root.str_at(&[key]) else {
                return Ok(None);
            };
            let bytes = std::fs::read(folder.join(file)).with_context(|| format!("cannot read {key} {file}"))?;
            Ok(Some(bytes))
        };
        let mut tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        if let Some(authority) = pem(Some(&cluster), "certificate-authority")? {
            tls = tls.root_certs(RootCerts::from(vec![Certificate::from_pem(&authority)?]));
        }
        if cluster.root().get("insecure-skip-tls-verify").and_then(Node::as_bool) == Some(true) {
            tls = tls.disable_verification(true);
        }
        let certificate = pem(user.as_ref(), "client-certificate")?;
        let key = pem(user.as_ref(), "client-key")?;
        if let (Some(certificate), Some(key)) = (certificate, key) {
            tls = tls.client_cert(Some(ClientCert::new_with_certs(
                &[Certificate::from_pem(&certificate)?],
                PrivateKey::from_pem(&key)?,
            )));
        }
        let server = cluster.root().str_at(&["server"]).unwrap_or_default();
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .timeout_global(Some(std::time::Duration::from_secs(60)))
            .build()
            .into();
        Ok(Client {
            agent,
            server: server.trim_end_matches('/').to_owned(),
            token: user.and_then(|user| user.root().str_at(&["token"]).map(str::to_owned)),
        })
    }

    /// Reads a path of the API.
    fn get(&self, path: &str) -> Result<Doc> {
        let url = format!("{}{path}", self.server);
        let mut request = self.agent.get(&url).header("accept", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let mut response = request
            .call()
            .with_context(|| format!("the cluster at {} does not answer", self.server))?;
        let body = response.body_mut().with_config().limit(512 << 20).read_to_vec()?;
        let doc = ridgeway_doc::parse_json(&body).map_err(|error| anyhow!("{url} answered no JSON: {error}"))?;
        if !response.status().is_success() {
            let why = doc.root().str_at(&["message"]).unwrap_or("no reason was given");
            bail!("{url}: {why} ({})", response.status());
        }
        Ok(doc)
    }

    /// Everything wanted that the cluster holds, with the namespaces it lies in.
    pub(super) fn list(&self, wanted: &Wanted, namespace: Option<&str>) -> Result<Vec<Source>> {
        let mut out = Vec::new();
        let mut seen: Vec<(String, String)> = Vec::new();
        let mut bases = vec![("/api/v1".to_owned(), String::new(), "v1".to_owned())];
        for group in self
            .get("/apis")?
            .root()
            .get("groups")
            .into_iter()
            .flat_map(Node::items)
        {
            let name = group.str_at(&["name"]).unwrap_or_default();
            // The preferred version first; another one only for what it alone serves.
            let preferred = group.at(&["preferredVersion"]);
            let versions = group.get("versions").into_iter().flat_map(Node::items);
            for version in preferred.into_iter().chain(versions) {
                let version = version.str_at(&["groupVersion"]).unwrap_or_default();
                let base = (format!("/apis/{version}"), name.to_owned(), version.to_owned());
                if !bases.contains(&base) {
                    bases.push(base);
                }
            }
        }
        for (base, group, version) in bases {
            let Ok(resources) = self.get(&base) else { continue };
            for resource in resources.root().get("resources").into_iter().flat_map(Node::items) {
                let text = |key: &str| resource.str_at(&[key]).unwrap_or_default();
                let (kind, plural) = (text("kind"), text("name"));
                let listed = texts(resource.get("verbs")).contains(&"list");
                let namespaces = kind == "Namespace" && group.is_empty();
                let key = (group.clone(), plural.to_owned());
                if plural.contains('/') || !listed || seen.contains(&key) || !(namespaces || wanted.has(kind, plural)) {
                    continue;
                }
                seen.push(key);
                let namespaced = resource.get("namespaced").and_then(Node::as_bool) == Some(true);
                let path = match namespace {
                    Some(namespace) if namespaced => format!("{base}/namespaces/{namespace}/{plural}"),
                    Some(_) if !namespaces => continue,
                    _ => format!("{base}/{plural}"),
                };
                self.pages(&path, kind, &version, &mut out)?;
            }
        }
        Ok(out)
    }

    fn pages(&self, path: &str, kind: &str, version: &str, out: &mut Vec<Source>) -> Result<()> {
        let mut next = String::new();
        loop {
            let list = self.get(&format!("{path}?limit=500{next}"))?;
            for item in list.root().get("items").into_iter().flat_map(Node::items) {
                let mut object = item.to_value();
                object.set(&["apiVersion"], version);
                object.set(&["kind"], kind);
                object.remove(&["metadata", "managedFields"]);
                let text = |key: &str| item.str_at(&["metadata", key]).unwrap_or_default();
                let place = match text("namespace") {
                    "" => format!("{}/{}", kind.to_lowercase(), text("name")),
                    namespace => format!("{namespace}/{}/{}", kind.to_lowercase(), text("name")),
                };
                let mut source = Source::new(&place, Value::into_doc(object));
                source.stored = true;
                out.push(source);
            }
            match list.root().str_at(&["metadata", "continue"]) {
                Some(more) if !more.is_empty() => next = format!("&continue={}", encoded(more)),
                _ => return Ok(()),
            }
        }
    }
}

/// A query value.
fn encoded(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~');
    text.bytes()
        .map(|b| {
            if plain(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

/// KUBECONFIG, the running platform's, or the one in the home directory.
fn usual(data_dir: &Path) -> Result<PathBuf> {
    let named =
        std::env::var_os("KUBECONFIG").and_then(|paths| std::env::split_paths(&paths).find(|path| path.is_file()));
    if let Some(first) = named {
        return Ok(first);
    }
    let own = data_dir.join("kubeconfig");
    if own.is_file() {
        return Ok(own);
    }
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    match home.filter(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!(
            "no kubeconfig is known: KUBECONFIG is not set, and there is none at {} or ~/.kube/config; name one with \
             --kubeconfig",
            own.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kinds_that_rules_name() {
        let docs = ridgeway_doc::parse_yaml(
            "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
spec:
  rules:
  - {name: a, match: {any: [{resources: {kinds: [v1/Service, networking.k8s.io/v1/Ingress, Pod/exec]}}]}}
---
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
spec: {matchConstraints: {resourceRules: [{resources: [configmaps, pods/exec]}]}}
---
apiVersion: constraints.gatekeeper.sh/v1beta1
kind: X
spec: {match: {kinds: [{apiGroups: [''], kinds: [Secret]}]}}
",
        )
        .unwrap();
        let roots: Vec<_> = docs.iter().map(Doc::root).collect();
        let wanted = wanted(&roots);
        for (kind, resource, want) in [
            ("Service", "services", true),
            ("Ingress", "ingresses", true),
            ("Deployment", "deployments", true),
            ("ConfigMap", "configmaps", true),
            ("Secret", "secrets", true),
            ("Role", "roles", false),
        ] {
            assert_eq!(wanted.has(kind, resource), want, "{kind}");
        }
        let all =
            ridgeway_doc::parse_yaml("{apiVersion: constraints.gatekeeper.sh/v1beta1, kind: X, spec: {}}").unwrap();
        let all = super::wanted(&[all[0].root()]);
        assert!(all.has("Role", "roles") && !all.has("Event", "events"));
    }
}
