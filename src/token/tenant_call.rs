//! The call of the tenant that a mint request needs.

use std::future::poll_fn;

use http::{Extensions, HeaderMap, Request, Response};
use tower::Service;

use super::lookup::{self, Credential};
use super::request::MintRequest;
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

/// Calls the tenant, after it is ready, for the subject of the token.
pub(super) async fn look_up<S, ResBody>(
    mut tenant: S,
    request: ParsedRequest,
    report: &mut Report,
) -> Result<Subject, MintError<S::Error>>
where
    S: Service<Request<Body>, Response = Response<ResBody>>,
    ResBody: http_body::Body<Error: Into<BoxError>>,
{
    let ParsedRequest {
        mint,
        call_as,
        headers,
        extensions,
    } = request;
    let mut request = lookup::request(&mint, &headers);
    let credential = set_extensions(request.extensions_mut(), extensions, call_as);
    poll_fn(|cx| tenant.poll_ready(cx))
        .await
        .map_err(MintError::Inner)?;
    let response = tenant.call(request).await.map_err(MintError::Inner)?;
    let (parts, body) = response.into_parts();
    report.add_call(&parts.extensions);
    // A layer in front of the tenant has rejected the call.
    if let Some(rejection) = parts.extensions.get::<Rejection>() {
        return Err(rejection.clone().into());
    }
    lookup::check_status(&mint, credential, parts.status, &parts.headers)?;
    let body = collect(body, MAX_ANSWER_LEN)
        .await
        .map_err(CollectError::into_tenant_rejection)?;
    Ok(lookup::subject(&mint, &parts.headers, &body)?)
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

/// Why no token was minted: a response to the caller, or an error of the inner service.
pub(super) enum MintError<E> {
    Rejected(Rejection),
    Inner(E),
}

impl<E, R> From<R> for MintError<E>
where
    R: Into<Rejection>,
{
    fn from(rejection: R) -> Self {
        Self::Rejected(rejection.into())
    }
}

/// A request whose body has been read and parsed.
pub(super) struct ParsedRequest {
    pub(super) mint: MintRequest,
    /// The caller's API token, unless it was checked here.
    pub(super) call_as: Option<ApiToken>,
    pub(super) headers: HeaderMap,
    pub(super) extensions: Extensions,
}
