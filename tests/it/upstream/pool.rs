//! The client's connections: none is lost, used twice, kept for too long or leaked. In memory, so
//! that the order of events is exact.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::Body;
use omneo_id::client::{ClientStats, HttpClient, HttpClientBuilder};
use omneo_id::upstream::RequestBody;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{Service, ServiceExt, service_fn};

pub(super) use super::support::text;
pub(super) use super::tenants::read_head as head;

use super::early::upload_of;
use super::host::with_timeout;
use super::tenants::settle;

/// Counts the connections that are open on the client's side.
#[derive(Clone, Default)]
pub(super) struct OpenConnections(Arc<AtomicUsize>);

impl OpenConnections {
    pub(super) fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    fn add(&self) -> Self {
        self.0.fetch_add(1, Ordering::SeqCst);
        self.clone()
    }
}

/// The client's end of a connection.
pub(super) struct Pipe {
    io: TokioIo<DuplexStream>,
    is_http2: bool,
    /// How many reads return `Pending` although data or an end has arrived.
    unnoticed_reads: Arc<AtomicUsize>,
    open_connections: OpenConnections,
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.open_connections.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        match self.is_http2 {
            true => Connected::new().negotiated_h2(),
            false => Connected::new(),
        }
    }
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unnoticed_reads.load(Ordering::SeqCst) > 0 {
            self.unnoticed_reads.fetch_sub(1, Ordering::SeqCst);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl Write for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A tenant, with the counters of the connections to it.
#[derive(Clone, Default)]
pub(super) struct Tenant {
    pub(super) open_connections: OpenConnections,
    opened: Arc<AtomicUsize>,
    unnoticed_reads: Arc<AtomicUsize>,
}

impl Tenant {
    pub(super) fn pipe(&self, size: usize, is_http2: bool) -> (Pipe, DuplexStream) {
        let (client_io, tenant_io) = tokio::io::duplex(size);
        self.opened.fetch_add(1, Ordering::SeqCst);
        let pipe = Pipe {
            io: TokioIo::new(client_io),
            is_http2,
            unnoticed_reads: Arc::clone(&self.unnoticed_reads),
            open_connections: self.open_connections.add(),
        };
        (pipe, tenant_io)
    }

    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::SeqCst)
    }

    /// A client each of whose connections is served by `handler`.
    pub(super) fn client<H, F>(&self, builder: HttpClientBuilder, size: usize, handler: H) -> Client
    where
        H: Fn(DuplexStream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.client_and_stats(builder, size, handler).0
    }

    pub(super) fn client_and_stats<H, F>(
        &self,
        builder: HttpClientBuilder,
        size: usize,
        handler: H,
    ) -> (Client, impl Fn() -> ClientStats + Send + Sync + 'static)
    where
        H: Fn(DuplexStream) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let tenant = self.clone();
        let connector = service_fn(move |_: Uri| {
            let (pipe, tenant_io) = tenant.pipe(size, false);
            tokio::spawn(handler(tenant_io));
            async { Ok::<_, io::Error>(pipe) }
        });
        let client = builder.build_with_connector(connector);
        (erase(client.clone()), move || client.stats())
    }
}

pub(super) type Client = tower::util::BoxCloneSyncService<
    Request<RequestBody>,
    Response<Body>,
    omneo_id::client::ClientError,
>;

pub(super) fn erase<S, B>(client: S) -> Client
where
    S: Service<Request<RequestBody>, Response = Response<B>, Error = omneo_id::client::ClientError>
        + Clone
        + Send
        + Sync
        + 'static,
    S::Future: Send,
    B: http_body::Body<Data = Bytes, Error = omneo_id::error::BoxError> + Send + 'static,
{
    Client::new(client.map_response(|response: Response<B>| response.map(Body::new)))
}

pub(super) const PAGE: usize = 64 * 1024;
pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

pub(super) fn get() -> Request<RequestBody> {
    request("GET", RequestBody::default())
}

pub(super) fn request(method: &str, body: RequestBody) -> Request<RequestBody> {
    let request = Request::builder()
        .method(method)
        .uri("http://tenant.test/x");
    request.body(body).unwrap()
}

