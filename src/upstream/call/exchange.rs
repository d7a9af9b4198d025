//! One call of the tenant: the request to it, and the response to the client.

use std::mem;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Buf;
use http::header::RANGE;
use http::{Extensions, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use tokio::time::Instant;

use super::classify::rejection_kind;
#[cfg(feature = "tracing")]
use super::events;
use crate::body::Body;
use crate::client_info::ClientInfo;
use crate::error::BoxError;
use crate::headers::{
    WireProtocol, accepts_trailers, asks_for_websocket, is_unencoded, retry_after,
};
use crate::path::MeRequest;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Report;
use crate::request_body::{LimitReached, Replayable, RequestBody, UploadState};
use crate::tenant::{AllowForward, CallAs};
use crate::upstream::config::Config;
use crate::upstream::error::{Cause, UpstreamError};
use crate::upstream::request::{self, Framing};
use crate::upstream::response::{
    self, CallCredential, InFlightHandle, ProxiedBody, ResponseFilter,
};

/// `Retry-After` of a rejection, if the tenant is busy and sends none.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(1);

/// One call of the tenant: the state of the request that its response needs.
pub(in crate::upstream) struct Exchange {
    pub(super) config: Arc<Config>,
    protocol: WireProtocol,
    me: Option<MeRequest>,
    credential: CallCredential,
    /// Whether the request to the tenant has a `Range`.
    has_range: bool,
    pub(super) upload: Option<UploadState>,
    in_flight: InFlightHandle,
    pub(super) started: Instant,
    /// The request's extensions, emptied: the response reuses their allocations.
    extensions: Extensions,
}

impl Exchange {
    /// Converts a client's request into the request to the tenant.
    ///
    /// # Errors
    /// If the request is rejected without a call.
    pub(in crate::upstream) fn prepare<B>(
        config: &Arc<Config>,
        mut request: Request<B>,
        protocol: WireProtocol,
    ) -> Result<(Request<RequestBody>, Self), Rejection>
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        if matches!(*request.method(), Method::CONNECT | Method::TRACE) {
            let allow = "GET, HEAD, POST, PUT, PATCH, DELETE";
            return Err(Rejection::method_not_allowed(allow));
        }
        if asks_for_websocket(request.headers()) {
            return Err(RejectionKind::UpgradeRefused.into());
        }
        let extensions = request.extensions_mut();
        let me = extensions.remove::<MeRequest>();
        let client = extensions.remove::<ClientInfo>();
        let credential = match extensions.remove::<CallAs>() {
            Some(CallAs(token)) => CallCredential::Caller(token),
            None => CallCredential::Tenant,
        };
        let is_allowed = extensions.remove::<AllowForward>().is_some();
        let replayable = extensions.remove::<Replayable>();
        if me.is_none() && matches!(credential, CallCredential::Tenant) && !is_allowed {
            // The API token grants access to every profile: without an explicit decision the
            // request is not sent.
            return Err(RejectionKind::NotFound.into());
        }
        let uri = request::tenant_uri(&request, &config.tenant, me.as_ref())?;
        let (mut parts, body) = request.into_parts();
        let (mut body, upload) = RequestBody::with_upload_state(body, config.body_idle_timeout);
        let headers = &mut parts.headers;
        let trailers = accepts_trailers(headers, parts.version);
        let length = request::filter_headers(
            headers,
            &config.request_headers,
            &parts.method,
            Framing::from_body(&body),
        )?;
        body.set_declared_length(length);
        let guard = config.in_flight.try_acquire().map_err(|reached| {
            let cause = match reached {
                LimitReached::Tenant => Cause::InFlight(config.in_flight.max()),
                LimitReached::Budget => Cause::CallBudget,
            };
            Rejection::new(RejectionKind::TenantBusy)
                .with_retry_after(BUSY_RETRY_AFTER)
                .because(UpstreamError(cause))
        })?;
        let in_flight = match &upload {
            Some(upload) => InFlightHandle::Shared(upload.share_in_flight(guard)),
            None => InFlightHandle::Exclusive(guard),
        };
        let token = match &credential {
            CallCredential::Tenant => config.tenant.api_token(),
            CallCredential::Caller(token) => token,
        };
        let forwarding = &config.forwarding;
        forwarding.apply(headers, client.as_ref(), parts.version);
        request::insert_tenant_headers(headers, &config.tenant, token);
        if trailers {
            request::insert_te_trailers(headers);
        }
        parts.uri = uri;
        // The version of the client's connection does not apply to the tenant's connection.
        parts.version = Version::HTTP_11;
        let mut extensions = mem::take(&mut parts.extensions);
        extensions.clear();
        if let Some(replayable) = replayable {
            parts.extensions.insert(replayable);
        }
        let exchange = Self {
            config: Arc::clone(config),
            protocol,
            me,
            credential,
            has_range: parts.headers.contains_key(RANGE),
            upload,
            in_flight,
            started: Instant::now(),
            extensions,
        };
        Ok((Request::from_parts(parts, body), exchange))
    }

    /// The response to the client, if the tenant responded: the tenant's response, filtered, or a
    /// rejection. A body that fails before its first frame, at this first poll, is also rejected.
    pub(in crate::upstream) fn on_response<B>(
        mut self,
        response: Response<B>,
        cx: &mut Context<'_>,
    ) -> Response<Body>
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut parts, body) = response.into_parts();
        if let Err(kind) = response::check_status(parts.status, &self.credential, self.has_range) {
            let retry_after = retry_after(&parts.headers);
            let error = UpstreamError(Cause::Status(parts.status));
            return self.reject(kind, error, Some(parts.status), retry_after);
        }
        let filtered = response::filter_headers(
            &mut parts.headers,
            parts.status,
            &self.config.response_headers,
            &self.config.tenant,
            self.me.as_ref(),
        );
        if let Err(error) = filtered {
            let error = UpstreamError(Cause::Malformed(error));
            return self.reject(RejectionKind::TenantAnswer, error, Some(parts.status), None);
        }
        // The server sets the version of its own connection: with HTTP/1.0 here, hyper would end
        // the body by closing the connection.
        parts.version = Version::HTTP_11;
        let latency = self.started.elapsed();
        let report = Report::from_call(Some(parts.status), latency);
        parts.extensions = mem::take(&mut self.extensions);
        parts.extensions.insert(report);
        #[cfg(feature = "tracing")]
        events::response_received(&self.config.tenant, parts.status, latency);
        let idle_timeout = self.config.body_idle_timeout;
        let filter = ResponseFilter {
            config: self.config,
            credential: self.credential,
            is_unencoded: is_unencoded(&parts.headers),
            in_flight: self.in_flight,
        };
        filter.remove_secrets(&mut parts.headers);
        let body = ProxiedBody::new(body, idle_timeout, filter);
        if body.is_end_stream() {
            return Response::from_parts(parts, Body::empty());
        }
        // Boxed before the poll: the body is large, and moves only once.
        let mut body = Box::pin(body);
        if let Err((error, filter)) = body.as_mut().poll_first(cx) {
            self.config = filter.config;
            self.credential = filter.credential;
            self.in_flight = filter.in_flight;
            let error = UpstreamError(Cause::Malformed(error));
            return self.reject(RejectionKind::TenantAnswer, error, Some(parts.status), None);
        }
        Response::from_parts(parts, Body::from_boxed(body))
    }

    /// The response to the client, if the call failed.
    pub(in crate::upstream) fn on_error(self, error: BoxError) -> Response<Body> {
        let upload_failure = self.upload.as_ref().and_then(UploadState::failure);
        let kind = upload_failure.unwrap_or_else(|| rejection_kind(&*error));
        self.reject(kind, UpstreamError(Cause::Client(error)), None, None)
    }

    /// The response to the client, if the head timeout elapsed.
    pub(in crate::upstream) fn on_timeout(self) -> Response<Body> {
        let error = UpstreamError(Cause::HeadTimeout(self.config.head_timeout));
        self.reject(RejectionKind::TenantTimeout, error, None, None)
    }

    fn reject(
        self,
        kind: RejectionKind,
        error: UpstreamError,
        status: Option<StatusCode>,
        retry_after: Option<Duration>,
    ) -> Response<Body> {
        let mut rejection = Rejection::new(kind).because(error);
        if kind == RejectionKind::TenantBusy {
            rejection = rejection.with_retry_after(retry_after.unwrap_or(BUSY_RETRY_AFTER));
        }
        let latency = self.started.elapsed();
        #[cfg(feature = "tracing")]
        events::call_failed(&self.config.tenant, &rejection, latency);
        let mut response = rejection.into_response(self.protocol).map(Body::from);
        let report = Report::from_call(status, latency);
        response.extensions_mut().insert(report);
        response
    }
}
