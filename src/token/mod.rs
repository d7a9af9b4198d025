//! ID tokens: [`TokenIssuer`] signs them, [`TokenEndpoint`] issues them over HTTP,
//! [`RefreshEndpoint`] replaces one by a newer one, [`RevokeEndpoint`] and [`SignOut`] end them.
//!
//! Use the issuer alone in an application that authenticates its users itself. The issuer can add
//! claims of the application: see [`TokenIssuer::issue_with`].
//!
//! ```
//! use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier};
//!
//! # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
//! let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
//! let ada = Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse()?);
//! let token = TokenIssuer::new(ring.clone()).issue(&ada)?;
//! assert_eq!(TokenVerifier::new(ring).verify(token.token())?.subject(), &ada);
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The endpoint is `POST /auth/token` of the Omneo ID service: a server sends its API token and a
//! profile's id, or an identity, or neither. The response is a token for that profile, or an
//! anonymous one. The inner service is the tenant, called with paths relative to the API's base
//! path:
//!
//! ```
//! use std::convert::Infallible;
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::BodyExt;
//! use omneo_id::{Body, Keyring, SigningKey, TokenEndpoint, TokenIssuer};
//! use omneo_id::tenant::CallAs;
//! use tower::{ServiceExt, service_fn};
//!
//! # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
//! let tenant = service_fn(async |request: Request<Body>| {
//!     assert_eq!(request.uri(), "/profiles/search-id");
//!     // The call uses the caller's own API token, which the tenant checks.
//!     assert!(request.extensions().get::<CallAs>().is_some());
//!     let body = Body::from(Bytes::from(r#"{"data":{"id":"3f0c2f6e"}}"#));
//!     Ok::<_, Infallible>(Response::new(body))
//! });
//! let endpoint = TokenEndpoint::new(tenant, TokenIssuer::new(ring));
//!
//! let request = Request::post("/auth/token")
//!     .header("authorization", "Bearer the-callers-api-token")
//!     .body(Body::from(Bytes::from(r#"{"id":"c-1042","id_handle":"shopify"}"#)))?;
//! let response = endpoint.oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! assert!(response.into_body().collect().await?.to_bytes().starts_with(br#"{"data":{"token":""#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```
//!
//! # Files
//!
//! | file | role |
//! | --- | --- |
//! | `issue`, `extra_claims`, `issue_error` | `TokenIssuer`; the claims of an application; errors |
//! | `mint`, `revoke` | `TokenEndpoint` and `RevokeEndpoint`, for servers with an API token |
//! | `refresh`, `sign_out` | `RefreshEndpoint` and `SignOut`, for clients with an ID token |
//! | `jwks` | `JwksEndpoint`, the public keys |
//! | `server_request`, `api_token` | reads a request of a server; checks its API token |
//! | `lookup` | the call of the tenant that finds the subject |
//! | `field` | an id or a handle in a request body |
//! | `response`, `revoke_error`, `events` | responses, rejections and log events |

mod api_token;
mod events;
mod extra_claims;
mod field;
pub(crate) mod issue;
mod issue_error;
mod jwks;
mod lookup;
pub(crate) mod mint;
mod refresh;
mod response;
mod revoke;
mod revoke_error;
mod server_request;
mod sign_out;

pub use issue::IssuedToken;
pub(crate) use issue::TokenIssuer;
pub use issue_error::{IssueError, IssueErrorKind};
pub use jwks::JwksEndpoint;
#[cfg(any(doc, feature = "client"))]
pub(crate) use mint::TokenEndpoint;
pub use refresh::{Refresh, RefreshEndpoint};
pub use revoke::RevokeEndpoint;
pub use sign_out::SignOut;
