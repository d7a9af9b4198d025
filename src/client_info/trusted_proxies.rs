use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use http::uri::{Authority, Scheme};

use super::{ClientInfo, forwarded, via};
use crate::error::{ConfigError, ConfigErrorKind};

/// Which peers are proxies of one's own, whose forwarding headers are believed.
///
/// A host application behind a load balancer sees the balancer's address on each connection. With
/// this it finds out who stands behind it, and tells the tenant; a client that writes such headers
/// itself is not believed, as its own address is not in the list.
///
/// ```
/// use http::HeaderMap;
/// use omneo_id::client_info::{ClientInfo, TrustedProxies};
///
/// let trusted = TrustedProxies::new(["10.0.0.0/8", "::1"])?;
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.7, 10.0.0.2".parse().unwrap());
///
/// // The balancer at 10.0.0.1 is believed, and so is 10.0.0.2; what 203.0.113.7 says is not.
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
    written: Written,
}

/// In which header the proxies write whom they saw. It is one of the two: where a proxy writes the
/// one, the client writes the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Written {
    #[default]
    XForwarded,
    Forwarded,
}

/// The longest chain that is followed.
const MAX_HOPS: usize = 16;

impl TrustedProxies {
    /// Addresses and networks: `192.0.2.1`, `10.0.0.0/8`, `fd00::/8`.
    ///
    /// # Errors
    /// If one is neither.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let networks: Result<_, _> = networks.into_iter().map(Network::from_str).collect();
        Ok(Self {
            networks: networks?,
            written: Written::XForwarded,
        })
    }

    /// Reads `Forwarded` ([RFC 7239](https://www.rfc-editor.org/rfc/rfc7239)) in place of
    /// `X-Forwarded-For`, `-Proto` and `-Host`: what the proxies do not write themselves, they pass
    /// on from the client.
    ///
    /// Default is `X-Forwarded-*`.
    #[must_use]
    pub fn with_forwarded(mut self) -> Self {
        self.written = Written::Forwarded;
        self
    }

    /// What is known of the client of a connection from `peer`, with these headers.
    ///
    /// `X-Forwarded-For` is read from its end, where each trusted proxy has written whom it saw, up
    /// to the first address that is no proxy of ours: that is the client. What stands before it was
    /// written by the client and is dropped. `X-Forwarded-Proto` and `-Host` count if `peer` is
    /// trusted and says each of them once.
    ///
    /// `Forwarded` is read alike; `proto` and `host` count where they stand with the client. One
    /// that is malformed anywhere says nothing.
    ///
    /// `Via` counts if `peer` is trusted. It is passed on without comments, up to 16 entries.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientInfo {
        let mut client = match self.written {
            Written::XForwarded => self.x_forwarded(peer, headers),
            Written::Forwarded => self.forwarded(peer, headers),
        };
        if self.contains(peer)
            && let Some(via) = via::read(headers)
        {
            client = client.with_via(via);
        }
        client
    }

    fn x_forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> ClientInfo {
        let mut said = forwarded_for(headers).rev();
        // An entry that is no address (`unknown`, a name) ends what can be followed.
        let client = known(self.chain(peer, || said.next()?.parse().ok()));
        if !self.contains(peer) {
            return client;
        }
        let scheme = once(headers, "x-forwarded-proto");
        let host = once(headers, "x-forwarded-host");
        asked(client, scheme, host)
    }

    fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> ClientInfo {
        let elements = forwarded::read(headers).unwrap_or_default();
        let mut said = elements.iter().rev();
        // The last one that is asked for was written by a trusted proxy, even if it hides whom it
        // saw.
        let mut last = None;
        let client = known(self.chain(peer, || {
            last = said.next();
            forwarded::addr(last?.node.as_deref()?)
        }));
        match last {
            Some(element) => asked(client, element.proto.as_deref(), element.host.as_deref()),
            None => client,
        }
    }

    /// Whom the peer speaks for, itself first, as far as the answers come from trusted proxies.
    fn chain(&self, peer: IpAddr, mut next: impl FnMut() -> Option<IpAddr>) -> Vec<IpAddr> {
        let mut chain = vec![peer];
        while chain.last().is_some_and(|&addr| self.contains(addr)) && chain.len() < MAX_HOPS {
            match next() {
                Some(addr) => chain.push(addr),
                None => break,
            }
        }
        chain
    }

    fn contains(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.networks.iter().any(|network| network.contains(addr))
    }
}

fn known(chain: Vec<IpAddr>) -> ClientInfo {
    let addrs = chain.into_iter().rev();
    addrs.fold(ClientInfo::default(), ClientInfo::add_addr)
}

fn asked(mut client: ClientInfo, scheme: Option<&str>, host: Option<&str>) -> ClientInfo {
    if let Some(scheme) = scheme.and_then(web_scheme) {
        client = client.with_scheme(scheme);
    }
    if let Some(host) = host.and_then(|host| Authority::from_str(host).ok()) {
        client = client.with_host(host);
    }
    client
}

/// The elements of all `X-Forwarded-For` headers, in order.
fn forwarded_for(headers: &HeaderMap) -> impl DoubleEndedIterator<Item = &str> {
    headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|value| value.to_str().unwrap_or_default().split(','))
        .map(str::trim)
}

fn once<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

fn web_scheme(scheme: &str) -> Option<Scheme> {
    match scheme {
        "https" => Some(Scheme::HTTPS),
        "http" => Some(Scheme::HTTP),
        _ => None,
    }
}

/// An address and how many of its leading bits count.
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
            let message = format!("{text:?} is no address and no network like 10.0.0.0/8");
            ConfigError::new(ConfigErrorKind::InvalidValue, message)
        };
        let (addr, bits) = match text.split_once('/') {
            Some((addr, bits)) => (addr, Some(bits)),
            None => (text, None),
        };
        let addr: IpAddr = addr.parse().map_err(|_| invalid())?;
        let most = if addr.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => bits.parse().map_err(|_| invalid())?,
            None => most,
        };
        match bits <= most {
            true => Ok(Self { addr, bits }),
            false => Err(invalid()),
        }
    }
}
