use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::request_body::{UploadState, WaitingOn};

pin_project! {
    /// How long the tenant may take to begin its answer, counted from when it had the whole request,
    /// or as much of it as the client has sent: a long upload is no slow tenant.
    pub(in crate::upstream) struct HeadDeadline {
        timeout: Duration,
        since: Instant,
        // Made when the answer is first waited for.
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

    /// Ready once the time is up.
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
                // The client's turn; the idle limit of its body deals with it. Nothing can be due
                // before the whole time has passed again.
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
