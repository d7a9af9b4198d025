//! Pages to read: nothing here is code.

#[doc = include_str!("docs/security.md")]
pub mod security {}

#[doc = include_str!("docs/operations.md")]
pub mod operations {}

#[doc = include_str!("docs/deployment.md")]
pub mod deployment {}

#[doc = include_str!("docs/observability.md")]
pub mod observability {}

#[doc = include_str!("docs/architecture.md")]
pub mod architecture {}
