//! The client over the network: hyper's connections, kept for the next request, with limits on
//! everything. Nothing else in this crate knows which client it is.

mod builder;
mod connect;
mod errand;
mod error;
mod failed;
mod line;
mod outlet;
mod pool;
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
