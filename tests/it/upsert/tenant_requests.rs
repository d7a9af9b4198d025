//! Requests to the tenant, and requests that are not sign-ups.

use super::*;

#[tokio::test]
async fn requests_to_the_tenant_have_the_necessary_headers_only() {
    let script = Script::new([
        (BY_EMAIL, respond(200, NO_PROFILES)),
        (CREATE, respond(200, "{}")),
    ]);
    let mut request = post(OPT_OUT);
    *request.uri_mut() = "https://shop.example///profiles?_method=DELETE&first_name=Eve"
        .parse()
        .unwrap();
    for (name, value) in [
        ("authorization", "Bearer x"),
        ("cookie", "a=b"),
        ("x-http-method-override", "DELETE"),
        ("content-length", "5"),
        ("x-request-id", "r-1"),
        ("accept-language", "de"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    assert_eq!(script.send(CommsPolicy::new(), request).await.status(), 200);
    let names = |seen: &Seen| {
        let mut names: Vec<_> = seen
            .headers
            .keys()
            .map(|name| name.as_str().to_owned())
            .collect();
        names.sort();
        names
    };
    let seen = script.seen();
    assert_eq!(
        names(&seen[0]),
        ["accept", "accept-language", "x-request-id"]
    );
    assert_eq!(
        names(&seen[1]),
        ["accept", "accept-language", "content-type", "x-request-id"]
    );
    assert_eq!(seen[1].line, "POST /profiles");
    assert_eq!(seen[1].headers["content-type"], "application/json");
    assert!(
        seen.iter().all(|seen| seen.permitted),
        "the forwarding service accepts the requests"
    );
}

/// An inner service that echoes its request, and counts its clones.
struct Echo(Arc<Mutex<usize>>);

impl Clone for Echo {
    fn clone(&self) -> Self {
        *self.0.lock().unwrap() += 1;
        Self(Arc::clone(&self.0))
    }
}

impl Service<Request<Either<Full<Bytes>, Full<Bytes>>>> for Echo {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Either<Full<Bytes>, Full<Bytes>>>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let Either::Left(body) = body else {
            panic!("not the client's body");
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::IM_A_TEAPOT;
        *response.headers_mut() = parts.headers;
        let line = format!("{} {}", parts.method, parts.uri);
        response.headers_mut().insert("line", line.parse().unwrap());
        std::future::ready(Ok(response))
    }
}

#[tokio::test]
async fn every_other_request_passes_unchanged_and_without_a_clone() {
    for line in [
        "GET /profiles",
        "PUT /profiles",
        "POST /Profiles",
        "POST /profile%73",
        "POST /profiles;x",
        "POST /profiles/me",
        "POST /profiles/availability",
        "POST /x/profiles",
        "POST /",
        "OPTIONS *",
    ] {
        let (method, uri) = line.split_once(' ').unwrap();
        let clones = Arc::default();
        let mut service = CommsUpsert::new(Echo(Arc::clone(&clones)), CommsPolicy::new());
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-encoding", "gzip")
            .body(Full::from("anything"))
            .unwrap();
        let response = service.ready().await.unwrap().call(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::IM_A_TEAPOT);
        assert_eq!(response.headers()["line"], line);
        assert_eq!(response.headers().len(), 2);
        assert!(response.extensions().is_empty());
        assert!(
            response.into_body().into_inner().is_ok(),
            "the inner body is not wrapped"
        );
        assert_eq!(*clones.lock().unwrap(), 0);
    }
}

#[tokio::test]
async fn leading_and_trailing_slashes_are_ignored() {
    for uri in [
        "//profiles",
        "///profiles",
        "/profiles?x=1",
        "/profiles/",
        "//profiles//?x=1",
    ] {
        let script = Script::new([(BY_EMAIL, respond(200, ADA))]);
        let mut request = post(r#"{"email":"ada@example.com"}"#);
        *request.uri_mut() = uri.parse().unwrap();
        assert_eq!(
            script.send(CommsPolicy::new(), request).await.status(),
            200,
            "{uri}"
        );
    }
}
