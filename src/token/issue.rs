use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::extra_claims::{self, ExtraClaimNames};
use super::{IssueError, IssueErrorKind};
use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrorKind, issuer_or_audience};
use crate::identity::{self, Subject};
use crate::keys::Keyring;
use crate::revocation::Revocations;

/// Signs ID tokens with the signing key of a [`Keyring`].
///
/// A token has the claims `pid`, `iat`, `exp`, `jti`, and, if configured, `iss` and `aud`; a
/// refreshed one has `auth_time`, too. [`issue_with`](Self::issue_with) adds further ones, if their
/// names are on the list of [`with_extra_claims`](Self::with_extra_claims). `jti` is unique, not
/// secret. Clones are cheap.
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
    extra: ExtraClaimNames,
    revocations: Option<Revocations>,
    ids: Arc<TokenIds>,
}

impl TokenIssuer {
    /// The longest JSON text of all extra claims of a token, in bytes.
    ///
    /// A [`TokenVerifier`](crate::TokenVerifier) caches tokens of up to 2 KiB, which leaves about
    /// 1 KiB for extra claims. Longer tokens are valid, but each use costs a signature check.
    pub const MAX_EXTRA_CLAIMS_LEN: usize = extra_claims::MAX_LEN;

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
            extra: ExtraClaimNames::default(),
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
        let issuer = Some(issuer_or_audience(issuer)?);
        Ok(self.edit(|inner| inner.issuer = issuer))
    }

    /// Replaces the claim `aud`. Configure the verifier with the same audience.
    ///
    /// Default is to omit `aud`.
    ///
    /// # Errors
    /// If it is empty.
    pub fn with_audience(self, audience: &str) -> Result<Self, ConfigError> {
        let audience = Some(issuer_or_audience(audience)?);
        Ok(self.edit(|inner| inner.audience = audience))
    }

    /// Replaces the names of the claims that [`issue_with`](Self::issue_with) accepts.
    ///
    /// Clients can read the claims of a token, so a claim must not contain a secret. A name that
    /// other issuers may use for something else is best a URL of the application's own domain.
    ///
    /// Default is to accept none.
    ///
    /// # Errors
    /// If a name is not 1 to 128 printable ASCII characters, or is reserved, in any case: a claim
    /// that this crate sets (`pid`, `iat`, `exp`, `jti`, `iss`, `aud`, `auth_time`), `nbf`, `sub`,
    /// `cnf`, or a header parameter of JOSE (`alg`, `kid`, `crit`, …).
    pub fn with_extra_claims<N>(
        self,
        names: impl IntoIterator<Item = N>,
    ) -> Result<Self, ConfigError>
    where
        N: AsRef<str>,
    {
        let extra = ExtraClaimNames::new(names)?;
        Ok(self.edit(|inner| inner.extra = extra))
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

    #[cfg(feature = "client")]
    pub(crate) fn audience(&self) -> Option<&str> {
        self.0.audience.as_deref()
    }

    pub(super) fn clock(&self) -> Arc<dyn Clock> {
        self.0.clock.clone()
    }

    /// Signs a token.
    ///
    /// # Errors
    /// If the ring has no signing key.
    pub fn issue(&self, subject: &Subject) -> Result<IssuedToken, IssueError> {
        self.sign(subject, None, None)
    }

    /// Signs the next token of a session that has started at `auth_time`, with the listed extra
    /// claims of the previous token. It expires at `ends_at` at the latest.
    pub(super) fn refresh(
        &self,
        subject: &Subject,
        previous: &identity::Claims,
        auth_time: u64,
        ends_at: u64,
    ) -> Result<IssuedToken, IssueError> {
        let extra = self.0.extra.copy(previous);
        self.sign(subject, Some((auth_time, ends_at)), Some(&extra))
    }

    /// Signs a token with further claims: any value that serializes to a JSON object, such as a
    /// struct or `serde_json::json!({ … })`. [`Claims::get`](crate::identity::Claims::get) reads
    /// them.
    ///
    /// A claim that is `null` is a claim of the token; use `skip_serializing_if` to omit it.
    ///
    /// ```
    /// use omneo_id::{Keyring, SigningKey, TokenIssuer, TokenVerifier};
    /// use serde::Serialize;
    ///
    /// #[derive(Serialize)]
    /// struct Membership<'a> {
    ///     tier: &'a str,
    ///     points: u32,
    /// }
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
    /// let issuer = TokenIssuer::new(ring.clone()).with_extra_claims(["tier", "points"])?;
    ///
    /// // After the application has checked the customer's password:
    /// let ada = omneo_id::Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse()?);
    /// let token = issuer.issue_with(&ada, Membership { tier: "gold", points: 1200 })?;
    ///
    /// let verified = TokenVerifier::new(ring).verify(token.token())?;
    /// assert_eq!(verified.claims().get("tier")?, Some("gold"));
    /// assert_eq!(verified.claims().get::<u32>("points")?, Some(1200));
    /// assert!(verified.claims().get::<bool>("points").is_err());
    /// assert_eq!(verified.claims().get::<bool>("vip")?, None);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the claims are not an object, have a name that is not on the list, or are longer than
    /// [`MAX_EXTRA_CLAIMS_LEN`](Self::MAX_EXTRA_CLAIMS_LEN); or if the ring has no signing key.
    pub fn issue_with(
        &self,
        subject: &Subject,
        claims: impl Serialize,
    ) -> Result<IssuedToken, IssueError> {
        let extra = self.0.extra.select(claims)?;
        self.sign(subject, None, Some(&extra))
    }

    fn sign(
        &self,
        subject: &Subject,
        session: Option<(u64, u64)>,
        extra: Option<&Map<String, Value>>,
    ) -> Result<IssuedToken, IssueError> {
        let inner = &*self.0;
        let snapshot = inner.keyring.snapshot();
        let key = (snapshot.keys.signing_key()).ok_or(IssueErrorKind::NoSigningKey)?;
        let now = inner.clock.now();
        let issued_at = match &inner.revocations {
            Some(revocations) => revocations.issue_at(subject, now),
            None => now,
        };
        let (auth_time, ends_at) = session.unzip();
        let expires_at = issued_at
            .saturating_add(inner.lifetime)
            .min(ends_at.unwrap_or(u64::MAX));
        let token_id = inner.ids.next();
        let claims = serde_json::to_vec(&Claims {
            pid: subject.as_pid(),
            iat: issued_at,
            exp: expires_at,
            jti: &token_id,
            auth_time,
            iss: inner.issuer.as_deref(),
            aud: inner.audience.as_deref(),
            extra,
        })
        .map_err(|_| IssueErrorKind::InvalidClaims)?;
        let mut token = String::with_capacity(512);
        token.push_str(key.header());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let signature = key.sign(token.as_bytes());
        let signature = signature.ok_or(IssueErrorKind::NoSigningKey)?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(IssuedToken {
            token,
            token_id,
            issued_at,
            expires_at,
        })
    }
}

#[derive(Serialize)]
struct Claims<'a> {
    pid: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(flatten)]
    extra: Option<&'a Map<String, Value>>,
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

    /// 128 bits as 32 hexadecimal digits.
    fn next(&self) -> Box<str> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let [first, second] = self.keys.each_ref().map(|key| key.hash_one(count));
        format!("{first:016x}{second:016x}").into()
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("keyring", &self.0.keyring)
            .field("lifetime", &self.0.lifetime)
            .field("issuer", &self.0.issuer)
            .field("audience", &self.0.audience)
            .field("extra", &self.0.extra)
            .finish_non_exhaustive()
    }
}

/// A token, with its id and times. `Debug` does not show the token.
#[derive(Clone, PartialEq, Eq)]
pub struct IssuedToken {
    token: String,
    token_id: Box<str>,
    issued_at: u64,
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

    /// Its `jti`: unique, and not secret. An application can store it to end the token later.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// Its `iat`: when it was issued, in seconds since 1970-01-01T00:00:00Z.
    pub fn issued_at(&self) -> u64 {
        self.issued_at
    }

    /// Its `exp`: the first second in which it has expired, since 1970-01-01T00:00:00Z.
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("token_id", &self.token_id)
            .field("issued_at", &self.issued_at)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}
