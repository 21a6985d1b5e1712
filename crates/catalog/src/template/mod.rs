//! Golden paths: templates (scaffolder.backstage.io/v1beta3) and the plans they make.
//!
//! Supported actions: `fetch:template`, `fetch:plain`, `publish` (also under its peers' names `publish:github`,
//! `publish:gitlab`), `catalog:register`, `debug:log` and our own `ridgeway:application`.

mod action;
mod model;
mod parameter;
mod plan;
mod skeleton;

use std::fmt;

use ridgeway_doc::{Node, Position, Value};

use crate::reference::EntityRef;

pub use model::{Page, Step, Template};

/// Who runs a template.
#[derive(Clone, Debug)]
pub struct Requester {
    /// The user's entity.
    pub reference: EntityRef,
    /// The user's name as signed in.
    pub name: String,
}

/// A file beside a template: part of its skeleton.
#[derive(Clone, Debug)]
pub struct TemplateFile {
    /// The path relative to the template's own folder, such as `skeleton/README.md`.
    pub path: String,
    /// The bytes.
    pub content: Vec<u8>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// Everything that a run will do, as data.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The parameters with defaults filled in.
    pub parameters: Option<Value>,
    /// The files of the new repository, ordered by path.
    pub files: Vec<PlannedFile>,
    /// The repository to create, when a step publishes.
    pub repository: Option<PlannedRepository>,
    /// The objects to apply, in order.
    pub objects: Vec<Value>,
    /// The entities that the catalog will hold.
    pub entities: Vec<EntityRef>,
    /// The steps, in order.
    pub steps: Vec<PlannedStep>,
    /// Title and address of what the run ends with.
    pub links: Vec<(String, String)>,
    /// What will exist afterwards, one sentence each.
    pub outcomes: Vec<String>,
}

/// A file of a new repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedFile {
    /// The path in the repository.
    pub path: String,
    /// The bytes.
    pub content: Vec<u8>,
    /// Whether it may be executed.
    pub executable: bool,
}

/// A repository to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedRepository {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// Its default branch.
    pub default_branch: String,
    /// The message of the first commit.
    pub message: String,
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedStep {
    /// Its id.
    pub id: String,
    /// What to call it.
    pub name: String,
    /// The action.
    pub action: String,
    /// What it does.
    pub effect: Effect,
}

/// What a step does to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing outside the plan: it wrote these many files into it.
    Files(usize),
    /// Creates [`Plan::repository`] with [`Plan::files`].
    CreateRepository,
    /// Takes these entities into the catalog (their file is in the repository).
    Register(Vec<EntityRef>),
    /// Applies one of [`Plan::objects`].
    Apply(usize),
    /// Says something.
    Log(String),
    /// Nothing: its condition does not hold.
    Skipped,
}

/// A fault in a template, its files or its parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TemplateError {
    /// The file, relative to the template's folder; empty for parameters.
    pub file: String,
    /// The line from 1; 0 for a whole file and for parameters.
    pub line: u32,
    /// The column from 1; 0 when unknown.
    pub column: u32,
    /// The parameter as a JSON pointer, such as `/name`; empty when it is not about one.
    pub parameter: String,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.file.as_str(), self.line, self.column) {
            ("", _, _) => write!(f, "{}: {}", self.parameter.trim_start_matches('/'), self.message),
            (file, 0, _) => write!(f, "{file}: {}", self.message),
            (file, line, 0) => write!(f, "{file}:{line}: {}", self.message),
            (file, line, column) => write!(f, "{file}:{line}:{column}: {}", self.message),
        }
    }
}

impl TemplateError {
    fn at(file: &str, position: Option<Position>, message: impl Into<String>) -> TemplateError {
        TemplateError {
            file: file.to_owned(),
            line: position.map_or(0, |p| p.line),
            column: position.map_or(0, |p| p.column),
            parameter: String::new(),
            message: message.into(),
        }
    }

    fn node(file: &str, node: Node<'_>, message: impl Into<String>) -> TemplateError {
        TemplateError {
            column: 0,
            ..TemplateError::at(file, node.position(), message)
        }
    }

    fn parameter(pointer: String, message: impl Into<String>) -> TemplateError {
        TemplateError {
            file: String::new(),
            line: 0,
            column: 0,
            parameter: pointer,
            message: message.into(),
        }
    }
}
