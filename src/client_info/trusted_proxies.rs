use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use http::header::FORWARDED;
use http::uri::{Authority, Scheme};

use super::{ClientInfo, forwarded, via};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::headers::single_value;

/// The networks of your own proxies, whose forwarding headers are trusted.
///
/// Behind a load balancer, every connection of an application has the balancer's address. This
/// derives the client's address from the forwarding headers. Headers of other peers are ignored,
/// so a client cannot forge them.
///
/// ```
/// use http::HeaderMap;
/// use omneo_id::client_info::{ClientInfo, TrustedProxies};
///
/// let trusted = TrustedProxies::new(["10.0.0.0/8", "::1"])?;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2".parse().unwrap());
///
/// // The peer 10.0.0.1 and the proxy 10.0.0.2 are trusted; 203.0.113.7 is the client.
/// let client = trusted.client([10, 0, 0, 1].into(), &headers);
/// let expected = ClientInfo::default()
///     .add_addr([203, 0, 113, 7].into())
///     .add_addr([10, 0, 0, 2].into())
///     .add_addr([10, 0, 0, 1].into());
/// assert_eq!(client, expected);
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    networks: Vec<Network>,
    source: SourceHeaders,
}

/// The headers that the proxies write. Only one of the two can be trusted: proxies forward the
/// other one from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum SourceHeaders {
    #[default]
    XForwarded,
    Forwarded,
}

/// The longest chain of proxies that is followed. Real chains have fewer than five.
const MAX_HOPS: usize = 16;

impl TrustedProxies {
    /// Trusts these addresses and networks: `192.0.2.1`, `10.0.0.0/8`, `fd00::/8`.
    ///
    /// # Errors
    /// If an item is neither an address nor a network.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let networks: Result<_, _> = networks.into_iter().map(Network::from_str).collect();
        Ok(Self {
            networks: networks?,
            source: SourceHeaders::XForwarded,
        })
    }

    /// Reads `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)) instead of
    /// `X-Forwarded-For`, `-Proto` and `-Host`. Select the headers that your proxies write: they
    /// forward the others from the client.
    ///
    /// Default is `X-Forwarded-*`.
    #[must_use]
    pub fn with_forwarded(mut self) -> Self {
        self.source = SourceHeaders::Forwarded;
        self
    }

    /// The client of a request with these headers on a connection from `peer`.
    ///
    /// - `X-Forwarded-For` is read from its end, because each proxy appends the address of its own
    ///   peer. The first address that is not trusted is the client's. The entries before it come
    ///   from the client and are dropped.
    /// - `X-Forwarded-Proto` and `-Host` are used if `peer` is trusted and each occurs once.
    /// - `Forwarded` is read in the same way; `proto` and `host` are those of the client's element.
    ///   A malformed header is ignored completely.
    /// - A host that is repeated or malformed is not sent to the tenant. `Host` does not replace
    ///   it: `TenantByHost` finds no tenant.
    /// - `Via` is used if `peer` is trusted. It is copied without comments, up to 16 entries.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientInfo {
        let mut client = match self.source {
            SourceHeaders::XForwarded => self.read_x_forwarded(peer, headers),
            SourceHeaders::Forwarded => self.read_forwarded(peer, headers),
        };
        if self.trusts(peer)
            && let Some(via) = via::parse(headers)
        {
            client = client.with_via(via);
        }
        client
    }

    /// Whether an address is one of a trusted proxy.
    pub fn trusts(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.networks.iter().any(|network| network.contains(addr))
    }

    fn read_x_forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> ClientInfo {
        let mut entries = forwarded_for(headers).rev();
        // An entry that is not an address (`unknown`, a name) ends the chain.
        let client = with_addrs(self.chain(peer, || entries.next()?.parse().ok()));
        if !self.trusts(peer) {
            return client;
        }
        let scheme = single_text(headers, "x-forwarded-proto");
        let client = with_scheme(client, scheme.ok().flatten());
        match single_text(headers, "x-forwarded-host") {
            Ok(host) => with_host(client, host),
            Err(InvalidText) => client.with_invalid_host(),
        }
    }

    fn read_forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> ClientInfo {
        let parsed = forwarded::parse(headers);
        // Of a malformed header, the host is not known.
        let is_malformed = parsed.is_none() && headers.contains_key(FORWARDED);
        let elements = parsed.unwrap_or_default();
        let mut entries = elements.iter().rev();
        // The last element that `chain` reads was written by a trusted proxy, even if it hides the
        // client's address.
        let mut last = None;
        let client = with_addrs(self.chain(peer, || {
            last = entries.next();
            forwarded::parse_addr(last?.node.as_deref()?)
        }));
        match last {
            Some(element) => {
                let client = with_scheme(client, element.proto.as_deref());
                with_host(client, element.host.as_deref())
            }
            None if is_malformed && self.trusts(peer) => client.with_invalid_host(),
            None => client,
        }
    }

    /// The chain of addresses from the peer to the client. `next` is called for each trusted
    /// address: it returns the address that this proxy recorded.
    fn chain(&self, peer: IpAddr, mut next: impl FnMut() -> Option<IpAddr>) -> Vec<IpAddr> {
        let mut chain = vec![peer];
        while chain.last().is_some_and(|&addr| self.trusts(addr)) && chain.len() < MAX_HOPS {
            match next() {
                Some(addr) => chain.push(addr),
                None => break,
            }
        }
        chain
    }
}

fn with_addrs(chain: Vec<IpAddr>) -> ClientInfo {
    let addrs = chain.into_iter().rev();
    addrs.fold(ClientInfo::default(), ClientInfo::add_addr)
}

fn with_scheme(client: ClientInfo, scheme: Option<&str>) -> ClientInfo {
    match scheme.and_then(http_scheme) {
        Some(scheme) => client.with_scheme(scheme),
        None => client,
    }
}

fn with_host(client: ClientInfo, host: Option<&str>) -> ClientInfo {
    match host.map(Authority::from_str) {
        Some(Ok(host)) => client.with_host(host),
        Some(Err(_)) => client.with_invalid_host(),
        None => client,
    }
}

/// The elements of all `X-Forwarded-For` headers, in order.
fn forwarded_for(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = &str> {
    headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
}

/// A header occurs several times, or is not text.
struct InvalidText;

fn single_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, InvalidText> {
    let value = single_value(headers, name).map_err(|_| InvalidText)?;
    let text = value.map(|value| value.to_str().map_err(|_| InvalidText));
    text.transpose()
}

fn http_scheme(scheme: &str) -> Option<Scheme> {
    match scheme {
        "https" => Some(Scheme::HTTPS),
        "http" => Some(Scheme::HTTP),
        _ => None,
    }
}

/// An address and the length of its network prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    addr: IpAddr,
    bits: u32,
}

impl Network {
    fn contains(self, addr: IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(32 - self.bits).unwrap_or_default() == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let differing = own.to_bits() ^ other.to_bits();
                differing.checked_shr(128 - self.bits).unwrap_or_default() == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let invalid = || {
            let message = format!("{text:?} is neither an address nor a network like 10.0.0.0/8");
            ConfigError::new(ConfigErrorKind::InvalidValue, message)
        };
        let (addr, bits) = match text.split_once('/') {
            Some((addr, bits)) => (addr, Some(bits)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| invalid())?;
        let max = if addr.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| invalid())?,
            None => max,
        };
        match bits <= max {
            true => Ok(Self { addr, bits }),
            false => Err(invalid()),
        }
    }
}
