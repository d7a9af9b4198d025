use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};

use super::length::{DeclaredLength, LengthError};
use super::stream_guard::StreamGuard;
use super::upload_state::UploadState;
use crate::body::{Body, IdleTimeout};
use crate::error::BoxError;
use crate::read::request_body_rejection;
use crate::rejection::RejectionKind;

/// What goes up to the tenant: the client's body, without its trailers.
///
/// Trailers are dropped because a lenient tenant could read them as headers. Errors are marked as
/// [`ClientBodyError`], so that they are never blamed on the tenant. The size hint is the length
/// that the request declares; a body of another length fails before its last frame.
#[derive(Debug)]
pub struct RequestBody {
    body: IdleTimeout<Body>,
    length: DeclaredLength,
    upload: Option<Progress>,
    // The HTTP/2 stream on which this is sent.
    stream: Option<StreamGuard>,
}

/// Hands the turn to the tenant when the body is let go, read to its end or not.
#[derive(Debug)]
struct Progress(UploadState);

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.is_let_go();
    }
}

impl RequestBody {
    /// Any body, awaited for ever: for calling a client without the forwarding service.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        Self::watched(body, Duration::MAX).0
    }

    /// A client's body, each frame awaited for so long, and what will be known of its progress:
    /// nothing if there is no body at all.
    pub(crate) fn watched<B>(body: B, idle_timeout: Duration) -> (Self, Option<UploadState>)
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        let body = Body::new(body);
        let upload = (!http_body::Body::is_end_stream(&body)).then(UploadState::new);
        let length = http_body::Body::size_hint(&body).exact();
        let watched = Self {
            body: IdleTimeout::new(body, idle_timeout),
            length: DeclaredLength::new(length),
            upload: upload.clone().map(Progress),
            stream: None,
        };
        (watched, upload)
    }

    /// Sets the length that the request's head declares.
    pub(crate) fn keep_to(&mut self, length: Option<u64>) {
        self.length = DeclaredLength::new(length);
    }

    /// What is known of its progress: nothing if there is no body at all.
    pub(crate) fn upload(&self) -> Option<UploadState> {
        self.upload.as_ref().map(|Progress(upload)| upload.clone())
    }

    /// Keeps a stream reserved until the body is dropped: it may end later than the answer.
    pub(crate) fn hold_stream(&mut self, stream: StreamGuard) {
        self.stream = Some(stream);
    }

    fn note(&self, note: impl FnOnce(&UploadState)) {
        if let Some(Progress(upload)) = &self.upload {
            note(upload);
        }
    }
}

impl Default for RequestBody {
    /// No body.
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
                    self.note(UploadState::waits_for_client);
                    return Poll::Pending;
                }
                Poll::Ready(frame) => frame,
            };
            self.note(UploadState::waits_for_tenant);
            let is_last = self.body.is_end_stream();
            let is_over = frame.is_none();
            let passed = match frame.transpose() {
                Ok(None) => self.length.finish().map_err(Into::into),
                Ok(Some(frame)) => match frame.into_data() {
                    Ok(data) => self.length.pass(data, is_last).map_err(Into::into),
                    // Trailers stay here.
                    Err(_) => continue,
                },
                Err(source) => Err(source),
            };
            return Poll::Ready(match passed {
                Ok(None) if !is_over => continue,
                Ok(data) => data.map(|data| Ok(Frame::data(data))),
                Err(source) => {
                    let error = ClientBodyError { source };
                    self.note(|upload| upload.failed(error.kind()));
                    Some(Err(error))
                }
            });
        }
    }

    fn is_end_stream(&self) -> bool {
        self.length.is_complete() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if let Some(left) = self.length.left() {
            return SizeHint::with_exact(left);
        }
        let hint = self.body.size_hint();
        match hint.exact() {
            // The head declares no length, so that the client must not, either.
            Some(exact) => {
                let mut hint = SizeHint::new();
                hint.set_lower(exact);
                hint
            }
            None => hint,
        }
    }
}

/// The client's body broke off, stood still, grew too large or is not as long as declared: not the
/// tenant's fault.
#[derive(Debug)]
pub struct ClientBodyError {
    source: BoxError,
}

impl ClientBodyError {
    /// How it is answered.
    pub fn kind(&self) -> RejectionKind {
        match self.source.downcast_ref() {
            Some(LengthError::TooLong) => RejectionKind::MalformedBody,
            Some(LengthError::TooShort) => RejectionKind::BodyAborted,
            None => request_body_rejection(&*self.source),
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
    use http::HeaderMap;
    use http_body::Body as _;
    use http_body_util::{BodyExt, Full, Limited};

    fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[test]
    fn it_can_be_sent_and_moved() {
        fn assert<T: Send + Unpin + 'static>() {}
        assert::<RequestBody>();
    }

    #[tokio::test]
    async fn trailers_stay_here() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-admin", "1".parse().unwrap());
        let channel = Frames(vec![data("a"), Ok(Frame::trailers(trailers)), data("b")]);
        let body = RequestBody::new(channel).collect().await.unwrap();
        assert!(body.trailers().is_none());
        assert_eq!(body.to_bytes(), "ab");
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_told_from_one_that_broke_off() {
        let limited = Limited::new(Full::new(Bytes::from_static(b"abcdef")), 3);
        let error = RequestBody::new(limited).collect().await.unwrap_err();
        assert_eq!(error.kind(), RejectionKind::PayloadTooLarge);

        let broken = Frames(vec![data("a"), Err("reset".into())]);
        let error = RequestBody::new(broken).collect().await.unwrap_err();
        assert_eq!(error.kind(), RejectionKind::BodyAborted);
    }

    #[test]
    fn sizes_pass_unchanged() {
        let body = RequestBody::new(Full::new(Bytes::from_static(b"abc")));
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(RequestBody::default().is_end_stream());
        let (_, upload) = RequestBody::watched(Body::empty(), Duration::MAX);
        assert!(upload.is_none());
    }

    struct Frames(Vec<Result<Frame<Bytes>, BoxError>>);

    impl http_body::Body for Frames {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            if self.0.is_empty() {
                return Poll::Ready(None);
            }
            Poll::Ready(Some(self.0.remove(0)))
        }
    }
}
