use std::future::poll_fn;

use http::{Extensions, HeaderMap, Request, Response};
use tower::Service;

use super::Lookup;
use super::answer::{self, Credential};
use crate::body::Body;
use crate::error::BoxError;
use crate::identity::{Subject, VerifiedToken};
use crate::path::MeRequest;
use crate::read::{CollectError, collect};
use crate::rejection::Rejection;
use crate::report::Report;
use crate::request_body::Replayable;
use crate::tenant::{AllowForward, ApiToken, CallAs};

/// The tenant answers with a whole profile: a few KiB, or more with many custom fields.
const MAX_ANSWER_LEN: usize = 1024 * 1024;

/// The request of a caller, without its body. The look-up copies its correlation headers and
/// extensions.
pub(in crate::token) struct Caller {
    pub(in crate::token) headers: HeaderMap,
    pub(in crate::token) extensions: Extensions,
}

/// Calls the tenant, after it is ready, for a subject.
///
/// The call has the API token `call_as`, or the configured one.
pub(in crate::token) async fn look_up<S, ResBody>(
    mut tenant: S,
    lookup: &Lookup,
    call_as: Option<ApiToken>,
    caller: Caller,
    report: &mut Report,
) -> Result<Subject, CallError<S::Error>>
where
    S: Service<Request<Body>, Response = Response<ResBody>>,
    ResBody: http_body::Body<Error: Into<BoxError>>,
{
    let mut request = lookup.to_request(&caller.headers);
    let credential = set_extensions(request.extensions_mut(), caller.extensions, call_as);
    poll_fn(|cx| tenant.poll_ready(cx))
        .await
        .map_err(CallError::Inner)?;
    let response = tenant.call(request).await.map_err(CallError::Inner)?;
    let (parts, body) = response.into_parts();
    report.add_call(&parts.extensions);
    // A layer in front of the tenant has rejected the call.
    if let Some(rejection) = parts.extensions.get::<Rejection>() {
        return Err(rejection.clone().into());
    }
    answer::check_status(lookup, credential, parts.status, &parts.headers)?;
    let body = collect(body, MAX_ANSWER_LEN)
        .await
        .map_err(CollectError::into_tenant_rejection)?;
    Ok(answer::subject(lookup, &parts.headers, &body)?)
}

/// Copies the extensions of the caller's request to the look-up, except for its subject and
/// markers.
fn set_extensions(
    extensions: &mut Extensions,
    caller: Extensions,
    call_as: Option<ApiToken>,
) -> Credential {
    *extensions = caller;
    extensions.remove::<VerifiedToken>();
    extensions.remove::<Subject>();
    extensions.remove::<CallAs>();
    extensions.remove::<MeRequest>();
    extensions.remove::<AllowForward>();
    // Both look-ups are safe, `POST /profiles/search-id` included.
    extensions.insert(Replayable);
    match call_as {
        Some(token) => {
            extensions.insert(CallAs(token));
            Credential::Caller
        }
        None => {
            // This crate has built the request, not the caller: it may be forwarded.
            extensions.insert(AllowForward::new());
            Credential::Configured
        }
    }
}

/// Why a call failed: a response to the caller, or an error of the inner service.
pub(in crate::token) enum CallError<E> {
    Rejected(Rejection),
    Inner(E),
}

impl<E, R> From<R> for CallError<E>
where
    R: Into<Rejection>,
{
    fn from(rejection: R) -> Self {
        Self::Rejected(rejection.into())
    }
}
