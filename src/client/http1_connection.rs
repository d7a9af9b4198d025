use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use http::{HeaderMap, HeaderName, Request, Response, Uri};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::rt::{Read, Write};
use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::ClientError;
use super::body::{ConnectionBody, DriveConnection};
use super::http1_driver::{Http1Driver, finish_upload};
use super::replay::{RecordedBody, Replay};
use super::send_error::{Resend, SendError};
use super::stats::ConnectionGuard;
use super::write_progress::{ProgressIo, WriteProgress};
use crate::request_body::UploadState;

/// hyper's limit for each of the two buffers of a connection, 64 KiB. The head of a response must
/// fit into one: nginx limits the heads that it forwards to 4 or 8 KiB, hyper's own default is
/// about 400 KiB.
const MAX_BUFFER_SIZE: usize = 64 * 1024;

/// How long the server keeps an idle connection open if its responses have no `Keep-Alive` header.
/// Apache closes one after 5 seconds by default, the shortest time of the widely used servers.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

const KEEP_ALIVE_HEADER: HeaderName = HeaderName::from_static("keep-alive");

/// The time that a request may need to reach the server. `Keep-Alive` counts in whole seconds: this
/// is its smallest unit, and well above the round-trip time of any network.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// An HTTP/1.1 connection. It makes progress only while it is polled.
///
/// The request that uses it polls it in its own task, so that a response wakes that task only. A
/// task per connection, the usual design, costs two more wake-ups and two more channels per
/// request.
pub(super) struct Http1Connection {
    sender: SendRequest<RecordedBody>,
    // `None` once the connection is closed.
    driver: Option<Http1Driver>,
    write_progress: Arc<WriteProgress>,
    is_proxied: bool,
    // The pool to return to when the response body has ended.
    pool: Option<Arc<dyn IdlePool>>,
    idle_since: Instant,
    /// When the connection is not reused any more. `None` is never.
    expires_at: Option<Instant>,
    /// How long the server keeps the connection open while it is idle.
    keep_alive: Duration,
}

/// The pool of the idle HTTP/1.1 connections to one origin. A trait, so that this file does not
/// import the pool.
pub(super) trait IdlePool: Send + Sync {
    /// Keeps a connection that has become idle, or drops it if the pool is full.
    fn put(self: Arc<Self>, connection: Box<Http1Connection>);
}

impl Http1Connection {
    /// Performs the handshake on a transport.
    pub(super) async fn handshake<T>(
        io: T,
        guard: ConnectionGuard,
        is_proxied: bool,
        expires_at: Option<Instant>,
    ) -> hyper::Result<Box<Self>>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let write_progress = Arc::<WriteProgress>::default();
        let io = ProgressIo::wrap(io, Arc::clone(&write_progress));
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_BUFFER_SIZE)
            .handshake(io)
            .await?;
        Ok(Box::new(Self {
            sender,
            driver: Some(Http1Driver::new(connection, guard)),
            write_progress,
            is_proxied,
            pool: None,
            idle_since: Instant::now(),
            expires_at,
            keep_alive: KEEP_ALIVE,
        }))
    }

    /// Whether an idle connection can take a request; if not, drop it. An idle connection is not
    /// polled otherwise, so this poll detects that the server has closed it or has sent bytes
    /// without a request.
    pub(super) fn is_usable(&mut self) -> bool {
        // No task needs a wake-up: the next request polls the connection in any case. A real waker
        // would make that request wake the task that checked here.
        let cx = &mut Context::from_waker(Waker::noop());
        // Do not drop a closed connection here: the caller may hold the pool lock, and dropping
        // runs code of the connector.
        let Some(driver) = &mut self.driver else {
            return false;
        };
        driver.poll_connection(cx).is_pending()
            && self.sender.is_ready()
            && !self.write_progress.is_write_blocked()
    }

    /// Whether a request will reach the server before it closes the idle connection.
    pub(super) fn is_recent(&self) -> bool {
        self.idle_since.elapsed() < self.keep_alive.saturating_sub(KEEP_ALIVE_MARGIN)
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Whether the connection has reached its greatest age at this time.
    pub(super) fn is_expired(&self, at: Instant) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= at)
    }

    /// The request target of the request line: in absolute form to a proxy (RFC 9112 §3.2.2),
    /// otherwise in origin form.
    pub(super) fn request_target(&self, target: &Uri) -> Uri {
        match target.path_and_query() {
            Some(origin_form) if !self.is_proxied => Uri::from(origin_form.clone()),
            _ => target.clone(),
        }
    }

    /// Sends one request. The connection returns to `pool` when the response body has ended.
    ///
    /// # Errors
    /// With the request, if none of it was sent. With the copy of the request in `replay`, if the
    /// connection was closed before the first byte of a response.
    #[inline]
    pub(super) fn send(
        mut self: Box<Self>,
        request: Request<RecordedBody>,
        replay: Option<Replay>,
        pool: Arc<dyn IdlePool>,
    ) -> impl Future<Output = Result<Response<ConnectionBody>, Box<SendError>>> + Send + use<> {
        let upload = request.body().upload();
        self.write_progress.expect_response();
        SendFuture {
            upload,
            response: self.sender.try_send_request(request),
            connection: Some((self, pool)),
            replay,
        }
    }

    /// The body of a response that begins before the request is complete. A task sends the rest of
    /// the request, even while the response is not read: otherwise client and server could wait
    /// for each other.
    fn into_early_body(mut self: Box<Self>, body: Incoming, upload: UploadState) -> ConnectionBody {
        let Ok(runtime) = Handle::try_current() else {
            return ConnectionBody::http1(body, self);
        };
        let (reader, reader_dropped) = oneshot::channel();
        if let Some(driver) = self.driver.take() {
            let progress = Arc::clone(&self.write_progress);
            let in_flight = upload.in_flight_ref();
            runtime.spawn(finish_upload(
                driver,
                progress,
                upload,
                reader_dropped,
                in_flight,
            ));
        }
        // Its drop notifies the task that the response body was read or dropped.
        ConnectionBody::driven_by_task(body, Arc::new(reader))
    }
}

