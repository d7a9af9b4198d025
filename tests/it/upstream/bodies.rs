//! Request bodies, over scripted clients.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, Limited};
use omneo_id::error::BoxError;
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, RejectionKind, Upstream};
use tower::{ServiceExt, service_fn};

use super::support::{data, fed, frames, kind, permitted, sent, tenant, trailers};
use crate::support::body::FrameBody;

fn with_body(method: Method, body: Body) -> Request<Body> {
    permitted(Request::builder().method(method).uri("/profiles/ada"))
        .body(body)
        .unwrap()
}

#[tokio::test]
async fn a_body_of_known_length_has_a_content_length() {
    let client = service_fn(|request: Request<RequestBody>| async move {
        assert_eq!(request.body().size_hint().exact(), Some(5));
        assert_eq!(request.headers()["content-length"], "5");
        Ok::<_, BoxError>(Response::new(Body::empty()))
    });
    let request = with_body(Method::PUT, Body::from(Bytes::from_static(b"hello")));
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn request_trailers_are_dropped() {
    let last = trailers(&[("authorization", "Bearer x")]);
    let body = frames([data("a"), last, data("b")]);
    let client = service_fn(|request: Request<RequestBody>| async move {
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(BoxError::from)?;
        assert!(body.trailers().is_none());
        assert_eq!(body.to_bytes(), "ab");
        Ok::<_, BoxError>(Response::new(Body::empty()))
    });
    let request = with_body(Method::PUT, body);
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn an_aborted_request_body_is_a_400() {
    let (response, sent) = sent(with_body(
        Method::PUT,
        frames([data("a"), Err("reset".into())]),
    ))
    .await;
    assert_eq!(kind(&response), RejectionKind::BodyAborted);
    assert_eq!(response.status(), 400);
    assert!(sent.is_empty());
}

#[tokio::test]
async fn a_body_over_its_limit_is_too_large() {
    let limited = Limited::new(Full::new(Bytes::from_static(b"abcdef")), 3);
    let (response, _) = sent(with_body(Method::PUT, Body::new(limited))).await;
    assert_eq!(kind(&response), RejectionKind::PayloadTooLarge);
    assert_eq!(response.status(), 413);
}

#[tokio::test]
async fn a_client_error_without_a_source_is_attributed_to_the_failed_upload() {
    // An HTTP/2 client sees only its own reset.
    let client = service_fn(|request: Request<RequestBody>| async move {
        let _ = request.into_body().collect().await;
        Err::<Response<Body>, _>(std::io::Error::from(std::io::ErrorKind::ConnectionReset))
    });
    let request = with_body(Method::PUT, frames([Err("gone".into())]));
    let response = Upstream::new(client, tenant())
        .oneshot(request)
        .await
        .unwrap();
    assert_eq!(kind(&response), RejectionKind::BodyAborted);
}

/// A request whose length is declared only in its header.
fn declared(length: &str, body: Body) -> Request<Body> {
    let request = permitted(Request::put("/profiles/ada")).header("content-length", length);
    request.body(body).unwrap()
}

#[tokio::test]
async fn a_declared_length_is_forwarded_if_the_body_has_no_size_hint() {
    let client = service_fn(|request: Request<RequestBody>| async move {
        assert_eq!(request.headers()["content-length"], "5");
        assert_eq!(request.body().size_hint().exact(), Some(5));
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(BoxError::from)?;
        assert_eq!(body.to_bytes(), "hello");
        Ok::<_, BoxError>(Response::new(Body::empty()))
    });
    for body in [
        frames([data("hello")]),
        frames([data("he"), data(""), data("llo"), data("")]),
        frames([data("hello"), data(""), trailers(&[("x-checksum", "abc")])]),
        frames([data("he"), data("llo"), trailers(&[("x-checksum", "abc")])]),
        Body::new(Limited::new(frames([data("he"), data("llo")]), 5)),
    ] {
        let upstream = Upstream::new(client, tenant());
        let response = upstream.oneshot(declared("5", body)).await.unwrap();
        assert_eq!(response.status(), 200);
    }
}

#[tokio::test]
async fn a_body_that_differs_from_its_declared_length_is_aborted() {
    use RejectionKind::{BodyAborted, HeadersRefused, MalformedBody, PayloadTooLarge};
    for (length, body, expected) in [
        ("5", frames([]), BodyAborted),
        ("5", frames([data("hell")]), BodyAborted),
        (
            "5",
            frames([data("he"), data("ll"), trailers(&[])]),
            BodyAborted,
        ),
        ("5", frames([data("he"), Err("reset".into())]), BodyAborted),
        (
            "5",
            frames([data("hello"), Err("reset".into())]),
            BodyAborted,
        ),
        ("5", frames([data("hello!")]), MalformedBody),
        ("5", frames([data("hello"), data("!")]), MalformedBody),
        (
            "5",
            frames([data("hello"), data(""), data("!")]),
            MalformedBody,
        ),
        (
            "9",
            Body::new(Limited::new(frames([data("hello"), data("!")]), 5)),
            PayloadTooLarge,
        ),
        ("5", Body::empty(), HeadersRefused),
        (
            "4",
            Body::from(Bytes::from_static(b"hello")),
            HeadersRefused,
        ),
        ("9", Body::from(Bytes::from_static(b"hello")), BodyAborted),
    ] {
        let case = format!("{length} {body:?} {expected:?}");
        let (response, sent) = sent(declared(length, body)).await;
        assert_eq!(kind(&response), expected, "{case}");
        assert!(sent.is_empty(), "{case}");
    }
}

/// The last frame of a body is buffered until the body has ended.
#[tokio::test]
async fn the_last_frame_is_sent_after_the_end_of_the_body() {
    let (feeder, body) = fed();
    let (frames_sent, mut received) = tokio::sync::mpsc::unbounded_channel();
    let client = service_fn(move |request: Request<RequestBody>| {
        let frames_sent = frames_sent.clone();
        async move {
            let mut body = request.into_body();
            while let Some(frame) = body.frame().await {
                frames_sent.send(frame?.into_data().unwrap()).unwrap();
            }
            Ok::<_, BoxError>(Response::new(Body::empty()))
        }
    });
    let call = tokio::spawn(Upstream::new(client, tenant()).oneshot(declared("5", body)));
    feeder.send(data("he")).await.unwrap();
    assert_eq!(received.recv().await.unwrap(), "he");
    feeder.send(data("llo")).await.unwrap();
    super::tenants::settle().await;
    assert!(received.try_recv().is_err());
    drop(feeder);
    assert_eq!(received.recv().await.unwrap(), "llo");
    assert_eq!(call.await.unwrap().unwrap().status(), 200);
}

#[tokio::test]
async fn a_transfer_coding_overrides_a_declared_length() {
    // RFC 9112 §6.3. hyper's server removes the length itself; other servers may not.
    let request = permitted(Request::put("/profiles/ada"))
        .header("content-length", "5")
        .header("transfer-encoding", "chunked")
        .body(frames([data("un"), data("known")]))
        .unwrap();
    let (response, sent) = sent(request).await;
    assert_eq!(response.status(), 200);
    assert!(!sent[0].headers().contains_key("content-length"));
    assert_eq!(sent[0].body(), "unknown");
}

/// Two frames with 6 bytes, and a size hint of `length`.
fn two_frames(length: u64) -> FrameBody {
    FrameBody::new([data("hello"), data("!")]).with_size_hint(length)
}

#[tokio::test]
async fn a_limit_below_the_declared_length_never_looks_complete() {
    for (limit, length) in [(5, 6), (0, 6)] {
        let limited = Limited::new(two_frames(length), limit);
        let (response, sent) = sent(with_body(Method::PUT, Body::new(limited))).await;
        assert_eq!(kind(&response), RejectionKind::PayloadTooLarge, "{limit}");
        assert!(sent.is_empty(), "{limit}");
    }
    // A wrong size hint.
    for (length, expected) in [
        (5, RejectionKind::MalformedBody),
        (7, RejectionKind::BodyAborted),
    ] {
        let body = Body::new(two_frames(length));
        let (response, sent) = sent(with_body(Method::PUT, body)).await;
        assert_eq!(kind(&response), expected, "{length}");
        assert!(sent.is_empty(), "{length}");
    }
}
