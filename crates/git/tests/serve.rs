//! A stock `git` clones, fetches and pushes over HTTP, and every accepted push is announced once, with who and what.

mod site;

use site::{NOW_MS, Site};

#[tokio::test(flavor = "multi_thread")]
async fn clone_push_fetch_and_the_event() {
    let site = Site::start().await;
    let seed = site.seeded("team/shop").await;
    let work = site.clone("alice", "team/shop", "work").await;
    assert_eq!(
        std::fs::read_to_string(work.join("app/deploy.yaml")).unwrap(),
        "replicas: 1\n"
    );
    let other = site.clone("bob", "team/shop", "other").await;

    let mut events = site.repositories.subscribe();
    let pushed = site.commit(&work, "app/deploy.yaml", "replicas: 2\n").await;
    site.git(&work, &["push", "-q", "origin", "main"]).await.unwrap();
    let event = events
        .try_recv()
        .expect("announced before the client hears that it succeeded");
    assert_eq!(
        (event.repo.as_str(), event.refname.as_str()),
        ("team/shop", "refs/heads/main")
    );
    assert_eq!((event.old, event.new), (Some(seed), Some(pushed.parse().unwrap())));
    assert_eq!((event.pusher.as_str(), event.time_ms), ("alice", NOW_MS));
    assert!(events.try_recv().is_err());

    site.git(&other, &["pull", "-q"]).await.unwrap();
    assert_eq!(site.git(&other, &["rev-parse", "HEAD"]).await.unwrap(), pushed);
    assert_eq!(
        site.repositories
            .resolve("team/shop", "main")
            .await
            .unwrap()
            .to_string(),
        pushed
    );
    let url = format!("{}/team/shop.git", site.url);
    assert_eq!(
        site.repositories.resolve(&url, "HEAD").await.unwrap().to_string(),
        pushed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn shallow_and_partial_clones_and_protocol_versions() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let work = site.clone("alice", "shop", "work").await;
    for n in 0..5 {
        site.commit(&work, "notes.txt", &format!("{n}\n")).await;
    }
    site.git(&work, &["push", "-q", "origin", "main"]).await.unwrap();
    let remote = site.remote("bob", "shop");
    for (directory, options) in [
        ("shallow", ["-c", "protocol.version=2", "--depth=2"]),
        ("old", ["-c", "protocol.version=0", "--depth=2"]),
        ("older", ["-c", "protocol.version=1", "--depth=2"]),
    ] {
        let [flag, version, depth] = options;
        site.git(
            site.scratch.path(),
            &[flag, version, "clone", "-q", depth, &remote, directory],
        )
        .await
        .unwrap();
        let count = site
            .git(&site.scratch.path().join(directory), &["rev-list", "--count", "HEAD"])
            .await
            .unwrap();
        assert_eq!(count, "2", "{version}");
    }
    let partial = ["clone", "-q", "--filter=blob:none", &remote, "partial"];
    site.git(site.scratch.path(), &partial).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(site.scratch.path().join("partial/notes.txt")).unwrap(),
        "4\n"
    );
    // A shallow clone can push, too.
    let shallow = site.scratch.path().join("shallow");
    site.git(
        &shallow,
        &["remote", "set-url", "origin", &site.remote("alice", "shop")],
    )
    .await
    .unwrap();
    let pushed = site.commit(&shallow, "more.txt", "x").await;
    site.git(&shallow, &["push", "-q", "origin", "main"]).await.unwrap();
    assert_eq!(
        site.repositories.resolve("shop", "main").await.unwrap().to_string(),
        pushed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn fetching_with_much_history_gzips_the_request() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let work = site.clone("alice", "shop", "work").await;
    // Many unrelated tips make the client send a long (and so gzipped) list of what it has.
    for n in 0..60 {
        site.git(&work, &["commit", "-q", "--allow-empty", "-m", &format!("{n}")])
            .await
            .unwrap();
        site.git(&work, &["tag", &format!("t{n}")]).await.unwrap();
    }
    let ahead = site.clone("alice", "shop", "ahead").await;
    let pushed = site.commit(&ahead, "x", "x").await;
    site.git(&ahead, &["push", "-q", "origin", "main"]).await.unwrap();
    let fetched = ["-c", "protocol.version=0", "fetch", "-q", "origin"];
    site.git(&work, &fetched).await.unwrap();
    assert_eq!(site.git(&work, &["rev-parse", "origin/main"]).await.unwrap(), pushed);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_pushes_are_streamed_and_limited() {
    let site = Site::with(|options| options.max_push_bytes = 3 << 20).await;
    site.seeded("shop").await;
    let work = site.clone("alice", "shop", "work").await;
    // Bytes that do not compress.
    let noise = |len: usize| {
        let mut state = 1_u64;
        let step = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        (0..len).map(step).collect::<Vec<u8>>()
    };
    std::fs::write(work.join("noise"), noise(2 << 20)).unwrap();
    let pushed = site.commit(&work, "x", "x").await;
    site.git(&work, &["push", "-q", "origin", "main"]).await.unwrap();
    assert_eq!(
        site.repositories.resolve("shop", "main").await.unwrap().to_string(),
        pushed
    );
    std::fs::write(work.join("noise"), noise(5 << 20)).unwrap();
    site.commit(&work, "x", "y").await;
    site.git(&work, &["push", "-q", "origin", "main"]).await.unwrap_err();
    assert_eq!(
        site.repositories.resolve("shop", "main").await.unwrap().to_string(),
        pushed
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_pushes_to_one_branch_let_exactly_one_win() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let mut works = Vec::new();
    for n in 0..4 {
        let work = site.clone("alice", "shop", &format!("w{n}")).await;
        site.commit(&work, &format!("f{n}"), "x").await;
        works.push(work);
    }
    let mut events = site.repositories.subscribe();
    let push = ["push", "-q", "origin", "main"];
    let (a, b, c, d) = tokio::join!(
        site.git(&works[0], &push),
        site.git(&works[1], &push),
        site.git(&works[2], &push),
        site.git(&works[3], &push),
    );
    assert_eq!([a, b, c, d].iter().filter(|outcome| outcome.is_ok()).count(), 1);
    let event = events.try_recv().unwrap();
    assert_eq!(
        Some(site.repositories.resolve("shop", "main").await.unwrap()),
        event.new
    );
    assert!(events.try_recv().is_err(), "refused pushes are not announced");
}

#[tokio::test(flavor = "multi_thread")]
async fn main_is_neither_rewritten_nor_deleted_but_other_branches_may_be() {
    let site = Site::start().await;
    let seed = site.seeded("shop").await;
    let work = site.clone("alice", "shop", "work").await;
    site.git(&work, &["commit", "-q", "--amend", "-m", "Rewritten"])
        .await
        .unwrap();
    let refused = site
        .git(&work, &["push", "-q", "--force", "origin", "main"])
        .await
        .unwrap_err();
    assert!(refused.contains("non-fast-forward"), "{refused}");
    let refused = site.git(&work, &["push", "-q", "origin", ":main"]).await.unwrap_err();
    assert!(refused.contains("deletion"), "{refused}");
    assert_eq!(site.repositories.resolve("shop", "main").await.unwrap(), seed);

    site.git(&work, &["push", "-q", "origin", "main:topic"]).await.unwrap();
    site.git(&work, &["commit", "-q", "--amend", "-m", "Again"])
        .await
        .unwrap();
    site.git(&work, &["push", "-q", "--force", "origin", "main:topic"])
        .await
        .unwrap();
    let mut events = site.repositories.subscribe();
    site.git(&work, &["push", "-q", "origin", ":topic"]).await.unwrap();
    let event = events.try_recv().unwrap();
    assert!(event.refname == "refs/heads/topic" && event.new.is_none() && event.old.is_some());
    let refused = site
        .git(&work, &["push", "-q", "origin", "main:refs/secret/x"])
        .await
        .unwrap_err();
    assert!(refused.contains("only branches and tags"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn access_is_asked_for_each_request() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let work = site.clone("bob", "shop", "work").await;
    site.commit(&work, "x", "x").await;
    let refused = site.git(&work, &["push", "-q", "origin", "main"]).await.unwrap_err();
    assert!(refused.contains("bob may not push to repository shop"), "{refused}");
    let nobody = format!("{}/shop.git", site.url);
    let refused = site
        .git(site.scratch.path(), &["ls-remote", &nobody])
        .await
        .unwrap_err();
    assert!(
        refused.contains("could not read Username"),
        "asked to log in: {refused}"
    );
    let stranger = site.remote("mallory", "shop");
    assert!(
        site.git(site.scratch.path(), &["ls-remote", &stranger])
            .await
            .unwrap_err()
            .contains("mallory may not")
    );
    let missing = site.remote("alice", "nothing");
    let refused = site
        .git(site.scratch.path(), &["ls-remote", &missing])
        .await
        .unwrap_err();
    assert!(refused.contains("there is no repository \"nothing\""), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_in_a_repository_do_not_run() {
    let site = Site::start().await;
    site.seeded("shop").await;
    let hooks = site.scratch.path().join("git/shop.git/hooks");
    let witness = site.scratch.path().join("ran");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in ["pre-receive", "update", "post-receive", "post-update"] {
        let path = hooks.join(hook);
        std::fs::write(&path, format!("#!/bin/sh\ntouch {}\n", witness.display())).unwrap();
        std::os::unix::fs::PermissionsExt::set_mode(&mut path.metadata().unwrap().permissions(), 0o755);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let work = site.clone("alice", "shop", "work").await;
    site.commit(&work, "x", "x").await;
    site.git(&work, &["push", "-q", "origin", "main"]).await.unwrap();
    assert!(!witness.exists());
}
