//! The time of an accepted and of a rejected request: `JwtAuthLayer` beside jwt-authorizer, in
//! front of the same service, in the same process and in alternation.

use std::convert::Infallible;
use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Request, Response};
use jwt_authorizer::{IntoLayer, JwtAuthorizer, RegisteredClaims, Validation};
use omneo_id::{JwtAuthLayer, Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier};
use tower::{Layer, Service, service_fn};

const SECRET: &str = "a secret of more than thirty-two bytes";
const ROUNDS: usize = 200;
const CALLS: u32 = 500;

/// The output of a future that is ready at once.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the services here respond immediately"),
    }
}

fn call<S, B>(service: &mut S, authorization: &str) -> u16
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let request = Request::get("/").header("authorization", black_box(authorization));
    let request = request.body(Body::empty()).unwrap();
    now(service.call(request)).unwrap().status().as_u16()
}

/// The mean time of a call in the best round.
struct Best(Duration);

impl Best {
    fn round(&mut self, status: u16, mut call: impl FnMut() -> u16) {
        let start = Instant::now();
        for _ in 0..CALLS {
            assert_eq!(call(), status);
        }
        self.0 = self.0.min(start.elapsed() / CALLS);
    }
}

fn main() {
    let pem = |pem: &[u8]| SigningKey::from_pem(pem).unwrap();
    let public = |pem: &str| pem.to_owned();
    let keys = [
        (SigningKey::hs256(SECRET).unwrap(), String::new()),
        (
            pem(include_bytes!("../../../tests/keys/p256.pem")),
            public(include_str!("../../../tests/keys/p256.pub.pem")),
        ),
        (
            pem(include_bytes!("../../../tests/keys/ed25519.pem")),
            public(include_str!("../../../tests/keys/ed25519.pub.pem")),
        ),
        (
            pem(include_bytes!("../../../tests/keys/rsa2048.pem")),
            public(include_str!("../../../tests/keys/rsa2048.pub.pem")),
        ),
    ];
    println!("| per request, ns | jwt-authorizer | miss | hit | its rejection | our rejection |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (key, public) in keys {
        compare(key, &public);
    }
}

fn with_ratio(ours: u128, reference: u128) -> String {
    format!("{ours} ({:.2})", ours as f64 / reference as f64)
}

fn compare(key: SigningKey, public: &str) {
    let algorithm = key.algorithm();
    let ring = Keyring::new(key);
    let ada = Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse().unwrap());
    let token = TokenIssuer::new(ring.clone()).issue(&ada).unwrap();
    let good = format!("Bearer {}", token.token());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    let bad = format!("{message}.{first}{}", &signature[1..]);

    let inner = || {
        service_fn(|request: Request<Body>| {
            drop(request);
            std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty())))
        })
    };
    let reference = match algorithm.as_str() {
        "HS256" => JwtAuthorizer::<RegisteredClaims>::from_secret(SECRET),
        "ES256" => JwtAuthorizer::from_ec_pem_text(public),
        "EdDSA" => JwtAuthorizer::from_ed_pem_text(public),
        _ => JwtAuthorizer::from_rsa_pem_text(public),
    };
    let reference = reference.validation(Validation::new().nbf(true));
    let mut reference = now(reference.build()).unwrap().into_layer().layer(inner());
    let verifier = TokenVerifier::new(ring);
    let mut cached = JwtAuthLayer::new(verifier.clone()).layer(inner());
    let mut uncached = JwtAuthLayer::new(verifier.with_cache_capacity(0)).layer(inner());

    let mut best = [const { Best(Duration::MAX) }; 5];
    for _ in 0..ROUNDS {
        let [their_good, miss, hit, their_bad, our_bad] = &mut best;
        their_good.round(200, || call(&mut reference, &good));
        miss.round(200, || call(&mut uncached, &good));
        hit.round(200, || call(&mut cached, &good));
        their_bad.round(401, || call(&mut reference, &bad));
        our_bad.round(401, || call(&mut cached, &bad));
    }
    let [their_good, miss, hit, their_bad, our_bad] = best.map(|best| best.0.as_nanos());
    println!(
        "| {algorithm} | {their_good} | {} | {} | {their_bad} | {} |",
        with_ratio(miss, their_good),
        with_ratio(hit, their_good),
        with_ratio(our_bad, their_bad),
    );
}
