//! Invariants of every request, tested with generated malicious requests.

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use omneo_id::sandbox::{CapturedRequest, Sandbox};
use omneo_id::upstream::RequestBody;
use omneo_id::{AccessPolicy, OmneoId, Rejection, RejectionKind, SigningKey, Subject};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tower::{ServiceExt, service_fn};

use crate::naive::{query_pairs, stays_below};
use crate::support::{Answer, SECRET, Shop, bearer};

/// The number of requests per property, unless `PROPTEST_CASES` is set.
const CASES: u32 = 3000;

// --- requests
// -------------------------------------------------------------------------------------

/// The credential of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Caller {
    Ada,
    Anonymous,
    Unauthenticated,
}

#[derive(Clone, Debug)]
struct GeneratedRequest {
    caller: Caller,
    method: Method,
    target: Vec<u8>,
    version: Version,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Vec<u8>,
}

/// Pieces of segments: characters with a special meaning for some servers, and plain text.
const PIECES: &[&str] = &[
    ".",
    "..",
    "...",
    "%2e",
    "%2E",
    "%252e",
    "%25252e",
    "%2f",
    "%2F",
    "%252f",
    "%5c",
    "%5C",
    "\\",
    "%255c",
    ";",
    "%3b",
    "%253B",
    "%00",
    "%0a",
    "%0d",
    "%09",
    "%20",
    "%7f",
    "%c0%ae",
    "%c0%af",
    "%e0%80%ae",
    "%f0%80%80%af",
    "%ef%bc%8e",
    "%ef%bc%8f",
    "%ef%bc%bc",
    "%e2%80%a4",
    "%e2%80%a5",
    "%e2%88%95",
    "%e2%81%84",
    "%e2%88%96",
    "%u002e",
    "%u2215",
    "%",
    "%%",
    "%2",
    "%zz",
    "%25",
    "%2525",
    "%3f",
    "%23",
    "?",
    "#",
    "%3f%23",
    "~",
    "@",
    ":",
    "+",
    "=",
    "&",
    "$",
    "!",
    "*",
    "(",
    "'",
    ",",
    "|",
    "a",
    "me",
    "ME",
    "x.y",
    "caf%C3%A9",
    "%E2%98%83",
    "%ff",
    "%ed%a0%80",
    "lists",
    "wishlist",
    "7",
    "purge",
    "p%75rge",
    "%70urge",
    "PURGE",
    "attributes",
    "comms",
    "balances",
    "profiles",
    "locations",
];

