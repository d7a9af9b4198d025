//! Omneo ID over the sandbox, in process: what the stories of the facade need.

pub(crate) mod forbidden;
#[cfg(feature = "client")]
pub(crate) mod framing;
pub(crate) mod logs;
pub(crate) mod script;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::request::Builder;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, OmneoIdBuilder, Rejection, RejectionKind, SigningKey};
use serde_json::{Value, json};
use tower::ServiceExt;

pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";

/// 2023-11-14T22:13:20Z, and later if told so.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

pub(crate) struct Shop {
    pub(crate) sandbox: Sandbox,
    pub(crate) id: OmneoId<Sandbox>,
    pub(crate) clock: TestClock,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) rejection: Option<RejectionKind>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }
}

impl Shop {
    pub(crate) fn open() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(OmneoIdBuilder) -> OmneoIdBuilder) -> Self {
        logs::watch();
        let sandbox = Sandbox::new();
        let clock = TestClock(Arc::new(AtomicU64::new(1_700_000_000)));
        let time = clock.0.clone();
        let builder = OmneoId::builder()
            .upstream("https://api.sandbox.getomneo.com")
            .unwrap()
            .api_token(Sandbox::API_TOKEN)
            .signing_key(SigningKey::hs256(SECRET).unwrap())
            .clock(move || time.load(Ordering::SeqCst));
        let id = configure(builder)
            .build_with_client(sandbox.clone())
            .unwrap();
        Self { sandbox, id, clock }
    }

    pub(crate) async fn send(&self, request: Builder, body: impl Into<Bytes>) -> Answer {
        self.call(request.body(Full::new(body.into())).unwrap())
            .await
    }

    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> Answer {
        let (parts, body) = self.id.clone().oneshot(request).await.unwrap().into_parts();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.unwrap().to_bytes(),
            rejection: parts.extensions.get().map(Rejection::kind),
        }
    }

    pub(crate) async fn get(&self, uri: &str, token: &str) -> Answer {
        self.send(
            Request::get(uri).header(header::AUTHORIZATION, bearer(token)),
            "",
        )
        .await
    }

    pub(crate) async fn post(&self, uri: &str, token: &str, body: &Value) -> Answer {
        self.send(json_request(Request::post(uri), token), body.to_string())
            .await
    }

    pub(crate) async fn put(&self, uri: &str, token: &str, body: &Value) -> Answer {
        self.send(json_request(Request::put(uri), token), body.to_string())
            .await
    }

    /// A token by the service's own endpoint. What that asked of the tenant is forgotten.
    pub(crate) async fn mint(&self, body: &Value) -> String {
        let answer = self.post("/auth/token", Sandbox::API_TOKEN, body).await;
        assert_eq!(answer.status, StatusCode::OK, "{:?}", answer.body);
        self.sandbox.take_requests();
        answer.json()["data"]["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn mint_for_ada(&self) -> String {
        self.mint(&json!({ "id": Sandbox::ADA_ID })).await
    }

    pub(crate) async fn mint_anonymous(&self) -> String {
        self.mint(&json!({})).await
    }
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

fn json_request(request: Builder, token: &str) -> Builder {
    request
        .header(header::AUTHORIZATION, bearer(token))
        .header(header::CONTENT_TYPE, "application/json")
}
