//! Which protocol a connection speaks, by its first bytes: without TLS nothing else tells. It is
//! told here, and not by `hyper-util`, so that a connection which has said nothing costs no buffer.

/// RFC 9113 §3.4. "PRI" is no method that a client of HTTP/1.1 may use.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

impl Protocol {
    /// `None` while it could be either. Never with more bytes than a preface has.
    pub(crate) fn of(first: &[u8]) -> Option<Self> {
        let is_preface = first.iter().zip(PREFACE).all(|(byte, other)| byte == other);
        match is_preface {
            false => Some(Self::Http1),
            true if first.len() >= PREFACE.len() => Some(Self::Http2),
            true => None,
        }
    }
}
