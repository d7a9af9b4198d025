//! Detects HTTP/1.1 or HTTP/2 by the first bytes of a connection without TLS. `hyper-util`'s
//! detection allocates a buffer per connection before the first byte; this one does not.

/// The client connection preface of RFC 9113 §3.4. `PRI` is reserved and not an HTTP/1.1 method.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// Returns `None` while the bytes are a proper prefix of the preface, and a protocol as soon
    /// as there are as many bytes as the preface has.
    pub(crate) fn detect(first: &[u8]) -> Option<Self> {
        let is_preface = first.iter().zip(PREFACE).all(|(byte, other)| byte == other);
        match is_preface {
            false => Some(Self::Http1),
            true if first.len() >= PREFACE.len() => Some(Self::Http2),
            true => None,
        }
    }
}
