//! The check of the header `Host`.

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Version};

/// RFC 9112 §3.2: "A server MUST respond with a 400 (Bad Request) status code to any HTTP/1.1
/// request message that lacks a Host header field and to any request message that contains more
/// than one Host header field line or a Host header field with an invalid field value."
pub(crate) fn has_valid_host<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() != Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        _ => false,
    }
}

fn is_host(host: &[u8]) -> bool {
    // Fast path: a name or an IPv4 address, with an optional port.
    let mut parts = host.splitn(2, |&byte| byte == b':');
    let name = parts.next().unwrap_or_default();
    let port = parts.next().unwrap_or(b"0");
    let is_usual = !name.is_empty()
        && name
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'))
        && matches!(port.len(), 1..=5)
        && port.iter().all(u8::is_ascii_digit);
    // A host has no userinfo (RFC 9110 §7.2).
    is_usual || Authority::try_from(host).is_ok_and(|host| !host.as_str().contains('@'))
}
