//! The body of a sign-up: its media type, its limit and its failures.

use super::*;
use crate::support::body::FrameBody;

#[tokio::test]
async fn a_body_that_is_not_unencoded_json_is_not_read() {
    for (name, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
        let mut request = post(OPT_OUT);
        request.headers_mut().insert(name, value.parse().unwrap());
        let response = Script::new([]).send(CommsPolicy::new(), request).await;
        assert_eq!(response.status(), 415);
    }
    let mut request = post(OPT_OUT);
    request
        .headers_mut()
        .insert("content-type", "application/grpc".parse().unwrap());
    let response = Script::new([]).send(CommsPolicy::new(), request).await;
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["grpc-status"].as_bytes()
        ),
        (200, &b"3"[..])
    );
}

/// A sign-up with `readable` chunks of 1 KiB and no length. After them, the body fails with
/// `error`; without an error, polling it again panics.
pub(super) fn chunked(readable: usize, error: Option<BoxError>) -> Request<Body> {
    let chunk = Bytes::from(vec![b' '; 1024]);
    let chunks = (0..readable).map(|_| Ok(Frame::data(chunk.clone())));
    let frames = FrameBody::new(chunks.chain(error.map(Err)));
    post("").map(|_| Body::new(frames.then_panic()))
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_only() {
    let script = Script::new([]);
    let response = script.send(CommsPolicy::new(), chunked(65, None)).await;
    assert_eq!(rejection_kind(&response), RejectionKind::PayloadTooLarge);
    let policy = CommsPolicy::new().with_body_limit(2048);
    let response = script.send(policy.clone(), chunked(3, None)).await;
    assert_eq!(response.status(), 413);
    let mut declared = chunked(0, None);
    declared
        .headers_mut()
        .insert("content-length", "2049".parse().unwrap());
    let response = script.send(policy, declared).await;
    assert_eq!(response.status(), 413);
    let outer = post(OPT_OUT).map(|body| Body::new(http_body_util::Limited::new(body, 10)));
    let response = script.send(CommsPolicy::new(), outer).await;
    assert_eq!(response.status(), 413, "the limit of the host");
}

#[tokio::test]
async fn an_aborted_body_is_a_client_error() {
    let script = Script::new([]);
    let response = script
        .send(CommsPolicy::new(), chunked(1, Some("reset".into())))
        .await;
    assert_eq!(rejection_kind(&response), RejectionKind::BodyAborted);
    assert_eq!(response.status(), 400);
}
