use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use tower::Layer;

use super::authenticate::{Challenges, Config, Credential, Preflight, Verdict};
use super::source::Sources;
use super::{AuthMode, JwtAuth, TokenVerifier};
use crate::error::{ConfigError, ConfigErrorKind};
use crate::headers::WireProtocol;
use crate::rejection::Rejection;

/// Lets requests with a good token pass, and answers the others itself.
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct JwtAuthLayer(Arc<Config>);

impl JwtAuthLayer {
    /// Demands a token that the verifier finds good, in the `Authorization` header.
    pub fn new(verifier: TokenVerifier) -> Self {
        Self(Arc::new(Config {
            verifier,
            mode: AuthMode::Required,
            sources: Sources::default(),
            credential: Credential::Remove,
            preflight: Preflight::Judge,
            verdict: Verdict::Tell,
            challenges: None,
            answer: Arc::new(Rejection::into_response),
        }))
    }

    fn edit(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Replaces what becomes of requests without a good token.
    ///
    /// Default is [`AuthMode::Required`].
    #[must_use]
    pub fn with_mode(self, mode: AuthMode) -> Self {
        self.edit(|config| config.mode = mode)
    }

    /// Replaces the realm that a refused client is told in `WWW-Authenticate`.
    ///
    /// Default is `omneo-id`.
    ///
    /// # Errors
    /// If it is empty, or holds anything but visible ASCII characters and spaces, or a quote or
    /// backslash.
    pub fn with_realm(self, realm: &str) -> Result<Self, ConfigError> {
        let challenges = Challenges::new(realm).ok_or_else(|| {
            ConfigError::new(
                ConfigErrorKind::InvalidValue,
                "a realm is visible ASCII characters and spaces, without quotes and backslashes",
            )
        })?;
        Ok(self.edit(|config| config.challenges = Some(challenges)))
    }

    /// Takes the token from this cookie, too. Two tokens that differ are refused with a 400.
    ///
    /// A browser sends cookies with requests that a foreign site makes it send: have a defence
    /// against request forgery outside of this layer.
    ///
    /// Default is no cookie.
    ///
    /// # Errors
    /// If it is no cookie name.
    pub fn with_cookie(self, name: &str) -> Result<Self, ConfigError> {
        let name = Some(source_name(name)?);
        Ok(self.edit(|config| config.sources.cookie = name))
    }

    /// Takes the token from this query parameter, too. Two tokens that differ are refused with a
    /// 400.
    ///
    /// URLs are logged, cached and passed on as referrers:
    /// [RFC 9700 §4.3.2](https://www.rfc-editor.org/rfc/rfc9700#section-4.3.2) advises against it.
    ///
    /// Default is no parameter.
    ///
    /// # Errors
    /// If the name would have to be percent-encoded.
    pub fn with_query_parameter(self, name: &str) -> Result<Self, ConfigError> {
        let name = Some(source_name(name)?);
        Ok(self.edit(|config| config.sources.query = name))
    }

    /// Leaves the credential in the request for the inner service to see.
    ///
    /// Default is to remove it once it is verified, so that it cannot travel on.
    #[must_use]
    pub fn keep_credential(self) -> Self {
        self.edit(|config| config.credential = Credential::Keep)
    }

    /// Lets CORS preflights pass without a token: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`. For inner services that answer them; better put the CORS
    /// layer outside of this one.
    ///
    /// Default is to treat them as any other request.
    #[must_use]
    pub fn pass_preflights(self) -> Self {
        self.edit(|config| config.preflight = Preflight::Pass)
    }

    /// Lets requests pass or not, and leaves nothing in their extensions: no
    /// [`VerifiedToken`](crate::identity::VerifiedToken), no [`AuthOutcome`](super::AuthOutcome).
    /// A token that is remembered then costs no allocation at all.
    ///
    /// For inner services that do not ask who it is. Whoever asks, the layers of this crate too,
    /// finds nobody: what others have said before is removed all the same.
    ///
    /// Default is to leave what was found.
    #[must_use]
    pub fn gate_only(self) -> Self {
        self.edit(|config| config.verdict = Verdict::Keep)
    }

    /// Replaces how a refusal is put into words.
    ///
    /// Default is [`Rejection::into_response`].
    ///
    /// ```
    /// use omneo_id::auth::JwtAuthLayer;
    /// # use omneo_id::auth::TokenVerifier;
    ///
    /// # fn example(verifier: TokenVerifier) {
    /// let layer = JwtAuthLayer::new(verifier).with_answer(|rejection, protocol| {
    ///     rejection.with_message("Please sign in.").into_response(protocol)
    /// });
    /// # }
    /// ```
    #[must_use]
    pub fn with_answer<F>(self, answer: F) -> Self
    where
        F: Fn(Rejection, WireProtocol) -> Response<Full<Bytes>> + Send + Sync + 'static,
    {
        self.edit(|config| config.answer = Arc::new(answer))
    }
}

impl<S> Layer<S> for JwtAuthLayer {
    type Service = JwtAuth<S>;

    fn layer(&self, inner: S) -> Self::Service {
        JwtAuth::with_config(inner, Arc::clone(&self.0))
    }
}

/// A name that stands in a cookie or a query as it is: RFC 3986 `unreserved`.
fn source_name(name: &str) -> Result<Box<str>, ConfigError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    match !name.is_empty() && name.bytes().all(plain) {
        true => Ok(name.into()),
        false => Err(ConfigError::new(
            ConfigErrorKind::InvalidValue,
            "a cookie or parameter name is letters, digits, `-`, `.`, `_` and `~`",
        )),
    }
}
