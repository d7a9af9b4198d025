//! The subset of PEM and DER that key files need. Strict; reads configuration, never client input.

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
        // `openssl ecparam -genkey` writes a block with the curve before the key.
        (label != "EC PARAMETERS").then_some((label, block))
    });
    let (Some((label, block)), None) = (blocks.next(), blocks.next()) else {
        return None;
    };
    let (base64, end) = block.split_once("-----END ")?;
    if !end.strip_prefix(label)?.starts_with("-----") {
        return None;
    }
    // Allocated at full length: a vector that grows does not wipe its old allocation.
    let mut packed = Zeroizing::new(Vec::with_capacity(base64.len()));
    let visible = base64.bytes().filter(|byte| !byte.is_ascii_whitespace());
    packed.extend(visible);
    Some((label, Zeroizing::new(STANDARD.decode(&*packed).ok()?)))
}

/// The deepest nesting of a document's elements: a certificate has 10 levels.
const MAX_DEPTH: u8 = 16;

/// The accepted difference between a document's length and the number of bytes. A reader of text
/// files may have trimmed up to a few bytes of the end that look like white space, or left a line
/// break.
const MAX_SLACK: usize = 4;

/// Whether this is one DER document, such as a key or a certificate: a `SEQUENCE` that spans all
/// bytes and consists of two or more elements. At each depth, the elements must fill their parent.
/// Random bytes pass with a probability of under 2^-30.
pub(super) fn is_document(bytes: &[u8]) -> bool {
    let Some((SEQUENCE, content, end)) = header(bytes, 0) else {
        return false;
    };
    let Some((INTEGER | OID | SEQUENCE, _, first)) = header(bytes, content) else {
        return false;
    };
    end.abs_diff(bytes.len()) <= MAX_SLACK
        && first < end
        && is_sequence(bytes, content, end, MAX_DEPTH)
}

/// Whether the bytes in this range are one or more elements. Its last bytes may be missing.
fn is_sequence(bytes: &[u8], mut start: usize, end: usize, depth: u8) -> bool {
    let begins = start < end && depth > 0;
    while begins && start < end {
        let Some((tag, content, next)) = header(bytes, start).filter(|&(.., next)| next <= end)
        else {
            return false;
        };
        let fits = match tag {
            SEQUENCE | 0x31 | CONTEXT_0..=0xa3 => {
                content == next || is_sequence(bytes, content, next, depth - 1)
            }
            // Universal types from BOOLEAN to UTCTime and GeneralizedTime, and implicit ones.
            0x01..=0x06 | 0x0a | 0x0c | 0x13..=0x18 | 0x1e | 0x80..=0x83 => true,
            _ => false,
        };
        if !fits {
            return false;
        }
        start = next;
    }
    begins
}

/// The tag of the element at `start`, and the bounds of its content.
fn header(bytes: &[u8], start: usize) -> Option<(u8, usize, usize)> {
    let mut reader = Reader(bytes.get(start..)?);
    let (tag, len) = reader.header()?;
    let content = bytes.len() - reader.0.len();
    Some((tag, content, content.checked_add(len)?))
}

/// Reads elements in sequence.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(der: &'a [u8]) -> Self {
        Self(der)
    }

    /// A reader of the content of the only element in `der`, without trailing bytes.
    pub(super) fn only(der: &'a [u8], tag: u8) -> Option<Self> {
        let mut reader = Self(der);
        let content = reader.read(tag)?;
        reader.0.is_empty().then_some(Self(content))
    }

    /// The content of the next element, which must have this tag.
    pub(super) fn read(&mut self, tag: u8) -> Option<&'a [u8]> {
        let (found, len) = self.header()?;
        let (content, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        (found == tag).then_some(content)
    }

    /// Reads the tag of the next element and the length of its content, up to the content.
    fn header(&mut self) -> Option<(u8, usize)> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (len, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // The length in one to three further bytes: key files are under 16 MiB.
            0x81..=0x83 => {
                let (len, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let len = len
                    .iter()
                    .fold(0, |len, &byte| len << 8 | usize::from(byte));
                (len, rest)
            }
            _ => return None,
        };
        self.0 = rest;
        Some((tag, len))
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

/// Encodes one element.
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
