//! What runs containers: a small interface, and the simulation behind it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A container that is to run.
#[derive(Clone, Debug)]
pub struct Container<'a> {
    /// Namespace of its Pod.
    pub namespace: &'a str,
    /// Its Pod.
    pub pod: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its image.
    pub image: &'a str,
    /// Whether it is meant to end (jobs) instead of serving.
    pub finite: bool,
    /// The present, for log lines.
    pub now: &'a str,
    /// Which start this is, from 0.
    pub restart: u32,
}

/// What becomes of a container after it was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeEvent {
    /// It serves: its probes succeed after this time.
    Ready(Duration),
    /// It ends with this code after this time.
    Exit(i32, Duration),
}

/// How a container ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Termination {
    /// Its exit code.
    pub code: i32,
    /// Whether it was an init container.
    pub init: bool,
}

/// One line of a container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written (RFC 3339).
    pub time: String,
    /// The line without its newline.
    pub text: String,
}

/// Runs containers. Calls return at once; what happens later is in the answer.
pub trait Runtime: Send + Sync {
    /// Creates and starts a container.
    fn start(&self, container: &Container<'_>) -> RuntimeEvent;
    /// Stops a Pod's containers; says how long they take to end.
    fn stop(&self, namespace: &str, pod: &str) -> Duration;
    /// Forgets a Pod that is gone, with its logs.
    fn forget(&self, namespace: &str, pod: &str);
    /// The log of a container's latest run, or of the one before it, oldest line first. `None` when there was no such run.
    fn logs(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<Vec<LogLine>>;
}

/// What an image does, read from its tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Becomes ready and stays.
    Serve,
    /// Becomes ready after five seconds.
    Slow,
    /// Ends with code 1 again and again.
    Broken,
    /// Ends with this code.
    Exit(i32),
}

impl Behaviour {
    /// `…:v1-broken`, `…:slow`, `…:exit-3`; any other tag serves.
    pub fn of(image: &str) -> Behaviour {
        let name = image.rsplit('/').next().unwrap_or(image);
        let tag = name
            .split_once('@')
            .map_or(name, |(name, _)| name)
            .split_once(':')
            .map_or("", |(_, tag)| tag);
        if let Some((_, code)) = tag.rsplit_once("exit-")
            && let Ok(code) = code.parse()
        {
            return Behaviour::Exit(code);
        }
        if tag.contains("broken") {
            Behaviour::Broken
        } else if tag.contains("slow") {
            Behaviour::Slow
        } else {
            Behaviour::Serve
        }
    }
}

/// Namespace and name of a Pod.
type PodKey = (String, String);
/// A container's name, which run of it, and a line that it wrote.
type ContainerLine = (String, u32, LogLine);

/// The simulation: nothing runs, tags say what would happen.
#[derive(Default)]
pub struct SimulatedRuntime {
    logs: Mutex<HashMap<PodKey, Vec<ContainerLine>>>,
}

/// Lines kept of one Pod.
const KEPT_LINES: usize = 200;

impl SimulatedRuntime {
    fn log(&self, container: &Container<'_>, text: String) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = logs
            .entry((container.namespace.into(), container.pod.into()))
            .or_default();
        if lines.len() >= KEPT_LINES {
            lines.remove(0);
        }
        lines.push((
            container.name.into(),
            container.restart,
            LogLine {
                time: container.now.into(),
                text,
            },
        ));
    }
}

impl Runtime for SimulatedRuntime {
    fn start(&self, container: &Container<'_>) -> RuntimeEvent {
        let behaviour = Behaviour::of(container.image);
        self.log(
            container,
            format!("simulated start of {} (no container runs here)", container.image),
        );
        let event = match (behaviour, container.finite) {
            (Behaviour::Broken, _) => RuntimeEvent::Exit(1, Duration::ZERO),
            (Behaviour::Exit(code), _) => RuntimeEvent::Exit(code, Duration::from_millis(20)),
            (Behaviour::Slow, true) => RuntimeEvent::Exit(0, Duration::from_secs(5)),
            (Behaviour::Slow, false) => RuntimeEvent::Ready(Duration::from_secs(5)),
            (Behaviour::Serve, true) => RuntimeEvent::Exit(0, Duration::from_millis(50)),
            (Behaviour::Serve, false) => RuntimeEvent::Ready(Duration::from_millis(5)),
        };
        match event {
            RuntimeEvent::Ready(_) => self.log(container, "listening".into()),
            RuntimeEvent::Exit(0, _) => self.log(container, "done".into()),
            RuntimeEvent::Exit(code, _) => self.log(container, format!("fatal: the tag says so; exit code {code}")),
        }
        event
    }

    fn stop(&self, _namespace: &str, _pod: &str) -> Duration {
        Duration::from_millis(10)
    }

    fn forget(&self, namespace: &str, pod: &str) {
        let key = (namespace.to_owned(), pod.to_owned());
        self.logs.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
    }

    fn logs(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<Vec<LogLine>> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = logs.get(&(namespace.to_owned(), pod.to_owned()))?;
        let mut runs: Vec<u32> = lines
            .iter()
            .filter(|(name, ..)| name == container)
            .map(|(_, run, _)| *run)
            .collect();
        runs.dedup();
        let wanted = runs.iter().rev().nth(usize::from(previous));
        if previous && wanted.is_none() {
            return None;
        }
        let of_run = lines
            .iter()
            .filter(|(name, run, _)| name == container && Some(run) == wanted);
        Some(of_run.map(|(.., line)| line.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_carry_behaviour() {
        for (image, behaviour) in [
            ("registry.example.org:5000/checkout:v1.2.5-broken", Behaviour::Broken),
            ("checkout:slow", Behaviour::Slow),
            ("checkout:v1-exit-3", Behaviour::Exit(3)),
            ("broken/checkout:v1", Behaviour::Serve),
            ("registry.example.org:5000/checkout", Behaviour::Serve),
            ("checkout:v1@sha256:00", Behaviour::Serve),
        ] {
            assert_eq!(Behaviour::of(image), behaviour, "{image}");
        }
    }

    #[test]
    fn logs_are_told_by_run() {
        let runtime = SimulatedRuntime::default();
        let start = |restart: u32, now: &str| {
            runtime.start(&Container {
                namespace: "shop",
                pod: "web",
                name: "app",
                image: "web:broken",
                finite: false,
                now,
                restart,
            });
        };
        start(0, "first");
        assert!(runtime.logs("shop", "web", "app", true).is_none());
        start(1, "second");
        start(2, "third");
        let times = |previous| {
            let lines = runtime.logs("shop", "web", "app", previous).unwrap();
            let mut times: Vec<_> = lines.into_iter().map(|line| line.time).collect();
            times.dedup();
            times
        };
        assert_eq!(times(false), ["third"]);
        assert_eq!(times(true), ["second"]);
        assert!(runtime.logs("shop", "other", "app", false).is_none());
    }
}
