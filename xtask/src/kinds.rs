//! `cargo xtask kinds`: the kind table from published schemas.

/// Placeholder signature until the generator lands.
pub(crate) fn run(_args: &[String]) -> anyhow::Result<()> {
    anyhow::bail!("not here yet")
}
