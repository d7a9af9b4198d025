use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
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
use tokio::time::{Instant, sleep};

use super::ClientError;
use super::body::{ConnectionBody, DriveConnection};
use super::host_pool::HostPool;
use super::replay::{RecordedBody, Replay};
use super::send_error::SendError;
use super::stats::ConnectionGuard;
use super::write_progress::{ProgressIo, WriteProgress};
use crate::request_body::RequestBody;
use crate::request_body::{InFlightRef, UploadState, WaitingOn};

/// A tenant that has answered a request before the end of it, and takes nothing more of it for this
/// long, or for up to twice as long, is sent no more.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much hyper buffers of a connection, each pooled. It is also the longest head of an answer.
const BUFFER: usize = 64 * 1024;

/// How long an idle connection is open for certain, if its tenant does not say: Apache closes one
/// after 5 seconds by default, the shortest of the widely used servers.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

const KEEP_ALIVE_HEADER: HeaderName = HeaderName::from_static("keep-alive");

/// A request takes this long at most to reach the tenant.
const TRANSIT: Duration = Duration::from_secs(1);

/// An HTTP/1.1 connection, which moves only while it is polled.
///
/// The request that uses it polls it, in its own task: an answer wakes that task and no other. The
/// usual pooled, a task for each connection, costs two wake-ups and two channels more per request.
pub(super) struct Http1Connection {
    send: SendRequest<RecordedBody>,
    // `None` once it is over.
    connection: Option<Connection>,
    write_progress: Arc<WriteProgress>,
    is_proxied: bool,
    // Where it goes when its answer has been read.
    home: Option<Arc<HostPool>>,
    idle_since: Instant,
    /// How long the tenant keeps it open while it is idle.
    keep_alive: Duration,
}

struct Connection {
    future: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    _open: ConnectionGuard,
}

impl Http1Connection {
    pub(super) async fn open<T>(
        io: T,
        open: ConnectionGuard,
        is_proxied: bool,
    ) -> hyper::Result<Box<Self>>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let write_progress = Arc::<WriteProgress>::default();
        let io = ProgressIo::wrap(io, Arc::clone(&write_progress));
        let (send, connection) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .handshake(io)
            .await?;
        Ok(Box::new(Self {
            send,
            connection: Some(Connection {
                future: Box::pin(connection),
                _open: open,
            }),
            write_progress,
            is_proxied,
            home: None,
            idle_since: Instant::now(),
            keep_alive: KEEP_ALIVE,
        }))
    }

    /// Whether the next request can go this pooled; if not, it is of no use any more. An idle
    /// connection has been polled by nobody: that it was closed, or that bytes came which
    /// nobody had asked for, shows now.
    pub(super) fn is_usable(&mut self) -> bool {
        // Nobody is to be woken: whoever sends a request polls it next anyway, and whoever polled
        // it last would otherwise be woken by that request.
        let cx = &mut Context::from_waker(Waker::noop());
        // One that is over goes with the connection: here may be a lock, and its end is a
        // connector's to make.
        let Some(connection) = &mut self.connection else {
            return false;
        };
        connection.future.as_mut().poll(cx).is_pending()
            && self.send.is_ready()
            && !self.write_progress.is_full()
    }

    /// Whether the tenant will not close the connection while a request is on its pooled to it.
    pub(super) fn is_recent(&self) -> bool {
        self.idle_since.elapsed() < self.keep_alive.saturating_sub(TRANSIT)
    }

    /// What stands in the request connection: a proxy for other hosts is told all of the target
    /// (RFC 9112 §3.2.2).
    pub(super) fn target(&self, target: &Uri) -> Uri {
        match target.path_and_query() {
            Some(origin_form) if !self.is_proxied => Uri::from(origin_form.clone()),
            _ => target.clone(),
        }
    }

    pub(super) fn idle_since(&self) -> Instant {
        self.idle_since
    }

    /// Sends one request. `home` is where the connection goes afterwards.
    ///
    /// # Errors
    /// With the request, if nothing of it was sent. With a copy of the request, if `copies` says so
    /// and the connection was closed before one byte of an answer.
    #[inline]
    pub(super) fn call(
        mut self: Box<Self>,
        request: Request<RequestBody>,
        home: Arc<HostPool>,
        copies: Copies,
    ) -> impl Future<Output = Result<Response<ConnectionBody>, Box<SendError>>> + Send + use<> {
        let upload = request.body().upload();
        let (request, replay) = match copies {
            Copies::One => {
                let (request, replay) = Replay::record(request);
                (request, Some(replay))
            }
            Copies::None => (request.map(RecordedBody::unrecorded), None),
        };
        self.write_progress.expect_answer();
        SendFuture {
            upload,
            answer: self.send.try_send_request(request),
            connection: Some((self, home)),
            replay,
        }
    }

    /// The answer came before the whole request was sent. What is left must move even while nobody
    /// reads the answer, or each side waits for the other.
    fn let_go(mut self: Box<Self>, body: Incoming, upload: UploadState) -> ConnectionBody {
        let Ok(runtime) = Handle::try_current() else {
            return ConnectionBody::carried(body, self);
        };
        let (reader, read) = oneshot::channel();
        if let Some(connection) = self.connection.take() {
            let write_progress = Arc::clone(&self.write_progress);
            let hold = upload.hold();
            runtime.spawn(finish_upload(
                connection,
                write_progress,
                upload,
                read,
                hold,
            ));
        }
        ConnectionBody::carried(body, Box::new(Reader(reader)))
    }
}

