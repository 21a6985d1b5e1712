//! What rules read from the cluster: namespaces, bindings, config maps, lists; each kept for a few seconds.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use ridgeway_doc::{Doc, Node, Value};
use ridgeway_krm::{Gvk, KindTable};
use ridgeway_policy::Data;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

use crate::kubeconfig::Access;
use crate::metrics::Metrics;

/// How long an answer counts.
const FRESH: Duration = Duration::from_secs(5);
/// How long a read may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many answers are kept.
const MOST: usize = 4096;
/// The largest answer that is read.
const LARGEST: u64 = 64 << 20;
const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

/// Why a cluster cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The kubeconfig does not tell how.
    #[error("{path} cannot be used: {fault}", path = path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        fault: String,
    },
    /// The credentials are no credentials.
    #[error("the kubeconfig's {part} is no PEM: {fault}")]
    Pem {
        /// Which part.
        part: &'static str,
        /// What is wrong with it.
        fault: String,
    },
    /// The cluster does not answer, or not as it should.
    #[error("{method} {path} of the cluster: {fault}")]
    Request {
        /// The method.
        method: &'static str,
        /// The path.
        path: String,
        /// What happened.
        fault: String,
    },
}

struct Known {
    since: Instant,
    /// `None` where there is no such thing.
    found: Option<Doc>,
}

/// A cluster that is read with a kubeconfig. Calls wait for it: they belong on a thread that may.
pub struct Remote {
    agent: ureq::Agent,
    access: Access,
    table: KindTable,
    known: Mutex<HashMap<String, Known>>,
    metrics: Arc<Metrics>,
}

