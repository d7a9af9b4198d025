use std::future::poll_fn;

use bytes::Bytes;
use http::{Extensions, HeaderMap, Request, Response};
use http_body_util::Full;
use tower::Service;

use super::Lookup;
use super::response;
use crate::body::Body;
use crate::error::BoxError;
use crate::headers::WireProtocol;
use crate::identity::{Subject, VerifiedToken};
use crate::path::MeRequest;
use crate::read::{CollectError, collect};
use crate::rejection::{Rejection, TenantStatusRules};
use crate::report::Report;
use crate::request_body::Replayable;
use crate::tenant::{AllowForward, ApiToken, CallAs};
use crate::token::events::log_rejected;

/// The response contains a complete profile: a few KiB, or more with many custom fields.
const MAX_RESPONSE_LEN: usize = 1024 * 1024;

/// The request of a caller, without its body. The look-up copies its correlation headers and
/// extensions.
pub(in crate::token) struct Caller {
    pub(in crate::token) headers: HeaderMap,
    pub(in crate::token) extensions: Extensions,
}

/// Calls the tenant for one request of a caller, and records the calls.
pub(in crate::token) struct TenantClient<S> {
    service: S,
    report: Report,
}

impl<S> TenantClient<S> {
    pub(in crate::token) fn new(service: S) -> Self {
        Self {
            service,
            report: Report::default(),
        }
    }

    /// The response to the caller, with the report of the calls. A rejection is logged with
    /// `message`.
    pub(in crate::token) fn respond<E>(
        self,
        result: Result<Response<Full<Bytes>>, CallError<E>>,
        protocol: WireProtocol,
        message: &'static str,
    ) -> Result<Response<Full<Bytes>>, E> {
        let mut response = match result {
            Ok(response) => response,
            Err(CallError::Rejected(rejection)) => {
                log_rejected(&rejection, message);
                rejection.into_response(protocol)
            }
            Err(CallError::Inner(error)) => return Err(error),
        };
        response.extensions_mut().insert(self.report);
        Ok(response)
    }

    /// Calls the tenant, after it is ready, for a subject.
    ///
    /// The call has the API token `call_as`, or the configured one.
    pub(in crate::token) async fn look_up<ResBody>(
        &mut self,
        lookup: &Lookup,
        call_as: Option<ApiToken>,
        caller: Caller,
    ) -> Result<Subject, CallError<S::Error>>
    where
        S: Service<Request<Body>, Response = Response<ResBody>>,
        ResBody: http_body::Body<Error: Into<BoxError>>,
    {
        let mut request = lookup.to_request(&caller.headers);
        let rules = set_extensions(request.extensions_mut(), caller.extensions, call_as);
        poll_fn(|cx| self.service.poll_ready(cx))
            .await
            .map_err(CallError::Inner)?;
        let response = self.service.call(request).await;
        let (parts, body) = response.map_err(CallError::Inner)?.into_parts();
        self.report.add_call(&parts.extensions);
        // A layer in front of the tenant has rejected the call.
        if let Some(rejection) = parts.extensions.get::<Rejection>() {
            return Err(rejection.clone().into());
        }
        response::check_status(lookup, rules, parts.status, &parts.headers)?;
        let body = collect(body, MAX_RESPONSE_LEN)
            .await
            .map_err(CollectError::into_tenant_rejection)?;
        Ok(response::subject(lookup, &parts.headers, &body)?)
    }
}

/// Copies the extensions of the caller's request to the look-up, except for its subject and
/// markers. Returns the rules for the status of its response, which depend on the API token.
fn set_extensions(
    extensions: &mut Extensions,
    caller: Extensions,
    call_as: Option<ApiToken>,
) -> TenantStatusRules {
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
            TenantStatusRules::MINT_AS_CALLER
        }
        None => {
            // This crate has built the request, not the caller: it may be forwarded.
            extensions.insert(AllowForward::new());
            TenantStatusRules::MINT
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
