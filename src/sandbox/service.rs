//! The sandbox as a service: from a request to an answer, with faults applied.

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
use super::capture::{CapturedRequest, Ring};
use super::fault::{ConnectionReset, Effect, Plan, Queue, Stage};
use super::flight::Flights;
use super::handlers::auth;
use super::response::SandboxResponse;
use super::store::Store;
use super::{encode, route, seed};

/// Larger request bodies are refused by the web server in front of the application.
const LARGEST_BODY: usize = 16 << 20;

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
    captured: Mutex<Ring>,
    faults: Mutex<Queue>,
    pub(crate) flights: Flights,
}

impl Sandbox {
    /// A tenant below this path, with the seed's data in `store`.
    pub(crate) fn planted(base_path: String, api_token: String, mut store: Store) -> Self {
        seed::plant(&mut store);
        let shared = Shared {
            base_path,
            api_token,
            store: Mutex::new(store),
            captured: Mutex::default(),
            faults: Mutex::default(),
            flights: Flights::default(),
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
        let flight = shared.flights.begin();
        SandboxFuture(Box::pin(async move {
            let mut response = shared.serve(parts, body).await?;
            response.body_mut().carry(flight);
            Ok(response)
        }))
    }
}

/// The future of an answer.
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
        let early = self.plan(&parts, true);
        if early.strike.is_some() {
            self.capture(&parts, Bytes::new());
        }
        pause(&early).await;
        if let Some((effect, _)) = early.strike {
            drop(body);
            return self.strike(&parts, &Bytes::new(), effect).await;
        }
        let Some(body) = read(body).await? else {
            let answer = SandboxResponse::front(StatusCode::PAYLOAD_TOO_LARGE);
            return Ok(encode::answer(&parts, answer, End::Complete));
        };
        self.capture(&parts, body.clone());
        let plan = self.plan(&parts, false);
        pause(&plan).await;
        match plan.strike {
            None => Ok(encode::answer(
                &parts,
                self.answer(&parts, &body),
                End::Complete,
            )),
            Some((effect, stage)) => {
                if stage == Stage::After {
                    drop(self.answer(&parts, &body));
                }
                self.strike(&parts, &body, effect).await
            }
        }
    }

    /// The tenant's answer without faults.
    fn answer(&self, parts: &Parts, body: &Bytes) -> SandboxResponse {
        let Some(mut call) = Call::read(parts, body, &self.base_path) else {
            return SandboxResponse::no_route(parts.uri.path().trim_start_matches('/'));
        };
        let authorized = if call.verb == http::Method::OPTIONS {
            Ok(())
        } else {
            auth::authorize(&parts.headers, &self.api_token, &call)
        };
        authorized
            .and_then(|()| route::dispatch(&mut self.store(), &mut call))
            .unwrap_or_else(|refusal| refusal)
    }

    async fn strike(
        &self,
        parts: &Parts,
        body: &Bytes,
        effect: Effect,
    ) -> Result<Response<SandboxBody>, BoxError> {
        match effect {
            Effect::Status(status) => Ok(encode::answer(
                parts,
                SandboxResponse::status(status),
                End::Complete,
            )),
            Effect::SandboxResponse(canned) => Ok(encode::canned(parts, *canned)),
            Effect::Reset => Err(ConnectionReset::new().into()),
            Effect::Stall => pending().await,
            Effect::ResetBody => Ok(encode::answer(parts, self.answer(parts, body), End::Reset)),
            Effect::StallBody => Ok(encode::answer(parts, self.answer(parts, body), End::Stall)),
            // Latencies are taken out of the plan before.
            Effect::Latency(_) => Ok(encode::answer(
                parts,
                self.answer(parts, body),
                End::Complete,
            )),
        }
    }

    fn plan(&self, parts: &Parts, early: bool) -> Plan {
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

    pub(crate) fn captured(&self) -> MutexGuard<'_, Ring> {
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

async fn pause(plan: &Plan) {
    if !plan.latency.is_zero() {
        tokio::time::sleep(plan.latency).await;
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
    // Frames are taken apart where they are polled, so that the data need not be `Send`.
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
            if whole.len() > LARGEST_BODY {
                return Poll::Ready(Ok(None));
            }
        }
    })
    .await
}
