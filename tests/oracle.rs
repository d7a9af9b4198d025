//! Compares the verifier with `jsonwebtoken::decode` in its strictest settings: the verifier may
//! reject more tokens and must not accept more. A separate binary: `decode` needs a process-wide
//! backend.

#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::sync::{LazyLock, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, EncodingKey, Validation, decode};
use omneo_id::{Keyring, SigningKey, Subject, TokenIssuer, TokenVerifier};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

#[cfg(feature = "aws-lc-rs")]
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
#[cfg(not(feature = "aws-lc-rs"))]
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;

const SECRET: &[u8] = b"a secret of more than thirty-two bytes";

/// One key, in the form of both verifiers.
struct Key {
    ring: Keyring,
    algorithm: jsonwebtoken::Algorithm,
    reference: DecodingKey,
    signing: EncodingKey,
}

static KEYS: LazyLock<[Key; 4]> = LazyLock::new(|| {
    let public = |pem: &[u8]| {
        let ring = Keyring::new(SigningKey::from_pem(pem).unwrap());
        let jwk: Jwk = serde_json::from_value(ring.to_jwks()["keys"][0].clone()).unwrap();
        let reference = DecodingKey::from_jwk(&jwk).unwrap();
        (ring, reference, der(pem))
    };
    let p256 = public(include_bytes!("keys/p256.pem"));
    let ed25519 = public(include_bytes!("keys/ed25519.pem"));
    let rsa = public(include_bytes!("keys/rsa2048.pkcs1.pem"));
    [
        Key {
            ring: Keyring::new(SigningKey::hs256(SECRET).unwrap()),
            algorithm: jsonwebtoken::Algorithm::HS256,
            reference: DecodingKey::from_secret(SECRET),
            signing: EncodingKey::from_secret(SECRET),
        },
        Key {
            ring: p256.0,
            algorithm: jsonwebtoken::Algorithm::ES256,
            reference: p256.1,
            signing: EncodingKey::from_ec_der(&p256.2),
        },
        Key {
            ring: ed25519.0,
            algorithm: jsonwebtoken::Algorithm::EdDSA,
            reference: ed25519.1,
            signing: EncodingKey::from_ed_der(&ed25519.2),
        },
        Key {
            ring: rsa.0,
            algorithm: jsonwebtoken::Algorithm::RS256,
            reference: rsa.1,
            signing: EncodingKey::from_rsa_der(&rsa.2),
        },
    ]
});

fn der(pem: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(pem).unwrap();
    let base64: String = text.lines().filter(|line| !line.starts_with('-')).collect();
    base64::engine::general_purpose::STANDARD
        .decode(base64)
        .unwrap()
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| DEFAULT_PROVIDER.install_default().unwrap());
}

/// The required issuer and audience.
#[derive(Clone, Copy, Debug)]
struct Demands {
    issuer: bool,
    audience: bool,
}

impl Demands {
    fn verifier(self, key: &Key) -> TokenVerifier {
        let mut verifier = TokenVerifier::new(key.ring.clone());
        verifier = verifier.with_leeway(Duration::from_secs(5)).unwrap();
        if self.issuer {
            verifier = verifier.with_issuer("me").unwrap();
        }
        if self.audience {
            verifier = verifier.with_audience("shop").unwrap();
        }
        verifier
    }

    fn reference(self, key: &Key) -> Validation {
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = 5;
        validation.validate_nbf = true;
        let mut required = vec!["exp"];
        if self.issuer {
            validation.set_issuer(&["me"]);
            required.push("iss");
        }
        if self.audience {
            validation.set_audience(&["shop"]);
            required.push("aud");
        }
        validation.set_required_spec_claims(&required);
        validation
    }
}

