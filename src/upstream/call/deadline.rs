use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::request_body::{UploadState, WaitingOn};

pin_project! {
    /// The head timeout: the time until the tenant's response head. It starts when the tenant has
    /// received the request, or the part that the client has sent, so that a slow upload does not
    /// count as a slow tenant.
    pub(in crate::upstream) struct HeadDeadline {
        timeout: Duration,
        since: Instant,
        // Created at the first poll: a response that is ready at once needs no timer.
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl HeadDeadline {
    pub(in crate::upstream) fn new(timeout: Duration, since: Instant) -> Self {
        Self {
            timeout,
            since,
            sleep: None,
        }
    }

    /// Ready when the timeout has elapsed.
    pub(in crate::upstream) fn poll_expired(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        upload: Option<&UploadState>,
    ) -> Poll<()> {
        let mut this = self.project();
        if this.sleep.is_none() {
            let Some(at) = this.since.checked_add(*this.timeout) else {
                return Poll::Pending;
            };
            this.sleep.set(Some(sleep_until(at)));
        }
        let Some(mut sleep) = this.sleep.as_pin_mut() else {
            return Poll::Pending;
        };
        loop {
            ready!(sleep.as_mut().poll(cx));
            let since = match upload.map(UploadState::waiting_on) {
                None => return Poll::Ready(()),
                // The idle timeout of the request body covers a slow client. The head timeout
                // starts again, and cannot elapse before its full duration.
                Some(WaitingOn::Client) => Instant::now(),
                Some(WaitingOn::Server(since)) => since,
            };
            let Some(at) = since.checked_add(*this.timeout) else {
                return Poll::Pending;
            };
            if at <= sleep.deadline() {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at);
        }
    }
}
