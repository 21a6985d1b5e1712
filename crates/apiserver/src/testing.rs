//! What this crate's unit tests share.

use std::sync::Arc;

use jiff::Timestamp;
use ridgeway_cluster::Clock;
use ridgeway_doc::Value;

use crate::plane::ControlPlane;

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        now()
    }
}

pub(crate) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A plane in memory with its start-up objects.
pub(crate) async fn plane() -> ControlPlane {
    let plane = ControlPlane::in_memory(Arc::new(Still));
    crate::bootstrap(&plane).await.unwrap();
    plane
}

/// An object with nothing but a name.
pub(crate) fn object(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    let mut object = Value::object();
    object.set(&["apiVersion"], api_version);
    object.set(&["kind"], kind);
    object.set(&["metadata", "name"], name);
    if !namespace.is_empty() {
        object.set(&["metadata", "namespace"], namespace);
    }
    object
}

/// An object from YAML.
pub(crate) fn yaml(text: &str) -> Value {
    ridgeway_doc::parse_yaml(text).unwrap().remove(0).into()
}
