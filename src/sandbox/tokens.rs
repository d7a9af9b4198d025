//! Valid and invalid ID tokens, for tests of services behind a verifier.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::clock::{Clock, SystemClock};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::identity::Subject;
use crate::keys::{Keyring, SigningKey};

/// ID tokens for tests of a host application: valid ones, and each kind of invalid one.
///
/// They are signed with the ring's signing key at construction, so an application can be tested
/// with its own [`JwtAuthLayer`](crate::JwtAuthLayer), without a network:
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use omneo_id::{JwtAuthLayer, Keyring, SigningKey, Subject, TokenVerifier};
/// use omneo_id::sandbox::TestTokens;
/// use tower::{Layer, ServiceExt, service_fn};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// // The application under test:
/// let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
/// let app = JwtAuthLayer::new(TokenVerifier::new(ring.clone())).layer(service_fn(
///     async |request: Request<String>| {
///         let subject = Subject::from_extensions(request.extensions()).unwrap();
///         Ok::<_, Infallible>(Response::new(subject.as_pid().to_owned()))
///     },
/// ));
///
/// let tokens = TestTokens::new(&ring)?;
/// let send = |token: String| {
///     let request = Request::get("/").header("authorization", format!("Bearer {token}"));
///     app.clone().oneshot(request.body(String::new()).unwrap())
/// };
/// assert_eq!(send(tokens.valid("3f0c2f6e")).await?.status(), 200);
/// assert_eq!(send(tokens.anonymous()).await?.status(), 200);
/// for bad in [tokens.expired("3f0c2f6e"), tokens.foreign("3f0c2f6e"), tokens.malformed()] {
///     assert_eq!(send(bad).await?.status(), 401);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// A `pid` is used unchanged, so tests can use one that is not a valid profile id. Tokens with the
/// same claims in the same second are equal.
#[derive(Clone)]
pub struct TestTokens {
    key: SigningKey,
    clock: Arc<dyn Clock>,
    issuer: Option<Box<str>>,
    audience: Option<Box<str>>,
}

/// Longer than every possible leeway of a verifier, in seconds.
const BEYOND_LEEWAY: u64 = 10 * 60;
const LIFETIME: u64 = 60 * 60;

impl TestTokens {
    /// Signs with the ring's current signing key, also after the ring's key is replaced.
    ///
    /// # Errors
    /// If the ring has no signing key.
    pub fn new(ring: &Keyring) -> Result<Self, ConfigError> {
        let keys = ring.keys();
        let key = keys.signing_key().ok_or_else(|| {
            ConfigError::new(
                ConfigErrorKind::InvalidKey,
                "the ring has no key to sign tokens with",
            )
        })?;
        Ok(Self {
            key: key.clone(),
            clock: Arc::new(SystemClock),
            issuer: None,
            audience: None,
        })
    }

    /// Replaces the clock. Use the verifier's clock.
    ///
    /// Default is the [system's](SystemClock).
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Replaces the `iss` claim.
    ///
    /// Default is none.
    #[must_use]
    pub fn with_issuer(mut self, issuer: &str) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Replaces the `aud` claim.
    ///
    /// Default is none.
    #[must_use]
    pub fn with_audience(mut self, audience: &str) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// A valid token of a profile, for one hour.
    pub fn valid(&self, pid: &str) -> String {
        self.signed(&self.claims(pid, self.clock.now()).into())
    }

    /// A valid token without a profile, as a visitor has before the sign-in.
    pub fn anonymous(&self) -> String {
        self.valid(Subject::ANONYMOUS_PID)
    }

    /// A token that expired some minutes ago.
    pub fn expired(&self, pid: &str) -> String {
        let issued_at = self.clock.now().saturating_sub(LIFETIME + BEYOND_LEEWAY);
        self.signed(&self.claims(pid, issued_at).into())
    }

    /// A token that becomes valid in some minutes, by its `nbf`.
    pub fn not_yet_valid(&self, pid: &str) -> String {
        let now = self.clock.now();
        let mut claims = self.claims(pid, now);
        let starts = now.saturating_add(BEYOND_LEEWAY);
        claims.insert("nbf".into(), starts.into());
        self.signed(&claims.into())
    }

    /// A token that names this key but is not signed by it: only its signature differs from a
    /// [valid](Self::valid) one.
    pub fn foreign(&self, pid: &str) -> String {
        let message = self.message(&self.claims(pid, self.clock.now()).into());
        // The signature of another input has the right length and is wrong, so no second key is
        // needed.
        let signature = self.signature(&[message.as_bytes(), b"."].concat());
        format!("{message}.{signature}")
    }

    /// A token of `alg` `none`, without a signature.
    pub fn unsigned(&self, pid: &str) -> String {
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"JWT"}"#);
        let claims = Value::from(self.claims(pid, self.clock.now()));
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    /// A string that is not a token but valid in an `Authorization` header.
    pub fn malformed(&self) -> String {
        "not-a-token".to_owned()
    }

    /// A token with exactly these claims.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// use omneo_id::auth::VerifyErrorKind;
    /// use omneo_id::TokenVerifier;
    /// # use omneo_id::{Keyring, SigningKey};
    /// # use omneo_id::sandbox::TestTokens;
    /// use serde_json::json;
    ///
    /// # let ring = Keyring::new(SigningKey::hs256("a secret of at least 32 bytes, kept secret")?);
    /// let eternal = TestTokens::new(&ring)?.signed(&json!({ "pid": "3f0c2f6e" }));
    /// let error = TokenVerifier::new(ring).verify(&eternal).unwrap_err();
    /// assert_eq!(error.kind(), VerifyErrorKind::NoExpiry);
    /// # }
    /// # Ok::<(), omneo_id::error::ConfigError>(())
    /// ```
    pub fn signed(&self, claims: &Value) -> String {
        let message = self.message(claims);
        let signature = self.signature(message.as_bytes());
        format!("{message}.{signature}")
    }

    fn claims(&self, pid: &str, issued_at: u64) -> Map<String, Value> {
        let expires_at = issued_at.saturating_add(LIFETIME);
        let claims = [
            ("pid", Some(pid.into())),
            ("iat", Some(issued_at.into())),
            ("exp", Some(expires_at.into())),
            ("jti", Some("test".into())),
            ("iss", self.issuer.as_deref().map(Value::from)),
            ("aud", self.audience.as_deref().map(Value::from)),
        ];
        let present = |(name, value): (&str, Option<Value>)| Some((name.to_owned(), value?));
        claims.into_iter().filter_map(present).collect()
    }

    fn message(&self, claims: &Value) -> String {
        let payload = URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("{}.{payload}", self.key.header())
    }

    fn signature(&self, message: &[u8]) -> String {
        // Constructing a key signs once, so signing cannot fail here.
        URL_SAFE_NO_PAD.encode(self.key.sign(message).unwrap_or_default())
    }
}

impl fmt::Debug for TestTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestTokens")
            .field("key", &self.key)
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
