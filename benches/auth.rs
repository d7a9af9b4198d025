//! The time to verify a token, beside `jsonwebtoken::decode` in the same run; the time of a cache
//! hit among many tokens; and the time that the whole layer adds to a service.

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
use omneo_id::revocation::Revocation;
use omneo_id::{
    JwtAuthLayer, Keyring, Revocations, SigningKey, Subject, TokenIssuer, TokenVerifier,
};
use serde::Deserialize;
use tower::{Layer, ServiceExt, service_fn};
use turns::{by_turns, now};

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

/// The claims that the crate reads, in the form that is the fastest for `jsonwebtoken`.
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

/// The key and the validation that make `jsonwebtoken` check the same as the verifier.
fn reference(ring: &Keyring) -> (DecodingKey, Validation) {
    let jwks = ring.to_jwks();
    let (key, algorithm) = match jwks["keys"].get(0) {
        None => (DecodingKey::from_secret(SECRET), "HS256"),
        Some(jwk) => {
            let parsed: Jwk = serde_json::from_value(jwk.clone()).unwrap();
            (
                DecodingKey::from_jwk(&parsed).unwrap(),
                jwk["alg"].as_str().unwrap(),
            )
        }
    };
    let mut validation = Validation::new(algorithm.parse().unwrap());
    validation.validate_nbf = true;
    (key, validation)
}

/// The token with an invalid signature of the right length.
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
        let (key, validation) = reference(&ring);
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

        let [reference, miss, hit, rejected] = by_turns([
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
        let ratio = |ours: Duration| ours.as_secs_f64() / reference.as_secs_f64();
        println!(
            "{name}: jsonwebtoken {reference:?}; miss {:.2}x, hit {:.3}x, rejection {:.2}x\n",
            ratio(miss),
            ratio(hit),
            ratio(rejected),
        );
    }
}

/// Cache hits among 1, 1000 and 100 000 tokens.
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

/// A million different invalid tokens: the time to reject one by its signature and by its form, and
/// the time of a cache hit afterwards.
fn flood(_: &mut Criterion) {
    const COUNT: u32 = 1_000_000;
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let subject = Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse().unwrap());
    let token = TokenIssuer::new(ring.clone()).issue(&subject).unwrap();
    let token = token.into_token();
    let verifier = TokenVerifier::new(ring);
    verifier.verify(&token).unwrap();
    let (message, signature) = token.rsplit_once('.').unwrap();
    let cost = |kind: &str, make: &dyn Fn(u32) -> String| {
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
        println!("flood: rejecting a token takes {each:?} ({kind})");
    };
    cost("forged signature", &|number| {
        format!("{message}.{number:016x}{}", &signature[16..])
    });
    cost("16 characters that are not a JWT", &|number| {
        format!("{number:016x}")
    });
    cost("8 KiB that are not a JWT", &|number| {
        format!("{number:08192x}")
    });
    let [existing] = by_turns([&|| {
        let _ = black_box(verifier.verify(black_box(&token)));
    }]);
    println!("flood: a cache hit afterwards takes {existing:?}\n");
}

/// A cached token in a request through the layer to a service that responds immediately, and the
/// service alone. The measurement includes building and dropping the request, but not the services.
fn layer(criterion: &mut Criterion) {
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let subject = Subject::Profile("3f0c2f6e-6a57-4f0b-9d3a-0d9a3c1b7f10".parse().unwrap());
    let token = TokenIssuer::new(ring.clone()).issue(&subject).unwrap();
    let value = HeaderValue::try_from(format!("Bearer {}", token.token())).unwrap();
    let layer = JwtAuthLayer::new(TokenVerifier::new(ring));
    let (auth, gate) = (
        layer.layer(service_fn(respond)),
        layer.gate_only().layer(service_fn(respond)),
    );
    let (auth, gate) = (RefCell::new(auth), RefCell::new(gate));
    let bare = || now(service_fn(respond).oneshot(request(&value)));
    let auth = || now((&mut *auth.borrow_mut()).oneshot(request(&value)));
    let gate = || now((&mut *gate.borrow_mut()).oneshot(request(&value)));

    let mut group = criterion.benchmark_group("service");
    group.bench_function("bare", |bench| bench.iter(bare));
    group.bench_function("behind the layer", |bench| bench.iter(auth));
    group.bench_function("behind a gate only", |bench| bench.iter(gate));
    group.finish();

    let [bare, auth, gate] = by_turns([
        &|| drop(black_box(bare())),
        &|| drop(black_box(auth())),
        &|| drop(black_box(gate())),
    ]);
    println!(
        "service: {bare:?}; the layer adds {:?}, a gate only {:?}\n",
        auth.saturating_sub(bare),
        gate.saturating_sub(bare),
    );
}

