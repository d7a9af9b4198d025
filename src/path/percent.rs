use std::borrow::Cow;

/// The byte that an escape `%XX` at the start of `bytes` encodes.
fn leading_escape(bytes: &[u8]) -> Option<u8> {
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
        if leading_escape(rest).is_none() {
            return false;
        }
        bytes = rest.get(3..).unwrap_or_default();
    }
    true
}

/// Decodes once; borrowed if `bytes` contain no escape. A `%` that does not begin one is kept.
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

/// Decodes until the text has no escape, at most eight times.
pub(super) fn decode_fully(bytes: &[u8]) -> Cow<'_, [u8]> {
    // Bounds the work, because one pass may remove only one escape. Twice the depth that
    // `CanonicalPath` accepts.
    const MAX_PASSES: usize = 8;
    let mut text = Cow::Borrowed(bytes);
    for _ in 0..MAX_PASSES {
        match decode(&text) {
            Cow::Borrowed(_) => break,
            Cow::Owned(decoded) => text = Cow::Owned(decoded),
        }
    }
    text
}

/// Iterates over the decoded bytes of a percent-encoded text.
pub(super) struct Decoder<'a>(pub(super) &'a [u8]);

impl Iterator for Decoder<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let (length, byte) = match leading_escape(self.0) {
            Some(byte) => (3, byte),
            None => (1, *self.0.first()?),
        };
        self.0 = self.0.get(length..).unwrap_or_default();
        Some(byte)
    }
}

/// Iterates over the decoded bytes of a form: a raw `+` is a space, `%2B` is a plus.
pub(super) struct FormDecoder<'a>(Decoder<'a>);

impl<'a> FormDecoder<'a> {
    pub(super) fn new(form: &'a [u8]) -> Self {
        Self(Decoder(form))
    }

    /// The bytes that have not been decoded.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0.0
    }
}

impl Iterator for FormDecoder<'_> {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        let raw = self.0.0.first().copied();
        let byte = self.0.next()?;
        Some(if raw == Some(b'+') { b' ' } else { byte })
    }
}
