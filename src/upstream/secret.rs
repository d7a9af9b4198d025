use std::fmt;

use memchr::memchr_iter;
use memchr::memmem::Finder;

/// A byte string that must not occur in a response.
#[derive(Clone)]
pub(super) struct Secret {
    finder: Finder<'static>,
}

impl Secret {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self {
            finder: Finder::new(secret).into_owned(),
        }
    }

    /// Whether `bytes` contain the secret.
    pub(super) fn occurs_in(&self, bytes: &[u8]) -> bool {
        self.finder.find(bytes).is_some()
    }

    /// The length of the longest suffix of `bytes` that is a proper prefix of the secret.
    pub(super) fn partial_match_len(&self, bytes: &[u8]) -> usize {
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

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