impl Remote {
    /// A cluster by a kubeconfig's current context; `in-cluster` as the path is what a Pod finds in its file system.
    pub fn open(kubeconfig: &Path, metrics: Arc<Metrics>) -> Result<Remote, RemoteError> {
        let access = if kubeconfig == Path::new("in-cluster") {
            Access::in_cluster()?
        } else {
            Access::kubeconfig(kubeconfig)?
        };
        let pem = |part: &'static str| {
            move |error: ureq::Error| RemoteError::Pem {
                part,
                fault: error.to_string(),
            }
        };
        let mut tls = TlsConfig::builder()
            .disable_verification(access.insecure)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        if let Some(authority) = &access.authority {
            let all = certificates(authority).map_err(pem("certificate-authority"))?;
            tls = tls.root_certs(RootCerts::from(all));
        }
        if let Some((certificate, key)) = &access.certificate {
            let chain = certificates(certificate).map_err(pem("client-certificate"))?;
            let key = PrivateKey::from_pem(key).map_err(pem("client-key"))?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&chain, key)));
        }
        let agent = ureq::Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .user_agent("ridgeway-webhook")
            .build()
            .into();
        Ok(Remote {
            agent,
            access,
            table: KindTable::builtin(),
            known: Mutex::default(),
            metrics,
        })
    }

    fn token(&self) -> Option<String> {
        match &self.access.token_file {
            // Read each time: tokens of Pods are renewed.
            Some(file) => std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned()),
            None => self.access.token.clone(),
        }
    }

    /// A request; `None` for what is not there.
    pub fn send(
        &self,
        method: &'static str,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<Option<Doc>, RemoteError> {
        let fail = |fault: String| RemoteError::Request {
            method,
            path: path.to_owned(),
            fault,
        };
        let url = format!("{}{path}", self.access.server);
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if let Some(token) = self.token() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let (kind, text) = body.unwrap_or(("application/json", String::new()));
        let request = request
            .header("accept", "application/json")
            .header("content-type", kind)
            .body(text)
            .map_err(|error| fail(error.to_string()))?;
        let mut response = self.agent.run(request).map_err(|error| fail(error.to_string()))?;
        let text = response
            .body_mut()
            .with_config()
            .limit(LARGEST)
            .read_to_string()
            .map_err(|error| fail(error.to_string()))?;
        let status = response.status();
        if status.as_u16() == 404 {
            return Ok(None);
        }
        let doc = Doc::parse_json(text.as_bytes()).map_err(|error| fail(format!("{status}: {error}")))?;
        if !status.is_success() {
            let said = doc.root().str_at(&["message"]).unwrap_or("no reason was given");
            return Err(fail(format!("{status}: {said}")));
        }
        Ok(Some(doc))
    }

    /// What is at a path, a few seconds old at most.
    fn try_fetch(&self, path: &str) -> Result<Option<Doc>, RemoteError> {
        {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = known.get(path)
                && known.since.elapsed() < FRESH
            {
                self.metrics.read("known");
                return Ok(known.found.clone());
            }
        }
        // A failure is not kept: the next one may fare better.
        let found = self.send("GET", path, None).inspect_err(|error| {
            self.metrics.read("failed");
            tracing::warn!(%error, "a rule reads the cluster in vain");
        })?;
        self.metrics.read(if found.is_some() { "found" } else { "absent" });
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, known| known.since.elapsed() < FRESH);
        }
        if known.len() >= MOST {
            known.clear();
        }
        let kept = Known {
            since: Instant::now(),
            found: found.clone(),
        };
        known.insert(path.to_owned(), kept);
        Ok(found)
    }

    /// The same for rules, to which a cluster that does not answer is one without it.
    fn fetch(&self, path: &str) -> Option<Doc> {
        self.try_fetch(path).ok().flatten()
    }

    /// A namespace's own object.
    pub(crate) fn namespace(&self, name: &str) -> Result<Option<Doc>, RemoteError> {
        if name.contains('/') {
            return Ok(None);
        }
        let path = format!("/api/v1/namespaces/{name}");
        match self.try_fetch(&path)? {
            // One that was made a moment ago must not be taken for none.
            None => self.send("GET", &path, None),
            found => Ok(found),
        }
    }

    /// Group and version as in a path, plural, and whether objects are in namespaces.
    fn resource(&self, gvk: &Gvk) -> Result<Option<(String, String, bool)>, RemoteError> {
        let known = self.table.get(gvk).or_else(|| {
            let any = gvk.version.is_empty() || gvk.version == "*";
            any.then(|| self.table.by_kind(&gvk.group, &gvk.kind)).flatten()
        });
        if let Some(kind) = known {
            return Ok(Some((base(&kind.gvk), kind.plural.clone(), kind.namespaced)));
        }
        let mut gvk = gvk.clone();
        if gvk.version.is_empty() || gvk.version == "*" {
            let group = self.try_fetch(&format!("/apis/{}", gvk.group))?;
            let preferred = group
                .as_ref()
                .and_then(|g| g.root().str_at(&["preferredVersion", "version"]));
            let Some(preferred) = preferred else { return Ok(None) };
            gvk.version = preferred.to_owned();
        }
        let served = self.try_fetch(&base(&gvk))?;
        let resources = served.as_ref().and_then(|served| served.root().get("resources"));
        let found = resources.into_iter().flat_map(Node::items).find_map(|resource| {
            let name = resource.str_at(&["name"]).filter(|name| !name.contains('/'))?;
            let namespaced = resource.get("namespaced").and_then(Node::as_bool).unwrap_or(false);
            (resource.str_at(&["kind"]) == Some(&gvk.kind)).then(|| (base(&gvk), name.to_owned(), namespaced))
        });
        Ok(found)
    }

    /// One object.
    pub fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        if name.is_empty() || name.contains('/') || namespace.contains('/') {
            return None;
        }
        let (base, plural, namespaced) = self.resource(gvk).ok().flatten()?;
        self.fetch(&if namespaced {
            format!("{base}/namespaces/{namespace}/{plural}/{name}")
        } else {
            format!("{base}/{plural}/{name}")
        })
    }

    /// The roles (as `namespace:name`) and cluster roles that a user is bound to.
    pub(crate) fn roles(&self, user: &str, groups: &[String]) -> Result<(Vec<String>, Vec<String>), RemoteError> {
        let (mut roles, mut cluster_roles) = (Vec::new(), Vec::new());
        for plural in ["rolebindings", "clusterrolebindings"] {
            let Some(list) = self.try_fetch(&format!("{RBAC}/{plural}"))? else {
                continue;
            };
            let items = list.root().get("items").into_iter().flat_map(Node::items);
            for binding in items.filter(|binding| binds(*binding, user, groups)) {
                let text = |path: &[&str]| binding.str_at(path).unwrap_or_default();
                let name = text(&["roleRef", "name"]);
                if text(&["roleRef", "kind"]) == "Role" {
                    roles.push(format!("{}:{name}", text(&["metadata", "namespace"])));
                } else {
                    cluster_roles.push(name.to_owned());
                }
            }
        }
        Ok((roles, cluster_roles))
    }
}

/// All certificates of a PEM text: authorities are exchanged by having two for a while.
fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, ureq::Error> {
    let mut out = Vec::new();
    for item in ureq::tls::parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item? {
            out.push(certificate);
        }
    }
    Ok(out)
}

fn base(gvk: &Gvk) -> String {
    if gvk.group.is_empty() {
        format!("/api/{}", gvk.version)
    } else {
        format!("/apis/{}/{}", gvk.group, gvk.version)
    }
}

fn binds(binding: Node<'_>, user: &str, groups: &[String]) -> bool {
    let text = |node: Node<'_>, key: &str| node.str_at(&[key]).unwrap_or_default().to_owned();
    let own = binding.str_at(&["metadata", "namespace"]).unwrap_or_default();
    let mut subjects = binding.get("subjects").into_iter().flat_map(Node::items);
    subjects.any(|subject| {
        let name = text(subject, "name");
        match &*text(subject, "kind") {
            "Group" => groups.contains(&name),
            "ServiceAccount" => {
                let namespace = subject.str_at(&["namespace"]).unwrap_or(own);
                user == format!("system:serviceaccount:{namespace}:{name}")
            }
            _ => user == name,
        }
    })
}

