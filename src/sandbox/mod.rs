//! An in-memory Omneo tenant, for demos, examples and tests.
//!
//! [`Sandbox`] is the admin API behind Omneo ID, not Omneo ID itself: a [`tower::Service`] that
//! responds as a tenant at `/api/v3`. It starts with the same twenty-eight profiles in every
//! run and keeps writes until it is dropped. Use it in place of an HTTP client, or serve it:
//! `cargo run --example sandbox`.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, StatusCode};
//! use http_body_util::{BodyExt, Empty};
//! use omneo_id::sandbox::Sandbox;
//! use tower::ServiceExt;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let sandbox = Sandbox::new();
//! let request = Request::get(format!("/api/v3/profiles/{}", Sandbox::ADA_ID))
//!     .header("authorization", format!("Bearer {}", sandbox.api_token()))
//!     .body(Empty::<Bytes>::new())?;
//!
//! let response = sandbox.clone().oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//! let body = response.into_body().collect().await?.to_bytes();
//! let profile: serde_json::Value = serde_json::from_slice(&body)?;
//! assert_eq!(profile["data"]["email"], Sandbox::ADA_EMAIL);
//!
//! // The requests that the tenant received:
//! assert_eq!(sandbox.requests().len(), 1);
//! # Ok::<(), tower::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # Faults
//!
//! A [`Fault`] makes the next matching request fail as the network or a tenant would, or sends it
//! with a given response:
//!
//! ```
//! use std::time::Duration;
//! use http::{Method, Response};
//! use omneo_id::sandbox::{Fault, Matching, Sandbox};
//!
//! let sandbox = Sandbox::builder().base_path("/v3").matching(Matching::Exact).build();
//! sandbox.inject(Fault::reset().times(2));
//! sandbox.inject(Fault::latency(Duration::from_secs(3)).on(Method::PUT, "/profiles/").until_cleared());
//! sandbox.inject(Fault::response(Response::builder().status(418).body("short and stout").unwrap()));
//! sandbox.clear_faults();
//! ```
//!
//! # Tokens
//!
//! [`TestTokens`] signs valid and invalid ID tokens, for tests of services behind a verifier. It
//! needs no tenant.
//!
//! # Fidelity
//!
//! It follows Omneo's published documents and clients, and was not compared with a live tenant.
//! Where these are ambiguous, it implements the variant that is the strictest test of a proxy:
//! paths are decoded and dot segments resolved, query names are parsed as PHP parses them,
//! `identity[handle]` turns the id in a path into an external identifier, a POST can name another
//! method, a query adds to the input of a write, malformed JSON is an empty input, list filters
//! find look-alikes (ids and identities are compared exactly), and every response has a cookie and
//! additional headers.
//!
//! The tokens are public: never put real data into a sandbox, and never serve one on a public
//! address.

mod body;
mod builder;
mod call;
mod capture;
mod clock;
mod comms;
mod encode;
mod fault;
mod find;
mod handlers;
mod in_flight;
mod inspect;
mod matching;
mod page;
mod phone;
mod php;
mod profile;
mod records;
mod resources;
mod response;
mod route;
mod seed;
mod seed_names;
mod service;
mod store;
mod tokens;
mod validate;
mod webhook;

pub use body::SandboxBody;
pub use builder::SandboxBuilder;
pub use capture::CapturedRequest;
pub use fault::{ConnectionReset, Fault};
pub use inspect::{Customer, Identity};
pub use matching::Matching;
pub use service::{Sandbox, SandboxFuture};
pub use tokens::TestTokens;