fn segment() -> impl Strategy<Value = String> {
    let pieces = prop::collection::vec(select(PIECES), 0..4).prop_map(|pieces| pieces.concat());
    prop_oneof![
        8 => pieces,
        2 => Just("..".to_owned()),
        1 => Just(Sandbox::GRACE_ID.to_owned()),
        1 => "[a-z0-9%.;/\\\\]{0,12}",
        1 => (select(PIECES), 1_usize..200).prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let start = prop_oneof![
        12 => Just("/profiles/me"),
        2 => Just("//profiles//me"),
        2 => Just("/profiles"),
        2 => Just("/locations"),
        1 => Just("/auth/token"),
        1 => Just(""),
        1 => Just("/profiles/ME"),
        1 => Just("/./profiles/me"),
        1 => Just("http://evil.test/profiles/me"),
        1 => Just("*"),
    ];
    let segments = prop::collection::vec(segment(), 0..6);
    let tail = select(&["", "", "/", "//", "%2f", "/.", "/.."][..]);
    (
        start,
        select(&["/", "/", "/", "", "//"][..]),
        segments,
        tail,
    )
        .prop_map(|(start, joint, segments, tail)| {
            let rest = segments.join("/");
            let joint = if rest.is_empty() { "" } else { joint };
            [start, joint, &rest, tail].concat().into_bytes()
        })
}

fn query() -> impl Strategy<Value = String> {
    let name = select(
        &[
            "identity",
            "identity%5Bpos%5D",
            "%69dentity[pos]",
            "+identity",
            "identity.pos",
            "_method",
            "%5fmethod",
            ".method",
            "page%5Bsize%5D",
            "include",
            "filter[x]",
            "",
            "identities",
            "a;identity",
            "token",
            "--env",
        ][..],
    );
    let value = select(
        &[
            "",
            "1",
            "DELETE",
            "PUT",
            "../x",
            "%00",
            "a%20b",
            "%ff",
            "/profiles/x",
        ][..],
    );
    let before = select(
        &[
            "", "", "", "?", "??", "%3f", "&", "+", "%20", "%09", "%0a", "%0d", "?+", "%3F%0b",
        ][..],
    );
    let pair =
        (before, name, value).prop_map(|(before, name, value)| format!("{before}{name}={value}"));
    prop::collection::vec(pair, 0..3).prop_map(|pairs| pairs.join("&"))
}

fn method() -> impl Strategy<Value = Method> {
    let names = select(
        &[
            "GET", "GET", "GET", "HEAD", "POST", "POST", "POST", "PUT", "PATCH", "DELETE",
            "OPTIONS", "TRACE", "CONNECT", "get", "delete", "Post", "PURGE", "SEARCH", "M-SEARCH",
            "GE~T",
        ][..],
    );
    names.prop_map(|name| Method::from_bytes(name.as_bytes()).unwrap())
}

fn header() -> impl Strategy<Value = (HeaderName, HeaderValue)> {
    let name = select(
        &[
            "accept",
            "accept-encoding",
            "authorization",
            "connection",
            "content-encoding",
            "content-length",
            "content-type",
            "cookie",
            "expect",
            "forwarded",
            "host",
            "if-none-match",
            "keep-alive",
            "proxy-authorization",
            "range",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "user-agent",
            "via",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-http-method-override",
            "x-original-url",
            "x-rewrite-url",
            "x_http_method_override",
            "x.original.url",
            "x-request-id",
            "redirect-http-authorization",
            "http2-settings",
            "proxy",
        ][..],
    );
    let value = prop_oneof![
        4 => select(&[
            "", "1", "DELETE", "/profiles/x", "application/json",
            "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
            "application/grpc", "authorization", "host, authorization", "close",
            "upgrade, http2-settings", "h2c", "websocket", "chunked", "gzip", "identity",
            "evil.test", "127.0.0.1", "trailers", "100-continue", "bytes=0-1", "a, b, c d",
            "\"authorization\"",
        ][..]).prop_map(HeaderValue::from_static),
        1 => prop::collection::vec(prop_oneof![Just(9_u8), 32_u8..127, 128_u8..], 0..40)
            .prop_filter_map("a value", |bytes| HeaderValue::from_bytes(&bytes).ok()),
    ];
    (name.prop_map(HeaderName::from_static), value)
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        3 => Just(Vec::new()),
        3 => select(&[
            "{}", r#"{"_method":"DELETE"}"#, r#"{"_method":"PUT","name":"x"}"#,
            r#"{"\u005fmethod":"delete"}"#,
            "_method=DELETE", "a=1&_method=delete", "+%5fmethod=DELETE", r#"{"name":"x"}"#,
            "?_method=DELETE", "a=1&%3f_method=delete", "\t_method=DELETE", "a&%0a_method=DELETE",
            "a=1", "null", "[", "{",
            r#"{"id":"x","email":"a@b.example"}"#, r#"{"identity":{"pos":"1"}}"#,
        ][..]).prop_map(|text: &str| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (60_000_usize..70_000).prop_map(|length| vec![b' '; length]),
    ]
}

fn generated_request() -> impl Strategy<Value = GeneratedRequest> {
    let caller = prop_oneof![
        8 => Just(Caller::Ada),
        1 => Just(Caller::Anonymous),
        1 => Just(Caller::Unauthenticated),
    ];
    let version = select(
        &[
            Version::HTTP_11,
            Version::HTTP_11,
            Version::HTTP_2,
            Version::HTTP_10,
        ][..],
    );
    let target = (path(), prop::option::weighted(0.3, query()));
    let headers = prop::collection::vec(header(), 0..4);
    let media = select(
        &[
            None,
            Some("application/json"),
            Some("application/x-www-form-urlencoded"),
        ][..],
    );
    (caller, method(), target, version, headers, media, body()).prop_map(
        |(caller, method, (mut target, query), version, mut headers, media, body)| {
            if let Some(query) = query {
                target.push(b'?');
                target.extend(query.into_bytes());
            }
            if let Some(media) = media {
                headers.push((http::header::CONTENT_TYPE, HeaderValue::from_static(media)));
            }
            GeneratedRequest {
                caller,
                method,
                target,
                version,
                headers,
                body,
            }
        },
    )
}

impl GeneratedRequest {
    /// `None`: the `http` crate cannot represent the request.
    fn request(&self, tokens: &Tokens) -> Option<Request<Full<Bytes>>> {
        let uri = Uri::try_from(self.target.as_slice()).ok()?;
        let mut request = Request::new(Full::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.version_mut() = self.version;
        for (name, value) in &self.headers {
            request.headers_mut().append(name, value.clone());
        }
        if let Some(token) = tokens.get(self.caller) {
            let value = HeaderValue::from_str(&bearer(token)).unwrap();
            request
                .headers_mut()
                .append(http::header::AUTHORIZATION, value);
        }
        Some(request)
    }
}

struct Tokens {
    ada: String,
    anonymous: String,
}

impl Tokens {
    /// New tokens. A generated request may end those of another case.
    fn issue<C>(id: &OmneoId<C>) -> Self {
        let issue = |subject: &Subject| id.issuer().issue(subject).unwrap().into_token();
        Self {
            ada: issue(&Subject::Profile(Sandbox::ADA_ID.parse().unwrap())),
            anonymous: issue(&Subject::Anonymous),
        }
    }

    fn get(&self, caller: Caller) -> Option<&str> {
        match caller {
            Caller::Ada => Some(&self.ada),
            Caller::Anonymous => Some(&self.anonymous),
            Caller::Unauthenticated => None,
        }
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

fn for_all(property: impl Fn(&GeneratedRequest) -> Result<(), TestCaseError>) {
    let config = Config {
        cases: std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap()),
        max_global_rejects: u32::MAX,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&generated_request(), |generated| property(&generated))
        .unwrap_or_else(|error| panic!("{error}"));
}

/// Whether a client may cause this status. No 5xx, except for an unsupported protocol or version.
fn is_expected(status: u16) -> bool {
    status < 500 || matches!(status, 501 | 505)
}

/// Whether a rejection is decided without a call of the tenant.
fn is_refusal(kind: RejectionKind) -> bool {
    !matches!(
        kind,
        RejectionKind::TenantUnreachable
            | RejectionKind::TenantCredentials
            | RejectionKind::TenantAnswer
            | RejectionKind::TenantFailed
            | RejectionKind::TenantBusy
            | RejectionKind::TenantTimeout
    )
}

// --- properties
// -----------------------------------------------------------------------------------

#[test]
fn every_call_stays_at_or_below_the_profile_without_credentials_of_the_client() {
    let runtime = runtime();
    let shop = Shop::open();
    for_all(|generated| {
        shop.clock.advance(1);
        let tokens = Tokens::issue(&shop.id);
        let Some(request) = generated.request(&tokens) else {
            return Err(TestCaseError::reject("no request"));
        };
        let answer: Answer = runtime.block_on(shop.call(request));
        let forwarded = shop.sandbox.take_requests();
        let status = answer.status.as_u16();
        prop_assert!(is_expected(status), "{status}");
        // The token service checks the caller's credential and profile with the tenant.
        if generated.target.windows(4).any(|bytes| bytes == b"auth") {
            let minting = ["/api/v3/auth/verify", "/api/v3/profiles/search-id"];
            prop_assert!(
                forwarded
                    .iter()
                    .all(|forwarded| minting.contains(&forwarded.path()))
            );
            return Ok(());
        }
        if answer.rejection.is_some_and(is_refusal) {
            prop_assert!(
                forwarded.is_empty(),
                "rejected, but the tenant was called: {forwarded:?}"
            );
        }
        let path = generated
            .target
            .split(|&byte| byte == b'?')
            .next()
            .unwrap_or_default();
        let concerns_me = path.windows(3).any(|bytes| bytes == b"/me");
        let mut segments = path.split(|&byte| byte == b'/').filter(|s| !s.is_empty());
        let is_collection = segments.next() == Some(b"profiles") && segments.next().is_none();
        if generated.caller != Caller::Ada && concerns_me {
            let profiles =
                |forwarded: &CapturedRequest| forwarded.path().starts_with("/api/v3/profiles");
            prop_assert!(!forwarded.iter().any(profiles), "{forwarded:?}");
        }
        for forwarded in forwarded {
            let path = forwarded.path().as_bytes();
            let own = stays_below(path, &["api", "v3", "profiles", Sandbox::ADA_ID]);
            let stores = stays_below(path, &["api", "v3", "locations"]);
            // A sign-up builds its own requests; the client's values are not part of their paths.
            let is_sign_up = generated.method == Method::POST
                && is_collection
                && path.starts_with(b"/api/v3/profiles");
            prop_assert!(own || stores || is_sign_up, "{}", forwarded.uri);
            let is_read = matches!(forwarded.method, Method::GET | Method::HEAD);
            for (name, _) in query_pairs(forwarded.query().unwrap_or_default().as_bytes()) {
                prop_assert!(!own || name != "identity", "{}", forwarded.uri);
                prop_assert!(is_read || name != "_method", "{}", forwarded.uri);
            }
            prop_assert_eq!(forwarded.headers.get_all("authorization").iter().count(), 1);
            prop_assert_eq!(forwarded.headers.get_all("host").iter().count(), 1);
            prop_assert_eq!(
                &forwarded.headers["authorization"],
                &bearer(Sandbox::API_TOKEN)
            );
            for (name, value) in &forwarded.headers {
                let value = String::from_utf8_lossy(value.as_bytes());
                prop_assert!(!value.contains(&tokens.ada), "{name}");
                prop_assert!(!value.contains(&tokens.anonymous), "{name}");
                prop_assert!(!name.as_str().contains(['_', '.']), "{name}");
            }
            for name in [
                "cookie",
                "x-http-method-override",
                "x-original-url",
                "upgrade",
                "http2-settings",
                "forwarded",
                "via",
                "range",
            ] {
                prop_assert!(!forwarded.headers.contains_key(name), "{name}");
            }
            // Our own header, if the client accepts trailers. The client's header is removed.
            let te = forwarded
                .headers
                .get("te")
                .is_none_or(|te| te == "trailers");
            prop_assert!(te && forwarded.headers.get_all("te").iter().count() <= 1);
        }
        Ok(())
    });
}

/// A tenant that echoes the request, in a place that depends on the first byte of the path.
async fn echo(
    request: Request<RequestBody>,
    pick: usize,
) -> Result<Response<StreamBody<EchoedFrames>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let mut mirrored = HeaderMap::new();
    for (name, value) in &parts.headers {
        for prefix in ["", "x-mirrored-"] {
            let name = format!("{prefix}{name}");
            mirrored.append(HeaderName::try_from(name).unwrap(), value.clone());
        }
        let both = [name.as_str().as_bytes(), b"=", value.as_bytes()].concat();
        mirrored.append("x-both", HeaderValue::from_bytes(&both).unwrap());
    }
    if let Ok(value) = HeaderValue::from_bytes(&body) {
        mirrored.append("x-body", value);
    }
    mirrored.remove("content-length");
    mirrored.remove("transfer-encoding");
    let statuses = [
        200, 201, 204, 301, 304, 400, 401, 403, 404, 422, 429, 500, 502, 503, 504, 599,
    ];
    let status = StatusCode::from_u16(statuses[pick % statuses.len()]).unwrap();
    let page = format!(
        "{:?} {}",
        parts.uri,
        String::from_utf8_lossy(parts.headers["authorization"].as_bytes())
    );
    let mut frames = Vec::new();
    // A compressed page cannot be scanned. It is replaced if the status is a server error.
    let codings = parts.headers.get_all("content-encoding").iter();
    let mut codings = codings.map(|coding| coding.as_bytes().trim_ascii());
    let plain = |coding: &[u8]| matches!(coding, b"" | b"identity");
    if status.is_server_error() || codings.all(plain) {
        // The token is at the end, so that it spans two frames at every split.
        let mut page = Bytes::from(page);
        let cut = page.len() - 1 - pick % Sandbox::API_TOKEN.len();
        frames.push(Ok(Frame::data(page.split_to(cut))));
        frames.push(Ok(Frame::data(page)));
    }
    frames.push(Ok(Frame::trailers(mirrored.clone())));
    let mut response = Response::new(StreamBody::new(EchoedFrames(frames.into_iter())));
    *response.status_mut() = status;
    *response.headers_mut() = mirrored;
    Ok(response)
}

struct EchoedFrames(std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>);

impl futures_core::Stream for EchoedFrames {
    type Item = Result<Frame<Bytes>, Infallible>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        std::task::Poll::Ready(self.0.next())
    }
}

#[test]
fn an_echoed_api_token_never_reaches_the_client() {
    let runtime = runtime();
    let clock = Arc::new(AtomicU64::new(1_700_000_000));
    let time = Arc::clone(&clock);
    let forwarded = Arc::new(Mutex::new(0_usize));
    let count = Arc::clone(&forwarded);
    let client = service_fn(move |request: Request<RequestBody>| {
        let mut count = count.lock().unwrap();
        *count += 1;
        echo(request, *count)
    });
    let id = OmneoId::builder()
        .upstream("https://api.sandbox.getomneo.com")
        .unwrap()
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256(SECRET).unwrap())
        .clock(move || time.load(Ordering::Relaxed))
        .build_with_client(client)
        .unwrap();
    let aborted = Cell::new(0_usize);
    let is_not_in_the_response = |generated: &GeneratedRequest| {
        clock.fetch_add(1, Ordering::Relaxed);
        let tokens = Tokens::issue(&id);
        let Some(request) = generated.request(&tokens) else {
            return Err(TestCaseError::reject("no request"));
        };
        let response = runtime.block_on(id.clone().oneshot(request)).unwrap();
        let (parts, mut body) = response.into_parts();
        let mut read = Vec::new();
        let mut trailers = HeaderMap::new();
        runtime.block_on(async {
            while let Some(frame) = body.frame().await {
                match frame.map(Frame::into_data) {
                    Ok(Ok(data)) => read.extend_from_slice(&data),
                    Ok(Err(frame)) => trailers.extend(frame.into_trailers().unwrap_or_default()),
                    Err(_) => {
                        aborted.set(aborted.get() + 1);
                        break;
                    }
                }
            }
        });
        for (name, value) in parts.headers.iter().chain(&trailers) {
            let value = String::from_utf8_lossy(value.as_bytes());
            prop_assert!(!value.contains(Sandbox::API_TOKEN), "{name}: {value}");
        }
        let body = String::from_utf8_lossy(&read);
        prop_assert!(
            !body.contains(Sandbox::API_TOKEN),
            "{} {body}",
            parts.status
        );
        let debug = format!(
            "{:?} {:?}",
            parts.headers,
            parts.extensions.get::<Rejection>()
        );
        prop_assert!(!debug.contains(Sandbox::API_TOKEN), "{debug}");
        Ok(())
    };
    // Only few of the requests reach the tenant, so this runs twice.
    for _ in 0..2 {
        for_all(is_not_in_the_response);
    }
    assert!(
        *forwarded.lock().unwrap() > 100,
        "enough requests reached the tenant"
    );
    assert!(aborted.get() > 50, "enough responses contained the token");
}

