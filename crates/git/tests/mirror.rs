//! A repository elsewhere is mirrored, its moves are announced, and when it vanishes the error says so and what to do.

mod site;

use ridgeway_git::GitError;
use site::Site;

#[tokio::test(flavor = "multi_thread")]
async fn mirrors_follow_and_survive_what_vanishes() {
    let site = Site::start().await;
    let upstream = site.scratch.path().join("upstream");
    let init = ["init", "-q", "-b", "trunk", upstream.to_str().unwrap()];
    site.git(site.scratch.path(), &init).await.unwrap();
    let first = site.commit(&upstream, "a", "1").await;
    let url = format!("file://{}", upstream.display());
    let repos = &site.repositories;
    assert_eq!(
        repos.resolve(&url, "HEAD").await.unwrap().to_string(),
        first,
        "fetched at first use, its own HEAD"
    );
    assert_eq!(
        repos.list().unwrap(),
        Vec::<String>::new(),
        "mirrors are not repositories of ours"
    );

    let mut events = repos.subscribe();
    assert!(!repos.refresh(&url).await.unwrap());
    let second = site.commit(&upstream, "a", "2").await;
    site.git(&upstream, &["branch", "topic"]).await.unwrap();
    assert_eq!(
        repos.resolve(&url, "trunk").await.unwrap().to_string(),
        first,
        "not before a fetch"
    );
    assert!(repos.refresh(&url).await.unwrap());
    let moved = [events.recv().await.unwrap(), events.recv().await.unwrap()];
    assert_eq!(
        moved.each_ref().map(|e| e.refname.as_str()),
        ["refs/heads/topic", "refs/heads/trunk"]
    );
    assert_eq!(
        (moved[1].repo.as_str(), moved[1].new.unwrap().to_string()),
        (url.as_str(), second.clone())
    );
    let head = repos.resolve(&url, "HEAD").await.unwrap();
    assert_eq!(
        repos.snapshot(&url, head).await.unwrap().read("a").unwrap().unwrap(),
        "2"
    );

    std::fs::rename(&upstream, site.scratch.path().join("moved")).unwrap();
    let error = repos.refresh(&url).await.unwrap_err();
    assert!(
        matches!(error, GitError::Vanished { seen_before: true, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("has vanished"), "{error}");
    assert_eq!(
        repos.resolve(&url, "trunk").await.unwrap().to_string(),
        second,
        "what was fetched can still be read"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_fetched_says_why() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let other = Site::with(|options| options.allow_local = false).await;
    let fetch = async |url: &str| other.repositories.resolve(url, "main").await.unwrap_err();

    let error = fetch(&site.remote("mallory", "shop")).await;
    assert!(matches!(error, GitError::Unauthorized { .. }), "{error:?}");
    assert!(!error.to_string().contains("mallory:x"), "{error}");
    let error = fetch(&site.remote("alice", "nothing")).await;
    assert!(
        matches!(error, GitError::Vanished { seen_before: false, .. }),
        "{error:?}"
    );
    let error = fetch("http://127.0.0.1:1/x.git").await;
    assert!(matches!(error, GitError::Unreachable { .. }), "{error:?}");
    assert!(error.is_transient());
    for refused in [
        "file:///etc",
        "ext::sh -c touch% /tmp/x://",
        "https://host/a b",
        "git://host/x",
    ] {
        assert!(matches!(fetch(refused).await, GitError::InvalidUrl { .. }), "{refused}");
    }

    let plain = format!("{}/shop.git", site.url);
    other
        .repositories
        .set_credentials(&site.url, Some(ridgeway_git::Credentials::new("bob", "x")));
    assert_eq!(
        other.repositories.resolve(&plain, "main").await.unwrap(),
        site.repositories.resolve("shop", "main").await.unwrap()
    );
}
