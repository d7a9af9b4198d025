use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;

use super::source::Sources;
use super::{AuthFailure, AuthMode, AuthOutcome, TokenVerifier, VerifyError};
use crate::headers::{CredentialsError, WireProtocol};
use crate::identity::{Subject, VerifiedToken};
use crate::rejection::{Rejection, RejectionKind};
use crate::report::TokenCheck;

/// `Retry-After` while the revocations are not current: the store is read again within seconds.
const STALE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The configuration of a layer, shared with all services that the layer creates.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) verifier: TokenVerifier,
    pub(super) mode: AuthMode,
    pub(super) sources: Sources,
    pub(super) credential: VerifiedCredential,
    pub(super) preflight: Preflight,
    pub(super) extension: SubjectExtension,
    pub(super) challenges: Option<Challenges>,
    pub(super) rejection_handler: Arc<RejectionHandler>,
}

pub(super) type RejectionHandler =
    dyn Fn(Rejection, WireProtocol) -> Response<Full<Bytes>> + Send + Sync;

/// Whether a verified credential is forwarded.
#[derive(Clone, Copy, Debug)]
pub(super) enum VerifiedCredential {
    Remove,
    Keep,
}

/// Whether CORS preflights need a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum Preflight {
    Authenticate,
    Pass,
}

/// Whether the result is inserted into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub(super) enum SubjectExtension {
    Insert,
    Omit,
}

/// `WWW-Authenticate` challenges with a configured realm.
#[derive(Clone, Debug)]
pub(super) struct Challenges {
    missing: HeaderValue,
    invalid: HeaderValue,
    ambiguous: HeaderValue,
}

impl Config {
    pub(super) fn new(verifier: TokenVerifier) -> Self {
        Self {
            verifier,
            mode: AuthMode::Required,
            sources: Sources::default(),
            credential: VerifiedCredential::Remove,
            preflight: Preflight::Authenticate,
            extension: SubjectExtension::Insert,
            challenges: None,
            rejection_handler: Arc::new(Rejection::into_response),
        }
    }

    /// Decides whether a request is forwarded, and inserts the result into its extensions.
    ///
    /// Returns how a valid token was verified, or `None` for a request that passes without one.
    pub(super) fn authenticate<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<Option<TokenCheck>, Rejection> {
        // Only this layer sets the request's subject: drop the one of an outer service.
        let extensions = request.extensions_mut();
        extensions.remove::<VerifiedToken>();
        extensions.remove::<Subject>();
        extensions.remove::<AuthOutcome>();
        if matches!(self.preflight, Preflight::Pass) && is_preflight(request) {
            return Ok(None);
        }
        let verified = self.verify(request);
        let check = verified.as_ref().ok().map(|(_, check)| *check);
        let outcome = verified.map(|(token, _)| token);
        match &outcome {
            Ok(_) if matches!(self.credential, VerifiedCredential::Remove) => {
                self.sources.remove_from_headers(request.headers_mut());
                if let Some(uri) = self.sources.without_parameter(request.uri()) {
                    *request.uri_mut() = uri;
                }
            }
            Ok(_) => {}
            Err(rejection) => log_invalid(rejection, self.mode),
        }
        match (self.mode, outcome) {
            (AuthMode::Required, Ok(token)) => self.insert(request, token),
            (AuthMode::Required, Err(rejection)) => return Err(rejection),
            (AuthMode::Optional, Err(rejection))
                if rejection.kind() != RejectionKind::MissingCredentials =>
            {
                return Err(rejection);
            }
            (AuthMode::Optional | AuthMode::Observe, outcome) => {
                if let Ok(token) = &outcome {
                    self.insert(request, token.clone());
                }
                self.insert(request, AuthOutcome::new(outcome));
            }
        }
        Ok(check)
    }

    /// Each insertion costs one allocation, and a request's first insertion costs two more.
    fn insert<B, T>(&self, request: &mut Request<B>, value: T)
    where
        T: Clone + Send + Sync + 'static,
    {
        if matches!(self.extension, SubjectExtension::Insert) {
            request.extensions_mut().insert(value);
        }
    }

    fn verify<B>(&self, request: &Request<B>) -> Result<(VerifiedToken, TokenCheck), Rejection> {
        match self.sources.find(request.headers(), request.uri()) {
            Ok(Some(token)) => self
                .verifier
                .verify_bytes(token)
                .map_err(|error| self.reject_token(error)),
            Ok(None) => Err(self.rejection(RejectionKind::MissingCredentials)),
            Err(error @ CredentialsError::Ambiguous) => Err(self
                .rejection(RejectionKind::AmbiguousCredentials)
                .because(error)),
            Err(error) => Err(self.rejection(RejectionKind::InvalidToken).because(error)),
        }
    }

    fn reject_token(&self, error: VerifyError) -> Rejection {
        match AuthFailure::Token(error.kind()).rejection_kind() {
            RejectionKind::RevocationUnavailable => {
                Rejection::new(RejectionKind::RevocationUnavailable)
                    .with_retry_after(STALE_RETRY_AFTER)
                    .because(error)
            }
            kind => self.rejection(kind).because(error),
        }
    }

    fn rejection(&self, kind: RejectionKind) -> Rejection {
        let rejection = Rejection::new(kind);
        let Some(challenges) = &self.challenges else {
            return rejection;
        };
        rejection.with_challenge(match kind {
            RejectionKind::MissingCredentials => challenges.missing.clone(),
            RejectionKind::AmbiguousCredentials => challenges.ambiguous.clone(),
            _ => challenges.invalid.clone(),
        })
    }

    /// The response to a rejected request.
    pub(super) fn respond(
        &self,
        rejection: Rejection,
        protocol: WireProtocol,
    ) -> Response<Full<Bytes>> {
        (self.rejection_handler)(rejection, protocol)
    }
}

fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request
            .headers()
            .contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

impl Challenges {
    pub(super) fn new(realm: &str) -> Option<Self> {
        if realm.is_empty() || !realm.bytes().all(is_quotable) {
            return None;
        }
        let challenge =
            |rest: &str| HeaderValue::from_str(&format!(r#"Bearer realm="{realm}"{rest}"#)).ok();
        Some(Self {
            missing: challenge("")?,
            invalid: challenge(r#", error="invalid_token""#)?,
            ambiguous: challenge(r#", error="invalid_request""#)?,
        })
    }
}

/// Whether a byte may occur unescaped in a quoted string.
fn is_quotable(byte: u8) -> bool {
    (byte == b' ' || byte.is_ascii_graphic()) && !b"\"\\".contains(&byte)
}

/// Logs the code and the cause; neither contains data of the request.
fn log_invalid(rejection: &Rejection, mode: AuthMode) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        error.type = rejection.kind().code(),
        cause = std::error::Error::source(rejection).map(tracing::field::display),
        ?mode,
        "the request has no valid token",
    );
    #[cfg(not(feature = "tracing"))]
    let _ = (rejection, mode);
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuth")
            .field("verifier", &self.verifier)
            .field("mode", &self.mode)
            .field("sources", &self.sources)
            .field("credential", &self.credential)
            .field("preflight", &self.preflight)
            .field("extensions", &self.extension)
            .finish_non_exhaustive()
    }
}
