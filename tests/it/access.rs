//! Requests that an access policy rejects: in the layer alone, and in the whole of Omneo ID.

mod fields;
mod presets;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use omneo_id::path::AccessRefusal;
use omneo_id::sandbox::Sandbox;
use omneo_id::{AccessPolicy, Body, MeRewriteLayer, Rejection, RejectionKind, Subject};
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::support::{CollectedResponse, Shop, bearer, collect_text};

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

fn without_deletion() -> AccessPolicy {
    AccessPolicy::allow_all()
        .deny("DELETE", "/")
        .unwrap()
        .deny("*", "/purge")
        .unwrap()
        .deny("DELETE,PUT", "/lists/**")
        .unwrap()
}

fn shop() -> Shop {
    Shop::with(|builder| builder.access_policy(without_deletion()))
}

async fn send(
    shop: &Shop,
    token: &str,
    method: &str,
    path: &str,
    media: &str,
    body: impl Into<Bytes>,
) -> CollectedResponse {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::AUTHORIZATION, bearer(token));
    if !media.is_empty() {
        request = request.header(header::CONTENT_TYPE, media);
    }
    shop.send(request, body).await
}

#[tokio::test]
async fn a_denied_request_is_not_forwarded_in_any_spelling() {
    let shop = shop();
    let token = shop.mint_for_ada().await;
    for path in [
        "/profiles/me/purge",
        "/profiles/me/purge/",
        "//profiles//me//purge",
        "/profiles/me/p%75rge",
        "/profiles/me/p%2575rge",
        "/profiles/me/PURGE",
        "/profiles/me/%50%55rge?x=1",
        "/profiles/me/purge%20",
    ] {
        for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE"] {
            let response = send(&shop, &token, method, path, "", "").await;
            assert_eq!(response.status, StatusCode::FORBIDDEN, "{method} {path}");
            assert_eq!(response.rejection, Some(RejectionKind::Forbidden));
        }
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_405_lists_the_permitted_methods() {
    let shop = shop();
    let token = shop.mint_for_ada().await;
    for (method, path, allow) in [
        (
            "DELETE",
            "/profiles/me",
            "GET, HEAD, POST, PUT, PATCH, OPTIONS",
        ),
        (
            "DELETE",
            "/profiles/me/",
            "GET, HEAD, POST, PUT, PATCH, OPTIONS",
        ),
        (
            "PUT",
            "/profiles/me/lists/7",
            "GET, HEAD, POST, PATCH, OPTIONS",
        ),
        (
            "DELETE",
            "/profiles/me/l%69sts",
            "GET, HEAD, POST, PATCH, OPTIONS",
        ),
    ] {
        let response = send(&shop, &token, method, path, "", "").await;
        assert_eq!(
            response.status,
            StatusCode::METHOD_NOT_ALLOWED,
            "{method} {path}"
        );
        assert_eq!(response.headers[header::ALLOW], allow);
        let response = shop.send(Request::options(path), "").await;
        assert_eq!(response.status, StatusCode::NO_CONTENT);
        assert_eq!(response.headers[header::ALLOW], allow, "OPTIONS {path}");
    }
    let response = shop.send(Request::options("/profiles/me/purge"), "").await;
    assert_eq!(response.headers[header::ALLOW], "OPTIONS");
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn permission_for_head_does_not_include_get() {
    let policy = AccessPolicy::deny_all().allow("HEAD", "/").unwrap();
    let policy = policy.allow("GET", "/lists").unwrap();
    let shop = Shop::with(|builder| builder.access_policy(policy));
    let token = shop.mint_for_ada().await;
    for (method, path, expected) in [
        ("HEAD", "/profiles/me", 200),
        ("HEAD", "/profiles/me/", 200),
        ("GET", "/profiles/me", 405),
        ("GET", "/profiles/me/", 405),
        ("HEAD", "/profiles/me/lists", 200),
        ("GET", "/profiles/me/lists/", 200),
    ] {
        let response = send(&shop, &token, method, path, "", "").await;
        assert_eq!(response.status.as_u16(), expected, "{method} {path}");
        if expected == 405 {
            assert_eq!(response.headers[header::ALLOW], "HEAD, OPTIONS");
        }
    }
}

#[tokio::test]
async fn permitted_requests_are_forwarded_unchanged() {
    let shop = shop();
    let token = shop.mint_for_ada().await;
    for path in [
        "/profiles/me",
        "/profiles/me/lists",
        "/profiles/me/balances?include=x",
    ] {
        assert_eq!(
            shop.get(path, &token).await.status,
            StatusCode::OK,
            "{path}"
        );
    }
    let put = json!({"first_name": "Augusta"});
    let response = shop.put("/profiles/me", &token, &put).await;
    assert_eq!(response.status, StatusCode::OK, "{:?}", response.body);
    let list = json!({"name": "Wishes", "handle": "wishes"});
    let response = shop.post("/profiles/me/lists", &token, &list).await;
    assert!(response.status.is_success(), "{:?}", response.body);
    let sent = shop.sandbox.requests();
    assert_eq!(
        sent.last().unwrap().json(),
        list,
        "the buffered body is forwarded completely"
    );
    assert_eq!(shop.get("/locations", &token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn authentication_precedes_the_access_policy() {
    let shop = shop();
    let anonymous = shop.mint_anonymous().await;
    for (token, status) in [
        (&*anonymous, StatusCode::NOT_FOUND),
        ("x.y.z", StatusCode::UNAUTHORIZED),
    ] {
        let response = send(&shop, token, "POST", "/profiles/me/purge", "", "").await;
        assert_eq!(response.status, status);
    }
    assert!(shop.sandbox.requests().is_empty());
}

#[tokio::test]
async fn a_post_cannot_override_its_method_to_a_denied_one() {
    let shop = shop();
    let token = shop.mint_for_ada().await;
    let big = format!(r#"{{"a":"{}","_method":"DELETE"}}"#, "x".repeat(70_000));
    for (media, body, status) in [
        (JSON, r#"{"_method":"DELETE"}"#, 400),
        (JSON, r#"{"name":"x","\u005fmethod":"delete"}"#, 400),
        (
            "application/json; charset=utf-8",
            r#"{"_method":"DELETE"}"#,
            400,
        ),
        (JSON, r#"{"_method":"DELETE""#, 400),
        (FORM, "_method=DELETE", 400),
        (FORM, "name=x&%5Fmethod=DELETE", 400),
        (FORM, "+.method=DELETE", 400),
        // Laravel parses this as JSON.
        (
            "application/x-www-form-urlencoded; x=/json",
            r#"{"_method":"DELETE"}"#,
            415,
        ),
        ("application/vnd.api+json", r#"{"_method":"DELETE"}"#, 415),
        ("text/json", r#"{"_method":"DELETE"}"#, 415),
        (
            "multipart/form-data; boundary=b",
            "--b\r\ncontent-disposition: form-data; name=_method\r\n\r\nDELETE\r\n--b--\r\n",
            415,
        ),
        ("", "_method=DELETE", 415),
        ("text/plain", "_method=DELETE", 415),
        (
            "application/json; charset=utf-16",
            r#"{"_method":"DELETE"}"#,
            415,
        ),
        (JSON, &big, 413),
    ] {
        for path in ["/profiles/me", "/profiles/me/lists"] {
            let response = send(&shop, &token, "POST", path, media, body.to_owned()).await;
            assert_eq!(
                response.status.as_u16(),
                status,
                "{path} {media} {}",
                &body[..body.len().min(60)]
            );
        }
    }
    let request = Request::post("/profiles/me")
        .header(header::AUTHORIZATION, bearer(&token))
        .header(header::CONTENT_TYPE, JSON)
        .header(header::CONTENT_ENCODING, "gzip");
    let response = shop.send(request, &b"\x1f\x8b"[..]).await;
    assert_eq!(response.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(shop.sandbox.requests().is_empty());
    assert!(shop.sandbox.profile(Sandbox::ADA_ID).is_some());
}

#[tokio::test]
async fn without_a_policy_bodies_are_not_read() {
    let shop = Shop::open();
    let token = shop.mint_for_ada().await;
    let body = r#"{"_method":"DELETE"}"#;
    let response = send(&shop, &token, "POST", "/profiles/me", JSON, body).await;
    assert!(response.status.is_success(), "as if it had been a DELETE");
    assert_eq!(shop.sandbox.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_body_is_aborted() {
    let shop = shop();
    let token = shop.mint_for_ada().await;
    let (feeder, frames) = tokio::sync::mpsc::channel::<Result<Frame<Bytes>, Infallible>>(1);
    let request = Request::post("/profiles/me")
        .header(header::AUTHORIZATION, bearer(&token))
        .header(header::CONTENT_TYPE, JSON)
        .body(StreamBody::new(Channel(frames)))
        .unwrap();
    let start = tokio::time::Instant::now();
    let response = shop.id.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(shop.sandbox.requests().is_empty());
    drop(feeder);
}

struct Channel(tokio::sync::mpsc::Receiver<Result<Frame<Bytes>, Infallible>>);

impl futures_core::Stream for Channel {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

// --- the layer alone
// ------------------------------------------------------------------------------

type Read = Either<Body, Full<Bytes>>;

fn post(path: &str, media: &str, body: Body) -> Request<Body> {
    let ada = Subject::Profile("ada-1".parse().unwrap());
    let request = Request::post(path).extension(ada);
    request
        .header(header::CONTENT_TYPE, media)
        .body(body)
        .unwrap()
}

fn chunks(chunks: &[&'static str]) -> Body {
    let frames: Vec<_> = chunks
        .iter()
        .map(|chunk| Ok::<_, Infallible>(Frame::data(Bytes::from_static(chunk.as_bytes()))))
        .chain([Ok(Frame::trailers(HeaderMap::new()))])
        .collect();
    Body::new(StreamBody::new(Items(frames.into_iter())))
}

/// A stream of items that are ready.
struct Items<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Items<I> {
    type Item = I::Item;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<I::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

/// Returns the body, and whether the layer had read it.
async fn echo(request: Request<Read>) -> Result<Response<String>, Infallible> {
    let read = matches!(request.body(), Either::Right(_));
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    Ok(Response::new(format!("{read} {body}")))
}

async fn call_layer(request: Request<Body>) -> Response<String> {
    let response = MeRewriteLayer::new()
        .with_access_policy(without_deletion())
        .layer(service_fn(echo))
        .oneshot(request)
        .await
        .unwrap();
    collect_text(response).await
}

#[tokio::test]
async fn only_a_body_that_may_override_the_method_is_read() {
    for (path, body, expected) in [
        ("/profiles/me", chunks(&["{\"a\"", ":1}"]), "true {\"a\":1}"),
        ("/profiles/me", chunks(&[]), "true "),
        ("/profiles/me", Body::empty(), "false "),
        (
            "/profiles/me/addresses",
            chunks(&["{\"_method\":1}"]),
            "false {\"_method\":1}",
        ),
        ("/elsewhere", chunks(&["x"]), "false x"),
    ] {
        assert_eq!(
            call_layer(post(path, JSON, body)).await.body(),
            expected,
            "{path}"
        );
    }
    let mut put = post("/profiles/me", "image/png", chunks(&["x"]));
    *put.method_mut() = Method::PUT;
    assert_eq!(call_layer(put).await.body(), "false x");
}

#[tokio::test]
async fn an_aborted_request_body_is_a_400() {
    let broken = StreamBody::new(Items(
        [Ok(Frame::data(Bytes::from_static(b"{"))), Err("gone")].into_iter(),
    ));
    let response = call_layer(post("/profiles/me", JSON, Body::new(broken))).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let rejection = response.extensions().get::<Rejection>().unwrap();
    assert_eq!(rejection.kind(), RejectionKind::BodyAborted);
}

#[tokio::test]
async fn a_body_of_unknown_length_is_read_up_to_the_limit() {
    let polled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&polled);
    let endless = std::iter::from_fn(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Some(Ok::<_, Infallible>(Frame::data(Bytes::from_static(
            &[b' '; 4096],
        ))))
    });
    let body = Body::new(StreamBody::new(Items(endless)));
    let response = call_layer(post("/profiles/me", JSON, body)).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(polled.load(Ordering::Relaxed), 17);
}

#[tokio::test]
async fn the_reason_is_the_source_of_the_rejection() {
    let mut request = post("/profiles/me", JSON, Body::empty());
    *request.method_mut() = Method::DELETE;
    let response = call_layer(request).await;
    let rejection = response.extensions().get::<Rejection>().unwrap();
    let cause = std::error::Error::source(rejection).unwrap();
    assert!(matches!(
        cause.downcast_ref(),
        Some(AccessRefusal::Method { .. })
    ));
}

#[tokio::test]
async fn readiness_is_polled_again_after_the_body_is_read() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<Read>, Response<String>>();
    let mut service = MeRewriteLayer::new()
        .with_access_policy(without_deletion())
        .layer(mock);
    handle.allow(2);
    service.ready().await.unwrap();
    let response = service.call(post("/profiles/me", JSON, chunks(&["{}"])));
    let respond = async {
        let (forwarded, respond) = handle.next_request().await.unwrap();
        assert_eq!(forwarded.uri().path(), "/profiles/ada-1");
        respond.send_response(Response::new("ok".to_owned()));
    };
    let (response, ()) = tokio::join!(response, respond);
    assert_eq!(response.unwrap().status(), StatusCode::OK);
}
