//! The host of a request, normalized without an allocation.

use http::header::HOST;

use crate::client_info::ClientInfo;
use crate::headers::single_value;
use crate::tenants::RequestHead;

/// The longest name in DNS, in bytes. An IPv6 address in brackets is shorter.
const MAX_LEN: usize = 253;

/// A host in lower case, without port and trailing dot.
#[derive(Clone, Copy)]
pub(super) struct Host {
    len: usize,
    // ASCII.
    bytes: [u8; MAX_LEN],
}

impl Host {
    /// The host that the client has called: the one that a trusted proxy reports, or else that of
    /// the target (HTTP/2, absolute form) or of the header `Host`.
    ///
    /// `None` if the request has no valid host, or several that differ.
    pub(super) fn of_request(request: RequestHead<'_>) -> Option<Self> {
        if let Some(client) = request.extensions().get::<ClientInfo>() {
            if client.has_invalid_host() {
                return None;
            }
            if let Some(host) = client.host() {
                return Self::parse(host.as_str());
            }
        }
        let header = single_value(request.headers(), HOST).ok()?;
        let header = match header {
            Some(header) => Some(header.to_str().ok()?),
            None => None,
        };
        let target = request
            .uri()
            .authority()
            .map(|authority| authority.as_str());
        match (target, header) {
            (Some(target), Some(header)) => {
                // RFC 9113 §8.3.1: a request is malformed if `Host` "identifies a different entity
                // from the entity in the ":authority" pseudo-header field".
                let host = Self::parse(target)?;
                (host.as_str() == Self::parse(header)?.as_str()).then_some(host)
            }
            (Some(host), None) | (None, Some(host)) => Self::parse(host),
            (None, None) => None,
        }
    }

    /// Parses `host[:port]`. `None`: an empty or overlong host, a userinfo, or another character
    /// than those of a DNS name or of an IPv6 address in brackets.
    pub(super) fn parse(authority: &str) -> Option<Self> {
        let (host, port) = match authority.rfind(']') {
            Some(end) => authority.split_at_checked(end + 1)?,
            None => authority.split_at_checked(authority.find(':').unwrap_or(authority.len()))?,
        };
        let port = port.strip_prefix(':').unwrap_or(port);
        if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let is_valid = match host.strip_prefix('[') {
            Some(address) => address.strip_suffix(']').is_some_and(is_ipv6),
            None => is_dns_name(host.strip_suffix('.').unwrap_or(host)),
        };
        if !is_valid {
            return None;
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        let mut bytes = [0; MAX_LEN];
        let target = bytes.get_mut(..host.len())?;
        for (target, byte) in target.iter_mut().zip(host.bytes()) {
            *target = byte.to_ascii_lowercase();
        }
        let len = host.len();
        Some(Self { len, bytes })
    }

    pub(super) fn as_str(&self) -> &str {
        let host = self.bytes.get(..self.len);
        host.and_then(|host| str::from_utf8(host).ok())
            .unwrap_or_default()
    }
}

fn is_ipv6(address: &str) -> bool {
    let mut bytes = address.bytes();
    address.contains(':') && bytes.all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte))
}

/// Whether the labels are not empty and consist of letters, digits, `-` and `_`.
fn is_dns_name(host: &str) -> bool {
    let mut previous = b'.';
    let is_valid = host.bytes().all(|byte| {
        let is_label = byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        let is_dot = byte == b'.' && previous != b'.';
        previous = byte;
        is_label || is_dot
    });
    is_valid && previous != b'.'
}
