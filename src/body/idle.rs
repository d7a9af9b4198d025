use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::error::BoxError;

pin_project! {
    /// A body that fails if its next frame is pending for longer than a timeout.
    ///
    /// Only the time in which the inner body is pending counts, so a slow reader does not cause the
    /// error. A body whose frames are always ready creates no timer.
    ///
    /// ```
    /// # use std::pin::Pin;
    /// # use std::task::{Context, Poll};
    /// use std::time::Duration;
    ///
    /// use http_body_util::BodyExt;
    /// use omneo_id::body::{IdleError, IdleTimeout};
    ///
    /// struct Stalled;
    ///
    /// impl http_body::Body for Stalled {
    ///     // `poll_frame` always returns `Poll::Pending`.
    /// #   type Data = bytes::Bytes;
    /// #   type Error = std::convert::Infallible;
    /// #   fn poll_frame(
    /// #       self: Pin<&mut Self>,
    /// #       _: &mut Context<'_>,
    /// #   ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
    /// #       Poll::Pending
    /// #   }
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread()
    /// #     .enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let body = IdleTimeout::new(Stalled, Duration::from_secs(60));
    /// let error = body.collect().await.unwrap_err();
    /// assert!(error.is::<IdleError>());
    /// # });
    /// ```
    pub struct IdleTimeout<B> {
        #[pin]
        body: B,
        timeout: Duration,
        // Created when a frame is first pending, then reset for later frames.
        timer: Option<Pin<Box<Sleep>>>,
        state: State,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Flowing,
    Waiting,
    Expired,
}

impl<B> IdleTimeout<B> {
    /// Sets the longest time to wait for each frame of `body`. [`Duration::MAX`] disables the
    /// limit.
    pub fn new(body: B, timeout: Duration) -> Self {
        Self {
            body,
            timeout,
            timer: None,
            state: State::Flowing,
        }
    }
}

/// A body was idle for longer than its [`IdleTimeout`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleError(Duration);

impl fmt::Display for IdleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the body was idle for {:?}", self.0)
    }
}

impl std::error::Error for IdleError {}

impl<B> http_body::Body for IdleTimeout<B>
where
    B: http_body::Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        if *this.state == State::Expired {
            return Poll::Ready(None);
        }
        // Poll the body before the timer: a frame that has arrived is not late.
        if let Poll::Ready(frame) = this.body.poll_frame(cx) {
            *this.state = State::Flowing;
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        if *this.state == State::Flowing {
            let Some(deadline) = Instant::now().checked_add(*this.timeout) else {
                return Poll::Pending;
            };
            match this.timer {
                Some(timer) => timer.as_mut().reset(deadline),
                None => *this.timer = Some(Box::pin(sleep_until(deadline))),
            }
            *this.state = State::Waiting;
        }
        if let Some(timer) = this.timer {
            ready!(timer.as_mut().poll(cx));
            *this.state = State::Expired;
            return Poll::Ready(Some(Err(IdleError(*this.timeout).into())));
        }
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Expired || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> fmt::Debug for IdleTimeout<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdleTimeout")
            .field("timeout", &self.timeout)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body::Body as _;
    use http_body_util::{BodyExt, Full};
    use std::collections::VecDeque;
    use tokio::time::sleep;

    /// Frames, each with the delay before it arrives.
    struct Script {
        steps: VecDeque<Duration>,
        wait: Option<Pin<Box<Sleep>>>,
    }

    impl http_body::Body for Script {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            let Some(&step) = self.steps.front() else {
                return Poll::Ready(None);
            };
            let wait = self.wait.get_or_insert_with(|| Box::pin(sleep(step)));
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
            self.steps.pop_front();
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"x")))))
        }
    }

    fn script(seconds: &[u64]) -> Script {
        Script {
            steps: seconds.iter().map(|&s| Duration::from_secs(s)).collect(),
            wait: None,
        }
    }

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn each_frame_has_the_whole_timeout() {
        let body = IdleTimeout::new(script(&[9, 9, 9]), LIMIT);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "xxx");
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_frame_fails_the_body_once() {
        let start = Instant::now();
        let mut body = IdleTimeout::new(script(&[1, 11]), LIMIT);
        assert!(body.frame().await.unwrap().is_ok());
        let error = body.frame().await.unwrap().unwrap_err();
        assert!(error.is::<IdleError>());
        assert_eq!(start.elapsed(), Duration::from_secs(11));
        assert!(body.frame().await.is_none());
        assert!(body.is_end_stream());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_causes_no_timeout() {
        let mut body = IdleTimeout::new(script(&[5, 5]), LIMIT);
        let pending =
            std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut body).poll_frame(cx).is_pending()));
        assert!(pending.await);
        sleep(Duration::from_secs(100)).await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "xx");
    }

    #[tokio::test(start_paused = true)]
    async fn duration_max_disables_the_timeout() {
        let body = IdleTimeout::new(script(&[1_000_000]), Duration::MAX);
        assert_eq!(body.collect().await.unwrap().to_bytes(), "x");
    }

    #[test]
    fn a_ready_body_needs_no_runtime_and_keeps_its_size() {
        let mut body = IdleTimeout::new(Full::new(Bytes::from_static(b"abc")), LIMIT);
        assert_eq!(body.size_hint().exact(), Some(3));
        let cx = &mut Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut body).poll_frame(cx).is_ready());
    }
}
