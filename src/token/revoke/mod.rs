//! `POST /auth/revoke`: a server ends ID tokens before they expire.

mod request;
mod service;

pub use service::RevokeEndpoint;
