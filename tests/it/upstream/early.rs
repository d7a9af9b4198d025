//! Responses that begin before the request is complete: the upload continues as long as the tenant
//! accepts it, and the call stays in flight.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use omneo_id::client::HttpClient;
use omneo_id::error::BoxError;
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc};
use tower::{ServiceExt, service_fn};

use super::host::with_timeout;
use super::in_memory::{OK, PAGE, Tenant, head, request, text};
use super::support::{Chunks, fed, permitted, tenant};
use super::tenants::settle;

fn upload(chunks: usize) -> RequestBody {
    upload_of(chunks, &[0; 1_024])
}

pub(super) fn upload_of(chunks: usize, chunk: &'static [u8]) -> RequestBody {
    RequestBody::new(Chunks {
        left: chunks,
        chunk: Bytes::from_static(chunk),
        made: Arc::default(),
    })
}

#[tokio::test]
async fn an_unread_early_response_does_not_stop_the_upload() {
    let tenant = Tenant::default();
    let (sent, mut arrived) = mpsc::unbounded_channel();
    let client = tenant.client(HttpClient::builder(), 64, move |mut stream| {
        let sent = sent.clone();
        async move {
            head(&mut stream).await.unwrap();
            let tenant_response = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegin";
            stream.write_all(tenant_response).await.unwrap();
            let mut read = 0;
            let mut buffer = [0; 512];
            // More than the data: each chunk has a length.
            while read < 1_024 * 1_024 {
                read += stream.read(&mut buffer).await.unwrap();
            }
            sent.send(read).unwrap();
        }
    });
    let call = client.clone().oneshot(request("PUT", upload(1_024)));
    let response = with_timeout("the response", call).await.unwrap();
    assert!(with_timeout("the upload", arrived.recv()).await.unwrap() >= 1_024 * 1_024);
    drop(response);
    settle().await;
    assert_eq!(tenant.open_connections.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_the_tenant_stops_accepting_after_its_response_is_aborted() {
    for read_it in [true, false] {
        let before = Handle::current().metrics().num_alive_tasks();
        let tenant = Tenant::default();
        let release = Arc::new(Notify::new());
        let released = Arc::clone(&release);
        let client = tenant.client(HttpClient::builder(), 64, move |mut stream| {
            let released = Arc::clone(&released);
            async move {
                head(&mut stream).await.unwrap();
                stream.write_all(OK).await.unwrap();
                released.notified().await;
            }
        });
        let call = client.clone().oneshot(request("PUT", upload(10_000)));
        let response = call.await.unwrap();
        match read_it {
            true => assert_eq!(text(response).await, "ok"),
            false => drop(response),
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(tenant.open_connections.count(), 0, "read: {read_it}");
        release.notify_one();
        drop(client);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert_eq!(Handle::current().metrics().num_alive_tasks(), before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickling_client_does_not_keep_an_upload_that_the_tenant_does_not_accept() {
    let tenant = Tenant::default();
    let client = tenant.client(HttpClient::builder(), 64, |mut stream| async move {
        head(&mut stream).await.unwrap();
        stream.write_all(OK).await.unwrap();
        std::future::pending::<()>().await;
    });
    let (feeder, body) = fed();
    let put = request("PUT", RequestBody::new(body));
    let call = client.clone().oneshot(put);
    assert_eq!(text(call.await.unwrap()).await, "ok");
    for _ in 0..60 {
        // hyper's buffer has room for it, the connection does not.
        let _ = feeder.send(super::support::data("some more of it")).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(tenant.open_connections.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_the_tenant_accepts_after_its_response_arrives() {
    let tenant = Tenant::default();
    let (sent, mut arrived) = mpsc::unbounded_channel();
    let client = tenant.client(HttpClient::builder(), PAGE, move |mut stream| {
        let sent = sent.clone();
        async move {
            head(&mut stream).await.unwrap();
            stream.write_all(OK).await.unwrap();
            let mut all = Vec::new();
            while !all.ends_with(b"0\r\n\r\n") {
                all.push(stream.read_u8().await.unwrap());
            }
            sent.send(all).unwrap();
        }
    });
    let (feeder, body) = fed();
    let call = client
        .clone()
        .oneshot(request("PUT", RequestBody::new(body)));
    assert_eq!(text(call.await.unwrap()).await, "ok");
    // Slowly, but never for 20 seconds without progress.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(15)).await;
        feeder.send(super::support::data("more")).await.unwrap();
    }
    drop(feeder);
    assert_eq!(arrived.recv().await.unwrap().len(), 10 * 9 + 5);
}

#[tokio::test]
async fn an_upload_that_continues_after_its_response_is_in_flight() {
    let client = Tenant::default().client(HttpClient::builder(), PAGE, |mut stream| async move {
        head(&mut stream).await.unwrap();
        stream.write_all(OK).await.unwrap();
        while stream.read(&mut [0; 512]).await.is_ok_and(|read| read > 0) {}
    });
    let upstream = Upstream::new(client, tenant()).with_max_in_flight(1);
    let put = async |body| {
        let request = permitted(Request::put("/x")).body(body).unwrap();
        upstream.clone().oneshot(request).await.unwrap().status()
    };
    let (feeder, body) = fed();
    assert_eq!(put(body).await, StatusCode::OK);
    settle().await;
    assert_eq!(put(Body::empty()).await, StatusCode::SERVICE_UNAVAILABLE);
    drop(feeder);
    settle().await;
    assert_eq!(put(Body::empty()).await, StatusCode::OK);
}

#[tokio::test]
async fn a_client_that_never_drops_a_body_does_not_keep_it_in_flight() {
    let kept = Arc::<Mutex<Vec<RequestBody>>>::default();
    let bodies = Arc::clone(&kept);
    let client = service_fn(move |request: Request<RequestBody>| {
        bodies.lock().unwrap().push(request.into_body());
        async { Ok::<_, BoxError>(Response::new(Body::new(Full::<Bytes>::from("ok")))) }
    });
    let upstream = Upstream::new(client, tenant()).with_max_in_flight(1);
    for _ in 0..3 {
        let (_feeder, body) = fed();
        let request = permitted(Request::put("/x")).body(body).unwrap();
        let response = upstream.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(upstream.in_flight(), 1);
        drop(response);
        assert_eq!(upstream.in_flight(), 0);
    }
    assert_eq!(kept.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn data_that_hyper_has_buffered_of_an_upload_arrives() {
    const SIZE: usize = 256 * 1_024;
    let whole = || RequestBody::new(Full::<Bytes>::from(vec![0; SIZE]));
    let many = || upload(SIZE / 1_024);
    for (body, read_it) in [
        (whole(), true),
        (many(), true),
        (whole(), false),
        (many(), false),
    ] {
        let tenant = Tenant::default();
        let (sent, mut arrived) = mpsc::unbounded_channel();
        let client = tenant.client(HttpClient::builder(), 64, move |mut stream| {
            let sent = sent.clone();
            async move {
                let is_chunked = head(&mut stream).await.unwrap().contains("chunked");
                stream.write_all(OK).await.unwrap();
                // Longer than `REAP_INTERVAL`.
                tokio::time::sleep(Duration::from_millis(1_200)).await;
                let mut all = Vec::new();
                let mut buffer = [0; 4_096];
                while all.len() < SIZE || is_chunked && !all.ends_with(b"0\r\n\r\n") {
                    match stream.read(&mut buffer).await.unwrap() {
                        0 => break,
                        count => all.extend_from_slice(&buffer[..count]),
                    }
                }
                sent.send(all.len()).unwrap();
            }
        });
        let response = client.clone().oneshot(request("PUT", body)).await.unwrap();
        let unread = match read_it {
            true => {
                assert_eq!(text(response).await, "ok");
                None
            }
            false => Some(response),
        };
        assert!(
            with_timeout("the upload", arrived.recv()).await.unwrap() >= SIZE,
            "read: {read_it}"
        );
        drop(unread);
    }
}
