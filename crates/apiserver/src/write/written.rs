//! What a change came to.

use bytes::Bytes;
use ridgeway_cluster::Status;
use ridgeway_doc::Doc;
use ridgeway_store::Revision;

use crate::{codec, fault};

/// A change that went through.
#[derive(Debug)]
pub(crate) struct Written {
    object: Object,
    /// Whether it is new.
    pub(crate) created: bool,
    /// Whether it is gone from the store.
    pub(crate) removed: bool,
    /// Warnings for the client.
    pub(crate) warnings: Vec<String>,
}

/// The object afterwards; parsed only when somebody wants more than its bytes.
#[derive(Debug)]
enum Object {
    Stored(Bytes, Revision),
    Parsed(Doc),
}

impl Written {
    /// A change that stored nothing new.
    pub(crate) fn of(object: Doc, warnings: Vec<String>) -> Written {
        Written {
            object: Object::Parsed(object),
            created: false,
            removed: false,
            warnings,
        }
    }

    /// A change that was just stored.
    pub(crate) fn stored(bytes: Bytes, revision: Revision, created: bool, warnings: Vec<String>) -> Written {
        Written {
            object: Object::Stored(bytes, revision),
            created,
            removed: false,
            warnings,
        }
    }

    /// The object afterwards, with its resource version; of a removed object its last state.
    pub(crate) fn doc(&self) -> Result<Doc, Status> {
        match &self.object {
            Object::Parsed(doc) => Ok(doc.clone()),
            Object::Stored(bytes, revision) => Doc::parse_json(&codec::render(bytes, *revision))
                .map_err(|e| fault::internal(format!("the object just stored cannot be read: {e}"))),
        }
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> Vec<u8> {
        match &self.object {
            Object::Stored(bytes, revision) => codec::render(bytes, *revision),
            Object::Parsed(doc) => {
                let mut json = Vec::with_capacity(1024);
                doc.root().write_json(&mut json);
                json
            }
        }
    }
}
