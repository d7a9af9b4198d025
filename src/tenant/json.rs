//! The tenant's JSON.

/// The text without a byte order mark. PHP sends one with every answer if a source file starts with
/// it. [RFC 8259 §8.1](https://www.rfc-editor.org/rfc/rfc8259#section-8.1) lets a parser ignore it.
pub(crate) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}
