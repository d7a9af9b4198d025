//! Omneo ID in front of the sandbox, in process, with a clock that the test advances.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::request::Builder;
use http::{Request, StatusCode, header};
use http_body_util::Full;
use omneo_id::sandbox::Sandbox;
use omneo_id::{OmneoId, OmneoIdBuilder, SigningKey};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::logs;
use super::response::{CollectedResponse, bearer, json_request};

/// The HS256 secret of the tests.
pub(crate) const SECRET: &str = "a secret of at least thirty-two bytes";

/// The time of a new [`TestClock`]: 2023-11-14T22:13:20Z.
const START: u64 = 1_700_000_000;

/// A clock that starts at [`START`] and moves only by [`advance`](Self::advance).
#[derive(Clone)]
pub(crate) struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub(crate) fn start() -> Self {
        Self(Arc::new(AtomicU64::new(START)))
    }

    pub(crate) fn now(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// A sandbox tenant, Omneo ID in front of it, and the clock of both.
pub(crate) struct Shop {
    pub(crate) sandbox: Sandbox,
    pub(crate) id: OmneoId<Sandbox>,
    pub(crate) clock: TestClock,
}

impl Shop {
    /// A shop with the default configuration.
    pub(crate) fn open() -> Self {
        Self::with(|builder| builder)
    }

    /// A shop whose builder `edit` has changed.
    pub(crate) fn with(edit: impl FnOnce(OmneoIdBuilder) -> OmneoIdBuilder) -> Self {
        logs::watch();
        let sandbox = Sandbox::new();
        let clock = TestClock::start();
        let time = clock.clone();
        let builder = OmneoId::builder()
            .upstream("https://api.sandbox.getomneo.com")
            .unwrap()
            .api_token(Sandbox::API_TOKEN)
            .signing_key(SigningKey::hs256(SECRET).unwrap())
            .clock(move || time.now());
        let id = edit(builder).build_with_client(sandbox.clone()).unwrap();
        Self { sandbox, id, clock }
    }

    pub(crate) async fn send(&self, request: Builder, body: impl Into<Bytes>) -> CollectedResponse {
        self.call(request.body(Full::new(body.into())).unwrap())
            .await
    }

    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> CollectedResponse {
        let response = self.id.clone().oneshot(request).await.unwrap();
        CollectedResponse::collect(response).await
    }

    pub(crate) async fn get(&self, uri: &str, token: &str) -> CollectedResponse {
        self.send(
            Request::get(uri).header(header::AUTHORIZATION, bearer(token)),
            "",
        )
        .await
    }

    pub(crate) async fn post(&self, uri: &str, token: &str, body: &Value) -> CollectedResponse {
        self.send(json_request(Request::post(uri), token), body.to_string())
            .await
    }

    pub(crate) async fn put(&self, uri: &str, token: &str, body: &Value) -> CollectedResponse {
        self.send(json_request(Request::put(uri), token), body.to_string())
            .await
    }

    /// Mints a token at the service's own endpoint, and clears the sandbox's record of requests.
    pub(crate) async fn mint(&self, body: &Value) -> String {
        let response = self.post("/auth/token", Sandbox::API_TOKEN, body).await;
        assert_eq!(response.status, StatusCode::OK, "{:?}", response.body);
        self.sandbox.take_requests();
        response.json()["data"]["token"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    pub(crate) async fn mint_for_ada(&self) -> String {
        self.mint(&json!({ "id": Sandbox::ADA_ID })).await
    }

    pub(crate) async fn mint_anonymous(&self) -> String {
        self.mint(&json!({})).await
    }
}
