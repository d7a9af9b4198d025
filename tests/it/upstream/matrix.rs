//! From socket to socket: each protocol of the client with each of the tenant.

use std::convert::Infallible;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use omneo_id::Body;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

use super::host::{Client, host, ways};
use super::support::{data, fed, frames, trailers};
use super::tenants::{BOTH, Protocol, connections, raw, read_head, serve};

/// What hangs fails, instead of being waited for.
async fn soon<F: Future>(case: &str, future: F) -> F::Output {
    let limit = Duration::from_secs(10);
    let result = tokio::time::timeout(limit, future).await;
    result.unwrap_or_else(|_| panic!("{case}: it hangs"))
}

/// A request that takes trailers, as each protocol says so.
fn takes_trailers(protocol: Protocol) -> http::request::Builder {
    let request = Request::put("/").header("te", "trailers");
    match protocol {
        Protocol::Http1 => request.header("connection", "te"),
        Protocol::Http2 => request,
    }
}

#[tokio::test]
async fn trailers_of_a_request_are_dropped_and_those_of_an_answer_kept() {
    let (requests, mut seen) = mpsc::channel(1);
    let origin = serve(move |request: Request<Incoming>| {
        let requests = requests.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.unwrap();
            let trailers_seen = body.trailers().cloned();
            let sent = (parts.headers, body.to_bytes(), trailers_seen);
            requests.send(sent).await.unwrap();
            let last = [("x-checksum", "abc"), ("x-status", "0")];
            let answer = Response::builder().header("trailer", "x-checksum, x-status");
            answer
                .body(frames([data("an answer"), trailers(&last)]))
                .unwrap()
        }
    })
    .await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let client = Client::connect(&host(&origin, up).await, down).await;
        let request = takes_trailers(down).header("trailer", "x-admin");
        let body = frames([data("a "), data("body"), trailers(&[("x-admin", "1")])]);
        let response = soon(&case, client.ask(request, body)).await.unwrap();
        let body = soon(&case, response.into_body().collect()).await.unwrap();
        let last: &HeaderMap = body.trailers().expect(&case);
        assert_eq!(last.len(), 2, "{case}");
        assert_eq!(last["x-checksum"], "abc", "{case}");
        assert_eq!(body.to_bytes(), "an answer", "{case}");

        let (headers, body, trailers) = seen.recv().await.unwrap();
        assert_eq!(body, "a body", "{case}");
        assert_eq!(trailers, None, "{case}");
        assert!(!headers.contains_key("trailer"), "{case}");
        // Over HTTP/2 nobody has to ask.
        let asked = headers.get("te").is_some_and(|te| te == "trailers");
        assert_eq!(asked, up == Protocol::Http1, "{case}");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_told_to_continue_and_the_tenant_is_not_asked_to() {
    let origin = serve(|request: Request<Incoming>| async move {
        let expected = request.headers().contains_key("expect");
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let answer = Response::builder().header("x-expected", expected.to_string());
        answer.body(Body::from(body)).unwrap()
    })
    .await;
    for up in BOTH {
        let case = format!("to {up:?}");
        let host = host(&origin, up).await;
        let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
        let head = |path: &str| {
            format!(
                "PUT {path} HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n"
            )
        };
        stream.write_all(head("/x").as_bytes()).await.unwrap();
        let interim = soon(&case, read_head(&mut stream)).await.unwrap();
        assert_eq!(interim, "HTTP/1.1 100 Continue\r\n\r\n", "{case}");
        stream.write_all(b"hello").await.unwrap();
        let answer = soon(&case, read_head(&mut stream)).await.unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n"),
            "{case}: {answer}"
        );
        assert!(answer.contains("x-expected: false\r\n"), "{case}: {answer}");

        // What is refused is refused at once: its body is not asked for.
        let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
        stream.write_all(head("/x/..").as_bytes()).await.unwrap();
        let answer = soon(&case, read_head(&mut stream)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{case}: {answer}");
    }
}

