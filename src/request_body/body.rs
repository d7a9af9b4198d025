use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

use super::length::{DeclaredLength, LengthError};
use super::upload_state::UploadState;
use crate::body::{Body, IdleTimeout};
use crate::error::BoxError;
use crate::read::request_body_rejection_kind;
use crate::rejection::RejectionKind;

/// The body of a request to the tenant: the client's body, without its trailers.
///
/// Trailers are dropped because a lenient server could read them as headers. Errors are of the type
/// [`ClientBodyError`], which distinguishes them from errors of the tenant. The size hint is the
/// length that the request declares; a body of another length fails before its last frame.
#[derive(Debug)]
pub struct RequestBody {
    body: IdleTimeout<Body>,
    length: DeclaredLength,
    upload: Option<FinishOnDrop>,
    // The HTTP/2 stream on which the body is sent.
    stream: Option<StreamGuard>,
}

/// Keeps a stream of an HTTP/2 connection reserved until all clones are dropped.
pub(crate) type StreamGuard = Arc<dyn fmt::Debug + Send + Sync>;

/// Marks the upload as finished when the body is dropped, at its end or before.
#[derive(Debug)]
struct FinishOnDrop(UploadState);

impl Drop for FinishOnDrop {
    fn drop(&mut self) {
        self.0.finish();
    }
}

impl RequestBody {
    /// Wraps a body without an idle timeout. Use it to call a client without the forwarding
    /// service.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        Self::with_upload_state(body, Duration::MAX).0
    }

    /// Wraps the body of a client. A frame that takes longer than `idle_timeout` fails it. Returns
    /// `None` as the state of an empty body.
    pub(crate) fn with_upload_state<B>(
        body: B,
        idle_timeout: Duration,
    ) -> (Self, Option<UploadState>)
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let body = Body::new(body);
        let upload = (!http_body::Body::is_end_stream(&body)).then(UploadState::new);
        let length = http_body::Body::size_hint(&body).exact();
        let request_body = Self {
            body: IdleTimeout::new(body, idle_timeout),
            length: DeclaredLength::new(length),
            upload: upload.clone().map(FinishOnDrop),
            stream: None,
        };
        (request_body, upload)
    }

    /// Sets the length that the head of the request declares.
    pub(crate) fn set_declared_length(&mut self, length: Option<u64>) {
        self.length = DeclaredLength::new(length);
    }

    /// The state of the upload; `None` for an empty body.
    pub(crate) fn upload(&self) -> Option<UploadState> {
        self.upload
            .as_ref()
            .map(|FinishOnDrop(upload)| upload.clone())
    }

    /// Keeps a stream reserved until the body is dropped: it may end later than the response.
    pub(crate) fn hold_stream(&mut self, stream: StreamGuard) {
        self.stream = Some(stream);
    }

    fn update_upload(&self, update: impl FnOnce(&UploadState)) {
        if let Some(FinishOnDrop(upload)) = &self.upload {
            update(upload);
        }
    }
}

impl Default for RequestBody {
    /// An empty body.
    fn default() -> Self {
        Self::new(Body::empty())
    }
}

impl From<Body> for RequestBody {
    fn from(body: Body) -> Self {
        Self::new(body)
    }
}

impl http_body::Body for RequestBody {
    type Data = Bytes;
    type Error = ClientBodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        loop {
            let frame = match Pin::new(&mut self.body).poll_frame(cx) {
                Poll::Pending => {
                    self.update_upload(UploadState::wait_for_client);
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            };
            self.update_upload(UploadState::wait_for_server);
            let is_last = self.body.is_end_stream();
            let is_end = frame.is_none();
            let passed = match frame.transpose() {
                Ok(None) => self.length.finish().map_err(Into::into),
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(data) => self.length.check(data, is_last).map_err(Into::into),
                    // Trailers are dropped.
                    Err(_) => continue,
                },
                Err(source) => Err(source),
            };
            return Poll::Ready(match passed {
                Ok(None) if !is_end => continue,
                Ok(data) => data.map(|data| Ok(Frame::data(data))),
                Err(source) => {
                    let error = ClientBodyError { source };
                    self.update_upload(|upload| upload.fail(error.kind()));
                    Some(Err(error))
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length.is_complete() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(left) = self.length.remaining() {
            return SizeHint::with_exact(left);
        }
        let hint = self.body.size_hint();
        match hint.exact() {
            // The head does not declare a length, so the HTTP client must not add one.
            Some(exact) => {
                let mut hint = SizeHint::new();
                hint.set_lower(exact);
                hint
            }
            None => hint,
        }
    }
}

/// The request body failed: it was aborted, idle for too long, too large, or not of its declared
/// length. The client caused the error, not the tenant.
#[derive(Debug)]
pub struct ClientBodyError {
    source: BoxError,
}

impl ClientBodyError {
    /// The kind of the rejection that the client gets.
    pub fn kind(&self) -> RejectionKind {
        match self.source.downcast_ref() {
            Some(LengthError::TooLong) => RejectionKind::MalformedBody,
            Some(LengthError::TooShort) => RejectionKind::BodyAborted,
            None => request_body_rejection_kind(&*self.source),
        }
    }
}

impl fmt::Display for ClientBodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the client's request body failed")
    }
}

impl Error for ClientBodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body::Body as _;
    use http_body_util::Full;

    #[test]
    fn it_is_send_and_unpin() {
        fn assert<T: Send + Unpin + 'static>() {}
        assert::<RequestBody>();
    }

    #[test]
    fn sizes_pass_unchanged() {
        let body = RequestBody::new(Full::new(Bytes::from_static(b"abc")));
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(RequestBody::default().is_end_stream());
        let (_, upload) = RequestBody::with_upload_state(Body::empty(), Duration::MAX);
        assert!(upload.is_none());
    }
}
