//! The me layer alone, over services of `service_fn`.

use std::convert::Infallible;

use crate::support::collect_text;
use http::{Method, Request, Response, StatusCode, header};
use omneo_id::path::MeRequest;
use omneo_id::{MeRewriteLayer, ProfileId, Rejection, RejectionKind, Subject};
use tower::{Layer, Service, ServiceExt, service_fn};

const ADA: &str = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10";

fn ada() -> Subject {
    Subject::Profile(ADA.parse().unwrap())
}

fn request(method: Method, uri: &str, subject: Option<Subject>) -> Request<()> {
    let mut request = Request::builder().method(method).uri(uri).body(()).unwrap();
    if let Some(subject) = subject {
        request.extensions_mut().insert(subject);
    }
    request
}

/// Returns the target of the request, and the profile of its `MeRequest`.
async fn echo(request: Request<()>) -> Result<Response<String>, Infallible> {
    let me = request.extensions().get::<MeRequest>();
    let mut response = Response::new(request.uri().to_string());
    if let Some(me) = me {
        response.extensions_mut().insert(me.clone());
    }
    Ok(response)
}

async fn send(request: Request<()>) -> Response<String> {
    let response = MeRewriteLayer::new()
        .layer(service_fn(echo))
        .oneshot(request)
        .await
        .unwrap();
    collect_text(response).await
}

#[tokio::test]
async fn me_is_rewritten_and_the_query_is_unchanged() {
    let target = "/profiles/me/lists/caf%C3%A9?filter%5Bx%5D=1&y=a+b&z";
    let response = send(request(Method::GET, target, Some(ada()))).await;
    assert_eq!(
        *response.body(),
        format!("/profiles/{ADA}/lists/caf%C3%A9?filter%5Bx%5D=1&y=a+b&z")
    );
    let me = response.extensions().get::<MeRequest>().unwrap();
    assert_eq!(me.original(), target);
    assert_eq!(me.profile(), &ADA.parse::<ProfileId>().unwrap());
}

#[tokio::test]
async fn a_trailing_slash_is_removed() {
    for (path, expected) in [
        ("/profiles/me/", format!("/profiles/{ADA}")),
        ("/profiles/me//", format!("/profiles/{ADA}")),
        (
            "/profiles/me/lists/?a=1/",
            format!("/profiles/{ADA}/lists?a=1/"),
        ),
        ("//profiles//me//lists//", format!("/profiles/{ADA}/lists")),
    ] {
        let response = send(request(Method::GET, path, Some(ada()))).await;
        assert_eq!(*response.body(), expected, "{path}");
    }
}

#[tokio::test]
async fn scheme_and_authority_of_the_target_are_kept() {
    let response = send(request(
        Method::GET,
        "https://shop.example/profiles/me",
        Some(ada()),
    ))
    .await;
    assert_eq!(
        *response.body(),
        format!("https://shop.example/profiles/{ADA}")
    );
}

#[tokio::test]
async fn methods_except_options_trace_and_connect_are_forwarded() {
    for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "SEARCH"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = send(request(method.clone(), "/profiles/me", Some(ada()))).await;
        assert_eq!(*response.body(), format!("/profiles/{ADA}"), "{method}");
    }
    let response = send(request(Method::OPTIONS, "/profiles/me/lists", Some(ada()))).await;
    assert_eq!(response.status(), StatusCode::NO_CONTENT);
    assert!(response.headers().contains_key(header::ALLOW));
    for method in [Method::TRACE, Method::CONNECT] {
        let response = send(request(method, "/profiles/me", Some(ada()))).await;
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert!(response.headers().contains_key(header::ALLOW));
    }
}

/// Symfony converts a method to capitals before it dispatches the request.
#[tokio::test]
async fn a_standard_method_not_in_capitals_is_rejected() {
    for method in ["delete", "Post", "pUT", "get", "trace", "x~y"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let response = send(request(method.clone(), "/profiles/me", Some(ada()))).await;
        assert_eq!(
            response.status(),
            StatusCode::METHOD_NOT_ALLOWED,
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_rejected_path_is_not_found_and_its_reason_is_only_the_source() {
    for (path, kind) in [
        ("/profiles/me/../grace-2", RejectionKind::PathRefused),
        ("/profiles/me/%2e%2e%2fgrace-2", RejectionKind::PathRefused),
        ("/profiles/me;x/lists", RejectionKind::PathRefused),
        ("/profiles/grace-2", RejectionKind::NotFound),
        ("/profiles/meprofile", RejectionKind::NotFound),
        ("/profiles/%6De", RejectionKind::NotFound),
        ("/profiles/connection/7/balances", RejectionKind::NotFound),
    ] {
        let response = send(request(Method::GET, path, Some(ada()))).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(response.body(), r#"{"message":"Not found."}"#, "{path}");
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), kind, "{path}");
        assert!(
            std::error::Error::source(rejection).is_some(),
            "{path}: the reason is kept"
        );
    }
}

#[tokio::test]
async fn an_anonymous_subject_is_not_found_and_a_missing_subject_is_unauthenticated() {
    let response = send(request(
        Method::GET,
        "/profiles/me",
        Some(Subject::Anonymous),
    ))
    .await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let response = send(request(Method::GET, "/profiles/me", None)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
}

#[tokio::test]
async fn identity_parameters_and_method_overrides_are_bad_requests() {
    for (method, query) in [
        (Method::GET, "identity%5Bpos%5D=1"),
        (Method::DELETE, "x=1&%69dentity[pos]=1"),
        (Method::POST, "%5fmethod=DELETE"),
    ] {
        let response = send(request(
            method,
            &format!("/profiles/me?{query}"),
            Some(ada()),
        ))
        .await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn paths_outside_profiles_are_unchanged() {
    for uri in [
        "/locations?x=1",
        "/profiles",
        "/profiles/",
        "/locations/",
        "/files/a;b/../c%2f",
        "*",
        "/",
    ] {
        let response = send(request(Method::GET, uri, None)).await;
        assert_eq!(response.body(), uri);
        assert!(response.extensions().get::<MeRequest>().is_none());
    }
}

#[tokio::test]
async fn a_rejection_of_a_grpc_request_is_encoded_as_grpc() {
    let mut rejected = request(Method::POST, "/profiles/grace-2", Some(ada()));
    rejected.headers_mut().insert(
        header::CONTENT_TYPE,
        "application/grpc+proto".parse().unwrap(),
    );
    let response = send(rejected).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["grpc-status"], "5");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/grpc");
    assert!(response.body().is_empty());
}

#[tokio::test]
async fn the_ready_service_is_called() {
    let (mock, mut handle) = tower_test::mock::pair::<Request<()>, Response<String>>();
    let mut service = MeRewriteLayer::new().layer(mock);
    handle.allow(1);
    service.ready().await.unwrap();
    let response = service.call(request(Method::GET, "/profiles/me", Some(ada())));
    let (forwarded, respond) = handle.next_request().await.unwrap();
    assert_eq!(forwarded.uri().path(), format!("/profiles/{ADA}"));
    respond.send_response(Response::new("ok".to_owned()));
    assert_eq!(response.await.unwrap().status(), StatusCode::OK);
}
