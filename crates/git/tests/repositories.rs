//! Repositories are created, committed to, read and searched through, and what is wrong is said with its remedy.

mod site;

use std::time::Instant;

use bytes::Bytes;
use ridgeway_git::{Author, EntryKind, GitError};
use site::Site;

fn ann() -> Author {
    Author::new("Ann\n<evil>", "ann@example.org")
}

fn file(text: &str) -> Option<Bytes> {
    Some(Bytes::copy_from_slice(text.as_bytes()))
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_committed_read_listed_and_removed() {
    let site = Site::start().await;
    let repos = &site.repositories;
    repos.create("shop").await.unwrap();
    assert!(matches!(repos.create("shop").await, Err(GitError::AlreadyExists(_))));
    assert!(matches!(
        repos.resolve("shop", "main").await,
        Err(GitError::RevisionNotFound { .. })
    ));
    let mut events = repos.subscribe();
    let changes = [
        ("a/b.yaml", file("b: 1\n")),
        ("a/with blank", file("x")),
        ("a-b", file("")),
        ("c", file("\u{0}\n")),
    ];
    let first = repos
        .commit_files("shop", "main", &ann(), "First\n\nBody", &changes)
        .await
        .unwrap();
    assert_eq!(events.recv().await.unwrap().new, Some(first));

    let snapshot = repos.snapshot("shop", first).await.unwrap();
    assert_eq!(snapshot.read("a/b.yaml").unwrap().unwrap(), "b: 1\n");
    assert_eq!(snapshot.read("./a/../c").unwrap().unwrap(), "\u{0}\n");
    for nothing in ["a", "", "x", "c/x", "../a", "a/b.yaml/x"] {
        assert_eq!(snapshot.read(nothing).unwrap(), None, "{nothing}");
    }
    let names = |dir: &str| {
        snapshot
            .list(dir)
            .unwrap()
            .map(|l| l.into_iter().map(|e| e.name).collect::<Vec<_>>())
    };
    assert_eq!(names("").unwrap(), ["a", "a-b", "c"]);
    assert_eq!(names("a/").unwrap(), ["b.yaml", "with blank"]);
    assert_eq!(names("c"), None);
    assert_eq!(snapshot.kind("a").unwrap(), Some(EntryKind::Directory));

    let again = repos
        .commit_files("shop", "main", &ann(), "Same", &changes)
        .await
        .unwrap();
    assert_eq!(again, first, "nothing to commit, nothing committed");
    let second = repos
        .commit_files("shop", "main", &ann(), "Second", &[("a", None), ("d/e", file("e"))])
        .await
        .unwrap();
    let after = repos.snapshot("shop", second).await.unwrap();
    assert_eq!(after.read("a/b.yaml").unwrap(), None);
    assert_eq!(after.tree_hash("a").unwrap(), None);
    assert!(snapshot.tree_hash("a").unwrap().is_some());
    assert_eq!(
        repos.changed_paths("shop", first, second).await.unwrap(),
        ["a/b.yaml", "a/with blank", "d/e"]
    );
    assert!(
        repos
            .patch("shop", first, second, 10_000)
            .await
            .unwrap()
            .contains("-b: 1")
    );

    let info = repos.commit_info("shop", second).await.unwrap();
    assert_eq!(
        (info.author.as_str(), info.subject(), info.time),
        ("Annevil", "Second", site::NOW_MS / 1000)
    );
    assert_eq!(info.parents, [first]);
    let log = repos.log("shop", "main", None, 10).await.unwrap();
    assert_eq!(log.iter().map(|c| c.subject()).collect::<Vec<_>>(), ["Second", "First"]);
    assert_eq!(repos.log("shop", "main", Some("c"), 10).await.unwrap().len(), 1);
    assert_eq!(repos.list().unwrap(), ["shop"]);
    repos.remove("shop").await.unwrap();
    assert!(!repos.exists("shop"));
}

#[tokio::test(flavor = "multi_thread")]
async fn revisions_are_branches_tags_and_commits_but_no_expressions() {
    let site = Site::start().await;
    let first = site.seeded("shop").await;
    let work = site.clone("alice", "shop", "work").await;
    site.git(&work, &["tag", "-a", "-m", "Release", "v1.0.0"])
        .await
        .unwrap();
    site.git(&work, &["push", "-q", "origin", "v1.0.0", "main:feature/x"])
        .await
        .unwrap();
    let repos = &site.repositories;
    let hex = first.to_string();
    for revision in [
        "main",
        "HEAD",
        "",
        "v1.0.0",
        "feature/x",
        "refs/heads/main",
        &hex,
        &hex[..8],
    ] {
        assert_eq!(repos.resolve("shop", revision).await.unwrap(), first, "{revision:?}");
    }
    assert_eq!(repos.tags("shop").await.unwrap(), [("v1.0.0".to_owned(), first)]);
    let error = repos.resolve("shop", "mian").await.unwrap_err().to_string();
    assert!(
        error.contains("\"mian\"") && error.contains("its branches: feature/x, main"),
        "{error}"
    );
    for bad in ["main~1", "main:app", "--all", "main\nHEAD"] {
        assert!(
            matches!(repos.resolve("shop", bad).await, Err(GitError::InvalidRevision { .. })),
            "{bad}"
        );
    }
    let error = repos.resolve("shpo", "main").await.unwrap_err().to_string();
    assert!(error.contains("repositories: shop"), "{error}");
    assert!(matches!(
        repos.resolve("../shop", "main").await,
        Err(GitError::InvalidName { .. })
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_followed_inside_the_repository_only() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let work = site.clone("alice", "shop", "work").await;
    for (target, link) in [
        ("app", "here"),
        ("../app/deploy.yaml", "app/self"),
        ("/etc/passwd", "abs"),
        ("../../x", "up"),
        ("loop", "loop"),
    ] {
        std::os::unix::fs::symlink(target, work.join(link)).unwrap();
    }
    let pushed = site.commit(&work, "x", "x").await;
    site.git(&work, &["push", "-q", "origin", "main"]).await.unwrap();
    let snapshot = site
        .repositories
        .snapshot("shop", pushed.parse().unwrap())
        .await
        .unwrap();
    assert_eq!(snapshot.read("here/deploy.yaml").unwrap().unwrap(), "replicas: 1\n");
    assert_eq!(snapshot.read("here/self").unwrap().unwrap(), "replicas: 1\n");
    for nowhere in ["abs", "up", "loop", "here/up"] {
        assert_eq!(snapshot.read(nowhere).unwrap(), None, "{nowhere}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_commits_all_arrive() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let commit = |n: usize| {
        let repos = site.repositories.clone();
        async move {
            let path = format!("f{n}");
            repos
                .commit_files("shop", "main", &ann(), "Concurrent", &[(&path, file("x"))])
                .await
                .unwrap()
        }
    };
    tokio::join!(commit(0), commit(1), commit(2));
    let head = site.repositories.resolve("shop", "main").await.unwrap();
    let snapshot = site.repositories.snapshot("shop", head).await.unwrap();
    for n in 0..3 {
        assert!(snapshot.read(&format!("f{n}")).unwrap().is_some(), "f{n}");
    }
    assert_eq!(site.repositories.log("shop", "main", None, 10).await.unwrap().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_are_refused_by_name_and_reading_is_quick() {
    let site = Site::with(|options| options.max_file_bytes = 1000).await;
    let repos = &site.repositories;
    repos.create("shop").await.unwrap();
    let big = "x".repeat(1001);
    let names: Vec<String> = (0..90).map(|n| format!("dir/{n}.yaml")).collect();
    let mut changes: Vec<(&str, Option<Bytes>)> = names.iter().map(|name| (name.as_str(), file(name))).collect();
    changes.push(("big", file(&big)));
    let head = repos
        .commit_files("shop", "main", &ann(), "Files", &changes)
        .await
        .unwrap();
    let snapshot = repos.snapshot("shop", head).await.unwrap();
    let error = snapshot.read("big").unwrap_err().to_string();
    assert!(error.contains("big") && error.contains("1001"), "{error}");
    let began = Instant::now();
    for name in &names {
        assert_eq!(snapshot.read(name).unwrap().unwrap(), *name);
    }
    // One process start costs milliseconds; ninety of them would show.
    assert!(began.elapsed().as_millis() < 500, "{:?}", began.elapsed());
}
