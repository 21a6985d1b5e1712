//! Credentials of repositories elsewhere, from Secrets as Argo CD reads them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ridgeway_cluster::Change;
use ridgeway_doc::{Doc, Node};
use ridgeway_git::{Credentials, GitError, Repositories};

/// Which Secrets hold them: for one repository, or for all whose URL starts so.
pub(crate) const SELECTOR: &str = "argocd.argoproj.io/secret-type in (repository, repo-creds)";

/// What went wrong with a repository, with where to put credentials when they are what is missing.
pub(crate) fn told(error: &GitError) -> String {
    match error {
        GitError::Unauthorized { .. } => format!(
            "{error}; put url, username and password into a Secret labelled argocd.argoproj.io/secret-type=repository"
        ),
        other => other.to_string(),
    }
}

/// Takes a Secret's change over.
pub(crate) fn take(repositories: &Repositories, change: &Change) {
    let read = |doc: &Option<Doc>| doc.as_ref().and_then(|doc| read(doc.root()));
    let (old, new) = (read(&change.old), read(&change.new));
    if let Some((url, ..)) = old
        && new.as_ref().is_none_or(|(other, ..)| *other != url)
    {
        repositories.set_credentials(&url, None);
    }
    if let Some((url, username, password)) = new {
        repositories.set_credentials(&url, Some(Credentials::new(&username, &password)));
    }
}

/// URL, user name and password of a Secret. A token without a user name goes with any.
fn read(secret: Node<'_>) -> Option<(String, String, String)> {
    let part = |key: &str| -> Option<String> {
        let packed = secret.str_at(&["data", key])?;
        String::from_utf8(STANDARD.decode(packed.trim()).ok()?)
            .ok()
            .map(|text| text.trim_end_matches('\n').to_owned())
    };
    let (url, password) = (part("url")?, part("password")?);
    Some((
        url,
        part("username")
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "git".into()),
        password,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_read_as_argo_does() {
        let secret = |data: &str| {
            let doc = ridgeway_doc::parse_yaml(&format!("{{data: {{{data}}}}}")).unwrap();
            read(doc[0].root())
        };
        let text = |text: &str| STANDARD.encode(text);
        let (url, name, word) = (text("https://git.example/x"), text("ann"), text("secret\n"));
        assert_eq!(
            secret(&format!("url: {url}, username: {name}, password: {word}")).unwrap(),
            ("https://git.example/x".into(), "ann".into(), "secret".into())
        );
        assert_eq!(secret(&format!("url: {url}, password: {word}")).unwrap().1, "git");
        assert!(secret(&format!("url: {url}")).is_none());
        assert!(secret("url: '%%%', password: x").is_none());
    }
}
