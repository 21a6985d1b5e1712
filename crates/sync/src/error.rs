//! Why there is no plan.

/// What is wrong with an Application's options or objects.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// An annotation or option that cannot be read.
    #[error("{object}: {field}: {message}")]
    Option {
        /// `Kind/name`, or `Application`.
        object: String,
        /// Which annotation or field.
        field: String,
        /// What is wrong and what is expected.
        message: String,
    },
    /// An object without a kind or name.
    #[error("{0}")]
    Object(String),
}
