use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// The name of a tenant within one process: 1 to 63 ASCII letters, digits, `-` and `_`.
///
/// Letters are lower case; upper case is lowered when a key is parsed. A key fits into a label of
/// a DNS name, a path segment, a file name and the value of a metrics label without escapes. It
/// is stored inline: to parse, copy and compare keys allocates nothing.
///
/// ```
/// use omneo_id::tenants::TenantKey;
///
/// let key: TenantKey = "Acme-Shop".parse()?;
/// assert_eq!(key.as_str(), "acme-shop");
/// assert!("acme.shop".parse::<TenantKey>().is_err());
/// # Ok::<(), omneo_id::tenants::InvalidTenantKey>(())
/// ```
#[derive(Clone, Copy)]
pub struct TenantKey {
    len: u8,
    // ASCII, and zero after `len`.
    bytes: [u8; Self::MAX_LEN],
}

impl TenantKey {
    /// The longest key, in bytes: that of a label of a DNS name.
    pub const MAX_LEN: usize = 63;

    /// The key of [`TenantSet::single`](crate::tenants::TenantSet::single): `default`.
    pub const DEFAULT: Self = {
        let mut bytes = [0; Self::MAX_LEN];
        let mut rest: &[u8] = b"default";
        let (mut slots, len): (&mut [u8], _) = (&mut bytes, rest.len() as u8);
        while let ([first, others @ ..], Some((slot, free))) = (rest, slots.split_first_mut()) {
            *slot = *first;
            (rest, slots) = (others, free);
        }
        Self { len, bytes }
    };

    /// The key as text.
    pub fn as_str(&self) -> &str {
        let key = self.bytes.get(..usize::from(self.len));
        // A key is ASCII.
        key.and_then(|key| str::from_utf8(key).ok())
            .unwrap_or_default()
    }

    /// Parses a key that has no upper case.
    pub(crate) fn from_lower_case(text: &str) -> Option<Self> {
        let has_upper_case = text.bytes().any(|byte| byte.is_ascii_uppercase());
        text.parse().ok().filter(|_| !has_upper_case)
    }
}

impl FromStr for TenantKey {
    type Err = InvalidTenantKey;

    fn from_str(text: &str) -> Result<Self, InvalidTenantKey> {
        let mut bytes = [0; Self::MAX_LEN];
        let len = u8::try_from(text.len()).map_err(|_| InvalidTenantKey(()))?;
        let target = bytes
            .get_mut(..text.len())
            .filter(|target| !target.is_empty())
            .ok_or(InvalidTenantKey(()))?;
        for (target, byte) in target.iter_mut().zip(text.bytes()) {
            if !is_key_byte(byte) {
                return Err(InvalidTenantKey(()));
            }
            *target = byte.to_ascii_lowercase();
        }
        Ok(Self { len, bytes })
    }
}

impl TryFrom<&str> for TenantKey {
    type Error = InvalidTenantKey;

    fn try_from(text: &str) -> Result<Self, InvalidTenantKey> {
        text.parse()
    }
}

fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

impl AsRef<str> for TenantKey {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for TenantKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for TenantKey {}

impl PartialOrd for TenantKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TenantKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for TenantKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TenantKey").field(&self.as_str()).finish()
    }
}

/// The text is not a [`TenantKey`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTenantKey(());

impl fmt::Display for InvalidTenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tenant key is 1 to 63 letters, digits, `-` and `_`")
    }
}

impl std::error::Error for InvalidTenantKey {}
