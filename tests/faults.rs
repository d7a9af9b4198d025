//! That failures leave no memory behind: the staged ones, each again and again over one client. A
//! binary of its own, as it counts every allocation; runtimes and tenants are on the thread that
//! counts.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![cfg(feature = "client")]

#[allow(dead_code, reason = "what else it says is for others")]
#[path = "it/upstream/staged/http1.rs"]
mod http1;
#[allow(dead_code, reason = "what else it says is for others")]
#[path = "it/upstream/staged/http2.rs"]
mod http2;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll};
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::BodyExt;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use omneo_id::client::{HttpClient, HttpClientBuilder};
use omneo_id::tenant::AllowForward;
use omneo_id::{ApiToken, Body, Tenant, Upstream};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::sleep;
use tower::{ServiceExt, service_fn};

/// More than h2 remembers of the streams that it has reset: fifty on each connection.
const WARM: usize = 60;
const TIMES: usize = 60;

/// How much more there may be after [`TIMES`] failures than before them: less than a pointer and a
/// half for each. Lists and tables grow by doubling.
const SLACK: i64 = 768;

/// Our end of a connection.
struct Pipe(TokioIo<DuplexStream>);

impl Connection for Pipe {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// Writes so much, again and again, to a tenant that fails each time. Each connection is in the
/// hands of `tenant`, which lets go of what it holds on to when it is told to.
///
/// Returns how many bytes the second half has added to what the first half left.
fn fail<T, F>(builder: HttpClientBuilder, length: usize, tenant: T, halves: [usize; 2]) -> i64
where
    T: Fn(DuplexStream, watch::Receiver<()>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    let (end, over) = watch::channel(());
    let connector = service_fn(move |_: Uri| {
        let (ours, theirs) = duplex(64 * 1024);
        tokio::spawn(tenant(theirs, over.clone()));
        async { Ok::<_, io::Error>(Pipe(TokioIo::new(ours))) }
    });
    let client = builder.build_with_connector(connector);
    let token = ApiToken::new("7|4fzKq0pLw8sN1vXyT2uR").unwrap();
    let upstream = Upstream::new(client, Tenant::new("https://tenant.test", token).unwrap());
    let half = |times| {
        let (upstream, end) = (&upstream, &end);
        async move {
            for _ in 0..times {
                let body = Body::from(Bytes::from(vec![b'x'; length]));
                let request = Request::put("/x").extension(AllowForward::new());
                let response = upstream.clone().oneshot(request.body(body).unwrap());
                drop(response.await.unwrap().into_body().collect().await);
                end.send(()).unwrap();
                sleep(Duration::from_secs(1)).await;
            }
        }
    };
    runtime.block_on(half(halves[0]));
    measure(|| runtime.block_on(half(halves[1]))).bytes_current
}

fn stays_flat<T, F>(name: &str, builder: HttpClientBuilder, length: usize, tenant: T)
where
    T: Fn(DuplexStream, watch::Receiver<()>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // What a thread makes once is made now.
    fail(builder.clone(), length, tenant.clone(), [1, 1]);
    let mut grown = 0;
    let left = measure(|| grown = fail(builder, length, tenant.clone(), [WARM, TIMES]));
    assert!(
        grown <= SLACK,
        "{name}: {grown} bytes more after {TIMES} times"
    );
    // Client, connections, tasks and runtime are gone, and nothing remembers them.
    assert_eq!(left.bytes_current, 0, "{name}: bytes that are left");
    drop(tenant);
}

#[test]
fn failures_over_http1_leave_no_memory_behind() {
    for fault in http1::faults() {
        let name = format!("{fault:?}");
        stays_flat(
            &name,
            HttpClient::builder(),
            4,
            move |mut stream, _| async move {
                let mut last = [0; 8];
                while last != *b"\r\n\r\nxxxx" {
                    last.rotate_left(1);
                    match stream.read_u8().await {
                        Ok(byte) => last[7] = byte,
                        Err(_) => return,
                    }
                }
                http1::inject(&mut stream, fault).await;
            },
        );
    }
}

#[test]
fn failures_over_http2_leave_no_memory_behind() {
    for fault in http2::faults() {
        let (name, length) = (fault.name.clone(), fault.length);
        let (fault, builder) = (Arc::new(fault), HttpClient::builder().with_http2_only());
        stays_flat(&name, builder, length, move |mut stream, over| {
            let fault = Arc::clone(&fault);
            async move { http2::serve(&mut stream, &fault, &AtomicUsize::new(0), over).await }
        });
    }
}
