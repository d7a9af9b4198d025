//! The copy of a request that is sent again if its connection is closed before a response.

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
use crate::request_body::{ClientBodyError, Replayable, RequestBody, UploadState};

/// How much of a body is recorded, 64 KiB: as much as hyper buffers of it. hyper may have taken
/// that much from a body before it notices that the connection is closed.
const MAX_RECORDED: usize = 64 * 1024;

/// Whether a request may be sent twice: its method is idempotent (RFC 9110 §9.2.2), or it carries
/// the marker [`Replayable`].
pub(super) fn is_replayable<B>(request: &Request<B>) -> bool {
    request.method().is_idempotent() || request.extensions().get::<Replayable>().is_some()
}

/// Whether a request may be sent twice, and its complete body is recorded: it can be retried
/// regardless of how much of it was sent.
pub(super) fn is_always_replayable(request: &Request<RequestBody>) -> bool {
    let longest = request.body().size_hint().upper();
    longest.is_some_and(|longest| longest <= MAX_RECORDED as u64) && is_replayable(request)
}

/// The copy of a request, recorded while the request is sent for the first time.
pub(super) struct Replay {
    method: Method,
    headers: HeaderMap,
    // `None` without a body.
    recording: Option<SharedRecording>,
}

impl Replay {
    /// Copies the head of `request`, and records its body as hyper reads it.
    pub(super) fn record(request: Request<RequestBody>) -> (Request<RecordedBody>, Self) {
        let body = request.body();
        let recording = (!body.is_end_stream()).then(|| {
            let is_sized = body.size_hint().exact().is_some();
            SharedRecording::new(Mutex::new(Recording {
                is_sized,
                ..Recording::default()
            }))
        });
        let replay = Self {
            method: request.method().clone(),
            headers: request.headers().clone(),
            recording: recording.clone(),
        };
        let request = request.map(|body| RecordedBody {
            body,
            recording: recording.as_ref().map(Arc::downgrade),
        });
        (request, replay)
    }

    /// Returns the copy, if its body is complete. To be called after the connection was dropped,
    /// and with it the [`RecordedBody`].
    pub(super) fn into_request(self) -> Option<Request<RequestBody>> {
        let body = match self.recording {
            None => RequestBody::default(),
            Some(recording) => mem::take(&mut *lock(&recording)).into_body()?,
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.method;
        *request.headers_mut() = self.headers;
        Some(request)
    }
}

/// A request body that records its data as long as its [`Replay`] exists.
pub(super) struct RecordedBody {
    body: RequestBody,
    recording: Option<Weak<Mutex<Recording>>>,
}

impl RecordedBody {
    /// A body that is not recorded.
    pub(super) fn unrecorded(body: RequestBody) -> Self {
        Self {
            body,
            recording: None,
        }
    }

    pub(super) fn upload(&self) -> Option<UploadState> {
        self.body.upload()
    }

    pub(super) fn into_inner(mut self) -> RequestBody {
        self.recording = None;
        mem::take(&mut self.body)
    }

    fn recording(&self) -> Option<SharedRecording> {
        self.recording.as_ref().and_then(Weak::upgrade)
    }
}

impl Drop for RecordedBody {
    fn drop(&mut self) {
        if let Some(recording) = self.recording() {
            lock(&recording).add_rest(mem::take(&mut self.body));
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
        if let Some(recording) = self.recording() {
            lock(&recording).add(&frame);
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

/// The data of a body that was sent, and the rest of the body.
#[derive(Default)]
struct Recording {
    frames: VecDeque<Bytes>,
    /// The bytes in `frames`.
    size: usize,
    rest: Rest,
    /// Whether the request declares the length of its body. The copy then declares it, too.
    is_sized: bool,
}

type SharedRecording = Arc<Mutex<Recording>>;

/// The part of a body that was not sent.
#[derive(Default)]
enum Rest {
    /// The connection still owns the body.
    #[default]
    Sending,
    Unsent(RequestBody),
    /// The recorded frames are the complete body.
    Ended,
    /// The body failed, or is longer than [`MAX_RECORDED`]: it cannot be sent twice.
    Lost,
}

fn lock(recording: &Mutex<Recording>) -> MutexGuard<'_, Recording> {
    recording.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Recording {
    fn add(&mut self, frame: &Option<Result<Frame<Bytes>, ClientBodyError>>) {
        if matches!(self.rest, Rest::Lost) {
            return;
        }
        match frame {
            None => self.rest = Rest::Ended,
            Some(Ok(frame)) => {
                let Some(data) = frame.data_ref() else { return };
                self.size = self.size.saturating_add(data.len());
                if self.size <= MAX_RECORDED {
                    self.frames.push_back(data.clone());
                } else {
                    self.lose();
                }
            }
            Some(Err(_)) => self.lose(),
        }
    }

    fn lose(&mut self) {
        self.frames.clear();
        self.rest = Rest::Lost;
    }

    /// Adds the unsent rest, when the connection drops the body.
    fn add_rest(&mut self, body: RequestBody) {
        if matches!(self.rest, Rest::Sending) {
            self.rest = match body.is_end_stream() {
                true => Rest::Ended,
                false => Rest::Unsent(body),
            };
        }
    }

    /// The body from its start.
    fn into_body(self) -> Option<RequestBody> {
        let rest = match self.rest {
            Rest::Sending | Rest::Lost => return None,
            // No data was sent: the original body is complete.
            Rest::Unsent(body) if self.frames.is_empty() => return Some(body),
            Rest::Unsent(body) => body,
            Rest::Ended => RequestBody::default(),
        };
        let body = Body::from_boxed(Box::pin(ReplayedBody {
            frames: self.frames,
            size: self.size as u64,
            rest,
            is_sized: self.is_sized,
        }));
        Some(RequestBody::from(body))
    }
}

/// The recorded frames, then the rest.
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
