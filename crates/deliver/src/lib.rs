//! GitOps controllers: Application sync, health, self-heal, automatic rollback, promotion.
//!
//! Must not know: the store, HTTP, policy dialects.
