//! The token verifier compared with `jsonwebtoken`: it never accepts a token that `jsonwebtoken`
//! rejects, and it never panics.
//!
//! Input: one byte of options, then a token; or a header and, after an empty line, a payload. These
//! are signed with a valid signature, so that the checks behind the signature are reached.

#![no_main]

use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use libfuzzer_sys::fuzz_target;
use omneo_id::{Keyring, SigningKey, TokenVerifier};
use serde::Deserialize;
use sha2::Sha256;

/// In a payload: an hour from now.
const SOON: &str = "4000000000";
const SECRET: &[u8] = b"a secret of at least thirty-two bytes";

static VERIFIER: LazyLock<TokenVerifier> = LazyLock::new(|| {
    TokenVerifier::new(Keyring::new(SigningKey::hs256(SECRET).unwrap())).with_cache_capacity(16)
});

static THEIRS: LazyLock<(DecodingKey, Validation)> = LazyLock::new(|| {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_nbf = true;
    // Longer than the verifier's leeway, because time passes between the two checks.
    validation.leeway = 8;
    (DecodingKey::from_secret(SECRET), validation)
});

#[derive(Deserialize)]
struct Anything {}

fn signed(header: &[u8], payload: &[u8]) -> String {
    let encode = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let message = format!("{}.{}", encode(header), encode(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET).unwrap();
    mac.update(message.as_bytes());
    let signature = encode(&mac.finalize().into_bytes());
    format!("{message}.{signature}")
}

fuzz_target!(|data: &[u8]| {
    let Some((&choices, rest)) = data.split_first() else {
        return;
    };
    let token = if choices & 1 == 0 {
        let Ok(token) = std::str::from_utf8(rest) else {
            return;
        };
        token.to_owned()
    } else {
        let (header, payload) = match rest.windows(2).position(|bytes| bytes == b"\n\n") {
            Some(at) => (&rest[..at], &rest[at + 2..]),
            None => (&b"{\"alg\":\"HS256\"}"[..], rest),
        };
        // Seed tokens must not expire.
        let with_timeout = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs()
            + 3_600;
        let payload = String::from_utf8_lossy(payload).replace(SOON, &with_timeout.to_string());
        signed(header, payload.as_bytes())
    };
    let first = VERIFIER.verify(&token);
    if let Ok(verified) = &first {
        let (key, validation) = &*THEIRS;
        let reference = decode::<Anything>(&token, key, validation);
        assert!(reference.is_ok(), "{token}: {reference:?}", reference = reference.err());
        // The cached result is the same.
        assert_eq!(VERIFIER.verify(&token).as_ref().ok(), Some(verified));
        // A token that differs in one character is invalid.
        let mut other = token.clone();
        let last = other.pop().unwrap();
        other.push(if last == 'A' { 'E' } else { 'A' });
        assert!(VERIFIER.verify(&other).is_err());
    }
});
