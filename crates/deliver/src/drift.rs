//! What was changed by hand, said so that its author recognises it.

use jiff::Timestamp;
use ridgeway_cluster::rfc3339;
use ridgeway_doc::Value;

use crate::compare::{Comparing, Resource};

/// How many changed fields are named.
const MAX_FIELDS: usize = 8;

/// How an object differs from what it should be.
pub(crate) struct Drift {
    object: String,
    what: &'static str,
    fields: Vec<String>,
    by: Vec<String>,
}

pub(crate) fn describe(resource: &Resource, comparing: &Comparing<'_>) -> Drift {
    let object = resource.place.reference().to_string();
    match (&resource.desired, &resource.live) {
        (Some(desired), Some(live)) => {
            let changes = comparing.diff_of(desired, live).changes;
            let mut by: Vec<String> = changes.iter().filter_map(|change| change.owner.clone()).collect();
            by.sort();
            by.dedup();
            let mut fields: Vec<String> = changes.into_iter().map(|change| change.path).collect();
            fields.truncate(MAX_FIELDS);
            Drift {
                object,
                what: "changed",
                fields,
                by,
            }
        }
        (Some(_), None) => Drift {
            object,
            what: "deleted",
            fields: Vec::new(),
            by: Vec::new(),
        },
        (None, _) => Drift {
            object,
            what: "added",
            fields: Vec::new(),
            by: Vec::new(),
        },
    }
}

impl Drift {
    pub(crate) fn sentence(&self) -> String {
        let fields = if self.fields.is_empty() {
            String::new()
        } else {
            format!(" ({})", self.fields.join(", "))
        };
        let by = if self.by.is_empty() {
            String::new()
        } else {
            format!(" by {}", self.by.join(", "))
        };
        format!(
            "{} was {}{by}{fields} and is put right: change it in Git instead",
            self.object, self.what
        )
    }

    pub(crate) fn to_value(&self, now: Timestamp) -> Value {
        let mut value = Value::object();
        value.set(&["at"], rfc3339(now));
        value.set(&["object"], &self.object);
        value.set(&["drift"], self.what);
        if !self.fields.is_empty() {
            value.set(&["fields"], self.fields.iter().collect::<Value>());
        }
        if !self.by.is_empty() {
            value.set(&["by"], self.by.iter().collect::<Value>());
        }
        value
    }
}
