//! `Retry-After` of the tenant's 429 and 503: on every route, in the caller's protocol, bounded.

use super::*;

type TenantResponse = Response<Body>;

const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Values of `Retry-After`, the `Date` of the same response, and the value that a caller receives.
const VALUES: &[(&str, Option<&str>, Option<&str>)] = &[
    ("7", None, Some("7")),
    ("60", Some(DATE), Some("60")),
    ("0", None, Some("0")),
    ("007", None, Some("7")),
    ("86400", None, Some("86400")),
    ("86401", None, None),
    ("99999999999", None, None),
    ("99999999999999999999999", None, None),
    ("", None, None),
    ("-1", None, None),
    ("+7", None, None),
    ("7.5", None, None),
    ("7, 8", None, None),
    ("7s", None, None),
    ("soon", None, None),
    ("<script>", None, None),
    // A date is relative to the response's own `Date`, in each of the three forms of RFC 9110
    // §5.6.7.
    ("Sun, 06 Nov 1994 08:50:37 GMT", Some(DATE), Some("60")),
    ("Sunday, 06-Nov-94 08:50:37 GMT", Some(DATE), Some("60")),
    ("Sun Nov  6 08:50:37 1994", Some(DATE), Some("60")),
    ("Mon, 07 Nov 1994 08:49:37 GMT", Some(DATE), Some("86400")),
    ("Mon, 07 Nov 1994 08:49:38 GMT", Some(DATE), None),
    ("Fri, 31 Dec 2100 23:59:59 GMT", Some(DATE), None),
    // A date in the past.
    ("Sun, 06 Nov 1994 08:49:36 GMT", Some(DATE), Some("0")),
    ("Sun, 06 Nov 1994 08:50:37 GMT", None, None),
    ("Sun, 06 Nov 1994 08:50:37 GMT", Some("yesterday"), None),
    ("Sun, 06 Nov 1994 08:50:37 CET", Some(DATE), None),
];

fn busy(status: u16, retry_after: &'static str, date: Option<&'static str>) -> Response<Body> {
    let mut response = Response::builder()
        .status(status)
        .header("retry-after", retry_after);
    if let Some(date) = date {
        response = response.header("date", date);
    }
    response.body(Body::empty()).unwrap()
}

fn text<'a, B>(response: &'a Response<B>, name: &str) -> Option<&'a str> {
    let value = response.headers().get(name)?;
    Some(value.to_str().unwrap())
}

#[tokio::test]
async fn a_mint_forwards_the_retry_after_of_the_tenant_within_bounds() {
    for status in [429, 503] {
        for &(value, date, expected) in VALUES {
            for body in ["{}", r#"{"id":"1","id_handle":"h"}"#] {
                let tenant = Tenant::new(move || busy(status, value, date));
                let (found, _, response) = send(tenant.endpoint(), post(body)).await;
                assert_eq!(found, status);
                assert_eq!(text(&response, "retry-after"), expected, "{value}");
            }
        }
    }
    // Other responses have no `Retry-After`: the value of the tenant would not apply to them.
    for status in [401, 404, 500, 504] {
        let tenant = Tenant::new(move || busy(status, "7", None));
        let (_, _, response) = send(tenant.endpoint(), post("{}")).await;
        assert_eq!(text(&response, "retry-after"), None);
    }
}

#[tokio::test]
async fn grpc_gets_retry_after_as_a_pushback_in_milliseconds() {
    for status in [429, 503] {
        let tenant = Tenant::new(move || busy(status, "60", None));
        let mut request = post("{}");
        let media = "application/grpc".parse().unwrap();
        request.headers_mut().insert("content-type", media);
        let (found, _, response) = send(tenant.endpoint(), request).await;
        assert_eq!(found, 200);
        assert!(response.headers().contains_key("grpc-status"));
        assert_eq!(text(&response, "retry-after"), None);
        assert_eq!(text(&response, "grpc-retry-pushback-ms"), Some("60000"));
    }
    let tenant = Tenant::respond_with(503, "");
    let mut request = post("{}");
    let media = "application/grpc".parse().unwrap();
    request.headers_mut().insert("content-type", media);
    let (_, _, response) = send(tenant.endpoint(), request).await;
    assert_eq!(text(&response, "grpc-retry-pushback-ms"), None);
}

#[cfg(feature = "client")]
mod routes {
    use omneo_id::OmneoId;
    use omneo_id::upstream::RequestBody;

    use super::*;

    type TenantRequest = Request<RequestBody>;

