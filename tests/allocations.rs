//! The allocations of a verification, as a budget. A separate binary: it counts all allocations of
//! the process.

#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use http::{HeaderValue, Request, Response};
use omneo_id::auth::JwtAuth;
use omneo_id::identity::VerifiedToken;
use omneo_id::revocation::Revocation;
use omneo_id::{
    JwtAuthLayer, Keyring, Revocations, SigningKey, Subject, TokenIssuer, TokenVerifier,
};
use tower::{Layer, Service};

/// The claims, their profile and token id, and the copy of the token in the cache.
const MISS: u64 = 4;

/// The cause and its box, the response's header map, and its extensions.
const REFUSAL: u64 = 7;

fn token(ring: Keyring) -> String {
    let issuer = TokenIssuer::new(ring);
    issuer
        .issue(&Subject::Profile("3f0c2f6e".parse().unwrap()))
        .unwrap()
        .into_token()
}

/// A verifier with a full cache.
fn full(ring: &Keyring) -> TokenVerifier {
    let verifier = TokenVerifier::new(ring.clone()).with_cache_capacity(8);
    for _ in 0..64 {
        verifier.verify(&token(ring.clone())).unwrap();
    }
    verifier
}

/// The minimum over a few uncached tokens: some insertions also reallocate the cache's table.
fn least(cost: impl Fn() -> u64) -> u64 {
    (0..4).map(|_| cost()).min().unwrap()
}

#[test]
fn a_cached_token_costs_no_allocation() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = TokenVerifier::new(ring.clone());
    let token = token(ring);
    let first = verifier.verify(&token).unwrap();
    let mut again = None;
    let cost = measure(|| again = verifier.verify(&token).ok());
    assert_eq!(again, Some(first));
    assert_eq!(cost.count_total, 0);
}

/// A token with an invalid signature, unique for each `number`.
fn forged(token: &str, number: u64) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    format!("{message}.{number:016x}{}", &signature[16..])
}

#[test]
fn a_flood_of_invalid_tokens_allocates_no_lasting_memory_and_evicts_no_valid_token() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = full(&ring);
    let token = token(ring);
    verifier.verify(&token).unwrap();
    let storm = measure(|| {
        for number in 0..1_000_000 {
            assert!(verifier.verify(&forged(&token, number)).is_err());
        }
    });
    assert_eq!(storm.bytes_current, 0);
    // The peak is that of one verification.
    assert!(storm.bytes_max < 16 * 1024, "{}", storm.bytes_max);
    let cached = measure(|| drop(verifier.verify(&token)));
    assert_eq!(cached.count_total, 0);
}

#[test]
fn a_cached_token_costs_no_allocation_with_revocations() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let revocations = Revocations::new();
    let verifier = TokenVerifier::new(ring.clone()).with_revocations(revocations.clone());
    let token = token(ring);
    verifier.verify(&token).unwrap();
    // An empty set, a changed one, and an unchanged one.
    for is_changed in [false, true, false] {
        if is_changed {
            end(&revocations, "another", u64::MAX);
        }
        let cost = measure(|| drop(verifier.verify(&token).unwrap()));
        assert_eq!(cost.count_total, 0);
    }
}

fn end(revocations: &Revocations, token_id: &str, expires_at: u64) {
    let token_id = token_id.into();
    let revocation = Revocation::Token {
        token_id,
        expires_at,
    };
    revocations.apply(&revocation).unwrap();
}

