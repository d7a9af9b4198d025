use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cache::{Cache, CacheStats};
use super::claims::{AudiencePolicy, Policy};
use super::header::Header;
use super::{TokenFilter, VerifyError, VerifyErrorKind};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrorKind, issuer_or_audience};
use crate::identity::{Claims, VerifiedToken};
use crate::keys::{KeySet, Keyring, VerifyingKey};
use crate::report::TokenCheck;
use crate::revocation::Revocations;

/// Verifies tokens: signature, algorithm, times, issuer and audience.
///
/// The result depends only on token, keys, clock and configuration; nothing is fetched. Algorithm
/// and key come from the [`Keyring`]; a token's header only selects among them. Valid tokens are
/// cached (see [`with_cache_capacity`](Self::with_cache_capacity)); their times are checked at each
/// use.
///
/// Clones share keys and cache. See the [module docs](super).
///
/// ```
/// use omneo_id::auth::VerifyErrorKind;
/// use omneo_id::{Keyring, SigningKey, TokenVerifier};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let key = SigningKey::hs256("a secret of at least 32 bytes, kept secret")?;
/// let verifier = TokenVerifier::new(Keyring::new(key));
/// let forged = "eyJhbGciOiJub25lIn0.eyJwaWQiOiIzZjBjMmY2ZSJ9.";
/// assert_eq!(verifier.verify(forged).unwrap_err().kind(), VerifyErrorKind::Algorithm);
/// # }
/// # Ok::<(), omneo_id::error::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct TokenVerifier(Arc<Inner>);

struct Inner {
    config: Config,
    cache: Cache,
}

#[derive(Clone)]
struct Config {
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    policy: Policy,
    cache_capacity: usize,
    revocations: Option<Revocations>,
    filter: Option<Arc<dyn TokenFilter>>,
}

impl TokenVerifier {
    /// The longest token that is verified, in bytes: the default limit of nginx for a header. A
    /// longer one is rejected unread.
    pub const MAX_TOKEN_LEN: usize = 8 * 1024;

    const MAX_LEEWAY: Duration = Duration::from_secs(60);

    /// Verifies with these keys.
    pub fn new(keyring: Keyring) -> Self {
        Self::from_config(Config {
            keyring,
            clock: Arc::new(SystemClock),
            policy: Policy {
                issuer: None,
                audience: AudiencePolicy::Absent,
                leeway: 5,
                max_lifetime: 24 * 60 * 60,
            },
            cache_capacity: 1024,
            revocations: None,
            filter: None,
        })
    }

    fn from_config(config: Config) -> Self {
        let cache = Cache::new(config.cache_capacity);
        if let Some(revocations) = &config.revocations {
            revocations.extend_retention(config.policy.max_lifetime);
        }
        Self(Arc::new(Inner { config, cache }))
    }

    /// A token that is valid for one configuration may be invalid for another: each change starts
    /// with an empty cache.
    fn edit(self, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = self.0.config.clone();
        change(&mut config);
        Self::from_config(config)
    }

