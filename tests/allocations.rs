//! What a verification costs in allocations: a budget. A binary of its own, as it counts them all.

#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#![allow(clippy::unwrap_used)]

use allocation_counter::measure;
use http::{Extensions, HeaderValue, Request, Response};
use omneo_id::identity::VerifiedToken;
use omneo_id::keys::{Keyring, SigningKey};
use omneo_id::{JwtAuthLayer, Subject, TokenIssuer, TokenVerifier};
use tower::{Layer, Service, ServiceExt, service_fn};

/// The claims with profile and token id, the copy of the token in the cache.
const MISS: u64 = 4;

fn token(ring: Keyring) -> String {
    let issuer = TokenIssuer::new(ring);
    issuer
        .issue(&Subject::Profile("3f0c2f6e".parse().unwrap()))
        .unwrap()
        .into_token()
}

#[test]
fn a_known_token_costs_no_allocation() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = TokenVerifier::new(ring.clone());
    let token = token(ring);
    let first = verifier.verify(&token).unwrap();
    let mut again = None;
    let cost = measure(|| again = verifier.verify(&token).ok());
    assert_eq!(again, Some(first));
    assert_eq!(cost.count_total, 0);
}

#[test]
fn an_unknown_token_costs_four_allocations() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = TokenVerifier::new(ring.clone());
    // The table itself is made for the first token.
    verifier.verify(&token(ring.clone())).unwrap();
    let token = token(ring);
    let cost = measure(|| drop(verifier.verify(&token).unwrap()));
    assert!(cost.count_total <= MISS, "{cost:?}");
}

#[test]
fn a_bad_token_costs_none() {
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

/// Through the layer, what remains is the extension itself: `http` boxes each value.
#[test]
fn a_known_token_costs_the_layer_only_what_an_extension_does() {
    let ring = Keyring::new(SigningKey::hs256([7; 32]).unwrap());
    let verifier = TokenVerifier::new(ring.clone());
    let token = token(ring);
    let verified = verifier.verify(&token).unwrap();
    let extension = measure(|| {
        let mut extensions = Extensions::new();
        extensions.insert::<VerifiedToken>(verified.clone());
    });
    let inner =
        service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(())));
    let service = JwtAuthLayer::new(verifier).layer(inner);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let request = || {
        let mut request = Request::new(());
        let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    let call = |request| {
        let mut service = service.clone();
        runtime.block_on(async {
            service.ready().await.unwrap().call(request).await.unwrap();
        });
    };
    call(request());
    let request = request();
    let cost = measure(|| call(request));
    assert_eq!(cost.count_total, extension.count_total);
}