#[tokio::test]
async fn an_upgrade_is_refused_and_the_connection_stays_what_it_is() {
    for upgrade in [
        "connection: Upgrade\r\nupgrade: websocket\r\n",
        "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
    ] {
        for up in BOTH {
            let case = format!("{upgrade} to {up:?}");
            let (asked, mut seen) = mpsc::unbounded_channel();
            let origin = serve(move |request: Request<Incoming>| {
                asked.send(request.headers().clone()).unwrap();
                async { Response::builder().status(204).body(Body::empty()).unwrap() }
            })
            .await;
            let host = host(&origin, up).await;
            let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
            let ask = |headers| format!("HEAD /x HTTP/1.1\r\nhost: h\r\n{headers}\r\n");
            stream.write_all(ask(upgrade).as_bytes()).await.unwrap();
            let answer = soon(&case, read_head(&mut stream)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 501 "), "{case}: {answer}");
            assert!(seen.try_recv().is_err(), "{case}");

            stream.write_all(ask("").as_bytes()).await.unwrap();
            let answer = soon(&case, read_head(&mut stream)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 204 "), "{case}: {answer}");
            assert!(seen.try_recv().is_ok(), "{case}");
        }
    }
}

#[tokio::test]
async fn the_version_of_the_tenant_is_not_that_of_the_answer() {
    // Over HTTP/1.0 the end of the connection is that of the body; on our side it would be taken
    // for one even where the tenant broke off.
    let origin = raw("HTTP/1.0 200 OK\r\n\r\nhello", true).await;
    let host = host(&origin, Protocol::Http1).await;
    let mut stream = TcpStream::connect(&host["http://".len()..]).await.unwrap();
    for _ in 0..2 {
        let request = b"GET /x HTTP/1.1\r\nhost: h\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let answer = soon("head", read_head(&mut stream)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("transfer-encoding: chunked\r\n"),
            "{answer}"
        );
        let body = soon("body", read_head(&mut stream)).await.unwrap();
        assert_eq!(body, "5\r\nhello\r\n0\r\n\r\n");
    }
}

#[tokio::test]
async fn an_early_answer_arrives_before_the_upload_has_ended() {
    let origin = serve(|request: Request<Incoming>| async move {
        let mut body = request.into_body();
        assert!(body.frame().await.unwrap().is_ok());
        let answer = Response::builder().status(413);
        answer
            .body(Body::from(Bytes::from_static(b"enough")))
            .unwrap()
    })
    .await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let client = Client::connect(&host(&origin, up).await, down).await;
        let (feeder, body) = fed();
        feeder.send(data("begin")).await.unwrap();
        let asking = client.ask(Request::put("/"), body);
        let response = soon(&case, asking).await.unwrap();
        assert_eq!(response.status(), 413, "{case}");
        let body = soon(&case, response.into_body().collect()).await.unwrap();
        assert_eq!(body.to_bytes(), "enough", "{case}");
        drop(feeder);
    }
}

// --- clients that go away -------------------------------------------------------------------------

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stage {
    BeforeTheBody,
    InTheUpload,
    BeforeTheAnswer,
    InTheAnswer,
}

const STAGES: [Stage; 4] = [
    Stage::BeforeTheBody,
    Stage::InTheUpload,
    Stage::BeforeTheAnswer,
    Stage::InTheAnswer,
];

/// How a client goes away.
#[derive(Clone, Copy, Debug)]
enum Leave {
    /// It drops this one request: a reset over HTTP/2.
    Drop,
    /// Its connection is gone.
    Die,
}

/// Says so when it is dropped.
struct Dropped(mpsc::UnboundedSender<&'static str>);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _ = self.0.send("dropped");
    }
}