    /// Replaces the clock.
    ///
    /// Default is the [system's](SystemClock).
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.edit(|config| config.clock = Arc::new(clock))
    }

    /// Requires that `iss` is present and equals `issuer`.
    ///
    /// Default is to accept any issuer whose signature verifies.
    ///
    /// # Errors
    /// If it is empty.
    pub fn with_issuer(self, issuer: &str) -> Result<Self, ConfigError> {
        let issuer = Some(issuer_or_audience(issuer)?);
        Ok(self.edit(|config| config.policy.issuer = issuer))
    }

    /// Requires that `aud` is present and equals or contains `audience`.
    ///
    /// Default is to reject tokens that have an `aud`.
    ///
    /// # Errors
    /// If it is empty.
    pub fn with_audience(self, audience: &str) -> Result<Self, ConfigError> {
        let audience = AudiencePolicy::Contains(issuer_or_audience(audience)?);
        Ok(self.edit(|config| config.policy.audience = audience))
    }

    /// Accepts any audience. Tokens that were issued for other services are then valid here.
    ///
    /// Default is to reject tokens that have an `aud`.
    #[must_use]
    pub fn with_any_audience(self) -> Self {
        self.edit(|config| config.policy.audience = AudiencePolicy::Any)
    }

    /// Replaces the tolerated difference between the clocks of issuer and verifier, in whole
    /// seconds.
    ///
    /// Default is 5 seconds.
    ///
    /// # Errors
    /// If it is over 60 seconds.
    pub fn with_leeway(self, leeway: Duration) -> Result<Self, ConfigError> {
        if leeway > Self::MAX_LEEWAY {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "a leeway is 60 seconds at most",
            ));
        }
        Ok(self.edit(|config| config.policy.leeway = leeway.as_secs()))
    }

    /// Replaces the longest accepted lifetime, from `iat` (without one: from now) to `exp`, in
    /// whole seconds.
    ///
    /// Default is 24 hours.
    ///
    /// # Errors
    /// If it is under a second.
    pub fn with_max_lifetime(self, lifetime: Duration) -> Result<Self, ConfigError> {
        if lifetime.as_secs() == 0 {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "the longest lifetime of a token is at least one second",
            ));
        }
        Ok(self.edit(|config| config.policy.max_lifetime = lifetime.as_secs()))
    }

    /// Replaces how many valid tokens are cached, at least. The cache is sharded and shards fill
    /// unevenly, so from 64 on it has room for up to five eighths more. 0 disables the cache. A
    /// token over 2 KiB is not cached.
    ///
    /// Default is 1024.
    #[must_use]
    pub fn with_cache_capacity(self, tokens: usize) -> Self {
        self.edit(|config| config.cache_capacity = tokens)
    }

    /// Also rejects tokens that were ended. Share the set with the
    /// [issuer](crate::TokenIssuer::with_revocations), so that a login right after the end of all
    /// sessions works.
    ///
    /// Default is to accept a token until it expires.
    #[must_use]
    pub fn with_revocations(self, revocations: Revocations) -> Self {
        self.edit(|config| config.revocations = Some(revocations))
    }

    /// Also rejects the tokens that `filter` does not accept.
    ///
    /// Default is to accept all.
    #[must_use]
    pub fn with_filter(self, filter: impl TokenFilter) -> Self {
        self.edit(|config| config.filter = Some(Arc::new(filter)))
    }

    /// The keys.
    pub fn keyring(&self) -> &Keyring {
        &self.0.config.keyring
    }

    /// The size of the token cache, and its hits and misses.
    pub fn cache_stats(&self) -> CacheStats {
        self.0.cache.stats()
    }

    /// Verifies a token, without `Bearer`.
    ///
    /// # Errors
    /// If the token is invalid, for any reason; an ambiguous token is invalid.
    pub fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        self.verify_bytes(token.as_bytes())
            .map(|(verified, _)| verified)
    }

    /// As [`verify`](Self::verify), over bytes: a cached token needs no UTF-8 check.
    pub(super) fn verify_bytes(
        &self,
        token: &[u8],
    ) -> Result<(VerifiedToken, TokenCheck), VerifyError> {
        if token.len() > Self::MAX_TOKEN_LEN {
            return Err(VerifyErrorKind::TooLong.into());
        }
        let Inner { config, cache } = &*self.0;
        let now = config.clock.now();
        if let Some(verified) = cache.get(token, config.keyring.generation()) {
            config.policy.check_times(verified.claims(), now)?;
            config.check_use(&verified)?;
            return Ok((verified, TokenCheck::Cached));
        }
        let text = std::str::from_utf8(token).map_err(|_| VerifyErrorKind::Malformed)?;
        let snapshot = config.keyring.snapshot();
        let claims = verify(text, &snapshot.keys, &config.policy, now)?;
        let verified = VerifiedToken::new(claims);
        cache.insert(token, snapshot.generation, &verified);
        cache.count_miss();
        config.check_use(&verified)?;
        Ok((verified, TokenCheck::Verified))
    }
}