#[test]
fn a_million_expired_revocations_leave_no_memory() {
    let time = Arc::new(AtomicU64::new(1));
    let revocations = Revocations::new().with_clock({
        let time = Arc::clone(&time);
        move || time.load(Ordering::Relaxed)
    });
    // The first change of a thread allocates a node of `arc-swap`, for good.
    end(&revocations, "first", 2);
    time.store(2, Ordering::Relaxed);
    revocations.evict_expired();
    let life = measure(|| {
        for number in 0..1_000_000 {
            end(&revocations, &format!("{number:032x}"), 3 + number % 60);
        }
        assert_eq!(revocations.stats().entries, 1_000_000);
        time.store(63, Ordering::Relaxed);
        revocations.evict_expired();
        assert_eq!(revocations.stats().entries, 0);
    });
    assert_eq!(life.bytes_current, 0);
    // About 140 bytes each.
    let peak = life.bytes_max / 1_000_000;
    assert!(peak < 180, "{peak} bytes per entry");
    // A table that is in use evicts by itself, shard by shard.
    let life = measure(|| {
        for second in 0..20 {
            time.store(1000 + 100 * second, Ordering::Relaxed);
            for number in 0..20_000 {
                end(
                    &revocations,
                    &format!("{second} {number}"),
                    1060 + 100 * second,
                );
            }
        }
    });
    assert!(revocations.stats().entries < 100_000);
    assert!(life.bytes_max < 20 * 1024 * 1024, "{}", life.bytes_max);
}

#[test]
fn an_uncached_token_costs_four_allocations() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = full(&ring);
    let cost = least(|| {
        let token = token(ring.clone());
        measure(|| drop(verifier.verify(&token).unwrap())).count_total
    });
    assert_eq!(cost, MISS);
}

#[test]
fn an_invalid_token_costs_no_allocation() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = TokenVerifier::new(ring);
    let forged = token(Keyring::new(SigningKey::hs256([8; 32]).unwrap()));
    verifier.verify(&forged).unwrap_err();
    let cost = measure(|| assert!(verifier.verify(&forged).is_err()));
    assert_eq!(cost.count_total, 0);
    for cheap in ["", "a.b.c", "not a token", &"x".repeat(9000)] {
        let cost = measure(|| assert!(verifier.verify(cheap).is_err()));
        assert_eq!(cost.count_total, 0);
    }
}

#[cfg(feature = "client")]
#[test]
fn the_tenant_of_a_request_is_found_without_an_allocation() {
    use omneo_id::client_info::{ClientInfo, TrustedProxies};
    use omneo_id::tenants::{
        OneTenant, RequestHead, TenantByHeader, TenantByHost, TenantByPath, TenantResolver,
    };

    let hosts = TenantByHost::new()
        .with_pattern("api.{tenant}.shop.example")
        .unwrap()
        .add_host("login.acme.example", "acme".parse().unwrap())
        .unwrap();
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let header = TenantByHeader::new("x-tenant".parse().unwrap(), proxies);
    let resolvers: [&dyn TenantResolver; 4] =
        [&hosts, &TenantByPath, &header, &OneTenant::default()];
    for target in ["/acme/x", "https://LOGIN.acme.example:8443/acme/x", "/"] {
        for host in [
            "api.Brand.shop.example:443",
            "login.acme.example.",
            "user@x",
            "unknown",
        ] {
            let client = ClientInfo::default().add_addr([10, 0, 0, 1].into());
            let request = Request::get(target)
                .header("host", host)
                .header("x-tenant", "acme")
                .extension(client);
            let request = request.body(()).unwrap();
            let head = RequestHead::from_request(&request);
            for resolver in resolvers {
                let mut found = None;
                let cost = measure(|| found = resolver.resolve(head));
                assert_eq!(cost.count_total, 0, "{target} {host} {found:?}");
            }
        }
    }
}

/// In a process with many tenants, most of them have few requests.
#[cfg(feature = "client")]
#[test]
fn a_tenant_without_requests_takes_few_kilobytes() {
    use omneo_id::OmneoId;
    use omneo_id::tenants::TenantSet;

    let mut set = TenantSet::new();
    let mut insert = |name: &str| {
        let builder = OmneoId::builder()
            .upstream("https://api.acme.getomneo.com")
            .unwrap()
            .api_token("secret")
            .signing_key(SigningKey::hs256([7; 32]).unwrap());
        set.insert(name.parse().unwrap(), builder).unwrap();
    };
    insert("first");
    let cost = measure(|| (0..100).for_each(|number| insert(&format!("t{number}"))));
    let each = cost.bytes_current / 100;
    assert!(each < 16 * 1024, "{each} bytes");
}

