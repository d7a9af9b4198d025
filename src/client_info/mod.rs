//! The client of a request: its address, and the scheme and host of its request.
//!
//! [`TrustedProxies`] derives a [`ClientInfo`] from the headers of proxies that the application
//! trusts. [`Upstream`](crate::Upstream) sends it to the tenant, in the headers that
//! [`Forwarding`](crate::upstream::Forwarding) selects.
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

pub(crate) mod forwarded;
mod info;
mod trusted_proxies;
mod via;

pub use info::ClientInfo;
pub use trusted_proxies::TrustedProxies;
pub(crate) use via::Pseudonym;
