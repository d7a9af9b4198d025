use std::mem;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use bytes::Buf;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderMap, RANGE, VARY};
use http::{Extensions, Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use tokio::time::Instant;

#[cfg(feature = "tracing")]
use super::events;
use super::failure;
use crate::body::Body;
use crate::client_info::ClientInfo;
use crate::error::BoxError;
use crate::headers::{
    Census, Special, WireProtocol, asks_for_websocket, is_unencoded, remove_hop_by_hop,
    retry_after, takes_trailers,
};
use crate::path::MeRequest;
use crate::rejection::{Rejection, RejectionKind};
use crate::report::Report;
use crate::request_body::InFlightGuard;
use crate::request_body::RequestBody;
use crate::request_body::{InFlightRef, Replayable, UploadState};
use crate::tenant::{AllowForward, CallAs};
use crate::upstream::config::Config;
use crate::upstream::error::UpstreamError;
use crate::upstream::request::framing::Framing;
use crate::upstream::request::{clean as request, target};
use crate::upstream::response::{self, CalledAs};
use crate::upstream::response::{BodyObserver, ProxiedBody, Secret};

/// When to come back to a tenant that is busy and does not say.
const BUSY: Duration = Duration::from_secs(1);

/// One call of the tenant: what has to be known of the request when the answer comes.
pub(in crate::upstream) struct Exchange {
    config: Arc<Config>,
    protocol: WireProtocol,
    me: Option<MeRequest>,
    called_as: CalledAs,
    /// Whether the tenant was asked for a part of its answer.
    ranged: bool,
    upload: Option<UploadState>,
    place: Held,
    began: Instant,
    /// The request's, empty: the answer's are made of the same allocations.
    extensions: Extensions,
}

impl Exchange {
    /// Turns a client's request into ours.
    pub(in crate::upstream) fn begin<B>(
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
        let census = Census::of(request.headers());
        if census.has(Special::Upgrade) && asks_for_websocket(request.headers()) {
            return Err(RejectionKind::UpgradeRefused.into());
        }
        let extensions = request.extensions_mut();
        let me = extensions.remove::<MeRequest>();
        let client = extensions.remove::<ClientInfo>();
        let called_as = match extensions.remove::<CallAs>() {
            Some(CallAs(token)) => CalledAs::Caller(token),
            None => CalledAs::Tenant,
        };
        let permitted = extensions.remove::<AllowForward>().is_some();
        let replayable = extensions.remove::<Replayable>();
        if me.is_none() && matches!(called_as, CalledAs::Tenant) && !permitted {
            // Nobody decided that this may be asked with a token that opens everything.
            return Err(RejectionKind::NotFound.into());
        }
        let target = target::of(&request, &config.tenant, me.as_ref())?;
        let (mut parts, body) = request.into_parts();
        let (mut body, upload) = RequestBody::with_upload_state(body, config.body_idle_timeout);
        let headers = &mut parts.headers;
        let trailers = census.has(Special::Te) && takes_trailers(headers, parts.version);
        let length = request::clean(
            headers,
            census,
            &config.request_headers,
            &parts.method,
            Framing::of(&body),
        )
        .map_err(|error| Rejection::new(RejectionKind::HeadersRefused).because(error))?;
        body.set_declared_length(length);
        let place = config.in_flight.enter().ok_or_else(|| {
            Rejection::new(RejectionKind::TenantBusy)
                .with_retry_after(BUSY)
                .because(UpstreamError::in_flight(config.in_flight.max()))
        })?;
        let place = match &upload {
            Some(upload) => Held::Shared(upload.share_in_flight(place)),
            None => Held::Alone(place),
        };
        let token = match &called_as {
            CalledAs::Tenant => config.tenant.api_token(),
            CalledAs::Caller(token) => token,
        };
        let forwarding = &config.forwarding;
        forwarding.apply(headers, client.as_ref(), parts.version);
        request::sign(headers, census, &config.tenant, token);
        if trailers {
            request::ask_for_trailers(headers);
        }
        parts.uri = target;
        // What the client spoke to us says nothing of what we speak to the tenant.
        parts.version = Version::HTTP_11;
        let mut extensions = mem::take(&mut parts.extensions);
        extensions.clear();
        if let Some(mark) = replayable {
            parts.extensions.insert(mark);
        }
        let exchange = Self {
            config: Arc::clone(config),
            protocol,
            me,
            called_as,
            ranged: parts.headers.contains_key(RANGE),
            upload,
            place,
            began: Instant::now(),
            extensions,
        };
        Ok((Request::from_parts(parts, body), exchange))
    }

    pub(in crate::upstream) fn head_timeout(&self) -> Duration {
        self.config.head_timeout
    }

    pub(in crate::upstream) fn began(&self) -> Instant {
        self.began
    }

    pub(in crate::upstream) fn upload(&self) -> Option<&UploadState> {
        self.upload.as_ref()
    }

    /// The tenant's answer as the client gets it, or ours in its place. It is replaced, too, if its
    /// body is known to fail before the first frame.
    pub(in crate::upstream) fn answered<B>(
        mut self,
        response: Response<B>,
        cx: &mut Context<'_>,
    ) -> Response<Body>
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let (mut parts, body) = response.into_parts();
        if let Err(kind) = response::judge(parts.status, &self.called_as, self.ranged) {
            let retry_after = retry_after(&parts.headers);
            let error = UpstreamError::answer(parts.status);
            return self.replaced(kind, error, Some(parts.status), retry_after);
        }
        let census = Census::of(&parts.headers);
        let cleaned = response::clean(
            &mut parts.headers,
            census,
            parts.status,
            &self.config.response_headers,
            &self.config.tenant,
            self.me.as_ref(),
        );
        if let Err(error) = cleaned {
            let error = UpstreamError::malformed(error);
            return self.replaced(RejectionKind::TenantAnswer, error, Some(parts.status), None);
        }
        // The host speaks its own: as HTTP/1.0 it would end a body by closing the connection.
        parts.version = Version::HTTP_11;
        let latency = self.began.elapsed();
        let report = Report::from_call(Some(parts.status), latency);
        parts.extensions = mem::take(&mut self.extensions);
        parts.extensions.insert(report);
        #[cfg(feature = "tracing")]
        events::answered(&self.config.tenant, parts.status, latency);
        let idle_timeout = self.config.body_idle_timeout;
        let watch = ResponseObserver {
            config: self.config,
            called_as: self.called_as,
            coding: Coding::of(&parts.headers, census),
            place: self.place,
        };
        watch.remove_echoes(&mut parts.headers);
        let body = ProxiedBody::new(body, idle_timeout, watch);
        if body.is_end_stream() {
            return Response::from_parts(parts, Body::empty());
        }
        // Boxed here: the body is large, and is moved once.
        let mut body = Box::pin(body);
        if let Err((error, watch)) = body.as_mut().poll_first(cx) {
            self.config = watch.config;
            self.called_as = watch.called_as;
            self.place = watch.place;
            let error = UpstreamError::malformed(error);
            return self.replaced(RejectionKind::TenantAnswer, error, Some(parts.status), None);
        }
        Response::from_parts(parts, Body::from_boxed(body))
    }

    /// The client had no answer.
    pub(in crate::upstream) fn failed(self, error: BoxError) -> Response<Body> {
        let failure = self.upload.as_ref().and_then(UploadState::failure);
        let kind = failure.unwrap_or_else(|| failure::kind(&*error));
        self.replaced(kind, UpstreamError::client(error), None, None)
    }

    /// The client took too long.
    pub(in crate::upstream) fn expired(self) -> Response<Body> {
        let error = UpstreamError::head_timeout(self.config.head_timeout);
        self.replaced(RejectionKind::TenantTimeout, error, None, None)
    }

    fn replaced(
        self,
        kind: RejectionKind,
        error: UpstreamError,
        status: Option<StatusCode>,
        retry_after: Option<Duration>,
    ) -> Response<Body> {
        let mut rejection = Rejection::new(kind).because(error);
        if kind == RejectionKind::TenantBusy {
            rejection = rejection.with_retry_after(retry_after.unwrap_or(BUSY));
        }
        let latency = self.began.elapsed();
        #[cfg(feature = "tracing")]
        events::replaced(&self.config.tenant, &rejection, latency);
        let mut response = rejection.into_response(self.protocol).map(Body::from);
        let report = Report::from_call(status, latency);
        response.extensions_mut().insert(report);
        response
    }
}

