//! Many tenants in one process: `OmneoIdTenants`.

mod auth_layer;
mod budget;
mod cache;
mod host;
mod isolation;
mod keys;
mod replace;
mod resolvers;
mod service;
mod set;

use std::collections::HashMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Builder;
use http::{Request, header};
use http_body_util::Full;
use omneo_id::error::BoxError;
use omneo_id::sandbox::{Sandbox, SandboxBody, SandboxFuture};
use omneo_id::tenants::{RequestHead, TenantByHost, TenantKey, TenantResolver, TenantSet};
use omneo_id::upstream::RequestBody;
use omneo_id::{Body, OmneoId, OmneoIdBuilder, OmneoIdTenants, SigningKey};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};

use crate::support::{CollectedResponse, SECRET, TestClock, bearer, logs};

/// The tenants of most tests.
const BRANDS: [&str; 2] = ["acme", "brand"];

fn key(text: &str) -> TenantKey {
    text.parse().unwrap()
}

/// Sandbox tenants by authority, in place of the network.
#[derive(Clone, Default)]
struct Network(Arc<HashMap<String, Sandbox>>);

impl Network {
    /// A tenant at `api.{name}.test` for each name, with an API token of its own.
    fn of(names: &[&str]) -> Self {
        logs::watch();
        let tenant = |name: &&str| {
            let sandbox = Sandbox::builder().api_token(api_token(name)).build();
            (format!("api.{name}.test"), sandbox)
        };
        Self(Arc::new(names.iter().map(tenant).collect()))
    }

    fn tenant(&self, name: &str) -> &Sandbox {
        &self.0[&format!("api.{name}.test")]
    }
}

impl Service<Request<RequestBody>> for Network {
    type Response = http::Response<SandboxBody>;
    type Error = BoxError;
    type Future = SandboxFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<RequestBody>) -> SandboxFuture {
        let authority = request.uri().authority().unwrap().as_str();
        self.0[authority].clone().call(request)
    }
}

fn api_token(name: &str) -> String {
    format!("the-api-token-of-{name}")
}

/// The settings of a tenant of [`Network`]. All tenants have the same signing key.
fn builder(name: &str, clock: &TestClock) -> OmneoIdBuilder {
    let clock = clock.clone();
    OmneoId::builder()
        .upstream(&format!("https://api.{name}.test"))
        .unwrap()
        .api_token(api_token(name))
        .signing_key(SigningKey::hs256(SECRET).unwrap())
        .clock(move || clock.now())
}

/// The hosts `{tenant}.shop.test`.
fn by_host() -> TenantByHost {
    TenantByHost::new()
        .with_pattern("{tenant}.shop.test")
        .unwrap()
}

/// Tenants behind one service.
struct Mall {
    network: Network,
    tenants: OmneoIdTenants<Network>,
    clock: TestClock,
}

impl Mall {
    /// The [`BRANDS`], with the default settings.
    fn open() -> Self {
        Self::with(|_, builder| builder)
    }

    /// The [`BRANDS`]. `edit` changes the builder of each.
    fn with(edit: impl Fn(&str, OmneoIdBuilder) -> OmneoIdBuilder) -> Self {
        let clock = TestClock::start();
        let mut set = TenantSet::new();
        for name in BRANDS {
            let builder = edit(name, builder(name, &clock));
            set.insert(key(name), builder).unwrap();
        }
        Self::new(set, &BRANDS, clock)
    }

    fn new(set: TenantSet, names: &[&str], clock: TestClock) -> Self {
        let network = Network::of(names);
        Self {
            tenants: OmneoIdTenants::new(by_host(), set, network.clone()),
            network,
            clock,
        }
    }

    fn sandbox(&self, name: &str) -> &Sandbox {
        self.network.tenant(name)
    }

    /// Sends a request to the host of this tenant.
    async fn send(
        &self,
        name: &str,
        request: Builder,
        body: impl Into<Bytes>,
    ) -> CollectedResponse {
        send(&self.tenants, name, request, body).await
    }

    async fn get(&self, name: &str, path: &str, token: &str) -> CollectedResponse {
        let request = Request::get(path).header(header::AUTHORIZATION, bearer(token));
        self.send(name, request, "").await
    }

    async fn post(&self, name: &str, path: &str, token: &str, body: &Value) -> CollectedResponse {
        let request = Request::post(path)
            .header(header::AUTHORIZATION, bearer(token))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(name, request, body.to_string()).await
    }

    /// Mints a token at a tenant, and clears the record of its sandbox.
    async fn mint(&self, name: &str, body: &Value) -> String {
        let response = self.post(name, "/auth/token", &api_token(name), body).await;
        let response = response.expect(200);
        self.sandbox(name).take_requests();
        response.data()["token"].as_str().unwrap().to_owned()
    }

    async fn mint_for_ada(&self, name: &str) -> String {
        self.mint(name, &json!({ "id": Sandbox::ADA_ID })).await
    }
}

/// A request to the host of a tenant.
fn request_to(name: &str, request: Builder, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = request.header(header::HOST, format!("{name}.shop.test"));
    request.body(Full::new(body.into())).unwrap()
}

async fn send<C>(
    tenants: &OmneoIdTenants<C>,
    name: &str,
    request: Builder,
    body: impl Into<Bytes>,
) -> CollectedResponse
where
    OmneoIdTenants<C>: Service<Request<Full<Bytes>>, Response = http::Response<Body>> + Clone,
    <OmneoIdTenants<C> as Service<Request<Full<Bytes>>>>::Error: std::fmt::Debug,
{
    let request = request_to(name, request, body);
    let response = tenants.clone().oneshot(request).await.unwrap();
    CollectedResponse::collect(response).await
}

/// Polls a future until it waits for something else than this thread.
async fn begun<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    for _ in 0..100 {
        let poll = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx)));
        assert!(poll.await.is_pending());
        tokio::task::yield_now().await;
    }
    future
}

/// The key that a resolver finds in a request.
fn resolve(resolver: &impl TenantResolver, request: Builder) -> Option<String> {
    let request = request.body(()).unwrap();
    let key = resolver.resolve(RequestHead::from_request(&request));
    key.map(|key| key.to_string())
}
