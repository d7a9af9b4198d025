//! `GET /auth/jwks`.

use http::Method;
use omneo_id::keys::KeySet;
use omneo_id::token::JwksEndpoint;
use omneo_id::{Keyring, SigningKey, TokenVerifier};

use super::*;

fn ed25519() -> SigningKey {
    let key = SigningKey::from_pem(include_bytes!("../../keys/ed25519.pem")).unwrap();
    key.with_key_id("2025").unwrap()
}

fn p256() -> SigningKey {
    let key = SigningKey::from_pem(include_bytes!("../../keys/p256.pem")).unwrap();
    key.with_key_id("2026").unwrap()
}

fn secret() -> SigningKey {
    SigningKey::hs256(SECRET).unwrap()
}

fn shop(ring: &Keyring) -> Shop {
    Shop::with(|builder| builder.keyring(ring.clone()))
}

async fn get(shop: &Shop, if_none_match: &[&str]) -> CollectedResponse {
    let mut request = request(Method::GET, "/auth/jwks", "");
    for value in if_none_match {
        let value = value.parse().unwrap();
        request.headers_mut().append("if-none-match", value);
    }
    shop.call(request).await
}

#[tokio::test]
async fn the_public_keys_verify_the_tokens_of_the_service() {
    for key in [ed25519(), p256()] {
        let shop = shop(&Keyring::new(key.clone()));
        let response = get(&shop, &[]).await.expect(200);
        assert_eq!(response.header("content-type"), "application/jwk-set+json");
        assert_eq!(response.header("cache-control"), "public, max-age=300");
        assert_eq!(
            response.header("content-length"),
            response.body.len().to_string()
        );
        let etag = response.header("etag");
        assert!(
            etag.starts_with('"') && etag.ends_with('"') && etag.len() > 10,
            "{etag}"
        );
        let json = response.json();
        assert_eq!(json["keys"].as_array().unwrap().len(), 1);
        let jwk = &json["keys"][0];
        assert_eq!(jwk["kid"], key.key_id().unwrap());
        assert_eq!(jwk["alg"], key.algorithm().as_str());
        assert_eq!(jwk["use"], "sig");
        assert!(jwk.get("d").is_none(), "the private key");
        let ring = Keyring::from_jwks(&response.body).unwrap();
        let verifier = TokenVerifier::new(ring).with_clock(clock(&shop.clock));
        assert_eq!(
            verifier.verify(&shop.issue(&ada())).unwrap().subject(),
            &ada()
        );
        shop.assert_no_calls();
    }
}

#[tokio::test]
async fn a_head_request_has_the_headers_of_a_get() {
    let shop = shop(&Keyring::new(ed25519()));
    let get = get(&shop, &[]).await;
    let head = shop
        .call(request(Method::HEAD, "//auth/jwks/?x=1", ""))
        .await
        .expect(200);
    assert_eq!(head.headers, get.headers);
    assert!(head.body.is_empty());
}

#[tokio::test]
async fn a_current_representation_is_not_sent_again() {
    let shop = shop(&Keyring::new(ed25519()));
    let full = get(&shop, &[]).await;
    let etag = full.header("etag").to_owned();
    let weak = format!("W/{etag}");
    let list = format!("\"a\", {weak} ,\"b\"");
    for (values, status) in [
        (&[&*etag][..], 304),
        (&[&*weak], 304),
        (&[&*list], 304),
        (&["\"a\"", &*etag], 304),
        (&["*"], 304),
        (&["\"a\""], 200),
        (&["\"a\", \"b\""], 200),
        (&[etag.trim_matches('"')], 200),
        (&[""], 200),
    ] {
        let response = get(&shop, values).await;
        assert_eq!(response.status, status, "{values:?}");
        assert_eq!(response.header("etag"), etag);
        assert_eq!(response.header("cache-control"), "public, max-age=300");
        if status == 304 {
            assert!(response.body.is_empty());
            assert!(!response.headers.contains_key("content-length"));
            assert!(!response.headers.contains_key("content-type"));
        }
    }
    let mut head = request(Method::HEAD, "/auth/jwks", "");
    head.headers_mut()
        .insert("if-none-match", etag.parse().unwrap());
    assert_eq!(shop.call(head).await.status, 304);
}

#[tokio::test]
async fn the_keys_follow_their_rotation() {
    let ring = Keyring::new(ed25519());
    let shop = shop(&ring);
    let first = get(&shop, &[]).await;
    ring.add_verifying_key(p256().verifying_key()).unwrap();
    let etag = first.header("etag");
    let both = get(&shop, &[etag]).await.expect(200);
    assert_ne!(both.header("etag"), etag);
    assert_eq!(both.json()["keys"].as_array().unwrap().len(), 2);
    // Another process with the same keys has the same tag.
    let again = Keyring::new(ed25519());
    again.add_verifying_key(p256().verifying_key()).unwrap();
    let other = self::shop(&again);
    assert_eq!(get(&other, &[]).await.header("etag"), both.header("etag"));
    // Only secrets are left.
    ring.replace(KeySet::new(secret()));
    get(&shop, &[]).await.expect(404);
    // The signing key is a secret, and a public key still verifies.
    ring.add_verifying_key(ed25519().verifying_key()).unwrap();
    let mixed = get(&shop, &[]).await.expect(200);
    assert_eq!(mixed.body, first.body);
    assert!(!String::from_utf8_lossy(&mixed.body).contains("oct"));
}

#[tokio::test]
async fn a_ring_of_secrets_has_no_such_route() {
    let shop = Shop::open();
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST] {
        let mut responses = Vec::new();
        for uri in ["/auth/jwks", "/auth/unknown"] {
            let response = shop.call(request(method.clone(), uri, "")).await;
            responses.push((response.status, response.headers, response.body));
        }
        assert_eq!(responses[0].0, 404, "{method}");
        assert_eq!(responses[0], responses[1], "{method}");
    }
    let grpc = shop
        .call(as_grpc(request(Method::GET, "/auth/jwks", "")))
        .await;
    assert_eq!(grpc.header("grpc-status"), "5");
}

#[tokio::test]
async fn the_service_alone_responds_to_every_method() {
    let ring = Keyring::new(ed25519());
    let endpoint = JwksEndpoint::new(ring.clone());
    assert!(endpoint.has_public_keys());
    for (method, expected) in [
        (Method::GET, 200),
        (Method::HEAD, 200),
        (Method::OPTIONS, 204),
        (Method::POST, 405),
        (Method::DELETE, 405),
    ] {
        let response = send(endpoint.clone(), request(method.clone(), "/", "")).await;
        assert_eq!(response.status(), expected, "{method}");
        if expected != 200 {
            assert_eq!(response.headers()["allow"], "GET, HEAD");
        }
    }
    ring.replace(KeySet::new(secret()));
    assert!(!endpoint.has_public_keys());
    for method in [Method::GET, Method::OPTIONS, Method::POST] {
        let response = send(endpoint.clone(), request(method, "/", "")).await;
        assert_eq!(response.status(), 404);
    }
    assert!(!format!("{endpoint:?}").contains(SECRET));

    let shop = shop(&Keyring::new(ed25519()));
    for method in [Method::POST, Method::DELETE] {
        let response = shop
            .call(request(method, "/auth/jwks", ""))
            .await
            .expect(405);
        assert_eq!(response.header("allow"), "GET, HEAD, OPTIONS");
    }
    let options = shop.call(request(Method::OPTIONS, "/auth/jwks", "")).await;
    assert_eq!(
        (options.status.as_u16(), options.header("allow")),
        (204, "GET, HEAD, OPTIONS")
    );
}
