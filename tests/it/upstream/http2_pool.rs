//! Several HTTP/2 connections to one tenant: how many are opened, which one a request uses, and
//! that each stream is counted from its first frame to its last.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn as hyper_service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use omneo_id::Body;
use omneo_id::client::{HttpClient, HttpClientBuilder};
use omneo_id::upstream::RequestBody;
use tokio::io::DuplexStream;
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep, timeout};
use tower::{Service, ServiceExt, service_fn};

use super::http2_script::{Script, go_away, no_content, refused, settings};
use super::pool::{Client, PAGE, Tenant, erase, futures, get, http2_tenant, text};
use super::support::{data, fed, frames};
use super::tenants::settle;

const SOON: Duration = Duration::from_secs(60);

fn http2_only() -> HttpClientBuilder {
    HttpClient::builder().with_http2_only()
}

fn request(method: &str, path: &str, body: impl Into<Body>) -> Request<RequestBody> {
    let uri = format!("http://tenant.test{path}");
    let request = Request::builder().method(method).uri(uri);
    request.body(RequestBody::new(body.into())).unwrap()
}

/// A tenant whose response depends on the path of the request.
#[derive(Clone)]
struct ScriptedTenant {
    /// How many streams the tenant allows on a connection.
    streams: u32,
    barrier: Arc<Barrier>,
    /// How many requests have arrived.
    arrived: Arc<AtomicUsize>,
}

impl ScriptedTenant {
    /// The responses to `/meet` begin when `meeting` requests have arrived.
    fn new(streams: u32, meeting: usize) -> Self {
        Self {
            streams,
            barrier: Arc::new(Barrier::new(meeting)),
            arrived: Arc::default(),
        }
    }

    async fn serve(self, stream: DuplexStream) {
        let streams = self.streams;
        let service = hyper_service(move |request| self.clone().respond(request));
        let mut server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        server.max_concurrent_streams(streams);
        let _ = server.serve_connection(TokioIo::new(stream), service).await;
    }

    async fn respond(self, request: Request<Incoming>) -> io::Result<Response<Body>> {
        self.arrived.fetch_add(1, Ordering::SeqCst);
        let (parts, body) = request.into_parts();
        let ok = || Body::from(Bytes::from_static(b"ok"));
        let body = match parts.uri.path() {
            "/meet" => {
                self.barrier.wait().await;
                ok()
            }
            "/empty" => Body::empty(),
            "/large" => Body::from(Bytes::from_static(&[b'x'; 1_000_000])),
            "/breaks-off" => {
                let (feeder, body) = fed();
                tokio::spawn(async move {
                    feeder.send(data("begin")).await.unwrap();
                    settle().await;
                    let _ = feeder.send(Err("broken".into())).await;
                });
                body
            }
            "/fails" => return Err(io::ErrorKind::Other.into()),
            "/never" => std::future::pending().await,
            "/early" => {
                tokio::spawn(body.collect());
                ok()
            }
            _ => {
                let _ = body.collect().await;
                ok()
            }
        };
        Ok(Response::new(body))
    }

    fn client(&self, tenant: &Tenant, builder: HttpClientBuilder) -> Client {
        let scripted = self.clone();
        tenant.client(builder, PAGE, move |stream| scripted.clone().serve(stream))
    }
}

async fn send(client: &Client, path: &str) -> String {
    let response = client.clone().oneshot(request("GET", path, Body::empty()));
    let response = timeout(SOON, response).await.expect("an answer").unwrap();
    text(response).await
}

/// Sends `count` requests, whose responses begin when all have arrived.
async fn send_together(client: &Client, count: usize) {
    let call = || async {
        let call = request("GET", "/meet", Body::empty());
        text(client.clone().oneshot(call).await.unwrap()).await
    };
    let responses = timeout(SOON, futures((0..count).map(|_| call()))).await;
    for response in responses.expect("all are in flight at one time") {
        assert_eq!(response, "ok");
    }
}

// --- the number of connections

