use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

use http::HeaderValue;
use http::uri::{Authority, Scheme};

/// In the extensions of a request: what the host application knows for certain about its client,
/// for the headers that [`Forwarding`](super::Forwarding) sends to the tenant.
///
/// Forwarding headers that a client sends are dropped, as anybody can write them; only what is
/// said here goes up. Behind proxies of one's own,
/// [`TrustedProxies`](super::TrustedProxies) makes it of what they say. Default is nothing.
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

/// Shared by the requests of a connection, of which all of this holds alike.
#[derive(Clone, Debug, Default)]
struct Facts {
    addrs: Vec<IpAddr>,
    scheme: Option<Scheme>,
    host: Option<Authority>,
    via: Option<String>,
    // Made of the addresses when it is first asked for.
    x_forwarded_for: OnceLock<Option<HeaderValue>>,
}

impl ClientInfo {
    /// Adds an address (`X-Forwarded-For`, `for`): the client's first, then those of trusted
    /// proxies in the order in which the request passed them.
    #[must_use]
    pub fn add_addr(self, addr: IpAddr) -> Self {
        self.with(|facts| {
            facts.addrs.push(addr);
            facts.x_forwarded_for = OnceLock::new();
        })
    }

    /// Replaces how the client spoke to the host application (`X-Forwarded-Proto`, `proto`).
    /// Default is unsaid.
    #[must_use]
    pub fn with_scheme(self, scheme: Scheme) -> Self {
        self.with(|facts| facts.scheme = Some(scheme))
    }

    /// Replaces the host that the client asked for (`X-Forwarded-Host`, `host`). Default is unsaid.
    #[must_use]
    pub fn with_host(self, host: Authority) -> Self {
        self.with(|facts| facts.host = Some(host))
    }

    /// What trusted proxies say of themselves, in `Via`.
    pub(crate) fn with_via(self, via: String) -> Self {
        self.with(|facts| facts.via = Some(via))
    }

    fn with(mut self, change: impl FnOnce(&mut Facts)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    pub(crate) fn addrs(&self) -> &[IpAddr] {
        &self.0.addrs
    }

    /// The addresses as a list, if there are any.
    pub(crate) fn x_forwarded_for(&self) -> Option<&HeaderValue> {
        let line = self.0.x_forwarded_for.get_or_init(|| {
            let addrs: Vec<_> = self.0.addrs.iter().map(IpAddr::to_string).collect();
            let line = HeaderValue::try_from(addrs.join(", "));
            line.ok().filter(|line| !line.is_empty())
        });
        line.as_ref()
    }

    pub(crate) fn scheme(&self) -> Option<&Scheme> {
        self.0.scheme.as_ref()
    }

    /// RFC 9110 §7.2: a host has no userinfo.
    pub(crate) fn host(&self) -> Option<&Authority> {
        let host = self.0.host.as_ref();
        host.filter(|host| !host.as_str().contains('@'))
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
            && self.via == other.via
    }
}

impl Eq for Facts {}
