//! Levels and versions, and the namespace labels that set them.

use std::fmt;

/// How strict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Everything goes.
    #[default]
    Privileged,
    /// Known ways to break out are closed.
    Baseline,
    /// Current hardening practice.
    Restricted,
}

/// A level as of a version of Kubernetes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Standard {
    /// The level.
    pub level: Level,
    /// The minor version of Kubernetes 1; `None` is the latest.
    pub version: Option<u32>,
}

/// Why a label names no standard.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StandardError {
    /// Not a level.
    #[error("{0:?} is no Pod Security level; use privileged, baseline or restricted")]
    Level(String),
    /// Not a version.
    #[error("{0:?} is no Pod Security version; use latest or v1.x")]
    Version(String),
}

impl Standard {
    /// Reads a level and a version; an empty version is the latest.
    pub fn parse(level: &str, version: &str) -> Result<Standard, StandardError> {
        let level = match level {
            "privileged" => Level::Privileged,
            "baseline" => Level::Baseline,
            "restricted" => Level::Restricted,
            other => return Err(StandardError::Level(other.into())),
        };
        let version = match version {
            "" | "latest" => None,
            other => {
                let minor = other.strip_prefix("v1.").and_then(|minor| minor.parse().ok());
                Some(minor.ok_or_else(|| StandardError::Version(other.into()))?)
            }
        };
        Ok(Standard { level, version })
    }

    /// The minor version to judge by.
    pub(super) fn minor(self) -> u32 {
        self.version.unwrap_or(u32::MAX)
    }
}

/// `restricted:latest`, `baseline:v1.30`.
impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        })?;
        match self.version {
            None => f.write_str(":latest"),
            Some(minor) => write!(f, ":v1.{minor}"),
        }
    }
}
