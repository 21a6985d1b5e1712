//! Scripted worlds: what the machine asks for, in which order.

use std::time::Duration;

use ridgeway_doc::parse_yaml;

use super::*;
use crate::plan::{PlanOptions, Target, plan};

/// A world in which applies are accepted unless named, and watched objects are healthy unless named.
#[derive(Default)]
struct World {
    refused: Vec<&'static str>,
    sick: Vec<&'static str>,
    log: Vec<String>,
    retries: Vec<Duration>,
    done: Option<(OperationPhase, String)>,
}

impl World {
    fn run(&mut self, targets: &[Target], options: &PlanOptions, retry: Retry) -> Operation {
        let make = || plan(targets, options).unwrap();
        let mut operation = Operation::new(make(), retry);
        let mut events = std::collections::VecDeque::from([Event::Start]);
        while let Some(event) = events.pop_front() {
            let (next, effects) = operation.step(event);
            operation = next;
            for effect in effects {
                let name = |task: TaskId| operation.plan().tasks[task].reference.name.clone();
                match effect {
                    Effect::Apply {
                        task, object, dry_run, ..
                    } => {
                        let refused = self.refused.iter().any(|r| *r == name(task));
                        self.log
                            .push(format!("{} {}", if dry_run { "try" } else { "apply" }, name(task)));
                        let outcome = if refused {
                            Err("refused by a policy".to_owned())
                        } else {
                            Ok(object)
                        };
                        events.push_back(Event::Applied { task, outcome });
                    }
                    Effect::Delete { task, .. } => {
                        self.log.push(format!("delete {}", name(task)));
                        events.push_back(Event::Deleted { task, outcome: Ok(()) });
                    }
                    Effect::Watch { task } => {
                        let task_ref = &operation.plan().tasks[task];
                        let gone = task_ref.desired.is_none()
                            || (task_ref.live.is_some()
                                && task_ref.hook.is_some()
                                && operation.states[task].standing == Standing::Clearing);
                        let sick = self.sick.iter().any(|s| *s == name(task));
                        let (phase, status) = if sick { ("Failed", "") } else { ("Complete", "") };
                        let live = parse_yaml(&format!(
                            "{{apiVersion: batch/v1, kind: Job, status: {{conditions: [{{type: {phase}, status: 'True', message: '{status}'}}]}}}}"
                        ))
                        .unwrap()
                        .remove(0);
                        self.log.push(format!("watch {}", name(task)));
                        events.push_back(Event::Observed {
                            task,
                            live: (!gone).then_some(live),
                        });
                    }
                    Effect::Retry { after, .. } => {
                        self.retries.push(after);
                        events.push_back(Event::Replanned(make()));
                    }
                    Effect::Done { phase, message } => self.done = Some((phase, message)),
                }
            }
        }
        operation
    }
}

const NO_RETRY: Retry = Retry {
    limit: 0,
    base: Duration::from_secs(5),
    factor: 2,
    max: Duration::from_secs(60),
};

fn target(name: &str, annotations: &str) -> Target {
    let yaml = format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: x, annotations: {{{annotations}}}}}}}"
    );
    Target {
        desired: Some(parse_yaml(&yaml).unwrap().remove(0)),
        live: None,
        modified: true,
    }
}

fn wave(name: &str, wave: i64) -> Target {
    target(name, &format!("argocd.argoproj.io/sync-wave: '{wave}'"))
}

fn hook(name: &str, kind: &str, policy: &str) -> Target {
    target(
        name,
        &format!("argocd.argoproj.io/hook: {kind}, argocd.argoproj.io/hook-delete-policy: {policy}"),
    )
}

#[test]
fn one_step_ends_when_everything_is_applied() {
    let mut world = World::default();
    let operation = world.run(&[target("a", ""), target("b", "")], &PlanOptions::default(), NO_RETRY);
    assert_eq!(world.log, ["try a", "try b", "apply a", "apply b"]);
    assert_eq!(world.done.unwrap().0, OperationPhase::Succeeded);
    let results: Vec<_> = operation
        .results()
        .iter()
        .map(|r| (r.status, r.message.clone()))
        .collect();
    assert_eq!(
        results,
        [
            ("Synced", "ConfigMap/a created".into()),
            ("Synced", "ConfigMap/b created".into())
        ]
    );
}

