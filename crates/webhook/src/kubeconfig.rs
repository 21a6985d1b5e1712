//! Where a cluster is and how to prove who one is: a kubeconfig, or what a Pod finds in its file system.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_doc::{Node, parse_yaml};

use crate::cluster::RemoteError;

/// Where a Pod finds its account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// How a client proves who it is.
#[derive(Clone, Default)]
pub(crate) struct Access {
    /// The server's URL, without a slash at its end.
    pub(crate) server: String,
    /// The authority that its certificate is of, as PEM; the system's own are not asked.
    pub(crate) authority: Option<Vec<u8>>,
    /// Whether any certificate will do.
    pub(crate) insecure: bool,
    /// Certificate and key of the client, as PEM.
    pub(crate) certificate: Option<(Vec<u8>, Vec<u8>)>,
    /// A bearer token.
    pub(crate) token: Option<String>,
    /// A file that holds the token, and is renewed.
    pub(crate) token_file: Option<PathBuf>,
}

fn fail(path: &Path, fault: impl Into<String>) -> RemoteError {
    RemoteError::Kubeconfig {
        path: path.to_owned(),
        fault: fault.into(),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, RemoteError> {
    std::fs::read(path).map_err(|error| fail(path, error.to_string()))
}

/// The entry of a list by its name.
fn named<'a>(root: Node<'a>, list: &str, name: &str, key: &str) -> Option<Node<'a>> {
    let mut entries = root.get(list)?.items();
    entries
        .find(|entry| entry.str_at(&["name"]) == Some(name))
        .and_then(|entry| entry.get(key))
}

impl Access {
    /// Reads a kubeconfig's current context.
    pub(crate) fn kubeconfig(path: &Path) -> Result<Access, RemoteError> {
        let text = String::from_utf8(read(path)?).map_err(|_| fail(path, "it is not text"))?;
        let docs = parse_yaml(&text).map_err(|error| fail(path, error.to_string()))?;
        let root = docs.first().ok_or_else(|| fail(path, "it is empty"))?.root();
        let current = root.str_at(&["current-context"]).unwrap_or_default();
        let context = named(root, "contexts", current, "context");
        let context = context.ok_or_else(|| fail(path, format!("it has no context {current:?} (current-context)")))?;
        let part = |list: &str, name: &str, key: &str| {
            let wanted = context.str_at(&[key]).unwrap_or_default();
            named(root, list, wanted, name).ok_or_else(|| fail(path, format!("it has no {key} {wanted:?}")))
        };
        let (cluster, user) = (part("clusters", "cluster", "cluster")?, part("users", "user", "user")?);
        if user.get("exec").is_some() || user.get("auth-provider").is_some() {
            let why = "its user runs a program for credentials; give the webhook a service account's token or a client certificate";
            return Err(fail(path, why));
        }
        // Data in the file wins over files beside it, as in kubectl.
        let data = |node: Node<'_>, key: &str| -> Result<Option<Vec<u8>>, RemoteError> {
            if let Some(text) = node.str_at(&[&format!("{key}-data")]) {
                let bytes = STANDARD.decode(text.trim());
                return bytes
                    .map(Some)
                    .map_err(|_| fail(path, format!("{key}-data is no base64")));
            }
            let Some(file) = node.str_at(&[key]) else {
                return Ok(None);
            };
            read(&path.parent().unwrap_or(Path::new("")).join(file)).map(Some)
        };
        let server = cluster.str_at(&["server"]).unwrap_or_default().trim_end_matches('/');
        if server.is_empty() {
            return Err(fail(path, "its cluster has no server"));
        }
        let certificate = data(user, "client-certificate")?.zip(data(user, "client-key")?);
        Ok(Access {
            server: server.to_owned(),
            authority: data(cluster, "certificate-authority")?,
            insecure: cluster
                .get("insecure-skip-tls-verify")
                .and_then(Node::as_bool)
                .unwrap_or(false),
            certificate,
            token: user.str_at(&["token"]).map(str::to_owned),
            token_file: user.str_at(&["tokenFile"]).map(PathBuf::from),
        })
    }

    /// What a Pod finds in its file system.
    pub(crate) fn in_cluster() -> Result<Access, RemoteError> {
        let variable = |name: &str| {
            std::env::var(name).map_err(|_| {
                fail(
                    Path::new(ACCOUNT),
                    format!("{name} is not set: this is no Pod; give a --kubeconfig instead"),
                )
            })
        };
        let (host, port) = (
            variable("KUBERNETES_SERVICE_HOST")?,
            variable("KUBERNETES_SERVICE_PORT")?,
        );
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        Ok(Access {
            server: format!("https://{host}:{port}"),
            authority: Some(read(&Path::new(ACCOUNT).join("ca.crt"))?),
            token_file: Some(Path::new(ACCOUNT).join("token")),
            ..Access::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfigs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config");
        std::fs::write(folder.path().join("ca.crt"), "CA").unwrap();
        let config = |user: &str| {
            format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: b\nclusters:\n- name: x\n  cluster: {{server: 'https://h:1/', certificate-authority: ca.crt}}\ncontexts:\n- name: a\n  context: {{cluster: y, user: y}}\n- name: b\n  context: {{cluster: x, user: z}}\nusers:\n- name: z\n  user: {user}\n"
            )
        };
        for (user, want) in [
            ("{token: t}", Ok("t")),
            ("{client-certificate-data: Yw==, client-key-data: aw==}", Ok("")),
            ("{client-key-data: '!'}", Ok("")),
            ("{exec: {command: aws}}", Err("runs a program")),
            ("{client-certificate-data: '!'}", Err("no base64")),
        ] {
            std::fs::write(&path, config(user)).unwrap();
            match (Access::kubeconfig(&path), want) {
                (Ok(access), Ok(token)) => {
                    assert_eq!(access.server, "https://h:1");
                    assert_eq!(access.authority.as_deref(), Some(&b"CA"[..]));
                    assert_eq!(access.token.unwrap_or_default(), token);
                }
                (Err(error), Err(want)) => assert!(error.to_string().contains(want), "{error}"),
                (Err(error), Ok(_)) => assert_eq!(user, "{client-key-data: '!'}", "{error}"),
                (Ok(_), Err(want)) => panic!("{user} should say {want}"),
            }
        }
    }
}
