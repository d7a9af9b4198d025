#![forbid(unsafe_code)]
//! Omneo ID

#[cfg(feature = "sandbox")]
pub mod sandbox;
