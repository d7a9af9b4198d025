//! A pooled HTTP client over hyper's connections, for HTTP/1.1 and HTTP/2.
//!
//! [`HttpClient`] is a [`tower::Service`] that sends requests with an absolute URI. It knows no
//! tenant: [`Upstream`](crate::Upstream) gives it requests that are complete.
//!
//! ```
//! use std::time::Duration;
//! use omneo_id::client::HttpClient;
//!
//! let client = HttpClient::builder()
//!     .with_connect_timeout(Duration::from_secs(2))
//!     .with_pool_max_idle(16)
//!     .build()?;
//! assert_eq!(client.stats().idle, 0);
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```
//!
//! | file | role |
//! | --- | --- |
//! | `service`, `builder` | the public client and its settings |
//! | `dispatch` | one request: choose a connection, send, send again where that is safe |
//! | `pool`, `host_pool` | the connections of all origins, and of one |
//! | `http1_connection` | an HTTP/1.1 connection, polled by the request that uses it |
//! | `replay` | the copy of a request that is sent again on a new connection |
//! | `http2_connection`, `http2_pool` | a stream of an HTTP/2 connection; the connections of an origin and their waiting requests |
//! | `http2_io` | the transport of an HTTP/2 connection; reports a changed limit of streams |
//! | `body` | a response body that polls its HTTP/1.1 connection |
//! | `write_progress` | write backpressure of a connection's socket |
//! | `connect` | TCP and TLS, with the connect timeout |
//! | `error`, `send_error` | the public error; an error with a request that can be sent again |
//! | `stats` | counters for gauges |

mod body;
mod builder;
mod connect;
mod dispatch;
mod error;
mod host_pool;
mod http1_connection;
mod http2_connection;
mod http2_io;
mod http2_pool;
mod pool;
mod replay;
mod send_error;
mod service;
mod stats;
mod write_progress;

pub use body::ConnectionBody;
pub use builder::HttpClientBuilder;
pub use connect::DefaultConnector;
pub use error::ClientError;
pub(crate) use error::ConnectTimeout;
pub use service::{ClientFuture, HttpClient};
pub use stats::ClientStats;
