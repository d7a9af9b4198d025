//! A pooled HTTP client over hyper's connections, for HTTP/1.1 and HTTP/2.
//!
//! [`HttpClient`] is a [`tower::Service`] that sends requests with an absolute URI. It imports
//! nothing of a tenant; [`Upstream`](crate::Upstream) calls it with complete requests.
//!
//! ```
//! use std::time::Duration;
//! use omneo_id::client::HttpClient;
//!
//! let client = HttpClient::builder()
//!     .connect_timeout(Duration::from_secs(2))
//!     .pool_max_idle(16)
//!     .build()?;
//! assert_eq!(client.stats().idle, 0);
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```
//!
//! # Files
//!
//! Read them in this order; each imports only files below it.
//!
//! | file | role |
//! | --- | --- |
//! | `service` | `HttpClient` and `HttpClientBuilder`, and `ClientFuture` |
//! | `dispatch` | one request: checks out a connection, sends, retries where that is safe |
//! | `pool` | all origins: one `HostPool` each; opens connections |
//! | `host_pool` | one origin: its idle HTTP/1.1 connections and its `Http2Pool`; `reap_idle` |
//! | `http2_pool` | the HTTP/2 connections of an origin, and the requests that wait for a stream |
//! | `http2_entry` | `ConnectionEntry`: a connection in the `Http2Pool` |
//! | `http2_connection` | `Http2Connection`, one stream; `drive`, the task of a connection |
//! | `http2_io` | the transport of an HTTP/2 connection; reports a changed limit of streams |
//! | `http1_connection` | `Http1Connection`; the `SendFuture` of a request polls it |
//! | `http1_driver` | `finish_upload`, the task of an upload whose response has begun |
//! | `replay` | the copy of a request that can be sent again on a new connection |
//! | `body` | `ConnectionBody`: a response body that polls its HTTP/1.1 connection |
//! | `write_progress` | `ProgressIo`, the transport of HTTP/1.1, and its `WriteProgress` |
//! | `send_error` | an error with the request, if that can be sent again |
//! | `connect` | TCP and TLS, with the connect timeout |
//! | `tunnel`, `proxy` | the connection through a proxy; which origins use one |
//! | `error`, `limits`, `stats` | the public error; the limits of a pool; counters for gauges |
//! | `total_idle` | the idle connections of all origins, of which the oldest is closed above the limit |
//!
//! # States of an HTTP/1.1 connection
//!
//! No task drives it. Its state is the owner of the `Box<Http1Connection>`:
//!
//! | state | owner | polled by | next state |
//! | --- | --- | --- | --- |
//! | connecting | `Pool::connect` | the request | sending, or an error for the request |
//! | sending | `SendFuture` | the request | receiving; finishing the upload; closed on an error or a drop |
//! | receiving | `ConnectionBody` | the reader of the body | idle at the end of the body; closed on an error or a drop, and at the end of the body after the greatest age |
//! | finishing the upload | the task `finish_upload` | that task | closed; such a connection is not reused |
//! | idle | `HostPool` | only `is_usable`, at a checkout and every `REAP_INTERVAL` | sending; closed after the idle timeout, at the greatest age, above the limit of all origins, or when the server has closed it |
//!
//! A dropped `ConnectionBody` first reads the rest that has arrived already. If that is all of it,
//! the connection becomes idle instead of closed.
//!
//! # States of an HTTP/2 connection
//!
//! A task, `drive`, polls it until it is closed. The pool has its sender; each request has an
//! `Http2Connection`, which counts one stream.
//!
//! | state | meaning | next state |
//! | --- | --- | --- |
//! | connecting | a request has a `ConnectPermit` | open; or a retry by another request |
//! | open | the pool reserves streams on it, up to its stream limit | idle; retired at the greatest age |
//! | idle | open, with no stream in use | open; retired after the idle timeout, or above the limit of all origins |
//! | retired | no longer in the pool: after `GOAWAY`, an error, or no streams for the connect timeout | closed with its last stream |

mod body;
mod connect;
mod dispatch;
mod error;
mod host_pool;
mod http1_connection;
mod http1_driver;
mod http2_connection;
mod http2_entry;
mod http2_io;
mod http2_pool;
mod limits;
mod pool;
mod proxy;
mod replay;
mod send_error;
mod service;
mod stats;
mod total_idle;
mod tunnel;
mod write_progress;

pub use body::ConnectionBody;
pub use connect::{DefaultConnector, TcpConnector};
pub use error::ClientError;
pub(crate) use error::ConnectTimeout;
pub use proxy::Proxy;
pub use service::{ClientFuture, HttpClient, HttpClientBuilder};
pub use stats::ClientStats;
