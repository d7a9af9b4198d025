//! The crate through its public API, a file for each subject.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod access;
mod attacks;
mod auth;
mod axum;
mod body;
mod bounds;
mod docs;
mod facade;
mod grpc;
mod invariants;
mod issuer;
mod keys;
mod laravel;
mod me;
mod naive;
mod query;
#[cfg(feature = "client")]
mod read_timeout;
mod report;
mod revocation;
mod routes;
mod sessions;
mod structure;
#[path = "../support/mod.rs"]
mod support;
mod support_checks;
mod tenants;
mod test_tokens;
mod token;
mod upsert;
#[cfg(feature = "client")]
mod upstream;
mod vectors;
mod webhook;
