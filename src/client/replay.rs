//! A second copy of a request, for a connection that closes before it has answered.

use std::collections::VecDeque;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body::{Body as _, Frame, SizeHint};

use crate::body::Body;
use crate::error::BoxError;
use crate::request_body::ClientBodyError;
use crate::request_body::RequestBody;
use crate::tenant::Replayable;

/// How much of a body is kept for a second attempt: as much as a connection buffers.
const KEPT: usize = 64 * 1024;

/// Whether a request may be sent twice: its method is idempotent (RFC 9110 §9.2.2), or this crate
/// knows that the request only reads.
pub(super) fn is_replayable<B>(request: &Request<B>) -> bool {
    request.method().is_idempotent() || request.extensions().get::<Replayable>().is_some()
}

/// Whether a request can be sent twice whenever its connection fails: its body is never longer than
/// what is kept of it.
pub(super) fn is_always_replayable(request: &Request<RequestBody>) -> bool {
    let longest = request.body().size_hint().upper();
    longest.is_some_and(|longest| longest <= KEPT as u64) && is_replayable(request)
}

/// What is kept of a request while it is sent for the first time.
pub(super) struct Replay {
    method: Method,
    headers: HeaderMap,
    // `None` if there is no body.
    tape: Option<Arc<Tape>>,
}

impl Replay {
    /// Keeps the head of `request`, and its body as it is sent.
    pub(super) fn record(request: Request<RequestBody>) -> (Request<RecordedBody>, Self) {
        let body = request.body();
        let tape = (!body.is_end_stream()).then(|| Tape::new(body.size_hint().exact().is_some()));
        let replay = Self {
            method: request.method().clone(),
            headers: request.headers().clone(),
            tape: tape.clone(),
        };
        let request = request.map(|body| RecordedBody {
            body,
            tape: tape.as_ref().map(Arc::downgrade),
        });
        (request, replay)
    }

    /// The request once more, if its body is complete: to be called after the connection that had
    /// the recorded body was dropped.
    pub(super) fn into_request(self) -> Option<Request<RequestBody>> {
        let body = match self.tape {
            None => RequestBody::default(),
            Some(tape) => tape.rewind()?,
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        Some(request)
    }
}

/// A request body as hyper has it. What hyper takes of it is kept while its [`Replay`] exists.
pub(super) struct RecordedBody {
    body: RequestBody,
    tape: Option<Weak<Tape>>,
}

impl RecordedBody {
    /// Keeps nothing.
    pub(super) fn unrecorded(body: RequestBody) -> Self {
        Self { body, tape: None }
    }

    pub(super) fn into_inner(mut self) -> RequestBody {
        self.tape = None;
        mem::take(&mut self.body)
    }

    fn tape(&self) -> Option<Arc<Tape>> {
        self.tape.as_ref().and_then(Weak::upgrade)
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        if let Some(tape) = self.tape() {
            tape.put_rest(mem::take(&mut self.body));
        }
    }
}

impl http_body::Body for RecordedBody {
    type Data = Bytes;
    type Error = ClientBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ClientBodyError>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if let Some(tape) = self.tape() {
            tape.keep(&frame);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The frames of a body, and what comes after them.
struct Tape {
    kept: Mutex<Reused>,
    /// Whether the body's length is known beforehand: it is declared again, or not again.
    is_sized: bool,
}

#[derive(Default)]
struct Reused {
    frames: VecDeque<Bytes>,
    size: usize,
    rest: Rest,
}

/// The part of a body that was not sent.
#[derive(Default)]
enum Rest {
    /// Still with the connection.
    #[default]
    Away,
    Back(RequestBody),
    /// The frames are the whole body.
    Ended,
    /// The body failed, or is longer than what is kept: it cannot be sent twice.
    Lost,
}

impl Tape {
    fn new(is_sized: bool) -> Arc<Self> {
        Arc::new(Self {
            kept: Mutex::default(),
            is_sized,
        })
    }

    fn keep(&self, frame: &Option<Result<Frame<Bytes>, ClientBodyError>>) {
        let mut kept = self.lock();
        if matches!(kept.rest, Rest::Lost) {
            return;
        }
        match frame {
            None => kept.rest = Rest::Ended,
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { return };
                kept.size = kept.size.saturating_add(data.len());
                if kept.size <= KEPT {
                    kept.frames.push_back(data.clone());
                } else {
                    kept.lose();
                }
            }
            Some(Err(_)) => kept.lose(),
        }
    }

    /// The connection has dropped the body.
    fn put_rest(&self, body: RequestBody) {
        let mut kept = self.lock();
        if matches!(kept.rest, Rest::Away) {
            kept.rest = match body.is_end_stream() {
                true => Rest::Ended,
                false => Rest::Back(body),
            };
        }
    }

    /// The body from its start.
    fn rewind(&self) -> Option<RequestBody> {
        let mut kept = self.lock();
        let kept = mem::take(&mut *kept);
        let rest = match kept.rest {
            Rest::Away | Rest::Lost => return None,
            // Nothing of it was sent.
            Rest::Back(body) if kept.frames.is_empty() => return Some(body),
            Rest::Back(body) => body,
            Rest::Ended => RequestBody::default(),
        };
        let body = Body::from_boxed(Box::pin(ReplayedBody {
            frames: kept.frames,
            size: kept.size as u64,
            rest,
            is_sized: self.is_sized,
        }));
        Some(RequestBody::from(body))
    }

    fn lock(&self) -> MutexGuard<'_, Reused> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reused {
    fn lose(&mut self) {
        self.frames.clear();
        self.rest = Rest::Lost;
    }
}

/// The frames that were kept, then the rest.
struct ReplayedBody {
    frames: VecDeque<Bytes>,
    /// The bytes in `frames`.
    size: u64,
    rest: RequestBody,
    is_sized: bool,
}

impl http_body::Body for ReplayedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(data) = self.frames.pop_front() {
            self.size = self.size.saturating_sub(data.len() as u64);
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        let rest = Pin::new(&mut self.rest).poll_frame(cx);
        rest.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(self.size));
        if let Some(upper) = rest.upper().filter(|_| self.is_sized) {
            hint.set_upper(upper.saturating_add(self.size));
        }
        hint
    }
}