fn respond(_: Request<()>) -> Ready<Result<Response<()>, Infallible>> {
    ready(Ok(Response::new(())))
}

fn request(authorization: &HeaderValue) -> Request<()> {
    let mut request = Request::new(());
    let headers = request.headers_mut();
    headers.insert("authorization", black_box(authorization).clone());
    request
}

/// Cache hits of a verifier without revocations, with an empty set, with a million entries, and
/// with a set that has changed since the last use of the token. The change itself is not measured.
fn revocations(criterion: &mut Criterion) {
    const TOKENS: usize = 64;
    let ring = Keyring::new(SigningKey::hs256(SECRET).unwrap());
    let issuer = TokenIssuer::new(ring.clone());
    let tokens: Vec<String> = (0..TOKENS)
        .map(|n| {
            let subject = Subject::Profile(format!("profile-{n}").parse().unwrap());
            issuer.issue(&subject).unwrap().into_token()
        })
        .collect();
    let verifier = || TokenVerifier::new(ring.clone());
    let (empty, full) = (Revocations::new(), Revocations::new());
    let end = |revocations: &Revocations, number: usize| {
        let revocation = Revocation::Token {
            token_id: format!("{number:032x}").into(),
            expires_at: u64::MAX,
        };
        revocations.apply(&revocation).unwrap();
    };
    let start = Instant::now();
    // The last entries are added during the measurement.
    (0..900_000).for_each(|number| end(&full, number));
    println!(
        "revocations: 900 000 entries were added in {:?}",
        start.elapsed()
    );
    let verifiers = [
        ("none", verifier()),
        ("empty", verifier().with_revocations(empty)),
        ("a million", verifier().with_revocations(full.clone())),
    ];
    let verify = |verifier: &TokenVerifier| {
        for token in &tokens {
            black_box(verifier.verify(black_box(token)).unwrap());
        }
    };
    let [none, empty, million] = by_turns([
        &|| verify(&verifiers[0].1),
        &|| verify(&verifiers[1].1),
        &|| verify(&verifiers[2].1),
    ])
    .map(|time| time.as_secs_f64() * 1e9 / TOKENS as f64);
    // One change, then one use of each token.
    let mut changed = f64::MAX;
    for number in 900_000..902_000 {
        end(&full, number);
        let start = Instant::now();
        verify(&verifiers[2].1);
        changed = changed.min(start.elapsed().as_secs_f64() * 1e9 / TOKENS as f64);
    }
    println!(
        "revocations: a cache hit takes {none:.1} ns; with an empty set {:+.1} ns, with a million \
         entries {:+.1} ns, after a change {:+.1} ns\n",
        empty - none,
        million - none,
        changed - none,
    );

    let mut group = criterion.benchmark_group("64 cache hits, revocations");
    for (name, verifier) in &verifiers {
        group.bench_function(*name, |bench| bench.iter(|| verify(verifier)));
    }
    let mut number = 902_000;
    group.bench_function("a million, after a change", |bench| {
        bench.iter_custom(|rounds| {
            let mut time = Duration::ZERO;
            for _ in 0..rounds {
                // A profile without a token: an id that is ended already would change nothing.
                number += 1;
                let ended = Revocation::Profile {
                    profile: "another".parse().unwrap(),
                    issued_until: number as u64,
                    expires_at: u64::MAX,
                };
                full.apply(&ended).unwrap();
                let start = Instant::now();
                verify(&verifiers[2].1);
                time += start.elapsed();
            }
            time
        });
    });
    group.finish();
}

criterion_group!(benches, verify, many, flood, layer, revocations);
criterion_main!(benches);