pub(super) async fn send(client: &Client) -> String {
    text(client.clone().oneshot(get()).await.unwrap()).await
}

/// Responds to every request with these bytes.
pub(super) fn respond_with(
    response: &'static [u8],
) -> impl Fn(DuplexStream) -> Pin<Box<dyn Future<Output = ()> + Send>> + Clone + Send + Sync {
    move |mut stream| {
        Box::pin(async move {
            while head(&mut stream).await.is_some() {
                if stream.write_all(response).await.is_err() {
                    return;
                }
            }
        })
    }
}

// --- idle connections

#[tokio::test]
async fn a_connection_closed_between_check_and_write_neither_loses_nor_repeats_a_request() {
    for unnoticed_reads in 0..8 {
        let tenant = Tenant::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&seen);
        let client = tenant.client(HttpClient::builder(), PAGE, move |mut stream| {
            let heads = Arc::clone(&heads);
            async move {
                let head = head(&mut stream).await.unwrap();
                heads.lock().unwrap().push(head);
                stream.write_all(OK).await.unwrap();
            }
        });
        assert_eq!(send(&client).await, "ok");
        settle().await;
        // So many reads do not see the end that has arrived.
        tenant
            .unnoticed_reads
            .store(unnoticed_reads, Ordering::SeqCst);
        let tenant_response = client
            .clone()
            .oneshot(request("POST", RequestBody::default()))
            .await;
        tenant.unnoticed_reads.store(0, Ordering::SeqCst);
        let seen = seen.lock().unwrap().len();
        match tenant_response {
            Ok(response) => {
                assert_eq!(text(response).await, "ok", "{unnoticed_reads}");
                assert_eq!(seen, 2, "{unnoticed_reads}: it was sent once");
            }
            // Written to a connection that the tenant no longer reads. The client cannot know
            // that, so it does not retry.
            Err(error) => {
                assert!(unnoticed_reads > 1, "{error:?}");
                assert_eq!(seen, 1, "{unnoticed_reads}");
            }
        }
    }
}

#[tokio::test]
async fn a_task_without_coop_budget_loses_no_request_on_a_closed_connection() {
    let tenant = Tenant::default();
    let client = tenant.client(HttpClient::builder(), PAGE, |mut stream| async move {
        head(&mut stream).await.unwrap();
        stream.write_all(OK).await.unwrap();
    });
    for _ in 0..3 {
        assert_eq!(send(&client).await, "ok");
        settle().await;
        while poll_fn(|cx| Poll::Ready(tokio::task::coop::poll_proceed(cx)))
            .await
            .map(|budget| budget.made_progress())
            .is_ready()
        {}
    }
}

