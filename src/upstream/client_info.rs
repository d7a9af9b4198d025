use std::net::IpAddr;

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
    via: Option<String>,
}

impl ClientInfo {
    /// Adds an address (`X-Forwarded-For`, `for`): the client's first, then those of trusted proxies in
    /// the order in which the request passed them.
    #[must_use]
    pub fn add_addr(mut self, addr: IpAddr) -> Self {
        self.addrs.push(addr);
        self
    }

    /// Replaces how the client spoke to the host application (`X-Forwarded-Proto`, `proto`). Default is unsaid.
    #[must_use]
    pub fn with_scheme(mut self, scheme: Scheme) -> Self {
        self.scheme = Some(scheme);
        self
    }

    /// Replaces the host that the client asked for (`X-Forwarded-Host`, `host`). Default is unsaid.
    #[must_use]
    pub fn with_host(mut self, host: Authority) -> Self {
        self.host = Some(host);
        self
    }

    /// What trusted proxies say of themselves, in `Via`.
    pub(super) fn with_via(mut self, via: String) -> Self {
        self.via = Some(via);
        self
    }

    pub(super) fn addrs(&self) -> &[IpAddr] {
        &self.addrs
    }

    pub(super) fn scheme(&self) -> Option<&Scheme> {
        self.scheme.as_ref()
    }

    /// RFC 9110 §7.2: a host has no userinfo.
    pub(super) fn host(&self) -> Option<&Authority> {
        let host = self.host.as_ref();
        host.filter(|host| !host.as_str().contains('@'))
    }

    pub(super) fn via(&self) -> Option<&str> {
        self.via.as_deref()
    }
}