impl DriveConnection for Http1Connection {
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(driver) = &mut self.driver else {
            return Poll::Ready(());
        };
        let closed = driver.poll_connection(cx);
        if closed.is_ready() {
            self.driver = None;
        }
        closed
    }

    fn body_ended(mut self: Box<Self>) {
        if let Some(pool) = self.pool.take()
            && self.driver.is_some()
        {
            self.idle_since = Instant::now();
            if !self.is_expired(self.idle_since) {
                pool.put(self);
            }
        }
    }
}

pin_project! {
    /// Drives a connection until the head of the response to its request arrives.
    struct SendFuture<F> {
        #[pin]
        response: F,
        // With the pool to return to. `None` after completion.
        connection: Option<(Box<Http1Connection>, Arc<dyn IdlePool>)>,
        upload: Option<UploadState>,
        replay: Option<Replay>,
    }
}

impl<F> Future for SendFuture<F>
where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<RecordedBody>>>>,
{
    type Output = Result<Response<ConnectionBody>, Box<SendError>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some((connection, _)) = this.connection else {
            // Polled after completion, which the contract of `Future` leaves open.
            return Poll::Pending;
        };
        // A closed connection is dropped by this: hyper then returns the request, or fails it.
        let _ = connection.poll_connection(cx);
        let result = ready!(this.response.poll(cx));
        let Some((mut connection, pool)) = this.connection.take() else {
            return Poll::Pending;
        };
        let replay = this.replay.take();
        let response = match result {
            Ok(response) => response,
            Err(error) => {
                let replay = replay.filter(|_| !connection.write_progress.has_response());
                // The connection cannot be used again. Dropping it moves the rest of the request
                // body into `replay`, so it is dropped before `replay` is used.
                drop(connection);
                return Poll::Ready(Err(send_error(error, replay)));
            }
        };
        // Drop the copy first: it may hold the ended body of the request, and `upload` is checked
        // for its end below.
        drop(replay);
        connection.keep_alive = keep_alive(response.headers()).unwrap_or(KEEP_ALIVE);
        let upload = this.upload.take();
        Poll::Ready(Ok(response.map(|body| match upload {
            Some(upload)
                if !upload.is_finished() || connection.write_progress.is_write_blocked() =>
            {
                connection.into_early_body(body, upload)
            }
            _ => {
                connection.pool = Some(pool);
                ConnectionBody::http1(body, connection)
            }
        })))
    }
}

fn send_error(
    mut error: TrySendError<Request<RecordedBody>>,
    replay: Option<Replay>,
) -> Box<SendError> {
    let unsent = error.take_message();
    let error = ClientError::connection(error.into_error());
    let resend = match unsent {
        Some(unsent) => Some(Resend::Unsent(unsent.map(RecordedBody::into_inner))),
        None if error.is_closed() => replay
            .and_then(Replay::into_request)
            .map(Resend::Unanswered),
        None => None,
    };
    Box::new(SendError { error, resend })
}

/// The `timeout` of a `Keep-Alive: timeout=5, max=100` header.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(&KEEP_ALIVE_HEADER)?.to_str().ok()?;
    let parameters = value.split(',').filter_map(|part| part.split_once('='));
    let mut timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let (_, seconds) = timeouts.next()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
