//! Idle connections: when one is reused, and when it is closed.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use omneo_id::client::HttpClient;
use omneo_id::upstream::RequestBody;
use tokio::io::AsyncWriteExt;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tower::ServiceExt;

use super::super::host::with_timeout;
use super::super::in_memory::{
    OK, PAGE, Tenant, futures, get, head, request, respond_with, send, text,
};
use super::super::tenants::settle;

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
        // This number of reads return `Pending` although the end has arrived.
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
        .pool_max_idle(2)
        .pool_idle_timeout(Duration::from_secs(20));
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
    let builder = HttpClient::builder().pool_max_idle(200);
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
    let builder = HttpClient::builder().pool_max_idle(1);
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
