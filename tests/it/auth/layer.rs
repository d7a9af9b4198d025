//! `JwtAuthLayer`: accepted and rejected requests.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use omneo_id::auth::{AuthMode, AuthOutcome, JwtAuth};
use omneo_id::{
    JwtAuthLayer, Keyring, Rejection, RejectionKind, Subject, TokenIssuer, TokenVerifier,
};
use serde_json::json;
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{HS256, NOW, SECRET, ada, ring, sign, sign_with, token, verifier};

/// The request as the inner service received it.
type Seen = Request<String>;

async fn send(layer: JwtAuthLayer, request: Request<String>) -> Result<Seen, Response<String>> {
    let inner = service_fn(async |request: Request<String>| {
        let mut response = Response::new(String::new());
        response.extensions_mut().insert(Arc::new(request));
        Ok::<_, Infallible>(response)
    });
    let response = layer.layer(inner).oneshot(request).await.unwrap();
    let (mut parts, body) = response.into_parts();
    match parts.extensions.remove::<Arc<Seen>>() {
        Some(seen) => Ok(Arc::into_inner(seen).unwrap()),
        None => {
            let body = body
                .into_inner()
                .unwrap_err()
                .collect()
                .await
                .unwrap()
                .to_bytes();
            let body = String::from_utf8(body.to_vec()).unwrap();
            Err(Response::from_parts(parts, body))
        }
    }
}

fn layer() -> JwtAuthLayer {
    JwtAuthLayer::new(verifier())
}

fn request(headers: &[(&'static str, &str)]) -> Request<String> {
    let mut request = Request::new("body".to_owned());
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).unwrap();
        request.headers_mut().append(*name, value);
    }
    request
}

fn bearer(token: &str) -> Request<String> {
    request(&[("authorization", &format!("Bearer {token}"))])
}

#[tokio::test]
async fn a_valid_token_passes_and_is_removed_from_the_request() {
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = request(&[
            ("authorization", &format!("{scheme} {}", token())),
            ("x", "y"),
        ]);
        let seen = send(layer(), request).await.unwrap();
        assert_eq!(Subject::from_extensions(seen.extensions()), Some(&ada()));
        assert!(!seen.headers().contains_key("authorization"));
        assert_eq!(seen.headers()["x"], "y");
        assert_eq!(seen.body(), "body");
    }
    let seen = send(layer().keep_credential(), bearer(&token()))
        .await
        .unwrap();
    assert!(seen.headers().contains_key("authorization"));
}