#[tokio::test(start_paused = true)]
async fn more_requests_than_a_connection_has_streams_are_in_flight_together() {
    for (streams, requests, connections) in [
        (100, 100, 1),
        (100, 101, 2),
        (100, 250, 3),
        (1_000, 250, 2),
        (1, 16, 16),
    ] {
        let tenant = Tenant::default();
        let scripted = ScriptedTenant::new(streams, requests);
        let client = scripted.client(&tenant, http2_only());
        // The SETTINGS of the tenant are known from here on.
        assert_eq!(send(&client, "/").await, "ok");
        for _ in 0..2 {
            send_together(&client, requests).await;
            // Of 1000 streams, 128 are used.
            let case = format!("{streams} streams, {requests} requests");
            assert_eq!(tenant.opened(), connections, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_requests_open_as_many_connections_as_they_need() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(100, 1_000);
    let attempts = Arc::new(AtomicUsize::new(0));
    let (connections, counted, serving_tenant) =
        (tenant.clone(), Arc::clone(&attempts), scripted.clone());
    let connector = service_fn(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let (connections, serving_tenant) = (connections.clone(), serving_tenant.clone());
        async move {
            sleep(Duration::from_millis(100)).await;
            let (pipe, tenant_io) = connections.pipe(PAGE, false);
            tokio::spawn(serving_tenant.serve(tenant_io));
            Ok::<_, io::Error>(pipe)
        }
    });
    let client = http2_only().build_with_connector(connector);
    let stats = || {
        let stats = client.stats();
        (stats.opened, stats.open, stats.idle)
    };
    let erased = erase(client.clone());
    let call = request("GET", "/meet", Body::empty());
    let caller = erased.clone();
    let meeting = tokio::spawn(async move { send_together(&caller, 999).await });
    sleep(Duration::from_secs(1)).await;
    settle().await;
    assert_eq!(scripted.arrived.load(Ordering::SeqCst), 999);
    assert_eq!(stats(), (10, 10, 0));
    let last = erased.clone().oneshot(call);
    let (met, last) = tokio::join!(meeting, last);
    met.unwrap();
    assert_eq!(text(last.unwrap()).await, "ok");
    assert_eq!(attempts.load(Ordering::SeqCst), 10);
    settle().await;
    assert_eq!(stats(), (10, 10, 10));
    // Sequential requests use one connection. The others are closed once they are idle, and that
    // one at last.
    for _ in 0..10 {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(send(&erased, "/").await, "ok");
    }
    assert_eq!((stats(), tenant.open_connections.count()), ((10, 1, 1), 1));
    sleep(Duration::from_secs(25)).await;
    settle().await;
    assert_eq!((stats(), tenant.open_connections.count()), ((10, 0, 0), 0));
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_all_connections_wait_in_order_for_the_first_free_stream() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only().with_http2_max_connections(2);
    let client = script.client(&tenant, builder, |_| settings(1));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let first = call();
    script.until_seen(1).await;
    settle().await;
    let others: Vec<_> = (0..4).map(|_| call()).collect();
    settle().await;
    assert_eq!(script.seen(), [(0, 1), (1, 1)]);
    for (answered, next) in [(1, 3), (3, 5), (5, 7)] {
        script.write(1, no_content(answered));
        settle().await;
        assert_eq!(script.seen().last(), Some(&(1, next)));
    }
    script.write(1, no_content(7));
    for call in others {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
    script.write(0, no_content(1));
    assert_eq!(first.await.unwrap().unwrap().status(), 204);
    assert_eq!(tenant.opened(), 2);
}

// --- SETTINGS, GOAWAY, REFUSED_STREAM

#[tokio::test(start_paused = true)]
async fn a_lowered_limit_sends_further_requests_to_another_connection() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let client = script.client(&tenant, http2_only(), |_| settings(100));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls: Vec<_> = (0..3).map(|_| call()).collect();
    script.until_seen(3).await;
    script.write(0, settings(2));
    settle().await;
    calls.push(call());
    script.until_seen(4).await;
    assert_eq!(script.seen()[3], (1, 1));
    for stream in [1, 3] {
        script.write(0, no_content(stream));
        settle().await;
    }
    calls.push(call());
    script.until_seen(5).await;
    assert_eq!(script.seen()[4], (0, 7), "one of two streams is in use");
    script.write(0, [no_content(5), no_content(7)].concat());
    script.write(1, no_content(1));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
}

#[tokio::test(start_paused = true)]
async fn a_raised_limit_sends_waiting_requests() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only().with_http2_max_connections(1);
    let client = script.client(&tenant, builder, |_| settings(1));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls = vec![call()];
    script.until_seen(1).await;
    settle().await;
    calls.extend((0..3).map(|_| call()));
    settle().await;
    assert_eq!(script.seen(), [(0, 1)]);
    script.write(0, settings(3));
    settle().await;
    assert_eq!(script.seen(), [(0, 1), (0, 3), (0, 5)]);
    script.write(0, [no_content(1), no_content(3), no_content(5)].concat());
    script.until_seen(4).await;
    script.write(0, no_content(7));
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
    assert_eq!(tenant.opened(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_uses_the_stream_limit_of_another_one() {
    let (tenant, script) = (Tenant::default(), Script::default());
    // The later connections delay their SETTINGS.
    let first = |number| if number == 0 { settings(1) } else { Vec::new() };
    let client = script.client(&tenant, http2_only(), first);
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls = vec![call()];
    script.until_seen(1).await;
    settle().await;
    calls.extend((0..2).map(|_| call()));
    settle().await;
    assert_eq!(script.seen(), [(0, 1), (1, 1), (2, 1)]);
    for number in 0..3 {
        script.write(number, [settings(1), no_content(1)].concat());
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_a_goaway_gets_no_more_requests_and_finishes_its_own() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let client = script.client(&tenant, http2_only(), |_| settings(100));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls: Vec<_> = (0..10).map(|_| call()).collect();
    script.until_seen(10).await;
    // Five are processed; the other five are retried.
    script.write(0, go_away(9));
    calls.extend((0..5).map(|_| call()));
    script.until_seen(20).await;
    settle().await;
    let seen = script.seen();
    assert_eq!(seen.iter().filter(|(number, _)| *number == 0).count(), 10);
    assert_eq!(seen.len(), 20);
    script.write(0, (1..=9).step_by(2).flat_map(no_content));
    script.write(1, (1..=19).step_by(2).flat_map(no_content));
    for call in calls {
        let response = timeout(SOON, call).await.unwrap();
        assert_eq!(response.unwrap().unwrap().status(), 204);
    }
    settle().await;
    assert_eq!((tenant.opened(), tenant.open_connections.count()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_is_retried_where_a_stream_is_free() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let client = script.client(&tenant, http2_only(), |_| settings(100));
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let calls: Vec<_> = (0..3).map(|_| call()).collect();
    script.until_seen(3).await;
    // The tenant allows one stream from now on, and refuses the requests that it has not begun.
    script.write(0, [settings(1), refused(3), refused(5)].concat());
    script.until_seen(5).await;
    assert_eq!(script.seen()[3..], [(1, 1), (2, 1)]);
    for number in 0..3 {
        script.write(number, no_content(1));
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
}

// --- streams are counted once

/// One use of a stream, complete or not.
async fn use_stream(client: &Client, scripted: &ScriptedTenant, case: &str) {
    let call = |method, path, body| client.clone().oneshot(request(method, path, body));
    let send = |path| call("GET", path, Body::empty());
    match case {
        "answered" => assert_eq!(text(send("/").await.unwrap()).await, "ok"),
        "no body" => drop(send("/empty").await.unwrap()),
        "empty body" => assert_eq!(text(send("/empty").await.unwrap()).await, ""),
        "not read" => drop(send("/large").await.unwrap()),
        "partly read" => {
            let mut body = send("/large").await.unwrap().into_body();
            body.frame().await.unwrap().unwrap();
        }
        "broken off" => {
            let body = send("/breaks-off").await.unwrap().into_body();
            body.collect().await.unwrap_err();
        }
        "failed" => drop(send("/fails").await.unwrap_err()),
        "not polled" => {
            let mut client = client.clone();
            drop(
                client
                    .ready()
                    .await
                    .unwrap()
                    .call(request("GET", "/never", Body::empty())),
            );
        }
        "dropped before its response" => {
            let arrived = scripted.arrived.load(Ordering::SeqCst);
            let call = tokio::spawn(send("/never"));
            while scripted.arrived.load(Ordering::SeqCst) == arrived {
                tokio::task::yield_now().await;
            }
            call.abort();
            call.await.unwrap_err();
        }
        "uploaded" => {
            let upload = frames([data("some"), data("more")]);
            assert_eq!(text(call("PUT", "/", upload).await.unwrap()).await, "ok");
        }
        "aborted upload" => {
            let upload = frames([data("some"), Err("gone".into())]);
            call("PUT", "/", upload).await.unwrap_err();
        }
        "dropped in mid-upload" => {
            let (feeder, upload) = fed();
            feeder.send(data("some")).await.unwrap();
            let call = tokio::spawn(call("PUT", "/", upload));
            settle().await;
            call.abort();
            call.await.unwrap_err();
        }
        "upload that outlasts its response" => {
            let (feeder, upload) = fed();
            feeder.send(data("some")).await.unwrap();
            assert_eq!(
                text(call("PUT", "/early", upload).await.unwrap()).await,
                "ok"
            );
            feeder.send(data("rest")).await.unwrap();
        }
        other => panic!("{other}"),
    }
}

const CASES: [&str; 13] = [
    "answered",
    "no body",
    "empty body",
    "not read",
    "partly read",
    "broken off",
    "failed",
    "not polled",
    "dropped before its response",
    "uploaded",
    "aborted upload",
    "dropped in mid-upload",
    "upload that outlasts its response",
];

#[tokio::test(start_paused = true)]
async fn a_stream_is_freed_exactly_once_for_each_end_of_a_request() {
    for way in CASES {
        let tenant = Tenant::default();
        let scripted = ScriptedTenant::new(1, 2);
        let client = scripted.client(&tenant, http2_only().with_http2_max_connections(2));
        assert_eq!(send(&client, "/").await, "ok");
        for _ in 0..3 {
            timeout(SOON, use_stream(&client, &scripted, way))
                .await
                .expect(way);
            settle().await;
        }
        // If the stream was still in use, another connection would be opened.
        assert_eq!(send(&client, "/").await, "ok");
        assert_eq!(tenant.opened(), 1, "{way}");
        // If it was freed twice, both requests would share the connection and never meet.
        send_together(&client, 2).await;
        assert_eq!(tenant.opened(), 2, "{way}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_outlasts_its_response_keeps_its_stream() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(1, 2);
    let client = scripted.client(&tenant, http2_only());
    assert_eq!(send(&client, "/").await, "ok");
    let (feeder, upload) = fed();
    feeder.send(data("some")).await.unwrap();
    let call = client.clone().oneshot(request("PUT", "/early", upload));
    assert_eq!(text(call.await.unwrap()).await, "ok");
    settle().await;
    assert_eq!(send(&client, "/").await, "ok");
    assert_eq!(tenant.opened(), 2);
    drop(feeder);
    settle().await;
    send_together(&client, 2).await;
    assert_eq!(tenant.opened(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_granted_to_a_dropped_request_is_granted_to_the_next() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let builder = http2_only().with_http2_max_connections(1);
    let client = script.client(&tenant, builder, |_| settings(1));
    let first = tokio::spawn(client.clone().oneshot(get()));
    script.until_seen(1).await;
    settle().await;
    let mut second = Box::pin(client.clone().oneshot(get()));
    assert!(poll_fn(|cx| Poll::Ready(second.as_mut().poll(cx).is_pending())).await);
    let third = tokio::spawn(client.clone().oneshot(get()));
    settle().await;
    script.write(0, no_content(1));
    first.await.unwrap().unwrap();
    settle().await;
    assert_eq!(
        script.seen().len(),
        1,
        "the second has its stream, and is not polled"
    );
    drop(second);
    script.until_seen(2).await;
    script.write(0, no_content(3));
    assert_eq!(third.await.unwrap().unwrap().status(), 204);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_dropped_at_any_stage_leak_no_stream() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(3, 1);
    let builder = http2_only().with_http2_max_connections(4);
    let serving_tenant = scripted.clone();
    let (client, stats) = tenant.client_and_stats(builder, PAGE, move |stream| {
        serving_tenant.clone().serve(stream)
    });
    let calls = (0..1_000_usize).map(|number| {
        let client = client.clone();
        tokio::spawn(async move {
            let path = ["/", "/empty", "/large", "/breaks-off", "/fails"][number % 5];
            let mut call = pin!(async {
                let body = match number % 3 {
                    0 => Body::from(Bytes::from_static(b"body")),
                    _ => Body::empty(),
                };
                let response = client.oneshot(request("POST", path, body)).await?;
                response.into_body().collect().await
            });
            // Polled a few times, and dropped.
            for _ in 0..number % 50 {
                if poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_ready())).await {
                    return;
                }
                tokio::task::yield_now().await;
            }
            if number % 7 == 0 {
                let _ = call.await;
            }
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    let in_flight = async {
        while stats().idle < stats().open {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, in_flight)
        .await
        .expect("every stream is freed");
    assert!((1..=4).contains(&stats().open), "{:?}", stats());
    assert_eq!(send(&client, "/").await, "ok");
}

// --- connecting

/// A client whose connector runs `connect` with the number of each attempt, from 0.
fn connecting<F>(
    builder: HttpClientBuilder,
    connect: impl Fn(usize) -> F + Clone + Send + Sync + 'static,
) -> (Client, Arc<AtomicUsize>)
where
    F: Future<Output = io::Result<super::pool::Pipe>> + Send + 'static,
{
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&attempts);
    let connector = service_fn(move |_| connect(counted.fetch_add(1, Ordering::SeqCst)));
    (erase(builder.build_with_connector(connector)), attempts)
}

#[tokio::test(start_paused = true)]
async fn a_failed_further_connection_fails_no_request_while_another_one_is_open() {
    let (tenant, script) = (Tenant::default(), Script::default());
    let (connections, scripted) = (tenant.clone(), script.clone());
    let (client, attempts) = connecting(http2_only(), move |attempt| {
        let (connections, script) = (connections.clone(), scripted.clone());
        async move {
            if attempt > 0 {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (pipe, tenant_io) = connections.pipe(PAGE, false);
            tokio::spawn(script.serve(tenant_io, |_| settings(1)));
            Ok(pipe)
        }
    });
    let call = || tokio::spawn(client.clone().oneshot(get()));
    let mut calls = vec![call()];
    script.until_seen(1).await;
    settle().await;
    calls.extend((0..20).map(|_| call()));
    settle().await;
    assert_eq!(
        attempts.load(Ordering::SeqCst),
        2,
        "not one for each request"
    );
    for answered in 0..21 {
        script.write(0, no_content(1 + 2 * answered));
        settle().await;
    }
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap().status(), 204);
    }
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_attempt_is_repeated_by_the_next_request() {
    let tenant = Tenant::default();
    let connections = tenant.clone();
    let (client, attempts) = connecting(http2_only(), move |_| {
        let connections = connections.clone();
        async move {
            sleep(Duration::from_secs(1)).await;
            let (pipe, tenant_io) = connections.pipe(PAGE, false);
            tokio::spawn(http2_tenant(tenant_io));
            Ok(pipe)
        }
    });
    let impatient = timeout(Duration::from_millis(500), client.clone().oneshot(get()));
    let patient = futures((0..10).map(|_| client.clone().oneshot(get())));
    let start = Instant::now();
    let (impatient, patient) = tokio::join!(impatient, patient);
    assert!(impatient.is_err());
    for response in patient {
        assert_eq!(text(response.unwrap()).await, "ok");
    }
    assert_eq!(start.elapsed(), Duration::from_millis(1_500));
    assert_eq!(attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn all_requests_that_wait_for_an_attempt_share_its_failure() {
    for (fails_after, expected) in [(1, 1), (3_600, 5)] {
        let (client, attempts) = connecting(http2_only(), move |_| async move {
            sleep(Duration::from_secs(fails_after)).await;
            Err(io::ErrorKind::ConnectionRefused.into())
        });
        let start = Instant::now();
        for response in futures((0..50).map(|_| client.clone().oneshot(get()))).await {
            let error = response.unwrap_err();
            assert!(error.is_connect(), "{error:?}");
        }
        assert_eq!(start.elapsed(), Duration::from_secs(expected));
        assert_eq!(attempts.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn connections_opened_concurrently_are_kept_if_they_are_needed() {
    let tenant = Tenant::default();
    let scripted = ScriptedTenant::new(10, 25);
    let (connections, serving_tenant) = (tenant.clone(), scripted.clone());
    // The protocol of the origin is not known yet, so each request connects.
    let (client, attempts) = connecting(HttpClient::builder(), move |_| {
        let (connections, serving_tenant) = (connections.clone(), serving_tenant.clone());
        async move {
            sleep(Duration::from_millis(100)).await;
            let (pipe, tenant_io) = connections.pipe(PAGE, true);
            tokio::spawn(serving_tenant.serve(tenant_io));
            Ok(pipe)
        }
    });
    assert_eq!(send(&client, "/").await, "ok");
    send_together(&client, 25).await;
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    assert_eq!(tenant.open_connections.count(), 3);
}
