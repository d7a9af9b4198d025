//! What does it cost to check a token? Beside `jsonwebtoken::decode`, in the same run. How much of
//! that is left when many are remembered? And what does the whole layer add to a service?

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]

mod turns;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use http::{HeaderValue, Request, Response};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};
use omneo_id::keys::{Keyring, SigningKey};
use omneo_id::{JwtAuthLayer, Subject, TokenIssuer, TokenVerifier};
use serde::Deserialize;
use tower::{Layer, ServiceExt, service_fn};
use turns::{by_turns, now};

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

/// The claims that we read, as the other reads them best.
#[derive(Deserialize)]
#[allow(dead_code)]
struct Claims {
    pid: String,
    exp: u64,
    iat: u64,
    jti: String,
}

fn keys() -> [(&'static str, SigningKey); 4] {
    let pem = |pem: &[u8]| SigningKey::from_pem(pem).unwrap();
    [
        ("HS256", SigningKey::hs256(SECRET).unwrap()),
        ("ES256", pem(include_bytes!("../tests/keys/p256.pem"))),
        ("EdDSA", pem(include_bytes!("../tests/keys/ed25519.pem"))),
        ("RS256", pem(include_bytes!("../tests/keys/rsa2048.pem"))),
    ]
}

fn theirs(ring: &Keyring) -> (DecodingKey, Validation) {
    let jwks = ring.to_jwks();
    let (key, algorithm) = match jwks["keys"].get(0) {
        None => (DecodingKey::from_secret(SECRET), "HS256"),
        Some(jwk) => {
            let jwk_of: Jwk = serde_json::from_value(jwk.clone()).unwrap();
            (
                DecodingKey::from_jwk(&jwk_of).unwrap(),
                jwk["alg"].as_str().unwrap(),
            )
        }
    };
    let mut validation = Validation::new(algorithm.parse().unwrap());
    validation.validate_nbf = true;
    (key, validation)
}

/// The same token under another signature of the right length.
fn forged(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{message}.{first}{}", &signature[1..])
}

fn verify(criterion: &mut Criterion) {
    #[cfg(feature = "aws-lc-rs")]
    let _ = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
    for (name, key) in keys() {
        let ring = Keyring::new(key);
        let issuer = TokenIssuer::new(ring.clone());
        let subject = Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse().unwrap());
        let token = issuer.issue(&subject).unwrap().into_token();
        let forged = forged(&token);
        let (key, validation) = theirs(&ring);
        let uncached = TokenVerifier::new(ring.clone()).with_cache_capacity(0);
        let cached = TokenVerifier::new(ring);
        cached.verify(&token).unwrap();

        let mut group = criterion.benchmark_group(name);
        group.bench_function("jsonwebtoken", |bench| {
            bench.iter(|| decode::<Claims>(black_box(&token), &key, &validation).unwrap());
        });
        group.bench_function("miss", |bench| {
            bench.iter(|| uncached.verify(black_box(&token)).unwrap());
        });
        group.bench_function("hit", |bench| {
            bench.iter(|| cached.verify(black_box(&token)).unwrap());
        });
        group.bench_function("rejected", |bench| {
            bench.iter(|| cached.verify(black_box(&forged)).unwrap_err());
        });
        group.finish();

        let [theirs, miss, hit, rejected] = by_turns([
            &|| {
                let _ = black_box(decode::<Claims>(black_box(&token), &key, &validation));
            },
            &|| {
                let _ = black_box(uncached.verify(black_box(&token)));
            },
            &|| {
                let _ = black_box(cached.verify(black_box(&token)));
            },
            &|| {
                let _ = black_box(cached.verify(black_box(&forged)));
            },
        ]);
        let of = |ours: Duration| ours.as_secs_f64() / theirs.as_secs_f64();
        println!(
            "{name}: of jsonwebtoken's {theirs:?} a miss takes {:.2}, a hit {:.3}, a refusal {:.2}\n",
            of(miss),
            of(hit),
            of(rejected),
        );
    }
}

