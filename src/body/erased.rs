use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Frame, SizeHint};
use http_body_util::{Either, Full};
use pin_project_lite::pin_project;

use super::ResponseBody;
use crate::error::BoxError;

/// A body of any origin: empty, bytes, or a stream.
///
/// The facade responds with it, and the layers behind it receive it. An empty body, bytes, hyper's
/// `Incoming` and another `Body` are held without a box; other bodies are boxed.
///
/// ```
/// use http_body_util::{BodyExt, Full};
/// use omneo_id::Body;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let body = Body::new(Full::new(&b"hello"[..]));
/// assert_eq!(body.collect().await?.to_bytes(), "hello");
/// # Ok::<(), omneo_id::error::BoxError>(())
/// # }).unwrap();
/// ```
pub struct Body(Kind);

enum Kind {
    Empty,
    Full(Full<Bytes>),
    #[cfg(feature = "client")]
    Incoming(hyper::body::Incoming),
    Boxed(Boxed),
}

type Boxed = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError> + Send>>;

impl Body {
    /// An empty body, of length 0.
    pub const fn empty() -> Self {
        Self(Kind::Empty)
    }

    /// Converts any body, and boxes it only if no other variant fits. Size hint, end of
    /// stream and trailers stay those of `body`.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    {
        if body.is_end_stream() {
            return Self::empty();
        }
        let mut slot = Some(body);
        if let Some(body) = take::<Self>(&mut slot) {
            return body;
        }
        if let Some(body) = take::<Full<Bytes>>(&mut slot) {
            return Self(Kind::Full(body));
        }
        if let Some(body) = take::<Either<Self, Full<Bytes>>>(&mut slot) {
            return match body {
                Either::Left(body) => body,
                Either::Right(body) => Self(Kind::Full(body)),
            };
        }
        #[cfg(feature = "client")]
        if let Some(body) = take::<hyper::body::Incoming>(&mut slot) {
            return Self(Kind::Incoming(body));
        }
        slot.map_or_else(Self::empty, |body| {
            Self(Kind::Boxed(Box::pin(Adapted { body })))
        })
    }

    /// A body that is already boxed and needs no conversion.
    #[cfg(feature = "client")]
    pub(crate) fn from_boxed<B>(body: Pin<Box<B>>) -> Self
    where
        B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
    {
        Self(Kind::Boxed(body))
    }
}

pin_project! {
    /// Converts the data and error types of a body.
    struct Adapted<B> {
        #[pin]
        body: B,
    }
}

impl<B> http_body::Body for Adapted<B>
where
    B: http_body::Body<Data: Buf, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = self.project().body.poll_frame(cx);
        frame
            .map_ok(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
            .map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Takes the value out of `slot`, if it is an `Option<T>`. The compiler knows the type of `slot`
/// and removes the check.
fn take<T: 'static>(slot: &mut dyn Any) -> Option<T> {
    slot.downcast_mut::<Option<T>>()?.take()
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::from(Full::new(bytes))
    }
}

impl From<Full<Bytes>> for Body {
    fn from(body: Full<Bytes>) -> Self {
        Self(Kind::Full(body))
    }
}

impl<B> From<ResponseBody<B>> for Body
where
    B: Into<Self>,
{
    fn from(body: ResponseBody<B>) -> Self {
        match body.into_inner() {
            Ok(body) => body.into(),
            Err(body) => body.into(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
            #[cfg(feature = "client")]
            Kind::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Kind::Boxed(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Full(body) => body.is_end_stream(),
            #[cfg(feature = "client")]
            Kind::Incoming(body) => body.is_end_stream(),
            Kind::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(body) => body.size_hint(),
            #[cfg(feature = "client")]
            Kind::Incoming(body) => body.size_hint(),
            Kind::Boxed(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Kind::Empty => "Empty",
            Kind::Full(_) => "Full",
            #[cfg(feature = "client")]
            Kind::Incoming(_) => "Incoming",
            Kind::Boxed(_) => "Boxed",
        };
        f.debug_tuple("Body").field(&kind).finish()
    }
}
