//! Bearer tokens: [`TokenVerifier`] verifies them, [`JwtAuthLayer`] rejects requests without one.
//!
//! Use the layer in front of any service that needs the request's subject. The layer inserts the
//! token's content into the request's extensions as a
//! [`VerifiedToken`](crate::identity::VerifiedToken) and removes the credential from the request.
//! Every rejection is a 401 that does not reveal its cause:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Request, Response};
//! use omneo_id::{JwtAuthLayer, Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
//! let layer = JwtAuthLayer::new(TokenVerifier::new(ring.clone()));
//! let service = layer.layer(service_fn(async |request: Request<String>| {
//!     let subject = Subject::from_extensions(request.extensions()).unwrap();
//!     Ok::<_, Infallible>(Response::new(subject.as_pid().to_owned()))
//! }));
//!
//! let response = service.clone().oneshot(Request::new(String::new())).await?;
//! assert_eq!(response.status(), 401);
//!
//! let token = TokenIssuer::new(ring).issue(&Subject::Profile("3f0c2f6e".parse()?))?;
//! let request = Request::get("/").header("authorization", format!("Bearer {}", token.token()));
//! let response = service.oneshot(request.body(String::new())?).await?;
//! assert_eq!(response.into_body().into_inner().unwrap(), "3f0c2f6e");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! The verifier configures which claims a token needs besides its signature. The layer configures
//! how requests without a valid token are treated:
//!
//! ```
//! use std::time::Duration;
//!
//! use omneo_id::auth::AuthMode;
//! use omneo_id::{JwtAuthLayer, Keyring, TokenVerifier};
//!
//! # fn example(ring: Keyring) -> Result<(), omneo_id::error::ConfigError> {
//! let verifier = TokenVerifier::new(ring)
//!     .with_issuer("https://login.acme.example")?
//!     .with_audience("storefront")?
//!     .with_leeway(Duration::from_secs(10))?;
//! let layer = JwtAuthLayer::new(verifier)
//!     .with_realm("storefront")?
//!     .with_mode(AuthMode::Optional);
//! # Ok(())
//! # }
//! ```
//!
//! - Put a CORS layer *outside* of this one: rejections need CORS headers too, and preflights carry
//!   no token. [`JwtAuthLayer::pass_preflights`] is for inner services that respond to preflights.
//! - With the feature `axum`, handlers take a [`VerifiedToken`](crate::identity::VerifiedToken), a
//!   [`Subject`](crate::Subject) or a [`ProfileId`](crate::ProfileId) as an argument, and `Option`s
//!   of them behind [`AuthMode::Optional`]. A request without a subject is rejected with 401. An
//!   anonymous token has no `ProfileId`: 404. Behind [`JwtAuthLayer::gate_only`] these extractors
//!   find no subject.
//! - gRPC requests are rejected in gRPC; the request's `content-type` decides.
//! - A cached token costs no signature check, and allocates only for the request's extensions;
//!   [`JwtAuthLayer::gate_only`] avoids that allocation too.
//! - To reject tokens before they expire, see [`Revocations`](crate::Revocations) and
//!   [`TokenVerifier::with_filter`](crate::TokenVerifier::with_filter).
//! - To replace keys while requests run, see [`Keyring`](crate::Keyring).
//!
//! # Files
//!
//! | file | role |
//! | --- | --- |
//! | `layer`, `service` | `JwtAuthLayer` and `JwtAuth` |
//! | `authenticate` | the decision on a request: forward or reject; the layer's configuration |
//! | `mode`, `outcome` | `AuthMode`; the `AuthOutcome` of a forwarded request |
//! | `failure` | the `AuthFailure` behind a rejection |
//! | `source` | finds the token in a header, cookie or query |
//! | `verify` | `TokenVerifier`: cache, signature, claims, revocations, filter |
//! | `header`, `claims` | parse and check the two JSON parts of a token |
//! | `cache` | the verified tokens |
//! | `filter` | `TokenFilter`, a check of the application |
//! | `error` | why a token is invalid |
//! | `extract` | the extractors for axum |

mod authenticate;
mod cache;
mod claims;
mod error;
#[cfg(feature = "axum")]
mod extract;
mod failure;
mod filter;
mod header;
pub(crate) mod layer;
mod mode;
mod outcome;
mod service;
mod source;
pub(crate) mod verify;

pub use cache::CacheStats;
pub use error::{VerifyError, VerifyErrorKind};
pub use failure::AuthFailure;
pub use filter::TokenFilter;
#[cfg(any(doc, feature = "client"))]
pub(crate) use layer::JwtAuthLayer;
pub use mode::AuthMode;
pub use outcome::AuthOutcome;
pub use service::JwtAuth;
pub(crate) use verify::TokenVerifier;
