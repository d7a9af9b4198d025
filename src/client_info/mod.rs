//! The client of a request, as the application knows it: its address, scheme and host.
//!
//! [`TrustedProxies`] derives a [`ClientInfo`] from the headers of proxies that the application
//! trusts; [`Upstream`](crate::Upstream) tells the tenant of it as
//! [`Forwarding`](crate::upstream::Forwarding) says.

mod client_info;
pub(crate) mod forwarded;
mod trusted_proxies;
mod via;

pub use client_info::ClientInfo;
pub use trusted_proxies::TrustedProxies;
pub(crate) use via::Pseudonym;