/// The action of a Laravel tenant: the effective method, and the segments below the profile.
fn laravel(forwarded: &CapturedRequest) -> (String, Vec<String>) {
    let mut method = forwarded.method.as_str().to_ascii_uppercase();
    if method == "POST" {
        let media = forwarded
            .header("content-type")
            .unwrap_or_default()
            .to_ascii_lowercase();
        let field = |text: &[u8]| {
            let mut pairs = query_pairs(text).into_iter();
            pairs.find_map(|(name, value)| (name == "_method").then_some(value))
        };
        let named = if media.contains("/json") || media.contains("+json") {
            let json: Value = serde_json::from_slice(&forwarded.body).unwrap_or_default();
            json["_method"].as_str().map(str::to_owned)
        } else if media.starts_with("application/x-www-form-urlencoded") {
            field(&forwarded.body)
        } else {
            None
        };
        let named = named.or_else(|| field(forwarded.query().unwrap_or_default().as_bytes()));
        method = named.map_or(method, |named| named.to_ascii_uppercase());
    }
    let path = forwarded
        .path()
        .split('/')
        .skip(5)
        .filter(|segment| !segment.is_empty());
    let decoded = path.map(|segment| {
        let mut bytes = Vec::new();
        let mut rest = segment.as_bytes();
        while let [first, tail @ ..] = rest {
            let code = (*first == b'%').then(|| {
                std::str::from_utf8(tail.get(..2)?)
                    .ok()
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            });
            match code.flatten() {
                Some(byte) => {
                    bytes.push(byte);
                    rest = &tail[2..];
                }
                None => {
                    bytes.push(*first);
                    rest = tail;
                }
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    });
    (method, decoded.collect())
}

#[test]
fn a_denied_request_is_never_executed() {
    let policy = AccessPolicy::allow_all()
        .deny("DELETE", "/")
        .unwrap()
        .deny("*", "/purge")
        .unwrap()
        .deny("DELETE, PUT", "/lists/**")
        .unwrap();
    let runtime = runtime();
    let shop = Shop::with(|builder| builder.access_policy(policy));
    for_all(|generated| {
        shop.clock.advance(1);
        let tokens = Tokens::issue(&shop.id);
        let Some(request) = generated.request(&tokens) else {
            return Err(TestCaseError::reject("no request"));
        };
        let answer: Answer = runtime.block_on(shop.call(request));
        prop_assert!(is_expected(answer.status.as_u16()), "{}", answer.status);
        for forwarded in shop.sandbox.take_requests() {
            if !forwarded
                .path()
                .starts_with(&format!("/api/v3/profiles/{}", Sandbox::ADA_ID))
            {
                continue;
            }
            let (method, below) = laravel(&forwarded);
            let below: Vec<&str> = below.iter().map(String::as_str).collect();
            let denied = match below.as_slice() {
                [] => method == "DELETE",
                [only] if only.eq_ignore_ascii_case("purge") => true,
                ["lists", ..] => method == "DELETE" || method == "PUT",
                _ => false,
            };
            prop_assert!(!denied, "{method} {below:?}");
        }
        prop_assert!(shop.sandbox.profile(Sandbox::ADA_ID).is_some());
        Ok(())
    });
    let token = Tokens::issue(&shop.id).ada;
    let answer = runtime.block_on(shop.get("/profiles/me", &token));
    assert_eq!(answer.status, StatusCode::OK);
    assert!(json!(answer.json()["data"]["id"]) == json!(Sandbox::ADA_ID));
}
