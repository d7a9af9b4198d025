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
use super::failed::Failed;
use super::outlet::{Noted, Outlet};
use super::replay::{RecordedBody, Replay};
use super::shelf::Shelf;
use super::stats::Open;
use crate::body::{Carrier, DrivenBody};
use crate::upstream::RequestBody;
use crate::upstream::upload::{Hold, Turn, Upload};

/// A tenant that has answered a request before the end of it, and takes nothing more of it for this
/// long, or for up to twice as long, is sent no more.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much hyper buffers of a connection, each way. It is also the longest head of an answer.
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
/// usual way, a task for each connection, costs two wake-ups and two channels more per request.
pub(super) struct Line {
    send: SendRequest<RecordedBody>,
    // `None` once it is over.
    connection: Option<Connection>,
    outlet: Arc<Outlet>,
    is_proxied: bool,
    // Where it goes when its answer has been read.
    home: Option<Arc<Shelf>>,
    idle_since: Instant,
    /// How long the tenant keeps it open while it is idle.
    keep_alive: Duration,
}

struct Connection {
    future: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>,
    _open: Open,
}

impl Line {
    pub(super) async fn open<T>(io: T, open: Open, is_proxied: bool) -> hyper::Result<Box<Self>>
    where
        T: Read + Write + Send + Unpin + 'static,
    {
        let outlet = Arc::<Outlet>::default();
        let io = Noted::wrap(io, Arc::clone(&outlet));
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
            outlet,
            is_proxied,
            home: None,
            idle_since: Instant::now(),
            keep_alive: KEEP_ALIVE,
        }))
    }

    /// Whether the next request can go this way; if not, it is of no use any more. An idle connection
    /// has been polled by nobody: that it was closed, or that bytes came which nobody had asked for,
    /// shows now.
    pub(super) fn is_usable(&mut self) -> bool {
        // Nobody is to be woken: whoever sends a request polls it next anyway, and whoever polled it
        // last would otherwise be woken by that request.
        let cx = &mut Context::from_waker(Waker::noop());
        // One that is over goes with the line: here may be a lock, and its end is a connector's to make.
        let Some(connection) = &mut self.connection else {
            return false;
        };
        connection.future.as_mut().poll(cx).is_pending()
            && self.send.is_ready()
            && !self.outlet.is_full()
    }

    /// Whether the tenant will not close the connection while a request is on its way to it.
    pub(super) fn is_recent(&self) -> bool {
        self.idle_since.elapsed() < self.keep_alive.saturating_sub(TRANSIT)
    }

    /// What stands in the request line: a proxy for other hosts is told all of the target (RFC 9112
    /// §3.2.2).
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
        home: Arc<Shelf>,
        copies: Copies,
    ) -> impl Future<Output = Result<Response<DrivenBody>, Box<Failed>>> + Send + use<> {
        let upload = request.body().upload();
        let (request, replay) = match copies {
            Copies::One => {
                let (request, replay) = Replay::record(request);
                (request, Some(replay))
            }
            Copies::None => (request.map(RecordedBody::unrecorded), None),
        };
        self.outlet.expect_answer();
        Calling {
            upload,
            answer: self.send.try_send_request(request),
            line: Some((self, home)),
            replay,
        }
    }

    /// The answer came before the whole request was sent. What is left must move even while nobody
    /// reads the answer, or each side waits for the other.
    fn let_go(mut self: Box<Self>, body: Incoming, upload: Upload) -> DrivenBody {
        let Ok(runtime) = Handle::try_current() else {
            return DrivenBody::carried(body, self);
        };
        let (reader, read) = oneshot::channel();
        if let Some(connection) = self.connection.take() {
            let outlet = Arc::clone(&self.outlet);
            let hold = upload.hold();
            runtime.spawn(see_off(connection, outlet, upload, read, hold));
        }
        DrivenBody::carried(body, Box::new(Reader(reader)))
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
    struct Calling<F> {
        #[pin]
        answer: F,
        // `None` once it is over.
        line: Option<(Box<Line>, Arc<Shelf>)>,
        upload: Option<Upload>,
        replay: Option<Replay>,
    }
}

impl<F> Future for Calling<F>
where
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<RecordedBody>>>>,
{
    type Output = Result<Response<DrivenBody>, Box<Failed>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Some((line, _)) = this.line else {
            // Polled after completion, which the contract of `Future` leaves open: never again.
            return Poll::Pending;
        };
        // Dropped as soon as it is over: the request is given back then, or fails.
        let _ = poll(&mut line.connection, cx);
        let answer = ready!(this.answer.poll(cx));
        // A connection that failed a request goes away with it.
        let Some((mut line, home)) = this.line.take() else {
            return Poll::Pending;
        };
        // With the copy goes what it holds of the request's body, which may be over then.
        let replay = this.replay.take().filter(|_| answer.is_err());
        let response = match answer {
            Ok(response) => response,
            Err(error) => {
                let replay = replay.filter(|_| !line.outlet.has_answer());
                // Before the copy is used: the connection gives back the rest of the body.
                drop(line);
                return Poll::Ready(Err(failed(error, replay)));
            }
        };
        line.keep_alive = keep_alive(response.headers()).unwrap_or(KEEP_ALIVE);
        let upload = this.upload.take();
        Poll::Ready(Ok(response.map(|body| match upload {
            Some(upload) if !upload.is_over() || line.outlet.is_full() => line.let_go(body, upload),
            _ => {
                line.home = Some(home);
                DrivenBody::carried(body, line)
            }
        })))
    }
}

fn failed(mut error: TrySendError<Request<RecordedBody>>, replay: Option<Replay>) -> Box<Failed> {
    let unsent = error.take_message();
    let error = ClientError::connection(error.into_error());
    let unanswered = match unsent {
        None if error.is_closed() => replay.and_then(Replay::into_request),
        _ => None,
    };
    Box::new(Failed {
        unsent: unsent.map(|request| request.map(RecordedBody::into_inner)),
        unanswered,
        ..Failed::new(error)
    })
}

/// How long the tenant keeps an idle connection open, as it says in `Keep-Alive: timeout=5, max=100`.
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(&KEEP_ALIVE_HEADER)?.to_str().ok()?;
    let parameters = value.split(',').filter_map(|part| part.split_once('='));
    let mut timeouts = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"));
    let (_, seconds) = timeouts.next()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}

/// Moves a connection until it is over; or until its answer is, and the tenant has taken nothing of
/// the rest of the request for too long.
async fn see_off(
    mut connection: Connection,
    outlet: Arc<Outlet>,
    upload: Upload,
    read: oneshot::Receiver<()>,
    _hold: Hold,
) {
    let mut given_up = pin!(async move {
        // Never sent: the reader is gone.
        let _ = read.await;
        loop {
            let before = outlet.writes();
            sleep(PATIENCE).await;
            // With a client that sends nothing, the idle limit of its body deals.
            let is_tenants = outlet.is_full() || matches!(upload.turn(), Turn::Tenant(_));
            if is_tenants && outlet.writes() == before {
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

impl Carrier for Reader {
    fn poll_carry(&mut self, _: &mut Context<'_>) -> Poll<()> {
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

impl Carrier for Line {
    fn poll_carry(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line")
            .field("open", &self.connection.is_some())
            .finish_non_exhaustive()
    }
}
