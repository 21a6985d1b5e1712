//! Store and ledger failures as Kubernetes statuses.

use ridgeway_cluster::{Reason, Status};
use ridgeway_store::StoreError;

/// 500 with a sentence.
pub(crate) fn internal(message: impl Into<String>) -> Status {
    Status::new(Reason::InternalError, message)
}

/// 400 with a sentence.
pub(crate) fn bad_request(message: impl Into<String>) -> Status {
    Status::new(Reason::BadRequest, message)
}

/// 501: known to Kubernetes, not to this control plane.
pub(crate) fn not_implemented(what: &str) -> Status {
    Status::new(
        Reason::NotImplemented,
        format!("{what} is not implemented by the embedded control plane"),
    )
}

/// What a failed store call means to a client. What is the store's own failure is logged.
pub(crate) fn store(error: StoreError) -> Status {
    let status = of_store(&error);
    if status.reason == Reason::ServiceUnavailable {
        tracing::error!(%error, "the store failed");
    }
    status
}

/// The same without a word to the log.
pub(crate) fn of_store(error: &StoreError) -> Status {
    match error {
        StoreError::Compacted { requested, oldest } => Status::new(
            Reason::Expired,
            format!("The resourceVersion for the provided list is too old: {requested} (oldest kept: {oldest})"),
        ),
        StoreError::Future { requested, current } => {
            let mut status = Status::new(
                Reason::Timeout,
                format!("Too large resource version: {requested}, current: {current}"),
            );
            status.causes.push(ridgeway_cluster::Cause {
                reason: "ResourceVersionTooLarge".into(),
                message: "Too large resource version".into(),
                field: String::new(),
            });
            status.retry_after = Some(1);
            status
        }
        other => Status::new(
            Reason::ServiceUnavailable,
            format!("the change was not stored: {other}"),
        ),
    }
}
