use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::Layer;

use super::authenticate::{Challenges, Config, Preflight, SubjectExtension, VerifiedCredential};
use super::{AuthMode, JwtAuth, TokenVerifier};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::headers::WireProtocol;
use crate::rejection::Rejection;

/// Forwards requests with a valid token and rejects all others.
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct JwtAuthLayer(Arc<Config>);

impl JwtAuthLayer {
    /// Requires a token that `verifier` accepts, in the `Authorization` header.
    pub fn new(verifier: TokenVerifier) -> Self {
        Self(Arc::new(Config::new(verifier)))
    }

    fn edit(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Replaces how requests without a valid token are treated.
    ///
    /// Default is [`AuthMode::Required`].
    ///
    /// [`AuthMode::Observe`] forwards every request. With it, measure how many clients would be
    /// rejected before you require tokens:
    ///
    /// ```
    /// use http::Request;
    /// use omneo_id::JwtAuthLayer;
    /// # use omneo_id::TokenVerifier;
    /// use omneo_id::auth::{AuthFailure, AuthMode, AuthOutcome};
    ///
    /// # fn example(verifier: TokenVerifier) {
    /// let layer = JwtAuthLayer::new(verifier).with_mode(AuthMode::Observe);
    /// # }
    ///
    /// // In the inner service:
    /// fn would_be_rejected_for<B>(request: &Request<B>) -> Option<&'static str> {
    ///     let outcome = request.extensions().get::<AuthOutcome>()?;
    ///     AuthFailure::from_rejection(outcome.rejection()?).map(AuthFailure::code)
    /// }
    /// # assert_eq!(would_be_rejected_for(&Request::new(())), None);
    /// ```
    #[must_use]
    pub fn with_mode(self, mode: AuthMode) -> Self {
        self.edit(|config| config.mode = mode)
    }

    /// Replaces the realm of the `WWW-Authenticate` challenge.
    ///
    /// Default is `omneo-id`.
    ///
    /// # Errors
    /// If it is empty, or contains anything other than visible ASCII characters and spaces, or a
    /// quote or backslash.
    pub fn with_realm(self, realm: &str) -> Result<Self, ConfigError> {
        let challenges = Challenges::new(realm).ok_or_else(|| {
            ConfigError::new(
                ConfigErrorKind::InvalidValue,
                "a realm is visible ASCII characters and spaces, without quotes and backslashes",
            )
        })?;
        Ok(self.edit(|config| config.challenges = Some(challenges)))
    }

    /// Also accepts the token from this cookie. Two tokens that differ are rejected with 400.
    ///
    /// Browsers attach cookies to cross-site requests: put a CSRF layer outside of this one.
    ///
    /// Default is to read only the `Authorization` header.
    ///
    /// # Errors
    /// If the name is empty or contains anything other than letters, digits, `-`, `.`, `_` and `~`.
    ///
    /// ```
    /// use omneo_id::JwtAuthLayer;
    /// # use omneo_id::TokenVerifier;
    ///
    /// # fn example(verifier: TokenVerifier) -> Result<(), omneo_id::error::ConfigError> {
    /// // Accepts `Cookie: theme=dark; omneo_id=eyJhbGciOi…`, and forwards `Cookie: theme=dark`.
    /// let layer = JwtAuthLayer::new(verifier).with_cookie("omneo_id")?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_cookie(self, name: &str) -> Result<Self, ConfigError> {
        let name = Some(source_name(name)?);
        Ok(self.edit(|config| config.sources.cookie = name))
    }

    /// Also accepts the token from this query parameter. Two tokens that differ are rejected with
    /// 400.
    ///
    /// URLs are logged, cached and sent as referrers:
    /// [RFC 9700 §4.3.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2) advises against it.
    ///
    /// Default is to read only the `Authorization` header.
    ///
    /// # Errors
    /// If the name would have to be percent-encoded.
    pub fn with_query_parameter(self, name: &str) -> Result<Self, ConfigError> {
        let name = Some(source_name(name)?);
        Ok(self.edit(|config| config.sources.query = name))
    }

    /// Leaves the credential in the request, for the inner service.
    ///
    /// Default is to remove a verified credential, so that it is not forwarded.
    #[must_use]
    pub fn keep_credential(self) -> Self {
        self.edit(|config| config.credential = VerifiedCredential::Keep)
    }

    /// Forwards CORS preflights without a token: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`. Use it if the inner service responds to preflights. A CORS
    /// layer outside of this one is the better choice.
    ///
    /// Default is to treat preflights as any other request.
    #[must_use]
    pub fn pass_preflights(self) -> Self {
        self.edit(|config| config.preflight = Preflight::Pass)
    }

    /// Forwards or rejects requests, and inserts nothing into their extensions: no
    /// [`VerifiedToken`](crate::identity::VerifiedToken), no [`AuthOutcome`](super::AuthOutcome).
    /// A cached token then costs no allocation.
    ///
    /// For inner services that do not need the request's subject. Extractors and layers behind this
    /// one, those of this crate included, find no subject: a subject that an outer service has
    /// inserted is removed in this mode too.
    ///
    /// Default is to insert the verified token.
    #[must_use]
    pub fn gate_only(self) -> Self {
        self.edit(|config| config.extension = SubjectExtension::Omit)
    }

    /// Replaces the function that builds the response to a rejected request.
    ///
    /// Default is [`Rejection::into_response`].
    ///
    /// ```
    /// use omneo_id::JwtAuthLayer;
    /// # use omneo_id::TokenVerifier;
    ///
    /// # fn example(verifier: TokenVerifier) {
    /// let layer = JwtAuthLayer::new(verifier).with_rejection_handler(|rejection, protocol| {
    ///     rejection.with_message("Please sign in.").into_response(protocol)
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn with_rejection_handler<F>(self, handler: F) -> Self
    where
        F: Fn(Rejection, WireProtocol) -> Response<Full<Bytes>> + Send + Sync + 'static,
    {
        self.edit(|config| config.rejection_handler = Arc::new(handler))
    }
}

impl<S> Layer<S> for JwtAuthLayer {
    type Service = JwtAuth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        JwtAuth::with_config(inner, Arc::clone(&self.0))
    }
}

/// A name that needs no encoding in a cookie or a query: RFC 3986 `unreserved`.
fn source_name(name: &str) -> Result<Box<str>, ConfigError> {
    match !name.is_empty() && name.bytes().all(is_unreserved) {
        true => Ok(name.into()),
        false => Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            "a cookie or parameter name is letters, digits, `-`, `.`, `_` and `~`",
        )),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}
