//! `POST /auth/token`: a server exchanges its API token and an id for an ID token.

mod request;
pub(crate) mod service;

#[cfg(any(doc, feature = "client"))]
pub(crate) use service::TokenEndpoint;
