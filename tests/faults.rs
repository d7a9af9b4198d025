//! Failed exchanges leak no memory: each staged fault is repeated over one client.
//!
//! A test binary of its own, because it counts every allocation of a thread; the runtime and the
//! tenant run on the counting thread.

#![allow(clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)]
#![cfg(feature = "client")]

mod support;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use allocation_counter::measure;
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::BodyExt;
use omneo_id::client::{HttpClient, HttpClientBuilder};
use omneo_id::tenant::AllowForward;
use omneo_id::{ApiToken, Body, Tenant, Upstream};
use tokio::io::{AsyncReadExt, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::sync::watch;
use tokio::time::sleep;
use tower::{ServiceExt, service_fn};

use support::client_io::ClientIo;
use support::staged::{http1, http2};

/// Failures before the measurement: more than the 50 reset streams that h2 remembers for each
/// connection.
const WARM: usize = 60;
/// Failures in the measurement.
const TIMES: usize = 60;

/// The growth in bytes that [`TIMES`] failures may cause, because lists and tables grow by
/// doubling: less than two pointers for each failure.
const SLACK: i64 = 768;

/// Sends `PUT` requests of `length` bytes, one after another, to a tenant that fails each time.
/// `tenant` serves each connection, and closes it when the watch channel changes.
///
/// Returns how many bytes more are allocated after the second half than before it.
fn repeat_failures<T, F>(
    builder: HttpClientBuilder,
    length: usize,
    tenant: T,
    halves: [usize; 2],
) -> i64
where
    T: Fn(DuplexStream, watch::Receiver<()>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut runtime = Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().unwrap();
    let (release, released) = watch::channel(());
    let connector = service_fn(move |_: Uri| {
        let (client_io, tenant_io) = duplex(64 * 1024);
        tokio::spawn(tenant(tenant_io, released.clone()));
        async { Ok::<_, io::Error>(ClientIo::new(client_io)) }
    });
    let client = builder.build_with_connector(connector);
    let token = ApiToken::new("7|4fzKq0pLw8sN1vXyT2uR").unwrap();
    let upstream = Upstream::new(client, Tenant::new("https://tenant.test", token).unwrap());
    let half = |times| {
        let (upstream, release) = (&upstream, &release);
        async move {
            for _ in 0..times {
                let body = Body::from(Bytes::from(vec![b'x'; length]));
                let request = Request::put("/x").extension(AllowForward::new());
                let response = upstream.clone().oneshot(request.body(body).unwrap());
                drop(response.await.unwrap().into_body().collect().await);
                release.send(()).unwrap();
                sleep(Duration::from_secs(1)).await;
            }
        }
    };
    runtime.block_on(half(halves[0]));
    measure(|| runtime.block_on(half(halves[1]))).bytes_current
}

fn assert_no_leak<T, F>(name: &str, builder: HttpClientBuilder, length: usize, tenant: T)
where
    T: Fn(DuplexStream, watch::Receiver<()>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    // Initialises thread-locals, which stay allocated.
    repeat_failures(builder.clone(), length, tenant.clone(), [1, 1]);
    let mut grown = 0;
    let leaked =
        measure(|| grown = repeat_failures(builder, length, tenant.clone(), [WARM, TIMES]));
    assert!(
        grown <= SLACK,
        "{name}: {grown} bytes more after {TIMES} failures"
    );
    // Client, connections, tasks and runtime are dropped, and have freed all their memory.
    assert_eq!(leaked.bytes_current, 0, "{name}: leaked bytes");
    drop(tenant);
}

#[test]
fn failures_over_http1_leak_no_memory() {
    for fault in http1::faults() {
        let name = format!("{fault:?}");
        assert_no_leak(
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
fn failures_over_http2_leak_no_memory() {
    for fault in http2::faults() {
        let (name, length) = (fault.name.clone(), fault.length);
        let (fault, builder) = (Arc::new(fault), HttpClient::builder().http2_only());
        assert_no_leak(&name, builder, length, move |mut stream, released| {
            let fault = Arc::clone(&fault);
            async move { http2::serve(&mut stream, &fault, &AtomicUsize::new(0), released).await }
        });
    }
}
