//! From `git push` of a stock client to the applied object it is a matter of milliseconds.

#![allow(clippy::unwrap_used, reason = "what is missing fails the test")]

mod world;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use ridgeway_git::SmartHttp;
use world::{World, config_map};

fn git(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("git");
    command
        .current_dir(directory)
        .args(["-c", "user.name=Ann", "-c", "user.email=ann@example.org"])
        .args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_over_http_are_applied_at_once() {
    let world = World::start().await;
    let server = SmartHttp::new(world.repositories.clone(), Arc::new(|_: &str, _: &str, _: bool| true));
    let app = Router::new().fallback(move |request: Request| {
        let server = server.clone();
        async move { server.handle(Some("ann"), request).await }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/git/", listener.local_addr().unwrap());
    world.repositories.add_base_url(&url);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });

    let first = world.commit("shop", &[("deploy/a.yaml", &config_map("a", "v0"))]).await;
    // By URL, as people write it; it is known to be here.
    world.application("shop", &format!("{url}shop.git"), "deploy").await;
    world.deployed("shop", first).await;
    let work = world.scratch.path().join("work");
    let remote = format!("{url}shop.git");
    let clone = work.clone();
    let scratch = world.scratch.path().to_owned();
    tokio::task::spawn_blocking(move || git(&scratch, &["clone", "-q", &remote, clone.to_str().unwrap()]))
        .await
        .unwrap();
    let mut times = Vec::new();
    for n in 1..=20 {
        let value = format!("v{n}");
        std::fs::write(work.join("deploy/a.yaml"), config_map("a", &value)).unwrap();
        let directory = work.clone();
        let pushed = tokio::task::spawn_blocking(move || {
            git(&directory, &["commit", "-q", "-a", "-m", "Change"]);
            let began = Instant::now();
            git(&directory, &["push", "-q", "origin", "main"]);
            (began, Instant::now())
        });
        let (began, ended) = pushed.await.unwrap();
        world.config_until("shop", "a", &value).await;
        times.push((ended.elapsed(), began.elapsed()));
    }
    times.sort();
    println!("after the push: median {:?}, worst {:?}", times[10].0, times[19].0);
    println!(
        "with the push itself: {:?}",
        times.iter().map(|(_, whole)| *whole).max().unwrap()
    );
    assert!(times[19].0 < Duration::from_millis(300), "{times:?}");
}
