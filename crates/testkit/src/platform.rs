//! A running platform in a folder of its own: started from the binary, read from what it prints.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long a platform may take until it is ready. Generous: test machines are shared.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// A platform process; stopped when dropped.
pub struct Platform {
    child: Child,
    /// Its data.
    pub data: PathBuf,
    /// Portal, API and Git, such as `http://127.0.0.1:7070`.
    pub portal: String,
    /// Where to find the admin kubeconfig.
    pub kubeconfig: PathBuf,
    /// The one-time password of `admin`; printed at the first start only.
    pub password: Option<String>,
    /// From process start to the line that says it is ready.
    pub ready_after: Duration,
}

/// How to start a platform.
pub struct Start<'a> {
    /// The `ridgeway` binary.
    pub binary: &'a Path,
    /// Its data directory.
    pub data: &'a Path,
    /// Where repositories lie; default within the data directory.
    pub git: Option<&'a Path>,
    /// Load the demo organisation.
    pub demo: bool,
}

impl Platform {
    /// Starts a platform on free ports and waits until it says that it is ready.
    pub fn start(options: &Start<'_>) -> Result<Platform> {
        let log = std::fs::File::create(options.data.with_extension("log"))?;
        let mut command = Command::new(options.binary);
        command
            .args([
                "up",
                "--listen",
                "127.0.0.1:0",
                "--kube-listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(options.data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        if let Some(git) = options.git {
            command.arg("--git-dir").arg(git);
        }
        if options.demo {
            command.arg("--demo");
        }
        let start = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("cannot start {}", options.binary.display()))?;
        let stdout = child.stdout.take().context("the platform has no standard output")?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut platform = Platform {
            child,
            data: options.data.to_path_buf(),
            portal: String::new(),
            kubeconfig: PathBuf::new(),
            password: None,
            ready_after: Duration::ZERO,
        };
        loop {
            let left = READY_WITHIN.saturating_sub(start.elapsed());
            let Ok(line) = lines.recv_timeout(left) else {
                let log = std::fs::read_to_string(options.data.with_extension("log")).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(12).collect();
                bail!(
                    "the platform was not ready; its log ends:\n{}",
                    tail.into_iter().rev().collect::<Vec<_>>().join("\n")
                );
            };
            // Lines are `label   value`, made for people and steady for machines.
            let mut words = line.split_whitespace();
            match (words.next(), words.next()) {
                (Some("portal"), Some(url)) => platform.portal = url.to_owned(),
                (Some("password"), Some(secret)) => platform.password = Some(secret.to_owned()),
                (Some("kubeconfig"), Some(path)) => platform.kubeconfig = PathBuf::from(path),
                (Some("ready"), _) => break,
                _ => {}
            }
        }
        platform.ready_after = start.elapsed();
        Ok(platform)
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM) and says how long that took.
    pub fn stop(mut self) -> Result<Duration> {
        let start = Instant::now();
        Command::new("kill").arg(self.child.id().to_string()).status()?;
        while start.elapsed() < Duration::from_secs(10) {
            if let Some(status) = self.child.try_wait()? {
                if !status.success() {
                    bail!("the platform ended with {status}");
                }
                return Ok(start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        bail!("the platform did not end within 10 s of SIGTERM")
    }
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