/// A layer in front of a service that is always ready and responds immediately.
struct LayerSetup {
    service: JwtAuth<Ready>,
    token: String,
}

/// A service that is always ready and responds immediately.
#[derive(Clone)]
struct Ready;

impl Service<Request<()>> for Ready {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        std::future::ready(Ok(Response::new(())))
    }
}

impl LayerSetup {
    fn new(layer: impl FnOnce(JwtAuthLayer) -> JwtAuthLayer) -> Self {
        let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
        let token = token(ring.clone());
        let service = layer(JwtAuthLayer::new(full(&ring))).layer(Ready);
        Self { service, token }
    }

    fn request(&self, token: &str) -> Request<()> {
        let mut request = Request::new(());
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().insert("authorization", value);
        request
    }

    /// The number of allocations until the response.
    fn cost(&self, request: Request<()>, status: u16) -> u64 {
        let mut service = self.service.clone();
        let mut request = Some(request);
        let mut response = None;
        let cost = measure(|| {
            let mut context = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut context).is_ready());
            let future = pin!(service.call(request.take().unwrap()));
            if let Poll::Ready(Ok(ready)) = future.poll(&mut context) {
                response = Some(ready);
            }
        });
        assert_eq!(response.unwrap().status(), status);
        cost.count_total
    }

    /// For a request whose token is cached.
    fn cached_cost(&self, prepare: impl Fn(&mut Request<()>)) -> u64 {
        self.cost(self.request(&self.token), 200);
        let mut request = self.request(&self.token);
        prepare(&mut request);
        self.cost(request, 200)
    }
}

/// The allocations of `http` for one pointer-sized extension of such a request.
fn extension(prepare: impl Fn(&mut Request<()>)) -> u64 {
    #[derive(Clone)]
    struct Extension(#[allow(dead_code)] Arc<()>);

    assert_eq!(size_of::<Extension>(), size_of::<VerifiedToken>());
    let mut request = Request::new(());
    prepare(&mut request);
    let value = Extension(Arc::new(()));
    measure(|| drop(request.extensions_mut().insert(value))).count_total
}

#[test]
fn a_cached_token_costs_the_layer_only_the_extension() {
    let setup = LayerSetup::new(|layer| layer);
    let bare = |_: &mut Request<()>| {};
    assert_eq!(setup.cached_cost(bare), extension(bare));
    let with_extensions = |request: &mut Request<()>| {
        request.extensions_mut().insert("of an outer layer");
    };
    assert_eq!(
        setup.cached_cost(with_extensions),
        extension(with_extensions)
    );
    assert_eq!(extension(with_extensions), 1, "a box, and no more");
}

#[test]
fn a_cached_token_costs_gate_only_no_allocation() {
    let setup = LayerSetup::new(JwtAuthLayer::gate_only);
    assert_eq!(setup.cached_cost(|_| {}), 0);
    assert_eq!(
        setup.cached_cost(|request| {
            request.extensions_mut().insert("of an outer layer");
        }),
        0
    );
}

#[test]
fn an_uncached_token_costs_the_layer_the_verification_and_the_extension() {
    for (setup, additional) in [
        (LayerSetup::new(|layer| layer), extension(|_| {})),
        (LayerSetup::new(JwtAuthLayer::gate_only), 0),
    ] {
        let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
        let cost = least(|| setup.cost(setup.request(&token(ring.clone())), 200));
        assert_eq!(cost, MISS + additional);
    }
}

#[test]
fn a_rejection_costs_its_cause_and_its_response() {
    let setup = LayerSetup::new(|layer| layer);
    let forged = token(Keyring::new(SigningKey::hs256([8; 32]).unwrap()));
    for bad in [&*forged, "a.b.c"] {
        setup.cost(setup.request(bad), 401);
        let cost = setup.cost(setup.request(bad), 401);
        assert!(cost <= REFUSAL, "{cost}");
    }
    let cost = setup.cost(Request::new(()), 401);
    assert!(cost <= REFUSAL, "{cost}");
}
