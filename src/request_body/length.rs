use std::error::Error;
use std::fmt;

use bytes::Bytes;

/// The length that a request's head declares, checked against the data of its body.
///
/// A client over HTTP/1.1 cuts a body that is too long at the declared length, and the request
/// looks complete. So the last byte is held back until the body has ended.
#[derive(Debug, Default)]
pub(crate) struct DeclaredLength {
    /// Bytes that are still to come; `None` if no length is declared.
    left: Option<u64>,
    held: Option<Bytes>,
}

impl DeclaredLength {
    pub(crate) fn new(length: Option<u64>) -> Self {
        Self {
            left: length,
            held: None,
        }
    }

    /// Data that may be sent. `is_last`: the body ends with it.
    pub(crate) fn pass(
        &mut self,
        data: Bytes,
        is_last: bool,
    ) -> Result<Option<Bytes>, LengthError> {
        let Some(left) = &mut self.left else {
            return Ok(Some(data));
        };
        // No more than a `u64` of bytes fits in memory.
        let size = data.len() as u64;
        *left = left.checked_sub(size).ok_or(LengthError::TooLong)?;
        if is_last || *left > 0 {
            return Ok(Some(data));
        }
        if !data.is_empty() {
            self.held = Some(data);
        }
        Ok(None)
    }

    /// The held data, once the body has ended.
    pub(crate) fn finish(&mut self) -> Result<Option<Bytes>, LengthError> {
        match self.left {
            Some(1..) => Err(LengthError::TooShort),
            Some(0) | None => Ok(self.held.take()),
        }
    }

    /// Whether nothing is missing or held back.
    pub(crate) fn is_complete(&self) -> bool {
        self.held.is_none() && !matches!(self.left, Some(1..))
    }

    /// Bytes that are still to be sent; `None` if no length is declared.
    pub(crate) fn left(&self) -> Option<u64> {
        let held = self.held.as_ref().map_or(0, Bytes::len);
        self.left.map(|left| left + held as u64)
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

    /// The frames that pass, the last of which may be known to be the last.
    fn passed(
        length: Option<u64>,
        frames: &[&'static str],
        tells_end: bool,
    ) -> Result<Vec<Bytes>, LengthError> {
        let mut declared = DeclaredLength::new(length);
        let mut passed = Vec::new();
        for (at, frame) in (1..).zip(frames) {
            let is_last = tells_end && at == frames.len();
            passed.extend(declared.pass(Bytes::from_static(frame.as_bytes()), is_last)?);
            let sent: usize = passed.iter().map(Bytes::len).sum();
            let left = length.map(|length| length - sent as u64);
            assert_eq!(declared.left(), left, "{frames:?}");
        }
        passed.extend(declared.finish()?);
        assert!(declared.is_complete());
        Ok(passed)
    }

    #[test]
    fn a_body_passes_if_it_is_as_long_as_declared() {
        for tells_end in [true, false] {
            for frames in [&["hello"][..], &["he", "llo"], &["", "h", "", "ello"]] {
                let whole = passed(Some(5), frames, tells_end).unwrap().concat();
                assert_eq!(whole, b"hello", "{frames:?}");
            }
            let whole = passed(Some(5), &["hello", "", ""], tells_end);
            assert_eq!(whole.unwrap().concat(), b"hello");
            assert_eq!(passed(Some(0), &[], tells_end), Ok(vec![]));
            assert_eq!(
                passed(None, &["he", "llo"], tells_end).unwrap().concat(),
                b"hello"
            );
            for frames in [&[][..], &["hell"], &["he", "ll", ""]] {
                assert_eq!(
                    passed(Some(5), frames, tells_end),
                    Err(LengthError::TooShort)
                );
            }
            for frames in [&["hello!"][..], &["hello", "!"], &["hello", "", "!"]] {
                assert_eq!(
                    passed(Some(5), frames, tells_end),
                    Err(LengthError::TooLong)
                );
            }
        }
    }

    #[test]
    fn the_last_byte_is_held_back_until_the_end() {
        let mut declared = DeclaredLength::new(Some(5));
        let frame = |text: &'static str| Bytes::from_static(text.as_bytes());
        assert_eq!(declared.pass(frame("he"), false), Ok(Some(frame("he"))));
        assert_eq!(declared.pass(frame("llo"), false), Ok(None));
        assert!(!declared.is_complete());
        assert_eq!(declared.pass(frame(""), false), Ok(None));
        assert_eq!(declared.finish(), Ok(Some(frame("llo"))));
        assert!(declared.is_complete());
    }
}
