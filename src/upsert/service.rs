use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, Uri};
use http_body_util::{Either, Full};
use tower::Service;

use super::in_flight::{AddressLimits, SignUpGuard};
use super::outcome::UpsertOutcome;
use super::policy::CommsPolicy;
use super::process::upsert;
use super::read_body::{check_headers, read_body};
use super::sign_up::SignUp;
use super::tenant_client::{TenantClient, TenantService, UpsertError};
use super::uniform_latency::UniformLatency;
use crate::body::ResponseBody;
use crate::error::BoxError;
use crate::future::ResponseFuture;
use crate::headers::WireProtocol;
use crate::identity::Subject;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Report;

/// Marks the request of a server that presented the tenant's API token, and so may sign up people
/// without an ID token.
///
/// The layer that has validated the API token inserts it into the request's extensions. A sign-up
/// with neither this marker nor a [`Subject`] is rejected with 401.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedCaller;

/// Middleware that turns `POST /profiles` into a sign-up: existing profiles change only in consent.
///
/// See the [module docs](super).
#[derive(Clone, Debug)]
pub struct CommsUpsert<S> {
    inner: S,
    shared: Arc<Shared>,
}

/// The state that the services of one layer share.
#[derive(Default)]
pub(super) struct Shared {
    policy: CommsPolicy,
    in_flight: AddressLimits,
}

impl Shared {
    pub(super) fn new(policy: CommsPolicy) -> Self {
        Self {
            policy,
            in_flight: AddressLimits::default(),
        }
    }

    /// Another policy, with the same sign-ups in flight.
    #[cfg(feature = "client")]
    pub(super) fn with_policy(&self, policy: CommsPolicy) -> Self {
        Self {
            policy,
            in_flight: self.in_flight.clone(),
        }
    }
}

impl<S> CommsUpsert<S> {
    /// Wraps a service that forwards requests to the tenant.
    pub fn new(inner: S, policy: CommsPolicy) -> Self {
        Self::from_shared(inner, Arc::new(Shared::new(policy)))
    }

    pub(super) fn from_shared(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    define_inner_service_accessors!();
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
        if !is_sign_up(request.method(), request.uri()) {
            return ResponseFuture::inner(self.inner.call(request.map(Either::Left)));
        }
        // Release the readiness that was reserved for this call. A sign-up first waits for its
        // body, and may wait for the creation of another sign-up. If it held a permit of a
        // concurrency limit meanwhile, that creation could wait for the permit. Each call
        // to the tenant polls readiness again.
        let not_ready_inner = self.inner.clone();
        self.inner = not_ready_inner.clone();
        let shared = Arc::clone(&self.shared);
        ResponseFuture::boxed(async move {
            let protocol = WireProtocol::from_headers(request.headers());
            let sign_up = sign_up(not_ready_inner, &shared, request).await;
            sign_up.latency.wait().await;
            // Dropped only now: with a uniform latency, the number of sign-ups in flight then
            // depends only on their arrivals, and a 503 does not reveal the duration of
            // the others.
            drop(sign_up.in_flight);
            let mut response = match sign_up.result {
                Ok(outcome) => outcome.into_response(),
                Err(UpsertError::Rejected(rejection) | UpsertError::Revealing(rejection)) => {
                    rejection.into_response(protocol)
                }
                Err(UpsertError::Inner(error)) => return Err(error),
            };
            response.extensions_mut().insert(sign_up.report);
            Ok(response.map(ResponseBody::from_layer))
        })
    }
}

/// Whether a request is `POST /profiles`. Leading and trailing slashes are ignored, as in a
/// canonical path.
fn is_sign_up(method: &Method, uri: &Uri) -> bool {
    let path = uri.path();
    method == Method::POST && path.starts_with('/') && path.trim_matches('/') == "profiles"
}

/// A sign-up that has a result, but whose response may be delayed.
struct FinishedSignUp<E> {
    result: Result<UpsertOutcome, UpsertError<E>>,
    latency: UniformLatency,
    /// `None` if the sign-up was rejected before it was counted.
    in_flight: Option<SignUpGuard>,
    report: Report,
}

impl<E> FinishedSignUp<E> {
    /// A sign-up that was rejected before the tenant was called.
    fn rejected(rejection: Rejection, latency: UniformLatency) -> Self {
        Self {
            result: Err(rejection.into()),
            latency,
            in_flight: None,
            report: Report::default(),
        }
    }
}

