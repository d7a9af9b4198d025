//! Responses of the tenant, as the client receives them.

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use omneo_id::headers::ResponseHeaders;
use omneo_id::report::Report;
use omneo_id::tenant::CallAs;
use omneo_id::upstream::RequestBody;
use omneo_id::{ApiToken, Body, MeRewriteLayer, Rejection, RejectionKind, Subject, Upstream};
use tower::{Layer, ServiceExt, service_fn};

use super::support::{
    TOKEN, cause, data, frames, get, kind, permitted, send, tenant, text, trailers,
};

/// The response to the client, if the tenant's response has this status and these headers.
async fn forwarded(
    status: u16,
    headers: &'static [(&'static str, &'static str)],
) -> Response<Body> {
    let tenant_response = move || {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        response
            .extension("an extension")
            .body(frames([data("a page of the tenant's")]))
            .unwrap()
    };
    send(get("/locations"), tenant_response).await.0
}

#[tokio::test]
async fn a_response_is_forwarded_without_headers_about_the_tenant() {
    let response = forwarded(
        200,
        &[
            ("access-control-allow-origin", "*"),
            ("access-control-expose-headers", "x"),
            ("alt-svc", "h3=\":443\""),
            ("connection", "x-hop"),
            ("content-location", "/api/v3/profiles/bob"),
            ("content-type", "application/json"),
            ("forwarded", "for=10.0.0.1"),
            ("host", "api.acme.test"),
            ("link", "<a>"),
            ("link", "<b>, <c>"),
            ("keep-alive", "timeout=5"),
            ("location", "https://api.acme.test/api/v3/locations/7"),
            ("server", "nginx"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("strict-transport-security", "max-age=1"),
            ("trailer", "x-checksum"),
            ("transfer-encoding", "chunked"),
            ("x-accel-redirect", "/internal"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-hop", "1"),
            ("x-powered-by", "PHP"),
            ("x-ratelimit-remaining", "59"),
        ],
    )
    .await;
    let mut headers: Vec<_> = response
        .headers()
        .iter()
        .map(|(n, v)| (n.as_str(), v.to_str().unwrap()))
        .collect();
    headers.sort_by_key(|(name, _)| *name);
    let expected = [
        ("content-type", "application/json"),
        ("link", "<a>"),
        ("link", "<b>, <c>"),
        ("trailer", "x-checksum"),
    ];
    assert_eq!(headers, expected);
    let extensions = response.extensions();
    assert!(extensions.len() == 1 && extensions.get::<Report>().is_some());
    assert_eq!(text(response).await, "a page of the tenant's");
}

#[tokio::test]
async fn a_server_error_of_the_tenant_is_replaced() {
    use RejectionKind::*;
    for (status, expected, code) in [
        (101, TenantAnswer, 502),
        (103, TenantAnswer, 502),
        (401, TenantCredentials, 502),
        (407, TenantAnswer, 502),
        (421, TenantAnswer, 502),
        (500, TenantFailed, 502),
        (502, TenantFailed, 502),
        (503, TenantBusy, 503),
        (504, TenantTimeout, 504),
        (599, TenantFailed, 502),
        (600, TenantAnswer, 502),
    ] {
        let response = forwarded(status, &[("x-note", "SQLSTATE")]).await;
        assert_eq!(kind(&response), expected);
        assert_eq!(response.status().as_u16(), code);
        assert_eq!(cause(&response).status().unwrap().as_u16(), status);
        assert!(!response.headers().contains_key("x-note"));
        assert!(!text(response).await.contains("a page"));
    }
    for status in [200, 201, 302, 403, 404, 422, 429] {
        let response = forwarded(status, &[("retry-after", "9")]).await;
        assert_eq!(response.status().as_u16(), status);
        assert_eq!(response.headers()["retry-after"], "9");
        assert_eq!(text(response).await, "a page of the tenant's");
    }
}

#[tokio::test]
async fn retry_after_of_a_busy_tenant_is_forwarded() {
    let with_header = forwarded(503, &[("retry-after", "120")]).await;
    assert_eq!(with_header.headers()["retry-after"], "120");
    let without_header = forwarded(503, &[]).await;
    assert_eq!(without_header.headers()["retry-after"], "1");
}

#[tokio::test]
async fn a_401_to_a_callers_token_is_forwarded() {
    let responded = async |status: u16| {
        let request = Request::get("/auth/verify")
            .extension(CallAs(ApiToken::new("of-the-caller").unwrap()))
            .body(Body::empty())
            .unwrap();
        let tenant_response = move || Response::builder().status(status).body(Body::empty());
        send(request, move || tenant_response().unwrap()).await.0
    };
    let response = responded(401).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.extensions().get::<Rejection>().is_none());
    assert_eq!(kind(&responded(500).await), RejectionKind::TenantFailed);
}

#[tokio::test]
async fn response_headers_that_echo_the_token_are_removed() {
    let mirror = service_fn(|request: Request<RequestBody>| async move {
        let mut response = Response::new(Body::empty());
        for (name, value) in request.headers() {
            response.headers_mut().append(name, value.clone());
            let echo = http::HeaderName::try_from(format!("x-echo-{name}")).unwrap();
            response.headers_mut().append(echo, value.clone());
        }
        let escaped = TOKEN.replace('|', "%7C");
        response
            .headers_mut()
            .insert("x-escaped", escaped.parse().unwrap());
        Ok::<_, std::io::Error>(response)
    });
    for call_as in [
        None,
        Some(CallAs(ApiToken::new("a-token-of-the-caller").unwrap())),
    ] {
        let mut request = permitted(Request::get("/locations"))
            .header("x-request-id", "42")
            .body(Body::empty())
            .unwrap();
        request.extensions_mut().extend({
            let mut extensions = http::Extensions::new();
            if let Some(call_as) = call_as {
                extensions.insert(call_as);
            }
            extensions
        });
        let response = Upstream::new(mirror, tenant())
            .oneshot(request)
            .await
            .unwrap();
        let all = format!("{:?}", response.headers());
        assert!(
            !all.contains("4fzK") && !all.contains("of-the-caller"),
            "{all}"
        );
        assert_eq!(response.headers()["x-echo-x-request-id"], "42");
    }
}

#[tokio::test]
async fn trailers_are_forwarded_and_filtered() {
    let tenant_response = || {
        let last = trailers(&[
            ("x-checksum", "abc"),
            ("x-echo", concat!("Bearer ", "7|4fzKq0pLw8sN1vXyT2uR")),
            ("set-cookie", "a=b"),
            ("content-length", "7"),
            ("server-timing", "db;dur=53"),
            ("ratelimit-remaining", "59"),
            ("host", "api.acme.test"),
        ]);
        let response = Response::builder().header("trailer", "x-checksum");
        response.body(frames([data("a"), last])).unwrap()
    };
    let (response, _) = send(get("/locations"), tenant_response).await;
    assert_eq!(response.headers()["trailer"], "x-checksum");
    let body = response.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap();
    assert_eq!(trailers.len(), 1);
    assert_eq!(trailers["x-checksum"], "abc");
}

#[tokio::test]
async fn under_me_locations_are_rewritten_and_caching_is_disabled() {
    let client = service_fn(|_: Request<RequestBody>| async {
        Response::builder()
            .status(201)
            .header(
                "location",
                "http://api.acme.test/api/v3/profiles/ada/addresses/7",
            )
            .header("content-location", "/api/v3/profiles/bob")
            .header("cache-control", "public, max-age=600")
            .header("vary", "accept")
            .body(Body::empty())
    });
    let service = MeRewriteLayer::new().layer(Upstream::new(client, tenant()));
    let request = Request::post("/profiles/me/addresses")
        .extension(Subject::Profile("ada".parse().unwrap()))
        .body(Body::empty())
        .unwrap();
    let response = service.oneshot(request).await.unwrap();
    let headers = response.headers();
    assert_eq!(headers["location"], "../../profiles/me/addresses/7");
    assert!(!headers.contains_key("content-location"));
    assert_eq!(headers["cache-control"], "private, no-store");
    let vary: Vec<_> = headers.get_all("vary").iter().collect();
    assert_eq!(vary, ["accept", "authorization"]);
}

#[tokio::test]
async fn the_removed_response_headers_can_be_configured() {
    let client = service_fn(|_: Request<RequestBody>| async {
        Response::builder()
            .header("via", "1.1 lb")
            .header("ratelimit", "\"default\";r=50")
            .header("ratelimit-policy", "\"default\";q=100")
            .header("x-node", "3")
            .body(Body::empty())
    });
    let headers = ResponseHeaders::default()
        .allow("via")
        .unwrap()
        .allow("RateLimit")
        .unwrap()
        .remove("x-node")
        .unwrap();
    let upstream = Upstream::new(client, tenant()).with_response_headers(headers);
    let response = upstream.oneshot(get("/locations")).await.unwrap();
    assert_eq!(response.headers()["via"], "1.1 lb");
    assert!(response.headers().contains_key("ratelimit"));
    assert!(!response.headers().contains_key("ratelimit-policy"));
    assert!(!response.headers().contains_key("x-node"));
}

#[tokio::test]
async fn a_response_with_contradictory_framing_is_replaced() {
    let response = forwarded(200, &[("connection", "a b")]).await;
    assert_eq!(kind(&response), RejectionKind::TenantAnswer);
}

#[tokio::test]
async fn a_206_without_a_range_in_the_request_is_replaced() {
    for content_type in ["text/plain", "multipart/byteranges; boundary=x"] {
        let tenant_response = move || {
            Response::builder()
                .status(206)
                .header("content-range", "bytes 0-11/22")
                .header("content-type", content_type)
                // The first half of the token, which a scan cannot find.
                .body(frames([data("7|4fzKq0pLw8")]))
                .unwrap()
        };
        let request = permitted(Request::get("/locations"))
            .header("range", "bytes=0-11")
            .body(Body::empty())
            .unwrap();
        for request in [get("/locations"), request] {
            let (response, _) = send(request, tenant_response).await;
            assert_eq!(kind(&response), RejectionKind::TenantAnswer);
            assert_eq!(cause(&response).status(), Some(StatusCode::PARTIAL_CONTENT));
            assert!(!text(response).await.contains("4fzK"));
        }
    }
    // A 416 reports an invalid range, and contains none.
    let response = forwarded(416, &[("content-range", "bytes */22")]).await;
    assert_eq!(response.status(), StatusCode::RANGE_NOT_SATISFIABLE);
}

#[tokio::test]
async fn an_echoed_token_is_not_forwarded_in_ranges() {
    // A tenant that serves ranges of a page that contains the token, as RFC 9110 defines them.
    let page = format!("a page with {TOKEN} in it");
    let client = service_fn(move |request: Request<RequestBody>| {
        let page = page.clone();
        async move {
            let Some(range) = request.headers().get("range") else {
                return Ok::<_, std::io::Error>(Response::new(Body::from(bytes::Bytes::from(
                    page,
                ))));
            };
            let range = range.to_str().unwrap().strip_prefix("bytes=").unwrap();
            let (first, last) = range.split_once('-').unwrap();
            let slice = page[first.parse().unwrap()..=last.parse().unwrap()].to_owned();
            let response = Response::builder().status(206);
            Ok(response
                .body(Body::from(bytes::Bytes::from(slice)))
                .unwrap())
        }
    });
    let mut read = String::new();
    for at in 12..12 + TOKEN.len() {
        let request = permitted(Request::get("/locations"))
            .header("range", format!("bytes={at}-{at}"))
            .body(Body::empty())
            .unwrap();
        let upstream = Upstream::new(client.clone(), tenant());
        let mut body = upstream.oneshot(request).await.unwrap().into_body();
        while let Some(Ok(frame)) = body.frame().await {
            let data = frame.into_data().unwrap();
            read.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
    assert!(!read.contains("4fzK"), "{read}");
}

#[tokio::test]
async fn the_api_token_in_a_later_frame_aborts_the_response() {
    let (response, _) = send(get("/locations"), || {
        Response::new(frames([data("a "), data(TOKEN), data(" b")]))
    })
    .await;
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "a ");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.frame().await.is_none());
}