/// Runs both verifiers, and returns whether the crate's accepts the token.
fn compare(key: &Key, demands: Demands, token: &str) -> Result<bool, TestCaseError> {
    install();
    let verifier = demands.verifier(key);
    let Ok(verified) = verifier.verify(token) else {
        return Ok(false);
    };
    let reference = decode::<Value>(token, &key.reference, &demands.reference(key));
    prop_assert!(reference.is_ok(), "{token}: {:?}", reference.err());
    let claims = reference.unwrap().claims;
    let pid = claims["pid"].as_str().unwrap_or_default();
    let profile = verified.subject().profile();
    prop_assert!(profile.is_none_or(|profile| profile.as_str() == pid));
    // From the cache, the result is the same.
    prop_assert_eq!(verifier.verify(token).unwrap(), verified);
    Ok(true)
}

/// Members of a header or payload: known and unknown ones.
fn object(pool: Vec<(&'static str, Vec<String>)>) -> impl Strategy<Value = String> {
    let members: Vec<_> = pool
        .into_iter()
        .flat_map(|(name, values)| {
            values
                .into_iter()
                .map(move |value| format!(r#""{name}":{value}"#))
        })
        .collect();
    proptest::collection::vec(proptest::sample::select(members), 0..5)
        .prop_map(|members| members.join(","))
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn header() -> impl Strategy<Value = String> {
    object(vec![
        (
            "typ",
            texts(&[r#""JWT""#, r#""jwt""#, r#""JOSE""#, "1", "null"]),
        ),
        ("kid", texts(&[r#""a""#, r#""../b""#, "7", "null"])),
        (
            "alg",
            texts(&[r#""none""#, r#""HS384""#, r#""HS256""#, "null"]),
        ),
        ("crit", texts(&["[]", r#"["exp"]"#])),
        ("b64", texts(&["false"])),
        ("jwk", texts(&[r#"{"kty":"oct","k":"AAAA"}"#])),
        ("cty", texts(&[r#""JWT""#, "{}"])),
        ("x5t", texts(&[r#""AAAA""#, "[]"])),
        ("x5t#S256", texts(&[r#""AAAA""#, "1"])),
        ("url", texts(&[r#""https://a.example""#, "1"])),
        ("nonce", texts(&[r#""n""#, "1"])),
        ("enc", texts(&[r#""A256GCM""#, r#""x""#, "1"])),
        ("zip", texts(&[r#""DEF""#, "1"])),
        ("jku", texts(&[r#""https://a.example""#, "1"])),
        ("x5c", texts(&["[]", "1"])),
        ("x", texts(&["1", "[[]]"])),
    ])
}

fn payload() -> impl Strategy<Value = String> {
    // Far enough from now that a slow machine does not change the result.
    let times = || {
        let now = now();
        let mut times: Vec<String> = [-90_000_i64, -400, 400, 90_000]
            .iter()
            .map(|offset| (now as i64 + offset).to_string())
            .collect();
        times.extend(texts(&[
            "0",
            "-1",
            "null",
            r#""1""#,
            "1e400",
            "1e99",
            "18446744073709551615",
        ]));
        times.push(format!("{}.5", now + 400));
        times
    };
    object(vec![
        ("exp", vec![(now() + 400).to_string(); 6]),
        ("exp", times()),
        ("nbf", times()),
        ("iat", times()),
        (
            "iss",
            texts(&[r#""me""#, r#""me""#, r#""other""#, r#"["me"]"#, "1", "null"]),
        ),
        (
            "aud",
            texts(&[
                r#""shop""#,
                r#""shop""#,
                r#"["a","shop"]"#,
                "[]",
                "{}",
                "null",
                r#"[1]"#,
            ]),
        ),
        (
            "pid",
            texts(&[r#""3f0c2f6e""#, r#""null""#, "null", "7", r#""../x""#, "{}"]),
        ),
        ("jti", texts(&[r#""j""#, "1"])),
    ])
}

fn sign(key: &Key, header: &str, payload: &str) -> String {
    let message = [header, payload]
        .map(|part| URL_SAFE_NO_PAD.encode(part))
        .join(".");
    let signer = (DEFAULT_PROVIDER.signer_factory)(&key.algorithm, &key.signing).unwrap();
    let signature = signer.try_sign(message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn demands() -> impl Strategy<Value = Demands> {
    any::<(bool, bool)>().prop_map(|(issuer, audience)| Demands { issuer, audience })
}

/// A change that invalidates a token.
#[derive(Clone, Debug)]
enum Mutation {
    Replace(Index, u8),
    Insert(Index, char),
    Remove(Index),
    Truncate(Index),
    Swap(Index, Index),
    Append(&'static str),
}

impl Mutation {
    fn apply(&self, token: &str) -> String {
        let mut bytes = token.as_bytes().to_vec();
        match self {
            Self::Replace(at, byte) => *at.get_mut(&mut bytes) = *byte,
            Self::Insert(at, char) => bytes.insert(at.index(bytes.len()), *char as u8),
            Self::Remove(at) => drop(bytes.remove(at.index(bytes.len()))),
            Self::Truncate(at) => bytes.truncate(at.index(bytes.len())),
            Self::Swap(a, b) => bytes.swap(a.index(token.len()), b.index(token.len())),
            Self::Append(text) => bytes.extend_from_slice(text.as_bytes()),
        }
        String::from_utf8(bytes).unwrap()
    }
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let character = || proptest::sample::select(b"ABab09-_.=+/ ~".to_vec());
    prop_oneof![
        (any::<Index>(), character()).prop_map(|(at, byte)| Mutation::Replace(at, byte)),
        (any::<Index>(), character()).prop_map(|(at, byte)| Mutation::Insert(at, byte.into())),
        any::<Index>().prop_map(Mutation::Remove),
        any::<Index>().prop_map(Mutation::Truncate),
        any::<(Index, Index)>().prop_map(|(a, b)| Mutation::Swap(a, b)),
        proptest::sample::select(vec!["=", "==", ".", "A", "\n", " "]).prop_map(Mutation::Append),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..Default::default()
    })]

    #[test]
    fn what_is_signed_but_odd_is_accepted_only_if_both_do(
        key in 0..4_usize,
        demands in demands(),
        extra in header(),
        payload in payload(),
    ) {
        let key = &KEYS[key];
        let comma = if extra.is_empty() { "" } else { "," };
        let header = format!(r#"{{"alg":"{:?}"{comma}{extra}}}"#, key.algorithm);
        compare(key, demands, &sign(key, &header, &format!("{{{payload}}}")))?;
    }

    #[test]
    fn no_spoiled_token_is_accepted_unless_by_both(
        key in 0..4_usize,
        mutations in proptest::collection::vec(mutation(), 1..4),
    ) {
        let key = &KEYS[key];
        let issuer = TokenIssuer::new(key.ring.clone());
        let token = issuer.issue(&Subject::Profile("3f0c2f6e".parse().unwrap())).unwrap();
        let demands = Demands { issuer: false, audience: false };
        prop_assert!(compare(key, demands, token.token())?);
        let spoiled = mutations.iter().fold(token.token().to_owned(), |token, mutation| {
            if token.is_empty() { token } else { mutation.apply(&token) }
        });
        if spoiled != token.token() {
            prop_assert!(!compare(key, demands, &spoiled)?);
        }
    }
}

#[test]
fn minted_tokens_are_accepted_by_both_verifiers() {
    for key in &*KEYS {
        for (issuer, audience) in [(false, false), (true, false), (false, true), (true, true)] {
            let demands = Demands { issuer, audience };
            let mut minter = TokenIssuer::new(key.ring.clone());
            if issuer {
                minter = minter.with_issuer("me").unwrap();
            }
            if audience {
                minter = minter.with_audience("shop").unwrap();
            }
            let token = minter.issue(&Subject::Anonymous).unwrap();
            assert!(compare(key, demands, token.token()).unwrap());
        }
    }
}
