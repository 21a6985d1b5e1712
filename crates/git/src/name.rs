//! Names of repositories and revisions: what may be one.

use crate::error::GitError;

const MAX_NAME: usize = 128;

/// Checks a repository's name: path segments of letters, digits, `.`, `_` and `-`, none of them hidden or special.
pub fn check_name(name: &str) -> Result<(), GitError> {
    let bad = |why| {
        Err(GitError::InvalidName {
            name: name.chars().take(MAX_NAME).collect(),
            why,
        })
    };
    if name.is_empty() {
        return bad("it is empty");
    }
    if name.len() > MAX_NAME {
        return bad("it is longer than 128 characters");
    }
    for segment in name.split('/') {
        let first = segment.chars().next();
        if !first.is_some_and(|c| c.is_ascii_alphanumeric()) {
            return bad("each part of it starts with a letter or digit");
        }
        if !segment.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return bad("it is made of letters, digits, `.`, `_`, `-`, and `/` between parts");
        }
        if segment.ends_with(".git") || segment.ends_with(".lock") || segment.ends_with('.') || segment.contains("..") {
            return bad("no part of it may end in `.git`, `.lock` or `.`, or hold `..`");
        }
    }
    Ok(())
}

/// Checks a branch, tag or other reference name, after the rules of `git check-ref-format`, somewhat stricter.
pub(crate) fn check_revision(revision: &str) -> Result<(), GitError> {
    let bad = |why| {
        Err(GitError::InvalidRevision {
            revision: revision.chars().take(MAX_NAME).collect(),
            why,
        })
    };
    if revision.is_empty() {
        return bad("it is empty; name a branch, a tag or a commit");
    }
    if revision.len() > 255 {
        return bad("it is longer than 255 characters");
    }
    if revision.starts_with(['-', '/', '.']) || revision.ends_with(['/', '.']) {
        return bad("it may not start with `-`, `/`, `.` nor end with `/`, `.`");
    }
    if revision.contains("..") || revision.contains("//") || revision.contains("@{") || revision.contains("/.") {
        return bad("it may not hold `..`, `//`, `/.` or `@{`; name a branch, a tag or a commit");
    }
    if revision
        .chars()
        .any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
    {
        return bad("it may not hold blanks or any of ~^:?*[\\; name a branch, a tag or a commit");
    }
    Ok(())
}

/// A URL without the user information in it.
pub(crate) fn redact(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    match rest[..end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_directory() {
        for good in ["shop", "platform/shop", "a.b_c-d", "Team1/app.config"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in [
            "", "/etc", "..", "a/../b", "a/..", ".hidden", "a//b", "a/", "shop.git", "-x", "a b", "x.lock", "ä", "a\n",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        assert!(check_name(&"x".repeat(129)).is_err());
    }

    #[test]
    fn revisions_are_names_not_expressions() {
        for good in [
            "main",
            "HEAD",
            "feature/x",
            "v1.2.5-broken",
            "refs/heads/main",
            "0123456",
        ] {
            assert!(check_revision(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-x",
            "main~1",
            "main^{tree}",
            "main:file",
            "a..b",
            "a b",
            "a\nb",
            "@{-1}",
            ":/fix",
            "/x",
            "x/",
        ] {
            assert!(check_revision(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn passwords_do_not_reach_messages() {
        assert_eq!(redact("https://me:secret@host/x.git"), "https://host/x.git");
        assert_eq!(redact("https://host/x@y.git"), "https://host/x@y.git");
        assert_eq!(redact("git@host:x.git"), "git@host:x.git");
    }
}
