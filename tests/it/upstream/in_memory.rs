//! A tenant in memory: the test serves the other end of each connection, so the order of events is
//! exact.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::Body;
use omneo_id::client::{ClientStats, HttpClientBuilder};
use omneo_id::upstream::RequestBody;
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream, Join, ReadBuf, ReadHalf, WriteHalf};
use tower::{Service, ServiceExt, service_fn};

pub(super) use super::support::text;
pub(super) use super::tenants::read_head as head;

use crate::support::client_io::ClientIo;

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
pub(super) type Pipe = ClientIo<Join<PipeReader, WriteHalf<DuplexStream>>>;

/// The reading half of a [`Pipe`]. Dropping it ends the connection in the count of open ones.
pub(super) struct PipeReader {
    io: ReadHalf<DuplexStream>,
    /// The number of reads that return `Pending` although data or an end has arrived.
    unnoticed_reads: Arc<AtomicUsize>,
    open_connections: OpenConnections,
}

impl Drop for PipeReader {
    fn drop(&mut self) {
        self.open_connections.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl AsyncRead for PipeReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unnoticed_reads.load(Ordering::SeqCst) > 0 {
            self.unnoticed_reads.fetch_sub(1, Ordering::SeqCst);
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

/// A tenant, with the counters of the connections to it.
#[derive(Clone, Default)]
pub(super) struct Tenant {
    pub(super) open_connections: OpenConnections,
    opened: Arc<AtomicUsize>,
    pub(super) unnoticed_reads: Arc<AtomicUsize>,
}

impl Tenant {
    pub(super) fn pipe(&self, size: usize, is_http2: bool) -> (Pipe, DuplexStream) {
        let (client_io, tenant_io) = tokio::io::duplex(size);
        self.opened.fetch_add(1, Ordering::SeqCst);
        let (io, writer) = tokio::io::split(client_io);
        let reader = PipeReader {
            io,
            unnoticed_reads: Arc::clone(&self.unnoticed_reads),
            open_connections: self.open_connections.add(),
        };
        let pipe = ClientIo::negotiated(tokio::io::join(reader, writer), is_http2);
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
