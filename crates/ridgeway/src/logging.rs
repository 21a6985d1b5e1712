//! Structured logs to standard error.

use anyhow::{Context, Result};
use ridgeway_cli::up::LogFormat;
use tracing_subscriber::EnvFilter;

/// Starts logging.
pub(crate) fn start(format: LogFormat, filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter)
        .with_context(|| format!("--log {filter:?} is no filter; write `info` or `info,ridgeway_deliver=debug`"))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Where logs go to a full disk, a line is lost; telling that on the same stream would end the task that logs.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
