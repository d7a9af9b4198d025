use std::fmt;

use http::header::{CONNECTION, HeaderMap, HeaderName, UPGRADE};
#[cfg(feature = "client")]
use http::{Version, header::TE};

use super::list::{elements, has_element};
use super::retain::retain;

/// The most names that all `Connection` headers of a message may nominate together. Real clients
/// nominate one or two.
const MAX_NOMINATED: usize = 16;

/// The `Connection` headers of a message are malformed, or nominate more than 16 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HopByHopError(());

impl fmt::Display for HopByHopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the Connection header is malformed")
    }
}

impl std::error::Error for HopByHopError {}

/// Removes the hop-by-hop headers: the well-known names, and each name that any `Connection`
/// header nominates.
///
/// Call it before adding your own headers, so that a message cannot nominate those.
///
/// # Errors
/// If a nominated name is not a valid header name, or if more than 16 names are nominated. The
/// headers are then unchanged.
pub fn remove_hop_by_hop(headers: &mut HeaderMap) -> Result<(), HopByHopError> {
    remove_nominated(headers)?;
    retain(headers, |name| !is_hop_by_hop(name));
    Ok(())
}

/// Removes the headers that the message itself nominates: the first step of
/// [`remove_hop_by_hop`], for callers that then filter every name anyway.
pub(crate) fn remove_nominated(headers: &mut HeaderMap) -> Result<(), HopByHopError> {
    for name in nominated(headers)? {
        headers.remove(name);
    }
    Ok(())
}

/// Whether a header is hop-by-hop in every message, nominated or not
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

/// Whether a request is a WebSocket handshake: an `Upgrade` header that lists `websocket`,
/// nominated by a `Connection` header.
///
/// [RFC 9110 §7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8): "A server MAY ignore a received
/// Upgrade header field if it wishes to continue using the current protocol on that connection."
/// Offers of HTTP/2 or TLS can be ignored; the JDK's `HttpClient` sends `h2c` with each request
/// over plain TCP. A WebSocket handshake cannot be ignored: its client cannot use an ordinary
/// response.
///
/// An `Upgrade` header that is not nominated belongs to another hop.
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    elements(headers, UPGRADE).any(is_websocket) && is_nominated(headers, &UPGRADE)
}

/// `protocol = protocol-name ["/" protocol-version]`; names are case-insensitive.
fn is_websocket(protocol: &[u8]) -> bool {
    let name = protocol.split(|&byte| byte == b'/').next();
    name.is_some_and(|name| name.trim_ascii().eq_ignore_ascii_case(b"websocket"))
}

/// Whether the client accepts trailers
/// ([RFC 9110 §10.1.4](https://www.rfc-editor.org/rfc/rfc9110#section-10.1.4)): `TE: trailers`,
/// which over HTTP/1.1 has to be nominated for this hop. HTTP/2 has no `Connection` header.
#[cfg(feature = "client")]
pub(crate) fn accepts_trailers(headers: &HeaderMap, version: Version) -> bool {
    has_element(headers, TE, "trailers")
        && (version >= Version::HTTP_2 || is_nominated(headers, &TE))
}

fn is_nominated(headers: &HeaderMap, name: &HeaderName) -> bool {
    has_element(headers, CONNECTION, name.as_str())
}

fn nominated(headers: &HeaderMap) -> Result<Vec<HeaderName>, HopByHopError> {
    let mut names = Vec::new();
    // RFC 9110 §7.6.1: "Intermediaries MUST parse a received Connection header field before a
    // message is forwarded and, for each connection-option in this field, remove any header or
    // trailer field(s) from the message with the same name". This reads all values, not only the
    // first.
    for option in elements(headers, CONNECTION) {
        if is_ignored_option(option) {
            continue;
        }
        if names.len() == MAX_NOMINATED {
            return Err(HopByHopError(()));
        }
        names.push(HeaderName::from_bytes(option).map_err(|_| HopByHopError(()))?);
    }
    Ok(names)
}

/// Whether a connection option nominates no header that needs removal.
///
/// RFC 9110 §5.6.1.2: a recipient ignores empty list elements. Of the two most common options,
/// `close` does not name a header, and `keep-alive` is always [removed](is_hop_by_hop).
fn is_ignored_option(option: &[u8]) -> bool {
    let ignored = [&b""[..], b"keep-alive", b"close"];
    ignored.iter().any(|name| option.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::tests::from_pairs;

    #[test]
    fn a_websocket_handshake_needs_upgrade_and_its_nomination() {
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
            assert_eq!(
                asks_for_websocket(&from_pairs(pairs)),
                expected,
                "{pairs:?}"
            );
        }
    }

    #[cfg(feature = "client")]
    #[test]
    fn trailers_are_accepted_with_te_for_this_hop() {
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
                accepts_trailers(&from_pairs(pairs), version),
                expected,
                "{pairs:?}"
            );
        }
    }
}