/// A first frame, and then nothing for ever.
struct Begun(Option<Bytes>, #[allow(dead_code)] Option<Dropped>);

impl http_body::Body for Begun {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => Poll::Pending,
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_takes_the_call_along_at_every_stage() {
    for (down, up) in ways() {
        for stage in STAGES {
            for leave in [Leave::Drop, Leave::Die] {
                let case = format!("{down:?} to {up:?}, {stage:?}, {leave:?}");
                soon(&case, client_goes_away(&case, down, up, stage, leave)).await;
            }
        }
    }
}

async fn client_goes_away(case: &str, down: Protocol, up: Protocol, stage: Stage, leave: Leave) {
    let (events, mut happened) = mpsc::unbounded_channel();
    let origin = serve(move |request: Request<Incoming>| {
        let events = events.clone();
        async move {
            let dropped = Dropped(events.clone());
            let mut body = request.into_body();
            if stage == Stage::InTheUpload {
                assert!(body.frame().await.unwrap().is_ok());
            }
            if matches!(stage, Stage::BeforeTheBody | Stage::InTheUpload) {
                events.send("begun").unwrap();
                // It must not look complete.
                if body.collect().await.is_ok() {
                    events.send("complete").unwrap();
                }
                return Response::new(Body::empty());
            }
            assert!(body.collect().await.is_ok());
            if stage == Stage::BeforeTheAnswer {
                events.send("begun").unwrap();
                pending::<()>().await;
            }
            let begun = Begun(Some(Bytes::from_static(b"begin")), Some(dropped));
            Response::new(Body::new(begun))
        }
    })
    .await;
    let client = Client::connect(&host(&origin, up).await, down).await;
    let (feeder, body) = fed();
    let mut feeder = Some(feeder);
    match stage {
        Stage::BeforeTheBody => {}
        Stage::InTheUpload => feeder.as_ref().unwrap().send(data("begin")).await.unwrap(),
        Stage::BeforeTheAnswer | Stage::InTheAnswer => feeder = None,
    }
    let asking = tokio::spawn(client.ask(Request::put("/"), body));
    let mut answer = None;
    if stage == Stage::InTheAnswer {
        let response = asking.await.unwrap().unwrap();
        let mut body = response.into_body();
        assert!(body.frame().await.unwrap().is_ok(), "{case}");
        answer = Some(body);
    } else {
        assert_eq!(happened.recv().await, Some("begun"), "{case}");
        match leave {
            Leave::Drop => asking.abort(),
            Leave::Die => {}
        }
    }
    match leave {
        Leave::Drop => drop(answer),
        Leave::Die => client.die(),
    }
    assert_eq!(happened.recv().await, Some("dropped"), "{case}");
    drop(feeder);
}

// --- tenants that go away -------------------------------------------------------------------------

/// A tenant that closes its connection once it has come so far with a request.
async fn quitter(stage: Stage) -> String {
    connections(move |stream| async move {
        let quit = Arc::new(Notify::new());
        let quits = Arc::clone(&quit);
        let service = service_fn(move |request: Request<Incoming>| {
            let quit = Arc::clone(&quit);
            async move {
                let mut body = request.into_body();
                match stage {
                    Stage::BeforeTheBody => quit.notify_one(),
                    Stage::InTheUpload => {
                        assert!(body.frame().await.unwrap().is_ok());
                        quit.notify_one();
                    }
                    Stage::BeforeTheAnswer => {
                        assert!(body.collect().await.is_ok());
                        quit.notify_one();
                    }
                    Stage::InTheAnswer => {
                        let begun = Begun(Some(Bytes::from_static(b"begin")), None);
                        let quits_later = async move {
                            super::tenants::settle().await;
                            quit.notify_one();
                        };
                        tokio::spawn(quits_later);
                        return Ok(Response::new(begun));
                    }
                }
                pending::<Result<Response<Begun>, Infallible>>().await
            }
        });
        let server = auto::Builder::new(TokioExecutor::new());
        tokio::select! {
            _ = server.serve_connection(TokioIo::new(stream), service) => {}
            () = quits.notified() => {}
        }
    })
    .await
}

#[tokio::test]
async fn a_tenant_that_goes_away_is_answered_for_at_every_stage() {
    for (down, up) in ways() {
        for stage in STAGES {
            let case = format!("{down:?} to {up:?}, {stage:?}");
            soon(&case, tenant_goes_away(&case, down, up, stage)).await;
        }
    }
}

async fn tenant_goes_away(case: &str, down: Protocol, up: Protocol, stage: Stage) {
    let origin = quitter(stage).await;
    let client = Client::connect(&host(&origin, up).await, down).await;
    let (feeder, body) = fed();
    let mut feeder = Some(feeder);
    match stage {
        Stage::BeforeTheBody => {}
        Stage::InTheUpload => feeder.as_ref().unwrap().send(data("begin")).await.unwrap(),
        Stage::BeforeTheAnswer | Stage::InTheAnswer => feeder = None,
    }
    let response = client.ask(Request::put("/"), body).await.unwrap();
    let (status, mut body) = (response.status(), response.into_body());
    if stage == Stage::InTheAnswer {
        assert_eq!(status, 200, "{case}");
        let first = body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "begin", "{case}");
        // Broken off, not ended: a client must not take it for the whole.
        assert!(body.frame().await.unwrap().is_err(), "{case}");
        return;
    }
    assert_eq!(status, 502, "{case}");
    let body = body.collect().await.unwrap().to_bytes();
    let expected = r#"{"message":"The upstream service gave an unusable answer."}"#;
    assert_eq!(body, expected, "{case}");
    drop(feeder);
}

#[tokio::test]
async fn a_tenant_that_hangs_up_on_every_connection_is_answered_for() {
    let origin = connections(|stream| async move { drop(stream) }).await;
    for (down, up) in ways() {
        let case = format!("{down:?} to {up:?}");
        let client = Client::connect(&host(&origin, up).await, down).await;
        let asking = client.ask(Request::get("/"), Body::empty());
        let response = soon(&case, asking).await.unwrap();
        assert_eq!(response.status(), 502, "{case}");
    }
}