/// Whether a copy of a request is kept until its answer begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Copies {
    None,
    One,
}

pin_project! {
    /// A request that a connection has been given.
    struct SendFuture<F> {
        #[pin]
        answer: F,
        // `None` once it is over.
        connection: Option<(Box<Http1Connection>, Arc<HostPool>)>,
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
            // Polled after completion, which the contract of `Future` leaves open: never again.
            return Poll::Pending;
        };
        // Dropped as soon as it is over: the request is given back then, or fails.
        let _ = poll(&mut connection.connection, cx);
        let answer = ready!(this.answer.poll(cx));
        // A connection that failed a request goes away with it.
        let Some((mut connection, home)) = this.connection.take() else {
            return Poll::Pending;
        };
        // With the copy goes what it holds of the request's body, which may be over then.
        let replay = this.replay.take().filter(|_| answer.is_err());
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                let replay = replay.filter(|_| !connection.write_progress.has_answer());
                // Before the copy is used: the connection gives back the rest of the body.
                drop(connection);
                return Poll::Ready(Err(failed(error, replay)));
            }
        };
        connection.keep_alive = keep_alive(response.headers()).unwrap_or(KEEP_ALIVE);
        let upload = this.upload.take();
        Poll::Ready(Ok(response.map(|body| match upload {
            Some(upload) if !upload.is_over() || connection.write_progress.is_full() => {
                connection.let_go(body, upload)
            }
            _ => {
                connection.home = Some(home);
                ConnectionBody::carried(body, connection)
            }
        })))
    }
}

fn failed(
    mut error: TrySendError<Request<RecordedBody>>,
    replay: Option<Replay>,
) -> Box<SendError> {
    let unsent = error.take_message();
    let error = ClientError::connection(error.into_error());
    let unanswered = match unsent {
        None if error.is_closed() => replay.and_then(Replay::into_request),
        _ => None,
    };
    Box::new(SendError {
        unsent: unsent.map(|request| request.map(RecordedBody::into_inner)),
        unanswered,
        ..SendError::new(error)
    })
}

/// How long the tenant keeps an idle connection open, as it says in `Keep-Alive: timeout=5,
/// max=100`.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(&KEEP_ALIVE_HEADER)?.to_str().ok()?;
    let parameters = value.split(',').filter_map(|part| part.split_once('='));
    let mut timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let (_, seconds) = timeouts.next()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Moves a connection until it is over; or until its answer is, and the tenant has taken nothing of
/// the rest of the request for too long.
async fn finish_upload(
    mut connection: Connection,
    write_progress: Arc<WriteProgress>,
    upload: UploadState,
    read: oneshot::Receiver<()>,
    _hold: InFlightRef,
) {
    let mut given_up = pin!(async move {
        // Never sent: the reader is gone.
        let _ = read.await;
        loop {
            let before = write_progress.writes();
            sleep(PATIENCE).await;
            // With a client that sends nothing, the idle limit of its body deals.
            let is_tenants =
                write_progress.is_full() || matches!(upload.turn(), WaitingOn::Tenant(_));
            if is_tenants && write_progress.writes() == before {
                return;
            }
        }
    });
    poll_fn(|cx| match connection.future.as_mut().poll(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => given_up.as_mut().poll(cx),
    })
    .await;
}

/// Lets it be known, by going away, that an answer has been read or is of no interest any more.
struct Reader(#[expect(dead_code, reason = "dropped, which is all")] oneshot::Sender<()>);

impl DriveConnection for Reader {
    fn poll_drive(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }

    fn arrived(self: Box<Self>) {}
}

fn poll(connection: &mut Option<Connection>, cx: &mut Context<'_>) -> Poll<()> {
    let Some(open) = connection else {
        return Poll::Ready(());
    };
    // Errors go to the request or to the body that they concern.
    let over = open.future.as_mut().poll(cx).map(|_| ());
    if over.is_ready() {
        *connection = None;
    }
    over
}

impl DriveConnection for Http1Connection {
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        poll(&mut self.connection, cx)
    }

    fn arrived(mut self: Box<Self>) {
        if let Some(home) = self.home.take()
            && self.connection.is_some()
        {
            self.idle_since = Instant::now();
            home.put(self);
        }
    }
}

impl fmt::Debug for Http1Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http1Connection")
            .field("open", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}
