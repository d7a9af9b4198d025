use std::fmt;

use http::HeaderMap;
use http::header::{
    CONNECTION, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

/// Names that belong to one connection, whether nominated or not
/// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-authentication-info"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

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
    if headers.contains_key(CONNECTION) {
        for name in nominated(headers)? {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    Ok(())
}

fn nominated(headers: &HeaderMap) -> Result<Vec<HeaderName>, HopByHopError> {
    let mut names = Vec::new();
    // RFC 9110 §7.6.1: "Intermediaries MUST parse a received Connection header field before a
    // message is forwarded and, for each connection-option in this field, remove any header or
    // trailer field(s) from the message with the same name". All values of it, not the first.
    for value in headers.get_all(CONNECTION) {
        for option in value.as_bytes().split(|&byte| byte == b',') {
            let option = option.trim_ascii();
            // RFC 9110 §5.6.1.2: a recipient ignores empty list elements.
            if option.is_empty() {
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
