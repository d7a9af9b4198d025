//! Collects a body, with a limit of its length and of the time, and maps each error to a rejection.

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
use crate::error::{BoxError, find_source};
use crate::rejection::{Rejection, RejectionKind};

/// Collects a body of at most `limit` bytes.
///
/// # Errors
/// If the body is longer, or fails.
pub(crate) async fn collect<B>(body: B, limit: usize) -> Result<Bytes, CollectError>
where
    B: Body<Error: Into<BoxError>>,
{
    // A body whose size hint exceeds the limit is not polled.
    if body.size_hint().lower() > limit as u64 {
        return Err(CollectError::TooLong);
    }
    let mut body = pin!(body);
    let mut bytes = Bytes::new();
    while !body.is_end_stream()
        && let Some(frame) = body.frame().await
    {
        let data = match frame {
            Ok(frame) => frame.into_data(),
            Err(error) => return Err(CollectError::new(error.into())),
        };
        // Trailers are ignored.
        let Ok(mut data) = data else { continue };
        let length = data.remaining();
        if length > limit - bytes.len() {
            return Err(CollectError::TooLong);
        }
        bytes = match bytes.is_empty() {
            // Most bodies have one frame, which needs no copy.
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

/// The JSON of a tenant without a byte order mark. PHP sends one with every response if a source
/// file starts with it. [RFC 8259 §8.1](https://www.rfc-editor.org/rfc/rfc8259#section-8.1) lets a
/// parser ignore it.
pub(crate) fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text)
}

/// The time in which a client must send a body that is collected. Default is none.
///
/// It is a total: under an idle timeout alone, a client can occupy a connection with a few bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ReadTimeout {
    #[cfg(feature = "client")]
    timeout: Option<Duration>,
}

#[cfg(feature = "client")]
impl ReadTimeout {
    /// [`Duration::MAX`] disables the limit.
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            timeout: Some(timeout),
        }
    }

    /// This timeout, or `default` if none is set.
    pub(crate) fn with_default(self, default: Duration) -> Self {
        Self::new(self.timeout.unwrap_or(default))
    }

    /// As [`collect`], within the timeout.
    ///
    /// # Errors
    /// If the body is longer than `limit`, fails or does not end in time.
    pub(crate) async fn collect<B>(self, body: B, limit: usize) -> Result<Bytes, CollectError>
    where
        B: Body<Error: Into<BoxError>>,
    {
        use std::future::{Future, poll_fn};

        use tokio::time::{Instant, timeout_at};

        let deadline = self
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let mut collecting = pin!(collect(body, limit));
        // A body that has already arrived needs no timer.
        let first = poll_fn(|cx| Poll::Ready(collecting.as_mut().poll(cx))).await;
        match (first, deadline) {
            (Poll::Ready(result), _) => result,
            (Poll::Pending, None) => collecting.await,
            (Poll::Pending, Some(deadline)) => timeout_at(deadline, collecting)
                .await
                .unwrap_or(Err(CollectError::TimedOut)),
        }
    }
}

/// The limit needs the timer of the feature `client`; without it, bodies are unlimited.
#[cfg(not(feature = "client"))]
impl ReadTimeout {
    /// As [`collect`].
    ///
    /// # Errors
    /// If the body is longer than `limit`, or fails.
    pub(crate) async fn collect<B>(self, body: B, limit: usize) -> Result<Bytes, CollectError>
    where
        B: Body<Error: Into<BoxError>>,
    {
        collect(body, limit).await
    }
}

/// Why a body could not be collected.
#[derive(Debug)]
pub(crate) enum CollectError {
    /// The body exceeds the limit of this crate, or one that the host has set in front of it.
    TooLong,
    /// The body did not end within its [`ReadTimeout`].
    #[cfg(feature = "client")]
    TimedOut,
    Failed(BodyError),
}

impl CollectError {
    fn new(error: BoxError) -> Self {
        match find_source::<LengthLimitError>(&*error) {
            Some(_) => Self::TooLong,
            None => Self::Failed(BodyError(error)),
        }
    }

    /// The rejection if this was the body of a request.
    pub(crate) fn into_request_rejection(self) -> Rejection {
        match self {
            Self::TooLong => RejectionKind::PayloadTooLarge.into(),
            #[cfg(feature = "client")]
            Self::TimedOut => RejectionKind::RequestTimeout.into(),
            Self::Failed(error) => {
                let kind = request_body_rejection_kind(&*error.0);
                error.or_rejection(kind)
            }
        }
    }

    /// The rejection if this was the body of a response of the tenant.
    pub(crate) fn into_tenant_rejection(self) -> Rejection {
        match self {
            Self::TooLong => RejectionKind::TenantAnswer.into(),
            #[cfg(feature = "client")]
            Self::TimedOut => RejectionKind::TenantTimeout.into(),
            Self::Failed(error) => error.or_rejection(RejectionKind::TenantFailed),
        }
    }
}

/// The kind of rejection of a request whose body failed with `error`: it was too long, idle or
/// aborted.
pub(crate) fn request_body_rejection_kind(error: &(dyn Error + 'static)) -> RejectionKind {
    #[cfg(feature = "client")]
    if find_source::<IdleError>(error).is_some() {
        return RejectionKind::RequestTimeout;
    }
    match find_source::<LengthLimitError>(error) {
        Some(_) => RejectionKind::PayloadTooLarge,
        None => RejectionKind::BodyAborted,
    }
}

/// The error of a body of any type.
#[derive(Debug)]
pub(crate) struct BodyError(BoxError);

impl BodyError {
    /// The rejection in the chain of sources, or a new one of `kind`.
    fn or_rejection(self, kind: RejectionKind) -> Rejection {
        match find_source::<Rejection>(&*self.0) {
            Some(rejection) => rejection.clone(),
            None => Rejection::new(kind).because(self),
        }
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body was aborted")
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

    /// A body with an unknown size.
    struct Chunks(std::slice::Iter<'static, &'static str>);

    impl Body for Chunks {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let chunk = self.0.next().copied().map(Bytes::from);
            Poll::Ready(chunk.map(|chunk| Ok(Frame::data(chunk))))
        }
    }

    #[tokio::test]
    async fn the_limit_applies_to_the_sum_of_all_chunks() {
        const SPLITS: [&[&str]; 4] = [
            &["abcdef"],
            &["", "abc", "", "def"],
            &["a", "b", "c", "d", "ef", ""],
            &["abcde", "f"],
        ];
        for chunks in SPLITS {
            assert_eq!(collect(Chunks(chunks.iter()), 6).await.unwrap(), "abcdef");
            let too_long = collect(Chunks(chunks.iter()), 5).await;
            assert!(matches!(too_long, Err(CollectError::TooLong)), "{chunks:?}");
        }
        assert_eq!(collect(Chunks([].iter()), 0).await.unwrap(), "");
    }
}
