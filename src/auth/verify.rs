use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::cache::{Cache, CacheStats};
use super::claims::{AudiencePolicy, Policy};
use super::header::Header;
use super::{VerifyError, VerifyErrorKind};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::identity::{Claims, VerifiedToken};
use crate::keys::{KeySet, Keyring, VerifyingKey};
use crate::report::TokenCheck;

/// Judges tokens: signature, algorithm, times, issuer and audience.
///
/// A pure function of token, keys, clock and configuration; nothing is fetched. Algorithm and key
/// come from the [`Keyring`], a token's header only points at them. Good tokens are remembered
/// (see [`with_cache_capacity`](Self::with_cache_capacity)); their times are checked at every use.
///
/// Clones share keys and memory. See the [module docs](super).
///
/// ```
/// use omneo_id::auth::{TokenVerifier, VerifyErrorKind};
/// use omneo_id::keys::{Keyring, SigningKey};
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
}

impl TokenVerifier {
    /// The longest token that is looked at, in bytes.
    pub const MAX_TOKEN_LEN: usize = 8 * 1024;

    const MAX_LEEWAY: Duration = Duration::from_secs(60);

    /// Verifies with these keys.
    pub fn new(keyring: Keyring) -> Self {
        Self::from_config(Config {
            keyring,
            clock: Arc::new(SystemClock),
            policy: Policy {
                issuer: None,
                audience: AudiencePolicy::Nobody,
                leeway: 5,
                max_lifetime: 24 * 60 * 60,
            },
            cache_capacity: 1024,
        })
    }

    fn from_config(config: Config) -> Self {
        let cache = Cache::new(config.cache_capacity);
        Self(Arc::new(Inner { config, cache }))
    }

    /// What was remembered under one configuration must not count under another: each change
    /// begins with an empty cache.
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

    /// Demands that `iss` is there and is this.
    ///
    /// Default is any issuer: the keys decide.
    ///
    /// # Errors
    /// If it is empty.
    pub fn with_issuer(self, issuer: &str) -> Result<Self, ConfigError> {
        let issuer = Some(name(issuer)?);
        Ok(self.edit(|config| config.policy.issuer = issuer))
    }

    /// Demands that `aud` is there and is this, or names it among others.
    ///
    /// Default is to refuse tokens that name any audience.
    ///
    /// # Errors
    /// If it is empty.
    pub fn with_audience(self, audience: &str) -> Result<Self, ConfigError> {
        let audience = AudiencePolicy::Is(name(audience)?);
        Ok(self.edit(|config| config.policy.audience = audience))
    }

    /// Takes tokens for whatever audience, those meant for other services too.
    ///
    /// Default is to refuse tokens that name any audience.
    #[must_use]
    pub fn with_any_audience(self) -> Self {
        self.edit(|config| config.policy.audience = AudiencePolicy::Anybody)
    }

    /// Replaces by how much the clocks of issuer and verifier may differ; whole seconds.
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

