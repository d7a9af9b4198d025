//! What is logged, and what never is.

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use http::{Request, Response};
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, Upstream};
use tower::{ServiceExt, service_fn};
use tracing::Dispatch;
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::fmt::MakeWriter;

use super::support::{data, frames, permitted, tenant};
use super::tenants::{Protocol, raw, upstream_to};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Log {
    /// Everything that this thread logs while the guard lives.
    fn capture() -> (Self, tracing::subscriber::DefaultGuard) {
        // With one subscriber alive, tracing asks the thread that first reaches an event whether
        // anybody listens, and remembers its no for all. With two it asks the subscribers.
        static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
        LazyLock::force(&SECOND);
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// Holds something to hide wherever a client can put it.
fn request() -> Request<Body> {
    permitted(Request::put(
        "/profiles/ada?filter%5Bemail%5D=ada@example.com",
    ))
    .header("authorization", "Bearer of.the.client")
    .header("user-agent", "ada@example.com")
    .body(frames([
        data("ada@example.com"),
        Err("ada@example.com".into()),
    ]))
    .unwrap()
}

fn assert_clean(log: &Log) {
    let text = log.text();
    for secret in ["4fzK", "of.the.client", "ada", "example"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

#[tokio::test]
async fn outcomes_are_logged_and_nothing_of_the_request() {
    let (log, _guard) = Log::capture();
    for (answer, words) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", "status=200"),
        (
            "HTTP/1.1 500 Oh\r\nx: ada\r\ncontent-length: 3\r\n\r\nada",
            "answered 500",
        ),
        ("ada", "tenant_answer"),
    ] {
        let origin = raw(answer, true).await;
        let request = request().map(|_| Body::empty());
        upstream_to(&origin, Protocol::Http1)
            .oneshot(request)
            .await
            .unwrap();
        assert!(log.text().contains(words), "{words} in {}", log.text());
    }
    let origin = raw("", false).await;
    upstream_to(&origin, Protocol::Http1)
        .oneshot(request())
        .await
        .unwrap();
    assert!(log.text().contains("body_aborted"));
    assert_clean(&log);
}

#[tokio::test]
async fn the_words_of_a_foreign_client_are_not_logged() {
    let (log, _guard) = Log::capture();
    let client = service_fn(|request: Request<RequestBody>| async move {
        let url = format!("error sending request for {}", request.uri());
        Err::<Response<Body>, _>(io::Error::other(url))
    });
    Upstream::new(client, tenant())
        .oneshot(request())
        .await
        .unwrap();
    assert!(log.text().contains("tenant_unreachable"));
    assert_clean(&log);
}
