//! The timer of a connection, on the paused clock of tokio.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{Instant, timeout};
use tower::{Service, service_fn};

use crate::config::Limits;
use crate::server::connection_activity::ConnectionActivity;
use crate::server::timeouts::{ConnectionTimer, TimerEvent, next_check};
use crate::server::tracked_service::TrackedService;
use crate::server::upload::Upload;

const LIMITS: Limits = Limits {
    idle: Duration::from_secs(75),
    header: Duration::from_secs(20),
    write: Duration::from_secs(30),
    drain_delay: Duration::ZERO,
    drain: Duration::from_secs(10),
    connections: 1,
};

/// An HTTP/1.1 connection with one request, whose response has ended. The upload stays open until
/// the caller drops it.
async fn after_one_request(
    body: &'static str,
) -> (Arc<ConnectionActivity>, ConnectionTimer, Option<Upload>) {
    let activity = Arc::<ConnectionActivity>::default();
    let timer = ConnectionTimer::new(Arc::clone(&activity), LIMITS);
    let mut upload = None;
    let service = service_fn(|mut request: Request<Full<Bytes>>| {
        upload = request.extensions_mut().remove::<Upload>();
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    });
    let request = Request::new(Full::from(body));
    let response = TrackedService::new(service, Arc::clone(&activity))
        .call(request)
        .await;
    drop(response.unwrap());
    (activity, timer, upload)
}

async fn reached(timer: &mut Pin<Box<ConnectionTimer>>) -> TimerEvent {
    poll_fn(|cx| timer.as_mut().poll_event(cx)).await
}

#[tokio::test(start_paused = true)]
async fn the_buffers_are_freed_before_the_idle_timeout() {
    let (_, timer, upload) = after_one_request("").await;
    assert!(upload.is_none());
    let mut timer = Box::pin(timer);
    assert_eq!(reached(&mut timer).await, TimerEvent::ReleaseBuffers);
    assert_eq!(reached(&mut timer).await, TimerEvent::IdleTimeout);
}

#[tokio::test(start_paused = true)]
async fn the_buffers_are_kept_while_an_upload_is_open() {
    let (_, timer, upload) = after_one_request("body").await;
    let mut timer = Box::pin(timer);
    assert!(upload.is_some());
    assert_eq!(reached(&mut timer).await, TimerEvent::IdleTimeout);
    drop(upload);
    assert_eq!(reached(&mut timer).await, TimerEvent::ReleaseBuffers);
}

#[tokio::test(start_paused = true)]
async fn the_buffers_are_kept_over_http2_and_before_the_first_request() {
    let (activity, timer, _) = after_one_request("").await;
    activity.set_http2();
    assert_eq!(reached(&mut Box::pin(timer)).await, TimerEvent::IdleTimeout);

    let timer = ConnectionTimer::new(Arc::default(), LIMITS);
    assert_eq!(
        reached(&mut Box::pin(timer)).await,
        TimerEvent::HeaderTimeout
    );
}

/// The time until a timeout, on the paused clock of tokio.
async fn took(timer: &mut Pin<Box<ConnectionTimer>>, expected: TimerEvent) -> Duration {
    let began = Instant::now();
    assert_eq!(reached(timer).await, expected);
    began.elapsed()
}

/// Asserts that a timeout is reported at most one check late.
#[track_caller]
fn assert_kept(limit: Duration, took: Duration) {
    let late = Duration::from_millis(20);
    assert!(limit <= took && took <= limit + late, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_header_timeout_covers_the_first_request() {
    for is_http2 in [false, true] {
        let activity = Arc::<ConnectionActivity>::default();
        let mut timer = Box::pin(ConnectionTimer::new(Arc::clone(&activity), LIMITS));
        if is_http2 {
            activity.set_http2();
        }
        // A part of the head does not extend it.
        activity.record_read(b"G");
        assert_kept(
            LIMITS.header,
            took(&mut timer, TimerEvent::HeaderTimeout).await,
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_header_timeout_begins_with_the_first_byte() {
    let (activity, timer, _) = after_one_request("").await;
    let mut timer = Box::pin(timer);
    assert_eq!(reached(&mut timer).await, TimerEvent::ReleaseBuffers);
    let idle = timeout(Duration::from_secs(40), reached(&mut timer)).await;
    assert!(idle.is_err(), "{idle:?}");
    // Line ends before a head do not count.
    activity.record_read(b"\r\n\r\n");
    let idle = timeout(Duration::from_secs(10), reached(&mut timer)).await;
    assert!(idle.is_err(), "{idle:?}");
    activity.record_read(b"\r\nG");
    assert_kept(
        LIMITS.header,
        took(&mut timer, TimerEvent::HeaderTimeout).await,
    );
}

#[tokio::test(start_paused = true)]
async fn the_idle_timeout_applies_between_two_requests_also_with_http2_frames() {
    for is_http2 in [false, true] {
        let (activity, timer, _) = after_one_request("").await;
        let mut timer = Box::pin(timer);
        if is_http2 {
            activity.set_http2();
            activity.record_read(b"a ping");
        } else {
            assert_eq!(reached(&mut timer).await, TimerEvent::ReleaseBuffers);
        }
        let tolerance = Duration::from_secs(6);
        let took = took(&mut timer, TimerEvent::IdleTimeout).await;
        assert!(
            LIMITS.idle <= took + tolerance && took <= LIMITS.idle + tolerance,
            "{took:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_closing_connection_without_requests_ends_after_a_second() {
    let (activity, timer, _) = after_one_request("").await;
    activity.set_http2();
    let mut timer = Box::pin(timer);
    timer.as_mut().close();
    assert_kept(
        Duration::from_secs(1),
        took(&mut timer, TimerEvent::IdleTimeout).await,
    );
}

#[test]
fn checks_are_aligned_and_never_late() {
    let epoch = Instant::now();
    for wait in [1, 4, 25, 1000, 5000, 18_750].map(Duration::from_millis) {
        let early = |passed| {
            let now = epoch + Duration::from_micros(passed);
            let at = next_check(now, wait, epoch);
            assert!(now < at && at <= now + wait, "{wait:?} after {passed}");
            now + wait - at
        };
        let longest = (0..200_000).step_by(77).map(early).max().unwrap();
        assert!(longest <= (wait / 4).max(Duration::from_millis(1)));
    }
    let wait = Duration::from_secs(5);
    let at = |passed| next_check(epoch + Duration::from_millis(passed), wait, epoch);
    assert_eq!(at(201), at(299));
    assert_ne!(at(199), at(201));
}