/// Holds the call's place until the answer's body has ended, and cleans its trailers.
struct ResponseObserver {
    config: Arc<Config>,
    called_as: CalledAs,
    coding: Coding,
    place: Held,
}

/// A call's place.
#[expect(dead_code, reason = "dropped, which is all")]
enum Held {
    Alone(InFlightGuard),
    /// With whoever moves the rest of a request behind its answer.
    Shared(InFlightRef),
}

/// Whether a body can be read on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Plain,
    Compressed,
}

impl Coding {
    fn of(headers: &HeaderMap, census: Census) -> Self {
        match !census.has(Special::ContentEncoding) || is_unencoded(headers) {
            true => Self::Plain,
            false => Self::Compressed,
        }
    }
}

impl ResponseObserver {
    fn remove_echoes(&self, headers: &mut HeaderMap) {
        if let Some(secret) = &self.config.secret {
            response::remove_echoes(headers, secret);
        }
        if let CalledAs::Caller(token) = &self.called_as
            && let Some(secret) = token.telltale().map(Secret::new)
        {
            response::remove_echoes(headers, &secret);
        }
    }
}

impl BodyObserver for ResponseObserver {
    fn clean_trailers(&self, trailers: &mut HeaderMap) {
        if remove_hop_by_hop(trailers).is_err() {
            trailers.clear();
        }
        self.config.response_headers.clean(trailers);
        // RFC 9110 §6.5.1: framing and cache controls mean nothing behind a body; a recipient that
        // merges them anyway must not be misled.
        for name in [CACHE_CONTROL, CONTENT_LENGTH, VARY] {
            trailers.remove(name);
        }
        self.remove_echoes(trailers);
    }

    fn secret(&self) -> Option<&Secret> {
        let secret = self.config.secret.as_deref();
        secret.filter(|_| self.coding == Coding::Plain)
    }

    fn found(&self) {
        #[cfg(feature = "tracing")]
        events::echoed(&self.config.tenant);
    }
}
