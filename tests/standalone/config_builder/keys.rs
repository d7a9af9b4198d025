//! The keys and the claims of ID tokens.

use omneo_id::keys::KeySet;
use omneo_id::{Revocations, SigningKey, TokenIssuer};
use tower::ServiceExt;

use super::{API_TOKEN, OTHER_SECRET, get, json, minted, own_token, post, sandbox, status, token};
use crate::config::random_key;
use crate::config_settings::parse;
use crate::process::SECRET;
use crate::secret_files::{ED25519, Temporary};

#[tokio::test]
async fn the_claims_and_the_key_id_of_tokens_are_settings() {
    let flags = [
        "--key-id",
        "2026-11",
        "--issuer",
        "id",
        "--audience",
        "shops",
        "--token-ttl",
        "7m",
    ];
    let id = sandbox(&flags);
    let (header, claims) = minted(&id).await;
    assert_eq!(header["kid"], "2026-11");
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&"id".into(), &"shops".into())
    );
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 420);
    let with_both = |issuer: TokenIssuer| {
        let issuer = issuer.with_issuer("id").unwrap();
        issuer.with_audience("shops").unwrap()
    };
    let key = || SigningKey::hs256(SECRET).unwrap();
    let good = token(key(), with_both);
    assert_eq!(status(&id, get("/profiles/me", &good)).await, 200);
    let without = token(key(), |issuer| issuer.with_issuer("id").unwrap());
    assert_eq!(status(&id, get("/profiles/me", &without)).await, 401);
    let without = token(key(), |issuer| issuer.with_audience("shops").unwrap());
    assert_eq!(status(&id, get("/profiles/me", &without)).await, 401);
}

#[tokio::test]
async fn tokens_of_the_key_in_each_kind_of_file_are_accepted() {
    let public = include_str!("../../keys/p256.pub.pem");
    let p256 = || SigningKey::from_pem(include_bytes!("../../keys/p256.pem")).unwrap();
    let ed25519 = || SigningKey::from_pem(ED25519.as_bytes()).unwrap();
    let other = || SigningKey::hs256(OTHER_SECRET).unwrap();
    let named = |key: SigningKey, id| key.with_key_id(id).unwrap();
    let jwks = KeySet::new(named(p256(), "a")).to_jwks();
    let jwk = jwks["keys"][0].to_string();
    let both = KeySet::new(named(p256(), "a"));
    let both = both.with_verifying_key(named(ed25519(), "b").verifying_key());
    let both = both.unwrap().to_jwks().to_string();
    for (content, keys) in [
        (public, vec![p256()]),
        (ED25519, vec![ed25519()]),
        (&format!("{OTHER_SECRET}\n"), vec![other()]),
        (&jwk, vec![named(p256(), "a")]),
        (&both, vec![named(p256(), "a"), named(ed25519(), "b")]),
    ] {
        let file = Temporary::new("kind-of-file", content.as_bytes());
        let id = sandbox(&["--verifying-key-file", file.path()]);
        for key in keys {
            let token = token(key, |issuer| issuer);
            assert_eq!(
                status(&id, get("/profiles/me", &token)).await,
                200,
                "{content}"
            );
            let without = sandbox(&[]);
            assert_eq!(status(&without, get("/profiles/me", &token)).await, 401);
        }
        assert_eq!(status(&id, get("/profiles/me", &own_token())).await, 200);
    }
}

#[tokio::test]
async fn several_files_of_keys_are_accepted() {
    let one = Temporary::new("several-one", OTHER_SECRET.as_bytes());
    let two = Temporary::new("several-two", ED25519.as_bytes());
    let flags = [
        "--verifying-key-file",
        one.path(),
        "--verifying-key-file",
        two.path(),
    ];
    let id = sandbox(&flags);
    for key in [
        SigningKey::hs256(OTHER_SECRET).unwrap(),
        SigningKey::from_pem(ED25519.as_bytes()).unwrap(),
    ] {
        let token = token(key, |issuer| issuer);
        assert_eq!(status(&id, get("/profiles/me", &token)).await, 200);
    }
}

#[test]
fn two_keys_with_one_id_are_an_error() {
    let key = SigningKey::from_pem(ED25519.as_bytes()).unwrap();
    let jwks = KeySet::new(key.with_key_id("a").unwrap()).to_jwks();
    let file = Temporary::new("one-id", jwks.to_string().as_bytes());
    let flags = [
        "--sandbox",
        "--key-id",
        "a",
        "--verifying-key-file",
        file.path(),
    ];
    let signing = ["--signing-key", SECRET];
    // Keys of different algorithms can have the same id.
    assert!(parse(&[&flags[..], &signing].concat(), &[]).is_ok());
    let pem = Temporary::new("one-id-pem", ED25519.as_bytes());
    let signing = ["--signing-key-file", pem.path()];
    let problem = parse(&[&flags[..], &signing].concat(), &[]).err();
    assert!(problem.unwrap().contains("same key id"));
}

#[tokio::test]
async fn a_random_key_signs_if_none_is_configured() {
    let tenant = parse(&[], &[]).unwrap().tenants.remove(0);
    let random = random_key().unwrap();
    let builder = || tenant.builder(Revocations::new(), &random).unwrap();
    let one = builder()
        .build_with_client(tenant.sandbox().unwrap())
        .unwrap();
    let response = one
        .oneshot(post("/auth/token", API_TOKEN, "{}"))
        .await
        .unwrap();
    let answer = json(response).await;
    let token = answer["data"]["token"].as_str().unwrap();
    // The service after a reload has the same key.
    let two = builder()
        .build_with_client(tenant.sandbox().unwrap())
        .unwrap();
    assert_eq!(status(&two, get("/locations", token)).await, 200);
}
