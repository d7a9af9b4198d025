use std::fmt;

use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, UPGRADE};
#[cfg(feature = "client")]
use http::{Version, header::TE};

use super::retain::retain;

/// At most this many names may be nominated by all `Connection` headers of a message together.
const MAX_NOMINATED: usize = 16;

/// A message's `Connection` headers are malformed, or nominate more than anybody honest would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopByHopError(());

impl fmt::Display for HopByHopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Connection header is malformed")
    }
}

impl std::error::Error for HopByHopError {}

/// Removes what belongs to one connection only: the well-known names, and each name that any
/// `Connection` header nominates.
///
/// Call it before adding headers of one's own, so that a message cannot nominate those.
///
/// # Errors
/// If a nominated name is no header name, or there are more than 16 of them. Nothing has been
/// removed then.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) -> Result<(), HopByHopError> {
    remove_nominated(headers)?;
    retain(headers, |name| !is_hop_by_hop(name));
    Ok(())
}

/// The half of [`remove_hop_by_hop`] that depends on the message, for those who look at each name
/// anyway.
pub(crate) fn remove_nominated(headers: &mut HeaderMap) -> Result<(), HopByHopError> {
    for name in nominated(headers)? {
        headers.remove(name);
    }
    Ok(())
}

/// The other half: whether a name belongs to one connection, nominated or not
/// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
pub(crate) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Whether the client asks for a WebSocket: an `Upgrade` header that lists `websocket`, nominated
/// by a `Connection` header.
///
/// [RFC 9110 §7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8): "A server MAY ignore a received
/// Upgrade header field if it wishes to continue using the current protocol on that connection."
/// Offers of HTTP/2 or TLS can be ignored; the JDK's `HttpClient` sends `h2c` with each request
/// over plain TCP. A WebSocket handshake cannot: an ordinary answer is of no use to its client.
///
/// Without the nomination an `Upgrade` was meant for another hop.
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let mut offers = headers.get_all(UPGRADE).iter();
    offers.any(offers_websocket) && is_nominated(headers, &UPGRADE)
}

/// `protocol = protocol-name ["/" protocol-version]`; the names are compared without their case.
fn offers_websocket(value: &HeaderValue) -> bool {
    let mut protocols = value.as_bytes().split(|&byte| byte == b',');
    protocols.any(|protocol| {
        let name = protocol.split(|&byte| byte == b'/').next();
        name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
    })
}

/// Whether the client takes trailers
/// ([RFC 9110 §10.1.4](https://www.rfc-editor.org/rfc/rfc9110#section-10.1.4)): `TE: trailers`, said
/// to this hop. HTTP/2 has no `Connection` header to say so with.
#[cfg(feature = "client")]
pub(crate) fn takes_trailers(headers: &HeaderMap, version: Version) -> bool {
    let listed = |value: &HeaderValue| has_option(value, "trailers");
    headers.get_all(TE).iter().any(listed)
        && (version >= Version::HTTP_2 || is_nominated(headers, &TE))
}

fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    let mut values = headers.get_all(CONNECTION).iter();
    values.any(|value| has_option(value, name.as_str()))
}

fn has_option(value: &HeaderValue, option: &str) -> bool {
    let mut options = value.as_bytes().split(|&byte| byte == b',');
    options.any(|own| own.trim_ascii().eq_ignore_ascii_case(option.as_bytes()))
}

fn nominated(headers: &HeaderMap) -> Result<Vec<HeaderName>, HopByHopError> {
    let mut names = Vec::new();
    // RFC 9110 §7.6.1: "Intermediaries MUST parse a received Connection header field before a
    // message is forwarded and, for each connection-option in this field, remove any header or
    // trailer field(s) from the message with the same name". All values of it, not the first.
    for value in headers.get_all(CONNECTION) {
        for option in value.as_bytes().split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            if names_nothing(option) {
                continue;
            }
            if names.len() == MAX_NOMINATED {
                return Err(HopByHopError(()));
            }
            names.push(HeaderName::from_bytes(option).map_err(|_| HopByHopError(()))?);
        }
    }
    Ok(names)
}

/// RFC 9110 §5.6.1.2: a recipient ignores empty list elements. Of the two that nearly every
/// connection speaks of, `close` is no header, and `keep-alive` [goes](is_hop_by_hop) without being
/// nominated.
fn names_nothing(option: &[u8]) -> bool {
    let usual = [&b""[..], b"keep-alive", b"close"];
    usual.iter().any(|usual| option.eq_ignore_ascii_case(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn a_websocket_is_asked_for_by_two_headers() {
        let (c, u) = ("connection", "upgrade");
        for (pairs, expected) in [
            (&[(c, "upgrade"), (u, "websocket")][..], true),
            (&[(c, "keep-alive, Upgrade"), (u, "WebSocket")], true),
            (
                &[(c, "keep-alive"), (c, "\tUPGRADE ,"), (u, "websocket")],
                true,
            ),
            (&[(c, "upgrade"), (u, "h2c, websocket/13")], true),
            (&[(c, "upgrade"), (u, "h2c"), (u, " websocket ")], true),
            (&[(u, "websocket")], false),
            (&[(c, "upgrade")], false),
            (&[(c, "upgrade"), (u, "")], false),
            (&[(c, "upgrade, http2-settings"), (u, "h2c")], false),
            (&[(c, "upgrade"), (u, "TLS/1.0, HTTP/2.0, IRC/6.9")], false),
            (
                &[
                    (c, "upgrade"),
                    (u, "websockets, x-websocket, h2c/websocket"),
                ],
                false,
            ),
            (&[(c, "upgrade-insecure-requests"), (u, "websocket")], false),
        ] {
            assert_eq!(asks_for_websocket(&headers(pairs)), expected, "{pairs:?}");
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn trailers_are_taken_by_who_says_so_to_this_hop() {
        let (c, te) = ("connection", "te");
        for (pairs, version, expected) in [
            (&[(te, "trailers"), (c, "TE")][..], Version::HTTP_11, true),
            (
                &[(te, "gzip;q=0.5, Trailers"), (c, "close, te")],
                Version::HTTP_11,
                true,
            ),
            (&[(te, "trailers")], Version::HTTP_11, false),
            (&[(te, "trailers")], Version::HTTP_2, true),
            (&[(te, "gzip"), (c, "te")], Version::HTTP_11, false),
            (&[(c, "te")], Version::HTTP_11, false),
        ] {
            assert_eq!(
                takes_trailers(&headers(pairs), version),
                expected,
                "{pairs:?}"
            );
        }
    }
}
