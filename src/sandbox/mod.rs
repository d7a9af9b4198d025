//! An in-memory Omneo tenant, for trying things out, for examples and for tests.
//!
//! [`Sandbox`] is the admin API that Omneo ID stands in front of, not Omneo ID itself: a [`tower::Service`] that
//! answers as a tenant does at `/api/v3`, starts with the same twenty-eight people in every run, and keeps what is
//! written to it until it is dropped. Use it in place of an HTTP client, or serve it: `cargo run --example sandbox`.
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
//! // What the tenant was asked:
//! assert_eq!(sandbox.requests().len(), 1);
//! # Ok::<(), tower::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # When things go wrong
//!
//! A [`Fault`] lets the next matching request fail in the way that the network or a tenant would, or gives it an
//! answer word for word:
//!
//! ```
//! use std::time::Duration;
//! use http::{Method, Response};
//! use omneo_id::sandbox::{Fault, Matching, Sandbox};
//!
//! let sandbox = Sandbox::builder().base_path("/v3").matching(Matching::Exact).build();
//! sandbox.inject(Fault::reset().times(2));
//! sandbox.inject(Fault::latency(Duration::from_secs(3)).on(Method::PUT, "/profiles/").forever());
//! sandbox.inject(Fault::answer(Response::builder().status(418).body("short and stout").unwrap()));
//! sandbox.clear_faults();
//! ```
//!
//! # Tokens
//!
//! [`TestTokens`] needs no tenant: it signs good and bad ID tokens, for tests of what stands behind a verifier.
//!
//! # How much of a tenant it is
//!
//! It is written from Omneo's published documents and clients, not measured on a live tenant. Where these leave room, it
//! takes the reading that is hardest on whoever stands in front: paths are decoded and dot segments resolved, names in
//! a query are read as PHP reads them, `identity[handle]` makes the id in a path somebody's external identifier, a
//! POST can name another method, a query adds to the input of a write, malformed JSON is an empty input, list filters
//! find look-alikes (ids and identities are compared exactly), and every answer has a cookie and headers of its own.
//!
//! The tokens are printed in these pages: never put real data in a sandbox, nor a sandbox on a public
//! address.

mod answer;
mod body;
mod builder;
mod call;
mod capture;
mod clock;
mod comms;
mod encode;
mod fault;
mod find;
mod flight;
mod handlers;
mod inspect;
mod known;
mod matching;
mod page;
mod phone;
mod php;
mod profile;
mod resources;
mod route;
mod seed;
mod service;
mod store;
mod tokens;
mod validate;

pub use body::SandboxBody;
pub use builder::SandboxBuilder;
pub use capture::CapturedRequest;
pub use fault::{ConnectionReset, Fault};
pub use inspect::{Customer, Identity};
pub use matching::Matching;
pub use service::{Sandbox, SandboxFuture};
pub use tokens::TestTokens;
