//! The sandbox as a service: from a request to a response, with faults applied.

use std::fmt;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{BufMut, Bytes, BytesMut};
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower::{BoxError, Service};

use super::body::{End, SandboxBody};
use super::call::{Call, below_base};
use super::capture::{CaptureBuffer, CapturedRequest};
use super::fault::{ConnectionReset, Effect, PlannedFaults, Queue, Stage};
use super::handlers::auth;
use super::in_flight::InFlight;
use super::response::SandboxResponse;
use super::store::Store;
use super::{encode, route, seed};

/// Larger request bodies are rejected by the web server in front of the application.
const MAX_BODY: usize = 16 << 20;

/// An in-memory Omneo tenant. See the [module docs](super).
///
/// Clones are cheap and share everything: data, captured requests, faults.
#[derive(Clone, Debug)]
pub struct Sandbox {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) base_path: String,
    pub(crate) api_token: String,
    store: Mutex<Store>,
    captured: Mutex<CaptureBuffer>,
    faults: Mutex<Queue>,
    pub(crate) in_flight: InFlight,
}

impl Sandbox {
    /// A tenant below this path, with the seed's data in `store`.
    pub(crate) fn with_seed(base_path: String, api_token: String, mut store: Store) -> Self {
        seed::insert(&mut store);
        let shared = Shared {
            base_path,
            api_token,
            store: Mutex::new(store),
            captured: Mutex::default(),
            faults: Mutex::default(),
            in_flight: InFlight::default(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<B> Service<Request<B>> for Sandbox
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<SandboxBody>;
    type Error = BoxError;
    type Future = SandboxFuture;

    /// Always ready.
    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> SandboxFuture {
        let shared = Arc::clone(&self.shared);
        let (parts, body) = request.into_parts();
        let guard = shared.in_flight.start();
        SandboxFuture(Box::pin(async move {
            let mut response = shared.serve(parts, body).await?;
            response.body_mut().count_in_flight(guard);
            Ok(response)
        }))
    }
}

/// The future of a response.
pub struct SandboxFuture(
    Pin<Box<dyn Future<Output = Result<Response<SandboxBody>, BoxError>> + Send>>,
);

impl Future for SandboxFuture {
    type Output = Result<Response<SandboxBody>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for SandboxFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SandboxFuture")
    }
}

impl Shared {
    async fn serve<B>(&self, parts: Parts, body: B) -> Result<Response<SandboxBody>, BoxError>
    where
        B: Body,
        B::Error: Into<BoxError>,
    {
        let early = self.planned(&parts, true);
        if early.fault.is_some() {
            self.capture(&parts, Bytes::new());
        }
        wait(&early).await;
        if let Some((effect, _)) = early.fault {
            drop(body);
            return self.apply_fault(&parts, &Bytes::new(), effect).await;
        }
        let Some(body) = read(body).await? else {
            let response = SandboxResponse::front(StatusCode::PAYLOAD_TOO_LARGE);
            return Ok(encode::response(&parts, response, End::Complete));
        };
        self.capture(&parts, body.clone());
        let planned = self.planned(&parts, false);
        wait(&planned).await;
        match planned.fault {
            None => Ok(encode::response(
                &parts,
                self.respond(&parts, &body),
                End::Complete,
            )),
            Some((effect, stage)) => {
                if stage == Stage::After {
                    drop(self.respond(&parts, &body));
                }
                self.apply_fault(&parts, &body, effect).await
            }
        }
    }

    /// The tenant's response without faults.
    fn respond(&self, parts: &Parts, body: &Bytes) -> SandboxResponse {
        let Some(mut call) = Call::read(parts, body, &self.base_path) else {
            return SandboxResponse::no_route(parts.uri.path().trim_start_matches('/'));
        };
        let authorized = if call.method == http::Method::OPTIONS {
            Ok(())
        } else {
            auth::authorize(&parts.headers, &self.api_token, &call)
        };
        authorized
            .and_then(|()| route::dispatch(&mut self.store(), &mut call))
            .unwrap_or_else(|refusal| refusal)
    }

    async fn apply_fault(
        &self,
        parts: &Parts,
        body: &Bytes,
        effect: Effect,
    ) -> Result<Response<SandboxBody>, BoxError> {
        match effect {
            Effect::Status(status) => Ok(encode::response(
                parts,
                SandboxResponse::status(status),
                End::Complete,
            )),
            Effect::Response(canned) => Ok(encode::canned_response(parts, *canned)),
            Effect::Reset => Err(ConnectionReset::new().into()),
            Effect::Stall => pending().await,
            Effect::ResetBody => Ok(encode::response(
                parts,
                self.respond(parts, body),
                End::Reset,
            )),
            Effect::StallBody => Ok(encode::response(
                parts,
                self.respond(parts, body),
                End::Stall,
            )),
            // `take` adds latencies to `PlannedFaults::latency` instead.
            Effect::Latency(_) => Ok(encode::response(
                parts,
                self.respond(parts, body),
                End::Complete,
            )),
        }
    }

    fn planned(&self, parts: &Parts, early: bool) -> PlannedFaults {
        let path = parts.uri.path();
        self.faults().take(
            early,
            &parts.method,
            path,
            below_base(path, &self.base_path),
        )
    }

    fn capture(&self, parts: &Parts, body: Bytes) {
        self.captured().push(CapturedRequest {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            body,
        });
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn captured(&self) -> MutexGuard<'_, CaptureBuffer> {
        self.captured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Queue> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows no token.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("base_path", &self.base_path)
            .finish_non_exhaustive()
    }
}

async fn wait(planned: &PlannedFaults) {
    if !planned.latency.is_zero() {
        tokio::time::sleep(planned.latency).await;
    }
}

/// The whole body, or `None` if it is larger than the tenant accepts.
async fn read<B>(body: B) -> Result<Option<Bytes>, BoxError>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let mut body = pin!(body);
    let mut whole = BytesMut::new();
    // Each frame is unpacked where it is polled, so its data need not be `Send`.
    poll_fn(move |cx| {
        loop {
            match ready!(body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(Ok(Some(whole.split().freeze()))),
                Some(Err(error)) => return Poll::Ready(Err(error.into())),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        whole.put(data);
                    }
                }
            }
            if whole.len() > MAX_BODY {
                return Poll::Ready(Ok(None));
            }
        }
    })
    .await
}