/// Hits in turn, of ever more tokens.
fn many(criterion: &mut Criterion) {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let issuer = TokenIssuer::new(ring.clone());
    let mut group = criterion.benchmark_group("hits among");
    for count in [1, 1000, 100_000] {
        let verifier = TokenVerifier::new(ring.clone()).with_cache_capacity(2 * count);
        let tokens: Vec<String> = (0..count)
            .map(|n| {
                let subject = Subject::Profile(format!("profile-{n}").parse().unwrap());
                let token = issuer.issue(&subject).unwrap().into_token();
                verifier.verify(&token).unwrap();
                token
            })
            .collect();
        let mut next = tokens.iter().cycle();
        group.bench_function(BenchmarkId::from_parameter(count), |bench| {
            bench.iter(|| verifier.verify(next.next().unwrap()).unwrap());
        });
    }
    group.finish();
}

/// A million bad tokens, no two the same: what one costs, when its signature has to be looked at
/// and when its form is enough, and whether a known token notices.
fn storm(_: &mut Criterion) {
    const COUNT: u32 = 1_000_000;
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let subject = Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse().unwrap());
    let token = TokenIssuer::new(ring.clone()).issue(&subject).unwrap();
    let token = token.into_token();
    let verifier = TokenVerifier::new(ring);
    verifier.verify(&token).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let cost = |what: &str, make: &dyn Fn(u32) -> String| {
        let made = Instant::now();
        for number in 0..COUNT {
            black_box(make(number));
        }
        let made = made.elapsed();
        let start = Instant::now();
        for number in 0..COUNT {
            let _ = black_box(verifier.verify(&make(number))).unwrap_err();
        }
        let each = start.elapsed().saturating_sub(made) / COUNT;
        println!("storm: a bad token costs {each:?} ({what})");
    };
    cost("forged signature", &|number| {
        format!("{message}.{number:016x}{}", &signature[16..])
    });
    cost("no token at all", &|number| format!("{number:016x}"));
    cost("8 KiB of nothing", &|number| format!("{number:08192x}"));
    let [known] = by_turns([&|| {
        let _ = black_box(verifier.verify(black_box(&token)));
    }]);
    println!("storm: a known token after it: {known:?}\n");
}

/// A known token on its way through the layer to a service that answers at once, and that service
/// alone. Each request is made, and dropped, within the measure; the services are there, as they
/// are for a connection.
fn layer(criterion: &mut Criterion) {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let subject = Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse().unwrap());
    let token = TokenIssuer::new(ring.clone()).issue(&subject).unwrap();
    let value = HeaderValue::try_from(format!("Bearer {}", token.token())).unwrap();
    let layer = JwtAuthLayer::new(TokenVerifier::new(ring));
    let (auth, gate) = (
        layer.layer(service_fn(answer)),
        layer.gate_only().layer(service_fn(answer)),
    );
    let (auth, gate) = (RefCell::new(auth), RefCell::new(gate));
    let bare = || now(service_fn(answer).oneshot(request(&value)));
    let auth = || now((&mut *auth.borrow_mut()).oneshot(request(&value)));
    let gate = || now((&mut *gate.borrow_mut()).oneshot(request(&value)));

    let mut group = criterion.benchmark_group("service");
    group.bench_function("bare", |bench| bench.iter(bare));
    group.bench_function("behind the layer", |bench| bench.iter(auth));
    group.bench_function("behind a mere gate", |bench| bench.iter(gate));
    group.finish();

    let [bare, auth, gate] = by_turns([
        &|| drop(black_box(bare())),
        &|| drop(black_box(auth())),
        &|| drop(black_box(gate())),
    ]);
    println!(
        "service: to {bare:?} the layer adds {:?}, a mere gate {:?}\n",
        auth.saturating_sub(bare),
        gate.saturating_sub(bare),
    );
}

fn answer(_: Request<()>) -> Ready<Result<Response<()>, Infallible>> {
    ready(Ok(Response::new(())))
}

fn request(authorization: &HeaderValue) -> Request<()> {
    let mut request = Request::new(());
    let headers = request.headers_mut();
    headers.insert("authorization", black_box(authorization).clone());
    request
}

criterion_group!(benches, verify, many, storm, layer);
criterion_main!(benches);
