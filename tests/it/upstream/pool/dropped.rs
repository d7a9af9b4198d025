//! Dropped responses and calls.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use http_body_util::BodyExt;
use omneo_id::client::HttpClient;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tower::ServiceExt;

use super::super::early::upload_of;
use super::super::in_memory::{OK, PAGE, Tenant, get, head, request, respond_with, text};
use super::super::tenants::settle;

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
    let response_count = Arc::clone(&responses);
    // One byte at a time, so that there are many stages.
    let client = tenant.client(HttpClient::builder(), 1, move |mut stream| {
        let response_count = Arc::clone(&response_count);
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
                response_count.fetch_add(1, Ordering::SeqCst);
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
