//! The client of a request, as the application knows it: its address, scheme and host.
//!
//! [`TrustedProxies`] derives a [`ClientInfo`] from the headers of proxies that the application
//! trusts; [`Upstream`](crate::Upstream) tells the tenant of it as
//! [`Forwarding`](crate::upstream::Forwarding) says.
//!
//! ```
//! use http::HeaderMap;
//! use omneo_id::client_info::TrustedProxies;
//!
//! let proxies = TrustedProxies::new(["10.0.0.0/8"])?;
//! let mut headers = HeaderMap::new();
//! headers.insert("x-forwarded-for", "203.0.113.7".parse().unwrap());
//! // The peer address of the accepted connection, and the headers of its request:
//! let client = proxies.client("10.0.0.1".parse().unwrap(), &headers);
//! # let _ = client;
//! # Ok::<(), omneo_id::error::ConfigError>(())
//! ```

mod client_info;
pub(crate) mod forwarded;
mod trusted_proxies;
mod via;

pub use client_info::ClientInfo;
pub use trusted_proxies::TrustedProxies;
pub(crate) use via::Pseudonym;
