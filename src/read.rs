//! Reading a body in one piece: never more of it than is allowed, and with the blame where it
//! belongs if it cannot be had.

use std::error::Error;
use std::fmt;
use std::pin::pin;

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

/// Why a body is not there in one piece.
#[derive(Debug)]
pub(crate) enum Unread {
    /// It is longer than it may be, by our limit or by one that the host has set outside.
    TooLong,
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
    use std::task::{Context, Poll};

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
