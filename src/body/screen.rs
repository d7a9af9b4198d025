use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;

/// Something that must not occur in a body.
pub(crate) struct Secret(Finder<'static>);

impl Secret {
    pub(crate) fn new(secret: &[u8]) -> Self {
        Self(Finder::new(secret).into_owned())
    }

    /// Whether `bytes` hold it anywhere.
    pub(crate) fn occurs_in(&self, bytes: &[u8]) -> bool {
        // Most of what is looked through is shorter than a secret.
        bytes.len() >= self.0.needle().len() && self.0.find(bytes).is_some()
    }

    /// How many bytes at the end of these could be the beginning of the secret.
    fn begins_at_end_of(&self, bytes: &[u8]) -> usize {
        let secret = self.0.needle();
        let longest = bytes.len().min(secret.len().saturating_sub(1));
        let (Some(&first), Some(end)) = (secret.first(), bytes.get(bytes.len() - longest..)) else {
            return 0;
        };
        memchr::memchr_iter(first, end)
            .filter_map(|from| end.get(from..))
            .find(|tail| secret.starts_with(tail))
            .map_or(0, <[u8]>::len)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Looks for a secret in the pieces of a body, and across their borders: what could be its beginning
/// is held back until the next piece tells.
#[derive(Debug, Default)]
pub(crate) struct Screen {
    held: Bytes,
}

/// The secret was about to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretFound;

impl Screen {
    /// What may pass of the body so far.
    pub(crate) fn pass(&mut self, piece: Bytes, secret: &Secret) -> Result<Bytes, SecretFound> {
        let mut piece = match self.held.is_empty() {
            true => piece,
            false => {
                let mut joined = BytesMut::from(&*self.held);
                joined.extend_from_slice(&piece);
                joined.freeze()
            }
        };
        if secret.occurs_in(&piece) {
            return Err(SecretFound);
        }
        let passing = piece.len() - secret.begins_at_end_of(&piece);
        self.held = piece.split_off(passing);
        Ok(piece)
    }

    /// What was held back, if anything, once no further piece comes.
    pub(crate) fn finish(&mut self) -> Option<Bytes> {
        let held = std::mem::take(&mut self.held);
        (!held.is_empty()).then_some(held)
    }

    pub(crate) fn held(&self) -> u64 {
        self.held.len() as u64
    }
}

impl fmt::Display for SecretFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body held a secret and was broken off")
    }
}

impl std::error::Error for SecretFound {}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"7f7f-secret";

    fn passed(pieces: &[&[u8]]) -> Result<Vec<u8>, SecretFound> {
        let secret = Secret::new(SECRET);
        let mut screen = Screen::default();
        let mut passed = Vec::new();
        for piece in pieces {
            passed.extend_from_slice(&screen.pass(Bytes::copy_from_slice(piece), &secret)?);
            assert!(!passed.windows(SECRET.len()).any(|window| window == SECRET));
        }
        passed.extend(screen.finish().unwrap_or_default());
        Ok(passed)
    }

    #[test]
    fn a_body_without_the_secret_passes_whole_however_it_is_cut() {
        let body = b"7f7f-secre 7f7f7f7f-secre7 7f7f-secr";
        for size in 1..body.len() {
            let pieces: Vec<&[u8]> = body.chunks(size).collect();
            assert_eq!(passed(&pieces).unwrap(), body, "{size}");
        }
        assert_eq!(passed(&[]).unwrap(), b"");
        assert_eq!(passed(&[b"", b"7", b""]).unwrap(), b"7");
    }

    #[test]
    fn the_secret_does_not_pass_however_it_is_cut() {
        let body = b"x 7f7f7f7f-secret y";
        for size in 1..=body.len() {
            let pieces: Vec<&[u8]> = body.chunks(size).collect();
            assert_eq!(passed(&pieces), Err(SecretFound), "{size}");
        }
    }
}
