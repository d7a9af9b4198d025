//! As much of PEM and DER as key files need: strict, and never shown anything a client sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
/// `[0] EXPLICIT`: the curve of a SEC 1 private key.
pub(super) const CONTEXT_0: u8 = 0xa0;

/// The one block of a PEM file: its label and its content.
pub(super) fn from_pem(pem: &[u8]) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let text = std::str::from_utf8(pem).ok()?;
    let mut blocks = text.split("-----BEGIN ").skip(1).filter_map(|block| {
        let (label, block) = block.split_once("-----")?;
        // `openssl ecparam -genkey` puts the curve in front of the key.
        (label != "EC PARAMETERS").then_some((label, block))
    });
    let (Some((label, block)), None) = (blocks.next(), blocks.next()) else {
        return None;
    };
    let (base64, end) = block.split_once("-----END ")?;
    if !end.strip_prefix(label)?.starts_with("-----") {
        return None;
    }
    // Never grown: what a vector moves out of is not wiped.
    let mut packed = Zeroizing::new(Vec::with_capacity(base64.len()));
    let visible = base64.bytes().filter(|byte| !byte.is_ascii_whitespace());
    packed.extend(visible);
    Some((label, Zeroizing::new(STANDARD.decode(&*packed).ok()?)))
}

/// Reads elements one after the other.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(der: &'a [u8]) -> Self {
        Self(der)
    }

    /// A reader of the content of the one element in `der`, which has to end with it.
    pub(super) fn only(der: &'a [u8], tag: u8) -> Option<Self> {
        let mut reader = Self(der);
        let content = reader.read(tag)?;
        reader.0.is_empty().then_some(Self(content))
    }

    /// The content of the next element, which has to be of this kind.
    pub(super) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (&found, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // Length in one to three further bytes: a key file is no longer than that.
            0x81..=0x83 => {
                let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let len = len
                    .iter()
                    .fold(0, |len, &byte| len << 8 | usize::from(byte));
                (len, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(len)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    /// The next element, a positive integer, without leading zeros.
    pub(super) fn read_unsigned(&mut self) -> Option<&'a [u8]> {
        let integer = self.read(INTEGER)?;
        let positive = integer.first().is_some_and(|&byte| byte < 0x80);
        positive.then(|| strip_zeros(integer))
    }
}

pub(super) fn strip_zeros(integer: &[u8]) -> &[u8] {
    let zeros = integer.iter().take_while(|&&byte| byte == 0).count();
    integer.get(zeros..).unwrap_or_default()
}

/// One element.
pub(super) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len().to_be_bytes();
    let len = strip_zeros(&len);
    let mut der = vec![tag];
    match len {
        [] => der.push(0),
        [short @ 0..=0x7f] => der.push(*short),
        long => {
            der.push(0x80 | long.len() as u8);
            der.extend_from_slice(long);
        }
    }
    der.extend_from_slice(content);
    der
}