#[test]
fn a_refusal_ends_it_before_anything_is_applied() {
    let mut world = World {
        refused: vec!["b"],
        ..World::default()
    };
    let operation = world.run(&[target("a", ""), target("b", "")], &PlanOptions::default(), NO_RETRY);
    assert_eq!(world.log, ["try a", "try b"]);
    let (phase, message) = world.done.unwrap();
    assert_eq!(phase, OperationPhase::Failed);
    assert!(message.contains("ConfigMap/b: refused by a policy"), "{message}");
    assert!(
        operation
            .results()
            .iter()
            .any(|r| r.status == "SyncFailed" && r.reference.name == "b")
    );
}

#[test]
fn waves_wait_for_health() {
    let mut world = World::default();
    world.run(
        &[wave("second", 1), wave("first", 0)],
        &PlanOptions::default(),
        NO_RETRY,
    );
    assert_eq!(
        world.log,
        ["try first", "try second", "apply first", "watch first", "apply second"]
    );
    assert_eq!(world.done.unwrap().0, OperationPhase::Succeeded);
    let mut world = World {
        sick: vec!["first"],
        ..World::default()
    };
    world.run(
        &[wave("second", 1), wave("first", 0)],
        &PlanOptions::default(),
        NO_RETRY,
    );
    assert!(!world.log.contains(&"apply second".to_owned()), "{:?}", world.log);
    assert_eq!(world.done.unwrap().0, OperationPhase::Failed);
}

#[test]
fn hooks_run_around_and_are_cleared_by_their_policy() {
    let targets = [
        target("a", ""),
        hook("before", "PreSync", "HookSucceeded"),
        hook("after", "PostSync", "BeforeHookCreation"),
        hook("on-failure", "SyncFail", "HookFailed"),
    ];
    let mut world = World::default();
    world.run(&targets, &PlanOptions::default(), NO_RETRY);
    let log: Vec<_> = world.log.iter().filter(|line| !line.starts_with("try")).collect();
    assert_eq!(
        log,
        [
            "apply before",
            "watch before",
            "apply a",
            "watch a",
            "apply after",
            "watch after",
            "delete before"
        ]
    );
    let mut world = World {
        sick: vec!["before"],
        ..World::default()
    };
    world.run(&targets, &PlanOptions::default(), NO_RETRY);
    let log: Vec<_> = world.log.iter().filter(|line| !line.starts_with("try")).collect();
    assert_eq!(
        log,
        ["apply before", "watch before", "apply on-failure", "watch on-failure"]
    );
    assert_eq!(world.done.unwrap().0, OperationPhase::Failed);
}

#[test]
fn an_old_hook_goes_before_the_new_one_comes() {
    let mut again = hook("migrate", "PreSync", "BeforeHookCreation");
    again.live = again.desired.clone();
    let mut world = World::default();
    world.run(&[again], &PlanOptions::default(), NO_RETRY);
    assert_eq!(
        world.log,
        [
            "try migrate",
            "delete migrate",
            "watch migrate",
            "apply migrate",
            "watch migrate"
        ]
    );
}

#[test]
fn failures_are_tried_again_with_growing_pauses() {
    let mut world = World {
        refused: vec!["a"],
        ..World::default()
    };
    let retry = Retry {
        limit: 3,
        max: Duration::from_secs(15),
        ..NO_RETRY
    };
    let operation = world.run(&[target("a", "")], &PlanOptions::default(), retry);
    assert_eq!(world.retries, [5, 10, 15].map(Duration::from_secs));
    assert_eq!(operation.retry_count(), 3);
    assert!(world.done.unwrap().1.contains("retried 3 times"));
}

