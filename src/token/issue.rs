use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::identity::Subject;
use crate::keys::Keyring;
use crate::rejection::{Rejection, RejectionKind};
use crate::revocation::Revocations;

/// Signs ID tokens with the signing key of a [`Keyring`].
///
/// A token has the claims `pid`, `iat`, `exp`, `jti`, and, if configured, `iss` and `aud`; a
/// refreshed one has `auth_time`, too. A caller cannot add or change claims. `jti` is unique, not secret. Clones are cheap.
///
/// See the [module docs](super).
#[derive(Clone)]
pub struct TokenIssuer(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    keyring: Keyring,
    clock: Arc<dyn Clock>,
    lifetime: u64,
    issuer: Option<Box<str>>,
    audience: Option<Box<str>>,
    revocations: Option<Revocations>,
    ids: Arc<TokenIds>,
}

impl TokenIssuer {
    /// The accepted lifetimes, in seconds. 24 hours is also the longest that a verifier accepts by
    /// default.
    const LIFETIME: std::ops::RangeInclusive<u64> = 1..=24 * 60 * 60;

    /// Signs with the ring's current signing key.
    pub fn new(keyring: Keyring) -> Self {
        Self(Arc::new(Inner {
            keyring,
            clock: Arc::new(SystemClock),
            lifetime: 60 * 60,
            issuer: None,
            audience: None,
            revocations: None,
            ids: Arc::new(TokenIds::new()),
        }))
    }

    fn edit(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Replaces the clock.
    ///
    /// Default is the [system's](SystemClock).
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.edit(|inner| inner.clock = Arc::new(clock))
    }

    /// Replaces the lifetime of tokens, in whole seconds.
    ///
    /// Default is one hour.
    ///
    /// # Errors
    /// If the lifetime has a fraction of a second, or is not from 1 second to 24 hours.
    pub fn with_lifetime(self, lifetime: Duration) -> Result<Self, ConfigError> {
        let seconds = lifetime.as_secs();
        if lifetime.subsec_nanos() != 0 || !Self::LIFETIME.contains(&seconds) {
            return Err(ConfigError::new(
                ConfigErrorKind::InvalidDuration,
                "a token lifetime is 1 second to 24 hours, in whole seconds",
            ));
        }
        Ok(self.edit(|inner| inner.lifetime = seconds))
    }

    /// Replaces the claim `iss`.
    ///
    /// Default is to omit `iss`.
    ///
    /// # Errors
    /// If it is empty.
    pub fn with_issuer(self, issuer: &str) -> Result<Self, ConfigError> {
        let issuer = Some(name(issuer)?);
        Ok(self.edit(|inner| inner.issuer = issuer))
    }

    /// Replaces the claim `aud`. Configure the verifier with the same audience.
    ///
    /// Default is to omit `aud`.
    ///
    /// # Errors
    /// If it is empty.
    pub fn with_audience(self, audience: &str) -> Result<Self, ConfigError> {
        let audience = Some(name(audience)?);
        Ok(self.edit(|inner| inner.audience = audience))
    }

    /// Replaces the set of ended tokens. A token for a subject whose sessions were ended in the
    /// current second has an `iat` in the next one, so that it is not ended, too.
    ///
    /// Default is none.
    #[must_use]
    pub fn with_revocations(self, revocations: Revocations) -> Self {
        self.edit(|inner| inner.revocations = Some(revocations))
    }

    /// The keys.
    pub fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// Signs a token.
    ///
    /// # Errors
    /// If the ring has no signing key.
    pub fn issue(&self, subject: &Subject) -> Result<IssuedToken, IssueError> {
        self.sign(subject, None, u64::MAX)
    }

    /// Signs a token of a session that has started at `auth_time`. The token expires at `ends_at`
    /// at the latest.
    pub(super) fn refresh(
        &self,
        subject: &Subject,
        auth_time: u64,
        ends_at: u64,
    ) -> Result<IssuedToken, IssueError> {
        self.sign(subject, Some(auth_time), ends_at)
    }

    fn sign(
        &self,
        subject: &Subject,
        auth_time: Option<u64>,
        ends_at: u64,
    ) -> Result<IssuedToken, IssueError> {
        let inner = &*self.0;
        let snapshot = inner.keyring.snapshot();
        let key = snapshot.keys.signing_key().ok_or(IssueError(()))?;
        let now = inner.clock.now();
        let issued_at = match &inner.revocations {
            Some(revocations) => revocations.issue_at(subject, now),
            None => now,
        };
        let expires_at = issued_at.saturating_add(inner.lifetime).min(ends_at);
        let claims = serde_json::to_vec(&Claims {
            pid: subject.as_pid(),
            iat: issued_at,
            exp: expires_at,
            jti: inner.ids.next(),
            auth_time,
            iss: inner.issuer.as_deref(),
            aud: inner.audience.as_deref(),
        })
        .map_err(|_| IssueError(()))?;
        let mut token = String::with_capacity(512);
        token.push_str(key.header());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = key.sign(token.as_bytes()).ok_or(IssueError(()))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(IssuedToken { token, expires_at })
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

#[derive(Serialize)]
struct Claims<'a> {
    pid: &'a str,
    iat: u64,
    exp: u64,
    jti: TokenId,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// 128 bits as 32 hexadecimal digits.
struct TokenId(u64, u64);

impl Serialize for TokenId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:016x}{:016x}", self.0, self.1))
    }
}

/// Generates unique ids: keyed hashes of a counter. The keys are random, so ids of other issuers
/// and processes differ too.
struct TokenIds {
    count: AtomicU64,
    keys: [RandomState; 2],
}

impl TokenIds {
    fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            keys: [RandomState::new(), RandomState::new()],
        }
    }

    fn next(&self) -> TokenId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [first, second] = &self.keys;
        TokenId(first.hash_one(count), second.hash_one(count))
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("keyring", &self.0.keyring)
            .field("lifetime", &self.0.lifetime)
            .field("issuer", &self.0.issuer)
            .field("audience", &self.0.audience)
            .finish_non_exhaustive()
    }
}

/// A token and its expiry. `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    token: String,
    expires_at: u64,
}

impl IssuedToken {
    /// The token, without `Bearer`.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The token itself, without a copy.
    pub fn into_token(self) -> String {
        self.token
    }

    /// Its `exp`: the first second in which it has expired, since 1970-01-01T00:00:00Z.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// The ring has no signing key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IssueError(());

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the keyring has no signing key")
    }
}

impl Error for IssueError {}

/// A ring without a signing key is a configuration error.
impl From<IssueError> for Rejection {
    fn from(error: IssueError) -> Self {
        Self::new(RejectionKind::NoSigningKey).because(error)
    }
}
