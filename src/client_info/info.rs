use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use http::uri::{Authority, Scheme};

/// A request extension: verified facts about the client of a request.
///
/// [`Forwarding`](crate::upstream::Forwarding) sends them to the tenant. Forwarding headers of a
/// client are removed, because any client can forge them; only these facts are sent. Behind your
/// own proxies, [`TrustedProxies`](super::TrustedProxies) derives them from the proxies' headers.
///
/// Default is empty.
///
/// ```
/// use std::net::{IpAddr, Ipv4Addr};
/// use http::{Request, uri::Scheme};
/// use omneo_id::client_info::ClientInfo;
///
/// let peer = IpAddr::from(Ipv4Addr::new(203, 0, 113, 7)); // of the accepted connection
/// let mut request = Request::new(());
/// request
///     .extensions_mut()
///     .insert(ClientInfo::default().add_addr(peer).with_scheme(Scheme::HTTPS));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo(Arc<Facts>);

/// Shared by the requests of a connection.
#[derive(Clone, Debug, Default)]
struct Facts {
    addrs: Vec<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<Authority>,
    has_invalid_host: bool,
    via: Option<String>,
    // Formatted from `addrs` on first use.
    x_forwarded_for: OnceLock<Option<HeaderValue>>,
}

impl ClientInfo {
    /// Adds an address (`X-Forwarded-For`, `for`): first the client's, then those of trusted
    /// proxies in the order of the request's path.
    ///
    /// Default is an empty list.
    #[must_use]
    pub fn add_addr(self, addr: IpAddr) -> Self {
        self.edit(|facts| {
            facts.addrs.push(addr);
            facts.x_forwarded_for = OnceLock::new();
        })
    }

    /// Replaces the scheme of the client's request (`X-Forwarded-Proto`, `proto`).
    ///
    /// Default is unknown.
    #[must_use]
    pub fn with_scheme(self, scheme: Scheme) -> Self {
        self.edit(|facts| facts.scheme = Some(scheme))
    }

    /// Replaces the host of the client's request (`X-Forwarded-Host`, `host`).
    ///
    /// Default is unknown.
    #[must_use]
    pub fn with_host(self, host: Authority) -> Self {
        self.edit(|facts| {
            facts.host = Some(host);
            facts.has_invalid_host = false;
        })
    }

    /// A trusted proxy reports a host, but an invalid one, or several.
    pub(crate) fn with_invalid_host(self) -> Self {
        self.edit(|facts| facts.has_invalid_host = true)
    }

    /// The address of the client, if it is known.
    #[must_use]
    pub fn addr(&self) -> Option<IpAddr> {
        self.0.addrs.first().copied()
    }

    /// Replaces the `Via` entries of trusted proxies.
    pub(crate) fn with_via(self, via: String) -> Self {
        self.edit(|facts| facts.via = Some(via))
    }

    fn edit(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// The peer of the connection: the last address.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.0.addrs.last().copied()
    }

    pub(crate) fn addrs(&self) -> &[IpAddr] {
        &self.0.addrs
    }

    /// The addresses as a list, if there are any.
    pub(crate) fn x_forwarded_for(&self) -> Option<&HeaderValue> {
        let value = self.0.x_forwarded_for.get_or_init(|| {
            let addrs: Vec<_> = self.0.addrs.iter().map(IpAddr::to_string).collect();
            let value = HeaderValue::try_from(addrs.join(", "));
            value.ok().filter(|value| !value.is_empty())
        });
        value.as_ref()
    }

    pub(crate) fn scheme(&self) -> Option<&Scheme> {
        self.0.scheme.as_ref()
    }

    /// The host, unless it has a userinfo, which RFC 9110 §7.2 does not allow.
    pub(crate) fn host(&self) -> Option<&Authority> {
        let host = self.0.host.as_ref();
        host.filter(|host| !host.as_str().contains('@'))
    }

    /// Whether a host was reported, but not a valid one. `Host` must then not replace it.
    #[cfg(feature = "client")]
    pub(crate) fn has_invalid_host(&self) -> bool {
        self.0.has_invalid_host || (self.0.host.is_some() && self.host().is_none())
    }

    pub(crate) fn via(&self) -> Option<&str> {
        self.0.via.as_deref()
    }
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.addrs == other.addrs
            && self.scheme == other.scheme
            && self.host == other.host
            && self.has_invalid_host == other.has_invalid_host
            && self.via == other.via
    }
}

impl Eq for Facts {}