#[test]
fn prunes_are_told() {
    let mut gone = target("old", "");
    gone.live = gone.desired.take();
    let mut world = World::default();
    let operation = world.run(
        &[gone.clone()],
        &PlanOptions {
            prune: true,
            ..PlanOptions::default()
        },
        NO_RETRY,
    );
    assert_eq!(world.log, ["delete old"]);
    assert_eq!(operation.results()[0].status, "Pruned");
    let mut world = World::default();
    let operation = world.run(&[gone], &PlanOptions::default(), NO_RETRY);
    assert!(world.log.is_empty());
    assert_eq!(operation.results()[0].status, "PruneSkipped");
}

#[test]
fn a_dry_run_tries_and_ends() {
    let mut world = World::default();
    world.run(
        &[wave("a", 0), wave("b", 1)],
        &PlanOptions {
            dry_run: true,
            ..PlanOptions::default()
        },
        NO_RETRY,
    );
    assert_eq!(world.log, ["try a", "try b"]);
    assert_eq!(world.done.unwrap().0, OperationPhase::Succeeded);
}

#[test]
fn the_last_step_does_not_wait_but_hooks_do() {
    let mut world = World {
        sick: vec!["second"],
        ..World::default()
    };
    world.run(
        &[wave("second", 1), wave("first", 0)],
        &PlanOptions::default(),
        NO_RETRY,
    );
    assert_eq!(world.done.unwrap().0, OperationPhase::Succeeded);
    let mut world = World {
        sick: vec!["check"],
        ..World::default()
    };
    world.run(
        &[target("a", ""), hook("check", "PostSync", "HookFailed")],
        &PlanOptions::default(),
        NO_RETRY,
    );
    assert_eq!(world.log.last().unwrap(), "delete check");
    assert_eq!(world.done.unwrap().0, OperationPhase::Failed);
}

#[test]
fn the_reason_of_a_failure_outlives_its_hooks() {
    let targets = [
        hook("before", "PreSync", "HookSucceeded"),
        hook("tell", "SyncFail", "HookSucceeded"),
    ];
    let mut world = World {
        sick: vec!["before"],
        ..World::default()
    };
    world.run(&targets, &PlanOptions::default(), NO_RETRY);
    let message = world.done.unwrap().1;
    assert!(
        message.contains("one or more synchronization tasks completed unsuccessfully"),
        "{message}"
    );
}

#[test]
fn stopping_deletes_the_hooks_that_run() {
    let plan = plan(
        &[hook("job", "PreSync", "HookSucceeded"), target("a", "")],
        &PlanOptions::default(),
    )
    .unwrap();
    let job = plan.tasks[0].desired.clone().unwrap();
    let (operation, _) = Operation::new(plan, NO_RETRY).step(Event::Start);
    let (operation, _) = operation.step(Event::Applied {
        task: 0,
        outcome: Ok(job.clone()),
    });
    let (operation, _) = operation.step(Event::Applied {
        task: 1,
        outcome: Ok(job.clone()),
    });
    let (operation, _) = operation.step(Event::Applied {
        task: 0,
        outcome: Ok(job),
    });
    assert_eq!(operation.message(), "waiting for completion of hook /ConfigMap/job");
    let (operation, effects) = operation.step(Event::Terminate);
    assert!(matches!(
        effects[..],
        [
            Effect::Delete { task: 0, .. },
            Effect::Done {
                phase: OperationPhase::Failed,
                ..
            }
        ]
    ));
    assert_eq!(operation.results()[0].message, "Deleted");
}

#[test]
fn retries_are_read_from_the_application() {
    let doc = parse_yaml("{limit: 4, backoff: {duration: 10s, factor: 3, maxDuration: 1m}}").unwrap();
    let retry = Retry::from_node(Some(doc[0].root()));
    assert_eq!(
        (1..5).map(|n| retry.after(n).as_secs()).collect::<Vec<_>>(),
        [10, 30, 60, 60]
    );
    assert_eq!(Retry::from_node(None).limit, 0);
}