/// A cluster as one set of policies reads it.
pub(crate) struct Reader<'a> {
    remote: &'a Remote,
    /// The kinds that templates want in their inventory, as group and kind.
    inventory: &'a BTreeSet<(String, String)>,
    /// What is in it, read when it is first asked for.
    objects: OnceLock<Result<Value, RemoteError>>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(remote: &'a Remote, inventory: &'a BTreeSet<(String, String)>) -> Reader<'a> {
        Reader {
            remote,
            inventory,
            objects: OnceLock::new(),
        }
    }

    /// The inventory, or why it cannot be told.
    pub(crate) fn objects(&self) -> &Result<Value, RemoteError> {
        self.objects.get_or_init(|| self.read())
    }

    fn read(&self) -> Result<Value, RemoteError> {
        let mut out = Value::object();
        for (group, kind) in self.inventory {
            let gvk = Gvk::new(group, "", kind);
            // What is not served has no objects.
            let Some((base, plural, _)) = self.remote.resource(&gvk)? else {
                continue;
            };
            let version = base.split('/').skip(2).collect::<Vec<_>>().join("/");
            let Some(list) = self.remote.try_fetch(&format!("{base}/{plural}"))? else {
                continue;
            };
            for item in list.root().get("items").into_iter().flat_map(Node::items) {
                let text = |key: &str| item.str_at(&["metadata", key]).unwrap_or_default();
                let mut object = item.to_value();
                // Items of lists do not say what they are.
                object.set(&["apiVersion"], version.clone());
                object.set(&["kind"], kind.clone());
                let path = match text("namespace") {
                    "" => vec!["cluster", &version, kind, text("name")],
                    namespace => vec!["namespace", namespace, &version, kind, text("name")],
                };
                out.set(&path, object);
            }
        }
        Ok(out)
    }
}

impl Data for Reader<'_> {
    fn get(&self, gvk: &Gvk, namespace: &str, name: &str) -> Option<Doc> {
        self.remote.get(gvk, namespace, name)
    }

    fn api(&self, path: &str) -> Option<Value> {
        // Parts of the path may come from the object: it must not leave the API by them.
        let sound = (path.starts_with("/api/") || path.starts_with("/apis/")) && !path.split('/').any(|p| p == "..");
        sound.then(|| self.remote.fetch(path)).flatten().map(Value::from)
    }

    fn inventory(&self) -> Option<Value> {
        self.objects().as_ref().ok().cloned()
    }
}

/// Kinds that a template wants in its inventory, from the annotation that says so.
pub(crate) fn wanted(template: Node<'_>, out: &mut BTreeSet<(String, String)>) {
    let path = ["metadata", "annotations", "metadata.gatekeeper.sh/requires-sync-data"];
    let annotation = template.str_at(&path).unwrap_or_default();
    let json = annotation.trim().trim_matches(['"', '\n', ' ']).replace("\\\"", "\"");
    let Ok(wanted) = Doc::parse_json(json.as_bytes()) else {
        return;
    };
    for entry in wanted.root().items().flat_map(Node::items) {
        let texts = |key: &str| -> Vec<String> {
            let list = entry.get(key).into_iter().flat_map(Node::items);
            list.filter_map(|n| n.as_str().map(str::to_owned)).collect()
        };
        for group in texts("groups") {
            for kind in texts("kinds") {
                out.insert((group.clone(), kind));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ridgeway_doc::parse_yaml;

    use super::*;

    #[test]
    fn bindings_name_users_groups_and_accounts() {
        let binding = |subject: &str| {
            parse_yaml(&format!(
                "{{metadata: {{namespace: shop}}, roleRef: {{kind: Role, name: r}}, subjects: [{subject}]}}"
            ))
            .unwrap()
            .remove(0)
        };
        let groups = ["ops".to_owned()];
        for (subject, user, want) in [
            ("{kind: Group, name: ops}", "alice", true),
            ("{kind: Group, name: dev}", "alice", false),
            ("{kind: User, name: alice}", "alice", true),
            (
                "{kind: ServiceAccount, name: ci}",
                "system:serviceaccount:shop:ci",
                true,
            ),
            (
                "{kind: ServiceAccount, name: ci, namespace: x}",
                "system:serviceaccount:shop:ci",
                false,
            ),
        ] {
            assert_eq!(binds(binding(subject).root(), user, &groups), want, "{subject}");
        }
    }

    #[test]
    fn templates_say_what_they_read() {
        let template = parse_yaml(
            "metadata: {annotations: {metadata.gatekeeper.sh/requires-sync-data: '\"[[{\\\"groups\\\": [\\\"networking.k8s.io\\\"], \\\"versions\\\": [\\\"v1\\\"], \\\"kinds\\\": [\\\"Ingress\\\"]}]]\"'}}",
        )
        .unwrap()
        .remove(0);
        let mut out = BTreeSet::new();
        wanted(template.root(), &mut out);
        assert_eq!(
            out,
            BTreeSet::from([("networking.k8s.io".to_owned(), "Ingress".to_owned())])
        );
    }
}
