//! The software catalog and golden-path templates.
//!
//! Must not know: the store, policy dialects, how repositories are served.
//!
//! Two pure halves. [`Catalog`] reads the `catalog-info.yaml` files of all repositories: it judges each entity, names
//! file, line and field of what is wrong, and joins the good ones by relations in both directions. [`Template`] is a
//! golden path: [`Template::plan`] turns parameters and skeleton files into a [`Plan`] (files, a repository, objects,
//! entities) without touching anything; whoever holds Git and a cluster carries it out, and a preview shows it.

mod entity;
mod expression;
mod field;
mod index;
mod kind;
mod reference;
mod template;
mod validate;

pub use entity::{Entity, Link, Origin};
pub use index::{Catalog, Problem, SourceFile};
pub use kind::Relation;
pub use reference::{EntityRef, ReferenceError};
pub use template::{
    Effect, Page, Plan, PlannedFile, PlannedRepository, PlannedStep, Requester, Step, Template, TemplateError,
    TemplateFile,
};
