//! The time that each layer adds to a service that responds immediately, and the whole facade to
//! such a tenant. The bare service is measured in the same run.

#![allow(missing_docs, clippy::unwrap_used)]

mod turns;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Request, Response};
use omneo_id::tenants::{RequestHead, TenantByHost, TenantResolver, TenantSet};
use omneo_id::upsert::CommsUpsertLayer;
use omneo_id::upstream::RequestBody;
use omneo_id::{
    Body, Keyring, MeRewriteLayer, OmneoId, OmneoIdTenants, SigningKey, Subject, TokenIssuer,
};
use tower::{Layer, Service, service_fn};
use turns::{by_turns, now};

const PROFILE: &str = "3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10";

fn respond<B>(_: Request<B>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::empty())))
}

fn get(path: &'static str) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static(path);
    request
}

/// Calls an existing service, as a connection does.
fn send<S, B>(service: &RefCell<S>, request: Request<B>)
where
    S: Service<Request<B>, Error = Infallible>,
{
    drop(black_box(now(service.borrow_mut().call(request))));
}

fn me(criterion: &mut Criterion) {
    let subject = Subject::Profile(PROFILE.parse().unwrap());
    let request = || {
        let mut request = get("/profiles/me/balances");
        request.extensions_mut().insert(subject.clone());
        request
    };
    let bare = RefCell::new(service_fn(respond));
    let layered = RefCell::new(MeRewriteLayer::new().layer(service_fn(respond)));
    compare(criterion, "me", &|| send(&bare, request()), &|| {
        send(&layered, request());
    });
}

fn upsert_elsewhere(criterion: &mut Criterion) {
    let request = || get("/locations");
    let bare = RefCell::new(service_fn(respond));
    let layered = RefCell::new(CommsUpsertLayer::default().layer(service_fn(respond)));
    compare(
        criterion,
        "sign-up, on another route",
        &|| send(&bare, request()),
        &|| send(&layered, request()),
    );
}

/// The facade: token, me rule, header policies, credentials, deadlines and response policies.
fn facade(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let token = TokenIssuer::new(ring.clone())
        .issue(&Subject::Profile(PROFILE.parse().unwrap()))
        .unwrap();
    let value = HeaderValue::try_from(format!("Bearer {}", token.token())).unwrap();
    let request = || {
        let mut request = get("/id/api/v1/profiles/me/balances");
        request
            .headers_mut()
            .insert("authorization", black_box(&value).clone());
        request
    };
    let tenant = service_fn(|request: Request<RequestBody>| respond(request));
    let id = OmneoId::builder()
        .upstream("https://api.acme.getomneo.com")
        .unwrap()
        .api_token("an-api-token-of-the-usual-length-0123456789")
        .keyring(ring)
        .mount("/id/api/v1")
        .build_with_client(tenant)
        .unwrap();
    let bare = RefCell::new(service_fn(respond));
    let id = RefCell::new(id);
    compare(criterion, "facade", &|| send(&bare, request()), &|| {
        send(&id, request());
    });
}

/// The same tenant, alone and among a thousand, found by its host.
fn tenants(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let _entered = runtime.enter();
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let builder = |name: &str| {
        OmneoId::builder()
            .upstream(&format!("https://api.{name}.getomneo.com"))
            .unwrap()
            .api_token("an-api-token-of-the-usual-length-0123456789")
            .keyring(ring.clone())
            .audience(name)
            .mount("/id/api/v1")
    };
    let client = service_fn(|request: Request<RequestBody>| respond(request));
    let alone = builder("acme").build_with_client(client).unwrap();
    let token = alone
        .issuer()
        .issue(&Subject::Profile(PROFILE.parse().unwrap()))
        .unwrap();
    let value = HeaderValue::try_from(format!("Bearer {}", token.token())).unwrap();
    let request = || {
        let mut request = get("/id/api/v1/profiles/me/balances");
        let headers = request.headers_mut();
        headers.insert("authorization", black_box(&value).clone());
        headers.insert("host", HeaderValue::from_static("api.acme.shop.example"));
        request
    };

    let mut set = TenantSet::new();
    let mut hosts = TenantByHost::new()
        .with_pattern("api.{tenant}.shop.example")
        .unwrap();
    set.insert("acme".parse().unwrap(), builder("acme"))
        .unwrap();
    for number in 0..1000 {
        let name = format!("t{number}");
        let key = name.parse().unwrap();
        set.insert(key, builder(&name)).unwrap();
        hosts = hosts
            .add_host(&format!("login.{name}.example"), key)
            .unwrap();
    }
    let exact = Request::get("/").header("host", "login.t500.example:443");
    let exact = exact.body(()).unwrap();
    let pattern = request();
    let mut group = criterion.benchmark_group("tenant by host");
    for (name, head) in [
        ("exact", RequestHead::from_request(&exact)),
        ("pattern", RequestHead::from_request(&pattern)),
    ] {
        assert!(hosts.resolve(head).is_some());
        group.bench_function(name, |bench| bench.iter(|| hosts.resolve(black_box(head))));
    }
    group.finish();

    let among_many = OmneoIdTenants::new(hosts, set, client);
    let (alone, among_many) = (RefCell::new(alone), RefCell::new(among_many));
    compare(criterion, "tenants", &|| send(&alone, request()), &|| {
        send(&among_many, request());
    });
}

fn compare(criterion: &mut Criterion, name: &str, bare: &dyn Fn(), layered: &dyn Fn()) {
    let mut group = criterion.benchmark_group(name);
    group.bench_function("bare", |bench| bench.iter(bare));
    group.bench_function("layered", |bench| bench.iter(layered));
    group.finish();
    let [bare, layered] = by_turns([bare, layered]);
    println!(
        "{name}: adds {:?} to {bare:?}\n",
        layered.saturating_sub(bare)
    );
}

criterion_group!(benches, me, upsert_elsewhere, facade, tenants);
criterion_main!(benches);
