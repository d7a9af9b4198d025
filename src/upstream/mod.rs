//! Forwards requests to the tenant: hygiene, credentials, transport.
//!
//! [`Upstream`] is the innermost service of every stack. It takes requests whose path is relative
//! to the tenant's API (`/profiles/{id}/balances`), lets through what is on a list, signs them with
//! the tenant's API token, and cleans the answer on its way back. It never fails: what goes wrong
//! is answered from the table of [`Rejection`](crate::Rejection)s, in the protocol of the request.
//! Requests that nobody decided on are not sent: it takes those of the me layer, and those that
//! carry a [`AllowForward`](crate::tenant::AllowForward) or a credential of their own.
//!
//! ```
//! use http::{Request, Response};
//! use omneo_id::tenant::AllowForward;
//! use omneo_id::upstream::RequestBody;
//! use omneo_id::{ApiToken, Body, Tenant, Upstream};
//! use tower::{ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! // Any service that sends requests is a client; `HttpClient` is one over the network.
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
//!     .with_connect_timeout(Duration::from_secs(2))
//!     .build()?;
//! client.check_scheme(tenant.scheme())?;
//! let upstream = Upstream::new(client, tenant).with_head_timeout(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
//!
//! # What it reads from a request's extensions
//! [`MeRequest`](crate::path::MeRequest) (whose profile it is),
//! [`AllowForward`](crate::tenant::AllowForward) (somebody decided that it may go up),
//! [`CallAs`](crate::tenant::CallAs) (another credential for this one call) and [`ClientInfo`] (for
//! the tenant's forwarding headers). All extensions stay here.
//!
//! # Forwarding headers
//! What a client writes into one of these is dropped; ours are written anew. A host behind proxies
//! of its own makes a [`ClientInfo`] of their headers with [`TrustedProxies`], and what they say is
//! then extended. Which are sent is for [`Forwarding`] to say.
//!
//! | header | from a client | from a trusted proxy | by default |
//! | --- | --- | --- | --- |
//! | `X-Forwarded-For` | dropped | extended; what stands before the first address that is not trusted is dropped | sent, with a `ClientInfo` |
//! | `X-Forwarded-Proto`, `-Host` | dropped | taken over, if said once | sent, with a `ClientInfo` |
//! | `Forwarded` | dropped | the same; dropped if it is malformed | not sent |
//! | `Via` | dropped | extended; dropped if it is malformed or long | not sent |
//! | other `X-Forwarded-*`, `X-Real-IP` | dropped | dropped | never sent |
//!
//! Without a `ClientInfo` no address, scheme or host is sent.
//!
//! RFC 9110 §7.6.3 asks gateways to send `Via`. It is left out by default, as nginx, HAProxy and
//! Envoy leave it out: an nginx in front of the tenant does not compress answers to requests that
//! carry one (`gzip_proxied off` is its default). [`Forwarding::with_via`] sends it, with the
//! version of the client's request: `1.1 omneo-id`. The `Via` of an answer is removed, unless
//! [`ResponseHeaders`] keeps it, and none is added. Loops are not detected.
//!
//! # Bodies
//! They stream both ways, as fast as they are read and no faster. A request body goes up with
//! `Content-Length` if its size hint is exact or its client declared a length, and chunked
//! otherwise; one that is not as long as declared fails before its last frame (400). An answer
//! whose body fails with its head, before the first frame, is replaced (502). Trailers of a request
//! stay here; those of an answer come down, and a tenant over HTTP/1.1 is asked for them (`TE:
//! trailers`) where the client says that it takes them. A host over HTTP/1.1 in turn passes on
//! those that the tenant announces in `Trailer`. An answer may come before its upload has ended.
//! Whoever goes away, and when, ends the call on the other side too, and nothing that is seen to be
//! cut short looks complete.
//!
//! # Changes of protocol
//! A tunnel would carry requests that are not checked, so `CONNECT` is answered 405 and a WebSocket
//! handshake 501, with nothing sent. Every other `Upgrade` is ignored, as
//! [RFC 9110 §7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8) allows, and not forwarded:
//! clients such as the JDK's `HttpClient` offer h2c with each request over plain TCP, and get an
//! ordinary answer over HTTP/1.1.
//!
//! # Ranges
//! `Range` and `If-Range` are not forwarded unless
//! [`RequestHeaders`](crate::headers::RequestHeaders) allows them: the search for an echoed API
//! token needs whole answers. A 206 that answers no `Range` is replaced by a 502.
//!
//! # Caveats
//! Deadlines need a tokio runtime with its timer enabled. A path that could be read in two ways is
//! refused here once more, and so is a query that overrides the method.

mod call;
mod config;
mod error;
mod forwarding;
mod request;
mod response;
mod service;

pub use crate::request_body::{ClientBodyError, RequestBody};
pub use call::ResponseFuture;
pub use error::UpstreamError;
pub use forwarding::Forwarding;
pub use service::Upstream;