    const KNOWN: &str = r#"{"data":[{"id":"3f0c2f6e","email":"ada@example.com"}]}"#;

    /// A tenant with one profile, which returns `response` to requests that match `is_busy`.
    fn shop(
        tenant_response: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static,
        is_busy: fn(&Method, &str) -> bool,
    ) -> OmneoId<
        impl Service<TenantRequest, Response = TenantResponse, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
    > {
        let client = service_fn(move |request: Request<RequestBody>| {
            let path = request.uri().path().trim_start_matches("/api/v3");
            let response = match (request.method().as_str(), path) {
                _ if is_busy(request.method(), path) => tenant_response(),
                ("GET", "/profiles") if request.uri().query().unwrap().contains("ada") => {
                    Response::new(Body::from(Bytes::from(KNOWN)))
                }
                ("GET", "/profiles") => Response::new(Body::from(Bytes::from(r#"{"data":[]}"#))),
                _ => Response::new(Body::from(Bytes::from("{}"))),
            };
            std::future::ready(Ok(response))
        });
        OmneoId::builder()
            .upstream("https://api.acme.test")
            .unwrap()
            .api_token(API_TOKEN)
            .keyring(ring())
            .clock(|| NOW)
            .build_with_client(client)
            .unwrap()
    }

    fn request(method: &str, uri: &str, body: &'static str) -> Request<Full<Bytes>> {
        let bearer = match uri {
            "/auth/token" => API_TOKEN.to_owned(),
            _ => issuer().issue(&ada()).unwrap().into_token(),
        };
        Request::builder()
            .method(method)
            .uri(uri)
            .header(AUTHORIZATION, format!("Bearer {bearer}"))
            .header("content-type", "application/json")
            .body(Full::from(body))
            .unwrap()
    }

    const SIGN_UP: &str = r#"{"email":"new@example.com"}"#;
    const CONSENT: &str =
        r#"{"email":"ada@example.com","attributes":{"comms":{"email_promo":true}}}"#;

    /// Requests that depend on one call of the tenant, and that call.
    #[allow(clippy::type_complexity)]
    const CALLS: &[(&str, &str, &str, fn(&Method, &str) -> bool)] = &[
        ("POST", "/auth/token", "{}", |_, path| {
            path == "/auth/verify"
        }),
        ("POST", "/auth/token", r#"{"id":"3f0c2f6e"}"#, |_, path| {
            path == "/profiles/search-id"
        }),
        ("POST", "/profiles", SIGN_UP, |method, path| {
            method == Method::GET && path == "/profiles"
        }),
        ("POST", "/profiles", SIGN_UP, |method, path| {
            method == Method::POST && path == "/profiles"
        }),
        ("POST", "/profiles", CONSENT, |method, _| {
            method == Method::PUT
        }),
        ("GET", "/profiles/me", "", |_, _| true),
        ("PUT", "/profiles/me", "{}", |_, _| true),
        ("GET", "/locations", "", |_, _| true),
        ("GET", "/locations/7", "", |_, _| true),
    ];

    #[tokio::test]
    async fn every_route_repeats_the_retry_after_of_its_tenant() {
        for &(method, uri, body, is_busy) in CALLS {
            for status in [429, 503] {
                for &(value, date, expected) in VALUES {
                    // The default of the crate's own 503.
                    let expected = expected.or((status == 503).then_some("1"));
                    let id = shop(move || busy(status, value, date), is_busy);
                    let response = id.oneshot(request(method, uri, body)).await.unwrap();
                    let case = format!("{method} {uri} {body} {status} {value} {date:?}");
                    assert_eq!(response.status(), status, "{case}");
                    assert_eq!(text(&response, "retry-after"), expected, "{case}");
                }
            }
        }
    }

    #[tokio::test]
    async fn every_route_tells_grpc_callers_of_a_503_when_to_retry() {
        for &(method, uri, body, is_busy) in CALLS {
            let id = shop(|| busy(503, "60", None), is_busy);
            let mut request = request(method, uri, body);
            let media = "application/grpc".parse().unwrap();
            request.headers_mut().insert("content-type", media);
            if uri == "/profiles" {
                // A sign-up is JSON: a gRPC request is rejected without a call of the tenant.
                continue;
            }
            let response = id.oneshot(request).await.unwrap();
            let pushback = text(&response, "grpc-retry-pushback-ms");
            assert_eq!(pushback, Some("60000"), "{method} {uri}");
        }
    }
}
