use std::borrow::Cow;

/// One escape at the front of `bytes`, `%XX`, and the byte that it stands for.
fn escape(bytes: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = *bytes else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Whether each `%` begins an escape.
pub(super) fn is_well_formed(mut bytes: &[u8]) -> bool {
    while let Some(at) = bytes.iter().position(|&byte| byte == b'%') {
        let rest = bytes.get(at..).unwrap_or_default();
        if escape(rest).is_none() {
            return false;
        }
        bytes = rest.get(3..).unwrap_or_default();
    }
    true
}

/// Decodes once; borrowed if there is no escape. A `%` that begins none stays as it is.
pub(super) fn decode(bytes: &[u8]) -> Cow<'_, [u8]> {
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let decoded: Vec<u8> = Decoder(bytes).collect();
    if decoded.len() == bytes.len() {
        return Cow::Borrowed(bytes);
    }
    Cow::Owned(decoded)
}

/// Decodes again and again, as often as any reader would, or until nothing is left to decode.
pub(super) fn decode_fully(bytes: &[u8]) -> Cow<'_, [u8]> {
    // A bound, as each time could take off as little as one escape.
    const TIMES: usize = 8;
    let mut text = Cow::Borrowed(bytes);
    for _ in 0..TIMES {
        match decode(&text) {
            Cow::Borrowed(_) => break,
            Cow::Owned(decoded) => text = Cow::Owned(decoded),
        }
    }
    text
}

/// The bytes of a percent-encoded text, one by one.
pub(super) struct Decoder<'a>(pub(super) &'a [u8]);

impl Iterator for Decoder<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (length, byte) = match escape(self.0) {
            Some(byte) => (3, byte),
            None => (1, *self.0.first()?),
        };
        self.0 = self.0.get(length..).unwrap_or_default();
        Some(byte)
    }
}
