//! Invariants of every request, tested with generated malicious requests.

mod access_policy;
mod calls;
mod echoes;

use std::cell::Cell;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version,
};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use omneo_id::sandbox::{CapturedRequest, Sandbox};
use omneo_id::upstream::RequestBody;
use omneo_id::{AccessPolicy, OmneoId, Rejection, RejectionKind, SigningKey, Subject};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tower::{ServiceExt, service_fn};

use crate::naive::{query_pairs, stays_below};
use crate::support::body::FrameBody;
use crate::support::{CollectedResponse, SECRET, Shop, bearer};

/// The number of requests per property, unless `PROPTEST_CASES` is set.
const CASES: u32 = 3000;

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
        .prop_map(|(start, separator, segments, tail)| {
            let rest = segments.join("/");
            let separator = if rest.is_empty() { "" } else { separator };
            [start, separator, &rest, tail].concat().into_bytes()
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
