use std::fmt;

use bytes::{Bytes, BytesMut};
use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter};

/// So many bytes have to be passed for each one that only looked like the secret.
const WORTH: usize = 128;

/// Something that must not occur in a body.
pub(crate) struct Secret {
    finder: Finder<'static>,
    /// Its byte that texts hold the least often, and how far in it stands.
    rare: (u8, usize),
}

impl Secret {
    pub(crate) fn new(secret: &[u8]) -> Self {
        let rarest = (0..).zip(secret).min_by_key(|(_, byte)| commonness(**byte));
        Self {
            finder: Finder::new(secret).into_owned(),
            rare: rarest.map_or((0, 0), |(at, byte)| (*byte, at)),
        }
    }

    /// Whether `bytes` hold it anywhere.
    ///
    /// The search for one byte is several times faster than that for several, as long as it hardly
    /// ever stops. In a text where it does, the other one goes on.
    pub(crate) fn occurs_in(&self, bytes: &[u8]) -> bool {
        let secret = self.finder.needle();
        // Most of what is looked through is shorter than a secret.
        if bytes.len() < secret.len() {
            return false;
        }
        let (byte, before) = self.rare;
        let mut stops = 0;
        let mut from = before;
        while let Some(found) = bytes.get(from..).and_then(|rest| memchr(byte, rest)) {
            let begin = from + found - before;
            let rest = bytes.get(begin..).unwrap_or_default();
            if rest.starts_with(secret) {
                return true;
            }
            stops += 1;
            if stops > 2 + begin / WORTH {
                return self.finder.find(rest).is_some();
            }
            from += found + 1;
        }
        false
    }

    /// How many bytes at the end of these could be the beginning of the secret.
    fn begins_at_end_of(&self, bytes: &[u8]) -> usize {
        let secret = self.finder.needle();
        let longest = bytes.len().min(secret.len().saturating_sub(1));
        let (Some(&first), Some(end)) = (secret.first(), bytes.get(bytes.len() - longest..)) else {
            return 0;
        };
        memchr_iter(first, end)
            .filter_map(|from| end.get(from..))
            .find(|tail| secret.starts_with(tail))
            .map_or(0, <[u8]>::len)
    }
}

/// How often a byte stands in JSON with words and hexadecimal ids, roughly.
fn commonness(byte: u8) -> u8 {
    match byte {
        b'a'..=b'f' | b'0'..=b'9' | b't' | b'i' | b'n' | b'o' | b's' | b'r' | b'l' => 3,
        b'g' | b'h' | b'm' | b'p' | b'u' | b'y' | b'_' | b'-' | b'.' | b'/' => 2,
        b'a'..=b'z' => 1,
        // Capitals, and what is no letter and no digit.
        _ => 0,
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Looks for a secret in the pieces of a body, and across their borders: what could be its
/// beginning is held back until the next piece tells.
#[derive(Debug, Default)]
pub(crate) struct SecretScanner {
    held: Bytes,
}

/// The secret was about to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SecretFound;

impl SecretScanner {
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
        let mut screen = SecretScanner::default();
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
    fn the_secret_is_found_wherever_it_stands_and_whatever_is_around_it() {
        for secret in [
            &b"aaaaaaab"[..],
            b"baaaaaaa",
            b"7f7f-secret",
            b"Zz",
            b"zZz",
            b"q",
        ] {
            let wanted = Secret::new(secret);
            // Stops never, at each byte, and all the time before the secret comes.
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
                    assert_eq!(wanted.occurs_in(&before), expected, "{length} {filler:?}");
                    for after in [&b""[..], b"a", b"Z 7f"] {
                        let text = [&before, secret, after].concat();
                        assert!(wanted.occurs_in(&text), "{length} {filler:?} {after:?}");
                    }
                }
            }
        }
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
