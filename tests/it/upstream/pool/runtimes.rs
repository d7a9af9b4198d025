//! Clients, responses and calls on several runtimes and tasks.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::pin::pin;
use std::task::Context;
use std::task::Poll;
use std::task::Waker;
use std::time::Duration;

use http::Uri;
use http_body::Body as _;
use omneo_id::client::HttpClient;
use tokio::runtime::Builder;
use tower::ServiceExt;
use tower::service_fn;

use super::super::host::with_timeout;
use super::super::in_memory::{OK, PAGE, Tenant, erase, get, respond_with, send, text};

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
        assert_eq!(with_timeout("the response", call).await, "ok");
    });
}
