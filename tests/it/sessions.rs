//! Sessions over HTTP: sign-out, revocation, refresh, public keys, and deleted profiles.

mod deleted_profile;
mod jwks;
mod model;
mod refresh;
mod revoke;
mod sign_out;

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::Full;
use omneo_id::auth::AuthFailure;
use omneo_id::revocation::{Receiver, Revocation, RevocationStore, StoreFuture};
use omneo_id::sandbox::{Sandbox, TestTokens};
use omneo_id::{Keyring, OmneoId, Rejection, Revocations, SigningKey, Subject};
use serde_json::{Value, json};
use tower::{Service, ServiceExt};

use crate::support::{CollectedResponse, SECRET, Shop, TestClock, bearer};

/// A method, a target, and a bearer token if it is not empty.
fn request(method: Method, uri: &str, token: &str) -> Request<Full<Bytes>> {
    let mut request = Request::builder().method(method).uri(uri);
    if !token.is_empty() {
        request = request.header("authorization", bearer(token));
    }
    request.body(Full::default()).unwrap()
}

fn json_body(mut request: Request<Full<Bytes>>, body: &Value) -> Request<Full<Bytes>> {
    *request.body_mut() = Full::from(body.to_string());
    request
}

fn as_grpc(mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    let media = "application/grpc".parse().unwrap();
    request.headers_mut().insert("content-type", media);
    request
}

/// The response of a service that cannot fail.
async fn send<S, B, RB>(service: S, request: Request<B>) -> Response<RB>
where
    S: Service<Request<B>, Response = Response<RB>, Error = Infallible>,
{
    service.oneshot(request).await.unwrap()
}

/// The cause of a 401, as metrics count it.
fn cause<B>(response: &Response<B>) -> Option<&'static str> {
    let rejection: &Rejection = response.extensions().get()?;
    AuthFailure::from_rejection(rejection).map(AuthFailure::code)
}

/// A clock for what a test builds beside the shop.
fn clock(clock: &TestClock) -> impl Fn() -> u64 + Send + Sync + 'static {
    let clock = clock.clone();
    move || clock.now()
}

impl Shop {
    async fn revoke(&self, body: &Value) -> CollectedResponse {
        self.post("/auth/revoke", Sandbox::API_TOKEN, body).await
    }

    async fn sign_out(&self, token: &str) -> CollectedResponse {
        self.call(request(Method::DELETE, "/auth/token", token))
            .await
    }

    async fn refresh(&self, token: &str) -> CollectedResponse {
        self.call(request(Method::POST, "/auth/refresh", token))
            .await
    }

    /// Why the service does not accept a token; `None` if it does.
    async fn refusal(&self, token: &str) -> Option<&'static str> {
        let request = request(Method::GET, "/locations", token);
        let response = send(self.id.clone(), request).await;
        let cause = cause(&response);
        assert_eq!(response.status(), if cause.is_some() { 401 } else { 200 });
        self.sandbox.take_requests();
        cause
    }

    #[track_caller]
    fn assert_no_calls(&self) {
        let requests = self.sandbox.take_requests();
        assert!(requests.is_empty(), "{requests:?}");
    }

    /// A token that the issuer of the service would not sign.
    fn sign(&self, claims: &Value) -> String {
        let tokens = TestTokens::new(self.id.issuer().keyring()).unwrap();
        tokens.signed(claims)
    }

    fn issue(&self, subject: &Subject) -> String {
        self.id.issuer().issue(subject).unwrap().into_token()
    }
}

fn ada() -> Subject {
    Subject::Profile(Sandbox::ADA_ID.parse().unwrap())
}

fn grace() -> Subject {
    Subject::Profile(Sandbox::GRACE_ID.parse().unwrap())
}

/// The claims of a token.
fn claims(token: &str) -> Value {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// The token in the response of the mint or of a refresh.
fn token_of(response: &CollectedResponse) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("content-type"), "application/json");
    assert_eq!(response.header("cache-control"), "no-store");
    let data = response.data();
    let token = data["token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&token)["exp"], data["exp"]);
    token
}

/// A store that fails, or that records the revocations.
#[derive(Clone, Default)]
struct Store(Arc<Mutex<Option<Vec<Revocation>>>>);

impl Store {
    fn failing() -> Self {
        Self::default()
    }

    fn working() -> Self {
        Self(Arc::new(Mutex::new(Some(Vec::new()))))
    }

    fn written(&self) -> Vec<Revocation> {
        self.0.lock().unwrap().clone().unwrap()
    }
}

impl RevocationStore for Store {
    fn write<'a>(&'a self, revocation: &'a Revocation) -> StoreFuture<'a, ()> {
        Box::pin(async {
            // Completes at the second poll.
            tokio::task::yield_now().await;
            match &mut *self.0.lock().unwrap() {
                Some(written) => written.push(revocation.clone()),
                None => return Err("the store does not respond".into()),
            }
            Ok(())
        })
    }

    fn read_all<'a>(&'a self, receiver: &'a mut Receiver<'a>) -> StoreFuture<'a, ()> {
        receiver(self.written());
        Box::pin(async { Ok(()) })
    }
}

/// A shop whose set of ended sessions `edit` has changed. The set has the clock of the shop.
fn shop_with(edit: impl FnOnce(Revocations) -> Revocations) -> Shop {
    let mut shop = Shop::open();
    let revocations = edit(Revocations::new().with_clock(clock(&shop.clock)));
    shop.id = OmneoId::builder()
        .upstream("https://api.sandbox.getomneo.com")
        .unwrap()
        .api_token(Sandbox::API_TOKEN)
        .signing_key(SigningKey::hs256(SECRET).unwrap())
        .clock(clock(&shop.clock))
        .revocations(revocations)
        .refresh(refresh::twelve_hours().rotate())
        .build_with_client(shop.sandbox.clone())
        .unwrap();
    shop
}

/// A shop whose revocations are not confirmed by their store.
fn shop_with_failing_store() -> Shop {
    shop_with(|revocations| revocations.with_store(Store::failing()))
}

/// A shop that cannot store any revocation.
fn shop_with_full_set() -> Shop {
    shop_with(|revocations| revocations.with_capacity(0))
}

fn ring() -> Keyring {
    Keyring::new(SigningKey::hs256(SECRET).unwrap())
}

#[tokio::test]
async fn a_store_receives_every_revocation() {
    let store = Store::working();
    let shop = shop_with(|revocations| revocations.with_store(store.clone()));
    let token = shop.issue(&ada());
    shop.sign_out(&token).await.expect(204);
    shop.revoke(&json!({ "id": Sandbox::ADA_ID }))
        .await
        .expect(204);
    shop.revoke(&json!({ "all": true })).await.expect(204);
    assert_eq!(store.written().len(), 3);
}
