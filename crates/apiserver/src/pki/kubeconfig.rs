//! Writing kubeconfigs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_doc::Value;

use super::ClientCertificate;

/// How a kubeconfig's user proves who they are.
pub enum Credential {
    /// By a client certificate.
    Certificate(ClientCertificate),
    /// By a bearer token.
    Token(String),
}

/// The kubeconfig as YAML: one cluster, one user, one context, all named `ridgeway`.
pub(super) fn write(server: &str, ca_pem: &str, user: &str, credential: &Credential) -> String {
    const NAME: &str = "ridgeway";
    // Strings as JSON are YAML strings too, whatever characters are in them.
    let quote = |text: &str| Value::from(text).to_json();
    let ca = STANDARD.encode(ca_pem);
    let secret = match credential {
        Credential::Certificate(ClientCertificate { cert_pem, key_pem }) => format!(
            "    client-certificate-data: {}\n    client-key-data: {}\n",
            STANDARD.encode(cert_pem),
            STANDARD.encode(key_pem)
        ),
        Credential::Token(token) => format!("    token: {}\n", quote(token)),
    };
    let user = quote(user);
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {NAME}\nclusters:\n- name: {NAME}\n  cluster:\n    \
         server: {server}\n    certificate-authority-data: {ca}\ncontexts:\n- name: {NAME}\n  context:\n    \
         cluster: {NAME}\n    user: {user}\nusers:\n- name: {user}\n  user:\n{secret}",
        server = quote(server),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubeconfig_with_a_token() {
        let text = write(
            "https://127.0.0.1:6443",
            "CA",
            "alice",
            &Credential::Token("t\"o".into()),
        );
        let docs = ridgeway_doc::parse_yaml(&text).unwrap();
        let root = docs[0].root();
        let at = |list: &str, path: &[&str]| {
            root.get(list)
                .unwrap()
                .item(0)
                .unwrap()
                .str_at(path)
                .unwrap_or_default()
                .to_owned()
        };
        assert_eq!(at("clusters", &["cluster", "server"]), "https://127.0.0.1:6443");
        assert_eq!(at("clusters", &["cluster", "certificate-authority-data"]), "Q0E=");
        assert_eq!(at("users", &["user", "token"]), "t\"o");
        assert_eq!(at("contexts", &["context", "user"]), at("users", &["name"]));
    }
}
