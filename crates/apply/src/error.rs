//! Why a patch or an apply cannot be done.

use std::fmt;

/// Why a patch or an apply cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplyError {
    /// Fields that others own would change.
    #[error("{}", conflict_text(.0))]
    Conflicts(Vec<Conflict>),
    /// A JSON patch operation that is malformed or does not fit the document.
    #[error("operation {index} of the JSON patch: {message}")]
    JsonPatch {
        /// Which operation, from 0.
        index: usize,
        /// What is wrong with it and what it found.
        message: String,
    },
    /// A strategic merge patch whose directives are malformed or do not fit the object.
    #[error("strategic merge patch: {0}")]
    Strategic(String),
    /// An applied configuration that its schema cannot read.
    #[error("failed to create typed patch object ({object}): {path}: {message}")]
    Typed {
        /// The object: `namespace/name; group/version, Kind=…`.
        object: String,
        /// Where, as a path with list keys.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// An applied configuration that may not be applied.
    #[error("{0}")]
    Invalid(String),
}

/// One field that another manager owns and the apply would change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The field, such as `.spec.replicas` or `.spec.containers[name="web"].image`.
    pub path: String,
    /// The manager's name.
    pub manager: String,
    /// The manager's subresource, empty for the object itself.
    pub subresource: String,
    /// The API version it used; empty for managers that apply.
    pub api_version: String,
}

impl Conflict {
    /// `conflict with "kubectl" using apps/v1`.
    pub fn message(&self) -> String {
        format!("conflict with {}", Owner(self))
    }

    fn same_owner(&self, other: &Conflict) -> bool {
        (&self.manager, &self.subresource, &self.api_version)
            == (&other.manager, &other.subresource, &other.api_version)
    }
}

struct Owner<'a>(&'a Conflict);

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.manager)?;
        if !self.0.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.0.subresource)?;
        }
        if !self.0.api_version.is_empty() {
            write!(f, " using {}", self.0.api_version)?;
        }
        Ok(())
    }
}

/// One conflict on one line; several grouped by their owner. Conflicts come sorted by owner.
fn conflict_text(conflicts: &[Conflict]) -> String {
    if let [only] = conflicts {
        return format!("Apply failed with 1 conflict: {}: {}", only.message(), only.path);
    }
    let mut lines = Vec::new();
    for (i, conflict) in conflicts.iter().enumerate() {
        if i == 0 || !conflict.same_owner(&conflicts[i - 1]) {
            lines.push(format!("conflicts with {}:", Owner(conflict)));
        }
        lines.push(format!("- {}", conflict.path));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_clients_know() {
        let conflict = |path: &str, manager: &str, subresource: &str, api_version: &str| Conflict {
            path: path.into(),
            manager: manager.into(),
            subresource: subresource.into(),
            api_version: api_version.into(),
        };
        let one = vec![conflict(".spec.replicas", "kubectl", "", "apps/v1")];
        assert_eq!(
            ApplyError::Conflicts(one).to_string(),
            "Apply failed with 1 conflict: conflict with \"kubectl\" using apps/v1: .spec.replicas"
        );
        let several = vec![
            conflict(".spec.a", "x", "", ""),
            conflict(".spec.b", "x", "", ""),
            conflict(".spec.replicas", "y", "scale", "apps/v1"),
        ];
        assert_eq!(
            ApplyError::Conflicts(several).to_string(),
            "Apply failed with 3 conflicts: conflicts with \"x\":\n- .spec.a\n- .spec.b\n\
             conflicts with \"y\" with subresource \"scale\" using apps/v1:\n- .spec.replicas"
        );
    }
}
