//! Forwards requests to the tenant: header policies, credentials, deadlines.
//!
//! [`Upstream`] is the innermost service of every stack. Its requests have a path relative to the
//! tenant's API (`/profiles/{id}/balances`). It filters their headers, adds the tenant's API token,
//! and filters the response. It never returns an error: a failure becomes a
//! [`Rejection`](crate::Rejection) in the protocol of the request. Only requests with a decision
//! are sent: those of the me layer, and those with an
//! [`AllowForward`](crate::tenant::AllowForward) or a credential of their own.
//!
//! ```
//! use http::{Request, Response};
//! use omneo_id::tenant::AllowForward;
//! use omneo_id::upstream::RequestBody;
//! use omneo_id::{ApiToken, Body, Tenant, Upstream};
//! use tower::{ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! // Any service that sends requests can be the client. `HttpClient` sends them over the network.
//! let client = service_fn(|request: Request<RequestBody>| async move {
//!     assert_eq!(request.uri(), "https://api.acme.getomneo.com/api/v3/locations?page=2");
//!     assert_eq!(request.headers()["authorization"], "Bearer secret");
//!     Ok::<_, std::io::Error>(Response::new(Body::empty()))
//! });
//! let tenant = Tenant::new("https://api.acme.getomneo.com", ApiToken::new("secret")?)?;
//! let request = Request::get("/locations?page=2")
//!     .extension(AllowForward::new())
//!     .body(Body::empty())?;
//! let response = Upstream::new(client, tenant).oneshot(request).await?;
//! assert_eq!(response.status(), 200);
//! # Ok::<(), omneo_id::error::BoxError>(())
//! # }).unwrap();
//! ```
//!
//! # Over the network
//!
//! ```no_run
//! use std::time::Duration;
//! use omneo_id::client::HttpClient;
//! use omneo_id::{ApiToken, Tenant, Upstream};
//!
//! # fn main() -> Result<(), omneo_id::error::ConfigError> {
//! let tenant = Tenant::new("https://api.acme.getomneo.com", ApiToken::new("secret")?)?;
//! let client = HttpClient::builder()
//!     .connect_timeout(Duration::from_secs(2))
//!     .build()?;
//! client.check_scheme(tenant.scheme())?;
//! let upstream = Upstream::new(client, tenant).with_head_timeout(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
//!
//! # Request extensions
//! - [`MeRequest`](crate::path::MeRequest): the subject's profile;
//! - [`AllowForward`](crate::tenant::AllowForward): the decision that the request is forwarded;
//! - [`CallAs`](crate::tenant::CallAs): another credential for this one call;
//! - [`ClientInfo`](crate::client_info::ClientInfo): for the forwarding headers.
//!
//! Extensions are not passed to the client.
//!
//! # Forwarding headers
//! Forwarding headers of a client are removed and replaced by our own. An application behind its
//! own proxies derives a [`ClientInfo`](crate::client_info::ClientInfo) from their headers with
//! [`TrustedProxies`](crate::client_info::TrustedProxies); these values are then extended.
//! [`Forwarding`] selects the headers that are sent.
//!
//! | header | from a client | from a trusted proxy | by default |
//! | --- | --- | --- | --- |
//! | `X-Forwarded-For` | removed | extended; entries before the first untrusted address are removed | sent, with a `ClientInfo` |
//! | `X-Forwarded-Proto`, `-Host` | removed | copied, if sent once | sent, with a `ClientInfo` |
//! | `Forwarded` | removed | extended like `X-Forwarded-For`; removed if malformed | not sent |
//! | `Via` | removed | extended; removed if malformed or long | not sent |
//! | other `X-Forwarded-*`, `X-Real-IP` | removed | removed | never sent |
//!
//! Without a `ClientInfo` no address, scheme or host is sent.
//!
//! RFC 9110 §7.6.3 requires gateways to send `Via`. It is omitted by default, as in nginx, HAProxy
//! and Envoy: an nginx in front of the tenant does not compress responses to requests with a `Via`
//! (`gzip_proxied off` is its default). [`Forwarding::with_via`] sends it, with the version of the
//! client's request: `1.1 omneo-id`. The `Via` of a response is removed unless
//! [`ResponseHeaders`](crate::headers::ResponseHeaders) allows it, and none is added. Loops are not
//! detected.
//!
//! # Bodies
//! Bodies stream in both directions, with backpressure.
//!
//! - A request body has a `Content-Length` if its size hint is exact or the client declared a
//!   length, and is chunked otherwise. If its length differs from the declared one, it fails before
//!   its last frame (400).
//! - A response whose body fails before its first frame is replaced (502), if the error is ready
//!   together with the head.
//! - Trailers of a request are dropped. Trailers of a response are forwarded. If the client sends
//!   `TE: trailers`, the request to an HTTP/1.1 tenant does so too. A server over HTTP/1.1 writes
//!   the trailers that the tenant announces in `Trailer`.
//! - A response may arrive before its upload has ended.
//! - If either side disconnects, the other call is cancelled. A body that is seen to be truncated
//!   never looks complete.
//!
//! # Protocol upgrades
//! A tunnel would carry unchecked requests, so `CONNECT` is rejected with 405 and a WebSocket
//! handshake with 501. Every other `Upgrade` is ignored, as
//! [RFC 9110 §7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8) allows, and not forwarded:
//! clients such as the JDK's `HttpClient` offer h2c with each request over plain TCP, and accept an
//! ordinary HTTP/1.1 response.
//!
//! # Ranges
//! `Range` and `If-Range` are not forwarded unless
//! [`RequestHeaders`](crate::headers::RequestHeaders) allows them: the scan for an echoed API token
//! needs complete responses. A 206 to a request without `Range` is replaced by a 502.
//!
//! # Caveats
//! Deadlines need a tokio runtime with its timer enabled. Ambiguous paths and queries that override
//! the method are rejected here too, independent of the layers above.

mod call;
mod config;
mod content_length;
mod error;
mod forwarding;
mod request;
mod response;
mod secret;
pub(crate) mod service;

pub use crate::request_body::{CallBudget, CallBudgetStats, ClientBodyError, RequestBody};
pub use call::ResponseFuture;
pub use error::UpstreamError;
pub use forwarding::Forwarding;
pub(crate) use service::Upstream;
