//! What people get wrong, and what breaks around the platform, through the real binary: each answer names the place and
//! the remedy, and nothing is lost.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod world;

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ridgeway_testkit::kube::As;
use ridgeway_testkit::portal::Portal;
use ridgeway_testkit::report::{Report, ensure, until};
use serde_json::json;
use world::{PATIENCE, Static, World, config_map, says};

#[test]
fn bad_input_is_answered_with_place_and_remedy() {
    let world = World::start(&["shop", "loop"]).unwrap();
    let mut report = Report::default();
    in_git(&world, &mut report);
    cycle(&world, &mut report);
    large(&world, &mut report);
    requests(&world, &mut report);
    vanishing(&world, &mut report);
    let (passed, failed) = report.counts();
    assert_eq!(failed, 0, "{passed} steps passed; the lines above say what failed");
}

fn in_git(world: &World, report: &mut Report) {
    report.step("a good source is deployed", || {
        world.push("shop", &[("app/settings.yaml", &config_map("settings", "one"))])?;
        world.application("shop", "shop", "app")?;
        world.synced("shop")?;
        world.value_of("settings", "one").map(|()| String::new())
    });
    report.step(
        "malformed YAML is named with file, line and column; nothing is taken away",
        || {
            world.push(
                "shop",
                &[
                    (
                        "app/settings.yaml",
                        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings\ndata:\n\tkey: two\n",
                    ),
                    ("app/more.yaml", &config_map("more", "two")),
                ],
            )?;
            let said = world.complains("shop", &["app/settings.yaml", "line"])?;
            world.value_of("settings", "one")?;
            ensure(world.kube.get("configmaps", "default", "more")?.is_none(), || {
                "the other half of the commit was applied".into()
            })?;
            Ok(said)
        },
    );
    report.step("an unknown kind is named with its file and what to install", || {
        let unknown = "apiVersion: shop.example.org/v1\nkind: Basket\nmetadata: {name: one}\n";
        world.push(
            "shop",
            &[
                ("app/settings.yaml", &config_map("settings", "one")),
                ("app/basket.yaml", unknown),
            ],
        )?;
        let said = world.complains("shop", &["app/basket.yaml:1", "Basket", "CustomResourceDefinition"])?;
        world.value_of("settings", "one")?;
        Ok(said)
    });
    report.step("a value of the wrong type is named with its field", || {
        let wrong = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: eighty}]}\n";
        world.push("shop", &[("app/basket.yaml", wrong)])?;
        world.complains("shop", &["app/basket.yaml", "port"])
    });
    report.step("the next good commit is deployed", || {
        world.push("shop", &[("app/basket.yaml", &config_map("basket", "three"))])?;
        world.synced("shop")?;
        world.value_of("basket", "three")?;
        world.value_of("more", "two").map(|()| String::new())
    });
}

fn cycle(world: &World, report: &mut Report) {
    report.step("kustomizations that include each other are both named", || {
        world.push(
            "loop",
            &[
                ("a/kustomization.yaml", "namePrefix: a-\nresources:\n- ../b\n"),
                ("b/kustomization.yaml", "resources:\n- ../a\n"),
            ],
        )?;
        world.application("loop", "loop", "a")?;
        world.complains(
            "loop",
            &["a/kustomization.yaml", "b/kustomization.yaml", "cycle", "remove"],
        )
    });
}

fn large(world: &World, report: &mut Report) {
    let text = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: large}}\ndata:\n  key: {}\n",
        "x".repeat(50 << 20)
    );
    report.step("a manifest of 50 MB in Git is refused with the limit", || {
        world.push("shop", &[("app/large.yaml", &text)])?;
        let said = world.complains("shop", &["app/large.yaml", "16 MiB", "split"])?;
        world.value_of("basket", "three")?;
        world.remove("shop", "app/large.yaml")?;
        world.synced("shop")?;
        Ok(said)
    });
    report.step(
        "a request of 50 MB is refused with 413, the limit and what to do",
        || {
            let before = world.memory()?;
            let (status, said) = world.post_slowly(text.as_bytes())?;
            ensure(status == 413, || format!("{status}: {said}"))?;
            let grown = world.memory()?.saturating_sub(before);
            ensure(grown < 40 << 20, || format!("the platform grew by {grown} bytes"))?;
            says(&said, &["too large", "3145728", "split"])
        },
    );
    report.step("kubectl shows that answer", || {
        let Err(error) = world.kube.apply(As::Admin, &text[..5 << 20]) else {
            bail!("it was let in");
        };
        let said = error.to_string();
        ensure(said.len() < 2_000, || format!("{} bytes of answer", said.len()))?;
        says(&said, &["large"])
    });
}

fn requests(world: &World, report: &mut Report) {
    report.step(
        "a golden path without a parameter names it and says what it takes",
        || {
            let portal = Portal::sign_in(&world.platform.portal, "admin", &world.password)?;
            let Err(error) = portal.post(
                "/templates/golden-service/runs",
                &json!({"parameters": {"owner": "team-a"}}),
            ) else {
                bail!("it ran");
            };
            says(&error.to_string(), &["422", "`name`", "missing", "set the parameter"])
        },
    );
    report.step("the command line says the same", || {
        let said = world.command(&["template", "run", "golden-service", "--set", "owner=team-a"])?;
        says(&said, &["/name", "missing", "set the parameter"])
    });
    report.step("malformed JSON and YAML in requests are told with their place", || {
        let path = "/api/v1/namespaces/default/configmaps";
        for (kind, body, wanted) in [
            ("application/json", "{\"apiVersion\": \"v1\",\n \"kind\": }", "line 2"),
            (
                "application/yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: [\n",
                "line",
            ),
        ] {
            let Err(error) = world.kube.request(As::Admin, "POST", path, Some((kind, body.into()))) else {
                bail!("{body} was let in");
            };
            says(&error.to_string(), &[wanted])?;
        }
        Ok(String::new())
    });
}

