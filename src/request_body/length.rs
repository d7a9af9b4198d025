use std::error::Error;
use std::fmt;

use bytes::Bytes;

/// Checks the data of a body against the length that the head of its request declares.
///
/// hyper truncates a longer body at the declared length over HTTP/1.1, and the request looks
/// complete. So the last data is buffered until the body has ended.
#[derive(Debug, Default)]
pub(crate) struct DeclaredLength {
    /// Bytes that have not been received; `None` without a declared length.
    remaining: Option<u64>,
    buffered: Option<Bytes>,
}

impl DeclaredLength {
    pub(crate) fn new(length: Option<u64>) -> Self {
        Self {
            remaining: length,
            buffered: None,
        }
    }

    /// Returns the data that may be sent, or buffers it. `is_last`: the body ends with `data`.
    pub(crate) fn check(
        &mut self,
        data: Bytes,
        is_last: bool,
    ) -> Result<Option<Bytes>, LengthError> {
        let Some(remaining) = &mut self.remaining else {
            return Ok(Some(data));
        };
        // Lossless: `usize` has at most 64 bits.
        let size = data.len() as u64;
        *remaining = remaining.checked_sub(size).ok_or(LengthError::TooLong)?;
        if is_last || *remaining > 0 {
            return Ok(Some(data));
        }
        if !data.is_empty() {
            self.buffered = Some(data);
        }
        Ok(None)
    }

    /// Returns the buffered data. To be called when the body has ended.
    pub(crate) fn finish(&mut self) -> Result<Option<Bytes>, LengthError> {
        match self.remaining {
            Some(1..) => Err(LengthError::TooShort),
            Some(0) | None => Ok(self.buffered.take()),
        }
    }

    /// Whether all declared bytes were received and sent.
    pub(crate) fn is_complete(&self) -> bool {
        self.buffered.is_none() && !matches!(self.remaining, Some(1..))
    }

    /// Bytes that have not been sent; `None` without a declared length.
    pub(crate) fn remaining(&self) -> Option<u64> {
        let buffered = self.buffered.as_ref().map_or(0, Bytes::len);
        self.remaining.map(|remaining| remaining + buffered as u64)
    }
}

/// A body is not as long as its request declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LengthError {
    TooShort,
    TooLong,
}

impl fmt::Display for LengthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let than = match self {
            Self::TooShort => "shorter",
            Self::TooLong => "longer",
        };
        write!(f, "the body is {than} than its declared length")
    }
}

impl Error for LengthError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames that pass. `knows_end`: the last frame is known to be the last.
    fn passed(
        length: Option<u64>,
        frames: &[&'static str],
        knows_end: bool,
    ) -> Result<Vec<Bytes>, LengthError> {
        let mut declared = DeclaredLength::new(length);
        let mut passed = Vec::new();
        for (at, frame) in (1..).zip(frames) {
            let is_last = knows_end && at == frames.len();
            passed.extend(declared.check(Bytes::from_static(frame.as_bytes()), is_last)?);
            let sent: usize = passed.iter().map(Bytes::len).sum();
            let remaining = length.map(|length| length - sent as u64);
            assert_eq!(declared.remaining(), remaining, "{frames:?}");
        }
        passed.extend(declared.finish()?);
        assert!(declared.is_complete());
        Ok(passed)
    }

    #[test]
    fn a_body_of_the_declared_length_passes() {
        for knows_end in [true, false] {
            for frames in [&["hello"][..], &["he", "llo"], &["", "h", "", "ello"]] {
                let whole = passed(Some(5), frames, knows_end).unwrap().concat();
                assert_eq!(whole, b"hello", "{frames:?}");
            }
            let whole = passed(Some(5), &["hello", "", ""], knows_end);
            assert_eq!(whole.unwrap().concat(), b"hello");
            assert_eq!(passed(Some(0), &[], knows_end), Ok(vec![]));
            assert_eq!(
                passed(None, &["he", "llo"], knows_end).unwrap().concat(),
                b"hello"
            );
            for frames in [&[][..], &["hell"], &["he", "ll", ""]] {
                assert_eq!(
                    passed(Some(5), frames, knows_end),
                    Err(LengthError::TooShort)
                );
            }
            for frames in [&["hello!"][..], &["hello", "!"], &["hello", "", "!"]] {
                assert_eq!(
                    passed(Some(5), frames, knows_end),
                    Err(LengthError::TooLong)
                );
            }
        }
    }

    #[test]
    fn the_last_byte_is_held_back_until_the_end() {
        let mut declared = DeclaredLength::new(Some(5));
        let frame = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(declared.check(frame("he"), false), Ok(Some(frame("he"))));
        assert_eq!(declared.check(frame("llo"), false), Ok(None));
        assert!(!declared.is_complete());
        assert_eq!(declared.check(frame(""), false), Ok(None));
        assert_eq!(declared.finish(), Ok(Some(frame("llo"))));
        assert!(declared.is_complete());
    }
}
