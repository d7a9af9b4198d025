use std::fmt::Write;
use std::net::IpAddr;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, Scheme};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// In the extensions of a request: what the host application knows for certain about its client,
/// for the tenant's `X-Forwarded-For`, `-Proto` and `-Host`.
///
/// Forwarding headers that a client sends are dropped, as anybody can write them; only what is
/// said here goes up. Behind proxies of one's own,
/// [`TrustedProxies`](super::TrustedProxies) makes it of what they say. Default is nothing.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use http::{Request, uri::Scheme};
/// use omneo_id::upstream::ClientInfo;
///
/// let peer = IpAddr::from(Ipv4Addr::new(203, 0, 113, 7)); // of the accepted connection
/// let mut request = Request::new(());
/// request
///     .extensions_mut()
///     .insert(ClientInfo::default().add_addr(peer).with_scheme(Scheme::HTTPS));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    addrs: Vec<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<Authority>,
}

impl ClientInfo {
    /// Adds an address to `X-Forwarded-For`: the client's first, then those of trusted proxies in
    /// the order in which the request passed them.
    #[must_use]
    pub fn add_addr(mut self, addr: IpAddr) -> Self {
        self.addrs.push(addr);
        self
    }

    /// Replaces how the client spoke to the host application, `X-Forwarded-Proto`. Default is unsaid.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// Replaces the host that the client asked for, `X-Forwarded-Host`. Default is unsaid.
    #[must_use]
    pub fn with_host(mut self, host: Authority) -> Self {
        self.host = Some(host);
        self
    }

    /// Says it to the tenant, in place of whatever was said before.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        let mut addrs = String::new();
        for addr in &self.addrs {
            let separator = if addrs.is_empty() { "" } else { ", " };
            // Writing to a `String` cannot fail.
            let _ = write!(addrs, "{separator}{addr}");
        }
        let facts = [
            (X_FORWARDED_FOR, Some(addrs.as_str())),
            (X_FORWARDED_PROTO, self.scheme.as_ref().map(Scheme::as_str)),
            (X_FORWARDED_HOST, self.host.as_ref().map(Authority::as_str)),
        ];
        for (name, value) in facts {
            let value = value.filter(|value| !value.is_empty());
            if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
                headers.insert(name, value);
            }
        }
    }
}