#[tokio::test]
async fn bytes_without_a_request_are_not_a_response() {
    for early in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nother"[..],
        b"x",
        b"\r\n",
    ] {
        let tenant = Tenant::default();
        let client = tenant.client(HttpClient::builder(), PAGE, move |mut stream| async move {
            while head(&mut stream).await.is_some() {
                // Together with the response, and some time after it.
                stream.write_all(&[OK, early].concat()).await.unwrap();
                settle().await;
                let _ = stream.write_all(early).await;
            }
        });
        for wait in [false, true, false] {
            assert_eq!(send(&client).await, "ok");
            if wait {
                settle().await;
            }
        }
        assert_eq!(tenant.opened(), 3);
        assert!(tenant.open_connections.count() <= 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_writes_first_does_not_respond() {
    let tenant = Tenant::default();
    let client = tenant.client(HttpClient::builder(), PAGE, |mut stream| async move {
        stream.write_all(OK).await.unwrap();
        std::future::pending::<()>().await;
    });
    settle().await;
    // If the bytes arrive before the request was written, the connection is closed; otherwise they
    // are the response. No second connection is opened.
    let kept = usize::from(client.clone().oneshot(get()).await.is_ok());
    settle().await;
    assert_eq!(
        (tenant.opened(), tenant.open_connections.count()),
        (1, kept)
    );
}

#[tokio::test(start_paused = true)]
async fn idle_connections_are_limited_in_number_and_time() {
    let tenant = Tenant::default();
    let builder = HttpClient::builder()
        .with_pool_max_idle(2)
        .with_pool_idle_timeout(Duration::from_secs(20));
    let before = Handle::current().metrics().num_alive_tasks();
    let client = tenant.client(builder, PAGE, respond_with(OK));
    let responses = (0..5).map(|_| client.clone().oneshot(get()));
    let responses: Vec<_> = futures(responses).await;
    assert_eq!(tenant.open_connections.count(), 5);
    for response in responses {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    assert_eq!(tenant.open_connections.count(), 2);
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(tenant.open_connections.count(), 2);
    // Without further requests, the idle connections are closed and the reaping task ends.
    tokio::time::sleep(Duration::from_secs(12)).await;
    settle().await;
    assert_eq!(tenant.open_connections.count(), 0);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_that_the_tenant_closes_is_dropped_without_a_request() {
    let tenant = Tenant::default();
    let (close, closed) = watch::channel(());
    let builder = HttpClient::builder().with_pool_max_idle(200);
    let client = tenant.client(builder, PAGE, move |mut stream| {
        let mut closed = closed.clone();
        async move {
            head(&mut stream).await.unwrap();
            stream.write_all(OK).await.unwrap();
            let _ = closed.changed().await;
        }
    });
    let responses = (0..200).map(|_| client.clone().oneshot(get()));
    for response in futures(responses).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    assert_eq!(tenant.open_connections.count(), 200);
    close.send(()).unwrap();
    // Less than the idle timeout.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(tenant.open_connections.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_client_leaves_no_connection_or_task() {
    let tenant = Tenant::default();
    let before = Handle::current().metrics().num_alive_tasks();
    let client = tenant.client(HttpClient::builder(), PAGE, respond_with(OK));
    assert_eq!(send(&client).await, "ok");
    let late = client.clone().oneshot(get()).await.unwrap();
    drop(client);
    assert_eq!(text(late).await, "ok");
    assert_eq!(tenant.open_connections.count(), 0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

#[tokio::test]
async fn a_response_without_a_body_frees_its_connection_unless_it_closes() {
    for (method, tenant_response, connections) in [
        ("GET", &b"HTTP/1.1 204 No Content\r\n\r\n"[..], 1),
        (
            "GET",
            b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
            1,
        ),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", 1),
        (
            "HEAD",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            1,
        ),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
            1,
        ),
        (
            "GET",
            b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
            1,
        ),
        ("GET", b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok", 4),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
            4,
        ),
        (
            "GET",
            b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n",
            4,
        ),
    ] {
        let case = String::from_utf8_lossy(tenant_response).into_owned();
        let tenant = Tenant::default();
        let client = tenant.client(HttpClient::builder(), PAGE, respond_with(tenant_response));
        for _ in 0..4 {
            let response = client
                .clone()
                .oneshot(request(method, RequestBody::default()));
            text(with_timeout(&case, response).await.unwrap()).await;
            settle().await;
            assert_eq!(
                tenant.open_connections.count(),
                usize::from(connections == 1),
                "{case}"
            );
        }
        assert_eq!(tenant.opened(), connections, "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_closed_connection_takes_no_place_in_the_pool() {
    let tenant = Tenant::default();
    let builder = HttpClient::builder().with_pool_max_idle(1);
    let closing = Arc::new(AtomicUsize::new(1));
    let client = tenant.client(builder, PAGE, move |stream| {
        let closes = closing.swap(0, Ordering::SeqCst) == 1;
        respond_with(match closes {
            true => b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
            false => OK,
        })(stream)
    });
    let responses = futures((0..2).map(|_| client.clone().oneshot(get()))).await;
    for response in responses {
        assert_eq!(text(response.unwrap()).await, "ok");
        settle().await;
    }
    assert_eq!(tenant.open_connections.count(), 1);
    assert_eq!(send(&client).await, "ok");
    assert_eq!(tenant.opened(), 2);
}

// --- dropped responses and calls

#[tokio::test]
async fn a_body_that_is_dropped_midway_closes_its_connection() {
    let tenant = Tenant::default();
    let response = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegin";
    let client = tenant.client(HttpClient::builder(), PAGE, respond_with(response));
    for read in [false, true] {
        let mut body = client.clone().oneshot(get()).await.unwrap().into_body();
        if read {
            assert_eq!(
                body.frame().await.unwrap().unwrap().into_data().unwrap(),
                "begin"
            );
        }
        assert_eq!(tenant.open_connections.count(), 1);
        drop(body);
        assert_eq!(tenant.open_connections.count(), 0);
    }
    assert_eq!(tenant.opened(), 2);
}

#[tokio::test]
async fn a_dropped_response_that_has_arrived_frees_its_connection() {
    for body in [
        "content-length: 4\r\n\r\nbusy".to_owned(),
        "transfer-encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\n".to_owned(),
        format!("content-length: 20000\r\n\r\n{}", "x".repeat(20_000)),
    ] {
        let tenant = Tenant::default();
        let response = format!("HTTP/1.1 503 Service Unavailable\r\n{body}").leak();
        let client = tenant.client(
            HttpClient::builder(),
            PAGE,
            respond_with(response.as_bytes()),
        );
        for _ in 0..10 {
            drop(client.clone().oneshot(get()).await.unwrap());
            assert_eq!(
                (tenant.opened(), tenant.open_connections.count()),
                (1, 1),
                "{body}"
            );
        }
    }
}

#[tokio::test]
async fn a_dropped_call_leaks_nothing_at_any_stage() {
    let tenant = Tenant::default();
    let before = Handle::current().metrics().num_alive_tasks();
    let responses = Arc::new(AtomicUsize::new(0));
    let answered = Arc::clone(&responses);
    // One byte at a time, so that there are many stages.
    let client = tenant.client(HttpClient::builder(), 1, move |mut stream| {
        let answered = Arc::clone(&answered);
        async move {
            while head(&mut stream).await.is_some() {
                // The body, in chunks.
                let mut all = Vec::new();
                while !all.ends_with(b"0\r\n\r\n") {
                    match stream.read_u8().await {
                        Ok(byte) => all.push(byte),
                        Err(_) => return,
                    }
                }
                if stream.write_all(OK).await.is_err() {
                    return;
                }
                answered.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let mut finished = false;
    for polls in 0..100_000 {
        let mut call = Box::pin(async {
            let response = client
                .clone()
                .oneshot(request("PUT", upload_of(2, b"few")))
                .await;
            text(response.unwrap()).await
        });
        for _ in 0..polls {
            if poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await {
                finished = true;
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(call);
        if finished {
            break;
        }
        // A connection is kept only if its response has arrived completely.
        let kept = responses.swap(0, Ordering::SeqCst);
        assert!(tenant.open_connections.count() <= kept, "after {polls}");
    }
    assert!(finished);
    assert_eq!(
        tenant.open_connections.count(),
        1,
        "the one that was finished is kept"
    );
    drop(client);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    settle().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
}

// --- two runtimes

#[test]
fn a_runtime_that_ends_closes_the_idle_connections_that_it_reaps() {
    let tenant = Tenant::default();
    let peers = Builder::new_multi_thread()
        .worker_threads(1)
        .build()
        .unwrap();
    let handle = peers.handle().clone();
    let connections = tenant.clone();
    let connector = service_fn(move |_: Uri| {
        let (pipe, tenant_io) = connections.pipe(PAGE, false);
        handle.spawn(respond_with(OK)(tenant_io));
        async { Ok::<_, io::Error>(pipe) }
    });
    let client = erase(HttpClient::builder().build_with_connector(connector));
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (first, second) = (runtime(), runtime());
    assert_eq!(first.block_on(send(&client)), "ok");
    assert_eq!(second.block_on(send(&client)), "ok");
    drop(first);
    // No task would have reaped it.
    assert_eq!(tenant.open_connections.count(), 0);
    assert_eq!(second.block_on(send(&client)), "ok");
    second.block_on(async {
        assert_eq!(tenant.open_connections.count(), 1);
        // Reaped by a task of the second runtime.
        let client = client.clone();
        assert_eq!(send(&client).await, "ok");
    });
    drop(second);
    assert_eq!(tenant.open_connections.count(), 0);
}

#[test]
fn a_body_can_be_read_after_its_runtime_has_ended() {
    let tenant = Tenant::default();
    let (done, over) = std::sync::mpsc::channel();
    let open = tenant.open_connections.clone();
    std::thread::spawn(move || {
        let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
        let (here, ended) = (runtime(), runtime());
        let gone = ended.handle().clone();
        drop(ended);
        here.block_on(async {
            let client = tenant.client(HttpClient::builder(), PAGE, respond_with(OK));
            let mut body = client.clone().oneshot(get()).await.unwrap().into_body();
            // A task that is spawned now is dropped at once.
            let _entered = gone.enter();
            poll_fn(|cx| {
                while let Poll::Ready(frame) = Pin::new(&mut body).poll_frame(cx) {
                    if frame.is_none() || body.is_end_stream() {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending
            })
            .await;
        });
        done.send(()).unwrap();
    });
    over.recv_timeout(Duration::from_secs(20))
        .expect("no deadlock");
    assert_eq!(open.count(), 0);
}

#[test]
fn a_head_and_its_body_can_be_read_on_two_runtimes() {
    let tenant = Tenant::default();
    let runtime = || {
        Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let client =
        first.block_on(async { tenant.client(HttpClient::builder(), 1, respond_with(chunked)) });
    for _ in 0..10 {
        let (cloned, client) = (client.clone(), client.clone());
        let response = first
            .block_on(first.spawn(cloned.oneshot(get())))
            .unwrap()
            .unwrap();
        assert_eq!(second.block_on(second.spawn(text(response))).unwrap(), "ok");
        let response = first.block_on(client.oneshot(get())).unwrap();
        assert_eq!(second.block_on(text(response)), "ok");
    }
    assert_eq!(tenant.opened(), 1);
}

// --- concurrent requests, HTTP/2, unreachable origins

/// Joins futures.
pub(super) async fn futures<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|f| (Box::pin(f), None)).collect();
    poll_fn(|cx| {
        let mut left = false;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => left = true,
                }
            }
        }
        match left {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
    waiting
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

pub(super) async fn http2_tenant(stream: DuplexStream) {
    let service = hyper::service::service_fn(|_| async {
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from("ok")))
    });
    let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let _ = server.serve_connection(TokioIo::new(stream), service).await;
}

#[tokio::test(start_paused = true)]
async fn of_many_first_connections_one_is_kept_if_http2_is_negotiated() {
    let tenant = Tenant::default();
    let connections = tenant.clone();
    let connector = service_fn(move |_: Uri| {
        let (pipe, tenant_io) = connections.pipe(PAGE, true);
        tokio::spawn(http2_tenant(tenant_io));
        async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok::<_, io::Error>(pipe)
        }
    });
    let client = erase(HttpClient::builder().build_with_connector(connector));
    for response in futures((0..20).map(|_| client.clone().oneshot(get()))).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    settle().await;
    assert_eq!(tenant.open_connections.count(), 1);
    let before = tenant.opened();
    for response in futures((0..20).map(|_| client.clone().oneshot(get()))).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    assert_eq!(tenant.opened(), before);
    // An idle HTTP/2 connection is closed, too.
    tokio::time::sleep(Duration::from_secs(25)).await;
    settle().await;
    assert_eq!(tenant.open_connections.count(), 0);
}

/// One step of a scripted connector, for one connection.
#[derive(Clone)]
enum Step {
    Http2,
    /// HTTP/1.1, once so many connections are being opened at the same time.
    Http1Together(usize),
    Never,
}

fn scripted(tenant: &Tenant, steps: impl IntoIterator<Item = Step>, last: Step) -> Client {
    let steps = Arc::new(Mutex::new(steps.into_iter().collect::<VecDeque<_>>()));
    let tenant = tenant.clone();
    let together = Arc::new(AtomicUsize::new(0));
    let connector = service_fn(move |_: Uri| {
        let step = steps.lock().unwrap().pop_front().unwrap_or(last.clone());
        let (tenant, together) = (tenant.clone(), Arc::clone(&together));
        async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let is_http2 = match step {
                Step::Never => std::future::pending().await,
                Step::Http2 => true,
                Step::Http1Together(count) => {
                    together.fetch_add(1, Ordering::SeqCst);
                    while together.load(Ordering::SeqCst) < count {
                        tokio::time::sleep(Duration::from_millis(1)).await;
                    }
                    false
                }
            };
            let (pipe, tenant_io) = tenant.pipe(PAGE, is_http2);
            match is_http2 {
                true => tokio::spawn(async move {
                    // The tenant closes after one second.
                    let server = http2_tenant(tenant_io);
                    let _ = tokio::time::timeout(Duration::from_secs(1), server).await;
                }),
                false => tokio::spawn(respond_with(OK)(tenant_io)),
            };
            Ok::<_, io::Error>(pipe)
        }
    });
    erase(HttpClient::builder().build_with_connector(connector))
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_returns_to_http1_is_connected_to_concurrently() {
    let tenant = Tenant::default();
    // The first request learns the protocol. The connector makes the others wait for each other, so
    // that they have to connect concurrently.
    let first = [Step::Http2, Step::Http1Together(1)];
    let client = scripted(&tenant, first, Step::Http1Together(10));
    assert_eq!(send(&client).await, "ok");
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(tenant.open_connections.count(), 0);
    let call = futures((0..10).map(|_| client.clone().oneshot(get())));
    for response in with_timeout("ten connections", call).await {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_changes_its_protocol_stays_reachable() {
    let tenant = Tenant::default();
    let steps = [
        Step::Http2,
        Step::Http1Together(0),
        Step::Http2,
        Step::Http1Together(0),
        Step::Http2,
    ];
    let client = scripted(&tenant, steps, Step::Http2);
    for _ in 0..5 {
        assert_eq!(send(&client).await, "ok");
        tokio::time::sleep(Duration::from_secs(25)).await;
        assert_eq!(tenant.open_connections.count(), 0);
    }
    assert_eq!(tenant.opened(), 5);
}

#[tokio::test(start_paused = true)]
async fn no_request_waits_longer_than_two_connect_timeouts_for_an_unreachable_origin() {
    let tenant = Tenant::default();
    let client = scripted(&tenant, [Step::Http2], Step::Never);
    assert_eq!(send(&client).await, "ok");
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(tenant.open_connections.count(), 0);
    // The impatient calls are dropped just before the connect timeout.
    let start = Instant::now();
    let impatient = (0..5).map(|_| {
        let call = client.clone().oneshot(get());
        tokio::time::timeout(Duration::from_millis(4_900), call)
    });
    let patient = (0..5).map(|_| async {
        let error = client.clone().oneshot(get()).await.unwrap_err();
        assert!(error.is_connect());
        start.elapsed()
    });
    let both = async { tokio::join!(futures(impatient), futures(patient)) };
    let (impatient, patient) = both.await;
    assert!(impatient.iter().all(Result::is_err));
    for waited in patient {
        assert!(waited <= Duration::from_secs(10), "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_to_connect_reaches_all_waiting_requests_at_once() {
    let tenant = Tenant::default();
    let client = scripted(&tenant, [Step::Http2], Step::Never);
    assert_eq!(send(&client).await, "ok");
    tokio::time::sleep(Duration::from_secs(25)).await;
    let start = Instant::now();
    let calls = (0..100).map(|_| client.clone().oneshot(get()));
    for response in futures(calls).await {
        assert!(response.unwrap_err().is_connect());
    }
    assert!(start.elapsed() <= Duration::from_secs(10));
}

/// A call is woken by the waker of its latest poll, not of an earlier one.
#[test]
fn a_call_wakes_the_task_that_polled_it_last() {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let tenant = Tenant::default();
    runtime.block_on(async {
        let client = tenant.client(HttpClient::builder(), 8, respond_with(OK));
        let mut call = pin!(send(&client));
        // First with a waker that does nothing.
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(call.as_mut().poll(cx).is_pending());
        assert_eq!(with_timeout("the answer", call).await, "ok");
    });
}
