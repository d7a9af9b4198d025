//! Properties of requests and responses with generated headers and paths.

use std::future::Future;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use omneo_id::headers::RequestHeaders;
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, MeRewriteLayer, Rejection, Subject, Upstream};
use proptest::collection::vec;
use proptest::prelude::*;
use tower::{Layer, ServiceExt, service_fn};

use super::support::{TOKEN, get, permitted, sent, tenant};

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(future)
}

/// Names with a rule, aliases of them, and other names.
fn name() -> impl Strategy<Value = HeaderName> {
    let known = prop::sample::select(vec![
        "accept",
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "php_auth_user",
        "proxy-authorization",
        "redirect-http-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-http-method-override",
        "x-original-url",
        "x-request-id",
        "x_forwarded_for",
        "x.forwarded.for",
    ]);
    prop_oneof![
        4 => known.prop_map(HeaderName::from_static),
        1 => "[a-z][a-z0-9_.-]{0,12}".prop_map(|name| name.parse().unwrap()),
    ]
}

fn value() -> impl Strategy<Value = HeaderValue> {
    let text = prop_oneof![
        Just("close, authorization, host, x-forwarded-for".to_owned()),
        Just("Bearer of.the.client".to_owned()),
        Just("gzip, chunked".to_owned()),
        Just("0".to_owned()),
        "[ -~]{0,20}",
    ];
    text.prop_map(|text| text.parse().unwrap())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    vec((name(), value()), 0..12).prop_map(|pairs| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name, value);
        }
        headers
    })
}

proptest! {
    #[test]
    fn a_request_has_one_host_one_credential_and_only_allowed_headers(headers in headers()) {
        let mut request = get("/locations");
        *request.headers_mut() = headers;
        let (response, sent) = run(sent(request));
        if response.extensions().get::<Rejection>().is_some() {
            prop_assert!(sent.is_empty());
            prop_assert!(response.status().is_client_error() || response.status() == 200);
            return Ok(());
        }
        let allowed = RequestHeaders::default();
        let client_io = ["authorization", "host"];
        let headers = sent[0].headers();
        for name in headers.keys() {
            prop_assert!(client_io.contains(&name.as_str()) || allowed.allows(name), "{}", name);
        }
        let all = |name: &str| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        prop_assert_eq!(all("authorization"), [format!("Bearer {TOKEN}")]);
        prop_assert_eq!(all("host"), ["api.acme.test"]);
    }

    #[test]
    fn a_me_request_never_leaves_its_profile(path in "(/|/profiles|/me|/\\.|%2e|%2f|\\.|%25|;|\\\\|x|ada|bob|:|~){0,10}") {
        let Ok(request) = Request::get(format!("/profiles/me{path}")).body(Body::empty()) else {
            return Ok(());
        };
        let client = service_fn(|request: Request<RequestBody>| async move {
            let path = request.uri().path().to_owned();
            let response = Response::builder().header("x-path", path);
            Ok::<_, std::io::Error>(response.body(Body::empty()).unwrap())
        });
        let service = MeRewriteLayer::new().layer(Upstream::new(client, tenant()));
        let mut request = request;
        request.extensions_mut().insert(Subject::Profile("ada".parse().unwrap()));
        let response = run(service.oneshot(request)).unwrap();
        if let Some(sent) = response.headers().get("x-path") {
            let resolved = resolve(sent.to_str().unwrap());
            prop_assert!(
                resolved == "/api/v3/profiles/ada" || resolved.starts_with("/api/v3/profiles/ada/"),
                "{:?} is {}", sent, resolved
            );
        }
    }

    #[test]
    fn the_token_is_never_in_a_response_header(
        name in name(), before in "[ -~]{0,8}", after in "[ -~]{0,8}", trailer: bool,
    ) {
        let echo: HeaderValue = format!("{before}{TOKEN}{after}").parse().unwrap();
        let client = service_fn(move |_: Request<RequestBody>| {
            let (name, echo) = (name.clone(), echo.clone());
            async move {
                let mut map = HeaderMap::new();
                map.append(name, echo);
                Ok::<_, std::io::Error>(if trailer {
                    Response::new(super::support::frames([Ok(http_body::Frame::trailers(map))]))
                } else {
                    let mut response = Response::new(Body::empty());
                    *response.headers_mut() = map;
                    response
                })
            }
        });
        let tenant_response = async {
            let request = permitted(Request::builder().method(Method::GET).uri("/x"));
            let request = request.body(Body::empty()).unwrap();
            let response = Upstream::new(client, tenant()).oneshot(request).await.unwrap();
            let headers = response.headers().clone();
            let body = response.into_body().collect().await.unwrap();
            format!("{headers:?} {:?}", body.trailers())
        };
        let seen = run(tenant_response);
        prop_assert!(!seen.contains("4fzK"), "{}", seen);
    }

    #[test]
    fn a_location_is_below_the_subjects_profile_or_removed(
        location in "(https?:)?(//)?(api\\.acme\\.test|evil\\.test)?(/api/v3)?(/profiles|/ada|/bob|/\\.\\.|/%2e%2e|\\?x|#y|;|\\\\|@|:80| ){0,8}",
    ) {
        let Ok(value) = HeaderValue::try_from(&location) else { return Ok(()) };
        let client = service_fn(move |_: Request<RequestBody>| {
            let value = value.clone();
            async move { Response::builder().header("location", value).body(Body::empty()) }
        });
        let service = MeRewriteLayer::new().layer(Upstream::new(client, tenant()));
        let request = Request::get("/profiles/me/x")
            .extension(Subject::Profile("ada".parse().unwrap()))
            .body(Body::empty())
            .unwrap();
        let response = run(service.oneshot(request)).unwrap();
        if let Some(mapped) = response.headers().get("location") {
            let mapped = mapped.to_str().unwrap();
            let below = mapped.strip_prefix("../../profiles/me");
            let below = below.map(|rest| rest.split('?').next().unwrap());
            let is_below = below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            prop_assert!(is_below, "{}", mapped);
            let is_own = location.contains("/profiles/ada") && !location.contains("evil");
            prop_assert!(is_own, "{}", location);
        }
    }
}

/// A path as the most lenient server resolves it: decoded until no escape remains, with backslashes
/// as slashes, without parameters, and with dots resolved.
fn resolve(path: &str) -> String {
    let mut path = path.to_owned();
    loop {
        let mut decoded = path.clone();
        for (code, character) in [
            ("25", "%"),
            ("2e", "."),
            ("2f", "/"),
            ("5c", "\\"),
            ("3b", ";"),
        ] {
            decoded = decoded.replace(&format!("%{code}"), character);
            decoded = decoded.replace(&format!("%{}", code.to_uppercase()), character);
        }
        if decoded == path {
            break;
        }
        path = decoded;
    }
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split(['/', '\\']) {
        match segment.split(';').next().unwrap() {
            ".." => drop(segments.pop()),
            "." | "" => {}
            segment => segments.push(segment),
        }
    }
    format!("/{}", segments.join("/"))
}
