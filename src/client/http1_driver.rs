use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::stats::ConnectionGuard;
use super::write_progress::WriteProgress;
use crate::request_body::{InFlightRef, UploadState, WaitingOn};

/// How often [`finish_upload`] checks that the server still accepts the rest of a request. An
/// upload without progress between two checks is aborted, so after 20 to 40 seconds. The same time
/// as the default idle timeout of the pool: an unused connection is closed after it, too.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(20);

/// hyper's half of an HTTP/1.1 connection: the future that reads and writes the transport.
pub(super) struct Http1Driver {
    connection: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    _guard: ConnectionGuard,
}

impl Http1Driver {
    pub(super) fn new(
        connection: impl Future<Output = hyper::Result<()>> + Send + 'static,
        guard: ConnectionGuard,
    ) -> Self {
        Self {
            connection: Box::pin(connection),
            _guard: guard,
        }
    }

    /// Reads and writes as much as possible. Ready once the connection is closed.
    pub(super) fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // hyper reports each error to its request or body, too.
        self.connection.as_mut().poll(cx).map(|_| ())
    }
}

/// Drives a connection whose response has begun before its request is complete. Ends when the
/// connection is closed; or, after the reader of the response was dropped, when the server accepts
/// no more of the request.
///
/// The request counts as in flight until then, by `_in_flight`.
pub(super) async fn finish_upload(
    mut driver: Http1Driver,
    write_progress: Arc<WriteProgress>,
    upload: UploadState,
    reader_dropped: oneshot::Receiver<()>,
    _in_flight: InFlightRef,
) {
    let mut stalled = pin!(async {
        // An error, always: no value is sent.
        let _ = reader_dropped.await;
        loop {
            let before = write_progress.write_count();
            sleep(PROGRESS_INTERVAL).await;
            // The idle timeout of the request body applies to a client that sends no data.
            let waits_for_server = write_progress.is_write_blocked()
                || matches!(upload.waiting_on(), WaitingOn::Server(_));
            if waits_for_server && write_progress.write_count() == before {
                return;
            }
        }
    });
    poll_fn(|cx| match driver.poll_connection(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => stalled.as_mut().poll(cx),
    })
    .await;
}