/// Processes a request up to its result.
async fn sign_up<S, B>(service: S, shared: &Shared, request: Request<B>) -> FinishedSignUp<S::Error>
where
    S: TenantService<B>,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let policy = &shared.policy;
    let since_headers = UniformLatency::from_now(policy);
    let (parts, body) = request.into_parts();
    let bytes = match receive(&parts, body, policy).await {
        Ok(bytes) => bytes,
        Err(rejection) => return FinishedSignUp::rejected(rejection, since_headers),
    };
    // The quantum starts after the last byte of the body. Otherwise a client could shift the end of
    // the quantum by sending its body slowly.
    let latency = UniformLatency::from_now(policy);
    let admitted = admit(&bytes, shared);
    // The bytes may keep a connection's buffer alive.
    drop(bytes);
    let (sign_up, in_flight) = match admitted {
        Ok(admitted) => admitted,
        Err(rejection) => return FinishedSignUp::rejected(rejection, latency),
    };
    let mut tenant = TenantClient::<S, B>::new(service, &parts.headers, parts.extensions);
    let result = upsert(&mut tenant, policy, &sign_up, &in_flight).await;
    FinishedSignUp {
        result: conceal(policy, result),
        latency,
        in_flight: Some(in_flight),
        report: tenant.report(),
    }
}

/// Authorizes a request by its extensions, and reads its body.
async fn receive<B>(parts: &Parts, body: B, policy: &CommsPolicy) -> Result<Bytes, Rejection>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    if !may_sign_up(&parts.extensions) {
        return Err(RejectionKind::MissingCredentials.into());
    }
    check_headers(&parts.headers, policy.body_limit())?;
    read_body(body, policy.body_limit(), policy.read_timeout()).await
}

/// Validates a payload, and counts the sign-up as in flight.
fn admit(bytes: &[u8], shared: &Shared) -> Result<(SignUp, SignUpGuard), Rejection> {
    let sign_up = SignUp::parse(bytes, &shared.policy)?;
    let in_flight = shared.in_flight.admit(sign_up.email())?;
    Ok((sign_up, in_flight))
}

/// Replaces an error that reveals whether the person is a customer, if the policy conceals it.
fn conceal<E>(
    policy: &CommsPolicy,
    result: Result<UpsertOutcome, UpsertError<E>>,
) -> Result<UpsertOutcome, UpsertError<E>> {
    #[cfg(feature = "tracing")]
    log_error(policy, &result);
    match result {
        Err(UpsertError::Revealing(_)) if policy.conceals_tenant_validation() => {
            Ok(UpsertOutcome::Concealed)
        }
        result => result,
    }
}

/// Logs an unusable response of the tenant, and every concealed error, which only the log records.
/// Of a 422, it logs the names of the invalid fields, never their values. The forwarding service
/// logs its other failures.
#[cfg(feature = "tracing")]
fn log_error<E>(policy: &CommsPolicy, result: &Result<UpsertOutcome, UpsertError<E>>) {
    use std::error::Error;

    let (rejection, is_concealed) = match result {
        Err(UpsertError::Revealing(rejection)) => (rejection, policy.conceals_tenant_validation()),
        Err(UpsertError::Rejected(rejection)) => (rejection, false),
        Ok(_) | Err(UpsertError::Inner(_)) => return,
    };
    let cause = rejection.source().map(ToString::to_string);
    match rejection.kind() {
        RejectionKind::TenantAnswer if is_concealed => tracing::error!(
            cause,
            "a sign-up is lost: the tenant's data of the person is ambiguous, and the error is \
             concealed"
        ),
        RejectionKind::TenantAnswer => {
            tracing::error!(cause, "a sign-up failed: the tenant's response is unusable");
        }
        RejectionKind::InvalidFields if is_concealed => {
            let errors = rejection.errors().into_iter();
            let fields: Vec<&str> = errors
                .flat_map(|errors| errors.iter())
                .map(|(field, _)| field)
                .collect();
            tracing::warn!(
                ?fields,
                "a sign-up is lost: the tenant rejected the payload, and the error is concealed"
            );
        }
        _ => {}
    }
}

/// Whether a layer in front has authenticated the caller, even as anonymous. Without an auth layer,
/// every sign-up is rejected.
fn may_sign_up(extensions: &http::Extensions) -> bool {
    Subject::from_extensions(extensions).is_some() || extensions.get::<TrustedCaller>().is_some()
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
