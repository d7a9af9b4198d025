use http::HeaderName;

use super::TenantResolver;
use crate::client_info::{ClientInfo, TrustedProxies};
use crate::headers::single_value;
use crate::tenant::TenantKey;
use crate::tenants::RequestHead;

/// Finds the tenant by a header that a trusted proxy sets.
///
/// The header counts only if the peer of the connection is trusted. The peer is the last address
/// of the request's [`ClientInfo`]. A request without a `ClientInfo`, from another peer, or with
/// several values belongs to no tenant. The proxy must remove the header from the requests of
/// clients.
///
/// ```
/// use http::Request;
/// use omneo_id::client_info::{ClientInfo, TrustedProxies};
/// use omneo_id::tenants::{RequestHead, TenantByHeader, TenantResolver};
///
/// let proxies = TrustedProxies::new(["10.0.0.0/8"])?;
/// let resolver = TenantByHeader::new("x-tenant".parse()?, proxies);
/// let tenant = |peer: [u8; 4]| {
///     let client = ClientInfo::default().add_addr(peer.into());
///     let request = Request::get("/").header("x-tenant", "acme").extension(client);
///     resolver.resolve(RequestHead::from_request(&request.body(()).unwrap()))
/// };
/// assert_eq!(tenant([10, 0, 0, 1]), Some("acme".parse()?));
/// assert_eq!(tenant([203, 0, 113, 7]), None);
/// # Ok::<(), omneo_id::error::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TenantByHeader {
    name: HeaderName,
    proxies: TrustedProxies,
}

impl TenantByHeader {
    /// The header `name`, from one of these proxies.
    pub fn new(name: HeaderName, proxies: TrustedProxies) -> Self {
        Self { name, proxies }
    }
}

impl TenantResolver for TenantByHeader {
    fn resolve(&self, request: RequestHead<'_>) -> Option<TenantKey> {
        let client: &ClientInfo = request.extensions().get()?;
        if !self.proxies.trusts(client.peer()?) {
            return None;
        }
        let value = single_value(request.headers(), &self.name).ok()??;
        value.to_str().ok()?.parse().ok()
    }
}
