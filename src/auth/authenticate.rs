use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;

use super::source::Sources;
use super::{AuthMode, AuthOutcome, TokenVerifier};
use crate::headers::{CredentialsError, WireProtocol};
use crate::identity::{Subject, VerifiedToken};
use crate::rejection::{Rejection, RejectionKind};
use crate::report::TokenCheck;

/// Shared by the layer and all services made by it.
#[derive(Clone)]
pub(super) struct Config {
    pub(super) verifier: TokenVerifier,
    pub(super) mode: AuthMode,
    pub(super) sources: Sources,
    pub(super) credential: Credential,
    pub(super) preflight: Preflight,
    pub(super) verdict: Verdict,
    pub(super) challenges: Option<Challenges>,
    pub(super) answer: Arc<RejectionHandler>,
}

pub(super) type RejectionHandler =
    dyn Fn(Rejection, WireProtocol) -> Response<Full<Bytes>> + Send + Sync;

#[derive(Clone, Copy, Debug)]
pub(super) enum Credential {
    Remove,
    Keep,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Preflight {
    Judge,
    Pass,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Verdict {
    Tell,
    Keep,
}

/// `WWW-Authenticate` under a realm of the user's choice.
#[derive(Clone, Debug)]
pub(super) struct Challenges {
    missing: HeaderValue,
    invalid: HeaderValue,
    ambiguous: HeaderValue,
}

impl Config {
    /// Decides whether a request may pass, and leaves in it what was found. Tells how its token, if
    /// it has a good one, was found good.
    pub(super) fn admit<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<Option<TokenCheck>, Rejection> {
        // Nobody outside of this layer says who is asking.
        let extensions = request.extensions_mut();
        extensions.remove::<VerifiedToken>();
        extensions.remove::<Subject>();
        extensions.remove::<AuthOutcome>();
        if matches!(self.preflight, Preflight::Pass) && is_preflight(request) {
            return Ok(None);
        }
        let judged = self.judge(request);
        let check = judged.as_ref().ok().map(|(_, check)| *check);
        let outcome = judged.map(|(token, _)| token);
        match &outcome {
            Ok(_) if matches!(self.credential, Credential::Remove) => {
                self.sources.remove_from_headers(request.headers_mut());
                if let Some(uri) = self.sources.without_parameter(request.uri()) {
                    *request.uri_mut() = uri;
                }
            }
            Ok(_) => {}
            Err(rejection) => log_refused(rejection, self.mode),
        }
        let absent = |rejection: &Rejection| rejection.kind() == RejectionKind::MissingCredentials;
        match (self.mode, outcome) {
            (AuthMode::Required, Ok(token)) => self.tell(request, token),
            (AuthMode::Required, Err(rejection)) => return Err(rejection),
            (AuthMode::Optional, Err(rejection)) if !absent(&rejection) => return Err(rejection),
            (AuthMode::Optional | AuthMode::Observe, outcome) => {
                if let Ok(token) = &outcome {
                    self.tell(request, token.clone());
                }
                self.tell(request, AuthOutcome::new(outcome));
            }
        }
        Ok(check)
    }

    /// Each costs an allocation, and the first of a request two more.
    fn tell<B, T>(&self, request: &mut Request<B>, found: T)
    where
        T: Clone + Send + Sync + 'static,
    {
        if matches!(self.verdict, Verdict::Tell) {
            request.extensions_mut().insert(found);
        }
    }

    fn judge<B>(&self, request: &Request<B>) -> Result<(VerifiedToken, TokenCheck), Rejection> {
        let found = self.sources.find(request.headers(), request.uri());
        match found {
            Ok(Some(token)) => self
                .verifier
                .verify_bytes(token)
                .map_err(|error| self.rejection(RejectionKind::InvalidToken).because(error)),
            Ok(None) => Err(self.rejection(RejectionKind::MissingCredentials)),
            Err(error @ CredentialsError::Ambiguous) => Err(self
                .rejection(RejectionKind::AmbiguousCredentials)
                .because(error)),
            Err(error) => Err(self.rejection(RejectionKind::InvalidToken).because(error)),
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

    pub(super) fn answer(
        &self,
        rejection: Rejection,
        protocol: WireProtocol,
    ) -> Response<Full<Bytes>> {
        (self.answer)(rejection, protocol)
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
        let plain =
            |byte: u8| (byte == b' ' || byte.is_ascii_graphic()) && !b"\"\\".contains(&byte);
        if realm.is_empty() || !realm.bytes().all(plain) {
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

/// The code and the cause, which hold nothing of the request.
fn log_refused(rejection: &Rejection, mode: AuthMode) {
    #[cfg(feature = "tracing")]
    tracing::debug!(
        error.type = rejection.kind().code(),
        cause = std::error::Error::source(rejection).map(tracing::field::display),
        ?mode,
        "a request has no good token",
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
            .field("verdict", &self.verdict)
            .finish_non_exhaustive()
    }
}