#[tokio::test]
async fn a_missing_token_gets_a_bare_challenge_and_an_invalid_one_an_error_code() {
    let absent = send(layer(), request(&[])).await.unwrap_err();
    assert_eq!(absent.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        absent.headers()["www-authenticate"],
        r#"Bearer realm="omneo-id""#
    );
    let bad = send(layer(), bearer("abc")).await.unwrap_err();
    assert_eq!(bad.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(
        bad.headers()["www-authenticate"],
        r#"Bearer realm="omneo-id", error="invalid_token""#
    );
    assert_eq!(bad.headers()["cache-control"], "no-store");
    assert_eq!(bad.body(), r#"{"message":"Unauthenticated."}"#);
    let two = send(
        layer(),
        request(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]),
    );
    let two = two.await.unwrap_err();
    assert_eq!(two.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_challenge_has_the_configured_realm() {
    let layer = layer().with_realm("my shop").unwrap();
    let absent = send(layer.clone(), request(&[])).await.unwrap_err();
    assert_eq!(
        absent.headers()["www-authenticate"],
        r#"Bearer realm="my shop""#
    );
    let bad = send(layer, bearer("abc")).await.unwrap_err();
    assert_eq!(
        bad.headers()["www-authenticate"],
        r#"Bearer realm="my shop", error="invalid_token""#
    );
}

#[tokio::test]
async fn all_invalid_tokens_get_the_same_response_and_the_cause_is_internal() {
    let expired = sign(HS256, json!({ "exp": 1 }).to_string().as_bytes());
    let forged = sign_with(&[0; 32], HS256, b"{}");
    let mut responses = Vec::new();
    for (request, cause) in [
        (bearer("a.b.c"), "malformed"),
        (bearer(&expired), "expired"),
        (bearer(&forged), "signature"),
        (bearer(&"x".repeat(9000)), "too long"),
        (request(&[("authorization", "Basic dTpw")]), "scheme"),
        (request(&[("authorization", "Bearer")]), "malformed"),
        (request(&[("authorization", "Bearer  a")]), "malformed"),
        (request(&[("authorization", "")]), "scheme"),
    ] {
        let response = send(layer(), request).await.unwrap_err();
        let rejection = response.extensions().get::<Rejection>().unwrap();
        assert_eq!(rejection.kind(), RejectionKind::InvalidToken);
        let source = std::error::Error::source(rejection).unwrap().to_string();
        assert!(source.contains(cause), "{source}");
        responses.push((
            response.status(),
            response.headers().clone(),
            response.into_body(),
        ));
    }
    assert!(responses.windows(2).all(|pair| pair[0] == pair[1]));
}

#[tokio::test]
async fn requests_are_rejected_in_their_own_protocol() {
    for (media, protocol_media) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web+proto", "application/grpc-web"),
        ("application/grpc-web-text", "application/grpc-web-text"),
    ] {
        let request = request(&[("content-type", media)]);
        let response = send(layer(), request).await.unwrap_err();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["grpc-status"], "16");
        assert_eq!(response.headers()["content-type"], protocol_media);
        assert_eq!(response.body(), "");
    }
}

#[tokio::test]
async fn a_subject_from_outside_is_removed() {
    let with_outside_subject = |mut request: Request<String>| {
        request
            .extensions_mut()
            .insert(Subject::Profile("mallory".parse().unwrap()));
        request
    };
    let anonymous = TokenIssuer::new(ring()).with_clock(|| NOW);
    let anonymous = anonymous.issue(&Subject::Anonymous).unwrap();
    let seen = send(layer(), with_outside_subject(bearer(anonymous.token())))
        .await
        .unwrap();
    assert_eq!(
        Subject::from_extensions(seen.extensions()),
        Some(&Subject::Anonymous)
    );
    assert!(seen.extensions().get::<Subject>().is_none());
    for mode in [AuthMode::Optional, AuthMode::Observe] {
        let seen = send(layer().with_mode(mode), with_outside_subject(request(&[])))
            .await
            .unwrap();
        assert_eq!(Subject::from_extensions(seen.extensions()), None);
    }
    let preflight = with_outside_subject(preflight());
    let seen = send(layer().pass_preflights(), preflight).await.unwrap();
    assert_eq!(Subject::from_extensions(seen.extensions()), None);
}

#[tokio::test]
async fn an_optional_token_may_be_absent_but_not_invalid() {
    let layer = layer().with_mode(AuthMode::Optional);
    let seen = send(layer.clone(), request(&[])).await.unwrap();
    assert!(seen.extensions().get::<AuthOutcome>().unwrap().is_absent());
    let seen = send(layer.clone(), bearer(&token())).await.unwrap();
    let outcome = seen.extensions().get::<AuthOutcome>().unwrap();
    assert_eq!(outcome.token().unwrap().subject(), &ada());
    assert!(outcome.rejection().is_none() && !outcome.is_absent());
    let refused = send(layer.clone(), bearer("bad")).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let two = request(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
    assert_eq!(
        send(layer, two).await.unwrap_err().status(),
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn observe_forwards_every_request_and_trusts_no_invalid_token() {
    let layer = layer().with_mode(AuthMode::Observe);
    for (request, kind) in [
        (request(&[]), RejectionKind::MissingCredentials),
        (bearer("bad"), RejectionKind::InvalidToken),
        (
            request(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]),
            RejectionKind::AmbiguousCredentials,
        ),
    ] {
        let had_credential = request.headers().contains_key("authorization");
        let seen = send(layer.clone(), request).await.unwrap();
        let outcome = seen.extensions().get::<AuthOutcome>().unwrap();
        assert_eq!(outcome.rejection().unwrap().kind(), kind);
        assert_eq!(Subject::from_extensions(seen.extensions()), None);
        // Only a verified credential is removed.
        assert_eq!(seen.headers().contains_key("authorization"), had_credential);
    }
    let seen = send(layer, bearer(&token())).await.unwrap();
    assert_eq!(Subject::from_extensions(seen.extensions()), Some(&ada()));
}

#[tokio::test]
async fn gate_only_inserts_nothing() {
    let layer = layer().gate_only();
    let with_outside_subject = |mut request: Request<String>| {
        let mallory = Subject::Profile("mallory".parse().unwrap());
        request.extensions_mut().insert(mallory);
        request
    };
    for mode in [AuthMode::Required, AuthMode::Optional, AuthMode::Observe] {
        let layer = layer.clone().with_mode(mode);
        let seen = send(layer.clone(), with_outside_subject(bearer(&token()))).await;
        let seen = seen.unwrap();
        assert!(seen.extensions().is_empty());
        assert!(!seen.headers().contains_key("authorization"));
        match send(layer, bearer("bad")).await {
            Ok(seen) => assert!(mode == AuthMode::Observe && seen.extensions().is_empty()),
            Err(refused) => {
                assert_ne!(mode, AuthMode::Observe);
                assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
            }
        }
    }
    let refused = send(layer, request(&[])).await.unwrap_err();
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_token_in_a_cookie_is_read_only_by_opt_in() {
    let token = token();
    let with_cookie = |value: &str| request(&[("cookie", value)]);
    let cookie = format!("a=1; id={token}; b=2");
    assert!(send(layer(), with_cookie(&cookie)).await.is_err());
    let layer = layer().with_cookie("id").unwrap();
    let seen = send(layer.clone(), with_cookie(&cookie)).await.unwrap();
    assert_eq!(seen.headers()["cookie"], "a=1; b=2");
    let seen = send(layer.clone(), with_cookie(&format!("id={token}")))
        .await
        .unwrap();
    assert!(!seen.headers().contains_key("cookie"));
    let seen = send(
        layer.clone(),
        request(&[("cookie", "a=1"), ("cookie", &format!("id={token}"))]),
    );
    assert_eq!(seen.await.unwrap().headers()["cookie"], "a=1");
    let mut foreign = with_cookie(&cookie);
    let utf8 = HeaderValue::from_bytes("name=Zoë".as_bytes()).unwrap();
    foreign.headers_mut().append("cookie", utf8);
    assert!(send(layer.clone(), foreign).await.is_ok());
    assert!(
        send(layer.clone(), with_cookie(&format!("xid={token}")))
            .await
            .is_err()
    );
    let both = request(&[
        ("authorization", &format!("Bearer {token}")),
        ("cookie", &cookie),
    ]);
    let seen = send(layer.clone(), both).await.unwrap();
    assert!(!seen.headers().contains_key("authorization"));
    for other in ["id=x".to_owned(), format!("id={token}; id=x")] {
        let differing = request(&[
            ("authorization", &format!("Bearer {token}")),
            ("cookie", &other),
        ]);
        let refused = send(layer.clone(), differing).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_token_in_a_query_parameter_is_read_only_by_opt_in() {
    let token = token();
    let get = |target: String| {
        let mut request = request(&[]);
        *request.uri_mut() = target.parse().unwrap();
        request
    };
    let target = format!("/a/b?x=%20&access_token={token}&y");
    assert!(send(layer(), get(target.clone())).await.is_err());
    let layer = layer().with_query_parameter("access_token").unwrap();
    let seen = send(layer.clone(), get(target.clone())).await.unwrap();
    assert_eq!(seen.uri(), "/a/b?x=%20&y");
    let seen = send(layer.clone(), get(format!("/?access_token={token}")))
        .await
        .unwrap();
    assert_eq!(seen.uri(), "/");
    let seen = send(
        layer.clone(),
        get(format!("http://h/p?access_token={token}")),
    )
    .await
    .unwrap();
    assert_eq!(seen.uri(), "http://h/p");
    let refused = send(layer, get(format!("{target}&access_token=x")))
        .await
        .unwrap_err();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

fn preflight() -> Request<String> {
    let mut request = request(&[
        ("origin", "https://a.example"),
        ("access-control-request-method", "PUT"),
    ]);
    *request.method_mut() = Method::OPTIONS;
    request
}

#[tokio::test]
async fn a_preflight_passes_only_by_opt_in() {
    assert!(send(layer(), preflight()).await.is_err());
    assert!(send(layer().pass_preflights(), preflight()).await.is_ok());
    for missing in ["origin", "access-control-request-method"] {
        let mut request = preflight();
        request.headers_mut().remove(missing);
        assert!(send(layer().pass_preflights(), request).await.is_err());
    }
    let mut request = preflight();
    *request.method_mut() = Method::PUT;
    assert!(send(layer().pass_preflights(), request).await.is_err());
}

#[tokio::test]
async fn the_rejection_handler_replaces_the_response() {
    let layer = layer().with_rejection_handler(|rejection, _| {
        let mut response = Response::new("<h1>Sign in</h1>".into());
        *response.status_mut() = rejection.kind().status();
        response
    });
    let response = send(layer, request(&[])).await.unwrap_err();
    assert_eq!(
        (response.status(), &**response.body()),
        (StatusCode::UNAUTHORIZED, "<h1>Sign in</h1>")
    );
}

#[tokio::test]
async fn the_ready_inner_service_is_called() {
    let (mut service, mut handle) =
        tower_test::mock::spawn_layer::<Request<String>, Response<String>, _>(layer());
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(matches!(
        service.poll_ready(),
        std::task::Poll::Ready(Ok(()))
    ));
    // The mock panics if `call` runs before `poll_ready`.
    let response = tokio::spawn(service.call(bearer(&token())));
    let (request, respond) = handle.next_request().await.unwrap();
    assert!(Subject::from_extensions(request.extensions()).is_some());
    respond.send_response(Response::new("inner".to_owned()));
    let body = response.await.unwrap().unwrap().into_body();
    assert_eq!(body.into_inner().unwrap(), "inner");
}

#[tokio::test]
async fn errors_of_the_inner_service_are_returned() {
    let failing = service_fn(async |_: Request<()>| Err::<Response<()>, _>("broken"));
    let mut request = Request::new(());
    let value = HeaderValue::from_str(&format!("Bearer {}", token())).unwrap();
    request.headers_mut().insert("authorization", value);
    let mut service = JwtAuth::new(failing, verifier());
    assert_eq!(
        service
            .ready()
            .await
            .unwrap()
            .call(request)
            .await
            .unwrap_err(),
        "broken"
    );
    assert!(
        service
            .ready()
            .await
            .unwrap()
            .call(Request::new(()))
            .await
            .is_ok()
    );
}

#[test]
fn public_types_can_be_shared() {
    fn shared<T: Clone + Send + Sync + 'static + std::fmt::Debug>() {}
    shared::<TokenVerifier>();
    shared::<JwtAuthLayer>();
    shared::<JwtAuth<String>>();
    shared::<AuthOutcome>();
    shared::<TokenIssuer>();
    shared::<Keyring>();
}

#[test]
fn debug_shows_no_secret_and_no_token() {
    let verifier = verifier();
    let token = token();
    verifier.verify(&token).unwrap();
    let layer = JwtAuthLayer::new(verifier.clone());
    let service = layer.layer(());
    let issuer = TokenIssuer::new(ring());
    let issued = issuer.issue(&ada()).unwrap();
    let text = format!(
        "{verifier:?} {layer:?} {service:?} {issuer:?} {issued:?} {:?}",
        ring()
    );
    assert!(!text.contains(SECRET) && !text.contains(&token) && !text.contains(issued.token()));
    assert!(!text.contains("115, 101, 99"), "bytes of the secret");
}

/// The log of `work`, at every level.
fn logged(work: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, work);
    String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
}

#[test]
fn the_cause_is_logged_without_the_token() {
    let payload = json!({ "exp": 1, "pid": "secret-pid" }).to_string();
    let expired = sign(HS256, payload.as_bytes());
    let odd = json!({ "exp": NOW + 60, "pid": "secret pid" }).to_string();
    let odd = sign(HS256, odd.as_bytes());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let log = logged(|| {
        runtime.block_on(async {
            send(layer(), bearer(&expired)).await.unwrap_err();
            send(layer(), bearer(&odd)).await.unwrap();
        });
    });
    assert!(
        log.contains("invalid_token") && log.contains("expired"),
        "{log}"
    );
    assert!(log.contains("not a profile id"), "{log}");
    assert!(!log.contains("secret") && !log.contains("eyJ"), "{log}");
}