impl Config {
    /// The checks whose result may change between two uses of a token.
    fn check_use(&self, token: &VerifiedToken) -> Result<(), VerifyErrorKind> {
        if let Some(revocations) = &self.revocations {
            // The version is read first: a change during the look-up then leads to another look-up.
            let version = revocations.version();
            if !token.is_checked(version) {
                if revocations.is_revoked(token.claims()) {
                    return Err(VerifyErrorKind::Revoked);
                }
                token.set_checked(version);
            }
            if revocations.is_stale() {
                return Err(VerifyErrorKind::RevocationsStale);
            }
        }
        match &self.filter {
            Some(filter) if !filter.accepts(token) => Err(VerifyErrorKind::Filtered),
            _ => Ok(()),
        }
    }
}

/// Decoding buffers, reused by the next verification of the same thread.
#[derive(Default)]
struct Scratch {
    signature: Vec<u8>,
    payload: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// [RFC 7515 §5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2), cheapest checks first, so
/// that an invalid token costs little. The payload is decoded only after the signature is verified.
fn verify(
    token: &str,
    keys: &KeySet,
    policy: &Policy,
    now: u64,
) -> Result<Claims, VerifyErrorKind> {
    let (message, signature) = token.rsplit_once('.').ok_or(VerifyErrorKind::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(VerifyErrorKind::Malformed)?;
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    // With a fourth segment, the payload contains a dot, which is not base64url.
    let claims = decode(signature, &mut scratch.signature)
        .and_then(|signature| check_signature(header, message, signature, keys))
        .and_then(|key_id| {
            let payload = decode(payload, &mut scratch.payload)?;
            let mut claims = policy.check(payload, now)?;
            claims.key_id = key_id;
            Ok(claims)
        });
    // Fails only while the thread is being destroyed.
    let _ = SCRATCH.try_with(|cell| cell.set(scratch));
    claims
}

/// Returns the `kid` of the header.
// The backend's trait is over `Vec<u8>`.
#[allow(clippy::ptr_arg)]
fn check_signature(
    header: &str,
    message: &str,
    signature: &Vec<u8>,
    keys: &KeySet,
) -> Result<Option<Arc<str>>, VerifyErrorKind> {
    let verifies = |key: &VerifyingKey| key.verify(message.as_bytes(), signature);
    // A header of our own issuer is compared, not parsed. Only a foreign issuer sends others.
    let own = (keys.verifying_keys().iter()).find(|key| key.header() == header);
    let (verified, key_id) = match own {
        Some(key) => {
            let mut candidates = keys.candidates(key.algorithm(), key.key_id());
            (candidates.any(verifies), key.shared_key_id())
        }
        None => {
            let mut json = Vec::new();
            let header = Header::parse(decode(header, &mut json)?)?;
            let mut candidates = keys
                .candidates(header.algorithm, header.key_id.as_deref())
                .peekable();
            if candidates.peek().is_none() {
                return Err(no_candidate(keys, &header));
            }
            (
                candidates.any(verifies),
                header.key_id.as_deref().map(Arc::from),
            )
        }
    };
    match verified {
        true => Ok(key_id),
        false => Err(VerifyErrorKind::Signature),
    }
}

fn no_candidate(keys: &KeySet, header: &Header<'_>) -> VerifyErrorKind {
    let mut keys = keys.verifying_keys().iter();
    match keys.any(|key| key.algorithm() == header.algorithm) {
        true => VerifyErrorKind::UnknownKey,
        false => VerifyErrorKind::Algorithm,
    }
}

/// Base64url without padding, white space or non-zero trailing bits (RFC 4648 §3.5): a segment has
/// exactly one encoding.
fn decode<'a>(segment: &str, buffer: &'a mut Vec<u8>) -> Result<&'a Vec<u8>, VerifyErrorKind> {
    buffer.clear();
    match URL_SAFE_NO_PAD.decode_vec(segment, buffer) {
        Ok(()) => Ok(buffer),
        Err(_) => Err(VerifyErrorKind::Malformed),
    }
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier")
            .field("keyring", &self.0.config.keyring)
            .field("policy", &self.0.config.policy)
            .field("cache_capacity", &self.0.config.cache_capacity)
            .finish_non_exhaustive()
    }
}
