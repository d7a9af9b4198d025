//! Faults of a tenant or the network, on demand.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};

/// A failure of the next matching request. Pass it to [`Sandbox::inject`](super::Sandbox::inject).
///
/// By default a fault applies once, to any request, before the request has any effect. Faults apply
/// in the order of their injection; a latency adds to the fault that follows it.
///
/// ```
/// use http::{Method, StatusCode};
/// use omneo_id::sandbox::{Fault, Sandbox};
///
/// let sandbox = Sandbox::new();
/// sandbox.inject(Fault::status(StatusCode::SERVICE_UNAVAILABLE).times(3).on(Method::GET, "/profiles"));
/// sandbox.inject(Fault::reset().after_effect());
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Fault {
    effect: Effect,
    stage: Stage,
    left: Option<u32>,
    method: Option<Method>,
    path: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Effect {
    Status(StatusCode),
    Response(Box<CannedResponse>),
    Latency(Duration),
    Reset,
    ResetBody,
    Stall,
    StallBody,
}

/// a given response.
#[derive(Clone, Debug)]
pub(crate) struct CannedResponse {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// As soon as the request's head has arrived; its body is not read.
    Early,
    /// When the request has arrived, before it has any effect.
    Before,
    /// When the request has taken effect; the tenant's own response is lost.
    After,
}

impl Fault {
    /// The tenant responds with this status and a matching message; a 429 has `Retry-After: 60`.
    pub fn status(status: StatusCode) -> Self {
        Self::new(Effect::Status(status))
    }

    /// The tenant sends exactly this response: status, headers and body, without its usual headers.
    pub fn response(response: Response<impl Into<Bytes>>) -> Self {
        let (parts, body) = response.into_parts();
        Self::new(Effect::Response(Box::new(CannedResponse {
            status: parts.status,
            headers: parts.headers,
            body: body.into(),
            trailers: None,
        })))
    }

    /// As [`Fault::response`], with trailers after the body.
    pub fn response_with_trailers(
        response: Response<impl Into<Bytes>>,
        trailers: HeaderMap,
    ) -> Self {
        let mut fault = Self::response(response);
        if let Effect::Response(canned) = &mut fault.effect {
            canned.trailers = Some(trailers);
        }
        fault
    }

    /// The tenant waits this long before it handles the request, by tokio's timer.
    pub fn latency(delay: Duration) -> Self {
        Self::new(Effect::Latency(delay))
    }

    /// The connection is reset before the response: the future fails with [`ConnectionReset`].
    pub fn reset() -> Self {
        Self::new(Effect::Reset)
    }

    /// The head and half of the body of the response arrive; the body then fails with
    /// [`ConnectionReset`].
    pub fn reset_body() -> Self {
        Self::new(Effect::ResetBody)
    }

    /// The tenant never responds: the service's future stays pending.
    pub fn stall() -> Self {
        Self::new(Effect::Stall)
    }

    /// The head and half of the body of the response arrive; the body then stays pending.
    pub fn stall_body() -> Self {
        Self::new(Effect::StallBody)
    }

    /// Replaces the number of requests to which the fault applies.
    ///
    /// Default is once.
    pub fn times(mut self, times: u32) -> Self {
        self.left = Some(times);
        self
    }

    /// The fault applies until [`Sandbox::clear_faults`](super::Sandbox::clear_faults).
    pub fn until_cleared(mut self) -> Self {
        self.left = None;
        self
    }

    /// Applies only to this method, on paths with this prefix. See [`Fault::on_path`].
    pub fn on(self, method: Method, prefix: impl Into<String>) -> Self {
        self.on_method(method).on_path(prefix)
    }

    /// Applies only to this method (on the wire).
    ///
    /// Default is any.
    pub fn on_method(mut self, method: Method) -> Self {
        self.method = Some(method);
        self
    }

    /// Applies only to paths with this prefix, with or without the base path, as received.
    ///
    /// Default is any.
    pub fn on_path(mut self, prefix: impl Into<String>) -> Self {
        self.path = Some(prefix.into());
        self
    }

    /// Applies when the request's head has arrived, without reading its body.
    ///
    /// Default is to read the body first.
    pub fn early(mut self) -> Self {
        self.stage = Stage::Early;
        self
    }

    /// Applies after the request has taken effect: the write is done, its response is lost.
    ///
    /// Default is before.
    pub fn after_effect(mut self) -> Self {
        self.stage = Stage::After;
        self
    }

    fn new(effect: Effect) -> Self {
        Self {
            effect,
            stage: Stage::Before,
            left: Some(1),
            method: None,
            path: None,
        }
    }

    fn applies_to(&self, method: &Method, path: &str, below_base: Option<&str>) -> bool {
        let is_path_matched = self.path.as_deref().is_none_or(|prefix| {
            path.starts_with(prefix) || below_base.is_some_and(|below| below.starts_with(prefix))
        });
        is_path_matched
            && self
                .method
                .as_ref()
                .is_none_or(|expected| expected == method)
    }
}

/// The faults of one request.
#[derive(Debug, Default)]
pub(crate) struct PlannedFaults {
    pub(crate) latency: Duration,
    pub(crate) fault: Option<(Effect, Stage)>,
}

/// The pending faults, in order.
#[derive(Debug, Default)]
pub(crate) struct Queue(VecDeque<Fault>);

impl Queue {
    pub(crate) fn push(&mut self, fault: Fault) {
        self.0.push_back(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Removes and returns the faults of this request: the early ones, or all others.
    pub(crate) fn take(
        &mut self,
        early: bool,
        method: &Method,
        path: &str,
        below: Option<&str>,
    ) -> PlannedFaults {
        let mut planned = PlannedFaults::default();
        for fault in &mut self.0 {
            let due = (fault.stage == Stage::Early) == early && fault.left != Some(0);
            if !due || !fault.applies_to(method, path, below) {
                continue;
            }
            fault.left = fault.left.map(|left| left.saturating_sub(1));
            match &fault.effect {
                Effect::Latency(delay) => planned.latency = planned.latency.saturating_add(*delay),
                effect => {
                    planned.fault = Some((effect.clone(), fault.stage));
                    break;
                }
            }
        }
        self.0.retain(|fault| fault.left != Some(0));
        planned
    }
}

/// The connection to the tenant was reset: the error of [`Fault::reset`] and [`Fault::reset_body`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ConnectionReset {}

impl ConnectionReset {
    pub(crate) const fn new() -> Self {
        Self {}
    }
}

impl fmt::Display for ConnectionReset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("connection reset by an injected fault")
    }
}

impl std::error::Error for ConnectionReset {}
