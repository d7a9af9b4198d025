use std::net::IpAddr;
use std::str::FromStr;

use http::HeaderMap;
use http::uri::{Authority, Scheme};

use super::ClientInfo;
use crate::error::{ConfigError, ConfigErrorKind};

/// Which peers are proxies of one's own, whose forwarding headers are believed.
///
/// A host application behind a load balancer sees the balancer's address on each connection. With
/// this it finds out who stands behind it, and tells the tenant; a client that writes such headers
/// itself is not believed, as its own address is not in the list.
///
/// ```
/// use http::HeaderMap;
/// use omneo_id::upstream::{ClientInfo, TrustedProxies};
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
pub struct TrustedProxies(Vec<Network>);

/// The longest chain that is followed.
const MAX_HOPS: usize = 16;

impl TrustedProxies {
    /// Addresses and networks: `192.0.2.1`, `10.0.0.0/8`, `fd00::/8`.
    ///
    /// # Errors
    /// If one is neither.
    pub fn new<'a>(networks: impl IntoIterator<Item = &'a str>) -> Result<Self, ConfigError> {
        let networks: Result<_, _> = networks.into_iter().map(Network::from_str).collect();
        networks.map(Self)
    }

    /// What is known of the client of a connection from `peer`, with these headers.
    ///
    /// `X-Forwarded-For` is read from its end, where each trusted proxy has written whom it saw, up
    /// to the first address that is no proxy of ours: that is the client. What stands before it was
    /// written by the client and is dropped. `X-Forwarded-Proto` and `-Host` count if `peer` is
    /// trusted and says each of them once.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientInfo {
        let mut chain = vec![peer];
        let mut said = forwarded_for(headers).rev();
        while chain.last().is_some_and(|&addr| self.contains(addr)) && chain.len() < MAX_HOPS {
            // An entry that is no address (`unknown`, a name) ends what can be followed.
            match said.next().map(str::parse) {
                Some(Ok(addr)) => chain.push(addr),
                _ => break,
            }
        }
        let mut client = chain
            .into_iter()
            .rev()
            .fold(ClientInfo::default(), ClientInfo::add_addr);
        if self.contains(peer) {
            if let Some(scheme) = once(headers, "x-forwarded-proto").and_then(web_scheme) {
                client = client.with_scheme(scheme);
            }
            let host = once(headers, "x-forwarded-host");
            if let Some(host) = host.and_then(|host| Authority::from_str(host).ok()) {
                client = client.with_host(host);
            }
        }
        client
    }

    fn contains(&self, addr: IpAddr) -> bool {
        let addr = addr.to_canonical();
        self.0.iter().any(|network| network.contains(addr))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(trusted: &[&str], peer: &str, said: &[&'static str]) -> String {
        let trusted = TrustedProxies::new(trusted.iter().copied()).unwrap();
        let mut headers = HeaderMap::new();
        for value in said {
            headers.append("x-forwarded-for", value.parse().unwrap());
        }
        let client = trusted.client(peer.parse().unwrap(), &headers);
        let mut sent = HeaderMap::new();
        client.apply(&mut sent);
        sent["x-forwarded-for"].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_client_that_connects_itself_is_not_believed() {
        assert_eq!(
            chain(&["10.0.0.0/8"], "203.0.113.7", &["1.2.3.4"]),
            "203.0.113.7"
        );
        assert_eq!(chain(&[], "10.0.0.1", &["1.2.3.4"]), "10.0.0.1");
    }

    #[test]
    fn a_trusted_proxy_is_believed_as_far_as_the_chain_is_trusted() {
        let trusted = ["10.0.0.0/8", "192.0.2.1", "fd00::/8"];
        for (peer, said, expected) in [
            ("10.0.0.1", &["203.0.113.7"][..], "203.0.113.7, 10.0.0.1"),
            (
                "10.0.0.1",
                &["6.6.6.6, 203.0.113.7"],
                "203.0.113.7, 10.0.0.1",
            ),
            (
                "10.0.0.1",
                &["6.6.6.6", "203.0.113.7, 192.0.2.1"],
                "203.0.113.7, 192.0.2.1, 10.0.0.1",
            ),
            ("fd00::1", &["2001:db8::7"], "2001:db8::7, fd00::1"),
            (
                "::ffff:10.0.0.1",
                &["203.0.113.7"],
                "203.0.113.7, ::ffff:10.0.0.1",
            ),
            ("10.0.0.1", &["unknown"], "10.0.0.1"),
            ("10.0.0.1", &["6.6.6.6, evil.example"], "10.0.0.1"),
            ("10.0.0.1", &[""], "10.0.0.1"),
            ("11.0.0.1", &["203.0.113.7"], "11.0.0.1"),
        ] {
            assert_eq!(chain(&trusted, peer, said), expected, "{peer} {said:?}");
        }
    }

    #[test]
    fn a_chain_has_an_end() {
        let said = ["10.0.0.2, ".repeat(100) + "10.0.0.2"];
        let trusted = TrustedProxies::new(["0.0.0.0/0"]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", said[0].parse().unwrap());
        let mut sent = HeaderMap::new();
        trusted
            .client([10, 0, 0, 1].into(), &headers)
            .apply(&mut sent);
        let hops = sent["x-forwarded-for"].to_str().unwrap().split(',').count();
        assert_eq!(hops, MAX_HOPS);
    }

    #[test]
    fn protocol_and_host_count_from_a_trusted_proxy_that_says_them_once() {
        let trusted = TrustedProxies::new(["10.0.0.1"]).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-proto", "https".parse().unwrap());
        headers.insert("x-forwarded-host", "shop.example".parse().unwrap());
        let of = |peer: [u8; 4], headers: &HeaderMap| {
            let mut sent = HeaderMap::new();
            trusted.client(peer.into(), headers).apply(&mut sent);
            sent.contains_key("x-forwarded-proto") && sent.contains_key("x-forwarded-host")
        };
        assert!(of([10, 0, 0, 1], &headers));
        assert!(!of([10, 0, 0, 2], &headers));
        headers.append("x-forwarded-proto", "http".parse().unwrap());
        headers.append("x-forwarded-host", "evil.example".parse().unwrap());
        assert!(!of([10, 0, 0, 1], &headers));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "shop.example",
        ] {
            assert!(TrustedProxies::new([text]).is_err(), "{text}");
        }
    }
}