    /// Replaces how long a token may live, from `iat` (or, without one, from now) to `exp`; whole
    /// seconds.
    ///
    /// Default is 24 hours.
    ///
    /// # Errors
    /// If it is under a second.
    pub fn with_max_lifetime(self, lifetime: Duration) -> Result<Self, ConfigError> {
        if lifetime.as_secs() == 0 {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "a token lives a second at least",
            ));
        }
        Ok(self.edit(|config| config.policy.max_lifetime = lifetime.as_secs()))
    }

    /// Replaces how many good tokens are remembered, at least: from 64 on there is room for five
    /// eighths more, as the cache is sharded, and shards fill unevenly. 0 turns it off. A token
    /// over 2 KiB is never remembered.
    ///
    /// Default is 1024.
    #[must_use]
    pub fn with_cache_capacity(self, tokens: usize) -> Self {
        self.edit(|config| config.cache_capacity = tokens)
    }

    /// The keys that it verifies with.
    pub fn keyring(&self) -> &Keyring {
        &self.0.config.keyring
    }

    /// How many tokens are remembered, and how often that was of use.
    pub fn cache_stats(&self) -> CacheStats {
        self.0.cache.stats()
    }

    /// Judges a token, without `Bearer`.
    ///
    /// # Errors
    /// If it is not good, for whatever reason: anything unclear is refused.
    pub fn verify(&self, token: &str) -> Result<VerifiedToken, VerifyError> {
        self.verify_bytes(token.as_bytes())
            .map(|(verified, _)| verified)
    }

    /// A token that is known is known to be text.
    pub(super) fn verify_bytes(
        &self,
        token: &[u8],
    ) -> Result<(VerifiedToken, TokenCheck), VerifyError> {
        if token.len() > Self::MAX_TOKEN_LEN {
            return Err(VerifyErrorKind::TooLong.into());
        }
        let Inner { config, cache } = &*self.0;
        let now = config.clock.now();
        if let Some(known) = cache.get(token, config.keyring.generation()) {
            config.policy.check_times(known.claims(), now)?;
            return Ok((known, TokenCheck::Remembered));
        }
        let text = std::str::from_utf8(token).map_err(|_| VerifyErrorKind::Malformed)?;
        let snapshot = config.keyring.snapshot();
        let claims = verify(text, &snapshot.keys, &config.policy, now)?;
        let verified = VerifiedToken::new(Arc::new(claims));
        cache.insert(token, snapshot.generation, &verified);
        cache.missed();
        Ok((verified, TokenCheck::Verified))
    }
}

fn name(name: &str) -> Result<Box<str>, ConfigError> {
    match name.is_empty() {
        true => Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            "an issuer or audience cannot be empty",
        )),
        false => Ok(name.into()),
    }
}

/// What a verification decodes into, kept by each thread for its next one.
#[derive(Default)]
struct Scratch {
    signature: Vec<u8>,
    payload: Vec<u8>,
}

thread_local! {
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// [RFC 7515 §5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2), in the order in which the
/// least is done for a token that is no good. No byte of the payload is looked at before the
/// signature is found right.
fn verify(
    token: &str,
    keys: &KeySet,
    policy: &Policy,
    now: u64,
) -> Result<Claims, VerifyErrorKind> {
    let (message, signature) = token.rsplit_once('.').ok_or(VerifyErrorKind::Malformed)?;
    let (header, payload) = message.split_once('.').ok_or(VerifyErrorKind::Malformed)?;
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    // Of a fourth segment, the payload would hold the dot: no base64url.
    let claims = decode(signature, &mut scratch.signature)
        .and_then(|signature| check_signature(header, message, signature, keys))
        .and_then(|()| decode(payload, &mut scratch.payload))
        .and_then(|payload| policy.check(payload, now));
    // Where the thread is ending already, there is nothing to keep it for.
    let _ = SCRATCH.try_with(|cell| cell.set(scratch));
    claims
}

// The backend's trait is over `Vec<u8>`.
#[allow(clippy::ptr_arg)]
fn check_signature(
    header: &str,
    message: &str,
    signature: &Vec<u8>,
    keys: &KeySet,
) -> Result<(), VerifyErrorKind> {
    let verifies = |key: &VerifyingKey| key.verify(message.as_bytes(), signature);
    // Our own headers are known by sight; a ring sees no others unless it has a foreign issuer.
    let own = (keys.verifying_keys().iter()).find(|key| key.header() == header);
    let verified = match own {
        Some(key) => keys.candidates(key.algorithm(), key.key_id()).any(verifies),
        None => {
            let mut json = Vec::new();
            let header = Header::parse(decode(header, &mut json)?)?;
            let mut candidates = keys
                .candidates(header.algorithm, header.key_id.as_deref())
                .peekable();
            if candidates.peek().is_none() {
                return Err(no_candidate(keys, &header));
            }
            candidates.any(verifies)
        }
    };
    match verified {
        true => Ok(()),
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

/// Base64url without padding, nothing but its alphabet, and no bits left over (RFC 4648 §3.5): a
/// segment has exactly one spelling.
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
