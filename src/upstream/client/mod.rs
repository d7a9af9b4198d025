//! The client over the network: hyper's connections, kept for the next request, with limits on
//! everything. Nothing else in this crate knows which client it is.
//!
//! A request is an `Errand`: it looks for a `Way` on the `Shelf` of its origin, one of many in the `Pool`.
//! There stand `Line`s, connections of HTTP/1.1 that wait for their next request. A `Line` moves while its
//! request's future is polled, then while its answer's body is, and goes back to its `Shelf`. Its `Outlet`
//! tells whether the tenant takes what is sent. A `Replay` is the copy of a request that is sent again if
//! the tenant closes an idle `Line` at that moment.
//!
//! The `Http2Pool` of a `Shelf` holds the HTTP/2 connections to the origin. It reserves a stream for each
//! request, as an `Http2Connection`, and opens a further connection when all streams are in use. A
//! spawned task drives each connection; its `Http2Io` reports when the limit of streams may have changed.

mod builder;
mod connect;
mod errand;
mod error;
mod failed;
mod http2_connection;
mod http2_io;
mod http2_pool;
mod line;
mod outlet;
mod pool;
mod replay;
mod service;
mod shelf;
mod stats;

pub use builder::HttpClientBuilder;
pub use connect::DefaultConnector;
pub use error::ClientError;
pub(super) use error::ConnectTimeout;
use service::Answer;
pub use service::{ClientFuture, HttpClient};
pub use stats::ClientStats;
