//! Shared support of the test binaries: set-up, scripted peers, scripted bodies and captured logs.
//!
//! A binary includes it with `#[path = "../support/mod.rs"] mod support;`. The support has no tests
//! of its own, because each binary would run them: `tests/it/support_checks.rs` tests it.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test binary uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub(crate) mod body;
pub(crate) mod client_io;
pub(crate) mod forbidden;
#[cfg(feature = "client")]
pub(crate) mod framing;
pub(crate) mod logs;
#[cfg(feature = "redis")]
pub(crate) mod redis_peer;
mod response;
pub(crate) mod scripted_body;
mod shop;
#[cfg(feature = "client")]
pub(crate) mod staged;
#[cfg(feature = "client")]
pub(crate) mod tenants;
#[cfg(feature = "tls")]
pub(crate) mod tls;
#[cfg(feature = "client")]
pub(crate) mod upstream;

pub(crate) use response::{CollectedResponse, bearer, collect_text};
pub(crate) use scripted_body as script;
pub(crate) use shop::{SECRET, Shop, TestClock};
