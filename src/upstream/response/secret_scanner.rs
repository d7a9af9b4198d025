use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::upstream::secret::Secret;

/// Scans the data frames of a body for a secret, across frame boundaries.
///
/// A suffix of a frame that may be the beginning of the secret is buffered until the next frame.
#[derive(Debug, Default)]
pub(crate) struct SecretScanner {
    buffer: Bytes,
}

/// A body contains the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretFound;

impl SecretScanner {
    /// Returns the data that can be forwarded: the buffered data and this frame, except for a
    /// partial match at its end.
    ///
    /// # Errors
    /// If the data contain the secret.
    pub(crate) fn scan(&mut self, frame: Bytes, secret: &Secret) -> Result<Bytes, SecretFound> {
        let mut data = match self.buffer.is_empty() {
            true => frame,
            false => {
                let mut joined = BytesMut::from(&*self.buffer);
                joined.extend_from_slice(&frame);
                joined.freeze()
            }
        };
        if secret.occurs_in(&data) {
            return Err(SecretFound);
        }
        let end = data.len() - secret.partial_match_len(&data);
        self.buffer = data.split_off(end);
        Ok(data)
    }

    /// Returns the buffered data, if any, after the last frame.
    pub(crate) fn finish(&mut self) -> Option<Bytes> {
        let rest = std::mem::take(&mut self.buffer);
        (!rest.is_empty()).then_some(rest)
    }

    /// The number of buffered bytes.
    pub(crate) fn buffered(&self) -> u64 {
        self.buffer.len() as u64
    }
}

impl fmt::Display for SecretFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body contains a secret")
    }
}

impl std::error::Error for SecretFound {}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"7f7f-secret";

    fn scanned(frames: &[&[u8]]) -> Result<Vec<u8>, SecretFound> {
        let secret = Secret::new(SECRET);
        let mut scanner = SecretScanner::default();
        let mut scanned = Vec::new();
        for frame in frames {
            scanned.extend_from_slice(&scanner.scan(Bytes::copy_from_slice(frame), &secret)?);
            assert!(!scanned.windows(SECRET.len()).any(|window| window == SECRET));
        }
        scanned.extend(scanner.finish().unwrap_or_default());
        Ok(scanned)
    }

    #[test]
    fn a_body_without_the_secret_is_unchanged_at_every_frame_size() {
        let body = b"7f7f-secre 7f7f7f7f-secre7 7f7f-secr";
        for size in 1..body.len() {
            let frames: Vec<&[u8]> = body.chunks(size).collect();
            assert_eq!(scanned(&frames).unwrap(), body, "{size}");
        }
        assert_eq!(scanned(&[]).unwrap(), b"");
        assert_eq!(scanned(&[b"", b"7", b""]).unwrap(), b"7");
    }

    #[test]
    fn the_secret_is_found_at_every_position_in_every_text() {
        for secret in [
            &b"aaaaaaab"[..],
            b"baaaaaaa",
            b"7f7f-secret",
            b"Zz",
            b"zZz",
            b"q",
        ] {
            let needle = Secret::new(secret);
            // Texts without, with some and with many bytes of the secret.
            for filler in [
                &b" "[..],
                b"a",
                b"b",
                b"Z",
                b"z",
                b"7f-Z",
                b"aaaaaaa",
                b"zZ ",
            ] {
                for length in [0, 1, 7, 8, 300, 1000] {
                    let before = filler.repeat(length);
                    let expected = before.windows(secret.len()).any(|window| window == secret);
                    assert_eq!(needle.occurs_in(&before), expected, "{length} {filler:?}");
                    for after in [&b""[..], b"a", b"Z 7f"] {
                        let text = [&before, secret, after].concat();
                        assert!(needle.occurs_in(&text), "{length} {filler:?} {after:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_secret_is_found_at_every_frame_size() {
        let body = b"x 7f7f7f7f-secret y";
        for size in 1..=body.len() {
            let frames: Vec<&[u8]> = body.chunks(size).collect();
            assert_eq!(scanned(&frames), Err(SecretFound), "{size}");
        }
    }
}
