use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use tower::Service;

use super::call::{Caller, Failure};
use super::flow::upsert;
use super::future::ResponseFuture;
use super::in_flight::{InFlight, InFlightGuard};
use super::outcome::UpsertOutcome;
use super::policy::CommsPolicy;
use super::read::{gate, read};
use super::sign_up::SignUp;
use super::uniform_latency::Release;
use crate::body::ResponseBody;
use crate::error::BoxError;
use crate::headers::WireProtocol;
use crate::identity::Subject;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Report;

/// In the extensions of a request: a server that presented the tenant's API token itself, and so
/// may sign people up without an ID token.
///
/// Whoever checked that credential inserts it. Without it, and without a
/// [`Subject`], a sign-up is refused with 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedCaller;

/// Middleware that answers `POST /profiles` by changing nothing but consent.
///
/// See the [module docs](super).
pub struct CommsUpsert<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// What all services of one layer have in common.
#[derive(Default)]
pub(super) struct Shared {
    policy: CommsPolicy,
    in_flight: InFlight,
}

impl Shared {
    pub(super) fn new(policy: CommsPolicy) -> Self {
        Self {
            policy,
            in_flight: InFlight::default(),
        }
    }
}

impl<S> CommsUpsert<S> {
    /// Wraps a service that calls the tenant.
    pub fn new(inner: S, policy: CommsPolicy) -> Self {
        Self::from_shared(inner, Arc::new(Shared::new(policy)))
    }

    pub(super) fn from_shared(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The wrapped service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, B, RB> Service<Request<B>> for CommsUpsert<S>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    S: Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError>,
    RB: http_body::Body + Send + 'static,
    RB::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<RB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, RB, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if !is_own(request.method(), request.uri()) {
            return ResponseFuture::passed(self.inner.call(request.map(Either::Left)));
        }
        // The readiness that was reserved for this call is given back at once. A sign-up first
        // waits for its body, and may wait for another sign-up's creation: while it holds a place
        // of a concurrency limit, that other one could wait for this place. Each of its
        // calls asks for readiness anew.
        let not_ready_inner = self.inner.clone();
        self.inner = not_ready_inner.clone();
        let shared = Arc::clone(&self.shared);
        ResponseFuture::own(async move {
            let protocol = WireProtocol::from_headers(request.headers());
            let mut progress = Progress::from_now(&shared.policy);
            let result = sign_up(not_ready_inner, &shared, request, &mut progress).await;
            progress.release.wait().await;
            // Held until here: with a uniform latency, the sign-ups in flight of an address then
            // depend on their arrivals alone, and a 503 does not tell how long the others took.
            drop(progress.in_flight);
            let mut response = match result {
                Ok(outcome) => outcome.into_response(),
                Err(Failure::Rejected(rejection)) => rejection.into_response(protocol),
                Err(Failure::Inner(error)) => return Err(error),
            };
            response.extensions_mut().insert(progress.report);
            Ok(response.map(ResponseBody::own))
        })
    }
}

/// What a sign-up leaves behind, whatever its result.
struct Progress {
    release: Release,
    in_flight: Option<InFlightGuard>,
    report: Report,
}

impl Progress {
    fn from_now(policy: &CommsPolicy) -> Self {
        Self {
            release: Release::from_now(policy),
            in_flight: None,
            report: Report::default(),
        }
    }
}

/// `POST /profiles`. Slashes before and behind it do not count, as in a canonical path.
fn is_own(method: &Method, uri: &Uri) -> bool {
    let path = uri.path();
    method == Method::POST && path.starts_with('/') && path.trim_matches('/') == "profiles"
}

/// From the request to what came of it.
async fn sign_up<S, B, RB>(
    service: S,
    shared: &Shared,
    request: Request<B>,
    progress: &mut Progress,
) -> Result<UpsertOutcome, Failure<S::Error>>
where
    S: Service<Request<Either<B, Full<Bytes>>>, Response = Response<RB>>,
    B: http_body::Body,
    B::Error: Into<BoxError>,
    RB: http_body::Body,
    RB::Error: Into<BoxError>,
{
    let policy = &shared.policy;
    let (parts, body) = request.into_parts();
    if !may_sign_up(&parts.extensions) {
        return Err(Rejection::new(RejectionKind::MissingCredentials).into());
    }
    gate(&parts.headers, policy.body_limit())?;
    let bytes = read(body, policy.body_limit(), policy.read_timeout()).await?;
    // Counted from here, or a client could shift the boundaries by sending its body slowly.
    progress.release = Release::from_now(policy);
    let sign_up = SignUp::parse(&bytes, policy)?;
    // It may be part of a connection's buffer, and has been read.
    drop(bytes);
    let in_flight = progress
        .in_flight
        .insert(shared.in_flight.admit(sign_up.email())?);
    let mut tenant = Caller::<S, B>::new(service, &parts.headers, parts.extensions);
    let result = upsert(&mut tenant, policy, &sign_up, in_flight).await;
    progress.report = tenant.report();
    #[cfg(feature = "tracing")]
    log_failure(&result);
    result
}

/// For the operator: an answer of the tenant that nobody can work with. Other failures are the
/// forwarding service's to log.
#[cfg(feature = "tracing")]
fn log_failure<E>(result: &Result<UpsertOutcome, Failure<E>>) {
    use std::error::Error;

    if let Err(Failure::Rejected(rejection)) = result
        && rejection.kind() == RejectionKind::TenantAnswer
    {
        let cause = rejection.source().map(ToString::to_string);
        tracing::error!(cause, "a sign-up failed: the tenant's answer is unusable");
    }
}

/// Whether somebody vouches for the caller. If the auth layer was forgotten, nobody signs up.
fn may_sign_up(extensions: &http::Extensions) -> bool {
    Subject::of(extensions).is_some() || extensions.get::<TrustedCaller>().is_some()
}

impl<S: Clone> Clone for CommsUpsert<S> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for CommsUpsert<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommsUpsert")
            .field("inner", &self.inner)
            .field("shared", &self.shared)
            .finish()
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
