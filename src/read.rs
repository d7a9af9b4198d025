//! Reading a body in one piece: no more of it than is allowed, for no longer than is allowed, and
//! with an answer for each failure.

use std::error::Error;
use std::fmt;
use std::pin::pin;
#[cfg(feature = "client")]
use std::task::Poll;
#[cfg(feature = "client")]
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError};

#[cfg(feature = "client")]
use crate::body::IdleError;
use crate::error::BoxError;
use crate::rejection::{Rejection, RejectionKind};

/// All of a body, if it is no longer than `limit`.
///
/// # Errors
/// If it is longer, or breaks off.
pub(crate) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, Unread>
where
    B: Body<Error: Into<BoxError>>,
{
    // What says beforehand that it is too long is not read at all.
    if body.size_hint().lower() > limit as u64 {
        return Err(Unread::TooLong);
    }
    let mut body = pin!(body);
    let mut bytes = Bytes::new();
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let data = match frame {
            Ok(frame) => frame.into_data(),
            Err(error) => return Err(Unread::of(error.into())),
        };
        // Trailers say nothing here.
        let Ok(mut data) = data else { continue };
        let length = data.remaining();
        if length > limit - bytes.len() {
            return Err(Unread::TooLong);
        }
        bytes = match bytes.is_empty() {
            // Nearly always this is all of it, and is handed on as it came.
            true => data.copy_to_bytes(length),
            false => {
                let mut longer = BytesMut::from(bytes);
                longer.put(data);
                longer.freeze()
            }
        };
    }
    Ok(bytes)
}

/// How long a client may take to send a body that is collected. Default is no limit.
///
/// It is a total: an idle timeout alone lets a client hold a connection with a byte now and then.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadTimeout {
    #[cfg(feature = "client")]
    timeout: Option<Duration>,
}

#[cfg(feature = "client")]
impl ReadTimeout {
    /// [`Duration::MAX`] is for ever.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
        }
    }

    /// This timeout, or `default` if there is none.
    pub(crate) fn or(self, default: Duration) -> Self {
        Self::new(self.timeout.unwrap_or(default))
    }

    /// As [`collect`], within the timeout.
    ///
    /// # Errors
    /// If the body is longer than `limit`, breaks off or does not arrive in time.
    pub(crate) async fn collect<B>(self, body: B, limit: usize) -> Result<Bytes, Unread>
    where
        B: Body<Error: Into<BoxError>>,
    {
        use std::future::{Future, poll_fn};

        use tokio::time::{Instant, sleep_until};

        let at = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let mut reading = pin!(collect(body, limit));
        // Created when the body is first awaited: one that has arrived needs no timer.
        let mut timer = pin!(None);
        poll_fn(|cx| {
            if let Poll::Ready(result) = reading.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            let Some(at) = at else {
                return Poll::Pending;
            };
            if timer.is_none() {
                timer.set(Some(sleep_until(at)));
            }
            match timer.as_mut().as_pin_mut() {
                Some(timer) => timer.poll(cx).map(|()| Err(Unread::TooSlow)),
                None => Poll::Pending,
            }
        })
        .await
    }
}

/// Without the feature `client` there is no timer, and so no limit.
#[cfg(not(feature = "client"))]
impl ReadTimeout {
    /// As [`collect`].
    ///
    /// # Errors
    /// If the body is longer than `limit`, or breaks off.
    pub(crate) async fn collect<B>(self, body: B, limit: usize) -> Result<Bytes, Unread>
    where
        B: Body<Error: Into<BoxError>>,
    {
        collect(body, limit).await
    }
}

/// Why a body is not there in one piece.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is longer than it may be, by our limit or by one that the host has set outside.
    TooLong,
    /// It did not arrive within its [`ReadTimeout`].
    #[cfg(feature = "client")]
    TooSlow,
    Broken(BodyError),
}

impl Unread {
    fn of(error: BoxError) -> Self {
        match find::<LengthLimitError>(&*error) {
            Some(_) => Self::TooLong,
            None => Self::Broken(BodyError(error)),
        }
    }

    /// The answer to the client whose body it was.
    pub(crate) fn blame_client(self) -> Rejection {
        match self {
            Self::TooLong => RejectionKind::PayloadTooLarge.into(),
            #[cfg(feature = "client")]
            Self::TooSlow => RejectionKind::RequestTimeout.into(),
            Self::Broken(error) => {
                let kind = client_fault(&*error.0);
                error.or_rejection(kind)
            }
        }
    }

    /// The answer to a client when it was the tenant's body.
    pub(crate) fn blame_tenant(self) -> Rejection {
        match self {
            Self::TooLong => RejectionKind::TenantAnswer.into(),
            #[cfg(feature = "client")]
            Self::TooSlow => RejectionKind::TenantTimeout.into(),
            Self::Broken(error) => error.or_rejection(RejectionKind::TenantFailed),
        }
    }
}

/// What a client did whose body ended in this error: it sent too much, stood still or went away.
pub(crate) fn client_fault(error: &(dyn Error + 'static)) -> RejectionKind {
    #[cfg(feature = "client")]
    if find::<IdleError>(error).is_some() {
        return RejectionKind::RequestTimeout;
    }
    match find::<LengthLimitError>(error) {
        Some(_) => RejectionKind::PayloadTooLarge,
        None => RejectionKind::BodyAborted,
    }
}

/// The first error of this type, from the outermost to the cause.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut error = Some(error);
    while let Some(current) = error {
        if let Some(found) = current.downcast_ref() {
            return Some(found);
        }
        error = current.source();
    }
    None
}

/// The error of a body, whatever its type.
#[derive(Debug)]
pub(crate) struct BodyError(BoxError);

impl BodyError {
    /// The rejection that the body broke off with, or one of this kind.
    fn or_rejection(self, kind: RejectionKind) -> Rejection {
        match find::<Rejection>(&*self.0) {
            Some(rejection) => rejection.clone(),
            None => Rejection::new(kind).because(self),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::task::Context;
    #[cfg(not(feature = "client"))]
    use std::task::Poll;

    use http_body::Frame;

    use super::*;

    /// A body that does not know how much of it there is.
    struct Pieces(std::slice::Iter<'static, &'static str>);

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let piece = self.0.next().copied().map(Bytes::from);
            Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
        }
    }

    #[tokio::test]
    async fn a_body_is_the_same_in_however_many_pieces_and_the_limit_is_of_all() {
        const WAYS: [&[&str]; 4] = [
            &["abcdef"],
            &["", "abc", "", "def"],
            &["a", "b", "c", "d", "ef", ""],
            &["abcde", "f"],
        ];
        for pieces in WAYS {
            assert_eq!(collect(Pieces(pieces.iter()), 6).await.unwrap(), "abcdef");
            let too_long = collect(Pieces(pieces.iter()), 5).await;
            assert!(matches!(too_long, Err(Unread::TooLong)), "{pieces:?}");
        }
        assert_eq!(collect(Pieces([].iter()), 0).await.unwrap(), "");
    }
}
