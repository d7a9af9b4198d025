//! The client over the network: hyper-util's, pooled, with its limits set. Nothing else in this
//! crate knows which one it is.

mod builder;
mod connect;
mod error;
mod service;

pub use builder::HttpClientBuilder;
pub use connect::DefaultConnector;
pub use error::ClientError;
pub(super) use error::ConnectTimeout;
pub use service::{ClientFuture, HttpClient};
