//! The whole of Omneo ID over the sandbox, with arbitrary requests.
//!
//! Input: one byte of options, then lines: method, target, header lines, an empty line, the body.

#![no_main]

use std::cell::RefCell;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version, header};
use http_body_util::{BodyExt, Full};
use libfuzzer_sys::fuzz_target;
use omneo_id::{AccessPolicy, OmneoId, Rejection, RejectionKind, SigningKey};
use omneo_id::sandbox::Sandbox;
use tokio::runtime::{Builder, Runtime};
use tower::ServiceExt;

#[path = "../../it/naive.rs"]
mod naive;

struct Shop {
    sandbox: Sandbox,
    open: OmneoId<Sandbox>,
    guarded: OmneoId<Sandbox>,
    ada: String,
    anonymous: String,
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().unwrap();
    static SHOP: RefCell<Option<Shop>> = const { RefCell::new(None) };
}

impl Shop {
    fn open(runtime: &Runtime) -> Self {
        let sandbox = Sandbox::new();
        let build = |policy: Option<AccessPolicy>| {
            let builder = OmneoId::builder()
                .upstream("https://api.sandbox.getomneo.com")
                .unwrap()
                .api_token(Sandbox::API_TOKEN)
                .signing_key(SigningKey::hs256("a secret of at least thirty-two bytes").unwrap())
                .clock(|| 1_700_000_000);
            let builder = match policy {
                Some(policy) => builder.access_policy(policy),
                None => builder,
            };
            builder.build_with_client(sandbox.clone()).unwrap()
        };
        let policy = AccessPolicy::allow_all()
            .deny("DELETE", "/")
            .and_then(|policy| policy.deny("*", "/purge"))
            .unwrap();
        let open = build(None);
        let mint = |body: String| {
            let request = Request::post("/auth/token")
                .header(
                    header::AUTHORIZATION,
                    format!("Bearer {}", Sandbox::API_TOKEN),
                )
                .header(header::CONTENT_TYPE, "application/json")
                .body(Full::<Bytes>::from(body))
                .unwrap();
            let response = runtime.block_on(open.clone().oneshot(request)).unwrap();
            let response = runtime
                .block_on(response.into_body().collect())
                .unwrap()
                .to_bytes();
            let text = String::from_utf8(response.to_vec()).unwrap();
            text.split('"')
                .find(|part| part.starts_with("ey"))
                .unwrap()
                .to_owned()
        };
        let (ada, anonymous) = (
            mint(format!(r#"{{"id":"{}"}}"#, Sandbox::ADA_ID)),
            mint("{}".to_owned()),
        );
        sandbox.take_requests();
        Self {
            ada,
            anonymous,
            guarded: build(Some(policy)),
            open,
            sandbox,
        }
    }

    fn whole(&self) -> bool {
        self.sandbox.profile(Sandbox::ADA_ID).is_some()
    }
}

fuzz_target!(|data: &[u8]| {
    let Some((&choices, rest)) = data.split_first() else {
        return;
    };
    let (head, body) = match rest.windows(2).position(|bytes| bytes == b"\n\n") {
        Some(at) => (&rest[..at], &rest[at + 2..]),
        None => (rest, &b""[..]),
    };
    let mut lines = head.split(|&byte| byte == b'\n');
    let Some(Ok(method)) = lines.next().map(Method::from_bytes) else {
        return;
    };
    let Some(Ok(uri)) = lines.next().map(Uri::try_from) else {
        return;
    };
    let mut request = Request::new(Full::<Bytes>::from(body.to_vec()));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.version_mut() = match choices & 3 {
        0 => Version::HTTP_2,
        1 => Version::HTTP_10,
        _ => Version::HTTP_11,
    };
    for line in lines {
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (parts.next(), parts.next()) else {
            continue;
        };
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value.trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            request.headers_mut().append(name, value);
        }
    }
    RUNTIME.with(|runtime| {
        SHOP.with_borrow_mut(|slot| {
            let shop = slot.get_or_insert_with(|| Shop::open(runtime));
            send(runtime, shop, request, choices);
            // A deleted profile cannot be used for further inputs.
            if !shop.whole() {
                *slot = None;
            }
        });
    });
});

fn send(runtime: &Runtime, shop: &Shop, mut request: Request<Full<Bytes>>, choices: u8) {
    let token = match choices >> 2 & 3 {
        0 => None,
        1 => Some(&shop.anonymous),
        _ => Some(&shop.ada),
    };
    if let Some(token) = token {
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().append(header::AUTHORIZATION, value);
    }
    let guarded = choices & 16 != 0;
    let id = if guarded { &shop.guarded } else { &shop.open };
    let target = request.uri().clone();

    let response = runtime.block_on(id.clone().oneshot(request)).unwrap();
    let (parts, body) = response.into_parts();
    let body = runtime
        .block_on(body.collect())
        .map(|body| body.to_bytes())
        .unwrap_or_default();
    let status = parts.status.as_u16();
    assert!(
        status < 500 || matches!(status, 501 | 505),
        "{status} for {target}"
    );
    assert!(!holds(&body, Sandbox::API_TOKEN));
    let received = shop.sandbox.take_requests();
    if let Some(kind) = parts.extensions.get::<Rejection>().map(Rejection::kind) {
        let is_limited = matches!(kind, RejectionKind::TooManyRequests);
        let is_sign_up = target.path().trim_end_matches('/').ends_with("profiles");
        assert!(
            received.is_empty() || is_limited || is_sign_up,
            "{kind:?} {received:?}"
        );
    }
    for received in received {
        let path = received.path();
        let own = naive::stays_below(path.as_bytes(), &["api", "v3", "profiles", Sandbox::ADA_ID]);
        let stores = naive::stays_below(path.as_bytes(), &["api", "v3", "locations"]);
        let sign_up = target.path().trim_matches('/') == "profiles";
        assert!(own || stores || sign_up, "{target}: {path}");
        for (name, _) in naive::query_pairs(received.query().unwrap_or_default().as_bytes()) {
            assert!(!own || name != "identity", "{target}");
        }
        assert_eq!(
            received.headers.get_all(header::AUTHORIZATION).iter().count(),
            1
        );
        for (name, value) in &received.headers {
            assert!(!holds(value.as_bytes(), &shop.ada), "{name}");
            assert!(!name.as_str().contains(['_', '.']), "{name}");
        }
    }
    assert!(!guarded || shop.whole(), "{target}: denied, and done");
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}