fn vanishing(world: &World, report: &mut Report) {
    let served = Static::serve(world.folder.path().join("elsewhere"));
    let url = format!("{}/team.git", served.url);
    report.step("a repository elsewhere is followed by its URL", || {
        served.commit("team.git", "settings.yaml", &config_map("elsewhere", "one"))?;
        world.application_of(&url, "elsewhere", ".")?;
        world.synced("elsewhere")?;
        world.value_of("elsewhere", "one").map(|()| String::new())
    });
    report.step("when it vanishes, the Application says so and keeps what runs", || {
        served.hide("team.git")?;
        world.refresh("elsewhere")?;
        let said = world.complains("elsewhere", &[&url, "has vanished", "check the URL"])?;
        world.kube.delete("configmaps", "default", "elsewhere")?;
        until(PATIENCE, || world.value_of("elsewhere", "one")).context("what is deployed is no longer looked after")?;
        Ok(said)
    });
    report.step(
        "when it is back, the newest commit is deployed and the complaint is gone",
        || {
            served.show("team.git")?;
            served.commit("team.git", "settings.yaml", &config_map("elsewhere", "two"))?;
            world.refresh("elsewhere")?;
            until(PATIENCE, || world.value_of("elsewhere", "two"))?;
            until(PATIENCE, || {
                let conditions = world.conditions("elsewhere")?;
                ensure(!conditions.contains("vanished"), || conditions.clone())
            })?;
            Ok(String::new())
        },
    );
    report.step("a server that is away is told from a repository that is gone", || {
        served.stop();
        world.refresh("elsewhere")?;
        let said = world.complains("elsewhere", &["cannot reach", &url, "check"])?;
        world.value_of("elsewhere", "two")?;
        Ok(said)
    });
}

#[test]
fn a_port_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (option, other) in [("--listen", "--kube-listen"), ("--kube-listen", "--listen")] {
        let said = world::refused_start(&folder.path().join("data"), &[option, &address, other, "127.0.0.1:0"]);
        for wanted in [option, &address, "in use", "choose another port"] {
            assert!(said.contains(wanted), "{wanted:?} is missing: {said}");
        }
    }
}

#[test]
fn a_second_instance_is_refused_and_the_first_goes_on() {
    let world = World::start(&[]).unwrap();
    let said = world::refused_start(
        &world.data(),
        &["--listen", "127.0.0.1:0", "--kube-listen", "127.0.0.1:0"],
    );
    for wanted in [
        &*world.data().canonicalize().unwrap().to_string_lossy(),
        &world.platform.pid().to_string(),
        "--data-dir",
    ] {
        assert!(said.contains(wanted), "{wanted:?} is missing: {said}");
    }
    world.create("after", "one").unwrap();
}

#[test]
fn a_full_disk_refuses_changes_and_loses_nothing() {
    let Some(disk) = world::SmallDisk::mount(48 << 20) else {
        println!("skipped: a small file system cannot be mounted here; run as root to test a full disk");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::start_in(folder, disk.path().join("data"), &[]).unwrap();
    let mut acknowledged = Vec::new();
    for n in 0..5 {
        world.create(&format!("before-{n}"), "one").unwrap();
        acknowledged.push(format!("before-{n}"));
    }
    disk.fill();
    // What is preallocated may still take a few.
    let mut refusal = None;
    for n in 0..2_000 {
        let name = format!("full-{n}");
        match world.create(&name, &"x".repeat(2_000)) {
            Ok(()) => acknowledged.push(name),
            Err(error) => {
                refusal = Some(format!("{error:#}"));
                break;
            }
        }
    }
    let refusal = refusal.expect("a full disk refuses changes");
    for wanted in ["no space left", &*world.data().to_string_lossy(), "free disk space"] {
        assert!(refusal.contains(wanted), "{wanted:?} is missing: {refusal}");
    }
    println!("refusal: {refusal}");
    for name in &acknowledged {
        assert!(
            world.kube.get("configmaps", "default", name).unwrap().is_some(),
            "{name} cannot be read"
        );
    }
    Portal::sign_in(&world.platform.portal, "admin", &world.password).unwrap();

    disk.free();
    until(Duration::from_secs(20), || world.create("freed", "one")).unwrap();
    acknowledged.push("freed".into());
    let all_there = |world: &World| -> Result<()> {
        for name in &acknowledged {
            let there = world.kube.get("configmaps", "default", name)?.is_some();
            ensure(there, || format!("{name} is lost"))?;
        }
        Ok(())
    };
    all_there(&world).unwrap();
    world.restart().unwrap();
    all_there(&world).unwrap();
    world.create("after", "one").unwrap();
    let said = world.command(&["audit", "verify"]).unwrap();
    assert!(said.contains("are as they were written"), "{said}");

    // A start on a full disk says so too, and is good again with room.
    disk.fill();
    let said = world.restart().err().map(|error| format!("{error:#}"));
    if let Some(said) = said {
        assert!(said.contains("space"), "{said}");
        println!("start refused: {}", said.lines().last().unwrap_or_default());
    }
    disk.free();
    world.restart().unwrap();
    all_there(&world).unwrap();
}
