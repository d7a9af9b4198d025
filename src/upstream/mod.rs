//! Forwards requests to the tenant: hygiene, credentials, transport.
//!
//! [`Upstream`] is the innermost service of every stack. It takes requests whose path is relative to
//! the tenant's API (`/profiles/{id}/balances`), lets through what is on a list, signs them with the
//! tenant's API token, and cleans the answer on its way back. It never fails: what goes wrong is
//! answered from the table of [`Rejection`](crate::Rejection)s, in the dialect of the request.
//! Requests that nobody decided on are not sent: it takes those of the me layer, and those that
//! carry a [`Permit`](crate::tenant::Permit) or a credential of their own.
//!
//! ```
//! use http::{Request, Response};
//! use omneo_id::tenant::Permit;
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
//!     .extension(Permit::new())
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
//! use omneo_id::upstream::HttpClient;
//! use omneo_id::{ApiToken, Tenant, Upstream};
//!
//! # fn main() -> Result<(), omneo_id::error::ConfigError> {
//! let tenant = Tenant::new("https://api.acme.getomneo.com", ApiToken::new("secret")?)?;
//! let client = HttpClient::builder()
//!     .with_connect_timeout(Duration::from_secs(2))
//!     .build()?;
//! client.check_tenant(&tenant)?;
//! let upstream = Upstream::new(client, tenant).with_head_timeout(Duration::from_secs(10));
//! # Ok(())
//! # }
//! ```
//!
//! # What it reads from a request's extensions
//! [`MeRequest`](crate::path::MeRequest) (whose profile it is), [`Permit`](crate::tenant::Permit)
//! (somebody decided that it may go up), [`CallAs`](crate::tenant::CallAs) (another credential for
//! this one call) and [`ClientInfo`] (for the tenant's forwarding headers). All extensions stay here.
//!
//! # Forwarding headers
//! What a client writes into one of these is dropped; ours are written anew. A host behind proxies of
//! its own makes a [`ClientInfo`] of their headers with [`TrustedProxies`], and what they say is then
//! extended. Which are sent is for [`Forwarding`] to say.
//!
//! | header | from a client | from a trusted proxy | by default |
//! | --- | --- | --- | --- |
//! | `X-Forwarded-For` | dropped | extended; what stands before the first address that is not trusted is dropped | sent, with a `ClientInfo` |
//! | `X-Forwarded-Proto`, `-Host` | dropped | taken over, if said once | sent, with a `ClientInfo` |
//! | `Forwarded` | dropped | the same; dropped if it is malformed | not sent |
//! | `Via` | dropped | extended; dropped if it is malformed or long | sent, `1.1 omneo-id` |
//! | other `X-Forwarded-*`, `X-Real-IP` | dropped | dropped | never sent |
//!
//! The version in `Via` is that of the client's request. What is not known is not said: without a
//! `ClientInfo` there is `Via` alone. The tenant's own `Via` stays here, unless [`ResponseHeaders`]
//! keeps it, and answers are given none. Loops are not looked for: two installations in a row, under
//! one name, are none.
//!
//! # Bodies
//! They stream both ways, as fast as they are read and no faster. A request body goes up with
//! `Content-Length` if its size hint is exact or its client declared a length, and chunked otherwise;
//! one that is not as long as declared fails before its last frame (400). An answer whose body fails
//! with its head, before the first frame, is replaced (502). Trailers of a request stay here;
//! those of an answer come down, and a tenant over HTTP/1.1 is asked for them (`TE: trailers`) where
//! the client says that it takes them. A host over HTTP/1.1 in turn passes on those that the tenant
//! announces in `Trailer`. An answer may come before its upload has ended. Whoever goes away, and
//! when, ends the call on the other side too, and nothing that is seen to be cut short looks complete.
//!
//! # Changes of protocol
//! A tunnel through here would carry requests that nobody has looked at, so `CONNECT` is answered 405
//! and `Upgrade` 501, with nothing sent. HTTP lets a server ignore an `Upgrade` and answer as usual.
//! That is not done: a client that asks has announced other bytes to follow, and whatever stands
//! between us may believe it. It concerns clients that try h2c on plain TCP of their own accord
//! (`curl --http2 http://…`, Java's `HttpClient`): tell them HTTP/1.1, or HTTP/2 with prior
//! knowledge. Over TLS nobody does.
//!
//! # Caveats
//! Deadlines need a tokio runtime with its timer enabled. A path that could be read in two ways is
//! refused here once more, and so is a query that overrides the method.

mod cause;
mod client;
mod client_info;
mod config;
mod deadline;
mod error;
mod exchange;
mod forwarded;
mod forwarding;
mod framing;
mod future;
mod in_flight;
mod length;
mod location;
#[cfg(feature = "tracing")]
mod log;
mod request;
mod request_body;
mod response;
mod response_headers;
mod service;
mod target;
mod trusted_proxies;
mod upload;
mod via;

pub use client::{
    ClientError, ClientFuture, ClientStats, DefaultConnector, HttpClient, HttpClientBuilder,
};
pub use client_info::ClientInfo;
pub use error::UpstreamError;
pub use forwarding::Forwarding;
pub use future::ResponseFuture;
pub use request_body::{ClientBodyError, RequestBody};
pub use response_headers::ResponseHeaders;
pub use service::Upstream;
pub use trusted_proxies::TrustedProxies;
